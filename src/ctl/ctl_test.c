/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"

#include "base/test.h"
#include "ctl/example.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct world {
	struct example example;
	struct ctl *ctl;
	struct ctl_answer answer;
	char text[4096]; /* the answer, or what went wrong */
};

static void world_open(struct world *w)
{
	*w = (struct world){.example.ports = {"VirtualEthernet0/0/0", "tap0"}};
	w->ctl = example_ctl(&w->example);
	assert_non_null(w->ctl);
}

static void world_close(struct world *w)
{
	ctl_answer_free(&w->answer);
	ctl_destroy(w->ctl);
}

static const char *take_answer(struct world *w)
{
	w->text[0] = '\0';

	FILE *out = fmemopen(w->text, sizeof(w->text), "w");

	if (w->answer.status == CTL_DONE)
		ctl_answer_print(&w->answer, out);
	else
		fputs(w->answer.error, out);
	fclose(out);
	return w->text;
}

static const char *run(struct world *w, const char *line)
{
	ctl_answer_free(&w->answer);
	ctl_run_line(w->ctl, line, NULL, &w->answer);
	return take_answer(w);
}

/* The result as compact JSON with sorted keys. */
static const char *run_json(struct world *w, const char *line)
{
	char *json;

	run(w, line);
	if (w->answer.status == CTL_DONE && w->answer.result) {
		json = json_dumps(w->answer.result, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
		snprintf(w->text, sizeof(w->text), "%s", json);
		free(json);
	}
	return w->text;
}

static const char *call_method(struct world *w, const char *method, const char *params)
{
	json_t *json = params ? json_loads(params, 0, NULL) : NULL;
	char *text;

	ctl_answer_free(&w->answer);
	ctl_run_method(w->ctl, method, json, &w->answer);
	json_decref(json);
	if (w->answer.status != CTL_DONE)
		return w->answer.error;
	text = json_dumps(w->answer.result, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
	snprintf(w->text, sizeof(w->text), "%s", text);
	free(text);
	return w->text;
}

TEST(every_word_may_be_cut_to_an_unambiguous_prefix)
{
	struct world w;

	world_open(&w);
	assert_string_equal(run(&w, "sh ver"), "VirtualEthernet0/0/0\n");
	assert_string_equal(run(&w, "create vhost socket /tmp/a.sock"), "VirtualEthernet0/0/0\n");
	assert_string_equal(run(&w, "sh int addr"), "one port, addresses\n");
	assert_string_equal(run(&w, "show int"), "one port, counters\n");
	assert_string_equal(
		run_json(&w, "set int l2 bridge tap0 1"), "{\"bridge-domain\":1,\"interface\":\"tap0\"}");
	assert_string_equal(run_json(&w, "set int st tap0 u"), "{\"interface\":\"tap0\",\"up\":true}");
	world_close(&w);
}

TEST(an_ambiguous_prefix_names_what_it_could_be)
{
	struct world w;

	world_open(&w);
	assert_string_equal(run(&w, "s int"), "ambiguous 's': could be show, set, say");
	assert_string_equal(run(&w, "show ve"), "VirtualEthernet0/0/0\n");
	assert_string_equal(run(&w, "show v"), "ambiguous 'v' after 'show': could be version, vhost-user");
	assert_int_equal(w.answer.status, CTL_NOT_UNDERSTOOD);
	world_close(&w);
}

TEST(an_exact_word_wins_over_longer_ones_and_over_values)
{
	struct world w;

	world_open(&w);
	w.example.ports[1] = "addr";
	w.example.ports[2] = "a";
	assert_string_equal(run_json(&w, "show interface addr"), "{\"addr\":true}");
	assert_string_equal(
		run_json(&w, "show interface addr addr"), "{\"addr\":true,\"interface\":\"addr\"}");
	/* a value of a kind that tells wins over a prefix */
	assert_string_equal(run_json(&w, "show interface a"), "{\"interface\":\"a\"}");
	assert_string_equal(run_json(&w, "show interface ad"), "{\"addr\":true}");
	world_close(&w);
}

TEST(an_unknown_word_says_what_was_expected)
{
	struct world w;

	world_open(&w);
	assert_string_equal(run(&w, "create vhost soket /tmp/x"),
		"unknown input 'soket' after 'create vhost-user': expected socket");
	assert_string_equal(run(&w, "show version now"),
		"unknown input 'now' after 'show version': expected nothing more");
	assert_string_equal(
		run(&w, "delete it"), "unknown input 'it' after 'delete': expected bridge-domain");
	assert_non_null(strstr(run(&w, "bogus"), "unknown input 'bogus': expected help, show, exec, create"));
	assert_string_equal(run(&w, "show \"\""),
		"unknown input '' after 'show': expected commands, interface, version, vhost-user");
	world_close(&w);
}

TEST(an_incomplete_line_says_what_is_missing)
{
	struct world w;

	world_open(&w);
	assert_string_equal(run(&w, "create vhost socket"),
		"incomplete: expected <path> after 'create vhost-user socket'");
	assert_string_equal(run(&w, "cr"), "incomplete: expected vhost-user, bridge-domain after 'create'");
	assert_string_equal(run(&w, "create bridge 3 learn"),
		"incomplete: expected <on|off> after 'create bridge-domain 3 learn'");
	assert_string_equal(run(&w, "set int state tap0"),
		"incomplete: expected up, down after 'set interface state tap0'");
	world_close(&w);
}

TEST(a_bad_value_says_what_it_should_be)
{
	struct world w;

	world_open(&w);
	assert_string_equal(run(&w, "create bridge-domain abc"), "'abc' is not a number (bridge-domain)");
	assert_string_equal(run(&w, "create bridge-domain -1"), "'-1' is not a number (bridge-domain)");
	assert_string_equal(run(&w, "create bridge-domain 1 mac-age 70000"),
		"'70000' is too large (mac-age): at most 65535 is possible");
	assert_string_equal(run(&w, "create vhost socket x hwaddr 52:54"),
		"'52:54' is not a MAC address such as 52:54:00:12:34:56 (hwaddr)");
	assert_string_equal(run(&w, "set int state eth9 up"),
		"'eth9' is not an interface, see show interface "
		"(interface): there are VirtualEthernet0/0/0, tap0");
	w.example.ports[0] = NULL;
	assert_string_equal(run(&w, "set int state eth9 up"),
		"'eth9' is not an interface, see show interface (interface): there is none yet");
	world_close(&w);
}

TEST(what_an_error_repeats_is_safe_for_a_terminal)
{
	struct world w;

	world_open(&w);
	assert_string_equal(run(&w, "create \x1b[31m\xff"),
		"unknown input '?[31m?' after 'create': expected vhost-user, bridge-domain");
	world_close(&w);
}

TEST(optional_groups_come_in_any_order_each_at_most_once)
{
	struct world w;

	world_open(&w);
	assert_string_equal(run_json(&w, "create bridge-domain 7 flood off mac-age 5 learn on"),
		"{\"bridge-domain\":7,\"flood\":false,\"learn\":true,\"mac-age\":5}");
	assert_string_equal(run(&w, "create bridge-domain 7 flood off learn 1 flood on"),
		"unknown input 'flood' after 'create bridge-domain 7 flood off learn 1': expected mac-age");
	assert_string_equal(run_json(&w, "set int l2 br tap0 4 9 bvi"),
		"{\"bridge-domain\":4,\"bvi\":true,\"interface\":\"tap0\",\"shg\":9}");
	assert_string_equal(run_json(&w, "show vhost verb desc tap0"),
		"{\"descriptors\":true,\"interface\":\"tap0\",\"verbose\":true}");
	world_close(&w);
}

TEST(groups_nest_and_choices_choose)
{
	struct world w;

	world_open(&w);
	assert_string_equal(run_json(&w, "show int addr det tap0"),
		"{\"addr\":true,\"detail\":true,\"interface\":\"tap0\"}");
	assert_string_equal(run_json(&w, "show int tap0 addr det"),
		"{\"addr\":true,\"detail\":true,\"interface\":\"tap0\"}");
	assert_string_equal(run(&w, "show int features det"),
		"'det' is not an interface, see show interface "
		"(interface): there are VirtualEthernet0/0/0, tap0");
	assert_string_equal(run_json(&w, "set int rx-m tap0 queue 3 poll"),
		"{\"interface\":\"tap0\",\"mode\":\"polling\",\"queue\":3}");
	assert_string_equal(run_json(&w, "set int rx-m tap0 queue all ad"),
		"{\"all\":true,\"interface\":\"tap0\",\"mode\":\"adaptive\"}");
	assert_string_equal(
		run_json(&w, "set int rx-m tap0 int"), "{\"interface\":\"tap0\",\"mode\":\"interrupt\"}");
	world_close(&w);
}

TEST(quotes_keep_blanks_and_comments_are_left_out)
{
	struct world w;

	world_open(&w);
	assert_string_equal(run_json(&w, "set int tag tap0 \"my \\\"first\\\" port\" # the first"),
		"{\"interface\":\"tap0\",\"tag\":\"my \\\"first\\\" port\"}");
	assert_string_equal(
		run_json(&w, "set int tag tap0 a\\ b#c"), "{\"interface\":\"tap0\",\"tag\":\"a b#c\"}");
	assert_string_equal(run(&w, "   # nothing"), "");
	assert_string_equal(run(&w, ""), "");
	assert_string_equal(run(&w, "set int tag tap0 \"open"), "a double quote is not closed");
	assert_string_equal(
		run_json(&w, "say  what \"you\"  will  # or not"), "{\"words\":\"what \\\"you\\\"  will\"}");
	world_close(&w);
}

TEST(numbers_take_every_value_of_their_size)
{
	struct world w;
	struct ctl_call call = {0};

	world_open(&w);
	call.args = json_object();
	assert_string_equal(
		run_json(&w, "create bridge-domain 4294967295"), "{\"bridge-domain\":4294967295}");
	assert_string_equal(run_json(&w, "create bridge-domain 0x10"), "{\"bridge-domain\":16}");
	assert_string_equal(run(&w, "create bridge-domain 4294967296"),
		"'4294967296' is too large (bridge-domain): at most 4294967295 is possible");
	json_object_set_new(call.args, "mask", json_string("18446744073709551615"));
	assert_true(ctl_u64(&call, "mask", 0) == UINT64_MAX);
	assert_true(ctl_u64(&call, "other", 5) == 5);
	json_decref(call.args);
	world_close(&w);
}

TEST(relative_paths_are_taken_from_where_the_user_stands)
{
	static const struct ctl_command commands[] = {{"open <file:path>", "Open", example_echo, NULL}, {0}};
	static const struct ctl_table table = {commands};
	struct world w;

	world_open(&w);
	ctl_add_table(w.ctl, &table, NULL);
	ctl_run_line(w.ctl, "open a.sock", "/home/me", &w.answer);
	assert_string_equal(json_string_value(json_object_get(w.answer.result, "file")), "/home/me/a.sock");
	ctl_answer_free(&w.answer);
	ctl_run_line(w.ctl, "open /a.sock", "/home/me", &w.answer);
	assert_string_equal(json_string_value(json_object_get(w.answer.result, "file")), "/a.sock");
	world_close(&w);
}

TEST(a_handler_that_fails_fails_the_line)
{
	struct world w;

	world_open(&w);
	assert_string_equal(run(&w, "delete bridge-domain 4"), "bridge-domain 4 is not there");
	assert_int_equal(w.answer.status, CTL_FAILED);
	world_close(&w);
}

TEST(methods_take_the_same_arguments_by_name)
{
	struct world w;

	world_open(&w);
	assert_string_equal(call_method(&w, "create.bridge-domain",
				    "{\"bridge-domain\": 7, \"learn\": true, \"flood\": null}"),
		"{\"bridge-domain\":7,\"learn\":true}");
	assert_string_equal(
		call_method(&w, "create.bridge-domain", "{\"bridge-domain\": \"7\", \"flood\": \"off\"}"),
		"{\"bridge-domain\":7,\"flood\":false}");
	assert_string_equal(call_method(&w, "show.vhost-user", "{\"verbose\": true, \"descriptors\": false}"),
		"{\"verbose\":true}");
	assert_string_equal(
		call_method(&w, "show.interface", "{\"detail\": true}"), "{\"addr\":true,\"detail\":true}");
	assert_string_equal(call_method(&w, "set.interface.rx-mode",
				    "{\"interface\": \"tap0\", \"mode\": \"polling\", \"queue\": 2}"),
		"{\"interface\":\"tap0\",\"mode\":\"polling\",\"queue\":2}");
	assert_string_equal(
		call_method(&w, "create.vhost-user.socket", "{\"socket\": \"/tmp/x\", \"server\": true}"),
		"\"VirtualEthernet0/0/0\"");
	world_close(&w);
}

TEST(methods_refuse_what_does_not_fit)
{
	struct world w;

	world_open(&w);
	assert_string_equal(
		call_method(&w, "create.bridge-domain", NULL), "parameter 'bridge-domain' is missing");
	assert_string_equal(call_method(&w, "create.bridge-domain", "{\"bridge-domain\": []}"),
		"parameter 'bridge-domain' is not a number");
	assert_string_equal(call_method(&w, "create.bridge-domain", "{\"bridge-domain\": -1}"),
		"'-1' is not a number (bridge-domain)");
	assert_string_equal(call_method(&w, "show.version", "{\"verbose\": true}"),
		"parameter 'verbose' is unknown or does not go with the others");
	assert_string_equal(call_method(&w, "set.interface.state",
				    "{\"interface\": \"tap0\", \"up\": true, \"down\": true}"),
		"parameter 'down' is unknown or does not go with the others");
	assert_string_equal(call_method(&w, "set.interface.state", "{\"interface\": \"tap0\"}"),
		"one of the parameters of a choice is missing");
	assert_string_equal(
		call_method(&w, "set.interface.rx-mode", "{\"interface\": \"tap0\", \"mode\": \"fast\"}"),
		"'mode' is none of the words that are possible");
	call_method(&w, "show.nothing", NULL);
	assert_int_equal(w.answer.status, CTL_NO_METHOD);
	world_close(&w);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

TEST(a_file_runs_up_to_the_first_line_that_fails)
{
	char path[] = "/tmp/ctl_test.XXXXXX";
	char error[512], expected[128], out[256] = "";
	FILE *f = fmemopen(out, sizeof(out), "w");
	struct world w;

	world_open(&w);
	close(mkstemp(path));
	write_file(path, "# the ports\n\nshow version\r\n  create vhost socket /tmp/a # one\n");
	assert_int_equal(ctl_exec_file(w.ctl, path, f, error), 0);
	fflush(f);
	assert_string_equal(out, "VirtualEthernet0/0/0\nVirtualEthernet0/0/0\n");
	write_file(path, "show version\n\ndelete bridge 5\nbogus\n");
	assert_int_equal(ctl_exec_file(w.ctl, path, NULL, error), -1);
	snprintf(expected, sizeof(expected), "%s:3: bridge-domain 5 is not there", path);
	assert_string_equal(error, expected);
	fclose(f);
	unlink(path);
	world_close(&w);
}

TEST(a_file_that_runs_itself_ends_with_an_error)
{
	char path[] = "/tmp/ctl_test.XXXXXX";
	char error[512], line[64];
	struct world w;

	world_open(&w);
	close(mkstemp(path));
	snprintf(line, sizeof(line), "exec %s\n", path);
	write_file(path, line);
	assert_int_equal(ctl_exec_file(w.ctl, path, NULL, error), -1);
	assert_non_null(strstr(error, "does it run itself?"));
	unlink(path);
	world_close(&w);
}

TEST(exec_names_the_file_it_cannot_read)
{
	struct world w;

	world_open(&w);
	assert_string_equal(run(&w, "exec /nowhere/x"), "/nowhere/x: No such file or directory");
	assert_string_equal(run(&w, "exec /tmp"), "/tmp: is not a regular file");
	assert_string_equal(run(&w, "exec /dev/zero"), "/dev/zero: is not a regular file");
	world_close(&w);
}

TEST(help_lists_what_begins_with_the_words)
{
	struct world w;

	world_open(&w);
	assert_non_null(strstr(
		run(&w, "help"), "  show version                                  Show the version\n"));
	assert_string_equal(run(&w, "help del"), "delete bridge-domain <number>\n  Delete a bridge domain\n  "
						 "bridge-domain         a number\n");
	assert_non_null(strstr(run(&w, "help create"), "  create bridge-domain <number> [learn <on|off>]"));
	assert_string_equal(run(&w, "help foo bar"),
		"unknown input 'foo': expected help, show, exec, create, delete, "
		"set, say, nothing, large");
	assert_int_equal(w.answer.status, CTL_FAILED);
	world_close(&w);
}

TEST(show_commands_knows_every_row)
{
	struct world w;

	world_open(&w);
	run(&w, "show commands");
	assert_int_equal(json_array_size(w.answer.result),
		3 + sizeof(example_commands) / sizeof(example_commands[0]) - 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(w.answer.result, 3), "command")),
		"create vhost-user socket <path> [server] [feature-mask <hex>] [hwaddr <mac>] "
		"[gso|csum-offload]");
	world_close(&w);
}

TEST(a_question_mark_says_what_may_come)
{
	struct world w;

	world_open(&w);
	assert_string_equal(
		run(&w, "create vhost ?"), "  socket                   Make a port for a virtual machine\n");
	assert_string_equal(run(&w, "create bridge 1 mac-age 5 ?"),
		"  flood                    flood <on|off>\n"
		"  learn                    learn <on|off>\n"
		"  <enter>                  the line is complete\n");
	world_close(&w);
}

TEST(the_manual_page_has_every_command)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct world w;

	world_open(&w);
	ctl_print_man(w.ctl, out);
	fclose(out);
	for (const struct ctl_command *c = example_commands; c->grammar; c++)
		assert_non_null(strstr(text, c->help));
	assert_non_null(strstr(text, ".Li \"create vhost\\-user socket <path>"));
	free(text);
	world_close(&w);
}

