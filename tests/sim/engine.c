/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void engine_connect(struct vhost_backend *b, uint64_t features)
{
	ASSERT(!b->connected && (features & ~b->features) == 0);
	b->connected = true;
	b->ops->connected(b->device, true);
	b->ops->set_features(b->device, features);
}

void engine_disconnect(struct vhost_backend *b)
{
	if (!b->connected)
		return;
	for (uint32_t i = 0; i < VHOST_MAX_RINGS; i++)
		if (b->rings[i])
			engine_unpublish(b, i);
	b->connected = false;
	b->ops->connected(b->device, false);
}

void engine_publish(struct vhost_backend *b, struct vhost_ring *ring)
{
	ASSERT(b->connected && !b->rings[ring->idx]);
	b->rings[ring->idx] = ring;
	b->ops->publish(b->device, ring->idx, ring);
}

void engine_unpublish(struct vhost_backend *b, uint32_t idx)
{
	b->rings[idx] = NULL;
	b->ops->publish(b->device, idx, NULL);
	b->ops->quiesce(b->device);
}

/* --- what ports call --- */

int vhost_backend_create(
	struct vhost_backend **out, struct loop *loop, const struct vhost_backend_config *config)
{
	struct vhost_backend *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->ops = config->ops;
	b->device = config->device;
	b->features = config->features;
	*out = b;
	return 0;
}

void vhost_backend_destroy(struct vhost_backend *b)
{
	engine_disconnect(b);
	free(b);
}

void vhost_backend_check_memory(struct vhost_backend *b)
{
}

void vhost_backend_config_changed(struct vhost_backend *b)
{
}

void vhost_backend_check_rings(struct vhost_backend *b)
{
}

void vhost_backend_status(const struct vhost_backend *b, struct vhost_backend_status *out)
{
	*out = (struct vhost_backend_status){.path = "", .connected = b->connected};
}

void vhost_backend_ring_status(const struct vhost_backend *b, uint32_t idx, struct vhost_ring_status *out)
{
	*out = (struct vhost_ring_status){.ring = b->rings[idx], .call_fd = -1, .err_fd = -1};
}

const char *vhost_protocol_feature_name(unsigned bit)
{
	return NULL;
}

json_t *vhost_backend_save(struct vhost_backend *b, struct parcel *parcel)
{
	return json_null();
}

void vhost_backend_resume(struct vhost_backend *b)
{
}

int vhost_backend_restore(struct vhost_backend **out, struct loop *loop,
	const struct vhost_backend_config *config, const json_t *state, struct parcel *parcel)
{
	return -EOPNOTSUPP;
}
