/* SPDX-License-Identifier: Apache-2.0 */
/* params - named JSON parameters of a method, checked against the grammar of its command. */
#ifndef GINNEL_CTL_PARAMS_H
#define GINNEL_CTL_PARAMS_H

#include "ctl/grammar.h"

/*
 * params is an object, or NULL for none; nulls in it count as absent, and so does a false for a key. *args is
 * what the same values on a command line would give; the caller owns it. 0, or -EINVAL with a sentence in
 * error.
 */
int params_to_args(const struct grammar *grammar, const json_t *params, json_t **args, char error[512]);

/* The same, but what is the name of something stays a name, and nobody asks whether there is such a thing. */
int params_to_said(const struct grammar *grammar, const json_t *params, json_t **said, char error[512]);

/* The arguments of a handler with names in place of what stands for them. The caller owns it. */
json_t *params_said(const struct grammar *grammar, const json_t *args);

/* What a command takes: [{"name", "required", "schema", "description"}], for rpc.discover and help. */
json_t *params_describe(const struct grammar *grammar);

#endif
