/* SPDX-License-Identifier: Apache-2.0 */
/* LDP, STP, LDPSW, LDNP, STNP (DDI 0487 C4.1.4): the fast forms. */
#include "hv/arch/aarch64/soft/decode.h"
#include "hv/arch/aarch64/soft/mem.h"

#define OFF ((uint64_t)(int64_t)o->imm32)
#define VA_off (XR(rn) + OFF)
#define VA_pre (XR(rn) + OFF)
#define VA_post (XR(rn))
#define WB_off
#define WB_pre XR(rn) = va
#define WB_post XR(rn) = va + OFF

/* rd: first register, ra: second. */
#define LDP(name, mode, T, cast)                                                                   \
	static OP(op_##name##_##mode)                                                              \
	{                                                                                          \
		uint64_t va = VA_##mode;                                                           \
		MEM_PROBE_R(va, 2 * sizeof(T), sizeof(T));                                         \
		T a = MEM_GET(T, va), b = MEM_GET(T, va + sizeof(T));                              \
		WB_##mode;                                                                         \
		XR(rd) = (uint64_t)cast a;                                                         \
		XR(ra) = (uint64_t)cast b;                                                         \
		OP_NEXT();                                                                         \
	}
#define STP(name, mode, T)                                                                         \
	static OP(op_##name##_##mode)                                                              \
	{                                                                                          \
		uint64_t va = VA_##mode;                                                           \
		MEM_PROBE_W(va, 2 * sizeof(T), sizeof(T));                                         \
		MEM_PUT(T, va, XR(rd));                                                            \
		MEM_PUT(T, va + sizeof(T), XR(ra));                                                \
		WB_##mode;                                                                         \
		OP_NEXT();                                                                         \
	}
#define VLDP(name, mode, T)                                                                        \
	static OP(op_##name##_##mode)                                                              \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		uint64_t va = VA_##mode;                                                           \
		MEM_PROBE_R(va, 2 * sizeof(T), sizeof(T));                                         \
		T a = MEM_GET(T, va), b = MEM_GET(T, va + sizeof(T));                              \
		c->v[o->rd] = (union vreg){.d = {a, 0}};                                           \
		c->v[o->ra] = (union vreg){.d = {b, 0}};                                           \
		WB_##mode;                                                                         \
		OP_NEXT();                                                                         \
	}
#define VSTP(name, mode, T)                                                                        \
	static OP(op_##name##_##mode)                                                              \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		uint64_t va = VA_##mode;                                                           \
		MEM_PROBE_W(va, 2 * sizeof(T), sizeof(T));                                         \
		MEM_PUT(T, va, c->v[o->rd].d[0]);                                                  \
		MEM_PUT(T, va + sizeof(T), c->v[o->ra].d[0]);                                      \
		WB_##mode;                                                                         \
		OP_NEXT();                                                                         \
	}
#define QLDP(mode)                                                                                 \
	static OP(op_vldp_q_##mode)                                                                \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		uint64_t va = VA_##mode;                                                           \
		MEM_PROBE_R(va, 32, 8);                                                            \
		uint64_t a = MEM_GET(mem64, va), b = MEM_GET(mem64, va + 8);                       \
		uint64_t d = MEM_GET(mem64, va + 16), f = MEM_GET(mem64, va + 24);                 \
		c->v[o->rd] = (union vreg){.d = {a, b}};                                           \
		c->v[o->ra] = (union vreg){.d = {d, f}};                                           \
		WB_##mode;                                                                         \
		OP_NEXT();                                                                         \
	}
#define QSTP(mode)                                                                                 \
	static OP(op_vstp_q_##mode)                                                                \
	{                                                                                          \
		OP_FP_CHECK();                                                                     \
		uint64_t va = VA_##mode;                                                           \
		MEM_PROBE_W(va, 32, 8);                                                            \
		MEM_PUT(mem64, va + 0, c->v[o->rd].d[0]);                                          \
		MEM_PUT(mem64, va + 8, c->v[o->rd].d[1]);                                          \
		MEM_PUT(mem64, va + 16, c->v[o->ra].d[0]);                                         \
		MEM_PUT(mem64, va + 24, c->v[o->ra].d[1]);                                         \
		WB_##mode;                                                                         \
		OP_NEXT();                                                                         \
	}

#define ALL(mode)                                                                                  \
	LDP(ldp_w, mode, mem32, (uint32_t))                                                        \
	LDP(ldp_x, mode, mem64, (uint64_t))                                                        \
	LDP(ldpsw, mode, mem32, (int64_t)(int32_t))                                                \
	STP(stp_w, mode, mem32)                                                                    \
	STP(stp_x, mode, mem64)                                                                    \
	VLDP(vldp_s, mode, mem32)                                                                  \
	VLDP(vldp_d, mode, mem64)                                                                  \
	VSTP(vstp_s, mode, mem32)                                                                  \
	VSTP(vstp_d, mode, mem64)                                                                  \
	QLDP(mode)                                                                                 \
	QSTP(mode)

ALL(off)
ALL(pre)
ALL(post)

enum decode_result decode_ldst_pair(uint32_t w, struct op *o)
{
#define ROW(n)                                                                                     \
	{                                                                                          \
		op_##n##_off, op_##n##_pre, op_##n##_post                                          \
	}
	/* [vector][opc][load][mode] */
	static op_fn *const fn[2][3][2][3] = {
		{{ROW(stp_w), ROW(ldp_w)}, {{NULL}, ROW(ldpsw)}, {ROW(stp_x), ROW(ldp_x)}},
		{{ROW(vstp_s), ROW(vldp_s)},
		 {ROW(vstp_d), ROW(vldp_d)},
		 {ROW(vstp_q), ROW(vldp_q)}},
	};
	/* no-allocate, post, offset, pre */
	static const uint8_t mode_of[4] = {0, 2, 0, 1};
	unsigned opc = w >> 30, v = w >> 26 & 1, load = w >> 22 & 1, mode = bits(w, 24, 23);
	unsigned size = v ? 2 + opc : opc == 2 ? 3 : 2;

	if (opc == 3 || (w >> 25 & 1) || (!v && opc == 1 && mode == 0))
		return DEC_UNDEF;
	o->fn = fn[v][opc][load][mode_of[mode]];
	if (!o->fn)
		return DEC_UNDEF;
	o->insn = w;
	o->imm32 = (int32_t)(sbits(w, 21, 15) * (1 << size));
	o->rn = reg_n(w, 5);
	if (v) {
		o->rd = reg_n(w, 0);
		o->ra = reg_n(w, 10);
	} else {
		o->rd = load ? reg_w(w, 0) : reg_r(w, 0);
		o->ra = load ? reg_w(w, 10) : reg_r(w, 10);
	}
	return DEC_OK;
}
