/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio-user port between a guest and somebody else's device: guest 0 is behind vhost port 0, the device has the address
 * of guest 3.
 */
#include "device.h"
#include "reference.h"
#include "sim.h"

#include "base/test.h"
#include "os/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define DEVICE 3u

#define PACKED   FEATURE(VIRTIO_F_RING_PACKED)
#define IN_ORDER FEATURE(VIRTIO_F_IN_ORDER)
#define MRG      FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define MQ       FEATURE(VIRTIO_NET_F_MQ)
#define FEATURES                                                                                    \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_EVENT_IDX) | MRG | SIM_CSUM_FEATURES | \
		SIM_TSO_FEATURES | SIM_USO_FEATURES)
#define LARGE (SIM_TSO_FEATURES | SIM_USO_FEATURES)

static struct sim sim;
static struct virtio_user_port *vu;
static struct device device;
static struct guest_frame got;
static struct random r;
static uint8_t frame[PKT_LEN_MAX];

static const struct virtio_user_names names = {.instance = -1};

static void set_mtu(struct iface *iface)
{
	__atomic_store_n(&iface->mtu, IFACE_MTU_MAX, __ATOMIC_RELAXED);
}

/* A switch with the guest, and the port without a back-end. */
static void begin(uint32_t n_pairs, uint32_t queue_size)
{
	const struct virtio_user_config config = {.path = "",
		.n_pairs = n_pairs,
		.queue_size = queue_size,
		.packed = true,
		.in_order = true,
		.feature_mask = UINT64_MAX};

	random_init(&r, 1);
	sim_init(&sim, 1);
	sim_guests(&sim, SIM_RING_FEATURES);
	assert_int_equal(virtio_user_port_create(&sim.ports, &config, &names, &vu), 0);
	__atomic_store_n(&vu->port.iface.up, true, __ATOMIC_RELAXED);
	assert_int_equal(bridge_attach(sim.domain, &vu->port.iface, 0), 0);
	set_mtu(&vu->port.iface);
	set_mtu(&sim.port[0]->port.iface);
	device = (struct device){0};
}

static void end(void)
{
	device_stop(&device);
	sim_fini(&sim);
}

static struct iface_counters counters(void)
{
	struct iface_counters c;

	iface_counters_sum(sim.ifaces, &vu->port.iface, &c);
	return c;
}

static uint64_t drops(enum drop reason)
{
	return counters().drops[reason];
}

static void guest_says(uint32_t len)
{
	struct guest_layout layout = guest_layout_even(sim.guest[0].hdr_len + len, 1 + len % 3);

	sim_frame(frame, len, 0, DEVICE, &r);
	assert_true(guest_send(&sim.guest[0], NULL, frame, len, &layout));
	guest_kick(&sim.guest[0], GUEST_TX);
	sim_settle(&sim);
	assert_int_equal(guest_reap(&sim.guest[0]), 1);
}

static void device_says(uint32_t len)
{
	sim_frame(frame, len, DEVICE, 0, &r);
	assert_true(device_send(&device, 0, NULL, frame, len));
	sim_settle(&sim);
}

