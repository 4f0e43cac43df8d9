/* SPDX-License-Identifier: Apache-2.0 */
#include "os/rcu.h"

#include <urcu-qsbr.h>

#if defined(__SANITIZE_THREAD__)
#define HAVE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAVE_TSAN 1
#endif
#endif

#ifdef HAVE_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);

static char handover;

static void reader_lets_go(void)
{
	__tsan_release(&handover);
}

static void writer_takes_over(void)
{
	__tsan_acquire(&handover);
}
#else
static void reader_lets_go(void)
{
}

static void writer_takes_over(void)
{
}
#endif

void rcu_reader_start(void)
{
	urcu_qsbr_register_thread();
}

void rcu_reader_stop(void)
{
	reader_lets_go();
	urcu_qsbr_unregister_thread();
}

void rcu_quiet(void)
{
	reader_lets_go();
	urcu_qsbr_quiescent_state();
}

void rcu_sleep(void)
{
	reader_lets_go();
	urcu_qsbr_thread_offline();
}

void rcu_woke(void)
{
	urcu_qsbr_thread_online();
}

void rcu_wait(void)
{
	urcu_qsbr_synchronize_rcu();
	writer_takes_over();
}
