/* SPDX-License-Identifier: Apache-2.0 */
#include "receive.h"

static void learned_from(struct port *p, uint64_t number)
{
	if ((number >> FRAME_LEARN_SHIFT & 0xff) == p->partner)
		p->learned++;
	else
		p->learned_foreign++;
}

/* Numbers up to, not including, this one were skipped. */
static void skipped(struct port *p, uint64_t number)
{
	const uint64_t n = number - p->expected;

	p->counters.lost += n;
	for (uint64_t i = n > MISSING_KEPT ? n - MISSING_KEPT : 0; i < n; i++)
		p->missing[(p->expected + i) % MISSING_KEPT] = p->expected + i;
}

bool receive_unexpected_slow(struct port *p, uint64_t number)
{
	uint64_t *missing = &p->missing[number % MISSING_KEPT];

	if (number >> FRAME_PORT_SHIFT == FRAME_LEARN) {
		learned_from(p, number);
		return false;
	}
	if (number >> FRAME_PORT_SHIFT != p->partner) {
		p->counters.foreign++;
		return false;
	}
	if (number > p->expected) {
		skipped(p, number);
		p->expected = number + 1;
		return true;
	}
	if (*missing != number) {
		p->counters.duplicates++;
		return false;
	}
	*missing = UINT64_MAX;
	p->counters.reordered++;
	p->counters.lost -= p->counters.lost > 0;
	return true;
}

/* Its buffers as one; a later one is data only. Returns the frame's length, 0: it is longer than it may be. */
static uint32_t gather(const struct port *p, uint32_t count, uint32_t buffers, bool packed, uint8_t *frame)
{
	uint32_t len = 0;

	for (uint32_t i = 0; i < buffers; i++) {
		const uint32_t skip = i == 0 ? VNET_HDR_LEN : 0;
		const uint32_t used = guestq_used_len(&p->rx, count + i, packed);

		if (used < skip || used > p->rx.desc_len || len + used - skip > FRAME_LEN_MAX)
			return 0;
		memcpy(frame + len, guestq_buffer(&p->rx, count + i) + skip, used - skip);
		len += used - skip;
	}
	return len;
}

/*
 * A frame in one buffer is looked at where it lies. Of a batch in order neither places nor lengths are told: the frame is
 * as long as it should be, or its bytes are not right. In a packed ring places have been looked at.
 */
void receive_check_slow(struct port *p, uint32_t count, uint32_t buffers, bool packed)
{
	static uint8_t frame[FRAME_LEN_MAX + 8];
	const uint8_t *at = guestq_buffer(&p->rx, count) + VNET_HDR_LEN;
	const uint32_t number_at = p->shape->number_at;
	const bool told = !p->options->in_order;

	if (!packed && told && split_used_id(&p->rx, count) != (count & p->rx.mask))
		p->rx.broken = true;
	if (buffers > 1 || (told && guestq_used_len(&p->rx, count, packed) != p->shape->len + VNET_HDR_LEN)) {
		if (gather(p, count, buffers, packed, frame) != p->shape->len) {
			p->counters.corrupt++;
			return;
		}
		at = frame;
	}
	if (p->options->verify && !frame_check(p->shape, at, p->index, frame_word(at, number_at)))
		p->counters.corrupt++;
}
