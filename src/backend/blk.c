/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/blk.h"

#include "backend/blk_private.h"
#include "base/log.h"
#include "os/clock.h"
#include "vhost/proto.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SIZE_MAX_BYTES 0x7ffff000u /* the kernel's bound of one transfer */

struct blk_options blk_defaults(void)
{
	return (struct blk_options){
		.serial = "",
		.n_queues = 1,
		.depth = 256,
		.seg_max = 126,
		.n_workers = 1,
		.n_threads = 8,
		.discard = true,
		.write_zeroes = true,
		.spin_ns = 50 * NS_PER_US,
		.drain_ns = BLK_DRAIN_NS,
		.clock = clock_now_ns,
	};
}

/* --- features and configuration space --- */

static uint64_t offered(const struct blk *blk)
{
	uint64_t features = BIT(BLK_F_SIZE_MAX) | BIT(BLK_F_SEG_MAX) | BIT(BLK_F_GEOMETRY) |
			    BIT(BLK_F_BLK_SIZE) | BIT(BLK_F_FLUSH) | BIT(BLK_F_TOPOLOGY) |
			    BIT(BLK_F_CONFIG_WCE) | BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_RING_PACKED) |
			    BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX);

	if (blk->n_queues > 1)
		features |= BIT(BLK_F_MQ);
	if (blk->file.read_only)
		features |= BIT(BLK_F_RO);
	if (blk->rules.discard)
		features |= BIT(BLK_F_DISCARD);
	if (blk->rules.write_zeroes)
		features |= BIT(BLK_F_WRITE_ZEROES);
	return features;
}

uint64_t blk_features(const struct blk *blk)
{
	return blk->features_offered;
}

uint64_t blk_protocol_features(void)
{
	return BIT(VHOST_USER_PROTOCOL_F_CONFIG) | BIT(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD);
}

/* What old partition tables want to hear: as large as it gets with 16 heads and 63 sectors. */
static void set_capacity(struct blk *blk)
{
	uint64_t sectors = blk_file_size(&blk->file) >> BLK_SECTOR_BITS;

	blk->config.capacity = sectors;
	blk->config.heads = 16;
	blk->config.sectors = 63;
	blk->config.cylinders = (uint16_t)min_u64(sectors / (16 * 63), 65535);
}

static uint8_t log2_of(uint32_t n)
{
	return (uint8_t)(31 - __builtin_clz(n));
}

static void fill_config(struct blk *blk)
{
	struct blk_config *c = &blk->config;
	const struct blk_file *f = &blk->file;
	uint32_t block_sectors = f->block_size >> BLK_SECTOR_BITS;

	*c = (struct blk_config){
		.size_max = SIZE_MAX_BYTES,
		.seg_max = blk->rules.seg_max,
		.blk_size = f->block_size,
		.physical_block_exp = log2_of(f->physical_block_size / f->block_size),
		.min_io_size = (uint16_t)(f->physical_block_size / f->block_size),
		.writeback = blk->options.file.cache != BLK_CACHE_WRITETHROUGH,
		.num_queues = (uint16_t)blk->n_queues,
	};
	if (blk->rules.discard) {
		c->max_discard_sectors = BLK_MAX_RANGE_SECTORS;
		c->max_discard_seg = BLK_MAX_RANGES;
		c->discard_sector_alignment = block_sectors;
	}
	if (blk->rules.write_zeroes) {
		c->max_write_zeroes_sectors = BLK_MAX_RANGE_SECTORS;
		c->max_write_zeroes_seg = 1;
		c->write_zeroes_may_unmap = 1;
	}
	set_capacity(blk);
}

/*
 * Whoever has not been told of FLUSH cannot ask for it (virtio 1.2, 5.2.6.2). wce is the guest's choice, or with
 * --cache=writethrough ours until it chooses.
 */
static void set_write_through(struct blk *blk)
{
	bool flushes = blk->features & BIT(BLK_F_FLUSH);

	__atomic_store_n(&blk->rules.write_through, !flushes || !blk->config.writeback, __ATOMIC_RELAXED);
}

