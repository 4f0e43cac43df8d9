/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frontend_messages - the front-end's engine against a back-end that answers right, wrong, late, twice or to something
 * else, asks anything on the channel it was given, writes into the rings and leaves at any moment.
 *
 * fake_back.c holds the front-end to the protocol as long as it is asked right, fake_driver.c to its contract with a
 * driver. When the back-end has gone the driver has stopped, and no descriptor of it stays.
 */
#include "fuzz.h"

#include "vhost/fake_back.h"
#include "vhost/fake_driver.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define ACTIONS_MAX 60
#define FDS_MAX     192
#define RINGS       4

static struct bed {
	struct fake_back back;
	struct fake_driver driver;
} bed;

/* In place of foreign_close() (meson.build): at once, where the product leaves it to another thread. */
void __wrap_foreign_close(int fd);

void __wrap_foreign_close(int fd)
{
	close(fd);
}

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

static void bed_remove(void)
{
	fake_driver_close(&bed.driver);
	fake_back_close(&bed.back);
}

static void bed_open(void)
{
	if (bed.back.loop)
		return;
	fake_back_open(&bed.back);
	fake_driver_open(&bed.driver, bed.back.loop, bed.back.path, false);
	atexit(bed_remove);
}

/* --- the back-end --- */

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return fd >= 0 && poll(&p, 1, 0) == 1;
}

/* False: the front-end has left, or has nothing to say. */
static bool hear(void)
{
	struct fake_back *b = &bed.back;

	if (!readable(b->fd) || !fake_back_hear(b))
		return false;
	/* heard even if it is not answered */
	if (b->header.request == VHOST_USER_SET_PROTOCOL_FEATURES)
		memcpy(&b->protocol_features_set, b->payload, sizeof(b->protocol_features_set));
	return true;
}

static void serve(uint32_t n)
{
	while (n-- > 0 && hear())
		fake_back_answer(&bed.back);
}

static void come_again(void)
{
	fake_back_hang_up(&bed.back);
	ASSERT(!bed.driver.prepared);
	fake_back_accept(&bed.back);
}

static struct vhost_user_header some_header(struct fuzz *f, uint32_t request)
{
	static const uint64_t flags[] = {5, 5, 5, 1, 9, 0xd, 4, 0, 7};
	static const uint64_t sizes[] = {8, 8, 8, 0, 4, 9, 72, 4096, 4097, UINT32_MAX};
	struct vhost_user_header header = {.request = request};

	header.flags = (uint32_t)fuzz_pick(f, flags, ARRAY_LEN(flags));
	header.size = (uint32_t)fuzz_pick(f, sizes, ARRAY_LEN(sizes));
	return header;
}

static uint32_t some_fds(struct fuzz *f)
{
	uint8_t n = fuzz_u8(f);

	return n < 200 ? 0 : n % (UNIX_MAX_FDS + 1);
}

/* For an answer to what it was asked, or to something else; mostly one that is near the right one. */
static void answer_wrong(struct fuzz *f)
{
	uint8_t how = fuzz_u8(f);
	uint32_t request = how & 1 ? fuzz_u8(f) % 48 : bed.back.header.request;
	struct vhost_user_header header = some_header(f, request);
	uint64_t payload = how & 2 ? fuzz_u64(f) : how & 4;

	/* what it says may be taken up */
	if (request == VHOST_USER_GET_FEATURES)
		bed.back.features |= payload;
	if (request == VHOST_USER_GET_PROTOCOL_FEATURES)
		bed.back.protocol_features |= payload;
	fake_back_say(&bed.back, bed.back.fd, &header, payload, some_fds(f));
}

/* Comes back with another offer. */
static void offer(struct fuzz *f)
{
	static const uint64_t features[] = {UINT64_MAX, 1ull << 32, 1ull << 32 | 1ull << 30, 1ull << 30, 0};
	static const uint64_t protocols[] = {
		FAKE_BACK_PROTOCOL, 0, UINT64_MAX, 1u << 3, 1u << 5 | 1u << 3 | 1u << 14};
	static const uint64_t pairs[] = {2, 1, 0, 4, 255, UINT64_MAX};

	bed.back.features = fuzz_pick(f, features, ARRAY_LEN(features));
	bed.back.protocol_features = fuzz_pick(f, protocols, ARRAY_LEN(protocols));
	bed.back.queue_num = fuzz_pick(f, pairs, ARRAY_LEN(pairs));
	come_again();
}

