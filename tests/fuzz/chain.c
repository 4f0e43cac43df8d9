/* SPDX-License-Identifier: Apache-2.0 */
#include "chain.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int events(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	ASSERT(fd >= 0);
	return fd;
}

static bool start(struct chain_bed *bed)
{
	const char *why = NULL;

	if (virtq_start(&bed->q, bed->mem, &bed->setup, &why) == 0)
		return true;
	ASSERT(why);
	return false;
}

static void some_setup(struct chain_bed *bed, struct fuzz *f, uint64_t features, uint64_t used_len)
{
	static const uint64_t bases[] = {0, 0x80008000, 1, 0xfff0, 0x7ff07ff0, UINT32_MAX};
	uint8_t how = fuzz_u8(f);

	bed->setup.desc_uaddr = CHAIN_DESC_GPA + ARENA_UADDR;
	bed->setup.avail_uaddr = CHAIN_AVAIL_GPA + ARENA_UADDR;
	bed->setup.used_uaddr = CHAIN_USED_GPA(used_len) + ARENA_UADDR;
	bed->setup.fresh = how & 1;
	bed->setup.features = features;
	if (how & 2)
		bed->setup.features |= 1ull << VIRTIO_RING_F_EVENT_IDX;
	if (how & 4)
		bed->setup.features |= 1ull << VIRTIO_RING_F_INDIRECT_DESC;
	if (how & 8)
		bed->setup.base = (uint32_t)fuzz_pick(f, bases, ARRAY_LEN(bases));
	if (how & 16)
		bed->setup.desc_uaddr = arena_some_gpa(f) + ARENA_UADDR;
	if (how & 32)
		bed->setup.avail_uaddr = arena_some_gpa(f) + ARENA_UADDR;
	if (how & 64)
		bed->setup.used_uaddr = arena_some_gpa(f) + ARENA_UADDR;
	bed->setup.call = bell_eventfd(bed->call_fd);
	bed->setup.err = bell_eventfd(bed->err_fd);
}

/* Exactly as long as it says. */
static void some_log(struct chain_bed *bed, struct fuzz *f)
{
	static const uint64_t sizes[] = {8, 8, 1, 5};
	uint8_t how = fuzz_u8(f);

	if (how & 1) {
		bed->log.size = fuzz_pick(f, sizes, ARRAY_LEN(sizes)) % 64;
		bed->log.bits = calloc(1, bed->log.size);
		ASSERT(bed->log.bits);
		bed->q.log = &bed->log;
		bed->q.log_used = how & 2;
		bed->q.log_used_gpa = how & 4 ? fuzz_u64(f) : bed->setup.used_uaddr - ARENA_UADDR;
		bed->log_all = bed->log.size * 8 >= ARENA_PAGES && (how & 6) == 2;
	}
}

bool chain_open(struct chain_bed *bed, struct fuzz *f, uint64_t features, uint64_t used_len)
{
	bed->mem = arena_open();
	bed->call_fd = events();
	bed->err_fd = events();
	some_setup(bed, f, features, used_len);
	some_log(bed, f);
	return start(bed);
}

void chain_close(struct chain_bed *bed)
{
	if (bed->q.size > 0)
		virtq_stop(&bed->q);
	free(bed->log.bits);
	close(bed->call_fd);
	close(bed->err_fd);
}

/* --- the model's arithmetic --- */

int chain_model_add(struct chain_expect *e, uint32_t max, uint64_t gpa, uint32_t len, bool write)
{
	uint8_t *at;

	if (!write && e->n_write > 0)
		return VIRTQ_DIRECTION;
	for (uint64_t done = 0; done < len;) {
		uint64_t part = arena_span(gpa + done, len - done, &at);

		if (part == 0)
			return VIRTQ_ADDRESS;
		if (e->n_read + e->n_write == max)
			return -ENOSPC;
		*(write ? &e->n_write : &e->n_read) += 1;
		done += part;
	}
	*(write ? &e->write_len : &e->read_len) += len;
	return VIRTQ_OK;
}

int chain_model_table(const struct chain_bed *bed, uint64_t gpa, uint32_t len, uint16_t flags)
{
	uint8_t bytes[16 * 1024];
	bool negotiated = bed->setup.features & 1ull << VIRTIO_RING_F_INDIRECT_DESC;

	if (!negotiated || len == 0 || len % 16 != 0 || len > sizeof(bytes) || (flags & VRING_DESC_F_NEXT))
		return VIRTQ_INDIRECT_TABLE;
	if (!arena_read(gpa, bytes, len))
		return VIRTQ_ADDRESS;
	return arena_at(gpa, len) && gpa % 8 != 0 ? VIRTQ_INDIRECT_TABLE : VIRTQ_OK;
}

/* --- the device --- */

