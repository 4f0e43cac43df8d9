/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_world.h"

static void apply(const char *text)
{
	char error[512] = "";

	world_write(text);
	assert_int_equal(config_apply_file(world.config, world.path, error), 0);
	assert_string_equal(error, "");
}

static void assert_refused(const char *text, const char *why)
{
	char error[512] = "", expected[600];
	uint32_t commands = world.n_commands;

	world_write(text);
	assert_int_equal(config_apply_file(world.config, world.path, error), -1);
	snprintf(expected, sizeof(expected), "%s%s", why[0] == ':' ? world.path : "", why);
	assert_string_equal(error, expected);
	assert_int_equal(world.n_commands, commands);
}

static void assert_answer(const char *line, const char *expected)
{
	char *answer = world_run(line);

	assert_string_equal(answer, expected);
	free(answer);
}

/* --- what commands say --- */

TEST(the_tree_is_what_commands_said)
{
	world_do("make room 3 quiet on");
	world_do("make lamp led bright watt 7");
	world_do("set lamp name Lamp0 desk");
	world_do("set lamp color desk red");
	world_do("set lamp room desk 3 2");
	world_do("set lamp state desk on");
	world_do("set lamp timer desk hour 8");
	world_do("set lamp timer desk number 2 hour 9");
	world_do("wish add snow desk firm");
	assert_tree("{\"rooms\":{\"3\":{\"quiet\":true}}, \"lamps\":{\"desk\":{"
		    "\"bulb\":{\"bulb\":\"led\",\"bright\":true,\"watt\":7}, \"color\":\"red\", "
		    "\"room\":{\"room\":3,\"shelf\":2}, \"state\":\"on\", \"timer\":{\"0\":8,\"2\":9}}}, "
		    "\"wishes\":[{\"what\":\"snow\",\"lamp\":\"desk\",\"firm\":true}]}");
}

TEST(what_is_so_from_the_beginning_is_not_written_down)
{
	world_do("make lamp led");
	world_do("set lamp color Lamp0 red");
	world_do("set lamp color Lamp0 white");
	world_do("set lamp state Lamp0 off");
	world_do("make room 1 quiet off");
	world_do("wish add rain Lamp0"); /* not firm */
	assert_tree("{\"lamps\":{\"Lamp0\":{\"bulb\":\"led\"}}, \"rooms\":{\"1\":{}}}");
}

TEST(a_command_that_failed_says_nothing)
{
	struct ctl_answer answer;

	world_do("make lamp led");
	ctl_run_line(world.ctl, "set lamp color Lamp0 none", NULL, &answer);
	assert_int_equal(answer.status, CTL_FAILED);
	assert_tree("{\"lamps\":{\"Lamp0\":{\"bulb\":\"led\"}}}");
}

TEST(a_room_comes_to_be_with_the_first_lamp_and_stays_as_it_is)
{
	world_do("make lamp led");
	world_do("make room 3 quiet on");
	world_do("set lamp room Lamp0 3");
	world_do("set lamp room Lamp0 4");
	assert_tree("{\"lamps\":{\"Lamp0\":{\"bulb\":\"led\",\"room\":4}}, "
		    "\"rooms\":{\"3\":{\"quiet\":true},\"4\":{}}}");
	world_do("make room 3 del");
	world_do("close room 4");
	assert_tree("{\"lamps\":{\"Lamp0\":{\"bulb\":\"led\",\"room\":4}}}");
}

TEST(what_names_a_thing_goes_with_it_and_is_renamed_with_it)
{
	world_do("make lamp led");
	world_do("make lamp led");
	world_do("set lamp follow Lamp0 Lamp1");
	world_do("wish add snow Lamp1 firm");
	world_do("wish add wind light");
	world_do("set lamp name Lamp1 big");
	assert_tree(
		"{\"lamps\":{\"Lamp0\":{\"bulb\":\"led\",\"follow\":\"big\"},\"big\":{\"bulb\":\"led\"}}, "
		"\"wishes\":[{\"what\":\"snow\",\"lamp\":\"big\",\"firm\":true},{\"what\":\"wind\",\"light\":"
		"true}]}");
	world_do("drop lamp big");
	assert_tree("{\"lamps\":{\"Lamp0\":{\"bulb\":\"led\"}}, "
		    "\"wishes\":[{\"what\":\"wind\",\"light\":true}]}");
	world_do("wish forget");
	assert_tree("{\"lamps\":{\"Lamp0\":{\"bulb\":\"led\"}}}");
}

