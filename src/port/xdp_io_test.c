/* SPDX-License-Identifier: Apache-2.0 */
/* An AF_XDP port's frames over rings in plain memory, whose other end is played here. */
#include "base/csum.h"
#include "base/test.h"
#include "port/begun.h"
#include "port/xdp_port.h"
#include "wire/ip.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK XDP_CHUNK_MIN

struct fake_ring {
	uint32_t producer, consumer, flags;
	uint64_t slots[2 * XDP_RX_CHUNKS];
};

struct bed {
	struct iface_table *ifaces;
	struct ports ports;
	struct xdp_port xp;
	struct turn *turn;
	int ends[2];
	struct fake_ring fill, rx, tx, done;
	uint8_t *memory;
};

static struct bed bed;

static struct xdp_ring ring_of(struct fake_ring *fake, uint32_t n)
{
	return (struct xdp_ring){.producer = &fake->producer,
		.consumer = &fake->consumer,
		.flags = &fake->flags,
		.slots = fake->slots,
		.mask = n - 1};
}

static void bed_open(void)
{
	struct xdp_socket *s = &bed.xp.xdp.sockets[0];

	memset(&bed, 0, sizeof(bed));
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, bed.ends), 0);
	bed.memory = calloc(XDP_CHUNKS, CHUNK);
	s->fd = bed.ends[0];
	s->memory = bed.memory;
	s->fill = ring_of(&bed.fill, XDP_RX_CHUNKS);
	s->rx = ring_of(&bed.rx, XDP_RX_CHUNKS);
	s->tx = ring_of(&bed.tx, XDP_TX_CHUNKS);
	s->done = ring_of(&bed.done, XDP_TX_CHUNKS);
	bed.xp.xdp.note = (struct xdp_note){.n_queues = 1, .chunk_len = CHUNK};
	bed.xp.queues[0].socket = s;
	xdp_io_fill_stock(&bed.xp.queues[0]);
	bed.ports.config.n_workers = 1;
	bed.xp.port.ports = &bed.ports;
	bed.ifaces = iface_table_create(1);
	snprintf(bed.xp.port.iface.name, IFACE_NAME_LEN, "eth0/0");
	assert_int_equal(iface_add(bed.ifaces, &bed.xp.port.iface), 0);
	bed.xp.port.iface.mtu = 1500;
	bed.turn = aligned_alloc(CACHE_LINE, sizeof(*bed.turn));
	memset(bed.turn, 0, sizeof(*bed.turn));
}

static void bed_close(void)
{
	iface_remove(bed.ifaces, &bed.xp.port.iface);
	iface_table_destroy(bed.ifaces);
	free(bed.memory);
	free(bed.turn);
	close(bed.ends[0]);
	close(bed.ends[1]);
}

/* The kernel puts a frame there. */
static void kernel_gives(uint64_t addr, uint32_t len)
{
	((struct xdp_desc *)(void *)bed.rx.slots)[bed.rx.producer++ % XDP_RX_CHUNKS] =
		(struct xdp_desc){.addr = addr, .len = len};
}

static uint32_t receive(void)
{
	for (int s = 0; s < STAGE_COUNT; s++)
		bed.turn->vecs[s].n = 0;
	turn_begin(bed.turn, 1);
	return xdp_rx(&bed.xp.port, 0, bed.turn, TURN_PKTS);
}

TEST(a_frame_lies_in_its_chunk_until_the_turn_ends)
{
	const struct pkt *pkt;

	bed_open();
	memset(bed.memory + 3 * CHUNK + XDP_HEADROOM, 0xa5, 1514);
	kernel_gives(3 * CHUNK + XDP_HEADROOM, 1514);
	assert_true(xdp_rx_arm(&bed.xp.port, 0));
	assert_int_equal(receive(), 1);
	pkt = bed.turn->vecs[STAGE_ETH_INPUT].pkts[0];
	assert_int_equal(pkt_len(pkt), 1514);
	assert_ptr_equal(pkt->segs[0].addr, bed.memory + 3 * CHUNK + XDP_HEADROOM + PKT_HEAD_MAX);
	assert_int_equal(bed.rx.consumer, 1);
	assert_int_equal(bed.fill.producer, 0);
	xdp_rx_done(&bed.xp.port, 0);
	assert_int_equal(bed.fill.producer, 1);
	assert_int_equal(bed.fill.slots[0], 3 * CHUNK);
	assert_false(xdp_rx_arm(&bed.xp.port, 0));
	bed_close();
}

