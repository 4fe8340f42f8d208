/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/host/net/csum.h"
#include <string.h>

uint16_t csum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffffu) + (sum >> 32);
	sum = (sum & 0xffffffffu) + (sum >> 32);
	sum = (sum & 0xffffu) + (sum >> 16);
	sum = (sum & 0xffffu) + (sum >> 16);
	return (uint16_t)((sum & 0xffffu) + (sum >> 16));
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, 8);
	return v;
}

uint64_t csum_bytes(const void *p, size_t n)
{
	/* Two chains of add and add-with-carry: a whole word a cycle each. */
	unsigned __int128 a = 0, b = 0;
	const uint8_t *at = p;
	for (; n >= 32; n -= 32, at += 32) {
		a += load64(at);
		b += load64(at + 8);
		a += load64(at + 16);
		b += load64(at + 24);
	}
	for (; n >= 8; n -= 8, at += 8)
		a += load64(at);
	uint64_t last = 0;
	memcpy(&last, at, n); /* what is missing counts as zeros */
	b += last;
	uint64_t sum = csum_add((uint64_t)a, (uint64_t)(a >> 64));
	return csum_add(sum, csum_add((uint64_t)b, (uint64_t)(b >> 64)));
}

uint64_t csum_iov(const struct iovec *iov, unsigned n, size_t skip)
{
	uint64_t sum = 0;
	size_t done = 0;
	for (unsigned i = 0; i < n; i++) {
		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		uint64_t part =
			csum_bytes((const uint8_t *)iov[i].iov_base + skip, iov[i].iov_len - skip);
		sum = csum_add(sum, done & 1 ? csum_odd(part) : part);
		done += iov[i].iov_len - skip;
		skip = 0;
	}
	return sum;
}
