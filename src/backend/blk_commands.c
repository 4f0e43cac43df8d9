/* SPDX-License-Identifier: Apache-2.0 */
/* What people ask a disk, and tell it. */
#include "backend/blk_private.h"
#include "virtio/feature_names.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void set_u64(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* --- show block: facts as JSON --- */

static const char *cache_name(const struct blk *blk)
{
	static const char *const names[] = {[BLK_CACHE_WRITEBACK] = "writeback",
		[BLK_CACHE_WRITETHROUGH] = "writethrough",
		[BLK_CACHE_NONE] = "none"};

	return names[blk->options.file.cache];
}

static json_t *image_json(const struct blk *blk)
{
	const struct blk_file *f = &blk->file;
	json_t *image = json_pack("{s:s, s:b, s:b, s:s, s:b, s:i, s:i}", "path", blk->options.file.path,
		"block-device", (int)f->block_device, "read-only", (int)f->read_only, "cache",
		cache_name(blk), "write-through",
		(int)__atomic_load_n(&blk->rules.write_through, __ATOMIC_RELAXED), "block-size",
		(int)f->block_size, "physical-block-size", (int)f->physical_block_size);

	set_u64(image, "size", blk_file_size(f));
	set_u64(image, "resizes", blk->resizes);
	return image;
}

static json_t *features_json(uint64_t features)
{
	json_t *names = json_array();

	for (unsigned bit = 0; bit < 64; bit++) {
		const char *name = virtio_blk_feature_name(bit);

		if (features & BIT(bit))
			json_array_append_new(names, name ? json_string(name) : json_sprintf("bit %u", bit));
	}
	return names;
}

/* The bound below which this share of all lies; 0 when there are none. */
static uint64_t time_below(const struct blk_counters *c, enum blk_kind kind, uint64_t n, double share)
{
	uint64_t seen = 0;

	for (uint32_t i = 0; i < BLK_TIMES; i++) {
		seen += load(&c->times[kind][i]);
		if (n > 0 && (double)seen >= share * (double)n)
			return blk_time_bound_ns(i);
	}
	return 0;
}

static json_t *kind_json(const struct blk_counters *c, enum blk_kind kind)
{
	uint64_t n = load(&c->requests[kind]);
	json_t *o;

	if (n == 0)
		return NULL;
	o = json_object();
	set_u64(o, "requests", n);
	set_u64(o, "bytes", load(&c->bytes[kind]));
	set_u64(o, "mean-ns", load(&c->time_ns[kind]) / n);
	set_u64(o, "p50-below-ns", time_below(c, kind, n, 0.5));
	set_u64(o, "p99-below-ns", time_below(c, kind, n, 0.99));
	return o;
}

static json_t *kinds_json(const struct blk_counters *c)
{
	json_t *kinds = json_object();

	for (enum blk_kind kind = 0; kind < BLK_KINDS; kind++) {
		json_t *o = kind_json(c, kind);

		if (o)
			json_object_set_new(kinds, blk_kind_name(kind), o);
	}
	return kinds;
}

static json_t *faults_json(const struct blk_counters *c)
{
	json_t *faults = json_object();

	for (enum blk_fault fault = BLK_FINE + 1; fault < BLK_FAULT_COUNT; fault++)
		if (load(&c->faults[fault]) > 0)
			set_u64(faults, blk_fault_name(fault), load(&c->faults[fault]));
	return faults;
}

static void add_engine(json_t *row, const struct blk_engine_counters *c)
{
	set_u64(row, "calls-of-worker", load(&c->own));
	set_u64(row, "slow-calls-of-worker", load(&c->own_slow));
	set_u64(row, "passed-on", load(&c->passed_on));
	set_u64(row, "submits", load(&c->submits));
}

static void add_ring(json_t *row, const struct vhost_ring *ring)
{
	enum virtq_error error = __atomic_load_n(&ring->vq.error, __ATOMIC_RELAXED);

	json_object_set_new(row, "ring-size", json_integer(ring->vq.size));
	json_object_set_new(row, "packed", json_boolean(ring->vq.packed));
	json_object_set_new(row, "in-flight-noted", json_boolean(ring->inflight));
	set_u64(row, "calls", load(&ring->vq.calls));
	set_u64(row, "calls-suppressed", load(&ring->vq.calls_saved));
	if (error != VIRTQ_OK)
		json_object_set_new(row, "broken", json_string(virtq_error_text(error)));
}

