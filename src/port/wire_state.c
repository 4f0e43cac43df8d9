/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lossless wires as a successor process needs them: how they are made worse, and how much of a frame that goes in segments
 * went already. Frames that netem holds end with the process that holds them: the successor counts them.
 */
#include "port/port.h"

#include "base/log.h"

#include <inttypes.h>
#include <string.h>

/* --- netem --- */

static const struct {
	const char *name;
	size_t offset, size; /* in struct netem_config */
} settings[] = {
#define SETTING(name, field)                                                                          \
	{                                                                                             \
		name, offsetof(struct netem_config, field), sizeof(((struct netem_config *)0)->field) \
	}
	SETTING("delay-ns", delay_ns),
	SETTING("jitter-ns", jitter_ns),
	SETTING("rate-bps", rate_bps),
	SETTING("loss", loss),
	SETTING("duplicate", duplicate),
	SETTING("reorder", reorder),
	SETTING("frames", frames),
	SETTING("seed", seed),
#undef SETTING
};

static uint64_t setting_get(const struct netem_config *c, size_t i)
{
	uint64_t value = 0;

	memcpy(&value, (const uint8_t *)c + settings[i].offset, settings[i].size); /* little-endian */
	return value;
}

static json_t *netem_save(const struct port *port)
{
	json_t *o = json_object();
	uint64_t held = 0;

	for (uint32_t q = 0; q < PORT_MAX_RX_QUEUES; q++)
		held += netem_held(port->netem[q]);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		json_object_set_new(o, settings[i].name,
			json_integer((json_int_t)setting_get(netem_config_of(port->netem[0]), i)));
	json_object_set_new(o, "held", json_integer((json_int_t)held));
	return o;
}

static void netem_restore(struct port *port, const json_t *o)
{
	struct netem_config c = {0};

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		uint64_t value = parcel_u64(o, settings[i].name, 0);

		memcpy((uint8_t *)&c + settings[i].offset, &value, settings[i].size);
	}
	iface_counters_drop(
		port->ports->config.ifaces, &port->iface, DROP_NETEM_ENDED, parcel_u64(o, "held", 0));
	if (!netem_config_is_good(&c) || port_set_netem(port, &c) != 0)
		log_error("%s: its wire cannot be made worse any longer: set netem again", port->iface.name);
}

/* --- frames that were sent in part --- */

static json_t *parts_save(const struct port *port)
{
	json_t *parts = json_array();

	for (uint32_t q = 0; q < PORT_MAX_RX_QUEUES; q++) {
		const struct wire_wait *wait = &port->rx_wait[q];

		if (wait->segments > 0)
			json_array_append_new(parts, json_pack("{s:i, s:I, s:o}", "queue", (int)q, "segments",
							     (json_int_t)wait->segments, "frame",
							     parcel_hex(&wait->frame, sizeof(wait->frame))));
	}
	return parts;
}

static void parts_restore(struct port *port, const json_t *parts)
{
	const json_t *o;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)parts, i, o) {
		uint64_t q = parcel_u64(o, "queue", PORT_MAX_RX_QUEUES), frame;

		if (q >= PORT_MAX_RX_QUEUES ||
			parcel_bytes(json_object_get(o, "frame"), &frame, sizeof(frame)) != sizeof(frame))
			continue;
		port->rx_wait[q] = (struct wire_wait){
			.segments = (uint32_t)parcel_u64(o, "segments", 0), .frame = frame};
	}
}

json_t *port_wire_save(const struct port *port)
{
	json_t *o = json_object();

	json_object_set_new(o, "parts", parts_save(port));
	if (port->netem[0])
		json_object_set_new(o, "netem", netem_save(port));
	return o;
}

void port_wire_restore(struct port *port, const json_t *state)
{
	const json_t *netem = json_object_get(state, "netem");

	parts_restore(port, json_object_get(state, "parts"));
	if (netem)
		netem_restore(port, netem);
}
