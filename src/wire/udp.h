/* SPDX-License-Identifier: Apache-2.0 */
/* udp - the header of UDP (RFC 768). */
#ifndef GINNEL_WIRE_UDP_H
#define GINNEL_WIRE_UDP_H

#define UDP_HEADER_LEN  8
#define UDP_CSUM_OFFSET 6

#endif
