/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How handlers go on, jump, and leave a chain. Private to the engine's ops_*.c, code.c and run.c.
 */
#include "hv/arch/aarch64/soft/code.h"
#include "hv/arch/aarch64/soft/flags.h"
#include "hv/arch/aarch64/soft/op.h"

#define unlikely(x) __builtin_expect(!!(x), 0)
#define likely(x) __builtin_expect(!!(x), 1)

/* Slow paths carry this: never inlined, so that their saves of registers stay out of the fast
 * handlers. */
#define SLOW __attribute__((noinline, cold))

#ifdef SOFT_LOOP_DISPATCH
#define OP_GO(t) return (t)
#else
#define OP_GO(t)                                                                                   \
	do {                                                                                       \
		const struct op *go_ = (t);                                                        \
		return go_->fn(c, go_);                                                            \
	} while (0)
#endif

/* Operand access by operation field. */
#define XR(f) (c->x[o->f])
#define WR(f) ((uint32_t)c->x[o->f])

static inline uint64_t op_va(const struct cpu *c, const struct op *o)
{
	return c->page_va + (uint64_t)o->pc * 4;
}

/** chain_leave - ends the chain in front of @o. */
static inline const struct op *chain_leave(struct cpu *c, const struct op *o)
{
	c->pc = op_va(c, o);
	c->icount += o->pc;
	return NULL;
}

/** chain_leave_after - ends the chain behind @o. */
static inline const struct op *chain_leave_after(struct cpu *c, const struct op *o)
{
	c->pc = op_va(c, o) + 4;
	c->icount += o->pc + 1u;
	return NULL;
}

static inline bool cpu_attention(const struct cpu *c)
{
	return (atomic_load_explicit(&c->attention, memory_order_relaxed) & c->attn_mask) |
	       atomic_load_explicit(c->bell, memory_order_relaxed);
}

static inline const struct op *op_link(const struct op *o)
{
	return (const struct op *)(const void *)((const uint8_t *)o + o->link);
}

static inline void op_set_link(struct op *o, const struct op *t)
{
	o->link = (int32_t)((const uint8_t *)t - (const uint8_t *)o);
}

/* Slow continuations: cpu.pc is the target, icount is absolute. */
OP(slow_jump);
/** slow_attention - attention at the taken direct branch @o: leaves the chain at its target. */
OP(slow_attention);
/* Shared operations of the decoder: see code.c. */
OP(slow_unlinked);
OP(op_far);
OP(slow_resume);
OP(op_goto);
OP(op_page_end);
OP(op_step_stop);

/* OP_TAKE - goes to the linked target of a direct branch. */
#define OP_TAKE()                                                                                  \
	do {                                                                                       \
		c->icount += (uint64_t)(int64_t)(int16_t)o->aux;                                   \
		c->last = o;                                                                       \
		if (unlikely(cpu_attention(c)))                                                    \
			return slow_attention(c, o);                                               \
		OP_GO(op_link(o));                                                                 \
	} while (0)

/* OP_JUMP - goes to any address; icount must be absolute. */
#define OP_JUMP(target_va)                                                                         \
	do {                                                                                       \
		uint64_t va_ = (target_va);                                                        \
		const struct op *n_ = code_probe(c, va_);                                          \
		if (unlikely(!n_ || cpu_attention(c))) {                                           \
			c->pc = va_;                                                               \
			return slow_jump(c, o);                                                    \
		}                                                                                  \
		c->page_va = va_ & ~0xfffull;                                                      \
		c->icount -= (va_ >> 2) & 1023;                                                    \
		OP_GO(n_);                                                                         \
	} while (0)

/** cpu_exception - takes a synchronous exception with ELR = @elr, or gives it to the test hook.
 * Outside of chains: the caller has made icount absolute. */
void cpu_exception(struct cpu *c, unsigned ec, uint32_t iss, uint64_t elr);
/** cpu_exception_far - the same for classes that set FAR: misaligned PC. */
void cpu_exception_far(struct cpu *c, unsigned ec, uint32_t iss, uint64_t far, uint64_t elr);
/** chain_raise - ends the chain at @o with an exception that prefers to return to @o. Returns NULL.
 */
const struct op *chain_raise(struct cpu *c, const struct op *o, unsigned ec, uint32_t iss);
/** cpu_abort - the same for aborts. */
void cpu_abort(struct cpu *c, bool fetch, uint32_t iss, uint64_t far, uint64_t elr);

/** chain_run - runs from cpu.pc until the chain ends: attention, an exception taken, or cpu.halt.
 * cpu.pc and icount are right afterwards. */
void chain_run(struct cpu *c);
