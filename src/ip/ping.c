/* SPDX-License-Identifier: Apache-2.0 */
#include "ip/ping.h"

#include "ip/ip_private.h"

#include <stdlib.h>

/* Of a key: the identifier is below. */
#define KEY_RUNS 0x10000u
#define KEY_IP6  0x20000u

enum echo_state {
	ECHO_NONE,     /* not sent yet, told, or given up */
	ECHO_WAITS,    /* for its reply */
	ECHO_ANSWERED, /* and not told */
	ECHO_REFUSED,  /* by an error, which is not told */
};

struct echo {
	enum echo_state state;
	uint32_t seq; /* from 1 on */
	uint8_t ttl;
	uint32_t len;
	uint64_t made_ns; /* by control */
	uint64_t sent_ns, came_ns;
	struct ping_error error;
};

struct ping {
	uint32_t key; /* 0: not in use; atomic */
	/* under the lock */
	struct ip_addr dst;
	struct echo echoes[PING_ECHOES];
	/* control's */
	struct pings *pings;
	struct ping_plan plan;
	struct ctl_later *later;
	uint64_t next_ns; /* 0: at once */
	uint32_t n_sent, n_received, n_errors;
	uint32_t n_done; /* in order: told or given up, all of them */
	uint64_t min_ns, max_ns, sum_ns;
};

struct pings {
	struct lock lock;
	struct ping list[PINGS_MAX];
	/* control's */
	struct random random;
	void (*arm)(void *subject);
	void *arm_subject;
};

struct pings *pings_create(uint64_t seed)
{
	struct pings *pings = calloc(1, sizeof(*pings));

	if (!pings)
		return NULL;
	random_init(&pings->random, seed);
	for (uint32_t i = 0; i < PINGS_MAX; i++)
		pings->list[i].pings = pings;
	return pings;
}

void pings_destroy(struct pings *pings)
{
	free(pings);
}

static uint32_t key_of(const struct ping *ping)
{
	return __atomic_load_n(&ping->key, __ATOMIC_RELAXED);
}

struct ping *ping_find_free(struct pings *pings)
{
	for (uint32_t i = 0; i < PINGS_MAX; i++)
		if (!pings->list[i].key)
			return &pings->list[i];
	return NULL;
}

void ip_set_ping_alarm(struct ip *ip, void (*arm)(void *subject), void *subject)
{
	ip->pings->arm = arm;
	ip->pings->arm_subject = subject;
}

void ping_start(struct ip *ip, struct ping *ping, const struct ping_plan *plan, struct ctl_later *later)
{
	struct pings *pings = ip->pings;
	uint32_t i = (uint32_t)(ping - pings->list), id = (uint32_t)random_u64(&pings->random) & 0xfff0;

	lock_take(&pings->lock);
	*ping = (struct ping){.pings = pings, .dst = plan->dst, .plan = *plan, .later = later};
	__atomic_store_n(&ping->key, KEY_RUNS | (plan->dst.ip6 ? KEY_IP6 : 0) | id | i, __ATOMIC_RELAXED);
	lock_release(&pings->lock);
	if (pings->arm)
		pings->arm(pings->arm_subject);
}

static json_t *statistics(const struct ping *ping)
{
	uint32_t lost = ping->n_sent - ping->n_received;
	char text[IP_TEXT_SIZE];
	json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:f}", "address", ip_addr_format(text, &ping->plan.dst),
		"sent", (json_int_t)ping->n_sent, "received", (json_int_t)ping->n_received, "errors",
		(json_int_t)ping->n_errors, "loss-percent", ping->n_sent ? 100.0 * lost / ping->n_sent : 0.0);

	if (ping->n_received > 0)
		json_object_set_new(o, "time-ms",
			json_pack("{s:f, s:f, s:f}", "least", (double)ping->min_ns / NS_PER_MS, "average",
				(double)ping->sum_ns / ping->n_received / NS_PER_MS, "most",
				(double)ping->max_ns / NS_PER_MS));
	return o;
}

void ping_stop(void *subject)
{
	struct ping *ping = subject;

	/* a worker that still has the key looks once more under the lock */
	lock_take(&ping->pings->lock);
	__atomic_store_n(&ping->key, 0, __ATOMIC_RELAXED);
	lock_release(&ping->pings->lock);
	ctl_later_end(ping->later, statistics(ping), NULL);
}

/* --- out --- */

static void csum_set(const struct ping_plan *plan, uint8_t *p, uint8_t *icmp, uint32_t len)
{
	uint16_t csum;

	if (plan->dst.ip6) {
		icmp6_csum(p, len);
		return;
	}
	csum = (uint16_t)~csum_fold(csum_sum(icmp, len));
	memcpy(icmp + ICMP_CSUM_OFFSET, &csum, sizeof(csum));
}

