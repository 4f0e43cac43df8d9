/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backend_program - the life of a program that serves vhost-user devices, as QEMU's conventions for back-end programs
 * want it (QEMU, docs/interop/vhost-user.rst, "Backend program conventions").
 *
 *	options --> open() --> sandbox --> start() --> READY=1 --> loop --> STOPPING=1 --> close()
 *
 * What a program brings: a table of its own options behind those of all (prog/backend_options.h), what it can do, and
 * three functions. It never daemonizes; SIGTERM and SIGINT end it with status 0, and so does the end of the only
 * connection it was given; a mistake on the command line with 2, whatever else keeps it from starting with 1.
 *
 *	static int disk_open(void *self, struct backend_env *env)
 *	{
 *		struct vhost_backend_config config = {...};
 *
 *		backend_options_socket(env->options, 0, &config);
 *		err = vhost_backend_create(&disk->backend, env->loop, &config);
 *		return err ? backend_options_explain(env->options, 0, err) : 0;
 *	}
 *
 *	int main(int argc, char **argv)
 *	{
 *		struct disk disk = {0};
 *
 *		return backend_program_main(&program, &disk, argc, argv);
 *	}
 */
#ifndef GINNEL_PROG_BACKEND_PROGRAM_H
#define GINNEL_PROG_BACKEND_PROGRAM_H

#include "ctl/server.h"
#include "os/loop.h"
#include "os/sandbox.h"
#include "prog/backend_options.h"

struct backend_env {
	struct backend_options *options;
	struct loop *loop;
	struct ctl *ctl;           /* open() adds the program's types and tables; reached by --stats-socket */
	struct ctl_server *server; /* NULL: without --stats-socket, and before start() */
	/* open() adds calls and directories to what program->sandbox_calls says. */
	struct sandbox_config sandbox;
};

struct backend_program {
	const char *name;
	const char *type;                  /* of QEMU's vhost-user.json: "net", "block" */
	const char *const *features;       /* of that type there, ends with NULL; NULL: none are defined */
	const char *brief;                 /* for the manual page: "a disk for virtual machines" */
	const char *description;           /* the same, mdoc: paragraphs for .Sh DESCRIPTION */
	const char *examples;              /* mdoc for .Sh EXAMPLES; NULL: none */
	const struct option_row *options;  /* its own; target: self; NULL: none */
	uint32_t sockets_min, sockets_max; /* how many --socket-path or --fd there may be */
	uint32_t sandbox_calls;            /* enum sandbox_calls; what sockets need is added */

	/* Before the options are read: limits and defaults of the common ones; o stays. May be NULL. */
	void (*defaults)(void *self, struct backend_options *o);
	/*
	 * Opens all that is needed, and makes the back-ends, before there are threads: 0, or -errno and the log says what
	 * to do about it.
	 */
	int (*open)(void *self, struct backend_env *env);
	/* In the sandbox: threads. 0 or -errno, logged. May be NULL. */
	int (*start)(void *self);
	/* Also after an open() or a start() that failed. */
	void (*close)(void *self);
	/* Memory was cut short: vhost_backend_check_memory(). */
	void (*check_memory)(void *self);
	/* The commands alone, for the manual page: what open() adds to env->ctl, without subjects. May be NULL. */
	void (*commands)(struct ctl *ctl);
};

/* Returns the exit status. */
int backend_program_main(const struct backend_program *p, void *self, int argc, char **argv);

/* The manual page, mdoc, section 1. */
void backend_program_print_man(const struct backend_program *p, const struct option_set *set, FILE *out);

#endif
