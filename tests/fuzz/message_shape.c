/* SPDX-License-Identifier: Apache-2.0 */
#include "message_shape.h"

#define REQUESTS 48

static uint64_t offered, protocol_offered;

void shape_offers(uint64_t features, uint64_t protocol_features)
{
	offered = features;
	protocol_offered = protocol_features;
}

enum payload {
	NONE,
	U64,
	FEATURES,
	PROTOCOL,
	STATE,
	ADDR,
	MEM,
	MEM_REG,
	LOG,
	RING_FD,
	CONFIG,
	INFLIGHT,
	DEVICE_STATE
};

/* "Front-end message types", with those that are not served here. */
static const struct {
	enum payload payload;
	uint32_t n_fds;
	bool socket;
} requests[REQUESTS] = {
	[2] = {.payload = FEATURES},
	[5] = {.payload = MEM, .n_fds = 1},
	[6] = {.payload = LOG, .n_fds = 1},
	[7] = {.payload = NONE, .n_fds = 1},
	[8] = {.payload = STATE},
	[9] = {.payload = ADDR},
	[10] = {.payload = STATE},
	[11] = {.payload = STATE},
	[12] = {.payload = RING_FD, .n_fds = 1},
	[13] = {.payload = RING_FD, .n_fds = 1},
	[14] = {.payload = RING_FD, .n_fds = 1},
	[16] = {.payload = PROTOCOL},
	[18] = {.payload = STATE},
	[19] = {.payload = U64},
	[20] = {.payload = U64},
	[21] = {.payload = NONE, .n_fds = 1, .socket = true},
	[23] = {.payload = STATE},
	[24] = {.payload = CONFIG},
	[25] = {.payload = CONFIG},
	[31] = {.payload = INFLIGHT},
	[32] = {.payload = INFLIGHT, .n_fds = 1},
	[33] = {.payload = NONE, .n_fds = 1, .socket = true},
	[35] = {.payload = STATE},
	[37] = {.payload = MEM_REG, .n_fds = 1},
	[38] = {.payload = MEM_REG},
	[39] = {.payload = U64},
	[42] = {.payload = DEVICE_STATE, .n_fds = 1},
};

static void put(struct shape *s, const void *payload, size_t len)
{
	memcpy(s->payload + s->payload_len, payload, len);
	s->payload_len += (uint32_t)len;
}

static void put_u64(struct shape *s, uint64_t value)
{
	put(s, &value, sizeof(value));
}

static uint32_t some_ring(struct fuzz *f)
{
	static const uint64_t rings[] = {0, 1, 0, 1, 2, 3, SHAPE_RINGS, 255};

	return (uint32_t)fuzz_pick(f, rings, ARRAY_LEN(rings));
}

static uint64_t some_features(struct fuzz *f)
{
	const uint64_t choices[] = {offered & ~BIT(26), offered, offered & ~BIT(30), 1ull << 32 | 1ull << 30,
		1ull << 32, 0, offered | 1ull << 33, offered ^ 1ull << fuzz_below(f, 64)};

	return fuzz_pick(f, choices, ARRAY_LEN(choices));
}

static void put_state(struct shape *s, struct fuzz *f)
{
	static const uint64_t nums[] = {
		0, 1, SHAPE_RING_SIZE, SHAPE_RING_SIZE, 2, 8, 256, 32768, 7, 65535, 0x80008000};
	struct vhost_user_ring_state state = {.index = some_ring(f)};

	state.num = (uint32_t)fuzz_pick(f, nums, ARRAY_LEN(nums));
	put(s, &state, sizeof(state));
}

static uint64_t some_uaddr(struct fuzz *f, uint64_t right)
{
	static const uint64_t elsewhere[] = {SHAPE_UADDR, SHAPE_UADDR + SHAPE_MEM_LEN - 256,
		SHAPE_UADDR + SHAPE_MEM_LEN - 16, SHAPE_UADDR + SHAPE_MEM_LEN, SHAPE_GPA, 0, UINT64_MAX - 15};
	uint8_t how = fuzz_u8(f);

	if (how < 160)
		return right;
	return fuzz_pick(f, elsewhere, ARRAY_LEN(elsewhere)) + (how < 192 ? how & 3 : 0);
}

/* The last ring's used part ends where memory ends. */
static struct vhost_user_ring_addr right_addr(uint32_t ring)
{
	uint64_t at = ring % SHAPE_RINGS * SHAPE_RING_LEN;
	uint64_t used = ring == SHAPE_RINGS - 1 ? SHAPE_MEM_LEN - SHAPE_USED_LEN : at + SHAPE_USED;

	return (struct vhost_user_ring_addr){.index = ring,
		.desc = SHAPE_UADDR + at + SHAPE_DESC,
		.avail = SHAPE_UADDR + at + SHAPE_AVAIL,
		.used = SHAPE_UADDR + used,
		.log = SHAPE_GPA + used};
}

