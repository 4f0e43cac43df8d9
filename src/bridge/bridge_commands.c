/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that change bridges, and the table of all of them. */
#include "bridge/bridge_show.h"

#include "bridge/xconnect.h"
#include "wire/ethernet.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define AGE_MINUTES_MAX 65535
#define SHG_MAX         255

static bool read_age(struct ctl_call *call, uint32_t *age_s)
{
	uint64_t minutes = ctl_u64(call, "mac-age", *age_s / 60);

	if (minutes > AGE_MINUTES_MAX) {
		ctl_fail(call, "mac-age is in minutes: give at most %d, or 0 to keep addresses for ever",
			AGE_MINUTES_MAX);
		return false;
	}
	*age_s = (uint32_t)minutes * 60;
	return true;
}

static bool read_learn_limit(struct ctl_call *call, uint32_t *learn_limit)
{
	uint64_t limit = ctl_u64(call, "learn-limit", *learn_limit);

	if (limit > MAC_TABLE_LIMIT_MAX) {
		ctl_fail(call, "a bridge domain can learn %u addresses: give a learn-limit of at most that",
			MAC_TABLE_LIMIT_MAX);
		return false;
	}
	*learn_limit = (uint32_t)limit;
	return true;
}

static int create(struct ctl_call *call, const struct bridge_config *config, struct bridge_domain **out)
{
	uint32_t id = (uint32_t)ctl_u64(call, "bd-id", 0);

	switch (bridge_domain_create(call->subject, id, config, out)) {
	case 0:
		return 0;
	case -EEXIST:
		return ctl_fail(
			call, "bridge domain %" PRIu32 " exists: change it with set bridge-domain", id);
	case -ERANGE:
		return ctl_fail(call, "%" PRIu32 " is too large for a bridge domain: give at most %d", id,
			BRIDGE_ID_MAX);
	case -ENOSPC:
		return ctl_fail(
			call, "there are %d bridge domains already: delete one first", BRIDGE_DOMAINS_MAX);
	default:
		return ctl_fail(call, "out of memory: give a smaller learn-limit");
	}
}

static int run_delete(struct ctl_call *call)
{
	struct bridge_domain *d = bridge_call_domain(call);

	if (!d)
		return -1;
	if (bridge_domain_delete(d) == 0)
		return 0;
	return ctl_fail(call,
		"bridge domain %" PRIu32 " has %" PRIu32
		" interfaces: take them out first, with set interface l3 %s",
		d->id, d->members->n, d->members->list[0]->iface->name);
}

static int run_create(struct ctl_call *call)
{
	static const struct {
		const char *name;
		enum bridge_setting setting;
	} settings[] = {{"learn", BRIDGE_LEARN}, {"forward", BRIDGE_FORWARD}, {"uu-flood", BRIDGE_UU_FLOOD},
		{"flood", BRIDGE_FLOOD}};
	struct bridge_config config = BRIDGE_DEFAULT_CONFIG;
	struct bridge_domain *d;

	if (ctl_has(call, "del"))
		return run_delete(call);
	if (ctl_u64(call, "arp-term", 0))
		return ctl_fail(call, "this bridge does not answer ARP itself: leave arp-term out");
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		if (!ctl_u64(call, settings[i].name, 1))
			config.settings &= ~(uint32_t)settings[i].setting;
	if (!read_age(call, &config.age_s) || !read_learn_limit(call, &config.learn_limit) ||
		create(call, &config, &d) != 0)
		return -1;
	call->result = json_sprintf("bridge-domain %" PRIu32, d->id);
	return 0;
}

/* VPP says `disable`; without a word the setting is turned on. */
static int change_setting(struct ctl_call *call, const char *name, enum bridge_setting setting)
{
	struct bridge_domain *d = bridge_call_domain(call);

	if (!d)
		return -1;
	bridge_domain_set(d, setting, !ctl_has(call, "disable") && ctl_u64(call, name, 1));
	return 0;
}

static int run_set_learn(struct ctl_call *call)
{
	return change_setting(call, "learn", BRIDGE_LEARN);
}

static int run_set_forward(struct ctl_call *call)
{
	return change_setting(call, "forward", BRIDGE_FORWARD);
}

static int run_set_uu_flood(struct ctl_call *call)
{
	return change_setting(call, "uu-flood", BRIDGE_UU_FLOOD);
}

static int run_set_flood(struct ctl_call *call)
{
	return change_setting(call, "flood", BRIDGE_FLOOD);
}

static int run_set_mac_age(struct ctl_call *call)
{
	struct bridge_domain *d = bridge_call_domain(call);
	uint32_t age_s = 0;

	if (!d || !read_age(call, &age_s))
		return -1;
	bridge_domain_set_age(d, age_s);
	return 0;
}

static int run_set_learn_limit(struct ctl_call *call)
{
	struct bridge_domain *d = bridge_call_domain(call);
	uint32_t learn_limit = 0;

	if (!d || !read_learn_limit(call, &learn_limit))
		return -1;
	if (bridge_domain_set_learn_limit(d, learn_limit) != 0)
		return ctl_fail(call, "out of memory: give a smaller learn-limit");
	return 0;
}

