/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/driverq.h"

#include "virtio/packed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static_assert(
	__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "descriptors are read and written as little-endian words");

static const char *const error_texts[DRIVERQ_ERROR_COUNT] = {
	[DRIVERQ_OK] = "no error",
	[DRIVERQ_USED_JUMPED] = "used index jumped by more than the device has",
	[DRIVERQ_UNKNOWN_ID] = "device returns a buffer that it does not have",
	[DRIVERQ_LEN] = "device says it wrote more than the buffer holds",
	[DRIVERQ_NUM_BUFFERS] = "num_buffers of a frame is not what the device returned",
	[DRIVERQ_KICK_BLOCKS] = "the back-end made its kick descriptor block",
};

const char *driverq_error_text(enum driverq_error error)
{
	return error_texts[error];
}

int driverq_break(struct driverq *q, enum driverq_error error)
{
	if (q->error == DRIVERQ_OK)
		__atomic_store_n(&q->error, error, __ATOMIC_RELAXED);
	return -EPROTO;
}

/* --- set-up --- */

static uint32_t align_up(uint32_t len)
{
	return (len + DRIVERQ_ALIGN - 1) / DRIVERQ_ALIGN * DRIVERQ_ALIGN;
}

struct driverq_layout driverq_layout(uint32_t size, bool packed)
{
	const uint32_t desc_len = align_up(size * (uint32_t)sizeof(struct vring_desc));
	const uint32_t event_len = align_up(sizeof(struct vring_packed_desc_event));
	const uint32_t avail_len =
		align_up((uint32_t)sizeof(struct vring_avail) + (size + 1) * (uint32_t)sizeof(__virtio16));
	const uint32_t used_len =
		align_up((uint32_t)sizeof(struct vring_used) +
			 size * (uint32_t)sizeof(struct vring_used_elem) + (uint32_t)sizeof(__virtio16));
	struct driverq_layout l = {.avail_at = desc_len};

	l.used_at = l.avail_at + (packed ? event_len : avail_len);
	l.len = l.used_at + (packed ? event_len : used_len);
	return l;
}

/* The next power of two: positions are masked, and a packed ring may have any size. */
static uint32_t fifo_capacity(uint32_t size)
{
	return size == 1 ? 1 : 1u << (32 - __builtin_clz(size - 1));
}

int driverq_init(struct driverq *q, const struct driverq_setup *setup)
{
	const bool packed = setup->features & BIT(VIRTIO_F_RING_PACKED);
	const struct driverq_layout layout = driverq_layout(setup->size, packed);
	const uint32_t capacity = fifo_capacity(setup->size);
	uint8_t *ring = setup->ring;

	ASSERT(setup->size > 0 && setup->size <= DRIVERQ_MAX_SIZE && (packed || capacity == setup->size));
	ASSERT((uintptr_t)ring % DRIVERQ_ALIGN == 0);
	*q = (struct driverq){
		.desc = (struct vring_desc *)(void *)ring,
		.avail = (struct vring_avail *)(void *)(ring + layout.avail_at),
		.used = (struct vring_used *)(void *)(ring + layout.used_at),
		.buffers = setup->buffers,
		.buffer_len = setup->buffer_len,
		.size = (uint16_t)setup->size,
		.packed = packed,
		.event_idx = setup->features & BIT(VIRTIO_RING_F_EVENT_IDX),
		.in_order = setup->features & BIT(VIRTIO_F_IN_ORDER),
		.writable = setup->writable,
		.fifo_mask = capacity - 1,
		.kick = bell_eventfd(setup->kick_fd),
	};
	q->kick.blocked = setup->blocked;
	q->entries = calloc(setup->size, sizeof(*q->entries));
	q->free.numbers = calloc(2 * capacity, sizeof(*q->free.numbers));
	if (!q->entries || !q->free.numbers) {
		driverq_fini(q);
		return -ENOMEM;
	}
	q->sent.numbers = q->free.numbers + capacity;
	for (; q->free.end < setup->size; q->free.end++)
		q->free.numbers[q->free.end] = (uint16_t)q->free.end;
	driverq_disarm(q);
	return 0;
}

