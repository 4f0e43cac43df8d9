/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/fake_device.h"

#include "base/log.h"
#include "base/test.h"
#include "os/clock.h"
#include "os/foreign.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void check_suspended(struct fake_device *d)
{
	for (uint32_t i = 0; i < VHOST_MAX_RINGS; i++)
		assert_null(d->rings[i]);
}

static void on_publish(void *device, uint32_t idx, struct vhost_ring *ring)
{
	struct fake_device *d = device;

	assert_true(d->connected);
	assert_true((d->rings[idx] == NULL) == (ring != NULL));
	if (ring) {
		assert_false(d->let_go);
		assert_int_equal(ring->idx, idx);
		assert_int_not_equal(ring->vq.size, 0);
		d->published++;
		virtq_call_due(&ring->vq);
	} else {
		d->let_go = true;
	}
	d->rings[idx] = ring;
}

static void on_quiesce(void *device)
{
	struct fake_device *d = device;

	assert_true(d->let_go);
	d->let_go = false;
	d->quiesced++;
}

static void on_set_features(void *device, uint64_t features)
{
	struct fake_device *d = device;

	assert_true(d->connected);
	check_suspended(d);
	assert_int_equal(features & ~FAKE_OFFERED, 0);
	d->features = features;
	d->features_set++;
}

static void drop_message_fd(struct fake_device *d)
{
	if (d->message_fd >= 0)
		foreign_close(d->message_fd);
	d->message_fd = -1;
}

static void on_connected(void *device, bool connected)
{
	struct fake_device *d = device;

	assert_true(d->connected != connected);
	assert_false(d->let_go);
	check_suspended(d);
	d->connected = connected;
	drop_message_fd(d);
}

static int on_get_config(void *device, uint32_t offset, uint32_t len, uint8_t *out)
{
	struct fake_device *d = device;

	assert_true(offset + len <= FAKE_CONFIG_SIZE);
	memcpy(out, d->config + offset, len);
	return d->answer;
}

static int on_set_config(void *device, uint32_t offset, uint32_t len, const uint8_t *bytes)
{
	struct fake_device *d = device;

	assert_true(offset + len <= FAKE_CONFIG_SIZE);
	if (d->answer == 0)
		memcpy(d->config + offset, bytes, len);
	return d->answer;
}

static int on_device_message(void *device, uint32_t request, uint64_t value, int fd)
{
	struct fake_device *d = device;

	drop_message_fd(d);
	d->message = request;
	d->message_value = value;
	d->message_fd = fd;
	return d->answer;
}

static void on_kick(void *device, uint32_t idx)
{
	struct fake_device *d = device;

	assert_non_null(d->rings[idx]);
	d->kicks[idx]++;
}

static void on_reset(void *device)
{
	struct fake_device *d = device;

	check_suspended(d);
	d->resets++;
}

static void on_over(void *device)
{
	struct fake_device *d = device;

	assert_false(d->connected);
	d->over++;
}

static int on_save(void *device, void **blob, size_t *len)
{
	struct fake_device *d = device;

	check_suspended(d);
	*len = d->state_len;
	*blob = malloc(d->state_len + 1);
	assert_non_null(*blob);
	if (d->state_len > 0)
		memcpy(*blob, d->state, d->state_len);
	return d->answer;
}

static int on_load(void *device, const void *blob, size_t len)
{
	struct fake_device *d = device;

	check_suspended(d);
	free(d->state);
	d->state = malloc(len + 1);
	assert_non_null(d->state);
	memcpy(d->state, blob, len);
	d->state_len = len;
	return d->answer;
}

static const struct vhost_device ops = {
	.publish = on_publish,
	.quiesce = on_quiesce,
	.set_features = on_set_features,
	.connected = on_connected,
	.get_config = on_get_config,
	.set_config = on_set_config,
	.message = on_device_message,
	.kick = on_kick,
	.reset = on_reset,
	.save = on_save,
	.load = on_load,
};

static struct vhost_backend_config make_config(struct fake_device *d, bool config_optional)
{
	return (struct vhost_backend_config){
		.path = d->path,
		.mode = 0600,
		.features = FAKE_OFFERED,
		.protocol_features = vhost_protocol_features_by(VHOST_BY_DEVICE),
		.config_size = FAKE_CONFIG_SIZE,
		.config_optional = config_optional,
		.n_rings = d->n_rings,
		.queue_num = d->n_rings / 2,
		.name = "fake",
		.ops = &ops,
		.device = d,
	};
}

