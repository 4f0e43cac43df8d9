/* SPDX-License-Identifier: Apache-2.0 */
/* Each test's body runs in a child: a sandbox is for good. */
#include "os/sandbox.h"

#include "base/test.h"
#include "os/sandbox_private.h"
#include "os/thread.h"
#include "os/unix.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIED     (-1)
#define NO_GRANT 111

static bool sanitized(void)
{
	return SANDBOX_SANITIZED;
}

struct world {
	struct sandbox_config config;
	char dir[64];
	int pair[2];
};

static void world_open(struct world *w, enum sandbox_level level, uint32_t calls)
{
	*w = (struct world){.config = {.level = level, .calls = calls}, .dir = "/tmp/ginnel-test.XXXXXX"};
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, w->pair), 0);
}

static void world_close(struct world *w)
{
	close(w->pair[0]);
	close(w->pair[1]);
	assert_int_equal(rmdir(w->dir), 0);
}

/* What deed() returns in a child that has gone into the sandbox: 0 or an errno; or DIED, of SIGSYS. */
static int in_sandbox(struct world *w, int (*deed)(struct world *w))
{
	struct sandbox_report report;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (sandbox_enter(&w->config, &report) != 0)
			_exit(NO_GRANT);
		_exit(deed(w));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGSYS);
		return DIED;
	}
	return WEXITSTATUS(status);
}

static int result(long ret)
{
	return ret < 0 ? errno : 0;
}

static int open_a_file(struct world *w)
{
	return result(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int open_in_dir(struct world *w)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/file", w->dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 ? errno : result(unlink(path));
}

static int internet_socket(struct world *w)
{
	return result(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int unix_sockets(struct world *w)
{
	return result(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int listen_in_dir(struct world *w)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/socket", w->dir);
	fd = unix_listen(path, 0600, 1);
	return fd < 0 ? -fd : result(unlink(path));
}

static int listen_elsewhere(struct world *w)
{
	int fd = unix_listen("/tmp/ginnel-test-elsewhere", 0600, 1);

	unlink("/tmp/ginnel-test-elsewhere");
	return fd < 0 ? -fd : 0;
}

static int run_a_program(struct world *w)
{
	char *const args[] = {(char *)"true", NULL}, *const none[] = {NULL};

	return result(execve("/bin/true", args, none));
}

static int trace_the_parent(struct world *w)
{
	return result(ptrace(PTRACE_SEIZE, getppid(), 0, 0));
}

static int signal_the_parent(struct world *w)
{
	return result(kill(getppid(), 0));
}

static int make_a_process(struct world *w)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int map_code(struct world *w)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int make_code(struct world *w)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NO_GRANT : result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int make_a_ring(struct world *w)
{
	struct io_uring_params params = {0};

	return result(syscall(SYS_io_uring_setup, 4, &params));
}

static int sync_a_file(struct world *w)
{
	return result(fdatasync(STDERR_FILENO)) == EINVAL ? 0 : result(fdatasync(STDERR_FILENO));
}

static void *answer(void *arg)
{
	uint64_t one = 1;

	return write(*(int *)arg, &one, sizeof(one)) == sizeof(one) ? arg : NULL;
}

/* An event loop, shared memory that arrives by a socket, a thread that rings a bell. */
static int daily_work(struct world *w)
{
	struct epoll_event event = {.events = EPOLLIN};
	int loop = epoll_create1(EPOLL_CLOEXEC), bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int memory = memfd_create("guest", MFD_CLOEXEC);
	struct unix_cargo cargo = {0};
	pthread_t thread;
	void *ret;
	char c;

	if (ftruncate(memory, 4096) < 0 || unix_send(w->pair[0], "m", 1, &memory, 1) != 1)
		return 1;
	if (unix_recv(w->pair[1], &c, 1, &cargo) != 1 || cargo.n_fds != 1)
		return 2;
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, cargo.fds[0], 0) == MAP_FAILED)
		return 3;
	if (epoll_ctl(loop, EPOLL_CTL_ADD, bell, &event) < 0)
		return 4;
	if (thread_start(&thread, "helper", THREAD_ANY_CPU, answer, &bell) != 0)
		return 5;
	if (pthread_join(thread, &ret) != 0 || !ret || epoll_wait(loop, &event, 1, 10000) != 1)
		return 6;
	unix_cargo_close(&cargo);
	if (thread_alarm_start() != 0)
		return 7;
	thread_alarm_stop();
	return fprintf(stderr, "%s", "") < 0 || !strerror(EACCES) ? 8 : 0;
}

static int read_status(struct world *w)
{
	const char *wanted[] = {"CapEff:\t0000000000000000", "CapPrm:\t0000000000000000",
		"CapInh:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1"};
	char status[8192];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, status, sizeof(status) - 1);

	if (n <= 0)
		return NO_GRANT;
	status[n] = 0;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!strstr(status, wanted[i]))
			return (int)i + 1;
	if (geteuid() == 0 && !strstr(status, "CapBnd:\t0000000000000000"))
		return 10;
	return prctl(PR_GET_DUMPABLE) == (sanitized() ? 1 : 0) ? 0 : 11;
}

