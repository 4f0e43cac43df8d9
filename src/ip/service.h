/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service - UDP for what the router itself serves: a table of ports, asked in STAGE_IP_LOCAL.
 *
 *	ip_udp_listen(ip, 53, dns_request, dns);
 *
 *	void dns_request(void *subject, struct turn *turn, struct pkt *pkt, const struct ip_datagram *d)
 *	{
 *		pkt_bytes(pkt, d->payload_at, question, d->payload_len);   ... look at it
 *		ip_udp_send(ip, turn, &(struct ip_udp){.iface = pkt->rx, .src = ..., .dst = d->src, ...});
 *		turn_finish(turn, pkt);
 *	}
 *
 * A handler runs in the worker that received the packet: several may at once. It pushes the packet to exactly one later
 * stage: turn_finish() when it has what it wants, turn_drop() with a reason, or changed, to STAGE_NEIGH_OUTPUT. A
 * datagram comes whole, reassembled if need be, with its checksum right. Multicast and broadcast come, too.
 */
#ifndef GINNEL_IP_SERVICE_H
#define GINNEL_IP_SERVICE_H

#include "ip/ip.h"

#define IP_SERVICES_MAX 32

struct ip_datagram {
	struct ip_addr src, dst;
	uint16_t src_port, dst_port;
	uint32_t payload_at; /* in the frame; read it with pkt_bytes() */
	uint32_t payload_len;
	bool to_group; /* dst is multicast or broadcast */
};

typedef void ip_udp_fn(void *subject, struct turn *turn, struct pkt *pkt, const struct ip_datagram *d);

/* Control. 0, -EADDRINUSE or -ENOSPC. */
int ip_udp_listen(struct ip *ip, uint16_t port, ip_udp_fn *fn, void *subject);
/* All ports from the first to the last; ip_udp_unlisten() takes the first. */
int ip_udp_listen_range(struct ip *ip, uint16_t port, uint16_t last, ip_udp_fn *fn, void *subject);
/* Waits until no worker is in it. */
void ip_udp_unlisten(struct ip *ip, uint16_t port);

/* A datagram of ours. */
struct ip_udp {
	struct iface *
		iface; /* whose table of routes counts, and where it leaves if mac is set or dst is a group */
	uint64_t mac;  /* not 0: to this station, or all (MAC_BROADCAST), whatever dst is */
	struct ip_addr src, dst;
	uint16_t src_port, dst_port;
	uint8_t ttl; /* 0: 64 */
	const void *payload;
	uint32_t payload_len; /* what does not fit a frame is fragmented */
};

/* A packet of ours from its IP header on, for those who make it by hand: an id, a hop limit; payload_len bytes follow. */
void ip_header_write(struct ip *ip, uint8_t *p, const struct ip_addr *src, const struct ip_addr *dst,
	uint8_t proto, uint32_t payload_len);
/* Pushes it on, behind an Ethernet header that is still to be written, by the routes of iface's table. False: dropped. */
bool ip_packet_send(struct ip *ip, struct turn *turn, const struct iface *iface, struct pkt *pkt);

/* From a stage up to STAGE_IP_LOCAL, any worker. False: no packet is left in this turn, or there is no route. */
bool ip_udp_send(struct ip *ip, struct turn *turn, const struct ip_udp *udp);
/* The same from control, which is not in a turn: it leaves with worker 0's next. False: too many wait. */
bool ip_udp_send_later(struct ip *ip, const struct ip_udp *udp);

/* The address by which an interface is known, to answer from: of dst's network if it has one. False: it has none. */
bool ip_iface_source(const struct iface *iface, const struct ip_addr *dst, struct ip_addr *src);
/* The interface by which ip_packet_send() would leave towards dst. NULL: there is no way. */
struct iface *ip_way_iface(struct ip *ip, const struct iface *iface, const struct ip_addr *dst);
/* The same as ip_iface_source() of the interface by which ip_udp_send() would leave towards dst. False: there is no way. */
bool ip_way_source(struct ip *ip, const struct iface *iface, const struct ip_addr *dst, struct ip_addr *src);
/* The network of an interface that an address is in. */
bool ip_iface_network(const struct iface *iface, const struct ip_addr *addr, struct ip_prefix *network);
/* One of the interface's own addresses. */
bool ip_iface_has(const struct iface *iface, const struct ip_addr *addr);

#endif
