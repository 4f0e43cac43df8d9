/* SPDX-License-Identifier: Apache-2.0 */
/* dns - queries of which only the first bytes are here; what is said to be one has a name that can be written down. */
#include "fuzz.h"

#include "wire/dns.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint32_t here = len > 0 ? (uint32_t)(len - 1) : 0, more = len > 0 ? data[0] : 0, end = 0;
	uint8_t *exact = malloc(here + 1);
	char text[DNS_NAME_MAX + 1];

	ASSERT(exact);
	if (here > 0)
		memcpy(exact + 1, data + 1, here);
	if (dns_is_query(exact + 1, here, here + more)) {
		enum dns_name name = dns_name_check(exact + 1 + DNS_HEADER_LEN, here - DNS_HEADER_LEN, &end);

		ASSERT(name != DNS_NAME_BAD && (name == DNS_NAME_OK || more > 0));
		if (name == DNS_NAME_OK) {
			ASSERT(end >= 1 && end <= DNS_NAME_MAX);
			dns_name_text(text, exact + 1 + DNS_HEADER_LEN);
			ASSERT(strlen(text) < DNS_NAME_MAX);
		}
	}
	free(exact);
	return 0;
}