TEST(a_program_in_the_full_sandbox_does_its_daily_work)
{
	struct world w;

	world_open(&w, SANDBOX_FULL, 0);
	assert_int_equal(in_sandbox(&w, daily_work), 0);
	world_close(&w);
}

TEST(in_the_full_sandbox_a_forbidden_call_kills_the_process)
{
	struct world w;

	world_open(&w, SANDBOX_FULL, 0);
	assert_int_equal(in_sandbox(&w, internet_socket), DIED);
	assert_int_equal(in_sandbox(&w, unix_sockets), DIED);
	assert_int_equal(in_sandbox(&w, run_a_program), sanitized() ? EACCES : DIED);
	assert_int_equal(in_sandbox(&w, map_code), DIED);
	assert_int_equal(in_sandbox(&w, make_code), DIED);
	assert_int_equal(in_sandbox(&w, make_a_ring), DIED);
	assert_int_equal(in_sandbox(&w, sync_a_file), DIED);
	if (!sanitized()) {
		assert_int_equal(in_sandbox(&w, trace_the_parent), DIED);
		assert_int_equal(in_sandbox(&w, signal_the_parent), DIED);
		assert_int_equal(in_sandbox(&w, make_a_process), DIED);
	}
	world_close(&w);
}

TEST(in_the_full_sandbox_nothing_can_be_opened)
{
	struct world w;

	world_open(&w, SANDBOX_FULL, 0);
	assert_int_equal(in_sandbox(&w, open_a_file), EACCES);
	assert_int_equal(in_sandbox(&w, open_in_dir), EACCES);
	world_close(&w);
}

/* Where there is no Landlock, the list of directories means nothing. */
static bool have_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
}

TEST(files_can_be_opened_in_the_directories_that_are_listed)
{
	struct world w;

	if (!have_landlock())
		skip();
	world_open(&w, SANDBOX_FULL, SANDBOX_OPEN | SANDBOX_UNLINK);
	assert_int_equal(in_sandbox(&w, open_a_file), EACCES);
	assert_int_equal(in_sandbox(&w, open_in_dir), EACCES);
	assert_int_equal(
		sandbox_add_dir(&w.config, w.dir, SANDBOX_DIR_READ | SANDBOX_DIR_WRITE | SANDBOX_DIR_REMOVE),
		0);
	assert_int_equal(in_sandbox(&w, open_in_dir), 0);
	assert_int_equal(in_sandbox(&w, open_a_file), EACCES);
	world_close(&w);
}

TEST(sockets_can_be_made_in_the_directories_that_are_listed)
{
	struct world w;

	if (!have_landlock())
		skip();
	world_open(&w, SANDBOX_FULL, SANDBOX_UNIX_SERVER);
	assert_int_equal(in_sandbox(&w, listen_in_dir), EACCES);
	assert_int_equal(sandbox_add_dir(&w.config, w.dir, SANDBOX_DIR_SOCKETS | SANDBOX_DIR_REMOVE), 0);
	assert_int_equal(in_sandbox(&w, listen_in_dir), 0);
	assert_int_equal(in_sandbox(&w, listen_elsewhere), EACCES);
	assert_int_equal(in_sandbox(&w, internet_socket), DIED);
	world_close(&w);
}

TEST(each_set_of_calls_allows_what_its_name_says)
{
	struct world w;

	world_open(&w, SANDBOX_FULL, SANDBOX_UNIX_CLIENT);
	assert_int_equal(in_sandbox(&w, unix_sockets), 0);
	assert_int_equal(in_sandbox(&w, internet_socket), DIED);
	w.config.calls = SANDBOX_FILE_IO;
	assert_int_equal(in_sandbox(&w, sync_a_file), 0);
	w.config.calls = SANDBOX_IO_URING;
	assert_int_not_equal(in_sandbox(&w, make_a_ring), DIED);
	world_close(&w);
}

TEST(the_basic_sandbox_drops_privileges_and_allows_the_rest)
{
	struct world w;

	world_open(&w, SANDBOX_BASIC, 0);
	assert_int_equal(in_sandbox(&w, read_status), 0);
	assert_int_equal(in_sandbox(&w, daily_work), 0);
	assert_int_equal(in_sandbox(&w, open_a_file), 0);
	assert_int_equal(in_sandbox(&w, internet_socket), 0);
	assert_int_equal(in_sandbox(&w, map_code), 0);
	assert_int_equal(in_sandbox(&w, make_a_process), 0);
	world_close(&w);
}

