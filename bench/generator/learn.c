/* SPDX-License-Identifier: Apache-2.0 */
#include "learn.h"

#include "receive.h"
#include "send.h"

#define PASSES   8
#define QUIET_NS (20 * NS_PER_MS)
/* Few at a time: nothing may be dropped. */
#define BURST 16

/* The next frames of a pass, up to BURST of them. Returns how many. */
static uint32_t send_some(struct port *p, uint32_t *mac)
{
	const bool packed = p->options->packed;
	const uint64_t number = frame_number(FRAME_LEARN, (uint64_t)p->index << FRAME_LEARN_SHIFT);
	uint32_t n = 0;

	send_reclaim(p, p->options->queue_size, packed);
	for (; n < min_u32(BURST, guestq_free(&p->tx)) && *mac < p->shape->macs; n++, ++*mac) {
		uint8_t *frame = guestq_buffer(&p->tx, p->tx.offered + n) + VNET_HDR_LEN;

		frame_set_mac(frame, *mac);
		frame_set_word(frame, p->shape->number_at, number);
	}
	guestq_offer(&p->tx, n, packed);
	return n;
}

static void receive_all(struct ports *ports)
{
	for (uint32_t i = 0; i < ports->n; i++)
		while (port_receive(&ports->all[i], ports->options->burst, ports->buffers_per_frame,
			       ports->options->packed) > 0)
			;
}

static uint64_t arrived(const struct ports *ports)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < ports->n; i++)
		n += ports->all[i].learned + ports->all[i].learned_foreign;
	return n;
}

/* Until nothing comes any more. False: the switch failed. */
static bool settle(struct ports *ports)
{
	uint64_t seen = arrived(ports), since = clock_now_ns();

	while (clock_now_ns() - since < QUIET_NS) {
		receive_all(ports);
		if (arrived(ports) != seen)
			since = clock_now_ns();
		seen = arrived(ports);
	}
	return ports_attend(ports);
}

/* One port after the other, so that the second knows where the first one is. */
static bool pass(struct ports *ports)
{
	for (uint32_t i = 0; i < ports->n; i++) {
		uint32_t mac = 0;
		uint64_t deadline = clock_now_ns() + NS_PER_S;

		while (mac < ports->shape.macs && clock_now_ns() < deadline) {
			if (send_some(&ports->all[i], &mac) > 0)
				deadline = clock_now_ns() + NS_PER_S;
			receive_all(ports);
		}
	}
	return settle(ports);
}

static bool all_known(const struct ports *ports)
{
	for (uint32_t i = 0; i < ports->n; i++)
		if (ports->all[i].learned != ports->shape.macs || ports->all[i].learned_foreign > 0)
			return false;
	return true;
}

bool learn(struct ports *ports, bool *learned)
{
	*learned = false;
	for (uint32_t i = 0; i < PASSES && !*learned; i++) {
		for (uint32_t p = 0; p < ports->n; p++)
			ports->all[p].learned = ports->all[p].learned_foreign = 0;
		if (!pass(ports))
			return false;
		*learned = all_known(ports);
	}
	return true;
}
