/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/rpc.h"

#include "base/check.h"
#include "ctl/complete.h"
#include "ctl/ctl_private.h"
#include "ctl/later.h"
#include "ctl/params.h"
#include "ctl/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* One request on its way: either result or code is set. */
struct request {
	struct ctl *ctl;
	const json_t *params;
	struct laters *laters; /* NULL: the caller cannot wait */
	json_t *id;            /* NULL: a notification */
	json_t *result;
	bool later; /* the answer comes by itself */
	int code;   /* 0: no error */
	char message[512];
};

static void __attribute__((format(printf, 3, 4)))
refuse(struct request *r, enum rpc_error code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(r->message, sizeof(r->message), fmt, args);
	va_end(args);
	text_clean(r->message, true);
	r->code = code;
}

static json_t *error_object(int code, const char *message)
{
	return json_pack("{s:i, s:o}", "code", code, "message", text_to_json(message));
}

json_t *rpc_error(json_t *id, enum rpc_error code, const char *message)
{
	return json_pack("{s:s, s:O?, s:o}", "jsonrpc", "2.0", "id", id ? id : json_null(), "error",
		error_object(code, message));
}

/* A string parameter, or NULL; one that is no string is an error. */
static const char *string_param(struct request *r, const char *name, bool required)
{
	const json_t *value = json_object_get(r->params, name);

	if (value && !json_is_string(value))
		refuse(r, RPC_BAD_PARAMS, "parameter '%s' is not a string", name);
	else if (!value && required)
		refuse(r, RPC_BAD_PARAMS, "parameter '%s' is missing", name);
	return json_string_value(value);
}

static json_t *take_text(struct text_buf *b)
{
	char *text = text_buf_take(b);
	json_t *json = json_pack("{s:o}", "text", text_to_json(text));

	free(text);
	return json;
}

static json_t *answer_as_text(const struct ctl_answer *answer)
{
	struct text_buf b;

	text_buf_open(&b);
	ctl_answer_print(answer, b.out);
	return take_text(&b);
}

static void take_answer(struct request *r, struct ctl_answer *answer, bool as_text)
{
	static const enum rpc_error codes[] = {
		[CTL_FAILED] = RPC_FAILED,
		[CTL_NOT_UNDERSTOOD] = RPC_BAD_PARAMS,
		[CTL_NO_METHOD] = RPC_NO_METHOD,
	};

	if (answer->status == CTL_LATER)
		r->later = true;
	else if (answer->status != CTL_DONE)
		refuse(r, codes[answer->status], "%s", answer->error);
	else
		r->result = as_text ? answer_as_text(answer) : json_incref(answer->result);
	ctl_answer_free(answer);
}

/* What runs next may answer later; who waits is remembered in *asker until then. */
static void let_wait(struct request *r, struct ctl_asker *asker, bool as_text, bool in_parts)
{
	*asker = (struct ctl_asker){
		.laters = r->laters, .id = r->id, .as_text = as_text, .in_parts = in_parts};
	r->ctl->asker = r->laters && r->id ? asker : NULL;
}

static void cli_exec(struct request *r)
{
	const char *line = string_param(r, "line", true);
	const char *format = string_param(r, "format", false);
	const char *cwd = string_param(r, "cwd", false);
	bool as_text = !format || strcmp(format, "text") == 0;
	struct ctl_asker asker;
	struct ctl_answer answer;

	if (!r->code && !as_text && strcmp(format, "json") != 0)
		refuse(r, RPC_BAD_PARAMS, "parameter 'format' is neither text nor json");
	if (!r->code && cwd && *cwd != '/')
		refuse(r, RPC_BAD_PARAMS, "parameter 'cwd' is no absolute path");
	if (r->code)
		return;
	let_wait(r, &asker, as_text, json_is_true(json_object_get(r->params, "parts")));
	ctl_run_line(r->ctl, line, cwd, &answer);
	r->ctl->asker = NULL;
	take_answer(r, &answer, as_text);
}

static void cli_complete(struct request *r)
{
	const char *line = string_param(r, "line", true);
	const char *cwd = string_param(r, "cwd", false);

	if (!r->code)
		r->result = ctl_complete(r->ctl, line, cwd);
}

static void cli_help(struct request *r)
{
	const char *line = string_param(r, "line", false);
	json_t *params = line && *line ? json_pack("{s:s}", "words", line) : NULL;
	struct ctl_answer answer;

	if (!r->code) {
		ctl_run_method(r->ctl, "help", params, &answer);
		take_answer(r, &answer, true);
	}
	json_decref(params);
}

static void cli_cancel(struct request *r)
{
	const json_t *id = json_object_get(r->params, "id");

	if (!id)
		refuse(r, RPC_BAD_PARAMS, "parameter 'id' is missing");
	else
		r->result = json_boolean(r->laters && laters_cancel(r->laters, id));
}

static void rpc_ping(struct request *r)
{
	r->result = json_string("pong");
}

static void rpc_discover(struct request *r);

static const struct rpc_method {
	const char *name;
	const char *help;
	const char *params; /* blanks between */
	void (*run)(struct request *r);
} own_methods[] = {
	{"cli.exec", "Run a command line", "line format cwd parts", cli_exec},
	{"cli.cancel", "Bring a request that takes time to its end", "id", cli_cancel},
	{"cli.complete", "What may come at the end of an unfinished line", "line cwd", cli_complete},
	{"cli.help", "The commands that begin with some words", "line", cli_help},
	{"rpc.discover", "This list", "", rpc_discover},
	{"rpc.ping", "Answers pong", "", rpc_ping},
};

