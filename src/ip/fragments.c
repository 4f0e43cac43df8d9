/* SPDX-License-Identifier: Apache-2.0 */
#include "ip/fragments.h"

#include "ip/lock.h"
#include "base/units.h"
#include "os/pages.h"
#include "wire/ethernet.h"
#include "wire/ip.h"

#include <stdlib.h>

/* Positions are in units of eight bytes. */
#define UNIT      8u
#define UNITS_MAX 8192u
#define DATA_MAX  65536u

struct datagram {
	bool used;
	bool ip6;
	uint8_t proto; /* what it is behind all fragment headers */
	uint8_t key[40];
	uint32_t rx; /* an interface's index */
	uint64_t since_ns;
	uint32_t total;   /* bytes; 0: the last piece is missing */
	uint32_t n_units; /* that are there */
	uint32_t header_len;
	bool has_first;
	uint8_t header[PKT_HEAD_MAX]; /* Ethernet and IP, of the first piece */
	uint64_t there[UNITS_MAX / 64];
	uint8_t *data;
};

struct ip_fragments {
	struct lock lock;
	struct datagram list[FRAGMENTS_MAX];
	uint8_t *data;
};

/* What one packet says. */
struct piece {
	bool ip6;
	uint8_t proto;
	uint8_t key[40];
	uint32_t at, len; /* of the payload */
	bool more;
	uint32_t from;       /* in the frame */
	uint32_t header_len; /* Ethernet and IP, without the fragment header */
};

struct ip_fragments *fragments_create(void)
{
	struct ip_fragments *f = calloc(1, sizeof(*f));
	uint8_t *data = pages_alloc(FRAGMENTS_MAX, DATA_MAX);

	if (!f || !data) {
		free(f);
		pages_free(data, FRAGMENTS_MAX, DATA_MAX);
		return NULL;
	}
	f->data = data;
	for (uint32_t i = 0; i < FRAGMENTS_MAX; i++)
		f->list[i].data = data + (size_t)i * DATA_MAX;
	return f;
}

void fragments_destroy(struct ip_fragments *f)
{
	if (f)
		pages_free(f->data, FRAGMENTS_MAX, DATA_MAX);
	free(f);
}

/* --- reading --- */

static bool read_ip4(struct piece *piece, const uint8_t *p, uint32_t l4)
{
	piece->proto = ip4_proto(p);
	memcpy(piece->key, p + 12, 8);
	memcpy(piece->key + 8, p + 4, 2);
	piece->key[10] = piece->proto;
	piece->at = ip4_fragment_at(p);
	piece->more = ip4_more_fragments(p);
	piece->from = l4;
	piece->header_len = l4;
	piece->len = ip4_total_len(p) - (l4 - ETHERNET_HEADER_LEN);
	return true;
}

/* Headers before the fragment header are those of the first piece; only the plain case is taken, where there are none. */
static bool read_ip6(struct piece *piece, const struct pkt *pkt, const uint8_t *p, uint32_t l4)
{
	const uint8_t *h = pkt->data + l4;
	uint32_t after = IP6_HEADER_LEN + ip6_payload_len(p) - (l4 - ETHERNET_HEADER_LEN);

	if (l4 != ETHERNET_HEADER_LEN + IP6_HEADER_LEN || l4 + 8 > pkt->head_len || after < 8)
		return false;
	piece->proto = h[0];
	memcpy(piece->key, p + 8, 32);
	memcpy(piece->key + 32, h + 4, 4);
	piece->at = be16_get(h + 2) & 0xfff8u;
	piece->more = h[3] & 1;
	piece->from = l4 + 8;
	piece->header_len = l4;
	piece->len = after - 8;
	return true;
}

/* All but the last are of whole units; none is empty or ends behind what a datagram can be. */
static bool read_piece(struct piece *piece, const struct pkt *pkt, uint32_t l4)
{
	const uint8_t *p = pkt->data + ETHERNET_HEADER_LEN;

	memset(piece, 0, sizeof(*piece));
	piece->ip6 = p[0] >> 4 == 6;
	if (pkt->offload.gso != PKT_GSO_NONE || pkt->offload.csum)
		return false;
	if (!(piece->ip6 ? read_ip6(piece, pkt, p, l4) : read_ip4(piece, p, l4)))
		return false;
	return piece->len > 0 && (!piece->more || piece->len % UNIT == 0) &&
	       piece->at + piece->len + piece->header_len - ETHERNET_HEADER_LEN <= UINT16_MAX;
}

/* --- the table --- */

static bool is_old(const struct datagram *d, uint64_t now_ns)
{
	return now_ns - d->since_ns >= FRAGMENTS_TIMEOUT_S * NS_PER_S;
}

static struct datagram *find(struct ip_fragments *f, const struct piece *piece, uint32_t rx)
{
	for (uint32_t i = 0; i < FRAGMENTS_MAX; i++) {
		struct datagram *d = &f->list[i];

		if (d->used && d->ip6 == piece->ip6 && d->rx == rx &&
			memcmp(d->key, piece->key, sizeof(d->key)) == 0)
			return d;
	}
	return NULL;
}

/* A free place, or one that is too old; NULL: the interface has its share, or there is none. */
static struct datagram *place_new(struct ip_fragments *f, uint32_t rx, uint64_t now_ns)
{
	struct datagram *place = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; i < FRAGMENTS_MAX; i++) {
		struct datagram *d = &f->list[i];

		if (!d->used || is_old(d, now_ns))
			place = place ? place : d;
		else if (d->rx == rx)
			n++;
	}
	return n < FRAGMENTS_PER_PORT ? place : NULL;
}

