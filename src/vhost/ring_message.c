/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/backend_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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

int handle_set_vring_num(struct vhost_backend *b, struct message *m)
{
	uint32_t size = m->payload.state.num;
	struct ring *r = ring_at(b, m, m->payload.state.index);

	if (!r)
		return -EINVAL;
	if (size == 0 || size > VIRTQ_MAX_SIZE || (size & (size - 1)))
		return message_refuse(
			m, -EINVAL, "ring of %u entries: not a power of two up to %d", size, VIRTQ_MAX_SIZE);
	if (r->started && size == r->size)
		return 0;
	if (check_stopped(r, m) < 0)
		return -EBUSY;
	r->size = size;
	return 0;
}

/* Not translated before the ring runs: memory and features may come later. */
int handle_set_vring_addr(struct vhost_backend *b, struct message *m)
{
	struct ring *r = ring_at(b, m, m->payload.addr.index);

	if (!r)
		return -EINVAL;
	rings_pause(b, RING_ONLY(r));
	r->addr = m->payload.addr;
	r->has_addr = true;
	return rings_run(b, RING_ONLY(r), m);
}

int handle_set_vring_base(struct vhost_backend *b, struct message *m)
{
	uint32_t base = m->payload.state.num;
	struct ring *r = ring_at(b, m, m->payload.state.index);

	if (!r)
		return -EINVAL;
	if (base > UINT16_MAX)
		return message_refuse(m, -EINVAL, "base %u is no index of a split ring", base);
	if (check_stopped(r, m) < 0)
		return -EBUSY;
	r->shared.vq.next_avail = (uint16_t)base;
	return 0;
}

static void replace_fd(int *fd, int with)
{
	if (*fd >= 0)
		close(*fd);
	*fd = with;
}

int handle_get_vring_base(struct vhost_backend *b, struct message *m)
{
	struct ring *r = ring_at(b, m, m->payload.state.index);

	if (!r)
		return -EINVAL;
	rings_pause(b, RING_ONLY(r));
	r->started = false;
	replace_fd(&r->shared.kick_fd, -1);
	m->payload.state.num = r->shared.vq.next_avail;
	return 0;
}

/* Only what can be waited for and written to without surprise: eventfd (a file of no type), pipe, socket. */
static bool fd_is_signal(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	return (st.st_mode & S_IFMT) == 0 || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode);
}

/* Decodes SET_VRING_KICK, _CALL and _ERR. The descriptor is the caller's, -1 for none. NULL and m->why on
 * nonsense. */
static struct ring *take_ring_fd(struct vhost_backend *b, struct message *m, int *fd)
{
	uint64_t value = m->payload.u64;
	bool none = value & VHOST_USER_RING_FD_NONE;
	struct ring *r = ring_at(b, m, value & ~VHOST_USER_RING_FD_NONE);

	if (!r)
		return NULL;
	if (none != (m->cargo.n_fds == 0)) {
		message_refuse(m, -EINVAL,
			none ? "a file descriptor came that should not" : "no file descriptor came");
		return NULL;
	}
	if (!none && !fd_is_signal(m->cargo.fds[0])) {
		message_refuse(m, -EINVAL, "file descriptor is neither eventfd nor pipe nor socket");
		return NULL;
	}
	*fd = message_take_fd(m);
	return r;
}

/* Starts the ring, if it does not run yet: "Ring states". */
int handle_set_vring_kick(struct vhost_backend *b, struct message *m)
{
	int fd;
	struct ring *r = take_ring_fd(b, m, &fd);

	if (!r)
		return -EINVAL;
	rings_pause(b, RING_ONLY(r));
	replace_fd(&r->shared.kick_fd, fd);
	if (!r->started) {
		r->started = true;
		r->fresh = true;
		r->reported = false;
	}
	return rings_run(b, RING_ONLY(r), m);
}

/* The data path writes to these: it must never wait for a reader. */
static void set_nonblocking(int fd)
{
	int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);

	if (flags >= 0 && !(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* QEMU changes it each time the guest masks or unmasks the interrupt. */
int handle_set_vring_call(struct vhost_backend *b, struct message *m)
{
	int err, fd;
	struct ring *r = take_ring_fd(b, m, &fd);

	if (!r)
		return -EINVAL;
	set_nonblocking(fd);
	rings_pause(b, RING_ONLY(r));
	replace_fd(&r->call_fd, fd);
	err = rings_run(b, RING_ONLY(r), m);
	/* a call that went to the old descriptor may not have been seen */
	if (r->published)
		ring_call(r);
	return err;
}

int handle_set_vring_err(struct vhost_backend *b, struct message *m)
{
	int fd;
	struct ring *r = take_ring_fd(b, m, &fd);

	if (!r)
		return -EINVAL;
	set_nonblocking(fd);
	rings_pause(b, RING_ONLY(r));
	replace_fd(&r->err_fd, fd);
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
