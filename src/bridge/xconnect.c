/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/xconnect.h"

#include "os/parcel.h"
#include "os/rcu.h"

#include <errno.h>

/*
 * What iface->l2 points to depends on the mode, and a worker reads the two one after the other, the mode in one stage
 * and the pointer in a later one. It never takes one kind for the other: whoever takes a mode away leaves NULL there
 * and waits for the workers (xconnect_end(), bridge_detach()) before another mode is set. So in one turn a worker sees
 * the pointer of one mode, or NULL, and drops the packet.
 *
 * From one end to another nobody needs to wait, and no packet is lost: both pointers are of one kind, and the old end
 * stays where it is until iface_remove() has waited itself.
 */
static void lay(struct iface *from, struct iface *to, bool lossless)
{
	struct iface *fed = iface_is_lossless(from) ? from->l2 : NULL;

	if (from->l2_detach && from->l2_detach != xconnect_end)
		from->l2_detach(from);
	from->l2_detach = xconnect_end;
	/* in an order in which nothing is lost meanwhile that either wire would have let wait */
	if (lossless) {
		iface_set_lossless(from, true);
		if (to)
			iface_feed(to, true);
	}
	rcu_publish(from->l2, to);
	iface_set_mode(from, IFACE_MODE_XCONNECT);
	iface_set_lossless(from, lossless);
	if (fed)
		iface_feed(fed, false);
	if (from->rewired)
		from->rewired(from);
}

int xconnect_set(struct iface *from, struct iface *to)
{
	if (from == to || from->idx == 0 || to->idx == 0)
		return -EINVAL;
	lay(from, to, false);
	return 0;
}

int xconnect_set_lossless(struct iface *from, struct iface *to)
{
	if (from == to || from->idx == 0 || (to && to->idx == 0))
		return -EINVAL;
	if (!from->rewired || (to && !to->rewired))
		return -EOPNOTSUPP;
	lay(from, to, true);
	return 0;
}

void xconnect_end(struct iface *from)
{
	struct iface *fed = iface_is_lossless(from) ? from->l2 : NULL;

	iface_set_mode(from, iface_mode_alone(from));
	from->l2_detach = NULL;
	rcu_publish(from->l2, NULL);
	rcu_wait();
	iface_set_lossless(from, false);
	if (fed)
		iface_feed(fed, false);
	if (from->rewired)
		from->rewired(from);
}

struct iface *xconnect_target(const struct iface *from)
{
	return iface_mode(from) == IFACE_MODE_XCONNECT ? from->l2 : NULL;
}

bool xconnect_starts(const struct iface *from)
{
	return iface_mode(from) == IFACE_MODE_XCONNECT;
}

bool xconnects_any(const struct iface_table *ifaces)
{
	for (const struct iface *i = iface_next(ifaces, 0); i; i = iface_next(ifaces, i->idx + 1))
		if (xconnect_starts(i))
			return true;
	return false;
}

static json_t *save(const struct iface *from)
{
	const struct iface *to = xconnect_target(from);

	return json_pack("{s:s, s:s?, s:b}", "from", from->name, "to", to ? to->name : NULL, "lossless",
		(int)iface_is_lossless(from));
}

json_t *xconnects_save(const struct iface_table *ifaces)
{
	json_t *all = json_array();

	for (const struct iface *i = iface_next(ifaces, 0); i; i = iface_next(ifaces, i->idx + 1))
		if (xconnect_starts(i))
			json_array_append_new(all, save(i));
	return all;
}

int xconnects_restore(const struct iface_table *ifaces, const json_t *state)
{
	const json_t *o;
	size_t i;
	int err = 0;

	json_array_foreach ((json_t *)(uintptr_t)state, i, o) {
		struct iface *from = iface_by_name(ifaces, parcel_str(o, "from", ""));
		struct iface *to = iface_by_name(ifaces, parcel_str(o, "to", ""));

		if (from && !err && parcel_bool(o, "lossless", false))
			err = xconnect_set_lossless(from, to);
		else if (from && to && !err)
			err = xconnect_set(from, to);
	}
	return err;
}

void xconnect_output(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t at = 0, n; at < vec->n; at += n) {
		struct iface *to = rcu_load(vec->pkts[at]->rx->l2);

		n = vec_run(vec, at);
		if (likely(to))
			turn_output_n(turn, &vec->pkts[at], n, to);
		else
			turn_drop_n(turn, &vec->pkts[at], n, DROP_NO_ROAD);
	}
}
