/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wanted - what a file wants, checked: every word against the commands' grammar, every name against the file itself.
 * Nothing is changed, and nothing that runs is asked.
 */
#ifndef GINNEL_CONFIG_WANTED_H
#define GINNEL_CONFIG_WANTED_H

#include "config/rule.h"
#include "ctl/ctl.h"

/* The tree as the commands would note it; the caller owns it. NULL with FILE:LINE: what is wrong in error. */
json_t *config_wanted(struct ctl *ctl, const struct config_rules *rules, const char *path, char error[512]);

/* The other way: what a file has to say for this tree. The caller owns it. */
json_t *config_unwanted(const struct config_rules *rules, const json_t *tree);

#endif
