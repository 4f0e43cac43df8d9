/* SPDX-License-Identifier: Apache-2.0 OR MIT */
#include "client/stats_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX 4096
#define PATIENCE_S 10
/* The daemon beats every second. */
#define STALE_NS   (4 * 1000000000ull)
#define SIZE_MAX_B (1ull << 32)
/* While interfaces come and go; each takes microseconds. */
#define TRIES_MAX 10000

struct stats_reader {
	const uint8_t *base;
	const struct ginnel_stats_header *header;
	size_t size;
};

/* --- the talk with the daemon --- */

static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"statistics.open\"}\n";

static int connect_to(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = PATIENCE_S};
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* One byte, and the descriptor that may come with it; -1: none. Returns the byte or -errno. */
static int take_byte(int fd, int *cargo)
{
	char byte = 0;
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	*cargo = -1;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(cargo, CMSG_DATA(c), sizeof(int));
	return n < 0 ? -errno : n == 0 ? -EPROTO : byte;
}

/* The descriptor, or -errno. */
static int ask(int fd)
{
	char answer[ANSWER_MAX];
	size_t len = 0;
	int cargo, byte;

	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1)
		return -EPIPE;
	do {
		byte = take_byte(fd, &cargo);
		if (cargo >= 0)
			close(cargo);
		if (byte < 0)
			return byte;
		answer[len++] = (char)byte;
	} while (byte != '\n' && len < sizeof(answer) - 1);
	answer[len] = '\0';
	if (!strstr(answer, "\"result\""))
		return -EPROTO;
	byte = take_byte(fd, &cargo);
	return byte < 0 ? byte : cargo < 0 ? -EPROTO : cargo;
}

/* --- the memory --- */

static bool table_ok(const struct stats_reader *r, const struct ginnel_stats_table *t, size_t len)
{
	return t->len >= len && t->at <= r->size && (uint64_t)t->n * t->len <= r->size - t->at;
}

static bool header_ok(const struct stats_reader *r)
{
	const struct ginnel_stats_header *h = r->header;
	uint64_t drops_end = h->lane_drops_at + h->drops.n * sizeof(uint64_t);
	uint64_t stages_end = h->worker_stages_at + h->stages.n * sizeof(struct ginnel_stats_count);

	return h->magic == GINNEL_STATS_MAGIC && h->version == GINNEL_STATS_VERSION && h->size <= r->size &&
	       table_ok(r, &h->drops, sizeof(struct ginnel_stats_drop)) &&
	       table_ok(r, &h->stages, sizeof(struct ginnel_stats_stage)) &&
	       table_ok(r, &h->workers, stages_end) &&
	       table_ok(r, &h->interfaces, sizeof(struct ginnel_stats_interface)) &&
	       table_ok(r, &h->lanes, drops_end) && h->lanes_each > h->workers.n &&
	       (uint64_t)h->interfaces.n * h->lanes_each <= h->lanes.n;
}

static int map(struct stats_reader *r, int fd)
{
	struct stat st;
	void *base;

	if (fstat(fd, &st) != 0 || st.st_size < (off_t)sizeof(*r->header) ||
		(uint64_t)st.st_size > SIZE_MAX_B)
		return -EPROTO;
	if (!(fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK)) /* else it could be cut under our feet */
		return -EPROTO;
	base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	r->base = base;
	r->header = base;
	r->size = (size_t)st.st_size;
	if (header_ok(r))
		return 0;
	munmap(base, r->size);
	return -EPROTO;
}

int stats_reader_open(struct stats_reader **out, const char *path)
{
	struct stats_reader *r = calloc(1, sizeof(*r));
	int socket_fd = r ? connect_to(path) : -ENOMEM, fd, err;

	if (socket_fd < 0) {
		free(r);
		return socket_fd;
	}
	fd = ask(socket_fd);
	close(socket_fd);
	err = fd < 0 ? fd : map(r, fd);
	if (fd >= 0)
		close(fd);
	if (err) {
		free(r);
		return err;
	}
	*out = r;
	return 0;
}

void stats_reader_close(struct stats_reader *r)
{
	if (!r)
		return;
	munmap((void *)(uintptr_t)r->base, r->size);
	free(r);
}

static const void *entry(const struct stats_reader *r, const struct ginnel_stats_table *t, uint32_t i)
{
	return r->base + t->at + (size_t)i * t->len;
}

const struct ginnel_stats_drop *stats_reader_drop(const struct stats_reader *r, uint32_t drop)
{
	return entry(r, &r->header->drops, drop);
}

const char *stats_reader_stage(const struct stats_reader *r, uint32_t stage)
{
	return ((const struct ginnel_stats_stage *)entry(r, &r->header->stages, stage))->name;
}

/* --- a snapshot --- */

