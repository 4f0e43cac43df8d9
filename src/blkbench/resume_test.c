/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that dies between any two of its steps, again and again, and whose successor has nothing but the rings and the
 * notes. All that was acknowledged must be there, nothing may be asked twice or forgotten.
 *
 * To die is to leave memory as it is: the guest's and the notes are copied at that moment and put back when the device
 * has been taken down in order.
 */
#include "blkbench/load.h"

#include "base/check.h"
#include "base/log.h"
#include "base/test.h"
#include "base/units.h"
#include "vhost/backend.h"
#include "vhost/fake_front.h"
#include "vhost/frontend_private.h"
#include "vhost/inflight_ring.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK    1024u
#define N_BLOCKS 96u
#define QUEUES   2u
#define HELD_MAX 64
#define SEED     1
#define SEGS     16

static const uint64_t features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_RING_PACKED) |
				 BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX) |
				 BIT(BLK_F_FLUSH) | BIT(BLK_F_MQ);

/* Taken and not returned. */
struct held {
	struct virtq_chain chain;
	struct virtq_seg segs[SEGS];
	uint16_t note;
};

struct ring_state {
	struct vhost_ring *ring;
	struct held held[HELD_MAX];
	uint32_t n_held;
};

static struct loop *loop;
static char path[80], dir[64];
static struct vhost_backend *backend;
static struct ring_state rings[QUEUES];
static uint8_t bytes[N_BLOCKS * BLOCK];
static struct blkbench_plan plan;
static struct disk disk;
static struct verify verify;
static struct load load;
static struct random r;
static uint64_t now_ns, retaken;

/* Steps until it dies, and what was in memory then. */
static uint32_t left;
static bool dead;
static uint8_t *memory_then, *notes_then, *notes;
static uint64_t notes_len;

/* --- the device --- */

static void on_publish(void *device, uint32_t idx, struct vhost_ring *ring)
{
	rings[idx].ring = ring;
	rings[idx].n_held = 0;
}

static void on_quiesce(void *device)
{
}

static void on_set_features(void *device, uint64_t set)
{
}

static void on_connected(void *device, bool connected)
{
}

static int on_get_config(void *device, uint32_t offset, uint32_t len, uint8_t *out)
{
	const struct blk_config config = {.capacity = sizeof(bytes) / BLK_SECTOR, .num_queues = QUEUES};

	memcpy(out, (const uint8_t *)&config + offset, len);
	return 0;
}

static const struct vhost_device ops = {.publish = on_publish,
	.quiesce = on_quiesce,
	.set_features = on_set_features,
	.connected = on_connected,
	.get_config = on_get_config};

static void device_open(void)
{
	const struct vhost_backend_config config = {.path = path,
		.server = true,
		.mode = 0600,
		.features = features,
		.protocol_features =
			BIT(VHOST_USER_PROTOCOL_F_CONFIG) | BIT(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD),
		.config_size = 60,
		.n_rings = QUEUES,
		.queue_num = QUEUES,
		.name = "disk",
		.ops = &ops};

	assert_int_equal(vhost_backend_create(&backend, loop, &config), 0);
}

/* A moment at which it may die; some are worth more tries than others. */
static void steps(uint32_t n)
{
	left -= min_u32(left, n);
	if (dead || left > 0)
		return;
	dead = true;
	memcpy(memory_then, disk.memory, disk.memory_len);
	memcpy(notes_then, notes, notes_len);
}

static void step(void)
{
	steps(1);
}

/* What a request asks; a dead device does nothing. Returns the bytes written. */
static uint32_t obey(const struct virtq_chain *chain)
{
	const struct virtq_seg *segs = chain->segs;
	const uint32_t n = chain->n_read + chain->n_write;
	struct blk_header header;
	uint8_t *at;

	memcpy(&header, segs[0].addr, sizeof(header));
	at = bytes + header.sector * BLK_SECTOR;
	for (uint32_t i = 1; i + 1 < n && !dead; at += segs[i].len, i++) {
		if (header.type == BLK_T_IN)
			memcpy(segs[i].addr, at, segs[i].len);
		else
			memcpy(at, segs[i].addr, segs[i].len);
		step();
	}
	segs[n - 1].addr[0] = BLK_S_OK;
	step();
	return (uint32_t)chain->write_len;
}

