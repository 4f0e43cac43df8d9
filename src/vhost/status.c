/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device status and what resets a device. Rings start by their kick as always, whatever the status: DRIVER_OK is
 * kept for GET_STATUS and not waited for.
 */
#include "vhost/backend_private.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_config.h>

/*
 * No ring runs and nothing the driver negotiated counts any more. Indexes stay: QEMU asks for them after the reset.
 * So do memory, call descriptors and the connection.
 */
static void device_reset(struct vhost_backend *b)
{
	rings_pause(b, RINGS_ALL);
	for (uint32_t i = 0; i < b->n_rings; i++)
		ring_stop(&b->rings[i]);
	b->has_features = false;
	b->device_status = 0;
	if (b->ops->reset)
		b->ops->reset(b->device);
}

/* A driver reads the status back to see whether FEATURES_OK stays: not before its features were taken. */
int handle_set_status(struct vhost_backend *b, struct message *m)
{
	uint64_t status = m->payload.u64;

	if (status > UINT8_MAX)
		return message_refuse(m, -EINVAL, "0x%" PRIx64 " is no device status", status);
	if (status == 0) {
		device_reset(b);
		return 0;
	}
	if (!b->has_features)
		status &= ~(uint64_t)VIRTIO_CONFIG_S_FEATURES_OK;
	b->device_status = (uint8_t)status;
	return 0;
}

int handle_get_status(struct vhost_backend *b, struct message *m)
{
	m->payload.u64 = b->device_status;
	return 0;
}

int handle_reset_device(struct vhost_backend *b, struct message *m)
{
	device_reset(b);
	rings_enable(b, false);
	return 0;
}
