/* SPDX-License-Identifier: Apache-2.0 */
/* Scalar floating point. x of Vn, y of Vm, z of Va; results clear the rest of the register. */
#include "hv/arch/aarch64/soft/fp_scalar.h"
#include "hv/arch/aarch64/soft/flags.h"
#include "hv/arch/aarch64/soft/vset.h"
#include "hv/arch/aarch64/soft/fp_fast.h"

static inline void put(struct cpu *c, const struct op *o, uint64_t v)
{
	vset(&c->v[o->rd], v, 0);
}

/* One handler for each of single and double; all operands are read, which costs nothing. */
#define FS_ONE(name, T, F, FMT, E)                                                                 \
	static OP(name)                                                                            \
	{                                                                                          \
		const enum fp_fmt fmt = FMT;                                                       \
		OP_FP_CHECK();                                                                     \
		const T x = c->v[o->rn].F[0], y = c->v[o->rm & 31].F[0],                           \
			z = c->v[o->ra & 31].F[0];                                                 \
		(void)fmt, (void)x, (void)y, (void)z;                                              \
		put(c, o, (T)(E));                                                                 \
		OP_NEXT();                                                                         \
	}
#define FS(n, E)                                                                                   \
	FS_ONE(n##_s, uint32_t, s, FP_S, E)                                                        \
	FS_ONE(n##_d, uint64_t, d, FP_D, E)
#define PAIR(n)                                                                                    \
	{                                                                                          \
		n##_s, n##_d                                                                       \
	}
#define SIGN fp_sign_bit(fmt)

FS(fmov, x)
FS(fabs, x & ~SIGN)
FS(fneg, x ^ SIGN)
FS(fsqrt, fpq_sqrt(c, fmt, x))
FS(frintn, fp_rint(c, fmt, x, FP_RN, false))
FS(frintp, fp_rint(c, fmt, x, FP_RP, false))
FS(frintm, fp_rint(c, fmt, x, FP_RM, false))
FS(frintz, fp_rint(c, fmt, x, FP_RZ, false))
FS(frinta, fp_rint(c, fmt, x, FP_RA, false))
FS(frintx, fp_rint(c, fmt, x, fp_mode(c), true))
FS(frinti, fp_rint(c, fmt, x, fp_mode(c), false))
fps_pair fps_1src[16] = {
	PAIR(fmov),	    PAIR(fabs),		 PAIR(fneg),   PAIR(fsqrt),
	[8] = PAIR(frintn), PAIR(frintp),	 PAIR(frintm), PAIR(frintz),
	PAIR(frinta),	    [14] = PAIR(frintx), PAIR(frinti),
};

FS(fmul, fpq_mul(c, fmt, x, y))
FS(fdiv, fpq_div(c, fmt, x, y))
FS(fadd, fpq_add(c, fmt, x, y))
FS(fsub, fpq_sub(c, fmt, x, y))
FS(fmax, fp_max(c, fmt, x, y))
FS(fmin, fp_min(c, fmt, x, y))
FS(fmaxnm, fp_maxnm(c, fmt, x, y))
FS(fminnm, fp_minnm(c, fmt, x, y))
FS(fnmul, fpq_mul(c, fmt, x, y) ^ SIGN)
fps_pair fps_2src[16] = {
	PAIR(fmul), PAIR(fdiv),	  PAIR(fadd),	PAIR(fsub),  PAIR(fmax),
	PAIR(fmin), PAIR(fmaxnm), PAIR(fminnm), PAIR(fnmul),
};

FS(fmadd, fpq_muladd(c, fmt, z, x, y))
FS(fmsub, fpq_muladd(c, fmt, z, x ^ SIGN, y))
FS(fnmadd, fpq_muladd(c, fmt, z ^ SIGN, x ^ SIGN, y))
FS(fnmsub, fpq_muladd(c, fmt, z ^ SIGN, x, y))
fps_pair fps_3src[4] = {PAIR(fmadd), PAIR(fmsub), PAIR(fnmadd), PAIR(fnmsub)};

FS(fcsel, flags_cond(c, o->aux) ? x : y)
fps_pair fps_csel = PAIR(fcsel);
FS(fmov_imm, o->uimm)
fps_pair fps_imm = PAIR(fmov_imm);

/* Compares. Y: the second operand. */
#define FCMP_ONE(name, T, F, FMT, Y, SIGNAL)                                                       \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const T x = c->v[o->rn].F[0], y = Y;                                               \
		flags_set_nzcv(c, fpq_cmp(c, FMT, x, y, SIGNAL) << 28);                            \
		OP_NEXT();                                                                         \
	}                                                                                          \
	static OP(c##name)                                                                         \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const T x = c->v[o->rn].F[0], y = Y;                                               \
		uint32_t nzcv = (uint32_t)o->uimm;                                                 \
		if (flags_cond(c, o->aux))                                                         \
			nzcv = fpq_cmp(c, FMT, x, y, SIGNAL) << 28;                                \
		flags_set_nzcv(c, nzcv);                                                           \
		OP_NEXT();                                                                         \
	}
#define FCMP0_ONE(name, T, F, FMT, SIGNAL)                                                         \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		flags_set_nzcv(c, fpq_cmp(c, FMT, c->v[o->rn].F[0], 0, SIGNAL) << 28);             \
		OP_NEXT();                                                                         \
	}
