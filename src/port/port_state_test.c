/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/test.h"
#include "os/clock.h"
#include "port/vhost_port.h"
#include "port/vnet.h"
#include "vhost/fake_front.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIT30    BIT(VHOST_USER_F_PROTOCOL_FEATURES)
#define FEATURES (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_RX) | BIT30)

/* One process: nobody polls, but queues have a waker. */
struct process {
	struct loop *loop;
	struct iface_table *ifaces;
	struct ports ports;
	struct waker waker;
	int place_err; /* 0: they can be polled */
};

struct bed {
	char dir[64];
	struct process old, new;
	struct parcel parcel;
	struct ports_restored restored;
};

static int place(void *subject, struct port *port, uint32_t queue)
{
	struct process *p = subject;

	port->rx_waker[queue] = p->place_err ? NULL : &p->waker;
	return p->place_err;
}

static void unplace(void *subject, struct port *port, uint32_t queue)
{
}

static void wake(void *subject)
{
}

static const struct port_placer placer = {.start = place, .stop = unplace, .wake = wake};

static void process_begin(struct process *p, uint64_t seed)
{
	assert_int_equal(loop_create(&p->loop), 0);
	assert_int_equal(waker_init(&p->waker), 0);
	p->ifaces = iface_table_create(1);
	ports_init(&p->ports, &(struct ports_config){.loop = p->loop,
				      .ifaces = p->ifaces,
				      .placer = &placer,
				      .placer_subject = p,
				      .n_workers = 1,
				      .seed = seed});
}

static void process_end(struct process *p)
{
	ports_fini(&p->ports);
	iface_table_destroy(p->ifaces);
	waker_fini(&p->waker);
	loop_destroy(p->loop);
}

static void bed_open(struct bed *bed)
{
	log_set_level(LOG_LEVEL_ERROR);
	signal(SIGPIPE, SIG_IGN);
	*bed = (struct bed){.dir = "/tmp/ginnel-test.XXXXXX"};
	assert_non_null(mkdtemp(bed->dir));
	process_begin(&bed->old, 1);
	process_begin(&bed->new, 2);
}

static void bed_close(struct bed *bed)
{
	process_end(&bed->new);
	process_end(&bed->old);
	assert_int_equal(rmdir(bed->dir), 0);
}

static struct vhost_port *add(struct bed *bed, int32_t instance, uint64_t mask)
{
	char path[128];
	struct vhost_port_config config = {.path = path,
		.server = true,
		.mode = 0600,
		.feature_mask = mask,
		.in_band = instance == 9,
		.instance = instance};
	struct vhost_port *vp;

	snprintf(path, sizeof(path), "%s/%d", bed->dir, instance);
	assert_int_equal(vhost_port_create(&bed->old.ports, &config, &vp), 0);
	return vp;
}

/* What the old process saves arrives in the parcel. */
static void send_off(struct bed *bed)
{
	uint64_t deadline_ns = clock_now_ns() + 60 * NS_PER_S;
	struct parcel sent;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	parcel_init(&sent);
	sent.json = ports_save(&bed->old.ports, &sent);
	assert_int_equal(parcel_send(&sent, ends[0], deadline_ns), 0);
	assert_int_equal(parcel_recv(&bed->parcel, ends[1], deadline_ns), 0);
	parcel_fini(&sent);
	close(ends[0]);
	close(ends[1]);
}

static int take_over(struct bed *bed)
{
	int err = ports_restore(&bed->new.ports, bed->parcel.json, &bed->parcel, &bed->restored);

	parcel_fini(&bed->parcel);
	return err;
}

static struct vhost_port *taken(struct bed *bed, const char *name)
{
	struct iface *iface = iface_by_name(bed->new.ifaces, name);

	assert_non_null(iface);
	return vhost_port_of(port_of(iface));
}

TEST(ports_keep_index_name_address_and_mask)
{
	struct vhost_port *a, *b, *again;
	struct bed bed;

	bed_open(&bed);
	port_remove(&add(&bed, 3, UINT64_MAX)->port);
	a = add(&bed, 7, 0xffff);
	b = add(&bed, 0, UINT64_MAX);
	port_remove(&a->port);
	a = add(&bed, 9, 0xffff);
	assert_int_equal(port_rx_place(&a->port, 3, 0), 0);
	send_off(&bed);
	assert_int_equal(take_over(&bed), 0);
	assert_int_equal(bed.restored.ports, 2);
	assert_int_equal(bed.restored.peers + bed.restored.left_behind, 0);
	again = taken(&bed, "VirtualEthernet0/0/9");
	assert_int_equal(again->port.iface.idx, a->port.iface.idx);
	assert_memory_equal(again->port.iface.mac, a->port.iface.mac, 6);
	assert_int_equal(again->feature_mask, 0xffff);
	assert_true(again->in_band);
	assert_int_equal(again->port.rx_wanted[3], 0);
	assert_int_equal(again->port.rx_wanted[2], PORT_ANY_WORKER);
	again = taken(&bed, "VirtualEthernet0/0/0");
	assert_int_equal(again->port.iface.idx, b->port.iface.idx);
	assert_string_equal(again->port.iface.kind, "vhost-user");
	bed_close(&bed);
}

