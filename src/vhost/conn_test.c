/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/conn.h"

#include "base/test.h"
#include "os/unix.h"
#include "vhost/fake_front.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection, its owner and the other end of its socket. */
struct bed {
	struct loop *loop;
	struct conn conn;
	int peer;
	uint32_t n;
	struct vhost_user_header last;
	uint64_t last_u64;
	uint32_t last_fds;
	uint32_t sent;
	bool refuse;
	int ended; /* 0: not yet */
	char why[MESSAGE_WHY_LEN];
};

static int on_message(void *arg, struct message *m)
{
	struct bed *bed = arg;

	bed->n++;
	bed->last = m->header;
	bed->last_u64 = m->payload.u64;
	bed->last_fds = m->cargo.n_fds;
	return bed->refuse ? message_refuse(m, -EINVAL, "as the test wants it") : 0;
}

static void on_ended(void *arg, int err, const char *why)
{
	struct bed *bed = arg;

	assert_int_equal(bed->ended, 0);
	bed->ended = err;
	snprintf(bed->why, sizeof(bed->why), "%s", why);
}

static const struct conn_events events = {.peer = "front-end", .message = on_message, .ended = on_ended};

static int on_sent(void *arg, struct message *m)
{
	struct bed *bed = arg;

	bed->sent++;
	return bed->refuse ? message_refuse(m, -EINVAL, "as the test wants it") : 0;
}

/* The other role: it asks and hears answers. */
static const struct conn_events asking = {
	.peer = "back-end", .replies = true, .message = on_message, .sent = on_sent, .ended = on_ended};

static void bed_connect(struct bed *bed)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	bed->peer = pair[1];
	bed->ended = 0;
	assert_int_equal(conn_start(&bed->conn, pair[0]), 0);
}

static void bed_open_as(struct bed *bed, const struct conn_events *as)
{
	memset(bed, 0, sizeof(*bed));
	assert_int_equal(loop_create(&bed->loop), 0);
	conn_init(&bed->conn, bed->loop, as, bed);
	bed_connect(bed);
}

static void bed_open(struct bed *bed)
{
	bed_open_as(bed, &events);
}

static void bed_close(struct bed *bed)
{
	conn_stop(&bed->conn);
	close(bed->peer);
	loop_destroy(bed->loop);
}

static void bed_send(struct bed *bed, const void *bytes, size_t len, const int *fds, uint32_t n_fds)
{
	assert_int_equal(unix_send(bed->peer, bytes, len, fds, n_fds), len);
	fake_turns(bed->loop);
}

static void shrink_socket(int fd)
{
	int bytes = 1;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
}

struct u64_message {
	struct vhost_user_header header;
	uint64_t value;
} __attribute__((packed));

static struct u64_message u64_message(uint64_t value)
{
	return (struct u64_message){
		.header = {.request = VHOST_USER_SET_FEATURES, .flags = VHOST_USER_VERSION, .size = 8},
		.value = value};
}

TEST(a_message_sent_byte_by_byte_arrives_whole)
{
	struct u64_message m = u64_message(0x1122334455667788);
	struct bed bed;

	bed_open(&bed);
	for (size_t i = 0; i < sizeof(m); i++) {
		assert_int_equal(bed.n, 0);
		bed_send(&bed, (uint8_t *)&m + i, 1, NULL, 0);
	}
	assert_int_equal(bed.n, 1);
	assert_int_equal(bed.last.request, VHOST_USER_SET_FEATURES);
	assert_int_equal(bed.last_u64, 0x1122334455667788);
	bed_close(&bed);
}

TEST(messages_sent_together_arrive_one_after_the_other)
{
	struct u64_message m[100];
	struct bed bed;

	bed_open(&bed);
	for (uint32_t i = 0; i < 100; i++)
		m[i] = u64_message(i);
	bed_send(&bed, m, sizeof(m), NULL, 0);
	for (int i = 0; i < 10; i++)
		fake_turns(bed.loop);
	assert_int_equal(bed.n, 100);
	assert_int_equal(bed.last_u64, 99);
	bed_close(&bed);
}

