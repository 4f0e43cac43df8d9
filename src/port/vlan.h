/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vlan - tags on the way in and out: to which sub-interface a frame belongs, and how its tags are rewritten.
 *
 *	in:   the parent's frames are told apart by their tags; then tags are popped and pushed as the sub-interface, or any
 *	      interface, is told
 *	out:  the same undone: what is pushed on the way in must be there and is popped, what is popped on the way in is
 *	      pushed; and a sub-interface lets nothing out that would not come in to it
 *
 * An interface has a struct vlan (iface->vlan) if it has sub-interfaces, is one, or has its tags rewritten; all others pay
 * nothing for this but one look at that pointer per burst. It is never changed: control publishes another.
 *
 * On the way out packets are only borrowed and may leave elsewhere with other tags: each is rewritten in its place, handed to
 * the port, and put back.
 */
#ifndef GINNEL_PORT_VLAN_H
#define GINNEL_PORT_VLAN_H

#include "pkt/tag.h"
#include "port/port.h"

#define VLAN_ID_MAX   4094
#define VLAN_TAGS_MAX 2

/* Which frames are a sub-interface's. */
struct vlan_match {
	uint8_t n_tags;               /* 1 or 2 */
	bool inner_any;               /* any second tag will do */
	bool exact;                   /* and no more tags than that */
	uint32_t tags[VLAN_TAGS_MAX]; /* type and number, the outer one first */
};

/* Takes off `pop` tags, then puts these before what is left, the outer one first. */
struct vlan_rewrite {
	uint8_t pop, push;
	uint32_t tags[VLAN_TAGS_MAX];
};

/* The sub-interfaces of one parent, by outer tag. */
struct vlan_sub {
	struct vlan_match match;
	struct iface *iface;
};

struct vlan_subs {
	uint32_t n;
	uint16_t first[4096];   /* of an outer tag's number; n: none */
	struct vlan_sub list[]; /* by number, the most particular first */
};

struct vlan {
	struct vlan_rewrite in, out;
	bool is_sub;
	struct vlan_match match; /* is_sub */
	/* is_sub, while it is in neither a bridge nor a cross-connect: frames without its tags */
	struct vlan_rewrite bare_in, bare_out;
	struct vlan_subs *subs; /* NULL: none */
};

/* How many tags a frame has, up to one more than VLAN_TAGS_MAX, and the first ones. False: one is cut off. */
bool vlan_tags_read(const struct pkt *pkt, uint32_t tags[VLAN_TAGS_MAX], uint32_t *n);
bool vlan_matches(const struct vlan_match *m, const uint32_t tags[VLAN_TAGS_MAX], uint32_t n);
/* NULL: nobody's. n is at least 1. */
struct iface *vlan_find(const struct vlan_subs *subs, const uint32_t tags[VLAN_TAGS_MAX], uint32_t n);
/* False: it cannot be done; the packet is of no use then. */
bool vlan_apply(const struct vlan_rewrite *r, struct pkt *pkt);

/* What undoes `in` on the way out; match: of a sub-interface, or NULL. False: it cannot be undone. */
bool vlan_reverse(const struct vlan_rewrite *in, const struct vlan_match *match, struct vlan_rewrite *out);

/* n places for sub-interfaces that the caller fills and vlan_subs_sort() puts in order. NULL: out of memory. */
struct vlan_subs *vlan_subs_create(uint32_t n);
void vlan_subs_sort(struct vlan_subs *subs);

/* The stage behind ethernet-input for the interfaces that have a struct vlan. */
void vlan_input(void *subject, struct turn *turn, const struct vec *vec);
/* Sends through a port with a struct vlan. */
void vlan_send(
	const struct vlan *v, struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n);

/* Control. */

/* 0 or -errno; -EINVAL: the way out could not undo it. */
int vlan_set_rewrite(struct port *port, const struct vlan_rewrite *in);
/* As it is set; all 0: none. */
struct vlan_rewrite vlan_rewrite_of(const struct port *port);
/* The rewriting of a port for a successor process; NULL: none. */
json_t *vlan_save(const struct port *port);
int vlan_restore(struct port *port, const json_t *state);
/* The port goes: its sub-interfaces before it. */
void vlan_remove(struct port *port);
/* What no worker sees any more; may be NULL. */
void vlan_free(struct vlan *v);

/* match->exact for a sub-interface that is to be routed; 0, -EEXIST (name or tags), -EINVAL or another -errno. */
int sub_port_create(struct port *parent, uint32_t sub_id, const struct vlan_match *match, struct port **out);
int sub_port_restore(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out);
/* NULL if the port is of another kind. */
struct port *sub_port_parent(const struct port *port);

extern const struct ctl_table vlan_commands; /* subject: struct ports */

#endif
