/* SPDX-License-Identifier: Apache-2.0 */
#include "ip/ip_private.h"

#include <stdlib.h>

static void free_taken(struct outbox *box)
{
	uint32_t tail = __atomic_load_n(&box->tail, __ATOMIC_ACQUIRE); /* pairs with outbox_take() */

	for (; box->freed != tail; box->freed++) {
		free(box->list[box->freed % OUTBOX_SIZE].bytes);
		box->list[box->freed % OUTBOX_SIZE].bytes = NULL;
	}
}

bool outbox_put(struct outbox *box, const struct out *out)
{
	free_taken(box);
	if (box->head - box->freed == OUTBOX_SIZE) {
		free(out->bytes);
		return false;
	}
	box->list[box->head % OUTBOX_SIZE] = *out;
	__atomic_store_n(&box->head, box->head + 1, __ATOMIC_RELEASE); /* pairs with outbox_is_empty() */
	if (box->wake)
		box->wake(box->wake_subject);
	return true;
}

void outbox_fini(struct outbox *box)
{
	free_taken(box);
	for (; box->freed != box->head; box->freed++)
		free(box->list[box->freed % OUTBOX_SIZE].bytes);
}

static struct pkt *frame_of(struct turn *turn, struct iface *iface, const struct out *out, uint32_t before)
{
	uint8_t *bytes = turn_bytes(turn, before + out->len);

	if (!bytes)
		return NULL;
	memset(bytes, 0, before);
	memcpy(bytes + before, out->bytes, out->len);
	return turn_make_frame(turn, iface, bytes, before + out->len);
}

static struct pkt *ask(struct ip *ip, struct turn *turn, const struct out *out, bool unicast)
{
	const struct neigh *n = &ip->neighs.list[out->number];

	if (neigh_word(n) & NEIGH_DEAD)
		return NULL;
	return n->addr.ip6 ? nd_solicit(turn, n, unicast) : arp_request(turn, n, unicast);
}

/* Returns whether a packet came of it. */
static bool take_one(struct ip *ip, struct turn *turn, const struct out *out)
{
	struct iface *iface = iface_get(ip->ifaces, out->iface);
	const struct ip_iface *l3 = iface ? ip_iface_of(iface) : NULL;
	struct pkt *pkt = NULL;

	if (out->kind == OUT_UNREACHABLE) {
		pkt = neigh_packet_take(ip, turn, out->number);
		if (pkt)
			turn_push(turn, pkt,
				be16_get(pkt->data + ETHERNET_TYPE_AT) == IP4_ETHERNET_TYPE
					? icmp_tell(pkt, DROP_NEIGH_UNREACHABLE, ICMP4_UNREACHABLE,
						  ICMP4_HOST, 0)
					: icmp_tell(pkt, DROP_NEIGH_UNREACHABLE, ICMP6_UNREACHABLE,
						  ICMP6_ADDRESS, 0));
		return pkt;
	}
	if (!l3)
		return false;
	if (out->kind == OUT_IP || out->kind == OUT_PING)
		pkt = frame_of(turn, iface, out, ETHERNET_HEADER_LEN);
	else if (out->kind == OUT_FRAME)
		pkt = frame_of(turn, iface, out, 0);
	else
		pkt = ask(ip, turn, out, out->kind == OUT_ASK_UNICAST);
	if (!pkt)
		return false;
	if (out->kind == OUT_PING)
		ping_sent(ip->pings, out->number, turn->now_ns);
	if (out->kind == OUT_IP || out->kind == OUT_PING)
		ip_send(ip, turn, l3, pkt);
	else
		ip_send_frame(turn, pkt, iface);
	return true;
}

uint32_t outbox_take(struct ip *ip, struct turn *turn)
{
	struct outbox *box = &ip->outbox;
	uint32_t head = __atomic_load_n(&box->head, __ATOMIC_ACQUIRE), n = 0;

	/* half of what a turn can make: stages want some, too */
	for (; box->tail != head && n < TURN_MADE / 2; n++) {
		take_one(ip, turn, &box->list[box->tail % OUTBOX_SIZE]);
		__atomic_store_n(
			&box->tail, box->tail + 1, __ATOMIC_RELEASE); /* the bytes are control's again */
	}
	return n;
}
