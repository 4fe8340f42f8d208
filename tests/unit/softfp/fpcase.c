/* SPDX-License-Identifier: Apache-2.0 */
#include "fpcase.h"

/* splitmix64: any number is a good state. */
static uint64_t next(uint64_t *s)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint64_t stream(uint64_t seed, uint64_t n, uint64_t what)
{
	uint64_t s = seed * 0x2545f4914f6cdd1dull + n * 0xd1342543de82ef95ull + what;

	next(&s);
	return s;
}

/* The classes of DDI 0487, C4.1: bits that are fixed, and how often to take the class: in all, in floating point. */
static const struct {
	uint32_t value, mask;
	unsigned weight[2];
} classes[] = {
	{0x0e200400, 0x9f200400, {8, 0}},  /* three same */
	{0x0e20c400, 0x9f20c400, {6, 8}},  /* three same, floating point */
	{0x0e200000, 0x9f200c00, {4, 0}},  /* three different */
	{0x0e200800, 0x9f3e0c00, {6, 0}},  /* two-register miscellaneous */
	{0x0e218800, 0x9f3f8c00, {4, 6}},  /* the same, floating point */
	{0x0e300800, 0x9f3e0c00, {3, 0}},  /* across lanes */
	{0x0e000400, 0x9fe08400, {4, 0}},  /* copy */
	{0x0e000000, 0xbf208c00, {2, 0}},  /* table lookup */
	{0x0e000800, 0xbf208c00, {2, 0}},  /* permute */
	{0x2e000000, 0xbf208400, {1, 0}},  /* extract */
	{0x0f000400, 0x9ff80400, {2, 0}},  /* modified immediate */
	{0x0f000400, 0x9f800400, {6, 0}},  /* shift by immediate */
	{0x0f000000, 0x9f000400, {5, 0}},  /* by element */
	{0x0f800000, 0x9f802400, {3, 4}},  /* by element, floating point sizes */
	{0x5e200400, 0xdf200400, {4, 0}},  /* scalar three same */
	{0x5e20c400, 0xdf20c400, {4, 6}},  /* the same, floating point */
	{0x5e200000, 0xdf200c00, {1, 0}},  /* scalar three different */
	{0x5e200800, 0xdf3e0c00, {3, 0}},  /* scalar two-register miscellaneous */
	{0x5e218800, 0xdf3f8c00, {3, 6}},  /* the same, floating point */
	{0x5e300800, 0xdf3e0c00, {2, 0}},  /* scalar pairwise */
	{0x5e000400, 0xdfe08400, {1, 0}},  /* scalar copy */
	{0x5f000400, 0xdf800400, {3, 0}},  /* scalar shift by immediate */
	{0x5f000000, 0xdf000400, {3, 0}},  /* scalar by element */
	{0x5f800000, 0xdf802400, {2, 4}},  /* the same, floating point */
	{0x7e30c800, 0xff3ecc00, {1, 3}},  /* scalar pairwise, floating point */
	{0x6e30c800, 0xff7ecc00, {1, 3}},  /* across lanes, floating point */
	{0x1e000000, 0x7fa00000, {3, 2}},  /* fixed point */
	{0x1e200000, 0x7fa0fc00, {4, 4}},  /* integer conversions */
	{0x1e260000, 0x7f26fc00, {1, 0}},  /* moves */
	{0x1e204000, 0xff207c00, {5, 8}},  /* one source */
	{0x1e202000, 0xffa0fc07, {3, 4}},  /* compare */
	{0x1e201000, 0xffa01fe0, {1, 0}},  /* immediate */
	{0x1e200400, 0xffa00c00, {2, 2}},  /* conditional compare */
	{0x1e200800, 0xffa00c00, {6, 10}}, /* two sources */
	{0x1e200c00, 0xffa00c00, {1, 0}},  /* conditional select */
	{0x1f000000, 0xff800000, {8, 10}}, /* three sources */
};

static uint32_t class_word(uint64_t *s, bool fp)
{
	unsigned total = 0, pick, i = 0;

	for (unsigned k = 0; k < sizeof(classes) / sizeof(classes[0]); k++)
		total += classes[k].weight[fp];
	pick = (unsigned)(next(s) % total);
	while (pick >= classes[i].weight[fp])
		pick -= classes[i++].weight[fp];
	return classes[i].value | ((uint32_t)next(s) & ~classes[i].mask);
}