static json_t *queue_json(const struct blk_queue *q)
{
	const struct blk_counters *c = &q->counters;
	json_t *row =
		json_pack("{s:i, s:i, s:b, s:o, s:o}", "queue", (int)q->idx, "worker", (int)q->worker->idx,
			"running", q->wanted != NULL, "kinds", kinds_json(c), "errors", faults_json(c));

	set_u64(row, "depth", load(&c->depth));
	set_u64(row, "depth-max", load(&c->depth_max));
	set_u64(row, "bursts", load(&c->bursts));
	set_u64(row, "retaken", load(&c->retaken));
	set_u64(row, "abandoned", load(&c->abandoned));
	set_u64(row, "held-back", load(&c->held_back));
	add_engine(row, &q->engine->counters);
	if (q->wanted)
		add_ring(row, q->wanted);
	return row;
}

static json_t *workers_json(const struct blk *blk)
{
	json_t *workers = json_array();

	for (uint32_t i = 0; i < blk->n_workers; i++) {
		json_t *row = json_object();

		set_u64(row, "worker", i);
		set_u64(row, "sleeps", load(&blk->workers[i].sleeps));
		json_array_append_new(workers, row);
	}
	return workers;
}

static int run_show(struct ctl_call *call)
{
	const struct blk *blk = call->subject;
	json_t *queues = json_array(), *limits = json_object();

	for (uint32_t i = 0; i < blk->n_queues; i++)
		json_array_append_new(queues, queue_json(&blk->queues[i]));
	set_u64(limits, "iops", blk->limit.requests.per_s);
	set_u64(limits, "bps", blk->limit.bytes.per_s);
	call->result = json_pack("{s:o, s:s, s:o, s:o, s:o, s:o}", "image", image_json(blk), "engine",
		blk->engine->name, "limits", limits, "features", features_json(blk->features), "workers",
		workers_json(blk), "queues", queues);
	return 0;
}

/* --- as text --- */

