/* SPDX-License-Identifier: Apache-2.0 */
#include "pkt/keep.h"

#include "pkt/turn.h"

/* NULL: nobody's. */
static struct turn_keep *keep_of(const struct turn *turn, const struct pkt *pkt, uint32_t *at)
{
	for (struct turn_keep *k = turn->keep; k; k = k->next)
		if (pkt >= k->from && pkt < k->from + k->n) {
			*at = (uint32_t)(pkt - k->from);
			return k;
		}
	return NULL;
}

static void count(
	struct turn *turn, struct iface *iface, struct pkt *const *pkt, enum drop reason, bool again)
{
	if (!again)
		iface_count(&turn_lane(turn, iface)->counters.drops[reason], 1);
	if (unlikely(turn->watch != NULL))
		turn->watch->ops->tx_drop(turn->watch, iface, pkt, 1, reason);
}

/* Whoever took something since it was given up is there again. */
static bool is_waited_for(struct turn_keep *k, const struct turn *turn, const struct iface *iface)
{
	const uint64_t sent = turn_lane(turn, iface)->counters.tx_packets;

	if (k->never != iface)
		return true;
	if (k->never_sent == KEEP_NOT_SEEN)
		k->never_sent = sent;
	if (k->never_sent == sent)
		return false;
	k->never = NULL;
	return true;
}

void turn_tx_no_room(struct turn *turn, struct iface *iface, struct pkt *const *pkts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = 0;
		struct turn_keep *k = keep_of(turn, pkts[i], &at);

		if (!k || !is_waited_for(k, turn, iface) || pkts[i]->data[0] & 1) {
			count(turn, iface, &pkts[i], DROP_TX_NO_BUFFER, false);
			continue;
		}
		if (k->n_no_room == 0)
			k->who = iface;
		k->n_no_room += !k->no_room[at];
		k->no_room[at] = true;
		count(turn, iface, &pkts[i], DROP_TX_WAITED, at < k->n_again);
	}
}

uint32_t turn_came_before(const struct turn *turn, struct pkt *const *pkts, uint32_t n, uint64_t *bytes)
{
	uint32_t came = 0, at;

	*bytes = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct turn_keep *k = keep_of(turn, pkts[i], &at);

		if (k && at < k->n_again) {
			came++;
			*bytes += pkt_len(pkts[i]);
		}
	}
	return came;
}
