/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generator - plays the guests of a vhost-user switch, for benchmarks: one thread that polls all of their rings.
 */
#include "load.h"
#include "options.h"
#include "report.h"

#include "os/clock.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static bool settle_down(const struct options *o)
{
	const struct sched_param first = {.sched_priority = 1};
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(o->cpu, &cpus);
	if (o->cpu_given && sched_setaffinity(0, sizeof(cpus), &cpus) != 0) {
		fprintf(stderr, "generator: there is no CPU %u for us: give another --cpu\n", o->cpu);
		return false;
	}
	if (o->fifo_priority && sched_setscheduler(0, SCHED_FIFO, &first) != 0) {
		fprintf(stderr, "generator: no SCHED_FIFO (%s): run as root, or leave --fifo-priority out\n",
			strerror(errno));
		return false;
	}
	return true;
}

/* Connected and silent: the switch may sleep, and so do we. */
static int stay_idle(struct ports *ports, double seconds)
{
	const uint64_t end = clock_now_ns() + (uint64_t)(seconds * (double)NS_PER_S);

	while (clock_now_ns() < end) {
		loop_turn(ports->loop, end - clock_now_ns());
		if (!ports_attend(ports))
			return -EIO;
	}
	return 0;
}

static int run(const struct options *o)
{
	static struct load_result result;
	struct ports ports;
	int err = ports_open(&ports, o);

	if (!err)
		err = stay_idle(&ports, o->pause_s);
	if (!err && o->idle) {
		err = stay_idle(&ports, o->seconds);
	} else if (!err) {
		err = settle_down(o) ? load_run(&ports, &result) : -EPERM;
		if (!err)
			err = report(&ports, &result);
	}
	ports_close(&ports);
	return err;
}

int main(int argc, char **argv)
{
	struct options options;

	signal(SIGPIPE, SIG_IGN);
	switch (options_parse(&options, argc, argv)) {
	case OPTIONS_RUN:
		return run(&options) == 0 ? 0 : 1;
	case OPTIONS_DONE:
		return 0;
	default:
		return 2;
	}
}
