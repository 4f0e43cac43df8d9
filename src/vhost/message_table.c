/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/message_table.h"

#include "vhost/backend_private.h"

#define SIZE(n)         .size_min = (n), .size_max = (n)
#define SIZES(min, max) .size_min = (min), .size_max = (max)
#define FDS(min, max)   .fds_min = (min), .fds_max = (max)
#define REPLY(n)        .reply_size = (n)
#define ALWAYS          .needs = MESSAGE_ALWAYS
#define NEEDS(feature)  .needs = VHOST_USER_PROTOCOL_F_##feature
#define REFUSED(reason) .why = (reason)

#define U64       sizeof(uint64_t)
#define STATE     sizeof(struct vhost_user_ring_state)
#define ADDR      sizeof(struct vhost_user_ring_addr)
#define LOG       sizeof(struct vhost_user_log)
#define EMPTY_MEM offsetof(struct vhost_user_mem, regions)
#define MEM       sizeof(struct vhost_user_mem)
#define MEM_SLOT  sizeof(struct vhost_user_mem_slot)
#define CONFIG    sizeof(struct vhost_user_config)
#define INFLIGHT  sizeof(struct vhost_user_inflight)
#define TRANSFER  sizeof(struct vhost_user_state_transfer)
/* payloads of messages that are not served */
#define IOTLB      32
#define RING_AREA  24
#define UUID       16
#define SHMEM_AREA 40

#define NO_CRYPTO "there is no crypto device here"
#define NO_POSTCOPY \
	"post-copy would let a page that is late hold up a worker and all its ports; pre-copy is served"
#define NO_SHARED_OBJECTS "no device here has buffers to share with other devices"
#define NO_SHMEM          "no device here has a shared memory region"
#define NO_IOMMU          "VIRTIO_F_ACCESS_PLATFORM is not offered: guests share their memory as it is"

