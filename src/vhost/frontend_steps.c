/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request after the other, in the order of the table. A request with an answer of its own waits for it; the others
 * wait for an acknowledgement where that was negotiated, and otherwise only until they have left. Back-ends that cannot
 * acknowledge are asked GET_FEATURES in between, which they answer when they have done all that came before.
 *
 * A second table has what may come up later, while rings run; at most one of each is under way.
 */
#include "base/check.h"
#include "os/bell.h"
#include "os/foreign.h"
#include "vhost/frontend_private.h"
#include "vhost/message_table.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <string.h>

/* What goes out. */
struct request {
	union {
		uint64_t u64;
		struct vhost_user_ring_state state;
		struct vhost_user_ring_addr addr;
		struct vhost_user_mem mem;
		struct vhost_user_mem_slot slot;
		struct vhost_user_inflight inflight;
		struct {
			struct vhost_user_config head;
			uint8_t bytes[VHOST_USER_CONFIG_MAX];
		} config;
	} payload;
	uint32_t size; /* the step's, if fill() says nothing else */
	int fd;        /* -1: none */
	bool fd_ours;  /* to be closed when it has been sent */
	/* of its answer: 8 and none */
	uint32_t answer_size;
	bool answer_fd;
};

struct step {
	uint32_t request;
	uint32_t size;                                  /* of the payload */
	bool (*wanted)(const struct vhost_frontend *f); /* NULL: always */
	int (*fill)(struct vhost_frontend *f, struct request *r, struct message *m);
	/* Nothing is sent: something is to be done. 0, or -errno and m->why. */
	int (*act)(struct vhost_frontend *f, struct message *m);
	/* The request has an answer of its own; value is the beginning of it. */
	int (*answer)(struct vhost_frontend *f, uint64_t value, struct message *m);
	uint32_t ring_steps; /* this step is the last of so many that are done for each ring */
};

/* Without it more than this many rings of a device are not to be asked for. */
#define RINGS_WITHOUT_MQ 2

/* What we can do, each as far as its conditions hold. */
static uint64_t protocol_features_of(const struct vhost_frontend *f, uint64_t offered)
{
	static const uint64_t always = BIT(VHOST_USER_PROTOCOL_F_MQ) | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
				       BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ) |
				       BIT(VHOST_USER_PROTOCOL_F_STATUS);
	static const uint64_t inband = BIT(VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS) |
				       BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
				       BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ);
	uint64_t features = offered & always;

	if ((offered & inband) == inband)
		features |= inband;
	if (f->ops->config_changed || f->config_len > 0)
		features |= offered & BIT(VHOST_USER_PROTOCOL_F_CONFIG);
	if (f->wants_inflight)
		features |= offered & BIT(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD);
	if (f->wants_mem_slots)
		features |= offered & BIT(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS);
	return features;
}

static bool has_protocol(const struct vhost_frontend *f)
{
	return f->features_offered & BIT(VHOST_USER_F_PROTOCOL_FEATURES);
}

static bool has_mq(const struct vhost_frontend *f)
{
	return negotiated(f, VHOST_USER_PROTOCOL_F_MQ);
}

static bool has_channel(const struct vhost_frontend *f)
{
	return negotiated(f, VHOST_USER_PROTOCOL_F_BACKEND_REQ);
}

static bool has_status(const struct vhost_frontend *f)
{
	return negotiated(f, VHOST_USER_PROTOCOL_F_STATUS);
}

static bool wants_config(const struct vhost_frontend *f)
{
	return f->config_len > 0;
}

static bool has_mem_slots(const struct vhost_frontend *f)
{
	return negotiated(f, VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS);
}

static bool has_no_mem_slots(const struct vhost_frontend *f)
{
	return !has_mem_slots(f);
}

static bool needs_notes(const struct vhost_frontend *f)
{
	return negotiated(f, VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD) && !f->plan.resumes;
}

static bool has_notes(const struct vhost_frontend *f)
{
	return negotiated(f, VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD) && f->notes.fd >= 0;
}

static bool has_no_acks(const struct vhost_frontend *f)
{
	return !negotiated(f, VHOST_USER_PROTOCOL_F_REPLY_ACK);
}

static int answer_features(struct vhost_frontend *f, uint64_t offered, struct message *m)
{
	uint64_t missing = f->features_required & ~offered;
	unsigned bit;
	const char *name;

	f->features_offered = offered;
	f->features = offered & (f->features_wanted | BIT(VHOST_USER_F_PROTOCOL_FEATURES));
	if (f->settle)
		f->features = f->settle(f->features);
	if (!missing)
		return 0;
	bit = (unsigned)__builtin_ctzll(missing);
	name = f->feature_name ? f->feature_name(bit) : NULL;
	if (name)
		return message_refuse(m, -EOPNOTSUPP, "back-end does not offer %s", name);
	return message_refuse(m, -EOPNOTSUPP, "back-end does not offer feature bit %u", bit);
}

