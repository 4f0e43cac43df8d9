/* SPDX-License-Identifier: Apache-2.0 */
/* example_server - a daemon with the example commands, to try the shell against: example_server SOCKET. */
#include "ctl/example.h"
#include "ctl/server.h"
#include "os/unix.h"

/* Counts to a number, ten a second: a command that takes time. One at a time. */
struct counter {
	struct loop *loop;
	struct loop_timer timer;
	struct ctl_later *later;
	json_int_t n, max;
};

static void end_count(void *subject)
{
	struct counter *c = subject;

	loop_timer_cancel(c->loop, &c->timer);
	ctl_later_end(c->later, json_pack("{s:I}", "counted", c->n), NULL);
	c->later = NULL;
}

static void count_on(void *arg)
{
	struct counter *c = arg;

	ctl_later_part(c->later, json_pack("{s:I}", "number", ++c->n));
	if (c->n == c->max)
		end_count(c);
	else
		loop_timer_set(c->loop, &c->timer, loop_now(c->loop) + 100000000);
}

static int run_count(struct ctl_call *call)
{
	struct counter *c = call->subject;

	if (c->later)
		return ctl_fail(call, "counting already");
	c->later = ctl_later(call, "numbers", end_count, c);
	if (!c->later)
		return -1;
	c->n = 0;
	c->max = (json_int_t)ctl_u64(call, "number", 1);
	loop_timer_set(c->loop, &c->timer, 0);
	return 0;
}

static void print_count(const json_t *result, FILE *out)
{
	json_int_t number = json_integer_value(json_object_get(result, "number"));

	if (number)
		fprintf(out, "%" JSON_INTEGER_FORMAT "\n", number);
	else
		fprintf(out, "counted %" JSON_INTEGER_FORMAT "\n",
			json_integer_value(json_object_get(result, "counted")));
}

static const struct ctl_command count_rows[] = {
	{"count <number:u32>", "Count, and take time for it", run_count, print_count},
	{0},
};
static const struct ctl_table count_table = {count_rows};

int main(int argc, char **argv)
{
	struct example example = {.ports = {"VirtualEthernet0/0/0", "tap0"}};
	struct ctl *ctl = example_ctl(&example);
	struct ctl_server *server;
	struct counter counter = {0};
	struct loop *loop;
	char why[256];
	int err;

	if (argc != 2 || !ctl || loop_create(&loop))
		return 2;
	counter.loop = loop;
	loop_timer_init(&counter.timer, count_on, &counter);
	ctl_add_table(ctl, &count_table, &counter);
	err = ctl_server_start(&server, loop, ctl, argv[1]);
	if (err) {
		fprintf(stderr, "%s\n", unix_explain(err, argv[1], why, sizeof(why)));
		return 1;
	}
	err = loop_run(loop);
	ctl_server_stop(server);
	loop_destroy(loop);
	ctl_destroy(ctl);
	return err ? 1 : 0;
}
