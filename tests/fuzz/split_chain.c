/* SPDX-License-Identifier: Apache-2.0 */
/* split_chain - a split ring and its indirect tables, filled with anything, against the device's side. */
#include "chain.h"

#include <errno.h>

/* Tables of descriptors that a chain may lie in: the ring's, and two for indirect ones. */
#define TABLE_A (ARENA_GPA + 0x2000)
#define TABLE_B (ARENA_GPA_2 - 64)

static struct chain_bed bed;
static uint16_t next_avail; /* of the guest */

/* --- the guest --- */

static struct vring_avail *avail(void)
{
	return (struct vring_avail *)(void *)arena_at(CHAIN_AVAIL_GPA, 6 + 2ull * CHAIN_RING_MAX);
}

static struct vring_desc some_desc(struct fuzz *f, uint32_t n)
{
	static const uint64_t lens[] = {64, 16, 32, 48, 1, 0, 4096, 0x3000, UINT32_MAX};
	static const uint64_t flags[] = {0, 1, 2, 3, 4, 5, 6};

	return (struct vring_desc){
		.addr = arena_some_gpa(f),
		.len = (uint32_t)fuzz_pick(f, lens, ARRAY_LEN(lens)),
		.flags = (uint16_t)fuzz_pick(f, flags, ARRAY_LEN(flags)),
		.next = (uint16_t)fuzz_below(f, n + 1),
	};
}

static void write_desc(struct fuzz *f)
{
	static const uint64_t tables[] = {CHAIN_DESC_GPA, CHAIN_DESC_GPA, TABLE_A, TABLE_B};
	uint32_t n = min_u32(bed.q.size, 16), i = fuzz_below(f, n);
	uint8_t *at = arena_at(tables[fuzz_below(f, ARRAY_LEN(tables))] + i * sizeof(struct vring_desc),
		sizeof(struct vring_desc));
	struct vring_desc desc = some_desc(f, n);

	if (at)
		memcpy(at, &desc, sizeof(desc));
}

static void offer(struct fuzz *f)
{
	static const uint64_t heads[] = {0, 1, 2, 3, 7, 15};

	avail()->ring[next_avail++ % bed.q.size] = (uint16_t)fuzz_pick(f, heads, ARRAY_LEN(heads));
	avail()->idx = next_avail;
}

/* --- the model --- */

/* A chain that begins with entry i of a table of n. */
static int model_walk(
	struct chain_expect *e, uint32_t max, uint64_t table, uint32_t n, uint32_t i, bool indirect)
{
	for (uint32_t steps = 0; steps < n; steps++) {
		struct vring_desc d;
		int err;

		ASSERT(arena_read(table + i * sizeof(d), &d, sizeof(d)));
		if (d.flags & VRING_DESC_F_INDIRECT) {
			err = indirect ? VIRTQ_INDIRECT_TABLE
				       : chain_model_table(&bed, d.addr, d.len, d.flags);
			return err != VIRTQ_OK ? err : model_walk(e, max, d.addr, d.len / 16, 0, true);
		}
		err = chain_model_add(e, max, d.addr, d.len, d.flags & VRING_DESC_F_WRITE);
		if (err != VIRTQ_OK || !(d.flags & VRING_DESC_F_NEXT))
			return err;
		if (d.next >= n)
			return VIRTQ_NEXT_RANGE;
		i = d.next;
	}
	return VIRTQ_CHAIN_LOOP;
}

/* Only what the guest's memory says now, and where the queue stands. */
static void model(const struct chain_bed *b, uint32_t max, struct chain_expect *e)
{
	const struct vring_avail *a = (const void *)arena_at(b->setup.avail_uaddr - ARENA_UADDR, 4);
	uint16_t known = (uint16_t)(b->q.avail_seen - b->q.next_avail);
	uint16_t there = (uint16_t)(a->idx - b->q.next_avail);
	int err;

	/* a broken queue offers nothing; one that had seen buffers does not look again */
	if (b->q.error != VIRTQ_OK || (known == 0 && (there == 0 || there > b->q.size)))
		return;
	e->buffer = (struct virtq_buffer){.id = a->ring[b->q.next_avail % b->q.size], .slots = 1};
	err = VIRTQ_HEAD_RANGE;
	if (e->buffer.id < b->q.size)
		err = model_walk(e, max, b->setup.desc_uaddr - ARENA_UADDR, b->q.size, e->buffer.id, false);
	e->result = err == VIRTQ_OK ? 1 : err == -ENOSPC ? -ENOSPC : -EPROTO;
	e->error = e->result == -EPROTO ? (enum virtq_error)err : VIRTQ_OK;
}

/* --- a run --- */

static bool open_ring(struct fuzz *f)
{
	static const uint64_t sizes[] = {16, 8, 4, 2, 1, 64, 256, 0, 3, 512, 32768};

	bed = (struct chain_bed){.model = model};
	bed.setup.size = (uint32_t)fuzz_pick(f, sizes, ARRAY_LEN(sizes));
	if (!chain_open(&bed, f, 1ull << VIRTIO_F_VERSION_1, 6 + 8ull * (bed.setup.size % 1024)))
		return false;
	next_avail = bed.q.next_avail;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz f = fuzz_begin(data, len);
	bool runs = open_ring(&f);

	while (runs && !fuzz_over(&f)) {
		uint8_t what = fuzz_u8(&f);

		if (what < 96)
			write_desc(&f);
		else if (what < 140)
			offer(&f);
		else if (what < 150)
			arena_scribble(&f);
		else if (what < 154)
			avail()->idx = fuzz_u16(&f);
		else
			chain_work(&bed, &f);
	}
	chain_close(&bed);
	return 0;
}
