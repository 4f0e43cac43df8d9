/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock by its three system calls. Each version of the kernel knows more than the one before: what this one does not
 * know is not asked for.
 */
#include "base/check.h"
#include "os/sandbox_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Younger than Debian's header. */
#define FS_TRUNCATE      (1ull << 14) /* ABI 3 */
#define FS_IOCTL_DEV     (1ull << 15) /* ABI 5 */
#define NET_TCP          3ull         /* ABI 4: bind, connect */
#define SCOPE_EVERYTHING 3ull         /* ABI 6: abstract unix sockets, signals */

struct ruleset {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* ABI 4 */
	uint64_t scoped;             /* ABI 6 */
};

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_ABI_1                                                                                           \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_READ |                            \
		LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                           \
		LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
		LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |                              \
		LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

static uint64_t fs_known(int abi)
{
	uint64_t known = FS_ABI_1;

	if (abi >= 2)
		known |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		known |= FS_TRUNCATE;
	if (abi >= 5)
		known |= FS_IOCTL_DEV;
	return known;
}

static int make_ruleset(int abi)
{
	const struct ruleset rules = {.handled_access_fs = fs_known(abi),
		.handled_access_net = NET_TCP,
		.scoped = SCOPE_EVERYTHING};
	size_t len = abi >= 6   ? sizeof(rules)
		     : abi >= 4 ? offsetof(struct ruleset, scoped)
				: offsetof(struct ruleset, handled_access_net);
	long fd = syscall(SYS_landlock_create_ruleset, &rules, len, 0);

	return fd < 0 ? -errno : (int)fd;
}

static uint64_t fs_rights(uint32_t rights)
{
	uint64_t access = 0;

	if (rights & SANDBOX_DIR_READ)
		access |= FS_READ;
	if (rights & SANDBOX_DIR_WRITE)
		access |= LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | FS_TRUNCATE;
	if (rights & SANDBOX_DIR_SOCKETS)
		access |= LANDLOCK_ACCESS_FS_MAKE_SOCK;
	if (rights & SANDBOX_DIR_REMOVE)
		access |= LANDLOCK_ACCESS_FS_REMOVE_FILE;
	return access;
}

static int allow(int ruleset, int abi, const struct sandbox_dir *dir)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = fs_rights(dir->rights) & fs_known(abi)};
	int err = 0;

	rule.parent_fd = open(dir->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return -errno;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		err = -errno;
	close(rule.parent_fd);
	return err;
}

static int allow_all(int ruleset, int abi, const struct sandbox_config *c, char *why, size_t why_len)
{
	static const struct sandbox_dir proc = {"/proc", SANDBOX_DIR_READ};
	bool sanitized = SANDBOX_SANITIZED;
	int err = sanitized ? allow(ruleset, abi, &proc) : 0;

	for (uint32_t i = 0; i < c->n_dirs && err == 0; i++) {
		err = allow(ruleset, abi, &c->dirs[i]);
		if (err)
			snprintf(why, why_len, "%s: %s: it has to be a directory that is there",
				c->dirs[i].path, strerror(-err));
	}
	return err;
}

int sandbox_landlock_open(const struct sandbox_config *c, int *abi, char *why, size_t why_len)
{
	int ruleset, err;

	*abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (*abi < 0) {
		/* also where somebody else's seccomp hides it, with an error of his choice */
		snprintf(why, why_len, "Landlock, which this kernel does not have (%s)", strerror(errno));
		return -ENOSYS;
	}
	ruleset = make_ruleset(*abi);
	if (ruleset < 0) {
		snprintf(why, why_len, "Landlock (%s)", strerror(-ruleset));
		return ruleset;
	}
	err = allow_all(ruleset, *abi, c, why, why_len);
	if (err) {
		close(ruleset);
		return err;
	}
	return ruleset;
}

int sandbox_landlock_enter(int ruleset)
{
	int err = 0;

	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		err = -errno;
	close(ruleset);
	return err;
}
