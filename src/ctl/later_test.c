/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/later.h"

#include "base/test.h"
#include "ctl/rpc.h"
#include "ctl/slow.h"

#include <stdlib.h>
#include <string.h>

static struct ctl *ctl;
static struct slow slow;
static struct laters laters;
static char heard[4096];

static void hear(void *arg, const char *line)
{
	strcat(heard, line);
	strcat(heard, "\n");
}

/* The last bytes of a line. */
static void hear_the_end(void *arg, const char *line)
{
	size_t n = strlen("{\"word\":\"a\"}],\"left-out\":3}}");

	strcpy(heard, line + (strlen(line) - n));
}

static void begin(void)
{
	heard[0] = '\0';
	slow = (struct slow){0};
	laters_init(&laters, hear, NULL);
	assert_int_equal(ctl_create(&ctl), 0);
	ctl_add_table(ctl, &slow_table, &slow);
}

static void end(void)
{
	laters_abandon(&laters);
	assert_int_equal(laters.n, 0);
	ctl_destroy(ctl);
}

/* The answer that comes at once; "" for none. */
static const char *ask(const char *request, struct laters *who)
{
	static char text[1024];
	char *answer = rpc_answer(ctl, request, strlen(request), who);

	snprintf(text, sizeof(text), "%s", answer ? answer : "");
	free(answer);
	return text;
}

#define HEAD           "{\"jsonrpc\":\"2.0\","
#define EXEC(id, more) HEAD "\"id\":" id ",\"method\":\"cli.exec\",\"params\":{\"line\":\"slow\"" more "}}"

TEST(who_does_not_want_parts_gets_one_answer_with_all_of_them)
{
	begin();
	assert_string_equal(ask(HEAD "\"id\":7,\"method\":\"slow\"}", &laters), "");
	slow_say(&slow, 0, "a");
	slow_say(&slow, 0, "b");
	assert_string_equal(heard, "");
	slow_end(&slow, 0, NULL);
	assert_string_equal(heard, HEAD
		"\"id\":7,\"result\":{\"sum\":\"all\",\"words\":[{\"word\":\"a\"},{\"word\":\"b\"}]}}\n");
	end();
}

TEST(who_wants_text_gets_the_text_of_all_parts)
{
	begin();
	ask(EXEC("1", ""), &laters);
	slow_say(&slow, 0, "a");
	slow_end(&slow, 0, NULL);
	assert_string_equal(heard, HEAD "\"id\":1,\"result\":{\"text\":\"a\\nall\\n\"}}\n");
	end();
}

TEST(who_wants_parts_gets_each_when_it_is_there)
{
	begin();
	ask(EXEC("1", ",\"parts\":true"), &laters);
	slow_say(&slow, 0, "a");
	assert_string_equal(heard,
		HEAD "\"method\":\"cli.part\",\"params\":{\"id\":1,\"result\":{\"text\":\"a\\n\"}}}\n");
	heard[0] = '\0';
	slow_end(&slow, 0, NULL);
	assert_string_equal(heard, HEAD "\"id\":1,\"result\":{\"text\":\"all\\n\"}}\n");
	end();
}

TEST(several_run_at_once_and_each_answers_by_its_id)
{
	begin();
	ask(EXEC("\"x\"", ",\"format\":\"json\",\"parts\":true"), &laters);
	ask(EXEC("2", ",\"format\":\"json\",\"parts\":true"), &laters);
	assert_int_equal(laters.n, 2);
	slow_end(&slow, 1, NULL);
	slow_end(&slow, 0, "it broke");
	assert_string_equal(heard,
		HEAD "\"id\":2,\"result\":{\"sum\":\"all\"}}\n" HEAD
		     "\"id\":\"x\",\"error\":{\"code\":-32000,\"message\":\"it broke\"}}\n");
	end();
}

TEST(a_request_that_is_cancelled_answers_with_what_it_has)
{
	begin();
	ask(EXEC("1", ""), &laters);
	slow_say(&slow, 0, "a");
	assert_string_equal(ask(HEAD "\"id\":2,\"method\":\"cli.cancel\",\"params\":{\"id\":3}}", &laters),
		HEAD "\"id\":2,\"result\":false}");
	assert_string_equal(ask(HEAD "\"method\":\"cli.cancel\",\"params\":{\"id\":1}}", &laters), "");
	assert_string_equal(heard, HEAD "\"id\":1,\"result\":{\"text\":\"a\\nall\\n\"}}\n");
	assert_int_equal(laters.n, 0);
	end();
}

TEST(who_goes_away_is_told_nothing_and_the_command_ends)
{
	begin();
	ask(EXEC("1", ",\"parts\":true"), &laters);
	ask(EXEC("2", ""), &laters);
	laters_abandon(&laters);
	assert_int_equal(slow.n_stopped, 2);
	assert_string_equal(heard, "");
	end();
}

TEST(where_nobody_can_wait_the_command_says_so)
{
	struct ctl_answer answer;

	begin();
	assert_non_null(strstr(ask(EXEC("1", ""), NULL), "nobody can wait for it here"));
	assert_string_equal(ask(HEAD "\"method\":\"slow\"}", &laters), "");
	assert_non_null(strstr(ask("[" EXEC("1", "") "]", &laters), "nobody can wait for it here"));
	ctl_run_line(ctl, "slow", NULL, &answer);
	assert_int_equal(answer.status, CTL_FAILED);
	assert_int_equal(slow.n_begun, 0);
	end();
}

TEST(a_handler_may_still_fail_after_it_has_a_token)
{
	begin();
	assert_string_equal(ask(HEAD "\"id\":1,\"method\":\"slow\",\"params\":{\"fail\":true}}", &laters),
		HEAD "\"id\":1,\"error\":{\"code\":-32000,\"message\":\"after all not\"}}");
	assert_int_equal(laters.n, 0);
	end();
}

TEST(a_list_of_parts_has_a_limit_and_says_what_is_missing)
{
	begin();
	ask(HEAD "\"id\":7,\"method\":\"slow\"}", &laters);
	laters.say = hear_the_end;
	for (int i = 0; i < LATER_PARTS_MAX + 3; i++)
		slow_say(&slow, 0, "a");
	slow_end(&slow, 0, NULL);
	assert_string_equal(heard, "{\"word\":\"a\"}],\"left-out\":3}}");
	end();
}

TESTS(cmocka_unit_test(who_does_not_want_parts_gets_one_answer_with_all_of_them),
	cmocka_unit_test(who_wants_text_gets_the_text_of_all_parts),
	cmocka_unit_test(who_wants_parts_gets_each_when_it_is_there),
	cmocka_unit_test(several_run_at_once_and_each_answers_by_its_id),
	cmocka_unit_test(a_request_that_is_cancelled_answers_with_what_it_has),
	cmocka_unit_test(who_goes_away_is_told_nothing_and_the_command_ends),
	cmocka_unit_test(where_nobody_can_wait_the_command_says_so),
	cmocka_unit_test(a_handler_may_still_fail_after_it_has_a_token),
	cmocka_unit_test(a_list_of_parts_has_a_limit_and_says_what_is_missing))
