/* SPDX-License-Identifier: Apache-2.0 */
/* The profiles: which system calls, and with which arguments. libseccomp makes the filter out of them. */
#include "base/check.h"
#include "os/sandbox_private.h"

#include <errno.h>
#include <linux/fs.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALL(name) SCMP_SYS(name)

static const int base_calls[] = {
	/* descriptors, also those of peers */
	CALL(read), CALL(readv), CALL(write), CALL(writev), CALL(close), CALL(dup), CALL(dup3), CALL(fcntl),
	CALL(pipe2), CALL(eventfd2), CALL(lseek), CALL(fstat), CALL(newfstatat), CALL(statx),
	CALL(getdents64), CALL(readlink), CALL(readlinkat),
	/* sockets that are open */
	CALL(accept4), CALL(recvmsg), CALL(recvfrom), CALL(sendmsg), CALL(sendto), CALL(shutdown),
	CALL(getsockopt), CALL(setsockopt), CALL(getsockname), CALL(getpeername),
	/* waiting */
	CALL(epoll_create1), CALL(epoll_ctl), CALL(epoll_wait), CALL(epoll_pwait), CALL(epoll_pwait2),
	CALL(poll), CALL(ppoll), CALL(futex), CALL(nanosleep), CALL(clock_nanosleep), CALL(restart_syscall),
	/* time */
	CALL(clock_gettime), CALL(clock_getres), CALL(gettimeofday), CALL(time), CALL(timerfd_create),
	CALL(timerfd_settime), CALL(timer_create), CALL(timer_settime), CALL(timer_gettime),
	CALL(timer_delete),
	/* memory; mmap and mprotect below */
	CALL(brk), CALL(munmap), CALL(mremap), CALL(madvise), CALL(memfd_create), CALL(ftruncate),
	/* threads */
	CALL(exit), CALL(exit_group), CALL(sched_yield), CALL(sched_getaffinity), CALL(sched_setaffinity),
	CALL(getcpu), CALL(set_robust_list), CALL(rseq), CALL(membarrier), CALL(gettid),
	/* signals to ourselves */
	CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(sigaltstack), CALL(signalfd4),
	/* who am I */
	CALL(getpid), CALL(getppid), CALL(getuid), CALL(geteuid), CALL(getgid), CALL(getegid),
	CALL(getrandom), CALL(uname), CALL(sysinfo)};

static const int unix_server_calls[] = {CALL(bind), CALL(listen), CALL(chmod), CALL(fchmodat), CALL(chown),
	CALL(lchown), CALL(fchownat), CALL(unlink), CALL(unlinkat), CALL(socketpair)};

static const int unlink_calls[] = {CALL(unlink), CALL(unlinkat)};

static const int unix_client_calls[] = {CALL(connect)};

static const int file_io_calls[] = {CALL(pread64), CALL(pwrite64), CALL(preadv), CALL(pwritev), CALL(preadv2),
	CALL(pwritev2), CALL(fsync), CALL(fdatasync), CALL(sync_file_range), CALL(fallocate),
	CALL(fadvise64)};

static const int io_uring_calls[] = {CALL(io_uring_setup), CALL(io_uring_enter), CALL(io_uring_register)};

static const int open_calls[] = {CALL(open), CALL(openat), CALL(openat2)};

/* See SANDBOX_SANITIZED. */
static const int sanitizer_calls[] = {CALL(open), CALL(openat), CALL(clone), CALL(clone3), CALL(ptrace),
	CALL(wait4), CALL(prctl), CALL(prlimit64), CALL(getrlimit), CALL(personality), CALL(process_vm_readv),
	CALL(pread64), CALL(mincore), CALL(kill), CALL(tgkill), CALL(getdents), CALL(stat), CALL(lstat),
	CALL(access), CALL(pipe), CALL(dup2), CALL(ioctl)};

/* In these, the masked argument must have this value. */
struct conditional {
	int call;
	struct scmp_arg_cmp arg;
};

#define ARG(n, mask, value)                                                                 \
	{                                                                                   \
		.arg = (n), .op = SCMP_CMP_MASKED_EQ, .datum_a = (mask), .datum_b = (value) \
	}
#define ALL_BITS UINT32_MAX

static const struct conditional base_conditions[] = {
	{CALL(mmap), ARG(2, PROT_EXEC, 0)}, {CALL(mprotect), ARG(2, PROT_EXEC, 0)},
	{CALL(clone), ARG(0, CLONE_THREAD, CLONE_THREAD)}, {CALL(prctl), ARG(0, ALL_BITS, PR_SET_NAME)},
	{CALL(prlimit64), ARG(2, UINT64_MAX, 0)}, /* asks, sets nothing */
};