/* False after ctl_fail(): what has addresses is the router's. */
static bool addresses_allow(struct ctl_call *call, const struct iface *iface)
{
	if (!iface->l3)
		return true;
	ctl_fail(call, "%s has IP addresses: remove them first, with set interface ip address del %s all",
		iface->name, iface->name);
	return false;
}

static int attach_bvi(struct ctl_call *call, struct bridge_domain *d, struct iface *iface)
{
	if (strcmp(iface->kind, "loopback") != 0)
		return ctl_fail(call,
			"%s has a peer, so it cannot be a BVI: make one with create loopback interface",
			iface->name);
	switch (bridge_attach_bvi(d, iface)) {
	case 0:
		return 0;
	case -EEXIST:
		return ctl_fail(call, "bridge domain %" PRIu32 " has a BVI already, %s: take it out first",
			d->id, bridge_domain_bvi(d)->name);
	case -ENOSPC:
		return ctl_fail(call,
			"the table of bridge domain %" PRIu32 " is full: raise it with set "
			"bridge-domain learn-limit, or flush it",
			d->id);
	default:
		return ctl_fail(call, "out of memory");
	}
}

static int run_attach(struct ctl_call *call)
{
	struct iface *iface = bridge_call_iface(call, "interface");
	struct bridge_domain *d = bridge_domain_find(call->subject, (uint32_t)ctl_u64(call, "bd-id", 0));
	uint64_t shg = ctl_u64(call, "shg", 0);

	if (!iface)
		return -1;
	if (shg > SHG_MAX)
		return ctl_fail(call, "%" PRIu64 " is too large for a split horizon group: give at most %d",
			shg, SHG_MAX);
	if (iface->idx == 0)
		return ctl_fail(
			call, "%s cannot be bridged: name an interface that carries packets", iface->name);
	if (!ctl_has(call, "bvi") && !addresses_allow(call, iface))
		return -1;
	if (!d && create(call, &BRIDGE_DEFAULT_CONFIG, &d) != 0)
		return -1;
	if (ctl_has(call, "bvi"))
		return attach_bvi(call, d, iface);
	return bridge_attach(d, iface, (uint8_t)shg) == 0 ? 0 : ctl_fail(call, "out of memory");
}

static int run_xconnect(struct ctl_call *call)
{
	struct iface *from = bridge_call_iface(call, "interface");
	struct iface *to = from ? bridge_call_iface(call, "to") : NULL;

	if (!to)
		return -1;
	if (from == to)
		return ctl_fail(call,
			"%s cannot be cross-connected to itself: name another interface for its packets to "
			"leave by",
			from->name);
	if (!addresses_allow(call, from))
		return -1;
	switch (ctl_has(call, "lossless") ? xconnect_set_lossless(from, to) : xconnect_set(from, to)) {
	case 0:
		return 0;
	case -EOPNOTSUPP:
		return ctl_fail(call,
			"packets cannot wait for %s: both ends of a lossless wire must be vhost-user "
			"interfaces, leave out lossless for others",
			from->rewired ? to->name : from->name);
	default:
		return ctl_fail(call, "local0 cannot be cross-connected: name interfaces that carry packets");
	}
}

static int run_detach(struct ctl_call *call)
{
	struct iface *iface = bridge_call_iface(call, "interface");

	if (!iface)
		return -1;
	if (iface->l2_detach)
		iface->l2_detach(iface);
	return 0;
}

/* 0, -ENOSPC, or -1 after ctl_fail(). */
static int fib_add(struct ctl_call *call, struct bridge_domain *d, uint64_t mac)
{
	const struct iface *iface;

	if (ctl_has(call, "filter"))
		return mac_table_add_filter(d->macs, mac);
	iface = bridge_call_iface(call, "interface");
	if (!iface)
		return -1;
	if (!d->members->by_iface[iface->idx])
		return ctl_fail(call,
			"%s is not in bridge domain %" PRIu32
			": put it there with set interface l2 bridge %s %" PRIu32,
			iface->name, d->id, iface->name, d->id);
	if (ctl_has(call, "static"))
		return mac_table_add_static(d->macs, mac, iface->idx);
	/* A static entry would not be learned over. */
	mac_table_del(d->macs, mac);
	if (mac_table_learn(d->macs, mac, mac_table_hash(d->macs, mac), iface->idx, d->bridges->now_s) ==
		MAC_LEARNED_FULL)
		return -ENOSPC;
	return 0;
}

static int run_fib_add(struct ctl_call *call)
{
	struct bridge_domain *d = bridge_call_domain(call);
	uint8_t bytes[MAC_LEN] = {0};
	int err;

	ctl_mac(call, "mac", bytes);
	if (!d)
		return -1;
	if (mac_is_group(mac_load(bytes)))
		return ctl_fail(call,
			"%s is a group address, which is always flooded: give one station's address",
			ctl_str(call, "mac", ""));
	err = fib_add(call, d, mac_load(bytes));
	if (err == -ENOSPC)
		return ctl_fail(call,
			"the table of bridge domain %" PRIu32
			" is full: raise it with set bridge-domain learn-limit, or flush it",
			d->id);
	return err;
}