FCMP_ONE(fcmp_s, uint32_t, s, FP_S, c->v[o->rm].s[0], false)
FCMP_ONE(fcmp_d, uint64_t, d, FP_D, c->v[o->rm].d[0], false)
FCMP_ONE(fcmpe_s, uint32_t, s, FP_S, c->v[o->rm].s[0], true)
FCMP_ONE(fcmpe_d, uint64_t, d, FP_D, c->v[o->rm].d[0], true)
FCMP0_ONE(fcmp0_s, uint32_t, s, FP_S, false)
FCMP0_ONE(fcmp0_d, uint64_t, d, FP_D, false)
FCMP0_ONE(fcmpe0_s, uint32_t, s, FP_S, true)
FCMP0_ONE(fcmpe0_d, uint64_t, d, FP_D, true)
fps_pair fps_cmp[4] = {PAIR(fcmp), PAIR(fcmp0), PAIR(fcmpe), PAIR(fcmpe0)};
fps_pair fps_ccmp[2] = {PAIR(cfcmp), PAIR(cfcmpe)};

/* Between formats. */
#define FCVT(name, FROM, F, TO)                                                                    \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		put(c, o, fp_convert(c, FROM, TO, c->v[o->rn].F[0], fp_mode(c)));                  \
		OP_NEXT();                                                                         \
	}
static OP(fcvt_d_s)
{
	OP_FP_CHECK();
	put(c, o, fpq_widen(c, c->v[o->rn].s[0]));
	OP_NEXT();
}
static OP(fcvt_s_d)
{
	OP_FP_CHECK();
	put(c, o, fpq_shorten(c, c->v[o->rn].d[0]));
	OP_NEXT();
}
FCVT(fcvt_h_s, FP_S, s, FP_H)
FCVT(fcvt_h_d, FP_D, d, FP_H)
FCVT(fcvt_s_h, FP_H, h, FP_S)
FCVT(fcvt_d_h, FP_H, h, FP_D)
op_fn *const fps_cvt[3][4] = {
	{NULL, fcvt_d_s, NULL, fcvt_h_s},
	{fcvt_s_d, NULL, NULL, fcvt_h_d},
	{fcvt_s_h, fcvt_d_h, NULL, NULL},
};

/* To and from general registers. */
#define FTOI(name, F, FMT, SIGNED, BITS, MODE)                                                     \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const uint64_t x = c->v[o->rn].F[0];                                               \
		if (MODE == FP_RZ && o->imm == 0)                                                  \
			c->x[o->rd] = fpq_to_int_z(c, FMT, x, SIGNED, BITS);                       \
		else                                                                               \
			c->x[o->rd] =                                                              \
				fp_to_fixed(c, FMT, x, (unsigned)o->imm, SIGNED, BITS, MODE);      \
		OP_NEXT();                                                                         \
	}
