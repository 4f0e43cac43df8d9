/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ginnel-exporter - a daemon's statistics for Prometheus, over HTTP. It reads the memory that the daemon shares
 * (client/ginnel_stats.h), which it asks for once, and again when the daemon was replaced; a scrape costs the daemon nothing.
 *
 * One thread: libmicrohttpd runs when its sockets have something. When it listens it gives away what it does not need.
 */
#include "base/log.h"
#include "ctl/api_path.h"
#include "os/sandbox.h"
#include "prog/metrics.h"
#include "prog/option_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PORT_DEFAULT    9418
#define CONNECTIONS_MAX 64
#define PATIENCE_S      10

struct options {
	char api_socket[API_PATH_SIZE];
	char address[INET6_ADDRSTRLEN];
	uint16_t port;
	enum sandbox_level sandbox;
};

struct exporter {
	const struct options *options;
	struct stats_reader *reader;
	struct stats_snapshot snapshot;
};

static volatile sig_atomic_t ended;

static void on_signal(int signal_number)
{
	ended = 1;
}

/* --- the daemon's memory --- */

/* 0, or -errno: the daemon is not there. */
static int look(struct exporter *e)
{
	int err = e->reader ? stats_reader_read(e->reader, &e->snapshot) : -ESTALE;

	if (err == -ESTALE) {
		stats_reader_close(e->reader);
		e->reader = NULL;
		stats_snapshot_free(&e->snapshot);
		err = stats_reader_open(&e->reader, e->options->api_socket);
		if (err == 0)
			err = stats_reader_read(e->reader, &e->snapshot);
	}
	return err;
}

/* --- requests --- */

static enum MHD_Result answer_text(
	struct MHD_Connection *c, unsigned status, const char *type, char *text, size_t len)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result = MHD_NO;

	if (!r) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	result = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result answer_metrics(struct exporter *e, struct MHD_Connection *c)
{
	const char *accept = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	bool openmetrics = accept && strstr(accept, "application/openmetrics-text");
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return MHD_NO;
	metrics_print(look(e) == 0 ? e->reader : NULL, &e->snapshot, openmetrics, out);
	fclose(out);
	return answer_text(
		c, MHD_HTTP_OK, openmetrics ? METRICS_TYPE_OPENMETRICS : METRICS_TYPE_PROMETHEUS, text, len);
}

static enum MHD_Result answer_short(struct MHD_Connection *c, unsigned status, const char *text)
{
	char *copy = strdup(text);

	return copy ? answer_text(c, status, "text/plain; charset=utf-8", copy, strlen(copy)) : MHD_NO;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url, const char *method,
	const char *version, const char *upload, size_t *upload_len, void **request)
{
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_short(c, MHD_HTTP_METHOD_NOT_ALLOWED, "GET /metrics\n");
	if (strcmp(url, "/metrics") == 0)
		return answer_metrics(arg, c);
	return answer_short(
		c, strcmp(url, "/") == 0 ? MHD_HTTP_OK : MHD_HTTP_NOT_FOUND, "the metrics are at /metrics\n");
}

/* --- begin and end --- */

static int socket_address(const struct options *o, struct sockaddr_storage *to)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, o->address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(o->port);
		return AF_INET;
	}
	if (inet_pton(AF_INET6, o->address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(o->port);
		return AF_INET6;
	}
	return -1;
}

static struct MHD_Daemon *listen_there(struct exporter *e)
{
	struct sockaddr_storage address;
	unsigned flags =
		MHD_USE_EPOLL | (socket_address(e->options, &address) == AF_INET6 ? MHD_USE_IPv6 : 0);
	struct MHD_Daemon *d = MHD_start_daemon(flags, e->options->port, NULL, NULL, on_request, e,
		MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)PATIENCE_S, MHD_OPTION_END);

	if (!d)
		log_error("ginnel-exporter: cannot listen at %s port %u: %s: choose another --port",
			e->options->address, e->options->port, strerror(errno));
	return d;
}

static int enter_sandbox(const struct options *o)
{
	struct sandbox_config config = {.level = o->sandbox, .calls = SANDBOX_UNIX_CLIENT};
	struct sandbox_report report;
	int err = sandbox_enter(&config, &report);

	if (err)
		log_error("ginnel-exporter: sandbox: %s", report.missing);
	return err;
}

