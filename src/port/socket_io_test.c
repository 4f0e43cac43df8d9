/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "port/frame.h"
#include "port/socket_io.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define HDR_LEN   ((uint32_t)sizeof(struct virtio_net_hdr))
#define FRAME_LEN 1000

struct bed {
	struct iface_table *ifaces;
	struct iface iface;
	struct turn *turn;
	struct socket_queue q;
	struct socket_sender sender;
	int ours, theirs;
	uint8_t bytes[HDR_LEN + PKT_LEN_MAX + 1], got[HDR_LEN + PKT_LEN_MAX + 1];
	struct pkt pkts[TURN_PKTS];
	struct pkt *list[TURN_PKTS];
	struct pkt_seg segs[TURN_PKTS];
};

static struct bed bed;

static void bed_open(bool hdr)
{
	int ends[2], room = 8 << 20;

	memset(&bed, 0, sizeof(bed));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
	for (int i = 0; i < 2; i++)
		setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	bed.ours = ends[0];
	bed.theirs = ends[1];
	bed.ifaces = iface_table_create(1);
	snprintf(bed.iface.name, IFACE_NAME_LEN, "socket0");
	assert_int_equal(iface_add(bed.ifaces, &bed.iface), 0);
	bed.iface.mtu = IFACE_MTU_MAX;
	assert_int_equal(socket_queue_init(&bed.q, bed.ours, hdr, false), 0);
	bed.sender = (struct socket_sender){.fd = bed.ours,
		.prefix = hdr ? SOCKET_PREFIX_VNET : SOCKET_PREFIX_NONE,
		.mtu_max = IFACE_MTU_MAX,
		.scratch = malloc(SOCKET_IO_SCRATCH)};
	bed.turn = aligned_alloc(CACHE_LINE, sizeof(*bed.turn));
	memset(bed.turn, 0, sizeof(*bed.turn));
	for (size_t i = HDR_LEN; i < sizeof(bed.bytes); i++)
		bed.bytes[i] = (uint8_t)(i * 31 >> 3);
}

static void bed_close(void)
{
	iface_remove(bed.ifaces, &bed.iface);
	iface_table_destroy(bed.ifaces);
	socket_queue_fini(&bed.q);
	free(bed.sender.scratch);
	free(bed.turn);
	close(bed.ours);
	close(bed.theirs);
}

static uint32_t receive(uint64_t now_ns)
{
	for (int s = 0; s < STAGE_COUNT; s++)
		bed.turn->vecs[s].n = 0;
	turn_begin(bed.turn, now_ns);
	return socket_queue_rx(&bed.q, &bed.iface, bed.turn, 64);
}

static struct iface_counters counters(void)
{
	struct iface_counters c;

	iface_counters_sum(bed.ifaces, &bed.iface, &c);
	return c;
}

static void expect_drop(uint32_t len, enum drop reason)
{
	assert_int_equal(write(bed.theirs, bed.bytes, len), len);
	assert_int_equal(receive(1), 1);
	assert_int_equal(bed.turn->vecs[STAGE_DROP].n, 1);
	assert_int_equal(bed.turn->vecs[STAGE_DROP].pkts[0]->drop, reason);
}

TEST(a_burst_of_frames_of_every_size_comes_in_whole)
{
	static const uint32_t lens[] = {14, 60, 128, 129, 1514, 9014, PKT_LEN_MAX};

	for (int hdr = 0; hdr < 2; hdr++) {
		const uint8_t *from = hdr ? bed.bytes : bed.bytes + HDR_LEN;

		bed_open(hdr);
		for (size_t i = 0; i < ARRAY_LEN(lens); i++)
			assert_true(write(bed.theirs, from, lens[i] + (hdr ? HDR_LEN : 0)) > 0);
		assert_int_equal(receive(1), ARRAY_LEN(lens));
		for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
			const struct pkt *pkt = bed.turn->vecs[STAGE_ETH_INPUT].pkts[i];

			assert_int_equal(pkt_len(pkt), lens[i]);
			assert_memory_equal(pkt->data, bed.bytes + HDR_LEN, pkt->head_len);
			if (pkt->body_len > 0)
				assert_memory_equal(
					pkt->segs->addr, bed.bytes + HDR_LEN + PKT_HEAD_MAX, pkt->body_len);
		}
		bed_close();
	}
}

TEST(what_is_no_frame_is_dropped_by_name)
{
	bed_open(true);
	for (uint32_t len = 1; len < HDR_LEN + 14; len++)
		expect_drop(len, DROP_RX_RUNT);
	expect_drop(HDR_LEN + PKT_LEN_MAX + 1, DROP_RX_TOO_LONG);
	bed.bytes[1] = 7; /* a kind of segments that nobody knows */
	expect_drop(HDR_LEN + FRAME_LEN, DROP_RX_HEADER);
	bed_close();
}

TEST(after_a_look_in_vain_there_is_none_for_a_while_or_until_it_sleeps)
{
	bed_open(false);
	assert_true(socket_queue_arm(&bed.q));
	assert_int_equal(receive(1000), 0);
	assert_false(socket_queue_arm(&bed.q));
	assert_int_equal(write(bed.theirs, bed.bytes, FRAME_LEN), FRAME_LEN);
	assert_int_equal(receive(1001), 0);
	socket_queue_disarm(&bed.q);
	assert_int_equal(receive(1002), 1);
	assert_true(socket_queue_arm(&bed.q));
	bed_close();
}

