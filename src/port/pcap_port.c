/* SPDX-License-Identifier: Apache-2.0 */
#include "port/pcap_port.h"

#include "base/units.h"
#include "port/begun.h"
#include "wire/ethernet.h"
#include "wire/pcap_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

static struct pcap_port *pcap_of(struct port *port)
{
	return CONTAINER_OF(port, struct pcap_port, port);
}

/* --- frames --- */

static uint64_t interval(const struct pcap_port *pp, uint32_t at)
{
	return pp->as_recorded ? pp->file.frames[at].after_ns : pp->interval_ns;
}

/* The frame at `at` is gone. A rate that cannot be kept is not made up for beyond a burst. */
static void advance(struct pcap_port *pp, uint64_t now_ns)
{
	uint32_t next = pp->at + 1;

	if (next == pp->file.n_frames) {
		next = 0;
		__atomic_store_n(&pp->loops_done, pp->loops_done + 1, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&pp->at, next, __ATOMIC_RELAXED);
	pp->next_ns += interval(pp, next);
	if (now_ns - pp->next_ns > NS_PER_MS && now_ns > pp->next_ns)
		pp->next_ns = now_ns - NS_PER_MS;
}

static void push_frame(struct pcap_port *pp, struct turn *turn)
{
	const struct pcap_frame *f = &pp->file.frames[pp->at];
	struct pkt *pkt = turn_pkt(turn);

	pkt->rx = &pp->port.iface;
	pkt->head_len = (uint16_t)min_u32(f->len, PKT_HEAD_MAX);
	pkt->body_len = f->len - pkt->head_len;
	pkt->n_segs = pkt->body_len > 0;
	pkt->segs = &turn->segs[turn->n_segs];
	pkt->offload = (struct pkt_offload){0};
	memcpy(pkt->data, f->bytes, pkt->head_len);
	turn->n_bytes += f->len;
	if (pkt->n_segs > 0)
		turn->segs[turn->n_segs++] =
			(struct pkt_seg){.addr = f->bytes + PKT_HEAD_MAX, .len = pkt->body_len};
	begun_find(pkt);
	turn_push(turn, pkt, STAGE_ETH_INPUT);
}

static uint32_t pcap_rx(struct port *port, uint32_t queue, struct turn *turn, uint32_t max)
{
	struct pcap_port *pp = pcap_of(port);
	uint32_t taken = 0;

	if (pcap_port_is_over(pp) || !iface_is_up(&port->iface)) {
		pp->running = false;
		return 0;
	}
	if (!pp->running)
		pp->next_ns = turn->now_ns;
	pp->running = true;
	while (taken < max && turn_room(turn) > 0 && pp->next_ns <= turn->now_ns && !pcap_port_is_over(pp)) {
		push_frame(pp, turn);
		advance(pp, turn->now_ns);
		taken++;
	}
	return taken;
}

/* Bodies lie in the file's memory. */
static void pcap_rx_done(struct port *port, uint32_t queue)
{
}

/* An absolute time that is past already wakes at once. */
static bool pcap_rx_arm(struct port *port, uint32_t queue)
{
	struct pcap_port *pp = pcap_of(port);
	struct itimerspec when = {.it_value = {.tv_sec = (time_t)(pp->next_ns / NS_PER_S),
					  .tv_nsec = (long)(pp->next_ns % NS_PER_S)}};

	if (pcap_port_is_over(pp) || !iface_is_up(&port->iface))
		return false;
	if (!pp->running)
		return true;
	return timerfd_settime(pp->timer, TFD_TIMER_ABSTIME, &when, NULL) != 0;
}

static void pcap_rx_disarm(struct port *port, uint32_t queue)
{
}

static void pcap_rx_watch(struct port *port, uint32_t queue, bool on)
{
	port_watch_fd(port, queue, pcap_of(port)->timer, on);
}

static void pcap_tx(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n)
{
	turn_tx_drop(turn, &port->iface, pkts, n, DROP_TX_NO_PEER);
}

/* --- the file --- */

static void file_close(struct pcap_file *f)
{
	if (f->bytes)
		munmap(f->bytes, f->len);
	if (f->fd >= 0)
		close(f->fd);
	free(f->frames);
	*f = (struct pcap_file){.fd = -1};
}

/* Into memory of our own: whoever changes the file later changes nothing here. */
static int file_copy(struct pcap_file *f, int from)
{
	struct stat st;
	size_t done = 0;

	if (fstat(from, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > PCAP_FILE_MAX)
		return -EFBIG;
	f->len = st.st_size > 0 ? (size_t)st.st_size : 1;
	f->fd = memfd_create("ginnel-pcap", MFD_CLOEXEC);
	if (f->fd < 0 || ftruncate(f->fd, (off_t)f->len) != 0)
		return -errno;
	f->bytes = mmap(NULL, f->len, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (f->bytes == MAP_FAILED) {
		f->bytes = NULL;
		return -errno;
	}
	while (done < f->len) {
		ssize_t n = pread(from, f->bytes + done, f->len - done, (off_t)done);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return 0;
}

static int file_read(struct pcap_file *f, const char *path)
{
	int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err;

	if (from < 0)
		return -errno;
	err = file_copy(f, from);
	close(from);
	return err;
}

static int file_adopt(struct pcap_file *f, int fd)
{
	off_t len = lseek(fd, 0, SEEK_END);

	f->fd = fd;
	if (len <= 0 || len > PCAP_FILE_MAX)
		return -EBADF;
	f->len = (size_t)len;
	f->bytes = mmap(NULL, f->len, PROT_READ, MAP_SHARED, fd, 0);
	if (f->bytes != MAP_FAILED)
		return 0;
	f->bytes = NULL;
	return -errno;
}

/* False: out of memory. Times that go back count as none. */
static bool add_frame(struct pcap_file *f, const struct pcap_read_frame *frame, uint64_t *last_ns)
{
	struct pcap_frame *grown = f->frames;
	uint64_t after = f->n_frames > 0 && frame->time_ns > *last_ns ? frame->time_ns - *last_ns : 0;

	if (frame->len < frame->wire_len || frame->len < ETHERNET_HEADER_LEN || frame->len > PKT_LEN_MAX) {
		f->n_left_out++;
		return true;
	}
	if ((f->n_frames & (f->n_frames - 1)) == 0) /* 0 and powers of two */
		grown = reallocarray(f->frames, max_u32(2 * f->n_frames, 1), sizeof(*grown));
	if (!grown)
		return false;
	f->frames = grown;
	f->frames[f->n_frames++] =
		(struct pcap_frame){.after_ns = after, .bytes = frame->bytes, .len = frame->len};
	if (frame->time_ns > *last_ns)
		*last_ns = frame->time_ns;
	return true;
}

/* Finds the frames. 0, or -errno after saying in why what is wrong with the file. */
static int file_parse(struct pcap_file *f, const char *path, char why[256])
{
	struct pcap_reader r;
	struct pcap_read_frame frame;
	enum pcap_read what = pcap_read_begin(&r, f->bytes, f->len);
	uint64_t last_ns = 0;

	while (what == PCAP_READ_OK && (what = pcap_read_next(&r, &frame)) == PCAP_READ_OK)
		if (!add_frame(f, &frame, &last_ns)) {
			snprintf(why, 256, "out of memory");
			return -ENOMEM;
		}
	if (what != PCAP_READ_END)
		snprintf(why, 256, "%s, byte %zu: %s", path, r.at, pcap_read_text(what));
	else if (f->n_frames == 0)
		snprintf(why, 256, "%s has no whole frame", path);
	return what == PCAP_READ_END && f->n_frames > 0 ? 0 : -EINVAL;
}

/* --- operations --- */

static void pcap_nothing(struct port *port)
{
}

static bool pcap_connected(const struct port *port)
{
	return !pcap_port_is_over(CONTAINER_OF(port, const struct pcap_port, port));
}

static json_t *pcap_save(struct port *port, struct parcel *parcel)
{
	const struct pcap_port *pp = pcap_of(port);

	return json_pack("{s:s, s:o, s:b, s:I, s:I, s:I, s:I, s:b, s:I}", "file", pp->path, "frames",
		parcel_put(parcel, pp->file.fd), "as-recorded", (int)pp->as_recorded, "interval",
		(json_int_t)pp->interval_ns, "loops", (json_int_t)pp->loops, "loops-done",
		(json_int_t)pp->loops_done, "at", (json_int_t)pp->at, "running", (int)pp->running, "next",
		(json_int_t)pp->next_ns);
}

static void pcap_close(struct port *port)
{
	pcap_rx_watch(port, 0, false);
}

static void pcap_destroy(struct port *port)
{
	struct pcap_port *pp = pcap_of(port);

	file_close(&pp->file);
	if (pp->timer >= 0)
		close(pp->timer);
	free(pp->path);
	free(pp);
}

static const struct port_ops pcap_ops = {
	.rx = pcap_rx,
	.rx_done = pcap_rx_done,
	.rx_arm = pcap_rx_arm,
	.rx_disarm = pcap_rx_disarm,
	.rx_watch = pcap_rx_watch,
	.tx = pcap_tx,
	.tick = pcap_nothing,
	.connected = pcap_connected,
	.check_memory = pcap_nothing,
	.save = pcap_save,
	.resume = pcap_nothing,
	.close = pcap_close,
	.destroy = pcap_destroy,
};

struct pcap_port *pcap_port_of(struct port *port)
{
	return port && port->ops == &pcap_ops ? pcap_of(port) : NULL;
}

/* --- making one --- */

static struct pcap_port *pcap_alloc(const char *path)
{
	struct pcap_port *pp = calloc(1, sizeof(*pp));

	if (!pp)
		return NULL;
	pp->port.ops = &pcap_ops;
	pp->port.iface.kind = "pcap";
	pp->file.fd = -1;
	pp->path = strdup(path);
	pp->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (pp->path && pp->timer >= 0)
		return pp;
	pcap_destroy(&pp->port);
	return NULL;
}

/* pp is in the list; on failure it is gone. */
static int pcap_start(struct pcap_port *pp)
{
	int err = port_rx_start(&pp->port, 0);

	if (err) {
		port_remove(&pp->port);
		return err;
	}
	pcap_rx_watch(&pp->port, 0, true);
	return 0;
}

static int pcap_list(struct ports *ports, struct pcap_port *pp, const uint8_t *mac)
{
	int err;

	port_pick_name(ports, &pp->port, "pcap", -1);
	port_pick_mac(ports, &pp->port, mac);
	err = port_add(ports, &pp->port);
	if (err) {
		pcap_destroy(&pp->port);
		return err;
	}
	return pcap_start(pp);
}

static void explain(int err, const char *path, char why[256])
{
	if (err == -EFBIG)
		snprintf(
			why, 256, "%s is larger than %u MiB: cut it (editcap -c)", path, PCAP_FILE_MAX >> 20);
	else if (err == -ENOSPC)
		snprintf(why, 256, "there are %d interfaces already: delete one first", IFACE_MAX);
	else if (err == -EINVAL)
		snprintf(why, 256, "%s is no file", path);
	else
		snprintf(why, 256, "%s: %s", path, strerror(-err));
}

int pcap_port_create(
	struct ports *ports, const struct pcap_port_config *config, struct pcap_port **out, char why[256])
{
	struct pcap_port *pp = pcap_alloc(config->path);
	int err;

	why[0] = '\0';
	err = pp ? file_read(&pp->file, config->path) : -ENOMEM;
	if (err == 0)
		err = file_parse(&pp->file, config->path, why);
	if (err && pp)
		pcap_destroy(&pp->port);
	if (err == 0) {
		pp->as_recorded = config->as_recorded;
		pp->interval_ns = config->pps > 0 ? NS_PER_S / config->pps : 0;
		pp->loops = config->loops;
		err = pcap_list(ports, pp, config->mac);
	}
	if (err && !why[0])
		explain(err, config->path, why);
	*out = pp;
	return err;
}

/* --- in a successor process --- */

static int take_state(struct pcap_port *pp, const json_t *state, struct parcel *parcel)
{
	int fd = parcel_take(parcel, json_object_get(state, "frames"));
	char why[256];
	int err = fd < 0 ? -EBADF : file_adopt(&pp->file, fd);

	if (err == 0)
		err = file_parse(&pp->file, pp->path, why);
	pp->as_recorded = parcel_bool(state, "as-recorded", true);
	pp->interval_ns = parcel_u64(state, "interval", 0);
	pp->loops = (uint32_t)parcel_u64(state, "loops", 1);
	pp->loops_done = (uint32_t)parcel_u64(state, "loops-done", 0);
	pp->at = (uint32_t)parcel_u64(state, "at", 0);
	pp->running = parcel_bool(state, "running", false);
	pp->next_ns = parcel_u64(state, "next", 0);
	return err == 0 && pp->at >= pp->file.n_frames ? -EINVAL : err;
}

int pcap_port_restore(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out)
{
	struct pcap_port *pp = pcap_alloc(parcel_str(state, "file", ""));
	int err = pp ? take_state(pp, state, parcel) : -ENOMEM;

	if (err == 0)
		err = port_add_restored(ports, &pp->port, state);
	if (err) {
		if (pp)
			pcap_destroy(&pp->port);
		return err;
	}
	err = pcap_start(pp);
	if (err == 0)
		*out = &pp->port;
	return err;
}
