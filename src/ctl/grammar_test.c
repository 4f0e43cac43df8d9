/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/grammar.h"

#include "base/test.h"

#include <stdlib.h>

static struct grammar *parse(const char *text, struct grammar_error *error)
{
	static struct value_types types;

	value_types_init(&types);
	return grammar_parse(text, &types, error);
}

static void assert_synopsis(const char *text, const char *synopsis, const char *method)
{
	struct grammar_error error;
	struct grammar *grammar = parse(text, &error);

	assert_non_null(grammar);
	assert_string_equal(grammar->synopsis, synopsis);
	assert_string_equal(grammar->method, method);
	grammar_free(grammar);
}

static void assert_mistake(const char *text, const char *why, size_t at)
{
	struct grammar_error error;

	assert_null(parse(text, &error));
	assert_string_equal(error.text, why);
	assert_int_equal(error.at, at);
}

TEST(a_row_has_a_synopsis_and_a_method)
{
	assert_synopsis("show version", "show version", "show.version");
	assert_synopsis("create vhost-user socket <socket:path> [server] [hwaddr <hwaddr:mac>]",
		"create vhost-user socket <path> [server] [hwaddr <mac>]", "create.vhost-user.socket");
	assert_synopsis("set mode <id:u32>  {a|b c} [ <how:{fast|slow}> ]",
		"set mode <id> {a|b c} [{fast|slow}]", "set.mode");
}

TEST(the_words_of_a_group_are_keys_unless_something_else_tells)
{
	struct grammar_error error;
	struct grammar *grammar =
		parse("x [server] [max <n:u32>] [queue {<queue:u16>|all}] [addr [detail]]", &error);

	assert_non_null(grammar);

	const struct grammar_item *items = grammar->seq.items;

	assert_false(items[0].is_key);
	assert_true(items[1].alternatives[0].items[0].is_key);
	assert_false(items[2].alternatives[0].items[0].is_key);
	assert_false(items[3].alternatives[0].items[0].is_key);
	assert_true(items[4].alternatives[0].items[0].is_key);
	grammar_free(grammar);
}

TEST(a_mistake_in_a_row_is_named_with_its_place)
{
	assert_mistake("", "a command begins with a word", 0);
	assert_mistake("<x:u32>", "a command begins with a word", 7);
	assert_mistake("show [addr", "expected ]", 10);
	assert_mistake("show {a|b]", "expected }", 9);
	assert_mistake("show addr]", "']' is out of place", 9);
	assert_mistake("show <x>", "expected name:type", 6);
	assert_mistake("show <x:nothing>", "no type 'nothing': add types before the tables that use them", 8);
	assert_mistake("show <x:u32", "expected >", 11);
	assert_mistake("show []", "a group must not be empty", 6);
	assert_mistake("show [[a]]", "a group must not be empty", 9);
	assert_mistake("show <x:{a|b c}>", "a named choice is between single words", 15);
	assert_mistake("a [a [a [a [a [a [a [a]]]]]]]", "groups are nested too deeply", 21);
}

TESTS(cmocka_unit_test(a_row_has_a_synopsis_and_a_method),
	cmocka_unit_test(the_words_of_a_group_are_keys_unless_something_else_tells),
	cmocka_unit_test(a_mistake_in_a_row_is_named_with_its_place))
