/* SPDX-License-Identifier: Apache-2.0 */
/* lpm_tree - prefixes longer than LPM_ROOT_BITS: ip/lpm.c's own. key: an address whose bits behind len are zero. */
#ifndef GINNEL_IP_LPM_TREE_H
#define GINNEL_IP_LPM_TREE_H

#include "ip/lpm.h"

/* 1: it is new, 0: it was there, or -ENOSPC, and nothing has changed. */
int tree_set(struct lpm *lpm, const uint8_t *key, uint8_t len, uint32_t value);
/* 0 or -ENOENT. */
int tree_del(struct lpm *lpm, const uint8_t *key, uint8_t len);
uint32_t tree_get(const struct lpm *lpm, const uint8_t *key, uint8_t len);
/* The one after addr and len, in the order of the tree; *len 0: the first. False: there is none. */
bool tree_next(const struct lpm *lpm, uint8_t *addr, uint8_t *len, uint32_t *value);

#endif
