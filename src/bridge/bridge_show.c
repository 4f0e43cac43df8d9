/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/bridge_show.h"

#include "bridge/xconnect.h"
#include "wire/ethernet.h"

#include <inttypes.h>

/* Text in the middle of a column, as VPP does it; numbers are made into text first. */
struct cell {
	char text[IFACE_NAME_LEN];
};

struct column {
	const char *title;
	int width;
};

static const struct column domain_columns[] = {{"BD-ID", 8}, {"Index", 7}, {"BSN", 4}, {"Age(min)", 9},
	{"Learning", 9}, {"U-Forwrd", 9}, {"UU-Flood", 11}, {"Flooding", 9}, {"ARP-Term", 9}, {"arp-ufwd", 9},
	{"Learn-co", 9}, {"Learn-li", 9}, {"BVI-Intf", 11}};

static const struct column member_columns[] = {{"Interface", 30}, {"If-idx", 7}, {"ISN", 5}, {"SHG", 5},
	{"BVI", 5}, {"TxFlood", 9}, {"VLAN-Tag-Rewrite", 30}};

static const struct column fib_columns[] = {{"Mac-Address", 19}, {"BD-Idx", 7}, {"If-Idx", 7}, {"BSN-ISN", 8},
	{"Age(min)", 9}, {"static", 7}, {"filter", 7}, {"bvi", 5}, {"Interface-Name", 30}};

static void print_centred(FILE *out, const char *text, int width)
{
	int blanks = width - (int)strlen(text);
	int left = blanks > 0 ? (blanks + 1) / 2 : 0;

	fprintf(out, "%*s%s%*s", left, "", text, blanks > left ? blanks - left : 0, "");
}

static void print_titles(FILE *out, const struct column *columns, size_t n, const char *gap)
{
	for (size_t i = 0; i < n; i++) {
		fputs(i ? gap : "", out);
		print_centred(out, columns[i].title, columns[i].width);
	}
	fputc('\n', out);
}

static void print_cells(
	FILE *out, const struct column *columns, const struct cell *cells, size_t n, const char *gap)
{
	for (size_t i = 0; i < n; i++) {
		fputs(i ? gap : "", out);
		print_centred(out, cells[i].text, columns[i].width);
	}
	fputc('\n', out);
}

static struct cell text_cell(const char *text)
{
	struct cell cell;

	snprintf(cell.text, sizeof(cell.text), "%s", text ? text : "N/A");
	return cell;
}

static struct cell string_cell(const json_t *object, const char *key)
{
	return text_cell(json_string_value(json_object_get(object, key)));
}

/* The number under a key, or what is said instead when there is none. */
static struct cell number_cell(const json_t *object, const char *key, const char *otherwise)
{
	const json_t *value = json_object_get(object, key);
	struct cell cell;

