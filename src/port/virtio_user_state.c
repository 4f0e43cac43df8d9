/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio-user port for a successor process: how it was made, and nothing of its life. The rings are ours, so who takes over
 * would have to go on with our bookkeeping; instead it connects anew, as after any end of a connection. What was on
 * its way is lost, as on a wire.
 */
#include "port/virtio_user_port.h"

#include "os/parcel.h"

#include <errno.h>
#include <string.h>

/* Lets go of the socket, so that the successor of a server can listen there. */
json_t *virtio_user_port_save(struct port *port, struct parcel *parcel)
{
	struct virtio_user_port *vu = CONTAINER_OF(port, struct virtio_user_port, port);
	const struct virtio_user_config *c = &vu->config;

	vhost_frontend_destroy(vu->frontend);
	vu->frontend = NULL;
	return json_pack("{s:s, s:b, s:I, s:I, s:I, s:b, s:b, s:I}", "path", c->path, "server",
		(int)c->server, "mode", (json_int_t)c->mode, "queues", (json_int_t)c->n_pairs, "queue-size",
		(json_int_t)c->queue_size, "packed", (int)c->packed, "in-order", (int)c->in_order,
		"feature-mask", (json_int_t)c->feature_mask);
}

/* What fails now is tried again with the next tick. */
void virtio_user_port_resume(struct port *port)
{
	struct virtio_user_port *vu = CONTAINER_OF(port, struct virtio_user_port, port);
	int err = virtio_user_port_open(vu);

	if (err)
		log_error("%s: cannot go on at %s: %s", port->iface.name, vu->config.path, strerror(-err));
}

/* Numbers that another version of the program may have allowed are cut to what this one can do. */
static struct virtio_user_config config_of(const json_t *state)
{
	return (struct virtio_user_config){
		.path = parcel_str(state, "path", ""),
		.server = parcel_bool(state, "server", false),
		.mode = (mode_t)parcel_u64(state, "mode", 0),
		.n_pairs = max_u32(1, (uint32_t)min_u64(parcel_u64(state, "queues", 1), VIRTIO_USER_PAIRS)),
		.queue_size =
			max_u32(2, (uint32_t)min_u64(parcel_u64(state, "queue-size", VIRTIO_USER_QUEUE_SIZE),
					   VIRTIO_USER_QUEUE_SIZE_MAX)),
		.packed = parcel_bool(state, "packed", false),
		.in_order = parcel_bool(state, "in-order", false),
		.feature_mask = parcel_u64(state, "feature-mask", UINT64_MAX),
	};
}

int virtio_user_port_restore(
	struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out)
{
	const struct virtio_user_config config = config_of(state);
	struct virtio_user_port *vu = virtio_user_port_alloc(&config);
	int err;

	if (!vu)
		return -ENOMEM;
	err = port_add_restored(ports, &vu->port, state);
	if (err) {
		vu->port.ops->destroy(&vu->port);
		return err;
	}
	err = virtio_user_port_open(vu);
	if (err) {
		port_remove(&vu->port);
		return err;
	}
	*out = &vu->port;
	return 0;
}
