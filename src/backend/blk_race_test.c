/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control gives and takes rings at full speed, and does all else that it may, beside workers that serve guests who write,
 * read back and compare. For the sanitizers: a ring that was taken is freed, and written to.
 */
#include "backend/blk_bed.h"

#include "base/random.h"
#include "base/units.h"
#include "base/log.h"

#include <poll.h>
#include <sched.h>

#define QUEUES  BED_QUEUES
#define WORKERS 2u
#define ROUNDS  250u
#define MANY    4000u /* of rounds in which guests are silent */
#define DEPTH   16u
#define BLOCKS  (QUEUES * DEPTH)

static struct bed bed;
static struct random control;
static bool stop; /* relaxed atomic: guests ask for nothing more */

/* --- guests --- */

struct guest {
	struct bed_queue *q;
	pthread_t thread;
	uint32_t idx, on_their_way;
	uint32_t generation[DEPTH]; /* odd: it was written last */
};

static uint8_t byte_of(const struct guest *g, uint32_t slot)
{
	return (uint8_t)(g->idx * 85 + slot * 7 + g->generation[slot] / 2);
}

/* Each request has a block of its own, which it writes and reads in turns, with a flush now and then. */
static void ask(struct guest *g, uint32_t slot)
{
	uint64_t block = g->idx * DEPTH + slot;
	uint32_t generation = ++g->generation[slot];
	bool write = generation % 2;

	memset(g->q->slots[slot].data, write ? byte_of(g, slot) : 0xee, BED_BLOCK);
	bed_add(g->q, slot, write ? BLK_T_OUT : BLK_T_IN, block);
	g->on_their_way++;
}

static void check(const struct guest *g, uint32_t slot)
{
	const uint8_t *data = g->q->slots[slot].data;

	ASSERT(bed_status(g->q, slot) == BLK_S_OK);
	if (g->generation[slot] % 2 == 0)
		for (uint32_t i = 0; i < BED_BLOCK; i++)
			ASSERT(data[i] == (uint8_t)(byte_of(g, slot) - 1));
}

static bool look(struct guest *g)
{
	bool any = false;

	for (int slot; (slot = bed_done(g->q)) >= 0; any = true) {
		check(g, (uint32_t)slot);
		g->on_their_way--;
	}
	for (uint32_t i = 0; i < DEPTH && !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++)
		if (!g->q->busy[i])
			ask(g, i);
	bed_publish(g->q);
	return any;
}

/* A minute is for ever: then a request or a call was lost. */
static void *guest_main(void *arg)
{
	struct guest *g = arg;
	struct pollfd p = {.fd = g->q->call_fd, .events = POLLIN};
	uint64_t n;

	do {
		if (!look(g) && g->on_their_way > 0 && !driverq_arm(&g->q->vq)) {
			ASSERT(poll(&p, 1, 60000) == 1);
			ASSERT(read(p.fd, &n, sizeof(n)) == sizeof(n));
		}
		driverq_disarm(&g->q->vq);
	} while (g->on_their_way > 0);
	return NULL;
}

/* --- control --- */

static void show(void)
{
	struct ctl_call call = {.subject = bed.blk};

	assert_int_equal(blk_commands.commands[0].run(&call), 0);
	json_decref(call.result);
}

/* One of the things that happen while rings run. */
static void meddle(void)
{
	struct blk *blk = bed.blk;
	const uint8_t on = random_below(&control, 2);

	switch (random_below(&control, 6)) {
	case 0:
		assert_int_equal(
			blk_vhost_device.set_config(blk, offsetof(struct blk_config, writeback), 1, &on), 0);
		break;
	case 1:
		assert_int_equal(
			blk_resize(blk, (uint64_t)BED_BLOCK * (BLOCKS + random_below(&control, 3))), 0);
		break;
	case 2:
		blk_limit_set(&blk->limit, on * 1000000, 0, blk->options.clock());
		break;
	case 3:
		show();
		break;
	default:
		blk_tick(blk);
		break;
	}
}

static void give_all(void)
{
	for (uint32_t i = 0; i < QUEUES; i++)
		if (!bed.queues[i].ring)
			bed_give(&bed, i);
}

/* Memory comes and goes, too, when nobody has a ring in it. */
static void remap(void)
{
	bed_take(&bed, UINT32_MAX);
	gmem_destroy(bed.gmem);
	bed_map(&bed);
}

static void flip(uint32_t rounds)
{
	for (uint32_t round = 0; round < rounds; round++) {
		give_all();
		for (uint32_t n = random_below(&control, 8); n > 4; n--)
			sched_yield();
		if (random_below(&control, 4) == 0)
			meddle();
		if (random_below(&control, 8) == 0)
			remap();
		else
			bed_take(&bed, 1 + random_below(&control, BIT(QUEUES) - 1));
	}
	give_all();
}

static uint64_t abandoned(void)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < QUEUES; i++)
		n += bed.blk->queues[i].counters.abandoned;
	return n;
}

