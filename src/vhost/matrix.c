/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost_matrix - prints what of vhost-user is served, from the tables the engine works with: as Markdown for
 * doc/vhost-user.md, or with --json. tests/tidy/matrix.py holds the document and the names of the tests against it.
 */
#include "vhost/message_table.h"
#include "vhost/protocol_feature.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MAX_REQUEST 64

/* The tests that prove a message, right and wrong, beside those that walk over all of them. */
struct proof {
	uint32_t request;
	const char *tests;
};

/* clang-format off */
static const struct proof proofs[] = {
	{VHOST_USER_GET_FEATURES, "queries_are_answered"},
	{VHOST_USER_SET_FEATURES, "features_that_were_not_offered_are_refused "
		"features_without_bit_30_enable_all_rings_for_good live_changes_move_neither_index"},
	{VHOST_USER_SET_OWNER, "qemu_is_served_in_its_order"},
	{VHOST_USER_RESET_OWNER, "reset_owner_disables_all_rings_until_the_next_features"},
	{VHOST_USER_SET_MEM_TABLE, "eight_regions_fit a_bad_table_leaves_the_old_one_at_work "
		"memory_regions_that_contradict_each_other"},
	{VHOST_USER_SET_LOG_BASE, "migration_logs_what_is_written_and_where_it_is_said "
		"logs_that_do_not_fit_their_file_are_refused logs_that_wrap_around"},
	{VHOST_USER_SET_LOG_FD, "the_logs_doorbell_is_taken_and_closed"},
	{VHOST_USER_SET_VRING_NUM, "a_started_ring_keeps_its_size_and_base sizes_that_no_ring_has_are_refused "
		"a_packed_ring_runs_with_any_size_and_its_base_has_two_places"},
	{VHOST_USER_SET_VRING_ADDR, "rings_outside_memory_are_refused_when_they_should_run "
		"rings_outside_memory_and_across_its_end"},
	{VHOST_USER_SET_VRING_BASE, "the_base_of_a_ring_that_never_ran_is_what_was_set"},
	{VHOST_USER_GET_VRING_BASE, "stopping_tells_the_true_index_and_keeps_it "
		"a_thousand_stops_and_starts_lose_no_buffer"},
	{VHOST_USER_SET_VRING_KICK, "a_ring_starts_with_its_kick_descriptor "
		"a_ring_starts_without_kick_descriptor_too only_eventfds_carry_kicks"},
	{VHOST_USER_SET_VRING_CALL, "the_guest_is_called_when_a_ring_starts_and_when_the_descriptor_changes "
		"eventfds_and_unix_sockets_carry_calls_and_other_files_do_not"},
	{VHOST_USER_SET_VRING_ERR, "a_broken_ring_is_mended_by_a_restart_only repeated_messages_replace_descriptors"},
	{VHOST_USER_GET_PROTOCOL_FEATURES, "queries_are_answered"},
	{VHOST_USER_SET_PROTOCOL_FEATURES, "features_that_were_not_offered_are_refused "
		"uml_is_served_in_its_order"},
	{VHOST_USER_GET_QUEUE_NUM, "queries_are_answered"},
	{VHOST_USER_SET_VRING_ENABLE, "a_ring_starts_disabled_and_is_enabled_by_its_message "
		"enabling_comes_before_everything_else_if_the_front_end_likes"},
	{VHOST_USER_SEND_RARP, "an_mtu_and_an_announcement_reach_the_device"},
	{VHOST_USER_NET_SET_MTU, "an_mtu_and_an_announcement_reach_the_device"},
	{VHOST_USER_SET_BACKEND_REQ_FD, "a_channel_for_our_requests_is_kept_and_replaced "
		"a_front_end_may_close_the_channel a_front_end_that_talks_on_the_channel_loses_it"},
	{VHOST_USER_GET_CONFIG, "configuration_space_is_read_in_pieces_and_whole "
		"configuration_space_beyond_the_devices_reads_as_zeros "
		"a_read_that_fails_is_answered_without_payload"},
	{VHOST_USER_SET_CONFIG, "configuration_space_is_written_where_it_is_and_nowhere_else"},
	{VHOST_USER_GET_INFLIGHT_FD, "areas_for_buffers_in_flight_come_sealed_and_with_their_layout "
		"areas_that_nobody_can_make_are_answered_with_none"},
	{VHOST_USER_SET_INFLIGHT_FD, "a_successor_finds_what_was_in_flight "
		"areas_that_do_not_fit_are_refused"},
	{VHOST_USER_GPU_SET_SOCKET, "a_display_socket_reaches_the_device"},
	{VHOST_USER_RESET_DEVICE, "a_reset_device_stops_and_disables_and_keeps_memory_and_connection"},
	{VHOST_USER_VRING_KICK, "a_ring_without_descriptors_is_started_and_kicked_by_messages"},
	{VHOST_USER_GET_MAX_MEM_SLOTS, "memory_comes_in_slots_while_rings_run "
		"there_are_as_many_slots_as_were_announced"},
	{VHOST_USER_ADD_MEM_REG, "memory_comes_in_slots_while_rings_run "
		"a_slot_that_comes_pauses_running_rings_once_and_a_bad_one_not_at_all"},
	{VHOST_USER_REM_MEM_REG, "a_slot_is_removed_by_its_addresses_and_size "
		"a_slot_that_goes_from_under_a_ring_stops_it"},
	{VHOST_USER_SET_STATUS, "status_0_stops_the_rings_and_keeps_their_indexes "
		"features_are_ok_only_after_they_were_taken"},
	{VHOST_USER_GET_STATUS, "a_status_is_kept_for_whoever_asks"},
	{VHOST_USER_SET_DEVICE_STATE_FD, "a_state_is_saved_whatever_its_length "
		"a_state_is_loaded_whatever_its_length directions_and_phases_that_do_not_exist_are_answered_so"},
	{VHOST_USER_CHECK_DEVICE_STATE, "a_check_before_the_end_of_the_stream_fails "
		"a_state_without_end_is_refused"},
};

