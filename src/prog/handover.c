/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/handover.h"

#include "base/log.h"
#include "os/clock.h"
#include "os/service.h"
#include "os/unix.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum word {
	WORD_GO = 'g',
	WORD_READY = 'r',
	WORD_YOURS = 'y',
	WORD_KEPT = 'k',
};

/* For the successor to say GO, and for each step of the talk before the old one stands still. */
#define PATIENCE_NS (10 * NS_PER_S)
/* The old one stands still no longer than this; a successor that is slower is given up. */
#define STILL_MAX_NS (3 * NS_PER_S)

/* Among the descriptors that a service manager keeps. */
#define STORE_NAME "ginnel"

static uint64_t in_ns(uint64_t ns)
{
	return clock_now_ns() + ns;
}

/* --- the old one --- */

/* 0 when everything is the successor's. */
static int give(struct handover *h, int fd)
{
	uint64_t deadline_ns = in_ns(STILL_MAX_NS);
	struct parcel parcel;
	int heard, err;

	parcel_init(&parcel);
	err = state_save(h->rooms, h->server, &parcel);
	if (err)
		goto fini_parcel;
	err = parcel_send(&parcel, fd, deadline_ns);
	heard = err ? err : parcel_hear(fd, deadline_ns);
	if (heard != WORD_READY)
		err = heard < 0 ? heard : -EPROTO;
	if (err == 0)
		err = parcel_say(fd, WORD_YOURS, deadline_ns);
	if (err) {
		state_resume(h->rooms);
		parcel_say(fd, WORD_KEPT, deadline_ns);
	}
fini_parcel:
	parcel_fini(&parcel);
	return err;
}

static void forget_asker(struct handover *h)
{
	int fd = h->asker.fd;

	loop_timer_cancel(h->loop, &h->patience);
	if (fd < 0)
		return;
	loop_watch_del(h->loop, &h->asker);
	close(fd);
}

/* Our copies of all descriptors close with the process: nothing may be shut down, it is the successor's. */
static void on_asker(void *arg, uint32_t events)
{
	struct handover *h = arg;
	int err, fd = h->asker.fd;

	if (parcel_hear(fd, 0) == WORD_GO) {
		err = give(h, fd);
		if (err == 0) {
			log_info("ginneld: the successor has taken over, ending");
			_exit(EXIT_SUCCESS);
		}
		log_warning("ginneld: the successor failed (%s), all goes on here", strerror(-err));
	}
	forget_asker(h);
}

static void on_impatient(void *arg)
{
	forget_asker(arg);
}

/* The connection of a `handover` that was answered. */
static void on_passed_on(void *arg, int fd)
{
	struct handover *h = arg;

	forget_asker(h);
	if (loop_watch_add(h->loop, &h->asker, fd, EPOLLIN) != 0) {
		close(fd);
		return;
	}
	loop_timer_set(h->loop, &h->patience, loop_now(h->loop) + PATIENCE_NS);
}

static int run_handover(struct ctl_call *call)
{
	struct handover *h = call->subject;
	uint64_t reads = ctl_u64(call, "version", 0);
	int version = state_version(h->rooms);

	if (reads < (uint64_t)version)
		return ctl_fail(call,
			"state of version %d is here and the successor reads up to %" PRIu64
			": restart it without --replace",
			version, reads);
	if (!ctl_server_pass_on(h->server, on_passed_on, h))
		return ctl_fail(call, "a handover has to be asked for over the control socket");
	call->result = json_pack("{s:i, s:i}", "version", version, "pid", (int)getpid());
	return 0;
}

