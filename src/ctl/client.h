/* SPDX-License-Identifier: Apache-2.0 */
/* client - the other end of the control socket: calls methods and runs command lines, one at a time. */
#ifndef GINNEL_CTL_CLIENT_H
#define GINNEL_CTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

struct client;

/* Waits a moment when the daemon is busy accepting. 0 or -errno. */
int client_connect(struct client **out, const char *path);
void client_close(struct client *client);
const char *client_path(const struct client *client);

/*
 * Sends a request and waits for its answer: *response is an object with "result" or "error", owned by the
 * caller. params is taken over. 0, or -errno when the connection is lost.
 */
int client_call(struct client *client, const char *method, json_t *params, json_t **response);

struct client_style {
	bool json;   /* answers as JSON, failures too, both on standard output */
	bool colour; /* failures in colour */
};

enum client_status {
	CLIENT_OK = 0,
	CLIENT_FAILED = 1,         /* the command failed */
	CLIENT_NOT_UNDERSTOOD = 2, /* there is no such command, or it lacks something */
	CLIENT_LOST = 3,           /* the daemon is gone; nothing was printed */
};

/* Runs a command line and prints its answer to standard output, or why it failed to standard error. */
enum client_status client_exec(struct client *client, const char *line, struct client_style style);
/* Prints a failure as the style wants it. */
void client_print_error(const char *message, struct client_style style);

#endif
