/* SPDX-License-Identifier: Apache-2.0 */
#include "os/guard.h"

#include "base/check.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

/* base is 0 for a free slot and is published last, so the handler never sees half a slot. */
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

static struct guard_slot *slot_of(uintptr_t addr)
{
	int n = __atomic_load_n(&n_slots, __ATOMIC_ACQUIRE);

	for (int i = 0; i < n; i++) {
		uintptr_t base = __atomic_load_n(&slots[i].base, __ATOMIC_ACQUIRE);

		if (base != 0 && addr - base < slots[i].len)
			return &slots[i];
	}
	return NULL;
}

/* Async-signal-safe: mmap and write are bare system calls here. */
static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	struct guard_slot *s = slot_of((uintptr_t)info->si_addr);
	int saved = errno;
	uint64_t one = 1;

	if (!s || mmap((void *)s->base, s->len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED) {
		signal(SIGBUS, SIG_DFL); /* the access is repeated and ends the process */
		return;
	}
	__atomic_store_n(&s->lost, true, __ATOMIC_RELEASE);
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
	slots[guard].len = len;
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
