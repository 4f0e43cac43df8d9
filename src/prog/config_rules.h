/* SPDX-License-Identifier: Apache-2.0 */
/* config_rules - what each command means for the configuration; see config/rule.h. */
#ifndef GINNEL_PROG_CONFIG_RULES_H
#define GINNEL_PROG_CONFIG_RULES_H

#include "config/rule.h"

extern const struct config_rules config_rules;

#endif
