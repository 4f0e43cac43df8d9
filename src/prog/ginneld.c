/* SPDX-License-Identifier: Apache-2.0 */
/* ginneld - the daemon: makes the rooms in order, runs the control loop, takes them down in reverse. */
#include "base/log.h"
#include "ctl/api_path.h"
#include "ctl/server.h"
#include "ip/ping.h"
#include "os/clock.h"
#include "os/service.h"
#include "os/unix.h"
#include "prog/commands.h"
#include "prog/config_rules.h"
#include "prog/handover.h"
#include "prog/lease_file.h"
#include "prog/options.h"
#include "prog/resolv.h"
#include "prog/process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

struct daemon {
	const struct options *options;
	struct loop *loop;
	struct ctl *ctl;
	struct ports port_list;
	struct rooms rooms;
	struct handover handover;
	struct process process;
	struct lease_file leases;
	struct loop_timer age, pings;
};

/* Returns when it did not work: then guests have to connect anew. */
static void leave_to_manager(struct daemon *d)
{
	int err = handover_store(&d->handover);

	if (err == 0)
		_exit(EXIT_SUCCESS); /* what is left open is the next one's: nothing may be shut down */
	log_warning("ginneld: the service manager keeps nothing (%s): is FileDescriptorStoreMax= set?",
		strerror(-err));
}

static void on_end(void *arg)
{
	struct daemon *d = arg;

	service_notify("STOPPING=1");
	if (d->options->fd_store)
		leave_to_manager(d);
	loop_stop(d->loop);
}

static void on_lost_memory(void *arg)
{
	struct daemon *d = arg;

	ports_check_memory(d->rooms.ports);
}

static void on_age(void *arg)
{
	struct daemon *d = arg;

	bridges_age(d->rooms.bridges, loop_now(d->loop));
	ip_tick(d->rooms.ip, loop_now(d->loop));
	gateway_tick(&d->rooms.gateway, loop_now(d->loop));
	lease_file_tick(&d->leases, loop_now(d->loop));
	statistics_beat(&d->rooms.statistics);
	loop_timer_set(d->loop, &d->age, loop_now(d->loop) + NS_PER_S);
}

static void on_pings(void *arg)
{
	struct daemon *d = arg;
	uint64_t next_ns = ip_pings_run(d->rooms.ip, loop_now(d->loop));

	if (next_ns != UINT64_MAX)
		loop_timer_set(d->loop, &d->pings, next_ns);
}

/* A ping begins: the timer, set or not, is due now. */
static void arm_pings(void *arg)
{
	struct daemon *d = arg;

	loop_timer_set(d->loop, &d->pings, loop_now(d->loop));
}

static uint64_t random_seed(void)
{
	uint64_t seed = clock_now_ns();

	/* unpredictable if the kernel can, different at least if not */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		log_warning("ginneld: no random numbers from the kernel yet");
	return seed;
}

/* Guests' questions go where the host's go, until somebody says otherwise. */
static void ask_as_the_host(struct gateway *g)
{
	struct ip_addr servers[DNS_SERVERS_MAX];
	uint32_t n = resolv_servers(servers, DNS_SERVERS_MAX);

	for (uint32_t i = 0; i < n; i++)
		dns_service_add_server(g->dns, &servers[i]);
}

static int make_rooms(struct daemon *d)
{
	struct rooms *r = &d->rooms;
	struct workers_config config = d->options->workers;
	int err;

	r->ifaces = iface_table_create(config.n);
	if (!r->ifaces)
		return -ENOMEM;
	r->bridges = bridges_create(r->ifaces, random_seed());
	if (!r->bridges)
		return -ENOMEM;
	config.ifaces = r->ifaces;
	r->ip = ip_create(
		&(struct ip_config){.ifaces = r->ifaces, .n_workers = config.n, .seed = random_seed()});
	if (!r->ip)
		return -ENOMEM;
	err = gateway_init(&r->gateway, r->ip, r->ifaces, random_seed());
	if (err)
		return err;
	ask_as_the_host(&r->gateway);
	config.bridges = r->bridges;
	config.ip = r->ip;
	config.nat44 = r->gateway.nat44;
	err = workers_create(&r->workers, &config);
	if (err)
		return err;
	ip_set_waker(r->ip, workers_wake_first, r->workers);
	ports_init(&d->port_list, &(struct ports_config){
					  .loop = d->loop,
					  .ifaces = r->ifaces,
					  .placer = &workers_placer,
					  .placer_subject = r->workers,
					  .n_workers = config.n,
					  .seed = random_seed(),
				  });
	r->ports = &d->port_list;
	r->vxlans = vxlans_create(r->ports, r->ip, random_seed());
	if (!r->vxlans)
		return -ENOMEM;
	r->watch = watch_create(&(struct watch_config){.loop = d->loop,
		.ifaces = r->ifaces,
		.n_workers = config.n,
		.publish = workers_watch,
		.subject = r->workers});
	if (!r->watch)
		return -ENOMEM;
	r->why = (struct why){r->workers, r->watch, r->ifaces};
	r->statistics = (struct statistics){&d->handover.server, r->ifaces};
	return workers_start(r->workers);
}

