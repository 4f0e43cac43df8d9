/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/lease_file.h"

#include "base/log.h"
#include "base/units.h"
#include "os/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_S 5

static struct dhcp_clocks clocks_at(uint64_t now_ns)
{
	return (struct dhcp_clocks){.now_s = now_ns / NS_PER_S, .calendar_s = clock_calendar_s()};
}

void lease_file_read(const struct lease_file *f, uint64_t now_ns)
{
	const struct dhcp_clocks clocks = clocks_at(now_ns);
	json_error_t error;
	json_t *leases;

	if (!f->path || access(f->path, F_OK) != 0)
		return;
	leases = json_load_file(f->path, 0, &error);
	if (!leases)
		log_warning("ginneld: %s:%d: %s: addresses are given as if nobody had any", f->path,
			error.line, error.text);
	dhcp_service_take_leases(f->dhcp, leases, &clocks);
	json_decref(leases);
}

/* Whoever reads finds the old file or the new one. 0 or -errno. */
static int replace_file(const char *path, const json_t *leases)
{
	char next[4096];
	FILE *out;
	int err = 0;

	if (snprintf(next, sizeof(next), "%s.new", path) >= (int)sizeof(next))
		return -ENAMETOOLONG;
	out = fopen(next, "we");
	if (!out)
		return -errno;
	if (json_dumpf(leases, out, JSON_INDENT(1)) != 0)
		err = -EIO;
	if (fclose(out) != 0)
		err = -errno;
	if (!err && rename(next, path) != 0)
		err = -errno;
	if (err)
		unlink(next);
	return err;
}

void lease_file_write(struct lease_file *f, uint64_t now_ns)
{
	const struct dhcp_clocks clocks = clocks_at(now_ns);
	json_t *leases;
	int err;

	if (!f->path || !dhcp_service_changed(f->dhcp))
		return;
	leases = dhcp_service_leases(f->dhcp, &clocks);
	err = replace_file(f->path, leases);
	json_decref(leases);
	f->written_s = clocks.now_s;
	if (err && !f->failed)
		log_warning("ginneld: %s: leases cannot be kept there: %s", f->path, strerror(-err));
	f->failed = err;
}

void lease_file_tick(struct lease_file *f, uint64_t now_ns)
{
	if (now_ns / NS_PER_S >= f->written_s + PAUSE_S)
		lease_file_write(f, now_ns);
}
