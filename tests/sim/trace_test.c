/* SPDX-License-Identifier: Apache-2.0 */
/* Packet traces and `why`, in the words a user types. */
#include "packet.h"

#include "base/test.h"
#include "ctl/ctl.h"
#include "watch/watch.h"
#include "worker/private.h"
#include "worker/why.h"
#include "port/interface_types.h"

#include <stdlib.h>
#include <string.h>

#define PORT0 "VirtualEthernet0/0/0"
#define PORT1 "VirtualEthernet0/0/1"
#define PORT2 "VirtualEthernet0/0/2"

static struct sim sim;
static struct watch *watch;
static struct why why;
static struct ctl *ctl;
static struct random random_numbers;
static uint8_t frame[PKT_LEN_MAX];
static struct packet packet;
static char *said; /* the last answer */

static void publish(void *subject, uint32_t worker, struct turn_watch *w)
{
	sim.runner.watch = w;
}

static void add_commands(void)
{
	assert_non_null(watch);
	random_init(&random_numbers, 1);
	assert_int_equal(ctl_create(&ctl), 0);
	ctl_add_type(ctl, &interface_type, sim.ifaces);
	ctl_add_type(ctl, &watch_node_type, watch);
	ctl_add_table(ctl, &trace_commands, watch);
	ctl_add_table(ctl, &why_commands, &why);
}

/* Turns are run by hand. */
static void begin(uint32_t n_guests)
{
	sim_init(&sim, n_guests);
	sim_guests(&sim, SIM_RING_FEATURES);
	sim_learn(&sim);
	watch = watch_create(&(struct watch_config){
		.loop = sim.loop, .ifaces = sim.ifaces, .n_workers = 1, .publish = publish});
	add_commands();
}

/* For why: with a worker, and nobody who sends anything. */
static void begin_quiet(uint32_t n_guests)
{
	sim_init_workers(&sim, n_guests, 1);
	sim_guests(&sim, SIM_RING_FEATURES);
	watch = watch_create(&(struct watch_config){.loop = sim.loop,
		.ifaces = sim.ifaces,
		.n_workers = 1,
		.publish = workers_watch,
		.subject = sim.workers});
	why = (struct why){sim.workers, watch, sim.ifaces};
	add_commands();
}