/* --- commands that are looked at, and not run --- */

static json_t *number_of_color(void *subject, const char *text)
{
	return strcmp(text, "red") == 0 ? json_integer(7) : NULL;
}

static const char *color_of_number(void *subject, const json_t *value)
{
	return json_integer_value(value) == 7 ? "red" : NULL;
}

static const struct ctl_type color_type = {"color", "a color", number_of_color, NULL, color_of_number};

static const struct ctl_command paint_commands[] = {
	{"paint {<color:color> times <times:u16>|<color:color> [thick]}", "Paint", example_nothing, NULL},
	{"spill <color:color>", "Fail", example_fail, NULL},
	{0},
};

static const struct ctl_table paint_table = {paint_commands};

static void world_open_with_paint(struct world *w)
{
	world_open(w);
	ctl_add_type(w->ctl, &color_type, NULL);
	ctl_add_table(w->ctl, &paint_table, NULL);
}

TEST(a_method_can_be_checked_before_what_it_names_is_there)
{
	json_t *params = json_pack("{s:s, s:s}", "color", "green", "times", "3"), *said = NULL;
	struct world w;

	world_open_with_paint(&w);
	assert_int_equal(ctl_check_method(w.ctl, "paint", params, &said, w.text), 0);
	assert_string_equal(json_string_value(json_object_get(said, "color")), "green");
	assert_int_equal(json_integer_value(json_object_get(said, "times")), 3);
	json_decref(said);
	json_object_set_new(params, "times", json_string("often"));
	assert_int_equal(ctl_check_method(w.ctl, "paint", params, &said, w.text), -EINVAL);
	assert_string_equal(w.text, "parameter 'times' is unknown or does not go with the others");
	assert_int_equal(ctl_check_method(w.ctl, "print", params, &said, w.text), -ENOENT);
	json_decref(params);
	world_close(&w);
}

