/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parcel - what one process leaves to the next: a JSON value, and file descriptors that it names by number.
 *
 *	sender:    parcel_put() while the JSON is built --> parcel_send()
 *	receiver:  parcel_recv() --> parcel_take() what the JSON names; parcel_fini() closes the rest
 *
 * On a stream socket it is a header, then bytes that say nothing but carry descriptors, as many as the kernel lets
 * pass at once. The first descriptor is a memfd with the text, so a parcel needs little room in the socket, however
 * long the text: one that nobody reads yet can lie in a socket pair for as long as somebody holds the other end.
 *
 * Both ends are the same program, maybe of different age: a number that names nothing reads as no descriptor, a key
 * that is missing as what its reader says.
 */
#ifndef GINNEL_OS_PARCEL_H
#define GINNEL_OS_PARCEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct parcel {
	json_t *json; /* owned */
	int *fds;     /* borrowed by the sender, the receiver's own; -1: taken */
	uint32_t n_fds, size;
	bool received;
	bool incomplete; /* something is missing: it cannot be sent */
};

/* Empty, to be sent. */
void parcel_init(struct parcel *p);
void parcel_fini(struct parcel *p);

/* Names fd, which must stay open until the parcel is sent; null for -1. */
json_t *parcel_put(struct parcel *p, int fd);
/* The descriptor of that name, the caller's from now on; -1 if there is none, or no more. */
int parcel_take(struct parcel *p, const json_t *name);

/* 0, -ETIMEDOUT, or another -errno: then the socket is of no use any more. The deadline is of the monotonic clock. */
int parcel_send(const struct parcel *p, int socket, uint64_t deadline_ns);
/* Into a struct that holds nothing. The same; -ECONNRESET: nothing came before the end. */
int parcel_recv(struct parcel *p, int socket, uint64_t deadline_ns);

/* Single bytes, between parcels: the talk of the two ends. As above; parcel_hear() returns the byte. */
int parcel_say(int socket, char byte, uint64_t deadline_ns);
int parcel_hear(int socket, uint64_t deadline_ns);

/* Readers of an object's members. */
uint64_t parcel_u64(const json_t *object, const char *key, uint64_t otherwise);
bool parcel_bool(const json_t *object, const char *key, bool otherwise);
const char *parcel_str(const json_t *object, const char *key, const char *otherwise);
/* Bytes, as a string of hexadecimal digits; parcel_bytes() returns how many there were, at most max, or -EINVAL. */
json_t *parcel_hex(const void *bytes, size_t len);
int parcel_bytes(const json_t *hex, void *out, size_t max);

#endif
