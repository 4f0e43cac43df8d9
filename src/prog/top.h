/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top - `ginnel top`: a live view of ports, rates, drops and workers, from the memory that the daemon shares; it is asked
 * once, and again when it was replaced.
 */
#ifndef GINNEL_PROG_TOP_H
#define GINNEL_PROG_TOP_H

#include <stdbool.h>

struct top_options {
	const char *path; /* of the control socket */
	bool json;        /* a line of JSON per interval */
	bool once;
	double interval_s;
};

/* Reads the words after "top". -1 to go on, or the exit status. */
int top_parse(struct top_options *o, int argc, char **argv);
/* Returns the exit status. */
int top_run(const struct top_options *o);

#endif
