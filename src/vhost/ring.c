/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/backend_private.h"

#include "os/foreign.h"

#include <errno.h>

void ring_bell_replace(struct bell *old, struct bell with)
{
	if (old->fd >= 0)
		foreign_close(old->fd);
	*old = with;
}

void ring_init(struct ring *r, uint32_t idx)
{
	*r = (struct ring){
		.shared = {.idx = (uint16_t)idx, .kick_fd = -1},
		.call = bell_none(),
		.err = bell_none(),
	};
}

void ring_kick_replace(struct ring *r, int fd)
{
	if (r->shared.kick_fd >= 0)
		foreign_close(r->shared.kick_fd);
	r->shared.kick_fd = fd;
}

void ring_stop(struct ring *r)
{
	ASSERT(!r->published);
	ring_kick_replace(r, -1);
	r->shared.kick_by_message = false;
	r->started = false;
}

void ring_reset(struct ring *r)
{
	ring_stop(r);
	ring_bell_replace(&r->call, bell_none());
	ring_bell_replace(&r->err, bell_none());
	inflight_ring_close(&r->inflight);
	ring_init(r, r->shared.idx);
}

void ring_start(struct ring *r)
{
	ASSERT(!r->published);
	if (r->started)
		return;
	r->started = true;
	r->fresh = true;
	r->reported = false;
}

bool rings_stopped(const struct vhost_backend *b)
{
	for (uint32_t i = 0; i < b->n_rings; i++)
		if (b->rings[i].started)
			return false;
	return true;
}

void rings_pause(struct vhost_backend *b, uint64_t which)
{
	uint64_t paused = 0;

	for (uint32_t i = 0; i < b->n_rings; i++) {
		struct ring *r = &b->rings[i];

		if (!r->published || !(which & RING_ONLY(r)))
			continue;
		b->ops->publish(b->device, i, NULL);
		r->published = false;
		paused |= RING_ONLY(r);
	}
	if (paused == 0)
		return;
	b->ops->quiesce(b->device);
	for (uint32_t i = 0; i < b->n_rings; i++)
		if (paused & BIT(i))
			b->rings[i].base = virtq_stop(&b->rings[i].shared.vq);
}

static bool ring_can_run(const struct vhost_backend *b, const struct ring *r)
{
	return r->started && r->size > 0 && r->has_addr && b->mem && b->has_features;
}

/* Before virtq_start(): the start itself writes to the used ring, and that is logged too. */
static void ring_set_log(const struct vhost_backend *b, struct ring *r)
{
	struct virtq *q = &r->shared.vq;

	q->log = (b->features & BIT(VHOST_F_LOG_ALL)) && b->log.log.bits ? &b->log.log : NULL;
	q->log_used = r->addr.flags & VHOST_USER_RING_ADDR_LOG;
	q->log_used_gpa = r->addr.log;
}

/* own was set by a message; a ring without is told in-band, if that was negotiated. */
static struct bell bell_of(
	struct vhost_backend *b, const struct ring *r, const struct bell *own, uint32_t request)
{
	struct bell bell = own ? *own : request_ring_bell(b, request, r->shared.idx);

	bell.blocked = &b->bell_blocked;
	return bell;
}

static int ring_run(struct vhost_backend *b, struct ring *r, struct message *m)
{
	struct virtq *q = &r->shared.vq;
	uint32_t idx = r->shared.idx;
	struct virtq_setup setup = {
		.size = r->size,
		.base = r->base,
		.fresh = r->fresh,
		.desc_uaddr = r->addr.desc,
		.avail_uaddr = r->addr.avail,
		.used_uaddr = r->addr.used,
		.features = b->features,
		.call = bell_of(b, r, r->call_set ? &r->call : NULL, VHOST_USER_BACKEND_VRING_CALL),
		.err = bell_of(b, r, r->err_set ? &r->err : NULL, VHOST_USER_BACKEND_VRING_ERR),
	};
	/* only a stop mends a broken ring, and nothing mends one whose calls block: its connection will be ended */
	enum virtq_error error = r->fresh && q->error != VIRTQ_CALL_BLOCKS ? VIRTQ_OK : q->error;
	const char *why;
	int err = inflight_of_ring(b, r, &setup, m);

	if (err)
		return err;
	ring_set_log(b, r);
	if (virtq_start(q, b->mem, &setup, &why) < 0)
		return message_refuse(m, -EINVAL, "ring %u cannot run: %s", idx, why);
	if (r->shared.inflight && r->fresh && !inflight_ring_recover(&r->inflight, q)) {
		virtq_stop(q);
		return message_refuse(m, -EINVAL, "ring %u is not what its inflight area describes", idx);
	}
	q->error = error;
	r->published = true;
	b->ops->publish(b->device, idx, &r->shared);
	r->fresh = false;
	return 0;
}

int rings_run(struct vhost_backend *b, uint64_t which, struct message *m)
{
	int first_err = 0;

	for (uint32_t i = 0; i < b->n_rings; i++) {
		struct ring *r = &b->rings[i];
		int err = 0;

		if ((which & RING_ONLY(r)) && !r->published && ring_can_run(b, r))
			err = ring_run(b, r, m);
		if (first_err == 0)
			first_err = err;
	}
	return first_err;
}