static void remember(void *arg, const char *method, const json_t *said, const json_t *result)
{
	char *text = json_dumps(said, JSON_COMPACT | JSON_SORT_KEYS);
	char *all = arg;

	snprintf(all + strlen(all), 256 - strlen(all), "%s %s%s;", method, text,
		result ? " with a result" : "");
	free(text);
}

TEST(an_observer_is_told_of_what_was_done_by_the_names_of_things)
{
	char seen[256] = "";
	struct world w;

	world_open_with_paint(&w);
	ctl_observe(w.ctl, remember, seen);
	run(&w, "paint red thick");
	run(&w, "paint green thick");
	run(&w, "spill red");
	run(&w, "echo");
	ctl_observe(w.ctl, NULL, NULL);
	run(&w, "paint red times 2");
	assert_string_equal(seen, "paint {\"color\":\"red\",\"thick\":true};");
	world_close(&w);
}

TESTS(cmocka_unit_test(every_word_may_be_cut_to_an_unambiguous_prefix),
	cmocka_unit_test(an_ambiguous_prefix_names_what_it_could_be),
	cmocka_unit_test(an_exact_word_wins_over_longer_ones_and_over_values),
	cmocka_unit_test(an_unknown_word_says_what_was_expected),
	cmocka_unit_test(an_incomplete_line_says_what_is_missing),
	cmocka_unit_test(a_bad_value_says_what_it_should_be),
	cmocka_unit_test(what_an_error_repeats_is_safe_for_a_terminal),
	cmocka_unit_test(optional_groups_come_in_any_order_each_at_most_once),
	cmocka_unit_test(groups_nest_and_choices_choose),
	cmocka_unit_test(quotes_keep_blanks_and_comments_are_left_out),
	cmocka_unit_test(numbers_take_every_value_of_their_size),
	cmocka_unit_test(relative_paths_are_taken_from_where_the_user_stands),
	cmocka_unit_test(a_handler_that_fails_fails_the_line),
	cmocka_unit_test(methods_take_the_same_arguments_by_name),
	cmocka_unit_test(methods_refuse_what_does_not_fit),
	cmocka_unit_test(a_file_runs_up_to_the_first_line_that_fails),
	cmocka_unit_test(a_file_that_runs_itself_ends_with_an_error),
	cmocka_unit_test(exec_names_the_file_it_cannot_read),
	cmocka_unit_test(help_lists_what_begins_with_the_words),
	cmocka_unit_test(show_commands_knows_every_row), cmocka_unit_test(a_question_mark_says_what_may_come),
	cmocka_unit_test(the_manual_page_has_every_command),
	cmocka_unit_test(a_method_can_be_checked_before_what_it_names_is_there),
	cmocka_unit_test(an_observer_is_told_of_what_was_done_by_the_names_of_things))
