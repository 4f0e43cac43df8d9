/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/vxlan.h"

#include "ip/service.h"
#include "os/rcu.h"
#include "wire/ip.h"
#include "wire/udp.h"
#include "wire/vxlan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* What the headers take of what usual networks carry. */
#define MTU_OF_NETWORK 1500

static struct vxlan **bucket(const struct vxlans *vs, const struct vxlan_ends *ends)
{
	uint8_t key[2 * IP6_LEN + 4];

	memcpy(key, ends->src.bytes, IP6_LEN);
	memcpy(key + IP6_LEN, ends->dst.bytes, IP6_LEN);
	be32_set(key + (size_t)2 * IP6_LEN, ends->vni);
	return (struct vxlan **)(uintptr_t)&vs
		->buckets[XXH3_64bits_withSeed(key, sizeof(key), vs->seed) % VXLAN_BUCKETS];
}

struct vxlan *vxlan_find(const struct vxlans *vs, const struct vxlan_ends *ends)
{
	struct vxlan *v = rcu_load(*bucket(vs, ends));

	while (v && !(v->ends.vni == ends->vni && ip_addr_same(&v->ends.src, &ends->src) &&
			    ip_addr_same(&v->ends.dst, &ends->dst)))
		v = rcu_load(v->next);
	return v;
}

/* --- the port's operations --- */

static struct vxlan *vxlan_port(const struct port *port)
{
	return CONTAINER_OF(port, struct vxlan, port);
}

static void look_for_underlay(struct vxlan *v)
{
	const struct iface_table *ifaces = v->port.ports->config.ifaces;
	const struct iface *i = iface_next(ifaces, 1);

	while (i && !ip_iface_has(i, &v->ends.src))
		i = iface_next(ifaces, i->idx + 1);
	__atomic_store_n(&v->underlay, i ? i->idx : 0, __ATOMIC_RELAXED);
}

static void tick(struct port *port)
{
	look_for_underlay(vxlan_port(port));
}

static bool connected(const struct port *port)
{
	return __atomic_load_n(&vxlan_port(port)->underlay, __ATOMIC_RELAXED) != 0;
}

/* Nothing outside knows of it. */
static void nothing(struct port *port)
{
}

static void close_port(struct port *port)
{
	struct vxlan *v = vxlan_port(port);
	struct vxlan **link = bucket(v->vxlans, &v->ends);

	while (*link != v)
		link = &(*link)->next;
	rcu_publish(*link, v->next);
	rcu_wait();
	v->vxlans->n--;
}

static void destroy(struct port *port)
{
	free(vxlan_port(port));
}

static const struct port_ops ops = {
	.tx = vxlan_tx,
	.tick = tick,
	.connected = connected,
	.check_memory = nothing,
	.resume = nothing,
	.close = close_port,
	.destroy = destroy,
};

struct vxlan *vxlan_of(struct port *port)
{
	return port && port->ops == &ops ? vxlan_port(port) : NULL;
}

/* --- making one --- */

static struct vxlan *vxlan_new(struct vxlans *vs, const struct vxlan_ends *ends)
{
	struct vxlan *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->vxlans = vs;
	v->ends = *ends;
	v->port.ops = &ops;
	v->port.iface.kind = "vxlan";
	return v;
}

static uint32_t mtu_inside(const struct vxlan_ends *ends)
{
	return MTU_OF_NETWORK - ETHERNET_HEADER_LEN - (ends->src.ip6 ? IP6_HEADER_LEN : IP4_HEADER_MIN) -
	       UDP_HEADER_LEN - VXLAN_HEADER_LEN;
}

static void vxlan_publish(struct vxlan *v)
{
	struct vxlan **head = bucket(v->vxlans, &v->ends);

	v->next = *head;
	rcu_publish(*head, v);
	v->vxlans->n++;
	look_for_underlay(v);
}

static int check_new(const struct vxlans *vs, const struct vxlan_ends *ends)
{
	if (vxlan_find(vs, ends))
		return -EEXIST;
	return vs->n == VXLAN_TUNNELS_MAX ? -ENOSPC : 0;
}

int vxlan_create(struct vxlans *vs, const struct vxlan_ends *ends, int32_t instance, struct vxlan **out)
{
	int err = check_new(vs, ends);
	struct vxlan *v = err ? NULL : vxlan_new(vs, ends);

	if (!v)
		return err ? err : -ENOMEM;
	port_pick_name(vs->ports, &v->port, "vxlan_tunnel", instance);
	port_pick_mac(vs->ports, &v->port, NULL);
	err = port_add(vs->ports, &v->port);
	if (err) {
		free(v);
		return err;
	}
	__atomic_store_n(&v->port.iface.mtu, mtu_inside(ends), __ATOMIC_RELAXED);
	vxlan_publish(v);
	*out = v;
	return 0;
}

/* --- all of them --- */

struct vxlans *vxlans_create(struct ports *ports, struct ip *ip, uint64_t seed)
{
	struct vxlans *vs = calloc(1, sizeof(*vs));

	if (!vs)
		return NULL;
	vs->ports = ports;
	vs->ip = ip;
	vs->seed = seed;
	if (ip_udp_listen(ip, VXLAN_PORT, vxlan_rx, vs) == 0)
		return vs;
	free(vs);
	return NULL;
}

void vxlans_destroy(struct vxlans *vs)
{
	if (!vs)
		return;
	ip_udp_unlisten(vs->ip, VXLAN_PORT);
	free(vs);
}

static json_t *addr_json(const struct ip_addr *addr)
{
	char text[IP_TEXT_SIZE];

	return json_string(ip_addr_format(text, addr));
}

json_t *vxlans_save(const struct vxlans *vs)
{
	json_t *saved = json_array();
	struct port *port;

	list_for_each (port, &vs->ports->list, link) {
		const struct vxlan *v = vxlan_of(port);

		if (v)
			json_array_append_new(saved,
				json_pack("{s:o, s:o, s:I, s:o}", "src", addr_json(&v->ends.src), "dst",
					addr_json(&v->ends.dst), "vni", (json_int_t)v->ends.vni, "interface",
					iface_save(vs->ports->config.ifaces, &v->port.iface)));
	}
	return saved;
}

static int restore_one(struct vxlans *vs, const json_t *o)
{
	struct vxlan_ends ends = {.vni = (uint32_t)parcel_u64(o, "vni", UINT32_MAX)};
	struct vxlan *v;
	int err;

	if (!ip_addr_parse(parcel_str(o, "src", ""), &ends.src) ||
		!ip_addr_parse(parcel_str(o, "dst", ""), &ends.dst) || ends.vni > VXLAN_VNI_MAX)
		return -EINVAL;
	err = check_new(vs, &ends);
	v = err ? NULL : vxlan_new(vs, &ends);
	if (!v)
		return err ? err : -ENOMEM;
	err = port_add_restored(vs->ports, &v->port, o);
	if (err)
		free(v);
	else
		vxlan_publish(v);
	return err;
}

int vxlans_restore(struct vxlans *vs, const json_t *state)
{
	const json_t *o;
	size_t i;
	int err = 0;

	json_array_foreach ((json_t *)(uintptr_t)state, i, o)
		if (!err)
			err = restore_one(vs, o);
	return err;
}
