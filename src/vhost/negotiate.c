/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/backend_private.h"

#include <errno.h>
#include <inttypes.h>

int handle_get_features(struct vhost_backend *b, struct message *m)
{
	m->payload.u64 = b->features_offered;
	return 0;
}

void rings_enable(struct vhost_backend *b, bool enabled)
{
	for (uint32_t i = 0; i < b->n_rings; i++)
		b->rings[i].shared.enabled = enabled;
}

static bool rings_enabled(const struct vhost_backend *b)
{
	for (uint32_t i = 0; i < b->n_rings; i++)
		if (!b->rings[i].shared.enabled)
			return false;
	return true;
}

int handle_set_features(struct vhost_backend *b, struct message *m)
{
	uint64_t features = m->payload.u64, before = b->features;
	bool first = !b->has_features;
	/* "Ring states": without bit 30 there is no SET_VRING_ENABLE. Bit 30 coming later does not disable again. */
	bool enable = !(features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)) && !rings_enabled(b);

	if (features & ~b->features_offered)
		return message_refuse(m, -EINVAL, "feature bits 0x%" PRIx64 " were not offered",
			features & ~b->features_offered);
	/* QEMU repeats it for each pair of queues while the pairs before it work */
	if (!first && features == before && !enable)
		return 0;
	rings_pause(b, RINGS_ALL);
	b->features = features;
	b->has_features = true;
	if (enable)
		rings_enable(b, true);
	if (first || ((features ^ before) & ~ENGINE_FEATURES))
		b->ops->set_features(b->device, features & ~ENGINE_FEATURES);
	return rings_run(b, RINGS_ALL, m);
}

int handle_set_owner(struct vhost_backend *b, struct message *m)
{
	b->owned = true; /* who is connected owns us anyway */
	return 0;
}

/* Deprecated, and read in different ways; "disable all rings" is what the specification says now. */
int handle_reset_owner(struct vhost_backend *b, struct message *m)
{
	rings_pause(b, RINGS_ALL);
	rings_enable(b, false);
	return rings_run(b, RINGS_ALL, m);
}

/*
 * QEMU has a configuration space of its own for some devices and warns its user of a back-end that offers another. It
 * asks before it sends SET_OWNER; User-Mode-Linux, which needs ours, asks afterwards.
 */
int handle_get_protocol_features(struct vhost_backend *b, struct message *m)
{
	m->payload.u64 = b->protocol_features_offered;
	if (b->config_optional && !b->owned)
		m->payload.u64 &= ~BIT(VHOST_USER_PROTOCOL_F_CONFIG);
	return 0;
}

/* Legal as soon as bit 30 was offered: UML never acknowledges that bit. */
int handle_set_protocol_features(struct vhost_backend *b, struct message *m)
{
	uint64_t unknown = m->payload.u64 & ~b->protocol_features_offered;

	if (unknown)
		return message_refuse(
			m, -EINVAL, "protocol feature bits 0x%" PRIx64 " were not offered", unknown);
	if (m->payload.u64 == b->protocol_features)
		return 0;
	rings_pause(b, RINGS_ALL); /* how they are called may change */
	b->protocol_features = m->payload.u64;
	return rings_run(b, RINGS_ALL, m);
}

int handle_get_queue_num(struct vhost_backend *b, struct message *m)
{
	m->payload.u64 = b->queue_num;
	return 0;
}
