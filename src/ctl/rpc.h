/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rpc - JSON-RPC 2.0: one request text in, one answer text out. No sockets here, see ctl/server.h.
 *
 * Methods: every command under its leading words with dots between (show.interface), with named parameters;
 *and
 *
 *	cli.exec {line, format: "text"|"json", cwd,    {"text": ...}, or the result itself
 *		parts: true}
 *	cli.cancel {id}                                the request of that id comes to its end, with what it has
 *	cli.complete {line, cwd}                       see ctl/complete.h
 *	cli.help {line}                                {"text": ...}
 *	rpc.discover, rpc.ping
 *
 * A command that takes time (ctl/later.h) is answered when it has ended; requests that came after it may be answered
 * before. With `parts`, what it finds meanwhile is told by notifications cli.part {id, result}.
 *
 * Error codes: the specification's; RPC_FAILED with the command's own sentence when a handler said no.
 */
#ifndef GINNEL_CTL_RPC_H
#define GINNEL_CTL_RPC_H

#include "ctl/ctl.h"

#define RPC_LINE_MAX  (1024 * 1024) /* bytes of one request text, without its newline */
#define RPC_BATCH_MAX 256           /* requests in one batch */

enum rpc_error {
	RPC_NO_JSON = -32700,
	RPC_BAD_REQUEST = -32600,
	RPC_NO_METHOD = -32601,
	RPC_BAD_PARAMS = -32602, /* also a command line that is not understood */
	RPC_FAILED = -32000,
	RPC_NOT_ADMITTED = -32001,
};

struct laters;

/*
 * The answer without a newline, to be freed; NULL when none is due (notifications, and what will be answered later).
 * laters: the caller's; NULL: it cannot wait.
 */
char *rpc_answer(struct ctl *ctl, const char *text, size_t len, struct laters *laters);

/* The answer to a request; id may be NULL for null. */
json_t *rpc_error(json_t *id, enum rpc_error code, const char *message);
/* An error that belongs to no request, as text to be freed. */
char *rpc_error_text(enum rpc_error code, const char *message);

#endif