static void packets(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct pkt *pkt = &bed.pkts[i];

		*pkt = (struct pkt){.data = pkt->buf,
			.head_len = PKT_HEAD_MAX,
			.body_len = FRAME_LEN - PKT_HEAD_MAX,
			.n_segs = 1,
			.segs = &bed.segs[i]};
		memcpy(pkt->buf, bed.bytes + HDR_LEN, PKT_HEAD_MAX);
		pkt->buf[20] = (uint8_t)i;
		bed.segs[i] =
			(struct pkt_seg){.addr = bed.bytes + HDR_LEN + PKT_HEAD_MAX, .len = pkt->body_len};
		bed.list[i] = pkt;
	}
}

static void expect_sent(uint32_t i, uint32_t hdr_len)
{
	assert_int_equal(read(bed.theirs, bed.got, sizeof(bed.got)), hdr_len + FRAME_LEN);
	assert_int_equal(bed.got[hdr_len + 20], i);
	assert_memory_equal(bed.got + hdr_len + PKT_HEAD_MAX, bed.bytes + HDR_LEN + PKT_HEAD_MAX,
		FRAME_LEN - PKT_HEAD_MAX);
}

TEST(a_burst_goes_out_whole_and_in_order)
{
	for (int hdr = 0; hdr < 2; hdr++) {
		bed_open(hdr);
		packets(100);
		socket_send(&bed.sender, &bed.iface, bed.turn, bed.list, 100);
		for (uint32_t i = 0; i < 100; i++)
			expect_sent(i, hdr ? HDR_LEN : 0);
		assert_int_equal(counters().tx_packets, 100);
		assert_int_equal(counters().tx_bytes, 100 * FRAME_LEN);
		bed_close();
	}
}

TEST(a_checksum_is_left_to_the_other_side_or_completed)
{
	for (int left = 0; left < 2; left++) {
		bed_open(true);
		bed.sender.caps = left ? FRAME_CAP_CSUM : 0;
		packets(3);
		bed.pkts[1].offload = (struct pkt_offload){.csum = true, .csum_start = 34, .csum_offset = 6};
		socket_send(&bed.sender, &bed.iface, bed.turn, bed.list, 3);
		expect_sent(0, HDR_LEN);
		expect_sent(1, HDR_LEN);
		assert_int_equal(bed.got[0], left ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0);
		assert_int_equal(memcmp(bed.got + HDR_LEN + 40, bed.bytes + HDR_LEN + 40, 2) == 0, left);
		expect_sent(2, HDR_LEN);
		bed_close();
	}
}

TEST(one_that_is_refused_is_dropped_alone_and_the_others_go)
{
	bed_open(false);
	packets(70);
	/* memory of a sender that went away */
	bed.segs[40].addr = mmap(NULL, FRAME_LEN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	socket_send(&bed.sender, &bed.iface, bed.turn, bed.list, 70);
	for (uint32_t i = 0; i < 70; i++)
		if (i != 40)
			expect_sent(i, 0);
	assert_int_equal(counters().drops[DROP_TX_REFUSED], 1);
	assert_int_equal(counters().tx_packets, 69);
	munmap((void *)(uintptr_t)bed.segs[40].addr, FRAME_LEN);
	bed_close();
}

TEST(every_packet_of_a_burst_is_sent_or_counted_when_there_is_no_room)
{
	uint32_t sent = 0, got = 0;

	bed_open(false);
	packets(TURN_PKTS);
	for (; sent < 100 && counters().drops[DROP_TX_NO_BUFFER] == 0; sent++)
		socket_send(&bed.sender, &bed.iface, bed.turn, bed.list, TURN_PKTS);
	while (read(bed.theirs, bed.got, sizeof(bed.got)) > 0)
		got++;
	assert_true(counters().drops[DROP_TX_NO_BUFFER] > 0);
	assert_int_equal(counters().tx_packets, got);
	assert_int_equal(got + counters().drops[DROP_TX_NO_BUFFER], sent * TURN_PKTS);
	close(bed.theirs);
	socket_send(&bed.sender, &bed.iface, bed.turn, bed.list, TURN_PKTS);
	assert_int_equal(counters().drops[DROP_TX_NO_PEER], TURN_PKTS);
	bed.theirs = dup(bed.ours);
	bed_close();
}

TESTS(cmocka_unit_test(a_burst_of_frames_of_every_size_comes_in_whole),
	cmocka_unit_test(what_is_no_frame_is_dropped_by_name),
	cmocka_unit_test(after_a_look_in_vain_there_is_none_for_a_while_or_until_it_sleeps),
	cmocka_unit_test(a_burst_goes_out_whole_and_in_order),
	cmocka_unit_test(a_checksum_is_left_to_the_other_side_or_completed),
	cmocka_unit_test(one_that_is_refused_is_dropped_alone_and_the_others_go),
	cmocka_unit_test(every_packet_of_a_burst_is_sent_or_counted_when_there_is_no_room))
