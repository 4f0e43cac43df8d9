/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ginnel-xdp-open - what of AF_XDP takes privileges, for a ginneld that has none: it opens sockets on an interface, lets a
 * program lead the interface's frames to them, sends all that over the socket it was given (os/xdp.h) and ends.
 *
 * ginneld starts it; then it needs to be installed with capabilities of its own, for those who may have any interface's
 * frames. Or somebody who may starts both.
 */
#include "base/log.h"
#include "os/netns.h"
#include "os/unix.h"
#include "os/xdp.h"
#include "prog/option_table.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define FD_DEFAULT 3
/* VPP's name for the map in which a program finds the sockets. */
#define MAP_NAME "xsks_map"
/* Ethernet header and two tags. */
#define FRAME_EXTRA 22

struct options {
	const char *host_if;
	const char *netns;
	const char *prog;
	uint32_t queues; /* 0: all */
	enum xdp_mode mode;
	uint64_t fd;
};

struct opener {
	const struct options *options;
	struct xdp_note note;
	int fds[XDP_MAX_FDS];
	int map_fd, prog_fd;
};

/* Returns err. */
__attribute__((format(printf, 3, 4))) static int fail(struct opener *o, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(o->note.why, sizeof(o->note.why), fmt, ap);
	va_end(ap);
	o->note.err = err;
	return err;
}

/* --- the interface --- */

static uint32_t count_queues(int fd, const char *name)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq r = {.ifr_data = (void *)&channels};

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(fd, SIOCETHTOOL, &r) != 0)
		return 1;
	return max_u32(channels.combined_count + channels.rx_count, 1);
}

static int set_promiscuous(int fd, uint32_t ifindex)
{
	const struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_ifindex = (int)ifindex};
	const struct packet_mreq promiscuous = {.mr_ifindex = (int)ifindex, .mr_type = PACKET_MR_PROMISC};

	if (bind(fd, (const struct sockaddr *)&where, sizeof(where)) != 0)
		return -errno;
	return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) == 0
		       ? 0
		       : -errno;
}

static int chunk_len(struct opener *o, int fd)
{
	const char *name = o->options->host_if;
	struct ifreq r = {0};

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFMTU, &r) != 0)
		return fail(o, -errno, "interface %s: %s", name, strerror(errno));
	o->note.chunk_len =
		r.ifr_mtu + FRAME_EXTRA + XDP_HEADROOM <= XDP_CHUNK_MIN ? XDP_CHUNK_MIN : XDP_CHUNK_MAX;
	if (r.ifr_mtu + FRAME_EXTRA + XDP_HEADROOM > XDP_CHUNK_MAX)
		return fail(o, -EMSGSIZE,
			"the MTU of %s is too large for AF_XDP, whose frames lie in a page: ip link set %s "
			"mtu %u, or "
			"create host-interface name %s",
			name, name, XDP_CHUNK_MAX - XDP_HEADROOM - FRAME_EXTRA, name);
	return 0;
}

static int look_at_interface(struct opener *o)
{
	const char *name = o->options->host_if;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return fail(o, -errno,
			"%s: ginnel-xdp-open needs CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF (setcap "
			"cap_net_raw,cap_net_admin,cap_bpf,cap_ipc_lock+ep), or let root start it; create "
			"host-interface "
			"name %s "
			"needs CAP_NET_RAW only",
			strerror(errno), name);
	o->fds[XDP_FD_WATCH] = fd;
	o->note.ifindex = if_nametoindex(name);
	if (o->note.ifindex == 0)
		return fail(o, -ENODEV, "no interface %s here: see ip link", name);
	o->note.if_queues = count_queues(fd, name);
	o->note.n_queues =
		o->options->queues ? o->options->queues : min_u32(o->note.if_queues, XDP_MAX_QUEUES);
	if (o->note.n_queues > o->note.if_queues)
		return fail(o, -EINVAL, "%s has %u queues: choose no more, or see ethtool -L", name,
			o->note.if_queues);
	err = chunk_len(o, fd);
	if (err)
		return err;
	err = set_promiscuous(fd, o->note.ifindex);
	return err ? fail(o, err, "interface %s, promiscuous mode: %s", name, strerror(-err)) : 0;
}