static void device_expects(uint32_t len)
{
	assert_true(device_receive(&device, 0, &got));
	assert_int_equal(got.len, len);
	assert_memory_equal(got.bytes, frame, len);
	assert_int_equal(got.hdr.hdr.flags, 0);
	assert_int_equal(got.hdr.hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
}

/* --- frames --- */

static const uint32_t frame_lens[] = {
	14, 15, 60, 127, 128, 129, 1500, 1514, 2034, 2036, 2037, 4096, 9014, 65535};

static void check_frames(uint64_t features, uint32_t queue_size)
{
	begin(1, queue_size);
	device_start(&device, vu, features, 2);
	guest_post_n(&sim.guest[0], 1, GUEST_BUFFER_MAX);
	for (uint32_t round = 0; round < 20 * ARRAY_LEN(frame_lens); round++) {
		uint32_t len = frame_lens[round % ARRAY_LEN(frame_lens)];

		guest_says(len);
		device_expects(len);
		assert_false(device_receive(&device, 0, &got));
		if (!(features & (MRG | LARGE)) && len > 2048 - device.hdr_len)
			continue; /* more than fits into the buffers of such a driver */
		device_says(len);
		sim_expect(&sim, 0, frame, len);
		sim_expect_nothing(&sim, 0);
		guest_post_n(&sim.guest[0], 1, GUEST_BUFFER_MAX);
	}
	assert_int_equal(counters().tx_packets, 20 * ARRAY_LEN(frame_lens));
	end();
}

TEST(frames_of_every_size_go_both_ways)
{
	static const uint64_t sets[] = {FEATURES, FEATURES & ~MRG, FEATURES & ~LARGE,
		FEATURES & ~(LARGE | MRG), FEATURES & ~FEATURE(VIRTIO_RING_F_EVENT_IDX),
		FEATURE(VIRTIO_F_VERSION_1), FEATURE(VIRTIO_F_VERSION_1) | MRG};
	static const uint32_t sizes[] = {2, 3, 8, 200, 256};

	for (uint32_t i = 0; i < ARRAY_LEN(sets); i++) {
		for (uint32_t k = 0; k < ARRAY_LEN(sizes); k++) {
			check_frames(sets[i], sizes[k]);
			check_frames(sets[i] | IN_ORDER, sizes[k]);
			check_frames(sets[i] | PACKED, sizes[k]);
			check_frames(sets[i] | PACKED | IN_ORDER, sizes[k]);
		}
	}
}

TEST(a_body_is_copied_once_on_its_way_out_and_never_on_its_way_in)
{
	begin(1, 256);
	device_start(&device, vu, FEATURES, 2);
	guest_says(3000);
	assert_int_equal(counters().copied_bytes, 3000 - PKT_HEAD_MAX);
	guest_post_n(&sim.guest[0], 1, 4096);
	device_says(3000);
	assert_int_equal(counters().copied_bytes, 3000 - PKT_HEAD_MAX);
	assert_int_equal(sim_counters(&sim, 0).copied_bytes, 3000 - PKT_HEAD_MAX);
	assert_int_equal(counters().rx_packets, 1);
	assert_int_equal(counters().rx_bytes, 3000);
	end();
}

TEST(many_frames_in_one_turn_arrive_in_order)
{
	for (uint32_t packed = 0; packed < 2; packed++) {
		struct random again;

		begin(1, 256);
		device_start(&device, vu, FEATURES | (packed ? PACKED : 0), 2);
		guest_post_n(&sim.guest[0], 100, 2000);
		again = r;
		for (uint32_t i = 0; i < 100; i++) {
			sim_frame(frame, 60 + 9 * i, DEVICE, 0, &r);
			assert_true(device_send(&device, 0, NULL, frame, 60 + 9 * i));
		}
		sim_settle(&sim);
		for (uint32_t i = 0; i < 100; i++) {
			sim_frame(frame, 60 + 9 * i, DEVICE, 0, &again);
			sim_expect(&sim, 0, frame, 60 + 9 * i);
		}
		end();
	}
}

/* --- offloads, through two switches: guest 0 - virtio-user port - vhost port 1 - guest 2 --- */

static const uint8_t macs[3][6] = {{0x52, 0x54}, {0x52, 0x54, 0, 0, 0, 1}, {0x52, 0x54, 0, 0, 0, 2}};

static void begin_wire(uint64_t wire, uint64_t guests)
{
	const struct virtio_user_config config = {
		.path = "", .n_pairs = 1, .queue_size = 256, .packed = true, .feature_mask = UINT64_MAX};
	struct bridge_domain *other;

	random_init(&r, 1);
	sim_init(&sim, 3);
	assert_int_equal(virtio_user_port_create(&sim.ports, &config, &names, &vu), 0);
	__atomic_store_n(&vu->port.iface.up, true, __ATOMIC_RELAXED);
	assert_int_equal(bridge_attach(sim.domain, &vu->port.iface, 0), 0);
	assert_int_equal(bridge_domain_create(sim.bridges, 2, &BRIDGE_DEFAULT_CONFIG, &other), 0);
	for (uint32_t i = 1; i < 3; i++) {
		bridge_detach(&sim.port[i]->port.iface);
		assert_int_equal(bridge_attach(other, &sim.port[i]->port.iface, 0), 0);
	}
	sim_guest(&sim, 0, &(struct guest_config){.features = guests});
	sim_guest(&sim, 2, &(struct guest_config){.features = guests});
	device_start_behind(&device, vu, sim.port[1]->backend, wire, 2);
}

/* What the receiver takes undone, as far as the wire lets it through. */
static struct reference_caps caps_of(uint64_t wire, uint64_t guests, bool out)
{
	bool csum = wire & FEATURE(out ? VIRTIO_NET_F_CSUM : VIRTIO_NET_F_GUEST_CSUM);
	bool tso = wire & FEATURE(out ? VIRTIO_NET_F_HOST_TSO4 : VIRTIO_NET_F_GUEST_TSO4);
	bool uso = wire & FEATURE(out ? VIRTIO_NET_F_HOST_USO : VIRTIO_NET_F_GUEST_USO4);

	return (struct reference_caps){
		.csum = csum && guests & FEATURE(VIRTIO_NET_F_GUEST_CSUM),
		.tso4 = tso && guests & FEATURE(VIRTIO_NET_F_GUEST_TSO4),
		.uso4 = uso && guests & FEATURE(VIRTIO_NET_F_GUEST_USO4),
	};
}

static void send_reference(struct guest *g, const struct reference_packet *p)
{
	const struct reference_frame *f = &p->frame;
	const struct virtio_net_hdr hdr = {.flags = f->flags,
		.gso_type = f->gso_type,
		.hdr_len = f->hdr_len,
		.gso_size = f->gso_size,
		.csum_start = f->csum_start,
		.csum_offset = f->csum_offset};
	const struct guest_layout layout = guest_layout_even(g->hdr_len + f->len, 9);

	assert_true(guest_send(g, &hdr, f->bytes, f->len, &layout));
	guest_kick(g, GUEST_TX);
	sim_settle(&sim);
	assert_int_equal(guest_reap(g), 1);
}

static void check_crossing(uint64_t wire, uint64_t guests, const struct reference_shape *shape, uint32_t from)
{
	static struct reference_packet packet;
	static struct reference_frame expected;
	const struct reference_caps caps = caps_of(wire, guests, from == 0);
	uint32_t to = 2 - from, n = 0;

	reference_make(&packet, shape, macs[to], macs[from], 1);
	guest_post_n(&sim.guest[to], 64 - guest_outstanding(&sim.guest[to], GUEST_RX), 1600);
	send_reference(&sim.guest[from], &packet);
	for (; reference_expect(&packet, &caps, n, &expected); n++) {
		assert_true(guest_receive(&sim.guest[to], &sim.got));
		assert_int_equal(sim.got.len, expected.len);
		assert_memory_equal(sim.got.bytes, expected.bytes, expected.len);
		assert_int_equal(sim.got.hdr.hdr.flags, expected.flags);
		assert_int_equal(sim.got.hdr.hdr.gso_type, expected.gso_type);
		assert_int_equal(sim.got.hdr.hdr.gso_size, expected.gso_size);
	}
	sim_expect_nothing(&sim, to);
}

TEST(offloads_cross_the_wire_as_far_as_they_were_negotiated_and_are_completed_otherwise)
{
	static const uint64_t wires[] = {FEATURES, FEATURES & ~MRG, FEATURES & ~SIM_USO_FEATURES,
		FEATURES & ~SIM_TSO_FEATURES, FEATURES & ~LARGE, FEATURES & ~(LARGE | SIM_CSUM_FEATURES),
		FEATURES & ~(FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_USO)),
		FEATURES & ~(FEATURE(VIRTIO_NET_F_GUEST_TSO4) | FEATURE(VIRTIO_NET_F_GUEST_USO4))};
	static const uint64_t guests[] = {SIM_RING_FEATURES | SIM_CSUM_FEATURES | LARGE,
		(SIM_RING_FEATURES | SIM_CSUM_FEATURES | LARGE) &
			~(FEATURE(VIRTIO_NET_F_GUEST_TSO4) | FEATURE(VIRTIO_NET_F_GUEST_USO4))};
	static const struct reference_shape shapes[] = {
		{.payload = 700},
		{.tcp = true, .begun = true, .payload = 700},
		{.begun = true, .payload = 700},
		{.tcp = true, .begun = true, .gso_size = 1000, .payload = 30001},
		{.begun = true, .gso_size = 1000, .payload = 30001},
	};

	for (uint32_t w = 0; w < 2 * ARRAY_LEN(wires); w++) {
		for (uint32_t g = 0; g < ARRAY_LEN(guests); g++) {
			uint64_t wire = wires[w / 2] | (w % 2 ? PACKED : 0);

			begin_wire(wire, guests[g]);
			for (uint32_t i = 0; i < 2 * ARRAY_LEN(shapes); i++)
				check_crossing(wire, guests[g], &shapes[i / 2], i % 2 ? 2 : 0);
			end();
		}
	}
}

