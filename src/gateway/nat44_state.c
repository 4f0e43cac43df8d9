/* SPDX-License-Identifier: Apache-2.0 */
/* Address translation as a successor process needs it: what was configured, and every session. */
#include "gateway/nat44.h"

#include "os/parcel.h"
#include "wire/bytes.h"

#include <errno.h>
#include <stdlib.h>

/*
 * One session in a row of them, which is one string of digits as an object each would take too long. Big-endian:
 * protocol, inside, outside, remote (address and port each), last seen, timer, state, packets, bytes.
 */
#define RECORD_LEN 41

static void put_endpoint(uint8_t *p, struct nat44_endpoint e)
{
	be32_set(p, e.ip);
	be16_set(p + 4, e.port);
}

static struct nat44_endpoint get_endpoint(const uint8_t *p)
{
	return (struct nat44_endpoint){.ip = be32_get(p), .port = be16_get(p + 4)};
}

static void put_u64(uint8_t *p, uint64_t value)
{
	be32_set(p, (uint32_t)(value >> 32));
	be32_set(p + 4, (uint32_t)value);
}

static uint64_t get_u64(const uint8_t *p)
{
	return (uint64_t)be32_get(p) << 32 | be32_get(p + 4);
}

static void record_write(uint8_t *p, const struct nat44_mapping *m, const struct nat44_session *s)
{
	p[0] = m->proto;
	put_endpoint(p + 1, m->in);
	put_endpoint(p + 7, m->out);
	put_endpoint(p + 13, s->remote);
	be32_set(p + 19, s->seen_s);
	p[23] = s->timer;
	p[24] = s->state;
	put_u64(p + 25, s->packets);
	put_u64(p + 33, s->bytes);
}

/* Those that a smaller table has no place for, or that are in contradiction to others, are left out. */
static void record_restore(struct nat44_table *t, const uint8_t *p)
{
	const struct nat44_mapping m = {.proto = p[0], .in = get_endpoint(p + 1), .out = get_endpoint(p + 7)};
	const struct nat44_session s = {
		.remote = get_endpoint(p + 13),
		.seen_s = be32_get(p + 19),
		.timer = p[23],
		.state = p[24],
		.packets = get_u64(p + 25),
		.bytes = get_u64(p + 33),
	};

	nat44_table_restore(t, &m, &s);
}

/* Each timer's list in order, so that the successor's are, too. */
static json_t *sessions_save(const struct nat44_table *t)
{
	uint8_t *records = malloc(t->n_sessions * (size_t)RECORD_LEN + 1);
	uint32_t n = 0;
	json_t *hex;

	if (!records)
		return json_null();
	for (uint32_t timer = 0; timer < NAT44_TIMERS; timer++)
		for (uint32_t at = t->lists[timer].oldest; at; at = t->sessions[at].newer)
			record_write(records + n++ * RECORD_LEN, &t->mappings[t->sessions[at].mapping],
				&t->sessions[at]);
	hex = parcel_hex(records, n * (size_t)RECORD_LEN);
	free(records);
	return hex;
}

static int sessions_restore(struct nat44_table *t, const json_t *hex)
{
	size_t max = json_string_length(hex) / 2;
	uint8_t *records = malloc(max + 1);
	int len = records ? 0 : -ENOMEM;

	if (records && max > 0)
		len = parcel_bytes(hex, records, max);
	for (int at = 0; at + RECORD_LEN <= len; at += RECORD_LEN)
		record_restore(t, records + at);
	free(records);
	return len < 0 ? len : 0;
}

static json_t *statics_save(const struct nat44_table *t)
{
	json_t *statics = json_array();
	const struct nat44_mapping *m;
	uint32_t pos = 0;

	while ((m = nat44_table_next_static(t, &pos)))
		json_array_append_new(statics, json_pack("[i, I, i, I, i]", m->proto, (json_int_t)m->in.ip,
						       m->in.port, (json_int_t)m->out.ip, m->out.port));
	return statics;
}

static int statics_restore(struct nat44_table *t, const json_t *statics)
{
	const json_t *o;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)statics, i, o) {
		json_int_t in_ip, out_ip;
		int proto, in_port, out_port;

		if (json_unpack((json_t *)(uintptr_t)o, "[i, I, i, I, i]", &proto, &in_ip, &in_port, &out_ip,
			    &out_port) != 0)
			return -EINVAL;
		nat44_table_add_static(t, (uint8_t)proto,
			(struct nat44_endpoint){(uint32_t)in_ip, (uint16_t)in_port},
			(struct nat44_endpoint){(uint32_t)out_ip, (uint16_t)out_port});
	}
	return 0;
}

static json_t *numbers_save(const uint32_t *numbers, uint32_t n)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(array, json_integer(numbers[i]));
	return array;
}

static json_t *sides_save(const struct nat44 *n)
{
	json_t *sides = json_object();

	for (const struct iface *i = iface_next(n->ifaces, 0); i; i = iface_next(n->ifaces, i->idx + 1))
		if (nat44_side_of(n, i) != NAT44_NO_SIDE)
			json_object_set_new(sides, i->name, json_integer(nat44_side_of(n, i)));
	return sides;
}

static void sides_restore(struct nat44 *n, const json_t *sides)
{
	const char *name;
	json_t *side;

	json_object_foreach ((json_t *)(uintptr_t)sides, name, side) {
		struct iface *iface = iface_by_name(n->ifaces, name);

		enum nat44_side which =
			json_integer_value(side) == NAT44_INSIDE ? NAT44_INSIDE : NAT44_OUTSIDE;

		if (iface && nat44_set_side(n, iface, which) != 0)
			nat44_note_side(n, iface, which);
	}
}

json_t *nat44_save(struct nat44 *n)
{
	json_t *state;

	lock_take(&n->lock);
	state = json_pack("{s:o, s:o, s:o, s:o, s:o}", "sides", sides_save(n), "addresses",
		numbers_save(n->table->addresses, n->table->n_addresses), "timeouts-s",
		numbers_save(n->table->timeouts_s, NAT44_TIMERS), "static", statics_save(n->table),
		"sessions", sessions_save(n->table));
	lock_release(&n->lock);
	return state;
}

int nat44_restore(struct nat44 *n, const json_t *state)
{
	const json_t *addresses = json_object_get(state, "addresses"), *o;
	size_t i;
	int err;

	json_array_foreach ((json_t *)(uintptr_t)addresses, i, o)
		nat44_table_add_address(n->table, (uint32_t)json_integer_value(o));
	json_array_foreach ((json_t *)(uintptr_t)json_object_get(state, "timeouts-s"), i, o)
		if (i < NAT44_TIMERS && json_integer_value(o) > 0)
			n->table->timeouts_s[i] = (uint32_t)json_integer_value(o);
	err = statics_restore(n->table, json_object_get(state, "static"));
	if (err == 0 && json_is_string(json_object_get(state, "sessions")))
		err = sessions_restore(n->table, json_object_get(state, "sessions"));
	sides_restore(n, json_object_get(state, "sides"));
	return err;
}
