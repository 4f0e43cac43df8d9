/* SPDX-License-Identifier: Apache-2.0 */
/* The words about vhost-user ports, in VPP's grammar and layout. */
#include "ctl/command.h"
#include "port/show.h"
#include "port/vhost_port.h"
#include "port/vnet_ctrl_show.h"
#include "virtio/feature_names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SOCKET_MODE 0660

/* --- create, delete --- */

static int fail_create(struct ctl_call *call, int err, const char *path)
{
	char why[256];

	if (err == -ENOSPC)
		return ctl_fail(call, "there are %d interfaces already: delete one first", IFACE_MAX);
	return ctl_fail(call, "%s", unix_explain(err, path, why, sizeof(why)));
}

static int run_create(struct ctl_call *call)
{
	struct ports *ports = call->subject;
	const char *path = ctl_str(call, "socket", "");
	const char *mode = ctl_str(call, "mode", NULL);
	uint8_t mac[6];
	struct vhost_port_config config = {
		.path = path,
		.server = ctl_has(call, "server"),
		.mode = mode ? (mode_t)strtoul(mode, NULL, 8) & 0777 : DEFAULT_SOCKET_MODE,
		.feature_mask = ctl_u64(call, "feature-mask", UINT64_MAX),
		.in_band = ctl_has(call, "in-band"),
		.mac = ctl_mac(call, "hwaddr", mac) ? mac : NULL,
		.instance = ctl_has(call, "renumber") ? (int32_t)ctl_u64(call, "renumber", 0) : -1,
	};
	struct vhost_port *vp;
	int err;

	if (strlen(path) > UNIX_PATH_MAX)
		return fail_create(call, -ENAMETOOLONG, path);
	err = vhost_port_create(ports, &config, &vp);
	if (err == -EEXIST && config.instance >= 0)
		return ctl_fail(call, "VirtualEthernet0/0/%d exists: choose another number after renumber",
			config.instance);
	if (err)
		return fail_create(call, err, path);
	call->result = json_string(vp->port.iface.name);
	return 0;
}

static int run_delete(struct ctl_call *call)
{
	uint32_t idx =
		(uint32_t)ctl_u64(call, ctl_has(call, "interface") ? "interface" : "sw_if_index", UINT32_MAX);
	struct vhost_port *vp = vhost_port_of(ports_get(call->subject, idx));

	if (!vp)
		return ctl_fail(call, "this is no vhost-user interface: see show vhost-user");
	port_remove(&vp->port);
	return 0;
}

/* --- show vhost-user: facts as JSON --- */

static json_t *regions_json(const struct gmem *mem)
{
	const char *state = mem && gmem_lost(mem) ? "lost" : "mapped";
	json_t *regions = json_array();

	for (uint32_t i = 0; mem && i < mem->n; i++) {
		const struct gmem_region *r = mem->regions[i];

		json_array_append_new(regions,
			json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "state", state, "guest_phys_addr",
				(json_int_t)r->gpa, "memory_size", (json_int_t)r->size, "userspace_addr",
				(json_int_t)r->uaddr, "mmap_offset", (json_int_t)r->offset, "mmap_addr",
				(json_int_t)(uintptr_t)r->hva));
	}
	return regions;
}

static void add_live_ring(json_t *row, const struct virtq *vq)
{
	struct virtq_view v;

	if (!virtq_look(vq, &v))
		return;
	json_object_update_new(row, json_pack("{s:b, s:i, s:i}", "packed", (int)v.packed, "last_avail_idx",
					    (int)v.last_avail_idx, "last_used_idx", (int)v.last_used_idx));
	if (v.packed)
		json_object_update_new(
			row, json_pack("{s:i, s:i, s:i, s:i, s:i, s:i}", "avail_wrap_counter",
				     (int)v.avail_wrap, "used_wrap_counter", (int)v.used_wrap,
				     "avail_event_flags", (int)v.avail_flags, "avail_event_off_wrap",
				     (int)v.avail_idx, "used_event_flags", (int)v.used_flags,
				     "used_event_off_wrap", (int)v.used_idx));
	else
		json_object_update_new(
			row, json_pack("{s:i, s:i, s:i, s:i}", "avail_flags", (int)v.avail_flags, "avail_idx",
				     (int)v.avail_idx, "used_flags", (int)v.used_flags, "used_idx",
				     (int)v.used_idx));
}