TEST(a_guest_keeps_its_rings_and_what_its_driver_said)
{
	struct vhost_port *old, *new;
	struct fake_front front;
	struct bed bed;
	char path[128];

	bed_open(&bed);
	old = add(&bed, 0, UINT64_MAX);
	snprintf(path, sizeof(path), "%s/0", bed.dir);
	fake_front_open(&front, bed.old.loop, path);
	fake_negotiate(&front, FEATURES, 0);
	for (uint32_t i = 0; i < 3; i++) { /* the third is the control queue */
		fake_ring_start(&front, i, 0, -1);
		fake_state(&front, VHOST_USER_SET_VRING_ENABLE, i, 1);
	}
	old->ctrl.commands = 5;
	old->ctrl.mac = 0x525400000001;
	old->ctrl.rx_modes[0] = false;
	old->ctrl.multicast = (struct vnet_macs){.n = 2, .macs = {0x01005e000001, 0x01005e000002}};
	old->ctrl.vlans[3] = 1ull << 63 | 1;
	old->peer_mtu = 1400;
	send_off(&bed);
	assert_null(old->rings[1]);
	assert_int_equal(take_over(&bed), 0);
	assert_int_equal(bed.restored.peers, 1);
	new = taken(&bed, "VirtualEthernet0/0/0");
	assert_non_null(new->rings[0]);
	assert_non_null(new->rings[1]);
	assert_non_null(new->ctrl_ring);
	assert_int_equal(new->tx_pairs, 1);
	assert_int_equal(new->hdr_len, old->hdr_len);
	assert_memory_equal(&new->ctrl, &old->ctrl, sizeof(new->ctrl));
	assert_int_equal(new->pairs_used, 1);
	assert_int_equal(new->caps, old->caps);
	assert_int_equal(new->peer_mtu, 1400);
	front.loop = bed.new.loop;
	assert_true(fake_alive(&front));
	fake_front_close(&front);
	bed_close(&bed);
}

TEST(a_control_queue_that_no_worker_can_poll_is_shown_all_the_same)
{
	struct vnet_ctrl ctrl = {.commands = 1};
	struct fake_front front;
	struct vhost_port *vp;
	struct bed bed;
	char path[128];

	bed_open(&bed);
	log_set_level((enum log_level)0);
	bed.old.place_err = -ENOMEM;
	vp = add(&bed, 0, UINT64_MAX);
	snprintf(path, sizeof(path), "%s/0", bed.dir);
	fake_front_open(&front, bed.old.loop, path);
	fake_negotiate(&front, FEATURES, 0);
	fake_ring_start(&front, 2, 0, -1);
	assert_non_null(vp->ctrl_ring);
	vhost_ctrl_state(vp, &ctrl);
	assert_int_equal(ctrl.commands, 0);
	fake_front_close(&front);
	bed_close(&bed);
}

