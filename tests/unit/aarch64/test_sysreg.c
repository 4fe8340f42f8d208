/* SPDX-License-Identifier: Apache-2.0 */
/* System registers: rights of EL1 and EL0, traps, identification, side effects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/log.h"
#include "hv/arch/aarch64/soft/flags.h"
#include "hv/arch/aarch64/soft/sysreg.h"
#include "hv/arch/aarch64/soft/sysreg_table.h"
#include "soft_env.h"

#define K SYSREG_KEY
#define SCTLR K(3, 0, 1, 0, 0)

static uint64_t rd(struct cpu *c, uint32_t key)
{
	uint64_t v = 0xdeadbeef;
	assert_int_equal(sysreg_read(c, key, &v), SYSREG_OK);
	return v;
}

static void wr(struct cpu *c, uint32_t key, uint64_t v)
{
	assert_int_equal(sysreg_write(c, key, v), SYSREG_OK);
}

static enum sysreg_result can_read(struct cpu *c, uint32_t key)
{
	uint64_t v;
	return sysreg_read(c, key, &v);
}

static struct cpu *at_el0(struct env *e)
{
	cpu_sp_switch(&e->cpu, 0, 0);
	cpu_fp_update(&e->cpu);
	return &e->cpu;
}

static void table_is_sorted(void **state)
{
	(void)state;
	unsigned n;
	const struct sysreg_desc *t = sysreg_table(&n);
	for (unsigned i = 1; i < n; i++)
		assert_true(t[i - 1].key < t[i].key);
}

static void identification_is_v8_0(void **state)
{
	struct env *e = *state;
	struct cpu *c = &e->cpu;
	c->index = 17;
	assert_int_equal(rd(c, K(3, 0, 0, 0, 0)) & 0xff0f000f, 0x000f0000); /* MIDR */
	assert_int_equal(rd(c, K(3, 0, 0, 0, 5)), 0x80000101);		    /* MPIDR */
	assert_int_equal(rd(c, K(3, 0, 0, 4, 0)), 0x1300000001000011);
	assert_int_equal(rd(c, K(3, 0, 0, 5, 0)), 0x00101006);
	assert_int_equal(rd(c, K(3, 0, 0, 6, 0)), 0);
	assert_int_equal(rd(c, K(3, 0, 0, 7, 0)), 0x0f000022);
	assert_int_equal(rd(c, K(3, 3, 0, 0, 1)), 0x9444c004);
	assert_int_equal(rd(c, K(3, 3, 0, 0, 7)), 4);
	for (unsigned crm = 1; crm < 8; crm++) {
		for (unsigned op2 = 0; op2 < 8; op2++)
			assert_int_equal(can_read(c, K(3, 0, 0, crm, op2)), SYSREG_OK);
	}
	assert_int_equal(sysreg_write(c, K(3, 0, 0, 4, 0), 0), SYSREG_UNDEF);
}

static void unknown_registers_are_undefined(void **state)
{
	struct env *e = *state;
	struct cpu *c = &e->cpu;
	static const uint32_t keys[] = {
		K(3, 4, 4, 1, 0),  /* SP_EL1 at EL1 */
		K(3, 4, 1, 1, 0),  /* HCR_EL2 */
		K(3, 3, 9, 12, 0), /* PMCR_EL0 */
		K(3, 3, 2, 4, 0),  /* RNDR */
		K(3, 0, 4, 2, 3),  /* PAN */
		K(3, 0, 5, 3, 0),  /* ERRIDR_EL1 */
		K(3, 0, 15, 0, 0), K(2, 0, 0, 2, 4),
		K(3, 0, 0, 8, 0),  K(3, 0, 12, 12, 5), /* no GIC here */
	};
	log_level_set(LOG_ERR);
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		assert_int_equal(can_read(c, keys[i]), SYSREG_UNDEF);
		assert_int_equal(sysreg_write(c, keys[i], 0), SYSREG_UNDEF);
	}
}

static void el0_reads_of_el1_registers_are_undefined(void **state)
{
	struct cpu *c = at_el0(*state);
	unsigned n;
	const struct sysreg_desc *t = sysreg_table(&n);
	for (unsigned i = 0; i < n; i++) {
		if ((t[i].key >> 11 & 7) != 3)
			assert_int_equal(can_read(c, t[i].key), SYSREG_UNDEF);
	}
	assert_int_equal(can_read(c, K(3, 0, 0, 3, 3)), SYSREG_UNDEF);
	assert_int_equal(sysreg_write(c, K(3, 3, 13, 0, 3), 0), SYSREG_UNDEF); /* TPIDRRO */
	wr(c, K(3, 3, 13, 0, 2), 7);
	assert_int_equal(rd(c, K(3, 3, 13, 0, 2)), 7);
}

