/* SPDX-License-Identifier: Apache-2.0 */
/* What only the device can answer: its configuration space, and messages for its kind alone. */
#include "vhost/backend_private.h"

#include "os/foreign.h"

#include <errno.h>
#include <string.h>

/* The part of the configuration space that the message speaks of. */
static int check_span(struct message *m)
{
	const struct vhost_user_config *c = &m->payload.config;

	if (c->size > VHOST_USER_CONFIG_MAX || c->offset > VHOST_USER_CONFIG_MAX - c->size)
		return message_refuse(m, -EINVAL, "%u bytes at %u: a configuration space has %u", c->size,
			c->offset, VHOST_USER_CONFIG_MAX);
	if (m->header.size != sizeof(*c) + c->size)
		return message_refuse(
			m, -EMSGSIZE, "%u bytes announced in a payload of %u", c->size, m->header.size);
	return 0;
}

static int read_config(struct vhost_backend *b, struct message *m)
{
	uint8_t *bytes = m->payload.bytes + sizeof(struct vhost_user_config);
	uint32_t offset = m->payload.config.offset, size = m->payload.config.size, len;
	int err = check_span(m);

	if (err)
		return err;
	/* SPDK always asks for all there could be */
	memset(bytes, 0, size);
	if (offset >= b->config_size)
		return 0;
	len = min_u32(size, b->config_size - offset);
	err = b->ops->get_config(b->device, offset, len, bytes);
	return err ? message_refuse(m, err, "device: %s", strerror(-err)) : 0;
}

/* An answer without payload says that it went wrong: the front-end waits for one, and the connection goes on. */
int handle_get_config(struct vhost_backend *b, struct message *m)
{
	int err = read_config(b, m);

	if (err) {
		message_refused(b, m, err);
		m->reply_size = 0;
		return 0;
	}
	m->reply_size = m->header.size;
	return 0;
}

int handle_set_config(struct vhost_backend *b, struct message *m)
{
	const struct vhost_user_config *c = &m->payload.config;
	int err = check_span(m);

	if (err)
		return err;
	if (c->flags > VHOST_USER_CONFIG_MIGRATION)
		return message_refuse(m, -EINVAL, "flags 0x%x", c->flags);
	if (c->offset + c->size > b->config_size)
		return message_refuse(m, -EINVAL, "%u bytes at %u: this configuration space has %u", c->size,
			c->offset, b->config_size);
	if (!b->ops->set_config)
		return message_refuse(m, -EPERM, "nothing in this configuration space can be written");
	err = b->ops->set_config(b->device, c->offset, c->size, m->payload.bytes + sizeof(*c));
	return err ? message_refuse(m, err, "device: %s", strerror(-err)) : 0;
}

int handle_device_message(struct vhost_backend *b, struct message *m)
{
	uint64_t value = m->header.size == sizeof(value) ? m->payload.u64 : 0;
	int err;

	if (!b->ops->message)
		return message_refuse(m, -EOPNOTSUPP, "not for this kind of device");
	if (m->cargo.n_fds > 0 && foreign_kind(m->cargo.fds[0]) != FOREIGN_SOCKET)
		return message_refuse(m, -EINVAL, "file descriptor is not a unix socket");
	err = b->ops->message(b->device, m->header.request, value, message_take_fd(m));
	if (err == -EOPNOTSUPP)
		return message_refuse(m, err, "not for this kind of device");
	return err ? message_refuse(m, err, "device: %s", strerror(-err)) : 0;
}
