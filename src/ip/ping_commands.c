/* SPDX-License-Identifier: Apache-2.0 */
/* ping, in VPP's words and with its answers. */
#include "ip/ip_private.h"

#include <inttypes.h>
#include <stdlib.h>

#define SIZE_DEFAULT     60
#define REPEAT_DEFAULT   5
#define INTERVAL_LEAST_S 0.1
#define INTERVAL_MOST_S  3600

static bool read_interval(struct ctl_call *call, struct ping_plan *plan)
{
	const char *text = ctl_str(call, "interval", "1");
	char *end;
	double s = strtod(text, &end);

	if (*end || end == text || !(s >= INTERVAL_LEAST_S && s <= INTERVAL_MOST_S)) {
		ctl_fail(call, "an interval is seconds from %g to %d, not '%s'", INTERVAL_LEAST_S,
			INTERVAL_MOST_S, text);
		return false;
	}
	plan->interval_ns = (uint64_t)(s * (double)NS_PER_S);
	return true;
}

/* The interface whose table of routes counts: the one that was named, or any of the table. NULL after ctl_fail(). */
static struct iface *whose_routes(struct ctl_call *call, const struct ip *ip)
{
	const char *name = ctl_has(call, "interface") ? "interface" : "source";
	uint32_t table = (uint32_t)ctl_u64(call, "table-id", 0);
	struct iface *iface;

	if (ctl_has(call, name)) {
		iface = iface_get(ip->ifaces, (uint32_t)ctl_u64(call, name, 0));
		if (iface && iface->l3)
			return iface;
		ctl_fail(call, "%s has no address: give it one with set interface ip address",
			iface ? iface->name : "it");
		return NULL;
	}
	for (iface = iface_next(ip->ifaces, 0); iface; iface = iface_next(ip->ifaces, iface->idx + 1))
		if (iface->l3 && ((const struct ip_iface *)iface->l3)->table->id == table)
			return iface;
	ctl_fail(call,
		"no interface has an address in table %" PRIu32 ": give it one with set interface ip address",
		table);
	return NULL;
}

/* The address to ask from. */
static bool find_source(
	struct ctl_call *call, struct ip *ip, const struct iface *iface, struct ping_plan *plan)
{
	const struct iface *source =
		ctl_has(call, "source") ? iface_get(ip->ifaces, (uint32_t)ctl_u64(call, "source", 0)) : NULL;
	bool found = source ? ip_iface_source(source, &plan->dst, &plan->src)
			    : ip_way_source(ip, iface, &plan->dst, &plan->src);

	if (!found || plan->src.ip6 != plan->dst.ip6)
		ctl_fail(call, "%s has no address of IPv%d to ask from",
			source ? source->name : "the way there", plan->dst.ip6 ? 6 : 4);
	return found && plan->src.ip6 == plan->dst.ip6;
}

/* Whether there is a way, and the packet may go it. */
static bool way_ok(
	struct ctl_call *call, struct ip *ip, const struct iface *iface, const struct ping_plan *plan)
{
	const struct iface *out = ip_way_iface(ip, iface, &plan->dst);
	uint32_t len = ip_header_len(plan->dst.ip6) + ICMP_HEADER_LEN + PING_STAMP_LEN + plan->size;

	if (!out && ip_is_own(ip_iface_of(iface), &plan->dst))
		ctl_fail(call, "%s is an address of the router itself: see show int addr",
			ctl_str(call, "address", ""));
	else if (!out)
		ctl_fail(call,
			"there is no way to %s: see show %s fib; link-local addresses need interface NAME",
			ctl_str(call, "address", ""), plan->dst.ip6 ? "ip6" : "ip");
	else if (plan->dont_fragment && len > iface_mtu(out))
		ctl_fail(call,
			"%" PRIu32 " bytes do not fit the MTU of %s, %" PRIu32
			": give a smaller size, or leave out df-bit",
			len, out->name, iface_mtu(out));
	else
		return true;
	return false;
}