static bool take(struct ring_state *s)
{
	struct held *h = &s->held[s->n_held];
	struct virtq *vq = &s->ring->vq;
	int got;

	if (s->n_held == HELD_MAX)
		return false;
	h->chain = (struct virtq_chain){.segs = h->segs, .max = SEGS};
	got = inflight_ring_retake(s->ring->inflight, vq, &h->chain, &h->note);
	retaken += got == 1;
	if (got == 0) {
		got = virtq_pop(vq, &h->chain);
		step();
		if (got == 1)
			h->note = inflight_ring_fetch(s->ring->inflight, vq, h->chain.buffer);
	}
	assert_true(got >= 0);
	step();
	s->n_held += got == 1;
	return got == 1;
}

/* Returns some, in any order. */
static void give_back(struct ring_state *s)
{
	struct virtq *vq = &s->ring->vq;
	uint16_t back[HELD_MAX];
	uint32_t n = 0;

	while (s->n_held > 0 && random_below(&r, 4) > 0) {
		struct held *h = &s->held[random_below(&r, s->n_held)];
		struct held *last = &s->held[--s->n_held];
		uint32_t len = obey(&h->chain);

		virtq_push(vq, h->chain.buffer, len);
		step();
		back[n++] = h->note;
		if (h == last)
			continue;
		*h = *last;
		h->chain.segs = h->segs;
	}
	inflight_ring_returning(s->ring->inflight, back, n);
	step();
	virtq_publish(vq);
	steps(10);
	inflight_ring_returned(s->ring->inflight, back, n, vq);
	step();
}

static void device_turn(void)
{
	for (uint32_t i = 0; i < QUEUES && !dead; i++) {
		const bool all = random_below(&r, 2);

		while ((all || random_below(&r, 5) > 0) && take(&rings[i]))
			;
		if (random_below(&r, 3) > 0)
			give_back(&rings[i]);
	}
}

/* --- around it --- */

/* From one place of a ring to another, as far as the driver may be ahead. */
static uint32_t ahead(const struct driverq *q, uint16_t from, uint16_t to)
{
	if (!q->packed)
		return (uint16_t)(to - from);
	return to >= from ? (uint32_t)(to - from) : (uint32_t)(to + 2 * q->size - from);
}

/* The device has taken up no more than the driver has added. */
static void check_place(const struct driverq *q, const struct virtq *vq)
{
	assert_true(ahead(q, vq->next_used, vq->next_avail) <= ahead(q, vq->next_used, q->shown_avail));
}

static void connect_client(void)
{
	for (int i = 0; i < 10000 && !disk.running; i++)
		assert_int_equal(loop_turn(loop, NS_PER_MS), 0);
	assert_true(disk.running);
	for (uint32_t i = 0; i < QUEUES; i++)
		assert_true(rings[i].ring && rings[i].ring->inflight);
	for (uint32_t i = 0; i < QUEUES; i++)
		check_place(&disk.queues[i].vq, &rings[i].ring->vq);
}

static void map_notes(void)
{
	notes_len = disk.frontend->notes.shape.mmap_size;
	notes = mmap(NULL, notes_len, PROT_READ | PROT_WRITE, MAP_SHARED, disk.frontend->notes.fd, 0);
	assert_true(notes != MAP_FAILED);
	notes_then = malloc(notes_len);
	memory_then = malloc(disk.memory_len);
	assert_true(notes_then && memory_then);
}

