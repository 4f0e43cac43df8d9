/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds the files of a folder to a target, in the order of their names, and an input without a byte. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* libFuzzer's limit where a corpus has no longer one. */
#define INPUT_MAX 4096

static void feed(const char *folder, const char *name)
{
	static uint8_t bytes[INPUT_MAX];
	char path[512];
	uint8_t *input;
	size_t len;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	if (!file) {
		perror(path);
		exit(1);
	}
	len = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	/* a copy of exactly this length: the target must not read beyond */
	input = malloc(len + 1);
	ASSERT(input);
	memcpy(input + 1, bytes, len);
	fprintf(stderr, "%s\n", name);
	LLVMFuzzerTestOneInput(input + 1, len);
	free(input);
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	int n = argc == 2 ? scandir(argv[1], &entries, is_input, alphasort) : -1;

	if (n <= 0) {
		fprintf(stderr, "usage: %s FOLDER-WITH-INPUTS\n", argv[0]);
		return 1;
	}
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 0; i < n; i++) {
		feed(argv[1], entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	printf("%d inputs\n", n);
	return 0;
}