/* The packet, from its IP header on; to be freed. NULL: out of memory. */
static uint8_t *request(struct ip *ip, const struct ping *ping, uint32_t seq, uint32_t *packet_len)
{
	const struct ping_plan *plan = &ping->plan;
	uint32_t header_len = ip_header_len(plan->dst.ip6),
		 len = ICMP_HEADER_LEN + PING_STAMP_LEN + plan->size;
	uint8_t *p = calloc(1, header_len + len), *icmp;

	if (!p)
		return NULL;
	icmp = p + header_len;
	ip_header_write(ip, p, &plan->src, &plan->dst, plan->dst.ip6 ? IP_PROTO_ICMP6 : IP_PROTO_ICMP, len);
	if (plan->dont_fragment && !plan->dst.ip6) {
		p[6] = 0x40;
		ip4_set_csum(p, IP4_HEADER_MIN);
	}
	icmp[0] = plan->dst.ip6 ? ICMP6_ECHO : ICMP4_ECHO;
	be16_set(icmp + 4, (uint16_t)ping->key);
	be16_set(icmp + 6, (uint16_t)seq);
	for (uint32_t i = 0; i < plan->size; i++)
		icmp[ICMP_HEADER_LEN + PING_STAMP_LEN + i] = (uint8_t)i;
	csum_set(plan, p, icmp, len);
	*packet_len = header_len + len;
	return p;
}

static struct echo *echo_of(struct ping *ping, uint32_t seq)
{
	return &ping->echoes[seq % PING_ECHOES];
}

static void send_one(struct ip *ip, struct ping *ping, uint64_t now_ns)
{
	uint32_t seq = ++ping->n_sent, i = (uint32_t)(ping - ip->pings->list);
	struct out out = {.kind = OUT_PING, .iface = ping->plan.iface, .number = i << 16 | (seq & 0xffff)};

	lock_take(&ip->pings->lock);
	*echo_of(ping, seq) = (struct echo){ECHO_WAITS, .seq = seq, .made_ns = now_ns, .sent_ns = now_ns};
	lock_release(&ip->pings->lock);
	out.bytes = request(ip, ping, seq, &out.len);
	if (out.bytes)
		outbox_put(&ip->outbox, &out);
	ping->next_ns = now_ns + ping->plan.interval_ns;
}

void ping_sent(struct pings *pings, uint32_t number, uint64_t now_ns)
{
	struct ping *ping = &pings->list[number >> 16];
	struct echo *echo = echo_of(ping, number & 0xffff);

	lock_take(&pings->lock);
	if (echo->state == ECHO_WAITS && (uint16_t)echo->seq == (uint16_t)number)
		echo->sent_ns = now_ns;
	lock_release(&pings->lock);
}

/* --- in --- */

/* The request that waits, and the lock is taken; or NULL. */
static struct echo *take_waiting(
	struct pings *pings, bool ip6, uint16_t id, uint16_t seq, const struct ip_addr *dst)
{
	struct ping *ping = &pings->list[id % PINGS_MAX];
	struct echo *echo = echo_of(ping, seq);
	uint32_t key = KEY_RUNS | (ip6 ? KEY_IP6 : 0) | id;

	if (key_of(ping) != key)
		return NULL;
	lock_take(&pings->lock);
	if (key_of(ping) == key && echo->state == ECHO_WAITS && (uint16_t)echo->seq == seq &&
		ip_addr_same(dst, &ping->dst))
		return echo;
	lock_release(&pings->lock);
	return NULL;
}

void ping_reply(struct pings *pings, const struct ping_reply *r)
{
	struct echo *echo = take_waiting(pings, r->ip6, r->id, r->seq, &r->src);

	if (echo) {
		echo->state = ECHO_ANSWERED;
		echo->ttl = r->ttl;
		echo->len = r->len;
		echo->came_ns = r->now_ns;
		lock_release(&pings->lock);
	}
}

void ping_error(struct pings *pings, const struct ping_error *e)
{
	struct echo *echo = take_waiting(pings, e->ip6, e->id, e->seq, &e->dst);

	if (echo) {
		echo->state = ECHO_REFUSED;
		echo->error = *e;
		lock_release(&pings->lock);
	}
}

/* --- what has become of them --- */

static void tell(struct ping *ping, const struct echo *echo)
{
	uint64_t rtt_ns = echo->came_ns > echo->sent_ns ? echo->came_ns - echo->sent_ns : 0;
	char text[IP_TEXT_SIZE];

	ping->min_ns = ping->n_received == 0 || rtt_ns < ping->min_ns ? rtt_ns : ping->min_ns;
	ping->max_ns = rtt_ns > ping->max_ns ? rtt_ns : ping->max_ns;
	ping->sum_ns += rtt_ns;
	ping->n_received++;
	ctl_later_part(
		ping->later, json_pack("{s:I, s:s, s:I, s:i, s:f}", "bytes", (json_int_t)echo->len, "from",
				     ip_addr_format(text, &ping->plan.dst), "sequence", (json_int_t)echo->seq,
				     "ttl", echo->ttl, "time-ms", (double)rtt_ns / NS_PER_MS));
}

