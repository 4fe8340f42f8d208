/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Writing V registers. Always by one 16-byte store: the next operation often loads all 16 bytes, and hosts forward a
 * store to a load only if one store covers it.
 */
#include <string.h>
#include "hv/arch/aarch64/soft/cpu.h"

typedef uint64_t vset_t __attribute__((vector_size(16), may_alias));

/** vset - *@d = the two halves. */
static inline void vset(union vreg *d, uint64_t lo, uint64_t hi)
{
	*(vset_t *)d = (vset_t){lo, hi};
}

/** vset_low - *@d = the first @bytes (1, 2, 4, 8 or 16) of @r, zero above. */
static inline void vset_low(union vreg *d, union vreg r, unsigned bytes)
{
	static const vset_t keep[5] = {
		{0xff, 0}, {0xffff, 0}, {0xffffffff, 0}, {~0ull, 0}, {~0ull, ~0ull}};
	vset_t t;

	memcpy(&t, &r, sizeof(t));
	*(vset_t *)d = t & keep[__builtin_ctz(bytes)];
}