/* --- memory and sockets --- */

/* Not cut short, and not grown, by whoever has the descriptor. */
static int make_memory(struct opener *o, size_t len)
{
	int fd = memfd_create("ginnel-xdp", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return fail(o, -errno, "memory: %s", strerror(errno));
	o->fds[XDP_FD_MEMORY] = fd;
	if (ftruncate(fd, (off_t)len) != 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		return fail(o, -errno, "memory: %s", strerror(errno));
	return 0;
}

static int set_ring(int fd, int option, uint32_t n)
{
	return setsockopt(fd, SOL_XDP, option, &n, sizeof(n));
}

static int make_socket(struct opener *o, uint8_t *memory)
{
	const struct xdp_umem_reg umem = {.addr = (uintptr_t)memory,
		.len = (uint64_t)XDP_CHUNKS * o->note.chunk_len,
		.chunk_size = o->note.chunk_len};
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 && errno == EAFNOSUPPORT)
		return fail(o, -errno, "this kernel has no AF_XDP: create host-interface name %s instead",
			o->options->host_if);
	if (fd < 0)
		return fail(o, -errno, "no AF_XDP socket: %s", strerror(errno));
	o->fds[XDP_FD_QUEUES + o->note.n_queues++] = fd;
	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)) != 0)
		return fail(o, -errno, "memory for AF_XDP: %s%s", strerror(errno),
			errno == ENOBUFS
				? ": raise the limit of locked memory (ulimit -l), or give ginnel-xdp-open "
				  "CAP_IPC_LOCK"
				: "");
	if (set_ring(fd, XDP_UMEM_FILL_RING, XDP_RX_CHUNKS) != 0 ||
		set_ring(fd, XDP_UMEM_COMPLETION_RING, XDP_TX_CHUNKS) != 0 ||
		set_ring(fd, XDP_RX_RING, XDP_RX_CHUNKS) != 0 ||
		set_ring(fd, XDP_TX_RING, XDP_TX_CHUNKS) != 0)
		return fail(o, -errno, "rings of AF_XDP: %s", strerror(errno));
	return 0;
}

static int make_sockets(struct opener *o)
{
	uint32_t n = o->note.n_queues;
	size_t each = (size_t)XDP_CHUNKS * o->note.chunk_len;
	uint8_t *memory;
	int err = make_memory(o, n * each);

	if (err)
		return err;
	memory = mmap(NULL, n * each, PROT_READ | PROT_WRITE, MAP_SHARED, o->fds[XDP_FD_MEMORY], 0);
	if (memory == MAP_FAILED)
		return fail(o, -errno, "memory: %s", strerror(errno));
	o->note.n_queues = 0;
	for (uint32_t i = 0; i < n && !err; i++)
		err = make_socket(o, memory + i * each);
	return err;
}

/* --- the program --- */

/* To the socket of the frame's queue; where there is none, the kernel goes on with it. */
static int load_own(struct opener *o)
{
	const struct bpf_insn insns[] = {
		/* r2 = the queue it came to */
		{.code = BPF_LDX | BPF_MEM | BPF_W,
			.dst_reg = BPF_REG_2,
			.src_reg = BPF_REG_1,
			.off = offsetof(struct xdp_md, rx_queue_index)},
		/* r1 = the map, r3 = otherwise */
		{.code = BPF_LD | BPF_IMM | BPF_DW,
			.dst_reg = BPF_REG_1,
			.src_reg = BPF_PSEUDO_MAP_FD,
			.imm = o->map_fd},
		{0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
		{.code = BPF_JMP | BPF_EXIT},
	};

	o->prog_fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "ginnel", "Apache-2.0", insns, ARRAY_LEN(insns), NULL);
	if (o->prog_fd < 0)
		return fail(o, o->prog_fd,
			"loading a program into the kernel: %s: it takes CAP_BPF and CAP_NET_ADMIN",
			strerror(-o->prog_fd));
	return 0;
}

static int make_map(struct opener *o)
{
	o->map_fd = bpf_map_create(
		BPF_MAP_TYPE_XSKMAP, MAP_NAME, sizeof(uint32_t), sizeof(uint32_t), XDP_MAX_QUEUES, NULL);
	if (o->map_fd < 0)
		return fail(o, o->map_fd,
			"a map for AF_XDP: %s: it takes CAP_BPF, and a kernel with BPF; create "
			"host-interface name %s "
			"does without",
			strerror(-o->map_fd), o->options->host_if);
	return 0;
}

