/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/bridge_bed.h"

#include "ctl/ctl.h"

#include <stdarg.h>

static json_t *iface_parse(void *subject, const char *text)
{
	const struct iface *iface = iface_by_name(subject, text);

	return iface ? json_integer(iface->idx) : NULL;
}

static const struct ctl_type iface_type = {"interface", "an interface", iface_parse, NULL, NULL};

struct shell {
	struct bed bed;
	struct ctl *ctl;
	char *said; /* the last answer */
};

static void shell_open(struct shell *s)
{
	memset(s, 0, sizeof(*s));
	bed_open(&s->bed, 1);
	assert_int_equal(ctl_create(&s->ctl), 0);
	ctl_add_type(s->ctl, &iface_type, s->bed.table);
	ctl_add_table(s->ctl, &bridge_commands, s->bed.bridges);
}

static void shell_close(struct shell *s)
{
	free(s->said);
	ctl_destroy(s->ctl);
	bed_close(&s->bed);
}

static enum ctl_status run(struct shell *s, const char *line)
{
	struct ctl_answer answer;
	size_t len;
	FILE *out;

	free(s->said);
	out = open_memstream(&s->said, &len);
	assert_non_null(out);
	ctl_run_line(s->ctl, line, NULL, &answer);
	if (answer.status == CTL_DONE)
		ctl_answer_print(&answer, out);
	else
		fputs(answer.error, out);
	fclose(out);
	ctl_answer_free(&answer);
	return answer.status;
}

#define assert_answer(s, line, text)                      \
	do {                                              \
		assert_int_equal(run(s, line), CTL_DONE); \
		assert_string_equal((s)->said, text);     \
	} while (0)

#define assert_refused(s, line, text)                       \
	do {                                                \
		assert_int_equal(run(s, line), CTL_FAILED); \
		assert_string_equal((s)->said, text);       \
	} while (0)

static void hear(struct shell *s, int from, uint64_t mac)
{
	bed_send(&s->bed, from, mac, MAC_BROADCAST);
	bed_end(&s->bed);
}

#define DOMAIN_TITLES                                                                                     \
	"  BD-ID   Index   BSN  Age(min)  Learning  U-Forwrd   UU-Flood   Flooding  ARP-Term  arp-ufwd  " \
	"Learn-co  Learn-li   BVI-Intf \n"

TEST(a_domain_is_created_shown_and_deleted)
{
	struct shell s;

	shell_open(&s);
	assert_answer(&s, "show bridge-domain", "no bridge-domains in use\n");
	assert_answer(&s, "create bridge-domain 5", "bridge-domain 5\n");
	assert_answer(&s, "show bridge-domain",
		DOMAIN_TITLES "    5       1      0      5         on        on       flood        on       "
			      "off       off        0       "
			      "16384       N/A    \n");
	assert_answer(&s, "delete bridge-domain 5", "");
	assert_answer(&s, "show bridge-domain", "no bridge-domains in use\n");
	shell_close(&s);
}

TEST(a_domain_takes_its_settings_in_any_order)
{
	struct shell s;

	shell_open(&s);
	assert_answer(&s,
		"create bridge-domain 200 flood 0 learn 0 forward 1 uu-flood off arp-term 0 learn-limit 100 "
		"mac-age 0",
		"bridge-domain 200\n");
	assert_answer(&s, "sh bridge 200",
		DOMAIN_TITLES "   200      1      0     off       off        on        drop       off       "
			      "off       off        0        "
			      "100        N/A    \n");
	assert_answer(&s, "create bridge-domain 200 del", "");
	shell_close(&s);
}

TEST(settings_are_changed_as_vpp_says_it_and_with_a_value)
{
	struct shell s;

	shell_open(&s);
	assert_answer(&s, "create bridge-domain 1", "bridge-domain 1\n");
	assert_answer(&s, "set bridge-domain learn 1 disable", "");
	assert_answer(&s, "set bridge-domain forward 1 off", "");
	assert_answer(&s, "set bridge-domain flood 1 disable", "");
	assert_answer(&s, "set bridge-domain flood 1", "");
	assert_answer(&s, "set bridge-domain uu-flood 1 0", "");
	assert_answer(&s, "set bridge-domain mac-age 1 60", "");
	assert_answer(&s, "set bridge-domain learn-limit 1 200000", "");
	assert_answer(&s, "show bridge-domain 1",
		DOMAIN_TITLES "    1       1      0      60       off       off        drop        on       "
			      "off       off        0       "
			      "200000      N/A    \n");
	shell_close(&s);
}

