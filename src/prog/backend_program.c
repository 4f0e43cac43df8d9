/* SPDX-License-Identifier: Apache-2.0 */
#include "prog/backend_program.h"

#include "base/log.h"
#include "ctl/server.h"
#include "os/service.h"
#include "os/unix.h"
#include "prog/process.h"
#include "prog/version_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_USAGE 2

struct life {
	const struct backend_program *program;
	void *self;
	struct backend_options options;
	struct backend_env env;
	struct process process;
	struct ctl_server *server;
	int manager; /* the service manager's socket, opened before the sandbox; negative: nobody wants to know */
	bool opened;
};

static int print_capabilities(const struct backend_program *p)
{
	json_t *features = json_array();
	json_t *all = json_pack("{s:s}", "type", p->type);

	for (const char *const *f = p->features; f && *f; f++)
		json_array_append_new(features, json_string(*f));
	if (json_array_size(features) > 0)
		json_object_set(all, "features", features);
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(features);
	json_decref(all);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Whatever else is said, even if it is wrong. */
static bool asks_for_capabilities(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--print-capabilities") == 0)
			return true;
	return false;
}

static void on_end(void *arg)
{
	struct life *l = arg;

	service_send(l->manager, "STOPPING=1");
	loop_stop(l->env.loop);
}

static void on_lost_memory(void *arg)
{
	struct life *l = arg;

	l->program->check_memory(l->self);
}

/* What the common options need in the sandbox: at the end, the files of sockets that were made here are removed. */
static int widen_sandbox(struct life *l)
{
	const struct backend_options *o = &l->options;
	struct sandbox_config *c = &l->env.sandbox;
	int err = 0;

	if (o->client)
		c->calls |= SANDBOX_UNIX_CLIENT;
	for (uint32_t i = 0; i < o->n_sockets && err == 0; i++) {
		if (o->client || !o->sockets[i].path)
			continue;
		c->calls |= SANDBOX_UNLINK;
		err = sandbox_add_dir_of(c, o->sockets[i].path, SANDBOX_DIR_REMOVE);
	}
	if (o->stats_socket && err == 0) {
		c->calls |= SANDBOX_UNLINK;
		err = sandbox_add_dir_of(c, o->stats_socket, SANDBOX_DIR_REMOVE);
	}
	return err;
}

static int enter_sandbox(struct life *l)
{
	struct sandbox_report report = {0};
	const char *name = l->program->name;
	int err = widen_sandbox(l);

	if (err == 0)
		err = sandbox_enter(&l->env.sandbox, &report);
	if (err) {
		log_error("%s: no sandbox: %s", name, report.missing[0] ? report.missing : strerror(-err));
		return err;
	}
	log_info("%s: sandbox %s", name, report.active);
	if (report.missing[0])
		log_warning("%s: the sandbox is without %s", name, report.missing);
	return 0;
}

static int open_stats(struct life *l)
{
	const char *path = l->options.stats_socket;
	char why[512];
	int err;

	if (!path)
		return 0;
	err = ctl_server_start(&l->server, l->env.loop, l->env.ctl, path);
	l->env.server = l->server;
	if (err)
		log_error("%s: --stats-socket: %s", l->program->name,
			unix_explain(err, path, why, sizeof(why)));
	return err;
}

static int make_env(struct life *l)
{
	int err = loop_create(&l->env.loop);

	l->options.loop = l->env.loop;
	if (err == 0)
		err = ctl_create(&l->env.ctl);
	if (err == 0) {
		l->process = (struct process){.loop = l->env.loop,
			.program = l->program->name,
			.end = on_end,
			.lost = on_lost_memory,
			.arg = l};
		err = process_start(&l->process);
	}
	if (err)
		log_error("%s: cannot start: %s", l->program->name, strerror(-err));
	return err;
}

static int life_begin(struct life *l)
{
	int err = make_env(l);

	if (err)
		return err;
	version_command_add(l->env.ctl, l->program->name);
	l->manager = service_open();
	l->opened = true;
	err = l->program->open(l->self, &l->env);
	if (err == 0)
		err = open_stats(l);
	if (err == 0)
		err = enter_sandbox(l);
	if (err == 0 && l->program->start)
		err = l->program->start(l->self);
	if (err == 0)
		service_send(l->manager, "READY=1");
	return err;
}

static void life_end(struct life *l)
{
	if (l->opened)
		l->program->close(l->self);
	if (l->server)
		ctl_server_stop(l->server);
	if (l->env.ctl)
		ctl_destroy(l->env.ctl);
	if (l->env.loop)
		loop_destroy(l->env.loop);
	if (l->manager >= 0)
		close(l->manager);
}

static int run(struct life *l)
{
	int status = EXIT_FAILURE;

	if (life_begin(l) == 0 && loop_run(l->env.loop) == 0)
		status = EXIT_SUCCESS;
	life_end(l);
	return status;
}

/* "a disk for virtual machines": the first line of --help. */
static const char *help_brief(const struct backend_program *p)
{
	static char text[256];

	snprintf(text, sizeof(text), "%s: %s. Stays in the foreground; SIGTERM ends it.", p->name, p->brief);
	return text;
}

static enum options_verdict read_options(struct life *l, int argc, char **argv)
{
	const struct backend_program *p = l->program;
	struct option_set set = {.program = p->name,
		.brief = help_brief(p),
		.tables = {{backend_option_rows, &l->options}, {p->options, l->self}},
		.n_tables = p->options ? 2 : 1};
	enum options_verdict verdict = options_read(&set, argc, argv);

	if (verdict == OPTIONS_PRINT_MAN)
		backend_program_print_man(p, &set, stdout);
	if (verdict == OPTIONS_RUN && backend_options_check(&l->options, p->sockets_min) < 0)
		return OPTIONS_WRONG;
	return verdict;
}

int backend_program_main(const struct backend_program *p, void *self, int argc, char **argv)
{
	struct life l = {.program = p, .self = self, .manager = -1};

	if (asks_for_capabilities(argc, argv))
		return print_capabilities(p);
	backend_options_init(&l.options);
	l.options.program = p->name;
	l.options.sockets_max = p->sockets_max;
	if (p->defaults)
		p->defaults(self, &l.options);
	switch (read_options(&l, argc, argv)) {
	case OPTIONS_RUN:
		break;
	case OPTIONS_PRINT_MAN:
	case OPTIONS_DONE:
		return EXIT_SUCCESS;
	case OPTIONS_WRONG:
		return STATUS_USAGE;
	}
	if (l.options.sandbox != SANDBOX_NONE)
		sandbox_close_others(l.options.keep, l.options.n_keep);
	l.env = (struct backend_env){
		.options = &l.options, .sandbox = {.level = l.options.sandbox, .calls = p->sandbox_calls}};
	return run(&l);
}
