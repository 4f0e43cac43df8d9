/* SPDX-License-Identifier: Apache-2.0 */
#include "os/parcel.h"

#include "base/check.h"
#include "os/clock.h"
#include "os/foreign.h"
#include "os/unix.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PARCEL_MAGIC 0x31706c65636e6e67ull

/* Goes first, with the text as its first descriptor. */
struct parcel_header {
	uint64_t magic;
	uint32_t n_fds; /* the text's is not among them */
	uint32_t reserved;
};

void parcel_init(struct parcel *p)
{
	*p = (struct parcel){0};
}

void parcel_fini(struct parcel *p)
{
	for (uint32_t i = 0; p->received && i < p->n_fds; i++)
		if (p->fds[i] >= 0)
			foreign_close(p->fds[i]);
	free(p->fds);
	json_decref(p->json);
	*p = (struct parcel){0};
}

static int add_fd(struct parcel *p, int fd)
{
	if (p->n_fds == p->size) {
		uint32_t size = p->size ? 2 * p->size : 64;
		int *fds = realloc(p->fds, size * sizeof(*fds));

		if (!fds)
			return -ENOMEM;
		p->fds = fds;
		p->size = size;
	}
	p->fds[p->n_fds++] = fd;
	return 0;
}

json_t *parcel_put(struct parcel *p, int fd)
{
	if (fd < 0)
		return json_null();
	if (add_fd(p, fd) < 0) {
		p->incomplete = true;
		return json_null();
	}
	return json_integer((json_int_t)p->n_fds - 1);
}

int parcel_take(struct parcel *p, const json_t *name)
{
	json_int_t i = json_is_integer(name) ? json_integer_value(name) : -1;
	int fd;

	if (i < 0 || i >= p->n_fds)
		return -1;
	fd = p->fds[i];
	p->fds[i] = -1;
	return fd;
}

/* --- over a socket --- */

static int wait_until(int socket, short events, uint64_t deadline_ns)
{
	struct pollfd p = {.fd = socket, .events = events};
	uint64_t now_ns = clock_now_ns();
	int n;

	if (now_ns >= deadline_ns)
		return -ETIMEDOUT;
	n = poll(&p, 1, (int)min_u64((deadline_ns - now_ns) / NS_PER_MS + 1, 1000 * 1000));
	return n < 0 && errno != EINTR ? -errno : 0;
}

static int send_all(
	int socket, const void *buf, size_t len, const int *fds, uint32_t n_fds, uint64_t deadline_ns)
{
	const uint8_t *at = buf;

	while (len > 0) {
		ssize_t n = unix_send(socket, at, len, fds, n_fds);
		int err = n == -EAGAIN ? wait_until(socket, POLLOUT, deadline_ns) : 0;

		if (n < 0 && n != -EAGAIN)
			err = (int)n;
		if (err)
			return err;
		if (n < 0)
			continue;
		at += n;
		len -= (size_t)n;
		n_fds = 0;
	}
	return 0;
}

