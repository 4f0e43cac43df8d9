/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/backend.h"

#include "base/units.h"
#include "os/foreign.h"
#include "vhost/backend_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A call that blocks costs every port of that worker an alarm (os/thread.h): its maker has to wait, too. */
#define BLOCKING_PAUSE_NS (10 * NS_PER_S)

static void remember(struct vhost_backend *b, int err, const char *why)
{
	b->error = err;
	snprintf(b->why, sizeof(b->why), "%s", why);
}

void backend_refused(struct vhost_backend *b, int err, const char *why)
{
	b->protocol_errors++;
	remember(b, err, why);
	log_limited(&b->limit_faults, loop_now(b->loop), LOG_LEVEL_WARNING, "%s: refused %s", b->name, why);
}

/* Forgets all that the front-end ever said. */
static void backend_reset(struct vhost_backend *b)
{
	rings_pause(b, RINGS_ALL);
	for (uint32_t i = 0; i < b->n_rings; i++)
		ring_reset(&b->rings[i]);
	request_close(b);
	state_reset(b);
	log_unmap(&b->log);
	shared_unmap(&b->inflight.map);
	gmem_destroy(b->mem);
	b->mem = NULL;
	b->features = 0;
	b->has_features = false;
	b->protocol_features = 0;
	b->owned = false;
	b->bell_blocked = false;
	b->device_status = 0;
}

void backend_disconnected(struct vhost_backend *b)
{
	backend_reset(b);
	b->connected = false;
	if (b->ops->connected)
		b->ops->connected(b->device, false);
}

/* The next front-end is served after pause_ns. */
static void connection_over(struct vhost_backend *b, int err, const char *why, uint64_t pause_ns)
{
	remember(b, err, why);
	if (err == -ECONNRESET) {
		log_limited(&b->limit_news, loop_now(b->loop), LOG_LEVEL_INFO, "%s: %s", b->name, why);
	} else {
		b->protocol_errors++;
		log_limited(&b->limit_faults, loop_now(b->loop), LOG_LEVEL_WARNING,
			"%s: connection closed: %s", b->name, why);
	}
	backend_disconnected(b);
	link_next(&b->link, pause_ns);
}

static void on_ended(void *arg, int err, const char *why)
{
	connection_over(arg, err, why, 0);
}

static int on_message(void *arg, struct message *m)
{
	struct vhost_backend *b = arg;

	b->messages++;
	return message_handle(b, m);
}

static const struct conn_events conn_events = {.peer = "front-end", .message = on_message, .ended = on_ended};

static void on_opened(void *arg, int fd)
{
	struct vhost_backend *b = arg;
	int err = conn_start(&b->conn, fd);

	if (err) {
		log_limited(&b->limit_faults, loop_now(b->loop), LOG_LEVEL_WARNING,
			"%s: cannot watch a connection: %s", b->name, strerror(-err));
		link_next(&b->link, 0);
		return;
	}
	b->connected = true;
	b->connections++;
	b->error = 0;
	b->why[0] = 0;
	log_limited(&b->limit_news, loop_now(b->loop), LOG_LEVEL_INFO, "%s: front-end connected", b->name);
	if (b->ops->connected)
		b->ops->connected(b->device, true);
}

static void on_failed(void *arg, int err)
{
	struct vhost_backend *b = arg;
	bool news = b->error != err;

	b->error = err;
	if (b->link.server)
		snprintf(b->why, sizeof(b->why), "cannot accept a front-end: %s", strerror(-err));
	else
		snprintf(b->why, sizeof(b->why), "no front-end listens at %s: %s", b->link.path,
			strerror(-err));
	if (news)
		log_limited(&b->limit_news, loop_now(b->loop), LOG_LEVEL_INFO, "%s: %s", b->name, b->why);
}

static void on_crowded(void *arg)
{
	struct vhost_backend *b = arg;

	log_limited(&b->limit_news, loop_now(b->loop), LOG_LEVEL_WARNING,
		"%s: another front-end waits at %s until the first one has left", b->name, b->link.path);
}

static void on_over(void *arg)
{
	struct vhost_backend *b = arg;

	b->over = true;
	if (b->on_over)
		b->on_over(b->over_arg);
}

/* What a device offers it must be able to answer. */
static void check_config(const struct vhost_backend_config *config)
{
	const struct vhost_device *ops = config->ops;
	uint64_t offered = config->protocol_features;

	ASSERT(config->n_rings <= VHOST_MAX_RINGS);
	ASSERT(config->max_ring_size <= VIRTQ_MAX_SIZE);
	ASSERT(config->max_mem_slots <= GMEM_MAX_REGIONS);
	ASSERT(config->config_size <= VHOST_USER_CONFIG_MAX);
	ASSERT(!(offered & ~vhost_protocol_features_by(VHOST_BY_DEVICE)));
	ASSERT(!(offered & BIT(VHOST_USER_PROTOCOL_F_CONFIG)) || ops->get_config);
	ASSERT(!(offered & BIT(VHOST_USER_PROTOCOL_F_RARP)) || ops->message);
	ASSERT(!(offered & BIT(VHOST_USER_PROTOCOL_F_MTU)) || ops->message);
	ASSERT(!(offered & BIT(VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS)) || ops->kick);
	ASSERT(!(offered & BIT(VHOST_USER_PROTOCOL_F_DEVICE_STATE)) || (ops->save && ops->load));
}

