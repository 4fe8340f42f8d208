/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/arch/aarch64/soft/flags.h"

static uint32_t nz64(uint64_t r)
{
	return (r >> 63 ? 8u : 0) | (r == 0 ? 4u : 0);
}

static uint32_t nz32(uint32_t r)
{
	return (r >> 31 ? 8u : 0) | (r == 0 ? 4u : 0);
}

static uint32_t sub64(uint64_t a, uint64_t b)
{
	uint64_t r = a - b;
	return nz64(r) | (a >= b ? 2u : 0) | (uint32_t)(((a ^ b) & (a ^ r)) >> 63);
}

static uint32_t sub32(uint32_t a, uint32_t b)
{
	uint32_t r = a - b;
	return nz32(r) | (a >= b ? 2u : 0) | ((a ^ b) & (a ^ r)) >> 31;
}

static uint32_t add64(uint64_t a, uint64_t b)
{
	uint64_t r = a + b;
	return nz64(r) | (r < a ? 2u : 0) | (uint32_t)((~(a ^ b) & (a ^ r)) >> 63);
}

static uint32_t add32(uint32_t a, uint32_t b)
{
	uint32_t r = a + b;
	return nz32(r) | (r < a ? 2u : 0) | (~(a ^ b) & (a ^ r)) >> 31;
}

uint32_t flags_nzcv(const struct cpu *c)
{
	uint64_t a = c->fl_a, b = c->fl_b;

	switch ((enum flag_kind)c->fl_kind) {
	case FL_NZCV:
		return (uint32_t)a & 0xf0000000u;
	case FL_SUB64:
		return sub64(a, b) << 28;
	case FL_SUB32:
		return sub32((uint32_t)a, (uint32_t)b) << 28;
	case FL_ADD64:
		return add64(a, b) << 28;
	case FL_ADD32:
		return add32((uint32_t)a, (uint32_t)b) << 28;
	case FL_LOG64:
		return nz64(a) << 28;
	case FL_LOG32:
		return nz32((uint32_t)a) << 28;
	}
	return 0;
}

bool flags_cond(const struct cpu *c, unsigned cond)
{
	uint32_t f = flags_nzcv(c) >> 28;
	bool n = f & 8, z = f & 4, cy = f & 2, v = f & 1, r;

	switch (cond >> 1) {
	case 0:
		r = z;
		break;
	case 1:
		r = cy;
		break;
	case 2:
		r = n;
		break;
	case 3:
		r = v;
		break;
	case 4:
		r = cy && !z;
		break;
	case 5:
		r = n == v;
		break;
	case 6:
		r = n == v && !z;
		break;
	default:
		return true; /* AL and NV */
	}
	return (cond & 1) ? !r : r;
}
