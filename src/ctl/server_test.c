/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/server.h"

#include "base/test.h"
#include "ctl/example.h"
#include "ctl/rpc.h"
#include "ctl/slow.h"
#include "os/clock.h"
#include "os/unix.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PING "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc.ping\"}\n"
#define PONG "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"pong\"}\n"

/* A server in a directory of its own. */
struct world {
	struct example example;
	struct ctl *ctl;
	struct loop *loop;
	struct ctl_server *server;
	char dir[32];
	char api_dir[48]; /* made by the server */
	char path[64];
	char text[4096]; /* what a client read last */
};

static void world_open(struct world *w)
{
	*w = (struct world){.dir = "/tmp/server_test.XXXXXX"};
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->api_dir, sizeof(w->api_dir), "%s/ginnel", w->dir);
	snprintf(w->path, sizeof(w->path), "%s/api.sock", w->api_dir);
	w->ctl = example_ctl(&w->example);
	assert_int_equal(loop_create(&w->loop), 0);
	assert_int_equal(ctl_server_start(&w->server, w->loop, w->ctl, w->path), 0);
}

static void world_close(struct world *w)
{
	ctl_server_stop(w->server);
	assert_int_equal(access(w->path, F_OK), -1);
	assert_int_equal(rmdir(w->api_dir), 0);
	rmdir(w->dir);
	loop_destroy(w->loop);
	ctl_destroy(w->ctl);
}

static void turns(struct world *w, int n)
{
	for (int i = 0; i < n; i++)
		assert_int_equal(loop_turn(w->loop, 0), 0);
}

static int connect_client(struct world *w)
{
	int fd = unix_connect(w->path);

	assert_true(fd >= 0);
	turns(w, 2);
	return fd;
}

static void say_bytes(int fd, const char *text, size_t len)
{
	assert_int_equal(unix_send(fd, text, len, NULL, 0), (ssize_t)len);
}

static void say(int fd, const char *text)
{
	say_bytes(fd, text, strlen(text));
}

/* What is there now; "" for nothing, "end" when the server has closed. */
static const char *hear(struct world *w, int fd)
{
	struct unix_cargo cargo = {0};
	ssize_t n = unix_recv(fd, w->text, sizeof(w->text) - 1, &cargo);

	unix_cargo_close(&cargo);
	if (n == 0 || n == -ECONNRESET)
		return "end";
	w->text[n > 0 ? n : 0] = '\0';
	return w->text;
}

