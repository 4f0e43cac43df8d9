/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real workers between two guests and a device behind a virtio-user port, all sending at once, while the device comes and
 * goes: no lost wake-up, no frame twice or changed, nothing for TSan to say.
 */
#include "device.h"
#include "sim.h"

#include "base/test.h"
#include "os/clock.h"

#include <string.h>

#define DEVICE      3u
#define GUESTS      2u
#define PAIRS       4u
#define FRAMES      3000u
#define PATIENCE_NS (60 * NS_PER_S)
#define NUMBER_AT   16

#define FEATURES                                                                                            \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_EVENT_IDX) | FEATURE(VIRTIO_NET_F_MRG_RXBUF) | \
		FEATURE(VIRTIO_NET_F_MQ))

static struct sim sim;
static struct virtio_user_port *vu;
static struct device device;
static struct guest_frame got;

static uint32_t sent[SIM_PORTS], received[SIM_PORTS], reaped[SIM_PORTS];
/* [to][from][flooded]: the number after the last received. Flooded frames are another flow, on another queue maybe. */
static uint32_t next[SIM_PORTS][SIM_PORTS][2];

static uint32_t len_of(uint32_t number)
{
	return 64 + number * 37 % 3000;
}

static void make_frame(uint8_t *frame, uint32_t from, uint32_t to, uint32_t number)
{
	struct random r;

	random_init(&r, number);
	sim_frame(frame, len_of(number), from, to, &r);
	memcpy(frame + NUMBER_AT, &number, sizeof(number));
}

/* Frames of one sender come in order, whole; some may have been dropped. */
static void check_frame(uint32_t to, const struct guest_frame *f)
{
	static uint8_t frame[4096];
	uint32_t from = f->bytes[11], number;
	bool flooded = f->bytes[0] == 0xff;

	memcpy(&number, f->bytes + NUMBER_AT, sizeof(number));
	assert_true(from < SIM_PORTS && from != to && number >= next[to][from][flooded]);
	next[to][from][flooded] = number + 1;
	make_frame(frame, from, flooded ? SIM_PORTS : f->bytes[5], number);
	assert_int_equal(f->len, len_of(number));
	assert_memory_equal(f->bytes, frame, f->len);
	received[to]++;
}

static uint32_t destination(uint32_t from)
{
	if (sent[from] % 10 == 0)
		return SIM_PORTS; /* all */
	return from == DEVICE ? sent[from] % GUESTS : DEVICE;
}

static void drive_guest(uint32_t i)
{
	static uint8_t frame[4096];
	const struct guest_layout buffer = guest_layout_one(1536);
	struct guest *g = &sim.guest[i];

	while (guest_outstanding(g, GUEST_RX) < 200 && guest_post(g, &buffer))
		;
	guest_kick(g, GUEST_RX);
	for (uint32_t n = 0; n < 16 && sent[i] < FRAMES; n++) {
		const struct guest_layout layout = guest_layout_even(12 + len_of(sent[i]), 1 + n % 3);

		make_frame(frame, i, destination(i), sent[i]);
		if (!guest_send(g, NULL, frame, len_of(sent[i]), &layout))
			break;
		sent[i]++;
	}
	guest_kick(g, GUEST_TX);
	reaped[i] += guest_reap(g);
	while (guest_receive(g, &sim.got))
		check_frame(i, &sim.got);
}

static void device_takes(void)
{
	for (uint32_t pair = 0; pair < device.n_rings / 2; pair++)
		while (device_receive(&device, pair, &got))
			check_frame(DEVICE, &got);
}

/* One queue, so its frames stay in order; the others are polled all the same. */
static void drive_device(void)
{
	static uint8_t frame[4096];

	for (uint32_t n = 0; n < 16 && sent[DEVICE] < FRAMES; n++) {
		make_frame(frame, DEVICE, destination(DEVICE), sent[DEVICE]);
		if (!device_send(&device, device.n_rings / 2 - 1, NULL, frame, len_of(sent[DEVICE])))
			break;
		sent[DEVICE]++;
	}
	device_takes();
	for (uint32_t i = 0; i < device.n_rings; i++)
		assert_int_equal(device.rings[i].vq.error, VIRTQ_OK);
}

static bool done(void)
{
	for (uint32_t i = 0; i < GUESTS; i++)
		if (reaped[i] < FRAMES)
			return false;
	return sent[DEVICE] == FRAMES;
}

static void begin_life(uint32_t life)
{
	uint64_t features = FEATURES | (life % 2 ? FEATURE(VIRTIO_F_RING_PACKED) : 0) |
			    (life % 3 ? FEATURE(VIRTIO_F_IN_ORDER) : 0);

	device_start(&device, vu, features, life % 4 == 3 ? 2 : 2 * PAIRS);
}

static void begin(uint32_t n_workers)
{
	const struct virtio_user_config config = {.path = "",
		.n_pairs = PAIRS,
		.queue_size = 64,
		.packed = true,
		.in_order = true,
		.feature_mask = UINT64_MAX};
	const struct virtio_user_names names = {.instance = -1};

	memset(sent, 0, sizeof(sent));
	memset(received, 0, sizeof(received));
	memset(reaped, 0, sizeof(reaped));
	memset(next, 0, sizeof(next));
	sim_init_workers(&sim, GUESTS, n_workers);
	sim_guests(&sim, SIM_RING_FEATURES);
	assert_int_equal(virtio_user_port_create(&sim.ports, &config, &names, &vu), 0);
	__atomic_store_n(&vu->port.iface.up, true, __ATOMIC_RELAXED);
	assert_int_equal(bridge_attach(sim.domain, &vu->port.iface, 0), 0);
	begin_life(0);
}

static void run(uint32_t n_workers, uint32_t rounds_per_life)
{
	uint64_t deadline_ns = clock_now_ns() + PATIENCE_NS;
	struct iface_counters c;

	begin(n_workers);
	for (uint32_t round = 1; !done(); round++) {
		assert_true(clock_now_ns() < deadline_ns);
		for (uint32_t i = 0; i < GUESTS; i++)
			drive_guest(i);
		drive_device();
		vu->port.ops->tick(&vu->port);
		if (rounds_per_life && round % rounds_per_life == 0) {
			device_stop(&device);
			begin_life(round / rounds_per_life);
		}
	}
	assert_int_equal(vu->frontend->given_up, 0);
	device_stop(&device);
	iface_counters_sum(sim.ifaces, &vu->port.iface, &c);
	assert_true(received[DEVICE] > 0 && received[0] > 0 && received[1] > 0);
	assert_true(c.tx_packets >= received[DEVICE]);
	if (rounds_per_life == 0)
		assert_int_equal(c.drops[DROP_TX_NO_PEER], 0);
	sim_fini(&sim);
}

TEST(one_worker_moves_frames_between_guests_and_a_device)
{
	run(1, 0);
}

TEST(workers_share_the_queues_of_a_device)
{
	run(3, 0);
}

TEST(a_device_comes_and_goes_under_traffic)
{
	run(1, 7);
	run(3, 7);
}

TESTS(cmocka_unit_test(one_worker_moves_frames_between_guests_and_a_device),
	cmocka_unit_test(workers_share_the_queues_of_a_device),
	cmocka_unit_test(a_device_comes_and_goes_under_traffic))