static int answer_protocol_features(struct vhost_frontend *f, uint64_t offered, struct message *m)
{
	f->protocol_features_offered = offered;
	f->protocol_features = protocol_features_of(f, offered);
	if (has_mq(f))
		f->n_rings = f->n_rings_wanted;
	return 0;
}

static int fill_protocol_features(struct vhost_frontend *f, struct request *r, struct message *m)
{
	r->payload.u64 = f->protocol_features;
	return 0;
}

/* Some back-ends count rings and some pairs, and nothing tells which. */
static int answer_queue_num(struct vhost_frontend *f, uint64_t pairs, struct message *m)
{
	if (pairs == 0)
		return message_refuse(m, -EPROTO, "back-end has no queues");
	f->n_rings = (uint32_t)min_u64(f->n_rings_wanted, 2 * min_u64(pairs, VHOST_FRONTEND_MAX_RINGS));
	return 0;
}

static int fill_channel(struct vhost_frontend *f, struct request *r, struct message *m)
{
	r->fd = channel_open(f);
	r->fd_ours = true;
	return r->fd < 0 ? message_refuse(m, r->fd, "cannot make a socket: %s", strerror(-r->fd)) : 0;
}

static int fill_features(struct vhost_frontend *f, struct request *r, struct message *m)
{
	r->payload.u64 = f->features;
	return 0;
}

#define STATUS_FEATURES_OK \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)

static int fill_status_features_ok(struct vhost_frontend *f, struct request *r, struct message *m)
{
	r->payload.u64 = STATUS_FEATURES_OK;
	return 0;
}

/* "Device Initialization": a device that does not keep the bit cannot work with these features. */
static int answer_status(struct vhost_frontend *f, uint64_t status, struct message *m)
{
	if (!(status & VIRTIO_CONFIG_S_FEATURES_OK))
		return message_refuse(m, -EOPNOTSUPP,
			"back-end does not work with features 0x%" PRIx64 " of those it offers", f->features);
	return 0;
}

static int fill_status_driver_ok(struct vhost_frontend *f, struct request *r, struct message *m)
{
	r->payload.u64 = STATUS_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK;
	return 0;
}

/* "Virtio device config space": what is written in the request does not matter, but its length does. */
static int fill_get_config(struct vhost_frontend *f, struct request *r, struct message *m)
{
	if (!negotiated(f, VHOST_USER_PROTOCOL_F_CONFIG))
		return message_refuse(
			m, -EOPNOTSUPP, "back-end does not offer CONFIG: nothing tells what it has");
	r->payload.config.head = (struct vhost_user_config){.size = f->config_len};
	r->size = r->answer_size = (uint32_t)sizeof(r->payload.config.head) + f->config_len;
	return 0;
}

static int answer_config(struct vhost_frontend *f, uint64_t offset, struct message *m)
{
	if (m->payload.config.size != f->config_len)
		return message_refuse(m, -EPROTO, "back-end gives %u bytes of its configuration, not %u",
			m->payload.config.size, f->config_len);
	f->ops->config_read(f->driver, m->payload.bytes + sizeof(m->payload.config));
	return 0;
}

static int fill_set_config(struct vhost_frontend *f, struct request *r, struct message *m)
{
	r->payload.config.head = (struct vhost_user_config){.offset = f->config_write.offset,
		.size = f->config_write.len,
		.flags = VHOST_USER_CONFIG_WRITABLE};
	r->size = (uint32_t)sizeof(r->payload.config.head) + f->config_write.len;
	memcpy(r->payload.config.bytes, f->config_write.bytes, f->config_write.len);
	f->config_write.len = 0;
	return 0;
}

static int act_prepare(struct vhost_frontend *f, struct message *m)
{
	int err;

	f->plan =
		(struct vhost_frontend_plan){.may_resume = has_notes(f) && f->notes.features == f->features};
	err = f->ops->prepare(
		f->driver, f->features & ~BIT(VHOST_USER_F_PROTOCOL_FEATURES), f->n_rings, &f->plan);
	if (err)
		return message_refuse(m, err, "cannot prepare rings: %s", strerror(-err));
	ASSERT(f->plan.n_rings > 0 && f->plan.n_rings <= f->n_rings);
	ASSERT(f->plan.may_resume || !f->plan.resumes);
	f->prepared = true;
	f->n_rings = f->plan.n_rings;
	if (!f->plan.resumes)
		steps_drop_notes(f);
	return 0;
}

