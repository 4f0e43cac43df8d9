/* SPDX-License-Identifier: Apache-2.0 */
#include "os/guard.h"

#include "base/check.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * base is 0 for a free slot and is published last. A handler that reads the len of the slot's next life, because control
 * uses the slot again meanwhile, sees that base has changed.
 */
struct guard_slot {
	uintptr_t base;
	size_t len;
	bool lost;
	int next_free; /* of a free slot; -1 ends the list */
};

static struct guard_slot slots[GUARD_MAX];
static int n_slots; /* that were ever used: the handler looks at no more */
static int first_free = -1;
static int notify = -1;
static size_t page;

/* A copy of what guards the address; of the thread's own memory, which nobody takes away while it is used. */
static bool find_slot(uintptr_t addr, int *slot, uintptr_t *base, size_t *len)
{
	int n = __atomic_load_n(&n_slots, __ATOMIC_ACQUIRE);

	for (int i = 0; i < n; i++) {
		*slot = i;
		*base = __atomic_load_n(&slots[i].base, __ATOMIC_ACQUIRE);
		*len = __atomic_load_n(&slots[i].len, __ATOMIC_ACQUIRE);
		if (*base != 0 && addr - *base < *len &&
			__atomic_load_n(&slots[i].base, __ATOMIC_RELAXED) == *base)
			return true;
	}
	return false;
}

static bool put_zeros(uintptr_t at, size_t len)
{
	return mmap((void *)at, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}

/*
 * Async-signal-safe: mmap and write are bare system calls here. Where the kernel does not promise so much memory at once
 * (vm.overcommit_memory=2), one page after the other gets it until control has ended the connection.
 */
static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	uintptr_t addr = (uintptr_t)info->si_addr, base;
	int slot, saved = errno;
	uint64_t one = 1;
	size_t len;

	if (!find_slot(addr, &slot, &base, &len) ||
		(!put_zeros(base, len) && !put_zeros(addr & ~(page - 1), page))) {
		signal(SIGBUS, SIG_DFL); /* the access is repeated and ends the process */
		return;
	}
	__atomic_store_n(&slots[slot].lost, true, __ATOMIC_RELEASE);
	if (notify >= 0) {
		ssize_t n = write(notify, &one, sizeof(one));

		(void)n;
	}
	errno = saved;
}

int guard_start(int notify_fd)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

	notify = notify_fd;
	page = (size_t)sysconf(_SC_PAGESIZE);
	sigemptyset(&action.sa_mask);
	return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}

int guard_add(void *addr, size_t len)
{
	int guard = first_free;

	if (guard >= 0) {
		first_free = slots[guard].next_free;
	} else {
		if (n_slots == GUARD_MAX)
			return -ENOSPC;
		guard = n_slots;
		__atomic_store_n(&n_slots, n_slots + 1, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&slots[guard].len, len, __ATOMIC_RELEASE); /* after the 0 of its last life */
	slots[guard].lost = false;
	__atomic_store_n(&slots[guard].base, (uintptr_t)addr, __ATOMIC_RELEASE);
	return guard;
}

void guard_del(int guard)
{
	ASSERT(guard >= 0 && guard < n_slots && slots[guard].base != 0);
	__atomic_store_n(&slots[guard].base, 0, __ATOMIC_RELEASE);
	slots[guard].next_free = first_free;
	first_free = guard;
}

bool guard_lost(int guard)
{
	return __atomic_load_n(&slots[guard].lost, __ATOMIC_ACQUIRE);
}
