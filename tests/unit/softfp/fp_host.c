/* SPDX-License-Identifier: Apache-2.0 */
#include "fp_host.h"
#include <string.h>
#include "hv/arch/aarch64/soft/flags.h"

static struct cpu cpu = {.fp_ok = true};
static unsigned traps;

/* The engine's part that handlers call. */
OP(op_fp_trap)
{
	(void)c;
	(void)o;
	traps++;
	return NULL;
}

static uintptr_t stack_at_stop;

static OP(stop)
{
	(void)c;
	(void)o;
	stack_at_stop = (uintptr_t)__builtin_frame_address(0);
	return NULL;
}

#define CHAIN 16u

/* Not inlined: its frame must be the same for both chains. */
static __attribute__((noinline)) uintptr_t stack_of_chain(const struct op *o)
{
	while (o)
		o = o->fn(&cpu, o);
	return stack_at_stop;
}

unsigned fp_host_handler(uint32_t word)
{
	static op_fn *seen[FP_HANDLERS];
	struct op o = {.fn = NULL};
	unsigned i = 0;

	if (!decode_fp(word, &o))
		return FP_HANDLERS - 1;
	while (i < FP_HANDLERS - 1 && seen[i] && seen[i] != o.fn)
		i++;
	seen[i] = o.fn;
	return i;
}

unsigned fp_host_stack_growth(uint32_t word)
{
	struct op ops[CHAIN + 1] = {{.fn = NULL}};

	if (!decode_fp(word, &ops[0]))
		return 0;
	for (unsigned i = 1; i < CHAIN; i++)
		ops[i] = ops[0];
	ops[CHAIN].fn = stop;
	uintptr_t shallow = stack_of_chain(&ops[CHAIN - 1]), deep = stack_of_chain(&ops[0]);
	return (unsigned)(shallow > deep ? shallow - deep : deep - shallow);
}

unsigned fp_host_traps(bool enabled)
{
	cpu.fp_ok = enabled;
	return traps;
}

bool fp_host_exec(struct fp_state *s, uint32_t word)
{
	struct op ops[2] = {{.fn = NULL}, {.fn = stop}};

	/* What another operation left there must not matter. */
	ops[0].aux = 0xffff;
	ops[0].imm = -1;
	if (!decode_fp(word, &ops[0]))
		return false;
	memcpy(cpu.v, s->v, sizeof(s->v));
	memcpy(cpu.x, s->x, sizeof(s->x));
	cpu.x[REG_SP] = 0x5555555555555555u;
	cpu.x[REG_ZERO] = 0;
	cpu.fpcr = (uint32_t)s->fpcr;
	cpu.fpsr = (uint32_t)s->fpsr;
	flags_set_nzcv(&cpu, (uint32_t)s->nzcv);
	for (const struct op *o = ops; o;)
		o = o->fn(&cpu, o);
	memcpy(s->v, cpu.v, sizeof(s->v));
	memcpy(s->x, cpu.x, sizeof(s->x));
	s->fpcr = cpu.fpcr;
	s->fpsr = cpu.fpsr;
	s->nzcv = flags_nzcv(&cpu);
	if (cpu.x[REG_SP] != 0x5555555555555555u || cpu.x[REG_ZERO] != 0)
		s->nzcv = ~0ull; /* shows as a mismatch */
	return true;
}

void fp_host_case(uint64_t seed, uint64_t first, uint64_t n, enum fp_mix mix, struct fp_result *ret)
{
	uint32_t word = fp_case_word(seed, n, mix);
	struct fp_state s;

	fp_case_state(seed, n, mix, (n - first) % FP_SLOTS, &s);
	bool ok = fp_host_exec(&s, word);
	fp_case_result(&s, word, !ok, ret);
}
