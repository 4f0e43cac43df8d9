/* SPDX-License-Identifier: Apache-2.0 */
#include "blkbench/disk.h"

#include "base/check.h"
#include "base/units.h"
#include "os/foreign.h"
#include "os/unix.h"
#include "virtio/feature_names.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u
/* Of the configuration space: all that QEMU's front-end reads, too. */
#define CONFIG_LEN 60
#define RING_MAX   32768u

/* Beside the data, what each request needs in shared memory. */
struct shared {
	struct blk_header header;
	struct blk_range range;
	uint8_t status;
	uint8_t unused[CACHE_LINE - sizeof(struct blk_header) - sizeof(struct blk_range) - 1];
	struct vring_desc table[BLKBENCH_SEGMENTS_MAX + 2];
	uint8_t unused2[CACHE_LINE - 2 * sizeof(struct vring_desc)];
};

static_assert(sizeof(struct shared) % CACHE_LINE == 0, "requests do not share a cache line");

const char *blk_op_name(enum blk_op op)
{
	static const char *const names[OP_COUNT] = {"read", "write", "flush", "discard", "write-zeroes"};

	return names[op];
}

/* --- features and configuration --- */

static uint64_t required_features(const struct blkbench_plan *p)
{
	uint64_t f = BIT(VIRTIO_F_VERSION_1);

	f |= p->packed ? BIT(VIRTIO_F_RING_PACKED) : 0;
	f |= p->indirect ? BIT(VIRTIO_RING_F_INDIRECT_DESC) : 0;
	f |= p->queues > 1 ? BIT(BLK_F_MQ) : 0;
	f |= p->flush_every > 0 ? BIT(BLK_F_FLUSH) : 0;
	f |= p->discard_percent > 0 ? BIT(BLK_F_DISCARD) : 0;
	f |= p->zeroes_percent > 0 ? BIT(BLK_F_WRITE_ZEROES) : 0;
	f |= p->writeback ? BIT(BLK_F_CONFIG_WCE) : 0;
	return f;
}

static uint64_t wanted_features(const struct blkbench_plan *p)
{
	uint64_t f = required_features(p);

	/* what they stand for is looked at, or does no harm */
	f |= BIT(BLK_F_SIZE_MAX) | BIT(BLK_F_SEG_MAX) | BIT(BLK_F_RO) | BIT(BLK_F_BLK_SIZE) |
	     BIT(BLK_F_TOPOLOGY) | BIT(BLK_F_CONFIG_WCE) | BIT(BLK_F_MQ);
	f |= p->no_flush ? 0 : BIT(BLK_F_FLUSH);
	f |= p->no_event_idx ? 0 : BIT(VIRTIO_RING_F_EVENT_IDX);
	return f;
}

static bool writes(const struct blkbench_plan *p)
{
	return p->read_percent < 100;
}

/* 0, or -errno and d->why: what the plan asks cannot be done with this disk. */
static int check_config(struct disk *d)
{
	const struct blkbench_plan *p = d->plan;
	const struct blk_config *c = &d->config;
	const uint32_t piece = p->block_size / p->segments;

	if (d->features & BIT(BLK_F_RO) && writes(p))
		snprintf(d->why, sizeof(d->why), "the disk is read-only: give --rw=read or randread");
	else if (p->queues > 1 && c->num_queues < p->queues)
		snprintf(d->why, sizeof(d->why), "the disk has %u queues: give --queues=%u", c->num_queues,
			c->num_queues);
	else if (d->features & BIT(BLK_F_SEG_MAX) && c->seg_max < p->segments)
		snprintf(d->why, sizeof(d->why), "the disk takes %u pieces: give --segments=%u", c->seg_max,
			c->seg_max);
	else if (d->features & BIT(BLK_F_SIZE_MAX) && c->size_max > 0 && c->size_max < piece)
		snprintf(d->why, sizeof(d->why), "the disk takes pieces of %u bytes: give more --segments",
			c->size_max);
	else if (d->features & BIT(BLK_F_BLK_SIZE) && c->blk_size > 0 && p->block_size % c->blk_size != 0)
		snprintf(d->why, sizeof(d->why),
			"the disk has blocks of %u bytes: give a --block-size of several", c->blk_size);
	else if (p->discard_percent > 0 && c->max_discard_sectors < p->block_size / BLK_SECTOR)
		snprintf(d->why, sizeof(d->why),
			"the disk discards %u bytes at a time: give a smaller --block-size",
			c->max_discard_sectors * BLK_SECTOR);
	else if (p->zeroes_percent > 0 && c->max_write_zeroes_sectors < p->block_size / BLK_SECTOR)
		snprintf(d->why, sizeof(d->why),
			"the disk zeroes %u bytes at a time: give a smaller --block-size",
			c->max_write_zeroes_sectors * BLK_SECTOR);
	else
		return 0;
	d->hopeless = true;
	return -EINVAL;
}

