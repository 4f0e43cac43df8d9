/* SPDX-License-Identifier: Apache-2.0 */
/* A tap's frames over a pair of sockets that keep them apart, as the kernel's device does. */
#include "base/log.h"
#include "base/test.h"
#include "port/frame.h"
#include "port/tap_port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_LEN 1000

struct bed {
	struct iface_table *ifaces;
	struct tap_port tp;
	struct turn *turn;
	int kernel; /* the other end */
	uint8_t bytes[TAP_HDR_LEN + PKT_LEN_MAX + 1];
};

static struct bed bed;

static void bed_open(uint32_t hdr_len)
{
	int ends[2], room = 1 << 20;

	memset(&bed, 0, sizeof(bed));
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends), 0);
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	bed.kernel = ends[1];
	bed.tp.tap = (struct tap){.hdr_len = hdr_len, .n_fds = 1, .fds = {ends[0]}};
	bed.ifaces = iface_table_create(1);
	snprintf(bed.tp.port.iface.name, IFACE_NAME_LEN, "tap0");
	assert_int_equal(iface_add(bed.ifaces, &bed.tp.port.iface), 0);
	bed.tp.port.iface.mtu = IFACE_MTU_MAX;
	assert_int_equal(tap_io_init(&bed.tp, 1), 0);
	bed.turn = aligned_alloc(CACHE_LINE, sizeof(*bed.turn));
	memset(bed.turn, 0, sizeof(*bed.turn));
	for (size_t i = 0; i < sizeof(bed.bytes); i++)
		bed.bytes[i] = i < TAP_HDR_LEN ? 0 : (uint8_t)(i * 31 >> 3);
}

static void bed_close(void)
{
	iface_remove(bed.ifaces, &bed.tp.port.iface);
	iface_table_destroy(bed.ifaces);
	tap_io_fini(&bed.tp);
	tap_close(&bed.tp.tap);
	close(bed.kernel);
	free(bed.turn);
}

/* The kernel sends the first bytes of what there is. */
static void kernel_send(uint32_t len)
{
	assert_int_equal(write(bed.kernel, bed.bytes, len), len);
}

static uint32_t receive(uint64_t now_ns)
{
	for (int s = 0; s < STAGE_COUNT; s++)
		bed.turn->vecs[s].n = 0;
	turn_begin(bed.turn, now_ns);
	return tap_rx(&bed.tp.port, 0, bed.turn, 64);
}

static void expect_drop(enum drop reason)
{
	assert_int_equal(receive(1), 1);
	assert_int_equal(bed.turn->vecs[STAGE_DROP].n, 1);
	assert_int_equal(bed.turn->vecs[STAGE_DROP].pkts[0]->drop, reason);
	assert_true(tap_rx_arm(&bed.tp.port, 0) == false);
	tap_rx_disarm(&bed.tp.port, 0);
}

static uint64_t drops(enum drop reason)
{
	struct iface_counters c;

	iface_counters_sum(bed.ifaces, &bed.tp.port.iface, &c);
	return c.drops[reason];
}

static void expect_packet(uint32_t i, uint32_t len)
{
	const struct vec *vec = &bed.turn->vecs[STAGE_ETH_INPUT];
	const struct pkt *pkt;

	assert_true(i < vec->n);
	pkt = vec->pkts[i];
	assert_int_equal(pkt_len(pkt), len);
	assert_int_equal(pkt->head_len, min_u32(len, PKT_HEAD_MAX));
	assert_memory_equal(pkt->data, bed.bytes + TAP_HDR_LEN, pkt->head_len);
	if (len > PKT_HEAD_MAX)
		assert_memory_equal(pkt->segs[0].addr, bed.bytes + TAP_HDR_LEN + PKT_HEAD_MAX, pkt->body_len);
}

TEST(frames_of_every_size_come_in_whole)
{
	static const uint32_t lens[] = {14, 60, 128, 129, 1514, 9014, PKT_LEN_MAX};

	bed_open(TAP_HDR_LEN);
	for (size_t i = 0; i < ARRAY_LEN(lens); i++)
		kernel_send(TAP_HDR_LEN + lens[i]);
	assert_int_equal(receive(1), ARRAY_LEN(lens));
	for (size_t i = 0; i < ARRAY_LEN(lens); i++)
		expect_packet((uint32_t)i, lens[i]);
	bed_close();
}

TEST(a_turn_takes_no_more_bodies_than_it_has_room_for)
{
	uint32_t got = 0;

	bed_open(TAP_HDR_LEN);
	for (int i = 0; i < 6; i++)
		kernel_send(TAP_HDR_LEN + PKT_LEN_MAX);
	got = receive(1);
	assert_true(got < 6);
	for (uint32_t i = 0; i < got; i++)
		expect_packet(i, PKT_LEN_MAX);
	assert_true(tap_rx_arm(&bed.tp.port, 0));
	assert_int_equal(receive(1), 6 - got);
	bed_close();
}

TEST(what_is_no_frame_is_dropped_by_name)
{
	bed_open(TAP_HDR_LEN);
	for (uint32_t len = 1; len < TAP_HDR_LEN + 14; len++) {
		kernel_send(len);
		expect_drop(DROP_RX_RUNT);
	}
	bed.bytes[1] = 7; /* a kind of segments that nobody knows */
	kernel_send(TAP_HDR_LEN + FRAME_LEN);
	expect_drop(DROP_RX_HEADER);
	bed.bytes[1] = 0;
	bed.bytes[0] = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	bed.bytes[6] = 0xff; /* csum_start */
	bed.bytes[7] = 0xff;
	kernel_send(TAP_HDR_LEN + FRAME_LEN);
	expect_drop(DROP_RX_HEADER);
	bed_close();
}

