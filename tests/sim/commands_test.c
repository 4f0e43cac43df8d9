/* SPDX-License-Identifier: Apache-2.0 */
/* The words about interfaces and vhost-user ports, as a user types them. */
#include "sim.h"

#include "base/test.h"
#include "ctl/ctl.h"
#include "os/clock.h"
#include "port/interface_types.h"

#include <stdlib.h>
#include <string.h>

#define PATIENCE_NS (60 * NS_PER_S)

static struct sim sim;
static struct ctl *ctl;
static char *said; /* the last answer */

static void begin(uint32_t n_ports, uint32_t n_workers)
{
	sim_init_workers(&sim, n_ports, n_workers);
	assert_int_equal(ctl_create(&ctl), 0);
	ctl_add_type(ctl, &interface_type, sim.ifaces);
	ctl_add_type(ctl, &interface_number_type, sim.ifaces);
	ctl_add_table(ctl, &interface_commands, &sim.ports);
	ctl_add_table(ctl, &placement_commands, &sim.ports);
	ctl_add_table(ctl, &vhost_commands, &sim.ports);
	ctl_add_table(ctl, &vhost_show_commands, &sim.ports);
}

static void end(void)
{
	free(said);
	said = NULL;
	ctl_destroy(ctl);
	sim_fini(&sim);
}

static enum ctl_status run(const char *line)
{
	struct ctl_answer answer;
	size_t len;
	FILE *out;

	free(said);
	out = open_memstream(&said, &len);
	assert_non_null(out);
	ctl_run_line(ctl, line, NULL, &answer);
	if (answer.status == CTL_DONE)
		ctl_answer_print(&answer, out);
	else
		fputs(answer.error, out);
	fclose(out);
	ctl_answer_free(&answer);
	return answer.status;
}

static void assert_says(const char *line, const char *what)
{
	assert_int_equal(run(line), CTL_DONE);
	if (!strstr(said, what))
		fail_msg("%s\n%s\ndoes not hold: %s", line, said, what);
}

static void assert_refused(const char *line, const char *why)
{
	assert_int_equal(run(line), CTL_FAILED);
	if (!strstr(said, why))
		fail_msg("%s\n%s\ndoes not hold: %s", line, said, why);
}

#define PORT0 "VirtualEthernet0/0/0"
#define PORT1 "VirtualEthernet0/0/1"

TEST(the_mtu_is_set_and_shown)
{
	begin(1, 1);
	assert_int_equal(run("set interface mtu 1500 " PORT0), CTL_DONE);
	assert_int_equal(iface_mtu(&sim.port[0]->port.iface), 1500);
	assert_says("show hardware-interfaces", "MTU 1500");
	assert_int_equal(run("set int mtu packet 9216 " PORT0), CTL_DONE);
	assert_says("show hardware-interfaces " PORT0, "MTU 9216");
	assert_refused("set interface mtu 67 " PORT0, "from 68 to 65535");
	assert_refused("set interface mtu 65536 " PORT0, "from 68 to 65535");
	assert_refused("set interface mtu 1500 local0", "local0");
	assert_int_equal(iface_mtu(&sim.port[0]->port.iface), 9216);
	end();
}

TEST(a_queue_is_placed_where_the_user_wants_it_and_stays_there)
{
	begin(2, 3);
	assert_int_equal(run("set interface rx-placement " PORT0 " worker 2"), CTL_DONE);
	assert_int_equal(run("show interface rx-placement"), CTL_DONE);
	assert_string_equal(said, ""); /* no guest yet */
	sim_guests(&sim, SIM_RING_FEATURES);
	assert_int_equal(sim.port[0]->port.rx_worker[0], 2);
	assert_says("show interface rx-placement",
		"Thread 2 (worker 2):\n  node vhost-user-input:\n    " PORT0 " queue 0\n");
	guest_disconnect(&sim.guest[0]);
	sim_connect(&sim, 0);
	assert_int_equal(sim.port[0]->port.rx_worker[0], 2);
	assert_int_equal(run("set interface rx-placement " PORT0 " queue 0 worker 1"), CTL_DONE);
	assert_int_equal(sim.port[0]->port.rx_worker[0], 1);
	assert_int_equal(run("set interface rx-placement " PORT0), CTL_DONE); /* anywhere */
	assert_refused("set interface rx-placement " PORT0 " worker 3", "workers 0 to 2");
	assert_refused("set interface rx-placement " PORT0 " queue 8 worker 1", "queues 0 to 7");
	assert_refused("set interface rx-placement local0 worker 1", "local0");
	end();
}

