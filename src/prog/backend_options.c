/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/backend_options.h"

#include "base/check.h"
#include "base/log.h"
#include "base/units.h"
#include "os/service.h"
#include "os/unix.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SOCKET_MODE 0600
#define RECONNECT_MAX_MS    3600000
#define POLL_MAX_US         1000000

void backend_options_init(struct backend_options *o)
{
	*o = (struct backend_options){
		.socket_mode = DEFAULT_SOCKET_MODE,
		.queues = 1,
		.queue_size = VIRTQ_MAX_SIZE,
		.sockets_max = 1,
		.queues_max = 1,
		.queue_size_max = VIRTQ_MAX_SIZE,
	};
}

int backend_options_keep(struct backend_options *o, int fd)
{
	for (uint32_t i = 0; i < o->n_keep; i++)
		if (o->keep[i] == fd)
			return 0;
	if (o->n_keep == BACKEND_KEEP_MAX)
		return -ENOSPC;
	o->keep[o->n_keep++] = fd;
	return 0;
}

int backend_option_fd(struct backend_options *o, const char *text, int *fd, char wanted[OPTION_WANTED_LEN])
{
	uint64_t number;

	if (option_number(text, 0, INT32_MAX, &number, wanted) < 0 || fcntl((int)number, F_GETFD) < 0)
		return option_wrong(
			wanted, "the number of a descriptor that whoever starts the program leaves open");
	*fd = (int)number;
	return backend_options_keep(o, *fd) == 0 ? 0 : option_wrong(wanted, "fewer descriptors");
}

static int add_socket(struct backend_options *o, const char *path, int fd, char wanted[OPTION_WANTED_LEN])
{
	if (o->n_sockets > 0 && (o->sockets[0].path != NULL) != (path != NULL))
		return option_wrong(wanted, "either --socket-path or --fd, not both");
	if (o->n_sockets == o->sockets_max)
		return option_wrong(wanted, o->sockets_max == 1 ? "one socket only" : "at most %u sockets",
			o->sockets_max);
	o->sockets[o->n_sockets++] = (struct backend_socket){.path = path, .fd = fd};
	return 0;
}

static int set_socket_path(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	size_t len = strlen(text);

	if (len == 0 || len > UNIX_PATH_MAX)
		return option_wrong(wanted, "a path of 1 to %d bytes", UNIX_PATH_MAX);
	return add_socket(target, text, -1, wanted);
}

static int set_fd(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	int fd, err = backend_option_fd(target, text, &fd, wanted);

	return err ? err : add_socket(target, NULL, fd, wanted);
}

static int set_socket_mode(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	struct backend_options *o = target;
	char *end;
	unsigned long mode = strtoul(text, &end, 8);

	if (*text < '0' || *text > '7' || *end || mode > 0777)
		return option_wrong(wanted, "an octal mode such as 0660");
	o->socket_mode = (mode_t)mode;
	o->has_mode = true;
	return 0;
}

static int set_socket_group(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	struct backend_options *o = target;
	const struct group *group = getgrnam(text);
	uint64_t number;

	if (group)
		number = group->gr_gid;
	else if (option_number(text, 0, UINT32_MAX - 1, &number, wanted) < 0)
		return option_wrong(wanted, "a group that exists, by name or by number");
	o->group = (gid_t)number;
	o->has_group = true;
	return 0;
}

static int set_client(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	((struct backend_options *)target)->client = true;
	return 0;
}

static int set_reconnect(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	struct backend_options *o = target;
	uint64_t ms;

	if (option_number(text, 1, RECONNECT_MAX_MS, &ms, wanted) < 0)
		return -EINVAL;
	o->reconnect_ns = ms * NS_PER_MS;
	o->has_reconnect = true;
	return 0;
}

static int set_queue_size(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	struct backend_options *o = target;
	uint64_t n;

	if (option_number(text, 1, o->queue_size_max, &n, wanted) < 0 || (n & (n - 1)) != 0)
		return option_wrong(wanted, "a power of two from 1 to %u", o->queue_size_max);
	o->queue_size = (uint32_t)n;
	return 0;
}

static int set_queues(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	struct backend_options *o = target;
	uint64_t n;

	if (option_number(text, 1, o->queues_max, &n, wanted) < 0)
		return -EINVAL;
	o->queues = (uint32_t)n;
	return 0;
}

static int set_poll(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return option_number(text, 0, POLL_MAX_US, &((struct backend_options *)target)->poll_us, wanted);
}

static int set_stats_socket(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	size_t len = strlen(text);

	if (len == 0 || len > UNIX_PATH_MAX)
		return option_wrong(wanted, "a path of 1 to %d bytes", UNIX_PATH_MAX);
	((struct backend_options *)target)->stats_socket = text;
	return 0;
}

