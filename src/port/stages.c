/* SPDX-License-Identifier: Apache-2.0 */
/* The two stages at the ends of every road. */
#include "port/port.h"

/* Where everything that comes in here goes; STAGE_DROP: *drop says why nowhere. */
static enum stage eth_next(const struct iface *rx, enum drop *drop)
{
	enum iface_mode mode = iface_mode(rx);

	*drop = iface_is_up(rx) ? DROP_NO_ROAD : DROP_IFACE_DOWN;
	if (unlikely(*drop == DROP_IFACE_DOWN))
		return STAGE_DROP;
	if (mode == IFACE_MODE_XCONNECT)
		return STAGE_XCONNECT;
	return likely(mode == IFACE_MODE_BRIDGE) ? STAGE_BRIDGE : STAGE_DROP;
}

static void eth_burst(struct turn *turn, const struct iface *rx, struct pkt *const *pkts, uint32_t n)
{
	struct iface_counters *c = &turn_lane(turn, rx)->counters;
	enum drop drop;
	enum stage next = eth_next(rx, &drop);
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < n; i++)
		bytes += pkt_len(pkts[i]);
	iface_count(&c->rx_packets, n);
	iface_count(&c->rx_bytes, bytes);
	if (likely(next != STAGE_DROP))
		turn_push_n(turn, pkts, n, next);
	else
		turn_drop_n(turn, pkts, n, drop);
}

void eth_input(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t at = 0, n; at < vec->n; at += n) {
		n = vec_run(vec, at);
		eth_burst(turn, vec->pkts[at]->rx, &vec->pkts[at], n);
	}
}

void port_output(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t i = 0; i < turn->n_out; i++) {
		struct iface *iface = turn->out[i];
		struct iface_lane *lane = turn_lane(turn, iface);

		turn->n_sent += lane->n_out;
		/* local0 is never up, every other interface is a port's */
		if (likely(iface_is_up(iface)))
			port_of(iface)->ops->tx(port_of(iface), turn, lane->out, lane->n_out);
		else
			iface_count(&lane->counters.drops[DROP_TX_DOWN], lane->n_out);
		lane->n_out = 0;
	}
	turn->n_out = 0;
}
