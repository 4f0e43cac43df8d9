/* SPDX-License-Identifier: Apache-2.0 */
/* ginnel-blk - a disk over vhost-user. */
#include "backend/blk.h"
#include "base/log.h"
#include "base/units.h"
#include "prog/backend_program.h"
#include "prog/blk_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TICK_NS (NS_PER_S / 2)

struct disk {
	struct blk_command_line line;
	struct backend_env *env;
	struct blk *blk;
	struct vhost_backend *backend;
	struct loop_timer tick;
};

static void on_tick(void *arg)
{
	struct disk *d = arg;

	blk_tick(d->blk);
	vhost_backend_check_rings(d->backend);
	loop_timer_set(d->env->loop, &d->tick, loop_now(d->env->loop) + TICK_NS);
}

static void set_defaults(void *self, struct backend_options *o)
{
	struct disk *d = self;

	d->line.blk = blk_defaults();
	d->line.common = o;
	o->queues_max = BLK_QUEUES_MAX;
	o->queue_size = o->queue_size_max = BLK_RING_MAX;
}

static int open_disk(struct disk *d)
{
	char why[512];
	int err = blk_options_check(&d->line);

	if (err)
		return err;
	err = blk_create(&d->blk, &d->line.blk, why, sizeof(why));
	if (err)
		log_error("ginnel-blk: %s", why);
	return err;
}

static int disk_open(void *self, struct backend_env *env)
{
	struct disk *d = self;
	struct vhost_backend_config config;
	int err;

	d->env = env;
	loop_timer_init(&d->tick, on_tick, d);
	err = open_disk(d);
	if (err)
		return err;
	ctl_add_table(env->ctl, &blk_commands, d->blk);
	config = (struct vhost_backend_config){.name = "ginnel-blk",
		.features = blk_features(d->blk),
		.protocol_features = blk_protocol_features(),
		.config_size = sizeof(struct blk_config),
		.n_rings = env->options->queues,
		.queue_num = env->options->queues,
		.ops = &blk_vhost_device,
		.device = d->blk};
	backend_options_socket(env->options, 0, &config);
	err = vhost_backend_create(&d->backend, env->loop, &config);
	if (err)
		return backend_options_explain(env->options, 0, err);
	blk_set_backend(d->blk, d->backend);
	return 0;
}

static int disk_start(void *self)
{
	struct disk *d = self;
	int err = blk_start(d->blk);

	if (err)
		log_error("ginnel-blk: cannot start threads: %s", strerror(-err));
	else
		on_tick(d);
	return err;
}

static void disk_close(void *self)
{
	struct disk *d = self;

	if (d->env)
		loop_timer_cancel(d->env->loop, &d->tick);
	vhost_backend_destroy(d->backend);
	if (d->blk)
		blk_destroy(d->blk);
}

static void disk_check_memory(void *self)
{
	vhost_backend_check_memory(((struct disk *)self)->backend);
}

static void add_commands(struct ctl *ctl)
{
	ctl_add_table(ctl, &blk_commands, NULL);
}

static const char *const features[] = {"read-only", "blk-file", NULL};

static const char description[] =
	"Serves a raw image, in a file or on a block device, to one virtual machine as a virtio block "
	"device.\n"
	"For images in other formats, such as qcow2, and over networks\n.Xr qemu-storage-daemon 1\n"
	"does the same.\n.Pp\n"
	"What the guest was told is on the disk is on the disk: a flush is answered when all writes that "
	"were "
	"answered before are there, and with\n.Fl \\-cache Ns = Ns Cm writethrough\nor a guest that does not "
	"flush each write is.\n"
	"When the program dies, however suddenly, a front-end that tracks what is in flight, as QEMU does, "
	"goes on "
	"with the next one, and no request is lost.\n.Pp\n"
	"The disk becomes larger or smaller under a running guest by\n.Cm block resize ,\nor when somebody "
	"else "
	"changes the size of the image, which is noticed within a second.\n.Pp\n"
	"The image is locked so that neither a second ginnel-blk nor QEMU opens it as well.";

static const char examples[] =
	"A disk for QEMU, whose memory has to be shared:\n.Bd -literal\n"
	"truncate -s 10G disk.img\n"
	"ginnel-blk --socket-path=/tmp/disk.sock --blk-file=disk.img &\n"
	"qemu-system-x86_64 -m 1G \\e\n"
	"    -object memory-backend-memfd,id=m,size=1G,share=on -machine q35,memory-backend=m \\e\n"
	"    -chardev socket,id=disk,path=/tmp/disk.sock,reconnect=1 \\e\n"
	"    -device vhost-user-blk-pci,chardev=disk ...\n.Ed";

static const struct backend_program program = {
	.name = "ginnel-blk",
	.type = "block",
	.features = features,
	.brief = "a disk for virtual machines",
	.description = description,
	.examples = examples,
	.options = blk_option_rows,
	.sockets_min = 1,
	.sockets_max = 1,
	.sandbox_calls = SANDBOX_FILE_IO | SANDBOX_IO_URING,
	.defaults = set_defaults,
	.open = disk_open,
	.start = disk_start,
	.close = disk_close,
	.check_memory = disk_check_memory,
	.commands = add_commands,
};

int main(int argc, char **argv)
{
	struct disk disk = {0};

	return backend_program_main(&program, &disk, argc, argv);
}