/* --- buffers --- */

TEST(without_a_back_end_frames_are_dropped_and_counted)
{
	begin(1, 256);
	guest_says(100);
	assert_int_equal(drops(DROP_TX_NO_PEER), 1);
	device_start(&device, vu, FEATURES, 2);
	guest_says(100);
	device_expects(100);
	device_stop(&device);
	guest_says(100);
	assert_int_equal(drops(DROP_TX_NO_PEER), 2);
	end();
}

TEST(a_device_that_takes_nothing_fills_the_ring_and_the_rest_is_counted)
{
	for (uint32_t packed = 0; packed < 2; packed++) {
		begin(1, 8);
		device_start(&device, vu, FEATURES | (packed ? PACKED : 0), 2);
		for (uint32_t i = 0; i < 12; i++)
			guest_says(100 + i);
		assert_int_equal(counters().tx_packets, 8);
		assert_int_equal(drops(DROP_TX_NO_BUFFER), 4);
		for (uint32_t i = 0; i < 8; i++) {
			assert_true(device_receive(&device, 0, &got));
			assert_int_equal(got.len, 100 + i);
		}
		guest_says(500);
		device_expects(500);
		end();
	}
}

TEST(a_large_frame_that_does_not_fit_what_is_free_leaves_it_to_smaller_ones)
{
	begin(1, 32);
	device_start(&device, vu, FEATURES, 2);
	guest_says(60000);
	assert_int_equal(counters().tx_packets, 1);
	guest_says(60000);
	assert_int_equal(drops(DROP_TX_NO_BUFFER), 1);
	guest_says(60);
	assert_int_equal(counters().tx_packets, 2);
	/* two buffers are left */
	guest_says(4300);
	assert_int_equal(drops(DROP_TX_NO_BUFFER), 2);
	guest_says(4200);
	assert_int_equal(counters().tx_packets, 3);
	end();
}

