/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest back-end program: a device of type "block" that takes every request and answers none. It shows what a
 * program has to bring, and lets the conventions be tested where no device's own subject is in the way.
 */
#include "base/log.h"
#include "os/clock.h"
#include "os/thread.h"
#include "os/waker.h"
#include "prog/backend_program.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct example {
	struct vhost_backend *backend;
	struct backend_options *options;
	struct backend_env *env;
	const char *file; /* something to open */
	const char *sin;  /* a forbidden call to make when a front-end comes */
	struct loop_timer tick;
};

static void on_publish(void *device, uint32_t idx, struct vhost_ring *ring)
{
}

static void on_quiesce(void *device)
{
}

static void on_set_features(void *device, uint64_t features)
{
}

static void on_connected(void *device, bool connected)
{
	struct example *e = device;

	if (!connected || !e->sin)
		return;
	if (strcmp(e->sin, "socket") == 0)
		close(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	else if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0)
		log_info("example: cannot open a file: %s", strerror(errno));
	log_info("example: sinned and lives");
}

static const struct vhost_device ops = {.publish = on_publish,
	.quiesce = on_quiesce,
	.set_features = on_set_features,
	.connected = on_connected};

static void on_tick(void *arg)
{
	struct example *e = arg;

	vhost_backend_check_rings(e->backend);
	loop_timer_set(e->env->loop, &e->tick, loop_now(e->env->loop) + NS_PER_S);
}

static int run_show_queues(struct ctl_call *call)
{
	const struct example *e = call->subject;

	call->result = json_integer(e->options->queues);
	return 0;
}

static const struct ctl_command command_rows[] = {
	{"show queues", "How many queues a driver may have", run_show_queues, NULL},
	{0},
};

static const struct ctl_table commands = {command_rows};

static void add_commands(struct ctl *ctl)
{
	ctl_add_table(ctl, &commands, NULL);
}

static int set_file(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	((struct example *)target)->file = text;
	return 0;
}

static int set_sin(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	if (strcmp(text, "socket") != 0 && strcmp(text, "open") != 0)
		return option_wrong(wanted, "socket or open");
	((struct example *)target)->sin = text;
	return 0;
}

static const struct option_row options[] = {
	{"blk-file", 'b', "PATH", "a file to open, and nothing more", set_file},
	{"sin", 0, "CALL", "make a forbidden call when a front-end comes: socket or open", set_sin},
	{0},
};

static void set_defaults(void *self, struct backend_options *o)
{
	struct example *e = self;

	e->options = o;
	o->queues_max = 4;
	o->queue_size = o->queue_size_max = 1024;
}

static int example_open(void *self, struct backend_env *env)
{
	struct example *e = self;
	struct vhost_backend_config config = {.name = "example",
		.features = 1ull << VIRTIO_F_VERSION_1,
		.n_rings = env->options->queues,
		.queue_num = env->options->queues,
		.ops = &ops,
		.device = e};
	int err;

	e->env = env;
	if (e->file && access(e->file, R_OK) != 0) {
		err = -errno;
		log_error("example: --blk-file %s: %s", e->file, strerror(-err));
		return err;
	}
	ctl_add_table(env->ctl, &commands, e);
	backend_options_socket(env->options, 0, &config);
	err = vhost_backend_create(&e->backend, env->loop, &config);
	if (err)
		return backend_options_explain(env->options, 0, err);
	loop_timer_init(&e->tick, on_tick, e);
	on_tick(e);
	return 0;
}

static void example_close(void *self)
{
	struct example *e = self;

	if (!e->backend)
		return;
	loop_timer_cancel(e->env->loop, &e->tick);
	vhost_backend_destroy(e->backend);
}

static void example_check_memory(void *self)
{
	vhost_backend_check_memory(((struct example *)self)->backend);
}

static const char *const features[] = {"read-only", "blk-file", NULL};

static const struct backend_program program = {
	.name = "example_backend",
	.type = "block",
	.features = features,
	.brief = "a device that does nothing",
	.description = "For tests.",
	.examples = "None.",
	.options = options,
	.sockets_min = 1,
	.sockets_max = 1,
	.defaults = set_defaults,
	.open = example_open,
	.close = example_close,
	.check_memory = example_check_memory,
	.commands = add_commands,
};

int main(int argc, char **argv)
{
	struct example e = {0};

	return backend_program_main(&program, &e, argc, argv);
}