TEST(descriptors_belong_to_the_message_whichever_byte_they_came_with)
{
	struct u64_message m = u64_message(1);
	uint32_t before = fake_open_fds();
	int fds[2] = {STDIN_FILENO, STDOUT_FILENO};
	struct bed bed;

	bed_open(&bed);
	for (size_t at = 0; at < sizeof(m); at++) {
		if (at > 0)
			bed_send(&bed, &m, at, NULL, 0);
		bed_send(&bed, (uint8_t *)&m + at, sizeof(m) - at, fds, 2);
		assert_int_equal(bed.n, at + 1);
		assert_int_equal(bed.last_fds, 2);
	}
	bed_send(&bed, &m, sizeof(m), NULL, 0);
	assert_int_equal(bed.last_fds, 0);
	bed_close(&bed);
	assert_int_equal(fake_open_fds(), before);
}

TEST(more_descriptors_than_fit_end_the_connection_and_none_stays_open)
{
	struct u64_message m = u64_message(1);
	uint32_t before = fake_open_fds();
	int fds[UNIX_MAX_FDS] = {0};
	struct bed bed;

	bed_open(&bed);
	bed_send(&bed, &m, 1, fds, UNIX_MAX_FDS);
	assert_int_equal(bed.ended, 0);
	bed_send(&bed, (uint8_t *)&m + 1, 1, fds, UNIX_MAX_FDS);
	assert_int_equal(bed.ended, -EMSGSIZE);
	bed_close(&bed);
	assert_int_equal(fake_open_fds(), before);
}

/* The header alone decides: nothing of the payload need be there. */
static void check_header_ends(const struct conn_events *as, uint32_t flags, uint32_t size, int err)
{
	struct vhost_user_header header = {.request = 1, .flags = flags, .size = size};
	struct bed bed;

	bed_open_as(&bed, as);
	bed_send(&bed, &header, sizeof(header), NULL, 0);
	assert_int_equal(bed.n, 0);
	assert_int_equal(bed.ended, err);
	bed_close(&bed);
}

TEST(a_header_of_another_protocol_ends_the_connection)
{
	check_header_ends(&events, 0, 0, -EPROTO);
	check_header_ends(&events, 2, 0, -EPROTO);
	check_header_ends(&events, 3, 0, -EPROTO);
	check_header_ends(&events, VHOST_USER_VERSION | VHOST_USER_REPLY, 0, -EPROTO);
	check_header_ends(&events, 0x47455420, 0x2f204854, -EPROTO); /* "GET / HT" */
}

TEST(an_answer_has_exactly_the_flags_of_an_answer)
{
	struct u64_message m = u64_message(3);
	struct bed bed;

	for (uint32_t flags = 0; flags < 32; flags++)
		if (flags != (VHOST_USER_VERSION | VHOST_USER_REPLY))
			check_header_ends(&asking, flags, 0, -EPROTO);
	check_header_ends(&asking, 0x80000005, 0, -EPROTO);
	bed_open_as(&bed, &asking);
	m.header.flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
	bed_send(&bed, &m, sizeof(m), NULL, 0);
	assert_int_equal(bed.last_u64, 3);
	close(bed.peer);
	fake_turns(bed.loop);
	assert_string_equal(bed.why, "back-end has left");
	bed_close(&bed);
}

TEST(a_size_beyond_the_bound_ends_the_connection)
{
	check_header_ends(&events, VHOST_USER_VERSION, MESSAGE_MAX_PAYLOAD + 1, -EMSGSIZE);
	check_header_ends(&events, VHOST_USER_VERSION, 0xffffffff, -EMSGSIZE);
	check_header_ends(&events, VHOST_USER_VERSION, 0xfffffff4, -EMSGSIZE);
}