static int on_get_config(void *device, uint32_t offset, uint32_t len, uint8_t *out)
{
	const struct blk *blk = device;

	memcpy(out, (const uint8_t *)&blk->config + offset, len);
	return 0;
}

static int on_set_config(void *device, uint32_t offset, uint32_t len, const uint8_t *bytes)
{
	struct blk *blk = device;

	if (offset != offsetof(struct blk_config, writeback) || len != 1 || bytes[0] > 1)
		return -EPERM;
	blk->config.writeback = bytes[0];
	set_write_through(blk);
	return 0;
}

/* --- rings --- */

static void on_publish(void *device, uint32_t idx, struct vhost_ring *ring)
{
	struct blk *blk = device;
	struct blk_queue *q = &blk->queues[idx];

	if (q->kick_fd >= 0)
		waker_unwatch(&q->worker->waker, q->kick_fd);
	q->kick_fd = ring ? ring->kick_fd : -1;
	if (q->kick_fd >= 0)
		waker_watch(&q->worker->waker, q->kick_fd);
	__atomic_store_n(&q->leave, BLK_LEAVE_DRAINED, __ATOMIC_RELEASE);
	rcu_publish(q->wanted, ring);
	waker_wake(&q->worker->waker);
}

static bool all_let_go(const struct blk *blk)
{
	for (uint32_t i = 0; i < blk->n_queues; i++) {
		const struct blk_queue *q = &blk->queues[i];

		if (!q->wanted && __atomic_load_n(&q->held, __ATOMIC_ACQUIRE))
			return false;
	}
	return true;
}

/* False: not in time. */
static bool wait_let_go(struct blk *blk, uint64_t ns)
{
	uint64_t until_ns = clock_now_ns() + ns;
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / NS_PER_S), .tv_nsec = (long)(until_ns % NS_PER_S)};
	bool let_go;

	pthread_mutex_lock(&blk->lock);
	while (!(let_go = all_let_go(blk)))
		if (pthread_cond_timedwait(&blk->let_go, &blk->lock, &until) == ETIMEDOUT)
			break;
	let_go = all_let_go(blk);
	pthread_mutex_unlock(&blk->lock);
	return let_go;
}

static void hurry(struct blk *blk, enum blk_leave leave)
{
	for (uint32_t i = 0; i < blk->n_queues; i++) {
		struct blk_queue *q = &blk->queues[i];

		if (q->wanted || !__atomic_load_n(&q->held, __ATOMIC_ACQUIRE))
			continue;
		__atomic_store_n(&q->leave, leave, __ATOMIC_RELEASE);
		waker_wake(&q->worker->waker);
	}
}

static uint64_t abandoned(const struct blk *blk)
{
	return __atomic_load_n(&blk->abandoned, __ATOMIC_ACQUIRE);
}

/* The memory of a ring that is held stays mapped until nothing is abandoned any more. */
static void pin_memory(struct blk *blk)
{
	for (uint32_t i = 0; i < blk->n_queues; i++) {
		const struct vhost_ring *held = __atomic_load_n(&blk->queues[i].held, __ATOMIC_ACQUIRE);
		struct blk_pin *pin;

		if (blk->queues[i].wanted || !held)
			continue;
		pin = calloc(1, sizeof(*pin));
		ASSERT(pin && gmem_share(held->vq.mem, &pin->mem) == 0); /* some hundred bytes */
		pin->next = blk->pins;
		blk->pins = pin;
		return; /* all rings have the same */
	}
}

static void unpin_memory(struct blk *blk)
{
	while (blk->pins) {
		struct blk_pin *pin = blk->pins;

		blk->pins = pin->next;
		gmem_destroy(pin->mem);
		free(pin);
	}
}

/* From workers that hang in a call of their own. */
static void seize(struct blk *blk)
{
	for (uint32_t i = 0; i < blk->n_workers; i++) {
		struct blk_worker *w = &blk->workers[i];

		if (!blk_call_seize(&w->call))
			continue;
		for (uint32_t k = i; k < blk->n_queues; k += blk->n_workers)
			if (!blk->queues[k].wanted && blk->queues[k].held)
				blk_queue_seize(&blk->queues[k]);
		blk_call_give_back(&w->call);
	}
}

