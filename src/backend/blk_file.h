/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blk_file - the image of a disk: a raw file or a block device, opened once, with what is known about it.
 *
 * With cache=none it is opened past the page cache, where every transfer has to be aligned. What a guest does not align
 * goes through a second descriptor of the same file; the kernel keeps the two coherent.
 *
 * The size may change while the disk is in use, by a command or because somebody else grows or truncates the file. It
 * is one atomic number, written by the control thread alone; a request is checked against it once. What lies behind the
 * file's true end fails in the kernel.
 *
 * An image is locked in the way QEMU locks its images, so that neither opens for writing what the other uses.
 */
#ifndef GINNEL_BACKEND_BLK_FILE_H
#define GINNEL_BACKEND_BLK_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLK_BLOCK_MAX 65536u

enum blk_cache {
	BLK_CACHE_WRITEBACK,    /* the page cache, until the guest flushes */
	BLK_CACHE_WRITETHROUGH, /* the page cache, but no write is answered before it is on the disk */
	BLK_CACHE_NONE,         /* past the page cache, until the guest flushes */
};

struct blk_file_options {
	const char *path; /* or "fd:N", a descriptor that is taken over */
	bool read_only;
	enum blk_cache cache;
	uint32_t block_size, physical_block_size; /* 0: what the image's storage has */
	bool unlocked;                            /* take no lock */
};

struct blk_file {
	int fd;
	int plain_fd; /* the same without O_DIRECT; equal to fd if that has none either */
	bool block_device;
	bool read_only;
	bool nowait; /* a read can be told to fail instead of waiting for storage: RWF_NOWAIT */
	uint32_t offset_align, memory_align; /* of fd */
	uint32_t block_size, physical_block_size;
	uint64_t size; /* bytes, whole sectors; blk_file_size() */
};

/* 0, or -errno and a sentence in why that names the mend. */
int blk_file_open(struct blk_file *f, const struct blk_file_options *options, char *why, size_t why_len);
void blk_file_close(struct blk_file *f);

static inline uint64_t blk_file_size(const struct blk_file *f)
{
	return __atomic_load_n(&f->size, __ATOMIC_RELAXED);
}

/* Looks how large it is now. 1: otherwise than before; 0; or -errno. */
int blk_file_look(struct blk_file *f);
/* Makes a raw file that large, whole sectors. 0 or -errno; -ENOTSUP: a block device has the size it has. */
int blk_file_resize(struct blk_file *f, uint64_t size);

#endif