static struct datagram *datagram_new(
	struct ip_fragments *f, const struct piece *piece, uint32_t rx, uint64_t now_ns)
{
	struct datagram *d = place_new(f, rx, now_ns);

	if (!d)
		return NULL;
	d->used = true;
	d->ip6 = piece->ip6;
	d->proto = piece->proto;
	memcpy(d->key, piece->key, sizeof(d->key));
	d->rx = rx;
	d->since_ns = now_ns;
	d->total = 0;
	d->n_units = 0;
	d->has_first = false;
	memset(d->there, 0, sizeof(d->there));
	return d;
}

/* How many of the piece's units are there already. */
static uint32_t units_there(const struct datagram *d, uint32_t first, uint32_t n)
{
	uint32_t there = 0;

	for (uint32_t i = first; i < first + n; i++)
		there += d->there[i / 64] >> i % 64 & 1;
	return there;
}

/* It says what is there already. */
static bool says_the_same(const struct datagram *d, const struct pkt *pkt, const struct piece *piece)
{
	uint8_t bytes[256];

	for (uint32_t at = 0, n; at < piece->len; at += n) {
		n = min_u32(piece->len - at, sizeof(bytes));
		pkt_bytes(pkt, piece->from + at, bytes, n);
		if (memcmp(d->data + piece->at + at, bytes, n) != 0)
			return false;
	}
	return true;
}

enum put {
	PUT_KEPT,
	PUT_REPEATED,
	PUT_WRONG, /* it contradicts what is there: the datagram is forgotten */
};

static enum put datagram_put(struct datagram *d, const struct pkt *pkt, const struct piece *piece)
{
	uint32_t first = piece->at / UNIT, n = (piece->len + UNIT - 1) / UNIT, end = piece->at + piece->len;
	uint32_t there = units_there(d, first, n);

	if (there == n && (piece->more || d->total == end))
		return says_the_same(d, pkt, piece) ? PUT_REPEATED : PUT_WRONG;
	if (there > 0 || (d->total && (end > d->total || !piece->more)))
		return PUT_WRONG;
	if (!piece->more) {
		/* nothing may be there behind the end */
		if (units_there(d, first + n, UNITS_MAX - first - n) > 0)
			return PUT_WRONG;
		d->total = end;
	}
	pkt_bytes(pkt, piece->from, d->data + piece->at, piece->len);
	for (uint32_t i = first; i < first + n; i++)
		d->there[i / 64] |= 1ull << i % 64;
	d->n_units += n;
	if (piece->at == 0) {
		d->has_first = true;
		d->proto = piece->proto;
		d->header_len = piece->header_len;
		memcpy(d->header, pkt->data, piece->header_len);
	}
	return PUT_KEPT;
}

static bool is_whole(const struct datagram *d)
{
	return d->total && d->has_first && d->n_units == (d->total + UNIT - 1) / UNIT;
}

/* As if it had come in one. */
static struct pkt *make_whole(struct turn *turn, const struct datagram *d, struct iface *rx)
{
	uint32_t len = d->header_len + d->total;
	uint8_t *bytes = turn_bytes(turn, len), *p = bytes + ETHERNET_HEADER_LEN;

	if (!bytes)
		return NULL;
	memcpy(bytes, d->header, d->header_len);
	memcpy(bytes + d->header_len, d->data, d->total);
	if (d->ip6) {
		ip6_set_payload_len(p, (uint16_t)d->total);
		p[6] = d->proto;
	} else {
		ip4_set_total_len(p, (uint16_t)(len - ETHERNET_HEADER_LEN));
		be16_set(p + 6, 0);
		ip4_set_csum(p, d->header_len - ETHERNET_HEADER_LEN);
	}
	return turn_make_frame(turn, rx, bytes, len);
}

/* Under the lock. DROP_NONE: the piece was kept, and *whole may be there. */
static enum drop put(struct ip_fragments *f, struct turn *turn, const struct pkt *pkt,
	const struct piece *piece, struct pkt **whole)
{
	struct datagram *d = find(f, piece, pkt->rx->idx);

	if (d && is_old(d, turn->now_ns)) {
		d->used = false;
		d = NULL;
	}
	if (!d)
		d = datagram_new(f, piece, pkt->rx->idx, turn->now_ns);
	if (!d)
		return DROP_FRAGMENT_FULL;
	if (datagram_put(d, pkt, piece) == PUT_WRONG) {
		d->used = false;
		return DROP_FRAGMENT_MALFORMED;
	}
	if (!is_whole(d))
		return DROP_NONE;
	d->used = false;
	*whole = make_whole(turn, d, pkt->rx);
	return *whole ? DROP_NONE : DROP_TURN_FULL;
}

struct pkt *fragments_put(struct ip_fragments *f, struct turn *turn, struct pkt *pkt, uint32_t l4)
{
	enum drop drop = DROP_FRAGMENT_MALFORMED;
	struct pkt *whole = NULL;
	struct piece piece;

	if (read_piece(&piece, pkt, l4)) {
		lock_take(&f->lock);
		drop = put(f, turn, pkt, &piece, &whole);
		lock_release(&f->lock);
	}
	turn_drop(turn, pkt, drop);
	return whole;
}

uint32_t fragments_count(struct ip_fragments *f, uint64_t now_ns)
{
	uint32_t n = 0;

	lock_take(&f->lock);
	for (uint32_t i = 0; i < FRAGMENTS_MAX; i++)
		n += f->list[i].used && !is_old(&f->list[i], now_ns);
	lock_release(&f->lock);
	return n;
}
