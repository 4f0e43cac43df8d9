/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - a process gives away what it does not need any more, for good.
 *
 * Everything is opened first: files, sockets, directories. Then, before any thread runs:
 *
 *	level   what is given away
 *	basic   new privileges (execve cannot regain any), all capabilities with the bounding set, core files, being
 *	        looked into by other processes of the same user
 *	full    basic, then Landlock: nothing in any file system but the directories that are listed, no TCP ports, no
 *	        signals to other processes; then seccomp: no system call but those of the profile
 *	none    nothing
 *
 * Nobody needs privileges for this. Under seccomp a call that is not in the profile kills the process (SIGSYS); only
 * opening a file, which a user may ask for, fails with EACCES where the profile has no SANDBOX_OPEN. New threads get the
 * same box.
 *
 * What the kernel does not have is left out and named in the report, with one exception: full without seccomp is an
 * error, because then there is little left of it. io_uring does what seccomp cannot see: whoever wants SANDBOX_IO_URING
 * restricts the ring to its operations (IORING_REGISTER_RESTRICTIONS).
 */
#ifndef GINNEL_OS_SANDBOX_H
#define GINNEL_OS_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sandbox_level { SANDBOX_FULL, SANDBOX_BASIC, SANDBOX_NONE };

/* Beside what every program of ours needs: its loop, timers and threads, descriptors of peers, memory to map. */
enum sandbox_calls {
	SANDBOX_UNIX_SERVER = 1 << 0, /* makes sockets at paths */
	SANDBOX_UNIX_CLIENT = 1 << 1, /* connects to them */
	SANDBOX_FILE_IO =
		1 << 2, /* reads, writes, syncs, punches holes in files and block devices that are open */
	SANDBOX_IO_URING = 1 << 3,
	SANDBOX_OPEN = 1 << 4,   /* opens files; Landlock says where */
	SANDBOX_UNLINK = 1 << 5, /* removes them, and socket files; Landlock says where */
};

/* Rights below a directory. */
enum sandbox_dir_rights {
	SANDBOX_DIR_READ = 1 << 0,    /* its files and lists of them */
	SANDBOX_DIR_WRITE = 1 << 1,   /* its files, new ones too */
	SANDBOX_DIR_SOCKETS = 1 << 2, /* makes sockets */
	SANDBOX_DIR_REMOVE = 1 << 3,  /* removes files */
};

struct sandbox_dir {
	char path[256];
	uint32_t rights;
};

#define SANDBOX_DIRS_MAX 16

struct sandbox_config {
	enum sandbox_level level;
	uint32_t calls; /* enum sandbox_calls */
	struct sandbox_dir dirs[SANDBOX_DIRS_MAX];
	uint32_t n_dirs;
};

/* One line each, without the final newline. */
struct sandbox_report {
	char active[256];
	char missing[256]; /* "" when all that the level says is in force; and after an error what is wrong */
};

/* "full", "basic" or "none"; false if text is none of them. */
bool sandbox_level_parse(const char *text, enum sandbox_level *level);

/* Before sandbox_enter(), which wants the directory to be there. 0, -ENOSPC or -ENAMETOOLONG. */
int sandbox_add_dir(struct sandbox_config *c, const char *dir, uint32_t rights);
/* The same for the directory that this file lies in. */
int sandbox_add_dir_of(struct sandbox_config *c, const char *file, uint32_t rights);

/*
 * Closes every descriptor from 3 on but these: what a careless parent left open. Before anything of our own is opened.
 */
#define SANDBOX_KEEP_MAX 128
void sandbox_close_others(const int *keep, uint32_t n_keep);

/* 0, or -errno and report->missing names the mend. -EBUSY: threads run already. */
int sandbox_enter(const struct sandbox_config *c, struct sandbox_report *report);

#endif
