/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/arch/aarch64/soft/soft_test.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "hv/arch/aarch64/soft/chain.h"
#include "hv/arch/aarch64/soft/excp.h"
#include "hv/arch/aarch64/soft/soft.h"

#define EC_HVC 0x16u
#define ISS_IMM16 0xffffu

struct soft_test {
	struct cpu cpu; /* first: the trap hook casts back */
	struct soft_vm vm;
	_Atomic uint32_t no_bell;
	struct soft_test_info info;
	enum soft_test_stop stop;
	uint8_t *mem;
	uint64_t size;
};

static enum soft_test_stop stop_of(unsigned ec)
{
	switch (ec) {
	case EC_SVC:
		return SOFT_TEST_SVC;
	case EC_HVC:
		return SOFT_TEST_HVC;
	case EC_BRK:
		return SOFT_TEST_BRK;
	case EC_UNKNOWN:
	case EC_SYSREG:
		return SOFT_TEST_UNDEF;
	case EC_DABT:
		return SOFT_TEST_DATA_ABORT;
	case EC_IABT:
	case EC_PC_ALIGN:
		return SOFT_TEST_FETCH_ABORT;
	case EC_SP_ALIGN:
		return SOFT_TEST_SP_ALIGN;
	default:
		return SOFT_TEST_OTHER;
	}
}

static void test_trap(struct cpu *c, unsigned ec, uint32_t iss, uint64_t far, uint64_t elr)
{
	struct soft_test *t = (struct soft_test *)(void *)c;

	t->stop = stop_of(ec);
	t->info.esr = (uint64_t)ec << 26 | 1u << 25 | iss;
	t->info.far = far;
	t->info.imm = iss & ISS_IMM16;
	c->pc = elr;
	c->halt = HALT_STOP;
}

struct soft_test *soft_test_create(uint64_t base, uint64_t size, unsigned el)
{
	struct soft_test *t = NULL;
	struct cpu *c;

	if (posix_memalign((void **)&t, 64, sizeof(*t)))
		return NULL;
	memset(t, 0, sizeof(*t));
	c = &t->cpu;
	t->size = size;
	t->mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	c->bell = &t->no_bell;
	c->tlb_el[0] = calloc(1, sizeof(struct tlb));
	c->tlb_el[1] = calloc(1, sizeof(struct tlb));
	c->code = code_create(CODE_ARENA_MAX);
	if (t->mem == MAP_FAILED || !c->tlb_el[0] || !c->tlb_el[1] || !c->code) {
		soft_test_destroy(t);
		return NULL;
	}
	tlb_init(c->tlb_el[0]);
	tlb_init(c->tlb_el[1]);
	code_forget_returns(c);
	t->vm.cpus = 1;
	c->vm = &t->vm;
	c->flat_host = t->mem;
	c->flat_base = base;
	c->flat_size = size;
	c->trap = test_trap;
	c->el = (uint8_t)el;
	c->sp_sel = el ? 1 : 0;
	c->tlb = c->tlb_el[el];
	c->cpacr = 3u << 20;
	c->sctlr = 0x30d50814; /* EL0 may use DC ZVA, IC IVAU, WFx, CTR_EL0; no alignment checks */
	c->sctlr |= 1u << 26 | 1u << 18 | 1u << 16 | 1u << 15 | 1u << 14;
	cpu_fp_update(c);
	cpu_attn_update(c);
	c->x[REG_SP] = base + size;
	c->pc = base;
	return t;
}

void soft_test_destroy(struct soft_test *t)
{
	if (!t)
		return;
	if (t->mem && t->mem != MAP_FAILED)
		munmap(t->mem, t->size);
	free(t->cpu.tlb_el[0]);
	free(t->cpu.tlb_el[1]);
	code_destroy(t->cpu.code);
	free(t);
}

uint8_t *soft_test_mem(struct soft_test *t)
{
	return t->mem;
}

void soft_test_flush(struct soft_test *t)
{
	code_drop_all(&t->cpu);
}

struct cpu *soft_test_cpu(struct soft_test *t)
{
	return &t->cpu;
}

void soft_test_set_x(struct soft_test *t, unsigned r, uint64_t v)
{
	t->cpu.x[r & 31] = v;
}

uint64_t soft_test_x(const struct soft_test *t, unsigned r)
{
	return t->cpu.x[r & 31];
}

void soft_test_set_v(struct soft_test *t, unsigned r, uint64_t lo, uint64_t hi)
{
	t->cpu.v[r & 31] = (union vreg){.d = {lo, hi}};
}

union vreg soft_test_v(const struct soft_test *t, unsigned r)
{
	return t->cpu.v[r & 31];
}

void soft_test_set_pc(struct soft_test *t, uint64_t pc)
{
	t->cpu.pc = pc;
}

uint64_t soft_test_pc(const struct soft_test *t)
{
	return t->cpu.pc;
}

void soft_test_set_nzcv(struct soft_test *t, uint32_t nzcv)
{
	flags_set_nzcv(&t->cpu, nzcv);
}

uint32_t soft_test_nzcv(const struct soft_test *t)
{
	return flags_nzcv(&t->cpu);
}

void soft_test_set_fp(struct soft_test *t, uint32_t fpcr, uint32_t fpsr)
{
	t->cpu.fpcr = fpcr;
	t->cpu.fpsr = fpsr;
}

uint32_t soft_test_fpcr(const struct soft_test *t)
{
	return t->cpu.fpcr;
}

uint32_t soft_test_fpsr(const struct soft_test *t)
{
	return t->cpu.fpsr;
}

static void set_step(struct cpu *c, bool step)
{
	if (c->step == step)
		return;
	c->step = step;
	if (step)
		atomic_fetch_or(&c->attention, ATTN_STEP);
	else
		atomic_fetch_and(&c->attention, ~ATTN_STEP);
	code_drop_all(c);
}

enum soft_test_stop soft_test_run(struct soft_test *t, uint64_t max)
{
	struct cpu *c = &t->cpu;
	uint64_t start = c->icount;

	set_step(c, max != 0);
	t->info = (struct soft_test_info){0};
	t->stop = 0;
	c->halt = HALT_NONE;
	while (!t->stop) {
		if (max && c->icount - start >= max) {
			t->stop = SOFT_TEST_LIMIT;
			break;
		}
		chain_run(c);
		if (c->halt == HALT_WFI || c->halt == HALT_WFE)
			t->stop = SOFT_TEST_WFI;
	}
	c->halt = HALT_NONE;
	t->info.executed = c->icount - start;
	return t->stop;
}

const struct soft_test_info *soft_test_stop_info(const struct soft_test *t)
{
	return &t->info;
}
