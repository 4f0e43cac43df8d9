/* SPDX-License-Identifier: Apache-2.0 */
/* packed_chain - a packed ring and its indirect tables, filled with anything, against the device's side. */
#include "chain.h"

#include <errno.h>

#define TABLE_A (ARENA_GPA + 0x2000)
#define TABLE_B (ARENA_GPA_2 - 64)

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)

static struct chain_bed bed;

/* Of the guest: the slot it fills next, and in which lap. */
static uint32_t next_slot;
static bool wrap;

/* --- the guest --- */

static uint64_t ring_gpa(void)
{
	return bed.setup.desc_uaddr - ARENA_UADDR;
}

static struct vring_packed_desc *slot_at(uint32_t slot)
{
	return (void *)arena_at(
		ring_gpa() + slot * sizeof(struct vring_packed_desc), sizeof(struct vring_packed_desc));
}

static struct vring_packed_desc some_desc(struct fuzz *f)
{
	static const uint64_t lens[] = {64, 16, 32, 48, 1, 0, 4096, 0x3000, UINT32_MAX};
	static const uint64_t flags[] = {0, 1, 2, 3, 4, 5, 6};

	return (struct vring_packed_desc){
		.addr = arena_some_gpa(f),
		.len = (uint32_t)fuzz_pick(f, lens, ARRAY_LEN(lens)),
		.id = fuzz_u8(f),
		.flags = (uint16_t)fuzz_pick(f, flags, ARRAY_LEN(flags)),
	};
}

/* Available in this lap, as a driver does it; whether the rest makes sense is left to chance. */
static void offer(struct fuzz *f)
{
	struct vring_packed_desc d = some_desc(f);

	d.flags = (uint16_t)((d.flags & ~(AVAIL | USED)) | (wrap ? AVAIL : USED));
	*slot_at(next_slot) = d;
	if (++next_slot == bed.q.size) {
		next_slot = 0;
		wrap = !wrap;
	}
}

/* Any slot, with any flags: the driver need not care whose it is. */
static void overwrite(struct fuzz *f)
{
	struct vring_packed_desc d = some_desc(f);
	uint8_t how = fuzz_u8(f);

	d.flags = (uint16_t)((d.flags & ~(AVAIL | USED)) | (how & 1 ? AVAIL : 0) | (how & 2 ? USED : 0));
	*slot_at((how >> 2) % min_u32(bed.q.size, 64)) = d;
}

static void write_table(struct fuzz *f)
{
	static const uint64_t tables[] = {TABLE_A, TABLE_B};
	struct vring_packed_desc d = some_desc(f);
	uint8_t *at = arena_at(tables[fuzz_below(f, 2)] + fuzz_below(f, 16) * sizeof(d), sizeof(d));

	if (at)
		memcpy(at, &d, sizeof(d));
}

static void want_calls(struct fuzz *f)
{
	fuzz_bytes(f, arena_at(bed.setup.avail_uaddr - ARENA_UADDR, 4), 4);
}

/* --- the model --- */

static int model_table(struct chain_expect *e, uint32_t max, const struct vring_packed_desc *d)
{
	int err = chain_model_table(&bed, d->addr, d->len, d->flags);

	for (uint32_t i = 0; i < d->len / 16 && err == VIRTQ_OK; i++) {
		struct vring_packed_desc entry;

		ASSERT(arena_read(d->addr + i * sizeof(entry), &entry, sizeof(entry)));
		err = entry.flags & VRING_DESC_F_INDIRECT ? VIRTQ_INDIRECT_TABLE
							  : chain_model_add(e, max, entry.addr, entry.len,
								    entry.flags & VRING_DESC_F_WRITE);
	}
	return err;
}

/* From a slot on, at most as many as a driver that keeps to the rules can have filled. */
static int model_walk(
	const struct chain_bed *b, uint32_t max, struct chain_expect *e, uint32_t slot, uint32_t room)
{
	bool full = false;

	for (uint32_t n = 1; n <= room; n++, slot = (slot + 1) % b->q.size) {
		struct vring_packed_desc d = *slot_at(slot);
		int err = VIRTQ_OK;

		if (d.flags & VRING_DESC_F_INDIRECT)
			err = n > 1 ? VIRTQ_INDIRECT_TABLE : model_table(e, max, &d);
		else if (!full)
			err = chain_model_add(e, max, d.addr, d.len, d.flags & VRING_DESC_F_WRITE);
		if (err != VIRTQ_OK && err != -ENOSPC)
			return err;
		full |= err == -ENOSPC;
		e->buffer = (struct virtq_buffer){.id = d.id, .slots = (uint16_t)n};
		if (!(d.flags & VRING_DESC_F_NEXT))
			return full ? -ENOSPC : VIRTQ_OK;
	}
	return -EPROTO;
}

static void model(const struct chain_bed *b, uint32_t max, struct chain_expect *e)
{
	uint32_t size = b->q.size, laps = 2u * size;
	uint32_t slot = b->q.next_avail % size, taken = (b->q.next_avail + laps - b->q.flushed_used) % laps;
	uint16_t flags = slot_at(slot)->flags & (AVAIL | USED);
	int err;

	if (b->q.error != VIRTQ_OK || flags != (b->q.next_avail < size ? AVAIL : USED))
		return;
	ASSERT(taken <= size);
	err = model_walk(b, max, e, slot, size - taken);
	e->result = err == VIRTQ_OK ? 1 : err == -ENOSPC ? -ENOSPC : -EPROTO;
	e->error = err > VIRTQ_OK ? (enum virtq_error)err : VIRTQ_OK;
}

/* --- a run --- */

static bool open_ring(struct fuzz *f)
{
	static const uint64_t sizes[] = {16, 7, 3, 2, 1, 64, 256, 0, 255, 32769};

	bed = (struct chain_bed){.model = model};
	bed.setup.size = (uint32_t)fuzz_pick(f, sizes, ARRAY_LEN(sizes));
	if (!chain_open(&bed, f, 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_RING_PACKED, 4))
		return false;
	next_slot = bed.q.next_avail % bed.q.size;
	wrap = bed.q.next_avail < bed.q.size;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz f = fuzz_begin(data, len);
	bool runs = open_ring(&f);

	while (runs && !fuzz_over(&f)) {
		uint8_t what = fuzz_u8(&f);

		if (what < 80)
			offer(&f);
		else if (what < 110)
			overwrite(&f);
		else if (what < 130)
			write_table(&f);
		else if (what < 140)
			want_calls(&f);
		else if (what < 146)
			arena_scribble(&f);
		else
			chain_work(&bed, &f);
	}
	chain_close(&bed);
	return 0;
}