static const struct proof backend_proofs[] = {
	{VHOST_USER_BACKEND_CONFIG_CHANGE_MSG, "a_change_of_the_configuration_is_told_while_a_ring_is_started "
		"a_suspended_device_says_nothing_before_it_is_resumed"},
	{VHOST_USER_BACKEND_VRING_CALL, "calls_and_errors_go_out_as_messages "
		"a_call_that_found_no_room_is_repeated"},
	{VHOST_USER_BACKEND_VRING_ERR, "calls_and_errors_go_out_as_messages"},
};
/* clang-format on */

/* One direction. */
struct direction {
	const char *key, *title;
	const struct message_row *(*row)(uint32_t request);
	const struct proof *proofs;
	size_t n_proofs;
};

static const struct direction directions[] = {
	{"requests", "Front-end to back-end", message_row, proofs, sizeof(proofs) / sizeof(proofs[0])},
	{"backend_requests", "Back-end to front-end", message_backend_row, backend_proofs,
		sizeof(backend_proofs) / sizeof(backend_proofs[0])},
};

static const char *tests_of(const struct direction *d, uint32_t request)
{
	for (size_t i = 0; i < d->n_proofs; i++)
		if (d->proofs[i].request == request)
			return d->proofs[i].tests;
	return NULL;
}

static const char *feature_of(const struct message_row *row)
{
	static const size_t prefix = sizeof("VHOST_USER_PROTOCOL_F_") - 1;

	return row->needs == MESSAGE_ALWAYS ? NULL
					    : vhost_protocol_feature_name((unsigned)row->needs) + prefix;
}

/* --- Markdown --- */

static void print_range(uint32_t min, uint32_t max)
{
	if (min == max)
		printf(" %u |", min);
	else
		printf(" %u to %u |", min, max);
}

/* The names, each as code, separated by <br>: they are long. */
static void print_tests(const char *tests)
{
	for (const char *at = tests; *at;) {
		size_t len = strcspn(at, " ");

		printf("%s`%.*s`", at == tests ? "" : "<br>", (int)len, at);
		at += len + (at[len] == ' ');
	}
}

static void print_row(const struct direction *d, uint32_t request)
{
	const struct message_row *row = d->row(request);
	const char *feature = feature_of(row);

	printf("| %u | %s |", request, row->name);
	print_range(row->size_min, row->size_max);
	print_range(row->fds_min, row->fds_max);
	if (row->reply_size > 0)
		printf(" %u%s |", row->reply_size, row->size_min < row->size_max ? " + n" : "");
	else
		printf(" |");
	printf(" %s | ", feature ? feature : "");
	if (row->why)
		printf("**no**: %s", row->why);
	else
		print_tests(tests_of(d, request));
	printf(" |\n");
}

