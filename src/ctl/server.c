/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/server.h"

#include "base/check.h"
#include "base/log.h"
#include "ctl/later.h"
#include "ctl/rpc.h"
#include "ctl/text.h"
#include "os/clock.h"
#include "os/unix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG          32
#define READ_CHUNK       (64 * 1024)
#define LINES_PER_ROUND  16
#define ACCEPT_PAUSE_NS  (NS_PER_S / 10)
#define FAREWELL_TIME_NS (2 * NS_PER_S)

struct client {
	struct list link;
	struct ctl_server *server;
	struct loop_watch watch;
	struct loop_timer farewell; /* bounds the time in which the last answers are sent */
	int fd;
	bool ending;                        /* takes no more requests: close when the answers are out */
	void (*pass_on)(void *arg, int fd); /* instead of closing */
	void *pass_on_arg;
	char *in;
	size_t in_len, in_size;
	size_t in_seen; /* no newline in so many first bytes of in, apart from lines that were run */
	char *out;
	size_t out_len, out_sent, out_size;
	struct laters laters; /* answers that it waits for */
	int failed;           /* -errno: an answer found no room; close when the loop is back */
	int cargo;            /* a descriptor that goes with the next bytes of out; -1: none */
};

struct ctl_server {
	struct loop *loop;
	struct ctl *ctl;
	struct list clients;
	size_t n_clients;
	struct client *running; /* whose request this is */
	int fd;
	char *path;
	dev_t dev; /* of the socket file, to remove no other */
	ino_t ino;
	struct loop_watch watch;
	struct loop_timer accept_pause;
	struct log_limit log_limit;
};

bool ctl_server_admits(uid_t peer, uid_t daemon)
{
	return peer == daemon || peer == 0;
}

static void client_free(struct client *c)
{
	laters_abandon(&c->laters);
	loop_watch_del(c->server->loop, &c->watch);
	loop_timer_cancel(c->server->loop, &c->farewell);
	list_del(&c->link);
	c->server->n_clients--;
	if (c->cargo >= 0)
		close(c->cargo);
	free(c->in);
	free(c->out);
	free(c);
}

/* Unwatched first: another process may hold the same connection, and closing ours would not end the watch. */
static void client_close(struct client *c)
{
	int fd = c->fd;

	client_free(c);
	close(fd);
}

static void client_pass_on(struct client *c)
{
	void (*fn)(void *arg, int fd) = c->pass_on;
	void *arg = c->pass_on_arg;
	int fd = c->fd;

	client_free(c);
	fn(arg, fd);
}

/* Makes room for len more bytes in a buffer. 0 or -ENOMEM. */
static int reserve(char **buf, size_t *size, size_t used, size_t len)
{
	size_t want = *size ? *size : 4096;
	char *p;

	if (used + len <= *size)
		return 0;
	while (want < used + len)
		want *= 2;
	p = realloc(*buf, want);
	if (!p)
		return -ENOMEM;
	*buf = p;
	*size = want;
	return 0;
}

/* 0 or -errno; the client must then be closed. */
static int client_say(struct client *c, const char *text)
{
	size_t len = strlen(text);
	int err;

	if (c->out_len - c->out_sent + len + 1 > SERVER_UNREAD_MAX)
		return -ENOBUFS;
	if (c->out_sent > c->out_len / 2) {
		memmove(c->out, c->out + c->out_sent, c->out_len - c->out_sent);
		c->out_len -= c->out_sent;
		c->out_sent = 0;
	}
	err = reserve(&c->out, &c->out_size, c->out_len, len + 1);
	if (err)
		return err;
	memcpy(c->out + c->out_len, text, len);
	c->out[c->out_len + len] = '\n';
	c->out_len += len + 1;
	return 0;
}

static void drop_input(struct client *c, size_t len)
{
	if (len == 0)
		return;
	memmove(c->in, c->in + len, c->in_len - len);
	c->in_len -= len;
	c->in_seen = c->in_seen > len ? c->in_seen - len : 0;
}

static int client_refuse(struct client *c, enum rpc_error code, const char *message)
{
	char *text = rpc_error_text(code, message);
	int err = client_say(c, text);

	free(text);
	c->ending = true;
	drop_input(c, c->in_len);
	return err;
}

