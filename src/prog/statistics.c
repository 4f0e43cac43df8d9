/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/statistics.h"

#include "os/clock.h"
#include "os/unix.h"
#include "pkt/stats.h"

#include <unistd.h>

void statistics_beat(const struct statistics *s)
{
	stats_beat(iface_table_stats(s->ifaces), s->ifaces, clock_now_ns(), clock_cycles());
}

/* A reader that has its answer: the descriptor follows, with a byte. */
static void on_reader(void *arg, int fd)
{
	const struct statistics *s = arg;
	int memory = stats_fd(iface_table_stats(s->ifaces));

	unix_send(fd, "\n", 1, &memory, 1);
	close(fd);
}

static int run_statistics_open(struct ctl_call *call)
{
	struct statistics *s = call->subject;

	if (stats_fd(iface_table_stats(s->ifaces)) < 0)
		return ctl_fail(call,
			"this kernel has no sealed memory to share (Linux 5.1 has): ask for show interface");
	statistics_beat(s);
	if (!*s->server || !ctl_server_pass_on(*s->server, on_reader, s))
		return ctl_fail(call,
			"statistics are opened over the control socket: use ginnel top or ginnel-exporter");
	call->result = json_pack("{s:i}", "version", GINNEL_STATS_VERSION);
	return 0;
}

static const struct ctl_command rows[] = {
	{"statistics open",
		"Pass the memory of the counters to a reader such as ginnel top, and end its connection",
		run_statistics_open, NULL},
	{0},
};

const struct ctl_table statistics_commands = {rows};