/* How many requests were abandoned. */
static uint64_t run(struct blk_options options, uint64_t features, bool noted)
{
	struct guest guests[QUEUES];
	uint64_t n;

	options.n_queues = QUEUES;
	options.n_workers = WORKERS;
	random_init(&control, features + options.engine);
	bed_open(&bed, options, features, BLOCKS);
	bed.noted = noted;
	stop = false;
	assert_int_equal(blk_start(bed.blk), 0);
	for (uint32_t i = 0; i < QUEUES; i++) {
		guests[i] = (struct guest){.q = &bed.queues[i], .idx = i};
		assert_int_equal(pthread_create(&guests[i].thread, NULL, guest_main, &guests[i]), 0);
	}
	flip(ROUNDS);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < QUEUES; i++)
		pthread_join(guests[i].thread, NULL);
	bed_take(&bed, UINT32_MAX);
	n = abandoned();
	bed_close(&bed);
	return n;
}

static struct blk_options engine(enum blk_engine_choice choice, enum blk_cache cache)
{
	struct blk_options options = blk_defaults();

	options.engine = choice;
	options.file.cache = cache;
	return options;
}

static bool has_uring(void)
{
	struct blk_options options = engine(BLK_ENGINE_URING, BLK_CACHE_WRITEBACK);
	struct blk *blk;
	char why[256];
	int err;

	options.file.path = "/proc/self/exe";
	options.file.read_only = true;
	err = blk_create(&blk, &options, why, sizeof(why));
	if (err == 0)
		blk_destroy(blk);
	return err == 0;
}

TEST(rings_come_and_go_under_workers_that_do_all_themselves)
{
	run(engine(BLK_ENGINE_RAM, BLK_CACHE_WRITEBACK), BIT(VIRTIO_RING_F_EVENT_IDX), false);
	run(engine(BLK_ENGINE_THREADS, BLK_CACHE_WRITEBACK), BIT(VIRTIO_F_RING_PACKED), true);
}

static struct blk_engine_ops dawdling;

static int open_dawdling(struct blk_engine **out, const struct blk_engine_config *config)
{
	int err = blk_engine_null.open(out, config);

	if (err == 0)
		(*out)->ops = &dawdling;
	return err;
}

/* Others have time to do much, now and then. */
static void dawdle(struct blk_engine *e)
{
	static _Thread_local uint32_t n;

	for (uint32_t i = n++ % 8 * 100; i > 0; i--)
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Between any two looks at what control wants. Nobody asks these disks for anything. */
TEST(rings_come_and_go_under_workers_that_take_their_time)
{
	struct blk_options options = engine(BLK_ENGINE_NULL, BLK_CACHE_WRITEBACK);

	dawdling = blk_engine_null;
	dawdling.open = open_dawdling;
	dawdling.reap = dawdle;
	options.own_engine = &dawdling;
	options.n_queues = QUEUES;
	options.n_workers = WORKERS;
	bed_open(&bed, options, 0, BLOCKS);
	assert_int_equal(blk_start(bed.blk), 0);
	flip(MANY);
	bed_take(&bed, UINT32_MAX);
	bed_close(&bed);
}

TEST(rings_come_and_go_while_threads_work)
{
	run(engine(BLK_ENGINE_THREADS, BLK_CACHE_NONE), BIT(VIRTIO_RING_F_EVENT_IDX), false);
}

TEST(rings_come_and_go_while_the_kernel_works)
{
	if (!has_uring())
		skip();
	run(engine(BLK_ENGINE_URING, BLK_CACHE_WRITEBACK), BIT(VIRTIO_RING_F_EVENT_IDX), false);
	run(engine(BLK_ENGINE_URING, BLK_CACHE_NONE), BIT(VIRTIO_F_RING_PACKED), true);
}

/* No patience at all: what is under way is abandoned, and its notes have it done again. */
TEST(rings_are_seized_and_what_is_under_way_is_abandoned)
{
	struct blk_options options = engine(BLK_ENGINE_THREADS, BLK_CACHE_NONE);

	options.drain_ns = 4;
	while (run(options, BIT(VIRTIO_RING_F_EVENT_IDX), true) == 0)
		;                                 /* threads ran one after the other: that was no race */
	options.file.cache = BLK_CACHE_WRITEBACK; /* now workers are in calls themselves */
	run(options, BIT(VIRTIO_F_RING_PACKED), true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rings_come_and_go_under_workers_that_take_their_time),
		cmocka_unit_test(rings_come_and_go_under_workers_that_do_all_themselves),
		cmocka_unit_test(rings_come_and_go_while_threads_work),
		cmocka_unit_test(rings_come_and_go_while_the_kernel_works),
		cmocka_unit_test(rings_are_seized_and_what_is_under_way_is_abandoned),
	};

	log_set_level((enum log_level)0); /* storage that is too slow is what some of it is about */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
