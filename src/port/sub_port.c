/* SPDX-License-Identifier: Apache-2.0 */
/* Sub-interfaces as ports: what is sent there leaves through the parent. And who has which struct vlan. */
#include "os/rcu.h"
#include "port/vlan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sub_port {
	struct port port;
	struct port *parent; /* outlives it */
	uint32_t sub_id;
	struct vlan_match match;
	bool closing;
};

static const struct port_ops sub_ops;

static struct sub_port *sub_of(const struct port *port)
{
	return port->ops == &sub_ops ? CONTAINER_OF(port, struct sub_port, port) : NULL;
}

struct port *sub_port_parent(const struct port *port)
{
	const struct sub_port *sp = port ? sub_of(port) : NULL;

	return sp ? sp->parent : NULL;
}

/* --- what workers see --- */

void vlan_free(struct vlan *v)
{
	if (v)
		free(v->subs);
	free(v);
}

/* The next one after sp, or the first. */
static struct sub_port *next_sub(const struct port *parent, const struct sub_port *sp)
{
	const struct list *end = &parent->ports->list;

	for (const struct list *l = sp ? sp->port.link.next : end->next; l != end; l = l->next) {
		struct sub_port *next = sub_of(LIST_ENTRY(l, const struct port, link));

		if (next && next->parent == parent && !next->closing)
			return next;
	}
	return NULL;
}

static int collect_subs(const struct port *parent, struct vlan_subs **out)
{
	struct sub_port *sp = NULL;
	uint32_t n = 0;

	*out = NULL;
	while ((sp = next_sub(parent, sp)))
		n++;
	if (n == 0)
		return 0;
	*out = vlan_subs_create(n);
	if (!*out)
		return -ENOMEM;
	for (n = 0; (sp = next_sub(parent, sp)); n++)
		(*out)->list[n] = (struct vlan_sub){.match = sp->match, .iface = &sp->port.iface};
	vlan_subs_sort(*out);
	return 0;
}

/* A sub-interface without a bridge: its tags off, and on again if they are known. */
static void set_bare(struct vlan *v, const struct sub_port *sp)
{
	v->is_sub = true;
	v->match = sp->match;
	v->bare_in = (struct vlan_rewrite){.pop = sp->match.n_tags};
	if (!vlan_reverse(&v->bare_in, &sp->match, &v->bare_out))
		v->bare_in = v->bare_out = (struct vlan_rewrite){0};
}

static int vlan_make(struct vlan **out, const struct port *port, const struct vlan_rewrite *in)
{
	const struct sub_port *sp = sub_of(port);
	struct vlan *v = calloc(1, sizeof(*v));
	int err;

	if (!v)
		return -ENOMEM;
	v->in = *in;
	err = vlan_reverse(in, sp ? &sp->match : NULL, &v->out) ? collect_subs(port, &v->subs) : -EINVAL;
	if (err) {
		vlan_free(v);
		return err;
	}
	if (sp)
		set_bare(v, sp);
	*out = v;
	if (sp || v->subs || in->pop || in->push)
		return 0;
	vlan_free(v);
	*out = NULL;
	return 0;
}

int vlan_set_rewrite(struct port *port, const struct vlan_rewrite *in)
{
	struct vlan *old = port->iface.vlan, *new;
	int err = vlan_make(&new, port, in);

	if (err)
		return err;
	rcu_publish(port->iface.vlan, new);
	rcu_wait();
	vlan_free(old);
	return 0;
}

struct vlan_rewrite vlan_rewrite_of(const struct port *port)
{
	const struct vlan *v = port->iface.vlan;

	return v ? v->in : (struct vlan_rewrite){0};
}

/* Its sub-interfaces are others now. */
static int update(struct port *parent)
{
	struct vlan_rewrite in = vlan_rewrite_of(parent);

	return vlan_set_rewrite(parent, &in);
}

void vlan_remove(struct port *port)
{
	struct sub_port *sp;

	while ((sp = next_sub(port, NULL)))
		port_remove(&sp->port);
}

/* --- operations --- */

static void sub_tx(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n)
{
	struct port *parent = sub_of(port)->parent;
	struct iface_counters *c = &turn_lane(turn, &port->iface)->counters;
	const struct iface_counters *out = &turn_lane(turn, &parent->iface)->counters;
	uint64_t packets = out->tx_packets, bytes = out->tx_bytes;

	if (unlikely(!iface_is_up(&parent->iface))) {
		turn_tx_drop(turn, &port->iface, pkts, n, DROP_TX_DOWN);
		return;
	}
	parent->ops->tx(parent, turn, pkts, n);
	if (unlikely(turn->watch != NULL))
		turn->watch->ops->output(turn->watch, &parent->iface, pkts, n);
	iface_count(&c->tx_packets, out->tx_packets - packets);
	iface_count(&c->tx_bytes, out->tx_bytes - bytes);
}

static void sub_nothing(struct port *port)
{
}

static bool sub_connected(const struct port *port)
{
	const struct port *parent = sub_of(port)->parent;

	return parent->ops->connected(parent);
}

