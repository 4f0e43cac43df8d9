/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/protocol_feature.h"

#include "base/check.h"

#include <stddef.h>

#define NAME(bit) .name = "VHOST_USER_PROTOCOL_F_" bit

/* clang-format off */
static const struct vhost_protocol_feature_row rows[VHOST_USER_PROTOCOL_F_COUNT] = {
	[VHOST_USER_PROTOCOL_F_MQ] = {NAME("MQ"), VHOST_BY_ENGINE},
	[VHOST_USER_PROTOCOL_F_LOG_SHMFD] = {NAME("LOG_SHMFD"), VHOST_BY_ENGINE},
	[VHOST_USER_PROTOCOL_F_RARP] = {NAME("RARP"), VHOST_BY_DEVICE, "announces a guest that has moved"},
	[VHOST_USER_PROTOCOL_F_REPLY_ACK] = {NAME("REPLY_ACK"), VHOST_BY_ENGINE},
	[VHOST_USER_PROTOCOL_F_MTU] = {NAME("MTU"), VHOST_BY_DEVICE, "takes the guest's MTU"},
	[VHOST_USER_PROTOCOL_F_BACKEND_REQ] = {NAME("BACKEND_REQ"), VHOST_BY_ENGINE},
	[VHOST_USER_PROTOCOL_F_CROSS_ENDIAN] = {NAME("CROSS_ENDIAN"), VHOST_BY_NOBODY,
		"a guest of the other byte order has to use virtio 1"},
	[VHOST_USER_PROTOCOL_F_CRYPTO_SESSION] = {NAME("CRYPTO_SESSION"), VHOST_BY_NOBODY,
		"there is no crypto device here"},
	[VHOST_USER_PROTOCOL_F_PAGEFAULT] = {NAME("PAGEFAULT"), VHOST_BY_NOBODY,
		"post-copy would let a page that is late hold up a worker and all its ports; pre-copy is served"},
	[VHOST_USER_PROTOCOL_F_CONFIG] = {NAME("CONFIG"), VHOST_BY_DEVICE, "has a configuration space"},
	[VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD] = {NAME("BACKEND_SEND_FD"), VHOST_BY_NOBODY,
		"none of our requests carries a descriptor"},
	[VHOST_USER_PROTOCOL_F_HOST_NOTIFIER] = {NAME("HOST_NOTIFIER"), VHOST_BY_NOBODY,
		"there is no hardware doorbell to hand out"},
	[VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD] = {NAME("INFLIGHT_SHMFD"), VHOST_BY_DEVICE,
		"keeps buffers across turns and writes them down"},
	[VHOST_USER_PROTOCOL_F_RESET_DEVICE] = {NAME("RESET_DEVICE"), VHOST_BY_ENGINE},
	[VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS] = {NAME("INBAND_NOTIFICATIONS"), VHOST_BY_DEVICE,
		"wants kicks as messages: UML takes them wherever they are offered, and each costs a round trip"},
	[VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS] = {NAME("CONFIGURE_MEM_SLOTS"), VHOST_BY_ENGINE},
	[VHOST_USER_PROTOCOL_F_STATUS] = {NAME("STATUS"), VHOST_BY_ENGINE},
	[VHOST_USER_PROTOCOL_F_XEN_MMAP] = {NAME("XEN_MMAP"), VHOST_BY_NOBODY,
		"grant mappings exist under Xen only"},
	[VHOST_USER_PROTOCOL_F_SHARED_OBJECT] = {NAME("SHARED_OBJECT"), VHOST_BY_NOBODY,
		"no device here has buffers to share with other devices"},
	[VHOST_USER_PROTOCOL_F_DEVICE_STATE] = {NAME("DEVICE_STATE"), VHOST_BY_DEVICE,
		"has a state that is not in the guest's memory"},
	[VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT] = {NAME("GET_VRING_BASE_INFLIGHT"), VHOST_BY_NOBODY,
		"every buffer is returned before a ring stops"},
	[VHOST_USER_PROTOCOL_F_GPA_ADDRESSES] = {NAME("GPA_ADDRESSES"), VHOST_BY_NOBODY,
		"rust-vmm up to 0.16 means SHMEM by this bit"},
	[VHOST_USER_PROTOCOL_F_SHMEM] = {NAME("SHMEM"), VHOST_BY_NOBODY,
		"no device here has a shared memory region"},
	[VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN] = {NAME("GET_VRING_BASE_SKIP_DRAIN"), VHOST_BY_NOBODY,
		"every buffer is returned before a ring stops"},
};
/* clang-format on */

const struct vhost_protocol_feature_row *vhost_protocol_feature(unsigned bit)
{
	return bit < VHOST_USER_PROTOCOL_F_COUNT ? &rows[bit] : NULL;
}

const char *vhost_protocol_feature_name(unsigned bit)
{
	const struct vhost_protocol_feature_row *row = vhost_protocol_feature(bit);

	return row ? row->name : NULL;
}

uint64_t vhost_protocol_features_by(enum vhost_provider provider)
{
	uint64_t bits = 0;

	for (unsigned bit = 0; bit < VHOST_USER_PROTOCOL_F_COUNT; bit++)
		if (rows[bit].provider == provider)
			bits |= BIT(bit);
	return bits;
}