/* Exactly len bytes; descriptors come with the first. */
static int recv_all(int socket, void *buf, size_t len, struct unix_load *load, uint64_t deadline_ns)
{
	struct unix_load more;
	uint8_t *at = buf;

	load->n_fds = 0;
	while (len > 0) {
		ssize_t n = unix_recv_load(socket, at, len, at == buf ? load : &more);
		int err = n == -EAGAIN ? wait_until(socket, POLLIN, deadline_ns) : 0;

		if (n <= 0 && n != -EAGAIN)
			err = n < 0 ? (int)n : -ECONNRESET;
		if (err)
			return err;
		if (n < 0)
			continue;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int parcel_say(int socket, char byte, uint64_t deadline_ns)
{
	return send_all(socket, &byte, 1, NULL, 0, deadline_ns);
}

int parcel_hear(int socket, uint64_t deadline_ns)
{
	struct unix_load load;
	char byte = 0;
	int err = recv_all(socket, &byte, 1, &load, deadline_ns);

	for (uint32_t i = 0; i < load.n_fds; i++)
		foreign_close(load.fds[i]);
	return err ? err : (unsigned char)byte;
}

static int text_to_memfd(const char *text)
{
	size_t len = strlen(text);
	int fd = memfd_create("parcel", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0) {
			int err = -errno;

			close(fd);
			return err;
		}
		text += n;
		len -= (size_t)n;
	}
	return fd;
}

static int json_to_memfd(const json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
	int fd = text ? text_to_memfd(text) : -ENOMEM;

	free(text);
	return fd;
}

static json_t *json_from_memfd(int fd)
{
	struct stat st;
	json_t *json;
	char *text;

	if (foreign_kind(fd) != FOREIGN_MEMORY || fstat(fd, &st) < 0 || st.st_size == 0)
		return NULL;
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return NULL;
	json = json_loadb(text, (size_t)st.st_size, JSON_DECODE_ANY, NULL);
	munmap(text, (size_t)st.st_size);
	return json;
}

static int send_fds(const struct parcel *p, int socket, uint64_t deadline_ns)
{
	int err = 0;

	for (uint32_t i = 0; i < p->n_fds && !err; i += UNIX_LOAD_FDS)
		err = send_all(socket, "", 1, &p->fds[i], min_u32(UNIX_LOAD_FDS, p->n_fds - i), deadline_ns);
	return err;
}

int parcel_send(const struct parcel *p, int socket, uint64_t deadline_ns)
{
	struct parcel_header header = {.magic = PARCEL_MAGIC, .n_fds = p->n_fds};
	int text = p->incomplete ? -ENOMEM : json_to_memfd(p->json);
	int err;

	if (text < 0)
		return text;
	err = send_all(socket, &header, sizeof(header), &text, 1, deadline_ns);
	close(text);
	return err ? err : send_fds(p, socket, deadline_ns);
}

/* What came with one byte, into the parcel. */
static int take_load(struct parcel *p, const struct unix_load *load)
{
	int err = load->truncated || load->n_fds == 0 ? -EMFILE : 0;

	for (uint32_t i = 0; i < load->n_fds; i++) {
		if (add_fd(p, load->fds[i]) < 0) {
			foreign_close(load->fds[i]);
			err = -ENOMEM;
		}
	}
	return err;
}

static int recv_fds(struct parcel *p, uint32_t n, int socket, uint64_t deadline_ns)
{
	struct unix_load load;
	uint8_t byte;
	int err = 0;

	while (p->n_fds < n && !err) {
		err = recv_all(socket, &byte, 1, &load, deadline_ns);
		if (!err)
			err = take_load(p, &load);
	}
	return err ? err : p->n_fds == n ? 0 : -EPROTO;
}

int parcel_recv(struct parcel *p, int socket, uint64_t deadline_ns)
{
	struct parcel_header header;
	struct unix_load load;
	int err = recv_all(socket, &header, sizeof(header), &load, deadline_ns);

	*p = (struct parcel){.received = true};
	if (err == 0 && (header.magic != PARCEL_MAGIC || load.n_fds != 1))
		err = -EPROTO;
	if (err == 0) {
		p->json = json_from_memfd(load.fds[0]);
		err = p->json ? recv_fds(p, header.n_fds, socket, deadline_ns) : -EPROTO;
	}
	for (uint32_t i = 0; i < load.n_fds; i++)
		foreign_close(load.fds[i]);
	if (err)
		parcel_fini(p);
	return err;
}

/* --- reading --- */

uint64_t parcel_u64(const json_t *object, const char *key, uint64_t otherwise)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? (uint64_t)json_integer_value(value) : otherwise;
}

bool parcel_bool(const json_t *object, const char *key, bool otherwise)
{
	const json_t *value = json_object_get(object, key);

	return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

const char *parcel_str(const json_t *object, const char *key, const char *otherwise)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : otherwise;
}

json_t *parcel_hex(const void *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *from = bytes;
	char *text = malloc(2 * len + 1);
	json_t *json;

	for (size_t i = 0; text && i < len; i++) {
		text[2 * i] = digits[from[i] >> 4];
		text[2 * i + 1] = digits[from[i] & 15];
	}
	json = text ? json_stringn(text, 2 * len) : json_null();
	free(text);
	return json;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int parcel_bytes(const json_t *hex, void *out, size_t max)
{
	const char *text = json_string_value(hex);
	size_t len = json_string_length(hex) / 2;
	uint8_t *to = out;

	if (!text || len > max || json_string_length(hex) % 2 != 0)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		to[i] = (uint8_t)(high << 4 | low);
	}
	return (int)len;
}