static json_t *sub_save(struct port *port, struct parcel *parcel)
{
	const struct sub_port *sp = sub_of(port);
	const struct vlan_match *m = &sp->match;

	return json_pack("{s:i, s:I, s:i, s:b, s:b, s:[I, I]}", "parent", (int)sp->parent->iface.idx,
		"sub-id", (json_int_t)sp->sub_id, "n-tags", (int)m->n_tags, "inner-any", (int)m->inner_any,
		"exact", (int)m->exact, "tags", (json_int_t)m->tags[0], (json_int_t)m->tags[1]);
}

/* No worker sends its frames here any more when this returns. */
static void sub_close(struct port *port)
{
	struct sub_port *sp = sub_of(port);
	int err;

	sp->closing = true;
	err = update(sp->parent);
	ASSERT(err == 0); /* a smaller table than the one that is freed right after */
}

static void sub_destroy(struct port *port)
{
	free(sub_of(port));
}

static const struct port_ops sub_ops = {
	.tx = sub_tx,
	.tick = sub_nothing,
	.connected = sub_connected,
	.check_memory = sub_nothing,
	.save = sub_save,
	.resume = sub_nothing,
	.close = sub_close,
	.destroy = sub_destroy,
};

/* --- making one --- */

static struct sub_port *sub_alloc(struct port *parent, uint32_t sub_id, const struct vlan_match *match)
{
	struct sub_port *sp = calloc(1, sizeof(*sp));

	if (!sp)
		return NULL;
	sp->port.ops = &sub_ops;
	sp->port.iface.kind = "sub-interface";
	sp->parent = parent;
	sp->sub_id = sub_id;
	sp->match = *match;
	return sp;
}

/* sp is in the list. */
static int sub_start(struct sub_port *sp)
{
	int err = vlan_set_rewrite(&sp->port, &(struct vlan_rewrite){0});

	if (err == 0)
		err = update(sp->parent);
	if (err)
		port_remove(&sp->port);
	return err;
}

static bool tags_taken(const struct port *parent, const struct vlan_match *match)
{
	struct sub_port *sp = NULL;

	while ((sp = next_sub(parent, sp)))
		if (memcmp(&sp->match, match, sizeof(*match)) == 0)
			return true;
	return false;
}

int sub_port_create(struct port *parent, uint32_t sub_id, const struct vlan_match *match, struct port **out)
{
	struct sub_port *sp;
	int err;

	if (sub_of(parent) || iface_is_lossless(&parent->iface))
		return -EINVAL;
	if (tags_taken(parent, match))
		return -EEXIST;
	sp = sub_alloc(parent, sub_id, match);
	if (!sp)
		return -ENOMEM;
	if (snprintf(sp->port.iface.name, IFACE_NAME_LEN, "%s.%u", parent->iface.name, sub_id) >=
		IFACE_NAME_LEN) {
		free(sp);
		return -EINVAL;
	}
	memcpy(sp->port.iface.mac, parent->iface.mac, sizeof(sp->port.iface.mac));
	err = port_add(parent->ports, &sp->port);
	if (err) {
		free(sp);
		return err;
	}
	*out = &sp->port;
	return sub_start(sp);
}

/* --- in a successor process --- */

static uint32_t tag_at(const json_t *tags, size_t i)
{
	return (uint32_t)json_integer_value(json_array_get(tags, i));
}

int sub_port_restore(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out)
{
	struct port *parent = ports_get(ports, (uint32_t)parcel_u64(state, "parent", IFACE_MAX));
	const json_t *tags = json_object_get(state, "tags");
	struct vlan_match match = {
		.n_tags = parcel_u64(state, "n-tags", 1) == 2 ? 2 : 1,
		.inner_any = parcel_bool(state, "inner-any", false),
		.exact = parcel_bool(state, "exact", false),
		.tags = {tag_at(tags, 0), tag_at(tags, 1)},
	};
	struct sub_port *sp;
	int err;

	if (!parent || sub_of(parent))
		return -EINVAL;
	sp = sub_alloc(parent, (uint32_t)parcel_u64(state, "sub-id", 0), &match);
	if (!sp)
		return -ENOMEM;
	err = port_add_restored(ports, &sp->port, state);
	if (err) {
		free(sp);
		return err;
	}
	*out = &sp->port;
	return sub_start(sp);
}

json_t *vlan_save(const struct port *port)
{
	struct vlan_rewrite in = vlan_rewrite_of(port);

	if (!in.pop && !in.push)
		return NULL;
	return json_pack("{s:i, s:i, s:[I, I]}", "pop", (int)in.pop, "push", (int)in.push, "tags",
		(json_int_t)in.tags[0], (json_int_t)in.tags[1]);
}

int vlan_restore(struct port *port, const json_t *state)
{
	const json_t *tags = json_object_get(state, "tags");
	const struct vlan_rewrite in = {
		.pop = (uint8_t)min_u64(parcel_u64(state, "pop", 0), VLAN_TAGS_MAX),
		.push = (uint8_t)min_u64(parcel_u64(state, "push", 0), VLAN_TAGS_MAX),
		.tags = {tag_at(tags, 0), tag_at(tags, 1)},
	};

	return state ? vlan_set_rewrite(port, &in) : 0;
}
