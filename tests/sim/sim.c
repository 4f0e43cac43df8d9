/* SPDX-License-Identifier: Apache-2.0 */
#include "sim.h"

#include "base/log.h"
#include "base/test.h"
#include "os/clock.h"
#include "wire/ethernet.h"

#include <stdlib.h>
#include <string.h>

#define TURN_NS       (10 * NS_PER_US)
#define SETTLE_TURNS  10000
#define FRAME_TYPE_AT 12
#define HELLO_LEN     40

/* --- who polls: the test does --- */

static int place(void *subject, struct port *port, uint32_t queue)
{
	struct sim *s = subject;

	s->list->rxqs[s->list->n++] = (struct rxq){.port = port, .queue = queue};
	port->rx_waker[queue] = &s->waker;
	port->rx_worker[queue] = 0;
	return 0;
}

static void unplace(void *subject, struct port *port, uint32_t queue)
{
	struct rx_list *list = ((struct sim *)subject)->list;
	uint32_t n = 0;

	for (uint32_t i = 0; i < list->n; i++)
		if (list->rxqs[i].port != port || list->rxqs[i].queue != queue)
			list->rxqs[n++] = list->rxqs[i];
	list->n = n;
}

static void wake(void *subject)
{
	waker_wake(&((struct sim *)subject)->waker);
}

static int watch(void *subject, int fd, bool on)
{
	struct waker *waker = &((struct sim *)subject)->waker;

	if (on)
		return waker_watch(waker, fd);
	waker_unwatch(waker, fd);
	return 0;
}

static const struct port_placer placer = {.start = place, .stop = unplace, .wake = wake, .watch = watch};

/* --- the switch --- */

static void add_port(struct sim *s)
{
	const struct vhost_port_config config = {.path = "", .feature_mask = UINT64_MAX, .instance = -1};
	struct vhost_port *vp;

	assert_int_equal(vhost_port_create(&s->ports, &config, &vp), 0);
	__atomic_store_n(&vp->port.iface.up, true, __ATOMIC_RELAXED);
	__atomic_store_n(&vp->port.iface.mtu, PKT_LEN_MAX, __ATOMIC_RELAXED); /* every frame there is */
	assert_int_equal(bridge_attach(s->domain, &vp->port.iface, 0), 0);
	s->port[s->n++] = vp;
}

/* Everything but who runs the turns. */
static void base_init(struct sim *s, uint32_t n_workers)
{
	log_set_level(LOG_LEVEL_WARNING);
	memset(s, 0, sizeof(*s));
	s->ifaces = iface_table_create(n_workers);
	assert_non_null(s->ifaces);
	assert_int_equal(loop_create(&s->loop), 0);
	s->bridges = bridges_create(s->ifaces, 1);
	assert_non_null(s->bridges);
	s->ip = ip_create(&(struct ip_config){.ifaces = s->ifaces, .n_workers = n_workers, .seed = 1});
	assert_non_null(s->ip);
	assert_int_equal(gateway_init(&s->gateway, s->ip, s->ifaces, 1), 0);
	assert_int_equal(bridge_domain_create(s->bridges, 1, &BRIDGE_DEFAULT_CONFIG, &s->domain), 0);
}

static void add_ports(
	struct sim *s, uint32_t n, const struct port_placer *who_polls, void *subject, uint32_t n_workers)
{
	ASSERT(n <= SIM_PORTS);
	ports_init(&s->ports, &(struct ports_config){.loop = s->loop,
				      .ifaces = s->ifaces,
				      .placer = who_polls,
				      .placer_subject = subject,
				      .n_workers = n_workers,
				      .seed = 1});
	while (s->n < n)
		add_port(s);
}

void sim_init(struct sim *s, uint32_t n)
{
	base_init(s, 1);
	s->list = calloc(1, sizeof(*s->list) + SIM_PORTS * VHOST_PORT_PAIRS * sizeof(s->list->rxqs[0]));
	assert_non_null(s->list);
	assert_int_equal(waker_init(&s->waker), 0);
	assert_int_equal(
		turn_runner_init(&s->runner, 0, &(struct turn_rooms){s->bridges, s->ip, s->gateway.nat44}),
		0);
	add_ports(s, n, &placer, s, 1);
}