static void put_addr(struct shape *s, struct fuzz *f)
{
	static const uint64_t logs[] = {SHAPE_GPA, SHAPE_GPA + 4090, 1ull << 40, UINT64_MAX - 3};
	struct vhost_user_ring_addr addr = right_addr(some_ring(f));
	uint8_t how = fuzz_u8(f);

	addr.flags = how & 1;
	if (how & 2) {
		addr.desc = some_uaddr(f, addr.desc);
		addr.avail = some_uaddr(f, addr.avail);
		addr.used = some_uaddr(f, addr.used);
	}
	if (how & 4)
		addr.log = fuzz_pick(f, logs, ARRAY_LEN(logs));
	put(s, &addr, sizeof(addr));
}

/* Region i of those that lie side by side for the guest; each shows the same part of its file. */
static struct vhost_user_region right_region(uint32_t i)
{
	return (struct vhost_user_region){.gpa = SHAPE_GPA + i * SHAPE_MEM_LEN,
		.size = SHAPE_MEM_LEN,
		.uaddr = SHAPE_UADDR + i * SHAPE_MEM_LEN,
		.offset = SHAPE_OFFSET};
}

static struct vhost_user_region some_region(struct fuzz *f, uint32_t i)
{
	static const uint64_t sizes[] = {
		SHAPE_MEM_LEN, 0x1000, 0x8000, SHAPE_MEM_LEN - 8, 1, 0, 1ull << 40, 1ull << 63, UINT64_MAX};
	static const uint64_t offsets[] = {
		SHAPE_OFFSET, 0, 16, 0x1008, SHAPE_FILE_LEN, 1ull << 45, UINT64_MAX};
	static const uint64_t places[] = {0, 16, SHAPE_MEM_LEN, 1ull << 40, UINT64_MAX - SHAPE_MEM_LEN};
	struct vhost_user_region r = right_region(i);
	uint8_t how = fuzz_u8(f);

	if (how & 1)
		r.size = fuzz_pick(f, sizes, ARRAY_LEN(sizes));
	if (how & 2)
		r.offset = fuzz_pick(f, offsets, ARRAY_LEN(offsets));
	if (how & 4)
		r.gpa += fuzz_pick(f, places, ARRAY_LEN(places));
	if (how & 8)
		r.uaddr += fuzz_pick(f, places, ARRAY_LEN(places));
	return r;
}

static void put_mem(struct shape *s, struct fuzz *f)
{
	static const uint64_t counts[] = {1, 1, 2, 3, 8, 0, 9};
	uint32_t n = (uint32_t)fuzz_pick(f, counts, ARRAY_LEN(counts));
	uint8_t how = fuzz_u8(f);

	put_u64(s, n);
	n = min_u32(n, VHOST_USER_MAX_REGIONS);
	for (uint32_t i = 0; i < n; i++) {
		struct vhost_user_region r = how >> i & 1 ? some_region(f, i) : right_region(i);

		put(s, &r, sizeof(r));
	}
	s->n_fds = n;
}

static void put_mem_reg(struct shape *s, struct fuzz *f)
{
	struct vhost_user_region r = some_region(f, fuzz_below(f, 10));

	put_u64(s, 0);
	put(s, &r, sizeof(r));
}

static void put_log(struct shape *s, struct fuzz *f)
{
	static const uint64_t sizes[] = {16, 1, 4096, 0, SHAPE_LOG_LEN, 1ull << 30, UINT64_MAX - 7};
	static const uint64_t offsets[] = {0, 8, 4096, SHAPE_LOG_LEN, UINT64_MAX - 7};
	const uint64_t log[2] = {
		fuzz_pick(f, sizes, ARRAY_LEN(sizes)), fuzz_pick(f, offsets, ARRAY_LEN(offsets))};

	put(s, log, sizeof(log));
}

static void put_ring_fd(struct shape *s, struct fuzz *f)
{
	uint64_t ring = some_ring(f);
	uint8_t how = fuzz_u8(f);

	if (how % 4 == 3) {
		ring |= VHOST_USER_RING_FD_NONE;
		s->n_fds = 0;
	}
	put_u64(s, ring);
	s->wants_event = true;
}

/* offset, size, flags and the bytes themselves */
static void put_config(struct shape *s, struct fuzz *f)
{
	static const uint64_t offsets[] = {0, 6, 10, 12, 59, 60, 255, UINT32_MAX};
	static const uint64_t lens[] = {60, 12, 6, 1, 0, 256, 257, UINT32_MAX};
	const uint32_t head[3] = {(uint32_t)fuzz_pick(f, offsets, ARRAY_LEN(offsets)),
		(uint32_t)fuzz_pick(f, lens, ARRAY_LEN(lens)), fuzz_u8(f) & 3u};
	uint8_t bytes[300];
	uint32_t len = min_u32(head[1], sizeof(bytes));

	put(s, head, sizeof(head));
	memset(bytes, fuzz_u8(f), sizeof(bytes));
	put(s, bytes, len);
}

