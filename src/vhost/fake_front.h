/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_front - a scripted front-end for tests: it says on a socket whatever it is told to, and turns the back-end's
 * loop until that has answered. Its guest is one memfd with room for a few small rings.
 *
 * Both sides live in one thread and a unix socket delivers at once, so a turn without waiting is enough to see
 * everything that was sent.
 */
#ifndef GINNEL_VHOST_FAKE_FRONT_H
#define GINNEL_VHOST_FAKE_FRONT_H

#include "os/loop.h"
#include "vhost/proto.h"

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The fake guest's memory: one region that begins neither at 0 nor at the file's start. */
#define FAKE_MEM_LEN   0x100000ull
#define FAKE_GPA       0x40000ull
#define FAKE_UADDR     0x7f0000000000ull
#define FAKE_OFFSET    0x2000ull
#define FAKE_RING_LEN  0x4000ull
#define FAKE_RING_SIZE 16
#define FAKE_RINGS     16

struct fake_front {
	struct loop *loop;
	int fd;
	int memfd;
	uint8_t *file; /* the whole memfd */
};

/* Connects to path. The guest's memory is new. */
void fake_front_open(struct fake_front *f, struct loop *loop, const char *path);
/* The same over a socket that is connected already; takes fd over. */
void fake_front_attach(struct fake_front *f, struct loop *loop, int fd);
void fake_front_close(struct fake_front *f);
/* Only the socket: the guest lives on. */
void fake_front_hang_up(struct fake_front *f);
void fake_front_reopen(struct fake_front *f, const char *path);

/* Turns without waiting, enough for everything sent so far. */
void fake_turns(struct loop *loop);

/* Sends; looks at no answer. False: the back-end has closed. */
bool fake_send(struct fake_front *f, const struct vhost_user_header *header, const void *payload,
	const int *fds, uint32_t n_fds);
/* A reply of exactly size bytes to request. False: none came. */
bool fake_reply(struct fake_front *f, uint32_t request, void *payload, uint32_t size);
/* The back-end has closed the connection. */
bool fake_closed(struct fake_front *f);
/* It still answers. */
bool fake_alive(struct fake_front *f);

/* One message without reply. */
void fake_plain(struct fake_front *f, uint32_t request, const void *payload, uint32_t size);
void fake_u64(struct fake_front *f, uint32_t request, uint64_t value);
void fake_state(struct fake_front *f, uint32_t request, uint32_t idx, uint32_t num);
/* SET_VRING_KICK, _CALL, _ERR; fd -1 says NOFD. The fd stays the caller's. */
void fake_ring_fd(struct fake_front *f, uint32_t request, uint32_t idx, int fd);
void fake_ring_addr(struct fake_front *f, uint32_t idx, uint32_t flags);
void fake_mem_table(struct fake_front *f);
/* One message with NEED_REPLY: the acknowledgement, UINT64_MAX when none came. */
uint64_t fake_acked(struct fake_front *f, uint32_t request, const void *payload, uint32_t size,
	const int *fds, uint32_t n_fds);
/* Messages with a reply of their own; the test fails when none comes. */
uint64_t fake_get_u64(struct fake_front *f, uint32_t request);
uint32_t fake_get_base(struct fake_front *f, uint32_t idx);

/* GET_FEATURES ... SET_MEM_TABLE, without rings. protocol_features 0: they are not spoken of. */
void fake_negotiate(struct fake_front *f, uint64_t features, uint64_t protocol_features);
/* NUM, BASE, ADDR, KICK for ring idx of FAKE_RING_SIZE; fds may be -1. */
void fake_ring_start(struct fake_front *f, uint32_t idx, uint16_t base, int kick_fd);

/* The guest's side of a ring. */
uint8_t *fake_at(struct fake_front *f, uint64_t gpa);
uint64_t fake_ring_gpa(uint32_t idx);
struct vring_desc *fake_desc(struct fake_front *f, uint32_t idx);
struct vring_avail *fake_avail(struct fake_front *f, uint32_t idx);
struct vring_used *fake_used(struct fake_front *f, uint32_t idx);
/* The guest's driver starts anew, with both indexes at idx. */
void fake_ring_reset(struct fake_front *f, uint32_t ring, uint16_t idx);
/* Offers one buffer of len bytes that the device may write. */
void fake_offer(struct fake_front *f, uint32_t ring, uint32_t len);

/* A non-blocking eventfd, and how often it was written since the last look. */
int fake_eventfd(void);
uint64_t fake_events(int fd);

/* Descriptors that this process has open. */
uint32_t fake_open_fds(void);
/* Mappings that this process has of memfds. */
uint32_t fake_mappings(void);

#endif
