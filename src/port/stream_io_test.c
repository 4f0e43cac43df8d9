/* SPDX-License-Identifier: Apache-2.0 */
/* A stream port whose frames wait for buffers of others, which are played here. */
#include "base/test.h"
#include "port/stream_port.h"
#include "wire/bytes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define FRAME_LEN 100

struct bed {
	struct iface_table *ifaces;
	struct stream_port sp;
	struct iface out, other;
	struct stream_conn *conn;
	struct turn *turn;
	int peer;
	uint64_t now_ns;
};

static struct bed bed;

static void add_iface(struct iface *iface, const char *name)
{
	snprintf(iface->name, IFACE_NAME_LEN, "%s", name);
	iface->kind = "test";
	assert_int_equal(iface_add(bed.ifaces, iface), 0);
}

static void bed_open(void)
{
	int ends[2], room = 1 << 20;

	memset(&bed, 0, sizeof(bed));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	bed.peer = ends[1];
	bed.conn = calloc(1, sizeof(*bed.conn));
	bed.conn->fd = ends[0];
	bed.sp.conn = bed.conn;
	bed.sp.timer = timerfd_create(CLOCK_MONOTONIC, 0);
	bed.ifaces = iface_table_create(1);
	add_iface(&bed.sp.port.iface, "stream0");
	add_iface(&bed.out, "out");
	add_iface(&bed.other, "other");
	bed.turn = aligned_alloc(CACHE_LINE, sizeof(*bed.turn));
	memset(bed.turn, 0, sizeof(*bed.turn));
	bed.now_ns = NS_PER_S;
}

static void bed_close(void)
{
	iface_remove(bed.ifaces, &bed.sp.port.iface);
	iface_remove(bed.ifaces, &bed.out);
	iface_remove(bed.ifaces, &bed.other);
	iface_table_destroy(bed.ifaces);
	close(bed.conn->fd);
	close(bed.peer);
	close(bed.sp.timer);
	free(bed.conn);
	free(bed.turn);
}

/* The peer sends frame number i, to a station or a group. */
static void peer_sends(uint32_t i, bool group)
{
	uint8_t frame[STREAM_LEN_LEN + FRAME_LEN] = {0};

	be32_set(frame, FRAME_LEN);
	frame[STREAM_LEN_LEN] = group ? 1 : 2;
	be32_set(frame + STREAM_LEN_LEN + 14, i);
	assert_int_equal(send(bed.peer, frame, sizeof(frame), 0), sizeof(frame));
}

/* A turn begins; what came is as `eth-input` has it. */
static uint32_t receive(uint64_t after_ns)
{
	for (int s = 0; s < STAGE_COUNT; s++)
		bed.turn->vecs[s].n = 0;
	bed.now_ns += after_ns;
	turn_begin(bed.turn, bed.now_ns);
	return stream_rx(&bed.sp.port, 0, bed.turn, TURN_PKTS);
}

static uint32_t number(uint32_t at)
{
	assert_true(at < bed.turn->vecs[STAGE_ETH_INPUT].n);
	return be32_get(bed.turn->vecs[STAGE_ETH_INPUT].pkts[at]->data + 14);
}

/* Those from `at` on find no room there. */
static void no_room(struct iface *iface, uint32_t at)
{
	const struct vec *vec = &bed.turn->vecs[STAGE_ETH_INPUT];

	turn_tx_drop(bed.turn, iface, &vec->pkts[at], vec->n - at, DROP_TX_NO_BUFFER);
}

static void end(void)
{
	stream_rx_done(&bed.sp.port, 0);
}

static uint64_t drops(struct iface *iface, enum drop reason)
{
	struct iface_counters c;

	iface_counters_sum(bed.ifaces, iface, &c);
	return c.drops[reason];
}

TEST(frames_without_room_come_again_in_order_and_nothing_else_before)
{
	bed_open();
	for (uint32_t i = 0; i < 5; i++)
		peer_sends(i, false);
	assert_int_equal(receive(0), 5);
	no_room(&bed.out, 2);
	end();
	peer_sends(5, false);
	assert_int_equal(receive(STREAM_RETRY_NS / 2), 0);
	end();
	assert_int_equal(receive(STREAM_RETRY_NS), 3);
	assert_int_equal(number(0), 2);
	no_room(&bed.out, 1);
	end();
	assert_int_equal(receive(STREAM_RETRY_NS), 2);
	assert_int_equal(number(0), 3);
	assert_int_equal(number(1), 4);
	end();
	assert_int_equal(receive(STREAM_RETRY_NS), 1);
	assert_int_equal(number(0), 5);
	end();
	assert_int_equal(drops(&bed.out, DROP_TX_NO_BUFFER), 0);
	assert_int_equal(drops(&bed.out, DROP_TX_WAITED), 3);
	bed_close();
}

