/* SPDX-License-Identifier: Apache-2.0 */
/*
 * messages - a front-end that says anything, against the back-end's engine, from the bytes of the socket to the rings
 * that run. An input is a list of actions: messages that are nearly right or not at all, whole, in parts and several at
 * once, with descriptors of any kind; guest memory written to and cut short; the device at work on whatever rings there
 * are; hanging up and coming again.
 *
 * fake_device.c holds the engine to its contract. Here: rings and buffers lie in the memory that the front-end
 * described, replies are well formed, and when the front-end is gone no descriptor and no mapping of it stays.
 */
#include "fuzz.h"

#include "message_shape.h"
#include "os/guard.h"
#include "os/unix.h"
#include "vhost/fake_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACTIONS_MAX  100
#define SEGS_MAX     32
#define FDS_MAX      192 /* that this process may have open */
#define MAPS_CHECKED 64  /* mappings are counted after so many runs: it takes long */

enum file { MEMORY, CUT, LOG, EVENT, EVENT_2, SOCKET, PIPE_OUT, PIPE_IN, NOTHING, READ_ONLY, SPARSE, FILES };

struct bed {
	struct fake_device device;
	bool packed; /* the format of rings that the front-end chooses when it means well */
	int fd;      /* of the front-end; -1: not connected */
	int files[FILES];
	int socket_peer;
	uint8_t *mem; /* the file MEMORY */
	uint8_t *cut; /* written to by us never: it may not be there */
	bool cut_used;
	uint64_t runs;
	uint32_t fds;  /* before this run */
	uint32_t maps; /* when nobody is connected */
};

static struct bed bed;

/* In place of foreign_close() (meson.build): at once, where the product leaves it to another thread. */
void __wrap_foreign_close(int fd);

void __wrap_foreign_close(int fd)
{
	close(fd);
}

/* --- once --- */

static int shared_file(off_t len)
{
	int fd = memfd_create("fuzzed guest", MFD_CLOEXEC);

	ASSERT(fd >= 0 && ftruncate(fd, len) == 0);
	return fd;
}

