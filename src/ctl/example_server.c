/* SPDX-License-Identifier: Apache-2.0 */
/* example_server - a daemon with the example commands, to try the shell against: example_server SOCKET. */
#include "ctl/example.h"
#include "ctl/server.h"
#include "os/unix.h"

int main(int argc, char **argv)
{
	struct example example = {.ports = {"VirtualEthernet0/0/0", "tap0"}};
	struct ctl *ctl = example_ctl(&example);
	struct ctl_server *server;
	struct loop *loop;
	char why[256];
	int err;

	if (argc != 2 || !ctl || loop_create(&loop))
		return 2;
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
