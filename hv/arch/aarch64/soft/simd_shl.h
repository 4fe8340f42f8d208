/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Lane shifts by a signed count (negative: right), with rounding and saturation. Lanes come extended to 64 bits;
 * results are cut to the lane by the caller. */
#include <stdbool.h>
#include <stdint.h>

/** shl_signed, shl_unsigned - @x shifted left by @n, or right by -@n, @round adding half of the last place. */
static inline int64_t shl_signed(int64_t x, int n, bool round)
{
	if (n >= 0)
		return n > 63 ? 0 : (int64_t)((uint64_t)x << n);
	n = -n;
	if (n > 63) /* half plus any value is below one */
		return round ? 0 : x >> 63;
	return (x >> n) + (round ? x >> (n - 1) & 1 : 0);
}

static inline uint64_t shl_unsigned(uint64_t x, int n, bool round)
{
	if (n >= 0)
		return n > 63 ? 0 : x << n;
	n = -n;
	if (n > 63)
		return round && n == 64 ? x >> 63 : 0;
	return (x >> n) + (round ? x >> (n - 1) & 1 : 0);
}

/** shl_signed_overflows, shl_unsigned_overflows - whether @x << @n leaves a lane of @bits bits. */
static inline bool shl_signed_overflows(int64_t x, int n, unsigned bits)
{
	if (n <= 0 || x == 0)
		return false;
	if (n >= (int)bits)
		return true;
	int64_t top = x >> ((int)bits - 1 - n); /* all sign bits, or something is lost */
	return top != 0 && top != -1;
}

static inline bool shl_unsigned_overflows(uint64_t x, int n, unsigned bits)
{
	if (n <= 0 || x == 0)
		return false;
	return n >= (int)bits || x >> ((int)bits - n) != 0;
}

/** shl_signed_sat, shl_unsigned_sat - saturating forms. */
static inline int64_t shl_signed_sat(int64_t x, int n, unsigned bits, bool round)
{
	if (!shl_signed_overflows(x, n, bits))
		return shl_signed(x, n, round);
	int64_t max = (int64_t)(UINT64_MAX >> (65 - bits));
	return x < 0 ? -max - 1 : max;
}

static inline uint64_t shl_unsigned_sat(uint64_t x, int n, unsigned bits, bool round)
{
	if (!shl_unsigned_overflows(x, n, bits))
		return shl_unsigned(x, n, round);
	return UINT64_MAX >> (64 - bits);
}
