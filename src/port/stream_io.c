/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of a stream. As many bytes as there are are read into the connection's buffer; frames are made of them where they
 * lie, and what is left over moves to the front before the next read, when nothing is borrowed any more.
 */
#include "port/stream_port.h"

#include "wire/bytes.h"
#include "wire/ethernet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

/* Control hears of it through the socket. */
static void end_conn(struct stream_conn *conn, enum stream_end why)
{
	__atomic_store_n(&conn->ended, (uint8_t)why, __ATOMIC_RELAXED);
	shutdown(conn->fd, SHUT_RDWR);
}

/* --- from the peer --- */

static bool length_is_there(const struct stream_conn *conn)
{
	return conn->end - conn->start >= STREAM_LEN_LEN;
}

static bool frame_is_there(const struct stream_conn *conn)
{
	return length_is_there(conn) &&
	       conn->end - conn->start - STREAM_LEN_LEN >= be32_get(conn->buffer + conn->start);
}

/* There is no whole frame in the buffer, and no wrong length. */
static void fill(struct stream_conn *conn, uint64_t now_ns)
{
	uint32_t left = conn->end - conn->start;
	ssize_t n;

	ASSERT(left <= STREAM_BUFFER - STREAM_READ);
	memmove(conn->buffer, conn->buffer + conn->start, left);
	conn->start = 0;
	conn->end = left;
	n = recv(conn->fd, conn->buffer + left, STREAM_READ, MSG_DONTWAIT);
	if (n > 0) {
		conn->end += (uint32_t)n;
		return;
	}
	conn->looked_ns = now_ns;
	conn->drained = n == 0 || errno != EINTR;
	if (n == 0)
		end_conn(conn, STREAM_CLOSED);
	else if (errno != EAGAIN && errno != EINTR)
		end_conn(conn, STREAM_ERROR);
}

static void push_frame(struct turn *turn, struct iface *iface, const uint8_t *frame, uint32_t len)
{
	struct pkt *pkt = turn_pkt(turn);

	pkt->rx = iface;
	pkt->head_len = (uint16_t)min_u32(len, PKT_HEAD_MAX);
	pkt->body_len = len - pkt->head_len;
	pkt->n_segs = pkt->body_len > 0;
	pkt->segs = &turn->segs[turn->n_segs];
	pkt->offload = (struct pkt_offload){0};
	memcpy(pkt->data, frame, pkt->head_len);
	turn->n_bytes += len;
	if (pkt->n_segs > 0)
		turn->segs[turn->n_segs++] =
			(struct pkt_seg){.addr = frame + PKT_HEAD_MAX, .len = pkt->body_len};
	if (unlikely(len < ETHERNET_HEADER_LEN))
		turn_drop(turn, pkt, DROP_RX_RUNT);
	else
		turn_push(turn, pkt, STAGE_ETH_INPUT);
}

/* False: there is no whole frame, or there never will be one. */
static bool take_frame(struct stream_conn *conn, struct turn *turn, struct iface *iface)
{
	uint32_t len;

	if (!length_is_there(conn))
		return false;
	len = be32_get(conn->buffer + conn->start);
	if (unlikely(len > PKT_LEN_MAX)) {
		end_conn(conn, STREAM_LENGTH);
		return false;
	}
	if (!frame_is_there(conn))
		return false;
	conn->taken[conn->n_taken++] = (struct stream_frame){conn->start + STREAM_LEN_LEN, len};
	push_frame(turn, iface, conn->buffer + conn->start + STREAM_LEN_LEN, len);
	conn->start += STREAM_LEN_LEN + len;
	return true;
}

static uint32_t take_frames(struct stream_conn *conn, struct turn *turn, struct iface *iface, uint32_t max)
{
	uint32_t taken = 0;

	while (taken < max && turn_room(turn) > 0 && take_frame(conn, turn, iface))
		taken++;
	return taken;
}

/* --- frames that wait for somebody's buffers --- */

/* What the turn says about the packets from `from` on, of which n_again have been here before, is for us. */
static void keep_begin(struct stream_conn *conn, struct turn *turn, uint32_t from, uint32_t n_again)
{
	struct turn_keep *k = &conn->keep;

	k->from = &turn->pkts[from];
	k->n = turn->n_pkts - from;
	k->n_again = n_again;
	k->n_no_room = 0;
	if (turn->now_ns >= conn->never_ns)
		k->never = NULL;
	memset(k->no_room, 0, k->n);
	k->next = turn->keep;
	turn->keep = k;
}

/* Whoever has taken nothing for so long is not waited for: this time what is for it is dropped by name. */
static void lose_patience(struct stream_conn *conn)
{
	if (conn->now_ns - conn->progress_ns < STREAM_PATIENCE_NS)
		return;
	conn->keep.never = conn->keep.who;
	conn->keep.never_sent = KEEP_NOT_SEEN;
	conn->never_ns = conn->now_ns + STREAM_NEVER_NS;
}

