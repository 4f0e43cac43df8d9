/* SPDX-License-Identifier: Apache-2.0 */
/* rates - what happened between two snapshots of the statistics, as JSON: what `ginnel top` shows. */
#ifndef GINNEL_PROG_RATES_H
#define GINNEL_PROG_RATES_H

#include "client/stats_reader.h"

#include <jansson.h>

json_t *rates_json(
	const struct stats_reader *r, const struct stats_snapshot *before, const struct stats_snapshot *now);

enum rates_sort { RATES_BY_NAME, RATES_BY_RX, RATES_BY_TX, RATES_BY_DROPS };

struct rates_view {
	enum rates_sort sort;
	uint32_t rows, columns; /* of the screen; 0: endless */
	const char *newline;    /* ends a line */
};

/* Text from that JSON, which is sorted for it. */
void rates_print(json_t *rates, const struct rates_view *view, FILE *out);

#endif
