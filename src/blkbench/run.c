/* SPDX-License-Identifier: Apache-2.0 */
#include "blkbench/run.h"

#include "base/check.h"
#include "os/clock.h"
#include "os/proc_cpu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A back-end may take so long to be there, or to be there again. */
#define PATIENCE_NS (30 * NS_PER_S)
/* Between looks at the control plane while polling. */
#define ATTEND_NS (2 * NS_PER_MS)
/* The longest sleep: signals and the clock want to be seen. */
#define NAP_NS (20 * NS_PER_MS)

struct run {
	const struct blkbench_plan *plan;
	const volatile sig_atomic_t *stop;
	struct blkbench_result *result;
	struct loop *loop;
	struct disk disk;
	struct verify verify;
	struct load *load;
	uint64_t attended_ns, alone_since_ns, progress_ns, progress_done;
};

static int fail(struct run *r, int err, const char *what, const char *why)
{
	snprintf(r->result->why, sizeof(r->result->why), "%s%s", what, why);
	return err;
}

/* --- the back-end comes and goes --- */

static int no_back_end(struct run *r)
{
	struct vhost_frontend_status status;

	if (r->disk.hopeless)
		return fail(r, -EINVAL, "", r->disk.why);
	vhost_frontend_status(r->disk.frontend, &status);
	if (status.error == -EOPNOTSUPP)
		return fail(r, -EOPNOTSUPP, status.why, ": leave the option out that asks for it");
	if (clock_now_ns() - r->alone_since_ns < PATIENCE_NS)
		return 0;
	return fail(r, -ETIMEDOUT, "no disk within 30 s: ", status.why);
}

static int check_queues(struct run *r)
{
	for (uint32_t i = 0; i < r->plan->queues; i++) {
		const char *why = disk_queue_broken(&r->disk.queues[i]);

		if (why)
			return fail(r, -EPROTO, "the back-end broke a queue: ", why);
	}
	return 0;
}

/* One look at sockets and timers, sleeping as long as that if there is nothing. */
static int attend(struct run *r, uint64_t nap_ns)
{
	uint64_t now;

	loop_turn(r->loop, nap_ns);
	now = clock_now_ns();
	r->attended_ns = now;
	if (r->disk.ended && !r->plan->reconnect)
		return fail(r, -ECONNRESET, "the back-end left", ": with --reconnect it is waited for");
	if (r->disk.running) {
		r->alone_since_ns = now;
		return check_queues(r);
	}
	return no_back_end(r);
}

static int wait_for_disk(struct run *r)
{
	int err = 0;

	r->alone_since_ns = clock_now_ns();
	while (!r->disk.running && !err && !*r->stop)
		err = attend(r, NAP_NS);
	if (!err && !r->disk.running)
		return fail(r, -EINTR, "interrupted", "");
	return err;
}

/* --- phases --- */

static uint64_t all_done(const struct load *l)
{
	uint64_t n = 0;

	for (uint32_t op = 0; op < OP_COUNT; op++)
		n += l->counters.done[op];
	return n;
}

static void show_progress(struct run *r, uint64_t now)
{
	const uint64_t done = all_done(r->load);

	if (!r->plan->progress || now - r->progress_ns < NS_PER_S)
		return;
	if (done >= r->progress_done)
		fprintf(stderr, "\r%10.0f IOPS%s ",
			(double)(done - r->progress_done) * (double)NS_PER_S / (double)(now - r->progress_ns),
			r->disk.running ? "" : ", waiting for the back-end");
	r->progress_ns = now;
	r->progress_done = done;
}

/* Asks all queues for calls and sleeps until one comes. */
static int sleep_until_called(struct run *r)
{
	bool found = false;
	int err = 0;

	for (uint32_t i = 0; i < r->plan->queues; i++)
		found |= disk_arm(&r->disk.queues[i]);
	if (!found)
		err = attend(r, NAP_NS);
	for (uint32_t i = 0; r->disk.running && i < r->plan->queues; i++)
		disk_disarm(&r->disk.queues[i]);
	return err;
}

/* Until the time has come, or all has been asked and is back; with drain nothing may be left on its way. */
static int run_until(struct run *r, uint64_t end_ns, bool drain)
{
	struct load *l = r->load;
	int err = 0;

	while (!err) {
		const uint64_t now = clock_now_ns();
		const uint32_t n = load_turn(l, now);

		if (load_asked_all(l) && load_on_their_way(l) == 0)
			break;
		if (!drain && (now >= end_ns || *r->stop))
			break;
		if (!r->disk.running)
			err = attend(r, NS_PER_MS);
		else if (n == 0 && r->plan->sleep)
			err = sleep_until_called(r);
		else if (now - r->attended_ns >= ATTEND_NS)
			err = attend(r, 0);
		show_progress(r, now);
	}
	if (!err)
		err = check_queues(r);
	return err;
}

