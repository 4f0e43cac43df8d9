/* SPDX-License-Identifier: Apache-2.0 */
/*
 * later - answers that take time. The handler's side is in ctl/command.h; this is the side of whoever waits.
 *
 *	connection ---- struct laters: what it waits for
 *	                  struct later: a request's id and form; the handler's token
 *
 * A token lives until ctl_later_end(). Who waits may go away before: then stop() has the handler end it, and nobody is
 * told. All of it is control's.
 */
#ifndef GINNEL_CTL_LATER_H
#define GINNEL_CTL_LATER_H

#include "base/list.h"
#include "ctl/command.h"

#define LATERS_MAX      16   /* of one connection at a time */
#define LATER_PARTS_MAX 4096 /* that an answer in one piece holds */

/* A connection's. say() takes one line, borrowed, without its newline; it closes nothing. */
struct laters {
	struct list list;
	unsigned n;
	void (*say)(void *arg, const char *line);
	void *arg;
};

/* Who asks, while a handler runs: copied into its token. */
struct ctl_asker {
	struct laters *laters;
	json_t *id; /* borrowed */
	bool as_text;
	bool in_parts; /* each part at once, in a notification cli.part {id, result} */
};

void laters_init(struct laters *ls, void (*say)(void *arg, const char *line), void *arg);
/* All of them come to their end now; what they have to say is said. */
void laters_stop(struct laters *ls);
/* The same, and nothing is said. */
void laters_abandon(struct laters *ls);
/* The one with this id comes to its end now, with what it has. False: there is none. */
bool laters_cancel(struct laters *ls, const json_t *id);

/* A handler that took a token has failed all the same. */
void later_drop(struct ctl_later *later);
/* Of a handler that has begun: prints its parts and its result. */
void later_began(struct ctl_later *later, const struct ctl_command *command);

#endif
