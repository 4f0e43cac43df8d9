/* SPDX-License-Identifier: Apache-2.0 */
#include "driver.h"

#include "arena.h"
#include "virtio/driverq.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SIZE_MAX_HERE 64u
#define BUFFER_LEN    60u

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)

/* A chain that the device has, as far as the driver can know. */
struct chain {
	uint16_t head, n;
	uint32_t len;
};

static struct bed {
	struct driverq q;
	struct driverq_setup setup;
	struct driverq_layout layout;
	uint64_t ring_gpa;
	uint32_t n_out; /* chains, in the order in which they were added */
	struct chain out[SIZE_MAX_HERE];
	uint32_t buffers_out;
	bool pending; /* added, not published */
	/* where an honest device is */
	uint32_t next_used;
	bool wrap;
} bed;

/* --- the device --- */

static void *ring_part(uint32_t at, uint32_t len)
{
	uint8_t *p = arena_at(bed.ring_gpa + at, len);

	ASSERT(p);
	return p;
}

static void write_split(uint32_t id, uint32_t len, bool show)
{
	struct vring_used *used = ring_part(bed.layout.used_at, 4 + 8 * bed.setup.size);

	used->ring[bed.next_used++ % bed.setup.size] = (struct vring_used_elem){.id = id, .len = len};
	if (show)
		used->idx = (uint16_t)bed.next_used;
}

static void write_packed(uint32_t id, uint32_t len, uint32_t slots)
{
	struct vring_packed_desc *ring = ring_part(0, 16 * bed.setup.size);
	struct vring_packed_desc *d = &ring[bed.next_used % bed.setup.size];

	d->id = (uint16_t)id;
	d->len = len;
	d->flags = (uint16_t)((bed.wrap ? AVAIL | USED : 0) | (len > 0 ? VRING_DESC_F_WRITE : 0));
	bed.next_used += slots;
	if (bed.next_used >= bed.setup.size) {
		bed.next_used -= bed.setup.size;
		bed.wrap = !bed.wrap;
	}
}

/* Returns a chain that it has, or nearly. */
static void use(struct fuzz *f)
{
	static const uint64_t lens[] = {0, 1, BUFFER_LEN, BUFFER_LEN + 1, 65536, UINT32_MAX};
	const struct chain none = {.n = 1};
	uint8_t how = fuzz_u8(f);
	const struct chain *c = bed.n_out > 0 ? &bed.out[how % bed.n_out] : &none;
	uint32_t id = c->head, len = c->len, slots = c->n;

	if (how & 0x40)
		len = (uint32_t)fuzz_pick(f, lens, ARRAY_LEN(lens));
	if ((how & 0x30) == 0x30)
		id = fuzz_u16(f) % (2 * bed.setup.size);
	if (bed.q.packed)
		write_packed(id, len, slots);
	else
		write_split(id, len, !(how & 0x80));
}

static void scribble(struct fuzz *f)
{
	uint32_t at = fuzz_u16(f) % bed.layout.len,
		 len = min_u32(1u << fuzz_below(f, 4), bed.layout.len - at);

	fuzz_bytes(f, ring_part(at, len), len);
}

/* --- the driver --- */

static void add(struct fuzz *f)
{
	uint32_t room = driverq_room(&bed.q), n = 1 + fuzz_below(f, 4), len = fuzz_below(f, 250);
	struct chain *c = &bed.out[bed.n_out];

	if (room == 0)
		return;
	n = min_u32(n, room);
	len = min_u32(len, n * BUFFER_LEN);
	*c = (struct chain){.head = (uint16_t)((driverq_next(&bed.q, 0) - bed.setup.buffers) / BUFFER_LEN),
		.n = (uint16_t)n,
		.len = len};
	for (uint32_t i = 0; i < n; i++)
		memset(driverq_next(&bed.q, i), (int)i, BUFFER_LEN);
	driverq_add(&bed.q, n, len);
	bed.n_out++;
	bed.buffers_out += n;
	bed.pending = true;
}

