/* SPDX-License-Identifier: Apache-2.0 */
/* The words about virtio-user ports, in VPP's grammar and layout. */
#include "ctl/command.h"
#include "os/unix.h"
#include "port/show.h"
#include "port/virtio_user_port.h"
#include "port/vnet.h"
#include "vhost/protocol_feature.h"
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

/* 0, or -1: they say what else to choose. */
static int check_numbers(struct ctl_call *call, uint64_t queues, uint64_t size)
{
	if (queues < 1 || queues > VIRTIO_USER_PAIRS)
		return ctl_fail(call, "%" PRIu64 " queues: choose 1 to %d", queues, VIRTIO_USER_PAIRS);
	if (size < 2 || size > VIRTIO_USER_QUEUE_SIZE_MAX)
		return ctl_fail(
			call, "queue-size %" PRIu64 ": choose 2 to %d", size, VIRTIO_USER_QUEUE_SIZE_MAX);
	if (!ctl_has(call, "packed") && (size & (size - 1)) != 0)
		return ctl_fail(call,
			"queue-size %" PRIu64 " is no power of two: choose one, such as %d, or add packed",
			size, VIRTIO_USER_QUEUE_SIZE);
	return 0;
}

static int run_create(struct ctl_call *call)
{
	struct ports *ports = call->subject;
	const char *path = ctl_str(call, "socket", "");
	const char *mode = ctl_str(call, "mode", NULL);
	uint64_t queues = ctl_u64(call, "queues", 1);
	uint64_t size = ctl_u64(call, "queue-size", VIRTIO_USER_QUEUE_SIZE);
	uint8_t mac[6];
	struct virtio_user_config config = {
		.path = path,
		.server = ctl_has(call, "server"),
		.mode = mode ? (mode_t)strtoul(mode, NULL, 8) & 0777 : DEFAULT_SOCKET_MODE,
		.packed = ctl_has(call, "packed"),
		.in_order = ctl_has(call, "in-order"),
		.feature_mask = ctl_u64(call, "feature-mask", UINT64_MAX),
	};
	const struct virtio_user_names names = {
		.mac = ctl_mac(call, "hwaddr", mac) ? mac : NULL,
		.instance = ctl_has(call, "renumber") ? (int32_t)ctl_u64(call, "renumber", 0) : -1,
	};
	struct virtio_user_port *vu;
	int err;

	if (check_numbers(call, queues, size) != 0)
		return -1;
	config.n_pairs = (uint32_t)queues;
	config.queue_size = (uint32_t)size;
	if (strlen(path) > UNIX_PATH_MAX)
		return fail_create(call, -ENAMETOOLONG, path);
	err = virtio_user_port_create(ports, &config, &names, &vu);
	if (err == -EEXIST && names.instance >= 0)
		return ctl_fail(call, "VirtioUser0/0/%d exists: choose another number after renumber",
			names.instance);
	if (err)
		return fail_create(call, err, path);
	call->result = json_string(vu->port.iface.name);
	return 0;
}

static int run_delete(struct ctl_call *call)
{
	uint32_t idx =
		(uint32_t)ctl_u64(call, ctl_has(call, "interface") ? "interface" : "sw_if_index", UINT32_MAX);
	struct virtio_user_port *vu = virtio_user_port_of(ports_get(call->subject, idx));

	if (!vu)
		return ctl_fail(call, "this is no virtio-user interface: see show virtio-user");
	port_remove(&vu->port);
	return 0;
}

/* --- show virtio-user: facts as JSON --- */

static json_t *ring_json(const struct virtio_user_queue *q, uint32_t ring)
{
	const struct driverq *vq = &q->vq;
	enum driverq_error error = __atomic_load_n(&vq->error, __ATOMIC_RELAXED);
	struct driverq_view v;
	json_t *row;

	driverq_look(vq, &v);
	row = json_pack("{s:i, s:s, s:b, s:i, s:i, s:i, s:i, s:i}", "virtqueue", (int)ring, "direction",
		ring % 2 ? "TX" : "RX", "packed", (int)vq->packed, "qsz", (int)vq->size, "avail_idx",
		(int)v.avail_idx, "used_idx", (int)v.used_idx, "device_flags", (int)v.device_flags,
		"device_event", (int)v.device_event);
	if (vq->packed)
		json_object_update_new(row, json_pack("{s:i, s:i}", "avail_wrap_counter", (int)v.avail_wrap,
						    "used_wrap_counter", (int)v.used_wrap));
	json_object_update_new(
		row, json_pack("{s:i, s:i, s:i, s:I, s:I}", "buffer_len", (int)vq->buffer_len, "kickfd",
			     q->kick_fd, "callfd", q->call_fd, "kicks",
			     (json_int_t)__atomic_load_n(&vq->kicks, __ATOMIC_RELAXED), "kicks_suppressed",
			     (json_int_t)__atomic_load_n(&vq->kicks_saved, __ATOMIC_RELAXED)));
	if (error != DRIVERQ_OK)
		json_object_set_new(row, "broken", json_string(driverq_error_text(error)));
	return row;
}

