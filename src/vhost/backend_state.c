/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a successor process needs of a back-end. Nothing in it is trusted more than what the front-end once said: that
 * is checked again where it is checked for a message.
 */
#include "os/foreign.h"
#include "vhost/backend_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* --- rings --- */

static const char *const bell_kinds[] = {
	[BELL_NONE] = "none", [BELL_EVENTFD] = "eventfd", [BELL_SOCKET] = "socket"};

static json_t *bell_save(const struct bell *bell, struct parcel *parcel)
{
	return json_pack(
		"{s:s, s:o}", "kind", bell_kinds[bell->kind], "descriptor", parcel_put(parcel, bell->fd));
}

static struct bell bell_restore(const json_t *o, struct parcel *parcel)
{
	int fd = parcel_take(parcel, json_object_get(o, "descriptor"));

	return fd >= 0 && strcmp(parcel_str(o, "kind", ""), "socket") == 0 ? bell_socket(fd)
									   : bell_eventfd(fd);
}

static bool ring_is_new(const struct ring *r)
{
	return !r->started && r->size == 0 && r->base == 0 && !r->has_addr && !r->shared.enabled &&
	       !r->call_set && !r->err_set;
}

static json_t *addr_save(const struct vhost_user_ring_addr *a)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "descriptors", (json_int_t)a->desc, "available",
		(json_int_t)a->avail, "used", (json_int_t)a->used, "log", (json_int_t)a->log, "flags",
		(json_int_t)a->flags);
}

static struct vhost_user_ring_addr addr_restore(const json_t *o, uint32_t idx)
{
	return (struct vhost_user_ring_addr){
		.index = idx,
		.flags = (uint32_t)parcel_u64(o, "flags", 0),
		.desc = parcel_u64(o, "descriptors", 0),
		.avail = parcel_u64(o, "available", 0),
		.used = parcel_u64(o, "used", 0),
		.log = parcel_u64(o, "log", 0),
	};
}

static json_t *ring_save(const struct ring *r, bool runs, struct parcel *parcel)
{
	const struct virtq *q = &r->shared.vq;
	json_t *o = json_pack("{s:i, s:I, s:I, s:b, s:b, s:b, s:b, s:b}", "index", (int)r->shared.idx, "size",
		(json_int_t)r->size, "base", (json_int_t)r->base, "enabled", (int)r->shared.enabled,
		"started", (int)r->started, "fresh", (int)r->fresh, "reported", (int)r->reported, "runs",
		(int)runs);

	json_object_update_new(
		o, json_pack("{s:o, s:b, s:I, s:I}", "kick", parcel_put(parcel, r->shared.kick_fd),
			   "kick-by-message", (int)r->shared.kick_by_message, "calls", (json_int_t)q->calls,
			   "calls-saved", (json_int_t)q->calls_saved));
	if (r->call_set)
		json_object_set_new(o, "call", bell_save(&r->call, parcel));
	if (r->err_set)
		json_object_set_new(o, "err", bell_save(&r->err, parcel));
	if (r->has_addr)
		json_object_set_new(o, "addresses", addr_save(&r->addr));
	if (q->error != VIRTQ_OK)
		json_object_set_new(o, "broken", json_string(virtq_error_text(q->error)));
	return o;
}

/* A reason that this program does not know is a reason all the same. */
static enum virtq_error error_of(const char *text)
{
	for (int e = VIRTQ_OK + 1; e < VIRTQ_ERROR_COUNT; e++)
		if (strcmp(text, virtq_error_text((enum virtq_error)e)) == 0)
			return (enum virtq_error)e;
	return VIRTQ_AVAIL_JUMPED;
}

static bool bell_is_right(const struct bell *bell)
{
	enum foreign_kind kind = bell->kind == BELL_SOCKET ? FOREIGN_SOCKET : FOREIGN_EVENTFD;

	return bell->fd < 0 || foreign_kind(bell->fd) == kind;
}

static int check_descriptors(const struct ring *r)
{
	int kick = r->shared.kick_fd;

	if (kick >= 0 && foreign_kind(kick) != FOREIGN_EVENTFD)
		return -EINVAL;
	return bell_is_right(&r->call) && bell_is_right(&r->err) ? 0 : -EINVAL;
}