static uint64_t load(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static bool make_room(const struct stats_reader *r, struct stats_snapshot *s)
{
	const struct ginnel_stats_header *h = r->header;

	if (s->n_drops == h->drops.n && s->n_stages == h->stages.n && s->n_workers == h->workers.n &&
		s->interfaces)
		return true;
	stats_snapshot_free(s);
	s->n_drops = h->drops.n;
	s->n_stages = h->stages.n;
	s->n_workers = h->workers.n;
	s->interfaces = calloc(h->interfaces.n, sizeof(*s->interfaces));
	s->drop_counts = calloc((size_t)h->interfaces.n * h->drops.n, sizeof(uint64_t));
	s->workers = calloc(h->workers.n, sizeof(*s->workers));
	s->stage_counts = calloc((size_t)h->workers.n * h->stages.n, sizeof(*s->stage_counts));
	return s->interfaces && s->drop_counts && s->workers && s->stage_counts;
}

static void add_lane(const struct stats_reader *r, struct stats_interface *to, const uint8_t *lane)
{
	const struct ginnel_stats_lane *l = (const void *)lane;
	const uint64_t *drops = (const void *)(lane + r->header->lane_drops_at);

	to->rx_packets += load(&l->rx_packets);
	to->rx_bytes += load(&l->rx_bytes);
	to->tx_packets += load(&l->tx_packets);
	to->tx_bytes += load(&l->tx_bytes);
	for (uint32_t d = 0; d < r->header->drops.n; d++) {
		uint64_t n = load(&drops[d]);

		to->drops[d] += n;
		if (stats_reader_drop(r, d)->is_loss)
			to->lost += n;
	}
}

static void read_interface(const struct stats_reader *r, struct stats_snapshot *s,
	const struct ginnel_stats_interface *from, uint32_t idx)
{
	struct stats_interface *to = &s->interfaces[s->n_interfaces];

	*to = (struct stats_interface){.idx = idx,
		.generation = from->generation,
		.up = from->up,
		.mtu = from->mtu,
		.drops = s->drop_counts + (size_t)s->n_interfaces * s->n_drops};
	memcpy(to->name, from->name, sizeof(to->name) - 1);
	memcpy(to->kind, from->kind, sizeof(to->kind) - 1);
	memset(to->drops, 0, s->n_drops * sizeof(uint64_t));
	for (uint32_t w = 0; w < s->n_workers; w++)
		add_lane(r, to, entry(r, &r->header->lanes, idx * r->header->lanes_each + w));
	s->n_interfaces++;
}

/* False: one came, went or changed meanwhile. */
static bool read_interfaces(const struct stats_reader *r, struct stats_snapshot *s)
{
	const struct ginnel_stats_header *h = r->header;
	uint32_t seq = __atomic_load_n(&h->seq, __ATOMIC_ACQUIRE);

	if (seq & 1)
		return false;
	s->n_interfaces = 0;
	for (uint32_t i = 0; i < h->interfaces.n; i++) {
		const struct ginnel_stats_interface *from = entry(r, &h->interfaces, i);

		if (from->used)
			read_interface(r, s, from, i);
	}
	s->start_ns = h->start_ns;
	s->clocks_per_ns = h->beat_ns > h->start_ns ? (double)(h->beat_clocks - h->start_clocks) /
							      (double)(h->beat_ns - h->start_ns)
						    : 0;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&h->seq, __ATOMIC_RELAXED) == seq;
}

static void read_worker(const struct stats_reader *r, struct stats_snapshot *s, uint32_t i)
{
	struct stats_worker *to = &s->workers[i];
	const uint8_t *from = entry(r, &r->header->workers, i);
	const uint64_t *counters = (const void *)from,
		       *stages = (const void *)(from + r->header->worker_stages_at);

	for (size_t c = 0; c < sizeof(to->counters) / sizeof(uint64_t); c++)
		((uint64_t *)&to->counters)[c] = load(&counters[c]);
	to->stages = s->stage_counts + (size_t)i * s->n_stages;
	to->busy_clocks = to->counters.input.clocks;
	for (uint32_t stage = 0; stage < s->n_stages; stage++, stages += 3) {
		to->stages[stage] =
			(struct ginnel_stats_count){load(&stages[0]), load(&stages[1]), load(&stages[2])};
		to->busy_clocks += to->stages[stage].clocks;
	}
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

int stats_reader_read(struct stats_reader *r, struct stats_snapshot *s)
{
	uint32_t tries = 0;
	uint64_t beat_ns;

	if (!make_room(r, s))
		return -ENOMEM;
	while (!read_interfaces(r, s))
		if (++tries == TRIES_MAX)
			return -ESTALE; /* it ended in the middle of a change */
	for (uint32_t i = 0; i < s->n_workers; i++)
		read_worker(r, s, i);
	s->now_ns = now_ns();
	s->pid = r->header->pid;
	beat_ns = load(&r->header->beat_ns);
	return s->now_ns > beat_ns + STALE_NS ? -ESTALE : 0;
}

void stats_snapshot_free(struct stats_snapshot *s)
{
	free(s->interfaces);
	free(s->drop_counts);
	free(s->workers);
	free(s->stage_counts);
	*s = (struct stats_snapshot){0};
}