	if (!value)
		return text_cell(otherwise);
	snprintf(cell.text, sizeof(cell.text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return cell;
}

static struct cell bool_cell(const json_t *object, const char *key, const char *yes, const char *no)
{
	return text_cell(json_is_true(json_object_get(object, key)) ? yes : no);
}

struct bridge_domain *bridge_call_domain(struct ctl_call *call)
{
	uint32_t id = (uint32_t)ctl_u64(call, "bd-id", 0);
	struct bridge_domain *d = bridge_domain_find(call->subject, id);

	if (!d)
		ctl_fail(call,
			"there is no bridge domain %" PRIu32 ": make it with create bridge-domain %" PRIu32,
			id, id);
	return d;
}

struct iface *bridge_call_iface(struct ctl_call *call, const char *key)
{
	const struct bridges *b = call->subject;
	struct iface *iface = iface_get(b->ifaces, (uint32_t)ctl_u64(call, key, IFACE_MAX));

	if (!iface)
		ctl_fail(call, "there is no such interface: see show interface");
	return iface;
}

const struct bridge_member *bridge_member_of(const struct iface *iface)
{
	/* Others may set l2 too. */
	return iface->l2_detach == bridge_detach ? iface->l2 : NULL;
}

static json_t *members_json(const struct bridge_domain *d)
{
	json_t *members = json_array();

	for (uint32_t i = 0; i < d->members->n; i++) {
		const struct bridge_member *m = d->members->list[i];

		json_array_append_new(
			members, json_pack("{s:s, s:i, s:i, s:b}", "interface", m->iface->name, "if-index",
					 (int)m->iface->idx, "shg", (int)m->shg, "bvi", (int)m->bvi));
	}
	return members;
}

static json_t *domain_json(const struct bridge_domain *d, bool detail)
{
	uint32_t settings = bridge_settings(d);
	json_t *json = json_pack("{s:i, s:i, s:i, s:b, s:b, s:b, s:b, s:i, s:i, s:I}", "bd-id", (int)d->id,
		"index", (int)d->idx + 1, "mac-age", (int)(d->age_s / 60), "learn", settings & BRIDGE_LEARN,
		"forward", settings & BRIDGE_FORWARD, "uu-flood", settings & BRIDGE_UU_FLOOD, "flood",
		settings & BRIDGE_FLOOD, "learned", (int)mac_table_count_learned(d->macs), "learn-limit",
		(int)d->macs->learn_limit, "moves", (json_int_t)mac_table_count_moves(d->macs));

	if (bridge_domain_bvi(d))
		json_object_set_new(json, "bvi", json_string(bridge_domain_bvi(d)->name));
	if (detail)
		json_object_set_new(json, "members", members_json(d));
	return json;
}

int bridge_show_domains(struct ctl_call *call)
{
	const struct bridges *b = call->subject;
	bool detail = ctl_has(call, "detail");
	json_t *result = json_array();

	call->result = result;
	if (ctl_has(call, "bd-id")) {
		const struct bridge_domain *d = bridge_call_domain(call);

		return d ? json_array_append_new(result, domain_json(d, detail)) : -1;
	}
	for (const struct bridge_domain *d = bridge_domain_next(b, 0); d;
		d = bridge_domain_next(b, d->idx + 1))
		json_array_append_new(result, domain_json(d, detail));
	return 0;
}

static void print_members(const json_t *members, FILE *out)
{
	size_t i;
	json_t *m;

	json_array_foreach (members, i, m) {
		const struct cell cells[] = {string_cell(m, "interface"), number_cell(m, "if-index", ""),
			text_cell("0"), number_cell(m, "shg", ""), bool_cell(m, "bvi", "*", "-"),
			text_cell("*"), text_cell("none")};

		if (i == 0) {
			fputc('\n', out);
			print_titles(out, member_columns, ARRAY_LEN(member_columns), "");
		}
		static_assert(ARRAY_LEN(cells) == ARRAY_LEN(member_columns), "a cell per column");
		print_cells(out, member_columns, cells, ARRAY_LEN(cells), "");
	}
}

static struct cell age_cell(const json_t *domain)
{
	return json_integer_value(json_object_get(domain, "mac-age")) ? number_cell(domain, "mac-age", "")
								      : text_cell("off");
}

void bridge_print_domains(const json_t *result, FILE *out)
{
	size_t i;
	json_t *d;

	if (json_array_size(result) == 0)
		fputs("no bridge-domains in use\n", out);
	json_array_foreach (result, i, d) {
		const struct cell cells[] = {number_cell(d, "bd-id", ""), number_cell(d, "index", ""),
			text_cell("0"), age_cell(d), bool_cell(d, "learn", "on", "off"),
			bool_cell(d, "forward", "on", "off"), bool_cell(d, "uu-flood", "flood", "drop"),
			bool_cell(d, "flood", "on", "off"), text_cell("off"), text_cell("off"),
			number_cell(d, "learned", ""), number_cell(d, "learn-limit", ""),
			string_cell(d, "bvi")};

		static_assert(ARRAY_LEN(cells) == ARRAY_LEN(domain_columns), "a cell per column");
		if (i == 0)
			print_titles(out, domain_columns, ARRAY_LEN(domain_columns), " ");
		print_cells(out, domain_columns, cells, ARRAY_LEN(cells), " ");
		print_members(json_object_get(d, "members"), out);
	}
}

/* Ages are as old as the last sweep, which is a second ago at most. */
static json_t *entry_json(const struct bridge_domain *d, const struct mac_entry *e)
{
	const struct iface *iface = e->is_filter ? NULL : iface_get(d->bridges->ifaces, e->iface_idx);
	uint32_t now_s = max_u32(d->bridges->now_s, e->seen_s);
	char text[MAC_TEXT_SIZE];
	json_t *json = json_pack("{s:s, s:i, s:i, s:b, s:b}", "mac", mac_format(text, e->mac), "bd-id",
		(int)d->id, "bd-index", (int)d->idx + 1, "static", e->is_static, "filter", e->is_filter);

	if (iface) {
		json_object_set_new(json, "interface", json_string(iface->name));
		json_object_set_new(json, "if-index", json_integer(iface->idx));
	}
	if (!e->is_static && d->age_s)
		json_object_set_new(json, "age", json_integer((now_s - e->seen_s) / 60));
	return json;
}

struct fib {
	json_t *entries; /* NULL: only count */
	uint32_t n, n_learned, learn_limit;
};

static void fib_add_domain(struct fib *fib, const struct bridge_domain *d)
{
	struct mac_entry e;

	for (uint32_t pos = 0; mac_table_next(d->macs, &pos, &e);) {
		fib->n++;
		fib->n_learned += !e.is_static;
		if (fib->entries)
			json_array_append_new(fib->entries, entry_json(d, &e));
	}
	fib->learn_limit += d->macs->learn_limit;
}

int bridge_show_fib(struct ctl_call *call)
{
	const struct bridges *b = call->subject;
	bool one = ctl_has(call, "bd-id");
	const struct bridge_domain *d = one ? bridge_call_domain(call) : bridge_domain_next(b, 0);
	struct fib fib = {0};

	if (one && !d)
		return -1;
	if (one || ctl_has(call, "all"))
		fib.entries = json_array();
	for (; d; d = one ? NULL : bridge_domain_next(b, d->idx + 1))
		fib_add_domain(&fib, d);
	call->result = json_pack("{s:I, s:I, s:I}", "total", (json_int_t)fib.n, "learned",
		(json_int_t)fib.n_learned, "learn-limit", (json_int_t)fib.learn_limit);
	if (fib.entries)
		json_object_set_new(call->result, "entries", fib.entries);
	return 0;
}

static void print_entry(const json_t *e, FILE *out)
{
	bool is_static = json_is_true(json_object_get(e, "static"));
	const struct cell cells[] = {string_cell(e, "mac"), number_cell(e, "bd-index", ""),
		number_cell(e, "if-index", "-1"), text_cell("0/0"),
		number_cell(e, "age", is_static ? "no" : "-"), bool_cell(e, "static", "*", "-"),
		bool_cell(e, "filter", "*", "-"), text_cell("-"), string_cell(e, "interface")};

	static_assert(ARRAY_LEN(cells) == ARRAY_LEN(fib_columns), "a cell per column");
	print_cells(out, fib_columns, cells, ARRAY_LEN(cells), "");
}

void bridge_print_fib(const json_t *result, FILE *out)
{
	const json_t *entries = json_object_get(result, "entries");
	json_int_t total = json_integer_value(json_object_get(result, "total"));
	size_t i;
	json_t *e;

	if (total == 0) {
		fputs("no l2fib entries\n", out);
		return;
	}
	if (entries)
		print_titles(out, fib_columns, ARRAY_LEN(fib_columns), "");
	json_array_foreach (entries, i, e)
		print_entry(e, out);
	fprintf(out, "L2FIB total/learned entries: %" JSON_INTEGER_FORMAT "/%s  Learn limit: %s\n", total,
		number_cell(result, "learned", "").text, number_cell(result, "learn-limit", "").text);
}

static json_t *mode_json(const struct iface *iface)
{
	const struct bridge_member *m = bridge_member_of(iface);
	const struct iface *to = xconnect_target(iface);

	if (xconnect_starts(iface))
		return json_pack("{s:s, s:s, s:s?, s:o*}", "interface", iface->name, "mode", "l2 xconnect",
			"to", to ? to->name : NULL, "lossless",
			iface_is_lossless(iface) ? json_true() : NULL);
	if (!m)
		return json_pack("{s:s, s:s}", "interface", iface->name, "mode", "l3");
	return json_pack("{s:s, s:s, s:i, s:i, s:b}", "interface", iface->name, "mode", "l2 bridge", "bd-id",
		(int)m->domain->id, "shg", (int)m->shg, "bvi", (int)m->bvi);
}

int bridge_show_mode(struct ctl_call *call)
{
	const struct bridges *b = call->subject;

	call->result = json_array();
	if (ctl_has(call, "interface")) {
		const struct iface *iface = bridge_call_iface(call, "interface");

		return iface ? json_array_append_new(call->result, mode_json(iface)) : -1;
	}
	for (const struct iface *i = iface_next(b->ifaces, 0); i; i = iface_next(b->ifaces, i->idx + 1))
		json_array_append_new(call->result, mode_json(i));
	return 0;
}

void bridge_print_mode(const json_t *result, FILE *out)
{
	size_t i;
	json_t *m;

	json_array_foreach (result, i, m) {
		fprintf(out, "%s %s", string_cell(m, "mode").text, string_cell(m, "interface").text);
		if (json_object_get(m, "bd-id"))
			fprintf(out, " bd_id %s%s shg %s", number_cell(m, "bd-id", "").text,
				json_is_true(json_object_get(m, "bvi")) ? " bvi" : "",
				number_cell(m, "shg", "").text);
		if (json_is_string(json_object_get(m, "to")))
			fprintf(out, " %s", string_cell(m, "to").text);
		if (json_is_true(json_object_get(m, "lossless")))
			fputs(" lossless", out);
		fputc('\n', out);
	}
}
