/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/fake_driver.h"

#include "base/log.h"
#include "base/test.h"
#include "os/bell.h"
#include "os/foreign.h"
#include "vhost/fake_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_ring.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_RINGS  4
#define BUFFER_LEN 0x1000u
#define RING_BYTES (0x4000u + FAKE_DRIVER_RING_SIZE * BUFFER_LEN)
#define MEMORY_LEN (MAX_RINGS * RING_BYTES)

static uint8_t *ring_at(const struct fake_driver *d, uint32_t ring)
{
	return (uint8_t *)d->plan.memory + ring * RING_BYTES;
}

static int make_ring(struct fake_driver *d, uint32_t ring)
{
	uint8_t *at = ring_at(d, ring);
	struct vhost_frontend_ring r = {
		.size = FAKE_DRIVER_RING_SIZE,
		.desc = at,
		.avail = at + 0x1000,
		.used = at + 0x2000,
		.kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
	};

	if (r.kick_fd < 0)
		return -errno;
	r.call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (r.call_fd < 0) {
		close(r.kick_fd);
		return -EMFILE;
	}
	d->plan.rings[ring] = r;
	d->plan.n_rings = ring + 1;
	return 0;
}

static int make_memory(struct vhost_frontend_plan *plan)
{
	plan->memory_fd = memfd_create("fake driver", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (plan->memory_fd < 0)
		return -errno;
	plan->memory_len = MEMORY_LEN;
	assert_int_equal(ftruncate(plan->memory_fd, MEMORY_LEN), 0);
	assert_int_equal(fcntl(plan->memory_fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	plan->memory = mmap(NULL, MEMORY_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, plan->memory_fd, 0);
	assert_true(plan->memory != MAP_FAILED);
	plan->n_rings = 0;
	return 0;
}

static void free_plan(struct vhost_frontend_plan *plan)
{
	for (uint32_t i = 0; i < plan->n_rings; i++) {
		foreign_close(plan->rings[i].kick_fd);
		foreign_close(plan->rings[i].call_fd);
	}
	munmap(plan->memory, MEMORY_LEN);
	foreign_close(plan->memory_fd);
}

/* With the rings of before, where the device goes on behind what it returned. */
static int resume(struct fake_driver *d, struct vhost_frontend_plan *plan)
{
	d->kept = false;
	d->prepared = true;
	d->lives++;
	d->resumed++;
	for (uint32_t i = 0; i < d->plan.n_rings; i++)
		d->plan.rings[i].base = fake_driver_used(d, i);
	d->plan.may_resume = d->plan.resumes = true;
	*plan = d->plan;
	return 0;
}

static int on_prepare(void *driver, uint64_t features, uint32_t n_rings, struct vhost_frontend_plan *plan)
{
	struct fake_driver *d = driver;
	int err;

	assert_false(d->prepared || d->running);
	assert_int_equal(features & ~FAKE_FEATURES, 0);
	assert_int_not_equal(features & 1ull << 32, 0);
	assert_true(n_rings > 0 && n_rings <= MAX_RINGS);
	if (d->kept && plan->may_resume)
		return resume(d, plan);
	if (d->kept)
		free_plan(&d->plan);
	d->kept = false;
	err = d->prepare_err ? d->prepare_err : make_memory(&d->plan);
	if (err)
		return err;
	for (uint32_t i = 0; i < n_rings && err == 0; i++)
		err = make_ring(d, i);
	if (err) {
		free_plan(&d->plan);
		return err;
	}
	d->prepared = true;
	d->lives++;
	d->features = features;
	d->n_rings = n_rings;
	*plan = d->plan;
	return 0;
}

static void on_started(void *driver)
{
	struct fake_driver *d = driver;

	assert_true(d->prepared && !d->running);
	d->running = true;
	d->starts++;
}

static void on_stopped(void *driver)
{
	struct fake_driver *d = driver;

	assert_true(d->prepared);
	d->prepared = d->running = false;
	d->kept = d->keeps;
	if (!d->kept)
		free_plan(&d->plan);
}

static void on_config_changed(void *driver)
{
	struct fake_driver *d = driver;

	d->config_changes++;
}

static void on_config_read(void *driver, const uint8_t *config)
{
	struct fake_driver *d = driver;

	memcpy(d->config, config, sizeof(d->config));
	d->config_reads++;
}

static const struct vhost_driver ops = {.prepare = on_prepare,
	.started = on_started,
	.stopped = on_stopped,
	.config_changed = on_config_changed,
	.config_read = on_config_read};

static const char *feature_name(unsigned bit)
{
	return bit == 32 ? "VIRTIO_F_VERSION_1" : NULL;
}

static void open_as(struct fake_driver *d, struct loop *loop, const char *path, bool server, bool disk)
{
	struct vhost_frontend_config config = {
		.path = path,
		.server = server,
		.mode = 0600,
		.features = FAKE_FEATURES,
		.required = 1ull << 32,
		.n_rings = MAX_RINGS,
		.name = "fake",
		.ops = &ops,
		.driver = d,
		.feature_name = feature_name,
		.retry_ns = 1,
		.config_len = disk ? FAKE_DRIVER_CONFIG : 0,
		.inflight = disk,
		.mem_slots = disk,
	};

	log_set_level(LOG_LEVEL_ERROR);
	signal(SIGPIPE, SIG_IGN);
	*d = (struct fake_driver){.loop = loop};
	assert_int_equal(vhost_frontend_create(&d->frontend, loop, &config), 0);
}

void fake_driver_open(struct fake_driver *d, struct loop *loop, const char *path, bool server)
{
	open_as(d, loop, path, server, false);
}

void fake_driver_open_disk(struct fake_driver *d, struct loop *loop, const char *path)
{
	open_as(d, loop, path, false, true);
	d->keeps = true;
}

void fake_driver_close(struct fake_driver *d)
{
	vhost_frontend_destroy(d->frontend);
	assert_false(d->prepared);
	if (d->kept)
		free_plan(&d->plan);
}

struct vhost_frontend_status fake_driver_status(struct fake_driver *d)
{
	struct vhost_frontend_status status;

	vhost_frontend_status(d->frontend, &status);
	assert_int_equal(status.started, d->running);
	return status;
}

void fake_driver_offer(struct fake_driver *d, uint32_t ring, uint32_t len)
{
	struct vring_avail *avail = d->plan.rings[ring].avail;
	struct vring_desc *desc = d->plan.rings[ring].desc;
	const struct bell kick = bell_eventfd(d->plan.rings[ring].kick_fd);
	uint16_t slot = avail->idx % FAKE_DRIVER_RING_SIZE;

	assert_true(d->running && len <= BUFFER_LEN);
	desc[slot] = (struct vring_desc){
		.addr = (uintptr_t)fake_driver_buffer(d, ring, avail->idx),
		.len = len,
		.flags = VRING_DESC_F_WRITE,
	};
	avail->ring[slot] = slot;
	avail->ring[FAKE_DRIVER_RING_SIZE] = fake_driver_used(d, ring); /* EVENT_IDX: call for the next one */
	__atomic_store_n(&avail->idx, avail->idx + 1, __ATOMIC_RELEASE);
	bell_ring(&kick);
}

uint16_t fake_driver_used(struct fake_driver *d, uint32_t ring)
{
	const struct vring_used *used = d->plan.rings[ring].used;

	return __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE);
}

const uint8_t *fake_driver_buffer(struct fake_driver *d, uint32_t ring, uint32_t n)
{
	return ring_at(d, ring) + 0x4000 + n % FAKE_DRIVER_RING_SIZE * BUFFER_LEN;
}