/* The user's own, which has to lead frames to the sockets of a map of that name itself. It lives as long as we do. */
static int load_users(struct opener *o)
{
	struct bpf_object *object = bpf_object__open_file(o->options->prog, NULL);
	struct bpf_program *program = object ? bpf_object__next_program(object, NULL) : NULL;
	const char *path = o->options->prog;
	int err;

	if (!object)
		return fail(o, -errno, "program %s: %s", path, strerror(errno));
	if (!program)
		return fail(o, -EINVAL, "program %s: there is none in it", path);
	bpf_program__set_type(program, BPF_PROG_TYPE_XDP);
	err = bpf_object__load(object);
	if (err)
		return fail(o, err, "program %s: the kernel does not load it: %s", path, strerror(-err));
	o->prog_fd = bpf_program__fd(program);
	o->map_fd = bpf_object__find_map_fd_by_name(object, MAP_NAME);
	if (o->map_fd < 0)
		return fail(o, -EINVAL, "program %s: it has no map " MAP_NAME " for sockets", path);
	return 0;
}

static int attach(struct opener *o)
{
	LIBBPF_OPTS(bpf_link_create_opts, generic, .flags = XDP_FLAGS_SKB_MODE);
	const char *name = o->options->host_if;
	int fd = bpf_link_create(o->prog_fd, (int)o->note.ifindex, BPF_XDP, NULL);

	o->note.native = fd >= 0;
	if (fd < 0 && fd != -EBUSY && fd != -EEXIST && o->options->mode != XDP_MODE_ZERO_COPY)
		fd = bpf_link_create(o->prog_fd, (int)o->note.ifindex, BPF_XDP, &generic);
	if (fd == -EBUSY || fd == -EEXIST)
		return fail(o, fd,
			"%s has an XDP program already: ip link show %s names it, ip link set %s xdp off "
			"takes one "
			"away that nobody holds",
			name, name, name);
	if (fd < 0)
		return fail(o, fd, "the program does not go to %s: %s: create host-interface name %s instead",
			name, strerror(-fd), name);
	o->fds[XDP_FD_LINK] = fd;
	return 0;
}

static int lead_frames(struct opener *o)
{
	int err = o->options->prog ? load_users(o) : make_map(o);

	if (!err && !o->options->prog)
		err = load_own(o);
	for (uint32_t i = 0; i < o->note.n_queues && !err; i++)
		if (bpf_map_update_elem(o->map_fd, &i, &o->fds[XDP_FD_QUEUES + i], BPF_ANY) != 0)
			err = fail(o, -errno, "a map for AF_XDP, queue %u: %s", i, strerror(errno));
	return err ? err : attach(o);
}

/* --- */

static int open_all(void *arg)
{
	struct opener *o = arg;
	int err = look_at_interface(o);

	if (!err)
		err = make_sockets(o);
	return err ? err : lead_frames(o);
}

static int silent(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return 0;
}

static int run(const struct options *options)
{
	struct opener o = {.options = options,
		.note = {.version = XDP_NOTE_VERSION, .mode = options->mode},
		.map_fd = -1,
		.prog_fd = -1};
	const struct rlimit no_limit = {RLIM_INFINITY, RLIM_INFINITY};
	int err;

	for (uint32_t i = 0; i < XDP_MAX_FDS; i++)
		o.fds[i] = -1;
	libbpf_set_print(silent);
	setrlimit(RLIMIT_MEMLOCK, &no_limit); /* who may; the others have what they have */
	err = netns_run(options->netns, open_all, &o);
	if (err && !o.note.err)
		fail(&o, err, "network namespace %s: %s", options->netns, strerror(-err));
	if (err)
		log_error("ginnel-xdp-open: %s", o.note.why);
	if (unix_send((int)options->fd, &o.note, sizeof(o.note), o.fds,
		    err ? 0 : XDP_FD_QUEUES + o.note.n_queues) == sizeof(o.note))
		return err ? EXIT_FAILURE : EXIT_SUCCESS;
	log_error("ginnel-xdp-open: descriptor %d is no unix socket to send to", (int)options->fd);
	return EXIT_FAILURE;
}