static int ring_restore(struct ring *r, const json_t *o, struct parcel *parcel)
{
	const json_t *addr = json_object_get(o, "addresses");
	const char *broken = parcel_str(o, "broken", NULL);

	r->size = (uint32_t)parcel_u64(o, "size", 0);
	r->base = (uint32_t)parcel_u64(o, "base", 0);
	r->started = parcel_bool(o, "started", false);
	r->fresh = parcel_bool(o, "fresh", false);
	r->reported = parcel_bool(o, "reported", false);
	r->shared.enabled = parcel_bool(o, "enabled", false);
	r->shared.kick_fd = parcel_take(parcel, json_object_get(o, "kick"));
	r->shared.kick_by_message = parcel_bool(o, "kick-by-message", false);
	r->call_set = json_object_get(o, "call");
	r->call = bell_restore(json_object_get(o, "call"), parcel);
	r->err_set = json_object_get(o, "err");
	r->err = bell_restore(json_object_get(o, "err"), parcel);
	r->shared.vq.calls = parcel_u64(o, "calls", 0);
	r->shared.vq.calls_saved = parcel_u64(o, "calls-saved", 0);
	r->has_addr = addr;
	r->addr = addr_restore(addr, r->shared.idx);
	r->shared.vq.error = broken ? error_of(broken) : VIRTQ_OK;
	return check_descriptors(r);
}

/* Adds those which ran to *runs, as bits. */
static int rings_restore(struct vhost_backend *b, const json_t *rings, struct parcel *parcel, uint64_t *runs)
{
	const json_t *o;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)rings, i, o) {
		uint64_t idx = parcel_u64(o, "index", UINT64_MAX);

		if (idx >= b->n_rings || ring_restore(&b->rings[idx], o, parcel) < 0)
			return -EINVAL;
		if (parcel_bool(o, "runs", false))
			*runs |= BIT(idx);
	}
	return 0;
}

/* --- memory --- */

static json_t *memory_save(const struct gmem *mem, struct parcel *parcel)
{
	json_t *regions = json_array();

	for (uint32_t i = 0; i < mem->n; i++) {
		const struct gmem_region *r = mem->regions[i];

		json_array_append_new(
			regions, json_pack("{s:I, s:I, s:I, s:I, s:o}", "gpa", (json_int_t)r->gpa, "size",
					 (json_int_t)r->size, "uaddr", (json_int_t)r->uaddr, "offset",
					 (json_int_t)r->offset, "file", parcel_put(parcel, r->fd)));
	}
	return regions;
}

/* The lists and limits of now hold for what was shared before. */
static int check_memory(
	const struct vhost_backend *b, const struct gmem_spec *specs, uint32_t n, struct message *m)
{
	int err = memory_check_slots(b, m, n);

	for (uint32_t i = 0; i < n && err == 0; i++)
		err = memory_check_object(b, m, specs[i].fd);
	return err;
}

static int memory_restore(
	struct vhost_backend *b, const json_t *regions, struct parcel *parcel, struct message *m)
{
	struct gmem_spec specs[GMEM_MAX_REGIONS];
	uint32_t n = 0;
	const json_t *o;
	size_t i;
	int err;

	json_array_foreach ((json_t *)(uintptr_t)regions, i, o) {
		if (n == GMEM_MAX_REGIONS)
			break;
		specs[n++] = (struct gmem_spec){
			.gpa = parcel_u64(o, "gpa", 0),
			.size = parcel_u64(o, "size", 0),
			.uaddr = parcel_u64(o, "uaddr", 0),
			.offset = parcel_u64(o, "offset", 0),
			.fd = parcel_take(parcel, json_object_get(o, "file")),
		};
	}
	err = check_memory(b, specs, n, m);
	if (err == 0)
		err = gmem_create(&b->mem, specs, n, m->why, sizeof(m->why));
	while (n-- > 0)
		if (specs[n].fd >= 0)
			foreign_close(specs[n].fd);
	return err;
}

static json_t *map_save(const struct shared_map *map, struct parcel *parcel)
{
	return json_pack("{s:I, s:I, s:o}", "size", (json_int_t)map->size, "offset", (json_int_t)map->offset,
		"file", parcel_put(parcel, map->fd));
}

static int map_restore(
	struct shared_map *map, const char *what, const json_t *o, struct parcel *parcel, struct message *m)
{
	const struct vhost_user_log piece = {
		.size = parcel_u64(o, "size", 0), .offset = parcel_u64(o, "offset", 0)};
	int fd = parcel_take(parcel, json_object_get(o, "file"));
	int err = fd < 0 ? -EBADF : shared_map(map, what, fd, &piece, m);

	if (fd >= 0)
		foreign_close(fd);
	return err;
}

static int log_restore(struct vhost_backend *b, const json_t *o, struct parcel *parcel, struct message *m)
{
	struct shared_map map;
	int err = map_restore(&map, "log", o, parcel, m);

	if (err == 0)
		log_use(&b->log, &map);
	return err;
}

