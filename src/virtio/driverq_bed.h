/* SPDX-License-Identifier: Apache-2.0 */
/* driverq_bed - for tests: a driver's queue and the product's device side over the same memory. */
#ifndef GINNEL_VIRTIO_DRIVERQ_BED_H
#define GINNEL_VIRTIO_DRIVERQ_BED_H

#include "virtio/driverq.h"
#include "virtio/virtq.h"

#include "base/test.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define BED_BUFFER_LEN 64u
#define BED_MEMORY     (4u << 20)

struct driverq_bed {
	struct driverq q;
	struct driverq_layout layout;
	int memfd;
	uint8_t *memory;
	int kick_fd, call_fd;
	/* the device */
	struct gmem *gmem;
	struct virtq device;
	struct virtq_seg segs[64];
};

static inline void bed_open(struct driverq_bed *b, uint32_t size, uint64_t features, bool writable)
{
	const bool packed = features & BIT(VIRTIO_F_RING_PACKED);
	const struct driverq_layout layout = driverq_layout(size, packed);
	struct gmem_spec spec = {.size = BED_MEMORY};
	struct virtq_setup device = {.size = size, .features = features, .fresh = true};
	struct driverq_setup setup = {
		.size = size, .features = features, .buffer_len = BED_BUFFER_LEN, .writable = writable};
	const char *why = "";
	char text[128];

	*b = (struct driverq_bed){.layout = layout};
	b->memfd = memfd_create("driverq", MFD_CLOEXEC);
	assert_true(b->memfd >= 0 && ftruncate(b->memfd, BED_MEMORY) == 0);
	b->memory = mmap(NULL, BED_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, b->memfd, 0);
	assert_true(b->memory != MAP_FAILED && layout.len + size * BED_BUFFER_LEN <= BED_MEMORY);
	b->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	b->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	setup.ring = b->memory;
	setup.buffers = b->memory + layout.len;
	setup.kick_fd = b->kick_fd;
	assert_int_equal(driverq_init(&b->q, &setup), 0);

	spec.gpa = spec.uaddr = (uintptr_t)b->memory;
	spec.fd = b->memfd;
	assert_int_equal(gmem_create(&b->gmem, &spec, 1, text, sizeof(text)), 0);
	device.base = driverq_base(&b->q);
	device.desc_uaddr = (uintptr_t)b->memory;
	device.avail_uaddr = (uintptr_t)b->memory + layout.avail_at;
	device.used_uaddr = (uintptr_t)b->memory + layout.used_at;
	device.call = bell_eventfd(b->call_fd);
	device.err = bell_none();
	assert_int_equal(virtq_start(&b->device, b->gmem, &device, &why), 0);
}

static inline void bed_close(struct driverq_bed *b)
{
	virtq_stop(&b->device);
	gmem_destroy(b->gmem);
	driverq_fini(&b->q);
	munmap(b->memory, BED_MEMORY);
	close(b->memfd);
	close(b->kick_fd);
	close(b->call_fd);
}

/* The device takes a chain into b->segs. False: there is none. */
static inline bool bed_pop(struct driverq_bed *b, struct virtq_chain *chain)
{
	*chain = (struct virtq_chain){.segs = b->segs, .max = ARRAY_LEN(b->segs)};
	return virtq_pop(&b->device, chain) == 1;
}

/* How often it was rung since the last time. */
static inline uint64_t bed_rings(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

#endif
