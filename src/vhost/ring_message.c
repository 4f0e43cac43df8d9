/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/backend_private.h"

#include "os/foreign.h"

#include <errno.h>
#include <fcntl.h>

/* The ring with this index, or NULL and m->why. */
static struct ring *ring_at(struct vhost_backend *b, struct message *m, uint64_t idx)
{
	if (idx < b->n_rings)
		return &b->rings[idx];
	message_refuse(
		m, -EINVAL, "there is no ring %llu: this device has %u", (unsigned long long)idx, b->n_rings);
	return NULL;
}

/* Size and base of a started ring cannot change: the guest and we would count differently. */
static int check_stopped(const struct ring *r, struct message *m)
{
	return r->started ? message_refuse(m, -EBUSY, "ring %u has not been stopped", r->shared.idx) : 0;
}

/* Whether the ring is split, with a power of two, or packed is known when features are: the start refuses the rest. */
int handle_set_vring_num(struct vhost_backend *b, struct message *m)
{
	uint32_t size = m->payload.state.num;
	struct ring *r = ring_at(b, m, m->payload.state.index);

	if (!r)
		return -EINVAL;
	if (size == 0 || size > VIRTQ_MAX_SIZE)
		return message_refuse(m, -EINVAL, "ring of %u entries: not 1 to %d", size, VIRTQ_MAX_SIZE);
	if (size > b->max_ring_size)
		return message_refuse(m, -EINVAL,
			"ring of %u entries, at most %u are served here: give the guest's device a smaller "
			"queue size",
			size, b->max_ring_size);
	if (r->started && size == r->size)
		return 0;
	if (check_stopped(r, m) < 0)
		return -EBUSY;
	r->size = size;
	return 0;
}

/*
 * Not translated before the ring runs: memory and features may come later. A ring that runs and cannot at its new
 * place goes on at the old one.
 */
int handle_set_vring_addr(struct vhost_backend *b, struct message *m)
{
	struct ring *r = ring_at(b, m, m->payload.addr.index);
	struct vhost_user_ring_addr before;
	bool had_addr;
	int err;

	if (!r)
		return -EINVAL;
	before = r->addr;
	had_addr = r->has_addr;
	rings_pause(b, RING_ONLY(r));
	r->addr = m->payload.addr;
	r->has_addr = true;
	err = rings_run(b, RING_ONLY(r), m);
	if (err) {
		r->addr = before;
		r->has_addr = had_addr;
		rings_run(b, RING_ONLY(r), m);
	}
	return err;
}

/* A packed ring's base has 32 bits. As with the size, the start knows which ring it is. */
int handle_set_vring_base(struct vhost_backend *b, struct message *m)
{
	struct ring *r = ring_at(b, m, m->payload.state.index);

	if (!r)
		return -EINVAL;
	if (check_stopped(r, m) < 0)
		return -EBUSY;
	r->base = m->payload.state.num;
	return 0;
}

int handle_get_vring_base(struct vhost_backend *b, struct message *m)
{
	struct ring *r = ring_at(b, m, m->payload.state.index);

	if (!r)
		return -EINVAL;
	rings_pause(b, RING_ONLY(r));
	ring_stop(r);
	m->payload.state.num = r->base;
	return 0;
}

/* Decodes SET_VRING_KICK, _CALL and _ERR. The descriptor is left in the cargo. NULL and m->why on nonsense. */
static struct ring *ring_of_fd(struct vhost_backend *b, struct message *m)
{
	uint64_t value = m->payload.u64;
	bool none = value & VHOST_USER_RING_FD_NONE;
	struct ring *r = ring_at(b, m, value & ~VHOST_USER_RING_FD_NONE);

	if (r && none != (m->cargo.n_fds == 0)) {
		message_refuse(m, -EINVAL,
			none ? "a file descriptor came that should not" : "no file descriptor came");
		return NULL;
	}
	return r;
}

/*
 * Starts the ring, if it does not run yet: "Ring states". Kicks are never read (os/waker.h), so a pipe or socket would
 * fill up.
 */
int handle_set_vring_kick(struct vhost_backend *b, struct message *m)
{
	struct ring *r = ring_of_fd(b, m);

	if (!r)
		return -EINVAL;
	if (m->cargo.n_fds > 0 && foreign_kind(m->cargo.fds[0]) != FOREIGN_EVENTFD)
		return message_refuse(m, -EINVAL, "file descriptor is not an eventfd");
	rings_pause(b, RING_ONLY(r));
	ring_kick_replace(r, message_take_fd(m));
	r->shared.kick_by_message = false;
	ring_start(r);
	return rings_run(b, RING_ONLY(r), m);
}

/* A ring that nothing was said about is kicked by such messages alone, and the first one starts it: "VRING_KICK". */
int handle_vring_kick(struct vhost_backend *b, struct message *m)
{
	struct ring *r = ring_at(b, m, m->payload.state.index);
	int err = 0;

	if (!r)
		return -EINVAL;
	if (!r->started) {
		r->shared.kick_by_message = true;
		ring_start(r);
		err = rings_run(b, RING_ONLY(r), m);
	}
	if (r->published)
		b->ops->kick(b->device, r->shared.idx);
	return err;
}

/* An honest front-end's descriptor never blocks from here on; a hostile one can take that back (os/foreign.h). */
static void set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && !(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* The bell that a message brings, out of the cargo. 0, or -EINVAL and m->why. */
static int take_bell(struct message *m, struct bell *out)
{
	enum foreign_kind kind;
	int fd;

	*out = bell_none();
	if (m->cargo.n_fds == 0)
		return 0;
	kind = foreign_kind(m->cargo.fds[0]);
	if (kind != FOREIGN_EVENTFD && kind != FOREIGN_SOCKET)
		return message_refuse(m, -EINVAL, "file descriptor is neither an eventfd nor a unix socket");
	fd = message_take_fd(m);
	set_nonblocking(fd);
	*out = kind == FOREIGN_SOCKET ? bell_socket(fd) : bell_eventfd(fd);
	return 0;
}

/* QEMU changes it each time the guest masks or unmasks the interrupt. A ring that runs again calls its guest once. */
int handle_set_vring_call(struct vhost_backend *b, struct message *m)
{
	struct ring *r = ring_of_fd(b, m);
	struct bell bell;

	if (!r || take_bell(m, &bell) < 0)
		return -EINVAL;
	rings_pause(b, RING_ONLY(r));
	ring_bell_replace(&r->call, bell);
	r->call_set = true;
	return rings_run(b, RING_ONLY(r), m);
}

int handle_set_vring_err(struct vhost_backend *b, struct message *m)
{
	struct ring *r = ring_of_fd(b, m);
	struct bell bell;

	if (!r || take_bell(m, &bell) < 0)
		return -EINVAL;
	rings_pause(b, RING_ONLY(r));
	ring_bell_replace(&r->err, bell);
	r->err_set = true;
	return rings_run(b, RING_ONLY(r), m);
}

int handle_set_vring_enable(struct vhost_backend *b, struct message *m)
{
	uint32_t wanted = m->payload.state.num;
	struct ring *r = ring_at(b, m, m->payload.state.index);

	if (!r)
		return -EINVAL;
	if (wanted > 1)
		return message_refuse(m, -EINVAL, "neither 0 nor 1 but %u", wanted);
	if (r->shared.enabled == wanted)
		return 0;
	rings_pause(b, RING_ONLY(r));
	r->shared.enabled = wanted;
	return rings_run(b, RING_ONLY(r), m);
}
