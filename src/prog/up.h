/* SPDX-License-Identifier: Apache-2.0 */
/*
 * up - `ginnel up`: a network that works, from nothing, for any user; `ginnel down`: its end.
 *
 *	guests --- bridge 1 --- gateway 10.77.0.1 (DHCP, DNS, NAT) --- passt --- whatever the host reaches
 *
 * It is a configuration file beside the control socket, written once and the user's from then on, and a ginneld in the
 * background that has it. Without passt the network has no way out, and says so.
 */
#ifndef GINNEL_PROG_UP_H
#define GINNEL_PROG_UP_H

/* api_path: where the daemon is to listen. names: of the guests' ports. Returns an exit status. */
int up_run(const char *api_path, char *const *names, int n_names);
int down_run(const char *api_path);

#endif
