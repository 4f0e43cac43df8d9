/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protocol_feature - the protocol feature bits of vhost-user ("Protocol features"), each with who in this engine
 * provides it. A bit that nobody provides has its reason in the table and is never offered.
 */
#ifndef GINNEL_VHOST_PROTOCOL_FEATURE_H
#define GINNEL_VHOST_PROTOCOL_FEATURE_H

#include <stdint.h>

enum vhost_protocol_feature {
	VHOST_USER_PROTOCOL_F_MQ = 0,
	VHOST_USER_PROTOCOL_F_LOG_SHMFD = 1,
	VHOST_USER_PROTOCOL_F_RARP = 2,
	VHOST_USER_PROTOCOL_F_REPLY_ACK = 3,
	VHOST_USER_PROTOCOL_F_MTU = 4,
	VHOST_USER_PROTOCOL_F_BACKEND_REQ = 5,
	VHOST_USER_PROTOCOL_F_CROSS_ENDIAN = 6,
	VHOST_USER_PROTOCOL_F_CRYPTO_SESSION = 7,
	VHOST_USER_PROTOCOL_F_PAGEFAULT = 8,
	VHOST_USER_PROTOCOL_F_CONFIG = 9,
	VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD = 10,
	VHOST_USER_PROTOCOL_F_HOST_NOTIFIER = 11,
	VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD = 12,
	VHOST_USER_PROTOCOL_F_RESET_DEVICE = 13,
	VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS = 14,
	VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15,
	VHOST_USER_PROTOCOL_F_STATUS = 16,
	VHOST_USER_PROTOCOL_F_XEN_MMAP = 17,
	VHOST_USER_PROTOCOL_F_SHARED_OBJECT = 18,
	VHOST_USER_PROTOCOL_F_DEVICE_STATE = 19,
	VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT = 20,
	VHOST_USER_PROTOCOL_F_GPA_ADDRESSES = 21,
	VHOST_USER_PROTOCOL_F_SHMEM = 22,
	VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN = 23,
	VHOST_USER_PROTOCOL_F_COUNT,
};

enum vhost_provider {
	VHOST_BY_NOBODY,
	VHOST_BY_ENGINE, /* offered for every device */
	VHOST_BY_DEVICE, /* offered when vhost_backend_config.protocol_features has it */
};

struct vhost_protocol_feature_row {
	const char *name;
	enum vhost_provider provider;
	const char *why; /* nobody provides it; or what a device has to do */
};

/* NULL for a bit without a name here. */
const struct vhost_protocol_feature_row *vhost_protocol_feature(unsigned bit);
/* "VHOST_USER_PROTOCOL_F_MQ" for bit 0; NULL for a bit without a name here. */
const char *vhost_protocol_feature_name(unsigned bit);
/* All bits with this provider. */
uint64_t vhost_protocol_features_by(enum vhost_provider provider);

#endif