static json_t *ring_json(const struct vhost_port *vp, const struct vhost_ring_status *s)
{
	const char *direction = s->ring->idx == vp->ctrl_idx ? "CTRL" : s->ring->idx % 2 ? "RX" : "TX";
	const struct virtq *vq = &s->ring->vq;
	json_t *row = json_pack("{s:i, s:s, s:b, s:b, s:i, s:i, s:i, s:i, s:I, s:I}", "virtqueue",
		(int)s->ring->idx, "direction", direction, "started", (int)s->started, "enabled",
		(int)s->ring->enabled, "qsz", (int)s->size, "kickfd", s->ring->kick_fd, "callfd", s->call_fd,
		"errfd", s->err_fd, "calls", (json_int_t)__atomic_load_n(&vq->calls, __ATOMIC_RELAXED),
		"calls_suppressed", (json_int_t)__atomic_load_n(&vq->calls_saved, __ATOMIC_RELAXED));
	enum virtq_error error = __atomic_load_n(&vq->error, __ATOMIC_RELAXED);

	if (error != VIRTQ_OK)
		json_object_set_new(row, "broken", json_string(virtq_error_text(error)));
	add_live_ring(row, vq);
	return row;
}

static json_t *rings_json(const struct vhost_port *vp)
{
	json_t *rings = json_array();

	for (uint32_t i = 0; i < VHOST_PORT_RINGS; i++) {
		struct vhost_ring_status s;

		vhost_backend_ring_status(vp->backend, i, &s);
		if (s.started)
			json_array_append_new(rings, ring_json(vp, &s));
	}
	return rings;
}

/* Which rings the workers send to, any worker to each; before a guest is there, the one they will begin with. */
static json_t *tx_placement_json(const struct vhost_port *vp)
{
	uint32_t pairs = vhost_port_tx_pairs(vp);
	json_t *rows = json_array();

	for (uint32_t w = 0; w < vp->port.ports->config.n_workers; w++)
		for (uint32_t left = pairs ? pairs : 1; left != 0; left &= left - 1)
			json_array_append_new(rows,
				json_pack("{s:i, s:i}", "thread", (int)w, "vring", 2 * __builtin_ctz(left)));
	return rows;
}

static json_t *ctrl_json(struct vhost_port *vp)
{
	struct vnet_ctrl ctrl;

	vhost_ctrl_state(vp, &ctrl);
	return vnet_ctrl_json(&ctrl);
}

static json_t *vhost_json(struct vhost_port *vp)
{
	struct vhost_backend_status s;
	json_t *o;

	vhost_backend_status(vp->backend, &s);
	o = json_pack("{s:s, s:i, s:i, s:o, s:o, s:o, s:o}", "interface", vp->port.iface.name, "ifindex",
		(int)vp->port.iface.idx, "virtio_net_hdr_sz", (int)vp->hdr_len, "features_offered",
		json_sprintf("0x%" PRIx64, s.features_offered), "features",
		json_sprintf("0x%" PRIx64, s.connected ? s.features : s.features_offered), "feature_names",
		show_bits(s.connected ? s.features : s.features_offered, virtio_net_feature_name),
		"protocol_features",
		json_sprintf("0x%" PRIx64, s.connected ? s.protocol_features : s.protocol_features_offered));
	json_object_update_new(
		o, json_pack("{s:o, s:s, s:s, s:b, s:s, s:s, s:b, s:I, s:I, s:I}", "protocol_feature_names",
			   show_bits(s.connected ? s.protocol_features : s.protocol_features_offered,
				   vhost_protocol_feature_name),
			   "socket", s.path, "type", s.server ? "server" : "client", "connected",
			   (int)s.connected, "errno", s.error ? strerror(-s.error) : "Success", "why", s.why,
			   "migrating", (int)s.logging, "connections", (json_int_t)s.connections,
			   "protocol_errors", (json_int_t)s.protocol_errors, "messages",
			   (json_int_t)s.messages));
	json_object_update_new(
		o, json_pack("{s:s, s:o, s:o, s:o, s:o}", "tx_lock",
			   vp->port.ports->config.n_workers > 1 ? "spin-lock" : "lock-free", "rx_placement",
			   show_rx_placement(&vp->port, 1), "tx_placement", tx_placement_json(vp),
			   "memory_regions", regions_json(s.mem), "virtqueues", rings_json(vp)));
	if (s.connected && vp->ctrl_ring)
		json_object_set_new(o, "control_queue", ctrl_json(vp));
	return o;
}

static json_t *facts(struct port *port)
{
	struct vhost_port *vp = vhost_port_of(port);

	return vp ? vhost_json(vp) : NULL;
}

static int run_show(struct ctl_call *call)
{
	return show_ports(call, facts, "this is no vhost-user interface: see show vhost-user");
}

/* --- show vhost-user: text --- */

static void print_regions(const json_t *regions, FILE *out)
{
	const json_t *r;
	size_t i;

	fprintf(out, "\n Memory regions (total %zu)\n", json_array_size(regions));
	if (json_array_size(regions) > 0)
		fputs(" region state  guest_phys_addr    memory_size        userspace_addr     mmap_offset   "
		      "     "
		      "mmap_addr\n"
		      " ====== ====== ================== ================== ================== "
		      "================== "
		      "==================\n",
			out);
	json_array_foreach ((json_t *)(uintptr_t)regions, i, r)
		fprintf(out, "  %-5zu %-6s 0x%016llx 0x%016llx 0x%016llx 0x%016llx 0x%016llx\n", i,
			show_str(r, "state"), show_num(r, "guest_phys_addr"), show_num(r, "memory_size"),
			show_num(r, "userspace_addr"), show_num(r, "mmap_offset"), show_num(r, "mmap_addr"));
}

