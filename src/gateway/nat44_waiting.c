/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/nat44_waiting.h"

#include "os/pages.h"

bool nat44_waiting_init(struct nat44_waiting *w, const struct iface_table *ifaces)
{
	w->ifaces = ifaces;
	w->bytes = pages_alloc(NAT44_WAITING_MAX, PKT_LEN_MAX);
	return w->bytes;
}

void nat44_waiting_fini(struct nat44_waiting *w)
{
	if (w->bytes)
		pages_free(w->bytes, NAT44_WAITING_MAX, PKT_LEN_MAX);
}

static struct nat44_waiting_fragment *at(struct nat44_waiting *w, uint32_t i)
{
	return &w->list[i % NAT44_WAITING_MAX];
}

static uint8_t *bytes_at(const struct nat44_waiting *w, uint32_t i)
{
	return w->bytes + (size_t)(i % NAT44_WAITING_MAX) * PKT_LEN_MAX;
}

bool nat44_waiting_put(
	struct nat44_waiting *w, const struct nat44_datagram *datagram, const struct pkt *pkt, uint32_t now_s)
{
	uint32_t rx = pkt->rx->idx;

	if (w->head - w->tail == NAT44_WAITING_MAX || w->n_of_port[rx] == NAT44_WAITING_PER_PORT)
		return false;
	*at(w, w->head) = (struct nat44_waiting_fragment){
		.datagram = *datagram, .rx = rx, .len = pkt_len(pkt), .since_s = now_s, .used = true};
	pkt_bytes(pkt, 0, bytes_at(w, w->head), pkt_len(pkt));
	w->n_of_port[rx]++;
	w->head++;
	return true;
}

static void leave(struct nat44_waiting *w, struct nat44_waiting_fragment *f)
{
	f->used = false;
	w->n_of_port[f->rx]--;
	while (w->tail != w->head && !at(w, w->tail)->used)
		w->tail++;
}

static void count(const struct nat44_waiting *w, struct turn *turn, uint32_t rx, enum drop drop)
{
	struct iface *iface = iface_get(w->ifaces, rx);

	if (iface)
		iface_count(&turn_lane(turn, iface)->counters.drops[drop], 1);
}

static struct pkt *make(const struct nat44_waiting *w, struct turn *turn, uint32_t i)
{
	const struct nat44_waiting_fragment *f = &w->list[i % NAT44_WAITING_MAX];
	struct iface *rx = iface_get(w->ifaces, f->rx);
	uint8_t *bytes = rx ? turn_bytes(turn, f->len) : NULL;

	if (!bytes)
		return NULL;
	memcpy(bytes, bytes_at(w, i), f->len);
	return turn_make_frame(turn, rx, bytes, f->len);
}

struct pkt *nat44_waiting_take(
	struct nat44_waiting *w, struct turn *turn, const struct nat44_datagram *datagram)
{
	for (uint32_t i = w->tail; i != w->head; i++) {
		struct nat44_waiting_fragment *f = at(w, i);
		struct pkt *pkt;

		if (!f->used || !nat44_datagram_same(&f->datagram, datagram))
			continue;
		pkt = make(w, turn, i);
		if (!pkt)
			count(w, turn, f->rx, DROP_TURN_FULL);
		leave(w, f);
		if (pkt)
			return pkt;
	}
	return NULL;
}

void nat44_waiting_expire(struct nat44_waiting *w, struct turn *turn, uint32_t now_s)
{
	while (w->tail != w->head && (int32_t)(now_s - at(w, w->tail)->since_s) >= NAT44_WAITING_S) {
		count(w, turn, at(w, w->tail)->rx, DROP_NAT44_FRAGMENT);
		leave(w, at(w, w->tail));
	}
}
