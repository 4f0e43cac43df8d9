/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/p2p_lua.h"

#include "base/test.h"

#include <errno.h>
#include <string.h>

static struct p2p_lua list;
static char why[P2P_WHY_LEN];

static int read_text(const char *text)
{
	why[0] = 0;
	return p2p_lua_read(text, strlen(text), &list, why);
}

static void assert_wrong(const char *text, int err, const char *said)
{
	assert_int_equal(read_text(text), err);
	assert_string_equal(why, said);
}

static void assert_port(uint32_t i, const char *name, uint32_t ds_max, const char *mac)
{
	assert_true(list.in_use[i]);
	assert_string_equal(list.ports[i].name, name);
	assert_int_equal(list.ports[i].ds_max, ds_max);
	assert_int_equal(list.ports[i].has_mac, mac != NULL);
	if (mac)
		assert_memory_equal(list.ports[i].mac, mac, 6);
}

TEST(two_ports_and_a_name_that_is_given_another_are_read_as_written)
{
	assert_int_equal(read_text("-- two normal ports with at most 4 data spaces\n"
				   "net0 = p2p:create(0, \"ds-max=4\")\n"
				   "net1 = p2p:create(0, \"ds-max=4\")\n"
				   "-- normal port with 4 data spaces and MAC address\n"
				   "net0 = p2p:create(0, \"ds-max=4\", \"mac=11:22:33:44:55:66\")\n"),
		0);
	assert_port(0, "net0", 4, "\x11\x22\x33\x44\x55\x66");
	assert_port(1, "net1", 4, NULL);
	assert_string_equal(list.warning, "");
}

TEST(the_start_of_the_server_is_read_with_its_command_line)
{
	assert_int_equal(read_text("local p2p = L4.default_loader:new_channel();\n"
				   "L4.default_loader:start(\n{\n  caps = {\n    svr = p2p:svr(),\n  },\n},\n"
				   "\"rom/l4vio_net_p2p [<options>]\");\n"),
		0);
	assert_false(list.in_use[0]);
	assert_int_equal(list.poll_us, 0);
	assert_int_equal(
		read_text("local ch = L4.default_loader:new_channel()\n"
			  "L4.default_loader:start({caps = {svr = ch:svr(), ram = r:m(\"rw\")}, log = "
			  "{\"p2p\", \"c\"}}, 'rom/l4vio_net_p2p -p 100 --size=1024 -d ram')\n"
			  "x = L4.cast(L4.Proto.Factory, ch):create(0)"),
		0);
	assert_int_equal(list.poll_us, 100);
	assert_int_equal(list.size, 1024);
	assert_int_equal(list.n_ds, 1);
	assert_string_equal(list.ds[0], "ram");
	assert_port(0, "x", 2, NULL);
}

TEST(a_port_lives_as_long_as_a_name_means_it)
{
	assert_int_equal(read_text("a = p2p:create(0) b = a a = p2p:create(0) b = nil c = p2p:create(0)"), 0);
	assert_port(0, "c", 2, NULL);
	assert_port(1, "a", 2, NULL);
	assert_wrong("a = p2p:create(0) b = a a = p2p:create(0) c = p2p:create(0)", -ENOMEM,
		"1:60: a cable has two ends: this would be a third port");
}

TEST(digits_of_addresses_may_be_single_and_unknown_keys_are_told)
{
	assert_int_equal(read_text("n = p2p:create(0, \"mac=1:2:a:B:0c:d\", \"colour=red\")"), 0);
	assert_port(0, "n", 2, "\x01\x02\x0a\x0b\x0c\x0d");
	assert_non_null(strstr(list.warning, "'colour=red' is not known"));
}

TEST(comments_strings_and_numbers_are_those_of_lua)
{
	assert_int_equal(
		read_text("--[[ a\nblock ]] n --[[x]] = p2p : create ( 0x0 , 'ds-max=80' ) ; ; --end"), 0);
	assert_port(0, "n", 80, NULL);
	assert_int_equal(read_text("t = {1, 'a\\n\\'', [2] = {x = nil; y = true}, f.g} s = \"\""), 0);
	assert_int_equal(read_text(""), 0);
}