static void print_direction(const struct direction *d)
{
	printf("### %s\n\n", d->title);
	printf("| # | message | payload | descriptors | reply | needs | proved by, or why not |\n");
	printf("|---|---|---|---|---|---|---|\n");
	for (uint32_t request = 0; request < MAX_REQUEST; request++)
		if (d->row(request))
			print_row(d, request);
	printf("\n");
}

static const char *const providers[] = {
	[VHOST_BY_NOBODY] = "**no**", [VHOST_BY_ENGINE] = "always", [VHOST_BY_DEVICE] = "by devices that"};

static void print_features(void)
{
	printf("### Protocol features\n\n| bit | feature | offered |\n|---|---|---|\n");
	for (unsigned bit = 0; bit < VHOST_USER_PROTOCOL_F_COUNT; bit++) {
		const struct vhost_protocol_feature_row *row = vhost_protocol_feature(bit);

		printf("| %u | %s | %s%s%s |\n", bit, row->name, providers[row->provider],
			!row->why                          ? ""
			: row->provider == VHOST_BY_DEVICE ? " "
							   : ": ",
			row->why ? row->why : "");
	}
}

/* --- JSON: no text in the tables needs an escape --- */

static void json_row(const struct direction *d, uint32_t request)
{
	const struct message_row *row = d->row(request);
	const char *feature = feature_of(row), *tests = row->why ? "" : tests_of(d, request);

	printf("{\"request\": %u, \"name\": \"%s\", \"size\": [%u, %u], \"descriptors\": [%u, %u], "
	       "\"reply\": %u, \"needs\": \"%s\", \"served\": %s, \"why\": \"%s\", \"tests\": \"%s\"}",
		request, row->name, row->size_min, row->size_max, row->fds_min, row->fds_max, row->reply_size,
		feature ? feature : "", row->why ? "false" : "true", row->why ? row->why : "", tests);
}

static void print_json(void)
{
	static const char *const names[] = {
		[VHOST_BY_NOBODY] = "nobody", [VHOST_BY_ENGINE] = "engine", [VHOST_BY_DEVICE] = "device"};

	printf("{");
	for (size_t i = 0; i < sizeof(directions) / sizeof(directions[0]); i++) {
		const char *between = "";

		printf("\"%s\": [", directions[i].key);
		for (uint32_t request = 0; request < MAX_REQUEST; request++) {
			if (!directions[i].row(request))
				continue;
			printf("%s\n", between);
			json_row(&directions[i], request);
			between = ",";
		}
		printf("],\n");
	}
	printf("\"protocol_features\": [");
	for (unsigned bit = 0; bit < VHOST_USER_PROTOCOL_F_COUNT; bit++) {
		const struct vhost_protocol_feature_row *row = vhost_protocol_feature(bit);

		printf("%s\n{\"bit\": %u, \"name\": \"%s\", \"provider\": \"%s\", \"why\": \"%s\"}",
			bit > 0 ? "," : "", bit, row->name, names[row->provider], row->why ? row->why : "");
	}
	printf("]}\n");
}

/* Each message that is served has its tests, and no other has. */
static bool proofs_fit(const struct direction *d)
{
	bool fit = true;

	for (uint32_t request = 0; request < MAX_REQUEST; request++) {
		const struct message_row *row = d->row(request);
		bool served = row && !row->why, proved = tests_of(d, request);

		if (served != proved) {
			fprintf(stderr, "vhost/matrix.c: %s %s a test\n", row ? row->name : "a message",
				served ? "has not" : "should not have");
			fit = false;
		}
	}
	return fit;
}

int main(int argc, char **argv)
{
	if (!proofs_fit(&directions[0]) || !proofs_fit(&directions[1]))
		return 1;
	if (argc > 1 && strcmp(argv[1], "--json") == 0) {
		print_json();
		return 0;
	}
	print_direction(&directions[0]);
	print_direction(&directions[1]);
	print_features();
	return 0;
}