TEST(a_frame_beyond_the_mtu_is_dropped)
{
	begin(1, 256);
	__atomic_store_n(&vu->port.iface.mtu, 1500, __ATOMIC_RELAXED);
	device_start(&device, vu, FEATURES, 2);
	guest_says(1515);
	assert_int_equal(drops(DROP_TX_MTU), 1);
	guest_says(1514);
	device_expects(1514);
	end();
}

TEST(received_buffers_go_back_to_the_device_when_the_turn_ends)
{
	for (uint32_t packed = 0; packed < 2; packed++) {
		begin(1, 4);
		device_start(&device, vu, FEATURES | (packed ? PACKED : 0), 2);
		for (uint32_t round = 0; round < 100; round++) {
			for (uint32_t i = 0; i < 4; i++) {
				sim_frame(frame, 100, DEVICE, 0, &r);
				assert_true(device_send(&device, 0, NULL, frame, 100));
			}
			assert_false(device_send(&device, 0, NULL, frame, 100));
			assert_int_equal(sim_turn(&sim), 4);
			assert_int_equal(sim_turn(&sim), 0);
		}
		assert_int_equal(counters().rx_packets, 400);
		end();
	}
}

/* --- several queues --- */

/* Frames of different flows, to tell one queue from the others. */
static void flow_frame(uint32_t flow, uint32_t from, uint32_t to)
{
	static struct reference_packet packet;
	const struct reference_shape shape = {.payload = 100};
	const uint8_t dst[6] = {0x52, 0x54, 0, 0, 0, (uint8_t)to},
		      src[6] = {0x52, 0x54, 0, 0, 0, (uint8_t)from};

	reference_make(&packet, &shape, dst, src, flow);
	memcpy(frame, packet.frame.bytes, packet.frame.len);
}

