/* SPDX-License-Identifier: Apache-2.0 */
#include "blkbench/load.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Blocks looked at, one behind the other, for one that nobody has on its way. */
#define TRIES 64

/* Below n, which may need more than 32 bits. */
static uint64_t random_block(struct random *r, uint64_t n)
{
	return n <= UINT32_MAX ? random_below(r, (uint32_t)n) : random_u64(r) % n;
}

void load_init(struct load *l, const struct blkbench_plan *plan, struct disk *disk, struct verify *verify,
	uint64_t n_blocks)
{
	*l = (struct load){
		.plan = plan, .disk = disk, .verify = verify, .n_blocks = n_blocks, .mode = LOAD_PLAN};
	for (uint32_t i = 0; i < plan->queues; i++) {
		random_init(&l->streams[i].random, plan->seed * BLKBENCH_QUEUES_MAX + i);
		/* sequential queues have a part of the disk each, to begin with */
		l->streams[i].next = n_blocks / plan->queues * i;
	}
}

void load_zero(struct load *l)
{
	l->counters = (struct load_counters){0};
	l->asked = 0;
}

/* --- what to ask --- */

static enum blk_op next_op(struct load *l, struct load_stream *s)
{
	const struct blkbench_plan *p = l->plan;
	uint32_t dice;

	if (l->mode == LOAD_SWEEP)
		return OP_READ;
	if (p->flush_every > 0 && s->writes >= p->flush_every)
		return OP_FLUSH;
	if (p->read_percent == 100 ||
		(p->read_percent > 0 && random_below(&s->random, 100) < p->read_percent))
		return OP_READ;
	if (p->discard_percent + p->zeroes_percent == 0)
		return OP_WRITE;
	dice = random_below(&s->random, 100);
	if (dice < p->discard_percent)
		return OP_DISCARD;
	return dice < p->discard_percent + p->zeroes_percent ? OP_ZEROES : OP_WRITE;
}

static uint64_t next_block(struct load *l, struct load_stream *s)
{
	if (l->mode == LOAD_SWEEP)
		return l->sweep_at++;
	if (l->plan->random)
		return random_block(&s->random, l->n_blocks);
	s->next = s->next + 1 < l->n_blocks ? s->next + 1 : 0;
	return s->next;
}

/* Of the next one, or one behind it. False: those are all on their way. */
static bool begin_block(struct load *l, struct load_stream *s, struct disk_request *r)
{
	r->block = next_block(l, s);
	for (uint32_t i = 0; l->verify && !verify_begin(l->verify, r->op, r->block); i++) {
		/* nobody writes during a sweep */
		ASSERT(l->mode != LOAD_SWEEP);
		if (i == TRIES)
			return false;
		r->block = r->block + 1 < l->n_blocks ? r->block + 1 : 0;
	}
	return true;
}

void load_refill(void *load, struct disk_request *r)
{
	struct load *l = load;

	if (l->verify && r->op == OP_WRITE)
		verify_fill(l->verify, r->block, r->generation, r->data);
}

/* False: there is nothing to ask now. */
static bool fill(struct load *l, struct load_stream *s, struct disk_request *r)
{
	r->op = next_op(l, s);
	if (r->op == OP_FLUSH) {
		s->writes = 0;
		r->len = 0;
		return true;
	}
	if (!begin_block(l, s, r))
		return false;
	r->len = l->plan->block_size;
	r->sector = (l->plan->offset + r->block * r->len) / BLK_SECTOR;
	s->writes += r->op != OP_READ;
	if (l->verify && r->op != OP_READ)
		r->generation = verify_issue(l->verify, r->op, r->block);
	load_refill(l, r);
	return true;
}

bool load_asked_all(const struct load *l)
{
	switch (l->mode) {
	case LOAD_PLAN:
		return l->plan->requests > 0 && l->asked >= l->plan->requests;
	case LOAD_SWEEP:
		return l->sweep_at >= l->n_blocks;
	default:
		return true;
	}
}

