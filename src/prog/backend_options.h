/* SPDX-License-Identifier: Apache-2.0 */
/* backend_options - what every back-end program can be told on its command line. */
#ifndef GINNEL_PROG_BACKEND_OPTIONS_H
#define GINNEL_PROG_BACKEND_OPTIONS_H

#include "os/sandbox.h"
#include "prog/option_table.h"
#include "vhost/backend.h"

#include <sys/types.h>

#define BACKEND_SOCKETS_MAX 16
#define BACKEND_KEEP_MAX    SANDBOX_KEEP_MAX

/* A path to listen at or to connect to, or a descriptor that we were given. */
struct backend_socket {
	const char *path; /* NULL: fd */
	int fd;
};

struct backend_options {
	struct backend_socket sockets[BACKEND_SOCKETS_MAX];
	uint32_t n_sockets;
	mode_t socket_mode;
	gid_t group;
	bool has_group;
	bool client;
	bool has_mode, has_reconnect;
	uint64_t reconnect_ns;
	uint32_t queue_size; /* largest that is served */
	uint32_t queues;
	uint64_t poll_us;
	const char *stats_socket; /* NULL: none */
	enum sandbox_level sandbox;
	/* Descriptors that stay open: every option that takes one adds it. */
	int keep[BACKEND_KEEP_MAX];
	uint32_t n_keep;
	/* From the program; they bound the options above. */
	const char *program;
	uint32_t sockets_max, queues_max, queue_size_max;
	/* The program ends when all its sockets were connections that are over. */
	struct loop *loop;
	uint32_t n_over;
};

/* Defaults, but what the program sets. */
void backend_options_init(struct backend_options *o);
extern const struct option_row backend_option_rows[]; /* target: struct backend_options */

/* fd stays open; also said twice. 0 or -ENOSPC. */
int backend_options_keep(struct backend_options *o, int fd);
/* For an option of a program's own: text is the number of a descriptor that stays open. As set() of a row. */
int backend_option_fd(struct backend_options *o, const char *text, int *fd, char wanted[OPTION_WANTED_LEN]);

/*
 * What the options mean together; sockets of a service manager come in where none was named. 0, or -EINVAL and a
 * sentence on standard error.
 */
int backend_options_check(struct backend_options *o, uint32_t sockets_min);

/* Fills in how socket idx is to be reached, what happens when it ends, and the limit of ring sizes. */
void backend_options_socket(struct backend_options *o, uint32_t idx, struct vhost_backend_config *config);
/* Why that could not be done, with the mend; logged. Returns err. */
int backend_options_explain(const struct backend_options *o, uint32_t idx, int err);

#endif