static bool read_numbers(struct ctl_call *call, struct ping_plan *plan)
{
	uint64_t size = ctl_u64(call, "size", SIZE_DEFAULT), repeat = ctl_u64(call, "repeat", REPEAT_DEFAULT);

	if (size > PING_SIZE_MAX)
		ctl_fail(call, "a size is a number of bytes up to %u", PING_SIZE_MAX);
	else if (repeat == 0)
		ctl_fail(call, "repeat is how many requests are sent: at least 1");
	else if (read_interval(call, plan)) {
		plan->size = (uint32_t)size;
		plan->repeat = (uint32_t)repeat;
		return true;
	}
	return false;
}

static bool read_plan(struct ctl_call *call, struct ping_plan *plan)
{
	struct ip *ip = call->subject;
	const char *address = ctl_str(call, "address", "");
	struct iface *iface;

	*plan = (struct ping_plan){.dont_fragment = ctl_has(call, "df-bit")};
	ip_addr_parse(address, &plan->dst);
	if (ctl_has(call, plan->dst.ip6 ? "ipv4" : "ipv6")) {
		ctl_fail(call, "%s is an address of IPv%d", address, plan->dst.ip6 ? 6 : 4);
		return false;
	}
	if (!read_numbers(call, plan))
		return false;
	iface = whose_routes(call, ip);
	if (!iface)
		return false;
	plan->iface = iface->idx;
	return way_ok(call, ip, iface, plan) && find_source(call, ip, iface, plan);
}

static int run_ping(struct ctl_call *call)
{
	struct ip *ip = call->subject;
	struct ping_plan plan;
	struct ctl_later *later;
	struct ping *ping;

	if (!read_plan(call, &plan))
		return -1;
	ping = ping_find_free(ip->pings);
	if (!ping)
		return ctl_fail(call, "%d pings run already: end one first", PINGS_MAX);
	later = ctl_later(call, "replies", ping_stop, ping);
	if (!later)
		return -1;
	ping_start(ip, ping, &plan, later);
	return 0;
}

/* As VPP does: no zero before the point. */
static const char *time_text(char text[32], double ms)
{
	snprintf(text, 32, "%.4f", ms);
	return text[0] == '0' ? text + 1 : text;
}

/* As others' pings do: not a word when there were none. */
static const char *errors_text(char text[32], json_int_t n)
{
	snprintf(text, 32, n > 0 ? "%" JSON_INTEGER_FORMAT " errors, " : "", n);
	return text;
}

static void print_ping(const json_t *result, FILE *out)
{
	const json_t *from = json_object_get(result, "from"), *error = json_object_get(result, "error");
	json_int_t n_errors = json_integer_value(json_object_get(result, "errors"));
	char text[32];

	if (error)
		fprintf(out, "From %s: icmp_seq=%" JSON_INTEGER_FORMAT " %s\n", json_string_value(from),
			json_integer_value(json_object_get(result, "sequence")), json_string_value(error));
	else if (from)
		fprintf(out,
			"%" JSON_INTEGER_FORMAT " bytes from %s: icmp_seq=%" JSON_INTEGER_FORMAT
			" ttl=%" JSON_INTEGER_FORMAT " time=%s ms\n",
			json_integer_value(json_object_get(result, "bytes")), json_string_value(from),
			json_integer_value(json_object_get(result, "sequence")),
			json_integer_value(json_object_get(result, "ttl")),
			time_text(text, json_number_value(json_object_get(result, "time-ms"))));
	else
		fprintf(out,
			"Statistics: %" JSON_INTEGER_FORMAT " sent, %" JSON_INTEGER_FORMAT
			" received, %s%g%% packet loss\n",
			json_integer_value(json_object_get(result, "sent")),
			json_integer_value(json_object_get(result, "received")), errors_text(text, n_errors),
			json_number_value(json_object_get(result, "loss-percent")));
}

static const struct ctl_command commands[] = {
	{"ping [ipv4|ipv6] <address:ip> [source <source:interface>] [interface <interface:interface>] "
	 "[size <size:u32>] "
	 "[interval <interval:word>] [repeat <repeat:u32>] [table-id <table-id:u32>] [df-bit]",
		"Ask a station whether it is there; Ctrl-C ends it. size: bytes of data, interval: seconds "
		"between "
		"requests, df-bit: must not be cut",
		run_ping, print_ping},
	{0},
};

const struct ctl_table ping_commands = {commands};
