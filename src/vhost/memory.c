/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/backend_private.h"

#include <errno.h>

static int check_table(struct message *m)
{
	uint32_t n = m->payload.mem.n;

	if (n > VHOST_USER_MAX_REGIONS)
		return message_refuse(
			m, -E2BIG, "%u memory regions, at most %d fit", n, VHOST_USER_MAX_REGIONS);
	if (m->header.size < offsetof(struct vhost_user_mem, regions) + n * sizeof(struct vhost_user_region))
		return message_refuse(m, -EMSGSIZE, "%u memory regions in %u bytes", n, m->header.size);
	if (m->cargo.n_fds != n)
		return message_refuse(
			m, -EINVAL, "%u memory regions but %u file descriptors", n, m->cargo.n_fds);
	return 0;
}

static int map_table(struct gmem **out, struct message *m)
{
	struct gmem_spec specs[VHOST_USER_MAX_REGIONS];
	uint32_t n = m->payload.mem.n;

	for (uint32_t i = 0; i < n; i++) {
		const struct vhost_user_region *r = &m->payload.mem.regions[i];

		specs[i] = (struct gmem_spec){
			.gpa = r->gpa,
			.size = r->size,
			.uaddr = r->uaddr,
			.offset = r->offset,
			.fd = m->cargo.fds[i],
		};
	}
	return gmem_create(out, specs, n, m->why, sizeof(m->why));
}

/* The new table is mapped before anything stops: a bad one changes nothing, and the rings stand still but
 * briefly. */
int handle_set_mem_table(struct vhost_backend *b, struct message *m)
{
	struct gmem *mem;
	int err = check_table(m);

	if (err == 0)
		err = map_table(&mem, m);
	if (err)
		return err;
	rings_pause(b, RINGS_ALL);
	gmem_destroy(b->mem);
	b->mem = mem;
	return rings_run(b, RINGS_ALL, m);
}