TEST(only_the_owner_may_open_the_socket)
{
	struct world w;
	struct stat st;

	world_open(&w);
	assert_int_equal(stat(w.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(w.api_dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	world_close(&w);
}

TEST(a_request_may_come_byte_by_byte)
{
	struct world w;
	int fd;

	world_open(&w);
	fd = connect_client(&w);
	for (const char *p = PING; *p; p++) {
		assert_string_equal(hear(&w, fd), "");
		say_bytes(fd, p, 1);
		turns(&w, 1);
	}
	assert_string_equal(hear(&w, fd), PONG);
	close(fd);
	world_close(&w);
}

TEST(two_requests_in_one_write_get_two_answers_in_order)
{
	struct world w;
	int fd;

	world_open(&w);
	fd = connect_client(&w);
	say(fd, PING "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"nothing\"}\r\n\n");
	turns(&w, 2);
	assert_string_equal(hear(&w, fd), PONG "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":null}\n");
	close(fd);
	world_close(&w);
}

TEST(garbage_is_answered_and_the_client_stays)
{
	struct world w;
	int fd;

	world_open(&w);
	fd = connect_client(&w);
	say(fd, "GET / HTTP/1.1\r\n");
	turns(&w, 2);
	assert_non_null(strstr(hear(&w, fd), "\"code\":-32700"));
	say(fd, PING);
	turns(&w, 2);
	assert_string_equal(hear(&w, fd), PONG);
	close(fd);
	world_close(&w);
}

TEST(a_client_that_ends_its_side_still_gets_the_answer)
{
	struct world w;
	int fd;

	world_open(&w);
	fd = connect_client(&w);
	say_bytes(fd, PING, strlen(PING) - 1);
	shutdown(fd, SHUT_WR);
	turns(&w, 4);
	assert_string_equal(hear(&w, fd), PONG);
	assert_string_equal(hear(&w, fd), "end");
	close(fd);
	world_close(&w);
}

/* Sends as much as the socket takes between turns, up to len bytes or until the server closes. */
static size_t pour(struct world *w, int fd, const char *text, size_t len)
{
	size_t sent = 0;

	while (sent < len) {
		ssize_t n = unix_send(fd, text + sent, len - sent, NULL, 0);

		if (n < 0 && n != -EAGAIN)
			break;
		sent += n > 0 ? (size_t)n : 0;
		turns(w, 1);
	}
	return sent;
}

TEST(a_line_over_a_mebibyte_ends_the_connection)
{
	size_t len = 2 * RPC_LINE_MAX;
	char *text = malloc(len);
	struct world w;
	int fd;

	world_open(&w);
	memset(text, 'x', len);
	fd = connect_client(&w);
	assert_true(pour(&w, fd, text, len) < len);
	assert_non_null(strstr(hear(&w, fd), "a request is longer than 1 MiB"));
	assert_string_equal(hear(&w, fd), "end");
	close(fd);
	free(text);
	world_close(&w);
}

TEST(a_line_of_a_mebibyte_is_fine)
{
	static const char head[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc.ping\",\"params\":{\"x\":\"";
	static const char tail[] = "\"}}\n";
	char *text = malloc(RPC_LINE_MAX + 1);
	struct world w;
	int fd;

	world_open(&w);
	memset(text, 'x', RPC_LINE_MAX + 1);
	memcpy(text, head, sizeof(head) - 1);
	memcpy(text + RPC_LINE_MAX + 2 - sizeof(tail), tail, sizeof(tail) - 1);
	fd = connect_client(&w);
	assert_int_equal(pour(&w, fd, text, RPC_LINE_MAX + 1), RPC_LINE_MAX + 1);
	turns(&w, 40);
	assert_string_equal(hear(&w, fd), PONG);
	close(fd);
	free(text);
	world_close(&w);
}

TEST(a_client_that_does_not_read_is_closed_and_others_are_not)
{
	static const char request[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"large\",\"params\":{\"len\":1000000}}\n";
	struct world w;
	int slow, other;

	world_open(&w);
	slow = connect_client(&w);
	other = connect_client(&w);
	for (int i = 0; i < 6; i++) {
		say(slow, request);
		turns(&w, 2);
	}
	say(other, PING);
	turns(&w, 2);
	assert_string_equal(hear(&w, other), PONG);
	for (int i = 0; i < 6; i++) {
		if (unix_send(slow, request, strlen(request), NULL, 0) < 0)
			break;
		turns(&w, 2);
	}
	assert_int_equal(unix_send(slow, PING, strlen(PING), NULL, 0), -EPIPE);
	say(other, PING);
	turns(&w, 2);
	assert_string_equal(hear(&w, other), PONG);
	close(slow);
	close(other);
	world_close(&w);
}

TEST(a_flood_of_requests_does_not_starve_another_client)
{
	char flood[400 * 60];
	size_t len = 0;
	struct world w;
	int noisy, quiet;

	world_open(&w);
	noisy = connect_client(&w);
	quiet = connect_client(&w);
	for (int i = 0; i < 400; i++)
		len += (size_t)sprintf(flood + len, PING);
	say_bytes(noisy, flood, len);
	say(quiet, PING);
	turns(&w, 2);
	assert_string_equal(hear(&w, quiet), PONG);
	hear(&w, noisy);
	assert_true(strlen(w.text) < 400 * strlen(PONG));
	turns(&w, 40);
	len = strlen(w.text);
	while (*hear(&w, noisy))
		len += strlen(w.text);
	assert_int_equal(len, 400 * strlen(PONG));
	close(noisy);
	close(quiet);
	world_close(&w);
}

TEST(descriptors_that_come_along_are_closed)
{
	struct world w;
	int fd, pipe_fds[2];
	char byte;

	world_open(&w);
	fd = connect_client(&w);
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(unix_send(fd, PING, strlen(PING), &pipe_fds[1], 1), strlen(PING));
	close(pipe_fds[1]);
	turns(&w, 2);
	assert_string_equal(hear(&w, fd), PONG);
	assert_int_equal(read(pipe_fds[0], &byte, 1), 0);
	close(pipe_fds[0]);
	close(fd);
	world_close(&w);
}

TEST(more_clients_than_there_is_room_for_are_told_so)
{
	int fds[SERVER_CLIENTS_MAX + 1];
	struct world w;

	world_open(&w);
	for (int i = 0; i <= SERVER_CLIENTS_MAX; i++)
		fds[i] = connect_client(&w);
	assert_non_null(strstr(hear(&w, fds[SERVER_CLIENTS_MAX]), "too many clients"));
	say(fds[0], PING);
	turns(&w, 2);
	assert_string_equal(hear(&w, fds[0]), PONG);
	for (int i = 0; i <= SERVER_CLIENTS_MAX; i++)
		close(fds[i]);
	turns(&w, 4);
	fds[0] = connect_client(&w);
	say(fds[0], PING);
	turns(&w, 2);
	assert_string_equal(hear(&w, fds[0]), PONG);
	close(fds[0]);
	world_close(&w);
}

TEST(a_live_socket_is_not_taken_and_a_stale_one_is)
{
	struct ctl_server *second;
	struct world w;
	int fd;

	world_open(&w);
	assert_int_equal(ctl_server_start(&second, w.loop, w.ctl, w.path), -EADDRINUSE);
	ctl_server_stop(w.server);
	fd = unix_listen(w.path, 0600, 1);
	close(fd);
	assert_int_equal(ctl_server_start(&w.server, w.loop, w.ctl, w.path), 0);
	world_close(&w);
}

TEST(a_socket_file_of_somebody_else_is_left_alone)
{
	struct world w;
	int fd;

	world_open(&w);
	assert_int_equal(unlink(w.path), 0);
	fd = unix_listen(w.path, 0600, 1);
	assert_true(fd >= 0);
	ctl_server_stop(w.server);
	assert_int_equal(access(w.path, F_OK), 0);
	close(fd);
	assert_int_equal(ctl_server_start(&w.server, w.loop, w.ctl, w.path), 0);
	world_close(&w);
}

TEST(the_same_user_and_root_are_admitted)
{
	assert_true(ctl_server_admits(1000, 1000));
	assert_true(ctl_server_admits(0, 1000));
	assert_false(ctl_server_admits(1001, 1000));
	assert_false(ctl_server_admits(1000, 0));
}

/* Runs in a child as another user; 0 when the server refused with a sentence. */
static int try_as_nobody(const char *path)
{
	char text[512] = "";
	struct unix_cargo cargo = {0};
	int fd;

	if (setgid(65534) || setuid(65534))
		return 2;
	fd = unix_connect(path);
	if (fd < 0)
		return 3;
	for (int i = 0; i < 200 && !*text; i++) {
		unix_recv(fd, text, sizeof(text) - 1, &cargo);
		usleep(10000);
	}
	return strstr(text, "user 65534 may not control this daemon: become user 0 or root") ? 0 : 4;
}

TEST(another_user_is_refused_with_a_sentence)
{
	struct world w;
	pid_t child;
	int status;

	if (geteuid() != 0)
		skip();
	world_open(&w);
	chmod(w.path, 0666);
	chmod(w.api_dir, 0755);
	chmod(w.dir, 0755);
	child = fork();
	if (child == 0)
		_exit(try_as_nobody(w.path));
	while (waitpid(child, &status, WNOHANG) == 0)
		assert_int_equal(loop_turn(w.loop, 10 * NS_PER_MS), 0);
	assert_int_equal(status, 0);
	world_close(&w);
}

/* A table with one command that takes its caller's connection. */
struct taker {
	struct ctl_server *server;
	int fd;
};

static void take(void *arg, int fd)
{
	((struct taker *)arg)->fd = fd;
}

static int run_take(struct ctl_call *call)
{
	struct taker *t = call->subject;

	call->result = json_boolean(ctl_server_pass_on(t->server, take, t));
	return 0;
}

static const struct ctl_command take_rows[] = {{"take", "Take the connection", run_take, NULL}, {0}};
static const struct ctl_table take_table = {take_rows};

TEST(a_command_may_take_its_connection_after_the_answer)
{
	struct taker taker = {.fd = -1};
	struct ctl_answer answer;
	struct world w;
	int fd, other;

	world_open(&w);
	ctl_add_table(w.ctl, &take_table, &taker);
	taker.server = w.server;
	other = connect_client(&w);
	fd = connect_client(&w);
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"take\"}\n" PING);
	turns(&w, 2);
	assert_string_equal(hear(&w, fd), "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":true}\n");
	assert_true(taker.fd >= 0);
	say(fd, PING);
	turns(&w, 4);
	assert_string_equal(hear(&w, fd), ""); /* nobody answers there any more */
	assert_int_equal(unix_send(taker.fd, "mine", 4, NULL, 0), 4);
	assert_string_equal(hear(&w, fd), "mine");
	say(other, PING);
	turns(&w, 2);
	assert_string_equal(hear(&w, other), PONG);
	ctl_run_line(w.ctl, "take", NULL, &answer); /* over no connection */
	assert_true(json_is_false(answer.result));
	ctl_answer_free(&answer);
	close(taker.fd);
	close(fd);
	close(other);
	world_close(&w);
}

TEST(a_server_goes_on_with_a_socket_that_listens_already)
{
	struct parcel parcel = {.fds = (int[2]){0}, .size = 2};
	struct ctl_server *next;
	struct loop *loop;
	struct world w;
	json_t *saved;
	int fd, before;

	world_open(&w);
	assert_int_equal(loop_create(&loop), 0);
	before = connect_client(&w);
	say(before, PING "{\"jsonrpc\":\"2.0\",\"id\":1,\"me");
	turns(&w, 2);
	assert_string_equal(hear(&w, before), PONG);
	saved = ctl_server_save(w.server, &parcel);
	for (int i = 0; i < 2; i++)
		parcel.fds[i] = dup(parcel.fds[i]); /* as they would arrive elsewhere */
	say(before, "thod\":\"rpc.ping\"}\n");
	fd = unix_connect(w.path); /* nobody has accepted it yet */
	say(fd, PING);
	assert_int_equal(ctl_server_restore(&next, loop, w.ctl, w.path, saved, &parcel), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(parcel.fds[i], -1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(loop_turn(loop, 0), 0);
	assert_string_equal(hear(&w, fd), PONG);
	assert_string_equal(hear(&w, before), PONG);
	ctl_server_stop(next);
	assert_int_equal(access(w.path, F_OK), -1);
	assert_string_equal(hear(&w, fd), "end");
	loop_destroy(loop);
	json_decref(saved);
	close(fd);
	close(before);
	world_close(&w);
}

/* The predecessor holds the same connection a little longer, so closing ours alone would leave it under watch. */
TEST(a_client_that_leaves_its_new_server_is_forgotten)
{
	struct parcel parcel = {.fds = (int[2]){0}, .size = 2};
	struct ctl_server *next;
	struct loop *loop;
	struct world w;
	json_t *saved;
	int before;

	world_open(&w);
	assert_int_equal(loop_create(&loop), 0);
	before = connect_client(&w);
	turns(&w, 2);
	saved = ctl_server_save(w.server, &parcel);
	for (int i = 0; i < 2; i++)
		parcel.fds[i] = dup(parcel.fds[i]);
	assert_int_equal(ctl_server_restore(&next, loop, w.ctl, w.path, saved, &parcel), 0);
	close(before);
	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_turn(loop, 0), 0);
	ctl_server_stop(next);
	loop_destroy(loop);
	json_decref(saved);
	world_close(&w);
}

TEST(a_server_at_another_path_starts_anew)
{
	struct parcel parcel = {.fds = (int[1]){0}, .size = 1};
	struct ctl_server *next;
	char path[80];
	struct world w;
	json_t *saved;
	int fd;

	world_open(&w);
	saved = ctl_server_save(w.server, &parcel);
	snprintf(path, sizeof(path), "%s/other.sock", w.api_dir);
	assert_int_equal(ctl_server_restore(&next, w.loop, w.ctl, path, saved, &parcel), 0);
	assert_int_not_equal(parcel.fds[0], -1); /* left to whoever owns the parcel */
	fd = unix_connect(path);
	say(fd, PING);
	turns(&w, 3);
	assert_string_equal(hear(&w, fd), PONG);
	ctl_server_stop(next);
	json_decref(saved);
	close(fd);
	world_close(&w);
}

#define SLOW "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"slow\"}\n"
#define DONE "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"sum\":\"all\",\"words\":[]}}\n"

TEST(an_answer_that_comes_later_holds_up_nobody)
{
	struct slow slow = {0};
	struct world w;
	int fd, other;

	world_open(&w);
	ctl_add_table(w.ctl, &slow_table, &slow);
	fd = connect_client(&w);
	other = connect_client(&w);
	say(fd, SLOW PING);
	say(other, PING);
	turns(&w, 3);
	assert_string_equal(hear(&w, fd), PONG);
	assert_string_equal(hear(&w, other), PONG);
	slow_end(&slow, 0, NULL);
	turns(&w, 1);
	assert_string_equal(hear(&w, fd), DONE);
	close(fd);
	close(other);
	world_close(&w);
}

TEST(a_client_that_goes_away_ends_what_it_waits_for)
{
	struct slow slow = {0};
	struct world w;
	int fd;

	world_open(&w);
	ctl_add_table(w.ctl, &slow_table, &slow);
	fd = connect_client(&w);
	say(fd, SLOW SLOW);
	turns(&w, 2);
	assert_int_equal(slow.n_begun, 2);
	close(fd);
	turns(&w, 3);
	assert_int_equal(slow.n_stopped, 2);
	world_close(&w);
}

TEST(a_client_that_ends_its_side_still_gets_what_comes_later)
{
	struct slow slow = {0};
	struct world w;
	int fd;

	world_open(&w);
	ctl_add_table(w.ctl, &slow_table, &slow);
	fd = connect_client(&w);
	say(fd, SLOW);
	shutdown(fd, SHUT_WR);
	turns(&w, 5);
	assert_int_equal(slow.n_stopped, 0);
	slow_end(&slow, 0, NULL);
	turns(&w, 2);
	assert_string_equal(hear(&w, fd), DONE);
	assert_string_equal(hear(&w, fd), "end");
	close(fd);
	world_close(&w);
}

TEST(a_client_that_does_not_read_what_comes_later_is_closed)
{
	static char word[1024 * 1024];
	struct slow slow = {0};
	struct world w;
	int fd;

	world_open(&w);
	ctl_add_table(w.ctl, &slow_table, &slow);
	fd = connect_client(&w);
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"cli.exec\",\"params\":{\"line\":\"slow\","
		"\"parts\":true}}\n");
	turns(&w, 2);
	memset(word, 'x', sizeof(word) - 1);
	for (int i = 0; i < SERVER_UNREAD_MAX / (1024 * 1024) + 2; i++)
		slow_say(&slow, 0, word);
	turns(&w, 2);
	assert_int_equal(slow.n_stopped, 1);
	close(fd);
	world_close(&w);
}

TEST(a_server_that_stops_ends_what_its_clients_wait_for)
{
	struct slow slow = {0};
	struct world w;
	int fd;

	world_open(&w);
	ctl_add_table(w.ctl, &slow_table, &slow);
	fd = connect_client(&w);
	say(fd, SLOW);
	turns(&w, 2);
	world_close(&w);
	assert_int_equal(slow.n_stopped, 1);
	close(fd);
}

TEST(what_would_come_later_comes_before_another_server_goes_on)
{
	struct parcel parcel = {.fds = (int[2]){0}, .size = 2};
	struct slow slow = {0};
	struct ctl_server *next;
	struct world w;
	json_t *saved;
	int fd;

	world_open(&w);
	ctl_add_table(w.ctl, &slow_table, &slow);
	fd = connect_client(&w);
	say(fd, SLOW);
	turns(&w, 2);
	saved = ctl_server_save(w.server, &parcel);
	assert_int_equal(slow.n_stopped, 1);
	for (int i = 0; i < 2; i++)
		parcel.fds[i] = dup(parcel.fds[i]);
	assert_int_equal(ctl_server_restore(&next, w.loop, w.ctl, w.path, saved, &parcel), 0);
	turns(&w, 3);
	assert_string_equal(hear(&w, fd), DONE DONE); /* the old one was not ended here as it would be */
	ctl_server_stop(next);
	json_decref(saved);
	close(fd);
	world_close(&w);
}

TESTS(cmocka_unit_test(an_answer_that_comes_later_holds_up_nobody),
	cmocka_unit_test(a_client_that_goes_away_ends_what_it_waits_for),
	cmocka_unit_test(a_client_that_ends_its_side_still_gets_what_comes_later),
	cmocka_unit_test(a_client_that_does_not_read_what_comes_later_is_closed),
	cmocka_unit_test(a_server_that_stops_ends_what_its_clients_wait_for),
	cmocka_unit_test(what_would_come_later_comes_before_another_server_goes_on),
	cmocka_unit_test(a_server_at_another_path_starts_anew),
	cmocka_unit_test(a_command_may_take_its_connection_after_the_answer),
	cmocka_unit_test(a_server_goes_on_with_a_socket_that_listens_already),
	cmocka_unit_test(a_client_that_leaves_its_new_server_is_forgotten),
	cmocka_unit_test(only_the_owner_may_open_the_socket),
	cmocka_unit_test(a_request_may_come_byte_by_byte),
	cmocka_unit_test(two_requests_in_one_write_get_two_answers_in_order),
	cmocka_unit_test(garbage_is_answered_and_the_client_stays),
	cmocka_unit_test(a_client_that_ends_its_side_still_gets_the_answer),
	cmocka_unit_test(a_line_over_a_mebibyte_ends_the_connection),
	cmocka_unit_test(a_line_of_a_mebibyte_is_fine),
	cmocka_unit_test(a_client_that_does_not_read_is_closed_and_others_are_not),
	cmocka_unit_test(a_flood_of_requests_does_not_starve_another_client),
	cmocka_unit_test(descriptors_that_come_along_are_closed),
	cmocka_unit_test(more_clients_than_there_is_room_for_are_told_so),
	cmocka_unit_test(a_live_socket_is_not_taken_and_a_stale_one_is),
	cmocka_unit_test(a_socket_file_of_somebody_else_is_left_alone),
	cmocka_unit_test(the_same_user_and_root_are_admitted),
	cmocka_unit_test(another_user_is_refused_with_a_sentence))