static void touch(struct chain_bed *bed, const struct virtq_chain *c)
{
	uint64_t read_len = 0, write_len = 0;

	for (uint32_t i = 0; i < c->n_read + c->n_write; i++) {
		struct virtq_seg *s = &c->segs[i];

		ASSERT(s->len > 0 && arena_holds(s->addr, s->len));
		if (i < c->n_read) {
			(void)(volatile uint8_t)(s->addr[0] + s->addr[s->len - 1]);
			read_len += s->len;
		} else {
			s->addr[0]++;
			s->addr[s->len - 1]++;
			write_len += s->len;
		}
	}
	ASSERT(read_len == c->read_len && write_len == c->write_len);
	if (bed->q.log)
		virtq_log_written(&bed->q, c->segs + c->n_read, c->n_write, c->write_len);
}

static void check_taken(const struct virtq_chain *c, const struct chain_expect *e)
{
	ASSERT(c->n_read == e->n_read && c->n_write == e->n_write);
	ASSERT(c->read_len == e->read_len && c->write_len == e->write_len);
	ASSERT(c->buffer.id == e->buffer.id && c->buffer.slots == e->buffer.slots);
}

static void forget_pushed(struct chain_bed *bed)
{
	uint32_t left = bed->n_taken - bed->n_pushed;

	memmove(bed->taken, bed->taken + bed->n_pushed, left * sizeof(bed->taken[0]));
	memmove(bed->write_lens, bed->write_lens + bed->n_pushed, left * sizeof(bed->write_lens[0]));
	bed->n_taken = left;
	bed->n_pushed = 0;
}

static void remember(struct chain_bed *bed, struct virtq_buffer buffer, uint64_t write_len)
{
	bed->write_lens[bed->n_taken] = write_len;
	bed->taken[bed->n_taken++] = buffer;
}

static void pop(struct chain_bed *bed, struct fuzz *f)
{
	static const uint32_t maxima[] = {CHAIN_SEGS_MAX, 8, 2, 1};
	struct virtq_chain c = {.segs = bed->segs, .max = maxima[fuzz_below(f, ARRAY_LEN(maxima))]};
	struct chain_expect e = {0};
	enum virtq_error before = bed->q.error;
	int got;

	if (bed->n_taken == CHAIN_TAKEN_MAX)
		forget_pushed(bed);
	if (bed->n_taken == CHAIN_TAKEN_MAX)
		return;
	bed->model(bed, c.max, &e);
	got = virtq_pop(&bed->q, &c);
	ASSERT(got == e.result);
	if (got == 1) {
		check_taken(&c, &e);
		touch(bed, &c);
		remember(bed, c.buffer, c.write_len);
	}
	if (got == -EPROTO)
		ASSERT(before == VIRTQ_OK && bed->q.error != VIRTQ_OK &&
			(e.error == VIRTQ_OK || e.error == bed->q.error));
	if (got == -ENOSPC) {
		ASSERT(bed->q.error == before && virtq_available(&bed->q, 1) > 0);
		ASSERT(c.buffer.id == e.buffer.id && c.buffer.slots == e.buffer.slots);
		if (fuzz_u8(f) & 1)
			return;
		virtq_skip(&bed->q, c.buffer);
		remember(bed, c.buffer, 0);
	}
}

/* One buffer of a burst is what the model, and virtq_pop(), say it is. */
static void check_plain(struct chain_bed *bed, const struct virtq_plain *p, enum virtq_access access)
{
	struct virtq_chain c = {.segs = bed->segs, .max = 1};
	struct chain_expect e = {0};

	bed->model(bed, c.max, &e);
	ASSERT(e.result == 1 && virtq_pop(&bed->q, &c) == 1);
	check_taken(&c, &e);
	ASSERT(c.buffer.id == p->id && c.buffer.slots == 1);
	ASSERT((access == VIRTQ_WRITE ? c.read_len : c.write_len) == 0 && c.read_len + c.write_len == p->len);
	ASSERT(p->len == 0 || c.segs[0].addr == p->addr);
	remember(bed, c.buffer, c.write_len);
}

/* A burst, given back and taken again one by one. */
static void pop_plain(struct chain_bed *bed, struct fuzz *f)
{
	struct virtq_plain plain[8];
	enum virtq_access access = fuzz_u8(f) & 1 ? VIRTQ_WRITE : VIRTQ_READ;
	uint32_t n;

	if (bed->n_pushed > 0 || bed->n_taken + ARRAY_LEN(plain) > CHAIN_TAKEN_MAX)
		return;
	n = virtq_pop_plain(&bed->q, plain, ARRAY_LEN(plain), access);
	virtq_unpop(&bed->q, n);
	for (uint32_t i = 0; i < n; i++)
		check_plain(bed, &plain[i], access);
}

/* The same of buffers in pieces. */
static void check_pieces(struct chain_bed *bed, const struct virtq_pieces *p)
{
	struct virtq_chain c = {.segs = bed->segs, .max = VIRTQ_MAX_CHAIN};
	struct chain_expect e = {0};

	bed->model(bed, c.max, &e);
	ASSERT(e.result == 1 && virtq_pop(&bed->q, &c) == 1);
	check_taken(&c, &e);
	ASSERT(c.buffer.id == p->buffer.id && c.buffer.slots == p->buffer.slots);
	ASSERT(c.n_read == p->n && c.n_write == 0 && c.read_len == p->len);
	for (uint32_t i = 0; i < p->n; i++)
		ASSERT(c.segs[i].addr == p->segs[i].addr && c.segs[i].len == p->segs[i].len);
	remember(bed, c.buffer, 0);
}

