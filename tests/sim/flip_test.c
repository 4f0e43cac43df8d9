/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that writes into its rings and frames all the time, from a thread of its own and at full speed, while two
 * others talk through the same switch. It can only lose its own rings: what the others say arrives whole and in order.
 */
#include "sim.h"

#include "base/test.h"
#include "os/clock.h"
#include "os/thread.h"

#include <linux/virtio_config.h>
#include <string.h>
#include <unistd.h>

#define HOSTILE 0
#define LIVES   20 /* of the one who does not keep still, at least */
#define FRAMES  3000
/* And so many more at a time, until the one who flips has had a part in it. */
#define MORE_FRAMES 200
#define PATIENCE_NS (60 * NS_PER_S)
#define NUMBER_AT   16
#define SLOTS       32 /* in play */
#define AREA        0x8000u

static struct sim sim;

/* --- the one who does not keep still --- */

struct flipper {
	struct random r;
	pthread_t thread;
	bool stop;
	uint16_t shown[GUEST_QUEUES]; /* avail->idx of split rings */
};

static uint64_t *words_of(const struct guest_queue *q)
{
	return q->is_packed ? (uint64_t *)(void *)q->packed.slots : (uint64_t *)(void *)q->desc;
}

/* Mostly a piece of its own memory; flags of either format. */
static void some_desc(struct flipper *f, const struct guest_queue *q, bool writable, uint64_t *words)
{
	uint32_t wild = random_below(&f->r, q->is_packed ? 300 : 3000);
	uint16_t flags = random_below(&f->r, 8) ? 0 : VRING_DESC_F_NEXT;
	uint64_t len = random_below(&f->r, 4) ? 60 + random_below(&f->r, 1500) : random_below(&f->r, 20000);

	flags |= writable ? VRING_DESC_F_WRITE : 0;
	words[0] = q->slabs_gpa + random_below(&f->r, AREA);
	if (wild == 0)
		words[0] = random_u64(&f->r);
	if (wild == 1)
		flags = (uint16_t)random_u64(&f->r);
	if (wild == 2) { /* a table that lies in the ring itself */
		flags = VRING_DESC_F_INDIRECT;
		words[0] = q->desc_gpa;
		len = 16 * random_below(&f->r, SLOTS);
	}
	if (q->is_packed) {
		flags |= random_below(&f->r, 2) ? 1u << VRING_PACKED_DESC_F_AVAIL
						: 1u << VRING_PACKED_DESC_F_USED;
		words[1] = len | (uint64_t)random_below(&f->r, SLOTS) << 32 | (uint64_t)flags << 48;
	} else {
		words[1] = len | (uint64_t)flags << 32 | (uint64_t)random_below(&f->r, SLOTS) << 48;
	}
}

static void flip_desc(struct flipper *f, struct guest_queue *q, bool writable)
{
	uint32_t slot = random_below(&f->r, min_u32(q->size, q->is_packed ? q->size : SLOTS));
	uint32_t half = random_below(&f->r, 2);
	uint64_t words[2];

	some_desc(f, q, writable, words);
	__atomic_store_n(&words_of(q)[2 * slot + half], words[half], __ATOMIC_RELAXED);
}

static void offer(struct flipper *f, uint32_t queue)
{
	struct guest_queue *q = &sim.guest[HOSTILE].queues[queue];
	uint16_t used;

	if (q->is_packed)
		return;
	used = __atomic_load_n(&q->used->idx, __ATOMIC_RELAXED);
	__atomic_store_n(&q->avail->ring[random_below(&f->r, q->size)], (uint16_t)random_below(&f->r, SLOTS),
		__ATOMIC_RELAXED);
	if ((uint16_t)(f->shown[queue] - used) > q->size)
		f->shown[queue] = used; /* the ring broke, and is whole again */
	if ((uint16_t)(f->shown[queue] - used) < q->size / 2)
		f->shown[queue] += (uint16_t)random_below(&f->r, 4);
	if (random_below(&f->r, 20000) == 0)
		f->shown[queue] = (uint16_t)random_u64(&f->r);
	__atomic_store_n(&q->avail->idx, f->shown[queue], __ATOMIC_RELEASE);
}

/* Headers that ask for checksums and segments, and everything behind them. */
static void flip_bytes(struct flipper *f, struct guest *g)
{
	uint8_t *at = guest_at(g, g->queues[GUEST_TX].slabs_gpa + random_below(&f->r, AREA));
	uint64_t word = random_below(&f->r, 4) ? random_u64(&f->r) : 0x0000000e00220101;

	at -= (uintptr_t)at % sizeof(word);
	__atomic_store_n((uint64_t *)(void *)at, word, __ATOMIC_RELAXED);
}

/* Now and then, so that the workers do not sleep over what lies there. */
static void kick(struct flipper *f, struct guest *g)
{
	const uint64_t one = 1;
	ssize_t n = 0;

	if (random_below(&f->r, 100) == 0)
		n = write(g->queues[GUEST_TX].kick_fd, &one, sizeof(one));
	(void)n;
}

static void *flip(void *arg)
{
	struct flipper *f = arg;
	struct guest *g = &sim.guest[HOSTILE];

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		for (uint32_t queue = 0; queue < GUEST_QUEUES; queue++) {
			flip_desc(f, &g->queues[queue], queue == GUEST_RX);
			offer(f, queue);
		}
		flip_bytes(f, g);
		kick(f, g);
	}
	return NULL;
}

/* --- those who want to talk --- */

struct peer {
	uint32_t sent, reaped, received, next, junk;
	uint32_t frames; /* it sends so many */
};

