/* SPDX-License-Identifier: Apache-2.0 */
/*
 * p2p_lua - a port list in Lua, of which this reads as much as such lists need: assignments, also `local`, calls,
 * integers, strings, tables and comments. There are no functions, loops or conditions.
 *
 *	local p2p = L4.default_loader:new_channel();
 *	L4.default_loader:start({ caps = { svr = p2p:svr() } }, "rom/l4vio_net_p2p -p 100 -s 256");
 *	net0 = p2p:create(0, "ds-max=4")
 *	net1 = p2p:create(0, "ds-max=4", "mac=11:22:33:44:55:66")
 *
 * The name that a port is assigned to is the port's. A name that is given a new port lets the old one go, as nothing
 * refers to that any more. A channel need not be made: any name can have create() called.
 *
 * The text is not trusted: everything has a limit, and mistakes are told with line and column.
 */
#ifndef GINNEL_PROG_P2P_LUA_H
#define GINNEL_PROG_P2P_LUA_H

#include "prog/p2p_spec.h"

#define P2P_PORTS    2
#define P2P_LUA_DS   16
#define P2P_LUA_TEXT (64 * 1024) /* bytes of a list */

struct p2p_lua {
	bool in_use[P2P_PORTS];
	struct p2p_spec ports[P2P_PORTS];
	/* From the command line of start(); 0: not given. */
	uint64_t poll_us;
	uint32_t size;
	char ds[P2P_LUA_DS][P2P_NAME_LEN]; /* names of --register-ds */
	uint32_t n_ds;
	char warning[P2P_WHY_LEN]; /* the last one; "": none */
};

/* 0, or -EINVAL or -ENOMEM (a third port) and "LINE:COLUMN: what is wrong". */
int p2p_lua_read(const char *text, size_t len, struct p2p_lua *out, char why[P2P_WHY_LEN]);

#endif
