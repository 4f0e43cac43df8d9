/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml_file - a tree of mappings, lists and plain values as a YAML file, by libyaml.
 *
 * Of plain scalars, whole numbers are numbers and true and false are booleans; all else is text. A mapping that gives a
 * name twice is refused, as are anchors that repeat more than the file could say by itself.
 */
#ifndef GINNEL_CONFIG_YAML_FILE_H
#define GINNEL_CONFIG_YAML_FILE_H

#include "config/rule.h"

#include <stdio.h>

/*
 * The caller owns the tree and *marks, where "interfaces vm1 mtu" says in which line that stands. NULL with
 * FILE:LINE:COLUMN: what is wrong in error; name is the file's.
 */
json_t *yaml_load(FILE *in, const char *name, json_t **marks, char error[512]);
/* The line of a place, or of the nearest above it; 0: nobody knows. */
unsigned yaml_line(const json_t *marks, const struct config_place *place);

/* 0 or -EIO. */
int yaml_dump(const json_t *tree, FILE *out);

#endif