TEST(a_frame_that_waits_is_counted_once_where_it_came_in)
{
	struct iface_counters c;

	bed_open();
	peer_sends(0, false);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(receive(STREAM_RETRY_NS), 1);
		eth_input(NULL, bed.turn, &bed.turn->vecs[STAGE_ETH_INPUT]);
		no_room(&bed.out, 0);
		end();
	}
	iface_counters_sum(bed.ifaces, &bed.sp.port.iface, &c);
	assert_int_equal(c.rx_packets, 1);
	assert_int_equal(c.rx_bytes, FRAME_LEN);
	bed_close();
}

TEST(frames_to_a_group_do_not_wait)
{
	bed_open();
	peer_sends(0, true);
	assert_int_equal(receive(0), 1);
	no_room(&bed.out, 0);
	end();
	assert_int_equal(receive(STREAM_RETRY_NS), 0);
	assert_int_equal(drops(&bed.out, DROP_TX_NO_BUFFER), 1);
	bed_close();
}

/* A frame comes for which there is no room until it is no longer waited for. */
static void wait_in_vain(void)
{
	peer_sends(0, false);
	assert_int_equal(receive(0), 1);
	no_room(&bed.out, 0);
	end();
	for (uint64_t waited = 0; bed.conn->n_waiting > 0; waited += STREAM_RETRY_NS) {
		assert_true(waited <= STREAM_PATIENCE_NS);
		assert_int_equal(receive(STREAM_RETRY_NS), 1);
		no_room(&bed.out, 0);
		end();
	}
}

TEST(who_never_has_room_is_waited_for_a_while_and_then_not_for_a_second)
{
	bed_open();
	wait_in_vain();
	assert_int_equal(drops(&bed.out, DROP_TX_NO_BUFFER), 1);
	/* its frames are dropped at once, another's wait */
	peer_sends(1, false);
	assert_int_equal(receive(STREAM_RETRY_NS), 1);
	no_room(&bed.out, 0);
	end();
	assert_int_equal(bed.conn->n_waiting, 0);
	peer_sends(2, false);
	assert_int_equal(receive(STREAM_RETRY_NS), 1);
	no_room(&bed.other, 0);
	end();
	assert_int_equal(bed.conn->n_waiting, 1);
	assert_int_equal(receive(STREAM_RETRY_NS), 1);
	end();
	/* later it is given another chance */
	peer_sends(3, false);
	assert_int_equal(receive(STREAM_NEVER_NS), 1);
	no_room(&bed.out, 0);
	end();
	assert_int_equal(bed.conn->n_waiting, 1);
	bed_close();
}

TEST(who_takes_something_again_is_waited_for_again)
{
	bed_open();
	wait_in_vain();
	peer_sends(1, false);
	assert_int_equal(receive(STREAM_RETRY_NS), 1);
	iface_count(&turn_lane(bed.turn, &bed.out)->counters.tx_packets, 1);
	end();
	peer_sends(2, false);
	assert_int_equal(receive(STREAM_RETRY_NS), 1);
	no_room(&bed.out, 0);
	end();
	assert_int_equal(bed.conn->n_waiting, 1);
	assert_int_equal(drops(&bed.out, DROP_TX_NO_BUFFER), 1);
	bed_close();
}

TEST(as_many_as_a_turn_holds_can_wait)
{
	bed_open();
	for (uint32_t i = 0; i < TURN_PKTS + 10; i++)
		peer_sends(i, false);
	assert_int_equal(receive(0), TURN_PKTS);
	no_room(&bed.out, 0);
	end();
	assert_true(stream_rx_arm(&bed.sp.port, 0) == false); /* the timer wakes us */
	for (uint32_t i = 0; i < TURN_PKTS; i++) {
		assert_int_equal(receive(STREAM_RETRY_NS), TURN_PKTS - i);
		assert_int_equal(number(0), i);
		no_room(&bed.out, 1);
		end();
	}
	assert_int_equal(receive(STREAM_RETRY_NS), 10);
	end();
	bed_close();
}

TESTS(cmocka_unit_test(frames_without_room_come_again_in_order_and_nothing_else_before),
	cmocka_unit_test(a_frame_that_waits_is_counted_once_where_it_came_in),
	cmocka_unit_test(frames_to_a_group_do_not_wait),
	cmocka_unit_test(who_never_has_room_is_waited_for_a_while_and_then_not_for_a_second),
	cmocka_unit_test(who_takes_something_again_is_waited_for_again),
	cmocka_unit_test(as_many_as_a_turn_holds_can_wait))