int disk_region(struct disk *d, uint64_t *n_blocks)
{
	const struct blkbench_plan *p = d->plan;
	const uint64_t capacity =
		d->config.capacity > UINT64_MAX / BLK_SECTOR ? UINT64_MAX : d->config.capacity * BLK_SECTOR;
	const uint64_t behind = p->offset < capacity ? capacity - p->offset : 0;
	const uint64_t size = p->size > 0 ? p->size : behind;

	*n_blocks = size / p->block_size;
	if (size <= behind && *n_blocks > 0)
		return 0;
	snprintf(d->why, sizeof(d->why),
		"the disk has %" PRIu64 " bytes, too few for that: give a smaller --offset or --size",
		capacity);
	return -EINVAL;
}

/* --- memory --- */

static uint64_t align_up(uint64_t len, uint64_t align)
{
	return (len + align - 1) / align * align;
}

static uint32_t descs_per_request(const struct blkbench_plan *p)
{
	return p->indirect ? 1 : p->segments + 2;
}

static uint32_t ring_size_for(const struct blkbench_plan *p)
{
	uint32_t need = p->depth * descs_per_request(p), size = 16;

	while (size < need)
		size *= 2;
	return size;
}

static uint64_t data_len(const struct blkbench_plan *p)
{
	return align_up(p->block_size, PAGE);
}

static uint64_t queue_len(const struct disk *d, const struct driverq_layout *layout)
{
	const uint32_t depth = d->plan->depth;

	return align_up(layout->len, PAGE) + align_up(depth * sizeof(struct shared), PAGE) +
	       depth * data_len(d->plan);
}

static struct shared *shared_of(const struct disk_queue *q, const struct disk_request *r)
{
	const struct disk *d = q->disk;
	const struct driverq_layout layout =
		driverq_layout(d->ring_size, d->memory_features & BIT(VIRTIO_F_RING_PACKED));
	uint8_t *at = d->memory + q->idx * queue_len(d, &layout) + align_up(layout.len, PAGE);

	return (struct shared *)(void *)at + r->slot;
}

