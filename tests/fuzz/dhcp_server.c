/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dhcp_server - stations that say anything in any order, true or not, while time goes by. Nobody has two addresses, two
 * never have the same, and answers fit.
 */
#include "fuzz.h"

#include "gateway/dhcp_server.h"
#include "wire/ethernet.h"

#define FIRST  0x0a000064u
#define SERVER 0x0a000001u

static const uint64_t types[] = {
	DHCP_DISCOVER, DHCP_REQUEST, DHCP_REQUEST, DHCP_DECLINE, DHCP_RELEASE, DHCP_INFORM, DHCP_NAK};
static const uint64_t addresses[] = {
	0, FIRST, FIRST + 1, FIRST + 2, FIRST + 3, SERVER, SERVER + 8, 0xc0a80001};
static const uint64_t servers[] = {0, SERVER, SERVER, SERVER + 1};

static uint64_t some_mac(struct fuzz *f)
{
	return 0x525400000001 + fuzz_below(f, 6);
}

static struct dhcp_message some_message(struct fuzz *f)
{
	struct dhcp_message m = {
		.type = (uint8_t)fuzz_pick(f, types, ARRAY_LEN(types)),
		.flags = fuzz_u8(f) & 1 ? DHCP_FLAG_BROADCAST : 0,
		.requested_ip = (uint32_t)fuzz_pick(f, addresses, ARRAY_LEN(addresses)),
		.ciaddr = fuzz_u8(f) & 1 ? (uint32_t)fuzz_pick(f, addresses, ARRAY_LEN(addresses)) : 0,
		.server_id = (uint32_t)fuzz_pick(f, servers, ARRAY_LEN(servers)),
	};

	mac_store(m.mac, some_mac(f));
	return m;
}

/* As many leases of a station as it may have; the router's own address is nobody's. */
static void check(const struct dhcp_server *s, uint64_t now_s)
{
	uint32_t n_of[6] = {0}, pos = 0, ip;
	const struct dhcp_lease *l;

	while ((l = dhcp_server_next(s, &pos, &ip))) {
		uint64_t station = l->mac - 0x525400000001;

		ASSERT(station < 6 && ip != SERVER);
		if (l->state != DHCP_LEASE_DECLINED && dhcp_lease_now(l, now_s) != DHCP_LEASE_NONE)
			n_of[station]++;
	}
	for (uint32_t i = 0; i < 6; i++)
		ASSERT(n_of[i] <= 1);
}

static void say(struct fuzz *f, struct dhcp_server *s, uint64_t now_s)
{
	struct dhcp_message m = some_message(f);
	struct dhcp_answer a;
	enum drop drop = dhcp_server_handle(s, &m, now_s, &a);
	struct dhcp_values v;

	if (drop != DROP_NONE || a.len == 0)
		return;
	ASSERT(a.len >= DHCP_LEN_MIN && a.len <= sizeof(a.bytes));
	dhcp_collect_all(&v, a.bytes, a.len);
	ASSERT(v.of[DHCP_OPT_TYPE].len == 1 && dhcp_u32(v.of[DHCP_OPT_SERVER_ID]) == SERVER);
	ASSERT(memcmp(a.bytes + 28, m.mac, sizeof(m.mac)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct dhcp_config config = {.first = FIRST,
		.last = FIRST + 3,
		.server = SERVER,
		.mask = 0xffffff00,
		.router = SERVER,
		.lease_s = 60};
	struct fuzz f = fuzz_begin(data, len);
	struct dhcp_server *s = dhcp_server_create(&config);
	uint64_t now_s = 1;

	ASSERT(s);
	while (!fuzz_over(&f)) {
		uint8_t what = fuzz_u8(&f);

		if (what < 200)
			say(&f, s, now_s);
		else if (what < 230)
			now_s += fuzz_u8(&f);
		else if (what < 243)
			dhcp_server_add_static(
				s, some_mac(&f), (uint32_t)fuzz_pick(&f, addresses, ARRAY_LEN(addresses)));
		else
			dhcp_server_del_static(s, some_mac(&f));
		check(s, now_s);
	}
	dhcp_server_destroy(s);
	return 0;
}
