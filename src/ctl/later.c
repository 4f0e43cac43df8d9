/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/later.h"

#include "base/check.h"
#include "ctl/rpc.h"
#include "ctl/text.h"

#include <stdlib.h>

struct ctl_later {
	struct list link;      /* of laters */
	struct laters *laters; /* NULL: nobody waits any more */
	json_t *id;
	bool as_text, in_parts;
	const struct ctl_command *command;
	const char *parts_name;
	json_t *parts; /* those that were not said yet */
	unsigned n_left_out;
	void (*stop)(void *subject);
	void *subject;
};

void laters_init(struct laters *ls, void (*say)(void *arg, const char *line), void *arg)
{
	*ls = (struct laters){.say = say, .arg = arg};
	list_init(&ls->list);
}

struct ctl_later *ctl_later(
	struct ctl_call *call, const char *parts_name, void (*stop)(void *subject), void *subject)
{
	const struct ctl_asker *asker = call->asker;
	struct ctl_later *later;

	ASSERT(!call->later);
	if (!asker) {
		ctl_fail(call, "this takes time, and nobody can wait for it here: run it by itself, not from "
			       "a file or a batch");
		return NULL;
	}
	if (asker->laters->n == LATERS_MAX) {
		ctl_fail(
			call, "%d commands are running on this connection already: wait for one", LATERS_MAX);
		return NULL;
	}
	later = calloc(1, sizeof(*later));
	ASSERT(later);
	*later = (struct ctl_later){.laters = asker->laters,
		.id = json_incref(asker->id),
		.as_text = asker->as_text,
		.in_parts = asker->in_parts,
		.parts_name = parts_name,
		.parts = json_array(),
		.stop = stop,
		.subject = subject};
	list_add_tail(&asker->laters->list, &later->link);
	asker->laters->n++;
	call->later = later;
	return later;
}

void later_began(struct ctl_later *later, const struct ctl_command *command)
{
	later->command = command;
}

/* Nobody waits for it from here on. */
static void detach(struct ctl_later *later)
{
	if (!later->laters)
		return;
	list_del(&later->link);
	later->laters->n--;
	later->laters = NULL;
}

void later_drop(struct ctl_later *later)
{
	detach(later);
	json_decref(later->id);
	json_decref(later->parts);
	free(later);
}

/* Takes over message. */
static void say(const struct ctl_later *later, json_t *message)
{
	char *line = json_dumps(message, JSON_COMPACT);

	json_decref(message);
	if (line)
		later->laters->say(later->laters->arg, line);
	free(line);
}

static void print(const struct ctl_later *later, const json_t *result, FILE *out)
{
	const struct ctl_answer answer = {.result = (json_t *)result, .command = later->command};

	ctl_answer_print(&answer, out);
}

/* As the caller wants it; parts may be NULL. */
static json_t *in_its_form(const struct ctl_later *later, const json_t *parts, json_t *result)
{
	struct text_buf b;
	json_t *part, *text;
	size_t i;
	char *string;

	if (!later->as_text)
		return json_incref(result);
	text_buf_open(&b);
	json_array_foreach (parts, i, part)
		print(later, part, b.out);
	print(later, result, b.out);
	string = text_buf_take(&b);
	text = json_pack("{s:o}", "text", text_to_json(string));
	free(string);
	return text;
}

void ctl_later_part(struct ctl_later *later, json_t *part)
{
	if (!later->laters) {
		json_decref(part);
	} else if (later->in_parts) {
		say(later, json_pack("{s:s, s:s, s:{s:O, s:o}}", "jsonrpc", "2.0", "method", "cli.part",
				   "params", "id", later->id, "result", in_its_form(later, NULL, part)));
		json_decref(part);
	} else if (json_array_size(later->parts) < LATER_PARTS_MAX) {
		json_array_append_new(later->parts, part);
	} else {
		later->n_left_out++;
		json_decref(part);
	}
}

/* Parts that the caller has not seen belong to the result. */
static json_t *whole(const struct ctl_later *later, json_t *result)
{
	json_t *all = result ? json_copy(result) : json_object();

	if (later->in_parts || later->as_text)
		return all;
	json_object_set(all, later->parts_name, later->parts);
	if (later->n_left_out > 0)
		json_object_set_new(all, "left-out", json_integer(later->n_left_out));
	return all;
}

void ctl_later_end(struct ctl_later *later, json_t *result, const char *error)
{
	if (later->laters && error) {
		say(later, rpc_error(later->id, RPC_FAILED, error));
	} else if (later->laters) {
		json_t *all = whole(later, result);

		say(later, json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", later->id, "result",
				   in_its_form(later, later->parts, all)));
		json_decref(all);
	}
	json_decref(result);
	later_drop(later);
}

static struct ctl_later *first(struct laters *ls)
{
	return LIST_ENTRY(ls->list.next, struct ctl_later, link);
}

void laters_stop(struct laters *ls)
{
	while (!list_empty(&ls->list)) {
		struct ctl_later *later = first(ls);
		unsigned n = ls->n;

		later->stop(later->subject);
		ASSERT(ls->n < n); /* stop() ends it */
	}
}

void laters_abandon(struct laters *ls)
{
	while (!list_empty(&ls->list)) {
		struct ctl_later *later = first(ls);

		detach(later);
		later->stop(later->subject);
	}
}

bool laters_cancel(struct laters *ls, const json_t *id)
{
	struct ctl_later *later;

	list_for_each (later, &ls->list, link) {
		if (!json_equal(later->id, id))
			continue;
		later->stop(later->subject);
		return true;
	}
	return false;
}