/* clang-format off */
static const struct message_row rows[] = {
	[VHOST_USER_GET_FEATURES] =
		{"GET_FEATURES", SIZE(0), REPLY(U64), ALWAYS, .handle = handle_get_features},
	[VHOST_USER_SET_FEATURES] =
		{"SET_FEATURES", SIZE(U64), ALWAYS, .handle = handle_set_features},
	[VHOST_USER_SET_OWNER] =
		{"SET_OWNER", SIZE(0), ALWAYS, .handle = handle_set_owner},
	[VHOST_USER_RESET_OWNER] =
		{"RESET_OWNER", SIZE(0), ALWAYS, .handle = handle_reset_owner},
	/* UML sends room for two regions and says that there is one */
	[VHOST_USER_SET_MEM_TABLE] =
		{"SET_MEM_TABLE", SIZES(EMPTY_MEM, MEM), FDS(0, VHOST_USER_MAX_REGIONS), ALWAYS,
			.handle = handle_set_mem_table},
	[VHOST_USER_SET_LOG_BASE] =
		{"SET_LOG_BASE", SIZE(LOG), FDS(1, 1), REPLY(U64), NEEDS(LOG_SHMFD),
			.handle = handle_set_log_base},
	[VHOST_USER_SET_LOG_FD] =
		{"SET_LOG_FD", SIZES(0, U64), FDS(1, 1), ALWAYS, .handle = handle_set_log_fd},
	[VHOST_USER_SET_VRING_NUM] =
		{"SET_VRING_NUM", SIZE(STATE), ALWAYS, .handle = handle_set_vring_num},
	[VHOST_USER_SET_VRING_ADDR] =
		{"SET_VRING_ADDR", SIZE(ADDR), ALWAYS, .handle = handle_set_vring_addr},
	[VHOST_USER_SET_VRING_BASE] =
		{"SET_VRING_BASE", SIZE(STATE), ALWAYS, .handle = handle_set_vring_base},
	[VHOST_USER_GET_VRING_BASE] =
		{"GET_VRING_BASE", SIZE(STATE), REPLY(STATE), ALWAYS, .handle = handle_get_vring_base},
	[VHOST_USER_SET_VRING_KICK] =
		{"SET_VRING_KICK", SIZE(U64), FDS(0, 1), ALWAYS, .handle = handle_set_vring_kick},
	[VHOST_USER_SET_VRING_CALL] =
		{"SET_VRING_CALL", SIZE(U64), FDS(0, 1), ALWAYS, .handle = handle_set_vring_call},
	[VHOST_USER_SET_VRING_ERR] =
		{"SET_VRING_ERR", SIZE(U64), FDS(0, 1), ALWAYS, .handle = handle_set_vring_err},
	[VHOST_USER_GET_PROTOCOL_FEATURES] =
		{"GET_PROTOCOL_FEATURES", SIZE(0), REPLY(U64), ALWAYS, .handle = handle_get_protocol_features},
	[VHOST_USER_SET_PROTOCOL_FEATURES] =
		{"SET_PROTOCOL_FEATURES", SIZE(U64), ALWAYS, .handle = handle_set_protocol_features},
	[VHOST_USER_GET_QUEUE_NUM] =
		{"GET_QUEUE_NUM", SIZE(0), REPLY(U64), NEEDS(MQ), .handle = handle_get_queue_num},
	/* not gated by bit 30 in SET_FEATURES: QEMU enables its rings before it sends any features */
	[VHOST_USER_SET_VRING_ENABLE] =
		{"SET_VRING_ENABLE", SIZE(STATE), ALWAYS, .handle = handle_set_vring_enable},
	[VHOST_USER_SEND_RARP] =
		{"SEND_RARP", SIZE(U64), NEEDS(RARP), .handle = handle_device_message},
	[VHOST_USER_NET_SET_MTU] =
		{"NET_SET_MTU", SIZE(U64), NEEDS(MTU), .handle = handle_device_message},
	[VHOST_USER_SET_BACKEND_REQ_FD] =
		{"SET_BACKEND_REQ_FD", SIZE(0), FDS(1, 1), NEEDS(BACKEND_REQ), .handle = handle_set_backend_req_fd},
	[VHOST_USER_IOTLB_MSG] =
		{"IOTLB_MSG", SIZE(IOTLB), ALWAYS, REFUSED(NO_IOMMU)},
	[VHOST_USER_SET_VRING_ENDIAN] =
		{"SET_VRING_ENDIAN", SIZE(STATE), NEEDS(CROSS_ENDIAN),
			REFUSED("a guest of the other byte order has to use virtio 1")},
	[VHOST_USER_GET_CONFIG] =
		{"GET_CONFIG", SIZES(CONFIG, CONFIG + VHOST_USER_CONFIG_MAX), REPLY(CONFIG), NEEDS(CONFIG),
			.handle = handle_get_config},
	[VHOST_USER_SET_CONFIG] =
		{"SET_CONFIG", SIZES(CONFIG, CONFIG + VHOST_USER_CONFIG_MAX), NEEDS(CONFIG),
			.handle = handle_set_config},
	[VHOST_USER_CREATE_CRYPTO_SESSION] =
		{"CREATE_CRYPTO_SESSION", NEEDS(CRYPTO_SESSION), REFUSED(NO_CRYPTO)},
	[VHOST_USER_CLOSE_CRYPTO_SESSION] =
		{"CLOSE_CRYPTO_SESSION", SIZE(U64), NEEDS(CRYPTO_SESSION), REFUSED(NO_CRYPTO)},
	[VHOST_USER_POSTCOPY_ADVISE] =
		{"POSTCOPY_ADVISE", NEEDS(PAGEFAULT), REFUSED(NO_POSTCOPY)},
	[VHOST_USER_POSTCOPY_LISTEN] =
		{"POSTCOPY_LISTEN", NEEDS(PAGEFAULT), REFUSED(NO_POSTCOPY)},
	[VHOST_USER_POSTCOPY_END] =
		{"POSTCOPY_END", REPLY(U64), NEEDS(PAGEFAULT), REFUSED(NO_POSTCOPY)},
	[VHOST_USER_GET_INFLIGHT_FD] =
		{"GET_INFLIGHT_FD", SIZE(INFLIGHT), REPLY(INFLIGHT), NEEDS(INFLIGHT_SHMFD),
			.handle = handle_get_inflight_fd},
	[VHOST_USER_SET_INFLIGHT_FD] =
		{"SET_INFLIGHT_FD", SIZE(INFLIGHT), FDS(1, 1), NEEDS(INFLIGHT_SHMFD), .handle = handle_set_inflight_fd},
	[VHOST_USER_GPU_SET_SOCKET] =
		{"GPU_SET_SOCKET", SIZES(0, U64), FDS(1, 1), ALWAYS, .handle = handle_device_message},
	[VHOST_USER_RESET_DEVICE] =
		{"RESET_DEVICE", SIZE(0), NEEDS(RESET_DEVICE), .handle = handle_reset_device},
	[VHOST_USER_VRING_KICK] =
		{"VRING_KICK", SIZE(STATE), NEEDS(INBAND_NOTIFICATIONS), .handle = handle_vring_kick},
	[VHOST_USER_GET_MAX_MEM_SLOTS] =
		{"GET_MAX_MEM_SLOTS", SIZE(0), REPLY(U64), NEEDS(CONFIGURE_MEM_SLOTS),
			.handle = handle_get_max_mem_slots},
	[VHOST_USER_ADD_MEM_REG] =
		{"ADD_MEM_REG", SIZE(MEM_SLOT), FDS(1, 1), NEEDS(CONFIGURE_MEM_SLOTS), .handle = handle_add_mem_reg},
	[VHOST_USER_REM_MEM_REG] =
		{"REM_MEM_REG", SIZE(MEM_SLOT), FDS(0, 1), NEEDS(CONFIGURE_MEM_SLOTS), .handle = handle_rem_mem_reg},
	[VHOST_USER_SET_STATUS] =
		{"SET_STATUS", SIZE(U64), NEEDS(STATUS), .handle = handle_set_status},
	[VHOST_USER_GET_STATUS] =
		{"GET_STATUS", SIZE(0), REPLY(U64), NEEDS(STATUS), .handle = handle_get_status},
	[VHOST_USER_GET_SHARED_OBJECT] =
		{"GET_SHARED_OBJECT", SIZE(UUID), NEEDS(SHARED_OBJECT), REFUSED(NO_SHARED_OBJECTS)},
	[VHOST_USER_SET_DEVICE_STATE_FD] =
		{"SET_DEVICE_STATE_FD", SIZE(TRANSFER), FDS(1, 1), REPLY(U64), NEEDS(DEVICE_STATE),
			.handle = handle_set_device_state_fd},
	[VHOST_USER_CHECK_DEVICE_STATE] =
		{"CHECK_DEVICE_STATE", SIZE(0), REPLY(U64), NEEDS(DEVICE_STATE),
			.handle = handle_check_device_state},
	[VHOST_USER_GET_SHMEM_CONFIG] =
		{"GET_SHMEM_CONFIG", NEEDS(SHMEM), REFUSED(NO_SHMEM)},
	[VHOST_USER_GET_VRING_BASE_SKIP_DRAIN] =
		{"GET_VRING_BASE_SKIP_DRAIN", SIZE(STATE), REPLY(STATE), NEEDS(GET_VRING_BASE_SKIP_DRAIN),
			REFUSED("every buffer is returned before a ring stops")},
};

