/* SPDX-License-Identifier: Apache-2.0 */
/*
 * p2p_spec - what a port of ginnel-p2p is to be like, in the words of create(): "ds-max=4", "mac=11:22:33:44:55:66".
 * A key that is not known is told and passed over, a value that is wrong is not.
 */
#ifndef GINNEL_PROG_P2P_SPEC_H
#define GINNEL_PROG_P2P_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define P2P_NAME_LEN       33
#define P2P_DS_MAX         80
#define P2P_DS_MAX_DEFAULT 2
#define P2P_WHY_LEN        256

struct p2p_spec {
	char name[P2P_NAME_LEN]; /* "": it gets a number */
	uint32_t ds_max;         /* memory regions that the front-end may share at a time */
	bool has_mac;
	uint8_t mac[6];
};

void p2p_spec_init(struct p2p_spec *s);

/* Letters, digits, '_', '-' and '.', as it names a file. */
bool p2p_name_is_good(const char *name);

/* One "key=value". 0, or -EINVAL and why. warning is "" or says that the key is unknown. */
int p2p_spec_add(struct p2p_spec *s, const char *text, char why[P2P_WHY_LEN], char warning[P2P_WHY_LEN]);

/* "NAME,key=value,...", as --port says it. */
int p2p_spec_parse(struct p2p_spec *s, const char *text, char why[P2P_WHY_LEN], char warning[P2P_WHY_LEN]);

#endif
