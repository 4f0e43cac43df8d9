/* SPDX-License-Identifier: Apache-2.0 */
#include "config/yaml_file.h"

#include "base/check.h"
#include "base/test.h"

#include <stdlib.h>
#include <string.h>

static json_t *marks;
static char error[512];

static json_t *load(const char *text)
{
	FILE *in = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	json_t *tree;

	assert_non_null(in);
	json_decref(marks);
	error[0] = 0;
	tree = yaml_load(in, "f", &marks, error);
	fclose(in);
	return tree;
}

static void assert_loads_as(const char *text, const char *json)
{
	json_t *tree = load(text), *expected = json_loads(json, 0, NULL);

	assert_string_equal(error, "");
	assert_true(json_equal(tree, expected));
	json_decref(tree);
	json_decref(expected);
}

static void assert_refused(const char *text, const char *why)
{
	assert_null(load(text));
	assert_string_equal(error, why);
}

TEST(plain_scalars_are_numbers_booleans_and_text)
{
	assert_loads_as("a: 12\nb: true\nc: text\nd: \"12\"\ne: 02\nf: 52:54:00:12:34:56\ng:\nh: -3\n",
		"{\"a\":12, \"b\":true, \"c\":\"text\", \"d\":\"12\", \"e\":\"02\", "
		"\"f\":\"52:54:00:12:34:56\", "
		"\"g\":null, \"h\":-3}");
}

TEST(an_empty_file_is_an_empty_tree)
{
	assert_loads_as("# nothing\n", "{}");
}

TEST(a_list_and_a_mapping_may_be_nested)
{
	assert_loads_as("a: [{b: 1}, {b: [2, x]}]\n", "{\"a\":[{\"b\":1}, {\"b\":[2,\"x\"]}]}");
}

TEST(a_line_is_known_of_each_place)
{
	struct config_place place = {0};

	json_decref(load("a:\n  b: 1\n\n  c:\n    d: 2\n"));
	config_place_add(&place, "a");
	assert_int_equal(yaml_line(marks, &place), 1);
	config_place_add(&place, "c");
	assert_int_equal(yaml_line(marks, &place), 4);
	config_place_add(&place, "d");
	assert_int_equal(yaml_line(marks, &place), 5);
	config_place_add(&place, "e");
	assert_int_equal(yaml_line(marks, &place), 5); /* the nearest above */
}

TEST(a_mistake_is_told_with_its_place)
{
	assert_refused("a: 1\na: 2\n", "f:2:1: this name was there before");
	assert_refused("- a\n", "f:1:1: a mapping is expected, as in \"interfaces:\"");
	assert_refused(
		"a: [1\nb: 2\n", "f:2:2: did not find expected ',' or ']', while parsing a flow sequence");
	assert_refused("a: {{b: 1}: 2}\n", "f:1:5: a name is expected here");
}

TEST(anchors_that_multiply_are_refused)
{
	char text[1024] = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";

	for (char c = 'b'; c < 'g'; c++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			"%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n", c, c, c - 1, c - 1,
			c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1);
	assert_null(load(text));
	assert_non_null(strstr(error, "this is more, or more nested, than a configuration is"));
}

TEST(what_is_dumped_loads_as_the_same)
{
	static const char *const trees[] = {
		"{}",
		"{\"a\":{\"10\":{\"b\":true, \"c\":\"true\", \"d\":\"10\", \"e\":10, \"f\":\"\"}}}",
		"{\"a\":[{\"m\":\"02:00:00:00:00:01\"}, {\"m\":\"x: y\", \"n\":\"- z\"}], \"b\":\"#c\"}",
		"{\"a\":\"0x1f\", \"b\":\"off\", \"c\":\"~\", \"d\":\"two\\nlines\", \"f\":\"\\u00e4\"}",
	};

	for (size_t i = 0; i < ARRAY_LEN(trees); i++) {
		char *text = NULL;
		size_t size;
		FILE *out = open_memstream(&text, &size);
		json_t *tree = json_loads(trees[i], 0, NULL);

		assert_int_equal(yaml_dump(tree, out), 0);
		fclose(out);
		assert_loads_as(text, trees[i]);
		json_decref(tree);
		free(text);
	}
}

static int end(void **state)
{
	json_decref(marks);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_scalars_are_numbers_booleans_and_text),
		cmocka_unit_test(an_empty_file_is_an_empty_tree),
		cmocka_unit_test(a_list_and_a_mapping_may_be_nested),
		cmocka_unit_test(a_line_is_known_of_each_place),
		cmocka_unit_test(a_mistake_is_told_with_its_place),
		cmocka_unit_test(anchors_that_multiply_are_refused),
		cmocka_unit_test(what_is_dumped_loads_as_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
