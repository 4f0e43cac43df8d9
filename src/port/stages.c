/* SPDX-License-Identifier: Apache-2.0 */
/* The two stages at the ends of every road. */
#include "port/stages.h"

#include "os/rcu.h"
#include "port/port.h"
#include "port/vlan.h"
#include "wire/ethernet.h"

static void eth_burst(struct turn *turn, const struct iface *rx, struct pkt *const *pkts, uint32_t n)
{
	struct iface_counters *c = &turn_lane(turn, rx)->counters;
	enum drop drop;
	enum stage next = eth_next(rx, &drop);
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < n; i++)
		bytes += pkt_len(pkts[i]);
	if (unlikely(turn->keep != NULL)) {
		uint64_t bytes_before;

		iface_count(&c->rx_packets, n - turn_came_before(turn, pkts, n, &bytes_before));
		iface_count(&c->rx_bytes, bytes - bytes_before);
	} else {
		iface_count(&c->rx_packets, n);
		iface_count(&c->rx_bytes, bytes);
	}
	if (unlikely(rcu_load(rx->vlan) != NULL))
		next = STAGE_VLAN_INPUT;
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

/* What would become of a packet that only tries the road, as far as one can say without the port's buffers. */
static void try_output(struct turn *turn, struct iface *iface, struct pkt *const *pkts, uint32_t n)
{
	const struct port *port = port_of(iface);

	for (uint32_t i = 0; i < n; i++)
		if (!port->ops->connected(port))
			turn_tx_drop(turn, iface, &pkts[i], 1, DROP_TX_NO_PEER);
		else if (ethernet_payload_len(pkts[i]->data, pkts[i]->head_len, pkt_len(pkts[i])) >
				 iface_mtu(iface) &&
			 pkts[i]->offload.gso == PKT_GSO_NONE)
			turn_tx_drop(turn, iface, &pkts[i], 1, DROP_TX_MTU);
}

void port_output(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t i = 0; i < turn->n_out; i++) {
		struct iface *iface = turn->out[i];
		struct iface_lane *lane = turn_lane(turn, iface);
		const struct vlan *vlan;

		turn->n_sent += lane->n_out;
		/* local0 is never up, every other interface is a port's */
		if (unlikely(!iface_is_up(iface)))
			turn_tx_drop(turn, iface, lane->out, lane->n_out, DROP_TX_DOWN);
		else if (turn_is_trial(turn))
			try_output(turn, iface, lane->out, lane->n_out);
		else if (unlikely((vlan = rcu_load(iface->vlan)) != NULL))
			vlan_send(vlan, port_of(iface), turn, lane->out, lane->n_out);
		else
			port_of(iface)->ops->tx(port_of(iface), turn, lane->out, lane->n_out);
		if (unlikely(turn->watch != NULL))
			turn->watch->ops->output(turn->watch, iface, lane->out, lane->n_out);
		lane->n_out = 0;
	}
	turn->n_out = 0;
}
