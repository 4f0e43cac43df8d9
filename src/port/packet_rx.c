/* SPDX-License-Identifier: Apache-2.0 */
#include "port/packet_rx.h"

#include "os/packet_socket.h"
#include "pkt/tag.h"
#include "port/vnet.h"
#include "wire/ethernet.h"

#include <linux/if_packet.h>

/* --- places --- */

static struct tpacket2_hdr *place(const struct packet_queue *q, uint32_t at)
{
	return (struct tpacket2_hdr *)(void *)(q->ring +
					       (size_t)(at % PACKET_RING_PLACES) * PACKET_RING_PLACE_LEN);
}

/* 0: the place is the kernel's. */
static uint32_t status_of(const struct packet_queue *q, uint32_t at)
{
	uint32_t status =
		__atomic_load_n(&place(q, at)->tp_status, __ATOMIC_ACQUIRE); /* pairs with the kernel's */

	return status & TP_STATUS_USER ? status : 0;
}

int packet_queue_init(struct packet_queue *q, int fd, bool make)
{
	int err = socket_queue_init(&q->socket, fd, true, true);

	q->at = q->n_held = 0;
	q->ring = err == 0 && (!make || packet_ring_make(fd) == 0) ? packet_ring_map(fd) : NULL;
	return err;
}

void packet_queue_fini(struct packet_queue *q)
{
	packet_ring_unmap(q->ring);
	q->ring = NULL;
	socket_queue_fini(&q->socket);
}

/* --- one frame --- */

/* As the place says it; checked before anything is read there. */
struct placed {
	const uint8_t *frame; /* before it: struct virtio_net_hdr */
	uint32_t len, tag;
	bool whole;
};

static bool place_read(const struct tpacket2_hdr *h, uint32_t status, struct placed *p)
{
	uint32_t mac = h->tp_mac,
		 type = status & TP_STATUS_VLAN_TPID_VALID ? h->tp_vlan_tpid : ETHERNET_TYPE_VLAN;

	p->len = h->tp_snaplen;
	p->whole = p->len == h->tp_len;
	p->tag = status & TP_STATUS_VLAN_VALID ? type << 16 | h->tp_vlan_tci : 0;
	p->frame = (const uint8_t *)h + mac;
	return mac >= sizeof(*h) + sizeof(struct virtio_net_hdr) && mac < PACKET_RING_PLACE_LEN &&
	       p->len <= PACKET_RING_PLACE_LEN - mac;
}

static enum drop fill(struct pkt *pkt, const struct placed *p, struct pkt_seg *body)
{
	struct virtio_net_hdr hdr;

	if (unlikely(!p->whole))
		return DROP_RX_TOO_LONG;
	if (unlikely(p->len < ETHERNET_HEADER_LEN))
		return DROP_RX_RUNT;
	memcpy(&hdr, p->frame - sizeof(hdr), sizeof(hdr));
	if (unlikely(!vnet_parse(&pkt->offload, &hdr, p->len)))
		return DROP_RX_HEADER;
	pkt->head_len = (uint16_t)min_u32(p->len, PKT_HEAD_MAX);
	memcpy(pkt->data, p->frame, pkt->head_len);
	pkt->body_len = p->len - pkt->head_len;
	pkt->n_segs = pkt->body_len > 0;
	*body = (struct pkt_seg){.addr = p->frame + pkt->head_len, .len = pkt->body_len};
	return p->tag == 0 || pkt_push_tag(pkt, p->tag) ? DROP_NONE : DROP_RX_HEADER;
}

static void push(const struct packet_queue *q, struct iface *iface, struct turn *turn, uint32_t status)
{
	struct pkt *pkt = turn_pkt(turn);
	struct placed p;
	enum drop drop = DROP_RX_HEADER;

	pkt->rx = iface;
	pkt->head_len = 0;
	pkt->body_len = 0;
	pkt->n_segs = 0;
	pkt->offload = (struct pkt_offload){0};
	pkt->segs = &turn->segs[turn->n_segs];
	if (likely(place_read(place(q, q->at), status, &p))) {
		drop = fill(pkt, &p, &turn->segs[turn->n_segs]);
		turn->n_bytes += p.len;
	}
	turn->n_segs += pkt->n_segs;
	if (unlikely(drop != DROP_NONE))
		turn_drop(turn, pkt, drop);
	else
		turn_push(turn, pkt, STAGE_ETH_INPUT);
}

/* --- the queue --- */

/* The next places are of frames that wait in the socket, in the same order: as many at once as it gives. */
static uint32_t take_from_socket(struct packet_queue *q, struct iface *iface, struct turn *turn, uint32_t max)
{
	uint32_t n = 1, taken;

	while (n < min_u32(max, SOCKET_IO_BATCH) && status_of(q, q->at + n) & TP_STATUS_COPY)
		n++;
	q->socket.drained = false;
	taken = socket_queue_rx(&q->socket, iface, turn, n);
	n = taken > 0 ? taken : n; /* none: they are lost, and their places not waited for */
	q->at += n;
	q->n_held += n;
	return taken;
}

/* What comes from the socket lies in memory that is used again by the next call: it is the last of a turn. */
uint32_t packet_queue_rx(struct packet_queue *q, struct iface *iface, struct turn *turn, uint32_t max)
{
	uint32_t taken = 0, status;

	if (!q->ring)
		return socket_queue_rx(&q->socket, iface, turn, max);
	while (taken < max && turn_room(turn) > 0 && (status = status_of(q, q->at)) != 0) {
		if (status & TP_STATUS_COPY)
			return taken + take_from_socket(q, iface, turn, max - taken);
		push(q, iface, turn, status);
		q->at++;
		q->n_held++;
		taken++;
	}
	return taken;
}

void packet_queue_rx_done(struct packet_queue *q)
{
	for (; q->n_held > 0; q->n_held--)
		__atomic_store_n(&place(q, q->at - q->n_held)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
}

/* The descriptor is watched edge-triggered: it tells of what comes after the last look only. */
bool packet_queue_arm(const struct packet_queue *q)
{
	return q->ring ? status_of(q, q->at) != 0 : socket_queue_arm(&q->socket);
}

void packet_queue_disarm(struct packet_queue *q)
{
	socket_queue_disarm(&q->socket);
}
