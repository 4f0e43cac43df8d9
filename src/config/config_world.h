/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world for tests, with commands of every shape that rules know: lamps that are made under a name of their own,
 * lie in rooms, follow each other, and a list of wishes.
 */
#ifndef GINNEL_CONFIG_CONFIG_WORLD_H
#define GINNEL_CONFIG_CONFIG_WORLD_H

#include "config/config.h"
#include "config/private.h"
#include "config/wanted.h"

#include "base/test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORLD_LAMPS 16

struct world {
	char names[WORLD_LAMPS][CONFIG_STEP_LEN]; /* empty: no lamp */
	uint64_t torch[WORLD_LAMPS];              /* its watts, of a torch */
	uint32_t n_made, n_commands;
	bool rooms[8];
	struct loop *loop;
	struct ctl *ctl;
	struct config *config;
	char path[64];
};

static struct world world;

static inline json_t *lamp_parse(void *subject, const char *text)
{
	for (int i = 0; i < WORLD_LAMPS; i++)
		if (strcmp(world.names[i], text) == 0)
			return json_integer(i);
	return NULL;
}

static inline void lamp_each(void *subject, void (*word)(void *arg, const char *text), void *arg)
{
	for (int i = 0; i < WORLD_LAMPS; i++)
		if (world.names[i][0])
			word(arg, world.names[i]);
}

static inline const char *lamp_name(void *subject, const json_t *value)
{
	return world.names[json_integer_value(value)];
}

static const struct ctl_type lamp_type = {"lamp", "a lamp", lamp_parse, lamp_each, lamp_name};

static inline int run_make(struct ctl_call *call)
{
	world.n_commands++;
	if (strcmp(ctl_str(call, "bulb", ""), "broken") == 0)
		return ctl_fail(call, "this bulb is broken");
	for (int i = 0; i < WORLD_LAMPS; i++) {
		if (world.names[i][0])
			continue;
		snprintf(world.names[i], CONFIG_STEP_LEN, "Lamp%u", world.n_made++);
		world.torch[i] = ctl_has(call, "bulb") ? 0 : ctl_u64(call, "watt", 0);
		call->result = json_string(world.names[i]);
		return 0;
	}
	return ctl_fail(call, "no more lamps");
}

static inline int run_drop(struct ctl_call *call)
{
	world.n_commands++;
	world.names[ctl_u64(call, "lamp", 0)][0] = 0;
	return 0;
}

static inline int run_name(struct ctl_call *call)
{
	for (int i = 0; i < WORLD_LAMPS; i++)
		if (strcmp(world.names[i], ctl_str(call, "name", "")) == 0)
			return ctl_fail(call, "another lamp is called so");
	snprintf(world.names[ctl_u64(call, "lamp", 0)], CONFIG_STEP_LEN, "%s", ctl_str(call, "name", ""));
	return 0;
}

static inline int run_set(struct ctl_call *call)
{
	world.n_commands++;
	if (strcmp(ctl_str(call, "color", ""), "none") == 0)
		return ctl_fail(call, "that is no color");
	return 0;
}

static inline int run_set_room(struct ctl_call *call)
{
	world.rooms[ctl_u64(call, "room", 0) % 8] = true;
	return run_set(call);
}

static inline int run_room(struct ctl_call *call)
{
	world.n_commands++;
	world.rooms[ctl_u64(call, "room", 0) % 8] = !ctl_has(call, "del");
	return 0;
}

static inline int run_close(struct ctl_call *call)
{
	world.n_commands++;
	if (!world.rooms[ctl_u64(call, "room", 0) % 8])
		return ctl_fail(call, "there is no such room");
	world.rooms[ctl_u64(call, "room", 0) % 8] = false;
	return 0;
}

/* A lamp that goes by what it was made of. */
static inline int run_torch(struct ctl_call *call)
{
	if (!ctl_has(call, "del"))
		return run_make(call);
	world.n_commands++;
	for (int i = 0; i < WORLD_LAMPS; i++) {
		if (world.torch[i] != ctl_u64(call, "watt", 0))
			continue;
		world.names[i][0] = 0;
		world.torch[i] = 0;
		return 0;
	}
	return ctl_fail(call, "there is no such torch");
}

