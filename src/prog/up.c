/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/up.h"

#include "ctl/client.h"
#include "os/unix.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_TRIES   200
#define START_WAIT_US 50000
#define LOG_SHOWN     2000

struct up {
	const char *api_path;
	char dir[PATH_MAX - 64];
	char file[PATH_MAX], log[PATH_MAX];
};

static bool up_paths(struct up *up, const char *api_path)
{
	const char *slash = strrchr(api_path, '/');
	int len = slash ? (int)(slash - api_path) : 1;

	if ((size_t)len >= sizeof(up->dir))
		return false;
	up->api_path = api_path;
	snprintf(up->dir, sizeof(up->dir), "%.*s", len, slash ? api_path : ".");
	snprintf(up->file, sizeof(up->file), "%s/up.yaml", up->dir);
	snprintf(up->log, sizeof(up->log), "%s/ginneld.log", up->dir);
	return true;
}

/* --- the file --- */

static bool has_passt(void)
{
	char path[PATH_MAX];

	for (const char *at = getenv("PATH"); at && *at; at += *at == ':') {
		size_t len = strcspn(at, ":");

		snprintf(path, sizeof(path), "%.*s/passt", (int)len, at);
		if (access(path, X_OK) == 0)
			return true;
		at += len;
	}
	return false;
}

static void write_uplink(FILE *out)
{
	fputs("  uplink: # 10.0.2.2 is this host, as behind QEMU\n"
	      "    passt-spawn: {user-net: true}\n"
	      "    address: [10.0.2.15/24]\n",
		out);
}

static void write_way_out(FILE *out)
{
	fputs("routes:\n"
	      "- {prefix: 0.0.0.0/0, next-hop: 10.0.2.2}\n"
	      "dns:\n"
	      "  upstream: [10.0.2.3]\n"
	      "nat44:\n"
	      "  addresses: [10.0.2.15]\n"
	      "  interfaces:\n"
	      "  - {in: gateway, out: uplink}\n",
		out);
}

static void write_config(const struct up *up, FILE *out, char *const *names, int n_names)
{
	bool way_out = has_passt();

	fprintf(out, "# The network of `ginnel up`. Change it, then: ginnel config apply %s\n", up->file);
	fputs("interfaces:\n"
	      "  gateway:\n"
	      "    loopback: {}\n"
	      "    bridge: {bd-id: 1, bvi: true}\n"
	      "    address: [10.77.0.1/24]\n"
	      "    dhcp-server: 10.77.0.10-10.77.0.250\n",
		out);
	if (way_out)
		fputs("    dns-server: true\n", out);
	for (int i = 0; i < n_names; i++)
		fprintf(out, "  %s:\n    vhost-user: {socket: %s/%s.sock, server: true}\n    bridge: 1\n",
			names[i], up->dir, names[i]);
	if (way_out) {
		write_uplink(out);
		write_way_out(out);
	} else {
		fputs("# no way out: there was no passt when this was written\n", out);
	}
}

static bool name_ok(const char *name)
{
	return *name && strlen(name) < 32 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
		       strlen(name);
}

/* The user's own file stays as it is. 0, or -1 after a message. */
static int make_file(const struct up *up, char *const *names, int n_names)
{
	static char first[] = "vm1", second[] = "vm2";
	char *const usual[] = {first, second};
	FILE *out;

	for (int i = 0; i < n_names; i++) {
		if (!name_ok(names[i])) {
			fprintf(stderr, "ginnel: a guest's name is of letters, digits, - and _, not '%s'\n",
				names[i]);
			return -1;
		}
	}
	if (mkdir(up->dir, 0700) != 0 && errno != EEXIST) {
		fprintf(stderr, "ginnel: %s: %s\n", up->dir, strerror(errno));
		return -1;
	}
	out = fopen(up->file, "wxe");
	if (!out && errno == EEXIST) {
		if (n_names > 0)
			fprintf(stderr,
				"ginnel: %s is there already and stays as it is: add guests there, or remove "
				"it\n",
				up->file);
		return n_names > 0 ? -1 : 0;
	}
	if (!out) {
		fprintf(stderr, "ginnel: %s: %s\n", up->file, strerror(errno));
		return -1;
	}
	write_config(up, out, n_names ? names : usual, n_names ? n_names : 2);
	if (fclose(out) == 0)
		return 0;
	fprintf(stderr, "ginnel: %s: %s\n", up->file, strerror(errno));
	unlink(up->file);
	return -1;
}

/* --- the daemon --- */