TEST(a_place_outside_the_chunks_is_dropped_and_never_read)
{
	static const struct xdp_desc wrong[] = {
		{.addr = (uint64_t)XDP_RX_CHUNKS * CHUNK, .len = 60},
		{.addr = UINT64_MAX, .len = 60},
		{.addr = XDP_HEADROOM, .len = CHUNK},
		{.addr = XDP_HEADROOM, .len = UINT32_MAX},
		{.addr = XDP_HEADROOM, .len = 13},
	};

	bed_open();
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		kernel_gives(wrong[i].addr, wrong[i].len);
	assert_int_equal(receive(), ARRAY_LEN(wrong));
	assert_int_equal(bed.turn->vecs[STAGE_DROP].n, ARRAY_LEN(wrong));
	assert_int_equal(bed.turn->vecs[STAGE_DROP].pkts[4]->drop, DROP_RX_RUNT);
	xdp_rx_done(&bed.xp.port, 0);
	assert_int_equal(bed.fill.producer, 1); /* of the runt alone: the others named no chunk */
	bed_close();
}

static struct pkt *one_packet(uint32_t len)
{
	struct pkt *pkt;

	turn_begin(bed.turn, 1);
	pkt = turn_make(bed.turn, &bed.xp.port.iface);
	pkt->head_len = (uint16_t)len;
	memset(pkt->data, 0x5a, len);
	return pkt;
}

static uint64_t dropped(enum drop reason)
{
	struct iface_counters c;

	iface_counters_sum(bed.ifaces, &bed.xp.port.iface, &c);
	return c.drops[reason];
}

/* The kernel has sent n of the frames that are there. */
static void kernel_sends(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct xdp_desc *d =
			&((struct xdp_desc *)(void *)bed.tx.slots)[bed.tx.consumer++ % XDP_TX_CHUNKS];

		assert_int_equal(bed.memory[d->addr], 0x5a);
		bed.memory[d->addr] = 0;
		bed.done.slots[bed.done.producer++ % XDP_TX_CHUNKS] = d->addr;
	}
}

TEST(chunks_come_back_when_their_frames_were_sent_and_never_two_frames_share_one)
{
	bed_open();
	for (uint32_t round = 0; round < 5 * XDP_TX_CHUNKS; round++) {
		struct pkt *pkt = one_packet(60);

		xdp_tx(&bed.xp.port, bed.turn, &pkt, 1);
		if (round % 7 == 6)
			kernel_sends(7);
	}
	assert_int_equal(dropped(DROP_TX_NO_BUFFER), 0);
	bed_close();
}

TEST(without_chunks_frames_are_dropped_by_name)
{
	bed_open();
	for (uint32_t i = 0; i < XDP_TX_CHUNKS + 10; i++) {
		struct pkt *pkt = one_packet(60);

		xdp_tx(&bed.xp.port, bed.turn, &pkt, 1);
	}
	assert_int_equal(bed.tx.producer, XDP_TX_CHUNKS);
	assert_int_equal(dropped(DROP_TX_NO_BUFFER), 10);
	kernel_sends(XDP_TX_CHUNKS);
	bed_close();
}

TEST(what_the_kernel_did_not_take_keeps_the_worker_awake)
{
	struct pkt *pkt;

	bed_open();
	bed.tx.flags = XDP_RING_NEED_WAKEUP;
	pkt = one_packet(60);
	xdp_tx(&bed.xp.port, bed.turn, &pkt, 1);
	assert_true(xdp_rx_arm(&bed.xp.port, 0));
	kernel_sends(1);
	assert_int_equal(receive(), 0);
	assert_false(xdp_rx_arm(&bed.xp.port, 0));
	bed_close();
}

/* --- begun --- */