static void open_all(void)
{
	const struct verify_shape shape = {.n_blocks = N_BLOCKS, .seed = 9, .block_size = BLOCK};
	char why[200];

	log_set_level(LOG_LEVEL_ERROR);
	signal(SIGPIPE, SIG_IGN);
	snprintf(dir, sizeof(dir), "/tmp/ginnel-test.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	assert_int_equal(loop_create(&loop), 0);
	device_open();
	plan.path = path;
	plan.queues = QUEUES;
	plan.reconnect = true;
	now_ns = retaken = 0;
	assert_int_equal(disk_open(&disk, &plan, loop), 0);
	disk.frontend->retry_ns = disk.frontend->link.retry_ns = disk.frontend->link.retry_min_ns = NS_PER_US;
	connect_client();
	map_notes();
	assert_int_equal(verify_open(&verify, &shape, NULL, why, sizeof(why)), 0);
	load_init(&load, &plan, &disk, &verify, N_BLOCKS);
}

static void close_all(void)
{
	disk_close(&disk);
	verify_close(&verify);
	fake_turns(loop);
	vhost_backend_destroy(backend);
	munmap(notes, notes_len);
	free(notes_then);
	free(memory_then);
	loop_destroy(loop);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
}

static void die_and_rise(void)
{
	uint32_t resumed = disk.resumed;

	vhost_backend_destroy(backend);
	memcpy(disk.memory, memory_then, disk.memory_len);
	memcpy(notes, notes_then, notes_len);
	/* a guest hears nothing of it and goes on */
	for (uint32_t n = random_below(&r, 3); n > 0; n--)
		load_turn(&load, now_ns++);
	device_open();
	for (int i = 0; i < 100 && disk.running; i++)
		assert_int_equal(loop_turn(loop, 0), 0);
	assert_false(disk.running);
	for (uint32_t n = random_below(&r, 3); n > 0; n--)
		load_turn(&load, now_ns++);
	connect_client();
	assert_int_equal(disk.resumed, resumed + 1);
	assert_int_equal(disk.asked_again, 0);
	dead = false;
}

static void check_good(void)
{
	if (load_failed(&load))
		print_message("%s\n", load.n_findings ? load.findings[0] : "no finding");
	assert_false(load_failed(&load));
	for (uint32_t i = 0; i < QUEUES; i++)
		if (disk_queue_broken(&disk.queues[i]))
			fail_msg("%s", disk_queue_broken(&disk.queues[i]));
}

static void live_until_dead(void)
{
	left = 1 + random_below(&r, random_below(&r, 2) ? 20 : 400);
	while (!dead) {
		load_turn(&load, now_ns++);
		device_turn();
	}
}

/* Nothing is left behind: what is on its way comes back, and each block is as it must be. */
static void settle(void)
{
	left = UINT32_MAX;
	load.mode = LOAD_NOTHING;
	for (int i = 0; i < 500 && load_on_their_way(&load) > 0; i++) {
		load_turn(&load, now_ns++);
		device_turn();
	}
	assert_int_equal(load_on_their_way(&load), 0);
	load.mode = LOAD_SWEEP;
	load.sweep_at = 0;
	for (int i = 0; i < 5000 && !(load_asked_all(&load) && load_on_their_way(&load) == 0); i++) {
		load_turn(&load, now_ns++);
		device_turn();
	}
	assert_true(load_asked_all(&load));
	check_good();
}

static void check_crashes(bool packed, bool indirect)
{
	const char *given = getenv("GINNEL_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : SEED;

	print_message("GINNEL_SEED=%llu\n", (unsigned long long)seed);
	random_init(&r, seed);
	plan = (struct blkbench_plan){.random = true,
		.read_percent = 30,
		.block_size = BLOCK,
		.depth = 1u << random_below(&r, 5), /* rings that get full */
		.segments = 2,
		.flush_every = 8,
		.seed = seed,
		.packed = packed,
		.indirect = indirect};
	open_all();
	for (uint32_t life = 0; life < 400; life++) {
		load.mode = LOAD_PLAN;
		live_until_dead();
		die_and_rise();
		check_good();
		if (life % 20 == 19)
			settle();
	}
	assert_true(retaken > 100 && load.checked > 1000);
	close_all();
}

TEST(a_disk_with_split_rings_may_die_at_any_moment)
{
	check_crashes(false, false);
}

TEST(a_disk_with_split_rings_and_indirect_tables_may_die_at_any_moment)
{
	check_crashes(false, true);
}

TEST(a_disk_with_packed_rings_may_die_at_any_moment)
{
	check_crashes(true, false);
}

TEST(a_disk_with_packed_rings_and_indirect_tables_may_die_at_any_moment)
{
	check_crashes(true, true);
}

TESTS(cmocka_unit_test(a_disk_with_split_rings_may_die_at_any_moment),
	cmocka_unit_test(a_disk_with_split_rings_and_indirect_tables_may_die_at_any_moment),
	cmocka_unit_test(a_disk_with_packed_rings_may_die_at_any_moment),
	cmocka_unit_test(a_disk_with_packed_rings_and_indirect_tables_may_die_at_any_moment))