static const struct conditional unix_socket = {CALL(socket), ARG(0, ALL_BITS, AF_UNIX)};

static const struct conditional file_io_conditions[] = {
	{CALL(ioctl), ARG(1, ALL_BITS, BLKDISCARD)},
	{CALL(ioctl), ARG(1, ALL_BITS, BLKZEROOUT)},
	{CALL(ioctl), ARG(1, ALL_BITS, BLKSECDISCARD)},
	{CALL(ioctl), ARG(1, ALL_BITS, BLKGETSIZE64)},
};

static int allow(scmp_filter_ctx f, const int *calls, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && err == 0; i++)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0);
	return err;
}

static int allow_if(scmp_filter_ctx f, const struct conditional *calls, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && err == 0; i++)
		err = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, calls[i].call, 1, &calls[i].arg);
	return err;
}

static int allow_base(scmp_filter_ctx f)
{
	const struct conditional own_signals = {CALL(tgkill), ARG(0, ALL_BITS, (uint32_t)getpid())};
	bool sanitized = SANDBOX_SANITIZED;
	int err = allow(f, base_calls, ARRAY_LEN(base_calls));

	/* before the same calls with conditions, which are void then */
	if (err == 0 && sanitized)
		err = allow(f, sanitizer_calls, ARRAY_LEN(sanitizer_calls));
	/* a report tries to run a program that knows names, and does without */
	if (err == 0 && sanitized)
		err = seccomp_rule_add(f, SCMP_ACT_ERRNO(EAGAIN), CALL(fork), 0);
	if (err == 0 && sanitized)
		err = seccomp_rule_add(f, SCMP_ACT_ERRNO(EACCES), CALL(execve), 0);
	if (err == 0)
		err = allow_if(f, base_conditions, ARRAY_LEN(base_conditions));
	if (err == 0)
		err = allow_if(f, &own_signals, 1);
	/* whose flags lie in memory: libc goes on with clone */
	if (err == 0 && !sanitized)
		err = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
	return err;
}

static int refuse_open(scmp_filter_ctx f)
{
	static const int opens[] = {CALL(open), CALL(openat), CALL(openat2)};
	int err = 0;

	for (size_t i = 0; i < ARRAY_LEN(opens) && err == 0; i++)
		err = seccomp_rule_add(f, SCMP_ACT_ERRNO(EACCES), opens[i], 0);
	return err;
}

static int allow_sets(scmp_filter_ctx f, uint32_t calls)
{
	bool sanitized = SANDBOX_SANITIZED;
	int err = 0;

	if (calls & (SANDBOX_UNIX_SERVER | SANDBOX_UNIX_CLIENT))
		err = allow_if(f, &unix_socket, 1);
	if (err == 0 && (calls & SANDBOX_UNIX_SERVER))
		err = allow(f, unix_server_calls, ARRAY_LEN(unix_server_calls));
	if (err == 0 && (calls & SANDBOX_UNLINK))
		err = allow(f, unlink_calls, ARRAY_LEN(unlink_calls));
	if (err == 0 && (calls & SANDBOX_UNIX_CLIENT))
		err = allow(f, unix_client_calls, ARRAY_LEN(unix_client_calls));
	if (err == 0 && (calls & SANDBOX_FILE_IO))
		err = allow(f, file_io_calls, ARRAY_LEN(file_io_calls));
	if (err == 0 && (calls & SANDBOX_FILE_IO))
		err = allow_if(f, file_io_conditions, ARRAY_LEN(file_io_conditions));
	if (err == 0 && (calls & SANDBOX_IO_URING))
		err = allow(f, io_uring_calls, ARRAY_LEN(io_uring_calls));
	if (err == 0 && (calls & SANDBOX_OPEN))
		err = allow(f, open_calls, ARRAY_LEN(open_calls));
	else if (err == 0 && !sanitized)
		err = refuse_open(f);
	return err;
}

int sandbox_seccomp(const struct sandbox_config *c)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err;

	if (!f)
		return -ENOMEM;
	/* a thread of the sanitizer's, or of a library, is in the same box */
	err = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (err == 0)
		err = allow_base(f);
	if (err == 0)
		err = allow_sets(f, c->calls);
	if (err == 0)
		err = seccomp_load(f);
	seccomp_release(f);
	return err;
}
