/* SPDX-License-Identifier: Apache-2.0 */
/* Where there is no DPDK. */
#include "lookup.h"

const struct table_kind dpdk_tables[] = {{.name = 0}};