static int run_fib_del(struct ctl_call *call)
{
	struct bridge_domain *d = bridge_call_domain(call);
	uint8_t bytes[MAC_LEN] = {0};

	ctl_mac(call, "mac", bytes);
	if (!d)
		return -1;
	if (mac_table_del(d->macs, mac_load(bytes)) != 0)
		return ctl_fail(call, "bridge domain %" PRIu32 " does not know %s: see show l2fib all", d->id,
			ctl_str(call, "mac", ""));
	return 0;
}

static void flush_all(struct bridges *b, bool static_too)
{
	for (struct bridge_domain *d = bridge_domain_next(b, 0); d; d = bridge_domain_next(b, d->idx + 1))
		mac_table_flush(d->macs, MAC_ANY_IFACE, static_too);
}

static int run_flush_all(struct ctl_call *call)
{
	flush_all(call->subject, false);
	return 0;
}

static int run_flush_iface(struct ctl_call *call)
{
	const struct iface *iface = bridge_call_iface(call, "interface");
	const struct bridge_member *m;

	if (!iface)
		return -1;
	m = bridge_member_of(iface);
	if (!m)
		return ctl_fail(call, "%s is in no bridge domain: see show mode", iface->name);
	mac_table_flush(m->domain->macs, iface->idx, false);
	return 0;
}

static int run_flush_domain(struct ctl_call *call)
{
	struct bridge_domain *d = bridge_call_domain(call);

	if (!d)
		return -1;
	mac_table_flush(d->macs, MAC_ANY_IFACE, false);
	return 0;
}

static int run_clear_fib(struct ctl_call *call)
{
	flush_all(call->subject, true);
	return 0;
}

static const struct ctl_command commands[] = {
	{"create bridge-domain <bd-id:u32> [learn <learn:onoff>] [forward <forward:onoff>] [uu-flood "
	 "<uu-flood:onoff>] "
	 "[flood <flood:onoff>] [arp-term <arp-term:onoff>] [mac-age <mac-age:u32>] [learn-limit "
	 "<learn-limit:u32>] "
	 "[del]",
		"Make a switch; mac-age is in minutes", run_create, NULL},
	{"delete bridge-domain <bd-id:u32>", "Remove a switch that has no interfaces", run_delete, NULL},
	{"set bridge-domain learn <bd-id:u32> [disable|<learn:onoff>]", "Learn source addresses",
		run_set_learn, NULL},
	{"set bridge-domain forward <bd-id:u32> [disable|<forward:onoff>]",
		"Forward by address; when off, every unicast counts as unknown", run_set_forward, NULL},
	{"set bridge-domain uu-flood <bd-id:u32> [disable|<uu-flood:onoff>]", "Flood unknown unicast",
		run_set_uu_flood, NULL},
	{"set bridge-domain flood <bd-id:u32> [disable|<flood:onoff>]", "Flood broadcast and multicast",
		run_set_flood, NULL},
	{"set bridge-domain mac-age <bd-id:u32> <mac-age:u32>",
		"Forget addresses that were silent for so many minutes; 0: never", run_set_mac_age, NULL},
	{"set bridge-domain learn-limit <bd-id:u32> <learn-limit:u32>", "Learn at most so many addresses",
		run_set_learn_limit, NULL},
	{"set interface l2 bridge <interface:interface> <bd-id:u32> [bvi|<shg:u32>]",
		"Put an interface into a switch, which is made if it is missing", run_attach, NULL},
	{"set interface l2 xconnect <interface:interface> <to:interface> [lossless]",
		"Let every packet that comes in at one interface leave at another; once more for the way "
		"back. lossless: none is dropped for want of buffers, it waits with its sender",
		run_xconnect, NULL},
	{"set interface l3 <interface:interface>",
		"Take an interface out of its switch, or end its cross-connect", run_detach, NULL},
	{"show bridge-domain [<bd-id:u32>] [detail]", "Switches, with their interfaces if detail is wanted",
		bridge_show_domains, bridge_print_domains},
	{"show l2fib [all] [bd_id <bd-id:u32>]", "How many addresses are known, or which", bridge_show_fib,
		bridge_print_fib},
	{"show mode [<interface:interface>]",
		"Which interface is in which switch, or cross-connected to which", bridge_show_mode,
		bridge_print_mode},
	{"l2fib add <mac:mac> <bd-id:u32> {filter|<interface:interface> [static]}",
		"Say where an address is, or that its packets are unwanted", run_fib_add, NULL},
	{"l2fib del <mac:mac> <bd-id:u32>", "Forget an address", run_fib_del, NULL},
	{"l2fib flush-mac all", "Forget all learned addresses", run_flush_all, NULL},
	{"l2fib flush-mac interface <interface:interface>",
		"Forget the addresses learned behind an interface", run_flush_iface, NULL},
	{"l2fib flush-mac bridge-domain <bd-id:u32>", "Forget the addresses learned in a switch",
		run_flush_domain, NULL},
	{"clear l2fib", "Forget all addresses, static ones too", run_clear_fib, NULL},
	{0},
};

const struct ctl_table bridge_commands = {commands};