TEST(an_interface_is_put_into_a_domain_that_is_made_for_it)
{
	struct shell s;

	shell_open(&s);
	assert_answer(&s, "set interface l2 bridge port0 1", "");
	assert_answer(&s, "set int l2 br port1 1 3", "");
	assert_answer(&s, "show mode",
		"l3 local0\nl2 bridge port0 bd_id 1 shg 0\nl2 bridge port1 bd_id 1 shg 3\nl3 port2\nl3 "
		"port3\n");
	assert_answer(&s, "set interface l3 port0", "");
	assert_answer(&s, "set interface l3 port0", "");
	assert_answer(&s, "show mode port0", "l3 port0\n");
	shell_close(&s);
}

TEST(interfaces_are_cross_connected_each_way_by_itself)
{
	struct shell s;

	shell_open(&s);
	assert_answer(&s, "set interface l2 bridge port1 1", "");
	assert_answer(&s, "set interface l2 xconnect port0 port1", "");
	assert_answer(&s, "show mode",
		"l3 local0\nl2 xconnect port0 port1\nl2 bridge port1 bd_id 1 shg 0\nl3 port2\nl3 port3\n");
	assert_answer(&s, "set int l2 xc port1 port0", "");
	assert_answer(&s, "show mode port1", "l2 xconnect port1 port0\n");
	assert_answer(&s, "delete bridge-domain 1", ""); /* port1 has left it */
	assert_answer(&s, "set int l2 xc port1 port2", "");
	assert_answer(&s, "show mode port1", "l2 xconnect port1 port2\n");
	assert_answer(&s, "set interface l3 port1", "");
	assert_answer(&s, "show mode port1", "l3 port1\n");
	assert_answer(&s, "set interface l2 bridge port0 2 3", "");
	assert_answer(&s, "show mode port0", "l2 bridge port0 bd_id 2 shg 3\n");
	shell_close(&s);
}

TEST(a_cross_connect_is_shown_as_json_too)
{
	struct ctl_answer answer;
	struct shell s;
	char *text;

	shell_open(&s);
	assert_answer(&s, "set interface l2 xconnect port0 port1", "");
	ctl_run_line(s.ctl, "show mode port0", NULL, &answer);
	text = json_dumps(answer.result, JSON_COMPACT);
	assert_string_equal(text, "[{\"interface\":\"port0\",\"mode\":\"l2 xconnect\",\"to\":\"port1\"}]");
	free(text);
	ctl_answer_free(&answer);
	shell_close(&s);
}

TEST(a_cross_connect_ends_with_the_interface_it_leads_to)
{
	struct shell s;

	shell_open(&s);
	assert_answer(&s, "set interface l2 xconnect port0 port1", "");
	iface_remove(s.bed.table, &s.bed.ifaces[1]);
	assert_answer(&s, "show mode", "l3 local0\nl3 port0\nl3 port2\nl3 port3\n");
	assert_int_equal(run(&s, "set interface l2 xconnect port0 port1"), CTL_NOT_UNDERSTOOD);
	assert_non_null(strstr(s.said, "port1"));
	shell_close(&s);
}

TEST(detail_shows_the_members)
{
	struct shell s;

	shell_open(&s);
	assert_answer(&s, "set interface l2 bridge port0 1", "");
	assert_answer(&s, "set interface l2 bridge port2 1 7", "");
	assert_answer(&s, "show bridge-domain 1 detail",
		DOMAIN_TITLES "    1       1      0      5         on        on       flood        on       "
			      "off       off        0       "
			      "16384       N/A    \n"
			      "\n"
			      "           Interface           If-idx ISN  SHG  BVI  TxFlood        "
			      "VLAN-Tag-Rewrite       \n"
			      "             port0               1     0    0    -      *                 "
			      "none             \n"
			      "             port2               3     0    7    -      *                 "
			      "none             \n");
	shell_close(&s);
}