static json_t *inflight_save(const struct inflight_map *i, struct parcel *parcel)
{
	return json_pack("{s:I, s:I, s:o}", "queue-size", (json_int_t)i->queue_size, "stride",
		(json_int_t)i->stride, "map", map_save(&i->map, parcel));
}

static int inflight_restore(
	struct vhost_backend *b, const json_t *o, struct parcel *parcel, struct message *m)
{
	b->inflight.queue_size = (uint32_t)parcel_u64(o, "queue-size", 0);
	b->inflight.stride = parcel_u64(o, "stride", 0);
	b->inflight.restored = true;
	return map_restore(&b->inflight.map, "inflight area", json_object_get(o, "map"), parcel, m);
}

/* --- a front-end --- */

static json_t *channel_save(const struct request_channel *c, struct parcel *parcel)
{
	return json_pack("{s:o, s:b, s:b}", "socket", parcel_put(parcel, c->fd), "rings-missed",
		(int)c->rings_missed, "config-missed", (int)c->config_missed);
}

static int channel_restore(struct vhost_backend *b, const json_t *o, struct parcel *parcel)
{
	int fd = parcel_take(parcel, json_object_get(o, "socket"));
	int err = fd < 0 ? 0 : request_open(b, fd);

	if (err)
		foreign_close(fd);
	b->request.rings_missed = parcel_bool(o, "rings-missed", false);
	b->request.config_missed = parcel_bool(o, "config-missed", false);
	return err;
}

/* A transfer of the device's state that is on its way is broken off: the front-end asks how it went. */
static int transfer_verdict(const struct state_transfer *t)
{
	return t->fd >= 0 ? -ECANCELED : t->verdict;
}

static json_t *front_end_save(const struct vhost_backend *b, uint64_t runs, struct parcel *parcel)
{
	json_t *rings = json_array();
	json_t *o = json_pack("{s:o, s:b, s:I, s:I, s:i, s:o}", "connection", conn_save(&b->conn, parcel),
		"has-features", (int)b->has_features, "features", (json_int_t)b->features,
		"protocol-features", (json_int_t)b->protocol_features, "device-status", (int)b->device_status,
		"request-channel", channel_save(&b->request, parcel));

	json_object_set_new(o, "owned", json_boolean(b->owned));
	json_object_set_new(o, "transfer", json_integer(transfer_verdict(&b->transfer)));

	for (uint32_t i = 0; i < b->n_rings; i++)
		if (!ring_is_new(&b->rings[i]))
			json_array_append_new(rings, ring_save(&b->rings[i], runs & BIT(i), parcel));
	json_object_set_new(o, "rings", rings);
	if (b->mem)
		json_object_set_new(o, "memory", memory_save(b->mem, parcel));
	if (b->log.log.bits)
		json_object_set_new(o, "log", map_save(&b->log.map, parcel));
	if (b->inflight.map.at)
		json_object_set_new(o, "inflight", inflight_save(&b->inflight, parcel));
	return o;
}

/* What another version has promised we must keep. */
static int check_offer(const struct vhost_backend *b, struct message *m)
{
	uint64_t features = b->features & ~b->features_offered;
	uint64_t protocol_features = b->protocol_features & ~b->protocol_features_offered;

	if (features)
		return message_refuse(m, -EOPNOTSUPP, "uses feature bits 0x%llx that this version lacks",
			(unsigned long long)features);
	if (protocol_features)
		return message_refuse(m, -EOPNOTSUPP,
			"uses protocol feature bits 0x%llx that this version lacks",
			(unsigned long long)protocol_features);
	return 0;
}

static int settings_restore(
	struct vhost_backend *b, const json_t *o, struct parcel *parcel, struct message *m)
{
	const json_t *memory = json_object_get(o, "memory"), *log = json_object_get(o, "log"),
		     *inflight = json_object_get(o, "inflight");
	int err;

	b->owned = parcel_bool(o, "owned", false);
	b->has_features = parcel_bool(o, "has-features", false);
	b->features = parcel_u64(o, "features", 0);
	b->protocol_features = parcel_u64(o, "protocol-features", 0);
	b->device_status = (uint8_t)parcel_u64(o, "device-status", 0);
	b->transfer.verdict = (int)parcel_u64(o, "transfer", (uint64_t)-ENODATA);
	err = check_offer(b, m);
	if (err == 0)
		err = channel_restore(b, json_object_get(o, "request-channel"), parcel);
	if (err == 0 && memory)
		err = memory_restore(b, memory, parcel, m);
	if (err == 0 && log)
		err = log_restore(b, log, parcel, m);
	if (err == 0 && inflight)
		err = inflight_restore(b, inflight, parcel, m);
	return err;
}

