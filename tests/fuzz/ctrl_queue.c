/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctrl_queue - commands of a driver on its control queue, with any features, and the filter that follows from them.
 * What is refused changes nothing; what was saved is restored as it was.
 */
#include "fuzz.h"

#include "port/vnet_ctrl.h"

#include <linux/virtio_net.h>
#include <stdlib.h>

static struct vnet_ctrl ctrl, before;

static void reset(struct fuzz *f)
{
	static const uint64_t features[] = {
		UINT64_MAX, 0, 1ull << VIRTIO_NET_F_CTRL_VQ | 1ull << VIRTIO_NET_F_CTRL_RX};

	vnet_ctrl_reset(&ctrl, fuzz_pick(f, features, ARRAY_LEN(features)), 1 + fuzz_below(f, 8));
}

/* Class, command and a table of addresses or whatever else; the numbers in it are mostly near what is there. */
static uint32_t some_command(struct fuzz *f, uint8_t *bytes)
{
	uint8_t how = fuzz_u8(f);
	uint32_t len = 2, n = fuzz_below(f, 80);

	bytes[0] = how & 1 ? fuzz_u8(f) : (how >> 1) % 6;
	bytes[1] = fuzz_below(f, 8);
	if (how & 0x10) {
		const uint32_t said = how & 0x20 ? fuzz_u32(f) : n;

		memcpy(bytes + len, &said, sizeof(said));
		len += (uint32_t)sizeof(said);
		n *= 6;
	}
	if (how & 0x40)
		n = min_u32(n * 4, VNET_CTRL_COMMAND_MAX - len);
	fuzz_bytes(f, bytes + len, n);
	return len + n;
}

static void say(struct fuzz *f)
{
	uint8_t bytes[2 * VNET_CTRL_COMMAND_MAX], ack;
	uint32_t len = min_u32(some_command(f, bytes), VNET_CTRL_COMMAND_MAX);
	uint8_t *exact = malloc(len + 1);

	ASSERT(exact);
	if (fuzz_u8(f) % 16 == 0)
		len = fuzz_u8(f) % (len + 1);
	memcpy(exact + 1, bytes, len);
	exact = realloc(exact, len + 1); /* not a byte more */
	ASSERT(exact);
	before = ctrl;
	ack = vnet_ctrl_handle(&ctrl, exact + 1, len);
	free(exact);
	ASSERT(ack == VIRTIO_NET_OK || ack == VIRTIO_NET_ERR);
	ASSERT(ctrl.commands == before.commands + 1);
	ASSERT(ctrl.pairs >= 1 && ctrl.pairs <= ctrl.max_pairs && !(ctrl.offloads & ~ctrl.features));
	ASSERT(ctrl.unicast.n <= VNET_CTRL_MACS && ctrl.multicast.n <= VNET_CTRL_MACS);
	if (ack == VIRTIO_NET_OK)
		return;
	ASSERT(ctrl.refused == before.refused + 1);
	before.commands = ctrl.commands;
	before.refused = ctrl.refused;
	ASSERT(memcmp(&ctrl, &before, sizeof(ctrl)) == 0);
}

static void filter(struct fuzz *f)
{
	uint32_t len = 14 + fuzz_below(f, 8);
	uint8_t *frame = calloc(1, len);
	bool broadcast, tagged;

	ASSERT(frame);
	fuzz_bytes(f, frame, len);
	broadcast = memcmp(frame, "\xff\xff\xff\xff\xff\xff", 6) == 0;
	tagged = memcmp(frame + 12, "\x81\x00", 2) == 0; /* also one that ends within its tag */
	if (!vnet_ctrl_passes(&ctrl, frame, len))
		ASSERT(vnet_ctrl_filters(&ctrl) &&
			(!broadcast || ctrl.rx_modes[VIRTIO_NET_CTRL_RX_NOBCAST] || tagged));
	free(frame);
}

static void hand_over(void)
{
	json_t *state = vnet_ctrl_save(&ctrl);

	ASSERT(state);
	before = ctrl;
	vnet_ctrl_reset(&ctrl, before.features, before.max_pairs);
	vnet_ctrl_restore(&ctrl, state);
	json_decref(state);
	ASSERT(ctrl.pairs == before.pairs && ctrl.offloads == before.offloads && ctrl.mac == before.mac);
	ASSERT(memcmp(ctrl.rx_modes, before.rx_modes, sizeof(ctrl.rx_modes)) == 0);
	ASSERT(memcmp(ctrl.vlans, before.vlans, sizeof(ctrl.vlans)) == 0);
	ASSERT(ctrl.unicast.n == before.unicast.n && ctrl.unicast.all == before.unicast.all);
	ASSERT(ctrl.multicast.n == before.multicast.n && ctrl.multicast.all == before.multicast.all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz f = fuzz_begin(data, len);

	memset(&ctrl, 0, sizeof(ctrl));
	reset(&f);
	while (!fuzz_over(&f)) {
		uint8_t what = fuzz_u8(&f);

		if (what < 160)
			say(&f);
		else if (what < 240)
			filter(&f);
		else if (what < 250)
			hand_over();
		else
			reset(&f);
	}
	return 0;
}
