/* SPDX-License-Identifier: Apache-2.0 */
/* lease_file - what DHCP has given to whom, in a file, so that it is known after a restart. Control. */
#ifndef GINNEL_PROG_LEASE_FILE_H
#define GINNEL_PROG_LEASE_FILE_H

#include "gateway/dhcp_service.h"

struct lease_file {
	const char *path; /* NULL: none is kept */
	struct dhcp_service *dhcp;
	uint64_t written_s;
	bool failed; /* and that was said */
};

/* After interfaces and pools are there. Nothing is wrong with a file that does not exist. */
void lease_file_read(const struct lease_file *f, uint64_t now_ns);
/* Writes what has changed, at most every few seconds: stations say when. */
void lease_file_tick(struct lease_file *f, uint64_t now_ns);
/* The same, now. */
void lease_file_write(struct lease_file *f, uint64_t now_ns);

#endif
