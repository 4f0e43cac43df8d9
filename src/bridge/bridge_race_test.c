/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real threads on one table, and on one bridge whose members come and go or are cross-connected; for the sanitizers
 * and for the counts.
 */
#include "bridge/bridge_bed.h"
#include "bridge/bridge_private.h"

#include "base/random.h"

#include <pthread.h>
#include <sched.h>

#define N_MACS   64
#define N_ROUNDS 30000
#define LIMIT    48

struct racer {
	pthread_t thread;
	struct mac_table *table;
	uint64_t seed;
	uint32_t iface_idx;
	uint64_t n_found;
};

static void *racer_learns(void *arg)
{
	struct racer *racer = arg;
	struct random r;

	random_init(&r, racer->seed);
	for (uint32_t i = 0; i < N_ROUNDS; i++) {
		uint64_t mac = MAC_A + random_below(&r, N_MACS);

		mac_table_learn(
			racer->table, mac, mac_table_hash(racer->table, mac), racer->iface_idx, i / 1000);
	}
	return NULL;
}

/* An entry that is found is one of those that were put there. */
static void *racer_looks(void *arg)
{
	struct racer *racer = arg;
	struct random r;

	random_init(&r, racer->seed);
	for (uint32_t i = 0; i < N_ROUNDS; i++) {
		uint64_t mac = MAC_A + random_below(&r, N_MACS), word;
		uint32_t slot, iface_idx;

		word = mac_table_find(racer->table, mac, mac_table_hash(racer->table, mac), &slot);
		iface_idx = word & MAC_WORD_IFACE;
		if (word && (word >> 16 != mac || iface_idx < 1 || iface_idx > 3))
			abort();
		racer->n_found += word != 0;
	}
	return NULL;
}

static void control_changes(struct mac_table *t)
{
	struct random r;

	random_init(&r, 5);
	for (uint32_t i = 0; i < 300; i++) {
		uint64_t mac = MAC_A + random_below(&r, N_MACS);

		mac_table_flush(t, 1 + random_below(&r, 2), false);
		mac_table_add_static(t, mac, 3);
		mac_table_age(t, i / 10, 2);
		mac_table_del(t, mac);
	}
}

static void assert_each_once(const struct mac_table *t)
{
	uint32_t seen[N_MACS] = {0}, n_learned = 0;
	struct mac_entry e;

	for (uint32_t pos = 0; mac_table_next(t, &pos, &e);) {
		assert_int_equal(seen[e.mac - MAC_A]++, 0);
		n_learned += !e.is_static;
	}
	assert_int_equal(mac_table_count_learned(t), n_learned);
	assert_true(n_learned <= LIMIT);
}

TEST(two_learn_one_looks_control_flushes_and_each_address_is_there_once)
{
	struct racer racers[3] = {{.seed = 1, .iface_idx = 1}, {.seed = 2, .iface_idx = 2}, {.seed = 3}};
	struct mac_table *t = mac_table_create(LIMIT, 9);

	assert_non_null(t);
	for (int i = 0; i < 3; i++) {
		racers[i].table = t;
		assert_int_equal(pthread_create(&racers[i].thread, NULL, i < 2 ? racer_learns : racer_looks,
					 &racers[i]),
			0);
	}
	control_changes(t);
	for (int i = 0; i < 3; i++)
		pthread_join(racers[i].thread, NULL);
	assert_each_once(t);
	mac_table_destroy(t);
}

/* Each round begins with an empty table, so that both insert the same addresses at the same time. */
#define N_DUELS 2000

struct duel {
	struct mac_table *table;
	uint32_t n_arrived; /* atomic */
};

/* Spins, because waking up would take longer than what is raced for. */
static void duel_meet(struct duel *duel)
{
	uint32_t all = (__atomic_fetch_add(&duel->n_arrived, 1, __ATOMIC_ACQ_REL) & ~1u) + 2;

	for (uint32_t i = 1; __atomic_load_n(&duel->n_arrived, __ATOMIC_ACQUIRE) < all; i++)
		if (i % 1024 == 0)
			sched_yield();
}

