/* SPDX-License-Identifier: Apache-2.0 */
/* metrics - the statistics in the text formats that Prometheus reads: its own, and OpenMetrics. */
#ifndef GINNEL_PROG_METRICS_H
#define GINNEL_PROG_METRICS_H

#include "client/stats_reader.h"

#include <stdio.h>

#define METRICS_TYPE_PROMETHEUS  "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* r NULL: the daemon is not there, and that is all there is to tell. */
void metrics_print(const struct stats_reader *r, const struct stats_snapshot *s, bool openmetrics, FILE *out);

#endif
