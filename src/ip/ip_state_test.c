/* SPDX-License-Identifier: Apache-2.0 */
/* What a successor process gets of the router. */
#include "ip/ip_bed.h"

static struct bed old, new;

static void configure(void)
{
	struct ip_prefix p = prefix_of("198.51.100.0/24");
	struct ip_path drop = {.drop = true},
		       three = {.has_via = true, .via = addr_of("10.0.1.2"), .weight = 3};

	bed_open(&old);
	assert_int_equal(ip_table_add(old.ip, 9), 0);
	assert_int_equal(ip_iface_set_table(old.ip, &old.ifaces[3], 9), 0);
	bed_addr(&old, 3, "10.0.0.1/24");
	bed_addr(&old, 0, "10.0.0.1/24");
	bed_addr(&old, 1, "10.0.1.1/24");
	bed_addr(&old, 1, "2001:db8:1::1/64");
	bed_neigh(&old, 1, "10.0.1.2", STATION(2));
	assert_int_equal(ip_route_add(old.ip, 0, &p, &drop), 0);
	p = prefix_of("192.0.2.0/24");
	assert_int_equal(ip_route_add(old.ip, 0, &p, &three), 0);
	assert_int_equal(bed_route(&old, "192.0.2.0/24", "10.0.0.7", -1), 0);
	assert_int_equal(bed_route(&old, "0.0.0.0/0", "10.0.1.2", -1), 0);
	assert_int_equal(bed_route(&old, "::/0", "2001:db8:1::9", -1), 0);
	assert_int_equal(bed_route(&old, "203.0.113.0/24", NULL, 1), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		struct ip_path path = {.has_via = true, .via = addr_of("10.0.1.2")};

		p = (struct ip_prefix){.addr = ip4_addr(0x14000000 + (i << 8)), .len = 24};
		assert_int_equal(ip_route_add(old.ip, 0, &p, &path), 0);
	}
}

/* The JSON of `show` words is what one can compare. */
static void assert_same(void)
{
	json_t *a = ip_save(old.ip), *b = ip_save(new.ip);

	assert_int_equal(
		json_array_size(json_object_get(a, "hops")), json_array_size(json_object_get(b, "hops")));
	assert_true(json_equal(json_object_get(a, "interfaces"), json_object_get(b, "interfaces")));
	assert_true(json_equal(json_object_get(a, "neighbors"), json_object_get(b, "neighbors")));
	json_decref(a);
	json_decref(b);
	for (uint32_t i = 0; i < old.ip->n_tables; i++) {
		assert_int_equal(old.ip->tables[i]->fib4.n, new.ip->tables[i]->fib4.n);
		assert_int_equal(old.ip->tables[i]->fib6.n, new.ip->tables[i]->fib6.n);
	}
}

TEST(a_successor_has_the_same_addresses_routes_and_neighbours)
{
	struct ip_addr group = ip4_addr(0xc0000201), hole = ip4_addr(0xc6336401);
	const struct lpm *fib;
	const struct hop *hop;
	json_t *saved;

	configure();
	saved = ip_save(old.ip);
	bed_open(&new);
	assert_int_equal(ip_restore(new.ip, saved), 0);
	json_decref(saved);
	assert_same();
	fib = &new.ip->tables[0]->fib4;
	hop = &new.ip->hops.list[lpm_lookup(fib, group.bytes)];
	assert_int_equal(hop->kind, HOP_GROUP);
	assert_int_equal(hop->n_paths, 2);
	assert_int_equal(hop->weights[0] + hop->weights[1], 4);
	assert_int_equal(lpm_lookup(fib, hole.bytes), HOP_BLACKHOLE);
	bed_close(&old);
	bed_close(&new);
}

TEST(what_names_an_interface_that_is_gone_is_left_out)
{
	json_t *saved;

	configure();
	saved = ip_save(old.ip);
	bed_open(&new);
	iface_remove(new.table, &new.ifaces[1]);
	assert_int_equal(ip_restore(new.ip, saved), 0);
	assert_int_equal(new.ip->tables[0]->fib4.n, 3 + 2); /* port0's own, the blackhole, half a group */
	json_decref(saved);
	bed_close(&old);
	bed_close(&new);
}

TESTS(cmocka_unit_test(a_successor_has_the_same_addresses_routes_and_neighbours),
	cmocka_unit_test(what_names_an_interface_that_is_gone_is_left_out))
