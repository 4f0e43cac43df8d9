/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/rpc.h"

#include "base/test.h"
#include "ctl/example.h"

/* The answer to one request text; "" when there is none. */
static const char *ask(const char *request)
{
	static char text[4096];
	struct example example = {.ports = {"tap0"}};
	struct ctl *ctl = example_ctl(&example);
	char *answer = rpc_answer(ctl, request, strlen(request), NULL);

	snprintf(text, sizeof(text), "%s", answer ? answer : "");
	free(answer);
	ctl_destroy(ctl);
	return text;
}

#define HEAD "{\"jsonrpc\":\"2.0\","

TEST(a_method_answers_with_the_id_it_was_asked_with)
{
	assert_string_equal(
		ask(HEAD "\"id\":7,\"method\":\"rpc.ping\"}"), HEAD "\"id\":7,\"result\":\"pong\"}");
	assert_string_equal(
		ask(HEAD "\"id\":\"a\",\"method\":\"nothing\"}"), HEAD "\"id\":\"a\",\"result\":null}");
	assert_string_equal(
		ask(HEAD "\"id\":null,\"method\":\"rpc.ping\"}"), HEAD "\"id\":null,\"result\":\"pong\"}");
}

TEST(commands_are_methods_with_named_parameters)
{
	assert_string_equal(ask(HEAD "\"id\":1,\"method\":\"show.interface\",\"params\":{\"addr\":true}}"),
		HEAD "\"id\":1,\"result\":{\"addr\":true}}");
	assert_string_equal(
		ask(HEAD "\"id\":1,\"method\":\"delete.bridge-domain\",\"params\":{\"bridge-domain\":4}}"),
		HEAD "\"id\":1,\"error\":{\"code\":-32000,\"message\":\"bridge-domain 4 is not there\"}}");
	assert_string_equal(ask(HEAD "\"id\":1,\"method\":\"delete.bridge-domain\",\"params\":{}}"), HEAD
		"\"id\":1,\"error\":{\"code\":-32602,\"message\":\"parameter 'bridge-domain' is missing\"}}");
	assert_non_null(
		strstr(ask(HEAD "\"id\":1,\"method\":\"show.version\",\"params\":[1]}"), "\"code\":-32602"));
	assert_non_null(strstr(ask(HEAD "\"id\":1,\"method\":\"show.nothing\"}"), "\"code\":-32601"));
}

TEST(cli_exec_answers_text_or_json)
{
	assert_string_equal(
		ask(HEAD "\"id\":1,\"method\":\"cli.exec\",\"params\":{\"line\":\"sh int addr\"}}"),
		HEAD "\"id\":1,\"result\":{\"text\":\"one port, addresses\\n\"}}");
	assert_string_equal(ask(HEAD "\"id\":1,\"method\":\"cli.exec\",\"params\":{\"line\":\"sh int "
				     "addr\",\"format\":\"json\"}}"),
		HEAD "\"id\":1,\"result\":{\"addr\":true}}");
	assert_non_null(strstr(ask(HEAD "\"id\":1,\"method\":\"cli.exec\",\"params\":{\"line\":\"bogus\"}}"),
		"\"code\":-32602,\"message\":\"unknown input 'bogus'"));
	assert_non_null(strstr(ask(HEAD "\"id\":1,\"method\":\"cli.exec\",\"params\":{\"line\":3}}"),
		"parameter 'line' is not a string"));
	assert_non_null(strstr(ask(HEAD "\"id\":1,\"method\":\"cli.exec\"}"), "parameter 'line' is missing"));
	assert_non_null(strstr(
		ask(HEAD "\"id\":1,\"method\":\"cli.exec\",\"params\":{\"line\":\"\",\"format\":\"xml\"}}"),
		"neither text nor json"));
}

TEST(a_notification_gets_no_answer)
{
	assert_string_equal(ask(HEAD "\"method\":\"rpc.ping\"}"), "");
	assert_string_equal(ask(HEAD "\"method\":\"there.is.none\"}"), "");
}