/* Nothing else is read meanwhile. */
static uint32_t take_waiting(struct stream_conn *conn, struct turn *turn, struct iface *iface, uint32_t max)
{
	uint32_t n = min_u32(max, conn->n_waiting), from = turn->n_pkts, i;

	if (turn->now_ns - conn->now_ns < STREAM_RETRY_NS)
		return 0;
	conn->now_ns = turn->now_ns;
	lose_patience(conn);
	for (i = 0; i < n && turn_room(turn) > 0; i++) {
		conn->taken[conn->n_taken++] = conn->waiting[i];
		push_frame(turn, iface, conn->buffer + conn->waiting[i].at, conn->waiting[i].len);
	}
	keep_begin(conn, turn, from, i);
	return i;
}

/* Of what was taken, that for which there was no room; then what was not even tried. */
static void keep_end(struct stream_conn *conn)
{
	uint32_t n = 0, again = conn->keep.n_again;

	for (uint32_t i = 0; i < conn->n_taken; i++)
		if (conn->keep.no_room[i])
			conn->taken[n++] = conn->taken[i];
	if (n < conn->n_taken || conn->n_waiting == 0)
		conn->progress_ns = conn->now_ns;
	if (again < conn->n_waiting)
		memcpy(conn->taken + n, conn->waiting + again,
			(conn->n_waiting - again) * sizeof(conn->taken[0]));
	n += conn->n_waiting - again;
	memcpy(conn->waiting, conn->taken, n * sizeof(conn->taken[0]));
	conn->n_waiting = n;
	conn->n_taken = 0;
}

static uint32_t take_new(struct stream_conn *conn, struct turn *turn, struct iface *iface, uint32_t max)
{
	uint32_t from = turn->n_pkts, taken = take_frames(conn, turn, iface, max);

	conn->now_ns = turn->now_ns;
	if (taken > 0)
		keep_begin(conn, turn, from, 0);
	return taken;
}

uint32_t stream_rx(struct port *port, uint32_t queue, struct turn *turn, uint32_t max)
{
	struct stream_port *sp = CONTAINER_OF(port, struct stream_port, port);
	struct stream_conn *conn = rcu_load(sp->conn);
	uint32_t taken;

	if (!conn || stream_ended(conn) != STREAM_GOES_ON)
		return 0;
	if (conn->n_waiting > 0)
		return take_waiting(conn, turn, &port->iface, max);
	taken = take_new(conn, turn, &port->iface, max);
	if (taken > 0 || stream_ended(conn) != STREAM_GOES_ON)
		return taken;
	if (conn->drained && turn->now_ns - conn->looked_ns < SOCKET_IO_PAUSE_NS)
		return 0;
	conn->drained = false;
	fill(conn, turn->now_ns);
	return take_new(conn, turn, &port->iface, max);
}

/* The bytes stay where they are until the next read. */
void stream_rx_done(struct port *port, uint32_t queue)
{
	struct stream_conn *conn = rcu_load(CONTAINER_OF(port, struct stream_port, port)->conn);

	if (conn && conn->n_taken > 0)
		keep_end(conn);
}

/* It wakes the worker when it is time to look again. True: it would not. */
static bool timer_fails(int timer, uint64_t at_ns)
{
	const struct itimerspec when = {
		.it_value = {.tv_sec = (time_t)(at_ns / NS_PER_S), .tv_nsec = (long)(at_ns % NS_PER_S)}};

	return timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL) != 0;
}

/* The socket is watched edge-triggered: it tells of what comes after the last look only. */
bool stream_rx_arm(struct port *port, uint32_t queue)
{
	const struct stream_port *sp = CONTAINER_OF(port, struct stream_port, port);
	const struct stream_conn *conn = rcu_load(sp->conn);

	if (conn && conn->n_waiting > 0)
		return timer_fails(sp->timer, conn->now_ns + STREAM_RETRY_NS);
	return conn && stream_ended(conn) == STREAM_GOES_ON && (!conn->drained || frame_is_there(conn));
}

void stream_rx_disarm(struct port *port, uint32_t queue)
{
	struct stream_conn *conn = rcu_load(CONTAINER_OF(port, struct stream_port, port)->conn);

	if (conn)
		conn->drained = false;
}

/* --- to the peer --- */

void stream_tx(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n)
{
	struct stream_port *sp = CONTAINER_OF(port, struct stream_port, port);
	struct stream_conn *conn = rcu_load(sp->conn);
	struct socket_sender sender = {
		.prefix = SOCKET_PREFIX_LENGTH,
		.mtu_max = STREAM_MTU_MAX,
		.scratch = sp->scratch + (size_t)turn->worker * SOCKET_IO_SCRATCH,
	};

	if (unlikely(!conn || stream_ended(conn) != STREAM_GOES_ON)) {
		turn_tx_drop(turn, &port->iface, pkts, n, DROP_TX_NO_PEER);
		return;
	}
	sender.fd = conn->fd;
	if (unlikely(!socket_send(&sender, &port->iface, turn, pkts, n)))
		end_conn(conn, STREAM_TORN);
}
