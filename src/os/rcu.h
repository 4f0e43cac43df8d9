/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rcu - quiescent-state based reclamation (liburcu-qsbr): workers read tables without a lock, control swaps a
 * pointer, waits until every worker has passed a point where it holds none, and only then frees the old table.
 *
 * A reader thread registers, calls rcu_quiet() between two turns and brackets every sleep with rcu_sleep() and
 * rcu_woke(). The writer is the control thread alone; it must not be a registered reader.
 *
 * ThreadSanitizer cannot see liburcu's barriers, so the hand-over is told to it here.
 */
#ifndef GINNEL_OS_RCU_H
#define GINNEL_OS_RCU_H

/* Publishes a fully built object; pairs with rcu_load(). */
#define rcu_publish(ptr, value) __atomic_store_n(&(ptr), (value), __ATOMIC_RELEASE)
#define rcu_load(ptr)           __atomic_load_n(&(ptr), __ATOMIC_ACQUIRE)

void rcu_reader_start(void);
void rcu_reader_stop(void);
/* This thread holds no pointer from rcu_load() any more. */
void rcu_quiet(void);
void rcu_sleep(void);
void rcu_woke(void);

/* Control thread: returns when what was unpublished before the call is used by nobody. Microseconds, usually. */
void rcu_wait(void);

#endif
