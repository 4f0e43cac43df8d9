/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz - an input of a fuzzer, read as decisions: what comes next, how long, with which value.
 *
 * Each target is one file with one LLVMFuzzerTestOneInput(). Linked with libFuzzer it searches (./dev fuzz); linked with
 * replay.c it is a test that goes through tests/fuzz/corpus/TARGET. A run depends on its input alone and leaves nothing
 * behind. What must hold is said with ASSERT; the sanitizers say the rest.
 *
 * An input that is over goes on with zeros, so every input means something.
 */
#ifndef GINNEL_FUZZ_H
#define GINNEL_FUZZ_H

#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct fuzz {
	const uint8_t *at, *end;
};

static inline struct fuzz fuzz_begin(const uint8_t *data, size_t len)
{
	return (struct fuzz){.at = data, .end = data + len};
}

static inline bool fuzz_over(const struct fuzz *f)
{
	return f->at == f->end;
}

static inline void fuzz_bytes(struct fuzz *f, void *to, size_t len)
{
	size_t there = min_u64(len, (uint64_t)(f->end - f->at));

	if (len == 0)
		return;
	memset(to, 0, len);
	if (there > 0)
		memcpy(to, f->at, there);
	f->at += there;
}

static inline uint8_t fuzz_u8(struct fuzz *f)
{
	return fuzz_over(f) ? 0 : *f->at++;
}

static inline uint16_t fuzz_u16(struct fuzz *f)
{
	uint16_t value;

	fuzz_bytes(f, &value, sizeof(value));
	return value;
}

static inline uint32_t fuzz_u32(struct fuzz *f)
{
	uint32_t value;

	fuzz_bytes(f, &value, sizeof(value));
	return value;
}

static inline uint64_t fuzz_u64(struct fuzz *f)
{
	uint64_t value;

	fuzz_bytes(f, &value, sizeof(value));
	return value;
}

/* 0 .. n-1, n at most 256. */
static inline uint32_t fuzz_below(struct fuzz *f, uint32_t n)
{
	return fuzz_u8(f) % n;
}

/* One of the values that are worth a try, or now and then any. */
static inline uint64_t fuzz_pick(struct fuzz *f, const uint64_t *values, uint32_t n)
{
	uint32_t i = fuzz_u8(f);

	return i < 240 ? values[i % n] : fuzz_u64(f);
}

#endif
