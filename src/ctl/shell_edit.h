/* SPDX-License-Identifier: Apache-2.0 */
/* shell_edit - one line from a terminal: editing, history, Tab and ? (libedit). */
#ifndef GINNEL_CTL_SHELL_EDIT_H
#define GINNEL_CTL_SHELL_EDIT_H

#include "ctl/client.h"

struct shell_edit;

/* Reads the history of earlier sessions. NULL if the terminal cannot be used. */
struct shell_edit *shell_edit_open(struct client *client);
/* Writes the history. */
void shell_edit_close(struct shell_edit *edit);

/* The caller frees; NULL at the end of input (Ctrl-D). */
char *shell_edit_line(struct shell_edit *edit);

#endif
