/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process - what every program with a loop does as a process: SIGTERM and SIGINT come through the loop, guests' memory
 * that is cut short is reported to it (os/guard.h), and there are as many descriptors as may be had.
 */
#ifndef GINNEL_PROG_PROCESS_H
#define GINNEL_PROG_PROCESS_H

#include "os/loop.h"

struct process {
	struct loop *loop;
	const char *program;
	struct loop_watch signals, lost_memory;
	void (*end)(void *arg);   /* it was asked to end; the log has said so */
	void (*again)(void *arg); /* SIGHUP: read your files again. NULL: then that ends it, as signals do */
	void (*lost)(void *arg);  /* some guarded memory is lost */
	void *arg;
};

/* All fields but the watches are the caller's to set. Before any thread starts. 0 or -errno. */
int process_start(struct process *p);

#endif
