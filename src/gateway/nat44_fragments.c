/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/nat44_fragments.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint32_t set_of(const struct nat44_fragments *f, const struct nat44_datagram *d)
{
	uint64_t key[2] = {(uint64_t)d->src << 32 | d->dst, (uint64_t)d->id << 8 | d->proto};

	return (uint32_t)(XXH3_64bits_withSeed(key, sizeof(key), f->seed) % NAT44_FRAGMENT_SETS);
}

static bool is(const struct nat44_fragment *e, const struct nat44_datagram *d)
{
	return e->used && nat44_datagram_same(&e->datagram, d);
}

void nat44_fragments_add(struct nat44_fragments *f, const struct nat44_datagram *datagram, uint32_t new_src,
	uint32_t new_dst, uint32_t now_s)
{
	struct nat44_fragment *set = f->sets[set_of(f, datagram)], *place = set;

	for (struct nat44_fragment *e = set; e < set + NAT44_FRAGMENT_WAYS; e++) {
		if (is(e, datagram)) {
			place = e;
			break;
		}
		if (place->used && (!e->used || e->first_s < place->first_s))
			place = e;
	}
	*place = (struct nat44_fragment){.datagram = *datagram,
		.new_src = new_src,
		.new_dst = new_dst,
		.first_s = now_s,
		.used = true};
}

const struct nat44_fragment *nat44_fragments_find(
	const struct nat44_fragments *f, const struct nat44_datagram *datagram, uint32_t now_s)
{
	const struct nat44_fragment *set = f->sets[set_of(f, datagram)];

	for (const struct nat44_fragment *e = set; e < set + NAT44_FRAGMENT_WAYS; e++)
		if (is(e, datagram))
			return (int32_t)(now_s - e->first_s) < NAT44_FRAGMENT_S ? e : NULL;
	return NULL;
}
