/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ping - the answers to echo requests of ours, from the worker that hears them to control that waits for them.
 *
 * One ping runs at a time; its requests carry its number and count from 0. A worker notes when an answer came.
 */
#ifndef GINNEL_IP_PING_H
#define GINNEL_IP_PING_H

#include "ip/ip.h"

#define PING_REPEAT_MAX 1000

struct ip_ping;

struct ip_ping *ping_create(uint16_t id);
void ping_destroy(struct ip_ping *p);

/* A worker: a message for us that asks for nothing. */
void ping_heard(
	struct ip_ping *p, struct turn *turn, const struct pkt *pkt, uint32_t l4, uint32_t len, bool ip6);

#endif