void sim_init_workers(struct sim *s, uint32_t n, uint32_t n_workers)
{
	struct workers_config config = {.n = n_workers, .spin_ns = 20 * NS_PER_US};

	base_init(s, n_workers);
	config.ifaces = s->ifaces;
	config.bridges = s->bridges;
	config.ip = s->ip;
	config.nat44 = s->gateway.nat44;
	for (uint32_t i = 0; i < n_workers; i++)
		config.cpus[i] = WORKER_ANY_CPU;
	assert_int_equal(workers_create(&s->workers, &config), 0);
	assert_int_equal(workers_start(s->workers), 0);
	add_ports(s, n, &workers_placer, s->workers, n_workers);
}

void sim_fini(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->guest[i].mem)
			guest_destroy(&s->guest[i]);
	ports_fini(&s->ports);
	if (s->workers) {
		workers_destroy(s->workers);
	} else {
		turn_runner_fini(&s->runner);
		waker_fini(&s->waker);
		free(s->list);
	}
	bridges_destroy(s->bridges);
	gateway_fini(&s->gateway);
	ip_destroy(s->ip);
	loop_destroy(s->loop);
	iface_table_destroy(s->ifaces);
}

struct guest *sim_guest(struct sim *s, uint32_t i, const struct guest_config *config)
{
	guest_create(&s->guest[i], config);
	sim_connect(s, i);
	return &s->guest[i];
}

void sim_guests(struct sim *s, uint64_t features)
{
	for (uint32_t i = 0; i < s->n; i++)
		sim_guest(s, i, &(struct guest_config){.features = features});
}

void sim_connect(struct sim *s, uint32_t i)
{
	guest_connect(&s->guest[i], s->port[i]->backend);
}

uint32_t sim_turn(struct sim *s)
{
	s->now_ns += TURN_NS;
	return turn_run(&s->runner, s->list, s->now_ns);
}

void sim_settle(struct sim *s)
{
	uint32_t turns = 0;

	while (sim_turn(s) > 0)
		assert_true(++turns < SETTLE_TURNS);
}

struct iface_counters sim_counters(const struct sim *s, uint32_t i)
{
	struct iface_counters c;

	iface_counters_sum(s->ifaces, &s->port[i]->port.iface, &c);
	return c;
}

uint64_t sim_drops(const struct sim *s, uint32_t i, enum drop reason)
{
	return sim_counters(s, i).drops[reason];
}

/* --- frames --- */

static uint64_t mac_of(uint32_t i)
{
	return i == SIM_PORTS ? MAC_BROADCAST : 0x525400000000ull + i;
}

void sim_frame(uint8_t *frame, uint32_t len, uint32_t from, uint32_t to, struct random *r)
{
	uint64_t word = random_u64(r);

	mac_store(frame, mac_of(to));
	mac_store(frame + ETHERNET_SRC_AT, mac_of(from));
	frame[FRAME_TYPE_AT] = 0x88; /* 0x88b5: for experiments */
	frame[FRAME_TYPE_AT + 1] = 0xb5;
	for (uint32_t i = ETHERNET_HEADER_LEN; i < len; i++, word = i % 64 ? word * 5 + 1 : random_u64(r))
		frame[i] = (uint8_t)(word >> 56);
}

void sim_learn(struct sim *s)
{
	const struct guest_layout layout = guest_layout_one(2 * HELLO_LEN);
	uint8_t frame[HELLO_LEN];
	struct random r;

	random_init(&r, 1);
	for (uint32_t i = 0; i < s->n; i++) {
		/* to itself: the frame goes nowhere, its source is learned */
		sim_frame(frame, sizeof(frame), i, i, &r);
		assert_true(guest_send(&s->guest[i], NULL, frame, sizeof(frame), &layout));
		guest_kick(&s->guest[i], GUEST_TX);
		sim_settle(s);
		assert_int_equal(guest_reap(&s->guest[i]), 1);
		assert_int_equal(sim_drops(s, i, DROP_BRIDGE_SAME), 1);
	}
	iface_counters_clear(s->ifaces);
}

void sim_expect(struct sim *s, uint32_t i, const uint8_t *frame, uint32_t len)
{
	struct guest_frame *got = &s->got;

	assert_true(guest_receive(&s->guest[i], got));
	assert_int_equal(got->len, len);
	assert_memory_equal(got->bytes, frame, len);
	assert_int_equal(got->hdr.hdr.flags, 0);
	assert_int_equal(got->hdr.hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
}

void sim_expect_nothing(struct sim *s, uint32_t i)
{
	assert_false(guest_receive(&s->guest[i], &s->got));
}