static bool worker_hangs(const struct blk *blk)
{
	for (uint32_t i = 0; i < blk->n_workers; i++)
		if (blk_call_hangs(&blk->workers[i].call))
			return true;
	return false;
}

/* Storage that did not answer for another ring, and still does not, has had its time. */
static uint64_t patience_ns(const struct blk *blk)
{
	return abandoned(blk) > 0 || worker_hangs(blk) ? blk->options.drain_ns / 16 : blk->options.drain_ns;
}

/* Storage has its time; who makes calls to it does not outlast that. */
static void on_quiesce(void *device)
{
	const uint64_t patience = patience_ns(device);
	struct blk *blk = device;

	if (wait_let_go(blk, patience))
		return;
	log_warning("storage does not answer: operations under way are cancelled");
	hurry(blk, BLK_LEAVE_CANCEL);
	if (wait_let_go(blk, patience / 4))
		return;
	pin_memory(blk);
	hurry(blk, BLK_LEAVE_ABANDON);
	while (!wait_let_go(blk, patience / 4))
		seize(blk);
	log_error(
		"storage does not answer: %llu operations are abandoned", (unsigned long long)abandoned(blk));
}

static void on_set_features(void *device, uint64_t features)
{
	struct blk *blk = device;

	blk->features = features;
	set_write_through(blk);
}

/* A driver that comes anew finds the cache as the user wants it. */
static void on_reset(void *device)
{
	struct blk *blk = device;

	blk->config.writeback = blk->options.file.cache != BLK_CACHE_WRITETHROUGH;
	set_write_through(blk);
}

static void on_connected(void *device, bool connected)
{
	if (!connected)
		on_reset(device);
}

const struct vhost_device blk_vhost_device = {
	.publish = on_publish,
	.quiesce = on_quiesce,
	.set_features = on_set_features,
	.connected = on_connected,
	.get_config = on_get_config,
	.set_config = on_set_config,
	.reset = on_reset,
};

void blk_set_backend(struct blk *blk, struct vhost_backend *backend)
{
	blk->backend = backend;
}

static void tell_size(struct blk *blk)
{
	set_capacity(blk);
	blk->resizes++;
	if (blk->backend)
		vhost_backend_config_changed(blk->backend);
	log_info("the disk has %llu bytes now", (unsigned long long)blk_file_size(&blk->file));
}

int blk_resize(struct blk *blk, uint64_t size)
{
	int err = blk_file_resize(&blk->file, size);

	if (err == 0)
		tell_size(blk);
	return err;
}

void blk_tick(struct blk *blk)
{
	if (blk->pins && abandoned(blk) == 0 && !worker_hangs(blk))
		unpin_memory(blk);
	if (blk_file_look(&blk->file) > 0)
		tell_size(blk);
}

/* --- set-up --- */

