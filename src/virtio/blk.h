/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blk - what a virtio block device and its driver say to each other (virtio 1.2, 5.2): features, configuration space,
 * the header, ranges and status of a request. Layouts only; all fields are little-endian.
 *
 *	readable by the device    header, then data of OUT, or ranges of DISCARD and WRITE_ZEROES
 *	writable                  data of IN and GET_ID, then one byte of status: always the last one
 *
 * Where one descriptor ends and the next begins means nothing. Sectors have 512 bytes whatever blk_size says.
 */
#ifndef GINNEL_VIRTIO_BLK_H
#define GINNEL_VIRTIO_BLK_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define BLK_SECTOR_BITS 9
#define BLK_SECTOR      (1u << BLK_SECTOR_BITS)
#define BLK_ID_LEN      20

enum blk_feature {
	BLK_F_SIZE_MAX = 1,
	BLK_F_SEG_MAX = 2,
	BLK_F_GEOMETRY = 4,
	BLK_F_RO = 5,
	BLK_F_BLK_SIZE = 6,
	BLK_F_FLUSH = 9,
	BLK_F_TOPOLOGY = 10,
	BLK_F_CONFIG_WCE = 11,
	BLK_F_MQ = 12,
	BLK_F_DISCARD = 13,
	BLK_F_WRITE_ZEROES = 14,
	BLK_F_LIFETIME = 15,
	BLK_F_SECURE_ERASE = 16,
	BLK_F_ZONED = 17,
};

/* 5.2.4, as far as SECURE_ERASE. */
struct blk_config {
	uint64_t capacity; /* sectors */
	uint32_t size_max;
	uint32_t seg_max;
	uint16_t cylinders;
	uint8_t heads;
	uint8_t sectors;
	uint32_t blk_size;
	uint8_t physical_block_exp; /* blocks in a physical one, as a power of two */
	uint8_t alignment_offset;
	uint16_t min_io_size; /* blocks */
	uint32_t opt_io_size; /* blocks */
	uint8_t writeback;    /* the only byte that the driver may write */
	uint8_t unused0;
	uint16_t num_queues;
	uint32_t max_discard_sectors;
	uint32_t max_discard_seg;
	uint32_t discard_sector_alignment;
	uint32_t max_write_zeroes_sectors;
	uint32_t max_write_zeroes_seg;
	uint8_t write_zeroes_may_unmap;
	uint8_t unused1[3];
	uint32_t max_secure_erase_sectors;
	uint32_t max_secure_erase_seg;
	uint32_t secure_erase_sector_alignment;
};

static_assert(offsetof(struct blk_config, blk_size) == 20, "blk config: blk_size");
static_assert(offsetof(struct blk_config, writeback) == 32, "blk config: writeback");
static_assert(offsetof(struct blk_config, num_queues) == 34, "blk config: num_queues");
static_assert(offsetof(struct blk_config, max_discard_sectors) == 36, "blk config: discard");
static_assert(offsetof(struct blk_config, write_zeroes_may_unmap) == 56, "blk config: write zeroes");
static_assert(offsetof(struct blk_config, max_secure_erase_sectors) == 60, "blk config: secure erase");
static_assert(sizeof(struct blk_config) == 72, "blk config");

enum blk_type {
	BLK_T_IN = 0,
	BLK_T_OUT = 1,
	BLK_T_FLUSH = 4,
	BLK_T_GET_ID = 8,
	BLK_T_GET_LIFETIME = 10,
	BLK_T_DISCARD = 11,
	BLK_T_WRITE_ZEROES = 13,
	BLK_T_SECURE_ERASE = 14,
};

struct blk_header {
	uint32_t type;
	uint32_t ioprio;
	uint64_t sector;
};

static_assert(sizeof(struct blk_header) == 16, "blk header");

#define BLK_RANGE_UNMAP 1u

/* Of DISCARD, WRITE_ZEROES and SECURE_ERASE. */
struct blk_range {
	uint64_t sector;
	uint32_t n_sectors;
	uint32_t flags; /* BLK_RANGE_* */
};

static_assert(sizeof(struct blk_range) == 16, "blk range");

enum blk_status {
	BLK_S_OK = 0,
	BLK_S_IOERR = 1,
	BLK_S_UNSUPP = 2,
};

#endif