static int memory_make(struct disk *d, uint64_t len)
{
	d->memory_len = len;
	d->memfd = memfd_create("blk-bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (d->memfd < 0)
		return -errno;
	if (ftruncate(d->memfd, (off_t)len) != 0 ||
		fcntl(d->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		return -errno;
	d->memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, d->memfd, 0);
	if (d->memory == MAP_FAILED) {
		d->memory = NULL;
		return -errno;
	}
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		foreign_close(*fd);
	*fd = -1;
}

static void life_drop(struct disk *d)
{
	for (uint32_t i = 0; i < d->plan->queues; i++) {
		struct disk_queue *q = &d->queues[i];

		loop_watch_del(d->loop, &q->call);
		driverq_fini(&q->vq);
		close_fd(&q->kick_fd);
		close_fd(&q->call_fd);
	}
	if (d->memory)
		munmap(d->memory, d->memory_len);
	d->memory = NULL;
	close_fd(&d->memfd);
}

static int queue_make(struct disk_queue *q, const struct driverq_layout *layout, uint8_t *at)
{
	struct disk *d = q->disk;
	uint8_t *data =
		at + align_up(layout->len, PAGE) + align_up(d->plan->depth * sizeof(struct shared), PAGE);
	struct driverq_setup setup = {.size = d->ring_size,
		.features = d->memory_features,
		.ring = at,
		.writable = true,
		.blocked = &d->kick_blocked};
	int err;

	q->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (q->kick_fd < 0)
		return -errno;
	q->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (q->call_fd < 0)
		return -errno;
	setup.kick_fd = q->kick_fd;
	err = driverq_init(&q->vq, &setup);
	if (err)
		return err;
	for (uint32_t i = 0; i < d->plan->depth; i++)
		q->requests[i].data = data + i * data_len(d->plan);
	return loop_watch_add(d->loop, &q->call, q->call_fd, EPOLLIN);
}

static int life_make(struct disk *d, uint64_t features)
{
	const struct driverq_layout layout =
		driverq_layout(d->ring_size, features & BIT(VIRTIO_F_RING_PACKED));
	const uint64_t each = queue_len(d, &layout);
	int err = memory_make(d, each * d->plan->queues);

	d->memory_features = features;
	d->kick_blocked = false;
	for (uint32_t i = 0; i < d->plan->queues && err == 0; i++)
		err = queue_make(&d->queues[i], &layout, d->memory + i * each);
	return err;
}

/* --- what the front-end asks --- */

/* Those that a back-end had when it died, in rings that it never saw. */
static void ask_again(struct disk_queue *q)
{
	struct disk *d = q->disk;

	for (uint32_t i = 0; i < d->plan->depth; i++) {
		struct disk_request *r = &q->requests[i];

		if (!r->submitted)
			continue;
		if (d->refill)
			d->refill(d->arg, r);
		disk_submit(q, r);
		d->asked_again++;
	}
	/* nobody is there to be told; the front-end kicks each ring when it starts */
	driverq_publish(&q->vq);
}

/* For a split ring the avail index is ours to know; of a packed one the notes know how far the device came. */
static uint32_t base_of(const struct driverq *q, bool resumes)
{
	return resumes ? driverq_resume_base(q) : driverq_base(q);
}

static int on_prepare(void *driver, uint64_t features, uint32_t n_rings, struct vhost_frontend_plan *plan)
{
	struct disk *d = driver;
	int err;

	d->features = features;
	err = check_config(d);
	if (err)
		return err;
	if (n_rings < d->plan->queues) {
		snprintf(d->why, sizeof(d->why), "the back-end serves %u rings: give --queues=%u", n_rings,
			n_rings);
		d->hopeless = true;
		return -EINVAL;
	}
	plan->resumes = plan->may_resume && d->memory && d->memory_features == features;
	if (!plan->resumes) {
		life_drop(d);
		err = life_make(d, features);
		if (err)
			return err;
		for (uint32_t i = 0; i < d->plan->queues; i++)
			ask_again(&d->queues[i]);
	}
	d->resumed += plan->resumes;
	plan->memory_fd = d->memfd;
	plan->memory = d->memory;
	plan->memory_len = d->memory_len;
	plan->n_rings = d->plan->queues;
	for (uint32_t i = 0; i < plan->n_rings; i++) {
		const struct disk_queue *q = &d->queues[i];

		plan->rings[i] = (struct vhost_frontend_ring){.size = d->ring_size,
			.base = base_of(&q->vq, plan->resumes),
			.desc = q->vq.desc,
			.avail = q->vq.avail,
			.used = q->vq.used,
			.kick_fd = q->kick_fd,
			.call_fd = q->call_fd};
	}
	return 0;
}

static void on_started(void *driver)
{
	struct disk *d = driver;

	d->running = true;
	d->lives++;
	if (d->plan->writeback && d->lives == 1) {
		const uint8_t on = strcmp(d->plan->writeback, "on") == 0;

		vhost_frontend_write_config(
			d->frontend, offsetof(struct blk_config, writeback), &on, sizeof(on));
	}
}

static void on_stopped(void *driver)
{
	struct disk *d = driver;

	d->ended |= d->running;
	d->running = false;
}

static void on_config_read(void *driver, const uint8_t *config)
{
	struct disk *d = driver;

	memcpy(&d->config, config, CONFIG_LEN);
}

static const struct vhost_driver ops = {
	.prepare = on_prepare, .started = on_started, .stopped = on_stopped, .config_read = on_config_read};

/* --- open and close --- */

static void on_call(void *arg, uint32_t events)
{
	struct disk_queue *q = arg;
	uint64_t n;

	if (read(q->call_fd, &n, sizeof(n)) == sizeof(n))
		q->calls += n;
}

static int queue_open(struct disk_queue *q, struct disk *d, uint32_t idx)
{
	const uint32_t depth = d->plan->depth;

	q->disk = d;
	q->idx = idx;
	loop_watch_init(&q->call, on_call, q);
	q->requests = calloc(depth, sizeof(*q->requests));
	q->free = calloc(depth, sizeof(*q->free));
	q->by_number = calloc(d->ring_size, sizeof(*q->by_number));
	if (!q->requests || !q->free || !q->by_number)
		return -ENOMEM;
	for (; q->n_free < depth; q->n_free++) {
		/* the first one on top */
		q->free[q->n_free] = (uint16_t)(depth - 1 - q->n_free);
		q->requests[q->n_free].slot = (uint16_t)q->n_free;
	}
	return 0;
}

static int connect_disk(struct disk *d)
{
	const struct vhost_frontend_config config = {
		.path = d->plan->path,
		.features = wanted_features(d->plan),
		.required = required_features(d->plan),
		.n_rings = d->plan->queues,
		.config_len = CONFIG_LEN,
		.inflight = d->plan->reconnect,
		.mem_slots = true,
		.name = d->plan->path,
		.feature_name = virtio_blk_feature_name,
		.retry_ns = 10 * NS_PER_MS,
		.ops = &ops,
		.driver = d,
	};
	int err = vhost_frontend_create(&d->frontend, d->loop, &config);

	if (err)
		unix_explain(err, config.path, d->why, sizeof(d->why));
	return err;
}

int disk_open(struct disk *d, const struct blkbench_plan *plan, struct loop *loop)
{
	int err = 0;

	*d = (struct disk){.plan = plan, .loop = loop, .memfd = -1, .ring_size = ring_size_for(plan)};
	for (uint32_t i = 0; i < BLKBENCH_QUEUES_MAX; i++)
		d->queues[i].kick_fd = d->queues[i].call_fd = -1;
	if (d->ring_size > RING_MAX) {
		snprintf(d->why, sizeof(d->why),
			"so many pieces do not fit into a ring: give a smaller --depth");
		return -EINVAL;
	}
	for (uint32_t i = 0; i < plan->queues && err == 0; i++)
		err = queue_open(&d->queues[i], d, i);
	if (err)
		snprintf(d->why, sizeof(d->why), "%s", strerror(-err));
	return err ? err : connect_disk(d);
}

void disk_close(struct disk *d)
{
	vhost_frontend_destroy(d->frontend);
	for (uint32_t i = 0; i < d->plan->queues; i++) {
		free(d->queues[i].requests);
		free(d->queues[i].free);
		free(d->queues[i].by_number);
	}
	life_drop(d);
}

/* --- requests --- */

struct disk_request *disk_take(struct disk_queue *q)
{
	struct disk_request *r;

	if (q->n_free == 0)
		return NULL;
	r = &q->requests[q->free[--q->n_free]];
	r->taken = true;
	return r;
}

void disk_give_back(struct disk_queue *q, struct disk_request *r)
{
	r->taken = false;
	q->free[q->n_free++] = r->slot;
}

static enum blk_type type_of(enum blk_op op)
{
	static const enum blk_type types[OP_COUNT] = {
		BLK_T_IN, BLK_T_OUT, BLK_T_FLUSH, BLK_T_DISCARD, BLK_T_WRITE_ZEROES};

	return types[op];
}

/* The data in `segments` pieces; returns how many. */
static uint32_t data_pieces(const struct disk_request *r, uint32_t segments, struct driverq_piece *pieces)
{
	const uint32_t len = r->len / segments;

	for (uint32_t i = 0; i < segments; i++)
		pieces[i] = (struct driverq_piece){r->data + i * len, len};
	return segments;
}

void disk_submit(struct disk_queue *q, struct disk_request *r)
{
	struct shared *s = shared_of(q, r);
	struct driverq_piece pieces[BLKBENCH_SEGMENTS_MAX + 2];
	struct driverq_chain chain = {.pieces = pieces, .n_read = 1, .n_write = 1};
	uint32_t n = 1;

	s->header = (struct blk_header){
		.type = type_of(r->op), .sector = r->op == OP_READ || r->op == OP_WRITE ? r->sector : 0};
	s->status = DISK_STATUS_NONE;
	pieces[0] = (struct driverq_piece){&s->header, sizeof(s->header)};
	if (r->op == OP_READ || r->op == OP_WRITE) {
		n += data_pieces(r, q->disk->plan->segments, pieces + 1);
	} else if (r->op != OP_FLUSH) {
		s->range = (struct blk_range){.sector = r->sector, .n_sectors = r->len / BLK_SECTOR};
		pieces[n++] = (struct driverq_piece){&s->range, sizeof(s->range)};
	}
	pieces[n] = (struct driverq_piece){&s->status, sizeof(s->status)};
	*(r->op == OP_READ ? &chain.n_write : &chain.n_read) += n - 1;
	chain.table = q->disk->plan->indirect ? s->table : NULL;
	q->by_number[driverq_add_chain(&q->vq, &chain)] = r->slot;
	r->submitted = true;
}

void disk_publish(struct disk_queue *q)
{
	if (driverq_publish(&q->vq) && !driverq_kick(&q->vq))
		driverq_break(&q->vq, DRIVERQ_KICK_BLOCKS);
}

struct disk_request *disk_done(struct disk_queue *q)
{
	struct driverq_used used;
	struct disk_request *r;

	if (!q->disk->memory || driverq_take(&q->vq, &used) != 1)
		return NULL;
	r = &q->requests[q->by_number[used.buffer]];
	/* the device had it, and may go on writing: one look */
	r->status = __atomic_load_n(&shared_of(q, r)->status, __ATOMIC_RELAXED);
	r->used_len = used.len;
	r->submitted = false;
	return r;
}

bool disk_arm(struct disk_queue *q)
{
	return driverq_arm(&q->vq);
}

void disk_disarm(struct disk_queue *q)
{
	driverq_disarm(&q->vq);
}

const char *disk_queue_broken(const struct disk_queue *q)
{
	return q->vq.error == DRIVERQ_OK ? NULL : driverq_error_text(q->vq.error);
}