/* --- options --- */

static int set_host_if(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	((struct options *)target)->host_if = text;
	return strlen(text) < IFNAMSIZ ? 0 : option_wrong(wanted, "at most %d characters", IFNAMSIZ - 1);
}

static int set_netns(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	((struct options *)target)->netns = text;
	return 0;
}

static int set_prog(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	((struct options *)target)->prog = text;
	return 0;
}

static int set_queues(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	uint64_t n = 0;
	int err = strcmp(text, "all") == 0 ? 0 : option_number(text, 1, XDP_MAX_QUEUES, &n, wanted);

	((struct options *)target)->queues = (uint32_t)n;
	return err;
}

static int set_mode(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	struct options *o = target;

	if (strcmp(text, "any") == 0)
		o->mode = XDP_MODE_ANY;
	else if (strcmp(text, "zero-copy") == 0)
		o->mode = XDP_MODE_ZERO_COPY;
	else if (strcmp(text, "no-zero-copy") == 0)
		o->mode = XDP_MODE_COPY;
	else
		return option_wrong(wanted, "zero-copy, no-zero-copy or any");
	return 0;
}

static int set_fd(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	return option_number(text, 0, INT32_MAX, &((struct options *)target)->fd, wanted);
}

static const struct option_row rows[] = {
	{"host-if", 0, "NAME", "the interface whose frames are wanted", set_host_if},
	{"netns", 0, "NS", "the network namespace it is in: a name, a process, or a path", set_netns},
	{"queues", 0, "N", "how many of its queues, or all (default: 1)", set_queues},
	{"mode", 0, "MODE", "zero-copy, no-zero-copy or any (default: any, what the driver can)", set_mode},
	{"prog", 0, "PATH",
		"a program that leads frames to the sockets of its map " MAP_NAME
		" (default: one for all frames)",
		set_prog},
	{"fd", 0, "FD", "the unix socket to send everything to (default: 3)", set_fd},
	{0},
};

static void print_man(const struct option_set *set)
{
	printf(".Dd $Mdocdate$\n.Dt GINNEL-XDP-OPEN 8\n.Os\n.Sh NAME\n.Nm ginnel-xdp-open\n"
	       ".Nd open AF_XDP sockets for a ginneld without privileges\n.Sh SYNOPSIS\n.Nm\n"
	       ".Fl -host-if Ar NAME\n.Op Ar option ...\n"
	       ".Sh DESCRIPTION\n%s\n.Pp\n"
	       "The frames of the interface are ginneld's from then on, not the kernel's, until ginneld ends "
	       "or deletes the "
	       "port.\n"
	       ".Pp\n.Nm\nneeds CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF and CAP_IPC_LOCK, and CAP_SYS_ADMIN for\n"
	       ".Fl -netns .\n"
	       "Give it these by\n.Xr setcap 8\n"
	       "and let only those execute it who may have the frames of any interface, as a group of their "
	       "own; "
	       "or run it as root with one end of a socket pair, whose other end ginneld inherits\n"
	       ".Pq Ql create interface af_xdp fd N .\n.Sh OPTIONS\n",
		set->brief);
	options_print_man(set, stdout);
	printf(".Sh SEE ALSO\n.Xr ginnel-commands 7\n");
}

int main(int argc, char **argv)
{
	struct options o = {.queues = 1, .fd = FD_DEFAULT};
	const struct option_set set = {.program = "ginnel-xdp-open",
		.brief = "Opens AF_XDP sockets on an interface of the kernel and sends them to ginneld.",
		.tables = {{rows, &o}},
		.n_tables = 1};

	switch (options_read(&set, argc, argv)) {
	case OPTIONS_PRINT_MAN:
		print_man(&set);
		return EXIT_SUCCESS;
	case OPTIONS_DONE:
		return EXIT_SUCCESS;
	case OPTIONS_WRONG:
		return 2;
	case OPTIONS_RUN:
		break;
	}
	if (o.host_if)
		return run(&o);
	log_error("ginnel-xdp-open: which interface? --host-if NAME");
	return 2;
}