static void ask(struct fuzz *f)
{
	static const uint64_t requests[] = {2, 4, 5, 1, 3, 6, 9, 10, 99};
	static const uint64_t flags[] = {9, 1, 5, 0xd, 0};
	struct vhost_user_header header =
		some_header(f, (uint32_t)fuzz_pick(f, requests, ARRAY_LEN(requests)));
	uint64_t payload = fuzz_u8(f) % (2 * RINGS) | (uint64_t)fuzz_u8(f) << 32;

	header.flags = (uint32_t)fuzz_pick(f, flags, ARRAY_LEN(flags));
	if (bed.back.channel >= 0)
		fake_back_say(&bed.back, bed.back.channel, &header, payload, some_fds(f));
}

static void drain_channel(void)
{
	uint8_t bytes[512];
	struct unix_cargo cargo = {0};

	while (bed.back.channel >= 0 && unix_recv(bed.back.channel, bytes, sizeof(bytes), &cargo) > 0)
		;
	unix_cargo_close(&cargo);
}

static void say_bytes(struct fuzz *f)
{
	uint8_t bytes[64], how = fuzz_u8(f);
	int fd = how & 1 ? bed.back.channel : bed.back.fd;

	fuzz_bytes(f, bytes, sizeof(bytes));
	if (fd >= 0)
		unix_send(fd, bytes, 1 + (how >> 1) % 63, NULL, 0);
	ASSERT(loop_turn(bed.back.loop, 0) == 0);
}

/* --- the rings --- */

static void write_rings(struct fuzz *f)
{
	uint32_t ring = fuzz_below(f, RINGS), at = fuzz_u16(f) % 0x3000u;

	if (!bed.driver.prepared || ring >= bed.driver.plan.n_rings)
		return;
	fuzz_bytes(f, (uint8_t *)bed.driver.plan.rings[ring].desc + at, 1u << fuzz_below(f, 5));
}

static void drive(struct fuzz *f)
{
	uint32_t ring = fuzz_below(f, RINGS);

	if (bed.driver.running && ring < bed.driver.plan.n_rings)
		fake_driver_offer(&bed.driver, ring, 64);
}

/* --- a run --- */

static void look(void)
{
	struct vhost_frontend_status status = fake_driver_status(&bed.driver);

	ASSERT(!status.started || status.connected);
	ASSERT(!(status.features & ~status.features_offered));
}

static void act(struct fuzz *f)
{
	switch (fuzz_below(f, 16)) {
	case 0:
		serve(FAKE_BACK_ALL);
		break;
	case 1:
		answer_wrong(f);
		break;
	case 2:
		if (hear())
			answer_wrong(f);
		break;
	case 3:
		hear(); /* and say nothing */
		break;
	case 4:
		offer(f);
		break;
	case 5:
		come_again();
		break;
	case 6:
	case 7:
		ask(f);
		drain_channel();
		break;
	case 8:
		say_bytes(f);
		break;
	case 9:
		write_rings(f);
		break;
	case 10:
		drive(f);
		break;
	case 11:
		look();
		break;
	default:
		serve(1 + fuzz_below(f, 12));
		break;
	}
}

static void offer_all(void)
{
	bed.back.features = UINT64_MAX & 0x1ffffffffull;
	bed.back.protocol_features = FAKE_BACK_PROTOCOL;
	bed.back.queue_num = 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz f = fuzz_begin(data, len);
	uint32_t fds;

	bed_open();
	fake_back_hang_up(&bed.back);
	fds = count_fds();
	offer_all();
	fake_back_accept(&bed.back);
	for (int i = 0; i < ACTIONS_MAX && !fuzz_over(&f); i++)
		act(&f);
	fake_back_hang_up(&bed.back);
	ASSERT(!bed.driver.prepared && !bed.driver.running);
	ASSERT(count_fds() == fds);
	return 0;
}
