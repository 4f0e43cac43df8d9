/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of a packet socket in plain memory, and a pair of sockets for what no place holds. */
#include "base/test.h"
#include "os/packet_socket.h"
#include "port/packet_rx.h"

#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HDR_LEN sizeof(struct virtio_net_hdr)
#define MAC_AT  80u

struct bed {
	struct iface_table *ifaces;
	struct iface iface;
	struct packet_queue q;
	struct turn *turn;
	int kernel; /* the other end of the socket */
	uint32_t put;
};

static struct bed bed;

static void bed_open(void)
{
	int ends[2];

	memset(&bed, 0, sizeof(bed));
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends), 0);
	bed.kernel = ends[1];
	assert_int_equal(packet_queue_init(&bed.q, ends[0], true), 0);
	assert_null(bed.q.ring); /* it is no packet socket */
	bed.q.ring = calloc(PACKET_RING_PLACES, PACKET_RING_PLACE_LEN);
	bed.ifaces = iface_table_create(1);
	snprintf(bed.iface.name, IFACE_NAME_LEN, "host-eth0");
	bed.iface.kind = "test";
	assert_int_equal(iface_add(bed.ifaces, &bed.iface), 0);
	bed.turn = aligned_alloc(CACHE_LINE, sizeof(*bed.turn));
	memset(bed.turn, 0, sizeof(*bed.turn));
}

static void bed_close(void)
{
	iface_remove(bed.ifaces, &bed.iface);
	iface_table_destroy(bed.ifaces);
	free(bed.q.ring);
	bed.q.ring = NULL;
	close(bed.q.socket.fd);
	close(bed.kernel);
	packet_queue_fini(&bed.q);
	free(bed.turn);
}

static struct tpacket2_hdr *place(uint32_t at)
{
	return (struct tpacket2_hdr *)(void *)(bed.q.ring + at % PACKET_RING_PLACES * PACKET_RING_PLACE_LEN);
}

/* The kernel puts a frame of that length, all of whose bytes are the same, into the next place. */
static struct tpacket2_hdr *put(uint32_t len, uint8_t byte)
{
	struct tpacket2_hdr *h = place(bed.put++);

	assert_int_equal(h->tp_status, TP_STATUS_KERNEL);
	*h = (struct tpacket2_hdr){
		.tp_mac = MAC_AT, .tp_len = len, .tp_snaplen = len, .tp_status = TP_STATUS_USER};
	memset((uint8_t *)h + MAC_AT - HDR_LEN, 0, HDR_LEN);
	memset((uint8_t *)h + MAC_AT, byte, min_u32(len, PACKET_RING_PLACE_LEN - MAC_AT));
	return h;
}

/* One that no place holds. */
static void put_large(uint32_t len, uint8_t byte)
{
	uint8_t message[HDR_LEN + 8192] = {0};
	struct tpacket2_hdr *h = put(PACKET_RING_PLACE_LEN - MAC_AT, byte);

	h->tp_len = len;
	h->tp_status |= TP_STATUS_COPY;
	memset(message + HDR_LEN, byte, len);
	assert_int_equal(send(bed.kernel, message, HDR_LEN + len, 0), HDR_LEN + len);
}

static uint32_t receive(void)
{
	for (int s = 0; s < STAGE_COUNT; s++)
		bed.turn->vecs[s].n = 0;
	turn_begin(bed.turn, 1);
	return packet_queue_rx(&bed.q, &bed.iface, bed.turn, TURN_PKTS);
}

static void expect(uint32_t at, uint32_t len, uint8_t byte)
{
	const struct vec *vec = &bed.turn->vecs[STAGE_ETH_INPUT];

	assert_true(at < vec->n);
	assert_int_equal(pkt_len(vec->pkts[at]), len);
	assert_int_equal(vec->pkts[at]->data[0], byte);
	if (vec->pkts[at]->n_segs > 0)
		assert_int_equal(vec->pkts[at]->segs[0].addr[vec->pkts[at]->segs[0].len - 1], byte);
}