static const struct ctl_command world_rows[] = {
	{"make room <room:u32> [quiet <quiet:onoff>] [del]", "m", run_room, NULL},
	{"close room <room:u32>", "c", run_close, NULL},
	{"set room quiet <room:u32> [disable|<quiet:onoff>]", "q", run_set, NULL},
	{"make lamp <bulb:word> [bright] [watt <watt:u32>]", "m", run_make, NULL},
	{"drop lamp <lamp:lamp>", "d", run_drop, NULL},
	{"set lamp name <lamp:lamp> <name:word>", "n", run_name, NULL},
	{"set lamp color <lamp:lamp> <color:word>", "c", run_set, NULL},
	{"set lamp room <lamp:lamp> <room:u32> [<shelf:u32>]", "r", run_set_room, NULL},
	{"set lamp follow <lamp:lamp> <to:lamp>", "f", run_set, NULL},
	{"set lamp alone <lamp:lamp>", "a", run_set, NULL},
	{"set lamp timer <lamp:lamp> [number <number:u32>] [hour <hour:u32>]", "t", run_set, NULL},
	{"set lamp state <lamp:lamp> <state:{on|off}>", "s", run_set, NULL},
	{"set lamp tag <lamp:lamp> <tag:word> [del]", "t", run_set, NULL},
	{"set lamp tag del <lamp:lamp> {all|<tag:word>}", "t", run_set, NULL},
	{"set lamp dim <lamp:lamp> [enable|disable]", "d", run_set, NULL},
	{"set lamp watch <lamp:lamp> [del]", "w", run_set, NULL},
	{"make torch watt <watt:u32> [del]", "t", run_torch, NULL},
	{"pair lamps [left <left:lamp>] [right <right:lamp>] [del]", "p", run_set, NULL},
	{"wish add <what:word> {light|<lamp:lamp> [firm]}", "w", run_set, NULL},
	{"wish del <what:word>", "w", run_set, NULL},
	{"wish forget", "w", run_set, NULL},
	{0},
};

static const struct ctl_table world_table = {world_rows};

#define LAMP "lamps/$lamp"

static const struct config_rule world_rules[] = {
	{.method = "make.room",
		.kind = CONFIG_MAKE,
		.place = "rooms/$room",
		.del = "del",
		.undo = "close.room"},
	{.method = "close.room", .kind = CONFIG_END, .place = "rooms/$room"},
	{.method = "set.room.quiet",
		.kind = CONFIG_SET,
		.place = "rooms/$room/quiet",
		.value = "quiet",
		.off = "disable",
		.initial = "false"},
	{.method = "make.lamp",
		.kind = CONFIG_MAKE,
		.place = "lamps/=/bulb",
		.value = "bulb",
		.undo = "drop.lamp"},
	{.method = "drop.lamp", .kind = CONFIG_END, .place = LAMP},
	{.method = "set.lamp.name", .kind = CONFIG_RENAME, .place = LAMP, .value = "name"},
	{.method = "set.lamp.color",
		.kind = CONFIG_SET,
		.place = LAMP "/color",
		.value = "color",
		.initial = "\"white\""},
	{.method = "set.lamp.room",
		.kind = CONFIG_SET,
		.place = LAMP "/room",
		.value = "room",
		.undo = "set.lamp.alone"},
	{.method = "set.lamp.room", .kind = CONFIG_MAKE, .place = "rooms/$room", .implied = true},
	{.method = "set.lamp.room", .kind = CONFIG_CLEAR, .place = LAMP "/follow"},
	{.method = "set.lamp.follow",
		.kind = CONFIG_SET,
		.place = LAMP "/follow",
		.value = "to",
		.names = "to",
		.names_in = "lamps",
		.undo = "set.lamp.alone"},
	{.method = "set.lamp.follow", .kind = CONFIG_CLEAR, .place = LAMP "/room"},
	{.method = "set.lamp.alone", .kind = CONFIG_CLEAR, .place = LAMP "/room"},
	{.method = "set.lamp.alone", .kind = CONFIG_CLEAR, .place = LAMP "/follow"},
	{.method = "set.lamp.timer",
		.kind = CONFIG_SET,
		.place = LAMP "/timer/$number=0",
		.value = "hour",
		.undo = "set.lamp.timer"},
	{.method = "make.torch.watt",
		.kind = CONFIG_MAKE,
		.place = "lamps/=/torch",
		.value = "watt",
		.del = "del"},
	{.method = "set.lamp.tag", .kind = CONFIG_ADD, .place = LAMP "/tags", .value = "tag", .del = "del"},
	{.method = "set.lamp.tag.del", .kind = CONFIG_TAKE, .place = LAMP "/tags", .value = "tag"},
	{.method = "set.lamp.tag.del", .kind = CONFIG_CLEAR, .place = LAMP "/tags", .only = "all"},
	{.method = "set.lamp.dim",
		.kind = CONFIG_SET,
		.place = LAMP "/dim",
		.on = "enable",
		.off = "disable",
		.initial = "false"},
	{.method = "set.lamp.watch", .kind = CONFIG_SET, .place = LAMP "/watch", .del = "del"},
	{.method = "pair.lamps",
		.kind = CONFIG_ADD,
		.place = "pairs",
		.names = "left right",
		.names_in = "lamps",
		.del = "del"},
	{.method = "wish.add",
		.kind = CONFIG_ADD,
		.place = "wishes",
		.only = "light firm",
		.names = "lamp",
		.names_in = "lamps",
		.undo = "wish.del",
		.undo_args = "what"},
	{.method = "wish.del", .kind = CONFIG_TAKE, .place = "wishes"},
	{.method = "wish.forget", .kind = CONFIG_CLEAR, .place = "wishes"},
	{.method = "set.lamp.state",
		.kind = CONFIG_SET,
		.place = LAMP "/state",
		.value = "state",
		.initial = "\"off\"",
		.presumed = "\"on\""},
	{0},
};

