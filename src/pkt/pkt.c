/* SPDX-License-Identifier: Apache-2.0 */
#include "pkt/pkt.h"

#include "base/copy.h"
#include "base/csum.h"

#include <string.h>

/* The next piece of len bytes from `at` on, and steps over it. */
static const uint8_t *next_piece(
	const struct pkt *pkt, const struct pkt_seg **seg, uint32_t *at, uint32_t len, uint32_t *piece)
{
	const uint8_t *from;

	if (*at < pkt->head_len) {
		*piece = min_u32(len, pkt->head_len - *at);
		from = pkt->data + *at;
		*at += *piece;
		return from;
	}
	/* *at counts from the head's end in what is left of the pieces */
	while (*at - pkt->head_len >= (*seg)->len)
		*at -= (*seg)++->len;
	*piece = min_u32(len, (*seg)->len - (*at - pkt->head_len));
	from = (*seg)->addr + (*at - pkt->head_len);
	*at += *piece;
	return from;
}

void pkt_bytes(const struct pkt *pkt, uint32_t at, void *to, uint32_t len)
{
	const struct pkt_seg *seg = pkt->segs;
	uint8_t *out = to;

	ASSERT(at <= pkt_len(pkt) && len <= pkt_len(pkt) - at);
	while (len > 0) {
		uint32_t piece;
		const uint8_t *from = next_piece(pkt, &seg, &at, len, &piece);

		copy_bytes(out, from, piece);
		out += piece;
		len -= piece;
	}
}

uint64_t pkt_sum(const struct pkt *pkt, uint32_t at, uint32_t len)
{
	const struct pkt_seg *seg = pkt->segs;
	uint32_t summed = 0;
	uint64_t sum = 0;

	ASSERT(at <= pkt_len(pkt) && len <= pkt_len(pkt) - at);
	while (summed < len) {
		uint32_t piece;
		const uint8_t *from = next_piece(pkt, &seg, &at, len - summed, &piece);

		sum = csum_add_at(sum, csum_sum(from, piece), summed);
		summed += piece;
	}
	return sum;
}