TEST(without_a_sandbox_nothing_changes)
{
	struct world w;

	world_open(&w, SANDBOX_NONE, 0);
	assert_int_not_equal(in_sandbox(&w, read_status), 0);
	assert_int_equal(in_sandbox(&w, open_a_file), 0);
	world_close(&w);
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static int enter_late(struct world *w)
{
	struct sandbox_config config = {.level = SANDBOX_BASIC};
	struct sandbox_report report;
	pthread_t thread;

	if (thread_start(&thread, "waits", THREAD_ANY_CPU, wait_for_ever, NULL) != 0)
		return NO_GRANT;
	return -sandbox_enter(&config, &report);
}

TEST(a_sandbox_is_entered_before_threads_run)
{
	struct world w;

	if (sanitized())
		skip();
	world_open(&w, SANDBOX_NONE, 0);
	assert_int_equal(in_sandbox(&w, enter_late), EBUSY);
	world_close(&w);
}

TEST(a_directory_that_is_listed_twice_has_the_rights_of_both)
{
	struct sandbox_config c = {0};

	assert_int_equal(sandbox_add_dir(&c, "/run", SANDBOX_DIR_READ), 0);
	assert_int_equal(sandbox_add_dir_of(&c, "/run/a.sock", SANDBOX_DIR_REMOVE), 0);
	assert_int_equal(sandbox_add_dir_of(&c, "b.sock", SANDBOX_DIR_REMOVE), 0);
	assert_int_equal(sandbox_add_dir_of(&c, "/c.sock", SANDBOX_DIR_REMOVE), 0);
	assert_int_equal(c.n_dirs, 3);
	assert_int_equal(c.dirs[0].rights, SANDBOX_DIR_READ | SANDBOX_DIR_REMOVE);
	assert_string_equal(c.dirs[1].path, ".");
	assert_string_equal(c.dirs[2].path, "/");
	for (char dir[] = "/a"; dir[1] < 'a' + SANDBOX_DIRS_MAX - 3; dir[1]++)
		assert_int_equal(sandbox_add_dir(&c, dir, SANDBOX_DIR_READ), 0);
	assert_int_equal(sandbox_add_dir(&c, "/one/more", SANDBOX_DIR_READ), -ENOSPC);
	assert_int_equal(sandbox_add_dir(&c, "/run", SANDBOX_DIR_WRITE), 0);
}

static int report_of_full(struct world *w)
{
	struct sandbox_config config = {.level = SANDBOX_FULL};
	struct sandbox_report report;

	if (sandbox_enter(&config, &report) != 0)
		return NO_GRANT;
	if (strncmp(report.active, "full: no new privileges, no capabilities, not dumpable", 54) != 0)
		return 1;
	if (!strstr(report.active, "seccomp"))
		return 2;
	return (strstr(report.active, "Landlock ABI") == NULL) == (report.missing[0] != 0) ? 0 : 3;
}

static int report_of_a_missing_directory(struct world *w)
{
	struct sandbox_config config = {.level = SANDBOX_FULL};
	struct sandbox_report report;

	sandbox_add_dir(&config, "/no/such/directory", SANDBOX_DIR_READ);
	if (sandbox_enter(&config, &report) != -ENOENT)
		return 1;
	return strstr(report.missing, "/no/such/directory") ? 0 : 2;
}

TEST(the_report_says_what_is_in_force_and_what_is_not)
{
	struct world w;

	world_open(&w, SANDBOX_NONE, 0);
	assert_int_equal(in_sandbox(&w, report_of_full), 0);
	if (have_landlock())
		assert_int_equal(in_sandbox(&w, report_of_a_missing_directory), 0);
	world_close(&w);
}

static int close_others(struct world *w)
{
	int kept[2] = {dup(0), dup(0)}, others[2] = {dup(0), dup(0)};

	sandbox_close_others(kept, 2);
	if (fcntl(kept[0], F_GETFD) < 0 || fcntl(kept[1], F_GETFD) < 0 || fcntl(STDERR_FILENO, F_GETFD) < 0)
		return 1;
	if (fcntl(others[0], F_GETFD) >= 0 || fcntl(others[1], F_GETFD) >= 0 ||
		fcntl(w->pair[0], F_GETFD) >= 0)
		return 2;
	return 0;
}

TEST(what_a_parent_left_open_is_closed_but_for_what_is_wanted)
{
	struct world w;

	world_open(&w, SANDBOX_NONE, 0);
	assert_int_equal(in_sandbox(&w, close_others), 0);
	world_close(&w);
}

TESTS(cmocka_unit_test(a_program_in_the_full_sandbox_does_its_daily_work),
	cmocka_unit_test(in_the_full_sandbox_a_forbidden_call_kills_the_process),
	cmocka_unit_test(in_the_full_sandbox_nothing_can_be_opened),
	cmocka_unit_test(files_can_be_opened_in_the_directories_that_are_listed),
	cmocka_unit_test(sockets_can_be_made_in_the_directories_that_are_listed),
	cmocka_unit_test(each_set_of_calls_allows_what_its_name_says),
	cmocka_unit_test(the_basic_sandbox_drops_privileges_and_allows_the_rest),
	cmocka_unit_test(a_directory_that_is_listed_twice_has_the_rights_of_both),
	cmocka_unit_test(without_a_sandbox_nothing_changes),
	cmocka_unit_test(a_sandbox_is_entered_before_threads_run),
	cmocka_unit_test(the_report_says_what_is_in_force_and_what_is_not),
	cmocka_unit_test(what_a_parent_left_open_is_closed_but_for_what_is_wanted))
