/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pingpong - what it costs to move a cache line between two cores. Packets through a switch can cost no less than the
 * lines that have to move for them.
 *
 *	usage: pingpong CPU CPU
 *
 *	bounce   one line is written in turns: the time from one core's write until the other has seen it
 *	write    a burst of lines that the other core has read is written; all are asked for first, then written
 *	read     a burst of lines that the other core has written is read; all are asked for first, then read
 *	stream   both at once, a burst apart, through a ring of lines: the time per line
 *
 * A burst of one is latency. The more lines are asked for at once, the less each one costs: that is the unit for a packet
 * path that prefetches. One JSON object, in clocks and ns.
 */
#include "clocks.h"

#include "base/check.h"
#include "os/thread.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define LINES       1024
#define BURST_MAX   256
#define BOUNCES     1000000u
#define TURNS_LINES (8u << 20) /* moved, for each size of burst */

struct line {
	uint64_t word;
	uint8_t rest[CACHE_LINE - sizeof(uint64_t)];
} __attribute__((aligned(CACHE_LINE)));

struct table {
	struct line turn;     /* bounce: whose turn it is. Others: lines that the writer has written */
	struct line returned; /* lines that the reader has read */
	struct line lines[LINES];
};

static struct table table;

struct part {
	bool writer;
	uint32_t burst;
	bool stream;
	uint64_t clocks; /* result: in own work */
	uint64_t sum;    /* of what was read: keeps the reads */
};

static uint64_t load(const struct line *line)
{
	return __atomic_load_n(&line->word, __ATOMIC_ACQUIRE);
}

static void store(struct line *line, uint64_t word)
{
	__atomic_store_n(&line->word, word, __ATOMIC_RELEASE);
}

static void run_first(void)
{
	const struct sched_param first = {.sched_priority = 1};

	if (sched_setscheduler(0, SCHED_FIFO, &first) != 0)
		fprintf(stderr, "pingpong: no SCHED_FIFO, others may come between: run as root\n");
}

static void *bounce(void *arg)
{
	struct part *p = arg;
	uint64_t began;

	run_first();
	began = clocks_now();
	for (uint64_t i = p->writer ? 0 : 1; i < 2ull * BOUNCES; i += 2) {
		while (load(&table.turn) != i)
			;
		store(&table.turn, i + 1);
	}
	p->clocks = clocks_now() - began;
	return NULL;
}

static struct line *line_of(uint64_t i)
{
	return &table.lines[i % LINES];
}

static void write_burst(struct part *p, uint64_t at)
{
	const uint64_t began = clocks_now();

	for (uint32_t i = 0; i < p->burst; i++)
		__builtin_prefetch(line_of(at + i), 1);
	for (uint32_t i = 0; i < p->burst; i++)
		line_of(at + i)->word = at + i;
	__atomic_thread_fence(
		__ATOMIC_SEQ_CST); /* until the stores are done, not only given to the store buffer */
	p->clocks += clocks_now() - began;
}

static void read_burst(struct part *p, uint64_t at)
{
	const uint64_t began = clocks_now();

	for (uint32_t i = 0; i < p->burst; i++)
		__builtin_prefetch(line_of(at + i));
	for (uint32_t i = 0; i < p->burst; i++)
		p->sum += line_of(at + i)->word;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	p->clocks += clocks_now() - began;
}

/* In turns, one waits while the other works; streaming, the writer may be a ring ahead. */
static void *move(void *arg)
{
	struct part *p = arg;
	const uint64_t ahead = p->stream ? LINES : p->burst;

	run_first();
	for (uint64_t at = 0; at < TURNS_LINES; at += p->burst) {
		if (p->writer) {
			while (at + p->burst - load(&table.returned) > ahead)
				;
			write_burst(p, at);
			store(&table.turn, at + p->burst);
		} else {
			while (load(&table.turn) < at + p->burst)
				;
			read_burst(p, at);
			store(&table.returned, at + p->burst);
		}
	}
	return NULL;
}

/* Runs both sides; returns the clocks from start to end. */
static uint64_t run(void *(*fn)(void *), const int cpus[2], struct part parts[2])
{
	pthread_t threads[2];
	uint64_t began;

	parts[0].writer = true;
	store(&table.turn, 0);
	store(&table.returned, 0);
	began = clocks_now();
	for (int i = 0; i < 2; i++) {
		if (thread_start(&threads[i], "pingpong", cpus[i], fn, &parts[i]) != 0) {
			fprintf(stderr, "pingpong: there is no CPU %d\n", cpus[i]);
			exit(1);
		}
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	return clocks_now() - began;
}

static void print_burst(const int cpus[2], uint32_t burst, double clocks_per_ns)
{
	struct part turns[2] = {{.burst = burst}, {.burst = burst}};
	struct part streams[2] = {{.burst = burst, .stream = true}, {.burst = burst, .stream = true}};
	double write, read, stream;

	run(move, cpus, turns);
	write = (double)turns[0].clocks / TURNS_LINES;
	read = (double)turns[1].clocks / TURNS_LINES;
	stream = (double)run(move, cpus, streams) / TURNS_LINES;
	printf("%s{\"burst\": %u, \"write_clocks\": %.1f, \"read_clocks\": %.1f, \"stream_clocks\": %.1f, "
	       "\"write_ns\": %.1f, \"read_ns\": %.1f, \"stream_ns\": %.1f}",
		burst == 1 ? "" : ", ", burst, write, read, stream, write / clocks_per_ns,
		read / clocks_per_ns, stream / clocks_per_ns);
}

int main(int argc, char **argv)
{
	const double clocks_per_ns = clocks_per_s() / (double)NS_PER_S;
	struct part parts[2] = {{0}, {0}};
	int cpus[2];
	double bounce_clocks;

	if (argc != 3) {
		fprintf(stderr, "usage: pingpong CPU CPU\n");
		return 2;
	}
	cpus[0] = atoi(argv[1]);
	cpus[1] = atoi(argv[2]);
	run(bounce, cpus, parts);
	bounce_clocks = (double)parts[0].clocks / (2.0 * BOUNCES);
	printf("{\"clocks_per_ns\": %.3f, \"bounce_clocks\": %.1f, \"bounce_ns\": %.1f, \"bursts\": [",
		clocks_per_ns, bounce_clocks, bounce_clocks / clocks_per_ns);
	for (uint32_t burst = 1; burst <= BURST_MAX; burst *= 4)
		print_burst(cpus, burst, clocks_per_ns);
	printf("]}\n");
	return 0;
}
