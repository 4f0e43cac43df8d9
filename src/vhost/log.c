/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/backend_private.h"

#include <errno.h>
#include <inttypes.h>

/* A bit for each page of the most memory a guest may have, twice: guest addresses have holes. */
#define LOG_MAX_BYTES (2 * GMEM_MAX_BYTES / DIRTY_LOG_PAGE / 8)

void log_use(struct log_map *log, const struct shared_map *map)
{
	log->map = *map;
	log->log = (struct dirty_log){.bits = map->at, .size = map->size};
}

void log_unmap(struct log_map *log)
{
	shared_unmap(&log->map);
	log->log = (struct dirty_log){0};
}

int handle_set_log_base(struct vhost_backend *b, struct message *m)
{
	const struct vhost_user_log wanted = m->payload.log;
	struct shared_map map;
	int err;

	if (wanted.size > LOG_MAX_BYTES)
		return message_refuse(m, -EINVAL, "log of %" PRIu64 " bytes, expected at most %llu",
			wanted.size, LOG_MAX_BYTES);
	err = shared_map(&map, "log", m->cargo.fds[0], &wanted, m);
	if (err)
		return err;
	rings_pause(b, RINGS_ALL);
	log_unmap(&b->log);
	log_use(&b->log, &map);
	m->payload.u64 = 0;
	return rings_run(b, RINGS_ALL, m);
}

/* A doorbell for "something was logged". Front-ends read the log when they want to: taken, and not rung. */
int handle_set_log_fd(struct vhost_backend *b, struct message *m)
{
	return 0;
}
