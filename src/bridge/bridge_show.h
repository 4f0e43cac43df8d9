/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bridge_show - the commands that tell what bridges do: a handler makes JSON, a printer makes VPP's columns
 * of it.
 *
 * VPP's columns for what we have not (sequence numbers, ARP termination) are printed with its idle
 * values and are not in the JSON.
 */
#ifndef GINNEL_BRIDGE_BRIDGE_SHOW_H
#define GINNEL_BRIDGE_BRIDGE_SHOW_H

#include "bridge/bridge_private.h"
#include "ctl/command.h"

/* The domain, or the interface under a key, that the call names; NULL after ctl_fail(). */
struct bridge_domain *bridge_call_domain(struct ctl_call *call);
struct iface *bridge_call_iface(struct ctl_call *call, const char *key);

/* What the interface is in a domain, or NULL. */
const struct bridge_member *bridge_member_of(const struct iface *iface);

int bridge_show_domains(struct ctl_call *call);
void bridge_print_domains(const json_t *result, FILE *out);

int bridge_show_fib(struct ctl_call *call);
void bridge_print_fib(const json_t *result, FILE *out);

int bridge_show_mode(struct ctl_call *call);
void bridge_print_mode(const json_t *result, FILE *out);

#endif