/* One size for all rings: the largest. */
static int fill_get_inflight(struct vhost_frontend *f, struct request *r, struct message *m)
{
	uint32_t size = 0;

	for (uint32_t i = 0; i < f->n_rings; i++)
		size = max_u32(size, f->plan.rings[i].size);
	r->payload.inflight = (struct vhost_user_inflight){
		.num_queues = (uint16_t)f->n_rings, .queue_size = (uint16_t)size};
	f->notes.shape = r->payload.inflight;
	r->answer_size = sizeof(r->payload.inflight);
	r->answer_fd = true;
	return 0;
}

/* A back-end may have none to give: then it gives no descriptor, or an area of no bytes. */
static int answer_inflight(struct vhost_frontend *f, uint64_t mmap_size, struct message *m)
{
	f->notes.shape.mmap_size = mmap_size;
	f->notes.shape.mmap_offset = m->payload.inflight.mmap_offset;
	f->notes.features = f->features;
	if (mmap_size > 0)
		f->notes.fd = message_take_fd(m);
	return 0;
}

static int fill_set_inflight(struct vhost_frontend *f, struct request *r, struct message *m)
{
	r->payload.inflight = f->notes.shape;
	r->fd = f->notes.fd;
	return 0;
}

static struct vhost_user_region region(const struct vhost_frontend *f)
{
	uint64_t at = (uintptr_t)f->plan.memory;

	return (struct vhost_user_region){.gpa = at, .size = f->plan.memory_len, .uaddr = at};
}

static int fill_mem_table(struct vhost_frontend *f, struct request *r, struct message *m)
{
	r->payload.mem = (struct vhost_user_mem){.n = 1, .regions[0] = region(f)};
	r->fd = f->plan.memory_fd;
	return 0;
}

static int answer_max_mem_slots(struct vhost_frontend *f, uint64_t slots, struct message *m)
{
	return slots > 0 ? 0 : message_refuse(m, -EPROTO, "back-end has no room for memory");
}

static int fill_add_mem_reg(struct vhost_frontend *f, struct request *r, struct message *m)
{
	r->payload.slot = (struct vhost_user_mem_slot){.region = region(f)};
	r->fd = f->plan.memory_fd;
	return 0;
}

static int fill_vring_num(struct vhost_frontend *f, struct request *r, struct message *m)
{
	r->payload.state = (struct vhost_user_ring_state){f->ring, f->plan.rings[f->ring].size};
	return 0;
}

static int fill_vring_base(struct vhost_frontend *f, struct request *r, struct message *m)
{
	r->payload.state = (struct vhost_user_ring_state){f->ring, f->plan.rings[f->ring].base};
	return 0;
}

static int fill_vring_addr(struct vhost_frontend *f, struct request *r, struct message *m)
{
	const struct vhost_frontend_ring *ring = &f->plan.rings[f->ring];

	r->payload.addr = (struct vhost_user_ring_addr){
		.index = f->ring,
		.desc = (uintptr_t)ring->desc,
		.avail = (uintptr_t)ring->avail,
		.used = (uintptr_t)ring->used,
	};
	return 0;
}

static int fill_vring_call(struct vhost_frontend *f, struct request *r, struct message *m)
{
	r->payload.u64 = f->ring;
	r->fd = f->plan.rings[f->ring].call_fd;
	return 0;
}

/*
 * Some back-ends start a ring when it is first kicked. It is kicked before the back-end has the descriptor, and could
 * make it block.
 */
static int fill_vring_kick(struct vhost_frontend *f, struct request *r, struct message *m)
{
	const struct bell kick = bell_eventfd(f->plan.rings[f->ring].kick_fd);

	r->payload.u64 = f->ring;
	r->fd = kick.fd;
	bell_ring(&kick);
	return 0;
}

static int fill_vring_enable(struct vhost_frontend *f, struct request *r, struct message *m)
{
	r->payload.state = (struct vhost_user_ring_state){f->ring, 1};
	return 0;
}

/* All that came before is done; what is offered was settled with the first one. */
static int answer_barrier(struct vhost_frontend *f, uint64_t features, struct message *m)
{
	return 0;
}

#define U64        sizeof(uint64_t)
#define STATE      sizeof(struct vhost_user_ring_state)
#define ADDR       sizeof(struct vhost_user_ring_addr)
#define ONE_REGION offsetof(struct vhost_user_mem, regions[1])
#define MEM_SLOT   sizeof(struct vhost_user_mem_slot)
#define INFLIGHT   sizeof(struct vhost_user_inflight)

