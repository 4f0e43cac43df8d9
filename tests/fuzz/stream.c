/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream - bytes of a peer at a stream port, cut anywhere. The frames that come of them are those that a simple reader of
 * the whole finds, up to the first length that no frame has, which ends the connection.
 */
#include "fuzz.h"

#include "port/stream_port.h"

#include <endian.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES_MAX 4096

static struct stream_port sp;
static struct turn *turn;
static struct iface_table *ifaces;

/* What a simple reader has left to read. */
static const uint8_t *expected, *expected_end;

static void rooms_unmake(void)
{
	iface_remove(ifaces, &sp.port.iface);
	iface_table_destroy(ifaces);
	free(turn);
}

static void rooms_make(void)
{
	if (turn)
		return;
	atexit(rooms_unmake);
	turn = aligned_alloc(CACHE_LINE, sizeof(*turn));
	ifaces = iface_table_create(1);
	ASSERT(turn && ifaces);
	memset(turn, 0, sizeof(*turn));
	sp.port.iface.kind = "stream";
	ASSERT(iface_add(ifaces, &sp.port.iface) == 0);
}

static void check_frame(const struct pkt *pkt)
{
	uint32_t len;

	ASSERT(expected_end - expected >= STREAM_LEN_LEN);
	memcpy(&len, expected, sizeof(len));
	len = be32toh(len);
	expected += STREAM_LEN_LEN;
	ASSERT(len <= PKT_LEN_MAX && expected_end - expected >= (ptrdiff_t)len && pkt_len(pkt) == len);
	ASSERT(memcmp(pkt->data, expected, pkt->head_len) == 0);
	if (pkt->body_len > 0)
		ASSERT(memcmp(pkt->segs->addr, expected + pkt->head_len, pkt->body_len) == 0);
	ASSERT(len >= 14 || pkt->drop == DROP_RX_RUNT);
	expected += len;
}

/* One turn; frames are looked at in the order in which they were taken. */
static uint32_t receive(uint64_t now_ns, uint32_t max)
{
	uint32_t taken;

	for (int s = 0; s < STAGE_COUNT; s++)
		turn->vecs[s].n = 0;
	turn_begin(turn, now_ns);
	taken = stream_rx(&sp.port, 0, turn, max);
	ASSERT(taken <= max && taken == turn->n_pkts);
	for (uint32_t i = 0; i < taken; i++)
		check_frame(&turn->pkts[i]);
	stream_rx_done(&sp.port, 0);
	return taken;
}

/* Nothing is left but a part of a frame, or a wrong length was seen. */
static void check_end(const struct stream_conn *conn)
{
	size_t left = (size_t)(expected_end - expected);
	uint32_t len = 0;

	if (left >= STREAM_LEN_LEN)
		memcpy(&len, expected, sizeof(len));
	len = be32toh(len);
	if (left >= STREAM_LEN_LEN && len > PKT_LEN_MAX)
		ASSERT(stream_ended(conn) == STREAM_LENGTH);
	else
		ASSERT(stream_ended(conn) == STREAM_GOES_ON &&
			(left < STREAM_LEN_LEN || left - STREAM_LEN_LEN < len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz f = fuzz_begin(data, min_u64(len, BYTES_MAX));
	struct stream_conn *conn = calloc(1, sizeof(*conn));
	uint32_t cut = 1 + fuzz_u8(&f), max = 1 + fuzz_below(&f, 64);
	uint64_t now_ns = 0;
	int ends[2];

	rooms_make();
	ASSERT(conn && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
	conn->fd = ends[0];
	sp.conn = conn;
	expected = f.at;
	expected_end = f.end;
	while (!fuzz_over(&f) && stream_ended(conn) == STREAM_GOES_ON) {
		ssize_t n = send(ends[1], f.at, min_u64(cut, (uint64_t)(f.end - f.at)), MSG_NOSIGNAL);

		ASSERT(n > 0);
		f.at += n;
		while (receive(now_ns += SOCKET_IO_PAUSE_NS, max) > 0)
			;
	}
	check_end(conn);
	sp.conn = NULL;
	close(ends[0]);
	close(ends[1]);
	free(conn);
	return 0;
}
