/* SPDX-License-Identifier: Apache-2.0 */
#include "os/sandbox.h"

#include "base/check.h"
#include "os/sandbox_private.h"

#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In place of a descriptor. */
#define NO_RULESET INT32_MAX

static const char *const level_names[] = {
	[SANDBOX_FULL] = "full", [SANDBOX_BASIC] = "basic", [SANDBOX_NONE] = "none"};

bool sandbox_level_parse(const char *text, enum sandbox_level *level)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*level = (enum sandbox_level)i;
			return true;
		}
	}
	return false;
}

static struct sandbox_dir *find_dir(struct sandbox_config *c, const char *dir, size_t len)
{
	for (uint32_t i = 0; i < c->n_dirs; i++)
		if (strlen(c->dirs[i].path) == len && memcmp(c->dirs[i].path, dir, len) == 0)
			return &c->dirs[i];
	return NULL;
}

static int add_dir(struct sandbox_config *c, const char *dir, size_t len, uint32_t rights)
{
	struct sandbox_dir *d = find_dir(c, dir, len);

	if (d) {
		d->rights |= rights;
		return 0;
	}
	d = &c->dirs[c->n_dirs];
	if (c->n_dirs == SANDBOX_DIRS_MAX)
		return -ENOSPC;
	if (len >= sizeof(d->path))
		return -ENAMETOOLONG;
	memcpy(d->path, dir, len);
	d->path[len] = '\0';
	d->rights = rights;
	c->n_dirs++;
	return 0;
}

int sandbox_add_dir(struct sandbox_config *c, const char *dir, uint32_t rights)
{
	return add_dir(c, dir, strlen(dir), rights);
}

int sandbox_add_dir_of(struct sandbox_config *c, const char *file, uint32_t rights)
{
	const char *slash = strrchr(file, '/');

	if (!slash)
		return add_dir(c, ".", 1, rights);
	return add_dir(c, file, slash == file ? 1 : (size_t)(slash - file), rights);
}

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a < *(const int *)b ? -1 : 1;
}

static void close_between(unsigned first, unsigned last)
{
	if (first <= last)
		syscall(SYS_close_range, first, last, 0);
}

void sandbox_close_others(const int *keep, uint32_t n_keep)
{
	int fds[SANDBOX_KEEP_MAX];
	unsigned next = STDERR_FILENO + 1;

	ASSERT(n_keep <= ARRAY_LEN(fds));
	memcpy(fds, keep, n_keep * sizeof(fds[0]));
	qsort(fds, n_keep, sizeof(fds[0]), compare_fds);
	for (uint32_t i = 0; i < n_keep; i++) {
		if (fds[i] < (int)next)
			continue;
		close_between(next, (unsigned)fds[i] - 1);
		next = (unsigned)fds[i] + 1;
	}
	close_between(next, ~0u);
}

static void say(char *line, size_t len, const char *what)
{
	size_t at = strlen(line);

	snprintf(line + at, len - at, "%s%s", at > 0 ? ", " : "", what);
}

static void lacks(struct sandbox_report *r, const char *what, int err)
{
	say(r->missing, sizeof(r->missing), what);
	say(r->missing, sizeof(r->missing), strerror(-err));
}

/* The kernel's own helpers for io_uring show up as threads; they run none of our code. */
static bool is_helper(const char *task)
{
	char path[64], name[16] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", task);
	f = fopen(path, "re");
	if (!f)
		return true;
	if (!fgets(name, sizeof(name), f))
		name[0] = 0;
	fclose(f);
	return strncmp(name, "iou-", 4) == 0;
}

static bool threads_run(void)
{
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *task;
	uint32_t n = 0;

	while (tasks && (task = readdir(tasks)))
		if (task->d_name[0] != '.' && !is_helper(task->d_name))
			n++;
	if (tasks)
		closedir(tasks);
	return n > 1;
}

/* Without the right to shrink the bounding set it stays, and cannot be made use of: there are no new privileges. */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, none) < 0 ? -errno : 0;
}

static int no_core_files(void)
{
	const struct rlimit none = {0, 0};
	bool visible = SANDBOX_SANITIZED;

	if (!visible && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return setrlimit(RLIMIT_CORE, &none) < 0 ? -errno : 0;
}

static int enter_basic(struct sandbox_report *r)
{
	int err;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		lacks(r, "no new privileges", -errno);
		return -errno;
	}
	say(r->active, sizeof(r->active), "no new privileges");
	err = drop_capabilities();
	if (err)
		lacks(r, "dropping capabilities", err);
	else
		say(r->active, sizeof(r->active), "no capabilities");
	err = no_core_files();
	if (err)
		lacks(r, "hiding the memory", err);
	else
		say(r->active, sizeof(r->active), "not dumpable");
	return 0;
}

/* While there are privileges that some directory may need. The rules, NO_RULESET where there is no Landlock, or -errno. */
static int open_landlock(const struct sandbox_config *c, struct sandbox_report *r, int *abi)
{
	char why[160];
	int ruleset = sandbox_landlock_open(c, abi, why, sizeof(why));

	if (ruleset < 0)
		say(r->missing, sizeof(r->missing), why);
	return ruleset == -ENOSYS ? NO_RULESET : ruleset;
}

static int enter_landlock(const struct sandbox_config *c, struct sandbox_report *r, int ruleset, int abi)
{
	char line[64];
	int err = sandbox_landlock_enter(ruleset);

	if (err) {
		lacks(r, "Landlock", err);
		return err;
	}
	snprintf(line, sizeof(line), "Landlock ABI %d with %u director%s", abi, c->n_dirs,
		c->n_dirs == 1 ? "y" : "ies");
	say(r->active, sizeof(r->active), line);
	return 0;
}

static int enter_seccomp(const struct sandbox_config *c, struct sandbox_report *r)
{
	int err = sandbox_seccomp(c);

	if (err)
		lacks(r, "seccomp: --sandbox=basic does without", err);
	else
		say(r->active, sizeof(r->active), SANDBOX_SANITIZED ? "seccomp for sanitizers" : "seccomp");
	return err;
}

static int enter_full(const struct sandbox_config *c, struct sandbox_report *r)
{
	int abi, err, ruleset = open_landlock(c, r, &abi);

	if (ruleset < 0)
		return ruleset;
	err = enter_basic(r);
	if (err == 0 && ruleset != NO_RULESET)
		err = enter_landlock(c, r, ruleset, abi);
	return err ? err : enter_seccomp(c, r);
}

int sandbox_enter(const struct sandbox_config *c, struct sandbox_report *r)
{
	bool alone = SANDBOX_SANITIZED || !threads_run();
	size_t at;
	int err;

	*r = (struct sandbox_report){0};
	snprintf(r->active, sizeof(r->active), "%s", level_names[c->level]);
	if (c->level == SANDBOX_NONE)
		return 0;
	if (!alone) {
		say(r->missing, sizeof(r->missing), "threads run already");
		return -EBUSY;
	}
	err = c->level == SANDBOX_FULL ? enter_full(c, r) : enter_basic(r);
	at = strlen(level_names[c->level]);
	if (r->active[at] == ',')
		r->active[at] = ':';
	return err;
}