TEST(garbage_is_answered_with_the_right_code)
{
	assert_non_null(strstr(ask("{"), "\"id\":null,\"error\":{\"code\":-32700"));
	assert_non_null(strstr(ask("\xff\xfe"), "\"code\":-32700"));
	assert_non_null(strstr(ask("\"\\u0000\""), "\"code\":-32700"));
	assert_non_null(strstr(ask("1"), "\"code\":-32600"));
	assert_non_null(strstr(ask("{}"), "\"code\":-32600"));
	assert_non_null(strstr(ask("{\"id\":1,\"method\":\"rpc.ping\"}"), "\"code\":-32600"));
	assert_non_null(strstr(ask(HEAD "\"id\":1,\"method\":5}"), "\"code\":-32600"));
	assert_non_null(strstr(ask(HEAD "\"id\":{},\"method\":\"rpc.ping\"}"), "\"code\":-32600"));
	assert_non_null(
		strstr(ask(HEAD "\"id\":1,\"method\":\"rpc.ping\",\"params\":1}"), "\"code\":-32600"));
}

TEST(a_batch_is_answered_in_order_without_its_notifications)
{
	assert_string_equal(ask("[" HEAD "\"id\":2,\"method\":\"rpc.ping\"}," HEAD
				"\"method\":\"rpc.ping\"}," HEAD "\"id\":1,\"method\":\"nothing\"}]"),
		"[" HEAD "\"id\":2,\"result\":\"pong\"}," HEAD "\"id\":1,\"result\":null}]");
	assert_string_equal(ask("[" HEAD "\"method\":\"rpc.ping\"}]"), "");
	assert_non_null(strstr(ask("[]"), "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600"));
	assert_string_equal(ask("[1]"),
		"[" HEAD "\"id\":null,\"error\":{\"code\":-32600,\"message\":\"a request is an object\"}}]");
}

TEST(a_batch_has_a_limit)
{
	char *batch = calloc(RPC_BATCH_MAX + 2, 2), *p = batch;

	*p++ = '[';
	for (int i = 0; i <= RPC_BATCH_MAX; i++, p += 2)
		memcpy(p, "1,", 2);
	p[-1] = ']';
	assert_non_null(strstr(ask(batch), "at most 256 requests"));
	free(batch);
}

TEST(discover_lists_methods_with_their_parameters)
{
	struct example example = {0};
	struct ctl *ctl = example_ctl(&example);
	static const char request[] = HEAD "\"id\":1,\"method\":\"rpc.discover\"}";
	char *answer = rpc_answer(ctl, request, sizeof(request) - 1, NULL);

	assert_non_null(answer);
	assert_non_null(
		strstr(answer, "{\"name\":\"create.bridge-domain\",\"summary\":\"Make a bridge domain\","
			       "\"paramStructure\":\"by-name\",\"params\":[{\"name\":\"bridge-domain\","
			       "\"required\":true,\"schema\":{\"type\":\"integer\"}"));
	assert_non_null(strstr(answer, "\"enum\":[\"polling\",\"interrupt\",\"adaptive\"]"));
	assert_non_null(strstr(answer, "{\"name\":\"cli.exec\""));
	free(answer);
	ctl_destroy(ctl);
}

TESTS(cmocka_unit_test(a_method_answers_with_the_id_it_was_asked_with),
	cmocka_unit_test(commands_are_methods_with_named_parameters),
	cmocka_unit_test(cli_exec_answers_text_or_json), cmocka_unit_test(a_notification_gets_no_answer),
	cmocka_unit_test(garbage_is_answered_with_the_right_code),
	cmocka_unit_test(a_batch_is_answered_in_order_without_its_notifications),
	cmocka_unit_test(a_batch_has_a_limit), cmocka_unit_test(discover_lists_methods_with_their_parameters))
