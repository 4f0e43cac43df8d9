/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/blk_engine.h"

#include <errno.h>
#include <string.h>

static void over(struct blk_engine *e, struct blk_io *io, int64_t result)
{
	io->result = result;
	blk_io_add(&e->done, io);
	blk_count(&e->counters.own, 1);
}

static bool read_from_cache(struct blk_engine *e, struct blk_io *io)
{
	int64_t result = blk_io_call(e->config.file, io, true);

	if (result == -EAGAIN || result == 0)
		return false; /* 0: the kernel may mean either */
	over(e, io, result);
	return true;
}

static int64_t call_itself(struct blk_engine *e, const struct blk_io *io)
{
	int64_t result;

	blk_call_enter(e->config.call);
	result = blk_io_call(e->config.file, io, false);
	blk_call_leave(e->config.call);
	return result;
}

bool blk_engine_at_once(struct blk_engine *e, struct blk_io *io, bool reads_too)
{
	const struct blk_file *f = e->config.file;
	struct blk_pace *pace = &e->pace[io->op];
	uint64_t began_ns, now_ns;

	if (!io->plain && f->fd != f->plain_fd && io->op <= BLK_IO_WRITE)
		return false; /* past the page cache there is always something to wait for */
	if (io->op == BLK_IO_READ && f->nowait)
		return reads_too && read_from_cache(e, io);
	began_ns = e->last_ns ? e->last_ns : e->config.clock();
	if (!blk_pace_own(pace, began_ns))
		return false;
	over(e, io, call_itself(e, io));
	now_ns = e->last_ns = e->config.clock();
	blk_pace_took(pace, began_ns, now_ns);
	if (!blk_pace_own(pace, now_ns))
		blk_count(&e->counters.own_slow, 1);
	return true;
}