void driverq_fini(struct driverq *q)
{
	free(q->entries);
	free(q->free.numbers);
	q->entries = NULL;
	q->free.numbers = NULL;
}

uint32_t driverq_base(const struct driverq *q)
{
	return q->packed ? PACKED_WRAP_BIT << 16 | PACKED_WRAP_BIT : 0;
}

/* --- adding --- */

static void fifo_put(const struct driverq *q, struct driverq_fifo *fifo, uint16_t number)
{
	fifo->numbers[fifo->end++ & q->fifo_mask] = number;
}

static uint16_t fifo_get(const struct driverq *q, struct driverq_fifo *fifo)
{
	return fifo->numbers[fifo->first++ & q->fifo_mask];
}

/* One descriptor of a chain, before it is written for one format or the other. */
struct piece {
	void *at;
	uint16_t number; /* its own */
	uint16_t next;   /* the next one's, if there is one */
	uint16_t head;   /* the chain's first */
	uint16_t flags;
	uint32_t len;
};

/* Nobody else reads these words before the index that shows them, so their order does not matter. */
static void put_words(void *at, uint64_t addr, uint64_t rest)
{
	uint64_t *words = at;

	__atomic_store_n(&words[0], addr, __ATOMIC_RELAXED);
	__atomic_store_n(&words[1], rest, __ATOMIC_RELAXED);
}

static void split_put(struct driverq *q, const struct piece *p)
{
	put_words(&q->desc[p->number], (uintptr_t)p->at,
		p->len | (uint64_t)p->flags << 32 | (uint64_t)p->next << 48);
	if (p->number != p->head)
		return;
	__atomic_store_n(&q->avail->ring[q->next_avail & (q->size - 1u)], p->head, __ATOMIC_RELAXED);
	q->next_avail++;
}

/* The first descriptor that is not shown yet is written last: the device reads them in order and stops there. */
static void packed_put(struct driverq *q, const struct piece *p)
{
	bool wrap = packed_wrap(q->size, q->next_avail);
	struct vring_packed_desc *slot = &q->slots[packed_slot(q->size, q->next_avail)];
	uint64_t rest = packed_rest(p->len, p->head, p->flags | packed_avail_bits(wrap));

	if (q->next_avail == q->shown_avail) {
		__atomic_store_n(&slot->addr, (uintptr_t)p->at, __ATOMIC_RELAXED);
		q->held = rest;
	} else {
		put_words(slot, (uintptr_t)p->at, rest);
	}
	q->next_avail = packed_forward(q->size, q->next_avail, 1);
}

/* A chain of n descriptors begins: its number. */
static uint16_t chain_begin(struct driverq *q, uint32_t n, uint32_t len)
{
	const uint16_t head = q->free.numbers[q->free.first & q->fifo_mask];
	struct driverq_entry *entry = &q->entries[head];

	entry->n = (uint16_t)n;
	entry->len = len;
	entry->seq = q->sent.end;
	fifo_put(q, &q->sent, head);
	return head;
}

/* The piece goes into the next free descriptor, which p->number is by now; more: others follow. */
static void chain_put(struct driverq *q, struct piece *p, bool more)
{
	p->next = more ? q->free.numbers[q->free.first & q->fifo_mask] : 0;
	if (more)
		p->flags |= VRING_DESC_F_NEXT;
	q->entries[p->number].next = p->next;
	if (q->packed)
		packed_put(q, p);
	else
		split_put(q, p);
}

void driverq_add(struct driverq *q, uint32_t n, uint32_t len)
{
	struct piece p = {0};

	ASSERT(n > 0 && n <= driverq_room(q) && len <= (uint64_t)n * q->buffer_len);
	p.head = chain_begin(q, n, len);
	while (n-- > 0) {
		p.number = fifo_get(q, &q->free);
		p.at = driverq_buffer(q, p.number);
		p.flags = q->writable ? VRING_DESC_F_WRITE : 0;
		p.len = min_u32(len, q->buffer_len);
		len -= p.len;
		chain_put(q, &p, n > 0);
	}
}