static int client_send(struct client *c)
{
	while (c->out_sent < c->out_len) {
		ssize_t n = unix_send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent, &c->cargo,
			c->cargo >= 0 ? 1 : 0);

		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		c->out_sent += (size_t)n;
		if (c->cargo >= 0)
			close(c->cargo);
		c->cargo = -1;
	}
	c->out_len = c->out_sent = 0;
	return 0;
}

static int client_run_line(struct client *c, const char *line, size_t len)
{
	char *answer;
	int err = 0;

	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len == 0)
		return 0;
	c->server->running = c;
	answer = rpc_answer(c->server->ctl, line, len, &c->laters);
	c->server->running = NULL;
	if (answer)
		err = client_say(c, answer);
	free(answer);
	return err;
}

/* Where the line that begins at from ends, -1 if its newline is not there yet. */
static ssize_t line_end(struct client *c, size_t from)
{
	size_t at = from > c->in_seen ? from : c->in_seen;
	const char *newline = at < c->in_len ? memchr(c->in + at, '\n', c->in_len - at) : NULL;

	if (newline)
		return newline - c->in;
	c->in_seen = c->in_len;
	return -1;
}

static int client_run_lines(struct client *c)
{
	size_t done = 0;
	ssize_t end;
	int err = 0;

	for (int i = 0; i < LINES_PER_ROUND && !err && !c->ending && (end = line_end(c, done)) >= 0; i++) {
		size_t len = (size_t)end - done;

		if (len > RPC_LINE_MAX)
			return client_refuse(c, RPC_BAD_REQUEST, "a request is longer than 1 MiB");
		err = client_run_line(c, c->in + done, len);
		done = (size_t)end + 1;
	}
	drop_input(c, done);
	if (!err && c->in_seen > RPC_LINE_MAX)
		err = client_refuse(c, RPC_BAD_REQUEST, "a request is longer than 1 MiB");
	return err;
}

/* The peer will send nothing more: a last line may lack its newline. */
static int client_end_of_input(struct client *c)
{
	int err = 0;

	if (c->in_len > 0)
		err = client_run_line(c, c->in, c->in_len);
	drop_input(c, c->in_len);
	c->ending = true;
	return err;
}

static int client_read(struct client *c)
{
	struct unix_cargo cargo = {0};
	ssize_t n;
	int err = reserve(&c->in, &c->in_size, c->in_len, READ_CHUNK);

	if (err)
		return err;
	n = unix_recv(c->fd, c->in + c->in_len, READ_CHUNK, &cargo);
	unix_cargo_close(&cargo);
	if (n == -EAGAIN)
		return 0;
	if (n <= 0)
		return n < 0 ? (int)n : client_end_of_input(c);
	c->in_len += (size_t)n;
	return 0;
}

/* Watches for what this client can do next. Lines that wait in the buffer are run in the next round. */
static int client_rearm(struct client *c)
{
	bool waiting = !c->ending && line_end(c, 0) >= 0;
	uint32_t events = c->ending || waiting ? 0 : EPOLLIN;

	if (waiting || c->out_len > 0)
		events |= EPOLLOUT;
	if (c->ending && c->laters.n == 0 && list_empty(&c->farewell.link))
		loop_timer_set(c->server->loop, &c->farewell, loop_now(c->server->loop) + FAREWELL_TIME_NS);
	return loop_watch_change(c->server->loop, &c->watch, events);
}

/* An answer that comes later. Sending, and closing if need be, are the loop's. */
static void client_say_later(void *arg, const char *line)
{
	struct client *c = arg;

	if (!c->failed)
		c->failed = client_say(c, line);
	loop_watch_change(c->server->loop, &c->watch, c->ending ? EPOLLOUT : EPOLLIN | EPOLLOUT);
}