/* Each gate: closed it traps EL0 and not EL1, open it lets EL0 in. */
static void gates_of_el0(void **state)
{
	static const struct {
		uint32_t key;
		uint32_t sctlr, cntkctl;
	} t[] = {
		{K(3, 3, 0, 0, 1), 1u << 15, 0},				/* CTR: UCT */
		{K(3, 3, 4, 2, 1), 1u << 9, 0},					/* DAIF: UMA */
		{K(3, 3, 14, 0, 1), 0, 1},					/* CNTPCT */
		{K(3, 3, 14, 0, 2), 0, 2},					/* CNTVCT */
		{K(3, 3, 14, 0, 0), 0, 1},					/* CNTFRQ */
		{K(3, 3, 14, 0, 0), 0, 2},	 {K(3, 3, 14, 3, 1), 0, 0x100}, /* CNTV_CTL */
		{K(3, 3, 14, 2, 2), 0, 0x200},					/* CNTP_CVAL */
	};
	struct env *e = *state;
	struct cpu *c = &e->cpu;
	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		cpu_sp_switch(c, 1, 1);
		c->sctlr &= ~(uint64_t)t[i].sctlr;
		c->timer.cntkctl = 0x3ff & ~t[i].cntkctl;
		if (t[i].key == K(3, 3, 14, 0, 0))
			c->timer.cntkctl = 0x3fc;
		assert_int_equal(can_read(c, t[i].key), SYSREG_OK);
		at_el0(e);
		assert_int_equal(can_read(c, t[i].key), SYSREG_TRAP);
		c->sctlr |= t[i].sctlr;
		c->timer.cntkctl |= t[i].cntkctl;
		assert_int_equal(can_read(c, t[i].key), SYSREG_OK);
	}
}

static void fp_registers_need_fp(void **state)
{
	struct env *e = *state;
	struct cpu *c = &e->cpu;
	assert_int_equal(can_read(c, K(3, 3, 4, 4, 0)), SYSREG_FP_TRAP);
	wr(c, K(3, 0, 1, 0, 2), 1 << 20); /* CPACR: EL1 only */
	wr(c, K(3, 3, 4, 4, 0), UINT64_MAX);
	assert_int_equal(rd(c, K(3, 3, 4, 4, 0)), 0x07c00000);
	at_el0(e);
	assert_int_equal(can_read(c, K(3, 3, 4, 4, 1)), SYSREG_FP_TRAP);
}

static void pstate_registers(void **state)
{
	struct env *e = *state;
	struct cpu *c = &e->cpu;
	bool trap;
	assert_int_equal(rd(c, K(3, 0, 4, 2, 2)), 4); /* CurrentEL */
	assert_int_equal(rd(c, K(3, 3, 4, 2, 1)), 0x3c0);
	wr(c, K(3, 3, 4, 2, 0), 0xa0000000);
	assert_int_equal(flags_nzcv(c), 0xa0000000);
	assert_true(sysreg_pstate_imm(c, 3, 7, 2, &trap)); /* DAIFClr I */
	assert_int_equal(c->daif, 0xd);
	assert_true(sysreg_pstate_imm(c, 3, 6, 2, &trap));
	assert_int_equal(c->daif, 0xf);

	c->x[REG_SP] = 0x111;
	wr(c, K(3, 0, 4, 1, 0), 0x222); /* SP_EL0 */
	assert_true(sysreg_pstate_imm(c, 0, 5, 0, &trap));
	assert_int_equal(c->x[REG_SP], 0x222);
	assert_int_equal(can_read(c, K(3, 0, 4, 1, 0)), SYSREG_UNDEF);
	wr(c, K(3, 0, 4, 2, 0), 1);
	assert_int_equal(c->x[REG_SP], 0x111);

	at_el0(e);
	assert_false(sysreg_pstate_imm(c, 0, 5, 1, &trap));
	c->sctlr &= ~0x200ull;
	assert_true(sysreg_pstate_imm(c, 3, 6, 2, &trap));
	assert_true(trap);
	assert_false(sysreg_pstate_imm(c, 0, 4, 1, &trap)); /* PAN */
}

