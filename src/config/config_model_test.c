/* SPDX-License-Identifier: Apache-2.0 */
/* Random files, applied to whatever random commands and the file before left: the tree is then what the file says. */
#include "config/config_world.h"
#include "config/plan.h"

#include "base/check.h"
#include "base/random.h"

#define ROUNDS 600

static const char *const lamps[] = {"a", "b", "c", "d"};

static bool likely_as(struct random *r, uint32_t percent)
{
	return random_below(r, 100) < percent;
}

static void write_lamp(FILE *out, struct random *r, const char *name, const char *follow)
{
	static const char *const bulbs[] = {
		"led", "old", "{bulb: led, watt: 3}", "{bulb: led, bright: true}"};
	static const char *const colors[] = {"white", "red", "blue"};

	fprintf(out, "  %s:\n    bulb: %s\n", name, bulbs[random_below(r, 4)]);
	if (likely_as(r, 50))
		fprintf(out, "    color: %s\n", colors[random_below(r, 3)]);
	if (follow && likely_as(r, 40))
		fprintf(out, "    follow: %s\n", follow);
	else if (likely_as(r, 50))
		fprintf(out, "    room: %u\n", random_below(r, 3));
	if (likely_as(r, 40))
		fprintf(out, "    tags: [%s%s]\n", likely_as(r, 50) ? "x, " : "",
			likely_as(r, 50) ? "y" : "z");
	if (likely_as(r, 40))
		fprintf(out, "    dim: %s\n    watch: %s\n", likely_as(r, 50) ? "true" : "false",
			likely_as(r, 50) ? "true" : "false");
	if (likely_as(r, 30))
		fprintf(out, "    timer: {%u: %u}\n", random_below(r, 2), random_below(r, 24));
	if (likely_as(r, 50))
		fprintf(out, "    state: %s\n", likely_as(r, 50) ? "\"on\"" : "\"off\"");
}

static void write_file(struct random *r)
{
	FILE *out = fopen(world.path, "we");
	const char *last = NULL;

	assert_non_null(out);
	fputs("lamps:\n  z: {bulb: led}\n", out);
	if (likely_as(r, 50))
		fprintf(out, "  torch: {torch: %u}\n", 8 + random_below(r, 2));
	for (size_t i = 0; i < 4; i++) {
		if (!likely_as(r, 60))
			continue;
		write_lamp(out, r, lamps[i], last);
		last = lamps[i];
	}
	fputs("rooms:\n  7: {}\n", out);
	for (uint32_t i = 0; i < 3; i++)
		if (likely_as(r, 50))
			fprintf(out, "  %u: {quiet: %s}\n", i, likely_as(r, 50) ? "true" : "false");
	fputs("wishes:\n- {what: peace, light: true}\n", out);
	if (likely_as(r, 50))
		fprintf(out, "- {what: rain, light: true}\n");
	if (last && likely_as(r, 50))
		fprintf(out, "- {what: snow, lamp: %s, firm: true}\n", last);
	if (last && likely_as(r, 50))
		fprintf(out, "pairs: [{left: %s, right: z}]\n", last);
	fclose(out);
}

/* Whatever comes of it: some fail. */
static void run_something(struct random *r)
{
	static const char *const lines[] = {"make lamp led", "drop lamp %s", "set lamp color %s blue",
		"set lamp room %s 2", "set lamp follow %s z", "set lamp alone %s", "set lamp state %s off",
		"wish add rain %s firm", "set lamp name %s other", "set lamp timer %s number 1",
		"make room 2 quiet on", "close room 1", "wish forget", "set lamp tag %s x del",
		"set lamp tag %s y", "set lamp tag del %s all", "set lamp dim %s", "set lamp watch %s",
		"set lamp watch %s del", "pair lamps left %s right z", "make torch watt 9 del"};
	char line[128];

	snprintf(line, sizeof(line), lines[random_below(r, ARRAY_LEN(lines))], lamps[random_below(r, 4)]);
	free(world_run(line));
}

/* Lists are sets. */
static void assert_nothing_between(const json_t *from, const json_t *to)
{
	json_t *steps = config_plan(world.ctl, &world_config_rules, from, to);

	assert_int_equal(json_array_size(steps), 0);
	json_decref(steps);
}

static void assert_tree_is_wanted(void)
{
	char error[512];
	json_t *wanted = config_wanted(world.ctl, &world_config_rules, world.path, error);

	assert_string_equal(error, "");
	assert_nothing_between(world.config->tree, wanted);
	assert_nothing_between(wanted, world.config->tree);
	json_decref(wanted);
}

/* The world's lamps are those of the tree. */
static void assert_lamps_are_there(void)
{
	const json_t *things = json_object_get(world.config->tree, "lamps");
	size_t n = 0;

	for (int i = 0; i < WORLD_LAMPS; i++) {
		if (!world.names[i][0])
			continue;
		n++;
		assert_non_null(json_object_get(things, world.names[i]));
	}
	assert_int_equal(n, json_object_size(things));
}

TEST(whatever_was_before_a_file_becomes_true)
{
	const char *given = getenv("GINNEL_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : 1;
	struct random r;

	print_message("seed %llu\n", (unsigned long long)seed);
	random_init(&r, seed);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		char error[512] = "";

		for (uint32_t n = random_below(&r, 6); n > 0; n--)
			run_something(&r);
		assert_lamps_are_there();
		write_file(&r);
		assert_int_equal(config_apply_file(world.config, world.path, error), 0);
		assert_tree_is_wanted();
		assert_lamps_are_there();
	}
}

TESTS(cmocka_unit_test_setup_teardown(whatever_was_before_a_file_becomes_true, world_begin, world_end))
