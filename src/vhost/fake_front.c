/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/fake_front.h"

#include "base/test.h"
#include "os/foreign.h"
#include "os/unix.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_LEN (FAKE_OFFSET + FAKE_MEM_LEN)

static void make_memory(struct fake_front *f)
{
	f->memfd = memfd_create("fake guest", MFD_CLOEXEC);
	assert_true(f->memfd >= 0);
	assert_int_equal(ftruncate(f->memfd, FILE_LEN), 0);
	f->file = mmap(NULL, FILE_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, f->memfd, 0);
	assert_true(f->file != MAP_FAILED);
}

void fake_front_attach(struct fake_front *f, struct loop *loop, int fd)
{
	*f = (struct fake_front){.loop = loop, .fd = fd};
	make_memory(f);
	fake_turns(loop);
}

void fake_front_open(struct fake_front *f, struct loop *loop, const char *path)
{
	int fd = unix_connect(path);

	assert_true(fd >= 0);
	fake_front_attach(f, loop, fd);
}

void fake_front_hang_up(struct fake_front *f)
{
	close(f->fd);
	f->fd = -1;
	fake_turns(f->loop);
}

void fake_front_reopen(struct fake_front *f, const char *path)
{
	f->fd = unix_connect(path);
	assert_true(f->fd >= 0);
	fake_turns(f->loop);
}

void fake_front_close(struct fake_front *f)
{
	if (f->fd >= 0)
		fake_front_hang_up(f);
	munmap(f->file, FILE_LEN);
	close(f->memfd);
}

void fake_turns(struct loop *loop)
{
	for (int i = 0; i < 4; i++)
		assert_int_equal(loop_turn(loop, 0), 0);
}