TEST(flows_are_spread_over_the_queues_the_back_end_has)
{
	uint32_t n[VIRTIO_USER_PAIRS] = {0};

	begin(8, 256);
	device_start(&device, vu, FEATURES | MQ | PACKED, 6);
	for (uint32_t flow = 0; flow < 100; flow++) {
		const struct guest_layout layout = guest_layout_one(200);

		flow_frame(flow, 0, DEVICE);
		assert_true(guest_send(&sim.guest[0], NULL, frame, 142, &layout));
		guest_kick(&sim.guest[0], GUEST_TX);
		sim_settle(&sim);
		guest_reap(&sim.guest[0]);
		for (uint32_t pair = 0; pair < 3; pair++)
			while (device_receive(&device, pair, &got))
				n[pair]++;
	}
	assert_int_equal(n[0] + n[1] + n[2], 100);
	for (uint32_t pair = 0; pair < 3; pair++)
		assert_in_range(n[pair], 15, 60);
	end();
}

TEST(frames_are_received_on_every_queue)
{
	begin(4, 16);
	device_start(&device, vu, FEATURES | MQ, 8);
	guest_post_n(&sim.guest[0], 100, 2000);
	for (uint32_t pair = 0; pair < 4; pair++) {
		sim_frame(frame, 100 + pair, DEVICE, 0, &r);
		assert_true(device_send(&device, pair, NULL, frame, 100 + pair));
		sim_settle(&sim);
		sim_expect(&sim, 0, frame, 100 + pair);
	}
	end();
}

/* --- notification --- */

