/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/frontend.h"

#include "base/units.h"
#include "vhost/frontend_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_NS (10 * NS_PER_S)
#define RETRY_NS    (100 * NS_PER_MS)
/* The longest pause, as a multiple of the first. */
#define RETRY_MAX 10
/* A descriptor that blocks costs others an alarm (os/thread.h): its maker has to wait, too. */
#define BLOCKING_PAUSE_NS (10 * NS_PER_S)

static void remember(struct vhost_frontend *f, int err, const char *why)
{
	f->error = err;
	snprintf(f->why, sizeof(f->why), "%s", why);
}

void frontend_refused(struct vhost_frontend *f, int err, const char *why)
{
	f->protocol_errors++;
	remember(f, err, why);
	log_limited(&f->limit_faults, loop_now(f->loop), LOG_LEVEL_WARNING, "%s: refused %s", f->name, why);
}

/* Forgets the back-end and all that was given to it. */
static void frontend_disconnect(struct vhost_frontend *f)
{
	conn_stop(&f->conn);
	conn_stop(&f->channel);
	loop_timer_cancel(f->loop, &f->deadline);
	f->connected = false;
	f->started = false;
	if (f->prepared)
		f->ops->stopped(f->driver);
	f->prepared = false;
	f->features_offered = f->features = 0;
	f->protocol_features_offered = f->protocol_features = 0;
	f->n_rings = 0;
}

/* A back-end that worked and left may come back at once. */
static uint64_t next_pause(const struct vhost_frontend *f, int err)
{
	if (f->started && err == -ECONNRESET)
		return 0;
	if (err == -EINTR)
		return BLOCKING_PAUSE_NS;
	return f->pause_ns == 0 ? f->retry_ns : min_u64(2 * f->pause_ns, RETRY_MAX * f->retry_ns);
}

void frontend_end(struct vhost_frontend *f, int err, const char *why)
{
	const char *step = steps_now(f);
	char text[MESSAGE_WHY_LEN];

	/* one that cannot refuse a request hangs up instead */
	if (err == -ECONNRESET && step) {
		snprintf(text, sizeof(text), "%s during %s", why, step);
		why = text;
	}
	remember(f, err, why);
	if (err == -ECONNRESET) {
		log_limited(&f->limit_news, loop_now(f->loop), LOG_LEVEL_INFO, "%s: %s", f->name, f->why);
	} else {
		f->protocol_errors++;
		log_limited(&f->limit_faults, loop_now(f->loop), LOG_LEVEL_WARNING,
			"%s: connection closed: %s", f->name, f->why);
	}
	f->pause_ns = next_pause(f, err);
	frontend_disconnect(f);
	link_next(&f->link, f->pause_ns);
}

static int on_message(void *arg, struct message *m)
{
	struct vhost_frontend *f = arg;

	f->messages++;
	return steps_answer(f, m);
}

static int on_sent(void *arg, struct message *m)
{
	return steps_go_on(arg, m);
}

static void on_ended(void *arg, int err, const char *why)
{
	frontend_end(arg, err, why);
}

static const struct conn_events conn_events = {
	.peer = "back-end", .replies = true, .message = on_message, .sent = on_sent, .ended = on_ended};

static void on_deadline(void *arg)
{
	struct vhost_frontend *f = arg;
	char why[MESSAGE_WHY_LEN];

	snprintf(why, sizeof(why), "back-end does not answer %s in time", steps_now(f));
	frontend_end(f, -ETIMEDOUT, why);
}

static void on_opened(void *arg, int fd)
{
	struct vhost_frontend *f = arg;
	int err = conn_start(&f->conn, fd);

	if (err) {
		log_limited(&f->limit_faults, loop_now(f->loop), LOG_LEVEL_WARNING,
			"%s: cannot watch a connection: %s", f->name, strerror(-err));
		link_next(&f->link, f->retry_ns);
		return;
	}
	f->connected = true;
	f->connections++;
	log_limited(&f->limit_news, loop_now(f->loop), LOG_LEVEL_INFO, "%s: back-end connected", f->name);
	err = steps_begin(f, &f->conn.in);
	if (err)
		frontend_end(f, err, f->conn.in.why);
}

static void on_failed(void *arg, int err)
{
	struct vhost_frontend *f = arg;
	bool news = f->error != err;

	f->error = err;
	if (f->link.server)
		snprintf(f->why, sizeof(f->why), "cannot accept a back-end: %s", strerror(-err));
	else
		snprintf(f->why, sizeof(f->why), "no back-end listens at %s: %s", f->link.path,
			strerror(-err));
	if (news)
		log_limited(&f->limit_news, loop_now(f->loop), LOG_LEVEL_INFO, "%s: %s", f->name, f->why);
}

