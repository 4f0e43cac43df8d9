/* SPDX-License-Identifier: Apache-2.0 */
/* ginnel-p2p - the cable: two vhost-user ports, and whatever comes in at one leaves at the other. */
#include "base/log.h"
#include "os/clock.h"
#include "prog/backend_program.h"
#include "prog/p2p_commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define QUEUE_SIZE_DEFAULT 256

struct p2p {
	struct backend_options *options;
	struct backend_env *env;
	struct cable cable;
	bool opened, once; /* once: all it has is connections that were given */
	struct p2p_control control;
	struct loop_timer beat;
	struct mem_filter filter;
	const char *socket_dir, *capture_dir;
	const char *config;
	struct p2p_spec specs[P2P_PORTS]; /* --port */
	uint32_t n_specs;
};

/* --- options --- */

static int set_size(void *self, const char *text, char wanted[OPTION_WANTED_LEN])
{
	struct p2p *p = self;
	uint64_t n;

	if (option_number(text, 1, VIRTQ_MAX_SIZE, &n, wanted) < 0 || (n & (n - 1)) != 0)
		return option_wrong(wanted, "a power of two from 1 to %d", VIRTQ_MAX_SIZE);
	p->options->queue_size = (uint32_t)n;
	return 0;
}

static int set_register_ds(void *self, const char *text, char wanted[OPTION_WANTED_LEN])
{
	struct p2p *p = self;
	const char *value = strchr(text, '=');
	char why[P2P_WHY_LEN];
	int fd;

	/* a descriptor has to outlive the closing of all others */
	if (value && strncmp(value + 1, "fd:", 3) == 0 &&
		backend_option_fd(p->options, value + 4, &fd, wanted) != 0)
		return -EINVAL;
	if (mem_filter_add(&p->filter, text, why, sizeof(why)) != 0)
		return option_wrong(wanted, "%.150s", why);
	if (backend_options_keep(p->options, p->filter.entries[p->filter.n - 1].fd) != 0)
		return option_wrong(wanted, "fewer descriptors");
	return 0;
}

static int set_port(void *self, const char *text, char wanted[OPTION_WANTED_LEN])
{
	struct p2p *p = self;
	char why[P2P_WHY_LEN], warning[P2P_WHY_LEN];

	if (p->n_specs == P2P_PORTS)
		return option_wrong(wanted, "two ports at most: a cable has two ends");
	if (p2p_spec_parse(&p->specs[p->n_specs], text, why, warning) != 0)
		return option_wrong(wanted, "NAME,ds-max=N,mac=ADDRESS (%.110s)", why);
	if (*warning)
		fprintf(stderr, "ginnel-p2p: --port: %s\n", warning);
	p->n_specs++;
	return 0;
}

static int set_socket_dir(void *self, const char *text, char wanted[OPTION_WANTED_LEN])
{
	if (!*text)
		return option_wrong(wanted, "a directory");
	((struct p2p *)self)->socket_dir = text;
	return 0;
}

static int set_capture_dir(void *self, const char *text, char wanted[OPTION_WANTED_LEN])
{
	if (!*text)
		return option_wrong(wanted, "a directory");
	((struct p2p *)self)->capture_dir = text;
	return 0;
}

static int set_config(void *self, const char *text, char wanted[OPTION_WANTED_LEN])
{
	((struct p2p *)self)->config = text;
	return 0;
}

static const struct option_row options[] = {
	{"size", 's', "NUM",
		"the largest queue a driver may have, a power of two from 1 to 32768 (default 256)",
		set_size},
	{"register-ds", 'd', "NAME=OBJECT",
		"accept memory of this object only, and of others that are registered: NAME=path:FILE, "
		"NAME=fd:NUM or NAME=dir:DIRECTORY for the files in it",
		set_register_ds},
	{"port", 0, "NAME[,ds-max=N][,mac=ADDRESS]",
		"make a port whose socket is NAME.sock in --socket-dir; ds-max is how many memory regions "
		"its "
		"front-end may share at a time, from 1 to 80 (default 2)",
		set_port},
	{"socket-dir", 0, "DIR", "where sockets of named ports are made (default: here)", set_socket_dir},
	{"capture-dir", 0, "DIR",
		"where pcap trace may write its files, in the full sandbox (default: nowhere)",
		set_capture_dir},
	{"config", 0, "FILE",
		"a port list in Lua: NAME = p2p:create(0, \"ds-max=4\", \"mac=11:22:33:44:55:66\")",
		set_config},
	{0},
};

static void set_defaults(void *self, struct backend_options *o)
{
	struct p2p *p = self;

	p->options = o;
	o->queue_size = QUEUE_SIZE_DEFAULT;
	o->queues_max = VHOST_PORT_PAIRS;
	o->queues = 1;
}

/* --- the port list --- */

