/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vlan - frames with any bytes where tags would be, sub-interfaces for any tags, any rewriting. Whose a frame is agrees with a
 * look at all that match; a frame that is rewritten and then rewritten back has the bytes it had, but for priorities.
 */
#include "fuzz.h"

#include "port/vlan.h"
#include "wire/ethernet.h"

#include <stdlib.h>

#define SUBS_MAX 12

static const uint64_t types[] = {ETHERNET_TYPE_VLAN, ETHERNET_TYPE_PROVIDER, 0x0800, 0};

static uint32_t some_tag(struct fuzz *f)
{
	uint32_t type = fuzz_u8(f) % 2 ? ETHERNET_TYPE_VLAN : ETHERNET_TYPE_PROVIDER;

	return type << 16 | (1 + fuzz_below(f, 4));
}

static struct vlan_match some_match(struct fuzz *f)
{
	uint8_t how = fuzz_u8(f);

	return (struct vlan_match){.n_tags = 1 + (how & 1),
		.inner_any = (how & 3) == 3,
		.exact = how & 4,
		.tags = {some_tag(f), some_tag(f)}};
}

static struct pkt some_packet(struct fuzz *f)
{
	struct pkt pkt = {.head_len = (uint16_t)(14 + fuzz_below(f, 115))};
	uint32_t at = PKT_HEADROOM + TAG_AT;

	fuzz_bytes(f, pkt.buf + PKT_HEADROOM, 20);
	for (uint32_t n = fuzz_below(f, 4); n > 0; n--, at += TAG_LEN) {
		uint32_t tag = htobe32((uint32_t)fuzz_pick(f, types, ARRAY_LEN(types)) << 16 |
				       fuzz_below(f, 5) | (uint32_t)fuzz_u8(f) << 12);

		memcpy(pkt.buf + at, &tag, sizeof(tag));
	}
	pkt.offload.csum = fuzz_u8(f) & 1;
	pkt.offload.csum_start = fuzz_u16(f);
	return pkt;
}

/* Of two that match nobody says which is the better, but the first must not be worse than any. */
static void find(struct fuzz *f, const struct pkt *pkt)
{
	static struct iface ifaces[SUBS_MAX];
	uint32_t n_subs = fuzz_below(f, SUBS_MAX + 1), tags[VLAN_TAGS_MAX] = {0}, n;
	struct vlan_subs *subs = vlan_subs_create(n_subs);
	const struct vlan_sub *found = NULL;
	struct iface *iface;

	ASSERT(subs);
	for (uint32_t i = 0; i < n_subs; i++)
		subs->list[i] = (struct vlan_sub){some_match(f), &ifaces[i]};
	vlan_subs_sort(subs);
	if (!vlan_tags_read(pkt, tags, &n) || n == 0) {
		free(subs);
		return;
	}
	iface = vlan_find(subs, tags, n);
	for (uint32_t i = 0; i < n_subs; i++)
		if (subs->list[i].iface == iface)
			found = &subs->list[i];
	ASSERT((iface != NULL) == (found != NULL));
	ASSERT(!found || vlan_matches(&found->match, tags, n));
	for (uint32_t i = 0; i < n_subs; i++) {
		const struct vlan_match *m = &subs->list[i].match;

		if (!vlan_matches(m, tags, n))
			continue;
		ASSERT(found && found->match.n_tags >= m->n_tags);
		if (found->match.n_tags == m->n_tags)
			ASSERT(!found->match.inner_any || m->inner_any);
	}
	free(subs);
}

static void rewrite(struct fuzz *f, struct pkt *pkt)
{
	const struct vlan_match match = some_match(f);
	const struct vlan_rewrite in = {.pop = (uint8_t)fuzz_below(f, 3),
		.push = (uint8_t)fuzz_below(f, 3),
		.tags = {some_tag(f), some_tag(f)}};
	uint32_t tags[VLAN_TAGS_MAX] = {0}, n, again[VLAN_TAGS_MAX] = {0};
	struct vlan_rewrite out;
	struct pkt before;

	pkt->data = pkt->buf + PKT_HEADROOM;
	if (!vlan_tags_read(pkt, tags, &n) || !vlan_matches(&match, tags, n) ||
		!vlan_reverse(&in, &match, &out))
		return;
	before = *pkt;
	if (!vlan_apply(&in, pkt))
		return;
	ASSERT(pkt->head_len == before.head_len + TAG_LEN * in.push - TAG_LEN * in.pop);
	ASSERT(pkt->data >= pkt->buf && pkt->data + pkt->head_len <= pkt->buf + sizeof(pkt->buf));
	if (!vlan_apply(&out, pkt))
		return;
	ASSERT(pkt->head_len == before.head_len && vlan_tags_read(pkt, again, &n));
	ASSERT(vlan_matches(&match, again, n) && memcmp(again, tags, sizeof(tags)) == 0);
	ASSERT(memcmp(pkt->data, before.buf + PKT_HEADROOM, TAG_AT) == 0);
	ASSERT(memcmp(pkt->data + TAG_AT + TAG_LEN * in.pop,
		       before.buf + PKT_HEADROOM + TAG_AT + TAG_LEN * in.pop,
		       pkt->head_len - TAG_AT - TAG_LEN * in.pop) == 0);
	ASSERT(pkt->offload.csum_start == before.offload.csum_start);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz f = fuzz_begin(data, len);

	while (!fuzz_over(&f)) {
		struct pkt pkt = some_packet(&f);

		pkt.data = pkt.buf + PKT_HEADROOM;
		if (fuzz_u8(&f) % 2)
			find(&f, &pkt);
		else
			rewrite(&f, &pkt);
	}
	return 0;
}
