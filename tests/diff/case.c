/* SPDX-License-Identifier: Apache-2.0 */
#include "case.h"

uint64_t case_rng_next(uint64_t *s)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* Values where integer instructions change their mind. */
static uint64_t int_corner(uint64_t r)
{
	switch (r & 15) {
	case 0:
		return 0;
	case 1:
		return 1;
	case 2:
		return ~0ull;
	case 3:
		return 0x7fffffffull;
	case 4:
		return 0x80000000ull;
	case 5:
		return 0xffffffffull;
	case 6:
		return 0x7fffffffffffffffull;
	case 7:
		return 0x8000000000000000ull;
	case 8:
		return 0xffffffff80000000ull;
	case 9:
		return 0xffffffff00000000ull;
	case 10:
		return 1ull << ((r >> 4) & 63);
	case 11:
		return ~(1ull << ((r >> 4) & 63));
	default:
		return (uint64_t)(int64_t)(int8_t)(r >> 4);
	}
}

static uint64_t int_value(uint64_t *s)
{
	uint64_t r = case_rng_next(s);
	uint64_t k = case_rng_next(s);

	switch (k & 7) {
	case 0:
	case 1:
		return int_corner(r);
	case 2:
		return r >> ((k >> 3) & 63);
	case 3:
		return (uint64_t)((int64_t)r >> ((k >> 3) & 63));
	default:
		return r;
	}
}

/* An IEEE value of @ebits exponent and @mbits fraction bits, most of them interesting. */
static uint64_t fp_value(uint64_t *s, unsigned ebits, unsigned mbits)
{
	uint64_t r = case_rng_next(s);
	uint64_t k = case_rng_next(s);
	uint64_t emax = (1ull << ebits) - 1;
	uint64_t bias = emax >> 1;
	uint64_t mmask = (1ull << mbits) - 1;
	uint64_t sign = (k >> 60) & 1;
	uint64_t e, m = r & mmask;

	switch (k & 15) {
	case 0: /* zero */
		e = 0;
		m = 0;
		break;
	case 1: /* denormal, any size */
		e = 0;
		m >>= (k >> 8) % mbits;
		break;
	case 2: /* infinity */
		e = emax;
		m = 0;
		break;
	case 3: /* NaN, quiet or signalling */
		e = emax;
		m |= 1;
		break;
	case 4: /* largest and smallest normals */
		e = (k & 256) ? emax - 1 : 1;
		m = (k & 512) ? mmask : (k & 1024) ? 0 : m;
		break;
	case 5: /* near the underflow edge of products and conversions */
		e = bias / 2 + ((k >> 8) & 31) % (bias / 2);
		break;
	case 6: /* small whole numbers and halves */
	case 7:
		e = bias + ((k >> 8) & 7) - 1;
		m &= ~(mmask >> ((k >> 16) & 3));
		break;
	case 8: /* near the limits of the integer conversions */
		e = bias + 7 + ((k >> 8) % 58);
		if (e >= emax)
			e = emax - 1;
		m = (k & 65536) ? m : (k & 131072) ? mmask : 0;
		break;
	case 9: /* whole bits pattern */
		return r & (~0ull >> (63 - ebits - mbits));
	default: /* values of like size, so that sums cancel and round */
		e = bias + ((k >> 8) % 9) - 4;
		if (k & 65536)
			m &= mmask << (mbits / 2);
		break;
	}
	return sign << (ebits + mbits) | e << mbits | m;
}

static uint64_t vec_half(uint64_t *s, unsigned kind)
{
	uint64_t a;

	if (kind == CASE_V_MIXED)
		kind = (unsigned)(case_rng_next(s) & 3);
	switch (kind) {
	case CASE_V_HALF:
		a = fp_value(s, 5, 10);
		a |= fp_value(s, 5, 10) << 16;
		a |= fp_value(s, 5, 10) << 32;
		return a | fp_value(s, 5, 10) << 48;
	case CASE_V_SINGLE:
		a = fp_value(s, 8, 23);
		return a | fp_value(s, 8, 23) << 32;
	case CASE_V_DOUBLE:
		return fp_value(s, 11, 52);
	default:
		return int_value(s);
	}
}

void case_state_init(const struct case_desc *d, struct cpu_state *st, uint64_t *win)
{
	uint64_t s = d->seed;
	uint64_t r;

	for (int i = 0; i < 31; i++)
		st->x[i] = int_value(&s);
	st->sp = CASE_WIN_BASE + 256;
	r = case_rng_next(&s);
	st->nzcv = (uint32_t)(r & 15) << 28;
	/* AHP, DN, FZ, RMode; half of the cases run with the default. */
	st->fpcr = (r & 16) ? (uint32_t)((r >> 5) & 31) << 22 : 0;
	st->fpsr = (r & 4096) ? (uint32_t)((r >> 16) & 0x0800009f) : 0;
	st->pad = 0;
	for (int i = 0; i < 32; i++) {
		st->v[i][0] = vec_half(&s, d->vkind);
		st->v[i][1] = vec_half(&s, d->vkind);
	}
	for (unsigned i = 0; i < d->nset; i++) {
		if (d->set_reg[i] == CASE_REG_SP)
			st->sp = d->set_val[i];
		else
			st->x[d->set_reg[i]] = d->set_val[i];
	}
	if (!win)
		return;
	for (unsigned i = 0; i < CASE_WIN_SIZE / 8; i++)
		win[i] = case_rng_next(&s);
}

static uint64_t mix(uint64_t h, uint64_t w)
{
	h = (h ^ w) * 0xff51afd7ed558ccdull;
	return h ^ (h >> 31);
}

uint64_t case_state_hash(const struct cpu_state *st, const uint64_t *win)
{
	const uint64_t *p = (const uint64_t *)(const void *)st;
	uint64_t h = 0x6f75747269676765ull;

	for (unsigned i = 0; i < sizeof(*st) / 8; i++)
		h = mix(h, p[i]);
	for (unsigned i = 0; i < CASE_WIN_SIZE / 8; i++)
		h = mix(h, win[i]);
	return h;
}
