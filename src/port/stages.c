/* SPDX-License-Identifier: Apache-2.0 */
/* The two stages at the ends of every road. */
#include "port/port.h"

static enum stage eth_next(struct pkt *pkt)
{
	if (unlikely(!iface_is_up(pkt->rx))) {
		pkt->drop = DROP_IFACE_DOWN;
		return STAGE_DROP;
	}
	if (unlikely(iface_mode(pkt->rx) != IFACE_MODE_BRIDGE)) {
		pkt->drop = DROP_NO_ROAD;
		return STAGE_DROP;
	}
	return STAGE_BRIDGE_INPUT;
}

void eth_input(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t i = 0; i < vec->n; i++) {
		struct pkt *pkt = vec->pkts[i];
		struct iface_counters *c = &turn_lane(turn, pkt->rx)->counters;

		iface_count(&c->rx_packets, 1);
		iface_count(&c->rx_bytes, pkt_len(pkt));
		turn_push(turn, pkt, eth_next(pkt));
	}
}

void port_output(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t i = 0; i < turn->n_out; i++) {
		struct iface *iface = turn->out[i];
		struct iface_lane *lane = turn_lane(turn, iface);

		/* local0 is never up, every other interface is a port's */
		if (likely(iface_is_up(iface)))
			port_of(iface)->ops->tx(port_of(iface), turn, lane->out, lane->n_out);
		else
			iface_count(&lane->counters.drops[DROP_TX_DOWN], lane->n_out);
		lane->n_out = 0;
	}
	turn->n_out = 0;
}
