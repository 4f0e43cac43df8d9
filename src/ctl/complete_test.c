/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/complete.h"

#include "base/test.h"
#include "ctl/example.h"

#include <sys/stat.h>
#include <unistd.h>

/* "start: candidate candidate ...", or what is wrong with the line */
static const char *complete_from(const char *line, const char *cwd)
{
	static char text[2048];
	struct example example = {.ports = {"VirtualEthernet0/0/0", "tap0"}};
	struct ctl *ctl = example_ctl(&example);
	json_t *result = ctl_complete(ctl, line, cwd), *candidate;
	const char *error = json_string_value(json_object_get(result, "error"));
	FILE *out = fmemopen(text, sizeof(text), "w");
	size_t i;

	fprintf(out, "%d:", (int)json_integer_value(json_object_get(result, "start")));
	if (error)
		fprintf(out, " %s", error);
	json_array_foreach (json_object_get(result, "candidates"), i, candidate) {
		const char *word = json_string_value(json_object_get(candidate, "text"));

		fprintf(out, " %s", word ? word : json_string_value(json_object_get(candidate, "hint")));
	}
	fclose(out);
	json_decref(result);
	ctl_destroy(ctl);
	return text;
}

static const char *complete(const char *line)
{
	return complete_from(line, NULL);
}

TEST(words_are_completed_at_every_place)
{
	assert_string_equal(complete("cr"), "0: create");
	assert_string_equal(complete("  sh"), "2: show");
	assert_string_equal(complete("show "), "5: commands interface version vhost-user");
	assert_string_equal(complete("show ve"), "5: version");
	assert_string_equal(
		complete("sh int "), "7: addr features <interface> VirtualEthernet0/0/0 tap0 <enter>");
	assert_string_equal(complete("sh int addr d"), "12: detail");
	assert_string_equal(complete("set int rx-mode tap0 queue 3 "), "29: adaptive interrupt polling");
}

TEST(groups_that_were_there_are_not_offered_again)
{
	assert_string_equal(complete("create bridge 1 learn on "), "25: flood mac-age <enter>");
}

TEST(values_are_those_that_exist_now)
{
	assert_string_equal(complete("set int state "), "14: <interface> VirtualEthernet0/0/0 tap0");
	assert_string_equal(complete("set int state V"), "14: VirtualEthernet0/0/0");
	assert_string_equal(complete("create bridge 1 learn o"), "22: on off");
	assert_string_equal(complete("create bridge "), "14: <number>");
}

TEST(a_wrong_line_has_no_candidates_but_a_reason)
{
	assert_string_equal(complete("show foo "), "9: unknown input 'foo' after 'show': expected commands, "
						   "interface, version, vhost-user");
	assert_string_equal(complete("show # i"), "8:");
}

TEST(files_are_completed_from_where_the_user_stands)
{
	char dir[] = "/tmp/complete_test.XXXXXX", path[64], line[64], expected[128];

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sub", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/with blank", dir);
	fclose(fopen(path, "w"));
	snprintf(path, sizeof(path), "%s/.hidden", dir);
	fclose(fopen(path, "w"));
	assert_string_equal(complete_from("exec su", dir), "5: <file> sub/");
	assert_string_equal(complete_from("exec wi", dir), "5: <file> \"with blank\"");
	assert_string_equal(complete_from("exec \"with b", dir), "5: <file> \"with blank\"");
	assert_string_equal(complete_from("exec .h", dir), "5: <file> .hidden");
	snprintf(line, sizeof(line), "exec %s/s", dir);
	snprintf(expected, sizeof(expected), "5: <file> %s/sub/", dir);
	assert_string_equal(complete(line), expected);
	unlink(path);
	snprintf(path, sizeof(path), "%s/with blank", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/sub", dir);
	rmdir(path);
	rmdir(dir);
}

TEST(help_tells_what_follows_a_word)
{
	struct example example = {0};
	struct ctl *ctl = example_ctl(&example);
	json_t *result = ctl_complete(ctl, "create vhost socket x h", NULL);
	const json_t *first = json_array_get(json_object_get(result, "candidates"), 0);

	assert_string_equal(json_string_value(json_object_get(first, "help")), "hwaddr <mac>");
	json_decref(result);
	result = ctl_complete(ctl, "cre", NULL);
	first = json_array_get(json_object_get(result, "candidates"), 0);
	assert_string_equal(json_string_value(json_object_get(first, "help")), "vhost-user, bridge-domain");
	json_decref(result);
	ctl_destroy(ctl);
}

TESTS(cmocka_unit_test(words_are_completed_at_every_place),
	cmocka_unit_test(groups_that_were_there_are_not_offered_again),
	cmocka_unit_test(values_are_those_that_exist_now),
	cmocka_unit_test(a_wrong_line_has_no_candidates_but_a_reason),
	cmocka_unit_test(files_are_completed_from_where_the_user_stands),
	cmocka_unit_test(help_tells_what_follows_a_word))