static const struct config_rules world_config_rules = {world_rules};

static inline int world_begin(void **state)
{
	int fd;

	world = (struct world){.path = "/tmp/config_test.XXXXXX"};
	fd = mkstemp(world.path);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(loop_create(&world.loop), 0);
	assert_int_equal(ctl_create(&world.ctl), 0);
	ctl_add_type(world.ctl, &lamp_type, NULL);
	ctl_add_table(world.ctl, &world_table, NULL);
	assert_int_equal(config_create(&world.config, world.loop, world.ctl, &world_config_rules), 0);
	ctl_add_table(world.ctl, &config_commands, world.config);
	config_start(world.config);
	return 0;
}

static inline int world_end(void **state)
{
	config_destroy(world.config);
	ctl_destroy(world.ctl);
	loop_destroy(world.loop);
	unlink(world.path);
	return 0;
}

/* A line, or with a # for the file's path. The answer as JSON text or the error; the caller frees it. */
static inline char *world_run(const char *line)
{
	char whole[256];
	const char *mark = strchr(line, '#');
	struct ctl_answer answer;
	char *text;

	if (mark)
		snprintf(whole, sizeof(whole), "%.*s%s%s", (int)(mark - line), line, world.path, mark + 1);
	else
		snprintf(whole, sizeof(whole), "%s", line);
	ctl_run_line(world.ctl, whole, NULL, &answer);
	if (answer.status != CTL_DONE)
		text = strdup(answer.error);
	else if (answer.result)
		text = json_dumps(answer.result, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
	else
		text = strdup("");
	ctl_answer_free(&answer);
	return text;
}

static inline void world_do(const char *line)
{
	struct ctl_answer answer;

	ctl_run_line(world.ctl, line, NULL, &answer);
	assert_string_equal(answer.error, "");
	ctl_answer_free(&answer);
}

static inline void world_write(const char *text)
{
	FILE *out = fopen(world.path, "we");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static inline void assert_tree(const char *json)
{
	json_t *expected = json_loads(json, 0, NULL);
	char *is = json_dumps(world.config->tree, JSON_SORT_KEYS | JSON_COMPACT);
	char *should = json_dumps(expected, JSON_SORT_KEYS | JSON_COMPACT);

	assert_non_null(expected);
	assert_string_equal(is, should);
	json_decref(expected);
	free(is);
	free(should);
}

#endif
