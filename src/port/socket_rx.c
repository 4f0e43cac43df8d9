/* SPDX-License-Identifier: Apache-2.0 */
#include "port/socket_io.h"

#include "pkt/tag.h"
#include "port/vnet.h"
#include "wire/ethernet.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define BODY_MAX (PKT_LEN_MAX - PKT_HEAD_MAX)
/* Not a multiple of a page: frames' bodies shall not all begin in the same set of the cache. */
#define BODY_STRIDE (BODY_MAX + 3 * CACHE_LINE)

#define CONTROL_LEN CMSG_SPACE(sizeof(struct tpacket_auxdata))

struct socket_io_batch {
	struct mmsghdr msgs[SOCKET_IO_BATCH];
	struct iovec iov[SOCKET_IO_BATCH][3]; /* header, head, body */
	struct virtio_net_hdr hdrs[SOCKET_IO_BATCH];
	_Alignas(struct cmsghdr) uint8_t control[SOCKET_IO_BATCH][CONTROL_LEN];
	uint8_t *bodies; /* BODY_STRIDE bytes for each */
};

static void message_init(struct socket_io_batch *b, uint32_t i, bool hdr)
{
	b->iov[i][0] = (struct iovec){.iov_base = &b->hdrs[i], .iov_len = sizeof(b->hdrs[i])};
	b->iov[i][1] = (struct iovec){.iov_len = PKT_HEAD_MAX};
	b->iov[i][2] = (struct iovec){.iov_base = b->bodies + (size_t)i * BODY_STRIDE, .iov_len = BODY_MAX};
	b->msgs[i].msg_hdr.msg_iov = &b->iov[i][hdr ? 0 : 1];
	b->msgs[i].msg_hdr.msg_iovlen = hdr ? 3 : 2;
}

int socket_queue_init(struct socket_queue *q, int fd, bool hdr, bool tags)
{
	struct socket_io_batch *b = calloc(1, sizeof(*b));
	void *bodies;

	*q = (struct socket_queue){.fd = fd, .hdr = hdr, .tags = tags};
	if (!b)
		return -ENOMEM;
	bodies = mmap(NULL, (size_t)SOCKET_IO_BATCH * BODY_STRIDE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bodies == MAP_FAILED) {
		free(b);
		return -ENOMEM;
	}
	b->bodies = bodies;
	for (uint32_t i = 0; i < SOCKET_IO_BATCH; i++)
		message_init(b, i, hdr);
	q->batch = b;
	return 0;
}

void socket_queue_fini(struct socket_queue *q)
{
	if (!q->batch)
		return;
	munmap(q->batch->bodies, (size_t)SOCKET_IO_BATCH * BODY_STRIDE);
	free(q->batch);
	q->batch = NULL;
}

/* --- VLAN tags --- */

/* The tag that was taken out of the frame; 0: none. */
static uint32_t tag_of(struct msghdr *msg)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	struct tpacket_auxdata aux;
	uint32_t type = ETHERNET_TYPE_VLAN;

	if (!c || c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
		c->cmsg_len < CMSG_LEN(sizeof(aux)))
		return 0;
	memcpy(&aux, CMSG_DATA(c), sizeof(aux));
	if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
		return 0;
	if (aux.tp_status & TP_STATUS_VLAN_TPID_VALID)
		type = aux.tp_vlan_tpid;
	return type << 16 | aux.tp_vlan_tci;
}

/* --- one message --- */

static enum drop frame_fill(const struct socket_queue *q, struct pkt *pkt, uint32_t i, uint32_t len)
{
	pkt->head_len = (uint16_t)min_u32(len, PKT_HEAD_MAX);
	pkt->body_len = len - pkt->head_len;
	pkt->n_segs = pkt->body_len > 0;
	pkt->offload = (struct pkt_offload){0};
	if (unlikely(q->batch->msgs[i].msg_hdr.msg_flags & MSG_TRUNC))
		return DROP_RX_TOO_LONG;
	if (unlikely(len < ETHERNET_HEADER_LEN))
		return DROP_RX_RUNT;
	if (q->hdr && unlikely(!vnet_parse(&pkt->offload, &q->batch->hdrs[i], len)))
		return DROP_RX_HEADER;
	return DROP_NONE;
}

static void frame_push(const struct socket_queue *q, struct iface *iface, struct turn *turn, uint32_t i)
{
	uint32_t hdr_len = q->hdr ? sizeof(struct virtio_net_hdr) : 0, len = q->batch->msgs[i].msg_len;
	struct pkt *pkt = turn_pkt(turn);
	enum drop drop = frame_fill(q, pkt, i, len < hdr_len ? 0 : len - hdr_len);
	uint32_t tag = q->tags ? tag_of(&q->batch->msgs[i].msg_hdr) : 0;

	pkt->rx = iface;
	pkt->segs = &turn->segs[turn->n_segs];
	turn->n_bytes += len;
	if (pkt->n_segs > 0)
		turn->segs[turn->n_segs++] =
			(struct pkt_seg){.addr = q->batch->iov[i][2].iov_base, .len = pkt->body_len};
	if (tag != 0 && drop == DROP_NONE && !pkt_push_tag(pkt, tag))
		drop = DROP_RX_HEADER;
	if (unlikely(drop != DROP_NONE))
		turn_drop(turn, pkt, drop);
	else
		turn_push(turn, pkt, STAGE_ETH_INPUT);
}

uint32_t socket_queue_rx(struct socket_queue *q, struct iface *iface, struct turn *turn, uint32_t max)
{
	struct socket_io_batch *b = q->batch;
	int n;

	if (q->drained && turn->now_ns - q->looked_ns < SOCKET_IO_PAUSE_NS)
		return 0;
	q->drained = false;
	max = min_u32(min_u32(max, SOCKET_IO_BATCH), turn_room(turn));
	for (uint32_t i = 0; i < max; i++) {
		b->iov[i][1].iov_base = turn->pkts[turn->n_pkts + i].buf + PKT_HEADROOM;
		b->msgs[i].msg_hdr.msg_control = q->tags ? b->control[i] : NULL;
		b->msgs[i].msg_hdr.msg_controllen = q->tags ? CONTROL_LEN : 0;
	}
	n = recvmmsg(q->fd, b->msgs, max, MSG_DONTWAIT, NULL);
	/* something befell the socket, which is told once: there may be frames behind */
	if (n < 0 && errno != EAGAIN)
		n = recvmmsg(q->fd, b->msgs, max, MSG_DONTWAIT, NULL);
	if (n <= 0) {
		q->drained = true;
		q->looked_ns = turn->now_ns;
		return 0;
	}
	for (uint32_t i = 0; i < (uint32_t)n; i++)
		frame_push(q, iface, turn, i);
	return (uint32_t)n;
}