static void duel_learn(struct duel *duel, uint32_t iface_idx)
{
	struct mac_table *t = duel->table;

	duel_meet(duel);
	for (uint64_t mac = MAC_A; mac < MAC_A + LIMIT / 2; mac++)
		mac_table_learn(t, mac, mac_table_hash(t, mac), iface_idx, 0);
	duel_meet(duel);
}

static void *other_learns(void *arg)
{
	for (uint32_t i = 0; i < N_DUELS; i++)
		duel_learn(arg, 2);
	return NULL;
}

TEST(two_that_learn_the_same_address_at_once_leave_one_entry)
{
	struct duel duel = {.table = mac_table_create(LIMIT, 9)};
	pthread_t other;

	assert_non_null(duel.table);
	assert_int_equal(pthread_create(&other, NULL, other_learns, &duel), 0);
	for (uint32_t i = 0; i < N_DUELS; i++) {
		duel_learn(&duel, 1);
		assert_each_once(duel.table);
		assert_int_equal(mac_table_count_learned(duel.table), LIMIT / 2);
		mac_table_flush(duel.table, MAC_ANY_IFACE, true);
	}
	pthread_join(other, NULL);
	mac_table_destroy(duel.table);
}

struct worker {
	pthread_t thread;
	struct bed *bed;
	struct turn *turn;
	bool stop; /* atomic */
	uint64_t n_turns;
};

static void *worker_runs(void *arg)
{
	struct worker *w = arg;
	struct random r;

	rcu_reader_start();
	random_init(&r, w->turn->worker);
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		for (uint32_t i = 0; i < 64; i++)
			turn_send(w->turn, &w->bed->ifaces[random_below(&r, BED_IFACES)],
				MAC_A + random_below(&r, 16), MAC_A + random_below(&r, 16));
		turn_bridge(w->turn, w->bed->bridges);
		if (!turn_all_home(w->turn))
			abort();
		w->n_turns++;
		rcu_quiet();
	}
	rcu_reader_stop();
	return NULL;
}

/* An interface that left has no entries, and gets none until it comes back. */
static void members_come_and_go(struct bed *b, struct bridge_domain *d)
{
	struct random r;
	struct mac_entry e;

	random_init(&r, 1);
	for (uint32_t i = 0; i < 200; i++) {
		struct iface *iface = &b->ifaces[random_below(&r, BED_IFACES)];

		bridge_detach(iface);
		for (uint32_t pos = 0; mac_table_next(d->macs, &pos, &e);)
			assert_int_not_equal(e.iface_idx, iface->idx);
		assert_int_equal(bridge_attach(d, iface, (uint8_t)random_below(&r, 3)), 0);
		bridges_age(b->bridges, i);
		if (i % 50 == 0)
			assert_int_equal(
				bridge_domain_set_learn_limit(d, BRIDGE_DEFAULT_LEARN_LIMIT << i / 50), 0);
	}
}

TEST(members_come_and_go_while_workers_run)
{
	struct worker workers[2] = {0};
	struct bridge_domain *d;
	struct bed b;

	bed_open(&b, 2);
	d = bed_switch(&b);
	for (uint32_t i = 0; i < 2; i++) {
		workers[i].bed = &b;
		workers[i].turn = bed_turn(i);
		assert_int_equal(pthread_create(&workers[i].thread, NULL, worker_runs, &workers[i]), 0);
	}
	members_come_and_go(&b, d);
	for (uint32_t i = 0; i < 2; i++) {
		__atomic_store_n(&workers[i].stop, true, __ATOMIC_RELAXED);
		pthread_join(workers[i].thread, NULL);
		assert_true(workers[i].n_turns > 0);
		free(workers[i].turn);
	}
	bed_close(&b);
}

#define N_REWIRINGS 300