static json_t *rings_json(const struct virtio_user_life *life)
{
	json_t *rings = json_array();

	for (uint32_t i = 0; life && i < life->n_rings; i++)
		json_array_append_new(rings, ring_json(&life->queues[i], i));
	return rings;
}

/* Any worker sends to any ring. */
static json_t *tx_placement_json(const struct virtio_user_port *vu)
{
	json_t *rows = json_array();

	for (uint32_t w = 0; w < vu->port.ports->config.n_workers; w++)
		for (uint32_t ring = 1; vu->life && ring < vu->life->n_rings; ring += 2)
			json_array_append_new(
				rows, json_pack("{s:i, s:i}", "thread", (int)w, "vring", (int)ring));
	return rows;
}

static const char *state_of(const struct vhost_frontend_status *s)
{
	if (s->started)
		return "running";
	if (s->connected)
		return "negotiating";
	return s->server ? "listening" : "connecting";
}

static json_t *socket_json(const struct vhost_frontend_status *s)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:b, s:s, s:s, s:I, s:I, s:I}", "socket", s->path, "type",
		s->server ? "server" : "client", "state", state_of(s), "connected", (int)s->connected,
		"errno", s->error ? strerror(-s->error) : "Success", "why", s->why, "connections",
		(json_int_t)s->connections, "protocol_errors", (json_int_t)s->protocol_errors, "messages",
		(json_int_t)s->messages);

	if (s->step)
		json_object_set_new(o, "waits_for", json_string(s->step));
	return o;
}

static json_t *features_json(const struct vhost_frontend_status *s)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "features_offered",
		json_sprintf("0x%" PRIx64, s->features_offered), "features",
		json_sprintf("0x%" PRIx64, s->features), "feature_names",
		show_bits(s->features, virtio_net_feature_name), "protocol_features_offered",
		json_sprintf("0x%" PRIx64, s->protocol_features_offered), "protocol_features",
		json_sprintf("0x%" PRIx64, s->protocol_features), "protocol_feature_names",
		show_bits(s->protocol_features, vhost_protocol_feature_name));
}

static json_t *virtio_user_json(const struct virtio_user_port *vu)
{
	struct vhost_frontend_status s = {.path = vu->config.path, .server = vu->config.server};
	json_t *o;

	if (vu->frontend)
		vhost_frontend_status(vu->frontend, &s);
	o = json_pack("{s:s, s:i}", "interface", vu->port.iface.name, "ifindex", (int)vu->port.iface.idx);
	json_object_update_new(o, socket_json(&s));
	json_object_update_new(o, features_json(&s));
	json_object_update_new(
		o, json_pack("{s:i, s:I, s:s, s:o, s:o, s:o}", "virtio_net_hdr_sz", (int)VNET_HDR_LEN,
			   "memory_size", vu->life ? (json_int_t)vu->life->memory_len : 0, "tx_lock",
			   vu->port.ports->config.n_workers > 1 ? "spin-lock" : "lock-free", "rx_placement",
			   show_rx_placement(&vu->port, 0), "tx_placement", tx_placement_json(vu),
			   "virtqueues", rings_json(vu->life)));
	return o;
}

static json_t *facts(struct port *port)
{
	const struct virtio_user_port *vu = virtio_user_port_of(port);

	return vu ? virtio_user_json(vu) : NULL;
}

static int run_show(struct ctl_call *call)
{
	return show_ports(call, facts, "this is no virtio-user interface: see show virtio-user");
}

/* --- show virtio-user: text --- */