static const struct message_row backend_rows[] = {
	[VHOST_USER_BACKEND_IOTLB_MSG] =
		{"IOTLB_MSG", SIZE(IOTLB), ALWAYS, REFUSED(NO_IOMMU)},
	[VHOST_USER_BACKEND_CONFIG_CHANGE_MSG] =
		{"CONFIG_CHANGE_MSG", SIZE(0), NEEDS(CONFIG)},
	[VHOST_USER_BACKEND_VRING_HOST_NOTIFIER_MSG] =
		{"VRING_HOST_NOTIFIER_MSG", SIZE(RING_AREA), FDS(0, 1), NEEDS(HOST_NOTIFIER),
			REFUSED("there is no hardware doorbell to hand out")},
	[VHOST_USER_BACKEND_VRING_CALL] =
		{"VRING_CALL", SIZE(STATE), NEEDS(INBAND_NOTIFICATIONS)},
	[VHOST_USER_BACKEND_VRING_ERR] =
		{"VRING_ERR", SIZE(STATE), NEEDS(INBAND_NOTIFICATIONS)},
	[VHOST_USER_BACKEND_SHARED_OBJECT_ADD] =
		{"SHARED_OBJECT_ADD", SIZE(UUID), NEEDS(SHARED_OBJECT), REFUSED(NO_SHARED_OBJECTS)},
	[VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE] =
		{"SHARED_OBJECT_REMOVE", SIZE(UUID), NEEDS(SHARED_OBJECT), REFUSED(NO_SHARED_OBJECTS)},
	[VHOST_USER_BACKEND_SHARED_OBJECT_LOOKUP] =
		{"SHARED_OBJECT_LOOKUP", SIZE(UUID), NEEDS(SHARED_OBJECT), REFUSED(NO_SHARED_OBJECTS)},
	[VHOST_USER_BACKEND_SHMEM_MAP] =
		{"SHMEM_MAP", SIZE(SHMEM_AREA), FDS(1, 1), NEEDS(SHMEM), REFUSED(NO_SHMEM)},
	[VHOST_USER_BACKEND_SHMEM_UNMAP] =
		{"SHMEM_UNMAP", SIZE(SHMEM_AREA), NEEDS(SHMEM), REFUSED(NO_SHMEM)},
};
/* clang-format on */

const struct message_row *message_row(uint32_t request)
{
	return request < ARRAY_LEN(rows) && rows[request].name ? &rows[request] : NULL;
}

const struct message_row *message_backend_row(uint32_t request)
{
	return request < ARRAY_LEN(backend_rows) && backend_rows[request].name ? &backend_rows[request]
									       : NULL;
}
