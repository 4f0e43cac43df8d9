/* SPDX-License-Identifier: Apache-2.0 */
/*
 * begun - checksums that are only begun, of frames that come without a word about it.
 *
 * What a stack on this machine sends over a virtual interface need not be complete: the checksum of TCP and UDP holds the
 * sum of the pseudo header alone, for the hardware to go on with. Where the frame comes as bytes and nothing else, its own
 * look has to do: if the field holds just that sum, the checksum is taken for begun. A complete checksum has that value
 * once in 65536 frames, and being completed again does it no harm, as the same comes out.
 *
 * Only frames that end with their IP packet are taken for begun ones, as the sum goes to the frame's end.
 */
#ifndef GINNEL_PORT_BEGUN_H
#define GINNEL_PORT_BEGUN_H

#include "pkt/pkt.h"

/* Of a packet of which nothing is to be done otherwise: sets its offload. */
void begun_find(struct pkt *pkt);

#endif
