/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/blk_engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int ram_open(struct blk_engine **out, const struct blk_engine_config *config)
{
	struct blk_engine *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	*e = (struct blk_engine){.ops = &blk_engine_ram, .config = *config, .wake_fd = -1};
	*out = e;
	return 0;
}

static void ram_close(struct blk_engine *e)
{
	free(e);
}

static int64_t ram_copy(uint8_t *at, const struct blk_io *io)
{
	for (uint32_t i = 0; i < io->n; i++) {
		if (io->op == BLK_IO_READ)
			memcpy(io->iov[i].iov_base, at, io->iov[i].iov_len);
		else
			memcpy(at, io->iov[i].iov_base, io->iov[i].iov_len);
		at += io->iov[i].iov_len;
	}
	return (int64_t)io->len;
}

/* The file may have grown. */
static bool ram_holds(const struct blk_engine *e, const struct blk_io *io)
{
	return io->offset <= e->config.ram_len && io->len <= e->config.ram_len - io->offset;
}

static int64_t ram_call(struct blk_engine *e, const struct blk_io *io)
{
	if (io->op == BLK_IO_SYNC)
		return 0;
	if (!ram_holds(e, io))
		return -ENXIO;
	if (io->op <= BLK_IO_WRITE)
		return ram_copy(e->config.ram + io->offset, io);
	memset(e->config.ram + io->offset, 0, io->len);
	return 0;
}

static void ram_issue(struct blk_engine *e, struct blk_io *io)
{
	io->result = ram_call(e, io);
	blk_io_add(&e->done, io);
}

const struct blk_engine_ops blk_engine_ram = {
	.name = "ram",
	.open = ram_open,
	.close = ram_close,
	.issue = ram_issue,
};
