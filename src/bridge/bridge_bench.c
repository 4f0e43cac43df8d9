/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bridge-forward and l2-xconnect cost per packet, full vectors of known unicast to the former. Prints, judges
 * nothing.
 */
#include "bridge/bridge.h"
#include "bridge/xconnect.h"

#include "base/random.h"
#include "wire/ethernet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define N_IFACES 16
#define N_TURNS  20000

struct bench {
	struct bridges *bridges;
	struct iface_table *table;
	struct iface ifaces[N_IFACES];
	struct turn *turn;
	struct random random;
};

#if defined(__x86_64__)
#define UNIT "cycles of the time stamp counter"

static uint64_t ticks(void)
{
	return __builtin_ia32_rdtsc();
}
#else
#define UNIT "ns"

static uint64_t ticks(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}
#endif

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s failed\n", what);
	exit(1);
}

static void bench_open(struct bench *b, uint32_t n_macs)
{
	struct bridge_config config = BRIDGE_DEFAULT_CONFIG;
	struct bridge_domain *d;

	memset(b, 0, sizeof(*b));
	config.learn_limit = max_u32(config.learn_limit, n_macs);
	random_init(&b->random, 1);
	b->table = iface_table_create(1);
	must(b->table, "iface_table_create");
	b->bridges = bridges_create(b->table, 7);
	must(b->bridges, "bridges_create");
	must(bridge_domain_create(b->bridges, 1, &config, &d) == 0, "bridge_domain_create");
	for (int i = 0; i < N_IFACES; i++) {
		snprintf(b->ifaces[i].name, sizeof(b->ifaces[i].name), "if%d", i);
		must(iface_add(b->table, &b->ifaces[i]) == 0, "iface_add");
		must(bridge_attach(d, &b->ifaces[i], 0) == 0, "bridge_attach");
	}
	b->turn = aligned_alloc(CACHE_LINE, sizeof(*b->turn));
	must(b->turn, "aligned_alloc");
	memset(b->turn, 0, sizeof(*b->turn));
}

static void bench_close(struct bench *b)
{
	free(b->turn);
	for (int i = 0; i < N_IFACES; i++)
		iface_remove(b->table, &b->ifaces[i]);
	bridges_destroy(b->bridges);
	iface_table_destroy(b->table);
}

/* Address n is behind interface n % N_IFACES. */
static void packet(struct bench *b, uint32_t src, uint32_t dst)
{
	struct pkt *pkt = turn_pkt(b->turn);

	pkt->rx = &b->ifaces[src % N_IFACES];
	pkt->head_len = 64;
	mac_store(pkt->data, 0x525400000000 + dst);
	mac_store(pkt->data + ETHERNET_SRC_AT, 0x525400000000 + src);
	turn_push(b->turn, pkt, STAGE_BRIDGE);
}

static void fill(struct bench *b, uint32_t n_macs)
{
	for (uint32_t i = 0; i < TURN_PKTS; i++) {
		uint32_t src = random_below(&b->random, n_macs), dst;

		do
			dst = random_below(&b->random, n_macs);
		while (dst % N_IFACES == src % N_IFACES);
		packet(b, src, dst);
	}
}

static void empty(struct bench *b)
{
	for (uint32_t i = 0; i < b->turn->n_out; i++)
		turn_lane(b->turn, b->turn->out[i])->n_out = 0;
	for (uint32_t s = 0; s < STAGE_COUNT; s++)
		b->turn->vecs[s].n = 0;
	turn_begin(b->turn, 0);
}

static void teach(struct bench *b, uint32_t n_macs)
{
	for (uint32_t i = 0; i < n_macs; i++) {
		empty(b);
		packet(b, i, i + 1);
		bridge_forward(b->bridges, b->turn, &b->turn->vecs[STAGE_BRIDGE]);
	}
}

static void run(uint32_t n_macs, const char *what)
{
	uint64_t sum = 0, best = UINT64_MAX;
	struct bench b;

	bench_open(&b, n_macs);
	teach(&b, n_macs);
	for (int i = 0; i < N_TURNS; i++) {
		uint64_t since, took;

		empty(&b);
		fill(&b, n_macs);
		since = ticks();
		bridge_forward(b.bridges, b.turn, &b.turn->vecs[STAGE_BRIDGE]);
		took = ticks() - since;
		must(b.turn->vecs[STAGE_DROP].n == 0, "forwarding");
		sum += took;
		best = min_u64(best, took);
	}
	printf("%-30s %5.1f (best %5.1f)\n", what, (double)sum / N_TURNS / TURN_PKTS,
		(double)best / TURN_PKTS);
	empty(&b);
	bench_close(&b);
}

/* Vectors of packets that came in burst by burst from as many interfaces. */
static void run_wires(uint32_t n_wires, uint32_t burst, const char *what)
{
	uint64_t sum = 0, best = UINT64_MAX;
	struct bench b;

	bench_open(&b, 1);
	for (uint32_t i = 0; i < n_wires; i++)
		must(xconnect_set(&b.ifaces[i], &b.ifaces[i ^ 1]) == 0, "xconnect_set");
	for (int i = 0; i < N_TURNS; i++) {
		struct vec *vec = &b.turn->vecs[STAGE_BRIDGE];
		uint64_t since;

		empty(&b);
		for (uint32_t k = 0; k < TURN_PKTS; k++)
			packet(&b, k / burst % n_wires, 0);
		since = ticks();
		xconnect_output(NULL, b.turn, vec);
		since = ticks() - since;
		sum += since;
		best = min_u64(best, since);
	}
	printf("%-30s wire  %5.1f (best %5.1f)\n", what, (double)sum / N_TURNS / TURN_PKTS,
		(double)best / TURN_PKTS);
	empty(&b);
	bench_close(&b);
}

int main(void)
{
	printf("%s per packet, vectors of %d, %d interfaces\n", UNIT, TURN_PKTS, N_IFACES);
	run(2, "2 addresses, one flow");
	run(1000, "1000 addresses");
	run(16384, "16384 addresses, table full");
	run(262144, "262144 addresses, table full");
	run_wires(1, TURN_PKTS, "one cross-connect");
	run_wires(N_IFACES, 16, "16 of them, bursts of 16");
	run_wires(N_IFACES, 1, "16 of them, one by one");
	return 0;
}
