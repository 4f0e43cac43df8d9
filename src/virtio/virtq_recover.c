/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a packed ring goes on whose base may be stale: a back-end was killed with buffers in its hands, or the
 * front-end says what it said long ago. No index lies in the ring's memory, but each descriptor has two bits, and
 * AVAIL is the driver's lap.
 *
 *	slot       0   1   2   3   4   5   6   7          wrap counter of the driver's lap: 1
 *	AVAIL      1   1   1   1   1 | 0   0   0          slots 5 to 7 are still of the lap before
 *	USED       1   1   0   0   0 | 0   0   0
 *	           ^used   ^available ^the driver's next
 *
 * Seen from the driver's next slot backwards, what is available (AVAIL is not USED) is ours, down to the newest used
 * descriptor. Two things stand in the way.
 *
 *  - Only the first slot of a chain is overwritten when it is used: the others go on looking available. A chain ends
 *    at a descriptor without NEXT, and that one has the buffer's id, which the used descriptor has, too. So the slots
 *    that follow a used one belong to it if they are a chain's end with its id. The same is to be seen if a chain of
 *    one slot was used and the driver took its id for the next chain at once, as it does while little goes on; that is
 *    believed unless there are other signs of chains in the ring. Nor can one tell in a ring without any used
 *    descriptor, whose first slots may be the rest of a chain that the driver has begun to overwrite. Where both may
 *    be, base decides if it names one.
 *  - Used descriptors become visible by the first of them, written last. Whoever dies before leaves used ones behind an
 *    available one, for which the driver waits; when it comes, the driver takes the others as well. It is used now,
 *    with nothing written: at worst the guest loses a frame.
 *
 * The driver may add buffers meanwhile. While it writes a chain, head last, AVAIL changes in more places; then, or if
 * the memory makes no sense in another way, base is all that is left.
 */
#include "virtio/virtq_private.h"

static uint64_t rest_at(const struct virtq *q, uint32_t place)
{
	return __atomic_load_n(virtq_rest_at(q, place), __ATOMIC_ACQUIRE);
}

static bool is_avail_at(const struct virtq *q, uint32_t place)
{
	return packed_is_avail(rest_at(q, place), virtq_wrap(q, place));
}

/* The place the driver fills next: where AVAIL changes, or slot 0 of a new lap if it does not. */
static bool find_driver(const struct virtq *q, uint16_t *place)
{
	bool first = packed_flags_of(rest_at(q, 0)) & PACKED_AVAIL;
	uint32_t change = 0;

	for (uint32_t i = 1; i < q->size; i++) {
		bool same = first == !!(packed_flags_of(rest_at(q, i)) & PACKED_AVAIL);

		if (change == 0 && !same)
			change = i;
		else if (change != 0 && same)
			return false;
	}
	*place = (uint16_t)(change > 0 ? (first ? change : q->size + change) : (first ? q->size : 0));
	return true;
}

/* Slots of the chain that begins at place, at most max; *id is the one in the last of them. */
static uint32_t chain_slots(const struct virtq *q, uint32_t place, uint32_t max, uint16_t *id)
{
	for (uint32_t n = 1;; n++) {
		uint64_t rest = rest_at(q, place);

		*id = packed_id_of(rest);
		if (n == max || !(packed_flags_of(rest) & VRING_DESC_F_NEXT))
			return n;
		place = virtq_forward(q, place, 1);
	}
}

/*
 * Makes the chain used that begins at place. If it was used long ago and only looks available, nobody minds, unless the
 * driver is about to reuse the slot: then the exchange fails.
 */
static void finish(struct virtq *q, uint32_t place, uint16_t id)
{
	uint64_t *at = virtq_rest_at(q, place), rest = rest_at(q, place);
	bool wrap = virtq_wrap(q, place);

	if (!packed_is_avail(rest, wrap))
		return;
	__atomic_compare_exchange_n(
		at, &rest, virtq_used_rest(wrap, id, 0), false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
	if (q->log)
		dirty_log_mark(q->log, q->log_slots_gpa + virtq_slot(q, place) * sizeof(*q->slots),
			sizeof(*q->slots));
}

/* Finishes what lies available between `from` and the newest used descriptor. True: there was something. */
static bool finish_older(struct virtq *q, uint32_t from, uint32_t newest_used)
{
	uint32_t left = virtq_distance(q, from, newest_used);
	bool found = false;

	while (left > 0) {
		uint32_t n = 1;
		uint16_t id;

		if (is_avail_at(q, from)) {
			n = chain_slots(q, from, left, &id);
			finish(q, from, id);
			found = true;
		}
		from = virtq_forward(q, from, n);
		left -= n;
	}
	return found;
}

/* Is this the id that a used descriptor names? One that was never written has id 0 as well, and is none. */
static bool names(const struct virtq *q, uint32_t used_place, uint16_t id)
{
	uint64_t rest = rest_at(q, used_place);
	uint64_t addr = __atomic_load_n(&q->slots[virtq_slot(q, used_place)].addr, __ATOMIC_RELAXED);

	return packed_id_of(rest) == id && (rest != 0 || addr != 0);
}

uint16_t virtq_recover(struct virtq *q, uint16_t base, uint16_t alias)
{
	uint32_t open = 0, tail = 0;
	uint16_t driver, next, behind_tail, id = 0;
	bool chains = false;

	if (!find_driver(q, &driver))
		return base;
	while (open < q->size && is_avail_at(q, virtq_back(q, driver, open + 1)))
		open++;
	next = virtq_back(q, driver, open);
	if (open > 0)
		tail = chain_slots(q, next, open, &id);
	if (open < q->size) {
		uint16_t newest_used = virtq_back(q, next, 1);

		chains = finish_older(q, virtq_back(q, driver, q->size), newest_used) || tail > 1;
		if (!names(q, newest_used, id))
			tail = 0;
	}
	behind_tail = virtq_forward(q, next, tail);
	if (next == base || next == alias)
		return next;
	if (behind_tail == base || behind_tail == alias)
		return behind_tail;
	return chains ? behind_tail : next;
}
