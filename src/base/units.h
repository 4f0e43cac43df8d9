/* SPDX-License-Identifier: Apache-2.0 */
/* units - how many of the small ones make a large one. */
#ifndef GINNEL_BASE_UNITS_H
#define GINNEL_BASE_UNITS_H

#define NS_PER_US 1000ull
#define NS_PER_MS (1000 * NS_PER_US)
#define NS_PER_S  (1000 * NS_PER_MS)

#endif
