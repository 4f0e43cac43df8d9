/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bad_storage - preloaded into a program, it makes part of every file bad: transfers that touch bytes from BAD_FROM on,
 * up to BAD_TO, fail with BAD_ERRNO, or with BAD_MS take so many milliseconds and then work. BAD_SYNC: so does each sync.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static long long number(const char *name)
{
	const char *text = getenv(name);

	return text ? strtoll(text, NULL, 0) : 0;
}

static long long bytes_of(const struct iovec *iov, int n)
{
	long long all = 0;

	for (int i = 0; i < n; i++)
		all += (long long)iov[i].iov_len;
	return all;
}

/* The function that this one stands before. */
static void find(const char *name, void *out)
{
	void *at = dlsym(RTLD_NEXT, name);

	memcpy(out, &at, sizeof(at));
}

/* True: it fails. */
static bool is_bad(void)
{
	long long ms = number("BAD_MS");
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (ms > 0 && nanosleep(&t, &t) < 0)
		;
	errno = (int)number("BAD_ERRNO");
	return errno != 0;
}

static bool touches(off_t offset, long long len)
{
	return offset < number("BAD_TO") && offset + len > number("BAD_FROM");
}

ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
	ssize_t (*real)(int, const struct iovec *, int, off_t, int);

	find("preadv64v2", &real);
	if (touches(offset, bytes_of(iov, n))) {
		if (flags & RWF_NOWAIT) {
			errno = EAGAIN;
			return -1;
		}
		if (is_bad())
			return -1;
	}
	return real(fd, iov, n, offset, flags);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
	ssize_t (*real)(int, const struct iovec *, int, off_t, int);

	find("pwritev64v2", &real);
	if (touches(offset, bytes_of(iov, n)) && is_bad())
		return -1;
	return real(fd, iov, n, offset, flags);
}

int fdatasync(int fd)
{
	int (*real)(int);

	find("fdatasync", &real);
	if (number("BAD_SYNC") && is_bad())
		return -1;
	return real(fd);
}
