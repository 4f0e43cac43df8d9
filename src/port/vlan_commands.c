/* SPDX-License-Identifier: Apache-2.0 */
/* The words about VLANs: sub-interfaces and the rewriting of tags, in VPP's grammar. */
#include "ctl/command.h"
#include "port/show.h"
#include "port/vlan.h"
#include "wire/ethernet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- values: each 0, or -1 after saying what else to choose --- */

static int take_tag(struct ctl_call *call, uint32_t type, uint64_t vid, uint32_t *tag)
{
	if (vid < 1 || vid > VLAN_ID_MAX)
		return ctl_fail(call, "VLAN %" PRIu64 ": choose 1 to %d", vid, VLAN_ID_MAX);
	*tag = type << 16 | (uint32_t)vid;
	return 0;
}

static int take_inner(struct ctl_call *call, struct vlan_match *m)
{
	const char *inner = ctl_str(call, "inner-dot1q", NULL);
	char *end;

	if (!inner)
		return 0;
	m->n_tags = 2;
	m->inner_any = strcmp(inner, "any") == 0;
	if (m->inner_any)
		return 0;
	if (take_tag(call, ETHERNET_TYPE_VLAN, strtoul(inner, &end, 10), &m->tags[1]) != 0)
		return -1;
	return *end ? ctl_fail(call, "inner-dot1q %s: give a number or any", inner) : 0;
}

/* Without a tag the sub-interface's number is its VLAN, and no other tags are. */
static int take_match(struct ctl_call *call, struct vlan_match *m)
{
	bool provider = ctl_has(call, "dot1ad"), tagged = provider || ctl_has(call, "dot1q");
	uint64_t vid = ctl_u64(call, !tagged ? "sub-id" : provider ? "dot1ad" : "dot1q", 0);

	*m = (struct vlan_match){.n_tags = 1, .exact = !tagged || ctl_has(call, "exact-match")};
	if (provider && ctl_has(call, "dot1q"))
		return ctl_fail(call, "the outer tag is dot1q or dot1ad: choose one");
	if (!tagged && ctl_has(call, "inner-dot1q"))
		return ctl_fail(call, "an inner tag lies behind an outer one: say dot1q or dot1ad first");
	if (take_tag(call, provider ? ETHERNET_TYPE_PROVIDER : ETHERNET_TYPE_VLAN, vid, &m->tags[0]) != 0)
		return -1;
	return take_inner(call, m);
}

static struct port *named_port(struct ctl_call *call)
{
	struct port *port = ports_get(call->subject, (uint32_t)ctl_u64(call, "interface", 0));

	if (!port)
		ctl_fail(call, "local0 belongs to the program itself: name another interface");
	return port;
}

/* --- create, delete --- */

static int run_create(struct ctl_call *call)
{
	struct port *parent = named_port(call), *port;
	struct vlan_match match;
	int err;

	if (!parent || take_match(call, &match) != 0)
		return -1;
	if (sub_port_parent(parent))
		return ctl_fail(call, "%s is a sub-interface itself: name its parent", parent->iface.name);
	err = sub_port_create(parent, (uint32_t)ctl_u64(call, "sub-id", 0), &match, &port);
	if (err == -EEXIST)
		return ctl_fail(call,
			"%s has a sub-interface of that number or for these tags already: see show "
			"sub-interfaces",
			parent->iface.name);
	if (err == -EINVAL)
		return ctl_fail(call, "%s cannot have it: its name is too long, or it begins a lossless wire",
			parent->iface.name);
	if (err == -ENOSPC)
		return ctl_fail(call, "there are %d interfaces already: delete one first", IFACE_MAX);
	if (err)
		return ctl_fail(call, "%s", strerror(-err));
	call->result = json_string(port->iface.name);
	return 0;
}

static int run_delete(struct ctl_call *call)
{
	struct port *port = ports_get(call->subject, (uint32_t)ctl_u64(call, "interface", 0));

	if (!sub_port_parent(port))
		return ctl_fail(call, "this is no sub-interface: see show sub-interfaces");
	port_remove(port);
	return 0;
}

/* --- tag-rewrite --- */

static int take_pop(struct ctl_call *call, struct vlan_rewrite *in)
{
	uint64_t n = ctl_u64(call, "pop", 0);

	in->pop = (uint8_t)n;
	return n < 1 || n > VLAN_TAGS_MAX ? ctl_fail(call, "pop 1 tag or 2") : 0;
}

/* The type is the outer tag's; a second one is of the usual type. */
static int take_push(
	struct ctl_call *call, struct vlan_rewrite *in, const char *type, const char *keys[VLAN_TAGS_MAX])
{
	bool provider = strcmp(ctl_str(call, type, ""), "dot1ad") == 0;

	in->push = ctl_has(call, keys[1]) ? 2 : 1;
	if (take_tag(call, provider ? ETHERNET_TYPE_PROVIDER : ETHERNET_TYPE_VLAN, ctl_u64(call, keys[0], 0),
		    &in->tags[0]) != 0)
		return -1;
	if (in->push == 1)
		return 0;
	return take_tag(call, ETHERNET_TYPE_VLAN, ctl_u64(call, keys[1], 0), &in->tags[1]);
}

static int take_translate(struct ctl_call *call, struct vlan_rewrite *in, const char *how)
{
	in->pop = (uint8_t)(how[0] - '0');
	if (take_push(call, in, "type", (const char *[]){"to1", "to2"}) != 0)
		return -1;
	if (how[2] - '0' != in->push)
		return ctl_fail(call, "translate %s needs %s", how, how[2] == '2' ? "two tags" : "one tag");
	return 0;
}