#define FTOI8(n, MODE)                                                                             \
	FTOI(n##sws, s, FP_S, true, 32, MODE)                                                      \
	FTOI(n##swd, d, FP_D, true, 32, MODE)                                                      \
	FTOI(n##sxs, s, FP_S, true, 64, MODE)                                                      \
	FTOI(n##sxd, d, FP_D, true, 64, MODE)                                                      \
	FTOI(n##uws, s, FP_S, false, 32, MODE)                                                     \
	FTOI(n##uwd, d, FP_D, false, 32, MODE)                                                     \
	FTOI(n##uxs, s, FP_S, false, 64, MODE)                                                     \
	FTOI(n##uxd, d, FP_D, false, 64, MODE)
#define ROW8(n)                                                                                    \
	{                                                                                          \
		{{n##sws, n##swd}, {n##sxs, n##sxd}},                                              \
		{                                                                                  \
			{n##uws, n##uwd},                                                          \
			{                                                                          \
				n##uxs, n##uxd                                                     \
			}                                                                          \
		}                                                                                  \
	}
FTOI8(fcvtn, FP_RN)
FTOI8(fcvtp, FP_RP)
FTOI8(fcvtm, FP_RM)
FTOI8(fcvtz, FP_RZ)
FTOI8(fcvta, FP_RA)
op_fn *const fps_to_int[5][2][2][2] = {ROW8(fcvtn), ROW8(fcvtp), ROW8(fcvtm), ROW8(fcvtz),
				       ROW8(fcvta)};

#define ITOF(name, FMT, SIGNED, T)                                                                 \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		const uint64_t x = (uint64_t)(T)c->x[o->rn];                                       \
		if (o->imm == 0)                                                                   \
			put(c, o, fpq_from_int(c, FMT, x, SIGNED));                                \
		else                                                                               \
			put(c, o, fp_from_fixed(c, FMT, x, (unsigned)o->imm, SIGNED));             \
		OP_NEXT();                                                                         \
	}
ITOF(scvtf_s_w, FP_S, true, int32_t)
ITOF(scvtf_d_w, FP_D, true, int32_t)
ITOF(scvtf_s_x, FP_S, true, int64_t)
ITOF(scvtf_d_x, FP_D, true, int64_t)
ITOF(ucvtf_s_w, FP_S, false, uint32_t)
ITOF(ucvtf_d_w, FP_D, false, uint32_t)
ITOF(ucvtf_s_x, FP_S, false, uint64_t)
ITOF(ucvtf_d_x, FP_D, false, uint64_t)
op_fn *const fps_from_int[2][2][2] = {
	{{scvtf_s_w, scvtf_d_w}, {scvtf_s_x, scvtf_d_x}},
	{{ucvtf_s_w, ucvtf_d_w}, {ucvtf_s_x, ucvtf_d_x}},
};

#define MOVE(name, E)                                                                              \
	static OP(name)                                                                            \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		E;                                                                                 \
		OP_NEXT();                                                                         \
	}
MOVE(mov_w_s, c->x[o->rd] = c->v[o->rn].s[0])
MOVE(mov_x_d, c->x[o->rd] = c->v[o->rn].d[0])
MOVE(mov_x_vd1, c->x[o->rd] = c->v[o->rn].d[1])
MOVE(mov_s_w, put(c, o, (uint32_t)c->x[o->rn]))
MOVE(mov_d_x, put(c, o, c->x[o->rn]))
MOVE(mov_vd1_x, vset(&c->v[o->rd], c->v[o->rd].d[0], c->x[o->rn]))
op_fn *const fps_mov_w_s = mov_w_s;
op_fn *const fps_mov_s_w = mov_s_w;
op_fn *const fps_mov_x_d = mov_x_d;
op_fn *const fps_mov_d_x = mov_d_x;
op_fn *const fps_mov_x_vd1 = mov_x_vd1;
op_fn *const fps_mov_vd1_x = mov_vd1_x;
