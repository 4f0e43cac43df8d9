/* SPDX-License-Identifier: Apache-2.0 */
/* blk_options - what ginnel-blk can be told on its command line beside what all back-end programs can. */
#ifndef GINNEL_PROG_BLK_OPTIONS_H
#define GINNEL_PROG_BLK_OPTIONS_H

#include "backend/blk.h"
#include "prog/backend_options.h"

struct blk_command_line {
	struct blk_options blk;
	bool spin_set;
	bool seg_max_set;
	struct backend_options *common;
};

extern const struct option_row blk_option_rows[]; /* target: struct blk_command_line */

/* What the options mean together. 0, or -EINVAL and the log says what to do about it. */
int blk_options_check(struct blk_command_line *line);

#endif
