/* SPDX-License-Identifier: Apache-2.0 */
#include "port/flow.h"

#include "pkt/iface.h"
#include "wire/ethernet.h"
#include "wire/ip.h"

#include <string.h>

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* Source plus destination: the same seen from either side. */
static uint64_t mix_ports(uint64_t hash, uint8_t proto, const uint8_t *p, uint32_t len)
{
	hash = mix(hash, proto);
	if ((proto != IP_PROTO_TCP && proto != IP_PROTO_UDP) || len < 4)
		return hash;
	return mix(hash, be16_get(p) + be16_get(p + 2));
}

/* Fragments but the first have no ports: none of them is asked for its. */
static uint64_t hash_ip4(uint64_t hash, const uint8_t *p, uint32_t len)
{
	uint32_t header_len = ip4_header_len(p, len);

	if (header_len == 0)
		return hash;
	hash = mix(hash, (uint64_t)be32_get(p + 12) + be32_get(p + 16));
	if (ip4_is_fragment(p))
		return hash;
	return mix_ports(hash, ip4_proto(p), p + header_len, len - header_len);
}

static uint64_t hash_ip6(uint64_t hash, const uint8_t *p, uint32_t len)
{
	uint8_t proto = 0;
	uint32_t at = ip6_upper(p, len, &proto);

	if (len < IP6_HEADER_LEN)
		return hash;
	hash = mix(hash, load64(p + 8) + load64(p + 24));
	hash = mix(hash, load64(p + 16) + load64(p + 32));
	return at == 0 ? hash : mix_ports(hash, proto, p + at, len - at);
}

uint32_t flow_hash(const uint8_t *frame, uint32_t len)
{
	uint16_t type = 0;
	uint32_t l3 = ethernet_payload(frame, len, &type);
	uint64_t hash = mix(ethernet_dst(frame) + ethernet_src(frame), type);

	if (l3 != 0 && type == IP4_ETHERNET_TYPE)
		hash = hash_ip4(hash, frame + l3, len - l3);
	else if (l3 != 0 && type == IP6_ETHERNET_TYPE)
		hash = hash_ip6(hash, frame + l3, len - l3);
	return (uint32_t)mix(hash, 0);
}

static uint8_t choose(const struct pkt *pkt, uint32_t n_queues)
{
	return (uint8_t)((uint64_t)flow_hash(pkt->data, pkt->head_len) * n_queues >> 32);
}

static uint32_t list_queues(uint32_t queues, uint8_t which[32])
{
	uint32_t n = 0;

	for (; queues != 0; queues &= queues - 1)
		which[n++] = (uint8_t)__builtin_ctz(queues);
	return n;
}

uint32_t flow_run(uint32_t queues, struct pkt *const *pkts, uint32_t n, uint32_t *queue)
{
	uint8_t which[32] = {0}, choice;
	uint32_t n_queues = list_queues(queues, which), run = 1;

	*queue = which[0];
	if (n_queues == 1)
		return n;
	choice = choose(pkts[0], n_queues);
	*queue = which[choice];
	while (run < n && choose(pkts[run], n_queues) == choice)
		run++;
	return run;
}

void flow_spread(uint32_t queues, struct pkt *const *pkts, uint32_t n, flow_send_fn *send, void *arg)
{
	uint8_t which[32], choice[TURN_PKTS_ALL];
	uint32_t n_queues = list_queues(queues, which);

	for (uint32_t i = 0; i < n; i++)
		choice[i] = choose(pkts[i], n_queues);
	for (uint32_t queue = 0; queue < n_queues; queue++) {
		struct pkt *chosen[TURN_PKTS_ALL];
		uint32_t n_chosen = 0;

		for (uint32_t i = 0; i < n; i++)
			if (choice[i] == queue)
				chosen[n_chosen++] = pkts[i];
		if (n_chosen > 0)
			send(arg, which[queue], chosen, n_chosen);
	}
}