static void client_event(void *arg, uint32_t events)
{
	struct client *c = arg;
	int err = c->failed;

	if (c->ending && c->laters.n > 0 && events & EPOLLHUP) /* it waits for nothing any more */
		err = -ECONNRESET;
	if (!err && !c->ending && (events & (EPOLLIN | EPOLLHUP)) && line_end(c, 0) < 0)
		err = client_read(c);
	if (!err && !c->ending)
		err = client_run_lines(c);
	if (!err)
		err = client_send(c);
	if (!err && c->ending && c->out_len == 0 && c->laters.n == 0) {
		if (c->pass_on) {
			client_pass_on(c);
			return;
		}
		err = -ECONNRESET;
	}
	if (!err)
		err = client_rearm(c);
	if (err == -ENOBUFS)
		log_limited(&c->server->log_limit, loop_now(c->server->loop), LOG_LEVEL_WARNING,
			"control socket: closed a client that does not read its answers");
	if (err)
		client_close(c);
}

static void client_farewell(void *arg)
{
	client_close(arg);
}

/* Takes over fd. NULL: it is closed. */
static struct client *client_create(struct ctl_server *s, int fd)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		goto close_fd;
	c->server = s;
	c->fd = fd;
	c->cargo = -1;
	loop_watch_init(&c->watch, client_event, c);
	loop_timer_init(&c->farewell, client_farewell, c);
	laters_init(&c->laters, client_say_later, c);
	if (loop_watch_add(s->loop, &c->watch, fd, EPOLLIN))
		goto free_client;
	list_add_tail(&s->clients, &c->link);
	s->n_clients++;
	return c;
free_client:
	free(c);
close_fd:
	close(fd);
	return NULL;
}

/* Takes over fd. */
static void client_open(struct ctl_server *s, int fd)
{
	struct client *c = client_create(s, fd);
	char message[128];
	uid_t uid = 0;

	if (!c)
		return;
	if (unix_peer_uid(fd, &uid) || !ctl_server_admits(uid, geteuid())) {
		snprintf(message, sizeof(message),
			"user %u may not control this daemon: become user %u or root", (unsigned)uid,
			(unsigned)geteuid());
		client_refuse(c, RPC_NOT_ADMITTED, message);
	} else if (s->n_clients > SERVER_CLIENTS_MAX) {
		client_refuse(c, RPC_NOT_ADMITTED, "too many clients: end one of them");
	}
	if (c->ending)
		client_event(c, 0);
}

static json_t *client_save(const struct client *c, struct parcel *parcel)
{
	const char *unsent = c->out ? c->out + c->out_sent : "";

	return json_pack("{s:o, s:o, s:o}", "socket", parcel_put(parcel, c->fd), "in",
		parcel_hex(c->in, c->in_len), "out", parcel_hex(unsent, c->out_len - c->out_sent));
}

/* 0 or -errno. */
static int bytes_restore(const json_t *hex, char **buf, size_t *size, size_t *len)
{
	size_t max = json_string_length(hex) / 2;
	int n = reserve(buf, size, 0, max + 1);

	if (n == 0)
		n = parcel_bytes(hex, *buf, max);
	*len = n > 0 ? (size_t)n : 0;
	return n < 0 ? n : 0;
}

/* One that cannot be restored has to connect anew. */
static void client_restore(struct ctl_server *s, const json_t *o, struct parcel *parcel)
{
	int fd = parcel_take(parcel, json_object_get(o, "socket"));
	struct client *c = fd < 0 ? NULL : client_create(s, fd);

	if (!c)
		return;
	if (bytes_restore(json_object_get(o, "in"), &c->in, &c->in_size, &c->in_len) < 0 ||
		bytes_restore(json_object_get(o, "out"), &c->out, &c->out_size, &c->out_len) < 0 ||
		client_rearm(c) < 0)
		client_close(c);
}

static void server_event(void *arg, uint32_t events)
{
	struct ctl_server *s = arg;
	int fd = unix_accept(s->fd);

	if (fd >= 0) {
		client_open(s, fd);
		return;
	}
	if (fd == -EAGAIN || fd == -ECONNABORTED || fd == -EINTR)
		return;
	/* Out of descriptors: the connection stays in the backlog and would wake the loop again at once. */
	log_limited(&s->log_limit, loop_now(s->loop), LOG_LEVEL_WARNING, "control socket: cannot accept: %s",
		strerror(-fd));
	loop_watch_change(s->loop, &s->watch, 0);
	loop_timer_set(s->loop, &s->accept_pause, loop_now(s->loop) + ACCEPT_PAUSE_NS);
}

