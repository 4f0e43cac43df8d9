/* SPDX-License-Identifier: Apache-2.0 */
#include "os/service.h"

#include "base/test.h"
#include "os/unix.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A manager: a datagram socket without a file. */
static int manager_open(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char name[64];

	snprintf(name, sizeof(name), "@ginnel-test-%d", (int)getpid());
	memcpy(addr.sun_path + 1, name + 1, strlen(name) - 1);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
		0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void expect(int manager, const char *state, struct unix_load *load)
{
	char text[256] = {0};

	assert_true(unix_recv_load(manager, text, sizeof(text) - 1, load) > 0);
	assert_string_equal(text, state);
}

TEST(without_a_manager_nobody_is_told)
{
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(service_notify("READY=1"), -ENOENT);
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(service_notify("READY=1"), -EINVAL);
	setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
	assert_int_equal(service_notify("READY=1"), -ENOENT);
}

TEST(a_manager_hears_of_it)
{
	int manager = manager_open();
	struct unix_load load;

	assert_int_equal(service_notify("READY=1"), 0);
	assert_int_equal(service_forget("x"), 0);
	expect(manager, "READY=1", &load);
	expect(manager, "FDSTOREREMOVE=1\nFDNAME=x", &load);
	assert_int_equal(load.n_fds, 0);
	close(manager);
}

static void wait_for(int manager)
{
	struct pollfd p = {.fd = manager, .events = POLLIN};

	assert_int_equal(poll(&p, 1, -1), 1);
}

/* Deals with a descriptor to be stored and with the barrier behind it. */
static void *manage(void *arg)
{
	int manager = *(int *)arg;
	char text[256] = {0};
	struct unix_load load;
	int kept;

	wait_for(manager);
	assert_true(unix_recv_load(manager, text, sizeof(text) - 1, &load) > 0);
	assert_string_equal(text, "FDSTORE=1\nFDNAME=left\nFDPOLL=0");
	assert_int_equal(load.n_fds, 1);
	kept = load.fds[0];
	memset(text, 0, sizeof(text));
	wait_for(manager);
	assert_true(unix_recv_load(manager, text, sizeof(text) - 1, &load) > 0);
	assert_string_equal(text, "BARRIER=1");
	*(int *)arg = kept;
	close(load.fds[0]);
	return NULL;
}

TEST(a_descriptor_is_stored_when_the_call_returns)
{
	int manager = manager_open(), arg = manager, ends[2];
	pthread_t thread;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pthread_create(&thread, NULL, manage, &arg), 0);
	assert_int_equal(service_store("left", ends[1]), 0);
	pthread_join(thread, NULL);
	assert_int_equal(write(arg, "!", 1), 1);
	close(arg);
	close(ends[0]);
	close(ends[1]);
	close(manager);
}

TEST(descriptors_are_found_by_name_one_after_the_other)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "4", 1);
	setenv("LISTEN_FDNAMES", "stored:ginnel:connection:ginnel", 1);
	assert_int_equal(service_take("ginne"), -1);
	assert_int_equal(service_take("ginnel"), 4);
	assert_int_equal(service_take("ginnel"), 6);
	assert_int_equal(service_take("ginnel"), -1);
	assert_int_equal(service_take("connection"), 5);
}

TEST(descriptors_for_another_process_are_left_alone)
{
	setenv("LISTEN_PID", "1", 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", "ginnel", 1);
	assert_int_equal(service_take("ginnel"), -1);
	unsetenv("LISTEN_PID");
	assert_int_equal(service_take("ginnel"), -1);
}

TEST(who_has_opened_the_manager_can_tell_it_later)
{
	int manager = manager_open(), fd = service_open();
	struct unix_load load;

	assert_true(fd >= 0);
	service_send(fd, "READY=1");
	service_send(fd, "STOPPING=1");
	service_send(-ENOENT, "to nobody");
	expect(manager, "READY=1", &load);
	expect(manager, "STOPPING=1", &load);
	close(manager);
	service_send(fd, "to somebody who has gone");
	close(fd);
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(service_open(), -ENOENT);
	setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
	assert_int_equal(service_open(), -ENOENT);
}

TEST(descriptors_are_passed_in_their_order)
{
	char pid[16];
	int fds[4];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "3", 1);
	assert_int_equal(service_sockets(fds, 4), 3);
	assert_true(fds[0] == 3 && fds[1] == 4 && fds[2] == 5);
	assert_int_equal(service_sockets(fds, 2), 2);
	setenv("LISTEN_FDS", "-1", 1);
	assert_int_equal(service_sockets(fds, 4), 0);
	setenv("LISTEN_PID", "1", 1);
	setenv("LISTEN_FDS", "3", 1);
	assert_int_equal(service_sockets(fds, 4), 0);
}

TESTS(cmocka_unit_test(who_has_opened_the_manager_can_tell_it_later),
	cmocka_unit_test(descriptors_are_passed_in_their_order),
	cmocka_unit_test(without_a_manager_nobody_is_told), cmocka_unit_test(a_manager_hears_of_it),
	cmocka_unit_test(a_descriptor_is_stored_when_the_call_returns),
	cmocka_unit_test(descriptors_are_found_by_name_one_after_the_other),
	cmocka_unit_test(descriptors_for_another_process_are_left_alone))