static void publish(void)
{
	if (driverq_publish(&bed.q))
		driverq_kick(&bed.q);
	bed.pending = false;
}

/* It was with the device, and is not any more. */
static void check_used(const struct driverq_used *used)
{
	uint32_t i = 0;

	while (i < bed.n_out && bed.out[i].head != used->buffer)
		i++;
	ASSERT(i < bed.n_out);
	ASSERT(!bed.q.in_order || i == 0);
	ASSERT(!bed.setup.writable || used->len <= bed.out[i].len);
	bed.buffers_out -= bed.out[i].n;
	bed.n_out--;
	memmove(&bed.out[i], &bed.out[i + 1], (bed.n_out - i) * sizeof(bed.out[0]));
}

static void take(struct fuzz *f)
{
	uint32_t n = 1 + fuzz_below(f, 8);

	publish();
	while (n-- > 0) {
		struct driverq_used used;
		int got = driverq_take(&bed.q, &used);

		if (got <= 0) {
			ASSERT(got == 0 || (got == -EPROTO && bed.q.error != DRIVERQ_OK));
			return;
		}
		check_used(&used);
	}
}

static void look(void)
{
	struct driverq_view view;

	driverq_look(&bed.q, &view);
	if (bed.q.error == DRIVERQ_OK) {
		ASSERT(driverq_room(&bed.q) + bed.buffers_out == bed.setup.size);
	} else {
		struct driverq_used used;

		publish();
		ASSERT(driverq_room(&bed.q) == 0 && driverq_take(&bed.q, &used) == 0);
		ASSERT(!driverq_arm(&bed.q));
	}
}

/* --- a run --- */

/* The ring ends where its region ends, and so do the buffers. */
static void open_queue(struct fuzz *f, bool packed)
{
	static const uint32_t sizes[] = {16, 8, 4, 2, 1, 64, 32};
	static const uint32_t odd_sizes[] = {16, 7, 3, 2, 1, 64, 33};
	uint8_t how = fuzz_u8(f);
	uint32_t i = fuzz_below(f, ARRAY_LEN(sizes));

	bed = (struct bed){.wrap = true};
	bed.setup.size = packed ? odd_sizes[i] : sizes[i];
	bed.setup.features = 1ull << VIRTIO_F_VERSION_1 | (packed ? 1ull << VIRTIO_F_RING_PACKED : 0) |
			     (how & 1 ? 1ull << VIRTIO_RING_F_EVENT_IDX : 0) |
			     (how & 2 ? 1ull << VIRTIO_F_IN_ORDER : 0);
	bed.setup.writable = how & 4;
	bed.setup.buffer_len = BUFFER_LEN;
	bed.layout = driverq_layout(bed.setup.size, packed);
	bed.ring_gpa = ARENA_GPA + ARENA_LEN - bed.layout.len;
	bed.setup.ring = arena_at(bed.ring_gpa, bed.layout.len);
	bed.setup.buffers = arena_at(
		ARENA_GPA_2 + ARENA_LEN_2 - bed.setup.size * BUFFER_LEN, bed.setup.size * BUFFER_LEN);
	bed.setup.kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ASSERT(bed.setup.ring && bed.setup.buffers && bed.setup.kick_fd >= 0);
	ASSERT(driverq_init(&bed.q, &bed.setup) == 0);
}

void driver_run(struct fuzz *f, bool packed)
{
	arena_open();
	open_queue(f, packed);
	while (!fuzz_over(f)) {
		uint8_t what = fuzz_u8(f);

		if (what < 70)
			add(f);
		else if (what < 80)
			publish();
		else if (what < 150)
			use(f);
		else if (what < 180)
			scribble(f);
		else if (what < 240)
			take(f);
		else if (what < 245)
			driverq_disarm(&bed.q);
		else if (what < 250)
			driverq_arm(&bed.q);
		else
			look();
	}
	look();
	driverq_fini(&bed.q);
	close(bed.setup.kick_fd);
}