static void make_frame(uint8_t *frame, uint32_t len, uint32_t from, uint32_t number)
{
	struct random r;

	random_init(&r, number);
	sim_frame(frame, len, from, number % 10 ? 3 - from : SIM_PORTS, &r);
	memcpy(frame + NUMBER_AT, &number, sizeof(number));
}

static uint32_t len_of(uint32_t number)
{
	return 64 + number * 37 % 3000;
}

static void drive_out(uint32_t i, struct peer *p)
{
	static uint8_t frame[4096];
	const struct guest_layout buffer = guest_layout_one(1536);
	struct guest *g = &sim.guest[i];

	while (guest_outstanding(g, GUEST_RX) < 200 && guest_post(g, &buffer))
		;
	guest_kick(g, GUEST_RX);
	for (uint32_t n = 0; n < 8 && p->sent < p->frames; n++) {
		const struct guest_layout layout = guest_layout_even(12 + len_of(p->sent), 1 + n % 3);

		make_frame(frame, len_of(p->sent), i, p->sent);
		if (!guest_send(g, NULL, frame, len_of(p->sent), &layout))
			break;
		p->sent++;
	}
	guest_kick(g, GUEST_TX);
}

static bool is_from_other(const struct guest_frame *f, uint32_t i)
{
	static const uint8_t mac[5] = {0x52, 0x54};

	return f->len >= 64 && memcmp(f->bytes + 6, mac, sizeof(mac)) == 0 && f->bytes[11] == 3 - i;
}

static void drive_in(uint32_t i, struct peer *p)
{
	static uint8_t frame[4096];

	p->reaped += guest_reap(&sim.guest[i]);
	while (guest_receive(&sim.guest[i], &sim.got)) {
		uint32_t number;

		if (!is_from_other(&sim.got, i)) {
			p->junk++;
			continue;
		}
		memcpy(&number, sim.got.bytes + NUMBER_AT, sizeof(number));
		assert_true(number >= p->next);
		p->next = number + 1;
		make_frame(frame, len_of(number), 3 - i, number);
		assert_int_equal(sim.got.len, len_of(number));
		assert_memory_equal(sim.got.bytes, frame, sim.got.len);
		p->received++;
	}
}

/* When a ring of its has broken, it comes back with whole ones. True: it did. */
static bool come_again(void)
{
	struct guest *g = &sim.guest[HOSTILE];
	bool broken = false;

	for (uint32_t queue = 0; queue < GUEST_QUEUES; queue++)
		broken |= __atomic_load_n(&g->rings[queue].vq.error, __ATOMIC_RELAXED) != VIRTQ_OK;
	if (broken) {
		guest_disconnect(g);
		sim_connect(&sim, HOSTILE);
	}
	return broken;
}

static bool all_returned(const struct peer peers[3])
{
	return peers[1].reaped >= peers[1].frames && peers[2].reaped >= peers[2].frames;
}

/* It has sent something, and had a buffer in order when something was for it: how soon depends on who runs when. */
static bool took_part(void)
{
	struct iface_counters c = sim_counters(&sim, HOSTILE);

	return c.rx_packets > 0 && c.tx_packets > 0;
}

static void flipper_start(struct flipper *f, uint64_t seed)
{
	struct guest *g = &sim.guest[HOSTILE];
	uint8_t *area = guest_at(g, g->queues[GUEST_TX].slabs_gpa);

	random_init(&f->r, seed);
	for (uint32_t i = 0; i < 2 * AREA; i++)
		area[i] = (uint8_t)random_u64(&f->r);
	f->stop = false;
	assert_int_equal(thread_start(&f->thread, "flipper", THREAD_ANY_CPU, flip, f), 0);
}

static void run(uint64_t features, uint32_t n_workers)
{
	struct peer peers[3] = {[1] = {.frames = FRAMES}, [2] = {.frames = FRAMES}};
	uint64_t deadline_ns = clock_now_ns() + PATIENCE_NS;
	uint32_t broken = 0;
	struct flipper f;

	sim_init_workers(&sim, 3, n_workers);
	sim_guests(&sim, features);
	flipper_start(&f, n_workers);
	while (!all_returned(peers) || broken < 20 || !took_part()) {
		assert_true(clock_now_ns() < deadline_ns);
		for (uint32_t i = 1; i < 3 && all_returned(peers) && !took_part(); i++)
			peers[i].frames += MORE_FRAMES;
		for (uint32_t i = 1; i < 3; i++) {
			drive_out(i, &peers[i]);
			drive_in(i, &peers[i]);
		}
		broken += come_again();
	}
	__atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
	pthread_join(f.thread, NULL);
	for (uint32_t i = 0; i < 3; i++)
		guest_disconnect(&sim.guest[i]);
	for (uint32_t i = 1; i < 3; i++) {
		drive_in(i, &peers[i]);
		assert_int_equal(sim_counters(&sim, i).rx_packets, peers[i].frames);
		assert_true(peers[i].received > 0 && peers[i].junk > 0);
	}
	sim_fini(&sim);
}

TEST(memory_that_changes_while_it_is_read_harms_nobody_else)
{
	run(SIM_RING_FEATURES, 1);
	run(SIM_RING_FEATURES | SIM_CSUM_FEATURES | SIM_TSO_FEATURES, 2);
}

TEST(headers_that_change_while_frames_are_completed_harm_nobody_else)
{
	/* the others can take nothing undone, so that every frame is looked into */
	run((SIM_RING_FEATURES & ~FEATURE(VIRTIO_NET_F_MRG_RXBUF)) | FEATURE(VIRTIO_NET_F_CSUM) |
			FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_TSO6),
		2);
}

TESTS(cmocka_unit_test(memory_that_changes_while_it_is_read_harms_nobody_else),
	cmocka_unit_test(headers_that_change_while_frames_are_completed_harm_nobody_else))
