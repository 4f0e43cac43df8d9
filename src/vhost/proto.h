/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto - what travels on a vhost-user socket, byte for byte (QEMU docs/interop/vhost-user.rst).
 *
 *	header {request, flags, size}, then size bytes of payload;
 *	file descriptors ride on the header's first byte
 *
 * Both ends are on one machine: everything is in host order. Only what the back-end role uses is here.
 */
#ifndef GINNEL_VHOST_PROTO_H
#define GINNEL_VHOST_PROTO_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* "Front-end message types" */
enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_LOG_BASE = 6,
	VHOST_USER_SET_LOG_FD = 7,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_SEND_RARP = 19,
	VHOST_USER_NET_SET_MTU = 20,
	VHOST_USER_SET_BACKEND_REQ_FD = 21,
};

/* "Header" */
struct vhost_user_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload */
};

static_assert(sizeof(struct vhost_user_header) == 12, "vhost-user header");

#define VHOST_USER_VERSION      0x1
#define VHOST_USER_VERSION_MASK 0x3
#define VHOST_USER_REPLY        0x4
#define VHOST_USER_NEED_REPLY   0x8

/* "A vring state description" */
struct vhost_user_ring_state {
	uint32_t index;
	uint32_t num;
};

static_assert(sizeof(struct vhost_user_ring_state) == 8, "vring state");

/* "A vring address description"; desc, used and avail are the front-end's addresses, log is the guest's */
struct vhost_user_ring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

static_assert(sizeof(struct vhost_user_ring_addr) == 40, "vring address");
static_assert(offsetof(struct vhost_user_ring_addr, desc) == 8, "vring address");

#define VHOST_USER_RING_ADDR_LOG 0x1

/* "Memory region description" */
struct vhost_user_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t uaddr;
	uint64_t offset; /* of gpa in the file */
};

static_assert(sizeof(struct vhost_user_region) == 32, "memory region");

/* "Multiple memory regions description" */
#define VHOST_USER_MAX_REGIONS 8

struct vhost_user_mem {
	uint32_t n;
	uint32_t padding;
	struct vhost_user_region regions[VHOST_USER_MAX_REGIONS];
};

static_assert(offsetof(struct vhost_user_mem, regions) == 8, "memory regions");
static_assert(sizeof(struct vhost_user_mem) == 8 + 32 * VHOST_USER_MAX_REGIONS, "memory regions");

/* "Log description" */
struct vhost_user_log {
	uint64_t size;
	uint64_t offset;
};

static_assert(sizeof(struct vhost_user_log) == 16, "log");

/* VHOST_USER_SET_VRING_KICK, _CALL, _ERR: the payload's bits */
#define VHOST_USER_RING_FD_INDEX 0xffull
#define VHOST_USER_RING_FD_NONE  0x100ull

#endif