static void sys_instructions_are_gated(void **state)
{
	struct env *e = *state;
	struct cpu *c = &e->cpu;
	static const struct {
		uint32_t key, sctlr;
	} t[] = {
		{K(1, 3, 7, 4, 1), 1u << 14},  {K(1, 3, 7, 5, 1), 1u << 26},
		{K(1, 3, 7, 10, 1), 1u << 26}, {K(1, 3, 7, 11, 1), 1u << 26},
		{K(1, 3, 7, 14, 1), 1u << 26},
	};
	assert_int_equal(sysreg_sys_gate(c, K(1, 0, 8, 3, 7)), SYSREG_OK);
	assert_int_equal(sysreg_sys_gate(c, K(1, 3, 7, 12, 1)), SYSREG_UNDEF); /* DC CVAP */
	at_el0(e);
	assert_int_equal(sysreg_sys_gate(c, K(1, 0, 8, 3, 7)), SYSREG_UNDEF);
	assert_int_equal(sysreg_sys_gate(c, K(1, 0, 7, 5, 0)), SYSREG_UNDEF);
	for (unsigned i = 0; i < 5; i++) {
		c->sctlr &= ~(uint64_t)t[i].sctlr;
		assert_int_equal(sysreg_sys_gate(c, t[i].key), SYSREG_TRAP);
		c->sctlr |= t[i].sctlr;
		assert_int_equal(sysreg_sys_gate(c, t[i].key), SYSREG_OK);
	}
	assert_int_equal(rd(c, K(3, 3, 0, 0, 7)), 0x04); /* DCZID.DZP shows DZE */
	c->sctlr &= ~(1ull << 14);
	assert_int_equal(rd(c, K(3, 3, 0, 0, 7)), 0x14);
	assert_false(sysreg_wfx_trapped(c, false));
	c->sctlr &= ~(1ull << 16);
	assert_true(sysreg_wfx_trapped(c, false));
	assert_false(sysreg_wfx_trapped(c, true));
}

static void syndrome_names_the_access(void **state)
{
	(void)state;
	/* mrs x5, ctr_el0: op0 3, op2 1, op1 3, CRn 0, Rt 5, CRm 0, read */
	assert_int_equal(sysreg_iss(K(3, 3, 0, 0, 1), 5, true),
			 3 << 20 | 1 << 17 | 3 << 14 | 5 << 5 | 1);
	/* msr daifset, #2 */
	assert_int_equal(sysreg_iss(K(0, 3, 4, 2, 6), 31, false),
			 6 << 17 | 3 << 14 | 4 << 10 | 31 << 5 | 2 << 1);
}

static void os_lock_and_debug_storage(void **state)
{
	struct env *e = *state;
	struct cpu *c = &e->cpu;
	assert_int_equal(rd(c, K(2, 0, 1, 1, 4)), 0xa);
	wr(c, K(2, 0, 1, 0, 4), 0);
	assert_int_equal(rd(c, K(2, 0, 1, 1, 4)), 0x8);
	wr(c, K(2, 0, 0, 1, 4), 0x123456789abcdef0);
	assert_int_equal(rd(c, K(2, 0, 0, 1, 4)), 0x123456789abcdef0);
	assert_int_equal(c->dbgbvr[1], 0x123456789abcdef0);
	assert_int_equal(can_read(c, K(2, 0, 1, 0, 4)), SYSREG_UNDEF); /* OSLAR is write-only */
}

static void storage_keeps_what_exists(void **state)
{
	struct env *e = *state;
	struct cpu *c = &e->cpu;
	wr(c, K(3, 0, 12, 0, 0), UINT64_MAX);
	assert_int_equal(rd(c, K(3, 0, 12, 0, 0)), ~0x7ffull);
	wr(c, SCTLR, UINT64_MAX);
	assert_int_equal(rd(c, SCTLR) & 0x03000000, 0); /* no big-endian data */
	wr(c, K(3, 0, 6, 0, 0), 0x1234);
	assert_int_equal(c->far, 0x1234);
}

#define T(f) cmocka_unit_test_setup_teardown(f, env_setup, env_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(table_is_sorted),
		T(identification_is_v8_0),
		T(unknown_registers_are_undefined),
		T(el0_reads_of_el1_registers_are_undefined),
		T(gates_of_el0),
		T(fp_registers_need_fp),
		T(pstate_registers),
		T(sys_instructions_are_gated),
		T(syndrome_names_the_access),
		T(os_lock_and_debug_storage),
		T(storage_keeps_what_exists),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
