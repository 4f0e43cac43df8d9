/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drop - why a packet ends here: one value, one counter, one line in `show errors` each.
 *
 * A frame that leaves through several interfaces may be dropped at some of them: then it is counted at those
 * interfaces and travels on to the others.
 */
#ifndef GINNEL_PKT_DROP_H
#define GINNEL_PKT_DROP_H

#include <stdbool.h>

enum drop {
	DROP_NONE, /* it ended well: whom it was for has it */
	/* on the way in */
	DROP_RX_RUNT,     /* shorter than an Ethernet header */
	DROP_RX_TOO_LONG, /* longer than the largest frame we carry */
	DROP_RX_HEADER,   /* chain shorter than the virtio-net header, or the header contradicts the frame */
	DROP_RX_PIECES,   /* more pieces than a turn can hold */
	DROP_RX_DISABLED, /* the ring is disabled: taken and discarded, as the protocol wants it */
	DROP_IFACE_DOWN,  /* the interface it came from is down */
	DROP_NO_ROAD,     /* the interface is in no bridge, not cross-connected and has no address */
	/* VLANs */
	DROP_VLAN_TAG,      /* a tag is cut off, or cannot be taken off or put on */
	DROP_VLAN_UNTAGGED, /* no tag, and only the interface's sub-interfaces have a road */
	DROP_VLAN_UNKNOWN,  /* no sub-interface has this tag */
	DROP_VLAN_FILTERED, /* not the tags that may leave there */
	/* bridge */
	DROP_BRIDGE_SOURCE,   /* source address is a group address */
	DROP_BRIDGE_SAME,     /* the destination is behind the interface it came from */
	DROP_BRIDGE_NO_FLOOD, /* destination unknown and flooding is off */
	DROP_BRIDGE_NO_LEARN, /* the table of addresses is full: the packet goes on, its source is not learned */
	DROP_BRIDGE_FILTER, /* a static entry says filter */
	DROP_BRIDGE_ALONE,  /* nobody else in the domain */
	/* router */
	DROP_NOT_FOR_US,         /* routed interface: to another MAC address */
	DROP_L3_TYPE,            /* routed interface: a protocol we do not speak */
	DROP_IP4_HEADER,         /* malformed IPv4 header */
	DROP_IP4_CSUM,           /* wrong checksum of the IPv4 header */
	DROP_IP6_HEADER,         /* malformed IPv6 header */
	DROP_IP_MARTIAN,         /* source or destination address cannot be on a network */
	DROP_IP_NO_ROUTE,        /* no route to the destination */
	DROP_IP_BLACKHOLE,       /* route says drop */
	DROP_IP_TTL,             /* time to live exceeded */
	DROP_IP_MTU,             /* must not be fragmented */
	DROP_IP_NO_SERVICE,      /* for us, but nobody serves that protocol or port */
	DROP_IP_OPTIONS,         /* source routing is refused */
	DROP_ARP_MALFORMED,      /* malformed ARP */
	DROP_ARP_SPOOF,          /* ARP sender in contradiction to the frame or to our own address */
	DROP_ARP_RATE,           /* more ARP or neighbour discovery than a port may send */
	DROP_ARP_NOT_OURS,       /* no loss */
	DROP_ND_MALFORMED,       /* malformed neighbour discovery */
	DROP_NEIGH_FULL,         /* table of neighbours full, or the share of the interface */
	DROP_NEIGH_PENDING,      /* too many packets wait for neighbours */
	DROP_NEIGH_UNREACHABLE,  /* neighbour does not answer */
	DROP_ICMP_MALFORMED,     /* malformed ICMP or wrong checksum */
	DROP_ICMP_RATE,          /* more ICMP errors than the limit */
	DROP_FRAGMENT_MALFORMED, /* malformed or overlapping fragment */
	DROP_FRAGMENT_FULL,      /* table of fragments full */
	DROP_FRAGMENT_TIMEOUT,   /* other fragments never came */
	DROP_TURN_FULL,          /* a turn can make no more packets */
	/* address translation */
	DROP_NAT44_TRUNCATED,  /* headers that end too early, or lie too far behind */
	DROP_NAT44_PROTOCOL,   /* neither TCP nor UDP nor a question by ICMP */
	DROP_NAT44_FRAGMENT,   /* a fragment whose first one, with the ports, has not been here */
	DROP_NAT44_NO_SESSION, /* comes in and is meant for nobody inside */
	DROP_NAT44_FILTERED,   /* comes in from somebody to whom nobody inside spoke */
	DROP_NAT44_FULL,       /* all sessions are taken */
	DROP_NAT44_HOST_FULL,  /* all sessions that one inside host may have */
	DROP_NAT44_NO_PORT,    /* no address, or no free port at any */
	/* services of the router */
	DROP_DHCP_MALFORMED,   /* no message of a client, or not from the station it speaks of */
	DROP_DHCP_RELAY,       /* came over a relay, which is not served */
	DROP_DHCP_NO_ADDRESS,  /* the pool is used up */
	DROP_DHCP_NOT_ITS_OWN, /* gives up an address that is not the station's */
	DROP_DNS_MALFORMED,    /* no question */
	DROP_DNS_NO_SERVER,    /* nobody to ask */
	DROP_DNS_FULL,         /* too many questions are outstanding, of all or of one client */
	DROP_DNS_UNASKED,      /* answers no question of ours, or too late */
	/* tunnels */
	DROP_TUNNEL_MALFORMED, /* no frame, or not in the header it should have */
	DROP_TUNNEL_UNKNOWN,   /* from somebody, or of a network, for which there is no tunnel */
	DROP_TUNNEL_DEPTH,     /* a tunnel in a tunnel in a tunnel */
	/* on a wire that is made worse on demand */
	DROP_NETEM_LOSS,  /* lost as it was asked to be */
	DROP_NETEM_FULL,  /* as many frames or bytes are held as there is room for */
	DROP_NETEM_ENDED, /* held when the wire was set otherwise, or the process was replaced */
	/* on the way out */
	DROP_TX_DOWN,      /* the interface is down */
	DROP_TX_NO_PEER,   /* no peer is connected, or its ring does not run */
	DROP_TX_BROKEN,    /* the ring to the peer broke; see show vhost-user, show virtio-user */
	DROP_TX_NO_BUFFER, /* the peer has no free buffers, or has not returned ours */
	DROP_TX_FILTERED,  /* the guest's driver said over its control queue that it does not want it */
	DROP_TX_MTU,       /* larger than the interface's MTU, or the one the guest was promised */
	DROP_TX_TOO_LONG,  /* larger than the buffer the peer gave */
	DROP_TX_REFUSED,   /* the kernel does not take the frame */
	DROP_TX_OFFLOAD,   /* checksum or segmentation could not be completed: malformed headers */
	DROP_TX_WAITED, /* no drop: how often a lossless wire, or a frame of a stream, began to wait for it */
	DROP_COUNT,
};

/* The packet ended there. What is no loss is counted beside the others but not among them. */
static inline bool drop_is_loss(enum drop drop)
{
	return drop != DROP_BRIDGE_NO_LEARN && drop != DROP_TX_WAITED && drop != DROP_ARP_NOT_OURS;
}

/* A word for counters ("rx-runt"), a sentence for people, and which stage's line it is ("port-input"). */
const char *drop_name(enum drop drop);
const char *drop_text(enum drop drop);
const char *drop_node(enum drop drop);

#endif
