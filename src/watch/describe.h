/* SPDX-License-Identifier: Apache-2.0 */
/*
 * describe - a frame's headers in words, as far as its first bytes reach: an array with an object per header, outermost
 * first. Each has "layer", its fields, and "text", the line that people read.
 */
#ifndef GINNEL_WATCH_DESCRIBE_H
#define GINNEL_WATCH_DESCRIBE_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/* Of a frame's first len bytes. */
json_t *describe_frame(const uint8_t *frame, uint32_t len);
/* A line each, indented by so many blanks. */
void describe_print(const json_t *layers, int indent, FILE *out);

#endif
