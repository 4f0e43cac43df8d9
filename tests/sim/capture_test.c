/* SPDX-License-Identifier: Apache-2.0 */
/* Captures of turns: what comes in, leaves and is dropped, and what the file says about it. */
#include "packet.h"

#include "base/test.h"
#include "watch/private.h"
#include "wire/bytes.h"
#include "wire/pcapng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX   (64u << 20)
#define FRAMES_MAX 20000

/* A packet block of the file. */
struct seen {
	const uint8_t *bytes;
	uint32_t interface, cap_len, len, flags;
	char comments[256];
};

static struct sim sim;
static struct watch *watch;
static struct random random_numbers;
static uint8_t frame[PKT_LEN_MAX];
static struct packet packet;
static char path[64];
static uint8_t *file;
static struct seen seen[FRAMES_MAX];
static uint32_t n_seen;
static char names[SIM_PORTS][64];
static uint32_t n_names;

/* --- a capture --- */

static void publish(void *subject, uint32_t worker, struct turn_watch *w)
{
	assert_int_equal(worker, 0);
	sim.runner.watch = w;
}

static void begin(uint32_t n_guests)
{
	int fd;

	sim_init(&sim, n_guests);
	sim_guests(&sim, SIM_RING_FEATURES);
	sim_learn(&sim);
	watch = watch_create(&(struct watch_config){
		.loop = sim.loop, .ifaces = sim.ifaces, .n_workers = 1, .publish = publish});
	assert_non_null(watch);
	random_init(&random_numbers, 1);
	strcpy(path, "/tmp/ginnel-capture-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	assert_null(sim.runner.watch);
}

static void end(void)
{
	watch_destroy(watch);
	assert_null(sim.runner.watch);
	unlink(path);
	free(file);
	file = NULL;
	sim_fini(&sim);
}

static void capture(uint32_t what, struct filter filter)
{
	const struct capture_settings settings = {
		.what = what, .snap_len = CAPTURE_SNAP_MAX, .filter = filter};

	assert_int_equal(capture_start(watch, &settings, path), 0);
	assert_ptr_equal(sim.runner.watch, &watch->watchers[0].capture_only);
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

/* --- what the file holds --- */

static uint32_t word(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static void read_options(struct seen *s, const uint8_t *p, const uint8_t *block_end)
{
	while (p < block_end && word(p) != 0) {
		uint32_t code = word(p) & 0xffff, len = word(p) >> 16;

		if (code == 1) {
			strncat(s->comments, (const char *)p + 4, len);
			strcat(s->comments, "\n");
		}
		if (code == 2)
			s->flags = word(p + 4);
		p += 4 + ((len + 3) & ~3u);
	}
}

static void read_block(const uint8_t *p, uint32_t len)
{
	struct seen *s = &seen[n_seen];

	assert_int_equal(word(p + len - 4), len);
	if (word(p) == 1) {
		assert_int_equal(word(p + 16) & 0xffff, 2);
		snprintf(names[n_names++], sizeof(names[0]), "%.*s", (int)(word(p + 16) >> 16),
			(const char *)p + 20);
	}
	if (word(p) != 6)
		return;
	assert_true(n_seen++ < FRAMES_MAX);
	*s = (struct seen){
		.bytes = p + 28, .interface = word(p + 8), .cap_len = word(p + 20), .len = word(p + 24)};
	assert_true(s->interface < n_names);
	read_options(s, s->bytes + ((s->cap_len + 3) & ~3u), p + len - 4);
}

/* Ends the capture and reads the file. */
static void look(void)
{
	FILE *in;
	size_t size;

	capture_stop(watch);
	assert_null(sim.runner.watch);
	n_seen = n_names = 0;
	file = malloc(FILE_MAX);
	in = fopen(path, "r");
	assert_true(file && in);
	size = fread(file, 1, FILE_MAX, in);
	fclose(in);
	for (size_t at = 0; at < size; at += word(file + at + 4))
		read_block(file + at, word(file + at + 4));
}

static void assert_seen(uint32_t i, const char *name, enum pcapng_direction direction, const char *comment)
{
	assert_true(i < n_seen);
	assert_string_equal(names[seen[i].interface], name);
	assert_int_equal(seen[i].flags, direction);
	if (*comment)
		assert_non_null(strstr(seen[i].comments, comment));
	else
		assert_string_equal(seen[i].comments, "");
}

#define PORT0 "VirtualEthernet0/0/0"
#define PORT1 "VirtualEthernet0/0/1"
#define PORT2 "VirtualEthernet0/0/2"

/* --- tests --- */

TEST(a_frame_is_seen_where_it_comes_in_and_where_it_leaves)
{
	begin(2);
	capture(CAPTURE_RX | CAPTURE_TX | CAPTURE_DROP, FILTER_ALL);
	guest_post_n(&sim.guest[1], 1, 2000);
	guest_kick(&sim.guest[1], GUEST_RX);
	send_frame(0, 1, 1000);
	look();
	assert_int_equal(n_seen, 2);
	assert_seen(0, PORT0, PCAPNG_IN, "");
	assert_seen(1, PORT1, PCAPNG_OUT, "");
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(seen[i].cap_len, 1000);
		assert_int_equal(seen[i].len, 1000);
		assert_memory_equal(seen[i].bytes, frame, 1000);
	}
	sim_expect(&sim, 1, frame, 1000);
	end();
}

TEST(a_frame_that_a_port_cannot_send_is_a_drop_with_the_reason_as_comment)
{
	begin(3);
	capture(CAPTURE_TX | CAPTURE_DROP, FILTER_ALL);
	guest_post_n(&sim.guest[1], 1, 2000);
	guest_kick(&sim.guest[1], GUEST_RX);
	send_frame(0, SIM_PORTS, 100);
	look();
	assert_int_equal(n_seen, 2);
	assert_seen(0, PORT1, PCAPNG_OUT, "");
	assert_seen(1, PORT2, PCAPNG_OUT, "tx-no-buffer: no free buffers");
	assert_memory_equal(seen[1].bytes, frame, 100);
	end();
}

TEST(a_frame_that_ends_inside_is_a_drop_where_it_came_in)
{
	begin(2);
	capture(CAPTURE_DROP, FILTER_ALL);
	send_frame(0, 0, 60);
	look();
	assert_int_equal(n_seen, 1);
	assert_seen(0, PORT0, PCAPNG_IN, "bridge-same: destination is behind the interface it came from");
	end();
}

TEST(only_the_drops_of_the_wanted_reason_are_seen)
{
	const struct capture_settings settings = {
		.what = CAPTURE_DROP, .snap_len = 64, .reason = DROP_TX_NO_BUFFER, .filter = FILTER_ALL};

	begin(2);
	assert_int_equal(capture_start(watch, &settings, path), 0);
	send_frame(0, 0, 60);
	send_frame(0, 1, 100);
	look();
	assert_int_equal(n_seen, 1);
	assert_seen(0, PORT1, PCAPNG_OUT, "tx-no-buffer");
	assert_int_equal(seen[0].cap_len, 64);
	assert_int_equal(seen[0].len, 100);
	end();
}

TEST(an_interface_can_be_chosen)
{
	begin(3);
	capture(CAPTURE_RX | CAPTURE_DROP, (struct filter){.iface = sim.port[1]->port.iface.idx});
	send_frame(0, 2, 60); /* no buffer at 2 */
	send_frame(1, 2, 60);
	send_frame(2, 1, 60); /* no buffer at 1 */
	look();
	assert_int_equal(n_seen, 2);
	assert_seen(0, PORT1, PCAPNG_IN, "");
	assert_seen(1, PORT1, PCAPNG_OUT, "tx-no-buffer");
	end();
}

static void assert_matches(bool expected, struct filter f)
{
	struct pkt pkt = {.data = packet.bytes, .head_len = PKT_HEAD_MAX};

	f.iface = FILTER_ANY_IFACE;
	assert_int_equal(filter_matches(&f, 0, &pkt), expected);
}

TEST(a_filter_looks_at_either_end_of_every_layer)
{
	const struct packet_shape udp4 = {.payload = 200}, tcp6 = {.ip6 = true, .tcp = true, .payload = 200};
	const uint8_t *ip;

	random_init(&random_numbers, 1);
	packet_make(&packet, &udp4, 1, 2, &random_numbers);
	ip = packet.bytes + 14;
	assert_matches(true, (struct filter){.by_mac = true, .mac = 0x525400000001});
	assert_matches(true, (struct filter){.by_mac = true, .mac = 0x525400000002});
	assert_matches(false, (struct filter){.by_mac = true, .mac = 0x525400000003});
	assert_matches(true, (struct filter){.by_proto = true, .proto = 17});
	assert_matches(false, (struct filter){.by_proto = true, .proto = 6});
	assert_matches(
		true, (struct filter){.ip_len = 4, .ip_bits = 32, .ip = {ip[12], ip[13], ip[14], ip[15]}});
	assert_matches(
		true, (struct filter){.ip_len = 4, .ip_bits = 32, .ip = {ip[16], ip[17], ip[18], ip[19]}});
	assert_matches(true,
		(struct filter){.ip_len = 4, .ip_bits = 25, .ip = {ip[12], ip[13], ip[14], ip[15] ^ 1}});
	assert_matches(false,
		(struct filter){.ip_len = 4, .ip_bits = 32, .ip = {ip[12], ip[13], ip[14] ^ 0x40, ip[15]}});
	assert_matches(false, (struct filter){.ip_len = 16, .ip_bits = 0});
	assert_matches(true, (struct filter){.by_port = true, .port = (uint16_t)(ip[20] << 8 | ip[21])});
	assert_matches(true, (struct filter){.by_port = true, .port = (uint16_t)(ip[22] << 8 | ip[23])});
	assert_matches(
		false, (struct filter){.by_port = true, .port = (uint16_t)(ip[24] << 8 | (ip[25] ^ 0xff))});
	packet_make(&packet, &tcp6, 1, 2, &random_numbers);
	assert_matches(true, (struct filter){.ip_len = 16, .ip_bits = 0, .by_proto = true, .proto = 6});
	assert_matches(false, (struct filter){.ip_len = 4, .ip_bits = 0});
}

TEST(a_filter_reads_nothing_behind_the_end_of_a_short_frame)
{
	const struct packet_shape udp4 = {.payload = 60};
	struct filter f = {.ip_len = 4, .by_port = true, .by_proto = true, .proto = 17};

	packet_make(&packet, &udp4, 1, 2, &random_numbers);
	for (uint32_t len = 0; len <= 42; len++) {
		uint8_t *exact = malloc(len + 1);
		struct pkt pkt = {.data = exact, .head_len = (uint16_t)len};

		assert_non_null(exact);
		memcpy(exact, packet.bytes, len);
		f.port = be16_get(packet.bytes + 34);
		assert_int_equal(filter_matches_slow(&f, &pkt), len >= 38);
		free(exact);
	}
}

TEST(a_full_ring_loses_frames_and_says_how_many)
{
	const uint32_t len = 60000, n = CAPTURE_RING_SIZE / 60000 + 20;

	begin(2);
	capture(CAPTURE_RX, FILTER_ALL);
	for (uint32_t i = 0; i < n; i++)
		send_frame(0, 0, len);
	capture_drain(watch);
	assert_true(watch->capture.lost >= 19);
	assert_int_equal(watch->capture.written + watch->capture.lost, n);
	send_frame(0, 0, 77);
	look();
	assert_int_equal(n_seen, watch->capture.written);
	assert_int_equal(seen[n_seen - 1].len, 77);
	assert_non_null(strstr(seen[n_seen - 1].comments, "frames before this one were not captured"));
	assert_int_equal(strtoul(seen[n_seen - 1].comments, NULL, 10), watch->capture.lost);
	for (uint32_t i = 0; i + 1 < n_seen; i++) {
		assert_int_equal(seen[i].cap_len, len);
		assert_string_equal(seen[i].comments, "");
	}
	end();
}

TEST(frames_of_all_sizes_come_out_of_the_ring_as_they_went_in)
{
	uint8_t *sent = malloc(3000 * 9000);
	uint32_t lens[3000], at = 0;

	assert_non_null(sent);
	begin(2);
	capture(CAPTURE_RX, FILTER_ALL);
	for (uint32_t i = 0; i < 3000; i++) {
		lens[i] = 14 + random_below(&random_numbers, 8900);
		send_frame(0, 0, lens[i]);
		memcpy(sent + at, frame, lens[i]);
		at += lens[i];
		if (i % 100 == 0)
			capture_drain(watch);
	}
	look();
	assert_int_equal(watch->capture.lost, 0);
	assert_int_equal(n_seen, 3000);
	for (uint32_t i = 0, from = 0; i < 3000; from += lens[i++]) {
		assert_int_equal(seen[i].cap_len, lens[i]);
		assert_memory_equal(seen[i].bytes, sent + from, lens[i]);
	}
	free(sent);
	end();
}

TEST(a_capture_ends_itself_after_the_wanted_number)
{
	const struct capture_settings settings = {
		.what = CAPTURE_RX, .snap_len = 64, .max = 10, .filter = FILTER_ALL};

	begin(2);
	assert_int_equal(capture_start(watch, &settings, path), 0);
	for (uint32_t i = 0; i < 20; i++)
		send_frame(0, 0, 60);
	while (watch->capture.what)
		assert_int_equal(loop_turn(sim.loop, UINT64_MAX), 0);
	assert_null(sim.runner.watch);
	look();
	assert_int_equal(n_seen, 10);
	end();
}

TEST(a_file_that_cannot_be_written_ends_the_capture_with_the_reason)
{
	const struct capture_settings settings = {.what = CAPTURE_RX, .snap_len = 64, .filter = FILTER_ALL};

	begin(2);
	assert_int_equal(capture_start(watch, &settings, "/nowhere/at/all"), -ENOENT);
	assert_null(sim.runner.watch);
	capture_start(watch, &settings, "/dev/full");
	assert_int_equal(watch->capture.what, 0);
	assert_int_equal(watch->capture.error, -ENOSPC);
	assert_null(sim.runner.watch);
	end();
}

TESTS(cmocka_unit_test(a_frame_is_seen_where_it_comes_in_and_where_it_leaves),
	cmocka_unit_test(a_frame_that_a_port_cannot_send_is_a_drop_with_the_reason_as_comment),
	cmocka_unit_test(a_frame_that_ends_inside_is_a_drop_where_it_came_in),
	cmocka_unit_test(only_the_drops_of_the_wanted_reason_are_seen),
	cmocka_unit_test(an_interface_can_be_chosen),
	cmocka_unit_test(a_filter_looks_at_either_end_of_every_layer),
	cmocka_unit_test(a_filter_reads_nothing_behind_the_end_of_a_short_frame),
	cmocka_unit_test(a_full_ring_loses_frames_and_says_how_many),
	cmocka_unit_test(frames_of_all_sizes_come_out_of_the_ring_as_they_went_in),
	cmocka_unit_test(a_capture_ends_itself_after_the_wanted_number),
	cmocka_unit_test(a_file_that_cannot_be_written_ends_the_capture_with_the_reason))
