/* SPDX-License-Identifier: Apache-2.0 */
#include "guest_packed.h"

#include "base/check.h"
#include "base/test.h"

#include <string.h>

#define AVAIL    (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED     (1u << VRING_PACKED_DESC_F_USED)
#define WRAP_BIT (1u << VRING_PACKED_EVENT_F_WRAP_CTR)

static void advance(const struct guest_queue *q, struct guest_place *p, uint32_t slots)
{
	for (; slots > 0; slots--) {
		p->slot++;
		if (p->slot == q->size) {
			p->slot = 0;
			p->wrap = !p->wrap;
		}
	}
}

static uint16_t off_wrap(const struct guest_place *p)
{
	return (uint16_t)(p->slot | (p->wrap ? WRAP_BIT : 0));
}

static uint16_t avail_flags(const struct guest_place *p)
{
	return p->wrap ? AVAIL : USED;
}

static bool event_idx(const struct guest *g)
{
	return g->features & FEATURE(VIRTIO_RING_F_EVENT_IDX);
}

void packed_reset(struct guest *g, struct guest_queue *q, uint16_t start)
{
	struct guest_packed *p = &q->packed;

	*p = (struct guest_packed){
		.slots = guest_at(g, q->desc_gpa),
		.driver_event = guest_at(g, q->avail_gpa),
		.device_event = guest_at(g, q->used_gpa),
		.next = {.slot = start % q->size, .wrap = true},
	};
	p->used = p->next;
	memset(p->slots, 0, q->size * sizeof(*p->slots));
	for (uint16_t i = 0; i < p->next.slot; i++) /* as if this lap had come so far */
		p->slots[i].flags = AVAIL | USED;
	memset(p->driver_event, 0, sizeof(*p->driver_event));
	memset(p->device_event, 0, sizeof(*p->device_event));
}

uint32_t packed_base(const struct guest_queue *q)
{
	return off_wrap(&q->packed.used) | (uint32_t)off_wrap(&q->packed.used) << 16;
}

static uint16_t write_flag(const struct guest_chain *c, uint32_t i)
{
	return i < c->n_read ? 0 : VRING_DESC_F_WRITE;
}

/* An indirect table has neither ids nor flags but WRITE; noise in what the device must ignore. */
static void write_table(struct guest *g, const struct guest_chain *c, uint64_t table_gpa)
{
	struct vring_packed_desc *table = guest_at(g, table_gpa);

	for (uint32_t i = 0; i < c->n; i++)
		table[i] = (struct vring_packed_desc){.addr = c->gpa[i],
			.len = c->len[i],
			.id = 0xdead,
			.flags = write_flag(c, i) | VRING_DESC_F_NEXT | AVAIL};
}

/* The first slot since the last publish gets its flags last: the device looks at nothing behind it. */
static void put_slot(struct guest_queue *q, const struct vring_packed_desc *d)
{
	struct guest_packed *p = &q->packed;
	struct vring_packed_desc *slot = &p->slots[p->next.slot];
	uint16_t flags = d->flags | avail_flags(&p->next);

	slot->addr = d->addr;
	slot->len = d->len;
	slot->id = d->id;
	if (p->n_held == 0) {
		p->held = slot;
		p->held_flags = flags;
	} else {
		__atomic_store_n(&slot->flags, flags, __ATOMIC_RELAXED);
	}
	p->n_held++;
	advance(q, &p->next, 1);
}

void packed_offer(struct guest *g, struct guest_queue *q, uint16_t id, bool indirect)
{
	const struct guest_chain *c = &q->chains[id];
	uint64_t table_gpa = q->tables_gpa + id * GUEST_TABLE_LEN;

	if (indirect) {
		write_table(g, c, table_gpa);
		put_slot(q, &(struct vring_packed_desc){.addr = table_gpa,
				    .len = c->n * (uint32_t)sizeof(struct vring_packed_desc),
				    .id = id,
				    .flags = VRING_DESC_F_INDIRECT});
		return;
	}
	for (uint32_t i = 0; i < c->n; i++) {
		bool last = i == c->n - 1;

		/* only the last one's id counts */
		put_slot(q, &(struct vring_packed_desc){.addr = c->gpa[i],
				    .len = c->len[i],
				    .id = last ? id : (uint16_t)(id + 0x4000),
				    .flags = write_flag(c, i) | (last ? 0 : VRING_DESC_F_NEXT)});
	}
}

void packed_raw(struct guest_queue *q, const struct vring_packed_desc *d, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		put_slot(q, &d[i]);
	packed_publish(q);
}

bool packed_publish(struct guest_queue *q)
{
	struct guest_packed *p = &q->packed;

	if (p->n_held == 0)
		return false;
	/* pairs with the device's acquire of the flags */
	__atomic_store_n(&p->held->flags, p->held_flags, __ATOMIC_RELEASE);
	p->n_published = p->n_held;
	p->n_held = 0;
	return true;
}

bool packed_wants_kick(const struct guest *g, const struct guest_queue *q)
{
	const struct guest_packed *p = &q->packed;
	const uint32_t *word = (const uint32_t *)(const void *)p->device_event;
	uint32_t event = __atomic_load_n(word, __ATOMIC_RELAXED), off = event & (WRAP_BIT - 1);
	uint16_t new = p->next.slot;

	if (event >> 16 != VRING_PACKED_EVENT_FLAG_DESC)
		return event >> 16 == VRING_PACKED_EVENT_FLAG_ENABLE;
	assert_true(event_idx(g) && off < q->size);
	/* as slots of the present lap: those of the lap before have gone negative */
	if (!!(event & WRAP_BIT) != p->next.wrap)
		off -= q->size;
	return vring_need_event((uint16_t)off, new, (uint16_t)(new - p->n_published));
}

bool packed_used_next(struct guest_queue *q, struct vring_used_elem *out)
{
	struct guest_packed *p = &q->packed;
	const struct vring_packed_desc *slot = &p->slots[p->used.slot];
	/* pairs with the device's release of the flags */
	uint16_t flags = __atomic_load_n(&slot->flags, __ATOMIC_ACQUIRE);

	if (!!(flags & AVAIL) != p->used.wrap || !!(flags & USED) != p->used.wrap)
		return false;
	*out = (struct vring_used_elem){.id = slot->id, .len = slot->len};
	assert_int_equal(!!(flags & VRING_DESC_F_WRITE), out->len > 0);
	assert_true(out->id < q->size && q->chains[out->id].posted);
	advance(q, &p->used, q->chains[out->id].n_desc);
	return true;
}

void packed_want_calls(const struct guest *g, struct guest_queue *q, bool wanted)
{
	uint32_t *word = (uint32_t *)(void *)q->packed.driver_event;
	uint32_t event = (uint32_t)VRING_PACKED_EVENT_FLAG_DISABLE << 16;

	if (wanted && event_idx(g))
		event = off_wrap(&q->packed.used) | (uint32_t)VRING_PACKED_EVENT_FLAG_DESC << 16;
	else if (wanted)
		event = (uint32_t)VRING_PACKED_EVENT_FLAG_ENABLE << 16;
	__atomic_store_n(word, event, __ATOMIC_RELAXED);
}
