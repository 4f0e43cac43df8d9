/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_back - a scripted back-end for tests: it hears one request at a time, answers as an honest back-end would or
 * whatever it is told to, and turns the front-end's loop meanwhile. It listens at a path of its own.
 */
#ifndef GINNEL_VHOST_FAKE_BACK_H
#define GINNEL_VHOST_FAKE_BACK_H

#include "os/loop.h"
#include "os/unix.h"
#include "vhost/proto.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* MQ, REPLY_ACK, BACKEND_REQ, CONFIG, INBAND_NOTIFICATIONS, STATUS */
#define FAKE_BACK_PROTOCOL (1u << 0 | 1u << 3 | 1u << 5 | 1u << 9 | 1u << 14 | 1u << 16)

#define FAKE_BACK_ALL 1000 /* requests */

struct fake_back {
	struct loop *loop;
	char dir[64];
	char path[80];
	int listener;
	int fd;      /* -1: no connection */
	int channel; /* on which it may ask; -1: it was given none */

	bool drips;           /* says everything byte by byte */
	uint32_t turns_limit; /* RLIMIT_NOFILE while the front-end has its turns; 0: as it is */

	/* what it offers */
	uint64_t features, protocol_features, queue_num, mem_slots;
	uint32_t config_len; /* bytes of its configuration space that it gives: 1, 2, 3, ... */
	uint64_t notes_len;  /* of the area for what it has in hands */

	/* what it was told */
	uint64_t features_set, protocol_features_set, status;
	uint32_t enabled; /* rings, a bit each */
	uint32_t kicked;  /* rings whose kick descriptor came with a kick in it, a bit each */
	uint32_t config_offset, config_written; /* bytes, of which the first is config_byte */
	uint8_t config_byte;
	struct vhost_user_inflight notes; /* as SET_INFLIGHT_FD told them */
	ino_t notes_made, notes_given;    /* the files that it gave last, and got */
	uint32_t messages;
	struct vhost_user_header header; /* of the request heard last */
	uint8_t payload[4096];
	struct unix_cargo cargo;
};

/* With its own loop, offering all that the fake driver knows. */
void fake_back_open(struct fake_back *b);
void fake_back_close(struct fake_back *b);

/* Waits for the front-end to connect. False: it does not. */
bool fake_back_finds(struct fake_back *b);
/* The same; the test fails when it does not. */
void fake_back_accept(struct fake_back *b);
void fake_back_hang_up(struct fake_back *b);

/* The next request, whole. False: there is none. */
bool fake_back_hear(struct fake_back *b);
/* As an honest back-end answers the request heard last. */
void fake_back_answer(struct fake_back *b);
/* Hears and answers up to n requests; returns how many came. */
uint32_t fake_back_serve(struct fake_back *b, uint32_t n);

/* Says anything on the connection or the channel: a header, up to 8 bytes of payload, and n_fds descriptors. */
void fake_back_say(struct fake_back *b, int fd, const struct vhost_user_header *header, uint64_t payload,
	uint32_t n_fds);
/* Asks on the channel, with NEED_REPLY. Returns the verdict, UINT64_MAX when there is none. */
uint64_t fake_back_ask(struct fake_back *b, uint32_t request, const void *payload, uint32_t size);
/* The front-end has ended the connection. */
bool fake_back_left(struct fake_back *b);

#endif