static int take_rewrite(struct ctl_call *call, struct vlan_rewrite *in)
{
	if (ctl_has(call, "pop"))
		return take_pop(call, in);
	if (ctl_has(call, "push"))
		return take_push(call, in, "push", (const char *[]){"tag1", "tag2"});
	if (ctl_has(call, "translate"))
		return take_translate(call, in, ctl_str(call, "translate", "1-1"));
	return 0;
}

static int run_rewrite(struct ctl_call *call)
{
	struct vlan_rewrite in = {0};
	struct port *port = named_port(call);
	int err;

	if (!port || take_rewrite(call, &in) != 0)
		return -1;
	err = vlan_set_rewrite(port, &in);
	if (err == -EINVAL)
		return ctl_fail(call,
			"what is taken off on the way in must be put back on the way out: pop and translate "
			"no more "
			"tags than the sub-interface has by number, which %s has not",
			port->iface.name);
	return err ? ctl_fail(call, "%s", strerror(-err)) : 0;
}

/* --- show sub-interfaces --- */

static json_t *tag_json(uint32_t tag)
{
	return json_sprintf("%s %u", tag >> 16 == ETHERNET_TYPE_PROVIDER ? "dot1ad" : "dot1q", tag & 0xfff);
}

static json_t *rewrite_json(const struct vlan_rewrite *in)
{
	json_t *push = json_array();

	for (uint32_t i = 0; i < in->push; i++)
		json_array_append_new(push, tag_json(in->tags[i]));
	return json_pack("{s:i, s:o}", "pop", (int)in->pop, "push", push);
}

static json_t *row_json(const struct port *port)
{
	const struct vlan *v = port->iface.vlan;
	const struct port *parent = sub_port_parent(port);
	struct vlan_rewrite in = vlan_rewrite_of(port);
	json_t *o = json_pack("{s:s, s:i, s:o}", "interface", port->iface.name, "ifindex",
		(int)port->iface.idx, "tag_rewrite", rewrite_json(&in));

	if (!parent)
		return o;
	json_object_set_new(o, "parent", json_string(parent->iface.name));
	json_object_set_new(o, "outer", tag_json(v->match.tags[0]));
	if (v->match.n_tags == 2)
		json_object_set_new(
			o, "inner", v->match.inner_any ? json_string("any") : tag_json(v->match.tags[1]));
	json_object_set_new(o, "exact_match", json_boolean(v->match.exact));
	return o;
}

/* Also those that have only their tags rewritten. */
static int run_show(struct ctl_call *call)
{
	const struct ports *ports = call->subject;
	struct port *port;

	call->result = json_array();
	list_for_each (port, &ports->list, link) {
		struct vlan_rewrite in = vlan_rewrite_of(port);

		if (ctl_has(call, "interface") && port->iface.idx != ctl_u64(call, "interface", 0))
			continue;
		if (sub_port_parent(port) || in.pop || in.push)
			json_array_append_new(call->result, row_json(port));
	}
	return 0;
}

static void print_row(const json_t *o, FILE *out)
{
	const json_t *rewrite = json_object_get(o, "tag_rewrite"), *tag;
	size_t i;

	fprintf(out, "%-32s%5d  ", show_str(o, "interface"), (int)show_num(o, "ifindex"));
	if (show_str(o, "outer"))
		fprintf(out, "%s", show_str(o, "outer"));
	if (show_str(o, "inner"))
		fprintf(out, " inner %s", show_str(o, "inner"));
	if (json_is_true(json_object_get(o, "exact_match")))
		fputs(" exact-match", out);
	if (show_num(rewrite, "pop") > 0)
		fprintf(out, " pop %d", (int)show_num(rewrite, "pop"));
	json_array_foreach (json_object_get(rewrite, "push"), i, tag)
		fprintf(out, " push %s", json_string_value(tag));
	fputc('\n', out);
}

static void print_show(const json_t *result, FILE *out)
{
	const json_t *o;
	size_t i;

	fprintf(out, "%-32s%5s  %s\n", "Name", "Idx", "Tags");
	json_array_foreach ((json_t *)(uintptr_t)result, i, o)
		print_row(o, out);
}

static const struct ctl_command commands[] = {
	{"create sub-interfaces <interface:interface> <sub-id:u16> [dot1q <dot1q:u16>] [dot1ad <dot1ad:u16>] "
	 "[inner-dot1q <inner-dot1q:word>] [exact-match]",
		"Make an interface of the frames that come in with a VLAN tag, the number if no other is "
		"given",
		run_create, NULL},
	{"delete sub-interface <interface:interface>", "Remove a sub-interface", run_delete, NULL},
	{"show sub-interfaces [<interface:interface>]", "Sub-interfaces, and whose tags are rewritten",
		run_show, print_show},
	{"set interface l2 tag-rewrite <interface:interface> {disable|pop <pop:u16>|push "
	 "<push:{dot1q|dot1ad}> <tag1:u16> [<tag2:u16>]|translate <translate:{1-1|1-2|2-1|2-2}> "
	 "<type:{dot1q|dot1ad}> <to1:u16> [<to2:u16>]}",
		"Take VLAN tags off, put some on or in the place of others on the way in, and undo that on "
		"the way "
		"out, where only frames with such tags pass",
		run_rewrite, NULL},
	{0},
};

const struct ctl_table vlan_commands = {commands};