uint32_t fp_case_word(uint64_t seed, uint64_t n, enum fp_mix mix)
{
	uint64_t s = stream(seed, n, 1);
	uint32_t w;

	if (mix == FP_MIX_SWEEP)
		return (uint32_t)(n >> 15 & 15) << 28 | 0x0e000000u | (uint32_t)(n & 0x7fff) << 10 |
		       (uint32_t)(next(&s) & 0x3ff);
	if (mix == FP_MIX_WILD && (next(&s) & 1))
		w = ((uint32_t)next(&s) & 0xf1ffffffu) | 0x0e000000u;
	else
		w = class_word(&s, mix == FP_MIX_FLOAT);
	uint64_t same = next(&s);
	if ((same & 15) == 0) /* destination is also an operand */
		w = (w & ~31u) | (w >> 5 & 31);
	else if ((same & 15) == 1 && !(w & 0x01000000u))
		w = (w & ~31u) | (w >> 16 & 31);
	return w;
}

static const uint32_t s_corner[] = {
	0x00000000, 0x00000001, 0x00000002, 0x003fffff, 0x00400000, 0x007fffff, 0x00800000,
	0x00800001, 0x00ffffff, 0x01000000, 0x33000000, 0x33800000, 0x34000000, 0x3effffff,
	0x3f000000, 0x3f000001, 0x3f7fffff, 0x3f800000, 0x3f800001, 0x3fc00000, 0x40000000,
	0x40200000, 0x4affffff, 0x4b000000, 0x4b000001, 0x4effffff, 0x4f000000, 0x4f7fffff,
	0x4f800000, 0x5effffff, 0x5f000000, 0x5f800000, 0x7e800000, 0x7effffff, 0x7f000000,
	0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fa00001, 0x7fbfffff, 0x7fc00000, 0x7fc12345,
	0x7fffffff, 0x477fe000, 0x477fefff, 0x477ff000, 0x387fc000, 0x33800001, 0x38800000,
	0x387fffff, 0x00200000, 0x001fffff, 0x7e7fffff, 0x477fffff, 0x47800000, 0x47ffe000,
};
static const uint64_t d_corner[] = {
	0x0000000000000000, 0x0000000000000001, 0x0007ffffffffffff, 0x0008000000000000,
	0x000fffffffffffff, 0x0010000000000000, 0x0010000000000001, 0x001fffffffffffff,
	0x0020000000000000, 0x3ca0000000000000, 0x3cb0000000000000, 0x3fdfffffffffffff,
	0x3fe0000000000000, 0x3fe0000000000001, 0x3fefffffffffffff, 0x3ff0000000000000,
	0x3ff0000000000001, 0x3ff8000000000000, 0x4000000000000000, 0x4004000000000000,
	0x41dfffffffc00000, 0x41e0000000000000, 0x41dfffffffe00000, 0x41efffffffe00000,
	0x41f0000000000000, 0x432fffffffffffff, 0x4330000000000000, 0x4330000000000001,
	0x43dfffffffffffff, 0x43e0000000000000, 0x43efffffffffffff, 0x43f0000000000000,
	0x7fdfffffffffffff, 0x7fe0000000000000, 0x7fefffffffffffff, 0x7ff0000000000000,
	0x7ff0000000000001, 0x7ff7ffffffffffff, 0x7ff8000000000000, 0x7ff8123456789abc,
	0x7fffffffffffffff, 0x380fffffffffffff, 0x3810000000000000, 0x3690000000000000,
	0x36a0000000000000, 0x36a8000000000000, 0x3690000000000001, 0x47efffffe0000000,
	0x47effffff0000000, 0x47efffffefffffff, 0x47f0000000000000, 0x40effc0000000000,
	0x40effe0000000000, 0x3e60000000000000, 0x3e70000000000000, 0x3f0ff80000000000,
	0x0004000000000000, 0x0003ffffffffffff, 0x7fd0000000000000, 0x7fcfffffffffffff,
};
static const uint16_t h_corner[] = {
	0x0000, 0x0001, 0x0200, 0x03ff, 0x0400, 0x0401, 0x3bff, 0x3c00, 0x3c01, 0x7bff,
	0x7c00, 0x7c01, 0x7dff, 0x7e00, 0x7e01, 0x7fff, 0x00ff, 0xff00, 0x0080, 0x007f,
};

