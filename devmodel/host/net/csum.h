/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The Internet checksum (RFC 1071). Sums are kept in the byte order of memory, unfolded in 64 bits: they can be added to each other
 * as long as every piece but the last has an even length, or was turned by csum_odd().
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/** csum_bytes - the sum of @n bytes at @p, any alignment. */
uint64_t csum_bytes(const void *p, size_t n);

/** csum_iov - the sum of all bytes of @iov[@n] from byte @skip on, as if they lay in one piece. */
uint64_t csum_iov(const struct iovec *iov, unsigned n, size_t skip);

/** csum_fold - 16 bits of a sum, not complemented; store it with memcpy. */
uint16_t csum_fold(uint64_t sum);

/** csum_add - the sum of two sums. */
static inline uint64_t csum_add(uint64_t a, uint64_t b)
{
	uint64_t s = a + b;
	return s + (s < b);
}

/** csum_odd - a sum whose bytes begin at an odd place. */
static inline uint64_t csum_odd(uint64_t sum)
{
	return __builtin_bswap16(csum_fold(sum));
}