static bool send_bytes(struct fake_front *f, const void *buf, size_t len, const int *fds, uint32_t n_fds)
{
	const uint8_t *p = buf;

	while (len > 0) {
		ssize_t n = unix_send(f->fd, p, len, fds, n_fds);

		if (n == -EAGAIN) {
			fake_turns(f->loop);
			continue;
		}
		if (n < 0)
			return false;
		n_fds = 0;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

bool fake_send(struct fake_front *f, const struct vhost_user_header *header, const void *payload,
	const int *fds, uint32_t n_fds)
{
	bool sent = send_bytes(f, header, sizeof(*header), fds, n_fds) &&
		    (!payload || send_bytes(f, payload, header->size, NULL, 0));

	fake_turns(f->loop);
	return sent;
}

static bool recv_bytes(struct fake_front *f, void *buf, size_t len)
{
	uint8_t *p = buf;

	for (int tries = 0; len > 0 && tries < 100; tries++) {
		struct unix_cargo cargo = {0};
		ssize_t n = unix_recv(f->fd, p, len, &cargo);

		unix_cargo_close(&cargo);
		if (n == -EAGAIN) {
			fake_turns(f->loop);
			continue;
		}
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return len == 0;
}

bool fake_reply(struct fake_front *f, uint32_t request, void *payload, uint32_t size)
{
	struct vhost_user_header header;

	if (!recv_bytes(f, &header, sizeof(header)))
		return false;
	assert_int_equal(header.request, request);
	assert_int_equal(header.flags, 0x5);
	assert_int_equal(header.size, size);
	return recv_bytes(f, payload, size);
}

bool fake_closed(struct fake_front *f)
{
	struct unix_cargo cargo = {0};
	uint8_t replies[256];
	ssize_t n;

	fake_turns(f->loop);
	do
		n = unix_recv(f->fd, replies, sizeof(replies), &cargo);
	while (n > 0);
	return n == 0 || n == -ECONNRESET;
}

bool fake_alive(struct fake_front *f)
{
	struct vhost_user_header header = {.request = VHOST_USER_GET_FEATURES, .flags = VHOST_USER_VERSION};
	uint64_t features;

	return fake_send(f, &header, NULL, NULL, 0) &&
	       fake_reply(f, VHOST_USER_GET_FEATURES, &features, sizeof(features));
}

void fake_plain(struct fake_front *f, uint32_t request, const void *payload, uint32_t size)
{
	struct vhost_user_header header = {.request = request, .flags = VHOST_USER_VERSION, .size = size};

	fake_send(f, &header, payload, NULL, 0);
}

void fake_u64(struct fake_front *f, uint32_t request, uint64_t value)
{
	fake_plain(f, request, &value, sizeof(value));
}

void fake_state(struct fake_front *f, uint32_t request, uint32_t idx, uint32_t num)
{
	struct vhost_user_ring_state state = {.index = idx, .num = num};

	fake_plain(f, request, &state, sizeof(state));
}

void fake_ring_fd(struct fake_front *f, uint32_t request, uint32_t idx, int fd)
{
	struct vhost_user_header header = {.request = request, .flags = VHOST_USER_VERSION, .size = 8};
	uint64_t value = idx | (fd < 0 ? VHOST_USER_RING_FD_NONE : 0);

	fake_send(f, &header, &value, &fd, fd < 0 ? 0 : 1);
}

uint64_t fake_ring_gpa(uint32_t idx)
{
	return FAKE_GPA + idx * FAKE_RING_LEN;
}

void fake_ring_addr(struct fake_front *f, uint32_t idx, uint32_t flags)
{
	uint64_t at = FAKE_UADDR + idx * FAKE_RING_LEN;
	struct vhost_user_ring_addr addr = {
		.index = idx,
		.flags = flags,
		.desc = at,
		.avail = at + 0x1000,
		.used = at + 0x2000,
		.log = fake_ring_gpa(idx) + 0x2000,
	};

	fake_plain(f, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr));
}

void fake_mem_table(struct fake_front *f)
{
	struct vhost_user_mem mem = {.n = 1,
		.regions[0] = {
			.gpa = FAKE_GPA, .size = FAKE_MEM_LEN, .uaddr = FAKE_UADDR, .offset = FAKE_OFFSET}};
	struct vhost_user_header header = {
		.request = VHOST_USER_SET_MEM_TABLE, .flags = VHOST_USER_VERSION, .size = 40};

	fake_send(f, &header, &mem, &f->memfd, 1);
}

uint64_t fake_acked(struct fake_front *f, uint32_t request, const void *payload, uint32_t size,
	const int *fds, uint32_t n_fds)
{
	struct vhost_user_header header = {
		.request = request, .flags = VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, .size = size};
	uint64_t verdict;

	if (!fake_send(f, &header, payload, fds, n_fds) || !fake_reply(f, request, &verdict, sizeof(verdict)))
		return UINT64_MAX;
	return verdict;
}

uint64_t fake_get_u64(struct fake_front *f, uint32_t request)
{
	uint64_t value = 0;

	fake_plain(f, request, NULL, 0);
	assert_true(fake_reply(f, request, &value, sizeof(value)));
	return value;
}

uint32_t fake_get_base(struct fake_front *f, uint32_t idx)
{
	struct vhost_user_ring_state state = {0};

	fake_state(f, VHOST_USER_GET_VRING_BASE, idx, 0);
	assert_true(fake_reply(f, VHOST_USER_GET_VRING_BASE, &state, sizeof(state)));
	assert_int_equal(state.index, idx);
	return state.num;
}

void fake_negotiate(struct fake_front *f, uint64_t features, uint64_t protocol_features)
{
	fake_get_u64(f, VHOST_USER_GET_FEATURES);
	if (protocol_features) {
		fake_get_u64(f, VHOST_USER_GET_PROTOCOL_FEATURES);
		fake_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, protocol_features);
	}
	fake_plain(f, VHOST_USER_SET_OWNER, NULL, 0);
	fake_u64(f, VHOST_USER_SET_FEATURES, features);
	fake_mem_table(f);
}

void fake_ring_start(struct fake_front *f, uint32_t idx, uint16_t base, int kick_fd)
{
	fake_state(f, VHOST_USER_SET_VRING_NUM, idx, FAKE_RING_SIZE);
	fake_state(f, VHOST_USER_SET_VRING_BASE, idx, base);
	fake_ring_addr(f, idx, 0);
	fake_ring_fd(f, VHOST_USER_SET_VRING_KICK, idx, kick_fd);
}

uint8_t *fake_at(struct fake_front *f, uint64_t gpa)
{
	return f->file + FAKE_OFFSET + (gpa - FAKE_GPA);
}

struct vring_desc *fake_desc(struct fake_front *f, uint32_t idx)
{
	return (struct vring_desc *)(void *)fake_at(f, fake_ring_gpa(idx));
}

struct vring_avail *fake_avail(struct fake_front *f, uint32_t idx)
{
	return (struct vring_avail *)(void *)fake_at(f, fake_ring_gpa(idx) + 0x1000);
}

struct vring_used *fake_used(struct fake_front *f, uint32_t idx)
{
	return (struct vring_used *)(void *)fake_at(f, fake_ring_gpa(idx) + 0x2000);
}

void fake_ring_reset(struct fake_front *f, uint32_t ring, uint16_t idx)
{
	memset(fake_at(f, fake_ring_gpa(ring)), 0, FAKE_RING_LEN);
	fake_avail(f, ring)->idx = idx;
	fake_used(f, ring)->idx = idx;
}

void fake_offer(struct fake_front *f, uint32_t ring, uint32_t len)
{
	struct vring_avail *avail = fake_avail(f, ring);
	uint16_t slot = avail->idx % FAKE_RING_SIZE;

	fake_desc(f, ring)[slot] = (struct vring_desc){
		.addr = FAKE_GPA + FAKE_RINGS * FAKE_RING_LEN + slot * 0x1000ull,
		.len = len,
		.flags = VRING_DESC_F_WRITE,
	};
	avail->ring[slot] = slot;
	__atomic_store_n(&avail->idx, avail->idx + 1, __ATOMIC_RELEASE);
}

int fake_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

uint64_t fake_events(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

uint32_t fake_open_fds(void)
{
	DIR *dir;
	uint32_t n = 0;

	foreign_settle();
	dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

uint32_t fake_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	uint32_t n = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, "memfd:") != NULL;
	fclose(maps);
	return n;
}