static uint32_t writable_len(const struct driverq_chain *chain)
{
	uint32_t len = 0;

	for (uint32_t i = chain->n_read; i < chain->n_read + chain->n_write; i++)
		len += chain->pieces[i].len;
	return len;
}

/* Of a packed ring a table has neither numbers nor NEXT (virtio 1.2, 2.8.7). */
static void fill_table(const struct driverq *q, const struct driverq_chain *chain)
{
	const uint32_t n = chain->n_read + chain->n_write;
	uint64_t *words = chain->table;

	for (uint32_t i = 0; i < n; i++, words += 2) {
		uint64_t flags = i < chain->n_read ? 0 : VRING_DESC_F_WRITE;

		if (q->packed)
			put_words(words, (uintptr_t)chain->pieces[i].at, chain->pieces[i].len | flags << 48);
		else if (i + 1 < n)
			put_words(words, (uintptr_t)chain->pieces[i].at,
				chain->pieces[i].len | (flags | VRING_DESC_F_NEXT) << 32 |
					(uint64_t)(i + 1) << 48);
		else
			put_words(words, (uintptr_t)chain->pieces[i].at, chain->pieces[i].len | flags << 32);
	}
}

uint16_t driverq_add_chain(struct driverq *q, const struct driverq_chain *chain)
{
	const uint32_t n = driverq_chain_descs(chain);
	struct piece p = {0};

	ASSERT(!q->buffers && chain->n_read + chain->n_write > 0 && n <= driverq_room(q));
	p.head = chain_begin(q, n, writable_len(chain));
	if (chain->table) {
		fill_table(q, chain);
		p.number = fifo_get(q, &q->free);
		p.at = chain->table;
		p.len = (chain->n_read + chain->n_write) * (uint32_t)sizeof(struct vring_desc);
		p.flags = VRING_DESC_F_INDIRECT;
		chain_put(q, &p, false);
		return p.head;
	}
	for (uint32_t i = 0; i < n; i++) {
		p.number = fifo_get(q, &q->free);
		p.at = chain->pieces[i].at;
		p.len = chain->pieces[i].len;
		p.flags = i < chain->n_read ? 0 : VRING_DESC_F_WRITE;
		chain_put(q, &p, i + 1 < n);
	}
	return p.head;
}

/* --- kicks --- */

/* Did avail->idx pass the index at which the device wants to be kicked? (virtio 1.2, 2.7.10.2) */
static bool split_wants_kick(const struct driverq *q, uint16_t old, uint16_t new)
{
	if (q->event_idx) {
		const __virtio16 *avail_event = (const __virtio16 *)(const void *)&q->used->ring[q->size];
		uint16_t event = __atomic_load_n(avail_event, __ATOMIC_RELAXED);

		return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
	}
	return !(__atomic_load_n(&q->used->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY);
}

static bool packed_wants_kick(const struct driverq *q, uint16_t old, uint16_t new)
{
	return packed_event_wanted(q->size, packed_event_load(q->device_event), q->event_idx, old, new);
}

static void split_show(struct driverq *q)
{
	/* pairs with the device's acquire of the index */
	__atomic_store_n(&q->avail->idx, q->next_avail, __ATOMIC_RELEASE);
}

static void packed_show(struct driverq *q)
{
	uint64_t *words = (uint64_t *)(void *)&q->slots[packed_slot(q->size, q->shown_avail)];

	/* pairs with the device's acquire of the flags */
	__atomic_store_n(&words[1], q->held, __ATOMIC_RELEASE);
}

bool driverq_publish(struct driverq *q)
{
	uint16_t old = q->shown_avail, new = q->next_avail;
	bool wanted;

	if (old == new)
		return false;
	if (q->packed)
		packed_show(q);
	else
		split_show(q);
	__atomic_store_n(&q->shown_avail, new, __ATOMIC_RELAXED);
	/* it must be visible before we look at what the device wants: pairs with its own full barrier when it arms */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wanted = q->packed ? packed_wants_kick(q, old, new) : split_wants_kick(q, old, new);
	if (wanted)
		__atomic_store_n(&q->kicks, q->kicks + 1, __ATOMIC_RELAXED);
	else
		__atomic_store_n(&q->kicks_saved, q->kicks_saved + 1, __ATOMIC_RELAXED);
	return wanted;
}

bool driverq_kick(const struct driverq *q)
{
	return bell_ring(&q->kick) == 0;
}

/* --- taking back --- */

static uint32_t with_device(const struct driverq *q)
{
	return q->sent.end - q->sent.first;
}

/* 1: the device returns next the chain of this id; 0: nothing; -EPROTO. */
static int split_used(struct driverq *q, uint32_t *id, uint32_t *len)
{
	const struct vring_used_elem *e;

	if (q->used_seen == q->next_used) {
		/* pairs with the device's release of the index */
		uint16_t idx = __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE);

		if ((uint16_t)(idx - q->next_used) > with_device(q))
			return driverq_break(q, DRIVERQ_USED_JUMPED);
		q->used_seen = idx;
		if (idx == q->next_used)
			return 0;
	}
	e = &q->used->ring[q->next_used & (q->size - 1u)];
	*id = __atomic_load_n(&e->id, __ATOMIC_RELAXED);
	*len = __atomic_load_n(&e->len, __ATOMIC_RELAXED);
	return 1;
}