TEST(the_longest_message_is_read)
{
	static const uint8_t payload[MESSAGE_MAX_PAYLOAD];
	struct vhost_user_header header = {
		.request = 99, .flags = VHOST_USER_VERSION, .size = MESSAGE_MAX_PAYLOAD};
	struct bed bed;

	bed_open(&bed);
	bed_send(&bed, &header, sizeof(header), NULL, 0);
	bed_send(&bed, payload, sizeof(payload), NULL, 0);
	assert_int_equal(bed.n, 1);
	assert_int_equal(bed.ended, 0);
	bed_close(&bed);
}

TEST(a_refused_message_ends_the_connection_with_its_reason)
{
	struct u64_message m[2] = {u64_message(1), u64_message(2)};
	struct bed bed;

	bed_open(&bed);
	bed.refuse = true;
	bed_send(&bed, m, sizeof(m), NULL, 0);
	assert_int_equal(bed.n, 1);
	assert_int_equal(bed.ended, -EINVAL);
	assert_string_equal(bed.why, "as the test wants it");
	bed_close(&bed);
}

TEST(a_peer_that_leaves_is_told_from_one_that_breaks_off)
{
	struct u64_message m = u64_message(1);
	struct bed bed;

	bed_open(&bed);
	bed_send(&bed, &m, sizeof(m), NULL, 0);
	close(bed.peer);
	fake_turns(bed.loop);
	assert_int_equal(bed.ended, -ECONNRESET);
	assert_string_equal(bed.why, "front-end has left");
	bed_connect(&bed);
	bed_send(&bed, &m, 5, NULL, 0);
	close(bed.peer);
	fake_turns(bed.loop);
	assert_int_equal(bed.ended, -ECONNRESET);
	assert_string_equal(bed.why, "front-end has left in the middle of a message");
	/* nothing of the half message is left for the next connection */
	bed_connect(&bed);
	bed_send(&bed, &m, sizeof(m), NULL, 0);
	assert_int_equal(bed.n, 2);
	assert_int_equal(bed.last_u64, 1);
	bed_close(&bed);
}

TEST(messages_sent_before_leaving_are_still_heard)
{
	struct u64_message m[3] = {u64_message(1), u64_message(2), u64_message(3)};
	struct bed bed;

	bed_open(&bed);
	assert_int_equal(unix_send(bed.peer, m, sizeof(m), NULL, 0), sizeof(m));
	close(bed.peer);
	fake_turns(bed.loop);
	assert_int_equal(bed.n, 3);
	assert_int_equal(bed.ended, -ECONNRESET);
	bed_close(&bed);
}

TEST(a_message_that_has_begun_must_end_in_time)
{
	struct u64_message m = u64_message(1);
	struct bed bed;

	bed_open(&bed);
	bed.conn.deadline_ns = 0;
	fake_turns(bed.loop);
	assert_int_equal(bed.ended, 0); /* idle, for ever */
	bed_send(&bed, &m, sizeof(m), NULL, 0);
	assert_int_equal(bed.ended, 0);
	bed_send(&bed, &m, sizeof(m) - 1, NULL, 0);
	assert_int_equal(bed.ended, -ETIMEDOUT);
	bed_close(&bed);
}

TEST(a_connection_that_was_stopped_has_no_deadline)
{
	struct u64_message m = u64_message(1);
	struct bed bed;

	bed_open(&bed);
	bed.conn.deadline_ns = 1; /* due in the turn after this one */
	assert_int_equal(unix_send(bed.peer, &m, 5, NULL, 0), 5);
	assert_int_equal(loop_turn(bed.loop, 0), 0);
	assert_int_equal(bed.conn.have, 5);
	conn_stop(&bed.conn);
	fake_turns(bed.loop);
	assert_int_equal(bed.ended, 0);
	bed_close(&bed);
}

