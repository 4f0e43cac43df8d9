/* SPDX-License-Identifier: Apache-2.0 */
/* fake_linger - for tests: a TCP socket whose last close waits for hours, for a peer that does not read. */
#ifndef GINNEL_OS_FAKE_LINGER_H
#define GINNEL_OS_FAKE_LINGER_H

#include "base/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct fake_linger {
	int fd;
	int peer; /* close it last */
};

static inline void fake_linger_open(struct fake_linger *l)
{
	static const char much[1 << 16];
	const struct linger hours = {.l_onoff = 1, .l_linger = 30000};
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(listen(listener, 1), 0);
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(l->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	l->peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(l->peer >= 0);
	close(listener);
	while (send(l->fd, much, sizeof(much), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &hours, sizeof(hours)), 0);
}

#endif
