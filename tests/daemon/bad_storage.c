/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bad_storage - preloaded into a program, it makes part of every file bad: transfers that touch bytes from BAD_FROM on,
 * up to BAD_TO, fail with BAD_ERRNO, or with BAD_MS take so many milliseconds and then work. BAD_SYNC: so does each sync.
 * BAD_DURABLE: so does, instead of these transfers, each write that is to be on the disk when it ends.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static long long number(const char *name)
{
	const char *text = getenv(name);

	return text ? strtoll(text, NULL, 0) : 0;
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

/* Of one piece, or of several in an array. */
static long long bytes_of(long call, const long *a)
{
	const struct iovec *iov = (const struct iovec *)a[1];
	long long all = 0;

	if (call == SYS_pread64 || call == SYS_pwrite64)
		return a[2];
	for (long i = 0; i < a[2]; i++)
		all += (long long)iov[i].iov_len;
	return all;
}

static bool is_meant(long call, const long *a)
{
	if (number("BAD_DURABLE"))
		return call == SYS_pwritev2 && ((int)a[5] & RWF_DSYNC);
	return (call == SYS_pread64 || call == SYS_pwrite64 || call == SYS_preadv2 || call == SYS_pwritev2) &&
	       touches(a[3], bytes_of(call, a));
}

/* Transfers come this way, with the position as the fourth argument, and flags as the sixth where there are any. */
long syscall(long call, ...)
{
	long (*real)(long, ...), a[6];
	va_list args;

	find("syscall", &real);
	va_start(args, call);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (is_meant(call, a)) {
		if (call == SYS_preadv2 && ((int)a[5] & RWF_NOWAIT)) {
			errno = EAGAIN;
			return -1;
		}
		if (is_bad())
			return -1;
	}
	return real(call, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int fdatasync(int fd)
{
	int (*real)(int);

	find("fdatasync", &real);
	if (number("BAD_SYNC") && is_bad())
		return -1;
	return real(fd);
}