static void ask(struct load *l, struct disk_queue *q, uint64_t now_ns)
{
	struct disk_request *r;

	while (!load_asked_all(l) && (r = disk_take(q))) {
		if (!fill(l, &l->streams[q->idx], r)) {
			disk_give_back(q, r);
			break;
		}
		r->issued_ns = now_ns;
		disk_submit(q, r);
		l->asked++;
	}
	disk_publish(q);
}

/* --- what came back --- */

static void tell(struct load *l, const struct disk_request *r, const struct verify_finding *f)
{
	const uint64_t at = l->plan->offset + r->block * l->plan->block_size + f->sector * BLK_SECTOR;

	if (l->n_findings == LOAD_FINDINGS_MAX)
		return;
	snprintf(l->findings[l->n_findings++], sizeof(l->findings[0]),
		"byte %" PRIu64 ": %s: generation %u, expected %u to %u", at, verify_text(f->verdict),
		f->generation, f->data_from, f->issued);
}

static void check_data(struct load *l, const struct disk_request *r)
{
	const struct verify_finding f = verify_check(l->verify, r->block, r->data);

	l->checked++;
	switch (f.verdict) {
	case VERIFY_GOOD:
		return;
	case VERIFY_UNKNOWN:
		l->checked--;
		l->unknown++;
		return;
	case VERIFY_LOST:
		l->faults.lost++;
		break;
	case VERIFY_FOREIGN:
		l->faults.foreign++;
		break;
	case VERIFY_CORRUPT:
		l->faults.corrupt++;
	}
	tell(l, r, &f);
}

/* True: it was done as asked. */
static bool check_status(struct load *l, const struct disk_request *r)
{
	const uint32_t written = 1 + (r->op == OP_READ ? r->len : 0);

	switch (r->status) {
	case BLK_S_OK:
		l->faults.short_lens += r->used_len < written;
		return true;
	case BLK_S_IOERR:
		l->faults.io_errors++;
		return false;
	case BLK_S_UNSUPP:
		l->faults.unsupported++;
		return false;
	default:
		l->faults.no_status++;
		return false;
	}
}

static void settle(struct load *l, const struct disk_request *r, bool good)
{
	if (r->op == OP_READ && good)
		check_data(l, r);
	else if (r->op != OP_READ && good)
		verify_acknowledged(l->verify, r->op, r->block, r->generation);
	else if (r->op != OP_READ)
		verify_failed(l->verify, r->block);
	verify_end(l->verify, r->op, r->block);
}

static void take_back(struct load *l, struct disk_queue *q, struct disk_request *r, uint64_t now_ns)
{
	const bool good = check_status(l, r);

	if (l->verify && r->op != OP_FLUSH)
		settle(l, r, good);
	if (good) {
		l->counters.done[r->op]++;
		l->counters.bytes += r->len;
		histogram_add(&l->counters.latency[r->op], now_ns > r->issued_ns ? now_ns - r->issued_ns : 0);
	}
	disk_give_back(q, r);
}

uint32_t load_turn(struct load *l, uint64_t now_ns)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->plan->queues; i++) {
		struct disk_queue *q = &l->disk->queues[i];
		struct disk_request *r;

		for (; (r = disk_done(q)); n++)
			take_back(l, q, r, now_ns);
		if (disk_listens(l->disk) && !disk_queue_broken(q))
			ask(l, q, now_ns);
	}
	return n;
}

uint32_t load_on_their_way(const struct load *l)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->plan->queues; i++)
		n += disk_on_their_way(&l->disk->queues[i]);
	return n;
}

bool load_failed(const struct load *l)
{
	const struct load_faults *f = &l->faults;

	return f->io_errors + f->unsupported + f->no_status + f->short_lens + f->lost + f->foreign +
		       f->corrupt >
	       0;
}