/* The connection comes last: what fails before leaves it as it is with the process that saved it. */
static int front_end_restore(
	struct vhost_backend *b, const json_t *o, struct parcel *parcel, struct message *m)
{
	int err = settings_restore(b, o, parcel, m);
	uint64_t runs = 0;

	if (err == 0)
		err = rings_restore(b, json_object_get(o, "rings"), parcel, &runs);
	b->connected = true;
	if (b->ops->connected)
		b->ops->connected(b->device, true);
	if (err == 0 && b->has_features)
		b->ops->set_features(b->device, b->features & ~ENGINE_FEATURES);
	if (err == 0)
		err = rings_run(b, runs, m);
	if (err == 0)
		err = conn_restore(&b->conn, json_object_get(o, "connection"), parcel);
	if (err) {
		conn_stop(&b->conn);
		backend_disconnected(b);
	}
	return err;
}

/* --- a back-end --- */

json_t *vhost_backend_save(struct vhost_backend *b, struct parcel *parcel)
{
	uint64_t runs = 0;
	json_t *o;

	for (uint32_t i = 0; i < b->n_rings; i++)
		if (b->rings[i].published)
			runs |= BIT(i);
	rings_pause(b, RINGS_ALL);
	o = json_pack("{s:s, s:o, s:I, s:I, s:I, s:i, s:s}", "path", b->link.path, "listener",
		parcel_put(parcel, b->link.watch.fd), "device", (json_int_t)b->link.dev, "inode",
		(json_int_t)b->link.ino, "next-ns", (json_int_t)b->link.next_ns, "error", b->error, "why",
		b->why);
	json_object_update_new(
		o, json_pack("{s:I, s:I, s:I, s:I}", "connections", (json_int_t)b->connections,
			   "protocol-errors", (json_int_t)b->protocol_errors, "messages",
			   (json_int_t)b->messages, "rings-broken", (json_int_t)b->rings_broken));
	json_object_update_new(
		o, json_pack("{s:b, s:b, s:I}", "given", (int)b->link.given, "once", (int)b->link.once,
			   "reconnect-ns", (json_int_t)b->link.reconnect_ns));
	if (b->connected)
		json_object_set_new(o, "front-end", front_end_save(b, runs, parcel));
	return o;
}

void vhost_backend_resume(struct vhost_backend *b)
{
	struct message m = {0};

	if (rings_run(b, RINGS_ALL, &m) < 0)
		log_limited(&b->limit_faults, loop_now(b->loop), LOG_LEVEL_WARNING, "%s: %s", b->name, m.why);
}

static int listener_restore(struct vhost_backend *b, const json_t *o, struct parcel *parcel)
{
	const json_t *listener = json_object_get(o, "listener");
	const struct link_left left = {
		.path = parcel_str(o, "path", ""),
		.listen_fd = parcel_take(parcel, listener),
		.dev = (dev_t)parcel_u64(o, "device", 0),
		.ino = (ino_t)parcel_u64(o, "inode", 0),
		.next_ns = parcel_u64(o, "next-ns", 0),
		.reconnect_ns = parcel_u64(o, "reconnect-ns", 0),
		.given = parcel_bool(o, "given", false),
		.once = parcel_bool(o, "once", false),
		.busy = json_object_get(o, "front-end"),
	};

	return json_is_integer(listener) && left.listen_fd < 0 ? -EBADF : link_resume(&b->link, &left);
}

static void history_restore(struct vhost_backend *b, const json_t *o)
{
	b->connections = parcel_u64(o, "connections", 0);
	b->protocol_errors = parcel_u64(o, "protocol-errors", 0);
	b->messages = parcel_u64(o, "messages", 0);
	b->rings_broken = parcel_u64(o, "rings-broken", 0);
	b->error = (int)parcel_u64(o, "error", 0);
	snprintf(b->why, sizeof(b->why), "%s", parcel_str(o, "why", ""));
}

int vhost_backend_restore(struct vhost_backend **out, struct loop *loop,
	const struct vhost_backend_config *config, const json_t *state, struct parcel *parcel)
{
	const json_t *front_end = json_object_get(state, "front-end");
	struct vhost_backend *b = backend_alloc(loop, config);
	struct message m = {0};
	int err;

	if (!b)
		return -ENOMEM;
	err = listener_restore(b, state, parcel);
	if (err) {
		backend_free(b);
		return err;
	}
	history_restore(b, state);
	err = front_end ? front_end_restore(b, front_end, parcel, &m) : 0;
	if (err) {
		snprintf(b->why, sizeof(b->why), "%s", m.why[0] ? m.why : strerror(-err));
		log_warning("%s: front-end left behind, it has to connect anew: %s", b->name, b->why);
		link_next(&b->link, 0);
	}
	*out = b;
	return 0;
}