static void pop_pieces(struct chain_bed *bed)
{
	static struct virtq_seg segs[CHAIN_PIECES_MAX];
	struct virtq_pieces pieces[8];
	uint32_t n, slots = 0;

	if (bed->n_pushed > 0 || bed->n_taken + ARRAY_LEN(pieces) > CHAIN_TAKEN_MAX)
		return;
	n = virtq_pop_pieces(&bed->q, pieces, ARRAY_LEN(pieces), segs, ARRAY_LEN(segs));
	for (uint32_t i = 0; i < n; i++)
		slots += pieces[i].buffer.slots;
	virtq_unpop(&bed->q, slots);
	for (uint32_t i = 0; i < n; i++)
		check_pieces(bed, &pieces[i]);
}

/* All that come next, as a burst of buffers that were read. */
static void push_pieces(struct chain_bed *bed)
{
	struct virtq_pieces pieces[8];
	uint32_t n = 0;

	for (; n < ARRAY_LEN(pieces) && bed->n_pushed < bed->n_taken; n++)
		pieces[n] = (struct virtq_pieces){.buffer = bed->taken[bed->n_pushed++]};
	virtq_push_pieces(&bed->q, pieces, n);
}

/* All that come next and hold one slot each, as a burst. */
static void push_plain(struct chain_bed *bed)
{
	struct virtq_plain plain[8];
	uint32_t n = 0;

	for (; n < ARRAY_LEN(plain) && bed->n_pushed < bed->n_taken; n++, bed->n_pushed++) {
		if (bed->taken[bed->n_pushed].slots != 1)
			break;
		plain[n] = (struct virtq_plain){
			.id = bed->taken[bed->n_pushed].id, .len = (uint32_t)bed->write_lens[bed->n_pushed]};
	}
	virtq_push_plain(&bed->q, plain, n, VIRTQ_WRITE);
}

static void push(struct chain_bed *bed, struct fuzz *f)
{
	uint64_t len;

	if (bed->n_pushed == bed->n_taken)
		return;
	len = min_u64(bed->write_lens[bed->n_pushed], fuzz_u8(f) * 16ull);
	virtq_push(&bed->q, bed->taken[bed->n_pushed++], (uint32_t)len);
}

/* All that were taken since the last push. */
static void unpop(struct chain_bed *bed)
{
	uint32_t slots = 0;

	if (bed->n_pushed > 0)
		forget_pushed(bed);
	for (uint32_t i = 0; i < bed->n_taken; i++)
		slots += bed->taken[i].slots;
	virtq_unpop(&bed->q, slots);
	bed->n_taken = 0;
	ASSERT(bed->q.error == VIRTQ_OK || virtq_available(&bed->q, 1) == 0);
}

static void restart(struct chain_bed *bed, struct fuzz *f)
{
	bed->setup.base = virtq_stop(&bed->q);
	ASSERT(virtq_available(&bed->q, 1) == 0);
	bed->setup.fresh = fuzz_u8(f) & 1;
	bed->n_taken = 0;
	bed->n_pushed = 0;
	bed->q.log = bed->log.bits ? &bed->log : NULL;
	ASSERT(start(bed));
}

static void look(struct chain_bed *bed)
{
	struct virtq_view view;

	ASSERT(virtq_look(&bed->q, &view) && view.packed == bed->q.packed);
	virtq_call_due(&bed->q);
	(void)virtq_available(&bed->q, 64);
}

static void work(struct chain_bed *bed, struct fuzz *f, uint8_t what)
{
	switch (what % 16) {
	case 0:
		virtq_flush(&bed->q);
		break;
	case 1:
		virtq_arm(&bed->q);
		break;
	case 2:
		virtq_disarm(&bed->q);
		break;
	case 3:
		unpop(bed);
		break;
	case 4:
		look(bed);
		break;
	case 5:
		restart(bed, f);
		break;
	case 6:
	case 7:
	case 8:
		push(bed, f);
		break;
	case 9:
		push_pieces(bed);
		break;
	case 10:
		push_plain(bed);
		break;
	case 11:
		pop_plain(bed, f);
		break;
	case 12:
		pop_pieces(bed);
		break;
	default:
		pop(bed, f);
		break;
	}
}

/* After a flush and a stop nothing that was written is missing in the log. */
static void check_log(struct chain_bed *bed)
{
	for (uint32_t page = 0; page < ARENA_PAGES; page++)
		ASSERT(!(bed->written >> page & 1) || (bed->log.bits[page / 8] >> page % 8 & 1));
	bed->written = 0;
}

void chain_work(struct chain_bed *bed, struct fuzz *f)
{
	uint8_t what = fuzz_u8(f);

	if (!bed->log_all) {
		work(bed, f, what);
		return;
	}
	arena_remember();
	work(bed, f, what);
	bed->written |= arena_changed();
	if (what % 16 == 0 || what % 16 == 5)
		check_log(bed);
}
