/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/blk_options.h"

#include "base/check.h"
#include "base/log.h"
#include "base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPIN_MAX_US  1000000
#define DRAIN_MAX_MS 3600000
#define RATE_MAX     (1ull << 32)

static struct blk_options *blk_of(void *target)
{
	return &((struct blk_command_line *)target)->blk;
}

static int set_blk_file(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	struct blk_command_line *line = target;
	int fd;

	line->blk.file.path = text;
	if (strncmp(text, "fd:", 3) == 0)
		return backend_option_fd(line->common, text + 3, &fd, wanted);
	return *text ? 0 : option_wrong(wanted, "a path, or fd:N for a descriptor that is open");
}

static int set_read_only(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	blk_of(target)->file.read_only = true;
	return 0;
}

/* text as a place in a list of words that ends with NULL, or -EINVAL. */
static int word_of(const char *text, const char *const *words, unsigned *out)
{
	for (unsigned i = 0; words[i]; i++)
		if (strcmp(text, words[i]) == 0) {
			*out = i;
			return 0;
		}
	return -EINVAL;
}

static int set_cache(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	static const char *const words[] = {[BLK_CACHE_WRITEBACK] = "writeback",
		[BLK_CACHE_WRITETHROUGH] = "writethrough",
		[BLK_CACHE_NONE] = "none",
		NULL};
	unsigned word;

	if (word_of(text, words, &word) < 0)
		return option_wrong(wanted, "writeback, writethrough or none");
	blk_of(target)->file.cache = (enum blk_cache)word;
	return 0;
}

static int set_engine(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	static const char *const words[] = {[BLK_ENGINE_AUTO] = "auto",
		[BLK_ENGINE_URING] = "uring",
		[BLK_ENGINE_THREADS] = "threads",
		[BLK_ENGINE_NULL] = "null",
		[BLK_ENGINE_RAM] = "ram",
		NULL};
	unsigned word;

	if (word_of(text, words, &word) < 0)
		return option_wrong(wanted, "auto, uring, threads, null or ram");
	blk_of(target)->engine = (enum blk_engine_choice)word;
	return 0;
}

static int on_off(const char *text, bool *out, char wanted[OPTION_WANTED_LEN])
{
	static const char *const words[] = {"off", "on", NULL};
	unsigned word;

	if (word_of(text, words, &word) < 0)
		return option_wrong(wanted, "on or off");
	*out = word;
	return 0;
}

static int set_discard(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return on_off(text, &blk_of(target)->discard, wanted);
}

static int set_write_zeroes(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return on_off(text, &blk_of(target)->write_zeroes, wanted);
}

static int set_lock(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	bool lock = true;
	int err = on_off(text, &lock, wanted);

	blk_of(target)->file.unlocked = err == 0 && !lock;
	return err;
}

static int block_of(const char *text, uint32_t *out, char wanted[OPTION_WANTED_LEN])
{
	uint64_t n;

	if (option_number(text, BLK_SECTOR, BLK_BLOCK_MAX, &n, wanted) < 0 || (n & (n - 1)) != 0)
		return option_wrong(wanted, "a power of two from %u to %u", BLK_SECTOR, BLK_BLOCK_MAX);
	*out = (uint32_t)n;
	return 0;
}

static int set_block_size(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return block_of(text, &blk_of(target)->file.block_size, wanted);
}

static int set_physical_block_size(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return block_of(text, &blk_of(target)->file.physical_block_size, wanted);
}

static int set_serial(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	if (strlen(text) > BLK_ID_LEN)
		return option_wrong(wanted, "at most %u characters", BLK_ID_LEN);
	blk_of(target)->serial = text;
	return 0;
}

static int number32(
	const char *text, uint32_t min, uint32_t max, uint32_t *out, char wanted[OPTION_WANTED_LEN])
{
	uint64_t n;
	int err = option_number(text, min, max, &n, wanted);

	if (err == 0)
		*out = (uint32_t)n;
	return err;
}

static int set_seg_max(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	((struct blk_command_line *)target)->seg_max_set = true;
	return number32(text, 1, BLK_SEG_MAX_MAX, &blk_of(target)->seg_max, wanted);
}