TEST(one_setting_may_end_another)
{
	world_do("make lamp led");
	world_do("make lamp led");
	world_do("set lamp room Lamp0 1");
	world_do("set lamp follow Lamp0 Lamp1");
	assert_tree("{\"lamps\":{\"Lamp0\":{\"bulb\":\"led\",\"follow\":\"Lamp1\"},\"Lamp1\":{\"bulb\":"
		    "\"led\"}}, "
		    "\"rooms\":{\"1\":{}}}");
	world_do("set lamp alone Lamp0");
	world_do("set lamp timer Lamp0 hour 7");
	world_do("set lamp timer Lamp0");
	assert_tree("{\"lamps\":{\"Lamp0\":{\"bulb\":\"led\"},\"Lamp1\":{\"bulb\":\"led\"}}, "
		    "\"rooms\":{\"1\":{}}}");
}

TEST(words_switch_and_lists_may_be_of_plain_values)
{
	world_do("make lamp led");
	world_do("set lamp tag Lamp0 new");
	world_do("set lamp tag Lamp0 dear");
	world_do("set lamp tag Lamp0 old");
	world_do("set lamp tag Lamp0 new del");
	world_do("set lamp tag del Lamp0 old");
	world_do("set lamp dim Lamp0");
	world_do("set lamp watch Lamp0");
	assert_tree(
		"{\"lamps\":{\"Lamp0\":{\"bulb\":\"led\",\"dim\":true,\"tags\":[\"dear\"],\"watch\":true}}}");
	world_do("set lamp dim Lamp0 disable");
	world_do("set lamp watch Lamp0 del");
	world_do("set lamp tag del Lamp0 all");
	assert_tree("{\"lamps\":{\"Lamp0\":{\"bulb\":\"led\"}}}");
}

TEST(a_thing_may_go_by_what_it_was_made_of)
{
	world_do("make torch watt 3");
	world_do("make torch watt 4");
	world_do("set lamp name Lamp0 big");
	world_do("make torch watt 3 del");
	assert_tree("{\"lamps\":{\"Lamp1\":{\"torch\":4}}}");
}

TEST(an_item_may_name_several_things)
{
	world_do("make lamp led");
	world_do("make lamp led");
	world_do("pair lamps left Lamp0 right Lamp1");
	world_do("pair lamps left Lamp0");
	world_do("set lamp name Lamp1 r");
	assert_tree("{\"lamps\":{\"Lamp0\":{\"bulb\":\"led\"},\"r\":{\"bulb\":\"led\"}}, "
		    "\"pairs\":[{\"left\":\"Lamp0\",\"right\":\"r\"},{\"left\":\"Lamp0\"}]}");
	world_do("drop lamp r");
	assert_tree("{\"lamps\":{\"Lamp0\":{\"bulb\":\"led\"}}, \"pairs\":[{\"left\":\"Lamp0\"}]}");
	world_do("pair lamps left Lamp0 del");
	assert_tree("{\"lamps\":{\"Lamp0\":{\"bulb\":\"led\"}}}");
}

/* --- files --- */

#define TWO_LAMPS                                    \
	"lamps:\n"                                   \
	"  desk: {bulb: led, room: 1, color: red}\n" \
	"  wall: {bulb: {bulb: led, watt: 5}, follow: desk, state: off}\n"