static void print_ring(const json_t *q, FILE *out)
{
	bool packed = json_is_true(json_object_get(q, "packed"));

	fprintf(out, "\n Virtqueue %d (%s) %s\n", (int)show_num(q, "virtqueue"), show_str(q, "direction"),
		packed ? "packed" : "split");
	if (show_str(q, "broken"))
		fprintf(out, "  BROKEN: %s\n", show_str(q, "broken"));
	fprintf(out, "  qsz %d avail idx %d used idx %d buffers of %d bytes\n", (int)show_num(q, "qsz"),
		(int)show_num(q, "avail_idx"), (int)show_num(q, "used_idx"), (int)show_num(q, "buffer_len"));
	if (packed)
		fprintf(out,
			"  avail wrap counter %d used wrap counter %d\n"
			"  used_event.flags %x used_event.off_wrap %d\n",
			(int)show_num(q, "avail_wrap_counter"), (int)show_num(q, "used_wrap_counter"),
			(int)show_num(q, "device_flags"), (int)show_num(q, "device_event"));
	else
		fprintf(out, "  used.flags %x avail_event %d\n", (int)show_num(q, "device_flags"),
			(int)show_num(q, "device_event"));
	fprintf(out, "  kickfd %d callfd %d\n  kicks %lld kicks suppressed %lld\n",
		(int)show_num(q, "kickfd"), (int)show_num(q, "callfd"), show_num(q, "kicks"),
		show_num(q, "kicks_suppressed"));
}

static void print_features(const json_t *o, FILE *out)
{
	fprintf(out, " features offered (%s)\n features (%s):\n", show_str(o, "features_offered"),
		show_str(o, "features"));
	show_print_names(json_object_get(o, "feature_names"), out);
	fprintf(out, "  protocol features offered (%s)\n  protocol features (%s)\n",
		show_str(o, "protocol_features_offered"), show_str(o, "protocol_features"));
	show_print_names(json_object_get(o, "protocol_feature_names"), out);
}

static void print_virtio_user(const json_t *o, FILE *out)
{
	const json_t *q;
	size_t i;

	fprintf(out, "Interface: %s (ifindex %d)\n socket filename %s type %s errno \"%s\"\n state %s",
		show_str(o, "interface"), (int)show_num(o, "ifindex"), show_str(o, "socket"),
		show_str(o, "type"), show_str(o, "errno"), show_str(o, "state"));
	if (show_str(o, "waits_for"))
		fprintf(out, ", waits for %s", show_str(o, "waits_for"));
	fprintf(out, ", connections %lld, protocol errors %lld\n", show_num(o, "connections"),
		show_num(o, "protocol_errors"));
	if (*show_str(o, "why"))
		fprintf(out, " last failure: %s\n", show_str(o, "why"));
	if (json_is_true(json_object_get(o, "connected")))
		print_features(o, out);
	if (json_array_size(json_object_get(o, "virtqueues")) > 0) {
		fprintf(out, " virtio_net_hdr_sz %d, shared memory %lld bytes\n",
			(int)show_num(o, "virtio_net_hdr_sz"), show_num(o, "memory_size"));
		show_print_placement(o, out);
	}
	json_array_foreach (json_object_get(o, "virtqueues"), i, q)
		print_ring(q, out);
	fputc('\n', out);
}

static void print_show(const json_t *result, FILE *out)
{
	const json_t *o;
	size_t i;

	fputs("Virtio-user interfaces\n", out);
	json_array_foreach ((json_t *)(uintptr_t)result, i, o)
		print_virtio_user(o, out);
}

static const struct ctl_command commands[] = {
	{"create virtio-user socket <socket:path> [server] [queues <queues:u16>] [queue-size "
	 "<queue-size:u16>] [packed] [in-order] [mode <mode:word>] [feature-mask <feature-mask:hex>] "
	 "[hwaddr <hwaddr:mac>] [renumber <renumber:u16>]",
		"Make a port to a vhost-user back-end: connect to its socket, or listen there with server",
		run_create, NULL},
	{"delete virtio-user <interface:interface>", "Remove a virtio-user port", run_delete, NULL},
	{"delete virtio-user sw_if_index <sw_if_index:interface-number>",
		"Remove a virtio-user port by its number", run_delete, NULL},
	{"show virtio-user [<interface:interface>]", "virtio-user ports: features, socket, state, queues",
		run_show, print_show},
	{0},
};

const struct ctl_table virtio_user_commands = {commands};
