/* SPDX-License-Identifier: Apache-2.0 */
/* api_path - where the control socket is, unless a user says otherwise. Daemon and shell agree on it here. */
#ifndef GINNEL_CTL_API_PATH_H
#define GINNEL_CTL_API_PATH_H

#include <stddef.h>

#define API_PATH_SIZE 512

/* $XDG_RUNTIME_DIR/ginnel/api.sock for a user who has that directory, else /run/ginnel/api.sock. Returns buf.
 */
const char *api_path_default(char buf[API_PATH_SIZE]);

#endif