/* All of the next descriptor but its address; pairs with the device's release of the flags. */
static uint64_t packed_next(const struct driverq *q)
{
	const uint64_t *words = (const uint64_t *)(const void *)&q->slots[packed_slot(q->size, q->next_used)];

	return __atomic_load_n(&words[1], __ATOMIC_ACQUIRE);
}

static int packed_used(struct driverq *q, uint32_t *id, uint32_t *len)
{
	uint64_t rest = packed_next(q);

	if (!packed_is_used(rest, packed_wrap(q->size, q->next_used)))
		return 0;
	*id = packed_id_of(rest);
	*len = packed_flags_of(rest) & VRING_DESC_F_WRITE ? packed_len_of(rest) : 0;
	return 1;
}

/*
 * Looks for used chains. Where the device returns them in order, it may tell of several by the last one alone (virtio
 * 1.2, 2.7.9 and 2.8.8); the others are then completely used.
 */
static int batch_begin(struct driverq *q)
{
	uint32_t id = 0, len = 0, n;
	int got = q->packed ? packed_used(q, &id, &len) : split_used(q, &id, &len);

	if (got <= 0)
		return got;
	if (unlikely(id >= q->size || q->entries[id].n == 0))
		return driverq_break(q, DRIVERQ_UNKNOWN_ID);
	if (unlikely(q->writable && len > q->entries[id].len))
		return driverq_break(q, DRIVERQ_LEN);
	n = q->in_order ? q->entries[id].seq - q->sent.first + 1 : 1;
	if (unlikely(!q->packed && n > (uint16_t)(q->used_seen - q->next_used)))
		return driverq_break(q, DRIVERQ_USED_JUMPED);
	q->batch = n;
	q->batch_head = (uint16_t)id;
	q->batch_len = len;
	return 1;
}

static void free_chain(struct driverq *q, uint16_t number)
{
	struct driverq_entry *head = &q->entries[number];

	for (uint32_t n = head->n; n > 0; n--) {
		fifo_put(q, &q->free, number);
		number = q->entries[number].next;
	}
	head->n = 0;
}

int driverq_take(struct driverq *q, struct driverq_used *used)
{
	uint16_t head, next;

	ASSERT(q->next_avail == q->shown_avail);
	if (unlikely(q->error != DRIVERQ_OK))
		return 0;
	if (q->batch == 0) {
		int got = batch_begin(q);

		if (got <= 0)
			return got;
	}
	head = fifo_get(q, &q->sent);
	if (!q->in_order)
		head = q->batch_head;
	q->batch--;
	*used = (struct driverq_used){
		.buffer = head, .len = q->batch == 0 ? q->batch_len : q->entries[head].len};
	next = q->packed ? packed_forward(q->size, q->next_used, q->entries[head].n)
			 : (uint16_t)(q->next_used + 1);
	__atomic_store_n(&q->next_used, next, __ATOMIC_RELAXED);
	free_chain(q, head);
	return 1;
}

