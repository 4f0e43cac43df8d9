/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A front-end that shares whatever it can get hold of, with a back-end that accepts two regions at a time of a listed
 * memfd and of the files in a listed directory. Whatever it says and however often, nothing else is ever mapped.
 */
#include "base/check.h"
#include "base/random.h"
#include "base/test.h"
#include "os/foreign.h"
#include "vhost/fake_device.h"
#include "vhost/fake_front.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOTS    2
#define SEEDS    20
#define MESSAGES 600
#define PROTO    (1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS | 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK)
#define LEN      0x10000

/* What the front-end has; the first N_LISTED are welcome. */
enum {
	LISTED,
	LISTED_COPY,
	IN_DIR,
	N_LISTED,
	UNLISTED = N_LISTED,
	SAME_NAME,
	UNLINKED,
	OTHER_DIR,
	PIPE,
	NULL_DEVICE,
	SOCKET,
	DIRECTORY,
	N_FDS
};

struct bed {
	struct mem_filter filter;
	struct fake_device device;
	struct fake_front front;
	struct random random;
	char dir[64];
	int fds[N_FDS];
	int ends[3]; /* of the pipe and the socket, and a directory's */
};

static int file_of(const char *dir, const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static void forget(const char *dir, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

static void list(struct bed *bed)
{
	char spec[128], why[256];

	snprintf(spec, sizeof(spec), "ram=fd:%d", dup(bed->fds[LISTED]));
	assert_int_equal(mem_filter_add(&bed->filter, spec, why, sizeof(why)), 0);
	snprintf(spec, sizeof(spec), "files=dir:%s", bed->dir);
	assert_int_equal(mem_filter_add(&bed->filter, spec, why, sizeof(why)), 0);
}

static void make_fds(struct bed *bed)
{
	int *fds = bed->fds, pair[2];

	fds[LISTED] = memfd_create("ram", MFD_CLOEXEC);
	fds[LISTED_COPY] = dup(fds[LISTED]);
	fds[IN_DIR] = file_of(bed->dir, "ram");
	fds[UNLISTED] = memfd_create("other", MFD_CLOEXEC);
	fds[SAME_NAME] = memfd_create("ram", MFD_CLOEXEC);
	fds[UNLINKED] = file_of(bed->dir, "gone");
	forget(bed->dir, "gone");
	fds[OTHER_DIR] = file_of("/dev/shm", "ginnel-test-other");
	forget("/dev/shm", "ginnel-test-other");
	assert_int_equal(pipe(pair), 0);
	fds[PIPE] = pair[0];
	bed->ends[0] = pair[1];
	fds[NULL_DEVICE] = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	fds[SOCKET] = pair[0];
	bed->ends[1] = pair[1];
	fds[DIRECTORY] = open(bed->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = LISTED; i <= OTHER_DIR; i++)
		assert_int_equal(ftruncate(fds[i], 16 * LEN), 0);
}

static void bed_open(struct bed *bed, uint64_t seed)
{
	*bed = (struct bed){.dir = "/dev/shm/ginnel-test.XXXXXX"};
	random_init(&bed->random, seed);
	assert_non_null(mkdtemp(bed->dir));
	make_fds(bed);
	list(bed);
	fake_device_open_with(&bed->device, 4,
		&(struct vhost_backend_config){.max_mem_slots = SLOTS, .mem_filter = &bed->filter});
	fake_front_open(&bed->front, bed->device.loop, bed->device.path);
	fake_u64(&bed->front, VHOST_USER_SET_PROTOCOL_FEATURES, PROTO);
}

static void bed_close(struct bed *bed)
{
	fake_front_close(&bed->front);
	fake_device_close(&bed->device);
	mem_filter_close(&bed->filter);
	for (int i = 0; i < N_FDS; i++)
		close(bed->fds[i]);
	close(bed->ends[0]);
	close(bed->ends[1]);
	forget(bed->dir, "ram");
	assert_int_equal(rmdir(bed->dir), 0);
}

static struct vhost_user_region some_region(struct bed *bed)
{
	uint64_t i = random_below(&bed->random, 16);

	return (struct vhost_user_region){.gpa = i * LEN,
		.size = random_below(&bed->random, 10) ? LEN : random_u64(&bed->random),
		.uaddr = FAKE_UADDR + i * LEN,
		.offset = random_below(&bed->random, 10) ? i * LEN : random_u64(&bed->random)};
}

/* Mostly welcome ones: a table with a stranger in it is refused as a whole. */
static int some_fd(struct bed *bed)
{
	bool honest = random_below(&bed->random, 4) != 0;

	return bed->fds[random_below(&bed->random, honest ? N_LISTED : N_FDS)];
}

static void say_table(struct bed *bed)
{
	struct vhost_user_mem mem = {.n = random_below(&bed->random, 5)};
	int fds[VHOST_USER_MAX_REGIONS];

	for (uint32_t i = 0; i < mem.n; i++) {
		mem.regions[i] = some_region(bed);
		fds[i] = some_fd(bed);
	}
	fake_acked(&bed->front, VHOST_USER_SET_MEM_TABLE, &mem, sizeof(mem), fds, mem.n);
}

static void say_slot(struct bed *bed, uint32_t request)
{
	struct vhost_user_mem_slot slot = {.region = some_region(bed)};
	int fd = some_fd(bed);

	fake_acked(&bed->front, request, &slot, sizeof(slot), &fd, 1);
}

static bool is_listed(const struct bed *bed, int fd)
{
	struct stat st, listed;

	assert_int_equal(fstat(fd, &st), 0);
	for (int i = 0; i < N_LISTED; i++) {
		assert_int_equal(fstat(bed->fds[i], &listed), 0);
		if (st.st_dev == listed.st_dev && st.st_ino == listed.st_ino)
			return true;
	}
	return false;
}

/* Returns the number of regions. */
static uint32_t check(struct bed *bed)
{
	const struct gmem *mem = fake_device_status(&bed->device).mem;

	assert_true(fake_alive(&bed->front));
	if (!mem)
		return 0;
	assert_true(mem->n <= SLOTS);
	for (uint32_t i = 0; i < mem->n; i++)
		assert_true(is_listed(bed, mem->regions[i]->fd));
	return mem->n;
}

static uint32_t one_life(uint64_t seed)
{
	uint32_t most = 0;
	struct bed bed;

	bed_open(&bed, seed);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		switch (random_below(&bed.random, 3)) {
		case 0:
			say_table(&bed);
			break;
		case 1:
			say_slot(&bed, VHOST_USER_ADD_MEM_REG);
			break;
		default:
			say_slot(&bed, VHOST_USER_REM_MEM_REG);
		}
		most = max_u32(most, check(&bed));
	}
	bed_close(&bed);
	return most;
}

TEST(only_listed_memory_is_mapped_and_no_more_than_agreed)
{
	uint32_t before = fake_open_fds(), maps = fake_mappings();

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		assert_int_equal(one_life(seed), SLOTS);
	foreign_settle();
	assert_int_equal(fake_open_fds(), before);
	assert_int_equal(fake_mappings(), maps);
}

TESTS(cmocka_unit_test(only_listed_memory_is_mapped_and_no_more_than_agreed))
