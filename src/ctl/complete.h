/* SPDX-License-Identifier: Apache-2.0 */
/*
 * complete - what may come at the end of an unfinished line.
 *
 * The result is {"start": N, "candidates": [...]}: the line's bytes from start on may be replaced by a
 * candidate's "text". A candidate with a "hint" instead only says what kind of thing may come ("<number>",
 * "<enter>"). Each has one line of "help", and "more": true when it is no whole word yet (a directory). When
 * the line is wrong before that place there are no candidates and "error" says why.
 */
#ifndef GINNEL_CTL_COMPLETE_H
#define GINNEL_CTL_COMPLETE_H

#include "ctl/ctl.h"

/* cwd as in ctl_run_line(). The caller owns the result. */
json_t *ctl_complete(struct ctl *ctl, const char *line, const char *cwd);
/* The candidates in columns. */
void ctl_complete_print(const json_t *result, FILE *out);
/* A command whose print() is ctl_complete_print(). */
const struct ctl_command *ctl_complete_command(void);

#endif