static json_int_t int_at(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const char *str_at(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static void print_image(const json_t *result, FILE *out)
{
	const json_t *image = json_object_get(result, "image"), *limits = json_object_get(result, "limits");

	fprintf(out, "%s: %" JSON_INTEGER_FORMAT " bytes%s%s\n", str_at(image, "path"), int_at(image, "size"),
		json_is_true(json_object_get(image, "block-device")) ? ", a block device" : "",
		json_is_true(json_object_get(image, "read-only")) ? ", read-only" : "");
	fprintf(out,
		"  engine %s, cache %s%s, blocks of %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
		" bytes\n",
		str_at(result, "engine"), str_at(image, "cache"),
		json_is_true(json_object_get(image, "write-through")) ? " (write-through now)" : "",
		int_at(image, "block-size"), int_at(image, "physical-block-size"));
	if (int_at(limits, "iops") > 0)
		fprintf(out, "  at most %" JSON_INTEGER_FORMAT " requests per second\n",
			int_at(limits, "iops"));
	if (int_at(limits, "bps") > 0)
		fprintf(out, "  at most %" JSON_INTEGER_FORMAT " bytes per second\n", int_at(limits, "bps"));
}

static void print_kinds(const json_t *queue, FILE *out)
{
	const char *name;
	json_t *kind, *kinds = json_object_get(queue, "kinds");

	json_object_foreach (kinds, name, kind)
		fprintf(out,
			"    %-13s %12" JSON_INTEGER_FORMAT " %15" JSON_INTEGER_FORMAT
			" bytes, mean %.1f us, p50 < %.1f us, p99 < %.1f us\n",
			name, int_at(kind, "requests"), int_at(kind, "bytes"),
			(double)int_at(kind, "mean-ns") / 1e3, (double)int_at(kind, "p50-below-ns") / 1e3,
			(double)int_at(kind, "p99-below-ns") / 1e3);
}

static void print_errors(const json_t *queue, FILE *out)
{
	const char *name;
	json_t *n, *errors = json_object_get(queue, "errors");

	json_object_foreach (errors, name, n)
		fprintf(out, "    error %s: %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(n));
}

static void print_queue(const json_t *queue, FILE *out)
{
	fprintf(out,
		"  queue %" JSON_INTEGER_FORMAT ", worker %" JSON_INTEGER_FORMAT
		"%s: depth %" JSON_INTEGER_FORMAT ", at most %" JSON_INTEGER_FORMAT
		" so far; %" JSON_INTEGER_FORMAT " calls\n",
		int_at(queue, "queue"), int_at(queue, "worker"),
		json_is_true(json_object_get(queue, "running")) ? "" : ", not running",
		int_at(queue, "depth"), int_at(queue, "depth-max"), int_at(queue, "calls"));
	if (*str_at(queue, "broken"))
		fprintf(out, "    broken: %s\n", str_at(queue, "broken"));
	print_kinds(queue, out);
	print_errors(queue, out);
	fprintf(out,
		"    carried out by the worker itself %" JSON_INTEGER_FORMAT " (%" JSON_INTEGER_FORMAT
		" slow), passed on %" JSON_INTEGER_FORMAT " in %" JSON_INTEGER_FORMAT " submits\n",
		int_at(queue, "calls-of-worker"), int_at(queue, "slow-calls-of-worker"),
		int_at(queue, "passed-on"), int_at(queue, "submits"));
	if (int_at(queue, "retaken") + int_at(queue, "abandoned") + int_at(queue, "held-back") > 0)
		fprintf(out,
			"    taken over %" JSON_INTEGER_FORMAT ", abandoned %" JSON_INTEGER_FORMAT
			", held back by limits %" JSON_INTEGER_FORMAT "\n",
			int_at(queue, "retaken"), int_at(queue, "abandoned"), int_at(queue, "held-back"));
}

static void print_show(const json_t *result, FILE *out)
{
	const json_t *queues = json_object_get(result, "queues");

	print_image(result, out);
	for (size_t i = 0; i < json_array_size(queues); i++)
		print_queue(json_array_get(queues, i), out);
}

/* --- errors by name --- */

static int run_show_errors(struct ctl_call *call)
{
	const struct blk *blk = call->subject;

	call->result = json_array();
	for (enum blk_fault fault = BLK_FINE + 1; fault < BLK_FAULT_COUNT; fault++) {
		uint64_t n = 0;

		for (uint32_t i = 0; i < blk->n_queues; i++)
			n += load(&blk->queues[i].counters.faults[fault]);
		json_array_append_new(
			call->result, json_pack("{s:s, s:s, s:I}", "error", blk_fault_name(fault), "text",
					      blk_fault_text(fault), "count", (json_int_t)n));
	}
	return 0;
}

static void print_errors_table(const json_t *result, FILE *out)
{
	for (size_t i = 0; i < json_array_size(result); i++) {
		const json_t *row = json_array_get(result, i);

		if (int_at(row, "count") > 0)
			fprintf(out, "%10" JSON_INTEGER_FORMAT "  %-18s %s\n", int_at(row, "count"),
				str_at(row, "error"), str_at(row, "text"));
	}
}

/* --- changes --- */

static int run_resize(struct ctl_call *call)
{
	struct blk *blk = call->subject;
	uint64_t size = ctl_u64(call, "size", 0);
	int err;

	if (size == 0 || size % blk->file.block_size != 0)
		return ctl_fail(call, "the size has to be a multiple of %u bytes", blk->file.block_size);
	if (blk->file.read_only)
		return ctl_fail(call, "the image is read-only");
	err = blk_resize(blk, size);
	if (err == -ENOTSUP)
		return ctl_fail(call, "a block device has the size it has: change that, it is noticed");
	return err ? ctl_fail(call, "cannot resize the image: %s", strerror(-err)) : 0;
}

static int run_limit(struct ctl_call *call)
{
	struct blk *blk = call->subject;

	blk_limit_set(&blk->limit, ctl_u64(call, "iops", blk->limit.requests.per_s),
		ctl_u64(call, "bps", blk->limit.bytes.per_s), blk->options.clock());
	for (uint32_t i = 0; i < blk->n_workers; i++)
		waker_wake(&blk->workers[i].waker);
	return 0;
}

static const struct ctl_command commands[] = {
	{"show block",
		"The disk: its image, and what each queue has done, how long that took and how it ended",
		run_show, print_show},
	{"show block errors", "Requests that ended with an error, by reason", run_show_errors,
		print_errors_table},
	{"block resize <size:u64>", "Make the image that many bytes large; the guest is told", run_resize,
		NULL},
	{"set block limit [iops <iops:u64>] [bps <bps:u64>]",
		"Requests and bytes per second that the disk may do; 0 takes a limit away", run_limit, NULL},
	{0},
};

const struct ctl_table blk_commands = {.commands = commands};
