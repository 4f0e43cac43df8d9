/* SPDX-License-Identifier: Apache-2.0 */
#include "os/rcu.h"
#include "port/stages.h"
#include "port/vlan.h"
#include "wire/ethernet.h"

#include <string.h>

static bool is_bare(const struct vlan *v, const struct iface *iface)
{
	enum iface_mode mode = iface_mode(iface);

	return v->is_sub && mode != IFACE_MODE_BRIDGE && mode != IFACE_MODE_XCONNECT;
}

/* --- in --- */

/* Whose the packet is: the interface's own, or a sub-interface's. NULL: *drop says why nobody's. */
static struct iface *owner(const struct vlan *v, const struct pkt *pkt, enum drop *drop)
{
	uint32_t tags[VLAN_TAGS_MAX] = {0}, n;

	if (!v->subs || unlikely(!iface_is_up(pkt->rx)))
		return pkt->rx;
	*drop = DROP_VLAN_TAG;
	if (unlikely(!vlan_tags_read(pkt, tags, &n)))
		return NULL;
	*drop = DROP_VLAN_UNTAGGED;
	if (n == 0 || (tags[0] & 0xfff) == 0) /* number 0 says only how urgent it is */
		return iface_mode(pkt->rx) == IFACE_MODE_NONE ? NULL : pkt->rx;
	*drop = DROP_VLAN_UNKNOWN;
	return vlan_find(v->subs, tags, n);
}

static void count_in(struct turn *turn, const struct pkt *pkt)
{
	struct iface_counters *c = &turn_lane(turn, pkt->rx)->counters;

	iface_count(&c->rx_packets, 1);
	iface_count(&c->rx_bytes, pkt_len(pkt));
}

static void input(struct turn *turn, struct pkt *pkt)
{
	const struct vlan *v = rcu_load(pkt->rx->vlan);
	enum drop drop = DROP_NONE;
	struct iface *iface = v ? owner(v, pkt, &drop) : pkt->rx;
	enum stage next;

	if (unlikely(!iface)) {
		turn_drop(turn, pkt, drop);
		return;
	}
	if (iface != pkt->rx) {
		pkt->rx = iface;
		count_in(turn, pkt);
		v = rcu_load(iface->vlan);
	}
	next = eth_next(iface, &drop);
	if (next != STAGE_DROP && v && unlikely(!vlan_apply(is_bare(v, iface) ? &v->bare_in : &v->in, pkt))) {
		drop = DROP_VLAN_TAG;
		next = STAGE_DROP;
	}
	if (next == STAGE_DROP)
		turn_drop(turn, pkt, drop);
	else
		turn_push(turn, pkt, next);
}

void vlan_input(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t i = 0; i < vec->n; i++)
		input(turn, vec->pkts[i]);
}

/* --- out --- */

/* Sent at once, so that what is kept to put them back fits the stack. */
#define OUT_BURST 32

/* What rewriting changes in a packet: up to two tags come or go. */
#define KEPT_BYTES (TAG_AT + VLAN_TAGS_MAX * TAG_LEN)

struct kept {
	uint8_t *data;
	struct pkt_offload offload;
	uint16_t head_len;
	uint8_t bytes[KEPT_BYTES];
};

static void keep(struct kept *kept, const struct pkt *pkt)
{
	*kept = (struct kept){.data = pkt->data, .offload = pkt->offload, .head_len = pkt->head_len};
	memcpy(kept->bytes, pkt->data, KEPT_BYTES);
}

static void put_back(const struct kept *kept, struct pkt *pkt)
{
	pkt->data = kept->data;
	pkt->offload = kept->offload;
	pkt->head_len = kept->head_len;
	memcpy(pkt->data, kept->bytes, KEPT_BYTES);
}

/* The first tags are those that the way in has pushed. */
static bool has_pushed(const struct vlan_rewrite *in, const uint32_t tags[VLAN_TAGS_MAX], uint32_t n)
{
	if (n < in->push)
		return false;
	for (uint32_t i = 0; i < in->push; i++)
		if (tags[i] != in->tags[i])
			return false;
	return true;
}

/* Makes of the packet what leaves. DROP_NONE, or why it does not. */
static enum drop rewrite_out(const struct vlan *v, const struct iface *iface, struct pkt *pkt)
{
	uint32_t tags[VLAN_TAGS_MAX] = {0}, n;
	bool bare = is_bare(v, iface);

	if (unlikely(!vlan_tags_read(pkt, tags, &n)))
		return DROP_VLAN_TAG;
	if (!has_pushed(bare ? &v->bare_in : &v->in, tags, n))
		return DROP_VLAN_FILTERED;
	if (unlikely(!vlan_apply(bare ? &v->bare_out : &v->out, pkt)))
		return DROP_VLAN_TAG;
	if (!v->is_sub)
		return DROP_NONE;
	if (!vlan_tags_read(pkt, tags, &n) || !vlan_matches(&v->match, tags, n))
		return DROP_VLAN_FILTERED;
	return DROP_NONE;
}

static void send_burst(
	const struct vlan *v, struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n)
{
	struct kept kept[OUT_BURST];
	struct pkt *passed[OUT_BURST];
	uint32_t n_passed = 0;

	for (uint32_t i = 0; i < n; i++) {
		enum drop drop;

		keep(&kept[n_passed], pkts[i]);
		drop = rewrite_out(v, &port->iface, pkts[i]);
		if (likely(drop == DROP_NONE)) {
			passed[n_passed++] = pkts[i];
			continue;
		}
		put_back(&kept[n_passed], pkts[i]);
		turn_tx_drop(turn, &port->iface, &pkts[i], 1, drop);
	}
	if (n_passed > 0)
		port->ops->tx(port, turn, passed, n_passed);
	for (uint32_t i = 0; i < n_passed; i++)
		put_back(&kept[i], passed[i]);
}

void vlan_send(
	const struct vlan *v, struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n)
{
	for (uint32_t at = 0; at < n; at += OUT_BURST)
		send_burst(v, port, turn, pkts + at, min_u32(n - at, OUT_BURST));
}