/* clang-format off */
static const struct step steps[] = {
	{VHOST_USER_GET_FEATURES, .answer = answer_features},
	/* some back-ends offer their owner more, ours among them */
	{.request = VHOST_USER_SET_OWNER},
	{VHOST_USER_GET_PROTOCOL_FEATURES, .wanted = has_protocol, .answer = answer_protocol_features},
	{VHOST_USER_SET_PROTOCOL_FEATURES, U64, .wanted = has_protocol, .fill = fill_protocol_features},
	{VHOST_USER_GET_QUEUE_NUM, .wanted = has_mq, .answer = answer_queue_num},
	{VHOST_USER_SET_BACKEND_REQ_FD, .wanted = has_channel, .fill = fill_channel},
	{VHOST_USER_SET_FEATURES, U64, .fill = fill_features},
	{VHOST_USER_SET_STATUS, U64, .wanted = has_status, .fill = fill_status_features_ok},
	{VHOST_USER_GET_STATUS, .wanted = has_status, .answer = answer_status},
	{VHOST_USER_GET_CONFIG, .wanted = wants_config, .fill = fill_get_config, .answer = answer_config},
	{.act = act_prepare},
	{VHOST_USER_GET_INFLIGHT_FD, INFLIGHT, .wanted = needs_notes, .fill = fill_get_inflight,
		.answer = answer_inflight},
	{VHOST_USER_SET_INFLIGHT_FD, INFLIGHT, .wanted = has_notes, .fill = fill_set_inflight},
	{VHOST_USER_GET_MAX_MEM_SLOTS, .wanted = has_mem_slots, .answer = answer_max_mem_slots},
	{VHOST_USER_ADD_MEM_REG, MEM_SLOT, .wanted = has_mem_slots, .fill = fill_add_mem_reg},
	{VHOST_USER_SET_MEM_TABLE, ONE_REGION, .wanted = has_no_mem_slots, .fill = fill_mem_table},
	{VHOST_USER_GET_FEATURES, .wanted = has_no_acks, .answer = answer_barrier},
	/* for each ring; DPDK and VPP want the call before the kick */
	{VHOST_USER_SET_VRING_NUM, STATE, .fill = fill_vring_num},
	{VHOST_USER_SET_VRING_BASE, STATE, .fill = fill_vring_base},
	{VHOST_USER_SET_VRING_ADDR, ADDR, .fill = fill_vring_addr},
	{VHOST_USER_SET_VRING_CALL, U64, .fill = fill_vring_call},
	{VHOST_USER_SET_VRING_KICK, U64, .fill = fill_vring_kick, .ring_steps = 5},
	/* for each ring, once all are there */
	{VHOST_USER_SET_VRING_ENABLE, STATE, .wanted = has_protocol, .fill = fill_vring_enable,
		.ring_steps = 1},
	{VHOST_USER_SET_STATUS, U64, .wanted = has_status, .fill = fill_status_driver_ok},
	{VHOST_USER_GET_FEATURES, .wanted = has_no_acks, .answer = answer_barrier},
};

static const struct step later_steps[] = {
	[LATER_GET_CONFIG] = {VHOST_USER_GET_CONFIG, .fill = fill_get_config, .answer = answer_config},
	[LATER_SET_CONFIG] = {VHOST_USER_SET_CONFIG, .fill = fill_set_config},
};
/* clang-format on */

/* What is to be sent next; NULL: nothing. */
static const struct step *next_step(const struct vhost_frontend *f)
{
	if (f->step < ARRAY_LEN(steps))
		return &steps[f->step];
	return f->later ? &later_steps[__builtin_ctz(f->later)] : NULL;
}

static const char *step_name(const struct step *s)
{
	return message_row(s->request)->name;
}

/* Not for SET_PROTOCOL_FEATURES: the back-end may not know yet that acknowledgements are wanted. */
static bool wants_ack(const struct vhost_frontend *f, const struct step *s)
{
	return !s->answer && s->request != VHOST_USER_SET_PROTOCOL_FEATURES &&
	       negotiated(f, VHOST_USER_PROTOCOL_F_REPLY_ACK);
}

