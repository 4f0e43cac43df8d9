/* SPDX-License-Identifier: Apache-2.0 */
/*
 * note - keeps the tree true: what a command that was run means for it.
 *
 * The same function notes what a user did, what a file wants, and what a plan would do.
 */
#ifndef GINNEL_CONFIG_NOTE_H
#define GINNEL_CONFIG_NOTE_H

#include "config/rule.h"

/* said: see ctl_check_method(). result is the name of what the command made; NULL if it made nothing. */
void config_note(const struct config_rules *rules, json_t *tree, const char *method, const json_t *said,
	const char *result);

/* What the rule would keep at its place, or NULL: nothing, or what is so from the beginning. The caller owns it. */
json_t *config_value(const struct config_rule *rule, const json_t *said);
/* The arguments, the place's aside, that such a value stands for, into args. */
void config_value_args(const struct config_rule *rule, const json_t *value, json_t *args);

#endif