TEST(a_frame_keeps_its_place_until_the_turn_ends)
{
	bed_open();
	assert_false(packet_queue_arm(&bed.q));
	put(60, 1);
	put(1514, 2);
	assert_true(packet_queue_arm(&bed.q));
	assert_int_equal(receive(), 2);
	expect(0, 60, 1);
	expect(1, 1514, 2);
	assert_int_equal(place(1)->tp_status, TP_STATUS_USER);
	packet_queue_rx_done(&bed.q);
	assert_int_equal(place(0)->tp_status, TP_STATUS_KERNEL);
	assert_int_equal(place(1)->tp_status, TP_STATUS_KERNEL);
	assert_false(packet_queue_arm(&bed.q));
	bed_close();
}

TEST(the_ring_goes_round)
{
	bed_open();
	for (uint32_t i = 0; i < 3 * PACKET_RING_PLACES; i++) {
		put(100, (uint8_t)i);
		assert_int_equal(receive(), 1);
		expect(0, 100, (uint8_t)i);
		packet_queue_rx_done(&bed.q);
	}
	bed_close();
}

TEST(frames_that_no_place_holds_come_in_their_turn)
{
	bed_open();
	put(60, 1);
	put_large(5000, 2);
	put_large(6000, 3);
	put(60, 4);
	assert_int_equal(receive(), 3);
	expect(0, 60, 1);
	expect(1, 5000, 2);
	expect(2, 6000, 3);
	packet_queue_rx_done(&bed.q);
	assert_int_equal(receive(), 1);
	expect(0, 60, 4);
	packet_queue_rx_done(&bed.q);
	bed_close();
}

TEST(a_tag_beside_the_frame_is_put_into_it)
{
	struct tpacket2_hdr *h;

	bed_open();
	h = put(60, 1);
	h->tp_status |= TP_STATUS_VLAN_VALID;
	h->tp_vlan_tci = 7;
	assert_int_equal(receive(), 1);
	expect(0, 64, 1);
	assert_memory_equal(bed.turn->vecs[STAGE_ETH_INPUT].pkts[0]->data + 12, "\x81\0\0\7", 4);
	packet_queue_rx_done(&bed.q);
	bed_close();
}

TEST(what_is_no_frame_is_dropped_by_name_and_its_place_comes_back)
{
	static const enum drop reasons[] = {
		DROP_RX_RUNT, DROP_RX_TOO_LONG, DROP_RX_HEADER, DROP_RX_HEADER, DROP_RX_HEADER};

	bed_open();
	put(13, 1);
	put(1000, 1)->tp_len = 5000;
	put(1000, 1)->tp_mac = 20;
	put(1000, 1)->tp_mac = PACKET_RING_PLACE_LEN - 999;
	put(1000, 1)->tp_mac = UINT16_MAX;
	assert_int_equal(receive(), ARRAY_LEN(reasons));
	assert_int_equal(bed.turn->vecs[STAGE_DROP].n, ARRAY_LEN(reasons));
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		assert_int_equal(bed.turn->vecs[STAGE_DROP].pkts[i]->drop, reasons[i]);
	packet_queue_rx_done(&bed.q);
	for (uint32_t i = 0; i < ARRAY_LEN(reasons); i++)
		assert_int_equal(place(i)->tp_status, TP_STATUS_KERNEL);
	bed_close();
}

TEST(a_frame_that_the_socket_lost_holds_up_no_other)
{
	bed_open();
	put(1968, 1)->tp_status |= TP_STATUS_COPY;
	put(60, 2);
	receive();
	packet_queue_rx_done(&bed.q);
	assert_int_equal(receive(), 1);
	expect(0, 60, 2);
	packet_queue_rx_done(&bed.q);
	bed_close();
}

TESTS(cmocka_unit_test(a_frame_keeps_its_place_until_the_turn_ends), cmocka_unit_test(the_ring_goes_round),
	cmocka_unit_test(frames_that_no_place_holds_come_in_their_turn),
	cmocka_unit_test(a_tag_beside_the_frame_is_put_into_it),
	cmocka_unit_test(what_is_no_frame_is_dropped_by_name_and_its_place_comes_back),
	cmocka_unit_test(a_frame_that_the_socket_lost_holds_up_no_other))