TEST(replies_that_do_not_fit_are_sent_when_there_is_room)
{
	struct bed bed;
	uint64_t n;

	bed_open(&bed);
	shrink_socket(bed.conn.fd);
	for (n = 0; bed.conn.out_len == 0; n++)
		assert_int_equal(conn_reply(&bed.conn, 1, &n, sizeof(n)), 0);
	for (uint64_t i = 0; i < n; i++) {
		struct unix_cargo cargo = {0};
		struct u64_message m;

		assert_int_equal(unix_recv(bed.peer, &m, sizeof(m), &cargo), sizeof(m));
		assert_int_equal(m.header.flags, 0x5);
		assert_int_equal(m.value, i);
		fake_turns(bed.loop);
	}
	assert_int_equal(bed.conn.out_len, 0);
	bed_close(&bed);
}

TEST(a_peer_that_reads_no_replies_is_refused_more)
{
	uint64_t value = 0;
	struct bed bed;
	int err = 0;

	bed_open(&bed);
	shrink_socket(bed.conn.fd);
	for (int i = 0; i < 100000 && err == 0; i++)
		err = conn_reply(&bed.conn, 1, &value, sizeof(value));
	assert_int_equal(err, -ENOBUFS);
	bed_close(&bed);
}

TEST(a_reply_to_a_peer_that_is_gone_is_dropped)
{
	uint64_t value = 0;
	struct bed bed;

	bed_open(&bed);
	close(bed.peer);
	assert_int_equal(conn_reply(&bed.conn, 1, &value, sizeof(value)), 0);
	assert_int_equal(bed.ended, 0);
	fake_turns(bed.loop);
	assert_int_equal(bed.ended, -ECONNRESET);
	bed_close(&bed);
}

/* --- requests with descriptors --- */

static int send_u64(struct bed *bed, uint64_t value, const int *fds, uint32_t n_fds)
{
	struct vhost_user_header header = u64_message(value).header;

	return conn_send(&bed->conn, &header, &value, fds, n_fds);
}

/* One message at the other end, whole; returns its value. */
static uint64_t peer_recv(struct bed *bed, uint32_t n_fds)
{
	struct unix_cargo cargo = {0};
	struct u64_message m;
	size_t len = 0;

	while (len < sizeof(m)) {
		uint8_t *at = (uint8_t *)&m;
		ssize_t n = unix_recv(bed->peer, at + len, sizeof(m) - len, &cargo);

		assert_true(n > 0);
		assert_int_equal(cargo.n_fds, n_fds); /* with the first byte */
		len += (size_t)n;
		fake_turns(bed->loop);
	}
	unix_cargo_close(&cargo);
	assert_int_equal(m.header.flags, VHOST_USER_VERSION);
	return m.value;
}

TEST(descriptors_go_with_the_message_they_were_sent_with)
{
	uint32_t before = fake_open_fds();
	int fds[2] = {STDIN_FILENO, STDOUT_FILENO};
	struct bed bed;

	bed_open_as(&bed, &asking);
	assert_int_equal(send_u64(&bed, 1, NULL, 0), 0);
	assert_int_equal(send_u64(&bed, 2, fds, 2), 0);
	assert_int_equal(send_u64(&bed, 3, fds, 1), 0);
	assert_int_equal(peer_recv(&bed, 0), 1);
	assert_int_equal(peer_recv(&bed, 2), 2);
	assert_int_equal(peer_recv(&bed, 1), 3);
	assert_int_equal(bed.sent, 0); /* nothing had to wait */
	bed_close(&bed);
	assert_int_equal(fake_open_fds(), before);
}

TEST(descriptors_wait_with_their_message)
{
	uint32_t before = fake_open_fds();
	int fd = fake_eventfd();
	struct bed bed;
	uint64_t n;

	bed_open_as(&bed, &asking);
	shrink_socket(bed.conn.fd);
	for (n = 0; bed.conn.out_len == 0; n++)
		assert_int_equal(send_u64(&bed, n, NULL, 0), 0);
	assert_int_equal(send_u64(&bed, n, &fd, 1), 0);
	close(fd); /* it goes all the same */
	assert_int_equal(send_u64(&bed, n + 1, &bed.peer, 1), -ENOBUFS);
	assert_int_equal(send_u64(&bed, n + 1, NULL, 0), 0);
	for (uint64_t i = 0; i < n + 2; i++)
		assert_int_equal(peer_recv(&bed, i == n ? 1 : 0), i);
	assert_int_equal(bed.sent, 1);
	bed_close(&bed);
	assert_int_equal(fake_open_fds(), before);
}

