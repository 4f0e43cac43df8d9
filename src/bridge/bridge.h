/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bridge - switches: a bridge domain is a set of interfaces that see each other's frames.
 *
 * One stage, bridge-forward, learns the source address, looks up the destination, and hands the packet to that interface,
 * or to each member but the one it came from. Frames from one interface leave in the order in which they came.
 *
 * An interface is in one domain at most; being in one is its mode (IFACE_MODE_BRIDGE), and iface->l2 says
 * as what. Frames are forwarded as they are, tags and all, link-local groups (LACP, LLDP) too. Members of
 * the same split horizon group (not 0) do not see each other.
 *
 * One member may be the router's leg (BVI). It has no peer: the stage pushes packets for it to STAGE_L3_INPUT, as come in
 * there, a copy where others get them too; and runs once more, as STAGE_BVI_OUTPUT, for what the router sends.
 *
 * Threads: the stages run in any worker, everything else in control. What workers read is swapped under
 * RCU, so control calls that change members wait until each worker has ended its turn.
 */
#ifndef GINNEL_BRIDGE_BRIDGE_H
#define GINNEL_BRIDGE_BRIDGE_H

#include "bridge/mac_table.h"
#include "pkt/turn.h"

#include <jansson.h>

#define BRIDGE_DOMAINS_MAX 1024
#define BRIDGE_ID_MAX      16777215

#define BRIDGE_DEFAULT_AGE_S       300
#define BRIDGE_DEFAULT_LEARN_LIMIT 16384

struct bridges;
struct bridge_domain;

/* What a domain does (bits). */
enum bridge_setting {
	BRIDGE_LEARN = 1,
	BRIDGE_FORWARD = 2,  /* by address; without it every unicast counts as unknown */
	BRIDGE_FLOOD = 4,    /* groups and broadcast */
	BRIDGE_UU_FLOOD = 8, /* unknown unicast */
	BRIDGE_ALL = 15,
};

struct bridge_config {
	uint32_t settings; /* enum bridge_setting bits */
	uint32_t age_s;    /* 0: addresses stay for ever */
	uint32_t learn_limit;
};

#define BRIDGE_DEFAULT_CONFIG \
	((struct bridge_config){BRIDGE_ALL, BRIDGE_DEFAULT_AGE_S, BRIDGE_DEFAULT_LEARN_LIMIT})

/* NULL when out of memory. The seed is for the tables of addresses, which guests must not guess. */
struct bridges *bridges_create(struct iface_table *ifaces, uint64_t seed);
/* The interfaces that are still there leave their domains. */
void bridges_destroy(struct bridges *b);

/* About once a second. */
void bridges_age(struct bridges *b, uint64_t now_ns);

/* NULL if there is none. */
struct bridge_domain *bridge_domain_find(const struct bridges *b, uint32_t id);
/* 0, -EEXIST, -ERANGE (id), -ENOSPC or -ENOMEM. */
int bridge_domain_create(
	struct bridges *b, uint32_t id, const struct bridge_config *config, struct bridge_domain **out);
/* 0, or -EBUSY while it has members. */
int bridge_domain_delete(struct bridge_domain *d);

void bridge_domain_set(struct bridge_domain *d, enum bridge_setting setting, bool on);
void bridge_domain_set_age(struct bridge_domain *d, uint32_t age_s);
/* At most MAC_TABLE_LIMIT_MAX. 0, -ENOMEM or -ENOSPC. */
int bridge_domain_set_learn_limit(struct bridge_domain *d, uint32_t learn_limit);

/* Takes the interface out of the domain it was in. 0, or -EINVAL (local0), or -ENOMEM: then it is in none. */
int bridge_attach(struct bridge_domain *d, struct iface *iface, uint8_t shg);
/*
 * As the domain's one bridged virtual interface: what goes to its MAC address, or to all, goes on in the router, and what
 * the router sends through it is bridged here. 0, -EEXIST (there is one), -EINVAL, -ENOSPC or -ENOMEM.
 */
int bridge_attach_bvi(struct bridge_domain *d, struct iface *iface);
/* It leaves its domain, and its addresses are forgotten, static ones too. */
void bridge_detach(struct iface *iface);
/* False: it is in no domain. */
bool bridge_domain_of(const struct iface *iface, uint32_t *id);

/* All domains, for a successor process; its interfaces are in place, those that it lacks are left out. 0 or -errno. */
json_t *bridges_save(const struct bridges *b);
int bridges_restore(struct bridges *b, const json_t *state);

/* The stage; it has no subject. Frames are at least a header long. */
void bridge_forward(void *subject, struct turn *turn, const struct vec *vec);

extern const struct ctl_table bridge_commands; /* subject: struct bridges */

#endif
