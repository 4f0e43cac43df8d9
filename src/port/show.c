/* SPDX-License-Identifier: Apache-2.0 */
#include "port/show.h"

/* --- facts --- */

int show_ports(struct ctl_call *call, json_t *(*facts)(struct port *port), const char *none)
{
	const struct ports *ports = call->subject;
	struct port *port;

	call->result = json_array();
	list_for_each (port, &ports->list, link) {
		json_t *o;

		if (ctl_has(call, "interface") && port->iface.idx != ctl_u64(call, "interface", 0))
			continue;
		o = facts(port);
		if (o)
			json_array_append_new(call->result, o);
	}
	if (ctl_has(call, "interface") && json_array_size(call->result) == 0)
		return ctl_fail(call, "%s", none);
	return 0;
}

json_t *show_bits(uint64_t bits, const char *(*name)(unsigned bit))
{
	json_t *names = json_array();

	for (unsigned bit = 0; bit < 64; bit++) {
		const char *text = name(bit);

		if (!(bits & 1ull << bit))
			continue;
		json_array_append_new(
			names, text ? json_sprintf("%s (%u)", text, bit) : json_sprintf("bit %u", bit));
	}
	return names;
}

json_t *show_rx_placement(const struct port *port, uint32_t first_ring)
{
	json_t *rows = json_array();

	for (uint32_t q = 0; q < PORT_MAX_RX_QUEUES; q++)
		if (port->rx_waker[q])
			json_array_append_new(rows, json_pack("{s:i, s:i}", "thread", (int)port->rx_worker[q],
							    "vring", (int)(2 * q + first_ring)));
	return rows;
}

/* --- text --- */

const char *show_str(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

json_int_t show_num(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

void show_print_names(const json_t *names, FILE *out)
{
	const json_t *name;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)names, i, name)
		fprintf(out, "   %s\n", json_string_value(name));
}

void show_print_queues(const json_t *o, FILE *out)
{
	const json_t *row;
	size_t i;

	json_array_foreach (json_object_get(o, "queues"), i, row) {
		fprintf(out, "  queue %d: fd %d", (int)show_num(row, "queue"), (int)show_num(row, "fd"));
		if (json_object_get(row, "thread"))
			fprintf(out, ", thread %d", (int)show_num(row, "thread"));
		fputc('\n', out);
	}
}

static void print_rows(const json_t *rows, FILE *out)
{
	const json_t *row;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)rows, i, row)
		fprintf(out, "   thread %d on vring %d\n", (int)show_num(row, "thread"),
			(int)show_num(row, "vring"));
}

void show_print_placement(const json_t *o, FILE *out)
{
	fputs(" rx placement:\n", out);
	print_rows(json_object_get(o, "rx_placement"), out);
	fprintf(out, " tx placement: %s\n", show_str(o, "tx_lock"));
	print_rows(json_object_get(o, "tx_placement"), out);
}