static int drain(struct run *r)
{
	const enum load_mode mode = r->load->mode;
	int err;

	r->load->mode = LOAD_NOTHING;
	err = run_until(r, 0, true);
	r->load->mode = mode;
	return err;
}

static uint64_t in_ns(double seconds)
{
	return clock_now_ns() + (uint64_t)(seconds * (double)NS_PER_S);
}

static int measure(struct run *r)
{
	const uint64_t cpu = r->plan->pid ? proc_cpu_ns(r->plan->pid) : 0;
	struct blkbench_result *result = r->result;
	uint64_t began, end;
	int err;

	load_zero(r->load);
	began = r->progress_ns = clock_now_ns();
	r->progress_done = 0;
	err = run_until(r,
		r->plan->requests > 0 && r->plan->seconds <= 0 ? UINT64_MAX : in_ns(r->plan->seconds), false);
	end = clock_now_ns();
	result->seconds = (double)(end - began) / (double)NS_PER_S;
	if (r->plan->pid) {
		uint64_t now = proc_cpu_ns(r->plan->pid);

		result->cpu_ns = now > cpu ? now - cpu : 0;
	}
	return err;
}

/* What comes back now was not measured; what is wrong with it is told all the same. */
static int drain_unmeasured(struct run *r)
{
	static struct load_counters counters;
	int err;

	counters = r->load->counters;
	err = drain(r);
	r->load->counters = counters;
	return err;
}

static int read_back(struct run *r)
{
	static struct load_counters counters;
	int err;

	counters = r->load->counters;
	r->load->mode = LOAD_SWEEP;
	r->load->sweep_at = 0;
	err = run_until(r, UINT64_MAX, true);
	r->result->read_back = r->load->sweep_at;
	r->load->mode = LOAD_NOTHING;
	r->load->counters = counters;
	return err;
}

static int phases(struct run *r)
{
	int err = 0;

	if (r->plan->warm_up_s > 0)
		err = run_until(r, in_ns(r->plan->warm_up_s), false);
	if (!err)
		err = measure(r);
	if (!err)
		err = drain_unmeasured(r);
	if (!err && r->plan->read_back && !*r->stop)
		err = read_back(r);
	return err;
}

/* --- all of it --- */

static int open_verify(struct run *r, uint64_t n_blocks)
{
	const struct blkbench_plan *p = r->plan;
	const struct verify_shape shape = {
		.offset = p->offset, .n_blocks = n_blocks, .seed = p->seed, .block_size = p->block_size};

	return verify_open(&r->verify, &shape, p->verify_state, r->result->why, sizeof(r->result->why));
}

static void keep_result(struct run *r)
{
	struct blkbench_result *result = r->result;

	result->features = r->disk.features;
	result->capacity = r->disk.config.capacity * BLK_SECTOR;
	result->seed = r->plan->verify ? r->verify.shape.seed : r->plan->seed;
	result->lives = r->disk.lives;
	result->resumed = r->disk.resumed;
	result->asked_again = r->disk.asked_again;
	for (uint32_t i = 0; i < r->plan->queues; i++) {
		const struct disk_queue *q = &r->disk.queues[i];

		result->kicks += q->vq.kicks;
		result->kicks_saved += q->vq.kicks_saved;
		result->calls += q->calls;
	}
}

static int run_with_disk(struct run *r)
{
	uint64_t n_blocks;
	int err = wait_for_disk(r);

	if (err)
		return err;
	err = disk_region(&r->disk, &n_blocks);
	if (err)
		return fail(r, err, "", r->disk.why);
	err = r->plan->verify ? open_verify(r, n_blocks) : 0;
	if (err)
		return err;
	load_init(r->load, r->plan, &r->disk, r->plan->verify ? &r->verify : NULL, n_blocks);
	r->disk.refill = load_refill;
	r->disk.arg = r->load;
	err = phases(r);
	keep_result(r);
	if (r->plan->verify)
		verify_close(&r->verify);
	return err;
}

int blkbench_run(
	const struct blkbench_plan *plan, const volatile sig_atomic_t *stop, struct blkbench_result *result)
{
	static struct run r;
	int err;

	memset(result, 0, sizeof(*result));
	r = (struct run){.plan = plan, .stop = stop, .result = result, .load = &result->load};
	err = loop_create(&r.loop);
	if (err)
		return fail(&r, err, strerror(-err), "");
	err = disk_open(&r.disk, plan, r.loop);
	err = err ? fail(&r, err, "", r.disk.why) : run_with_disk(&r);
	disk_close(&r.disk);
	loop_destroy(r.loop);
	return err;
}