TEST(what_a_driver_said_is_shown)
{
	const uint8_t mac[] = {VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, 0x52, 0x54, 0, 0, 0, 1};
	const struct guest_layout layout = {.n = 2, .lens = {8, 1}};
	uint64_t deadline_ns = clock_now_ns() + PATIENCE_NS;

	begin(1, 2);
	sim_guest(&sim, 0,
		&(struct guest_config){.features = SIM_RING_FEATURES | FEATURE(VIRTIO_NET_F_CTRL_VQ) |
						   FEATURE(VIRTIO_NET_F_CTRL_RX) |
						   FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR),
			.ctrl = true});
	assert_says("show vhost-user", "control queue: 0 commands, 0 refused");
	assert_true(guest_ask(&sim.guest[0], mac, sizeof(mac), &layout));
	guest_kick(&sim.guest[0], sim.guest[0].ctrl);
	while (guest_answer(&sim.guest[0]) != VIRTIO_NET_OK)
		assert_true(clock_now_ns() < deadline_ns);
	assert_says("show vhost-user " PORT0, "control queue: 1 commands, 0 refused");
	assert_says("show vhost-user " PORT0, "mac: 52:54:00:00:00:01");
	assert_says("show vhost-user " PORT0, "receives: promiscuous");
	end();
}

TEST(an_interface_is_called_as_one_likes)
{
	begin(2, 1);
	assert_int_equal(run("set interface name VirtualEthernet0/0/0 web"), CTL_DONE);
	assert_int_equal(run("set interface state web up"), CTL_DONE);
	assert_int_equal(run("set interface name web web"), CTL_DONE);
	assert_int_equal(run("set interface name VirtualEthernet0/0/1 web"), CTL_FAILED);
	assert_string_equal(said, "another interface is called web: choose another name");
	assert_int_equal(run("set interface name web \"two words\""), CTL_FAILED);
	assert_string_equal(said, "a name is 1 to 63 visible characters");
	assert_int_equal(run("set interface state VirtualEthernet0/0/0 up"), CTL_NOT_UNDERSTOOD);
	end();
}

TEST(a_guest_is_told_how_to_attach)
{
	begin(1, 1);
	ctl_add_table(ctl, &print_commands, &sim.ports);
	assert_int_equal(run("print qemu VirtualEthernet0/0/0"), CTL_DONE);
	assert_non_null(strstr(said, "memory-backend-memfd,id=mem,size=512M,share=on"));
	assert_non_null(strstr(said, "mac=52:54:00:"));
	assert_int_equal(run("print libvirt VirtualEthernet0/0/0"), CTL_DONE);
	assert_non_null(strstr(said, "<interface type='vhostuser'>"));
	assert_int_equal(run("print qemu local0"), CTL_FAILED);
	assert_string_equal(
		said, "guests attach to vhost-user interfaces, and this is none: see show vhost-user");
	end();
}

TESTS(cmocka_unit_test(the_mtu_is_set_and_shown),
	cmocka_unit_test(a_queue_is_placed_where_the_user_wants_it_and_stays_there),
	cmocka_unit_test(what_a_driver_said_is_shown), cmocka_unit_test(an_interface_is_called_as_one_likes),
	cmocka_unit_test(a_guest_is_told_how_to_attach))
