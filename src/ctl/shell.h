/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shell - command lines from a terminal or a pipe, run by the daemon.
 *
 * On a terminal: a prompt, history, Tab completes words and values as the daemon knows them, ? says what may
 * come at the cursor, quit (or exit, q, Ctrl-D) leaves. From a pipe: lines only, each is run whatever became
 * of the one before.
 */
#ifndef GINNEL_CTL_SHELL_H
#define GINNEL_CTL_SHELL_H

#include "ctl/client.h"

/* Until quit or the end of input. A terminal ends CLIENT_OK, a pipe with its last failure's status. */
enum client_status shell_run(struct client *client, struct client_style style);

#endif
