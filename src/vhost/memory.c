/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/backend_private.h"

#include <errno.h>

/* Also for a front-end that never asks how many fit. */
int memory_check_slots(const struct vhost_backend *b, struct message *m, uint32_t n)
{
	if (n <= b->max_mem_slots)
		return 0;
	return message_refuse(m, -ENOMEM, "%u memory regions, at most %u fit here", n, b->max_mem_slots);
}

int memory_check_object(const struct vhost_backend *b, struct message *m, int fd)
{
	if (!b->mem_filter || mem_filter_find(b->mem_filter, fd))
		return 0;
	return message_refuse(m, -EACCES,
		"memory that is not on the list of what may be shared here: list its file, or share a file "
		"of the list");
}

static int check_table(const struct vhost_backend *b, struct message *m)
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
	if (memory_check_slots(b, m, n) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		if (memory_check_object(b, m, m->cargo.fds[i]) < 0)
			return -EACCES;
	return 0;
}

static struct gmem_spec spec_of(const struct vhost_user_region *r, int fd)
{
	return (struct gmem_spec){
		.gpa = r->gpa, .size = r->size, .uaddr = r->uaddr, .offset = r->offset, .fd = fd};
}

static int map_table(struct gmem **out, struct message *m)
{
	struct gmem_spec specs[VHOST_USER_MAX_REGIONS];
	uint32_t n = m->payload.mem.n;

	for (uint32_t i = 0; i < n; i++)
		specs[i] = spec_of(&m->payload.mem.regions[i], m->cargo.fds[i]);
	return gmem_create(out, specs, n, m->why, sizeof(m->why));
}

/*
 * The new table is mapped before anything stops: a bad one changes nothing, and the rings stand still but briefly. What
 * only the old one held is unmapped when they run again.
 */
static int replace_table(struct vhost_backend *b, struct gmem *mem, struct message *m)
{
	struct gmem *old = b->mem;
	int err;

	rings_pause(b, RINGS_ALL);
	b->mem = mem;
	err = rings_run(b, RINGS_ALL, m);
	gmem_destroy(old);
	return err;
}

int handle_set_mem_table(struct vhost_backend *b, struct message *m)
{
	struct gmem *mem;
	int err = check_table(b, m);

	if (err == 0)
		err = map_table(&mem, m);
	return err ? err : replace_table(b, mem, m);
}

int handle_get_max_mem_slots(struct vhost_backend *b, struct message *m)
{
	m->payload.u64 = b->max_mem_slots;
	return 0;
}

/* QEMU says it once for each pair of queues: what is there already is there. */
int handle_add_mem_reg(struct vhost_backend *b, struct message *m)
{
	struct gmem_spec spec = spec_of(&m->payload.slot.region, m->cargo.fds[0]);
	struct gmem *mem;
	int err;

	if (gmem_holds(b->mem, &spec))
		return 0;
	err = memory_check_slots(b, m, (b->mem ? b->mem->n : 0) + 1);
	if (err == 0)
		err = memory_check_object(b, m, spec.fd);
	if (err)
		return err;
	err = gmem_add(b->mem, &spec, &mem, m->why, sizeof(m->why));
	return err ? err : replace_table(b, mem, m);
}

/*
 * Newer front-ends send the region's descriptor along; it is closed with the message. QEMU says this, too, once for each
 * pair of queues: where nothing is, nothing is left to remove.
 */
int handle_rem_mem_reg(struct vhost_backend *b, struct message *m)
{
	struct gmem_spec spec = spec_of(&m->payload.slot.region, -1);
	struct gmem *mem;
	int err;

	if (!b->mem || !gmem_find(b->mem, spec.gpa))
		return 0;
	err = gmem_remove(b->mem, &spec, &mem, m->why, sizeof(m->why));
	return err ? err : replace_table(b, mem, m);
}