int handover_store(struct handover *h)
{
	struct parcel parcel;
	int ends[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -errno;
	parcel_init(&parcel);
	err = state_save(h->rooms, h->server, &parcel);
	if (err)
		goto fini_parcel;
	err = parcel_send(&parcel, ends[0], 0);
	if (err == 0)
		err = service_store(STORE_NAME, ends[1]);
	if (err)
		state_resume(h->rooms);
fini_parcel:
	parcel_fini(&parcel);
	close(ends[0]);
	close(ends[1]);
	return err;
}

/* --- the successor --- */

/* The parcel is there: everything is restored, nothing forwarded yet. */
static int restore(struct handover *h, struct parcel *parcel)
{
	char why[512];
	int err = state_restore(h->rooms, parcel, &h->report);

	if (err)
		return err;
	err = ctl_server_restore(
		&h->server, h->loop, h->ctl, h->api_socket, json_object_get(parcel->json, "control"), parcel);
	if (err)
		log_error("ginneld: %s", unix_explain(err, h->api_socket, why, sizeof(why)));
	return err;
}

static void go(struct handover *h, const struct parcel *parcel)
{
	const struct state_report *r = &h->report;

	state_go(h->rooms, parcel, &h->report);
	log_info("ginneld: took over %u ports, %u guests from process %d; forwarding stood still for %.1f "
		 "ms; packets "
		 "lost %" PRIu64,
		r->restored.ports, r->restored.peers, r->from_pid, (double)r->still_ns / NS_PER_MS, r->lost);
}

/* Everything came; is it ours? A daemon that dies now forwards nothing any more: who would, but us? */
static int agree(int fd)
{
	int heard, err = parcel_say(fd, WORD_READY, in_ns(PATIENCE_NS));

	if (err)
		return err;
	heard = parcel_hear(fd, in_ns(PATIENCE_NS));
	if (heard == WORD_YOURS || heard == -ECONNRESET)
		return 0;
	return heard < 0 ? heard : -ECANCELED;
}

/* One line, without its newline. 0 or -errno. */
static int hear_line(int fd, char *line, size_t size)
{
	uint64_t deadline_ns = in_ns(PATIENCE_NS);
	size_t len = 0;

	for (;;) {
		int byte = parcel_hear(fd, deadline_ns);

		if (byte < 0)
			return byte;
		if (byte == '\n')
			break;
		if (len + 1 == size)
			return -EMSGSIZE;
		line[len++] = (char)byte;
	}
	line[len] = '\0';
	return 0;
}

/* 0, or -errno when the daemon does not want to, or cannot; said why. */
static int ask(const struct handover *h, int fd)
{
	char text[1024];
	json_t *answer, *error;
	int err;

	snprintf(text, sizeof(text),
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"handover\",\"params\":{\"version\":%d}}\n",
		STATE_VERSION);
	err = unix_send(fd, text, strlen(text), NULL, 0) < 0 ? -EPIPE : hear_line(fd, text, sizeof(text));
	if (err) {
		log_error("ginneld: the daemon at %s does not answer: %s", h->api_socket, strerror(-err));
		return err;
	}
	answer = json_loads(text, 0, NULL);
	error = json_object_get(answer, "error");
	if (error || !json_object_get(answer, "result")) {
		log_error("ginneld: the daemon at %s does not hand over: %s", h->api_socket,
			parcel_str(error, "message", "no answer that makes sense"));
		err = -EPERM;
	}
	json_decref(answer);
	return err;
}

/* A connection to a daemon whose word can be trusted; -ENOENT when there is no daemon. */
static int find_daemon(const struct handover *h)
{
	int fd = unix_connect(h->api_socket);
	uid_t uid;

	if (fd < 0)
		return fd == -ECONNREFUSED ? -ENOENT : fd;
	if (unix_peer_uid(fd, &uid) == 0 && ctl_server_admits(uid, geteuid()))
		return fd;
	log_error("ginneld: the daemon at %s is another user's: become that user", h->api_socket);
	close(fd);
	return -EPERM;
}

static int take_from(struct handover *h, int fd)
{
	struct parcel parcel;
	int err = ask(h, fd);

	if (err)
		return err;
	err = parcel_say(fd, WORD_GO, in_ns(PATIENCE_NS));
	if (err == 0)
		err = parcel_recv(&parcel, fd, in_ns(PATIENCE_NS));
	if (err == 0) {
		err = restore(h, &parcel);
		if (err == 0)
			err = agree(fd);
		if (err == 0)
			go(h, &parcel);
		parcel_fini(&parcel);
	}
	if (err)
		log_error("ginneld: cannot take over from the daemon at %s, which goes on: %s", h->api_socket,
			strerror(-err));
	return err;
}

int handover_take(struct handover *h)
{
	int err, fd = find_daemon(h);

	if (fd < 0)
		return fd;
	err = take_from(h, fd);
	close(fd);
	return err;
}

/* The manager may have kept one that was emptied already. */
int handover_fetch(struct handover *h)
{
	struct parcel parcel;
	int fd, err = -ENOENT;

	while (err == -ENOENT && (fd = service_take(STORE_NAME)) >= 0) {
		err = parcel_recv(&parcel, fd, 0);
		if (err == -ECONNRESET || err == -ETIMEDOUT)
			err = -ENOENT;
		close(fd);
	}
	if (err)
		return err;
	service_forget(STORE_NAME);
	err = restore(h, &parcel);
	if (err == 0)
		go(h, &parcel);
	else
		log_error("ginneld: cannot go on with what the service manager kept: %s", strerror(-err));
	parcel_fini(&parcel);
	return err;
}

/* --- commands --- */

static int run_show_handover(struct ctl_call *call)
{
	const struct handover *h = call->subject;
	const struct state_report *r = &h->report;

	if (r->from_pid)
		call->result = json_pack("{s:i, s:i, s:i, s:i, s:f, s:I}", "from_pid", r->from_pid, "ports",
			(int)r->restored.ports, "guests", (int)r->restored.peers, "left_behind",
			(int)r->restored.left_behind, "stood_still_ms", (double)r->still_ns / NS_PER_MS,
			"packets_lost", (json_int_t)r->lost);
	else
		call->result = json_object();
	return 0;
}

static json_int_t int_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void print_show_handover(const json_t *result, FILE *out)
{
	if (!json_object_get(result, "from_pid")) {
		fputs("this daemon took over from no other\n", out);
		return;
	}
	fprintf(out,
		"took over %d ports, %d guests from process %d, %d left behind\nforwarding stood still for "
		"%.1f "
		"ms, packets lost %" JSON_INTEGER_FORMAT "\n",
		(int)int_of(result, "ports"), (int)int_of(result, "guests"), (int)int_of(result, "from_pid"),
		(int)int_of(result, "left_behind"),
		json_real_value(json_object_get(result, "stood_still_ms")), int_of(result, "packets_lost"));
}

static const struct ctl_command rows[] = {
	{"show handover", "What it was like to take over from another daemon", run_show_handover,
		print_show_handover},
	{"handover <version:u32>", "Give everything to a successor, the ginneld --replace that asks for it",
		run_handover, NULL},
	{0},
};

const struct ctl_table handover_commands = {rows};

void handover_init(struct handover *h)
{
	loop_watch_init(&h->asker, on_asker, h);
	loop_timer_init(&h->patience, on_impatient, h);
}

void handover_fini(struct handover *h)
{
	forget_asker(h);
}
