/* SPDX-License-Identifier: Apache-2.0 */
/* The manual page of a back-end program: its own words, and those that hold for all of them. */
#include "prog/backend_program.h"
#include "prog/version_command.h"

#include <ctype.h>

static const char sandbox_text[] = ".Sh SANDBOX\n"
				   "Everything is opened first; then the program gives away what it does not "
				   "need, and says in one line of its log "
				   "what is in force.\n"
				   "Nobody has to be root for this.\n"
				   ".Bl -tag -width basic\n"
				   ".It Cm full\n"
				   "No new privileges, no capabilities, no core files; Landlock: no file can "
				   "be opened any more, no TCP port used; "
				   "seccomp: a system call that is not on the program's list kills it.\n"
				   "Where the kernel has no Landlock the log says so.\n"
				   "A socket file that the program made it may remove at the end, and others "
				   "in that directory as well: give it a "
				   "directory of its own.\n"
				   ".It Cm basic\n"
				   "The same without Landlock and seccomp.\n"
				   ".It Cm none\n"
				   "Nothing.\n"
				   ".El\n"
				   ".Pp\n"
				   "Descriptors that whoever started the program left open, and did not "
				   "name, are closed first, but not at\n"
				   ".Cm none .\n";

static const char service_text[] =
	".Sh SERVICE MANAGERS\n"
	"Without\n.Fl \\-socket-path\nand\n.Fl \\-fd\n"
	"the sockets come from the service manager\n"
	".Pq Ev LISTEN_FDS , LISTEN_PID ,\n"
	"which then keeps them over a restart.\n"
	"One that wants to know\n.Pq Ev NOTIFY_SOCKET\nis told READY=1 and STOPPING=1.\n"
	".Sh SIGNALS\n"
	"SIGTERM and SIGINT end the program, with status 0.\n"
	".Sh EXIT STATUS\n"
	"0 after a signal, or when the one connection that\n.Fl \\-fd\nnamed has ended; 1 when it could not "
	"start or go on, "
	"and the log says what to do about it; 2 for a mistake on the command line.\n"
	"A front-end that goes away does not end a program that listens: the next one is served.\n";

static void print_upper(const char *text, FILE *out)
{
	for (; *text; text++)
		fputc(toupper((unsigned char)*text), out);
}

static void print_commands(const struct backend_program *p, FILE *out)
{
	struct ctl *ctl;

	if (!p->commands || ctl_create(&ctl) != 0)
		return;
	version_command_add(ctl, p->name);
	p->commands(ctl);
	fputs(".Sh COMMANDS\nOver\n.Fl \\-stats-socket\nthe shell\n.Xr ginnel 1\nunderstands:\n", out);
	ctl_print_man_commands(ctl, out);
	ctl_destroy(ctl);
}

void backend_program_print_man(const struct backend_program *p, const struct option_set *set, FILE *out)
{
	fputs(".\\\" Generated from the program's tables.\n.Dd ginnel " GINNEL_VERSION "\n.Dt ", out);
	print_upper(p->name, out);
	fprintf(out, " 1\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n.Sh SYNOPSIS\n.Nm\n.Op Ar OPTION ...\n", p->name,
		p->brief);
	fprintf(out, ".Sh DESCRIPTION\n%s\n.Sh OPTIONS\n", p->description);
	options_print_man(set, out);
	fputs(sandbox_text, out);
	print_commands(p, out);
	fputs(service_text, out);
	if (p->examples)
		fprintf(out, ".Sh EXAMPLES\n%s\n", p->examples);
	fputs(".Sh SEE ALSO\n.Xr ginnel 1 ,\n.Xr ginneld 8 ,\n.Xr qemu 1\n", out);
}