TEST(mistakes_are_told_with_their_place)
{
	assert_wrong("a = p2p:create(1)", -EINVAL,
		"1:18: the first argument of create() is the type of the port, 0");
	assert_wrong("a = p2p:create()", -EINVAL,
		"1:17: the first argument of create() is the type of the port, 0");
	assert_wrong("a = p2p:create(0, 4)", -EINVAL,
		"1:21: create() takes strings behind the type, as \"ds-max=4\"");
	assert_wrong(
		"\n  a = p2p:create(0, 'ds-max=81')", -EINVAL, "2:33: ds-max=81: give a number from 1 to 80");
	assert_wrong("a = p2p:create(0, 'ds-max=0')\n", -EINVAL, "2:1: ds-max=0: give a number from 1 to 80");
	assert_wrong("a = p2p:create(0, 'mac=11:22:33:44:55')", -EINVAL,
		"1:40: mac=11:22:33:44:55: give an address as 11:22:33:44:55:66");
	assert_wrong("a = p2p:create(0, 'mac=111:2:3:4:5:6')", -EINVAL,
		"1:39: mac=111:2:3:4:5:6: give an address as 11:22:33:44:55:66");
	assert_wrong("a = p2p:destroy(0)", -EINVAL,
		"1:19: there is no destroy() here: a channel has create(), L4.default_loader has "
		"new_channel() and "
		"start()");
	assert_wrong("a = \"x", -EINVAL, "1:5: a string does not end: close it with \"");
	assert_wrong("a = p2p:create(0", -EINVAL, "1:17: ')' is missing before 'the end'");
	assert_wrong("--[[ x", -EINVAL, "1:1: a comment does not end: close it with ]]");
	assert_wrong("a = 1\n --[[\n", -EINVAL, "2:2: a comment does not end: close it with ]]");
	assert_wrong("for i = 1", -EINVAL,
		"1:5: 'for' alone says nothing: NAME = VALUE or CHANNEL:create(...) does");
	assert_wrong("a = 12z", -EINVAL, "1:5: '12z' is no whole number");
	assert_wrong("L4.default_loader:start({}, \"x -q\")", -EINVAL,
		"1:36: '-q' in the command line: -p USEC, -s SIZE and -d NAME are known");
	assert_wrong("L4.default_loader:start({}, \"x -s 300\")", -EINVAL,
		"1:40: --size in the command line: give a power of two up to 32768");
}

TEST(everything_has_a_limit)
{
	static char text[P2P_LUA_TEXT + 2];

	memset(text, ' ', sizeof(text) - 1);
	assert_int_equal(p2p_lua_read(text, sizeof(text) - 1, &list, why), -EINVAL);
	assert_int_equal(p2p_lua_read(text, P2P_LUA_TEXT, &list, why), 0);
	memset(text, '{', sizeof(text));
	memcpy(text, "a=", 2);
	assert_int_equal(p2p_lua_read(text, 1000, &list, why), -EINVAL);
	assert_non_null(strstr(why, "more than 16 values in each other"));
	memset(text, 'a', 1000);
	assert_int_equal(p2p_lua_read(text, 1000, &list, why), -EINVAL);
	assert_int_equal(p2p_lua_read("a = 'x\0y'", 9, &list, why), -EINVAL);
}

TESTS(cmocka_unit_test(two_ports_and_a_name_that_is_given_another_are_read_as_written),
	cmocka_unit_test(the_start_of_the_server_is_read_with_its_command_line),
	cmocka_unit_test(a_port_lives_as_long_as_a_name_means_it),
	cmocka_unit_test(digits_of_addresses_may_be_single_and_unknown_keys_are_told),
	cmocka_unit_test(comments_strings_and_numbers_are_those_of_lua),
	cmocka_unit_test(mistakes_are_told_with_their_place), cmocka_unit_test(everything_has_a_limit))