/* Behind the used descriptors, which nobody adds to any more. */
static uint16_t packed_used_end(const struct driverq *q)
{
	uint16_t place = q->next_used;

	for (uint32_t left = with_device(q); left > 0; left--) {
		const uint64_t *words =
			(const uint64_t *)(const void *)&q->slots[packed_slot(q->size, place)];
		uint64_t rest = __atomic_load_n(&words[1], __ATOMIC_ACQUIRE);
		uint16_t id = packed_id_of(rest);

		if (!packed_is_used(rest, packed_wrap(q->size, place)) || id >= q->size ||
			q->entries[id].n == 0)
			break;
		place = packed_forward(q->size, place, q->entries[id].n);
	}
	return place;
}

uint32_t driverq_resume_base(const struct driverq *q)
{
	uint32_t base;

	if (!q->packed)
		return __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE);
	base = packed_off_wrap(q->size, packed_used_end(q));
	return base << 16 | base;
}

/* --- calls --- */

static bool has_used(const struct driverq *q)
{
	if (q->batch > 0)
		return true;
	if (q->packed)
		return packed_is_used(packed_next(q), packed_wrap(q->size, q->next_used));
	return __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) != q->next_used;
}

bool driverq_arm(struct driverq *q)
{
	if (unlikely(q->error != DRIVERQ_OK))
		return false;
	if (q->packed && q->event_idx)
		packed_event_store(q->driver_event, packed_off_wrap(q->size, q->next_used),
			VRING_PACKED_EVENT_FLAG_DESC);
	else if (q->packed)
		packed_event_store(q->driver_event, 0, VRING_PACKED_EVENT_FLAG_ENABLE);
	else if (q->event_idx)
		__atomic_store_n(&q->avail->ring[q->size], q->next_used, __ATOMIC_RELAXED);
	else
		__atomic_store_n(&q->avail->flags, 0, __ATOMIC_RELAXED);
	/* what we asked must be visible before we look again: pairs with the device's barrier after it used a buffer */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return has_used(q);
}

/* An event index just behind us is passed again after all 65536 of them. */
void driverq_disarm(struct driverq *q)
{
	if (q->packed)
		packed_event_store(q->driver_event, 0, VRING_PACKED_EVENT_FLAG_DISABLE);
	else if (q->event_idx)
		__atomic_store_n(&q->avail->ring[q->size], (uint16_t)(q->next_used - 1), __ATOMIC_RELAXED);
	else
		__atomic_store_n(&q->avail->flags, VRING_AVAIL_F_NO_INTERRUPT, __ATOMIC_RELAXED);
}

/* --- for people --- */

void driverq_look(const struct driverq *q, struct driverq_view *view)
{
	uint16_t avail = __atomic_load_n(&q->shown_avail, __ATOMIC_RELAXED);
	uint16_t used = __atomic_load_n(&q->next_used, __ATOMIC_RELAXED);

	if (q->packed) {
		uint32_t event = packed_event_load(q->device_event);

		*view = (struct driverq_view){
			.avail_idx = (uint16_t)packed_slot(q->size, avail),
			.avail_wrap = packed_wrap(q->size, avail),
			.used_idx = (uint16_t)packed_slot(q->size, used),
			.used_wrap = packed_wrap(q->size, used),
			.device_flags = (uint16_t)(event >> 16),
			.device_event = (uint16_t)event,
		};
	} else {
		*view = (struct driverq_view){
			.avail_idx = avail,
			.used_idx = used,
			.device_flags = __atomic_load_n(&q->used->flags, __ATOMIC_RELAXED),
			.device_event = __atomic_load_n(
				(const __virtio16 *)(const void *)&q->used->ring[q->size], __ATOMIC_RELAXED),
		};
	}
}
