/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match - a line on its way through all grammars at once.
 *
 * A match holds the paths that the words so far allow: a row, a place in its tree, the arguments found. The
 * options are what may come next: words, values, or the end of the line. A step takes one word of the line
 * and keeps the options that fit it best:
 *
 *	the very word > a value of a kind that tells (number, interface) > a beginning of a word > free text
 *
 * Two different words with the same beginning are ambiguous, whatever would follow them.
 */
#ifndef GINNEL_CTL_MATCH_H
#define GINNEL_CTL_MATCH_H

#include "ctl/grammar.h"

struct ctl_row {
	const struct ctl_command *command;
	void *subject;
	struct grammar *grammar;
};

struct match_frame {
	const struct grammar_seq *seq;
	size_t idx;    /* next item; within a run of optional groups, the first of the run */
	uint64_t used; /* the groups of the run that were there already, by idx */
};

struct match_place {
	struct match_frame frames[GRAMMAR_DEPTH_MAX + 1];
	size_t depth;
};

struct match_path {
	const struct ctl_row *row;
	struct match_place place;
	json_t *args;
};

struct match {
	struct match_path *paths;
	size_t n_paths;
	size_t n_words;   /* taken so far */
	char said[256];   /* these words, written out */
	const char *cwd;  /* for relative paths; NULL: leave them */
	bool line_is_all; /* a value took the rest of the line */
	char error[512];  /* after a step or the end failed */
};

struct match_option {
	const struct match_path *path;
	const struct grammar_item *item; /* a word or value; NULL: the line may end here */
	struct match_place next;
	json_t *value; /* used by a step */
};

struct match_options {
	struct match_option *items;
	size_t n;
};

void match_start(struct match *m, const struct ctl_row *rows, size_t n_rows, const char *cwd);
void match_free(struct match *m);

/* To be freed before the next step. */
void match_options_get(const struct match *m, struct match_options *options);
/* What may come once this option was taken. */
void match_options_after(const struct match_option *option, struct match_options *options);
void match_options_free(struct match_options *options);

/* word is without quotes, rest is the line from it on. 0, or -EINVAL with m->error. */
int match_step(struct match *m, const char *word, const char *rest);
/* The row that the line stands for; its arguments are m's. NULL with m->error when more is needed. */
const struct match_path *match_end(struct match *m);

/* The word has exactly this text or is a beginning of it. */
bool match_is_prefix(const char *word, const char *text);

#endif