static void unmake_rooms(struct daemon *d)
{
	struct rooms *r = &d->rooms;

	if (r->watch)
		watch_destroy(r->watch);
	if (r->ports)
		ports_fini(r->ports);
	if (r->workers)
		workers_destroy(r->workers);
	vxlans_destroy(r->vxlans);
	if (r->bridges)
		bridges_destroy(r->bridges);
	if (r->gateway.nat44)
		gateway_fini(&r->gateway);
	ip_destroy(r->ip);
	iface_table_destroy(r->ifaces);
}

/* A file with a mistake changes nothing: the daemon goes on as it is. */
static void on_again(void *arg)
{
	struct daemon *d = arg;
	char why[512];

	if (!d->options->config)
		log_warning("ginneld: there is no file to read again: start me with --config FILE");
	else if (config_apply_file(d->rooms.config, d->options->config, why) != 0)
		log_error("ginneld: %s", why);
}

static int daemon_start(struct daemon *d)
{
	int err;

	err = loop_create(&d->loop);
	d->process = (struct process){.loop = d->loop,
		.program = "ginneld",
		.end = on_end,
		.again = on_again,
		.lost = on_lost_memory,
		.arg = d};
	if (err == 0)
		err = process_start(&d->process);
	if (err == 0)
		err = make_rooms(d);
	if (err == 0)
		err = ctl_create(&d->ctl);
	if (err == 0)
		err = config_create(&d->rooms.config, d->loop, d->ctl, &config_rules);
	if (err) {
		log_error("ginneld: cannot start: %s", strerror(-err));
		return err;
	}
	commands_add(d->ctl, &d->rooms, &d->handover);
	config_start(d->rooms.config);
	d->handover = (struct handover){
		.loop = d->loop, .rooms = &d->rooms, .ctl = d->ctl, .api_socket = d->options->api_socket};
	handover_init(&d->handover);
	d->leases = (struct lease_file){.path = d->options->leases, .dhcp = d->rooms.gateway.dhcp};
	loop_timer_init(&d->age, on_age, d);
	loop_timer_init(&d->pings, on_pings, d);
	ip_set_ping_alarm(d->rooms.ip, arm_pings, d);
	on_age(d);
	return 0;
}

/* The startup file is done before the control socket exists: who can connect finds everything in place. */
static int start_fresh(struct daemon *d)
{
	char why[512];
	int err;

	if (d->options->startup && ctl_exec_file(d->ctl, d->options->startup, NULL, why) != 0) {
		log_error("ginneld: %s", why);
		return -EINVAL;
	}
	if (d->options->config && config_apply_file(d->rooms.config, d->options->config, why) != 0) {
		log_error("ginneld: %s", why);
		return -EINVAL;
	}
	lease_file_read(&d->leases, loop_now(d->loop));
	err = ctl_server_start(&d->handover.server, d->loop, d->ctl, d->options->api_socket);
	if (err) {
		log_error("ginneld: %s", unix_explain(err, d->options->api_socket, why, sizeof(why)));
		return err;
	}
	return 0;
}

/* What another daemon has left; -ENOENT when there is nothing of that kind. */
static int start_from_other(struct daemon *d)
{
	int err = handover_fetch(&d->handover);

	if (err == -ENOENT && d->options->replace)
		err = handover_take(&d->handover);
	if (err && err != -ENOENT)
		_exit(EXIT_FAILURE); /* guests are still with the other one: nothing may be shut down */
	return err;
}

static int daemon_open(struct daemon *d)
{
	int err = start_from_other(d);

	if (err == -ENOENT)
		err = start_fresh(d);
	if (err)
		return err;
	service_notify("READY=1");
	log_info("ginneld: ready, %u worker%s, control socket %s", d->options->workers.n,
		d->options->workers.n == 1 ? "" : "s", d->options->api_socket);
	return 0;
}

static void daemon_end(struct daemon *d)
{
	if (d->leases.path)
		lease_file_write(&d->leases, loop_now(d->loop));
	if (d->handover.server) {
		handover_fini(&d->handover);
		ctl_server_stop(d->handover.server);
	}
	config_destroy(d->rooms.config);
	unmake_rooms(d);
	ctl_destroy(d->ctl);
	loop_destroy(d->loop);
}

static int print_man(void)
{
	struct rooms none = {0};
	struct ctl *ctl;

	if (ctl_create(&ctl) != 0)
		return EXIT_FAILURE;
	commands_add(ctl, &none, NULL);
	ctl_print_man(ctl, stdout);
	ctl_destroy(ctl);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct options options;
	struct daemon d = {.options = &options};
	int status = EXIT_FAILURE;

	switch (options_parse(&options, argc, argv)) {
	case OPTIONS_RUN:
		break;
	case OPTIONS_PRINT_MAN:
		return print_man();
	case OPTIONS_DONE:
		return EXIT_SUCCESS;
	case OPTIONS_WRONG:
		return 2;
	}
	if (daemon_start(&d) == 0 && daemon_open(&d) == 0 && loop_run(d.loop) == 0)
		status = EXIT_SUCCESS;
	daemon_end(&d);
	return status;
}