static json_t *describe_own_params(const char *names)
{
	json_t *list = json_array();

	while (*names) {
		size_t len = strcspn(names, " ");

		json_array_append_new(
			list, json_pack("{s:s%, s:b, s:{s:s}}", "name", names, len, "required",
				      strncmp(names, "line", len) == 0 || strncmp(names, "id", len) == 0,
				      "schema", "type", "string"));
		names += len + strspn(names + len, " ");
	}
	return list;
}

static json_t *describe_method(const char *name, const char *help, json_t *params)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:{s:s, s:{}}}", "name", name, "summary", help,
		"paramStructure", "by-name", "params", params, "result", "name", "result", "schema");
}

static void rpc_discover(struct request *r)
{
	json_t *methods = json_array();

	for (size_t i = 0; i < ARRAY_LEN(own_methods); i++)
		json_array_append_new(methods, describe_method(own_methods[i].name, own_methods[i].help,
						       describe_own_params(own_methods[i].params)));
	for (size_t i = 0; i < r->ctl->n_rows; i++) {
		const struct ctl_row *row = &r->ctl->rows[i];

		json_array_append_new(methods, describe_method(row->grammar->method, row->command->help,
						       params_describe(row->grammar)));
	}
	r->result = json_pack("{s:s, s:{s:s, s:s}, s:o}", "openrpc", "1.2.6", "info", "title", "ginnel",
		"version", GINNEL_VERSION, "methods", methods);
}

static void run_method(struct request *r, const char *method)
{
	struct ctl_asker asker;
	struct ctl_answer answer;

	for (size_t i = 0; i < ARRAY_LEN(own_methods); i++) {
		if (strcmp(own_methods[i].name, method) == 0) {
			own_methods[i].run(r);
			return;
		}
	}
	let_wait(r, &asker, false, false);
	ctl_run_method(r->ctl, method, r->params, &answer);
	r->ctl->asker = NULL;
	take_answer(r, &answer, false);
}

/* NULL, or what is wrong with the request. */
static const char *malformed(const json_t *request)
{
	const json_t *id = json_object_get(request, "id");
	const char *version = json_string_value(json_object_get(request, "jsonrpc"));

	if (!json_is_object(request))
		return "a request is an object";
	if (!version || strcmp(version, "2.0") != 0)
		return "a request has \"jsonrpc\": \"2.0\"";
	if (!json_is_string(json_object_get(request, "method")))
		return "a request has a \"method\", a string";
	if (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id))
		return "an \"id\" is a string, a number or null";
	return NULL;
}

/* NULL for a notification, and if the answer comes later. */
static json_t *answer_request(struct ctl *ctl, const json_t *request, struct laters *laters)
{
	struct request r = {.ctl = ctl,
		.params = json_object_get(request, "params"),
		.laters = laters,
		.id = json_object_get(request, "id")};
	const char *wrong = malformed(request);
	json_t *id = r.id, *response;

	if (wrong)
		return rpc_error(NULL, RPC_BAD_REQUEST, wrong);
	if (r.params && !json_is_object(r.params) && !json_is_array(r.params))
		return rpc_error(id, RPC_BAD_REQUEST, "\"params\" is an object");
	if (json_is_array(r.params) && json_array_size(r.params) > 0)
		refuse(&r, RPC_BAD_PARAMS, "parameters are given by name, in an object");
	else
		run_method(&r, json_string_value(json_object_get(request, "method")));
	if (r.later)
		return NULL;
	if (r.code)
		response = rpc_error(id, r.code, r.message);
	else
		response = json_pack("{s:s, s:O?, s:O}", "jsonrpc", "2.0", "id", id, "result",
			r.result ? r.result : json_null());
	json_decref(r.result);
	if (!id) {
		json_decref(response);
		return NULL;
	}
	return response;
}

static json_t *answer_batch(struct ctl *ctl, const json_t *batch)
{
	json_t *responses;
	size_t i;
	json_t *request;

	if (json_array_size(batch) == 0)
		return rpc_error(NULL, RPC_BAD_REQUEST, "a batch has at least one request");
	if (json_array_size(batch) > RPC_BATCH_MAX)
		return rpc_error(NULL, RPC_BAD_REQUEST, "a batch has at most 256 requests");
	responses = json_array();
	json_array_foreach (batch, i, request) {
		json_t *response = answer_request(ctl, request, NULL);

		if (response)
			json_array_append_new(responses, response);
	}
	if (json_array_size(responses) == 0) {
		json_decref(responses);
		return NULL;
	}
	return responses;
}

static char *dump(json_t *response)
{
	char *text = json_dumps(response, JSON_COMPACT);

	json_decref(response);
	return text;
}

char *rpc_answer(struct ctl *ctl, const char *text, size_t len, struct laters *laters)
{
	json_error_t error;
	json_t *request = json_loadb(text, len, JSON_DECODE_ANY, &error);
	json_t *response;

	if (!request) {
		text_clean(error.text, false);
		return rpc_error_text(RPC_NO_JSON, error.text);
	}
	response = json_is_array(request) ? answer_batch(ctl, request) : answer_request(ctl, request, laters);
	json_decref(request);
	return response ? dump(response) : NULL;
}

char *rpc_error_text(enum rpc_error code, const char *message)
{
	return dump(rpc_error(NULL, code, message));
}
