/* SPDX-License-Identifier: Apache-2.0 */
#include "blkbench/verify.h"

#include "base/check.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR       512u
#define SECTOR_WORDS (SECTOR / sizeof(uint64_t))
#define GENERATION   0x3fffffffu

#define MAGIC   0x6b6c622d6c6e6e67ull
#define VERSION 1

/* Of the file; the words follow. */
struct header {
	uint64_t magic, version;
	struct verify_shape shape;
	uint64_t complete; /* 1: all of the above was written */
	uint64_t unused[8];
};

static_assert(sizeof(struct header) % sizeof(uint64_t) == 0, "the words are aligned");

/* A word of the table, unpacked. */
struct claim {
	uint32_t data_from, issued;
	bool zeroes, anything;
};

#define ZEROES   BIT(30)
#define ANYTHING BIT(31)

static struct claim claim_of(const struct verify *v, uint64_t block)
{
	uint64_t word = __atomic_load_n(&v->words[block], __ATOMIC_RELAXED);

	return (struct claim){.issued = (uint32_t)(word >> 32) & GENERATION,
		.data_from = (uint32_t)word & GENERATION,
		.zeroes = word & ZEROES,
		/* a table of zeroes is one of which nothing is known */
		.anything = !(word & ANYTHING)};
}

/* In one store: whoever is killed leaves the one or the other. */
static void claim_set(struct verify *v, uint64_t block, const struct claim *c)
{
	uint64_t word = (uint64_t)c->issued << 32 | c->data_from | (c->zeroes ? ZEROES : 0) |
			(c->anything ? 0 : ANYTHING);

	__atomic_store_n(&v->words[block], word, __ATOMIC_RELEASE);
}

const char *verify_text(enum verify_verdict verdict)
{
	static const char *const texts[] = {
		[VERIFY_GOOD] = "as written",
		[VERIFY_UNKNOWN] = "nothing is known of it",
		[VERIFY_LOST] = "an acknowledged write is lost",
		[VERIFY_FOREIGN] = "what is there was never written there",
		[VERIFY_CORRUPT] = "damaged",
	};

	return texts[verdict];
}

/* --- the table --- */

static int explain(int err, const char *file, const char *what, char *why, size_t why_len)
{
	snprintf(why, why_len, "--verify-state %s: %s", file, what ? what : strerror(-err));
	return err;
}

/* A file of another run, whose blocks are others, would tell of losses that are none. */
static int check_header(struct verify *v, const struct header *h, const char *file, char *why, size_t why_len)
{
	const struct verify_shape *is = &h->shape, *want = &v->shape;

	if (h->magic != MAGIC || h->version != VERSION || h->complete != 1)
		return explain(
			-EINVAL, file, "is no state of ours: give another name, or remove it", why, why_len);
	if (is->offset != want->offset || is->n_blocks != want->n_blocks ||
		is->block_size != want->block_size) {
		snprintf(why, why_len,
			"--verify-state %s: is about %" PRIu64 " blocks of %u bytes from %" PRIu64
			" on: give the same --block-size, --offset and --size, or remove it",
			file, is->n_blocks, is->block_size, is->offset);
		return -EINVAL;
	}
	v->shape.seed = is->seed;
	return 0;
}

static void write_header(const struct verify *v, struct header *h)
{
	h->version = VERSION;
	h->shape = v->shape;
	h->magic = MAGIC;
	__atomic_store_n(&h->complete, 1, __ATOMIC_RELEASE);
}