TEST(descriptors_that_found_no_room_are_sent_again)
{
	uint32_t before = fake_open_fds();
	struct bed bed;
	uint64_t n;

	bed_open_as(&bed, &asking);
	shrink_socket(bed.conn.fd);
	for (n = 0; bed.conn.out_len == 0; n++)
		assert_int_equal(send_u64(&bed, n, &bed.peer, 1), 0);
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(peer_recv(&bed, 1), i);
	bed_close(&bed);
	assert_int_equal(fake_open_fds(), before);
}

TEST(what_waits_when_the_connection_ends_is_closed)
{
	uint32_t before = fake_open_fds();
	int fd = fake_eventfd();
	struct bed bed;

	bed_open_as(&bed, &asking);
	shrink_socket(bed.conn.fd);
	while (bed.conn.out_len == 0)
		assert_int_equal(send_u64(&bed, 1, NULL, 0), 0);
	assert_int_equal(send_u64(&bed, 2, &fd, 1), 0);
	close(fd);
	bed_close(&bed);
	assert_int_equal(fake_open_fds(), before);
}

TEST(an_owner_that_cannot_go_on_after_sending_ends_the_connection)
{
	struct bed bed;

	bed_open_as(&bed, &asking);
	bed.refuse = true;
	shrink_socket(bed.conn.fd);
	for (uint64_t n = 0; bed.conn.out_len == 0; n++)
		assert_int_equal(send_u64(&bed, n, NULL, 0), 0);
	while (bed.ended == 0)
		peer_recv(&bed, 0);
	assert_int_equal(bed.ended, -EINVAL);
	assert_string_equal(bed.why, "as the test wants it");
	bed_close(&bed);
}

TESTS(cmocka_unit_test(a_message_sent_byte_by_byte_arrives_whole),
	cmocka_unit_test(messages_sent_together_arrive_one_after_the_other),
	cmocka_unit_test(descriptors_belong_to_the_message_whichever_byte_they_came_with),
	cmocka_unit_test(more_descriptors_than_fit_end_the_connection_and_none_stays_open),
	cmocka_unit_test(a_header_of_another_protocol_ends_the_connection),
	cmocka_unit_test(an_answer_has_exactly_the_flags_of_an_answer),
	cmocka_unit_test(descriptors_go_with_the_message_they_were_sent_with),
	cmocka_unit_test(descriptors_wait_with_their_message),
	cmocka_unit_test(descriptors_that_found_no_room_are_sent_again),
	cmocka_unit_test(what_waits_when_the_connection_ends_is_closed),
	cmocka_unit_test(an_owner_that_cannot_go_on_after_sending_ends_the_connection),
	cmocka_unit_test(a_size_beyond_the_bound_ends_the_connection),
	cmocka_unit_test(the_longest_message_is_read),
	cmocka_unit_test(a_refused_message_ends_the_connection_with_its_reason),
	cmocka_unit_test(a_peer_that_leaves_is_told_from_one_that_breaks_off),
	cmocka_unit_test(messages_sent_before_leaving_are_still_heard),
	cmocka_unit_test(a_message_that_has_begun_must_end_in_time),
	cmocka_unit_test(a_connection_that_was_stopped_has_no_deadline),
	cmocka_unit_test(replies_that_do_not_fit_are_sent_when_there_is_room),
	cmocka_unit_test(a_peer_that_reads_no_replies_is_refused_more),
	cmocka_unit_test(a_reply_to_a_peer_that_is_gone_is_dropped))