static int read_file(const char *path, char *text, size_t size, size_t *len)
{
	FILE *in = fopen(path, "re");
	int err = 0;

	if (!in)
		return -errno;
	*len = fread(text, 1, size, in);
	if (ferror(in))
		err = errno ? -errno : -EIO;
	fclose(in);
	return err;
}

static bool is_registered(const struct p2p *p, const char *name)
{
	for (uint32_t i = 0; i < p->filter.n; i++)
		if (strcmp(p->filter.entries[i].name, name) == 0)
			return true;
	return false;
}

static int take_list(struct p2p *p, const struct p2p_lua *list)
{
	for (uint32_t i = 0; i < list->n_ds; i++) {
		if (is_registered(p, list->ds[i]))
			continue;
		log_error("ginnel-p2p: %s: -d %s names no memory here: say which with --register-ds "
			  "%s=path:FILE",
			p->config, list->ds[i], list->ds[i]);
		return -EINVAL;
	}
	if (list->poll_us > 0)
		p->options->poll_us = list->poll_us;
	if (list->size > 0)
		p->options->queue_size = list->size;
	for (uint32_t i = 0; i < P2P_PORTS; i++) {
		if (!list->in_use[i])
			continue;
		if (p->n_specs == P2P_PORTS) {
			log_error("ginnel-p2p: %s and --port make more than two ports: a cable has two ends",
				p->config);
			return -ENOMEM;
		}
		p->specs[p->n_specs++] = list->ports[i];
	}
	return 0;
}

static int read_config(struct p2p *p)
{
	static char text[P2P_LUA_TEXT + 1];
	static struct p2p_lua list;
	char why[P2P_WHY_LEN];
	size_t len = 0;
	int err;

	if (!p->config)
		return 0;
	err = read_file(p->config, text, sizeof(text), &len);
	if (err) {
		log_error("ginnel-p2p: --config %s: %s", p->config, strerror(-err));
		return err;
	}
	err = p2p_lua_read(text, len, &list, why);
	if (err) {
		log_error("ginnel-p2p: %s:%s", p->config, why);
		return err;
	}
	if (*list.warning)
		log_warning("ginnel-p2p: %s:%s", p->config, list.warning);
	return take_list(p, &list);
}

/* --- life --- */

/* Without a control socket nobody can make a port any more, so a cable that is only connections ends with the last. */
static void on_ended(void *self)
{
	struct p2p *p = self;

	if (p->once && cable_count(&p->cable) == 0)
		loop_stop(p->env->loop);
}

static int add_named(struct p2p *p)
{
	char why[P2P_WHY_LEN];

	for (uint32_t i = 0; i < p->n_specs; i++) {
		int err = cable_add(&p->cable, &p->specs[i], NULL, -1, why);

		if (err) {
			log_error("ginnel-p2p: port %s: %s", p->specs[i].name, why);
			return err;
		}
	}
	return 0;
}

/* --socket-path, --fd, or a service manager's: ports without a name, for front-ends with all their memory. */
static int add_sockets(struct p2p *p)
{
	const struct backend_options *o = p->options;
	struct p2p_spec spec;
	char why[P2P_WHY_LEN];

	p2p_spec_init(&spec);
	spec.ds_max = GMEM_MAX_REGIONS;
	for (uint32_t i = 0; i < o->n_sockets; i++) {
		const struct backend_socket *s = &o->sockets[i];
		int err = cable_add(&p->cable, &spec, s->path, s->path ? -1 : s->fd, why);

		if (err == -ENOMEM)
			log_error("ginnel-p2p: %s", why);
		if (err)
			return err == -ENOMEM ? err : backend_options_explain(o, i, err);
	}
	return 0;
}

static int open_cable(struct p2p *p)
{
	const struct backend_options *o = p->options;
	struct cable_config config = {
		.loop = p->env->loop,
		.queue_size = o->queue_size,
		.queues = o->queues,
		.poll_ns = o->poll_us * NS_PER_US,
		.socket_mode = o->socket_mode,
		.group = o->has_group ? &o->group : NULL,
		.client = o->client,
		.reconnect_ns = o->reconnect_ns,
		.mem_filter = p->filter.n > 0 ? &p->filter : NULL,
		.socket_dir = p->socket_dir ? p->socket_dir : ".",
		.ended = on_ended,
		.arg = p,
	};

	p->opened = true;
	if (o->poll_us > 0)
		prctl(PR_SET_TIMERSLACK, 1UL, 0, 0,
			0); /* threads get the same: a rate is kept to the microsecond */
	return cable_open(&p->cable, &config);
}

/* Ports may be made later, and frames captured, in their directories. */
static int widen_sandbox(struct p2p *p)
{
	const struct backend_options *o = p->options;
	struct sandbox_config *sandbox = &p->env->sandbox;

	if (p->capture_dir) {
		int err = sandbox_add_dir(sandbox, p->capture_dir, SANDBOX_DIR_WRITE);

		if (err)
			return err;
		sandbox->calls |= SANDBOX_OPEN;
	}
	if (!o->stats_socket && p->n_specs == 0)
		return 0;
	sandbox->calls |= SANDBOX_UNIX_SERVER | SANDBOX_UNLINK;
	return sandbox_add_dir(
		sandbox, p->socket_dir ? p->socket_dir : ".", SANDBOX_DIR_SOCKETS | SANDBOX_DIR_REMOVE);
}