static int set_depth(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return number32(text, 1, BLK_DEPTH_MAX, &blk_of(target)->depth, wanted);
}

static int set_workers(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return number32(text, 1, BLK_WORKERS_MAX, &blk_of(target)->n_workers, wanted);
}

static int set_threads(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return number32(text, 1, BLK_THREADS_MAX, &blk_of(target)->n_threads, wanted);
}

static int set_iops(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return option_number(text, 0, RATE_MAX, &blk_of(target)->requests_per_s, wanted);
}

static int set_bps(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return option_number(text, 0, RATE_MAX, &blk_of(target)->bytes_per_s, wanted);
}

static int set_spin(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	uint64_t us;
	int err = option_number(text, 0, SPIN_MAX_US, &us, wanted);

	if (err == 0)
		blk_of(target)->spin_ns = us * NS_PER_US;
	((struct blk_command_line *)target)->spin_set = true;
	return err;
}

static int set_drain(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	uint64_t ms;
	int err = option_number(text, 1, DRAIN_MAX_MS, &ms, wanted);

	if (err == 0)
		blk_of(target)->drain_ns = ms * NS_PER_MS;
	return err;
}

const struct option_row blk_option_rows[] = {
	{"blk-file", 'b', "PATH", "the image: a raw file or a block device, or fd:N for one that is open",
		set_blk_file},
	{"read-only", 'r', NULL, "the guest cannot change it", set_read_only},
	{"cache", 0, "MODE",
		"writeback (default): the page cache until the guest flushes; writethrough: no write is "
		"answered "
		"before it is on the disk; none: past the page cache, until the guest flushes",
		set_cache},
	{"block-size", 0, "BYTES", "what the guest reads and writes in (default: as the image's storage)",
		set_block_size},
	{"physical-block-size", 0, "BYTES", "what it should align to (default: as the image's storage)",
		set_physical_block_size},
	{"serial", 0, "TEXT", "up to 20 characters, by which the guest finds the disk", set_serial},
	{"discard", 0, "on|off", "the guest may give room back (default on)", set_discard},
	{"write-zeroes", 0, "on|off", "the guest may have zeros written (default on)", set_write_zeroes},
	{"seg-max", 0, "N", "pieces of memory in one request (default 126, or what --queue-size leaves)",
		set_seg_max},
	{"iops", 0, "N",
		"requests per second at most, of all queues; after a pause 100 ms' worth goes at once",
		set_iops},
	{"bps", 0, "BYTES", "bytes per second at most, in the same way", set_bps},
	{"engine", 0, "NAME",
		"auto (default): uring, or threads where the kernel forbids it; null and ram are for "
		"measuring: "
		"they do nothing, and keep the image in memory that is gone afterwards",
		set_engine},
	{"workers", 0, "N", "threads that serve the queues (default 1)", set_workers},
	{"threads", 0, "N", "threads that wait for storage, with --engine=threads (default 8)", set_threads},
	{"depth", 0, "N", "requests of a queue that are worked on at once (default 256)", set_depth},
	{"spin", 0, "USEC", "how long a worker looks for more before it sleeps (default 50)", set_spin},
	{"drain", 0, "MS",
		"how long storage has to finish requests whose guest stops its queue or leaves (default "
		"5000)",
		set_drain},
	{"lock", 0, "on|off", "keep other programs from writing to the image, as QEMU does (default on)",
		set_lock},
	{0},
};

/* A chain has a descriptor for the header and one for the status, and fits into the ring. */
static void fit_seg_max(struct blk_command_line *line)
{
	uint32_t size = line->common->queue_size;

	if (!line->seg_max_set && size < line->blk.seg_max + 2)
		line->blk.seg_max = size > 3 ? size - 2 : 1;
}

int blk_options_check(struct blk_command_line *line)
{
	struct blk_options *o = &line->blk;

	if (!o->file.path) {
		log_error("no image: give --blk-file=PATH");
		return -EINVAL;
	}
	fit_seg_max(line);
	o->n_queues = line->common->queues;
	o->poll_ns = line->common->poll_us * NS_PER_US;
	if (o->poll_ns && !line->spin_set)
		o->spin_ns = 0;
	return 0;
}