static void server_accept_again(void *arg)
{
	struct ctl_server *s = arg;

	loop_watch_change(s->loop, &s->watch, EPOLLIN);
}

/* 0 or -errno; only the last directory is made. */
static int make_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir;
	int err = 0;

	if (!slash || slash == path)
		return 0;
	dir = text_copy(path, (size_t)(slash - path));
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		err = -errno;
	free(dir);
	return err;
}

bool ctl_server_attach(struct ctl_server *server, int fd)
{
	struct client *c = server ? server->running : NULL;

	if (!c || c->cargo >= 0)
		return false;
	c->cargo = fd;
	return true;
}

bool ctl_server_pass_on(struct ctl_server *s, void (*fn)(void *arg, int fd), void *arg)
{
	struct client *c = s ? s->running : NULL;

	if (!c)
		return false;
	c->pass_on = fn;
	c->pass_on_arg = arg;
	c->ending = true;
	return true;
}

static int server_listen(const char *path)
{
	int err = make_directory(path);

	return err ? err : unix_listen(path, 0600, BACKLOG);
}

static void server_unlink(const struct ctl_server *s)
{
	struct stat st;

	if (lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->path);
}

/* Takes fd over, which listens at path; but on error. */
static int server_create(
	struct ctl_server **out, struct loop *loop, struct ctl *ctl, const char *path, int fd)
{
	struct ctl_server *s = calloc(1, sizeof(*s));
	struct stat st;
	int err;

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->ctl = ctl;
	s->path = text_copy(path, strlen(path));
	s->fd = fd;
	if (lstat(path, &st) == 0) {
		s->dev = st.st_dev;
		s->ino = st.st_ino;
	}
	list_init(&s->clients);
	loop_watch_init(&s->watch, server_event, s);
	loop_timer_init(&s->accept_pause, server_accept_again, s);
	err = loop_watch_add(loop, &s->watch, s->fd, EPOLLIN);
	if (err) {
		free(s->path);
		free(s);
		return err;
	}
	*out = s;
	return 0;
}

int ctl_server_start(struct ctl_server **out, struct loop *loop, struct ctl *ctl, const char *path)
{
	int err, fd = server_listen(path);

	if (fd < 0)
		return fd;
	err = server_create(out, loop, ctl, path, fd);
	if (err) {
		unlink(path);
		close(fd);
	}
	return err;
}

json_t *ctl_server_save(struct ctl_server *s, struct parcel *parcel)
{
	json_t *clients = json_array();
	struct client *c;

	list_for_each (c, &s->clients, link) {
		laters_stop(&c->laters); /* the successor could not go on with them */
		if (!c->ending)
			json_array_append_new(clients, client_save(c, parcel));
	}
	return json_pack("{s:o, s:I, s:I, s:o}", "socket", parcel_put(parcel, s->fd), "device",
		(json_int_t)s->dev, "inode", (json_int_t)s->ino, "clients", clients);
}

static bool is_file_of(const char *path, const json_t *state)
{
	struct stat st;

	return lstat(path, &st) == 0 && st.st_dev == (dev_t)parcel_u64(state, "device", 0) &&
	       st.st_ino == (ino_t)parcel_u64(state, "inode", 0);
}

int ctl_server_restore(struct ctl_server **out, struct loop *loop, struct ctl *ctl, const char *path,
	const json_t *state, struct parcel *parcel)
{
	const json_t *client;
	size_t i;
	int fd = is_file_of(path, state) ? parcel_take(parcel, json_object_get(state, "socket")) : -1;
	int err;

	if (fd < 0)
		return ctl_server_start(out, loop, ctl, path);
	err = server_create(out, loop, ctl, path, fd);
	if (err) {
		close(fd);
		return err;
	}
	json_array_foreach (json_object_get(state, "clients"), i, client)
		client_restore(*out, client, parcel);
	return 0;
}

void ctl_server_stop(struct ctl_server *s)
{
	struct client *c, *next;

	if (!s)
		return;
	list_for_each_safe (c, next, &s->clients, link)
		client_close(c);
	loop_timer_cancel(s->loop, &s->accept_pause);
	loop_watch_del(s->loop, &s->watch);
	server_unlink(s);
	close(s->fd);
	free(s->path);
	free(s);
}