static void serve(struct MHD_Daemon *d)
{
	struct pollfd p = {
		.fd = MHD_get_daemon_info(d, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, .events = POLLIN};

	while (!ended) {
		MHD_UNSIGNED_LONG_LONG timeout_ms;
		int wait_ms = MHD_get_timeout(d, &timeout_ms) == MHD_YES && timeout_ms < 1000
				      ? (int)timeout_ms
				      : 1000;

		poll(&p, 1, wait_ms);
		MHD_run(d);
	}
}

static int run(const struct options *o)
{
	const struct sigaction ends = {.sa_handler = on_signal};
	struct exporter e = {.options = o};
	const union MHD_DaemonInfo *info;
	struct MHD_Daemon *d;

	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGINT, &ends, NULL);
	sigaction(SIGTERM, &ends, NULL);
	d = listen_there(&e);
	if (!d)
		return EXIT_FAILURE;
	if (enter_sandbox(o) != 0) {
		MHD_stop_daemon(d);
		return EXIT_FAILURE;
	}
	info = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT);
	log_info("ginnel-exporter: http://%s:%u/metrics tells of the daemon at %s", o->address,
		info ? info->port : o->port, o->api_socket);
	serve(d);
	MHD_stop_daemon(d);
	stats_reader_close(e.reader);
	stats_snapshot_free(&e.snapshot);
	return EXIT_SUCCESS;
}

/* --- options --- */

static int set_api_socket(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	struct options *o = target;

	if (strlen(text) >= sizeof(o->api_socket))
		return option_wrong(wanted, "a path of at most %zu characters", sizeof(o->api_socket) - 1);
	strcpy(o->api_socket, text);
	return 0;
}

static int set_listen(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	struct options *o = target;
	struct sockaddr_storage unused;

	snprintf(o->address, sizeof(o->address), "%s", text);
	if (strlen(text) >= sizeof(o->address) || socket_address(o, &unused) < 0)
		return option_wrong(wanted, "an address of this machine such as 127.0.0.1 or ::");
	return 0;
}

static int set_port(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	uint64_t port;
	int err = option_number(text, 0, UINT16_MAX, &port, wanted);

	if (!err)
		((struct options *)target)->port = (uint16_t)port;
	return err;
}

static int set_sandbox(void *target, const char *text, char wanted[OPTION_WANTED_LEN])
{
	if (sandbox_level_parse(text, &((struct options *)target)->sandbox))
		return 0;
	return option_wrong(wanted, "full, basic or none");
}

static const struct option_row rows[] = {
	{"api-socket", 0, "PATH", "where ginneld listens (default: $XDG_RUNTIME_DIR/ginnel/api.sock)",
		set_api_socket},
	{"listen", 0, "ADDRESS", "where to listen (default: 127.0.0.1)", set_listen},
	{"port", 0, "PORT", "and on which port, 0: any (default: 9418)", set_port},
	{"sandbox", 0, "LEVEL", "what to give away: full, basic or none (default: full)", set_sandbox},
	{0},
};

static void print_man(const struct option_set *set)
{
	puts(".Dd $Mdocdate$\n.Dt GINNEL\\-EXPORTER 1\n.Os\n"
	     ".Sh NAME\n.Nm ginnel\\-exporter\n.Nd what a ginneld counts, for Prometheus\n"
	     ".Sh SYNOPSIS\n.Nm\n.Op Ar OPTION ...\n"
	     ".Sh DESCRIPTION\n"
	     "Answers at\n.Lk http://ADDRESS:PORT/metrics\nin the text format of OpenMetrics: counters of "
	     "interfaces, drops by\n"
	     "reason, and workers.\n"
	     "It reads memory that the daemon shares; a scrape costs the daemon nothing.\n"
	     "The daemon may begin later, and may be replaced: it is looked for at each scrape that misses "
	     "it, and\n"
	     "meanwhile\n.Ql ginnel_up\nis 0.\n"
	     ".Pp\nThe control socket admits the daemon's own user and root.\n"
	     ".Sh OPTIONS");
	options_print_man(set, stdout);
	puts(".Sh SANDBOX\nWhen it listens it gives away all it does not need;\n.Fl \\-sandbox\n.Cm basic\n"
	     "does without Landlock and seccomp,\n.Cm none\ndoes nothing.\n"
	     ".Sh EXIT STATUS\n0 after SIGTERM or SIGINT; 1 when it cannot listen; 2 for a mistake on the "
	     "command line.\n"
	     ".Sh SEE ALSO\n.Xr ginnel 1 ,\n.Xr ginneld 8 ,\n.Xr promtool 1");
}

int main(int argc, char **argv)
{
	struct options o = {.address = "127.0.0.1", .port = PORT_DEFAULT, .sandbox = SANDBOX_FULL};
	const struct option_set set = {.program = "ginnel-exporter",
		.brief = "Tells Prometheus what a ginneld counts, at http://ADDRESS:PORT/metrics.",
		.tables = {{rows, &o}},
		.n_tables = 1};

	api_path_default(o.api_socket);
	switch (options_read(&set, argc, argv)) {
	case OPTIONS_RUN:
		return run(&o);
	case OPTIONS_PRINT_MAN:
		print_man(&set);
		return EXIT_SUCCESS;
	case OPTIONS_DONE:
		return EXIT_SUCCESS;
	default:
		return 2;
	}
}