static int step_send(struct vhost_frontend *f, const struct step *s, struct message *m)
{
	bool ack = wants_ack(f, s);
	struct vhost_user_header header = {
		.request = s->request, .flags = VHOST_USER_VERSION | (ack ? VHOST_USER_NEED_REPLY : 0)};
	struct request r = {.size = s->size, .fd = -1, .answer_size = sizeof(r.payload.u64)};
	int err = s->fill ? s->fill(f, &r, m) : 0;

	if (err)
		return err;
	header.size = r.size;
	log_debug("%s: %s", f->name, step_name(s));
	loop_timer_set(f->loop, &f->deadline, loop_now(f->loop) + f->deadline_ns);
	f->awaiting = s->answer || ack;
	f->awaiting_size = r.answer_size;
	f->awaiting_fd = r.answer_fd;
	err = conn_send(&f->conn, &header, &r.payload, &r.fd, r.fd < 0 ? 0 : 1);
	if (r.fd_ours)
		foreign_close(r.fd);
	return err ? message_refuse(m, err, "cannot send %s: %s", step_name(s), strerror(-err)) : 0;
}

static void step_done(struct vhost_frontend *f)
{
	uint32_t ring_steps = f->current->ring_steps;

	f->awaiting = false;
	if (f->current < steps || f->current >= steps + ARRAY_LEN(steps)) {
		loop_timer_cancel(f->loop, &f->deadline);
		return;
	}
	f->step++;
	if (ring_steps == 0)
		return;
	f->ring++;
	if (f->ring < f->n_rings)
		f->step -= ring_steps;
	else
		f->ring = 0;
}

static void started(struct vhost_frontend *f)
{
	loop_timer_cancel(f->loop, &f->deadline);
	f->started = true;
	f->error = 0;
	f->why[0] = 0;
	log_limited(&f->limit_news, loop_now(f->loop), LOG_LEVEL_INFO, "%s: back-end runs %u rings", f->name,
		f->n_rings);
	f->ops->started(f->driver);
}

/* A message has left before the next is made: each has the whole deadline. */
int steps_go_on(struct vhost_frontend *f, struct message *m)
{
	const struct step *s;

	while (!f->awaiting && f->conn.out_len == 0) {
		int err = 0;

		if (f->step == ARRAY_LEN(steps) && !f->started)
			started(f);
		s = next_step(f);
		if (!s)
			break;
		f->current = s;
		if (f->step == ARRAY_LEN(steps))
			f->later &= f->later - 1;
		if (s->act)
			err = s->act(f, m);
		else if (!s->wanted || s->wanted(f))
			err = step_send(f, s, m);
		if (err)
			return err;
		if (!f->awaiting)
			step_done(f);
	}
	return 0;
}

int steps_later(struct vhost_frontend *f, enum frontend_later what, struct message *m)
{
	f->later |= 1u << what;
	return f->step == ARRAY_LEN(steps) ? steps_go_on(f, m) : 0;
}

void steps_drop_notes(struct vhost_frontend *f)
{
	if (f->notes.fd >= 0)
		foreign_close(f->notes.fd);
	f->notes.fd = -1;
}

int steps_begin(struct vhost_frontend *f, struct message *m)
{
	f->step = 0;
	f->ring = 0;
	f->later = 0;
	f->config_write.len = 0;
	f->awaiting = false;
	f->n_rings = min_u32(f->n_rings_wanted, RINGS_WITHOUT_MQ);
	return steps_go_on(f, m);
}

static int check_answer(const struct vhost_frontend *f, struct message *m)
{
	const struct step *s = f->current;
	char name[32];

	if (!f->awaiting || m->header.request != s->request)
		return message_refuse(m, -EPROTO, "back-end answers %s, which was not asked",
			message_name(m->header.request, name, sizeof(name)));
	if (m->header.size != f->awaiting_size)
		return message_refuse(
			m, -EMSGSIZE, "back-end answers %s with %u bytes", step_name(s), m->header.size);
	if (m->cargo.n_fds > f->awaiting_fd)
		return message_refuse(m, -EPROTO, "back-end answers %s with %u file descriptors",
			step_name(s), m->cargo.n_fds);
	if (!s->answer && m->payload.u64 != 0)
		return message_refuse(m, -EREMOTEIO, "back-end refuses %s", step_name(s));
	return 0;
}

int steps_answer(struct vhost_frontend *f, struct message *m)
{
	int err = check_answer(f, m);

	if (err == 0 && f->current->answer)
		err = f->current->answer(f, m->payload.u64, m);
	if (err)
		return err;
	step_done(f);
	return steps_go_on(f, m);
}

const char *steps_now(const struct vhost_frontend *f)
{
	const struct step *s = f->awaiting ? f->current : next_step(f);

	return f->connected && s && !s->act ? step_name(s) : NULL;
}
