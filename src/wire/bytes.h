/* SPDX-License-Identifier: Apache-2.0 */
/* bytes - numbers in network order at any address. */
#ifndef GINNEL_WIRE_BYTES_H
#define GINNEL_WIRE_BYTES_H

#include <stdint.h>

static inline uint16_t be16_get(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t be32_get(const uint8_t *p)
{
	return (uint32_t)be16_get(p) << 16 | be16_get(p + 2);
}

static inline void be16_set(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static inline void be32_set(uint8_t *p, uint32_t value)
{
	be16_set(p, (uint16_t)(value >> 16));
	be16_set(p + 2, (uint16_t)value);
}

#endif