TEST(a_file_makes_what_it_says_under_the_names_it_gives)
{
	apply(TWO_LAMPS);
	assert_tree("{\"lamps\":{\"desk\":{\"bulb\":\"led\",\"room\":1,\"color\":\"red\",\"state\":\"on\"}, "
		    "\"wall\":{\"bulb\":{\"bulb\":\"led\",\"watt\":5},\"follow\":\"desk\"}}, "
		    "\"rooms\":{\"1\":{}}}");
	assert_string_equal(world.names[0], "desk");
	assert_string_equal(world.names[1], "wall");
}

TEST(applied_again_it_runs_no_command)
{
	uint32_t commands;

	apply(TWO_LAMPS);
	commands = world.n_commands;
	apply(TWO_LAMPS);
	assert_int_equal(world.n_commands, commands);
}

TEST(only_what_differs_is_touched)
{
	apply(TWO_LAMPS);
	world.n_commands = 0;
	apply("lamps:\n  desk: {bulb: led, room: 1, color: blue}\n"
	      "  wall: {bulb: {bulb: led, watt: 5}, follow: desk, state: off}\n");
	assert_int_equal(world.n_commands, 1);
}

TEST(what_must_be_made_anew_takes_along_what_names_it)
{
	apply(TWO_LAMPS);
	world_write("lamps:\n  desk: {bulb: lamp, room: 1, color: red}\n"
		    "  wall: {bulb: {bulb: led, watt: 5}, follow: desk, state: off}\n");
	assert_answer("config apply #",
		"{\"applied\":true,\"changes\":["
		"{\"method\":\"drop.lamp\",\"name\":\"desk\",\"op\":\"-\",\"params\":{\"lamp\":\"desk\"},"
		"\"place\":\"lamps desk bulb\",\"section\":\"lamps\",\"value\":\"led\"},"
		"{\"method\":\"make.lamp\",\"name\":\"desk\",\"names\":true,\"op\":\"+\",\"params\":{"
		"\"bulb\":\"lamp\"},"
		"\"place\":\"lamps desk bulb\",\"section\":\"lamps\",\"value\":\"lamp\"},"
		"{\"method\":\"set.lamp.color\",\"name\":\"desk\",\"op\":\"+\",\"params\":{\"color\":\"red\","
		"\"lamp\":\"desk\"},"
		"\"place\":\"lamps desk color\",\"section\":\"lamps\",\"value\":\"red\"},"
		"{\"method\":\"set.lamp.room\",\"name\":\"desk\",\"op\":\"+\",\"params\":{\"lamp\":\"desk\","
		"\"room\":1},"
		"\"place\":\"lamps desk room\",\"section\":\"lamps\",\"value\":1},"
		"{\"method\":\"set.lamp.follow\",\"name\":\"wall\",\"op\":\"+\",\"params\":{\"lamp\":"
		"\"wall\",\"to\":\"desk\"},"
		"\"place\":\"lamps wall follow\",\"section\":\"lamps\",\"value\":\"desk\"},"
		"{\"method\":\"set.lamp.state\",\"name\":\"desk\",\"op\":\"+\",\"params\":{\"lamp\":\"desk\","
		"\"state\":\"on\"},"
		"\"place\":\"lamps desk state\",\"section\":\"lamps\",\"value\":\"on\"}]}");
}

TEST(an_empty_file_takes_all_away)
{
	apply(TWO_LAMPS "wishes: [{what: snow, lamp: desk, firm: true}]\n");
	apply("{}\n");
	assert_tree("{}");
	assert_string_equal(world.names[0], "");
	assert_false(world.rooms[1]);
}