static void print_ring(const json_t *q, FILE *out)
{
	fprintf(out, "\n Virtqueue %d (%s)%s\n", (int)show_num(q, "virtqueue"), show_str(q, "direction"),
		json_is_true(json_object_get(q, "enabled")) ? "" : " disabled");
	if (show_str(q, "broken"))
		fprintf(out, "  BROKEN: %s\n", show_str(q, "broken"));
	fprintf(out, "  qsz %d last_avail_idx %d last_used_idx %d\n", (int)show_num(q, "qsz"),
		(int)show_num(q, "last_avail_idx"), (int)show_num(q, "last_used_idx"));
	if (json_is_true(json_object_get(q, "packed")))
		fprintf(out,
			"  avail wrap counter %d used wrap counter %d\n"
			"  avail_event.flags %x avail_event.off_wrap %d used_event.flags %x "
			"used_event.off_wrap %d\n",
			(int)show_num(q, "avail_wrap_counter"), (int)show_num(q, "used_wrap_counter"),
			(int)show_num(q, "avail_event_flags"), (int)show_num(q, "avail_event_off_wrap"),
			(int)show_num(q, "used_event_flags"), (int)show_num(q, "used_event_off_wrap"));
	else
		fprintf(out, "  avail.flags %x avail.idx %d used.flags %x used.idx %d\n",
			(int)show_num(q, "avail_flags"), (int)show_num(q, "avail_idx"),
			(int)show_num(q, "used_flags"), (int)show_num(q, "used_idx"));
	fprintf(out, "  kickfd %d callfd %d errfd %d\n", (int)show_num(q, "kickfd"),
		(int)show_num(q, "callfd"), (int)show_num(q, "errfd"));
	fprintf(out, "  calls %lld calls suppressed %lld\n", show_num(q, "calls"),
		show_num(q, "calls_suppressed"));
}

static void print_vhost(const json_t *o, FILE *out)
{
	const json_t *q;
	size_t i;

	fprintf(out, "Interface: %s (ifindex %d)\n", show_str(o, "interface"), (int)show_num(o, "ifindex"));
	fprintf(out, "virtio_net_hdr_sz %d\n", (int)show_num(o, "virtio_net_hdr_sz"));
	fprintf(out, " features mask (%s):\n features (%s):\n", show_str(o, "features_offered"),
		show_str(o, "features"));
	show_print_names(json_object_get(o, "feature_names"), out);
	fprintf(out, "  protocol features (%s)\n", show_str(o, "protocol_features"));
	show_print_names(json_object_get(o, "protocol_feature_names"), out);
	fprintf(out, "\n socket filename %s type %s errno \"%s\"\n\n", show_str(o, "socket"),
		show_str(o, "type"), show_str(o, "errno"));
	if (show_num(o, "protocol_errors") > 0 && *show_str(o, "why"))
		fprintf(out, " %s\n\n", show_str(o, "why"));
	show_print_placement(o, out);
	if (json_object_get(o, "control_queue"))
		vnet_ctrl_print(json_object_get(o, "control_queue"), out);
	print_regions(json_object_get(o, "memory_regions"), out);
	json_array_foreach (json_object_get(o, "virtqueues"), i, q)
		print_ring(q, out);
	fputc('\n', out);
}

static void print_show(const json_t *result, FILE *out)
{
	const json_t *o;
	size_t i;

	/* one call per burst of a turn and none is delayed; every queue is adaptive, none in a mode of its own */
	fprintf(out, "Virtio vhost-user interfaces\nGlobal:\n  coalesce frames %d time 0e0\n", TURN_PKTS);
	fputs("  number of rx virtqueues in interrupt mode: 0\n", out);
	json_array_foreach ((json_t *)(uintptr_t)result, i, o)
		print_vhost(o, out);
}

static const struct ctl_command commands[] = {
	{"create vhost-user socket <socket:path> [server] [mode <mode:word>] [feature-mask "
	 "<feature-mask:hex>] "
	 "[hwaddr <hwaddr:mac>] [renumber <renumber:u16>] [in-band]",
		"Make a port for a guest: connect to its socket, or listen there with server", run_create,
		NULL},
	{"delete vhost-user <interface:interface>", "Remove a vhost-user port", run_delete, NULL},
	{"delete vhost-user sw_if_index <sw_if_index:interface-number>",
		"Remove a vhost-user port by its number", run_delete, NULL},
	{0},
};

const struct ctl_table vhost_commands = {commands};

static const struct ctl_command show_commands[] = {
	{"show vhost-user [<interface:interface>]", "vhost-user ports: features, socket, memory, queues",
		run_show, print_show},
	{0},
};

const struct ctl_table vhost_show_commands = {show_commands};
