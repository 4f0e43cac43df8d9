/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/client.h"

#include "ctl/rpc.h"
#include "os/unix.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_TRIES   40
#define CONNECT_WAIT_US 50000
#define READ_CHUNK      (64 * 1024)

struct client {
	int fd;
	char *path;
	json_int_t last_id;
	char *in; /* what was received and is not used */
	size_t in_len, in_size;
	/* while Ctrl-C is held */
	bool held;
	sigset_t signals;
	struct sigaction action;
};

int client_connect(struct client **out, const char *path)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->fd = unix_connect(path);
	for (int i = 0; c->fd == -EAGAIN && i < CONNECT_TRIES; i++) {
		usleep(CONNECT_WAIT_US);
		c->fd = unix_connect(path);
	}
	c->path = c->fd < 0 ? NULL : strdup(path);
	if (!c->path) {
		int err = c->fd < 0 ? c->fd : -ENOMEM;

		if (c->fd >= 0)
			close(c->fd);
		free(c);
		return err;
	}
	*out = c;
	return 0;
}

void client_close(struct client *c)
{
	if (!c)
		return;
	close(c->fd);
	free(c->path);
	free(c->in);
	free(c);
}

const char *client_path(const struct client *c)
{
	return c->path;
}

/* Ctrl-C while a command runs (client_exec()): the first one asks the daemon for an end, the second ends us. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
	interrupted = 1;
}

/* With the caller's signals, or those of before interrupts_hold(): -EINTR when one came. */
static int wait_for(const struct client *c, short events)
{
	struct pollfd p = {.fd = c->fd, .events = events};

	return ppoll(&p, 1, NULL, c->held ? &c->signals : NULL) < 0 ? -errno : 0;
}

