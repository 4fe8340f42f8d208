/* SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include "devmodel/core/hash.h"
#include <xxhash.h>

uint64_t dm_hash(const void *buf, size_t len)
{
	return XXH3_64bits(buf, len);
}

uint64_t dm_hash_iov(const struct iovec *iov, unsigned n, uint64_t bytes)
{
	if (n == 1 && iov->iov_len >= bytes)
		return XXH3_64bits(iov->iov_base, (size_t)bytes);
	XXH3_state_t s;
	XXH3_64bits_reset(&s);
	for (unsigned i = 0; i < n && bytes; i++) {
		size_t k = iov[i].iov_len < bytes ? iov[i].iov_len : (size_t)bytes;
		XXH3_64bits_update(&s, iov[i].iov_base, k);
		bytes -= k;
	}
	return XXH3_64bits_digest(&s);
}

uint64_t dm_hash_mix(uint64_t h, const void *buf, size_t len)
{
	return XXH3_64bits_withSeed(buf, len, h);
}
