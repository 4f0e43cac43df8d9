/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend_engine.h"

#include "base/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int frontend_engine_prepare(struct vhost_frontend *f, uint64_t features, uint32_t n_rings)
{
	int err;

	ASSERT(!f->prepared && (features & ~f->features) == 0 && n_rings <= f->n_rings);
	err = f->ops->prepare(f->driver, features, n_rings, &f->plan);
	f->prepared = err == 0;
	return err;
}

void frontend_engine_start(struct vhost_frontend *f)
{
	f->ops->started(f->driver);
}

void frontend_engine_stop(struct vhost_frontend *f)
{
	if (f->prepared)
		f->ops->stopped(f->driver);
	f->prepared = false;
}

/* --- what ports call --- */

int vhost_frontend_create(
	struct vhost_frontend **out, struct loop *loop, const struct vhost_frontend_config *config)
{
	struct vhost_frontend *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->ops = config->ops;
	f->driver = config->driver;
	f->features = config->features;
	f->n_rings = config->n_rings;
	*out = f;
	return 0;
}

void vhost_frontend_destroy(struct vhost_frontend *f)
{
	if (!f)
		return;
	frontend_engine_stop(f);
	free(f);
}

void vhost_frontend_give_up(struct vhost_frontend *f, int err, const char *why)
{
	f->given_up++;
	f->err = err;
	snprintf(f->why, sizeof(f->why), "%s", why);
	frontend_engine_stop(f);
}

void vhost_frontend_status(const struct vhost_frontend *f, struct vhost_frontend_status *out)
{
	*out = (struct vhost_frontend_status){.path = "", .connected = f->prepared};
}