/* Workers send from all interfaces but the last, which comes and goes; freed memory is ASan's. */
static void *worker_runs_wires(void *arg)
{
	struct worker *w = arg;
	struct random r;

	rcu_reader_start();
	random_init(&r, w->turn->worker);
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		for (uint32_t i = 0; i < 64; i++) {
			turn_send(w->turn, &w->bed->ifaces[random_below(&r, BED_IFACES - 1)],
				MAC_A + random_below(&r, 16), MAC_A + random_below(&r, 16));
			if (i % 16 == 0) /* control may change something between the stages */
				sched_yield();
		}
		turn_bridge(w->turn, w->bed->bridges);
		if (!turn_all_home(w->turn))
			abort();
		w->n_turns++;
		rcu_quiet();
	}
	rcu_reader_stop();
	return NULL;
}

static struct iface *add_last(struct bed *b)
{
	struct iface *iface = calloc(1, sizeof(*iface));

	assert_non_null(iface);
	snprintf(iface->name, sizeof(iface->name), "last");
	assert_int_equal(iface_add(b->table, iface), 0);
	return iface;
}

/* When an interface has left its domain or wire, its l2 is at once free for somebody else, whose it is not. */
static void take_over(struct iface *from)
{
	static struct iface nobody; /* no lanes: who takes it for one of theirs crashes */

	from->l2_detach(from);
	rcu_publish(from->l2, &nobody);
	rcu_wait();
	rcu_publish(from->l2, NULL);
}

static void rewire(struct bed *b, struct bridge_domain *d, struct iface *last, struct random *r)
{
	uint32_t i = random_below(r, BED_IFACES - 1);
	struct iface *from = &b->ifaces[i];

	switch (random_below(r, 4)) {
	case 0:
		assert_int_equal(xconnect_set(from, &b->ifaces[(i + 1) % (BED_IFACES - 1)]), 0);
		break;
	case 1:
		assert_int_equal(xconnect_set(from, last), 0);
		break;
	case 2:
		assert_int_equal(bridge_attach(d, from, 0), 0);
		break;
	default:
		if (from->l2_detach)
			take_over(from);
	}
}

TEST(wires_and_domains_take_each_others_place_and_ends_go_while_workers_run)
{
	struct worker workers[2] = {0};
	struct bridge_domain *d;
	struct random r;
	struct bed b;

	bed_open(&b, 2);
	iface_remove(b.table, &b.ifaces[BED_IFACES - 1]);
	assert_int_equal(bridge_domain_create(b.bridges, 1, &BRIDGE_DEFAULT_CONFIG, &d), 0);
	for (uint32_t i = 0; i < 2; i++) {
		workers[i].bed = &b;
		workers[i].turn = bed_turn(i);
		assert_int_equal(pthread_create(&workers[i].thread, NULL, worker_runs_wires, &workers[i]), 0);
	}
	random_init(&r, 1);
	for (uint32_t i = 0; i < N_REWIRINGS; i++) {
		struct iface *last = add_last(&b);

		if (i % 2)
			assert_int_equal(bridge_attach(d, last, 0), 0);
		for (uint32_t k = 0; k < 4; k++)
			rewire(&b, d, last, &r);
		iface_remove(b.table, last);
		free(last);
	}
	for (uint32_t i = 0; i < 2; i++) {
		__atomic_store_n(&workers[i].stop, true, __ATOMIC_RELAXED);
		pthread_join(workers[i].thread, NULL);
		assert_true(workers[i].n_turns > 0);
		free(workers[i].turn);
	}
	bed_close(&b);
}

TESTS(cmocka_unit_test(two_learn_one_looks_control_flushes_and_each_address_is_there_once),
	cmocka_unit_test(two_that_learn_the_same_address_at_once_leave_one_entry),
	cmocka_unit_test(members_come_and_go_while_workers_run),
	cmocka_unit_test(wires_and_domains_take_each_others_place_and_ends_go_while_workers_run))