TEST(a_device_without_headers_sends_frames_alone)
{
	bed_open(0);
	assert_int_equal(write(bed.kernel, bed.bytes + TAP_HDR_LEN, FRAME_LEN), FRAME_LEN);
	assert_int_equal(receive(1), 1);
	expect_packet(0, FRAME_LEN);
	bed_close();
}

TEST(after_a_look_in_vain_there_is_none_for_a_while_or_until_it_sleeps)
{
	bed_open(TAP_HDR_LEN);
	assert_int_equal(receive(1000), 0);
	assert_false(tap_rx_arm(&bed.tp.port, 0));
	tap_rx_disarm(&bed.tp.port, 0);
	kernel_send(TAP_HDR_LEN + FRAME_LEN);
	assert_int_equal(receive(1001), 1); /* it slept */
	assert_int_equal(receive(1002), 0);
	kernel_send(TAP_HDR_LEN + FRAME_LEN);
	assert_int_equal(receive(1003), 0);
	assert_int_equal(receive(1000000), 1);
	bed_close();
}

/* --- to the kernel --- */

static struct pkt_seg segs[200];

static struct pkt packet_of(uint32_t len, uint32_t n_segs)
{
	struct pkt pkt = {.head_len = PKT_HEAD_MAX, .body_len = len - PKT_HEAD_MAX, .segs = segs};
	const uint8_t *at = bed.bytes + TAP_HDR_LEN + PKT_HEAD_MAX;

	memcpy(pkt.buf, bed.bytes + TAP_HDR_LEN, PKT_HEAD_MAX);
	for (uint32_t left = pkt.body_len; left > 0; pkt.n_segs++) {
		uint32_t part = pkt.n_segs + 1u == n_segs ? left : min_u32(left, pkt.body_len / n_segs);

		segs[pkt.n_segs] = (struct pkt_seg){.addr = at, .len = part};
		at += part;
		left -= part;
	}
	return pkt;
}

static void send_it(struct pkt *pkt)
{
	struct pkt *pkts[] = {pkt};

	pkt->data = pkt->buf;
	tap_tx(&bed.tp.port, bed.turn, pkts, 1);
}

TEST(a_frame_in_any_number_of_pieces_goes_out_whole)
{
	static uint8_t got[TAP_WHOLE_LEN + 1];

	bed_open(TAP_HDR_LEN);
	for (uint32_t n = 1; n <= ARRAY_LEN(segs); n += 33) {
		struct pkt pkt = packet_of(60000, n);

		send_it(&pkt);
		assert_int_equal(read(bed.kernel, got, sizeof(got)), TAP_HDR_LEN + 60000);
		assert_memory_equal(got, bed.bytes, TAP_HDR_LEN + 60000);
	}
	bed_close();
}

TEST(a_checksum_is_left_to_the_kernel_or_completed)
{
	static uint8_t got[TAP_WHOLE_LEN + 1];

	bed_open(TAP_HDR_LEN);
	for (int left = 0; left < 2; left++) {
		struct pkt pkt = packet_of(FRAME_LEN, 3);

		pkt.offload = (struct pkt_offload){.csum = true, .csum_start = 34, .csum_offset = 6};
		bed.tp.caps = left ? FRAME_CAP_CSUM : 0;
		send_it(&pkt);
		assert_int_equal(read(bed.kernel, got, sizeof(got)), TAP_HDR_LEN + FRAME_LEN);
		assert_int_equal(got[0], left ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0);
		assert_int_equal(memcmp(got + TAP_HDR_LEN, bed.bytes + TAP_HDR_LEN, FRAME_LEN) == 0, left);
	}
	bed_close();
}

TEST(a_full_device_drops_the_rest_of_a_burst_by_name)
{
	struct pkt pkt;
	struct pkt *pkts[4] = {&pkt, &pkt, &pkt, &pkt};

	bed_open(TAP_HDR_LEN);
	pkt = packet_of(FRAME_LEN, 1);
	pkt.data = pkt.buf;
	for (int i = 0; i < 10000 && drops(DROP_TX_NO_BUFFER) == 0; i++)
		tap_tx(&bed.tp.port, bed.turn, pkts, 4);
	assert_true(drops(DROP_TX_NO_BUFFER) > 0);
	bed_close();
}

TEST(frames_that_may_not_leave_are_dropped_by_name)
{
	struct pkt pkt;

	bed_open(TAP_HDR_LEN);
	pkt = packet_of(FRAME_LEN, 1);
	bed.tp.port.iface.mtu = 500;
	send_it(&pkt);
	assert_int_equal(drops(DROP_TX_MTU), 1);
	bed.tp.port.iface.mtu = IFACE_MTU_MAX;
	/* memory of a sender that went away */
	segs[0].addr = mmap(NULL, FRAME_LEN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	send_it(&pkt);
	assert_int_equal(drops(DROP_TX_REFUSED), 1);
	munmap((void *)(uintptr_t)segs[0].addr, FRAME_LEN);
	bed_close();
}

TESTS(cmocka_unit_test(frames_of_every_size_come_in_whole),
	cmocka_unit_test(a_turn_takes_no_more_bodies_than_it_has_room_for),
	cmocka_unit_test(what_is_no_frame_is_dropped_by_name),
	cmocka_unit_test(a_device_without_headers_sends_frames_alone),
	cmocka_unit_test(after_a_look_in_vain_there_is_none_for_a_while_or_until_it_sleeps),
	cmocka_unit_test(a_frame_in_any_number_of_pieces_goes_out_whole),
	cmocka_unit_test(a_checksum_is_left_to_the_kernel_or_completed),
	cmocka_unit_test(a_full_device_drops_the_rest_of_a_burst_by_name),
	cmocka_unit_test(frames_that_may_not_leave_are_dropped_by_name))
