/* SPDX-License-Identifier: Apache-2.0 */
/* options - ginneld's command line. */
#ifndef GINNEL_PROG_OPTIONS_H
#define GINNEL_PROG_OPTIONS_H

#include "ctl/api_path.h"
#include "prog/option_table.h"
#include "worker/worker.h"

struct options {
	char api_socket[API_PATH_SIZE];
	const char *startup;           /* NULL: none */
	const char *config;            /* NULL: none */
	const char *leases;            /* NULL: none */
	bool replace;                  /* the daemon that runs */
	bool fd_store;                 /* leave guests to the service manager at the end */
	struct workers_config workers; /* n, cpus, polling, spin_ns are filled in */
};

enum options_verdict options_parse(struct options *o, int argc, char **argv);

#endif