/* Frames that netem holds are the old process's: the new one says that they are lost. */
TEST(a_wire_stays_as_bad_as_it_was_and_knows_what_it_sent_in_part)
{
	const struct netem_config config = {.delay_ns = 5000000,
		.jitter_ns = 1000000,
		.rate_bps = 100000000000,
		.loss = 1,
		.duplicate = 20,
		.reorder = 300,
		.frames = 4000,
		.seed = UINT64_MAX - 1};
	struct vhost_port *old, *new;
	struct iface_counters counters;
	static uint8_t bytes[200];
	struct pkt pkt = {.data = bytes, .head_len = 100};
	struct bed bed;

	bed_open(&bed);
	old = add(&bed, 0, UINT64_MAX);
	pkt.rx = &old->port.iface;
	assert_int_equal(port_set_netem(&old->port, &config), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(netem_take(old->port.netem[1], &pkt, 0), DROP_NONE);
	old->port.rx_wait[2] = (struct wire_wait){.segments = 7, .frame = UINT64_MAX - 3};
	send_off(&bed);
	assert_int_equal(netem_held(old->port.netem[1]), 3); /* it may have to go on */
	assert_int_equal(take_over(&bed), 0);
	new = taken(&bed, "VirtualEthernet0/0/0");
	assert_memory_equal(netem_config_of(new->port.netem[0]), &config, sizeof(config));
	assert_int_equal(netem_held(new->port.netem[1]), 0);
	iface_counters_sum(bed.new.ifaces, &new->port.iface, &counters);
	assert_int_equal(counters.drops[DROP_NETEM_ENDED], 3);
	assert_int_equal(new->port.rx_wait[2].segments, 7);
	assert_true(new->port.rx_wait[2].frame == UINT64_MAX - 3);
	assert_int_equal(new->port.rx_wait[1].segments, 0);
	bed_close(&bed);
}

TEST(a_wire_of_a_program_that_knew_nothing_of_it_is_a_good_one)
{
	struct bed bed;

	bed_open(&bed);
	log_set_level((enum log_level)0);
	add(&bed, 0, UINT64_MAX);
	add(&bed, 1, UINT64_MAX);
	send_off(&bed);
	json_object_del(json_array_get(bed.parcel.json, 0), "wire");
	json_object_set_new(json_array_get(bed.parcel.json, 1), "wire",
		json_pack("{s:{s:i}, s:[{s:i}]}", "netem", "delay-ns", -1, "parts", "queue", 99));
	assert_int_equal(take_over(&bed), 0);
	assert_null(taken(&bed, "VirtualEthernet0/0/0")->port.netem[0]);
	assert_null(taken(&bed, "VirtualEthernet0/0/1")->port.netem[0]);
	bed_close(&bed);
}

TEST(without_a_successor_rings_run_again)
{
	struct vhost_port *vp;
	struct fake_front front;
	struct bed bed;
	char path[128];

	bed_open(&bed);
	vp = add(&bed, 0, UINT64_MAX);
	snprintf(path, sizeof(path), "%s/0", bed.dir);
	fake_front_open(&front, bed.old.loop, path);
	fake_negotiate(&front, FEATURES, 0);
	fake_ring_start(&front, 1, 0, -1);
	send_off(&bed);
	parcel_fini(&bed.parcel);
	assert_null(vp->rings[1]);
	ports_resume(&bed.old.ports);
	assert_non_null(vp->rings[1]);
	assert_true(fake_alive(&front));
	fake_front_close(&front);
	bed_close(&bed);
}

/* No text in JSON's sense: nothing is better than all but this. */
TEST(a_port_whose_path_cannot_be_told_keeps_the_old_process_going)
{
	struct vhost_port_config config = {
		.server = true, .mode = 0600, .feature_mask = UINT64_MAX, .instance = 7};
	struct vhost_port *vp;
	struct parcel sent;
	char path[128];
	struct bed bed;

	bed_open(&bed);
	snprintf(path, sizeof(path), "%s/\xff", bed.dir);
	config.path = path;
	add(&bed, 0, UINT64_MAX);
	assert_int_equal(vhost_port_create(&bed.old.ports, &config, &vp), 0);
	parcel_init(&sent);
	sent.json = ports_save(&bed.old.ports, &sent);
	assert_true(sent.incomplete);
	parcel_fini(&sent);
	ports_resume(&bed.old.ports);
	bed_close(&bed);
}

TEST(a_kind_of_port_that_is_not_known_stops_the_take_over)
{
	struct bed bed;

	bed_open(&bed);
	add(&bed, 0, UINT64_MAX);
	send_off(&bed);
	json_object_set_new(json_array_get(bed.parcel.json, 0), "kind", json_string("carrier pigeon"));
	assert_int_equal(take_over(&bed), -EOPNOTSUPP);
	bed_close(&bed);
}

TESTS(cmocka_unit_test(ports_keep_index_name_address_and_mask),
	cmocka_unit_test(a_guest_keeps_its_rings_and_what_its_driver_said),
	cmocka_unit_test(a_control_queue_that_no_worker_can_poll_is_shown_all_the_same),
	cmocka_unit_test(a_wire_stays_as_bad_as_it_was_and_knows_what_it_sent_in_part),
	cmocka_unit_test(a_wire_of_a_program_that_knew_nothing_of_it_is_a_good_one),
	cmocka_unit_test(without_a_successor_rings_run_again),
	cmocka_unit_test(a_port_whose_path_cannot_be_told_keeps_the_old_process_going),
	cmocka_unit_test(a_kind_of_port_that_is_not_known_stops_the_take_over))
