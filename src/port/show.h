/* SPDX-License-Identifier: Apache-2.0 */
/* show - what the show commands of all kinds of port have in common: facts as JSON, and those facts as text. */
#ifndef GINNEL_PORT_SHOW_H
#define GINNEL_PORT_SHOW_H

#include "ctl/command.h"
#include "port/port.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/*
 * A show command: facts() of each port, or of the one that was named; NULL for a port of another kind. `none` is said if the
 * named one is of another.
 */
int show_ports(struct ctl_call *call, json_t *(*facts)(struct port *port), const char *none);

/* "VIRTIO_NET_F_MRG_RXBUF (15)" for each bit that is set, "bit 61" where name() gives NULL. */
json_t *show_bits(uint64_t bits, const char *(*name)(unsigned bit));
/* Where each receive queue is polled; the first one's ring has this number, the others every second from there on. */
json_t *show_rx_placement(const struct port *port, uint32_t first_ring);

const char *show_str(const json_t *o, const char *key);
json_int_t show_num(const json_t *o, const char *key);
/* Strings, one on each line. */
void show_print_names(const json_t *names, FILE *out);
/* o's queues: number, descriptor, and the thread that polls it. */
void show_print_queues(const json_t *o, FILE *out);
/* o's rx_placement, tx_lock and tx_placement. */
void show_print_placement(const json_t *o, FILE *out);

#endif