static uint64_t rings_of(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

TEST(a_worker_asks_for_calls_before_it_sleeps_and_not_while_it_polls)
{
	for (uint32_t packed = 0; packed < 2; packed++) {
		const struct port_ops *ops;
		int call_fd;

		begin(1, 16);
		ops = vu->port.ops;
		device_start(&device, vu, FEATURES | (packed ? PACKED : 0), 2);
		call_fd = vu->life->queues[0].call_fd;
		device_says(100); /* after a start there is one call in any case */
		rings_of(call_fd);
		device_says(100);
		assert_int_equal(rings_of(call_fd), 0);
		assert_false(ops->rx_arm(&vu->port, 0));
		assert_true(device_send(&device, 0, NULL, frame, 100));
		assert_int_equal(rings_of(call_fd), 1);
		assert_true(ops->rx_arm(&vu->port, 0));
		ops->rx_disarm(&vu->port, 0);
		sim_settle(&sim);
		device_says(100);
		assert_int_equal(rings_of(call_fd), 0);
		end();
	}
}

TEST(a_device_that_sleeps_is_kicked_once_per_burst)
{
	begin(1, 64);
	device_start(&device, vu, FEATURES, 2);
	rings_of(vu->life->queues[1].kick_fd);
	assert_false(virtq_arm(&device.rings[1].vq));
	for (uint32_t i = 0; i < 10; i++) {
		const struct guest_layout layout = guest_layout_one(200);

		sim_frame(frame, 100, 0, DEVICE, &r);
		assert_true(guest_send(&sim.guest[0], NULL, frame, 100, &layout));
	}
	guest_kick(&sim.guest[0], GUEST_TX);
	sim_settle(&sim);
	assert_int_equal(rings_of(vu->life->queues[1].kick_fd), 1);
	assert_int_equal(vu->life->queues[1].vq.kicks, 1);
	end();
}

/* --- lives --- */

TEST(each_life_has_memory_and_features_of_its_own)
{
	begin(2, 64);
	guest_post_n(&sim.guest[0], 100, 2000);
	for (uint32_t i = 0; i < 20; i++) {
		device_start(&device, vu, FEATURES | (i % 2 ? PACKED | IN_ORDER : 0) | (i % 3 ? MQ : 0),
			i % 3 ? 4 : 2);
		guest_says(100 + i);
		for (uint32_t pair = 0; pair < device.n_rings / 2; pair++)
			if (device_receive(&device, pair, &got))
				assert_int_equal(got.len, 100 + i);
		device_says(200 + i);
		sim_expect(&sim, 0, frame, 200 + i);
		assert_true(device_send(&device, 0, NULL, frame, 100)); /* lost with the life */
		device_stop(&device);
		assert_null(vu->life);
		assert_int_equal(sim_turn(&sim), 0);
	}
	assert_int_equal(counters().tx_packets, 20);
	end();
}

TEST(a_life_that_never_ran_leaves_nothing_behind)
{
	begin(1, 64);
	assert_int_equal(frontend_engine_prepare(vu->frontend, FEATURES, 2), 0);
	assert_null(vu->life);
	guest_says(100);
	assert_int_equal(drops(DROP_TX_NO_PEER), 1);
	frontend_engine_stop(vu->frontend);
	assert_null(vu->prepared);
	end();
}

TEST(the_memory_of_a_life_can_be_neither_shrunk_nor_grown)
{
	int fd;

	begin(1, 64);
	device_start(&device, vu, FEATURES, 2);
	fd = device.frontend->plan.memory_fd;
	assert_int_not_equal(ftruncate(fd, 0), 0);
	assert_int_not_equal(ftruncate(fd, (off_t)device.frontend->plan.memory_len + 4096), 0);
	end();
}

/* --- a lying device --- */

TEST(frames_that_are_no_good_are_dropped_by_name_and_the_queue_lives)
{
	const struct virtio_net_hdr far = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 90, .csum_offset = 9};

	begin(1, 256);
	set_mtu(&vu->port.iface);
	device_start(&device, vu, FEATURES, 2);
	sim_frame(frame, 14, DEVICE, 0, &r);
	assert_true(device_send(&device, 0, NULL, frame, 13));
	sim_settle(&sim);
	assert_int_equal(drops(DROP_RX_RUNT), 1);
	assert_true(device_send(&device, 0, &far, frame, 100));
	sim_settle(&sim);
	assert_int_equal(drops(DROP_RX_HEADER), 1);
	device.hdr_len = 5;
	assert_true(device_send(&device, 0, NULL, frame, 6));
	sim_settle(&sim);
	assert_int_equal(drops(DROP_RX_HEADER), 2);
	device.hdr_len = 12;
	guest_post_n(&sim.guest[0], 1, 2000);
	device_says(100);
	sim_expect(&sim, 0, frame, 100);
	end();
}

/* The queue broke for this reason: the port gives the back-end up, and the next life is a good one. */
static void check_given_up(enum driverq_error error)
{
	assert_int_equal(vu->life->queues[0].vq.error, error);
	assert_int_equal(sim_turn(&sim), 0);
	assert_false(vu->port.ops->rx_arm(&vu->port, 0));
	vu->port.ops->tick(&vu->port);
	assert_int_equal(vu->frontend->given_up, 1);
	assert_non_null(strstr(vu->frontend->why, driverq_error_text(error)));
	assert_null(vu->life);
	device_stop(&device);
	device_start(&device, vu, FEATURES, 2);
	guest_post_n(&sim.guest[0], 1, 2000);
	device_says(100);
	sim_expect(&sim, 0, frame, 100);
	vu->port.ops->tick(&vu->port);
	assert_int_equal(vu->frontend->given_up, 1);
	end();
}

TEST(a_wrong_num_buffers_breaks_the_queue)
{
	static const int lies[] = {-1, 1, 100, 2000};

	for (uint32_t i = 0; i < 2 * ARRAY_LEN(lies); i++) {
		begin(1, 8);
		device_start(&device, vu, FEATURES | (i % 2 ? PACKED : 0), 2);
		device.num_buffers_lie = (uint32_t)lies[i / 2];
		sim_frame(frame, 100, DEVICE, 0, &r);
		assert_true(device_send(&device, 0, NULL, frame, 100));
		assert_int_equal(sim_turn(&sim), 1);
		assert_int_equal(drops(DROP_RX_HEADER), 1);
		check_given_up(DRIVERQ_NUM_BUFFERS);
	}
}

