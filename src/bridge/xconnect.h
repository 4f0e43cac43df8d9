/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xconnect - a wire: every frame that comes in at one interface leaves at another, unseen and unlearned.
 *
 * One direction each; a wire both ways is two of them. Being its start is an interface's mode
 * (IFACE_MODE_XCONNECT) and iface->l2 its end: there is no other state, so making one needs no memory. Its end may
 * have any mode, and several may end at one interface. It ends with xconnect_end(), when another mode takes its
 * place, or when one of its interfaces is removed: iface_remove() looks for those that lead to it.
 *
 * A lossless wire loses nothing that its other end could take later: a frame stays in the ring in which its sender put
 * it until there are buffers for it. Its packets never come to the stage here; worker/wire.c moves them. When its other
 * end is removed it stays, without an end, and everything waits.
 *
 * Threads: the stage runs in any worker, everything else in control.
 */
#ifndef GINNEL_BRIDGE_XCONNECT_H
#define GINNEL_BRIDGE_XCONNECT_H

#include "pkt/turn.h"

#include <jansson.h>

/* Takes the place of what `from` was before. 0, or -EINVAL: they are the same, or one of them is local0. */
int xconnect_set(struct iface *from, struct iface *to);
/* The same, lossless; to may be NULL: nobody there yet. -EOPNOTSUPP: one of them is of a kind that cannot wait. */
int xconnect_set_lossless(struct iface *from, struct iface *to);
void xconnect_end(struct iface *from);
/* It is cross-connected. */
bool xconnect_starts(const struct iface *from);
/* NULL when it is not, or the other end is not there. */
struct iface *xconnect_target(const struct iface *from);
bool xconnects_any(const struct iface_table *ifaces);

/* All of them, for a successor process, whose interfaces are in place; one that lacks an end is left out. */
json_t *xconnects_save(const struct iface_table *ifaces);
int xconnects_restore(const struct iface_table *ifaces, const json_t *state);

/* The stage; it has no subject. */
void xconnect_output(void *subject, struct turn *turn, const struct vec *vec);

#endif