TEST(known_addresses_are_counted_and_listed)
{
	struct shell s;

	shell_open(&s);
	assert_answer(&s, "show l2fib", "no l2fib entries\n");
	assert_answer(&s, "set interface l2 bridge port0 1", "");
	assert_answer(&s, "show l2fib all", "no l2fib entries\n");
	s.bed.turn->now_ns = 1000000000;
	hear(&s, 0, MAC_A);
	bridges_age(s.bed.bridges, 121 * 1000000000ull);
	assert_answer(&s, "show l2fib", "L2FIB total/learned entries: 1/1  Learn limit: 16384\n");
	assert_answer(&s, "show l2fib all",
		"    Mac-Address     BD-Idx If-Idx BSN-ISN Age(min) static filter bvi         Interface-Name "
		"       \n"
		" 52:54:00:00:00:01    1      1      0/0      2       -      -     -               port0     "
		"       \n"
		"L2FIB total/learned entries: 1/1  Learn limit: 16384\n");
	assert_answer(&s, "show l2fib bd_id 1",
		"    Mac-Address     BD-Idx If-Idx BSN-ISN Age(min) static filter bvi         Interface-Name "
		"       \n"
		" 52:54:00:00:00:01    1      1      0/0      2       -      -     -               port0     "
		"       \n"
		"L2FIB total/learned entries: 1/1  Learn limit: 16384\n");
	shell_close(&s);
}

TEST(addresses_are_added_by_hand_and_deleted)
{
	struct shell s;

	shell_open(&s);
	assert_answer(&s, "set interface l2 bridge port0 1", "");
	assert_answer(&s, "l2fib add 52:54:00:00:00:0a 1 port0 static", "");
	assert_answer(&s, "show l2fib all",
		"    Mac-Address     BD-Idx If-Idx BSN-ISN Age(min) static filter bvi         Interface-Name "
		"       \n"
		" 52:54:00:00:00:0a    1      1      0/0      no      *      -     -               port0     "
		"       \n"
		"L2FIB total/learned entries: 1/0  Learn limit: 16384\n");
	assert_answer(&s, "l2fib add 52:54:00:00:00:0a 1 filter", "");
	assert_answer(&s, "show l2fib all",
		"    Mac-Address     BD-Idx If-Idx BSN-ISN Age(min) static filter bvi         Interface-Name "
		"       \n"
		" 52:54:00:00:00:0a    1      -1     0/0      no      *      *     -                N/A      "
		"       \n"
		"L2FIB total/learned entries: 1/0  Learn limit: 16384\n");
	assert_answer(&s, "l2fib add 52:54:00:00:00:0a 1 port0", "");
	assert_answer(&s, "show l2fib", "L2FIB total/learned entries: 1/1  Learn limit: 16384\n");
	assert_answer(&s, "l2fib del 52:54:00:00:00:0a 1", "");
	assert_refused(&s, "l2fib del 52:54:00:00:00:0a 1",
		"bridge domain 1 does not know 52:54:00:00:00:0a: see show l2fib all");
	shell_close(&s);
}

TEST(flushing_takes_learned_addresses_and_clearing_takes_all)
{
	struct shell s;

	shell_open(&s);
	assert_answer(&s, "set interface l2 bridge port0 1", "");
	assert_answer(&s, "set interface l2 bridge port1 1", "");
	assert_answer(&s, "l2fib add 52:54:00:00:00:0a 1 port0 static", "");
	hear(&s, 0, MAC_A);
	hear(&s, 1, MAC_B);
	assert_answer(&s, "l2fib flush-mac interface port0", "");
	assert_answer(&s, "show l2fib", "L2FIB total/learned entries: 2/1  Learn limit: 16384\n");
	assert_answer(&s, "l2fib flush-mac bridge-domain 1", "");
	assert_answer(&s, "show l2fib", "L2FIB total/learned entries: 1/0  Learn limit: 16384\n");
	hear(&s, 1, MAC_B);
	assert_answer(&s, "l2fib flush-mac all", "");
	assert_answer(&s, "show l2fib", "L2FIB total/learned entries: 1/0  Learn limit: 16384\n");
	assert_answer(&s, "clear l2fib", "");
	assert_answer(&s, "show l2fib", "no l2fib entries\n");
	shell_close(&s);
}