static uint32_t any_s(uint64_t *s)
{
	uint64_t r = next(s);
	uint32_t sign = (uint32_t)(r >> 60 & 1) << 31, f = (uint32_t)r;

	switch (r >> 56 & 7) {
	case 0:
	case 1:
		return sign |
		       s_corner[(r >> 32 & 0xffff) % (sizeof(s_corner) / sizeof(s_corner[0]))];
	case 2: /* near one, so that sums cancel and products stay */
	case 3:
		return sign | (0x3f000000u + (f & 0x01ffffffu));
	case 4: /* within the range of integers */
		return sign | (0x3e000000u + f % 0x22000000u);
	case 5: /* few bits: exact results, halves */
		return sign | (0x3c000000u + (f & 0x0ff00000u));
	case 6: /* denormal or nearly, or nearly overflowing */
		return sign | (r >> 40 & 1 ? 0x7f000000u : 0) | (f & 0x00ffffffu);
	default:
		return (uint32_t)r;
	}
}

static uint64_t any_d(uint64_t *s)
{
	uint64_t r = next(s), f = next(s), sign = (r >> 60 & 1) << 63;

	switch (r >> 56 & 7) {
	case 0:
	case 1:
		return sign | d_corner[(r & 0xffff) % (sizeof(d_corner) / sizeof(d_corner[0]))];
	case 2:
	case 3:
		return sign | (0x3fe0000000000000ull + (f & 0x003fffffffffffffull));
	case 4:
		return sign | (0x3fc0000000000000ull + f % 0x0440000000000000ull);
	case 5:
		return sign | (0x3f80000000000000ull + (f & 0x01ff000000000000ull));
	case 6: /* around the limits of double, or of single */
		if (r >> 40 & 1)
			return sign | ((r >> 41 & 1 ? 0x7fe0000000000000ull : 0) |
				       (f & 0x001fffffffffffffull));
		return sign | ((r >> 41 & 1 ? 0x47e0000000000000ull : 0x3690000000000000ull) +
			       (f & 0x01ffffffffffffffull));
	default:
		return f;
	}
}

static uint64_t any_lanes(uint64_t *s)
{
	uint64_t r = next(s), v = 0;

	switch (r & 7) {
	case 0: /* bytes at their limits */
		for (unsigned i = 0; i < 8; i++)
			v |= (uint64_t)((const uint8_t[]){0, 1, 0x7f, 0x80, 0x81, 0xff, 0xfe,
							  8}[next(s) & 7])
			     << (8 * i);
		return v;
	case 1:
		for (unsigned i = 0; i < 4; i++)
			v |= (uint64_t)(h_corner[(r >> 8 & 0xff) % 20] ^ (next(s) & 0x8001))
			     << (16 * i),
				r = next(s);
		return v;
	case 2:
		for (unsigned i = 0; i < 2; i++)
			v |= (uint64_t)((const uint32_t[]){0, 1, 0x7fffffff, 0x80000000, 0xffffffff,
							   31, 0x80000001, 33}[next(s) & 7])
			     << (32 * i);
		return v;
	case 3:
		return (const uint64_t[]){0,	 1,  ~0ull >> 1, 1ull << 63,
					  ~0ull, 63, 65,	 0x8000000080000000ull}[r >> 8 & 7];
	case 4: /* shift counts */
		return next(s) & 0x3f3f3f3f3f3f3f3full;
	default:
		return next(s);
	}
}

/* A few values for all lanes of a case: then equal, opposite and special operands meet. */
struct palette {
	uint64_t v[4];
	bool wide;
};

static void palette_init(struct palette *p, uint64_t *s)
{
	static const uint32_t s_special[] = {0,		 1,	     0x7f800000, 0x7fa00000,
					     0x7fc00001, 0x3f800000, 0x7f7fffff, 0x00800000};
	static const uint64_t d_special[] = {0,
					     1,
					     0x7ffull << 52,
					     0x7ff4ull << 48,
					     0x7ff8000000000001,
					     0x3ffull << 52,
					     0x7fefffffffffffff,
					     1ull << 52};
	uint64_t r = next(s);

	p->wide = r & 1;
	for (unsigned i = 0; i < 4; i++) {
		if (r >> (8 + i) & 1)
			p->v[i] = p->wide ? any_d(s) : any_s(s);
		else
			p->v[i] = p->wide ? d_special[r >> (16 + 3 * i) & 7]
					  : s_special[r >> (16 + 3 * i) & 7];
	}
}

