/* SPDX-License-Identifier: Apache-2.0 */
/* show - the commands that tell what the router knows: a handler makes JSON, a printer makes columns of it. */
#ifndef GINNEL_IP_SHOW_H
#define GINNEL_IP_SHOW_H

#include "ctl/command.h"

struct ip;

/* Stations that routes lead to: lists of addresses, by the name of the interface. For other rooms' answers. */
json_t *ip_gateways(struct ip *ip);
/* An interface's addresses as in show interface addr; empty: it is not the router's. */
struct iface;
json_t *ip_addresses(const struct iface *iface);

int ip_show_addr(struct ctl_call *call);
void ip_print_addr(const json_t *result, FILE *out);

int ip_show_fib4(struct ctl_call *call);
int ip_show_fib6(struct ctl_call *call);
void ip_print_fib(const json_t *result, FILE *out);

int ip_show_neighbors(struct ctl_call *call);
void ip_print_neighbors(const json_t *result, FILE *out);

int ip_show_tables(struct ctl_call *call);
void ip_print_tables(const json_t *result, FILE *out);

#endif
