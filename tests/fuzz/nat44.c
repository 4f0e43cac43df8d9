/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nat44 - packets out and in through address translation, whatever their headers say. Nothing behind the head is
 * touched, a header whose checksum was right has a right one afterwards, and limits hold.
 */
#include "fuzz.h"
#include "poison.h"

#include "gateway/nat44.h"
#include "wire/ip.h"
#include "wire/tcp.h"

#include <stdlib.h>

#define L3 14

static const uint64_t addresses[] = {0x0a000005, 0x0a000006, 0xc0000201, 0xc6336407, 0xc6336408};
static const uint64_t protos[] = {IP_PROTO_TCP, IP_PROTO_UDP, 1, 47};
static const uint64_t icmp_types[] = {0, 3, 8, 11, 12, 13, 14};

/* Returns how many bytes were written, at most room. */
static uint32_t some_ip(struct fuzz *f, uint8_t *p, uint32_t room, uint32_t depth)
{
	uint8_t how = fuzz_u8(f);
	uint32_t header_len = how & 1 ? 24 : 20, at = header_len;

	if (room < 60 + 8)
		return 0;
	p[0] = (uint8_t)(0x40 | header_len / 4);
	p[8] = 64;
	p[9] = (uint8_t)fuzz_pick(f, protos, ARRAY_LEN(protos));
	be16_set(p + 4, how >> 6);
	be16_set(p + 6, how & 2 ? 0x2000 : how & 4 ? fuzz_u8(f) : 0);
	be32_set(p + 12, (uint32_t)fuzz_pick(f, addresses, ARRAY_LEN(addresses)));
	be32_set(p + 16, (uint32_t)fuzz_pick(f, addresses, ARRAY_LEN(addresses)));
	if (p[9] == 1) {
		p[at] = (uint8_t)fuzz_pick(f, icmp_types, ARRAY_LEN(icmp_types));
		p[at + 1] = 0;
		be16_set(p + at + 4, 4000 + fuzz_below(f, 4));
		at += 8;
		if (depth == 0 && how & 8)
			at += some_ip(f, p + at, room - at, 1);
	} else {
		be16_set(p + at, 4000 + fuzz_below(f, 4));
		be16_set(p + at + 2, how & 16 ? 53 : 4000 + fuzz_below(f, 4));
		fuzz_bytes(f, p + at + 4, 16);
		at += 20;
	}
	ip4_set_total_len(p, (uint16_t)(how & 32 ? fuzz_u8(f) : at));
	ip4_set_csum(p, header_len);
	return at;
}

static void some_packet(struct fuzz *f, struct pkt *pkt)
{
	uint32_t len;

	memset(pkt->buf, 0, sizeof(pkt->buf));
	pkt_init(pkt, NULL);
	pkt->offload = (struct pkt_offload){0};
	len = some_ip(f, pkt->data + L3, PKT_HEAD_MAX - L3, 0);
	if (fuzz_u8(f) % 4 == 0)
		len = fuzz_u8(f) % (len + 1);
	pkt->head_len = (uint16_t)(L3 + max_u32(len, 20));
	if (fuzz_u8(f) % 4 == 0)
		pkt->offload = (struct pkt_offload){.csum = true, .csum_start = L3 + 20, .csum_offset = 16};
}

static bool header_ok(const struct pkt *pkt)
{
	const uint8_t *ip = pkt->data + L3;
	uint32_t len = ip4_header_len(ip, pkt->head_len - L3);

	return len > 0 && csum_fold(csum_sum(ip, len)) == 0xffff;
}

static void pass(struct fuzz *f, struct nat44 *nat, struct pkt *pkt, uint32_t now_s)
{
	enum drop (*const how[])(struct nat44 *, struct pkt *, uint32_t, uint32_t) = {
		nat44_out, nat44_in, nat44_hairpin};
	uint8_t *end = pkt->data + pkt->head_len;
	bool ok;
	enum drop drop;

	ok = header_ok(pkt);
	ASAN_POISON_MEMORY_REGION(end, (size_t)(pkt->buf + sizeof(pkt->buf) - end));
	drop = how[fuzz_below(f, 3)](nat, pkt, L3, now_s);
	ASAN_UNPOISON_MEMORY_REGION(end, (size_t)(pkt->buf + sizeof(pkt->buf) - end));
	ASSERT(drop == DROP_NONE || (drop >= DROP_NAT44_TRUNCATED && drop <= DROP_NAT44_NO_PORT));
	if (ok)
		ASSERT(header_ok(pkt));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct nat44_limits limits = {.sessions = 12, .sessions_per_host = 8};
	struct fuzz f = fuzz_begin(data, len);
	struct nat44 *nat = calloc(1, sizeof(*nat));
	struct pkt *pkt = aligned_alloc(CACHE_LINE, sizeof(*pkt));
	uint32_t now_s = 0;

	ASSERT(nat && pkt);
	nat->table = nat44_table_create(&limits, 1);
	ASSERT(nat->table);
	nat44_table_add_address(nat->table, 0xc0000201);
	nat44_table_add_static(nat->table, IP_PROTO_TCP, (struct nat44_endpoint){0x0a000005, 4001},
		(struct nat44_endpoint){0xc0000201, 4002});
	while (!fuzz_over(&f)) {
		now_s += fuzz_u8(&f) % 8 == 0 ? fuzz_u8(&f) : 0;
		some_packet(&f, pkt);
		pass(&f, nat, pkt, now_s);
		ASSERT(nat->table->n_sessions <= limits.sessions);
	}
	nat44_table_clear(nat->table);
	ASSERT(nat->table->n_sessions == 0 && nat->table->n_mappings == 1);
	nat44_table_destroy(nat->table);
	free(nat);
	free(pkt);
	return 0;
}
