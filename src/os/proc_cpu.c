/* SPDX-License-Identifier: Apache-2.0 */
#include "os/proc_cpu.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>

static uint64_t task_ns(uint32_t pid, const char *task)
{
	char path[320];
	uint64_t ns = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/task/%s/schedstat", pid, task);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%" SCNu64, &ns) != 1)
		ns = 0;
	fclose(f);
	return ns;
}

uint64_t proc_cpu_ns(uint32_t pid)
{
	const struct dirent *task;
	char path[64];
	uint64_t ns = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	tasks = opendir(path);
	if (!tasks)
		return 0;
	while ((task = readdir(tasks)))
		if (task->d_name[0] != '.')
			ns += task_ns(pid, task->d_name);
	closedir(tasks);
	return ns;
}
