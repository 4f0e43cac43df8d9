/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/blk_engine.h"

#include <errno.h>
#include <stdlib.h>

static int null_open(struct blk_engine **out, const struct blk_engine_config *config)
{
	struct blk_engine *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	*e = (struct blk_engine){.ops = &blk_engine_null, .config = *config, .wake_fd = -1};
	*out = e;
	return 0;
}

static void null_close(struct blk_engine *e)
{
	free(e);
}

static void null_issue(struct blk_engine *e, struct blk_io *io)
{
	io->result = io->op <= BLK_IO_WRITE ? (int64_t)io->len : 0;
	blk_io_add(&e->done, io);
}

const struct blk_engine_ops blk_engine_null = {
	.name = "null",
	.open = null_open,
	.close = null_close,
	.issue = null_issue,
};
