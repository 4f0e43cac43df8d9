/* SPDX-License-Identifier: Apache-2.0 */
/* learn - makes the switch know every address before something is measured. */
#ifndef GINNEL_BENCH_LEARN_H
#define GINNEL_BENCH_LEARN_H

#include "port.h"

/* False: the switch failed. *learned: each frame of the last pass reached the partner, and nobody else. */
bool learn(struct ports *ports, bool *learned);

#endif