/* Readers of the counters see that somebody is there. */
static void on_beat(void *arg)
{
	struct p2p *p = arg;

	statistics_beat(&p->cable.rooms.statistics);
	loop_timer_set(p->env->loop, &p->beat, loop_now(p->env->loop) + NS_PER_S);
}

static int p2p_open(void *self, struct backend_env *env)
{
	struct p2p *p = self;
	int err;

	p->env = env;
	err = read_config(p);
	if (err)
		return err;
	if (p->n_specs == 0 && p->options->n_sockets == 0 && !p->options->stats_socket) {
		log_error("ginnel-p2p: no port: give --port, --config, --socket-path or --fd, or "
			  "--stats-socket "
			  "over which ports can be made");
		return -EINVAL;
	}
	err = open_cable(p);
	if (err) {
		log_error("ginnel-p2p: cannot start: %s", strerror(-err));
		return err;
	}
	p->once = p->n_specs == 0 && !p->options->stats_socket;
	p->cable.rooms.statistics = (struct statistics){&env->server, p->cable.rooms.ifaces};
	loop_timer_init(&p->beat, on_beat, p);
	on_beat(p);
	p->control = (struct p2p_control){.cable = &p->cable, .server = &env->server};
	p2p_commands_add(env->ctl, &p->control);
	err = add_named(p);
	if (err == 0)
		err = add_sockets(p);
	return err ? err : widen_sandbox(p);
}

static int p2p_start(void *self)
{
	return cable_start(&((struct p2p *)self)->cable);
}

static void p2p_close(void *self)
{
	struct p2p *p = self;

	if (p->opened)
		cable_close(&p->cable);
	mem_filter_close(&p->filter);
}

static void p2p_check_memory(void *self)
{
	ports_check_memory(&((struct p2p *)self)->cable.ports);
}

static void add_commands(struct ctl *ctl)
{
	p2p_commands_add(ctl, NULL);
}

static const struct backend_program program = {
	.name = "ginnel-p2p",
	.type = "net",
	.brief = "a cable between two virtual machines",
	.description =
		"Serves two vhost-user network devices and connects them: whatever one sends the "
		"other receives, "
		"bit for bit and in order.\n"
		"Nobody looks at addresses, so LACP, LLDP, STP and tagged frames pass.\n"
		".Pp\n"
		"The cable is lossless: a frame stays in its sender's queue until the receiver has "
		"buffers, and "
		"while the other end is absent nothing is taken.\n"
		"A frame that no buffer of the receiver could hold is dropped, with a reason in\n"
		".Ic show errors ;\n"
		"so is one that needs more buffers than a receiver has given that sleeps for a second.\n"
		"Checksums and segmentation that a sender leaves undone are completed for a receiver "
		"that does "
		"not take them so.\n"
		".Pp\n"
		"A port that listens serves one front-end after the other.\n"
		"One that was given its connection ends with it, and its place and address are free.",
	.examples = "Two virtual machines with a cable between them:\n"
		    ".Bd -literal\n"
		    "$ ginnel-p2p --socket-path=/tmp/a.sock --socket-path=/tmp/b.sock\n"
		    "$ qemu-system-x86_64 -m 512 -object "
		    "memory-backend-memfd,id=m,size=512M,share=on -numa node,memdev=m \\e\n"
		    "\t-chardev socket,id=c,path=/tmp/a.sock -netdev vhost-user,id=n,chardev=c \\e\n"
		    "\t-device virtio-net-pci,netdev=n ...\n"
		    ".Ed\n"
		    ".Pp\n"
		    "A port list, and a port that is made while it runs:\n"
		    ".Bd -literal\n"
		    "$ cat ports.lua\n"
		    "net0 = p2p:create(0, \"ds-max=4\")\n"
		    "$ ginnel-p2p --config ports.lua --socket-dir /tmp --stats-socket /tmp/p2p.api\n"
		    "$ ginnel --api-socket /tmp/p2p.api create 0 ds-max=4 mac=11:22:33:44:55:66\n"
		    "/tmp/port1.sock\n"
		    ".Ed",
	.options = options,
	.sockets_min = 0,
	.sockets_max = CABLE_ENDS,
	.defaults = set_defaults,
	.open = p2p_open,
	.start = p2p_start,
	.close = p2p_close,
	.check_memory = p2p_check_memory,
	.commands = add_commands,
};

int main(int argc, char **argv)
{
	struct p2p p = {.socket_dir = NULL};

	return backend_program_main(&program, &p, argc, argv);
}