TEST(a_mistake_is_told_with_its_line_and_changes_nothing)
{
	apply(TWO_LAMPS);
	assert_refused("lamps:\n  desk:\n    bulb: led\n    colour: red\n",
		":4: lamps desk colour: nothing is known of that: there are bulb, color, room, follow, "
		"timer, torch, tags, dim, watch, state");
	assert_refused(
		"lamp: {}\n", ":1: lamp: nothing is known of that: there are rooms, lamps, pairs, wishes");
	assert_refused(
		"lamps:\n  desk: {bulb: led, room: x}\n", ":2: lamps desk room: 'x' is not a number (room)");
	assert_refused("lamps:\n  desk: {bulb: led, follow: wall}\n",
		":2: lamps desk follow: there is no 'wall' among the lamps of this file");
	assert_refused(
		"lamps:\n  desk: {color: red}\n", ":2: lamps desk: it does not say of what kind it is");
	assert_refused("lamps:\n  desk:\n", ":2: lamps desk: a mapping is expected here");
	assert_refused("wishes: {what: snow, light: true}\n", ":1: wishes: a list is expected here");
	assert_refused("lamps:\n  desk: {bulb: led, color: [red]}\n",
		":2: lamps desk color: one value is expected here, not a list");
	assert_refused("lamps:\n  desk: {bulb: {bulb: led, size: 3}}\n",
		":2: lamps desk bulb: parameter 'size' is unknown or does not go with the others");
	assert_refused("lamps: [\n", ":2:1: did not find expected node content, while parsing a flow node");
	assert_tree("{\"lamps\":{\"desk\":{\"bulb\":\"led\",\"room\":1,\"color\":\"red\",\"state\":\"on\"}, "
		    "\"wall\":{\"bulb\":{\"bulb\":\"led\",\"watt\":5},\"follow\":\"desk\"}}, "
		    "\"rooms\":{\"1\":{}}}");
}

TEST(when_a_command_fails_all_is_as_it_was)
{
	char error[512];

	apply(TWO_LAMPS);
	world_write("rooms: {5: {}}\nlamps:\n  desk: {bulb: led, color: none}\n  new: {bulb: led}\n");
	assert_int_equal(config_apply_file(world.config, world.path, error), -1);
	assert_string_equal(error, "lamps desk color: that is no color");
	assert_tree("{\"lamps\":{\"desk\":{\"bulb\":\"led\",\"room\":1,\"color\":\"red\",\"state\":\"on\"}, "
		    "\"wall\":{\"bulb\":{\"bulb\":\"led\",\"watt\":5},\"follow\":\"desk\"}}, "
		    "\"rooms\":{\"1\":{}}}");
	assert_false(world.rooms[5]);
}

TEST(what_runs_can_be_saved_and_applied_to_an_empty_program)
{
	char *answer;

	apply(TWO_LAMPS "wishes: [{what: snow, lamp: desk, firm: true}]\n");
	world_do("set lamp color wall green");
	answer = world_run("config save #");
	free(answer);
	assert_answer("config diff #", "{\"applied\":false,\"changes\":[]}");
	world_do("drop lamp wall");
	answer = world_run("config apply #");
	free(answer);
	assert_answer("config show",
		"{\"lamps\":{\"desk\":{\"bulb\":\"led\",\"color\":\"red\",\"room\":1},"
		"\"wall\":{\"bulb\":{\"bulb\":\"led\",\"watt\":5},\"color\":\"green\",\"follow\":\"desk\","
		"\"state\":\"off\"}},"
		"\"rooms\":{\"1\":{}},\"wishes\":[{\"firm\":true,\"lamp\":\"desk\",\"what\":\"snow\"}]}");
}

/* --- going back --- */

TEST(one_can_go_back_to_what_was_before)
{
	char *answer;

	apply("lamps: {a: {bulb: led}}\n");
	apply("lamps: {b: {bulb: led}}\n");
	apply("lamps: {c: {bulb: led}}\n");
	answer = world_run("config rollback 2");
	free(answer);
	assert_tree("{\"lamps\":{\"a\":{\"bulb\":\"led\",\"state\":\"on\"}}}");
	answer = world_run("config rollback");
	free(answer);
	assert_tree("{}");
	assert_answer("config rollback", "nothing is changed: there is none to go back to");
}

