/* SPDX-License-Identifier: Apache-2.0 */
/* pcap_read - a capture file of any bytes: every frame lies within it, and reading it ends. */
#include "fuzz.h"

#include "wire/pcap_read.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *exact = malloc(len + 1);
	struct pcap_reader r;
	struct pcap_read_frame f;
	enum pcap_read what;
	size_t before = 0, n = 0;

	ASSERT(exact);
	if (len > 0)
		memcpy(exact + 1, data, len);
	what = pcap_read_begin(&r, exact + 1, len);
	while (what == PCAP_READ_OK && (what = pcap_read_next(&r, &f)) == PCAP_READ_OK) {
		ASSERT(f.bytes >= exact + 1 && f.bytes + f.len <= exact + 1 + len);
		ASSERT(r.at > before && r.at <= len && n++ <= len / 16);
		before = r.at;
	}
	ASSERT(*pcap_read_text(what) || what == PCAP_READ_END);
	free(exact);
	return 0;
}
