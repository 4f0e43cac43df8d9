/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain - a device at a ring that a guest may have filled with anything: takes buffers, gives them back, touches every
 * byte of them, stops and starts, in any order that virtio/virtq.h allows.
 *
 * Each buffer that is taken is compared with what a reading of the same memory says that is as plain as can be (the
 * model); and every page that the device wrote to is in the dirty log, if there is one, when it has flushed. What the
 * ring's format decides, split_chain.c and packed_chain.c bring.
 */
#ifndef GINNEL_FUZZ_CHAIN_H
#define GINNEL_FUZZ_CHAIN_H

#include "arena.h"

#include "virtio/virtq.h"

#define CHAIN_RING_MAX  256
#define CHAIN_TAKEN_MAX 300
#define CHAIN_SEGS_MAX  1100
/* For a burst: the longest chain has room, and one more. */
#define CHAIN_PIECES_MAX (2 * VIRTQ_MAX_CHAIN)

/* Where the three parts of a ring lie; a multiple of 16 after the start of memory. */
#define CHAIN_DESC_GPA  ARENA_GPA
#define CHAIN_AVAIL_GPA (ARENA_GPA + 0x1000)
/* The ring's last part ends with its region. */
#define CHAIN_USED_GPA(len) ((ARENA_GPA_2 - (len)) & ~3ull)

/* What virtq_pop() has to say. */
struct chain_expect {
	int result;             /* 1, 0, -ENOSPC, -EPROTO */
	enum virtq_error error; /* with -EPROTO; VIRTQ_OK: the model has no opinion which one */
	uint32_t n_read, n_write;
	uint64_t read_len, write_len;
	struct virtq_buffer buffer; /* with 1 and -ENOSPC */
};

struct chain_bed {
	struct virtq q;
	struct virtq_setup setup;
	struct gmem *mem;
	struct dirty_log log;
	bool log_all;     /* it covers all pages, and the used ring is logged where it lies */
	uint64_t written; /* pages that the device wrote to since it flushed */
	int call_fd, err_fd;
	uint32_t n_taken, n_pushed; /* of taken: those before n_pushed have been pushed */
	struct virtq_buffer taken[CHAIN_TAKEN_MAX];
	uint64_t write_lens[CHAIN_TAKEN_MAX];
	struct virtq_seg segs[CHAIN_SEGS_MAX];
	void (*model)(const struct chain_bed *bed, uint32_t max, struct chain_expect *e);
};

/* Reads setup and log from the input. False: the ring does not start, as the model of virtq_start() has it. */
bool chain_open(struct chain_bed *bed, struct fuzz *f, uint64_t features, uint64_t used_len);
void chain_close(struct chain_bed *bed);
/* Something that a device does. */
void chain_work(struct chain_bed *bed, struct fuzz *f);

/* For models: may a descriptor's buffer be read as an indirect table? VIRTQ_OK or an error. */
int chain_model_table(const struct chain_bed *bed, uint64_t gpa, uint32_t len, uint16_t flags);
/* For models: adds a buffer's pieces as regions cut them. VIRTQ_OK, VIRTQ_ADDRESS, VIRTQ_DIRECTION or -ENOSPC. */
int chain_model_add(struct chain_expect *e, uint32_t max, uint64_t gpa, uint32_t len, bool write);

#endif