static int open_ram(struct blk *blk)
{
	blk->ram_len = blk_file_size(&blk->file);
	blk->ram = mmap(NULL, blk->ram_len + 1, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (blk->ram == MAP_FAILED) {
		blk->ram = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int open_queues(struct blk *blk, const struct blk_engine_ops *engine)
{
	int err = 0;

	blk->engine = engine;
	for (uint32_t i = 0; i < blk->n_queues && err == 0; i++)
		err = blk_queue_open(&blk->queues[i], blk, i);
	if (err)
		for (uint32_t i = 0; i < blk->n_queues; i++)
			blk_queue_close(&blk->queues[i]);
	return err;
}

static int open_threads(struct blk *blk)
{
	int err = blk_pool_create(&blk->pool);

	return err ? err : open_queues(blk, &blk_engine_threads);
}

static int open_engine(struct blk *blk, char *why, size_t why_len)
{
	int err;

	if (blk->options.own_engine)
		return open_queues(blk, blk->options.own_engine);
	switch (blk->options.engine) {
	case BLK_ENGINE_RAM:
		err = open_ram(blk);
		return err ? err : open_queues(blk, &blk_engine_ram);
	case BLK_ENGINE_NULL:
		return open_queues(blk, &blk_engine_null);
	case BLK_ENGINE_THREADS:
		return open_threads(blk);
	default:
		break;
	}
	err = open_queues(blk, &blk_engine_uring);
	if (err == 0)
		return 0;
	if (blk->options.engine == BLK_ENGINE_AUTO) {
		log_info("no io_uring here (%s): requests go to threads", strerror(-err));
		return open_threads(blk);
	}
	snprintf(why, why_len,
		"io_uring: %s: see sysctl kernel.io_uring_disabled and the service's seccomp filter, or use "
		"--engine=threads",
		strerror(-err));
	return err;
}

static int alloc_workers(struct blk *blk)
{
	blk->workers = calloc(blk->n_workers, sizeof(blk->workers[0]));
	blk->queues = calloc(blk->n_queues, sizeof(blk->queues[0]));
	if (!blk->workers || !blk->queues)
		return -ENOMEM;
	for (uint32_t i = 0; i < blk->n_workers; i++) {
		int err;

		blk->workers[i] = (struct blk_worker){.blk = blk, .idx = i, .waker = {.epfd = -1}};
		err = waker_init(&blk->workers[i].waker);
		if (err)
			return err;
	}
	return 0;
}

static void init_lock(struct blk *blk)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&blk->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&blk->let_go, &attr);
	pthread_condattr_destroy(&attr);
}

static void set_rules(struct blk *blk)
{
	const struct blk_options *o = &blk->options;

	blk->rules = (struct blk_rules){
		.file = &blk->file,
		.seg_max = o->seg_max,
		.discard = o->discard && !blk->file.read_only,
		.write_zeroes = o->write_zeroes && !blk->file.read_only,
		.write_through = true,
	};
	memcpy(blk->rules.serial, o->serial, min_u64(strlen(o->serial), BLK_ID_LEN));
}

int blk_create(struct blk **out, const struct blk_options *options, char *why, size_t why_len)
{
	struct blk *blk = calloc(1, sizeof(*blk));
	int err;

	snprintf(why, why_len, "out of memory");
	if (!blk)
		return -ENOMEM;
	blk->options = *options;
	blk->n_queues = options->n_queues;
	blk->n_workers = min_u32(options->n_workers, options->n_queues);
	blk->file.fd = blk->file.plain_fd = -1;
	init_lock(blk);
	blk_limit_init(&blk->limit, options->requests_per_s, options->bytes_per_s, options->clock());
	err = blk_file_open(&blk->file, &options->file, why, why_len);
	if (err)
		goto destroy;
	set_rules(blk);
	err = alloc_workers(blk);
	if (err == 0)
		err = open_engine(blk, why, why_len);
	if (err)
		goto destroy;
	fill_config(blk);
	blk->features_offered = offered(blk);
	*out = blk;
	return 0;
destroy:
	blk_destroy(blk);
	return err;
}

int blk_start(struct blk *blk)
{
	int err = blk->pool ? blk_pool_start(blk->pool, blk->options.n_threads) : 0;

	return err ? err : blk_workers_start(blk);
}

/* What is abandoned still uses its request, its engine and the guest's memory: that is left to the end of the process. */
void blk_destroy(struct blk *blk)
{
	bool hangs;

	if (blk->workers && worker_hangs(blk))
		return;
	if (blk->workers)
		blk_workers_stop(blk);
	hangs = blk->queues && abandoned(blk) > 0;
	for (uint32_t i = 0; blk->queues && i < blk->n_queues; i++)
		blk_queue_close(&blk->queues[i]);
	if (hangs)
		return;
	for (uint32_t i = 0; blk->workers && i < blk->n_workers; i++)
		if (blk->workers[i].waker.epfd >= 0)
			waker_fini(&blk->workers[i].waker);
	unpin_memory(blk);
	blk_pool_destroy(blk->pool);
	if (blk->ram)
		munmap(blk->ram, blk->ram_len + 1);
	if (blk->file.fd >= 0)
		blk_file_close(&blk->file);
	blk_limit_fini(&blk->limit);
	pthread_cond_destroy(&blk->let_go);
	pthread_mutex_destroy(&blk->lock);
	free(blk->queues);
	free(blk->workers);
	free(blk);
}
