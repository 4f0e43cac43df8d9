/* SPDX-License-Identifier: Apache-2.0 */
/* vnet_ctrl_show - what a driver said over its control queue, for people. */
#ifndef GINNEL_PORT_VNET_CTRL_SHOW_H
#define GINNEL_PORT_VNET_CTRL_SHOW_H

#include "port/vnet_ctrl.h"

#include <jansson.h>
#include <stdio.h>

json_t *vnet_ctrl_json(const struct vnet_ctrl *c);
void vnet_ctrl_print(const json_t *o, FILE *out);

#endif