static void end(void)
{
	free(said);
	said = NULL;
	ctl_destroy(ctl);
	watch_destroy(watch);
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

static void does(const char *line)
{
	if (run(line) != CTL_DONE)
		fail_msg("%s\n%s", line, said);
}

static void says(const char *what)
{
	if (!strstr(said, what))
		fail_msg("%s\ndoes not hold: %s", said, what);
}

static void says_not(const char *what)
{
	if (strstr(said, what))
		fail_msg("%s\nholds: %s", said, what);
}

static void send_bytes(uint32_t from, const uint8_t *bytes, uint32_t len)
{
	struct guest *g = &sim.guest[from];
	const struct guest_layout layout = guest_layout_one(g->hdr_len + len);

	assert_true(guest_send(g, NULL, bytes, len, &layout));
	guest_kick(g, GUEST_TX);
	sim_settle(&sim);
	guest_reap(g);
}

static void send_frame(uint32_t from, uint32_t to, uint32_t len)
{
	sim_frame(frame, len, from, to, &random_numbers);
	send_bytes(from, frame, len);
}

static void post(uint32_t at, uint32_t n)
{
	guest_post_n(&sim.guest[at], n, 2000);
	guest_kick(&sim.guest[at], GUEST_RX);
}

/* --- trace --- */

TEST(a_trace_tells_every_stage_and_where_the_packet_left)
{
	begin(2);
	does("trace add vhost-user-input 1");
	post(1, 1);
	send_frame(0, 1, 100);
	does("show trace");
	says("Packet 1\n");
	says(": ethernet-input\n  " PORT0
	     ", 100 bytes\n  ethernet 52:54:00:00:00:00 > 52:54:00:00:00:01 type 0x88b5\n");
	says(": bridge-forward\n");
	says(": port-output\n  left through " PORT1 "\n");
	says_not("dropped");
	end();
}

TEST(a_flooded_packet_is_followed_to_each_interface_and_told_why_not)
{
	begin(3);
	does("trace add ethernet-input 1");
	post(1, 1);
	send_frame(0, SIM_PORTS, 100);
	does("show trace");
	says("left through " PORT1 "\n");
	says("not through " PORT2 ": tx-no-buffer: no free buffers");
	end();
}

TEST(a_dropped_packet_ends_with_the_reason)
{
	begin(2);
	does("trace add ethernet-input 5");
	send_frame(0, 0, 60);
	does("show trace");
	says("dropped: bridge-same: destination is behind the interface it came from\n");
	says_not("left through");
	end();
}

TEST(only_as_many_packets_are_followed_as_were_asked_for)
{
	begin(2);
	does("trace add ethernet-input 2");
	for (int i = 0; i < 4; i++)
		send_frame(0, 0, 60);
	does("show trace");
	says("Packet 2\n");
	says_not("Packet 3\n");
	assert_null(sim.runner.watch); /* it has what it was to follow, and is left alone */
	does("trace add ethernet-input 1");
	send_frame(1, 1, 60);
	does("show trace max 1");
	says_not("Packet 2\n");
	says("2 more: show trace max 3");
	does("clear trace");
	does("show trace");
	says("No packets in trace buffer");
	end();
}

TEST(a_packet_can_be_picked_up_where_it_ends)
{
	begin(2);
	does("trace add drop 1");
	send_frame(0, 1, 60); /* ends at the interface: no stage drops it */
	send_frame(0, 0, 60);
	does("show trace");
	says(": drop\n  " PORT0 ", 60 bytes\n");
	says_not("bridge-forward");
	says_not("Packet 2");
	end();
}

TEST(a_filter_chooses_packets)
{
	const struct packet_shape udp = {.payload = 20};

	begin(2);
	does("trace filter");
	says("every packet");
	does("trace filter proto udp ip 0.0.0.0/0");
	says("trace filter: ip 0.0.0.0/0 proto 17\n");
	does("trace add ethernet-input 10");
	send_frame(0, 1, 60);
	packet_make(&packet, &udp, 0, 1, &random_numbers);
	send_bytes(0, packet.bytes, packet.len);
	does("show trace");
	says("Packet 1\n");
	says("udp ");
	says_not("Packet 2\n");
	does("clear trace");
	does("trace filter interface " PORT1);
	does("trace add ethernet-input 10");
	send_frame(0, 1, 60);
	send_frame(1, 0, 60);
	does("show trace");
	says(PORT1 ", 60 bytes");
	says_not("Packet 2\n");
	end();
}

TEST(a_full_trace_says_so)
{
	begin(2);
	does("trace add ethernet-input 512");
	does("trace add drop 512");
	for (int i = 0; i < 600; i++)
		send_frame(0, 0, 60);
	does("show trace");
	says("462 more: show trace max 512");
	assert_int_equal(run("trace add ethernet-input 513"), CTL_FAILED);
	says("1 to 512");
	end();
}

/* --- why --- */

static struct iface_counters counters(uint32_t i)
{
	return sim_counters(&sim, i);
}

TEST(why_tells_the_road_of_a_described_packet)
{
	begin_quiet(3);
	does("why from " PORT0 " src 52:54:00:00:00:aa dst 52:54:00:00:00:bb ip 10.0.0.1 to 10.0.0.2 tcp 80");
	says("ipv4 10.0.0.1 > 10.0.0.2 tcp, ttl 64, length 40");
	says("tcp 49152 > 80 syn");
	says("It would leave through " PORT1 ".\n");
	says("It would leave through " PORT2 ".\n");
	does("why from " PORT0 " ip fd00::1 to fd00::2");
	says("icmp6 echo request");
	end();
}

TEST(why_builds_packets_that_a_stack_would_take)
{
	static const char *const flows[] = {"ip 10.0.0.1 to 10.0.0.2 tcp 80 length 100",
		"ip 10.0.0.1 to 10.0.0.2 udp 53 length 200", "ip fd00::1 to fd00::2 tcp 443",
		"ip fd00::1 to fd00::2 udp 53"};
	char line[200];

	begin_quiet(2);
	for (size_t i = 0; i < ARRAY_LEN(flows); i++) {
		const struct pkt *pkt = &sim.workers->trial.turn->pkts[0];

		snprintf(line, sizeof(line), "why from " PORT0 " %s", flows[i]);
		does(line);
		memcpy(frame, pkt->data, pkt->head_len);
		memset(frame + pkt->head_len, 0, pkt->body_len);
		assert_true(packet_is_sound(frame, pkt_len(pkt)));
	}
	end();
}

TEST(why_learns_nothing_sends_nothing_and_is_not_counted)
{
	begin_quiet(2);
	post(1, 1);
	for (int i = 0; i < 3; i++)
		does("why from " PORT0 " src 52:54:00:00:00:aa dst 52:54:00:00:00:bb");
	/* had it learned, aa were behind port 0 and the answer one interface */
	does("why from " PORT1 " dst 52:54:00:00:00:aa");
	says("It would leave through " PORT0);
	does("why from " PORT0 " dst 52:54:00:00:00:aa");
	says("It would leave through " PORT1);
	for (uint32_t i = 0; i < 2; i++) {
		struct iface_counters c = counters(i), none = {0};

		assert_memory_equal(&c, &none, sizeof(c));
	}
	assert_int_equal(guest_outstanding(&sim.guest[1], GUEST_RX), 1);
	sim_expect_nothing(&sim, 1);
	end();
}

TEST(why_says_where_a_packet_would_be_dropped)
{
	begin_quiet(3);
	__atomic_store_n(&sim.port[1]->port.iface.up, false, __ATOMIC_RELAXED);
	guest_disconnect(&sim.guest[2]);
	does("why from " PORT0);
	says("not through " PORT1 ": tx-down: outgoing interface is down");
	says("not through " PORT2 ": tx-no-peer");
	says("It would leave through no interface.");
	does("why from " PORT0 " src 01:00:5e:00:00:01");
	says("It would be dropped: source address is a group address.");
	__atomic_store_n(&sim.port[1]->port.iface.up, true, __ATOMIC_RELAXED);
	__atomic_store_n(&sim.port[1]->port.iface.mtu, 1500, __ATOMIC_RELAXED);
	does("why from " PORT0 " length 1514");
	says("It would leave through " PORT1);
	does("why from " PORT0 " length 1515");
	says("not through " PORT1 ": tx-mtu");
	does("why from " PORT0 " vlan 7 length 1518");
	says("It would leave through " PORT1);
	end();
}

TEST(why_names_the_mend_of_what_makes_no_sense)
{
	begin_quiet(2);
	assert_int_equal(run("why from local0"), CTL_FAILED);
	says("name another interface");
	assert_int_equal(run("why from " PORT0 " ip 10.0.0.1 to fd00::1"), CTL_FAILED);
	says("two of a kind");
	assert_int_equal(run("why from " PORT0 " tcp 80"), CTL_FAILED);
	says("give ip A to B");
	assert_int_equal(run("why from " PORT0 " length 70000"), CTL_FAILED);
	assert_int_equal(run("why from " PORT0 " vlan 4096"), CTL_FAILED);
	end();
}

TESTS(cmocka_unit_test(a_trace_tells_every_stage_and_where_the_packet_left),
	cmocka_unit_test(a_flooded_packet_is_followed_to_each_interface_and_told_why_not),
	cmocka_unit_test(a_dropped_packet_ends_with_the_reason),
	cmocka_unit_test(only_as_many_packets_are_followed_as_were_asked_for),
	cmocka_unit_test(a_packet_can_be_picked_up_where_it_ends), cmocka_unit_test(a_filter_chooses_packets),
	cmocka_unit_test(a_full_trace_says_so), cmocka_unit_test(why_tells_the_road_of_a_described_packet),
	cmocka_unit_test(why_builds_packets_that_a_stack_would_take),
	cmocka_unit_test(why_learns_nothing_sends_nothing_and_is_not_counted),
	cmocka_unit_test(why_says_where_a_packet_would_be_dropped),
	cmocka_unit_test(why_names_the_mend_of_what_makes_no_sense))
