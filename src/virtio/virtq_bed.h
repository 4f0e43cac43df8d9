/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_bed - what the tests of both ring formats share: a guest's memory, one queue in it, eventfds, a dirty log. */
#ifndef GINNEL_VIRTIO_VIRTQ_BED_H
#define GINNEL_VIRTIO_VIRTQ_BED_H

#include "virtio/virtq.h"

#include "base/random.h"
#include "base/test.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * The guest's memory: two regions side by side for the guest, mapped apart by us.
 *
 *	LOW   rings, indirect tables           HIGH   buffers, one page each
 */
#define LOW      0x10000ull
#define HIGH     0x20000ull
#define HALF     0x10000ull
#define UADDR    0x500000000000ull
#define SIZE     8u
#define AVAIL    (LOW + 0x1000)
#define USED     (LOW + 0x2000)
#define TABLE    (LOW + 0x3000)
#define BUF(i)   (HIGH + (i)*0x1000ull)
#define FEATURES (1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_RING_F_EVENT_IDX)

struct bed {
	int memfd;
	uint8_t *low, *high;
	struct gmem *mem;
	struct virtq q;
	struct virtq_setup setup;
	struct virtq_seg segs[64];
	struct virtq_chain chain;
	int call_fd, err_fd;
	uint8_t bits[64];
	struct dirty_log log;
};

static inline void bed_map(struct bed *b)
{
	struct gmem_spec specs[2] = {
		{.gpa = LOW, .size = HALF, .uaddr = UADDR + LOW},
		{.gpa = HIGH, .size = HALF, .uaddr = UADDR + HIGH, .offset = HALF},
	};
	char why[100];

	memset(b, 0, sizeof(*b));
	b->memfd = memfd_create("virtq test", MFD_CLOEXEC);
	assert_int_equal(ftruncate(b->memfd, 2 * HALF), 0);
	b->low = mmap(NULL, 2 * HALF, PROT_READ | PROT_WRITE, MAP_SHARED, b->memfd, 0);
	assert_true(b->low != MAP_FAILED);
	b->high = b->low + HALF;
	specs[0].fd = b->memfd;
	specs[1].fd = b->memfd;
	assert_int_equal(gmem_create(&b->mem, specs, 2, why, sizeof(why)), 0);
	b->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	b->err_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	b->chain = (struct virtq_chain){.segs = b->segs, .max = 64};
	b->setup = (struct virtq_setup){.size = SIZE,
		.desc_uaddr = UADDR + LOW,
		.avail_uaddr = UADDR + AVAIL,
		.used_uaddr = UADDR + USED,
		.call = bell_eventfd(b->call_fd),
		.err = bell_eventfd(b->err_fd)};
}

static inline void bed_close(struct bed *b)
{
	virtq_stop(&b->q);
	gmem_destroy(b->mem);
	munmap(b->low, 2 * HALF);
	close(b->memfd);
	close(b->call_fd);
	close(b->err_fd);
}

static inline uint64_t events(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* A migration begins, with nothing logged so far. */
static inline uint8_t *log_on(struct bed *b)
{
	memset(b->bits, 0, sizeof(b->bits));
	b->log = (struct dirty_log){.bits = b->bits, .size = sizeof(b->bits)};
	b->q.log = &b->log;
	return b->bits;
}

static inline bool is_dirty(const uint8_t *bits, uint64_t gpa)
{
	return bits[gpa / 4096 / 8] & 1u << (gpa / 4096 % 8);
}

#endif