static uint8_t *udp_packet(struct pkt *pkt, bool ip6, uint32_t payload)
{
	uint32_t header = ip6 ? 40 : 20;
	uint8_t *ip;

	memset(pkt, 0, sizeof(*pkt));
	pkt->data = pkt->buf + PKT_HEADROOM;
	ip = pkt->data + 14;
	pkt->head_len = (uint16_t)(14 + header + 8 + payload);
	memcpy(pkt->data + 12, ip6 ? "\x86\xdd" : "\x08\x00", 2);
	ip[0] = ip6 ? 0x60 : 0x45;
	be16_set(ip + (ip6 ? 4 : 2), (uint16_t)(8 + payload + (ip6 ? 0 : header)));
	ip[ip6 ? 6 : 9] = IP_PROTO_UDP;
	memset(ip + (ip6 ? 8 : 12), 0x0a, ip6 ? 32 : 8);
	be16_set(ip + header + 4, (uint16_t)(8 + payload));
	return ip + header;
}

static void write_pseudo(struct pkt *pkt, uint8_t *udp, bool ip6)
{
	const uint8_t *ip = pkt->data + 14;
	uint32_t len = (uint32_t)(pkt->data + pkt->head_len - udp);
	uint16_t sum = csum_fold(
		ip6 ? ip6_pseudo_sum(ip, IP_PROTO_UDP, len) : ip4_pseudo_sum(ip, IP_PROTO_UDP, len));

	memcpy(udp + 6, &sum, sizeof(sum));
}

TEST(a_checksum_that_holds_the_pseudo_header_alone_is_begun)
{
	for (int ip6 = 0; ip6 < 2; ip6++) {
		struct pkt pkt;
		uint8_t *udp = udp_packet(&pkt, ip6, 20);

		write_pseudo(&pkt, udp, ip6);
		begun_find(&pkt);
		assert_true(pkt.offload.csum);
		assert_int_equal(pkt.offload.csum_start, udp - pkt.data);
		assert_int_equal(pkt.offload.csum_offset, 6);
	}
}

TEST(any_other_checksum_is_complete)
{
	struct pkt pkt;
	uint8_t *udp = udp_packet(&pkt, false, 20);

	write_pseudo(&pkt, udp, false);
	udp[6] ^= 1;
	begun_find(&pkt);
	assert_false(pkt.offload.csum);
	memset(udp + 6, 0, 2);
	begun_find(&pkt);
	assert_false(pkt.offload.csum);
}

TEST(a_frame_with_something_behind_its_packet_or_a_fragment_is_left_alone)
{
	struct pkt pkt;
	uint8_t *udp = udp_packet(&pkt, false, 20);

	write_pseudo(&pkt, udp, false);
	pkt.head_len++;
	begun_find(&pkt);
	assert_false(pkt.offload.csum);
	pkt.head_len--;
	pkt.data[14 + 6] = 0x20;
	begun_find(&pkt);
	assert_false(pkt.offload.csum);
}

TEST(a_frame_that_ends_within_its_headers_is_left_alone)
{
	for (int ip6 = 0; ip6 < 2; ip6++)
		for (uint16_t len = 0; len < 70; len++) {
			struct pkt pkt;

			udp_packet(&pkt, ip6, 20);
			pkt.head_len = len;
			begun_find(&pkt);
			assert_false(pkt.offload.csum && len < 62);
		}
}

TESTS(cmocka_unit_test(a_frame_lies_in_its_chunk_until_the_turn_ends),
	cmocka_unit_test(a_place_outside_the_chunks_is_dropped_and_never_read),
	cmocka_unit_test(chunks_come_back_when_their_frames_were_sent_and_never_two_frames_share_one),
	cmocka_unit_test(without_chunks_frames_are_dropped_by_name),
	cmocka_unit_test(what_the_kernel_did_not_take_keeps_the_worker_awake),
	cmocka_unit_test(a_checksum_that_holds_the_pseudo_header_alone_is_begun),
	cmocka_unit_test(any_other_checksum_is_complete),
	cmocka_unit_test(a_frame_with_something_behind_its_packet_or_a_fragment_is_left_alone),
	cmocka_unit_test(a_frame_that_ends_within_its_headers_is_left_alone))
