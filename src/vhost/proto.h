/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto - what travels on a vhost-user socket, byte for byte (QEMU docs/interop/vhost-user.rst).
 *
 *	header {request, flags, size}, then size bytes of payload;
 *	file descriptors ride on the header's first byte
 *
 * Both ends are on one machine: everything is in host order. Every message has its number here, served or not
 * (vhost/message_table.h says which); payloads are here for those that one of our roles speaks.
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
	VHOST_USER_IOTLB_MSG = 22,
	VHOST_USER_SET_VRING_ENDIAN = 23,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_SET_CONFIG = 25,
	VHOST_USER_CREATE_CRYPTO_SESSION = 26,
	VHOST_USER_CLOSE_CRYPTO_SESSION = 27,
	VHOST_USER_POSTCOPY_ADVISE = 28,
	VHOST_USER_POSTCOPY_LISTEN = 29,
	VHOST_USER_POSTCOPY_END = 30,
	VHOST_USER_GET_INFLIGHT_FD = 31,
	VHOST_USER_SET_INFLIGHT_FD = 32,
	VHOST_USER_GPU_SET_SOCKET = 33,
	VHOST_USER_RESET_DEVICE = 34,
	VHOST_USER_VRING_KICK = 35,
	VHOST_USER_GET_MAX_MEM_SLOTS = 36,
	VHOST_USER_ADD_MEM_REG = 37,
	VHOST_USER_REM_MEM_REG = 38,
	VHOST_USER_SET_STATUS = 39,
	VHOST_USER_GET_STATUS = 40,
	VHOST_USER_GET_SHARED_OBJECT = 41,
	VHOST_USER_SET_DEVICE_STATE_FD = 42,
	VHOST_USER_CHECK_DEVICE_STATE = 43,
	VHOST_USER_GET_SHMEM_CONFIG = 44,
	VHOST_USER_GET_VRING_BASE_SKIP_DRAIN = 45,
};

/* "Back-end message types": what a back-end asks over the socket that SET_BACKEND_REQ_FD brought. */
enum vhost_user_backend_request {
	VHOST_USER_BACKEND_IOTLB_MSG = 1,
	VHOST_USER_BACKEND_CONFIG_CHANGE_MSG = 2,
	VHOST_USER_BACKEND_VRING_HOST_NOTIFIER_MSG = 3,
	VHOST_USER_BACKEND_VRING_CALL = 4,
	VHOST_USER_BACKEND_VRING_ERR = 5,
	VHOST_USER_BACKEND_SHARED_OBJECT_ADD = 6,
	VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE = 7,
	VHOST_USER_BACKEND_SHARED_OBJECT_LOOKUP = 8,
	VHOST_USER_BACKEND_SHMEM_MAP = 9,
	VHOST_USER_BACKEND_SHMEM_UNMAP = 10,
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

/* "Single memory region description" */
struct vhost_user_mem_slot {
	uint64_t padding;
	struct vhost_user_region region;
};

static_assert(sizeof(struct vhost_user_mem_slot) == 40, "single memory region");

/* "Virtio device config space"; size bytes follow */
struct vhost_user_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
};

static_assert(sizeof(struct vhost_user_config) == 12, "config space");

#define VHOST_USER_CONFIG_MAX       256 /* bytes of a configuration space */
#define VHOST_USER_CONFIG_WRITABLE  0   /* flags: what a driver may write */
#define VHOST_USER_CONFIG_MIGRATION 1   /* flags: all of it, after a migration */

/* "Inflight description": the text says 20 bytes, every program sends the struct */
struct vhost_user_inflight {
	uint64_t mmap_size;
	uint64_t mmap_offset;
	uint16_t num_queues;
	uint16_t queue_size;
	uint32_t padding;
};

static_assert(sizeof(struct vhost_user_inflight) == 24, "inflight");

/* "Device state transfer parameters" */
struct vhost_user_state_transfer {
	uint32_t direction;
	uint32_t phase;
};

static_assert(sizeof(struct vhost_user_state_transfer) == 8, "device state transfer");

#define VHOST_USER_STATE_SAVE          0
#define VHOST_USER_STATE_LOAD          1
#define VHOST_USER_STATE_PHASE_STOPPED 0

/* A reply whose low eight bits are an error, if any. */
#define VHOST_USER_REPLY_NO_FD 0x100ull

/* VHOST_USER_SET_VRING_KICK, _CALL, _ERR: the payload's bits */
#define VHOST_USER_RING_FD_INDEX 0xffull
#define VHOST_USER_RING_FD_NONE  0x100ull

#endif