static void put_inflight(struct shape *s, struct fuzz *f)
{
	static const uint64_t sizes[] = {0x1000, 0x3000, 64, 0, 1ull << 63, UINT64_MAX - 15};
	static const uint64_t offsets[] = {0, 0x1000, 8, UINT64_MAX - 15};
	static const uint64_t counts[] = {SHAPE_RINGS, SHAPE_RINGS, 2, 1, 0, 65535};
	static const uint64_t lens[] = {SHAPE_RING_SIZE, SHAPE_RING_SIZE, 256, 32768, 0, 65535};
	const uint64_t area[2] = {
		fuzz_pick(f, sizes, ARRAY_LEN(sizes)), fuzz_pick(f, offsets, ARRAY_LEN(offsets))};
	const uint16_t queues[4] = {(uint16_t)fuzz_pick(f, counts, ARRAY_LEN(counts)),
		(uint16_t)fuzz_pick(f, lens, ARRAY_LEN(lens))};

	put(s, area, sizeof(area));
	put(s, queues, sizeof(queues));
}

static void put_payload(struct shape *s, struct fuzz *f, enum payload payload)
{
	switch (payload) {
	case NONE:
		break;
	case U64:
		put_u64(s, fuzz_u64(f));
		break;
	case FEATURES:
		put_u64(s, some_features(f));
		break;
	case PROTOCOL:
		put_u64(s, fuzz_u8(f) & 1 ? protocol_offered : fuzz_u32(f));
		break;
	case STATE:
		put_state(s, f);
		break;
	case ADDR:
		put_addr(s, f);
		break;
	case MEM:
		put_mem(s, f);
		break;
	case MEM_REG:
		put_mem_reg(s, f);
		break;
	case LOG:
		put_log(s, f);
		break;
	case RING_FD:
		put_ring_fd(s, f);
		break;
	case CONFIG:
		put_config(s, f);
		break;
	case INFLIGHT:
		put_inflight(s, f);
		break;
	case DEVICE_STATE:
		put_u64(s, fuzz_u8(f) & 1);
		break;
	}
}

static void begin(struct shape *s, uint32_t request)
{
	*s = (struct shape){
		.header = {.request = request, .flags = VHOST_USER_VERSION | VHOST_USER_NEED_REPLY}};
	if (request < REQUESTS) {
		s->n_fds = requests[request].n_fds;
		s->wants_socket = requests[request].socket;
	}
}

/* Header fields that are not what they should be. */
static void spoil(struct shape *s, struct fuzz *f)
{
	static const uint64_t sizes[] = {0, 8, 7, 9, 4096, 4097, UINT32_MAX};
	uint8_t how = fuzz_u8(f);

	if (how & 1)
		s->header.flags = VHOST_USER_VERSION;
	if (how & 2)
		s->header.flags = fuzz_u8(f);
	if (how & 4)
		s->header.size = (uint32_t)fuzz_pick(f, sizes, ARRAY_LEN(sizes));
	if (how & 8)
		s->header.request = fuzz_u32(f);
	if (how & 16) {
		uint32_t len = fuzz_u8(f);

		s->header.size = len;
		s->payload_len = len;
		fuzz_bytes(f, s->payload, len);
	}
}

void shape_make(struct shape *s, struct fuzz *f)
{
	uint8_t what = fuzz_u8(f);
	uint32_t request = what % REQUESTS;

	begin(s, request);
	put_payload(s, f, requests[request].payload);
	s->header.size = s->payload_len;
	if (what >= 5 * REQUESTS)
		spoil(s, f);
}

void shape_well_formed(struct shape *s, uint32_t request, uint32_t ring)
{
	const uint32_t state[2] = {ring, request == VHOST_USER_SET_VRING_NUM
						 ? SHAPE_RING_SIZE
						 : request == VHOST_USER_SET_VRING_ENABLE};
	struct vhost_user_ring_addr addr = right_addr(ring);
	struct vhost_user_region region = right_region(0);

	begin(s, request);
	switch (requests[request].payload) {
	case FEATURES:
		put_u64(s, offered & ~BIT(26));
		break;
	case PROTOCOL:
		put_u64(s, protocol_offered);
		break;
	case STATE:
		put(s, state, sizeof(state));
		break;
	case ADDR:
		put(s, &addr, sizeof(addr));
		break;
	case MEM:
		put_u64(s, 1);
		put(s, &region, sizeof(region));
		break;
	case RING_FD:
		put_u64(s, ring);
		s->wants_event = true;
		break;
	default:
		break;
	}
	s->header.size = s->payload_len;
}