static int set_sandbox(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	if (sandbox_level_parse(text, &((struct backend_options *)target)->sandbox))
		return 0;
	return option_wrong(wanted, "full, basic or none");
}

/* It is looked for before the others are read; here for its row in the help. */
static int set_print_capabilities(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return 0;
}

const struct option_row backend_option_rows[] = {
	{"socket-path", 0, "PATH", "listen for a front-end here (with --client: connect to it)",
		set_socket_path},
	{"fd", 0, "FDNUM",
		"the socket is open already, as this descriptor: listening, or connected to the front-end",
		set_fd},
	{"print-capabilities", 0, NULL,
		"print what the program can do as JSON and exit, whatever else is said",
		set_print_capabilities},
	{"socket-mode", 0, "MODE", "of the socket file (default 0600)", set_socket_mode},
	{"socket-group", 0, "GROUP", "of the socket file; members may connect with --socket-mode=0660",
		set_socket_group},
	{"client", 0, NULL, "connect to a front-end that listens at --socket-path, again after it has gone",
		set_client},
	{"reconnect", 0, "MS", "between attempts to connect (default: 100, and longer up to 1000)",
		set_reconnect},
	{"queue-size", 0, "N", "the largest queue a driver may have, a power of two", set_queue_size},
	{"queues", 0, "N", "how many queues a driver may have (for a network device pairs of them)",
		set_queues},
	{"poll", 'p', "USEC",
		"look at the queues every USEC microseconds and ask the driver for no notifications (default "
		"0: do ask)",
		set_poll},
	{"stats-socket", 0, "PATH", "answer the ginnel shell here: ginnel --api-socket PATH help",
		set_stats_socket},
	{"sandbox", 0, "LEVEL", "full (default), basic (no seccomp, no Landlock) or none", set_sandbox},
	{0},
};

static int complain(const struct backend_options *o, const char *what)
{
	fprintf(stderr, "%s: %s\n", o->program, what);
	return -EINVAL;
}

static int take_activated(struct backend_options *o)
{
	int fds[BACKEND_SOCKETS_MAX + 1];
	uint32_t n = service_sockets(fds, o->sockets_max + 1);

	if (n > o->sockets_max)
		return complain(o, "the service manager passes more sockets than are served: list fewer in "
				   "its socket unit");
	for (uint32_t i = 0; i < n; i++) {
		o->sockets[o->n_sockets++] = (struct backend_socket){.fd = fds[i]};
		backend_options_keep(o, fds[i]);
	}
	return 0;
}

int backend_options_check(struct backend_options *o, uint32_t sockets_min)
{
	bool paths;

	if (o->n_sockets == 0 && take_activated(o) < 0)
		return -EINVAL;
	if (o->n_sockets < sockets_min)
		return complain(o, "no socket: give --socket-path=PATH or --fd=FDNUM");
	paths = o->n_sockets == 0 || o->sockets[0].path;
	if (o->client && !paths)
		return complain(o, "--client connects to a path: give --socket-path instead of a descriptor");
	if (o->has_reconnect && !o->client)
		return complain(
			o, "--reconnect is for --client: a server waits for the front-end to come back");
	if ((o->has_mode || o->has_group) && (o->client || !paths))
		return complain(o, "--socket-mode and --socket-group are for a socket that is made here: "
				   "whoever listens gives it mode and group");
	return 0;
}

static void on_over(void *arg)
{
	struct backend_options *o = arg;

	if (++o->n_over == o->n_sockets)
		loop_stop(o->loop);
}

void backend_options_socket(struct backend_options *o, uint32_t idx, struct vhost_backend_config *config)
{
	ASSERT(idx < o->n_sockets);
	config->path = o->sockets[idx].path;
	config->fd = o->sockets[idx].fd;
	config->over = on_over;
	config->over_arg = o;
	config->server = !o->client;
	config->mode = o->socket_mode;
	config->group = o->has_group ? &o->group : NULL;
	config->reconnect_ns = o->reconnect_ns;
	config->max_ring_size = o->queue_size;
}

static const char *explain_fd(int err)
{
	switch (-err) {
	case ENOTSOCK:
	case EPROTOTYPE:
		return "not a unix stream socket";
	case ENOTCONN:
		return "a socket that neither listens nor is connected: call listen() or connect() first";
	default:
		return strerror(-err);
	}
}

int backend_options_explain(const struct backend_options *o, uint32_t idx, int err)
{
	char why[512];

	if (!o->sockets[idx].path)
		log_error("%s: descriptor %d: %s", o->program, o->sockets[idx].fd, explain_fd(err));
	else if (err == -EPERM && o->has_group)
		log_error("%s: %s: only a member of group %u, or root, may give it that group", o->program,
			o->sockets[idx].path, (unsigned)o->group);
	else
		log_error("%s: %s", o->program, unix_explain(err, o->sockets[idx].path, why, sizeof(why)));
	return err;
}
