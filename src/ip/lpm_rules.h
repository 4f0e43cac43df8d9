/* SPDX-License-Identifier: Apache-2.0 */
/* lpm_rules - the prefixes of a tree, to be found by themselves: ip/lpm.c's own. */
#ifndef GINNEL_IP_LPM_RULES_H
#define GINNEL_IP_LPM_RULES_H

#include "ip/lpm.h"

/* key: addr_len bytes, behind len all zero. Room for one more; 0 or -ENOMEM. */
int rules_reserve(struct lpm_rules *r, uint32_t addr_len);
/* Where the prefix is, or where it would be: then values[] is 0 there. */
uint32_t rules_slot(const struct lpm_rules *r, uint32_t addr_len, const uint8_t *key, uint8_t len);
void rules_del(struct lpm_rules *r, uint32_t addr_len, uint32_t slot);

/* A word of both, which is not 0 for any value but 0. */
static inline uint32_t rule_word(uint8_t len, uint32_t value)
{
	return (uint32_t)len << LPM_DEPTH_SHIFT | value;
}

static inline uint8_t rule_len(uint32_t word)
{
	return (uint8_t)(word >> LPM_DEPTH_SHIFT);
}

static inline const uint8_t *rule_key(const struct lpm_rules *r, uint32_t addr_len, uint32_t slot)
{
	return r->keys + (size_t)slot * addr_len;
}

#endif
