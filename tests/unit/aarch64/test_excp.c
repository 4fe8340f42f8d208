/* SPDX-License-Identifier: Apache-2.0 */
/* Exception entry and return: vectors, syndromes, banked stack pointers, illegal returns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "hv/arch/aarch64/soft/excp.h"
#include "hv/arch/aarch64/soft/flags.h"
#include "soft_env.h"

#define VBAR 0xffff000000080000ull
#define PC 0x0000000000401234ull

/* A CPU in @el with @sp_sel, NZCV = 0b0110, DAIF = 0b0101, SPs 0x1000 (EL0) and 0x2000 (EL1). */
static struct cpu *cpu_in(struct env *e, unsigned el, unsigned sp_sel)
{
	struct cpu *c = &e->cpu;
	c->vbar = VBAR;
	cpu_sp_switch(c, 1, 1);
	c->x[REG_SP] = 0x2000;
	c->sp_el[0] = 0x1000;
	cpu_sp_switch(c, el, sp_sel);
	c->daif = 5;
	flags_set_nzcv(c, 6u << 28);
	c->pc = PC;
	return c;
}

static void entry_saves_state_and_picks_the_vector(void **state)
{
	static const struct {
		unsigned el, sp, offset, mode;
	} t[] = {{0, 0, 0x400, 0}, {1, 0, 0x000, 4}, {1, 1, 0x200, 5}};
	for (unsigned i = 0; i < 3; i++) {
		struct cpu *c = cpu_in(*state, t[i].el, t[i].sp);
		assert_int_equal(c->x[REG_SP], t[i].sp ? 0x2000 : 0x1000);
		excp_sync(c, EC_SVC, 0x123, PC + 4);
		assert_int_equal(c->pc, VBAR + t[i].offset);
		assert_int_equal(c->elr, PC + 4);
		assert_int_equal(c->spsr, 6u << 28 | 5 << 6 | t[i].mode);
		assert_int_equal(c->esr, 0x15u << 26 | 1 << 25 | 0x123);
		assert_int_equal(c->el, 1);
		assert_int_equal(c->sp_sel, 1);
		assert_int_equal(c->daif, 0xf);
		assert_int_equal(c->x[REG_SP], 0x2000);
		assert_ptr_equal(c->tlb, c->tlb_el[1]);
		assert_int_equal(flags_nzcv(c), 6u << 28);

		c = cpu_in(*state, t[i].el, t[i].sp);
		excp_irq(c);
		assert_int_equal(c->pc, VBAR + t[i].offset + 0x80);
		assert_int_equal(c->elr, PC);
		c = cpu_in(*state, t[i].el, t[i].sp);
		excp_fiq(c);
		assert_int_equal(c->pc, VBAR + t[i].offset + 0x100);
		c = cpu_in(*state, t[i].el, t[i].sp);
		excp_serror(c, 0x11);
		assert_int_equal(c->pc, VBAR + t[i].offset + 0x180);
		assert_int_equal(c->esr, 0x2fu << 26 | 1 << 25 | 0x11);
	}
}

static void abort_class_follows_the_level(void **state)
{
	/* Values that Linux sees at boot. */
	struct cpu *c = cpu_in(*state, 0, 0);
	excp_abort(c, true, 0x07, 0xdead0000, PC);
	assert_int_equal(c->esr, 0x82000007);
	assert_int_equal(c->far, 0xdead0000);
	c = cpu_in(*state, 0, 0);
	excp_abort(c, false, ISS_WNR | 0x0f, 0xdead0008, PC);
	assert_int_equal(c->esr, 0x9200004f);
	c = cpu_in(*state, 1, 1);
	excp_abort(c, false, ISS_WNR | 0x04, 0xdead0010, PC);
	assert_int_equal(c->esr, 0x96000044);
	c = cpu_in(*state, 1, 1);
	excp_abort(c, true, 0x0e, 0xdead0018, PC);
	assert_int_equal(c->esr, 0x8600000e);
	c = cpu_in(*state, 0, 0);
	excp_abort(c, false, FSC_ALIGNMENT, 1, PC);
	assert_int_equal(c->esr, 0x92000021);
}

static void other_classes_keep_their_number(void **state)
{
	static const struct {
		enum excp_class ec;
		uint32_t iss, esr;
	} t[] = {
		{EC_UNKNOWN, 0, 0x02000000},	{EC_WFX, 0x1e00001, 0x07e00001},
		{EC_FP, 0x1e00000, 0x1fe00000}, {EC_ILLEGAL, 0, 0x3a000000},
		{EC_PC_ALIGN, 0, 0x8a000000},	{EC_SP_ALIGN, 0, 0x9a000000},
		{EC_BRK, 0xf000, 0xf200f000},	{EC_SYSREG, 0x32c00d, 0x6232c00d},
		{EC_SERROR, 0, 0xbe000000},
	};
	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct cpu *c = cpu_in(*state, 0, 0);
		excp_sync(c, t[i].ec, t[i].iss, PC);
		assert_int_equal(c->esr, t[i].esr);
	}
}

