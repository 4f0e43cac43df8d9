/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands - lines and JSON-RPC requests of any bytes, with the words of a table of commands among them. Each is
 * answered: a line by a result or a sentence that can be printed, a request by JSON or, if it is a notification, not at
 * all.
 */
#include "fuzz.h"

#include "ctl/complete.h"
#include "ctl/example.h"
#include "ctl/rpc.h"

#include <stdlib.h>

#define TEXT_MAX 8192

/* What a byte beyond ASCII stands for. */
static const char *const words[] = {"create ", "delete ", "set ", "show ", "interface ", "state ", "tap0 ",
	"tap1 ", "bridge-domain ", "l2 ", "bridge ", "bvi ", "rx-mode ", "queue ", "polling ", "addr ",
	"vhost-user ", "socket ", "hwaddr ", "02:fe:00:00:00:01 ", "feature-mask ", "0x10 ", "4294967295 ",
	"4294967296 ", "learn ", "off ", "say ", "? ", "help ", "tag ", "\"", "\\", "{\"jsonrpc\":\"2.0\",",
	"\"id\":1,", "\"id\":", "\"method\":\"", "\",\"params\":{", "cli.exec", "cli.complete", "cli.help",
	"rpc.discover", "rpc.ping", "create.bridge-domain", "show.interface", "\"line\":\"",
	"\"format\":\"text\"", "\"format\":\"json\"", "\"bridge-domain\":", "\"interface\":\"tap0\"", "}}",
	"}", "{", "[", "]", ",", "null", "true"};

static struct example world = {.ports = {"tap0", "tap1", "VirtualEthernet0/0/0"}};

/* Words of the table and bytes of the input; ends with a zero byte. */
static size_t some_text(struct fuzz *f, char *text)
{
	size_t len = 0;

	while (!fuzz_over(f) && len < TEXT_MAX - 64) {
		uint8_t byte = fuzz_u8(f);

		if (byte < 128) {
			text[len++] = (char)byte;
		} else {
			const char *word = words[(byte - 128u) % ARRAY_LEN(words)];

			memcpy(text + len, word, strlen(word));
			len += strlen(word);
		}
	}
	text[len] = 0;
	return len;
}

static void check_sentence(const char *text)
{
	ASSERT(*text);
	for (; *text; text++)
		ASSERT((uint8_t)*text >= ' ' && *text != 0x7f);
}

static void run_line(struct ctl *ctl, const char *line)
{
	struct ctl_answer answer;
	char *printed = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&printed, &len);

	ASSERT(out);
	ctl_run_line(ctl, line, "/nowhere", &answer);
	if (answer.status == CTL_DONE)
		ctl_answer_print(&answer, out);
	else
		check_sentence(answer.error);
	ctl_answer_free(&answer);
	fclose(out);
	free(printed);
}

static void complete(struct ctl *ctl, const char *line)
{
	json_t *there = ctl_complete(ctl, line, "/nowhere");

	ASSERT(json_is_object(there));
	json_decref(there);
}

/* In a block of exactly this length: a request need not end with a zero byte. */
static void ask(struct ctl *ctl, const char *text, size_t len)
{
	char *request = malloc(len + 1), *answer;
	json_t *parsed;

	ASSERT(request);
	memcpy(request + 1, text, len);
	answer = rpc_answer(ctl, request + 1, len, NULL);
	free(request);
	if (!answer)
		return;
	parsed = json_loads(answer, 0, NULL);
	ASSERT(json_is_object(parsed) || json_is_array(parsed));
	json_decref(parsed);
	free(answer);
}

/* The example without the command whose answer is as long as one likes. */
static struct ctl *make_ctl(void)
{
	static struct ctl_command commands[ARRAY_LEN(example_commands)];
	static const struct ctl_table table = {.commands = commands};
	struct ctl *ctl;
	size_t n = 0;

	for (size_t i = 0; i + 1 < ARRAY_LEN(example_commands); i++)
		if (example_commands[i].run != example_large)
			commands[n++] = example_commands[i];
	ASSERT(ctl_create(&ctl) == 0);
	ctl_add_type(ctl, &example_port_type, &world);
	ctl_add_table(ctl, &table, &world);
	return ctl;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct ctl *ctl;
	static char text[TEXT_MAX];
	struct fuzz f = fuzz_begin(data, len);
	uint8_t how = fuzz_u8(&f);
	size_t text_len = some_text(&f, text);

	if (!ctl)
		ctl = make_ctl();
	if (strchr(text, '/')) /* no files of this machine */
		return 0;
	if (how % 4 == 0)
		complete(ctl, text);
	else if (how % 4 == 1)
		run_line(ctl, text);
	else
		ask(ctl, text, text_len);
	return 0;
}
