/* SPDX-License-Identifier: Apache-2.0 */
/* Control's side of a capture: rings into the file. */
#include "base/log.h"
#include "os/clock.h"
#include "watch/capture_record.h"
#include "watch/private.h"
#include "wire/pcapng.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define APPLICATION "ginnel " GINNEL_VERSION
#define FILE_MODE   0600 /* what guests say to each other is not everybody's business */

static_assert(CAPTURE_STAGING_SIZE > CAPTURE_SNAP_MAX + PCAPNG_OVERHEAD, "staging holds the largest frame");

/* --- bytes into the file --- */

/* Writes what is staged. False: not all of it, as the reader of a pipe is slow or the file broke. */
static bool flush(struct capture *c)
{
	while (c->flushed < c->staged) {
		ssize_t n = write(c->fd, c->staging + c->flushed, c->staged - c->flushed);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			c->error = -errno;
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			c->flushed += (uint32_t)n;
	}
	c->flushed = c->staged = 0;
	return true;
}

/* --- frames into blocks --- */

/* The number that the file knows an interface by; a new name is a new interface. */
static uint32_t interface_number(struct watch *w, uint32_t idx)
{
	struct capture *c = &w->capture;
	const struct iface *iface = iface_get(w->config.ifaces, idx);
	const char *name = iface ? iface->name : "gone";

	if (c->number[idx] >= 0 && strcmp(c->name[idx], name) == 0)
		return (uint32_t)c->number[idx];
	snprintf(c->name[idx], IFACE_NAME_LEN, "%s", name);
	c->number[idx] = c->n_numbers++;
	c->staged += pcapng_interface(
		c->staging + c->staged, CAPTURE_STAGING_SIZE - c->staged, name, c->settings.snap_len);
	return (uint32_t)c->number[idx];
}

static void stage_frame(struct watch *w, const struct capture_record *r)
{
	struct capture *c = &w->capture;
	char lost[64], reason[PCAPNG_TEXT_MAX + 1];
	struct pcapng_packet p = {
		.interface = interface_number(w, r->iface),
		.direction = r->out ? PCAPNG_OUT : PCAPNG_IN,
		.time_ns = r->time_ns + c->to_wall_ns,
		.len = r->len,
		.cap_len = r->cap_len,
		.bytes = c->frame,
	};

	if (r->drop != DROP_NONE) {
		snprintf(reason, sizeof(reason), "%s: %s", drop_name((enum drop)r->drop),
			drop_text((enum drop)r->drop));
		p.comments[0] = reason;
	}
	if (r->lost_before) {
		snprintf(lost, sizeof(lost), "%" PRIu32 " frames before this one were not captured",
			r->lost_before);
		p.comments[1] = lost;
	}
	c->staged += pcapng_packet(c->staging + c->staged, CAPTURE_STAGING_SIZE - c->staged, &p);
	c->written++;
}

/* Room for a frame and, maybe, its interface. */
static bool make_room(struct capture *c, uint32_t cap_len)
{
	return CAPTURE_STAGING_SIZE - c->staged >= cap_len + 2 * PCAPNG_OVERHEAD || flush(c);
}

/* --- out of the rings --- */

static void get(const struct capture_lane *lane, uint64_t at, void *bytes, uint32_t len)
{
	uint32_t pos = (uint32_t)at & (CAPTURE_RING_SIZE - 1);
	uint32_t first = min_u32(len, CAPTURE_RING_SIZE - pos);

	memcpy(bytes, lane->ring + pos, first);
	memcpy((uint8_t *)bytes + first, lane->ring, len - first);
}

static bool enough(const struct capture *c)
{
	return c->settings.max && c->written >= c->settings.max;
}

static void drain_lane(struct watch *w, struct capture_lane *lane)
{
	uint64_t head = __atomic_load_n(&lane->head, __ATOMIC_ACQUIRE), tail = lane->tail;
	struct capture *c = &w->capture;
	struct capture_record r;

	while (tail != head && !enough(c)) {
		get(lane, tail, &r, sizeof(r));
		if (!make_room(c, r.cap_len))
			break;
		get(lane, tail + sizeof(r), c->frame, r.cap_len);
		stage_frame(w, &r);
		tail += capture_record_size(&r);
	}
	__atomic_store_n(&lane->tail, tail, __ATOMIC_RELEASE);
}

