/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/state.h"

#include "base/log.h"
#include "bridge/xconnect.h"
#include "os/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

static uint64_t packets_lost(const struct rooms *rooms)
{
	uint64_t n = 0;

	for (int reason = DROP_NONE + 1; reason < DROP_COUNT; reason++)
		if (drop_is_loss((enum drop)reason))
			n += iface_drops_sum(rooms->ifaces, (enum drop)reason);
	return n;
}

int state_version(const struct rooms *rooms)
{
	if (ip_any(rooms->ip))
		return STATE_VERSION;
	return xconnects_any(rooms->ifaces) ? 2 : 1;
}

/* Domains and cross-connects first: they only speak of interfaces, and all the while packets flow. */
int state_save(const struct rooms *rooms, struct ctl_server *server, struct parcel *parcel)
{
	json_t *domains = bridges_save(rooms->bridges), *xconnects = xconnects_save(rooms->ifaces);
	json_t *config = config_save(rooms->config);
	json_t *router = ip_save(rooms->ip);
	uint64_t stopped_ns = clock_now_ns();

	workers_pause(rooms->workers);
	watch_sync(rooms->watch);
	parcel->json = json_pack("{s:i, s:s, s:i, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "version",
		state_version(rooms), "program", GINNEL_VERSION, "pid", (int)getpid(), "stopped-ns",
		(json_int_t)stopped_ns, "lost", (json_int_t)packets_lost(rooms), "ports",
		ports_save(rooms->ports, parcel), "domains", domains, "cross-connects", xconnects, "router",
		router, "config", config, "control", ctl_server_save(server, parcel));
	if (parcel->json &&
		json_object_set_new(parcel->json, "gateway", gateway_save(&rooms->gateway)) == 0 &&
		json_object_set_new(parcel->json, "vxlans", vxlans_save(rooms->vxlans)) == 0)
		return 0;
	state_resume(rooms);
	return -ENOMEM;
}

void state_resume(const struct rooms *rooms)
{
	ports_resume(rooms->ports);
	workers_resume(rooms->workers);
}

int state_restore(const struct rooms *rooms, struct parcel *parcel, struct state_report *report)
{
	const json_t *o = parcel->json;
	uint64_t version = parcel_u64(o, "version", UINT64_MAX);
	int err;

	if (version > STATE_VERSION) {
		log_error("ginneld: state of version %" PRIu64 " is newer than %d, which this program reads",
			version, STATE_VERSION);
		return -EPROTONOSUPPORT;
	}
	workers_pause(rooms->workers);
	err = ports_restore(rooms->ports, json_object_get(o, "ports"), parcel, &report->restored);
	if (err == 0)
		err = vxlans_restore(rooms->vxlans, json_object_get(o, "vxlans"));
	if (err == 0)
		err = bridges_restore(rooms->bridges, json_object_get(o, "domains"));
	if (err == 0)
		err = xconnects_restore(rooms->ifaces, json_object_get(o, "cross-connects"));
	if (err == 0)
		err = ip_restore(rooms->ip, json_object_get(o, "router"));
	/* it speaks of interfaces and their addresses */
	if (err == 0)
		err = gateway_restore(&rooms->gateway, json_object_get(o, "gateway"));
	config_restore(rooms->config, json_object_get(o, "config"));
	report->from_pid = (int)parcel_u64(o, "pid", 0);
	return err;
}

void state_go(const struct rooms *rooms, const struct parcel *parcel, struct state_report *report)
{
	report->lost = packets_lost(rooms) - parcel_u64(parcel->json, "lost", 0);
	workers_resume(rooms->workers);
	report->still_ns = clock_now_ns() - parcel_u64(parcel->json, "stopped-ns", 0);
}
