/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copies - what copying frames takes at best: a core that does nothing but copy frames of one guest's buffers into
 * another's, both ways, while it asks for the next buffer to be written. That is the one copy of a switch without its
 * rings, its headers and its decisions, and what large frames cannot take less than.
 *
 *	usage: copies CPU CPU        runs on the second; the first is for company
 *
 * For rings of several sizes: how much of both guests' buffers is used, and so which cache they stay in. One JSON object,
 * in clocks for a frame.
 */
#include "clocks.h"

#include "base/check.h"
#include "base/prefetch.h"
#include "os/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FRAME  1518
#define HEADER 12
#define STRIDE 2048
#define RING   1024 /* the largest */
#define BURST  64
#define LAPS   32
#define LINES  ((FRAME + HEADER + CACHE_LINE - 1) / CACHE_LINE)

/* Of both guests: what they send from, what they receive into. */
static uint8_t *sent[2], *received[2];

static uint8_t *buffers_make(void)
{
	uint8_t *buffers = mmap(NULL, (size_t)RING * STRIDE, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (buffers == MAP_FAILED) {
		fprintf(stderr, "copies: no memory\n");
		exit(1);
	}
	memset(buffers, 1, (size_t)RING * STRIDE);
	return buffers;
}

static void copy_burst(uint32_t from, uint32_t at, uint32_t ring)
{
	const uint8_t *in = sent[from] + (size_t)at * STRIDE;
	uint8_t *out = received[1 - from] + (size_t)at * STRIDE;

	for (uint32_t i = 0; i < BURST; i++, in += STRIDE, out += STRIDE) {
		if (at + i + 1 < ring)
			prefetch_write(out + STRIDE, LINES);
		memcpy(out + HEADER, in + HEADER, FRAME);
	}
}

static double clocks_a_frame(uint32_t ring)
{
	uint64_t began = 0;

	for (uint32_t lap = 0; lap <= LAPS; lap++) {
		if (lap == 1) /* the first one is for the caches */
			began = clocks_now();
		for (uint32_t at = 0; at < ring; at += BURST)
			for (uint32_t from = 0; from < 2; from++)
				copy_burst(from, at, ring);
	}
	return (double)(clocks_now() - began) / (2.0 * ring * LAPS);
}

static void *run(void *arg)
{
	static const uint32_t rings[] = {64, 256, RING};

	(void)arg;
	printf("{\"frame\": %d, \"rings\": [", FRAME);
	for (size_t i = 0; i < ARRAY_LEN(rings); i++)
		printf("%s{\"ring\": %u, \"clocks\": %.1f}", i ? ", " : "", rings[i],
			clocks_a_frame(rings[i]));
	printf("]}\n");
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc != 3) {
		fprintf(stderr, "usage: copies CPU CPU\n");
		return 2;
	}
	for (int i = 0; i < 2; i++) {
		sent[i] = buffers_make();
		received[i] = buffers_make();
	}
	if (thread_start(&thread, "copies", atoi(argv[2]), run, NULL) != 0) {
		fprintf(stderr, "copies: there is no CPU %s\n", argv[2]);
		return 1;
	}
	pthread_join(thread, NULL);
	return 0;
}