static void on_crowded(void *arg)
{
	struct vhost_frontend *f = arg;

	log_limited(&f->limit_news, loop_now(f->loop), LOG_LEVEL_WARNING,
		"%s: another back-end waits at %s until the first one has left", f->name, f->link.path);
}

static const struct link_events link_events = {
	.opened = on_opened, .failed = on_failed, .crowded = on_crowded};

static void frontend_init(
	struct vhost_frontend *f, struct loop *loop, const struct vhost_frontend_config *config)
{
	ASSERT(config->n_rings > 0 && config->n_rings <= VHOST_FRONTEND_MAX_RINGS);
	ASSERT((config->required & ~config->features) == 0);
	ASSERT(config->config_len <= VHOST_USER_CONFIG_MAX &&
		(config->config_len == 0 || config->ops->config_read));
	f->loop = loop;
	f->ops = config->ops;
	f->driver = config->driver;
	f->feature_name = config->feature_name;
	f->settle = config->settle;
	f->features_wanted = config->features;
	f->features_required = config->required;
	f->n_rings_wanted = config->n_rings;
	f->config_len = config->config_len;
	f->wants_inflight = config->inflight;
	f->wants_mem_slots = config->mem_slots;
	f->notes.fd = -1;
	f->deadline_ns = config->deadline_ns ? config->deadline_ns : DEADLINE_NS;
	f->retry_ns = config->retry_ns ? config->retry_ns : RETRY_NS;
	loop_timer_init(&f->deadline, on_deadline, f);
	conn_init(&f->conn, loop, &conn_events, f);
	conn_init(&f->channel, loop, &frontend_channel_events, f);
	f->conn.deadline_ns = f->channel.deadline_ns = f->deadline_ns;
	f->link = (struct link){.loop = loop, .events = &link_events, .arg = f};
}

int vhost_frontend_create(
	struct vhost_frontend **out, struct loop *loop, const struct vhost_frontend_config *config)
{
	struct vhost_frontend *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	frontend_init(f, loop, config);
	f->name = strdup(config->name);
	if (!f->name) {
		err = -ENOMEM;
		goto free_frontend;
	}
	err = link_start(&f->link,
		&(struct link_config){.path = config->path, .server = config->server, .mode = config->mode});
	if (err)
		goto free_name;
	f->link.retry_min_ns = f->link.retry_ns = f->retry_ns;
	f->link.retry_max_ns = RETRY_MAX * f->retry_ns;
	*out = f;
	return 0;
free_name:
	free(f->name);
free_frontend:
	free(f);
	return err;
}

void vhost_frontend_destroy(struct vhost_frontend *f)
{
	if (!f)
		return;
	frontend_disconnect(f);
	steps_drop_notes(f);
	link_stop(&f->link);
	free(f->name);
	free(f);
}

void vhost_frontend_give_up(struct vhost_frontend *f, int err, const char *why)
{
	if (f->connected)
		frontend_end(f, err, why);
}

int vhost_frontend_write_config(struct vhost_frontend *f, uint32_t offset, const void *bytes, uint32_t len)
{
	int err;

	ASSERT(len > 0 && len <= sizeof(f->config_write.bytes) && offset + len <= VHOST_USER_CONFIG_MAX);
	if (!f->started || !negotiated(f, VHOST_USER_PROTOCOL_F_CONFIG))
		return -EOPNOTSUPP;
	if (f->config_write.len > 0)
		return -EBUSY;
	f->config_write.offset = offset;
	f->config_write.len = len;
	memcpy(f->config_write.bytes, bytes, len);
	err = steps_later(f, LATER_SET_CONFIG, &f->conn.in);
	if (err)
		frontend_end(f, err, f->conn.in.why);
	return 0;
}

void vhost_frontend_status(const struct vhost_frontend *f, struct vhost_frontend_status *out)
{
	*out = (struct vhost_frontend_status){
		.path = f->link.path,
		.server = f->link.server,
		.connected = f->connected,
		.started = f->started,
		.error = f->error,
		.step = steps_now(f),
		.features_offered = f->features_offered,
		.features = f->features,
		.protocol_features_offered = f->protocol_features_offered,
		.protocol_features = f->protocol_features,
		.n_rings = f->n_rings,
		.connections = f->connections,
		.protocol_errors = f->protocol_errors,
		.messages = f->messages,
	};
	snprintf(out->why, sizeof(out->why), "%s", f->why);
}
