/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/mem_filter.h"

#include "base/check.h"
#include "os/foreign.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct dirent64_head {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

static int fail(int err, char *why, size_t why_len, const char *what, const char *mend)
{
	snprintf(why, why_len, "%s: %s: %s", what, strerror(-err), mend);
	return err;
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

static int take_fd(const char *text)
{
	char *end;
	long fd = strtol(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || fd > INT32_MAX)
		return -EINVAL;
	return fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : (int)fd;
}

/* The descriptor of what stands behind NAME=, or -errno. */
static int open_object(struct mem_filter_entry *e, const char *what)
{
	e->dir = strncmp(what, "dir:", 4) == 0;
	if (e->dir)
		return open_file(what + 4, O_RDONLY | O_DIRECTORY);
	if (strncmp(what, "path:", 5) == 0)
		return open_file(what + 5, O_RDONLY);
	if (strncmp(what, "fd:", 3) == 0)
		return take_fd(what + 3);
	return -EINVAL;
}

static int identify(struct mem_filter_entry *e)
{
	struct stat st;

	if (fstat(e->fd, &st) < 0)
		return -errno;
	if (!e->dir && !S_ISREG(st.st_mode))
		return -EBADF;
	e->dev = st.st_dev;
	e->ino = st.st_ino;
	return 0;
}

int mem_filter_add(struct mem_filter *f, const char *spec, char *why, size_t why_len)
{
	struct mem_filter_entry *e = &f->entries[f->n];
	const char *what = strchr(spec, '=');
	int err;

	if (!what || what == spec || (size_t)(what - spec) >= sizeof(e->name))
		return fail(-EINVAL, why, why_len, spec,
			"say NAME=path:FILE, NAME=fd:NUMBER or NAME=dir:DIRECTORY, with a NAME of 1 to 31 "
			"bytes");
	if (f->n == MEM_FILTER_MAX)
		return fail(
			-ENOSPC, why, why_len, spec, "at most 64 can be listed: list a directory of files");
	snprintf(e->name, sizeof(e->name), "%.*s", (int)(what - spec), spec);
	e->fd = open_object(e, what + 1);
	if (e->fd == -EINVAL)
		return fail(
			-EINVAL, why, why_len, spec, "say path:FILE, fd:NUMBER or dir:DIRECTORY after the =");
	if (e->fd < 0)
		return fail(e->fd, why, why_len, spec,
			"it has to be there, and readable, before the program starts");
	err = identify(e);
	if (err) {
		close(e->fd);
		return fail(err, why, why_len, spec, "guest memory is a memfd or a file");
	}
	f->n++;
	return 0;
}

void mem_filter_close(struct mem_filter *f)
{
	while (f->n > 0)
		close(f->entries[--f->n].fd);
}

/* In batches, on a descriptor that nobody else reads. */
static bool dir_has(int dir, uint64_t ino)
{
	_Alignas(struct dirent64_head) char buf[8192];
	uint32_t seen = 0;
	long len;

	lseek(dir, 0, SEEK_SET);
	while (seen < MEM_FILTER_MAX_DIR && (len = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < len;) {
			const struct dirent64_head *d = (const void *)(buf + at);

			if (d->ino == ino && (d->type == DT_REG || d->type == DT_UNKNOWN))
				return true;
			at += d->len;
			seen++;
		}
	}
	return false;
}

static bool entry_holds(const struct mem_filter_entry *e, const struct stat *st)
{
	if (st->st_dev != e->dev)
		return false;
	return e->dir ? dir_has(e->fd, st->st_ino) : st->st_ino == e->ino;
}

const struct mem_filter_entry *mem_filter_find(const struct mem_filter *f, int fd)
{
	struct stat st;

	/* other files may have a file system that the front-end itself answers for, and are refused anyway */
	if (foreign_kind(fd) != FOREIGN_MEMORY || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	for (uint32_t i = 0; i < f->n; i++)
		if (entry_holds(&f->entries[i], &st))
			return &f->entries[i];
	return NULL;
}
