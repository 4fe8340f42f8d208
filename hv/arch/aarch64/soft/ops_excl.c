/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exclusive loads and stores (DDI 0487 B2.12).
 *
 * Theory of operation. The load remembers the host address, the size and the value; the store is a
 * compare-exchange on host memory against that value. A location that was changed and changed back
 * in between is not noticed; software that can tell would have to count on the monitor for ABA
 * protection, which Linux does not.
 */
#include "hv/arch/aarch64/soft/decode.h"
#include "hv/arch/aarch64/soft/excp.h"
#include "hv/arch/aarch64/soft/mem.h"

/* aux: log2 of the element size in bits 1..0, pair in bit 2. rm: status register. */
#define EXCL_PAIR 4u

/** cas16 - 16-byte compare-exchange at @p (16-byte aligned). */
static bool cas16(mem64 *p, const uint64_t expect[2], const uint64_t value[2])
{
#if defined(__x86_64__)
	uint64_t lo = expect[0], hi = expect[1];
	bool ok;
	__asm__ volatile("lock cmpxchg16b %1"
			 : "=@cce"(ok), "+m"(*(unsigned __int128 *)(void *)p), "+a"(lo), "+d"(hi)
			 : "b"(value[0]), "c"(value[1])
			 : "memory");
	return ok;
#else
	unsigned __int128 e = (unsigned __int128)expect[1] << 64 | expect[0];
	unsigned __int128 v = (unsigned __int128)value[1] << 64 | value[0];
	return __atomic_compare_exchange_n((unsigned __int128 *)(void *)p, &e, v, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
#endif
}

#define CAS(T)                                                                                     \
	({                                                                                         \
		T e_ = (T)expect[0];                                                               \
		__atomic_compare_exchange_n((T *)(void *)p, &e_, (T)value[0], false,               \
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                   \
	})

/** cas - @size bytes at @p. */
static bool cas(uint8_t *p, unsigned size, const uint64_t expect[2], const uint64_t value[2])
{
	switch (size) {
	case 1:
		return CAS(mem8);
	case 2:
		return CAS(mem16);
	case 4:
		return CAS(mem32);
	case 8:
		return CAS(mem64);
	default:
		return cas16((mem64 *)(void *)p, expect, value);
	}
}

/** excl_host - host address of the access of @o, all of it aligned; NULL: the exception is taken.
 */
static uint8_t *excl_host(struct cpu *c, const struct op *o, bool write)
{
	unsigned size = 1u << (o->aux & 3) << (o->aux >> 2);
	struct mem_req r = {.va = XR(rn),
			    .len = size,
			    .align = size,
			    .strict = true,
			    .write = write,
			    .el = c->el};
	struct mem_span s;
	uint32_t iss;
	uint64_t far;

	if (mem_translate(c, &r, &s, &iss, &far)) {
		if (!s.device)
			return s.p[0];
		iss = FSC_EXCLUSIVE | (write ? ISS_WNR : 0);
		far = r.va;
	}
	chain_leave(c, o);
	mem_abort(c, iss, far);
	return NULL;
}

static uint64_t load_atomic(const uint8_t *p, unsigned log2)
{
	switch (log2) {
	case 0:
		return __atomic_load_n((const mem8 *)(const void *)p, __ATOMIC_SEQ_CST);
	case 1:
		return __atomic_load_n((const mem16 *)(const void *)p, __ATOMIC_SEQ_CST);
	case 2:
		return __atomic_load_n((const mem32 *)(const void *)p, __ATOMIC_SEQ_CST);
	default:
		return __atomic_load_n((const mem64 *)(const void *)p, __ATOMIC_SEQ_CST);
	}
}

static OP(excl_load)
{
	const uint8_t *p = excl_host(c, o, false);
	unsigned log2 = o->aux & 3;

	if (!p)
		return NULL;
	c->excl_valid = true;
	c->excl_addr = (uintptr_t)p;
	c->excl_size = (uint8_t)(o->aux & 7);
	c->excl_val[1] = 0;
	if (!(o->aux & EXCL_PAIR)) {
		c->excl_val[0] = load_atomic(p, log2);
		XR(rd) = c->excl_val[0];
	} else if (log2 == 2) {
		uint64_t v = load_atomic(p, 3);
		c->excl_val[0] = v;
		XR(rd) = (uint32_t)v;
		XR(ra) = v >> 32;
	} else {
		/* Torn by another CPU: then the store's compare fails. */
		c->excl_val[0] = load_atomic(p, 3);
		c->excl_val[1] = load_atomic(p + 8, 3);
		XR(rd) = c->excl_val[0];
		XR(ra) = c->excl_val[1];
	}
	OP_NEXT();
}

static OP(excl_store)
{
	unsigned log2 = o->aux & 3;
	bool pair = o->aux & EXCL_PAIR, ok = false;
	uint64_t value[2] = {XR(rd), pair ? XR(ra) : 0};
	uint8_t *p = excl_host(c, o, true);

	if (!p)
		return NULL;
	if (pair && log2 == 2)
		value[0] = (uint32_t)value[0] | value[1] << 32;
	if (c->excl_valid && c->excl_addr == (uintptr_t)p && c->excl_size == (o->aux & 7))
		ok = cas(p, 1u << log2 << pair, c->excl_val, value);
	c->excl_valid = false;
	XR(rm) = !ok;
	OP_NEXT();
}

enum decode_result decode_ldst_excl(uint32_t w, struct op *o)
{
	unsigned size = w >> 30, o2 = w >> 23 & 1, load = w >> 22 & 1, o1 = w >> 21 & 1;

	if (o2)
		return o1 ? DEC_UNDEF : decode_ldst_ordered(w, o); /* o1: CAS, v8.1 */
	if (o1 && size < 2)
		return DEC_UNDEF; /* CASP, v8.1 */
	o->rn = reg_n(w, 5);
	o->rm = reg_w(w, 16);
	o->rd = load ? reg_w(w, 0) : reg_r(w, 0);
	o->ra = load ? reg_w(w, 10) : reg_r(w, 10);
	o->aux = (uint16_t)(size | (o1 ? EXCL_PAIR : 0));
	o->fn = load ? excl_load : excl_store;
	return DEC_OK;
}