static struct vhost_backend_config begin(struct fake_device *d, uint32_t n_rings, bool config_optional)
{
	log_set_level(LOG_LEVEL_ERROR);
	signal(SIGPIPE, SIG_IGN);
	*d = (struct fake_device){.dir = "/tmp/ginnel-test.XXXXXX", .message_fd = -1, .n_rings = n_rings};
	assert_non_null(mkdtemp(d->dir));
	snprintf(d->path, sizeof(d->path), "%s/socket", d->dir);
	assert_int_equal(loop_create(&d->loop), 0);
	return make_config(d, config_optional);
}

static void open_as(struct fake_device *d, uint32_t n_rings, bool server, bool config_optional)
{
	struct vhost_backend_config config = begin(d, n_rings, config_optional);

	config.server = server;
	assert_int_equal(vhost_backend_create(&d->backend, d->loop, &config), 0);
}

void fake_device_open_with(struct fake_device *d, uint32_t n_rings, const struct vhost_backend_config *with)
{
	struct vhost_backend_config config = begin(d, n_rings, false);

	config.server = true;
	if (with->fd > 0)
		config.path = NULL;
	config.fd = with->fd;
	config.max_ring_size = with->max_ring_size;
	config.max_mem_slots = with->max_mem_slots;
	config.mem_filter = with->mem_filter;
	config.over = on_over;
	config.over_arg = d;
	assert_int_equal(vhost_backend_create(&d->backend, d->loop, &config), 0);
}

void fake_device_open(struct fake_device *d, uint32_t n_rings)
{
	open_as(d, n_rings, true, false);
}

void fake_device_open_client(struct fake_device *d, uint32_t n_rings)
{
	open_as(d, n_rings, false, false);
}

void fake_device_open_optional_config(struct fake_device *d, uint32_t n_rings)
{
	open_as(d, n_rings, true, true);
}

void fake_device_save(struct fake_device *d, struct parcel *arrived)
{
	uint64_t deadline_ns = clock_now_ns() + 60 * NS_PER_S;
	struct parcel sent;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	parcel_init(&sent);
	sent.json = vhost_backend_save(d->backend, &sent);
	assert_int_equal(parcel_send(&sent, ends[0], deadline_ns), 0);
	assert_int_equal(parcel_recv(arrived, ends[1], deadline_ns), 0);
	parcel_fini(&sent);
	close(ends[0]);
	close(ends[1]);
}

void fake_device_restore(
	struct fake_device *d, const struct fake_device *old, struct parcel *arrived, uint64_t features)
{
	struct vhost_backend_config config;

	*d = (struct fake_device){.message_fd = -1, .n_rings = old->n_rings};
	memcpy(d->path, old->path, sizeof(d->path));
	config = make_config(d, false);
	config.features = features;
	assert_int_equal(loop_create(&d->loop), 0);
	assert_int_equal(vhost_backend_restore(&d->backend, d->loop, &config, arrived->json, arrived), 0);
}

void fake_device_close(struct fake_device *d)
{
	vhost_backend_destroy(d->backend);
	assert_false(d->connected);
	loop_destroy(d->loop);
	free(d->state);
	if (d->dir[0]) {
		unlink(d->path);
		assert_int_equal(rmdir(d->dir), 0);
	}
}

struct vhost_backend_status fake_device_status(struct fake_device *d)
{
	struct vhost_backend_status status;

	vhost_backend_status(d->backend, &status);
	return status;
}

void fake_device_fill(struct fake_device *d, uint32_t idx, uint32_t n, uint32_t len)
{
	struct virtq_seg segs[8];
	struct virtq_chain chain = {.segs = segs, .max = 8};

	assert_non_null(d->rings[idx]);
	for (uint32_t i = 0; i < n; i++) {
		struct virtq *q = &d->rings[idx]->vq;

		assert_int_equal(virtq_pop(q, &chain), 1);
		assert_true(chain.n_read == 0 && chain.n_write == 1 && chain.write_len >= len);
		memset(segs[0].addr, 0x5a, len);
		if (q->log)
			virtq_log_written(q, segs, 1, len);
		virtq_push(q, chain.buffer, len);
	}
	virtq_flush(&d->rings[idx]->vq);
}
