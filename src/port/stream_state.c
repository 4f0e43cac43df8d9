/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream port for a successor process. The connection comes along with the bytes that were read and have not gone on; what
 * the peer sends meanwhile waits in the socket.
 */
#include "port/stream_port.h"

#include "os/foreign.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static json_t *link_save(const struct link *l, struct parcel *parcel)
{
	return json_pack("{s:s, s:o, s:I, s:I, s:b, s:b}", "path", l->path, "listener",
		parcel_put(parcel, l->watch.fd), "device", (json_int_t)l->dev, "inode", (json_int_t)l->ino,
		"given", (int)l->given, "once", (int)l->once);
}

/* Frames that wait come first, as they came. */
static json_t *bytes_save(const struct stream_conn *conn)
{
	uint8_t *bytes = malloc(STREAM_BUFFER);
	uint32_t len = 0;
	json_t *hex;

	if (!bytes)
		return NULL;
	for (uint32_t i = 0; i < conn->n_waiting; i++) {
		const struct stream_frame *f = &conn->waiting[i];

		memcpy(bytes + len, conn->buffer + f->at - STREAM_LEN_LEN, STREAM_LEN_LEN + f->len);
		len += STREAM_LEN_LEN + f->len;
	}
	memcpy(bytes + len, conn->buffer + conn->start, conn->end - conn->start);
	hex = parcel_hex(bytes, len + conn->end - conn->start);
	free(bytes);
	return hex;
}

json_t *stream_port_save(struct port *port, struct parcel *parcel)
{
	const struct stream_port *sp = CONTAINER_OF(port, struct stream_port, port);
	json_t *o = json_pack("{s:s*, s:b, s:b, s:b, s:I, s:I}", "path", sp->path, "passt",
		(int)(strcmp(port->iface.kind, "passt") == 0), "user-net", (int)sp->user_net, "server",
		(int)sp->server, "mode", (json_int_t)sp->mode, "connections", (json_int_t)sp->connections);

	if (sp->linked)
		json_object_set_new(o, "link", link_save(&sp->link, parcel));
	if (sp->conn) {
		json_object_set_new(o, "connection", parcel_put(parcel, sp->conn->fd));
		json_object_set_new(o, "bytes", bytes_save(sp->conn));
	}
	return o;
}

void stream_port_resume(struct port *port)
{
}

static int link_restore(struct stream_port *sp, const json_t *o, struct parcel *parcel, bool busy)
{
	const struct link_left left = {
		.path = parcel_str(o, "path", ""),
		.listen_fd = parcel_take(parcel, json_object_get(o, "listener")),
		.dev = (dev_t)parcel_u64(o, "device", 0),
		.ino = (ino_t)parcel_u64(o, "inode", 0),
		.given = parcel_bool(o, "given", false),
		.once = parcel_bool(o, "once", false),
		.busy = busy,
	};
	int err;

	if (sp->server && left.listen_fd < 0)
		return -EBADF;
	err = link_resume(&sp->link, &left);
	sp->linked = err == 0;
	return err;
}

static int conn_restore(struct stream_port *sp, const json_t *state, int fd)
{
	uint8_t *bytes = malloc(STREAM_BUFFER);
	int n, err = -ENOMEM;

	if (!bytes) {
		foreign_close(fd);
		return err;
	}
	n = parcel_bytes(json_object_get(state, "bytes"), bytes, STREAM_BUFFER);
	err = stream_port_connected(sp, fd, bytes, n > 0 ? (uint32_t)n : 0);
	free(bytes);
	return err;
}

static int peer_restore(struct stream_port *sp, const json_t *state, struct parcel *parcel)
{
	int fd = parcel_take(parcel, json_object_get(state, "connection"));
	const json_t *link = json_object_get(state, "link");
	int err = 0;

	sp->connections = parcel_u64(state, "connections", 0) - (fd >= 0);
	if (!link)
		err = stream_port_open(sp);
	else
		err = link_restore(sp, link, parcel, fd >= 0);
	if (err == 0 && fd >= 0)
		return conn_restore(sp, state, fd);
	if (fd >= 0)
		foreign_close(fd);
	return err;
}

int stream_port_restore(struct ports *ports, const json_t *state, struct parcel *parcel, struct port **out)
{
	const struct stream_config config = {
		.path = parcel_str(state, "path", NULL),
		.passt = parcel_bool(state, "passt", false),
		.server = parcel_bool(state, "server", false),
		.user_net = parcel_bool(state, "user-net", false),
		.mode = (mode_t)parcel_u64(state, "mode", 0),
	};
	struct stream_port *sp = stream_port_alloc(ports, &config);
	int err;

	if (!sp)
		return -ENOMEM;
	err = port_add_restored(ports, &sp->port, state);
	if (err) {
		sp->port.ops->destroy(&sp->port);
		return err;
	}
	err = peer_restore(sp, state, parcel);
	if (err)
		port_remove(&sp->port);
	*out = &sp->port;
	return err;
}