/* The ginneld beside this program, or the one in PATH. */
static void daemon_path(char path[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 16);
	char *slash;

	path[len > 0 ? len : 0] = 0;
	slash = strrchr(path, '/');
	if (slash) {
		strcpy(slash + 1, "ginneld");
		if (access(path, X_OK) == 0)
			return;
	}
	strcpy(path, "ginneld");
}

/* In the child; does not return. */
static void become_daemon(const struct up *up)
{
	char path[PATH_MAX];
	int log = open(up->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	daemon_path(path);
	setsid();
	if (log >= 0 && null >= 0 && dup2(null, 0) >= 0 && dup2(log, 1) >= 0 && dup2(log, 2) >= 0)
		execlp(path, "ginneld", "--api-socket", up->api_path, "--config", up->file, (char *)NULL);
	_exit(127);
}

static void show_log(const struct up *up)
{
	char text[LOG_SHOWN];
	FILE *in = fopen(up->log, "re");
	size_t len = in ? fread(text, 1, sizeof(text) - 1, in) : 0;

	text[len] = 0;
	fprintf(stderr, "ginnel: ginneld did not start: see %s\n%s", up->log, text);
	if (in)
		fclose(in);
}

/* 0 with a client, or -1 after a message. */
static int start_daemon(const struct up *up, struct client **client)
{
	pid_t pid = fork();

	if (pid == 0)
		become_daemon(up);
	for (int i = 0; pid > 0 && i < START_TRIES; i++) {
		if (client_connect(client, up->api_path) == 0)
			return 0;
		if (waitpid(pid, NULL, WNOHANG) == pid)
			break;
		usleep(START_WAIT_US);
	}
	show_log(up);
	return -1;
}

/* --- what to do next --- */

static void print_guests(struct client *client)
{
	json_t *response = NULL, *port;
	char line[128];
	size_t i;

	if (client_call(client, "show.vhost-user", NULL, &response) != 0)
		return;
	json_array_foreach (json_object_get(response, "result"), i, port) {
		const char *name = json_string_value(json_object_get(port, "interface"));

		if (!name)
			continue;
		printf("\n# %s\n", name);
		fflush(stdout);
		snprintf(line, sizeof(line), "print qemu %s", name);
		client_exec(client, line, (struct client_style){0});
	}
	json_decref(response);
}

static void print_summary(const struct up *up, struct client *client)
{
	bool way_out = access(up->file, R_OK) == 0 && has_passt();

	printf("The network is up: 10.77.0.0/24, gateway 10.77.0.1 with DHCP%s.\n",
		way_out ? " and DNS" : "");
	puts(way_out ? "Guests reach what this host reaches; the host itself is 10.0.2.2 for them."
		     : "It has no way out: install passt, remove the file below, and come up again.");
	printf("It is what %s says. A guest attaches like this (or see ginnel print libvirt, print uml):\n",
		up->file);
	print_guests(client);
	puts("\nginnel show dhcp leases   who is there\nginnel down               end it");
}

int up_run(const char *api_path, char *const *names, int n_names)
{
	struct client *client;
	struct up up;
	char line[PATH_MAX + 32];
	int status = EXIT_SUCCESS;

	if (!up_paths(&up, api_path) || make_file(&up, names, n_names) != 0)
		return EXIT_FAILURE;
	if (client_connect(&client, api_path) == 0) {
		snprintf(line, sizeof(line), "config apply \"%s\"", up.file);
		status = (int)client_exec(client, line, (struct client_style){0});
	} else if (start_daemon(&up, &client) != 0) {
		return EXIT_FAILURE;
	}
	if (status == EXIT_SUCCESS)
		print_summary(&up, client);
	client_close(client);
	return status;
}

int down_run(const char *api_path)
{
	struct client *client;
	json_t *response = NULL;
	pid_t pid = 0;

	if (client_connect(&client, api_path) != 0) {
		fprintf(stderr, "ginnel: nothing is up at %s\n", api_path);
		return 2;
	}
	if (client_call(client, "show.version", NULL, &response) == 0)
		pid = (pid_t)json_integer_value(json_object_get(json_object_get(response, "result"), "pid"));
	json_decref(response);
	client_close(client);
	if (pid <= 1 || kill(pid, SIGTERM) != 0) {
		fprintf(stderr, "ginnel: cannot end ginneld, process %d: %s\n", (int)pid, strerror(errno));
		return EXIT_FAILURE;
	}
	for (int i = 0; i < START_TRIES && kill(pid, 0) == 0; i++)
		usleep(START_WAIT_US);
	return EXIT_SUCCESS;
}