static void open_files(void)
{
	int pair[2], ends[2];
	char path[64];

	ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	ASSERT(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
	bed.files[MEMORY] = shared_file(SHAPE_FILE_LEN);
	bed.files[CUT] = shared_file(SHAPE_FILE_LEN);
	bed.files[LOG] = shared_file(SHAPE_LOG_LEN);
	bed.files[EVENT] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	bed.files[EVENT_2] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	bed.files[SOCKET] = pair[0];
	bed.socket_peer = pair[1];
	bed.files[PIPE_OUT] = ends[0];
	bed.files[PIPE_IN] = ends[1];
	bed.files[NOTHING] = open("/dev/null", O_RDWR | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", bed.files[MEMORY]);
	bed.files[READ_ONLY] = open(path, O_RDONLY | O_CLOEXEC);
	bed.files[SPARSE] = shared_file(1ll << 46);
	bed.mem = mmap(NULL, SHAPE_FILE_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, bed.files[MEMORY], 0);
	ASSERT(bed.mem != MAP_FAILED);
}

/* One system call for all of them. */
static uint32_t count_fds(void)
{
	struct pollfd fds[FDS_MAX];
	uint32_t n = 0;

	for (int i = 0; i < FDS_MAX; i++)
		fds[i] = (struct pollfd){.fd = i};
	ASSERT(poll(fds, FDS_MAX, 0) >= 0);
	for (int i = 0; i < FDS_MAX; i++)
		n += !(fds[i].revents & POLLNVAL);
	return n;
}

static uint32_t count_maps(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	uint32_t n = 0;

	ASSERT(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, "fuzzed guest") != NULL;
	fclose(maps);
	return n;
}

static void bed_remove(void)
{
	fake_device_close(&bed.device);
}

static void bed_open(void)
{
	if (bed.device.loop)
		return;
	fake_device_open(&bed.device, SHAPE_RINGS);
	ASSERT(guard_start(-1) == 0);
	open_files();
	bed.fd = -1;
	bed.maps = count_maps();
	atexit(bed_remove);
}

/* --- the socket --- */

static void turn(void)
{
	ASSERT(loop_turn(bed.device.loop, 0) == 0);
}

static void check_replies(const uint8_t *p, ssize_t len)
{
	while (len > 0) {
		struct vhost_user_header header;

		ASSERT(len >= (ssize_t)sizeof(header));
		memcpy(&header, p, sizeof(header));
		ASSERT(header.flags == (VHOST_USER_VERSION | VHOST_USER_REPLY));
		p += sizeof(header) + header.size;
		len -= (ssize_t)(sizeof(header) + header.size);
	}
	ASSERT(len == 0);
}

/* What the back-end had to say. Not connected any more when it has closed. */
static void read_replies(void)
{
	static uint8_t replies[1 << 16];
	struct unix_cargo cargo = {0};
	ssize_t len = 0, n = bed.fd < 0 ? -EAGAIN : 1;

	while (n > 0) {
		n = unix_recv(bed.fd, replies + len, sizeof(replies) - (size_t)len, &cargo);
		len += n > 0 ? n : 0;
	}
	unix_cargo_close(&cargo);
	if (n == -EAGAIN) {
		check_replies(replies, len);
	} else {
		close(bed.fd);
		bed.fd = -1;
	}
}

static void hang_up(void)
{
	if (bed.fd >= 0)
		close(bed.fd);
	bed.fd = -1;
	/* what it said before is heard out, some messages a turn */
	for (int i = 0; i < ACTIONS_MAX && bed.device.connected; i++)
		turn();
	ASSERT(!bed.device.connected);
}

static void come(void)
{
	if (bed.fd >= 0)
		hang_up();
	bed.fd = unix_connect(bed.device.path);
	ASSERT(bed.fd >= 0);
	for (int i = 0; i < 3 && !bed.device.connected; i++)
		turn();
	ASSERT(bed.device.connected);
}

static void say(const void *bytes, size_t len, const int *fds, uint32_t n_fds)
{
	ssize_t n = bed.fd < 0 ? -EPIPE : unix_send(bed.fd, bytes, len, fds, n_fds);

	if (n == -EAGAIN || (n > 0 && (size_t)n < len)) /* the socket is full of what was not read yet */
		turn();
}

/* --- messages --- */

static uint32_t some_fds(struct fuzz *f, const struct shape *s, int *fds)
{
	uint32_t n = s->n_fds, how = fuzz_u8(f);

	if (how >= 250)
		n = fuzz_below(f, SHAPE_FDS_MAX + 1);
	for (uint32_t i = 0; i < n; i++) {
		enum file file = s->wants_event ? EVENT : s->wants_socket ? SOCKET : MEMORY;

		if (how % 8 == 7)
			file = (enum file)fuzz_below(f, FILES);
		bed.cut_used |= file == CUT;
		fds[i] = bed.files[file];
	}
	return n;
}

static void say_something(struct fuzz *f)
{
	uint8_t how = fuzz_u8(f);
	struct shape s;
	int fds[SHAPE_FDS_MAX];
	uint32_t n_fds, len;

	shape_make(&s, f);
	n_fds = some_fds(f, &s, fds);
	len = (uint32_t)sizeof(s.header) + s.payload_len;
	if (how & 1) {
		uint32_t part = fuzz_u8(f) % (len + 1);

		say(s.bytes, part, fds, part > 0 ? n_fds : 0);
		turn();
		say(s.bytes + part, len - part, fds, part == 0 || (how & 0x80) ? n_fds : 0);
	} else {
		say(s.bytes, len, fds, n_fds);
	}
	if (how & 2)
		return; /* together with the next one */
	turn();
	read_replies();
}

static void say_well(uint32_t request, uint32_t ring)
{
	struct shape s;
	int fds[SHAPE_FDS_MAX];

	shape_well_formed(&s, request, ring);
	for (uint32_t i = 0; i < s.n_fds; i++)
		fds[i] = bed.files[s.wants_event ? EVENT : MEMORY];
	say(s.bytes, sizeof(s.header) + s.payload_len, fds, s.n_fds);
}

/* As an honest front-end begins, with two rings. */
static void begin_well(void)
{
	static const uint32_t opening[] = {VHOST_USER_SET_PROTOCOL_FEATURES, VHOST_USER_SET_OWNER,
		VHOST_USER_SET_FEATURES, VHOST_USER_SET_MEM_TABLE};
	static const uint32_t start[] = {VHOST_USER_SET_VRING_NUM, VHOST_USER_SET_VRING_BASE,
		VHOST_USER_SET_VRING_ADDR, VHOST_USER_SET_VRING_CALL, VHOST_USER_SET_VRING_KICK,
		VHOST_USER_SET_VRING_ENABLE};

	for (size_t i = 0; i < ARRAY_LEN(opening); i++)
		say_well(opening[i], 0);
	for (uint32_t ring = 0; ring < 2; ring++)
		for (size_t i = 0; i < ARRAY_LEN(start); i++)
			say_well(start[i], ring);
	turn();
	read_replies();
	ASSERT(bed.device.rings[0] && bed.device.rings[1]);
}

/* --- the guest --- */

static void *ring_part(uint32_t ring, uint32_t part)
{
	return bed.mem + SHAPE_OFFSET + ring * SHAPE_RING_LEN + part;
}

static uint16_t some_desc_flags(struct fuzz *f)
{
	static const uint64_t flags[] = {2, 0, 1, 3, 4, 0x82, 0x80, 0x81, 0x8002, 0x8000, 0x8001, 0x84};

	return (uint16_t)fuzz_pick(f, flags, ARRAY_LEN(flags));
}

/* Descriptor and head, for either format of ring; whether it makes sense is left to chance. */
static void offer(struct fuzz *f)
{
	static const uint64_t addrs[] = {SHAPE_GPA + 0x8000, SHAPE_GPA + 0x9ff0, SHAPE_GPA + 0x4000,
		SHAPE_GPA, SHAPE_GPA + SHAPE_MEM_LEN - 16, SHAPE_GPA_2 - 8, SHAPE_GPA_2};
	static const uint64_t lens[] = {64, 16, 32, 1, 0, 4096, UINT32_MAX};
	uint32_t ring = fuzz_below(f, 2);
	struct vring_desc *desc = ring_part(ring, SHAPE_DESC);
	struct vring_avail *avail = ring_part(ring, SHAPE_AVAIL);
	uint16_t head = (uint16_t)fuzz_below(f, SHAPE_RING_SIZE);

	desc[head] = (struct vring_desc){
		.addr = fuzz_pick(f, addrs, ARRAY_LEN(addrs)),
		.len = (uint32_t)fuzz_pick(f, lens, ARRAY_LEN(lens)),
	};
	if (bed.packed) {
		desc[head].flags = fuzz_u8(f); /* the buffer's id */
		desc[head].next = some_desc_flags(f);
		return;
	}
	desc[head].flags = some_desc_flags(f);
	desc[head].next = (uint16_t)(fuzz_u8(f) % (SHAPE_RING_SIZE + 1));
	avail->ring[avail->idx % SHAPE_RING_SIZE] = head;
	avail->idx++;
}

static void scribble(struct fuzz *f)
{
	uint32_t at = fuzz_u16(f), len = fuzz_below(f, 32);

	fuzz_bytes(f, bed.mem + SHAPE_OFFSET + at % (SHAPE_MEM_LEN - 32), len);
}

static void cut(struct fuzz *f)
{
	static const uint64_t lens[] = {
		0, SHAPE_OFFSET, SHAPE_OFFSET + 0x1000, SHAPE_FILE_LEN, SHAPE_FILE_LEN * 2};

	ASSERT(ftruncate(bed.files[CUT], (off_t)(lens[fuzz_below(f, ARRAY_LEN(lens))])) == 0);
	bed.cut_used = true;
}

/* --- the device --- */

static void check_inside(const struct gmem *mem, const void *p, uint64_t len)
{
	ASSERT(mem);
	for (uint32_t i = 0; i < mem->n; i++) {
		const struct gmem_region *r = mem->regions[i];
		uint64_t offset = (uint64_t)((const uint8_t *)p - r->hva);

		if (offset < r->size && len <= r->size - offset)
			return;
	}
	ASSERT(!"a pointer outside of the guest's memory");
}

static void check_rings(void)
{
	const struct gmem *mem = fake_device_status(&bed.device).mem;

	for (uint32_t i = 0; i < SHAPE_RINGS; i++) {
		const struct vhost_ring *ring = bed.device.rings[i];

		if (!ring)
			continue;
		if (ring->vq.packed) {
			check_inside(mem, ring->vq.slots, ring->vq.size * sizeof(struct vring_packed_desc));
			check_inside(mem, ring->vq.driver_event, sizeof(struct vring_packed_desc_event));
			check_inside(mem, ring->vq.device_event, sizeof(struct vring_packed_desc_event));
			continue;
		}
		check_inside(mem, ring->vq.desc, ring->vq.size * sizeof(struct vring_desc));
		check_inside(mem, ring->vq.avail, 6 + 2ull * ring->vq.size);
		check_inside(mem, ring->vq.used, 6 + 8ull * ring->vq.size);
	}
}

static void work_on(struct virtq *q, const struct virtq_chain *chain)
{
	uint32_t n = chain->n_read + chain->n_write;

	for (uint32_t i = 0; i < n; i++) {
		uint8_t *p = chain->segs[i].addr;
		uint32_t last = chain->segs[i].len - 1;

		check_inside(q->mem, p, chain->segs[i].len);
		if (i < chain->n_read) {
			(void)(volatile uint8_t)(p[0] + p[last]);
		} else {
			p[0]++;
			p[last]++;
		}
	}
	if (q->log)
		virtq_log_written(q, chain->segs + chain->n_read, chain->n_write, chain->write_len);
}

static void work(struct fuzz *f)
{
	struct virtq_seg segs[SEGS_MAX];
	struct virtq_chain chain = {.segs = segs};
	uint8_t how = fuzz_u8(f);
	struct vhost_ring *ring = bed.device.rings[how % SHAPE_RINGS];
	int got = 1;

	if (!ring)
		return;
	chain.max = how & 0x10 ? 2 : SEGS_MAX;
	for (int n = 0; n < 8 && got == 1; n++) {
		got = virtq_pop(&ring->vq, &chain);
		if (got == 1 && (how & 0x20)) {
			virtq_unpop(&ring->vq, chain.buffer.slots);
			break;
		}
		if (got == 1) {
			work_on(&ring->vq, &chain);
			virtq_push(&ring->vq, chain.buffer, (uint32_t)chain.write_len);
		}
	}
	if (got == -ENOSPC) {
		virtq_skip(&ring->vq, chain.buffer);
		virtq_push(&ring->vq, chain.buffer, 0);
	}
	if (how & 0x40)
		return; /* in the middle of a turn */
	virtq_flush(&ring->vq);
	if (how & 0x80)
		virtq_arm(&ring->vq);
	else
		virtq_disarm(&ring->vq);
}

static void look(void)
{
	struct vhost_backend_status status = fake_device_status(&bed.device);

	ASSERT(status.connected == bed.device.connected);
	for (uint32_t i = 0; i < status.n_rings; i++) {
		struct vhost_ring_status ring;

		vhost_backend_ring_status(bed.device.backend, i, &ring);
		ASSERT(!bed.device.rings[i] || ring.started);
	}
	vhost_backend_check_rings(bed.device.backend);
	vhost_backend_check_memory(bed.device.backend);
}

/* --- a run --- */

static void choose_format(bool packed)
{
	struct vhost_backend_status status = fake_device_status(&bed.device);
	uint64_t mask = packed ? 0 : 1ull << VIRTIO_F_RING_PACKED;

	bed.packed = packed;
	shape_offers(status.features_offered & ~mask, status.protocol_features_offered);
}

static void act(struct fuzz *f)
{
	switch (fuzz_below(f, 16)) {
	case 0:
	case 1:
	case 2:
		work(f);
		break;
	case 3:
	case 4:
	case 5:
		offer(f);
		break;
	case 6:
		scribble(f);
		break;
	case 7:
		look();
		break;
	case 8:
		cut(f);
		break;
	case 9:
		come();
		if (fuzz_u8(f) & 1)
			begin_well();
		break;
	default:
		say_something(f);
		break;
	}
}

static void leave_nothing_behind(void)
{
	uint8_t junk[512];
	uint64_t events;

	hang_up();
	ASSERT(count_fds() == bed.fds);
	if (bed.runs++ % MAPS_CHECKED == 0)
		ASSERT(count_maps() == bed.maps);
	memset(bed.mem, 0, SHAPE_FILE_LEN);
	if (bed.cut_used)
		ASSERT(ftruncate(bed.files[CUT], 0) == 0 && ftruncate(bed.files[CUT], SHAPE_FILE_LEN) == 0);
	bed.cut_used = false;
	while (recv(bed.socket_peer, junk, sizeof(junk), MSG_DONTWAIT) > 0)
		;
	events = (uint64_t)read(bed.files[EVENT], &events, sizeof(events));
	events = (uint64_t)read(bed.files[EVENT_2], &events, sizeof(events));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz f = fuzz_begin(data, len);

	uint8_t how = fuzz_u8(&f);

	bed_open();
	choose_format(how & 2);
	bed.fds = count_fds();
	come();
	if (how & 1)
		begin_well();
	for (int i = 0; i < ACTIONS_MAX && !fuzz_over(&f); i++) {
		act(&f);
		check_rings();
	}
	leave_nothing_behind();
	return 0;
}
