/* SPDX-License-Identifier: Apache-2.0 */
/* feature_names - what the feature bits of network and block devices are called in the virtio specification. */
#ifndef GINNEL_VIRTIO_FEATURE_NAMES_H
#define GINNEL_VIRTIO_FEATURE_NAMES_H

#include <stdint.h>

/* "VIRTIO_NET_F_MRG_RXBUF" for bit 15; NULL for a bit without a name here. */
const char *virtio_net_feature_name(unsigned bit);
/* "VIRTIO_BLK_F_FLUSH" for bit 9. */
const char *virtio_blk_feature_name(unsigned bit);

#endif
