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
};

struct echo {
	enum echo_state state;
	uint32_t seq; /* from 1 on */
	uint8_t ttl;
	uint32_t len;
	uint64_t made_ns; /* by control */
	uint64_t sent_ns, came_ns;
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
	uint32_t n_sent, n_received;
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
	json_t *o = json_pack("{s:s, s:I, s:I, s:f}", "address", ip_addr_format(text, &ping->plan.dst),
		"sent", (json_int_t)ping->n_sent, "received", (json_int_t)ping->n_received, "loss-percent",
		ping->n_sent ? 100.0 * lost / ping->n_sent : 0.0);

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

void ping_reply(struct pings *pings, const struct ping_reply *r)
{
	struct ping *ping = &pings->list[r->id % PINGS_MAX];
	struct echo *echo = echo_of(ping, r->seq);
	uint32_t key = KEY_RUNS | (r->ip6 ? KEY_IP6 : 0) | r->id;

	if (key_of(ping) != key)
		return;
	lock_take(&pings->lock);
	if (key_of(ping) == key && echo->state == ECHO_WAITS && (uint16_t)echo->seq == r->seq &&
		ip_addr_same(&r->src, &ping->dst)) {
		echo->state = ECHO_ANSWERED;
		echo->ttl = r->ttl;
		echo->len = r->len;
		echo->came_ns = r->now_ns;
	}
	lock_release(&pings->lock);
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

/* Those that were answered are told; those that waited long enough are given up. */
static void look(struct ping *ping, uint64_t now_ns)
{
	for (uint32_t seq = ping->n_done + 1; seq <= ping->n_sent; seq++) {
		struct echo *echo = echo_of(ping, seq), was;

		lock_take(&ping->pings->lock);
		was = *echo;
		if (was.state == ECHO_ANSWERED || now_ns - was.made_ns >= PING_PATIENCE_NS)
			echo->state = ECHO_NONE;
		lock_release(&ping->pings->lock);
		if (was.state == ECHO_ANSWERED)
			tell(ping, &was);
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
