/* SPDX-License-Identifier: Apache-2.0 */
/* bash_completion - a script for bash that asks the daemon (ginnel --complete LINE) what may come. */
#ifndef GINNEL_CTL_BASH_COMPLETION_H
#define GINNEL_CTL_BASH_COMPLETION_H

const char *bash_completion_script(void);

#endif
