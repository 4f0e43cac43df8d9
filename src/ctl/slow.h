/* SPDX-License-Identifier: Apache-2.0 */
/* slow - for tests: a command that takes as long as the test wants, and says what it was told to. */
#ifndef GINNEL_CTL_SLOW_H
#define GINNEL_CTL_SLOW_H

#include "ctl/ctl.h"

struct slow {
	struct ctl_later *runs[4]; /* those that have not ended */
	unsigned n_begun, n_stopped;
};

struct slow_run {
	struct slow *slow;
	unsigned i;
};

static struct slow_run slow_runs[4];

static inline void slow_end(struct slow *s, unsigned i, const char *error)
{
	struct ctl_later *later = s->runs[i];

	s->runs[i] = NULL;
	ctl_later_end(later, error ? NULL : json_pack("{s:s}", "sum", "all"), error);
}

static inline void slow_stop(void *subject)
{
	struct slow_run *run = subject;

	run->slow->n_stopped++;
	slow_end(run->slow, run->i, NULL);
}

static inline int slow_run(struct ctl_call *call)
{
	struct slow *s = call->subject;
	unsigned i = s->n_begun;

	slow_runs[i] = (struct slow_run){s, i};
	s->runs[i] = ctl_later(call, "words", slow_stop, &slow_runs[i]);
	if (!s->runs[i])
		return -1;
	s->n_begun++;
	if (!ctl_has(call, "fail"))
		return 0;
	s->runs[i] = NULL;
	return ctl_fail(call, "after all not");
}

static inline void slow_print(const json_t *result, FILE *out)
{
	const char *word = json_string_value(json_object_get(result, "word"));

	fprintf(out, "%s\n", word ? word : json_string_value(json_object_get(result, "sum")));
}

static inline void slow_say(struct slow *s, unsigned i, const char *word)
{
	ctl_later_part(s->runs[i], json_pack("{s:s}", "word", word));
}

static const struct ctl_command slow_rows[] = {{"slow [fail]", "Take time", slow_run, slow_print}, {0}};
static const struct ctl_table slow_table = {slow_rows};

#endif
