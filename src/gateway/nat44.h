/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nat44 - address translation: what runs inside speaks to the outside over the router's addresses.
 *
 *	 inside interface                                            outside interface
 *	 ip4-input -> nat44-input (hairpin) -> lookup -> nat44-output -> neighbor-output
 *	 neighbor-output <- lookup <- nat44-input <- ip4-input
 *
 * nat44-input stands before the lookup, as a destination that is translated decides where a packet goes; nat44-output
 * behind it, as only what leaves outside is translated. What is inside and speaks to an address of ours that is somebody's inside
 * has both done at once (hairpinning, RFC 4787 REQ-9). A packet from outside that is meant for nobody inside is the
 * router's own if it has the address, and dropped otherwise: nobody outside reaches an inside address by its own.
 *
 * Sessions are seen by two workers, that of the inside port and that of the outside one, and guests choose which packets
 * come where: there is no owner to find. So one lock holds the whole translation; a worker takes it once per vector and
 * does nothing under it but hash, compare and write a few words. Control takes it for single changes.
 */
#ifndef GINNEL_GATEWAY_NAT44_H
#define GINNEL_GATEWAY_NAT44_H

#include "gateway/nat44_fragments.h"
#include "gateway/nat44_table.h"
#include "gateway/nat44_waiting.h"
#include "ip/ip.h"
#include "ip/lock.h"

#include <jansson.h>

#define NAT44_DEFAULT_SESSIONS 131072
/* One inside host may have an eighth of all. */
#define NAT44_DEFAULT_SESSIONS_PER_HOST 16384

enum nat44_side {
	NAT44_NO_SIDE,
	NAT44_INSIDE,
	NAT44_OUTSIDE,
};

struct nat44 {
	struct ip *ip;
	struct iface_table *ifaces;
	struct lock lock;
	struct nat44_table *table;
	struct nat44_fragments fragments;
	struct nat44_waiting waiting;
	uint8_t sides[IFACE_MAX]; /* enum nat44_side; relaxed atomic */
	/* control */
	uint32_t now_s; /* at the last tick */
	/* which interface it was that got the side, as numbers are used again */
	char names[IFACE_MAX][IFACE_NAME_LEN];
};

/* NULL when out of memory. */
struct nat44 *nat44_create(
	struct ip *ip, struct iface_table *ifaces, const struct nat44_limits *limits, uint64_t seed);
void nat44_destroy(struct nat44 *n);

/* Control. The interface has an address; -EINVAL otherwise. */
int nat44_set_side(struct nat44 *n, struct iface *iface, enum nat44_side side);
/* The same without a look at the interface: it has no address yet, and is on that side from when it has one. */
void nat44_note_side(struct nat44 *n, const struct iface *iface, enum nat44_side side);
enum nat44_side nat44_side_of(const struct nat44 *n, const struct iface *iface);

/* Control, about once a second. */
void nat44_tick(struct nat44 *n, uint64_t now_ns);

/* For a successor process; interfaces are in place. 0 or -errno. */
json_t *nat44_save(struct nat44 *n);
int nat44_restore(struct nat44 *n, const json_t *state);

/* The stages STAGE_IP4_PRE_LOOKUP and STAGE_IP4_PRE_OUTPUT; subject: struct nat44. */
void nat44_input(void *subject, struct turn *turn, const struct vec *vec);
void nat44_output(void *subject, struct turn *turn, const struct vec *vec);

extern const struct ctl_table nat44_commands; /* subject: struct nat44 */

/*
 * The IPv4 packet at byte l3 of the frame leaves, or comes in. DROP_NONE: it was translated. The caller locks.
 */
enum drop nat44_out(struct nat44 *n, struct pkt *pkt, uint32_t l3, uint32_t now_s);
enum drop nat44_in(struct nat44 *n, struct pkt *pkt, uint32_t l3, uint32_t now_s);
/* The same for a packet that only tries the road, and changes nothing but itself. */
enum drop nat44_try_out(const struct nat44 *n, struct pkt *pkt, uint32_t l3);
enum drop nat44_try_in(const struct nat44 *n, struct pkt *pkt, uint32_t l3);
/* From inside, to an address that may be somebody's inside. DROP_NAT44_NO_SESSION: it is not, nothing was changed. */
enum drop nat44_hairpin(struct nat44 *n, struct pkt *pkt, uint32_t l3, uint32_t now_s);

#endif