TEST(an_empty_buffer_in_a_frame_breaks_the_queue)
{
	struct virtq *vq = &device.rings[0].vq;
	const struct virtio_net_hdr_mrg_rxbuf hdr = {.num_buffers = 2};
	struct virtq_seg seg;

	begin(1, 8);
	device_start(&device, vu, FEATURES, 2);
	for (uint32_t i = 0; i < 2; i++) {
		struct virtq_chain chain = {.segs = &seg, .max = 1};

		assert_int_equal(virtq_pop(vq, &chain), 1);
		memcpy(seg.addr, &hdr, sizeof(hdr));
		virtq_push(vq, chain.buffer, i == 0 ? 200 : 0);
	}
	virtq_flush(vq);
	assert_int_equal(sim_turn(&sim), 2);
	assert_int_equal(drops(DROP_RX_HEADER), 1);
	check_given_up(DRIVERQ_NUM_BUFFERS);
}

/* It has a copy of the descriptor, with the same flags. */
static void make_blocking(int fd)
{
	uint64_t full = UINT64_MAX - 1;

	rings_of(fd);
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
}

TEST(a_kick_that_blocks_ends_with_the_alarm_and_the_back_end_is_left_for_a_while)
{
	for (uint32_t ring = 0; ring < 2; ring++) {
		begin(1, 8);
		guest_post_n(&sim.guest[0], 1, 2000);
		device_start(&device, vu, FEATURES & ~FEATURE(VIRTIO_RING_F_EVENT_IDX), 2);
		make_blocking(vu->life->queues[ring].kick_fd);
		virtq_arm(&device.rings[ring].vq);
		assert_int_equal(thread_alarm_start(), 0);
		if (ring == 0)
			device_send(&device, 0, NULL, frame, 100);
		else
			guest_says(100);
		sim_settle(&sim);
		thread_alarm_stop();
		assert_int_equal(vu->life->queues[ring].vq.error, DRIVERQ_KICK_BLOCKS);
		vu->port.ops->tick(&vu->port);
		assert_int_equal(vu->frontend->given_up, 1);
		assert_int_equal(vu->frontend->err, -EINTR);
		end();
	}
}

TEST(a_device_that_returns_more_than_the_buffer_holds_is_given_up)
{
	begin(1, 8);
	device_start(&device, vu, FEATURES, 2);
	virtq_push(&device.rings[0].vq, (struct virtq_buffer){.id = 3, .slots = 1}, 9000);
	virtq_flush(&device.rings[0].vq);
	assert_int_equal(sim_turn(&sim), 0);
	check_given_up(DRIVERQ_LEN);
}

TEST(a_broken_transmit_queue_drops_by_name)
{
	begin(1, 8);
	device_start(&device, vu, FEATURES, 2);
	virtq_push(&device.rings[1].vq, (struct virtq_buffer){.id = 7, .slots = 1}, 0);
	virtq_flush(&device.rings[1].vq);
	guest_says(100);
	assert_int_equal(drops(DROP_TX_BROKEN), 1);
	vu->port.ops->tick(&vu->port);
	assert_int_equal(vu->frontend->given_up, 1);
	assert_int_equal(vu->frontend->err, -EPROTO);
	end();
}