TEST(what_nobody_confirms_goes_back)
{
	char *answer;

	apply("lamps: {a: {bulb: led}}\n");
	world_write("lamps: {b: {bulb: led}}\n");
	answer = world_run("config apply # confirm 1");
	free(answer);
	assert_tree("{\"lamps\":{\"b\":{\"bulb\":\"led\",\"state\":\"on\"}}}");
	world.config->confirm.deadline_ns = loop_now(world.loop); /* the second is over */
	assert_int_equal(loop_turn(world.loop, 0), 0);
	assert_tree("{\"lamps\":{\"a\":{\"bulb\":\"led\",\"state\":\"on\"}}}");
	assert_answer("config confirm", "nothing waits to be confirmed");
}

TEST(what_is_confirmed_stays)
{
	char *answer;

	world_write("lamps: {b: {bulb: led}}\n");
	answer = world_run("config apply # confirm 1");
	free(answer);
	assert_answer("config confirm", "");
	assert_true(list_empty(&world.config->confirm.link));
	assert_tree("{\"lamps\":{\"b\":{\"bulb\":\"led\",\"state\":\"on\"}}}");
}

TEST(a_successor_knows_tree_and_history)
{
	json_t *saved;

	apply("lamps: {a: {bulb: led}}\n");
	apply("lamps: {a: {bulb: led, color: red}}\n");
	saved = config_save(world.config);
	config_destroy(world.config);
	assert_int_equal(config_create(&world.config, world.loop, world.ctl, &world_config_rules), 0);
	config_start(world.config);
	config_restore(world.config, saved);
	json_decref(saved);
	assert_tree("{\"lamps\":{\"a\":{\"bulb\":\"led\",\"color\":\"red\",\"state\":\"on\"}}}");
	assert_int_equal(json_array_size(world.config->history), 2);
}

TESTS(cmocka_unit_test_setup_teardown(the_tree_is_what_commands_said, world_begin, world_end),
	cmocka_unit_test_setup_teardown(
		what_is_so_from_the_beginning_is_not_written_down, world_begin, world_end),
	cmocka_unit_test_setup_teardown(a_command_that_failed_says_nothing, world_begin, world_end),
	cmocka_unit_test_setup_teardown(
		a_room_comes_to_be_with_the_first_lamp_and_stays_as_it_is, world_begin, world_end),
	cmocka_unit_test_setup_teardown(
		what_names_a_thing_goes_with_it_and_is_renamed_with_it, world_begin, world_end),
	cmocka_unit_test_setup_teardown(one_setting_may_end_another, world_begin, world_end),
	cmocka_unit_test_setup_teardown(
		words_switch_and_lists_may_be_of_plain_values, world_begin, world_end),
	cmocka_unit_test_setup_teardown(a_thing_may_go_by_what_it_was_made_of, world_begin, world_end),
	cmocka_unit_test_setup_teardown(an_item_may_name_several_things, world_begin, world_end),
	cmocka_unit_test_setup_teardown(
		a_file_makes_what_it_says_under_the_names_it_gives, world_begin, world_end),
	cmocka_unit_test_setup_teardown(applied_again_it_runs_no_command, world_begin, world_end),
	cmocka_unit_test_setup_teardown(only_what_differs_is_touched, world_begin, world_end),
	cmocka_unit_test_setup_teardown(
		what_must_be_made_anew_takes_along_what_names_it, world_begin, world_end),
	cmocka_unit_test_setup_teardown(an_empty_file_takes_all_away, world_begin, world_end),
	cmocka_unit_test_setup_teardown(
		a_mistake_is_told_with_its_line_and_changes_nothing, world_begin, world_end),
	cmocka_unit_test_setup_teardown(when_a_command_fails_all_is_as_it_was, world_begin, world_end),
	cmocka_unit_test_setup_teardown(
		what_runs_can_be_saved_and_applied_to_an_empty_program, world_begin, world_end),
	cmocka_unit_test_setup_teardown(one_can_go_back_to_what_was_before, world_begin, world_end),
	cmocka_unit_test_setup_teardown(what_nobody_confirms_goes_back, world_begin, world_end),
	cmocka_unit_test_setup_teardown(what_is_confirmed_stays, world_begin, world_end),
	cmocka_unit_test_setup_teardown(a_successor_knows_tree_and_history, world_begin, world_end))
