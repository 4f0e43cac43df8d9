/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vxlan - tunnels: an interface whose frames travel in UDP over the router (RFC 7348), to one other end.
 *
 *	port-output   each frame gets headers in front, in a copy of its head: its own may be on the way elsewhere, too.
 *	              The body is shared. Then it is a packet of the router's own and walks down the list once more.
 *	ip-local      what comes to UDP port 4789 from the other end loses them, and walks down the list once more, from
 *	              ethernet-input on.
 *
 *	 outer Ethernet 14 | IPv4 20 or IPv6 40 | UDP 8 | VXLAN 8 | frame
 *
 * What a frame asks for:
 * - One that stands for several is cut into segments first: no receiver could do it inside the tunnel.
 * - A checksum inside that is begun stays begun, at its new place. Then that of the UDP header outside can be computed
 *   without the payload, as what follows sums up to what is begun. Over IPv4 there is none (RFC 7348, 4.1).
 * - Over IPv6 it is begun where the inner one is complete, and completed with the copy.
 *
 * The source port tells flows apart, so that routers on the way spread them; both directions have the same.
 *
 * Threads: workers send and receive; control makes and removes tunnels, which are found by a table under RCU.
 */
#ifndef GINNEL_TUNNEL_VXLAN_H
#define GINNEL_TUNNEL_VXLAN_H

#include "ip/ip.h"
#include "port/port.h"

#define VXLAN_TUNNELS_MAX 256
#define VXLAN_BUCKETS     512

struct vxlan_ends {
	struct ip_addr src, dst; /* ours, the other's; of one family */
	uint32_t vni;
};

struct vxlans;

struct vxlan {
	struct port port;
	struct vxlans *vxlans;
	struct vxlan_ends ends;
	uint32_t underlay;  /* the interface that has src, 0: none; relaxed atomic, looked for by control */
	struct vxlan *next; /* in its bucket; rcu_load() */
};

struct vxlans {
	struct ports *ports;
	struct ip *ip;
	uint64_t seed;
	uint32_t n;
	struct vxlan *buckets[VXLAN_BUCKETS]; /* rcu_load() */
};

/* NULL when out of memory, or the port is taken. */
struct vxlans *vxlans_create(struct ports *ports, struct ip *ip, uint64_t seed);
/* The tunnels have gone, with all ports. */
void vxlans_destroy(struct vxlans *vs);

/* instance: of its name, vxlan_tunnelN; the lowest free one if negative. 0, -EEXIST, -ENOSPC or -ENOMEM. */
int vxlan_create(struct vxlans *vs, const struct vxlan_ends *ends, int32_t instance, struct vxlan **out);
/* NULL: there is none. Workers: until the end of the turn. */
struct vxlan *vxlan_find(const struct vxlans *vs, const struct vxlan_ends *ends);
/* NULL: another kind of interface. */
struct vxlan *vxlan_of(struct port *port);

/* For a successor process: before anything that speaks of interfaces is restored. 0 or -errno. */
json_t *vxlans_save(const struct vxlans *vs);
int vxlans_restore(struct vxlans *vs, const json_t *state);

/* The two sides of the road. */
struct ip_datagram;
void vxlan_tx(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n);
void vxlan_rx(void *subject, struct turn *turn, struct pkt *pkt, const struct ip_datagram *d);

extern const struct ctl_table vxlan_commands; /* subject: struct vxlans */

#endif