static const struct {
	bool ip6;
	uint8_t type, code;
	const char *text;
} error_texts[] = {
	{false, ICMP4_UNREACHABLE, ICMP4_NET, "network unreachable"},
	{false, ICMP4_UNREACHABLE, ICMP4_HOST, "host unreachable"},
	{false, ICMP4_UNREACHABLE, ICMP4_PROTOCOL, "protocol unreachable"},
	{false, ICMP4_UNREACHABLE, ICMP4_FRAGMENTATION, "too big, and must not be cut"},
	{false, ICMP4_UNREACHABLE, ICMP4_ADMIN, "prohibited"},
	{false, ICMP4_TIME_EXCEEDED, ICMP4_TTL, "time to live exceeded"},
	{false, ICMP4_TIME_EXCEEDED, ICMP4_REASSEMBLY, "some of its fragments did not arrive"},
	{true, ICMP6_UNREACHABLE, ICMP6_NO_ROUTE, "no route"},
	{true, ICMP6_UNREACHABLE, ICMP6_ADMIN, "prohibited"},
	{true, ICMP6_UNREACHABLE, ICMP6_ADDRESS, "address unreachable"},
	{true, ICMP6_TOO_BIG, 0, "too big"},
	{true, ICMP6_TIME_EXCEEDED, ICMP6_HOPS, "hop limit exceeded"},
	{true, ICMP6_TIME_EXCEEDED, ICMP6_REASSEMBLY, "some of its fragments did not arrive"},
};

static const char *error_text(char text[64], const struct ping_error *e)
{
	for (uint32_t i = 0; i < ARRAY_LEN(error_texts); i++)
		if (error_texts[i].ip6 == e->ip6 && error_texts[i].type == e->type &&
			error_texts[i].code == e->code) {
			snprintf(text, 64, e->mtu ? "%s: the MTU is %u" : "%s", error_texts[i].text, e->mtu);
			return text;
		}
	snprintf(text, 64, "ICMP type %u, code %u", e->type, e->code);
	return text;
}

static void tell_error(struct ping *ping, const struct echo *echo)
{
	char from[IP_TEXT_SIZE], text[64];

	ping->n_errors++;
	ctl_later_part(ping->later,
		json_pack("{s:s, s:I, s:s, s:i, s:i}", "from", ip_addr_format(from, &echo->error.from),
			"sequence", (json_int_t)echo->seq, "error", error_text(text, &echo->error), "type",
			echo->error.type, "code", echo->error.code));
}

/* Those that came to an end are told; those that waited long enough are given up. */
static void look(struct ping *ping, uint64_t now_ns)
{
	for (uint32_t seq = ping->n_done + 1; seq <= ping->n_sent; seq++) {
		struct echo *echo = echo_of(ping, seq), was;

		lock_take(&ping->pings->lock);
		was = *echo;
		if (was.state > ECHO_WAITS || now_ns - was.made_ns >= PING_PATIENCE_NS)
			echo->state = ECHO_NONE;
		lock_release(&ping->pings->lock);
		if (was.state == ECHO_ANSWERED)
			tell(ping, &was);
		else if (was.state == ECHO_REFUSED)
			tell_error(ping, &was);
	}
	lock_take(&ping->pings->lock);
	while (ping->n_done < ping->n_sent && echo_of(ping, ping->n_done + 1)->state == ECHO_NONE)
		ping->n_done++;
	lock_release(&ping->pings->lock);
}

/* When there is something to do again. */
static uint64_t run(struct ip *ip, struct ping *ping, uint64_t now_ns)
{
	look(ping, now_ns);
	if (ping->n_sent < ping->plan.repeat && now_ns >= ping->next_ns &&
		ping->n_sent - ping->n_done < PING_ECHOES)
		send_one(ip, ping, now_ns);
	if (ping->n_done == ping->plan.repeat) {
		ping_stop(ping);
		return UINT64_MAX;
	}
	return ping->n_done < ping->n_sent ? now_ns + PINGS_PAUSE_NS : ping->next_ns;
}

uint64_t ip_pings_run(struct ip *ip, uint64_t now_ns)
{
	uint64_t next_ns = UINT64_MAX;

	for (uint32_t i = 0; i < PINGS_MAX; i++)
		if (ip->pings->list[i].key) {
			uint64_t its_ns = run(ip, &ip->pings->list[i], now_ns);

			next_ns = its_ns < next_ns ? its_ns : next_ns;
		}
	return next_ns;
}
