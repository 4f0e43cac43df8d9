/* SPDX-License-Identifier: Apache-2.0 */
#include "port/frame.h"

#include "base/random.h"
#include "base/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FRAME_MAX  PKT_LEN_MAX
#define PIECES_MAX 6
#define SKIP       12 /* a virtio-net header */
#define ALL_CAPS \
	(FRAME_CAP_CSUM | FRAME_CAP_TSO4 | FRAME_CAP_TSO6 | FRAME_CAP_ECN | FRAME_CAP_USO4 | FRAME_CAP_USO6)
#define MTU PKT_LEN_MAX

/* --- a sender's frame --- */

enum kind { PLAIN, UDP4, UDP6, TCP4, TCP6, TSO4, TSO6, TSO4_ECN, TSO6_ECN, USO4, USO6, KINDS };

struct shape {
	enum kind kind;
	uint32_t vlans;
	bool extras; /* IPv4 options or IPv6 extension headers, and TCP options */
	uint32_t len;
	uint16_t gso_size;
};

struct sample {
	struct shape shape;
	uint8_t bytes[FRAME_MAX];
	uint32_t l3, l4, payload;
	bool ip6, tcp;
	struct pkt_offload offload;
};

static void put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static void put32(uint8_t *p, uint32_t value)
{
	put16(p, value >> 16);
	put16(p + 2, value);
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

/* The internet checksum as RFC 1071 tells it, deliberately simple. */
static uint32_t plain_sum(uint32_t sum, const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		sum += (i & 1) ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* Of a frame whose layer 4 has l4_len bytes. */
static uint32_t pseudo_sum(const struct sample *s, const uint8_t *frame, uint32_t l4_len)
{
	uint8_t rest[6] = {0, s->tcp ? 6 : 17};
	uint32_t sum = s->ip6 ? plain_sum(0, frame + s->l3 + 8, 32) : plain_sum(0, frame + s->l3 + 12, 8);

	put32(rest + 2, l4_len);
	return plain_sum(sum, rest, sizeof(rest));
}

static uint32_t csum_field(const struct sample *s)
{
	return s->l4 + (s->tcp ? 16 : 6);
}

/* What a receiver of a complete frame finds: 0xffff. */
static uint32_t receiver_sum(const struct sample *s, const uint8_t *frame, uint32_t len)
{
	return plain_sum(pseudo_sum(s, frame, len - s->l4), frame + s->l4, len - s->l4);
}

static uint32_t ip4_make(const struct shape *shape, uint8_t *p, uint8_t proto, uint32_t left)
{
	uint32_t header_len = shape->extras ? 28 : 20;

	p[0] = (uint8_t)(0x40 | header_len / 4);
	put16(p + 2, left);
	put16(p + 6, 0x4000); /* don't fragment */
	p[9] = proto;
	put16(p + 10, 0);
	put16(p + 10, ~plain_sum(0, p, header_len));
	return header_len;
}

/* With hop-by-hop (8 bytes) and destination options (16). */
static uint32_t ip6_make(const struct shape *shape, uint8_t *p, uint8_t proto, uint32_t left)
{
	p[0] = (uint8_t)(0x60 | (p[0] & 15));
	put16(p + 4, left - 40);
	p[6] = shape->extras ? 0 : proto;
	if (!shape->extras)
		return 40;
	p[40] = 60;
	p[41] = 0;
	p[48] = proto;
	p[49] = 1;
	return 64;
}

static void eth_make(struct sample *s)
{
	uint32_t at = 12;

	for (uint32_t i = s->shape.vlans; i > 0; i--, at += 4)
		put16(s->bytes + at, i == 2 ? 0x88a8 : 0x8100);
	put16(s->bytes + at, s->ip6 ? 0x86dd : 0x0800);
	s->l3 = at + 2;
}

static void l4_make(struct sample *s)
{
	uint8_t *p = s->bytes + s->l4;
	uint32_t len = s->shape.len - s->l4;

	if (s->tcp)
		p[12] = (uint8_t)((s->payload - s->l4) / 4 << 4);
	else
		put16(p + 4, len);
	put16(s->bytes + csum_field(s), 0);
	if (s->shape.kind == PLAIN)
		put16(s->bytes + csum_field(s), ~receiver_sum(s, s->bytes, s->shape.len));
	else
		put16(s->bytes + csum_field(s), pseudo_sum(s, s->bytes, len));
}

static void offload_make(struct sample *s)
{
	const struct shape *shape = &s->shape;
	struct pkt_offload *o = &s->offload;

	*o = (struct pkt_offload){0};
	if (shape->kind == PLAIN)
		return;
	o->csum = true;
	o->csum_start = (uint16_t)s->l4;
	o->csum_offset = (uint16_t)(csum_field(s) - s->l4);
	if (shape->kind < TSO4)
		return;
	o->gso = !s->tcp ? PKT_GSO_UDP : s->ip6 ? PKT_GSO_TCP6 : PKT_GSO_TCP4;
	o->ecn = shape->kind == TSO4_ECN || shape->kind == TSO6_ECN;
	o->gso_size = shape->gso_size;
	o->hdr_len = (uint16_t)s->payload;
}

/* Everything that is no matter of form is random. False: the headers do not fit into the length. */
static bool sample_make(struct sample *s, const struct shape *shape, struct random *r)
{
	enum kind kind = shape->kind;
	uint8_t *p = s->bytes;

	s->shape = *shape;
	s->ip6 = kind == UDP6 || kind == TCP6 || kind == TSO6 || kind == TSO6_ECN || kind == USO6;
	s->tcp = kind != UDP4 && kind != UDP6 && kind != USO4 && kind != USO6;
	for (uint32_t i = 0; i < shape->len; i++)
		p[i] = (uint8_t)random_u64(r);
	eth_make(s);
	s->l4 = s->l3 + (s->ip6 ? ip6_make : ip4_make)(shape, p + s->l3, s->tcp ? 6 : 17, shape->len - s->l3);
	s->payload = s->l4 + (!s->tcp ? 8 : shape->extras ? 32 : 20);
	if (s->payload > shape->len)
		return false;
	l4_make(s);
	offload_make(s);
	return true;
}

/* --- the model: what must come out, frame by frame --- */

struct expected {
	uint8_t bytes[FRAME_MAX];
	uint32_t len;
	struct pkt_offload offload;
};

static bool accepted(const struct sample *s, uint32_t caps)
{
	bool csum = caps & FRAME_CAP_CSUM;

	switch (s->offload.gso) {
	case PKT_GSO_TCP4:
		return csum && (caps & FRAME_CAP_TSO4) && (!s->offload.ecn || (caps & FRAME_CAP_ECN));
	case PKT_GSO_TCP6:
		return csum && (caps & FRAME_CAP_TSO6) && (!s->offload.ecn || (caps & FRAME_CAP_ECN));
	case PKT_GSO_UDP:
		return csum && (caps & (s->ip6 ? FRAME_CAP_USO6 : FRAME_CAP_USO4));
	default:
		return csum || !s->offload.csum;
	}
}

static void expected_csum(const struct sample *s, uint32_t caps, struct expected *e)
{
	uint8_t *field = e->bytes + csum_field(s);

	put16(field, 0);
	if (caps & FRAME_CAP_CSUM) {
		put16(field, pseudo_sum(s, e->bytes, e->len - s->l4));
		e->offload.csum = true;
		e->offload.csum_start = s->offload.csum_start;
		e->offload.csum_offset = s->offload.csum_offset;
		return;
	}
	put16(field, ~receiver_sum(s, e->bytes, e->len));
	if (!s->tcp && get16(field) == 0)
		put16(field, 0xffff);
}

static void expected_segment(const struct sample *s, uint32_t i, struct expected *e)
{
	uint32_t at = i * s->offload.gso_size;
	uint32_t left = s->shape.len - s->payload - at;
	uint32_t len = left < s->offload.gso_size ? left : s->offload.gso_size;
	uint8_t *ip = e->bytes + s->l3, *l4 = e->bytes + s->l4;

	e->len = s->payload + len;
	memcpy(e->bytes, s->bytes, s->payload);
	memcpy(e->bytes + s->payload, s->bytes + s->payload + at, len);
	if (s->ip6) {
		put16(ip + 4, e->len - s->l3 - 40);
	} else {
		put16(ip + 2, e->len - s->l3);
		put16(ip + 4, get16(ip + 4) + i);
		put16(ip + 10, 0);
		put16(ip + 10, ~plain_sum(0, ip, s->l4 - s->l3));
	}
	if (!s->tcp) {
		put16(l4 + 4, e->len - s->l4);
		return;
	}
	put32(l4 + 4, get32(l4 + 4) + at);
	if (i > 0)
		l4[13] &= 0x7f; /* CWR */
	if (len < left)
		l4[13] &= 0xf6; /* FIN, PSH */
}

/* The i-th frame for a receiver with caps. False: there are only i. */
static bool expected_make(const struct sample *s, uint32_t caps, uint32_t i, struct expected *e)
{
	e->offload = (struct pkt_offload){0};
	if (s->offload.gso == PKT_GSO_NONE || accepted(s, caps)) {
		if (i > 0)
			return false;
		e->len = s->shape.len;
		memcpy(e->bytes, s->bytes, e->len);
		if (accepted(s, caps))
			e->offload = s->offload;
		else
			expected_csum(s, caps, e);
		return true;
	}
	if (i > 0 && i * s->offload.gso_size >= s->shape.len - s->payload)
		return false;
	expected_segment(s, i, e);
	expected_csum(s, caps, e);
	return true;
}

/* --- memory in pieces, each an allocation of its own: what is beyond any end is poisoned --- */

struct pieces {
	uint32_t n;
	uint8_t *addr[PIECES_MAX];
	uint32_t len[PIECES_MAX];
};

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Cuts anywhere, in half of the cases near the front or into single bytes; empty pieces are possible. */
static void pieces_make(struct pieces *p, uint32_t len, uint32_t n, struct random *r)
{
	uint32_t cuts[PIECES_MAX + 1] = {0};
	uint32_t style = random_below(r, 4);

	for (uint32_t i = 1; i < n; i++) {
		if (style == 0)
			cuts[i] = random_below(r, 160);
		else if (style == 1)
			cuts[i] = cuts[1] + i - 1;
		else
			cuts[i] = random_below(r, len + 1);
		if (style == 1 && i == 1)
			cuts[1] = random_below(r, len + 1);
		if (cuts[i] > len)
			cuts[i] = len;
	}
	cuts[n] = len;
	qsort(cuts, n + 1, sizeof(cuts[0]), by_value);
	p->n = n;
	for (uint32_t i = 0; i < n; i++) {
		p->len[i] = cuts[i + 1] - cuts[i];
		p->addr[i] = malloc(p->len[i] + (p->len[i] == 0));
		memset(p->addr[i], 0xee, p->len[i]);
	}
}

static void pieces_free(struct pieces *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		free(p->addr[i]);
}

static void pieces_write(struct pieces *p, const uint8_t *from)
{
	for (uint32_t i = 0; i < p->n; from += p->len[i++])
		memcpy(p->addr[i], from, p->len[i]);
}

static void pieces_read(const struct pieces *p, uint8_t *to)
{
	for (uint32_t i = 0; i < p->n; to += p->len[i++])
		memcpy(to, p->addr[i], p->len[i]);
}

/* A packet as it comes from a port. */
struct borrowed {
	struct pkt pkt;
	struct pieces body;
	struct pkt_seg segs[PIECES_MAX];
};

static void borrow(struct borrowed *b, const uint8_t *frame, uint32_t len, const struct pkt_offload *offload,
	uint32_t n_pieces, struct random *r)
{
	uint32_t head_len = len < PKT_HEAD_MAX ? len : PKT_HEAD_MAX;

	memset(&b->pkt, 0xee, sizeof(b->pkt));
	b->pkt.data = b->pkt.buf + PKT_HEADROOM;
	b->pkt.head_len = (uint16_t)head_len;
	b->pkt.body_len = len - head_len;
	b->pkt.offload = *offload;
	memcpy(b->pkt.data, frame, head_len);
	pieces_make(&b->body, len - head_len, len > head_len ? n_pieces : 0, r);
	pieces_write(&b->body, frame + head_len);
	for (uint32_t i = 0; i < b->body.n; i++)
		b->segs[i] = (struct pkt_seg){.addr = b->body.addr[i], .len = b->body.len[i]};
	b->pkt.segs = b->segs;
	b->pkt.n_segs = (uint16_t)b->body.n;
}

/* Copies a frame into n pieces and from there, without the header's place, to `out`. */
static void copy_through(const struct frame *f, uint32_t n, struct random *r, uint8_t *out)
{
	static const uint8_t untouched[SKIP] = {
		0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee};
	static uint8_t all[SKIP + FRAME_MAX];
	struct virtq_seg segs[PIECES_MAX];
	struct pieces dst;
	uint32_t len = f->head_len + f->body_len;

	assert_in_range(len, 0, FRAME_MAX);
	pieces_make(&dst, SKIP + len, n, r);
	for (uint32_t i = 0; i < n; i++)
		segs[i] = (struct virtq_seg){.addr = dst.addr[i], .len = dst.len[i]};
	assert_int_equal(frame_copy(f, segs, n, SKIP), f->body_len);
	pieces_read(&dst, all);
	pieces_free(&dst);
	assert_memory_equal(all, untouched, SKIP);
	memcpy(out, all + SKIP, len);
}

/* --- the matrix --- */

static void assert_offload_equal(const struct pkt_offload *a, const struct pkt_offload *b)
{
	assert_int_equal(a->csum, b->csum);
	assert_int_equal(a->gso, b->gso);
	assert_int_equal(a->ecn, b->ecn);
	assert_int_equal(a->gso_size, b->gso_size);
	assert_int_equal(a->hdr_len, b->hdr_len);
	assert_int_equal(a->csum_start, b->csum_start);
	assert_int_equal(a->csum_offset, b->csum_offset);
}

static void assert_receiver_content(const struct sample *s, const uint8_t *frame, const struct expected *e)
{
	if (!s->ip6)
		assert_int_equal(plain_sum(0, frame + s->l3, s->l4 - s->l3), 0xffff);
	if (!e->offload.csum)
		assert_int_equal(receiver_sum(s, frame, e->len), 0xffff);
}

static void check_sample(
	const struct sample *s, uint32_t caps, uint32_t n_src, uint32_t n_dst, struct random *r)
{
	static struct expected e;
	static uint8_t got[FRAME_MAX];
	struct borrowed b;
	struct frame_iter it;
	struct frame f;
	uint32_t n = 0, body_bytes = 0;

	borrow(&b, s->bytes, s->shape.len, &s->offload, n_src, r);
	assert_int_equal(frame_begin(&it, &b.pkt, caps, MTU), DROP_NONE);
	for (; frame_next(&it, &f); n++) {
		assert_true(expected_make(s, caps, n, &e));
		assert_int_equal(f.head_len + f.body_len, e.len);
		assert_offload_equal(&f.offload, &e.offload);
		copy_through(&f, n_dst, r, got);
		assert_memory_equal(got, e.bytes, e.len);
		assert_receiver_content(s, got, &e);
		body_bytes += f.body_len;
	}
	assert_false(expected_make(s, caps, n, &e));
	assert_false(frame_next(&it, &f));
	assert_int_equal(body_bytes, b.pkt.body_len);
	pieces_free(&b.body);
}

/* Some of the 36 pairs of splits; which ones changes from call to call, so that all have their turn. */
static void check_splits(const struct sample *s, uint32_t caps, struct random *r)
{
	uint32_t step = s->shape.len > 9000 ? PIECES_MAX * PIECES_MAX : 5;

	for (uint32_t i = random_below(r, step); i < PIECES_MAX * PIECES_MAX; i += step)
		check_sample(s, caps, 1 + i / PIECES_MAX, 1 + i % PIECES_MAX, r);
}

static void check_kind(enum kind kind, uint32_t len, struct random *r)
{
	static const uint16_t gso_sizes[] = {64, 100, 536, 1448, 9000};
	static struct sample s;

	for (uint32_t deco = 0; deco < 6; deco++) {
		struct shape shape = {.kind = kind, .vlans = deco % 3, .extras = deco >= 3, .len = len};

		for (uint32_t caps = 0; caps <= ALL_CAPS; caps++) {
			shape.gso_size = gso_sizes[random_below(r, ARRAY_LEN(gso_sizes))];
			if (len > 9000 && shape.gso_size < 536)
				shape.gso_size = 1448;
			if (sample_make(&s, &shape, r))
				check_splits(&s, caps, r);
		}
	}
}

static const uint32_t frame_lens[] = {60, 61, 127, 128, 129, 130, 1514, 9000, 65535};

static void check_kinds(enum kind first, enum kind last, uint64_t seed)
{
	struct random r;

	random_init(&r, seed);
	for (enum kind kind = first; kind <= last; kind++)
		for (uint32_t i = 0; i < ARRAY_LEN(frame_lens); i++)
			check_kind(kind, frame_lens[i], &r);
}

TEST(a_plain_frame_arrives_unchanged)
{
	check_kinds(PLAIN, PLAIN, 1);
}

TEST(a_begun_checksum_is_passed_on_or_completed)
{
	check_kinds(UDP4, TCP6, 2);
}

TEST(a_large_frame_is_passed_on_or_segmented)
{
	check_kinds(TSO4, USO6, 3);
}

/* --- single properties --- */

static const struct shape tso4 = {.kind = TSO4, .len = 4000, .gso_size = 1000};
static const struct shape tso6 = {.kind = TSO6, .len = 4000, .gso_size = 1000};

static bool begins(const uint8_t *frame, uint32_t len, const struct pkt_offload *offload, uint32_t caps)
{
	struct random r;
	struct borrowed b;
	struct frame_iter it;
	bool ok;

	random_init(&r, 4);
	borrow(&b, frame, len, offload, 1, &r);
	ok = frame_begin(&it, &b.pkt, caps, MTU) == DROP_NONE;
	pieces_free(&b.body);
	return ok;
}

static void sample_fixed(struct sample *s, const struct shape *shape)
{
	struct random r;

	random_init(&r, 5);
	assert_true(sample_make(s, shape, &r));
}

static bool sample_begins(const struct sample *s)
{
	return begins(s->bytes, s->shape.len, &s->offload, 0);
}

/* With one byte of the frame changed by xor, and changed back. */
static bool begins_with_flip(struct sample *s, uint32_t at, uint8_t bits)
{
	bool ok;

	s->bytes[at] ^= bits;
	ok = sample_begins(s);
	s->bytes[at] ^= bits;
	return ok;
}

TEST(a_checksum_of_zero_is_sent_as_all_ones_by_udp_alone)
{
	static struct sample s;
	struct random r;
	uint32_t word;

	random_init(&r, 6);
	for (enum kind kind = UDP4; kind <= TCP6; kind++) {
		sample_fixed(&s, &(struct shape){.kind = kind, .len = 300});
		/* the last word makes the sum 0xffff */
		word = s.shape.len - 2;
		put16(s.bytes + word, 0);
		put16(s.bytes + word, 0xffff - plain_sum(0, s.bytes + s.l4, s.shape.len - s.l4));
		check_sample(&s, 0, 1, 1, &r);
	}
}

TEST(segments_are_never_tiny)
{
	static struct sample s;
	struct random r;
	struct borrowed b;
	struct frame_iter it;
	struct frame f;
	uint32_t n = 0;

	random_init(&r, 7);
	sample_fixed(&s, &(struct shape){.kind = TSO4, .len = 65535, .gso_size = 1});
	borrow(&b, s.bytes, s.shape.len, &s.offload, 3, &r);
	assert_int_equal(frame_begin(&it, &b.pkt, 0, MTU), DROP_NONE);
	while (frame_next(&it, &f))
		n++;
	pieces_free(&b.body);
	assert_in_range(n, 2, 1024);
}

TEST(segments_are_never_longer_than_ip_can_say)
{
	static struct sample s;
	static uint8_t got[FRAME_MAX];
	struct random r;
	struct borrowed b;
	struct frame_iter it;
	struct frame f;
	uint32_t payload = 0;

	random_init(&r, 10);
	sample_fixed(&s, &(struct shape){.kind = TSO4, .len = FRAME_MAX, .gso_size = 65535});
	put16(s.bytes + s.l3 + 2, 0);
	borrow(&b, s.bytes, s.shape.len, &s.offload, 3, &r);
	assert_int_equal(frame_begin(&it, &b.pkt, 0, MTU), DROP_NONE);
	while (frame_next(&it, &f)) {
		copy_through(&f, 1, &r, got);
		assert_int_equal(get16(got + s.l3 + 2), f.head_len + f.body_len - s.l3);
		assert_int_equal(receiver_sum(&s, got, f.head_len + f.body_len), 0xffff);
		payload += f.head_len + f.body_len - s.payload;
	}
	pieces_free(&b.body);
	assert_int_equal(payload, FRAME_MAX - s.payload);
}

TEST(segmentation_without_checksum_is_refused)
{
	static struct sample s;

	sample_fixed(&s, &tso4);
	s.offload.csum = false;
	assert_false(begins(s.bytes, s.shape.len, &s.offload, 0));
	assert_false(begins(s.bytes, s.shape.len, &s.offload, ALL_CAPS));
}

TEST(wrong_headers_are_refused_whoever_would_segment)
{
	static struct sample s;

	sample_fixed(&s, &tso4);
	s.bytes[s.l3] = 0;
	assert_false(begins(s.bytes, s.shape.len, &s.offload, ALL_CAPS));
	assert_false(begins(s.bytes, s.shape.len, &s.offload, 0));
}

/* What a frame's first yield says, for a receiver that takes everything. */
static enum drop first_frame(const struct sample *s, uint32_t caps, uint32_t mtu, struct frame *f)
{
	struct random r;
	struct borrowed b;
	static struct frame_iter it;
	enum drop drop;

	random_init(&r, 12);
	borrow(&b, s->bytes, s->shape.len, &s->offload, 1, &r);
	drop = frame_begin(&it, &b.pkt, caps, mtu);
	if (drop == DROP_NONE)
		assert_true(frame_next(&it, f));
	pieces_free(&b.body);
	return drop;
}

TEST(the_length_of_the_headers_is_ours_not_the_senders)
{
	static struct sample s;
	struct frame f;

	sample_fixed(&s, &(struct shape){.kind = TSO4, .len = 4000, .gso_size = 1000, .extras = true});
	s.offload.hdr_len = 3;
	assert_int_equal(first_frame(&s, ALL_CAPS, MTU, &f), DROP_NONE);
	assert_int_equal(f.offload.hdr_len, s.payload);
}

TEST(a_segment_is_no_longer_than_the_mtu_whoever_cuts_it)
{
	static const enum kind kinds[] = {TSO4, TSO6, USO4, USO6};
	static struct sample s;
	struct frame f;

	for (uint32_t i = 0; i < 4; i++) {
		sample_fixed(&s, &(struct shape){.kind = kinds[i],
					 .len = 9000,
					 .gso_size = 4000,
					 .vlans = i % 3,
					 .extras = i & 1});
		assert_int_equal(first_frame(&s, ALL_CAPS, 1500, &f), DROP_NONE);
		assert_int_equal(f.offload.gso_size, 1500 - (s.payload - s.l3));
		assert_int_equal(first_frame(&s, 0, 1500, &f), DROP_NONE);
		assert_int_equal(f.head_len + f.body_len, 1500 + s.l3);
		assert_int_equal(first_frame(&s, ALL_CAPS, 5000, &f), DROP_NONE);
		assert_int_equal(f.offload.gso_size, 4000);
		/* and an MTU that the headers fill lets nothing through */
		assert_int_equal(first_frame(&s, ALL_CAPS, s.payload - s.l3 + 7, &f), DROP_TX_MTU);
		assert_int_equal(first_frame(&s, 0, s.payload - s.l3 + 7, &f), DROP_TX_MTU);
		assert_int_equal(first_frame(&s, 0, s.payload - s.l3 + 8, &f), DROP_NONE);
	}
}

TEST(a_frame_is_no_longer_than_the_mtu_tags_not_counted)
{
	static struct sample s;
	struct frame f;

	for (uint32_t vlans = 0; vlans <= 3; vlans++) {
		uint32_t tags = vlans < 3 ? vlans : 2;

		for (enum kind kind = PLAIN; kind <= TCP6; kind++) {
			sample_fixed(
				&s, &(struct shape){.kind = kind, .len = 1514 + 4 * tags, .vlans = vlans});
			assert_int_equal(first_frame(&s, ALL_CAPS, 1500, &f), DROP_NONE);
			assert_int_equal(first_frame(&s, 0, 1500, &f), DROP_NONE);
			assert_int_equal(first_frame(&s, ALL_CAPS, 1499, &f), DROP_TX_MTU);
			assert_int_equal(first_frame(&s, 0, 1499, &f), DROP_TX_MTU);
		}
	}
}

TEST(wrong_lengths_in_either_direction_are_refused)
{
	static struct sample s;

	sample_fixed(&s, &tso4);
	assert_true(sample_begins(&s));
	assert_false(begins_with_flip(&s, s.l3, 0x01));     /* 4 bytes of options less: fewer than 20 */
	assert_false(begins_with_flip(&s, s.l3, 0x03));     /* more: TCP is not where csum_start says */
	assert_false(begins_with_flip(&s, s.l3 + 2, 0x80)); /* total length above the frame's */
	assert_false(begins_with_flip(&s, s.l3 + 3, 0x01));
	assert_false(begins_with_flip(&s, s.l3 + 2, 0x08));  /* below */
	assert_false(begins_with_flip(&s, s.l4 + 12, 0x10)); /* TCP header below 20 */
	assert_false(begins_with_flip(&s, s.l4 + 12, 0x50)); /* 0 */
	sample_fixed(&s, &tso6);
	assert_true(sample_begins(&s));
	assert_false(begins_with_flip(&s, s.l3 + 4, 0x80));
	assert_false(begins_with_flip(&s, s.l3 + 4, 0x08));
	assert_false(begins_with_flip(&s, s.l4 + 12, 0x10));
	sample_fixed(&s, &(struct shape){.kind = TSO6, .len = 4000, .gso_size = 1000, .extras = true});
	assert_true(sample_begins(&s));
	assert_false(begins_with_flip(&s, s.l3 + 41, 0x01)); /* extension header longer */
	assert_false(begins_with_flip(&s, s.l3 + 41, 0xff)); /* and beyond the head */
	assert_false(begins_with_flip(&s, s.l3 + 49, 0x01)); /* shorter */
}

TEST(a_length_of_zero_means_see_the_frame)
{
	static struct sample s;

	sample_fixed(&s, &tso4);
	put16(s.bytes + s.l3 + 2, 0);
	assert_true(sample_begins(&s));
	sample_fixed(&s, &tso6);
	put16(s.bytes + s.l3 + 4, 0);
	assert_true(sample_begins(&s));
}

TEST(a_udp_header_with_a_wrong_length_is_refused)
{
	static struct sample s;

	for (enum kind kind = USO4; kind <= USO6; kind++) {
		sample_fixed(&s, &(struct shape){.kind = kind, .len = 4000, .gso_size = 1000});
		assert_true(sample_begins(&s));
		assert_false(begins_with_flip(&s, s.l4 + 4, 0x01));
		assert_false(begins_with_flip(&s, s.l4 + 5, 0x01));
		put16(s.bytes + s.l4 + 4, 0); /* see the frame */
		assert_true(sample_begins(&s));
	}
}

TEST(segmentation_of_another_protocol_than_the_sender_says_is_refused)
{
	static struct sample s;

	sample_fixed(&s, &tso4);
	assert_false(begins_with_flip(&s, s.l3 + 9, 6 ^ 17)); /* UDP */
	assert_false(begins_with_flip(&s, s.l3 + 6, 0x20));   /* a first fragment */
	assert_false(begins_with_flip(&s, s.l3 + 7, 0x10));   /* a later one */
	assert_false(begins_with_flip(&s, s.l3, 0x20));       /* version 6 in a frame of IPv4 */
	assert_false(begins_with_flip(&s, s.l3 - 1, 0x06));   /* neither IPv4 nor IPv6 */
	s.offload.gso = PKT_GSO_TCP6;
	assert_false(sample_begins(&s));
	sample_fixed(&s, &tso6);
	assert_false(begins_with_flip(&s, s.l3 + 6, 6 ^ 44)); /* a fragment */
	assert_false(begins_with_flip(&s, s.l3 + 6, 6 ^ 59)); /* nothing follows */
	s.offload.gso = PKT_GSO_TCP4;
	assert_false(sample_begins(&s));
	s.offload.gso = PKT_GSO_UDP;
	assert_false(sample_begins(&s));
	sample_fixed(&s, &(struct shape){.kind = USO4, .len = 4000, .gso_size = 1000});
	assert_true(sample_begins(&s));
	assert_false(begins_with_flip(&s, s.l3 + 9, 6 ^ 17)); /* TCP */
	s.offload.gso = PKT_GSO_TCP4;
	assert_false(sample_begins(&s));
	sample_fixed(&s, &(struct shape){.kind = TSO4, .len = 4000, .gso_size = 1000, .vlans = 3});
	assert_false(sample_begins(&s));
}

TEST(segmentation_with_a_checksum_elsewhere_is_refused)
{
	static struct sample s;

	sample_fixed(&s, &tso4);
	s.offload.csum_start++;
	assert_false(sample_begins(&s));
	s.offload.csum_start -= 2;
	assert_false(sample_begins(&s));
	s.offload.csum_start++;
	s.offload.csum_offset = 6;
	assert_false(sample_begins(&s));
}

TEST(headers_that_end_beyond_the_head_are_refused)
{
	static struct sample s;

	/* 14 + 8 + 60 + 60 bytes of headers are more than the 128 that we look at */
	sample_fixed(&s, &(struct shape){.kind = TSO4, .len = 4000, .gso_size = 1000, .vlans = 2});
	s.bytes[s.l3] = 0x4f;
	s.l4 = s.l3 + 60;
	s.bytes[s.l4 + 12] = 0xf0;
	s.offload.csum_start = (uint16_t)s.l4;
	assert_false(sample_begins(&s));
	s.bytes[s.l4 + 12] = 0x50;
	assert_true(sample_begins(&s));
}

TEST(a_frame_cut_off_within_its_headers_is_refused)
{
	static struct sample s;

	for (int ip6 = 0; ip6 < 2; ip6++) {
		sample_fixed(&s, ip6 ? &tso6 : &tso4);
		for (uint32_t len = s.l4 + 18; len < s.payload; len++)
			assert_false(begins(s.bytes, len, &s.offload, 0));
	}
}

/* Where the sender wants its checksum is the sender's choice: any place within the frame. */
TEST(a_checksum_is_completed_wherever_it_lies)
{
	static uint8_t frame[2000], got[FRAME_MAX];
	struct random r;

	random_init(&r, 8);
	for (uint32_t round = 0; round < 10000; round++) {
		uint32_t len = 60 + random_below(&r, round % 2 ? 120 : 1500);
		uint32_t field = random_below(&r, len - 1);
		uint32_t start = random_below(&r, 2) ? field - random_below(&r, field + 1)
						     : field - random_below(&r, field < 20 ? field + 1 : 20);
		const struct pkt_offload offload = {.csum = true,
			.csum_start = (uint16_t)start,
			.csum_offset = (uint16_t)(field - start)};
		struct borrowed b;
		struct frame_iter it;
		struct frame f;
		uint32_t csum;

		for (uint32_t i = 0; i < len; i++)
			frame[i] = (uint8_t)random_u64(&r);
		borrow(&b, frame, len, &offload, 1 + random_below(&r, PIECES_MAX), &r);
		assert_int_equal(frame_begin(&it, &b.pkt, 0, MTU), DROP_NONE);
		assert_true(frame_next(&it, &f));
		copy_through(&f, 1 + random_below(&r, PIECES_MAX), &r, got);
		pieces_free(&b.body);
		csum = ~plain_sum(0, frame + start, len - start) & 0xffff;
		/* a field at an odd place holds the sum's bytes as they are: the sum is over words from start
		 */
		put16(frame + field, csum == 0 && field - start == 6 ? 0xffff : csum);
		assert_memory_equal(got, frame, len);
	}
}

/* --- hostile --- */

static uint64_t seed_of_this_run(void)
{
	const char *given = getenv("GINNEL_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : 20;

	print_message("seed %llu (GINNEL_SEED)\n", (unsigned long long)seed);
	return seed;
}

/* A frame that was sound before some of its header bytes, its length and its wishes were changed. */
static uint32_t sample_spoil(struct sample *s, struct random *r)
{
	uint32_t len = s->shape.len;
	uint32_t field;

	for (uint32_t i = random_below(r, 4); i > 0; i--)
		s->bytes[12 + random_below(r, 90)] = (uint8_t)random_u64(r);
	if (random_below(r, 4) == 0)
		len = 14 + random_below(r, len - 14);
	if (random_below(r, 4) == 0)
		s->offload.gso_size = (uint16_t)(1 + random_below(r, 65535));
	if (random_below(r, 8) == 0)
		s->offload.csum_start = (uint16_t)random_u64(r);
	field = (uint32_t)s->offload.csum_start + s->offload.csum_offset;
	if (s->offload.csum && field + 2 > len) {
		s->offload.csum_start = (uint16_t)random_below(r, len - 1);
		s->offload.csum_offset = (uint16_t)random_below(r, len - 1 - s->offload.csum_start);
	}
	return len;
}

TEST(whatever_the_headers_say_copies_stay_within_bounds)
{
	static struct sample s;
	static uint8_t got[FRAME_MAX];
	struct random r;

	random_init(&r, seed_of_this_run());
	for (uint32_t round = 0; round < 20000; round++) {
		struct shape shape = {
			.kind = (enum kind)random_below(&r, KINDS),
			.vlans = random_below(&r, 3),
			.extras = random_below(&r, 2),
			.len = 120 + random_below(&r, 400),
			.gso_size = (uint16_t)(1 + random_below(&r, 300)),
		};
		uint32_t len, body_bytes = 0, n = 0;
		struct borrowed b;
		struct frame_iter it;
		struct frame f;

		sample_make(&s, &shape, &r);
		len = sample_spoil(&s, &r);
		borrow(&b, s.bytes, len, &s.offload, 1 + random_below(&r, PIECES_MAX), &r);
		if (frame_begin(&it, &b.pkt, random_below(&r, ALL_CAPS + 1), 200 + random_below(&r, 1500)) ==
			DROP_NONE) {
			for (; frame_next(&it, &f); n++) {
				copy_through(&f, 1 + random_below(&r, PIECES_MAX), &r, got);
				body_bytes += f.body_len;
			}
			assert_int_equal(body_bytes, b.pkt.body_len);
			assert_in_range(n, 1, 1 + len / 64);
		}
		pieces_free(&b.body);
	}
}

struct flipper {
	uint8_t *bytes;
	uint32_t len;
	bool stop;
};

static void *flip(void *arg)
{
	struct flipper *f = arg;
	struct random r;

	random_init(&r, 9);
	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED))
		__atomic_store_n(
			&f->bytes[random_below(&r, f->len)], (uint8_t)random_u64(&r), __ATOMIC_RELAXED);
	return NULL;
}

/* The sender writes through a mapping of its own, as a guest does. */
TEST(a_sender_that_changes_its_bytes_meanwhile_cannot_spoil_the_checksum)
{
	static struct sample s;
	static uint8_t got[FRAME_MAX];
	const uint32_t map_len = 65536;
	int fd = memfd_create("body", MFD_CLOEXEC);
	struct flipper flipper = {.len = 9000};
	pthread_t thread;
	struct pkt_seg seg = {.len = 9000 - PKT_HEAD_MAX};
	struct virtq_seg dst = {.addr = got, .len = 9000};
	struct pkt pkt = {.head_len = PKT_HEAD_MAX, .body_len = seg.len, .segs = &seg, .n_segs = 1};

	sample_fixed(&s, &(struct shape){.kind = TCP4, .len = 9000});
	assert_true(fd >= 0 && ftruncate(fd, map_len) == 0);
	flipper.bytes = mmap(NULL, map_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	seg.addr = mmap(NULL, map_len, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(flipper.bytes != MAP_FAILED && seg.addr != MAP_FAILED);
	assert_int_equal(pthread_create(&thread, NULL, flip, &flipper), 0);
	pkt.data = pkt.buf + PKT_HEADROOM;
	pkt.offload = s.offload;
	memcpy(pkt.data, s.bytes, PKT_HEAD_MAX);
	for (uint32_t round = 0; round < 2000; round++) {
		struct frame_iter it;
		struct frame f;

		assert_int_equal(frame_begin(&it, &pkt, 0, MTU), DROP_NONE);
		assert_true(frame_next(&it, &f));
		frame_copy(&f, &dst, 1, 0);
		assert_int_equal(receiver_sum(&s, got, 9000), 0xffff);
	}
	__atomic_store_n(&flipper.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	munmap(flipper.bytes, map_len);
	munmap((void *)(uintptr_t)seg.addr, map_len);
	close(fd);
}

TESTS(cmocka_unit_test(a_plain_frame_arrives_unchanged),
	cmocka_unit_test(a_begun_checksum_is_passed_on_or_completed),
	cmocka_unit_test(a_large_frame_is_passed_on_or_segmented),
	cmocka_unit_test(a_checksum_of_zero_is_sent_as_all_ones_by_udp_alone),
	cmocka_unit_test(segments_are_never_tiny),
	cmocka_unit_test(segments_are_never_longer_than_ip_can_say),
	cmocka_unit_test(segmentation_without_checksum_is_refused),
	cmocka_unit_test(wrong_headers_are_refused_whoever_would_segment),
	cmocka_unit_test(the_length_of_the_headers_is_ours_not_the_senders),
	cmocka_unit_test(a_segment_is_no_longer_than_the_mtu_whoever_cuts_it),
	cmocka_unit_test(a_frame_is_no_longer_than_the_mtu_tags_not_counted),
	cmocka_unit_test(wrong_lengths_in_either_direction_are_refused),
	cmocka_unit_test(a_length_of_zero_means_see_the_frame),
	cmocka_unit_test(a_udp_header_with_a_wrong_length_is_refused),
	cmocka_unit_test(segmentation_of_another_protocol_than_the_sender_says_is_refused),
	cmocka_unit_test(segmentation_with_a_checksum_elsewhere_is_refused),
	cmocka_unit_test(headers_that_end_beyond_the_head_are_refused),
	cmocka_unit_test(a_frame_cut_off_within_its_headers_is_refused),
	cmocka_unit_test(a_checksum_is_completed_wherever_it_lies),
	cmocka_unit_test(whatever_the_headers_say_copies_stay_within_bounds),
	cmocka_unit_test(a_sender_that_changes_its_bytes_meanwhile_cannot_spoil_the_checksum))