static void eret_restores_what_entry_saved(void **state)
{
	static const unsigned t[3][2] = {{0, 0}, {1, 0}, {1, 1}};
	for (unsigned i = 0; i < 3; i++) {
		struct cpu *c = cpu_in(*state, t[i][0], t[i][1]);
		excp_irq(c);
		flags_set_nzcv(c, 9u << 28);
		c->excl_valid = true;
		c->event = false;
		excp_eret(c);
		assert_int_equal(c->el, t[i][0]);
		assert_int_equal(c->sp_sel, t[i][1]);
		assert_int_equal(c->x[REG_SP], t[i][1] ? 0x2000 : 0x1000);
		assert_int_equal(c->daif, 5);
		assert_int_equal(c->pc, PC);
		assert_int_equal(flags_nzcv(c), 6u << 28);
		assert_ptr_equal(c->tlb, c->tlb_el[t[i][0]]);
		assert_int_equal(c->il, 0);
		assert_false(c->excl_valid);
		assert_true(c->event);
	}
}

static void fp_access_follows_the_level(void **state)
{
	struct cpu *c = cpu_in(*state, 0, 0);
	c->cpacr = 1 << 20; /* EL1 only */
	cpu_fp_update(c);
	assert_false(c->fp_ok);
	excp_irq(c);
	assert_true(c->fp_ok);
	excp_eret(c);
	assert_false(c->fp_ok);
}

static void illegal_return_sets_il_and_stays(void **state)
{
	/* AArch32 user, EL1 reserved mode, EL2t, EL2h, EL3h, EL0 with its own SP. */
	static const uint32_t modes[] = {0x10, 0x06, 0x08, 0x09, 0x0d, 0x01, 0x02};
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct cpu *c = cpu_in(*state, 1, 1);
		c->spsr = 9u << 28 | 2 << 6 | modes[i];
		c->elr = PC + 0x40;
		excp_eret(c);
		assert_int_equal(c->il, 1);
		assert_int_equal(c->el, 1);
		assert_int_equal(c->sp_sel, 1);
		assert_int_equal(c->pc, PC + 0x40);
		assert_int_equal(flags_nzcv(c), 9u << 28);
		assert_int_equal(c->daif, 2);
		/* The exception that follows saves IL and clears it. */
		excp_sync(c, EC_ILLEGAL, 0, c->pc);
		assert_int_equal(c->spsr >> 20 & 1, 1);
		assert_int_equal(c->il, 0);
	}
}

static void il_in_spsr_comes_back(void **state)
{
	struct cpu *c = cpu_in(*state, 1, 1);
	c->spsr = 1 << 20;
	excp_eret(c);
	assert_int_equal(c->il, 1);
	assert_int_equal(c->el, 0);
}

static void step_bit_counts_only_when_stepping(void **state)
{
	struct cpu *c = cpu_in(*state, 1, 1);
	c->spsr = 1 << 21;
	excp_eret(c);
	assert_int_equal(c->ss, 0);

	/* Stepping is on at the source already: the bit does not pass. */
	c = cpu_in(*state, 1, 1);
	c->oslsr = 8;
	c->mdscr = 0x2001;
	c->daif = 7;
	c->spsr = 1 << 21;
	excp_eret(c);
	assert_int_equal(c->ss, 0);

	c = cpu_in(*state, 1, 1);
	c->mdscr = 1;
	assert_false(excp_step_active(c)); /* EL1 without KDE */
	c->spsr = 1 << 21;
	c->elr = PC;
	excp_eret(c);
	assert_int_equal(c->ss, 1);
	assert_true(excp_step_active(c));
	c->ss = 0; /* one instruction later */
	c->pc = PC + 4;
	excp_step(c);
	assert_int_equal(c->esr, 0x32u << 26 | 1 << 25 | 0x22);
	assert_int_equal(c->elr, PC + 4);
	assert_int_equal(c->spsr >> 21 & 1, 0);
	assert_false(excp_step_active(c));
}

static void return_address_loses_its_tag(void **state)
{
	struct cpu *c = cpu_in(*state, 1, 1);
	c->tcr = 1ull << 37;
	c->spsr = 0;
	c->elr = 0xa5ull << 56 | PC;
	excp_eret(c);
	assert_int_equal(c->pc, PC);
	c = cpu_in(*state, 1, 1);
	c->tcr = 0;
	c->elr = 0xa5ull << 56 | PC;
	excp_eret(c);
	assert_int_equal(c->pc, 0xa5ull << 56 | PC);
}

#define T(f) cmocka_unit_test_setup_teardown(f, env_setup, env_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(entry_saves_state_and_picks_the_vector),
		T(abort_class_follows_the_level),
		T(other_classes_keep_their_number),
		T(eret_restores_what_entry_saved),
		T(fp_access_follows_the_level),
		T(illegal_return_sets_il_and_stays),
		T(il_in_spsr_comes_back),
		T(step_bit_counts_only_when_stepping),
		T(return_address_loses_its_tag),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
