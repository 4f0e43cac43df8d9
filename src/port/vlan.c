/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vlan.h"

#include "wire/ethernet.h"

#include <stdlib.h>
#include <string.h>

/* A tag's type and number, without priority. */
#define TAG_ID      0xffff0fffu
#define VID_OF(tag) ((tag)&0xfffu)
#define PRIORITY    0xf000u

/* --- telling frames apart --- */

bool vlan_tags_read(const struct pkt *pkt, uint32_t tags[VLAN_TAGS_MAX], uint32_t *n)
{
	uint32_t at = ETHERNET_TYPE_AT;

	for (*n = 0; *n <= VLAN_TAGS_MAX; ++*n, at += TAG_LEN) {
		if (!ethernet_is_tag(be16_get(pkt->data + at)))
			return true;
		/* a tag, and the type behind it */
		if (at + TAG_LEN + 2 > pkt->head_len)
			return false;
		if (*n < VLAN_TAGS_MAX)
			tags[*n] = be32_get(pkt->data + at) & TAG_ID;
	}
	return true;
}

bool vlan_matches(const struct vlan_match *m, const uint32_t tags[VLAN_TAGS_MAX], uint32_t n)
{
	if (n < m->n_tags || (m->exact && n != m->n_tags) || tags[0] != m->tags[0])
		return false;
	return m->n_tags == 1 || m->inner_any || tags[1] == m->tags[1];
}

struct iface *vlan_find(const struct vlan_subs *subs, const uint32_t tags[VLAN_TAGS_MAX], uint32_t n)
{
	uint32_t vid = VID_OF(tags[0]);

	for (uint32_t i = subs->first[vid]; i < subs->n && VID_OF(subs->list[i].match.tags[0]) == vid; i++)
		if (vlan_matches(&subs->list[i].match, tags, n))
			return subs->list[i].iface;
	return NULL;
}

/* The more particular first: both tags, then any second one, then one tag and no other, then one tag at least. */
static int particular(const struct vlan_match *m)
{
	return m->n_tags * 4 - m->inner_any * 2 + m->exact;
}

static int by_vid(const void *a, const void *b)
{
	const struct vlan_match *x = &((const struct vlan_sub *)a)->match;
	const struct vlan_match *y = &((const struct vlan_sub *)b)->match;
	int vid = (int)VID_OF(x->tags[0]) - (int)VID_OF(y->tags[0]);

	return vid != 0 ? vid : particular(y) - particular(x);
}

struct vlan_subs *vlan_subs_create(uint32_t n)
{
	struct vlan_subs *subs = calloc(1, sizeof(*subs) + n * sizeof(subs->list[0]));

	if (subs)
		subs->n = n;
	return subs;
}

void vlan_subs_sort(struct vlan_subs *subs)
{
	qsort(subs->list, subs->n, sizeof(subs->list[0]), by_vid);
	for (uint32_t vid = 0; vid < ARRAY_LEN(subs->first); vid++)
		subs->first[vid] = (uint16_t)subs->n;
	for (uint32_t i = subs->n; i-- > 0;)
		subs->first[VID_OF(subs->list[i].match.tags[0])] = (uint16_t)i;
}

/* --- rewriting --- */

/* The priority of the tag that goes first stays with the frame. */
bool vlan_apply(const struct vlan_rewrite *r, struct pkt *pkt)
{
	uint32_t priority = r->pop > 0 ? pkt_tag(pkt) & PRIORITY : 0;

	for (uint32_t i = 0; i < r->pop; i++)
		if (unlikely(!pkt_pop_tag(pkt)))
			return false;
	for (uint32_t i = r->push; i-- > 0;)
		if (unlikely(!pkt_push_tag(pkt, r->tags[i] | (i == 0 ? priority : 0))))
			return false;
	return true;
}

bool vlan_reverse(const struct vlan_rewrite *in, const struct vlan_match *match, struct vlan_rewrite *out)
{
	*out = (struct vlan_rewrite){.pop = in->push, .push = in->pop};
	if (in->pop == 0)
		return true;
	/* what comes off on the way in must be known to be put back */
	if (!match || in->pop > match->n_tags || (match->inner_any && in->pop == VLAN_TAGS_MAX))
		return false;
	memcpy(out->tags, match->tags, sizeof(out->tags));
	return true;
}