static int map_file(struct verify *v, int fd, const char *file, char *why, size_t why_len)
{
	struct stat st;
	bool fresh;
	int err = 0;

	if (fstat(fd, &st) < 0)
		return explain(-errno, file, NULL, why, why_len);
	fresh = st.st_size == 0;
	if (fresh && ftruncate(fd, (off_t)v->map_len) < 0)
		return explain(-errno, file, NULL, why, why_len);
	if (!fresh && st.st_size < (off_t)sizeof(struct header))
		return explain(-EINVAL, file, "is no state of ours: give another name", why, why_len);
	v->map = mmap(NULL, v->map_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (v->map == MAP_FAILED) {
		v->map = NULL;
		return explain(-errno, file, NULL, why, why_len);
	}
	if (fresh)
		write_header(v, v->map);
	else
		err = check_header(v, v->map, file, why, why_len);
	if (!err && !fresh && st.st_size != (off_t)v->map_len)
		err = explain(-EINVAL, file, "is cut short: remove it", why, why_len);
	v->words = (uint64_t *)(void *)((struct header *)v->map + 1);
	return err;
}

static int open_file(struct verify *v, const char *file, char *why, size_t why_len)
{
	int err, fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		return explain(-errno, file, NULL, why, why_len);
	v->map_len = sizeof(struct header) + v->shape.n_blocks * sizeof(uint64_t);
	err = map_file(v, fd, file, why, why_len);
	close(fd);
	return err;
}

int verify_open(
	struct verify *v, const struct verify_shape *shape, const char *file, char *why, size_t why_len)
{
	int err = 0;

	*v = (struct verify){.shape = *shape};
	v->busy = calloc(shape->n_blocks, sizeof(*v->busy));
	if (file)
		err = open_file(v, file, why, why_len);
	else
		v->words = calloc(shape->n_blocks, sizeof(*v->words));
	if (!err && (!v->busy || !v->words)) {
		err = -ENOMEM;
		snprintf(why, why_len, "no memory for a table of %" PRIu64 " blocks: give a smaller --size",
			shape->n_blocks);
	}
	if (err)
		verify_close(v);
	return err;
}

void verify_close(struct verify *v)
{
	if (v->map)
		munmap(v->map, v->map_len);
	else
		free(v->words);
	free(v->busy);
	*v = (struct verify){0};
}

/* --- what is under way --- */

bool verify_begin(struct verify *v, enum blk_op op, uint64_t block)
{
	uint16_t *busy = &v->busy[block];

	if (op == OP_READ) {
		if (*busy >= VERIFY_WRITER - 1)
			return false;
		++*busy;
		return true;
	}
	/* the next number must fit into its field */
	if (*busy != 0 || claim_of(v, block).issued == GENERATION)
		return false;
	*busy = VERIFY_WRITER;
	return true;
}

void verify_end(struct verify *v, enum blk_op op, uint64_t block)
{
	if (op == OP_READ)
		v->busy[block]--;
	else
		v->busy[block] = 0;
}

uint32_t verify_issue(struct verify *v, enum blk_op op, uint64_t block)
{
	struct claim c = claim_of(v, block);

	c.issued++;
	c.zeroes |= op == OP_ZEROES;
	c.anything |= op == OP_DISCARD;
	claim_set(v, block, &c);
	return c.issued;
}

void verify_acknowledged(struct verify *v, enum blk_op op, uint64_t block, uint32_t generation)
{
	struct claim c = claim_of(v, block);

	if (op == OP_DISCARD)
		return;
	/* of the data from before nothing may be left; this generation itself has none if it is of zeroes */
	c.data_from = op == OP_ZEROES ? generation + 1 : generation;
	c.zeroes = op == OP_ZEROES;
	c.anything = false;
	claim_set(v, block, &c);
}

void verify_failed(struct verify *v, uint64_t block)
{
	struct claim c = claim_of(v, block);

	c.anything = true;
	claim_set(v, block, &c);
}

/* --- bytes --- */

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 32)) * 0xd6e8feb86659fd93ull;
	return z ^ (z >> 32);
}

/* What a sector's other words begin with. */
static uint64_t stream_of(uint64_t seed, uint64_t sector, uint32_t generation)
{
	return mix(seed ^ mix(sector ^ mix(generation + 1)));
}

static uint64_t word_of(uint64_t stream, uint32_t i)
{
	return (stream + i) * 0x9e3779b97f4a7c15ull;
}

static uint64_t first_sector(const struct verify *v, uint64_t block)
{
	return (v->shape.offset + block * v->shape.block_size) / SECTOR;
}

void verify_fill(const struct verify *v, uint64_t block, uint32_t generation, void *data)
{
	const uint64_t first = first_sector(v, block);
	uint64_t *words = data;

	for (uint32_t s = 0; s < v->shape.block_size / SECTOR; s++, words += SECTOR_WORDS) {
		const uint64_t stream = stream_of(v->shape.seed, first + s, generation);

		words[0] = first + s;
		words[1] = generation;
		words[2] = v->shape.seed;
		for (uint32_t i = 3; i < SECTOR_WORDS; i++)
			words[i] = word_of(stream, i);
	}
}

static bool all_zero(const uint64_t *words)
{
	uint64_t any = 0;

	for (uint32_t i = 0; i < SECTOR_WORDS; i++)
		any |= words[i];
	return any == 0;
}

static bool sector_whole(const struct verify *v, uint64_t sector, uint32_t generation, const uint64_t *words)
{
	const uint64_t stream = stream_of(v->shape.seed, sector, generation);
	uint64_t wrong = 0;

	for (uint32_t i = 3; i < SECTOR_WORDS; i++)
		wrong |= words[i] ^ word_of(stream, i);
	return wrong == 0;
}

static enum verify_verdict check_sector(
	const struct verify *v, const struct claim *c, uint64_t sector, const uint64_t *words)
{
	const uint64_t generation = words[1];

	if (all_zero(words))
		return c->zeroes ? VERIFY_GOOD : VERIFY_LOST;
	if (words[0] != sector || words[2] != v->shape.seed || generation > c->issued)
		return VERIFY_FOREIGN;
	if (!sector_whole(v, sector, (uint32_t)generation, words))
		return VERIFY_CORRUPT;
	return generation < c->data_from ? VERIFY_LOST : VERIFY_GOOD;
}

struct verify_finding verify_check(const struct verify *v, uint64_t block, const void *data)
{
	const struct claim c = claim_of(v, block);
	const uint64_t first = first_sector(v, block);
	const uint64_t *words = data;
	struct verify_finding f = {.data_from = c.data_from, .issued = c.issued};

	if (c.anything) {
		f.verdict = VERIFY_UNKNOWN;
		return f;
	}
	for (; f.sector < v->shape.block_size / SECTOR; f.sector++, words += SECTOR_WORDS) {
		f.verdict = check_sector(v, &c, first + f.sector, words);
		if (f.verdict != VERIFY_GOOD) {
			f.generation = (uint32_t)words[1];
			return f;
		}
	}
	return f;
}