/* It writes anything anywhere into the memory, at any time; honest frames go on in between. */
static void check_noise(uint64_t features, uint64_t seed)
{
	random_init(&r, seed);
	for (uint32_t life = 0; life < 30; life++) {
		uint16_t *words;
		uint64_t n;

		device_start(&device, vu, features, 2);
		words = device.frontend->plan.memory;
		n = device.frontend->plan.memory_len / sizeof(*words);
		for (uint32_t round = 0; round < 30 && vu->life; round++) {
			const struct guest_layout layout = guest_layout_one(3000);
			uint64_t rings = (uint64_t)(vu->life->queues[0].vq.buffers - (uint8_t *)words) / 2;

			sim_frame(frame, 2000, DEVICE, 0, &r);
			if (!device.rings[0].vq.error)
				device_send(&device, 0, NULL, frame, 2000);
			for (uint32_t i = random_below(&r, 20); i > 0; i--) {
				uint64_t at = random_u64(&r) % (random_below(&r, 2) ? rings : n);

				words[at] = (uint16_t)(random_u64(&r) >> random_below(&r, 16));
			}
			sim_frame(frame, 2000, 0, DEVICE, &r);
			if (guest_send(&sim.guest[0], NULL, frame, 2000, &layout))
				guest_kick(&sim.guest[0], GUEST_TX);
			sim_turn(&sim);
			guest_reap(&sim.guest[0]);
			while (guest_receive(&sim.guest[0], &sim.got))
				;
			guest_post_n(&sim.guest[0], 16 - guest_outstanding(&sim.guest[0], GUEST_RX), 2100);
		}
		vu->port.ops->tick(&vu->port);
		device_stop(&device);
	}
}

TEST(noise_in_the_shared_memory_harms_nobody_else)
{
	static const uint64_t sets[] = {FEATURES, FEATURES | PACKED, FEATURES | IN_ORDER,
		FEATURES | PACKED | IN_ORDER, FEATURES & ~(MRG | LARGE)};

	begin(1, 16);
	for (uint32_t i = 0; i < ARRAY_LEN(sets); i++)
		check_noise(sets[i], 1 + i);
	assert_true(counters().rx_packets > 100);
	/* and afterwards all is well */
	while (guest_receive(&sim.guest[0], &sim.got))
		;
	device_start(&device, vu, FEATURES, 2);
	guest_post_n(&sim.guest[0], 1, 2000);
	device_says(100);
	sim_expect(&sim, 0, frame, 100);
	guest_says(100);
	device_expects(100);
	end();
}

TESTS(cmocka_unit_test(frames_of_every_size_go_both_ways),
	cmocka_unit_test(a_body_is_copied_once_on_its_way_out_and_never_on_its_way_in),
	cmocka_unit_test(many_frames_in_one_turn_arrive_in_order),
	cmocka_unit_test(offloads_cross_the_wire_as_far_as_they_were_negotiated_and_are_completed_otherwise),
	cmocka_unit_test(without_a_back_end_frames_are_dropped_and_counted),
	cmocka_unit_test(a_device_that_takes_nothing_fills_the_ring_and_the_rest_is_counted),
	cmocka_unit_test(a_large_frame_that_does_not_fit_what_is_free_leaves_it_to_smaller_ones),
	cmocka_unit_test(a_frame_beyond_the_mtu_is_dropped),
	cmocka_unit_test(received_buffers_go_back_to_the_device_when_the_turn_ends),
	cmocka_unit_test(flows_are_spread_over_the_queues_the_back_end_has),
	cmocka_unit_test(frames_are_received_on_every_queue),
	cmocka_unit_test(a_worker_asks_for_calls_before_it_sleeps_and_not_while_it_polls),
	cmocka_unit_test(a_device_that_sleeps_is_kicked_once_per_burst),
	cmocka_unit_test(each_life_has_memory_and_features_of_its_own),
	cmocka_unit_test(a_life_that_never_ran_leaves_nothing_behind),
	cmocka_unit_test(the_memory_of_a_life_can_be_neither_shrunk_nor_grown),
	cmocka_unit_test(frames_that_are_no_good_are_dropped_by_name_and_the_queue_lives),
	cmocka_unit_test(a_wrong_num_buffers_breaks_the_queue),
	cmocka_unit_test(an_empty_buffer_in_a_frame_breaks_the_queue),
	cmocka_unit_test(a_kick_that_blocks_ends_with_the_alarm_and_the_back_end_is_left_for_a_while),
	cmocka_unit_test(a_device_that_returns_more_than_the_buffer_holds_is_given_up),
	cmocka_unit_test(a_broken_transmit_queue_drops_by_name),
	cmocka_unit_test(noise_in_the_shared_memory_harms_nobody_else))