static uint64_t lost_now(const struct watch *w)
{
	uint64_t lost = 0;

	for (uint32_t i = 0; i < w->config.n_workers; i++)
		lost += __atomic_load_n(&w->watchers[i].capture.lost, __ATOMIC_RELAXED);
	return lost;
}

void capture_drain(struct watch *w)
{
	struct capture *c = &w->capture;

	for (uint32_t i = 0; i < w->config.n_workers; i++)
		drain_lane(w, &w->watchers[i].capture);
	flush(c);
	c->lost = lost_now(w);
}

/* --- begin and end --- */

static void on_drain(void *arg)
{
	struct watch *w = arg;
	struct capture *c = &w->capture;

	capture_drain(w);
	if (c->error)
		log_warning("pcap: cannot write %s, the capture ends: %s", c->path, strerror(-c->error));
	if (c->error || enough(c))
		capture_stop(w);
	else
		loop_timer_set(w->config.loop, &c->drain, loop_now(w->config.loop) + CAPTURE_DRAIN_NS);
}

void capture_init(struct watch *w)
{
	w->capture.fd = -1;
	loop_timer_init(&w->capture.drain, on_drain, w);
}

static void free_memory(struct watch *w)
{
	struct capture *c = &w->capture;

	for (uint32_t i = 0; i < w->config.n_workers; i++) {
		free(w->watchers[i].capture.ring);
		w->watchers[i].capture.ring = NULL;
	}
	free(c->frame);
	free(c->staging);
	c->frame = c->staging = NULL;
}

static bool make_memory(struct watch *w)
{
	struct capture *c = &w->capture;
	bool ok;

	c->frame = malloc(CAPTURE_SNAP_MAX);
	c->staging = malloc(CAPTURE_STAGING_SIZE);
	ok = c->frame && c->staging;
	for (uint32_t i = 0; i < w->config.n_workers && ok; i++) {
		struct capture_lane *lane = &w->watchers[i].capture;

		*lane = (struct capture_lane){.settings = c->settings, .ring = malloc(CAPTURE_RING_SIZE)};
		ok = lane->ring != NULL;
	}
	if (!ok)
		free_memory(w);
	return ok;
}

/* A pipe may be given, with a reader that shows frames as they come. */
static int open_file(struct capture *c, const char *path)
{
	c->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	if (c->fd < 0)
		return -errno;
	free(c->path);
	c->path = strdup(path);
	return c->path ? 0 : -ENOMEM;
}

static uint64_t to_wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec - clock_now_ns();
}

int capture_start(struct watch *w, const struct capture_settings *settings, const char *path)
{
	struct capture *c = &w->capture;
	int err;

	ASSERT(!c->what);
	c->settings = *settings;
	c->written = c->lost = 0;
	c->error = 0;
	c->n_numbers = 0;
	memset(c->number, 0xff, sizeof(c->number));
	err = open_file(c, path);
	if (err)
		goto close_file;
	watch_hold(w);
	if (!make_memory(w)) {
		watch_go_on(w);
		err = -ENOMEM;
		goto close_file;
	}
	c->to_wall_ns = to_wall_ns();
	c->flushed = 0;
	c->staged = pcapng_section(c->staging, CAPTURE_STAGING_SIZE, APPLICATION);
	c->what = settings->what;
	watch_go_on(w);
	on_drain(w);
	return c->error;
close_file:
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	return err;
}

void capture_stop(struct watch *w)
{
	struct capture *c = &w->capture;

	if (!c->what)
		return;
	loop_timer_cancel(w->config.loop, &c->drain);
	watch_hold(w);
	capture_drain(w);
	c->what = 0;
	for (uint32_t i = 0; i < w->config.n_workers; i++)
		w->watchers[i].capture.settings.what = 0;
	free_memory(w);
	close(c->fd);
	c->fd = -1;
	watch_go_on(w);
}
