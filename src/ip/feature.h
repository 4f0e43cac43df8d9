/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feature - stops on the router's road that only some interfaces want: one load and one branch where they are off.
 *
 *	PRE_LOOKUP   IPv4 packets that come in here visit STAGE_IP4_PRE_LOOKUP, between header check and lookup; it
 *	             pushes them to STAGE_IP4_LOOKUP (or drops). There a destination may be rewritten.
 *	PRE_OUTPUT   IPv4 packets that leave here visit STAGE_IP4_PRE_OUTPUT, when their way is known, hop limit taken and
 *	             size checked; it pushes them on with ip_push_output() (or drops). There a source may be rewritten.
 *	             pkt->neigh says where they go: neigh_iface(). Packets of our own do not pass here.
 *
 * Who rewrites addresses or ports keeps the checksums right, also one that is only begun (pkt->offload.csum: then the
 * field holds the sum of the pseudo header alone, which has addresses in it but no ports).
 */
#ifndef GINNEL_IP_FEATURE_H
#define GINNEL_IP_FEATURE_H

#include "ip/ip.h"

enum ip_feature {
	IP_FEATURE_PRE_LOOKUP = 1,
	IP_FEATURE_PRE_OUTPUT = 2,
};

/* Control. The interface has an address; -EINVAL otherwise. They end with its last address. */
int ip_feature_set(struct ip *ip, struct iface *iface, enum ip_feature feature, bool on);

/* The interface a routed packet leaves by. */
struct iface *ip_pkt_out(const struct ip *ip, const struct pkt *pkt);
/* On from STAGE_IP4_PRE_OUTPUT. */
void ip_push_output(struct ip *ip, struct turn *turn, struct pkt *pkt);

#endif