TEST(refusals_name_the_mend)
{
	struct shell s;

	shell_open(&s);
	assert_refused(&s, "show bridge-domain 9",
		"there is no bridge domain 9: make it with create bridge-domain 9");
	assert_refused(&s, "create bridge-domain 16777216",
		"16777216 is too large for a bridge domain: give at most 16777215");
	assert_refused(&s, "create bridge-domain 1 arp-term 1",
		"this bridge does not answer ARP itself: leave arp-term out");
	assert_refused(&s, "create bridge-domain 1 mac-age 65536",
		"mac-age is in minutes: give at most 65535, or 0 to keep addresses for ever");
	assert_refused(&s, "create bridge-domain 1 learn-limit 2000000",
		"a bridge domain can learn 1048576 addresses: give a learn-limit of at most that");
	assert_refused(&s, "set interface l2 bridge local0 1",
		"local0 cannot be bridged: name an interface that carries packets");
	assert_refused(&s, "set interface l2 xconnect local0 port0",
		"local0 cannot be cross-connected: name interfaces that carry packets");
	assert_refused(&s, "set interface l2 xconnect port0 local0",
		"local0 cannot be cross-connected: name interfaces that carry packets");
	assert_refused(&s, "set interface l2 xconnect port0 port1 lossless",
		"packets cannot wait for port0: both ends of a lossless wire must be vhost-user interfaces, "
		"leave out lossless for others");
	assert_refused(&s, "set interface l2 xconnect port0 port0",
		"port0 cannot be cross-connected to itself: name another interface for its packets to leave "
		"by");
	assert_refused(&s, "set interface l2 bridge port0 1 256",
		"256 is too large for a split horizon group: give at most 255");
	assert_refused(&s, "l2fib flush-mac interface port0", "port0 is in no bridge domain: see show mode");
	assert_answer(&s, "set interface l2 bridge port0 1", "");
	assert_refused(
		&s, "create bridge-domain 1", "bridge domain 1 exists: change it with set bridge-domain");
	assert_refused(&s, "delete bridge-domain 1",
		"bridge domain 1 has 1 interfaces: take them out first, with set interface l3 port0");
	assert_refused(&s, "l2fib add 52:54:00:00:00:0a 1 port1",
		"port1 is not in bridge domain 1: put it there with set interface l2 bridge port1 1");
	assert_refused(&s, "l2fib add 01:00:5e:00:00:01 1 port0",
		"01:00:5e:00:00:01 is a group address, which is always flooded: give one station's address");
	assert_answer(&s, "set bridge-domain learn-limit 1 0", "");
	assert_refused(&s, "l2fib add 52:54:00:00:00:0a 1 port0",
		"the table of bridge domain 1 is full: raise it with set bridge-domain learn-limit, or flush "
		"it");
	shell_close(&s);
}

TESTS(cmocka_unit_test(a_domain_is_created_shown_and_deleted),
	cmocka_unit_test(a_domain_takes_its_settings_in_any_order),
	cmocka_unit_test(settings_are_changed_as_vpp_says_it_and_with_a_value),
	cmocka_unit_test(an_interface_is_put_into_a_domain_that_is_made_for_it),
	cmocka_unit_test(interfaces_are_cross_connected_each_way_by_itself),
	cmocka_unit_test(a_cross_connect_is_shown_as_json_too),
	cmocka_unit_test(a_cross_connect_ends_with_the_interface_it_leads_to),
	cmocka_unit_test(detail_shows_the_members), cmocka_unit_test(known_addresses_are_counted_and_listed),
	cmocka_unit_test(addresses_are_added_by_hand_and_deleted),
	cmocka_unit_test(flushing_takes_learned_addresses_and_clearing_takes_all),
	cmocka_unit_test(refusals_name_the_mend))
