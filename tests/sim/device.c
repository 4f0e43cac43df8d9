/* SPDX-License-Identifier: Apache-2.0 */
#include "device.h"

#include "base/check.h"
#include "base/test.h"
#include "port/vnet.h"

#include <string.h>

#define BUFFERS 128
#define SEGS    512

static void ring_start(struct device *d, uint32_t idx)
{
	const struct vhost_frontend_ring *r = &d->frontend->plan.rings[idx];
	struct vhost_ring *ring = &d->rings[idx];
	const struct virtq_setup setup = {
		.size = r->size,
		.base = r->base,
		.fresh = true,
		.desc_uaddr = (uintptr_t)r->desc,
		.avail_uaddr = (uintptr_t)r->avail,
		.used_uaddr = (uintptr_t)r->used,
		.features = d->features,
		.call = bell_eventfd(r->call_fd),
		.err = bell_none(),
	};
	const char *why = "";

	*ring = (struct vhost_ring){.idx = (uint16_t)idx, .enabled = true, .kick_fd = r->kick_fd};
	assert_int_equal(virtq_start(&ring->vq, d->gmem, &setup, &why), 0);
	if (d->backend)
		engine_publish(d->backend, ring);
}

void device_start_behind(struct device *d, struct virtio_user_port *vu, struct vhost_backend *b,
	uint64_t features, uint32_t n_rings)
{
	const struct vhost_frontend_plan *plan = &vu->frontend->plan;
	struct gmem_spec spec;
	char why[128];

	*d = (struct device){.frontend = vu->frontend,
		.features = features,
		.hdr_len = vnet_hdr_len(features),
		.backend = b};
	assert_int_equal(frontend_engine_prepare(vu->frontend, features, n_rings), 0);
	d->n_rings = plan->n_rings;
	spec = (struct gmem_spec){.gpa = (uintptr_t)plan->memory,
		.uaddr = (uintptr_t)plan->memory,
		.size = plan->memory_len,
		.fd = plan->memory_fd};
	assert_int_equal(gmem_create(&d->gmem, &spec, 1, why, sizeof(why)), 0);
	if (b)
		engine_connect(b, features);
	for (uint32_t i = 0; i < d->n_rings; i++)
		ring_start(d, i);
	frontend_engine_start(vu->frontend);
}

void device_start(struct device *d, struct virtio_user_port *vu, uint64_t features, uint32_t n_rings)
{
	device_start_behind(d, vu, NULL, features, n_rings);
}

void device_stop(struct device *d)
{
	if (!d->gmem)
		return;
	if (d->backend)
		engine_disconnect(d->backend);
	for (uint32_t i = 0; i < d->n_rings; i++)
		virtq_stop(&d->rings[i].vq);
	frontend_engine_stop(d->frontend);
	gmem_destroy(d->gmem);
	d->gmem = NULL;
}

/* --- frames --- */

static uint32_t put(struct virtq_chain *chain, const uint8_t *from, uint32_t len)
{
	uint32_t done = 0;

	for (uint32_t i = 0; i < chain->n_write && done < len; i++) {
		uint32_t part = min_u32(chain->segs[i].len, len - done);

		memcpy(chain->segs[i].addr, from + done, part);
		done += part;
	}
	return done;
}

bool device_send(
	struct device *d, uint32_t pair, const struct virtio_net_hdr *hdr, const uint8_t *frame, uint32_t len)
{
	static uint8_t bytes[GUEST_BUFFER_MAX];
	struct virtq *vq = &d->rings[2 * pair].vq;
	struct virtio_net_hdr_mrg_rxbuf all = {.num_buffers = 1};
	struct virtq_seg segs[SEGS];
	struct virtq_buffer buffers[BUFFERS];
	uint32_t lens[BUFFERS], n = 0, slots = 0;
	uint8_t *first = NULL;

	if (hdr)
		all.hdr = *hdr;
	memcpy(bytes, &all, d->hdr_len);
	memcpy(bytes + d->hdr_len, frame, len);
	len += d->hdr_len;
	for (uint32_t done = 0; done < len; n++) {
		struct virtq_chain chain = {.segs = segs, .max = SEGS};

		if (n == BUFFERS || virtq_pop(vq, &chain) != 1 || chain.n_write == 0) {
			virtq_unpop(vq, slots);
			return false;
		}
		slots += chain.buffer.slots;
		buffers[n] = chain.buffer;
		lens[n] = put(&chain, bytes + done, len - done);
		done += lens[n];
		if (n == 0)
			first = segs[0].addr;
	}
	assert_true(n == 1 || d->features & FEATURE(VIRTIO_NET_F_MRG_RXBUF));
	all.num_buffers = (uint16_t)(n + d->num_buffers_lie);
	memcpy(first, &all, min_u32(d->hdr_len, lens[0]));
	for (uint32_t i = 0; i < n; i++)
		virtq_push(vq, buffers[i], lens[i]);
	virtq_flush(vq);
	return true;
}

bool device_receive(struct device *d, uint32_t pair, struct guest_frame *out)
{
	static uint8_t bytes[GUEST_BUFFER_MAX];
	struct virtq *vq = &d->rings[2 * pair + 1].vq;
	struct virtq_seg segs[SEGS];
	struct virtq_chain chain = {.segs = segs, .max = SEGS};
	uint32_t len = 0;

	if (virtq_pop(vq, &chain) != 1)
		return false;
	assert_int_equal(chain.n_write, 0);
	assert_true(chain.read_len >= d->hdr_len && chain.read_len <= sizeof(bytes));
	for (uint32_t i = 0; i < chain.n_read; i++) {
		memcpy(bytes + len, segs[i].addr, segs[i].len);
		len += segs[i].len;
	}
	*out = (struct guest_frame){.n_buffers = 1, .len = len - d->hdr_len};
	memcpy(&out->hdr, bytes, d->hdr_len);
	assert_int_equal(out->hdr.num_buffers, 0);
	memcpy(out->bytes, bytes + d->hdr_len, out->len);
	virtq_push(vq, chain.buffer, 0);
	virtq_flush(vq);
	return true;
}