static const struct link_events link_events = {
	.opened = on_opened, .failed = on_failed, .crowded = on_crowded, .over = on_over};

struct vhost_backend *backend_alloc(struct loop *loop, const struct vhost_backend_config *config)
{
	struct vhost_backend *b = calloc(1, sizeof(*b));

	check_config(config);
	if (!b)
		return NULL;
	b->name = strdup(config->name);
	if (!b->name) {
		free(b);
		return NULL;
	}
	b->loop = loop;
	request_init(b);
	state_init(b);
	b->ops = config->ops;
	b->device = config->device;
	b->features_offered = config->features | BIT(VHOST_F_LOG_ALL) | BIT(VHOST_USER_F_PROTOCOL_FEATURES);
	b->protocol_features_offered =
		config->protocol_features | vhost_protocol_features_by(VHOST_BY_ENGINE);
	b->config_size = config->config_size;
	b->config_optional = config->config_optional;
	b->n_rings = config->n_rings;
	b->queue_num = config->queue_num;
	b->max_ring_size = config->max_ring_size ? config->max_ring_size : VIRTQ_MAX_SIZE;
	b->max_mem_slots = config->max_mem_slots ? config->max_mem_slots : GMEM_MAX_REGIONS;
	b->mem_filter = config->mem_filter;
	b->on_over = config->over;
	b->over_arg = config->over_arg;
	for (uint32_t i = 0; i < b->n_rings; i++)
		ring_init(&b->rings[i], i);
	conn_init(&b->conn, loop, &conn_events, b);
	b->link = (struct link){.loop = loop, .events = &link_events, .arg = b};
	return b;
}

void backend_free(struct vhost_backend *b)
{
	free(b->name);
	free(b);
}

int vhost_backend_create(
	struct vhost_backend **out, struct loop *loop, const struct vhost_backend_config *config)
{
	struct vhost_backend *b = backend_alloc(loop, config);
	int err;

	if (!b)
		return -ENOMEM;
	err = link_start(&b->link, &(struct link_config){.path = config->path,
					   .fd = config->fd,
					   .server = config->server,
					   .mode = config->mode,
					   .group = config->group,
					   .reconnect_ns = config->reconnect_ns});
	if (err) {
		backend_free(b);
		return err;
	}
	*out = b;
	return 0;
}

void vhost_backend_destroy(struct vhost_backend *b)
{
	if (!b)
		return;
	conn_stop(&b->conn);
	if (b->connected)
		backend_disconnected(b);
	link_stop(&b->link);
	backend_free(b);
}

void vhost_backend_check_memory(struct vhost_backend *b)
{
	bool lost =
		(b->mem && gmem_lost(b->mem)) || shared_lost(&b->log.map) || shared_lost(&b->inflight.map);

	if (!lost)
		return;
	conn_stop(&b->conn);
	on_ended(b, -EFAULT, "front-end cut its shared memory short while it was in use");
}

static void check_ring(struct vhost_backend *b, struct ring *r)
{
	enum virtq_error error = ring_error(r);

	if (error == VIRTQ_OK || r->reported)
		return;
	r->reported = true;
	b->rings_broken++;
	log_limited(&b->limit_faults, loop_now(b->loop), LOG_LEVEL_WARNING, "%s: ring %u is broken: %s",
		b->name, r->shared.idx, virtq_error_text(error));
}

void vhost_backend_check_rings(struct vhost_backend *b)
{
	bool blocks = false;

	request_repeat(b);
	for (uint32_t i = 0; i < b->n_rings; i++) {
		check_ring(b, &b->rings[i]);
		blocks |= ring_error(&b->rings[i]) == VIRTQ_CALL_BLOCKS;
	}
	if (!blocks)
		return;
	conn_stop(&b->conn);
	connection_over(b, -EPROTO, virtq_error_text(VIRTQ_CALL_BLOCKS), BLOCKING_PAUSE_NS);
}

void vhost_backend_status(const struct vhost_backend *b, struct vhost_backend_status *out)
{
	*out = (struct vhost_backend_status){
		.path = b->link.path,
		.server = b->link.server,
		.connected = b->connected,
		.over = b->over,
		.error = b->error,
		.features_offered = b->features_offered,
		.features = b->features,
		.protocol_features_offered = b->protocol_features_offered,
		.protocol_features = b->protocol_features,
		.device_status = b->device_status,
		.mem = b->mem,
		.logging = (b->features & BIT(VHOST_F_LOG_ALL)) && b->log.log.bits,
		.n_rings = b->n_rings,
		.max_mem_slots = b->max_mem_slots,
		.connections = b->connections,
		.protocol_errors = b->protocol_errors,
		.messages = b->messages,
		.rings_broken = b->rings_broken,
	};
	snprintf(out->why, sizeof(out->why), "%s", b->why);
}

void vhost_backend_ring_status(const struct vhost_backend *b, uint32_t idx, struct vhost_ring_status *out)
{
	const struct ring *r = &b->rings[idx];

	ASSERT(idx < b->n_rings);
	*out = (struct vhost_ring_status){
		.ring = &r->shared,
		.started = r->started,
		.size = r->size,
		.call_fd = r->call.fd,
		.err_fd = r->err.fd,
	};
}