static int send_all(const struct client *c, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = unix_send(c->fd, text, len, NULL, 0);

		if (n == -EAGAIN) {
			wait_for(c, POLLOUT);
			continue;
		}
		if (n < 0)
			return (int)n;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Without an id it is a notification. Takes over params. */
static int send_message(struct client *c, json_t *id, const char *method, json_t *params)
{
	json_t *request = json_pack(
		"{s:s, s:o*, s:s, s:o*}", "jsonrpc", "2.0", "id", id, "method", method, "params", params);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	int err = -EINVAL;

	json_decref(request);
	if (text) {
		err = send_all(c, text, strlen(text));
		if (!err)
			err = send_all(c, "\n", 1);
	}
	free(text);
	return err;
}

static int send_request(struct client *c, const char *method, json_t *params)
{
	return send_message(c, json_integer(++c->last_id), method, params);
}

/* 0 when bytes came, or -errno; the end of the stream is -ECONNRESET. */
static int receive(struct client *c)
{
	struct unix_cargo cargo = {0};
	ssize_t n;

	if (c->in_size - c->in_len < READ_CHUNK) {
		char *in = realloc(c->in, c->in_size * 2 + READ_CHUNK);

		if (!in)
			return -ENOMEM;
		c->in = in;
		c->in_size = c->in_size * 2 + READ_CHUNK;
	}
	if (wait_for(c, POLLIN) == -EINTR)
		return -EINTR;
	n = unix_recv(c->fd, c->in + c->in_len, c->in_size - c->in_len, &cargo);
	unix_cargo_close(&cargo);
	if (n == -EAGAIN)
		return 0;
	if (n <= 0)
		return n < 0 ? (int)n : -ECONNRESET;
	c->in_len += (size_t)n;
	return 0;
}

static int ask_for_the_end(struct client *c)
{
	interrupted = 0;
	return send_message(c, NULL, "cli.cancel", json_pack("{s:I}", "id", c->last_id));
}

/* One line from the daemon as JSON. */
static int receive_response(struct client *c, json_t **response)
{
	size_t seen = 0, len;
	char *newline = NULL;

	while (!newline) {
		newline = c->in_len > seen ? memchr(c->in + seen, '\n', c->in_len - seen) : NULL;
		seen = c->in_len;
		if (!newline) {
			int err = receive(c);

			if (err == -EINTR && interrupted)
				err = ask_for_the_end(c);
			if (err && err != -EINTR)
				return err;
		}
	}
	len = (size_t)(newline - c->in);
	*response = json_loadb(c->in, len, 0, NULL);
	c->in_len -= len + 1;
	memmove(c->in, newline + 1, c->in_len);
	return json_is_object(*response) ? 0 : -EPROTO;
}

static void interrupts_hold(struct client *c)
{
	const struct sigaction once = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
	sigset_t interrupt;

	interrupted = 0;
	sigemptyset(&interrupt);
	sigaddset(&interrupt, SIGINT);
	sigprocmask(SIG_BLOCK, &interrupt, &c->signals);
	sigaction(SIGINT, &once, &c->action);
	c->held = true;
}

static void interrupts_release(struct client *c)
{
	c->held = false;
	sigaction(SIGINT, &c->action, NULL);
	sigprocmask(SIG_SETMASK, &c->signals, NULL);
}

int client_call(struct client *c, const char *method, json_t *params, json_t **response)
{
	int err = send_request(c, method, params);

	*response = NULL;
	/* A daemon that refuses us says why before it closes: look, even if sending failed. */
	if (!err || err == -EPIPE || err == -ECONNRESET)
		err = receive_response(c, response);
	return err;
}

void client_print_error(const char *message, struct client_style style)
{
	json_t *json;

	if (!style.json) {
		fprintf(stderr, style.colour ? "\033[31m%s\033[0m\n" : "%s\n", message);
		return;
	}
	json = json_pack("{s:s}", "error", message);
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

static void print_text(const json_t *result)
{
	const char *text = json_string_value(json_object_get(result, "text"));

	fputs(text ? text : "", stdout);
}

static enum client_status print_response(const json_t *response, struct client_style style)
{
	const json_t *error = json_object_get(response, "error");
	const json_t *result = json_object_get(response, "result");
	const char *message = json_string_value(json_object_get(error, "message"));

	if (error) {
		client_print_error(message ? message : "failed", style);
		return json_integer_value(json_object_get(error, "code")) == RPC_FAILED
			       ? CLIENT_FAILED
			       : CLIENT_NOT_UNDERSTOOD;
	}
	if (style.json) {
		json_dumpf(result, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
		putchar('\n');
	} else {
		print_text(result);
	}
	return CLIENT_OK;
}

/* Prints what a command finds while it runs, until it has ended. */
static int receive_parts(struct client *c, json_t **response)
{
	int err = 0;

	while (!err && json_object_get(*response, "method")) {
		print_text(json_object_get(json_object_get(*response, "params"), "result"));
		fflush(stdout);
		json_decref(*response);
		*response = NULL;
		err = receive_response(c, response);
	}
	return err;
}

static int run_command(struct client *c, json_t *params, json_t **response)
{
	int err;

	interrupts_hold(c);
	err = client_call(c, "cli.exec", params, response);
	if (!err)
		err = receive_parts(c, response);
	interrupts_release(c);
	return err;
}

enum client_status client_exec(struct client *c, const char *line, struct client_style style)
{
	char *cwd = getcwd(NULL, 0);
	json_t *response;
	json_t *params = json_pack("{s:s, s:s, s:s*, s:b}", "line", line, "format",
		style.json ? "json" : "text", "cwd", cwd, "parts", !style.json);
	enum client_status status;

	free(cwd);
	if (!params) {
		client_print_error("the line is not UTF-8", style);
		return CLIENT_NOT_UNDERSTOOD;
	}
	if (run_command(c, params, &response)) {
		json_decref(response);
		return CLIENT_LOST;
	}
	status = print_response(response, style);
	fflush(stdout);
	json_decref(response);
	return status;
}