static uint64_t palette_lanes(const struct palette *p, uint64_t *s)
{
	uint64_t r = next(s);

	/* One lane in eight is a unit in the last place away. */
	if (p->wide)
		return (p->v[r & 3] + (r >> 8 & 7 ? 0 : (r >> 16 & 2) - 1)) ^ (r >> 63 << 63);
	uint32_t lo = (uint32_t)(p->v[r & 3] + (r >> 8 & 7 ? 0 : (r >> 16 & 2) - 1)) ^
		      (uint32_t)(r >> 63 << 31);
	uint32_t hi = (uint32_t)p->v[r >> 2 & 3] ^ (uint32_t)(r >> 62 << 31);
	return lo | (uint64_t)hi << 32;
}

void fp_case_state(uint64_t seed, uint64_t n, enum fp_mix mix, uint64_t slot, struct fp_state *st)
{
	uint64_t s = stream(seed, n, 2);
	unsigned kind = (unsigned)next(&s) & 7;
	struct palette p;

	if (mix == FP_MIX_FLOAT && kind >= 3)
		kind = kind == 7 ? 2 : 4;
	palette_init(&p, &s);

	for (unsigned i = 0; i < 32; i++)
		for (unsigned k = 0; k < 2; k++) {
			uint64_t v;

			if (kind < 2) {
				v = any_s(&s);
				v |= (uint64_t)any_s(&s) << 32;
			} else if (kind < 4) {
				v = any_d(&s);
			} else if (kind < 6) {
				v = palette_lanes(&p, &s);
			} else {
				v = any_lanes(&s);
			}
			st->v[i][k] = v;
		}
	for (unsigned i = 0; i < 31; i++) {
		uint64_t x = any_lanes(&s);
		st->x[i] = i & 1 ? x >> (next(&s) & 63) : x;
	}
	st->x[30] = FP_X30_BASE + slot * 8;
	uint64_t r = next(&s);
	st->nzcv = r & 0xf0000000u;
	st->fpcr = 0;
	if (r >> 32 & 3) { /* else all defaults */
		st->fpcr |= (r >> 34 & 3) << 22;
		st->fpcr |= (uint64_t)((r >> 36 & 3) == 0) << 24;
		st->fpcr |= (uint64_t)((r >> 38 & 3) == 0) << 25;
		st->fpcr |= (uint64_t)((r >> 40 & 3) == 0) << 26;
	}
	st->fpsr = (r >> 42 & 3) ? 0 : r >> 44 & 0x9f;
	if (r >> 52 & 1)
		st->fpsr |= 0x10; /* inexact seen before: the common state of programs */
}

void fp_case_result(const struct fp_state *s, uint32_t word, bool undef, struct fp_result *ret)
{
	const uint64_t *p = &s->v[0][0];
	uint64_t h = 0xcbf29ce484222325ull;
	unsigned rd = word & 31;

	for (unsigned i = 0; i < 64; i++)
		h = (h ^ p[i]) * 0x100000001b3ull, h ^= h >> 29;
	for (unsigned i = 0; i < 31; i++)
		h = (h ^ s->x[i]) * 0x100000001b3ull, h ^= h >> 29;
	h = (h ^ s->nzcv ^ s->fpsr ^ s->fpcr << 32) * 0x100000001b3ull;
	*ret = (struct fp_result){
		.hash = h ^ h >> 29,
		.v = {s->v[rd][0], s->v[rd][1]},
		.x = rd == 31 ? 0 : s->x[rd],
		.word = word,
		.fpsr = (uint32_t)s->fpsr,
		.nzcv = (uint32_t)s->nzcv,
		.undef = undef,
	};
}

bool fp_case_is_crypto(uint32_t w)
{
	return (w & 0xff3e0c00u) == 0x4e280800u || (w & 0xff208c00u) == 0x5e000000u ||
	       (w & 0xff3e0c00u) == 0x5e280800u || (w & 0xbfe0fc00u) == 0x0ee0e000u;
}

bool fp_case_is_other_space(uint32_t w)
{
	return (w & 0x0e000000u) != 0x0e000000u;
}
