/* SPDX-License-Identifier: Apache-2.0 */
#include "os/bell.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint64_t one = 1;

static void ring_message(const struct bell *bell)
{
	ssize_t n = send(bell->fd, bell->message, bell->len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno == EAGAIN)
		__atomic_store_n(bell->missed, true, __ATOMIC_RELAXED);
}

int bell_ring(const struct bell *bell)
{
	ssize_t n = 0;

	if (bell->blocked && __atomic_load_n(bell->blocked, __ATOMIC_RELAXED))
		return -EINTR;
	switch (bell->kind) {
	case BELL_NONE:
		break;
	case BELL_EVENTFD:
		n = write(bell->fd, &one, sizeof(one));
		break;
	case BELL_SOCKET:
		n = send(bell->fd, &one, sizeof(one), MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case BELL_MESSAGE:
		ring_message(bell);
		break;
	}
	if (n >= 0 || errno != EINTR)
		return 0;
	if (bell->blocked)
		__atomic_store_n(bell->blocked, true, __ATOMIC_RELAXED);
	return -EINTR;
}
