/* SPDX-License-Identifier: Apache-2.0 */
/* The stage 1 walk over tables made by hand: every fault at every level, every permission. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "hv/arch/aarch64/soft/sysreg.h"
#include "soft_env.h"

#define VA0 0x0000123456789000ull
#define VA1 0xffff923456789000ull
#define PA 0x4012345000ull /* not RAM: only the translation is looked at */

/* The fault code, or -1 if the walk succeeds. */
static int fsc(struct env *e, uint64_t va, unsigned el, enum mmu_access a)
{
	struct mmu_map m;
	struct mmu_fault f = {.fsc = 0xff};
	if (mmu_walk(&e->cpu, va, el, a, &m, &f) == 0)
		return -1;
	assert_false(f.s1ptw);
	return f.fsc;
}

static struct mmu_map walk(struct env *e, uint64_t va, unsigned el, enum mmu_access a)
{
	struct mmu_map m = {0};
	struct mmu_fault f;
	assert_int_equal(mmu_walk(&e->cpu, va, el, a, &m, &f), 0);
	return m;
}

static void off_is_flat_and_device(void **state)
{
	struct env *e = *state;
	struct mmu_map m = walk(e, 0x12345678, 1, MMU_WRITE);
	assert_int_equal(m.pa, 0x12345678);
	assert_true(m.device && m.read && m.write && m.exec);
	assert_false(walk(e, 0x40000000, 1, MMU_FETCH).device);
	assert_int_equal(fsc(e, 1ull << 40, 1, MMU_READ), 0x00);
	assert_int_equal(fsc(e, 0xffull << 56 | 0x1000, 1, MMU_READ), 0x00);
	e->cpu.tcr = 1ull << 37; /* TBI0 */
	assert_int_equal(walk(e, 0xffull << 56 | 0x1000, 1, MMU_READ).pa, 0x1000);
}

static void page_maps_with_attributes(void **state)
{
	struct env *e = *state;
	env_mmu_on(e);
	uint64_t *d = env_map(e, e->cpu.ttbr[0], 0, VA0, 3,
			      PA | D_PAGE | D_AF | D_AP(1) | D_NG | D_SH(3), 0);
	struct mmu_map m = walk(e, VA0 + 0x678, 0, MMU_READ);
	assert_int_equal(m.pa, PA + 0x678);
	assert_int_equal(m.page_shift, 12);
	assert_int_equal(m.attr, 0xff);
	assert_int_equal(m.sh, 3);
	assert_true(m.nonglobal);
	assert_false(m.device);
	*d = (*d & ~D_NG) | D_ATTR(1);
	m = walk(e, VA0, 0, MMU_READ);
	assert_true(m.device);
	assert_false(m.nonglobal);
	*d = (*d & ~D_ATTR(7)) | D_ATTR(2);
	m = walk(e, VA0, 0, MMU_READ);
	assert_int_equal(m.attr, 0x44);
	assert_false(m.device);
}

static void blocks_map_at_levels_1_and_2(void **state)
{
	struct env *e = *state;
	env_mmu_on(e);
	env_map(e, e->cpu.ttbr[1], 0, VA1, 2, (PA & ~0x1fffffull) | D_BLOCK | D_AF, 0);
	struct mmu_map m = walk(e, VA1 + 0x123, 1, MMU_READ);
	assert_int_equal(m.pa, (PA & ~0x1fffffull) | (VA1 & 0x1fffff) | 0x123);
	assert_int_equal(m.page_shift, 21);
	env_map(e, e->cpu.ttbr[1], 0, 0xffff000000000000ull, 1, 0x80000000 | D_BLOCK | D_AF, 0);
	m = walk(e, 0xffff000012345678ull, 1, MMU_READ);
	assert_int_equal(m.pa, 0x92345678);
	assert_int_equal(m.page_shift, 30);
}

static void invalid_descriptor_faults_at_its_level(void **state)
{
	struct env *e = *state;
	env_mmu_on(e);
	for (unsigned level = 0; level < 4; level++) {
		uint64_t va = (uint64_t)(level + 1) << 39;
		uint64_t *d = env_map(e, e->cpu.ttbr[0], 0, va, level, 0, 0);
		assert_int_equal(fsc(e, va, 1, MMU_READ), 0x04 + level);
		*d = 2; /* bit 0 alone says valid */
		assert_int_equal(fsc(e, va, 1, MMU_READ), 0x04 + level);
		if (level == 0 || level == 3) {
			*d = PA | D_BLOCK | D_AF; /* reserved here */
			assert_int_equal(fsc(e, va, 1, MMU_READ), 0x04 + level);
		}
	}
}

static void access_flag_faults_at_its_level(void **state)
{
	struct env *e = *state;
	env_mmu_on(e);
	for (unsigned level = 1; level < 4; level++) {
		uint64_t va = (uint64_t)level << 39;
		env_map(e, e->cpu.ttbr[0], 0, va, level,
			0x80000000 | (level == 3 ? D_PAGE : D_BLOCK), 0);
		assert_int_equal(fsc(e, va, 1, MMU_READ), 0x08 + level);
	}
}

static void permission_faults_at_its_level(void **state)
{
	struct env *e = *state;
	env_mmu_on(e);
	for (unsigned level = 1; level < 4; level++) {
		uint64_t va = (uint64_t)level << 39;
		env_map(e, e->cpu.ttbr[0], 0, va, level,
			0x80000000 | D_AF | D_AP(2) | (level == 3 ? D_PAGE : D_BLOCK), 0);
		assert_int_equal(fsc(e, va, 1, MMU_READ), -1);
		assert_int_equal(fsc(e, va, 1, MMU_WRITE), 0x0c + level);
		assert_int_equal(fsc(e, va, 0, MMU_READ), 0x0c + level);
	}
}

static void every_permission_is_as_the_manual_says(void **state)
{
	/* By AP[2:1], then XN bits {UXN, PXN}: r w x of EL0 and of EL1. */
	static const struct {
		unsigned ap;
		bool wxn;
		bool r0, w0, x0, r1, w1, x1; /* with UXN = PXN = 0 */
	} t[] = {
		{0, false, 0, 0, 1, 1, 1, 1}, {1, false, 1, 1, 1, 1, 1, 0},
		{2, false, 0, 0, 1, 1, 0, 1}, {3, false, 1, 0, 1, 1, 0, 1},
		{0, true, 0, 0, 1, 1, 1, 0},  {1, true, 1, 1, 0, 1, 1, 0},
		{2, true, 0, 0, 1, 1, 0, 1},  {3, true, 1, 0, 1, 1, 0, 1},
	};
	struct env *e = *state;
	env_mmu_on(e);
	uint64_t *d = env_map(e, e->cpu.ttbr[0], 0, VA0, 3, 0, 0);
	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		for (unsigned xn = 0; xn < 4; xn++) {
			*d = PA | D_PAGE | D_AF | D_AP(t[i].ap) | (xn & 1 ? D_UXN : 0) |
			     (xn & 2 ? D_PXN : 0);
			e->cpu.sctlr = (e->cpu.sctlr & ~0x80000ull) | (t[i].wxn ? 0x80000 : 0);
			assert_int_equal(fsc(e, VA0, 0, MMU_READ), t[i].r0 ? -1 : 0xf);
			assert_int_equal(fsc(e, VA0, 0, MMU_WRITE), t[i].w0 ? -1 : 0xf);
			assert_int_equal(fsc(e, VA0, 0, MMU_FETCH),
					 t[i].x0 && !(xn & 1) ? -1 : 0xf);
			assert_int_equal(fsc(e, VA0, 1, MMU_READ), t[i].r1 ? -1 : 0xf);
			assert_int_equal(fsc(e, VA0, 1, MMU_WRITE), t[i].w1 ? -1 : 0xf);
			assert_int_equal(fsc(e, VA0, 1, MMU_FETCH),
					 t[i].x1 && !(xn & 2) ? -1 : 0xf);
		}
	}
}

static void table_attributes_restrict_the_leaf(void **state)
{
	struct env *e = *state;
	env_mmu_on(e);
	struct {
		uint64_t bits;
		unsigned el;
		enum mmu_access access;
	} t[] = {
		{1ull << 59, 1, MMU_FETCH}, /* PXNTable */
		{1ull << 60, 0, MMU_FETCH}, /* UXNTable */
		{1ull << 61, 0, MMU_READ},  /* APTable[0]: no EL0 */
		{1ull << 62, 1, MMU_WRITE}, /* APTable[1]: read only */
	};
	for (unsigned i = 0; i < 4; i++) {
		uint64_t va = (uint64_t)(i + 1) << 39;
		/* Not writable by EL0 where EL1 execution is looked at. */
		uint64_t leaf = PA | D_PAGE | D_AF | D_AP(i == 0 ? 0 : 1);
		uint64_t *d = env_map(e, e->cpu.ttbr[0], 0, va, 3, leaf, 0);
		assert_int_equal(fsc(e, va, t[i].el, t[i].access), -1);
		*d = 0;
		va += 1ull << 38;
		env_map(e, e->cpu.ttbr[0], 0, va, 3, leaf, 0);
		*env_desc(e, e->cpu.ttbr[0], i + 1) |= t[i].bits; /* one level is enough */
		assert_int_equal(fsc(e, va, t[i].el, t[i].access), 0xf);
	}
}

static void addresses_beyond_the_output_size_fault(void **state)
{
	struct env *e = *state;
	env_mmu_on(e);
	for (unsigned level = 0; level < 4; level++) {
		uint64_t va = (uint64_t)(level + 1) << 39;
		uint64_t bits = level == 3 ? D_PAGE | D_AF : D_TABLE;
		uint64_t *d = env_map(e, e->cpu.ttbr[0], 0, va, level, 1ull << 40 | bits, 0);
		assert_int_equal(fsc(e, va, 1, MMU_READ), 0x00 + level);
		*d = 1ull << 39 | bits;
		assert_int_equal(fsc(e, va, 1, MMU_READ), level == 3 ? -1 : 0x15 + (int)level);
		e->cpu.tcr &= ~(7ull << 32); /* IPS: 32 bits */
		assert_int_equal(fsc(e, va, 1, MMU_READ), 0x00 + level);
		e->cpu.tcr |= 5ull << 32; /* 48 bits, capped by PARange */
		*d = 1ull << 40 | bits;
		assert_int_equal(fsc(e, va, 1, MMU_READ), 0x00 + level);
		e->cpu.tcr = (e->cpu.tcr & ~(7ull << 32)) | 2ull << 32;
	}
	e->cpu.ttbr[0] |= 1ull << 41;
	assert_int_equal(fsc(e, VA0, 1, MMU_READ), 0x00);
}

static void table_outside_ram_is_an_external_abort(void **state)
{
	struct env *e = *state;
	env_mmu_on(e);
	for (unsigned level = 0; level < 3; level++) {
		uint64_t va = (uint64_t)(level + 1) << 39;
		env_map(e, e->cpu.ttbr[0], 0, va, level, 0x9000000 | D_TABLE, 0);
		assert_int_equal(fsc(e, va, 1, MMU_READ), 0x15 + level);
	}
	e->cpu.ttbr[0] = 0x9000000;
	assert_int_equal(fsc(e, VA0, 1, MMU_READ), 0x14);
}

static void start_level_follows_input_size(void **state)
{
	static const struct {
		unsigned tsz, level;
	} t[] = {{16, 0}, {24, 0}, {25, 1}, {33, 1}, {34, 2}, {39, 2}};
	struct env *e = *state;
	env_mmu_on(e);
	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint64_t root = env_table(e), top = (1ull << (64 - t[i].tsz)) - 4096;
		e->cpu.tcr = (e->cpu.tcr & ~0x3f003full) | t[i].tsz | t[i].tsz << 16;
		e->cpu.ttbr[0] = e->cpu.ttbr[1] = root;
		env_map(e, root, t[i].level, top, 3, PA | D_PAGE | D_AF, 0);
		assert_int_equal(walk(e, top, 1, MMU_READ).pa, PA);
		assert_int_equal(fsc(e, top + 4096, 1, MMU_READ), 0x04);
		/* In the upper half the last page is the same index. */
		assert_int_equal(walk(e, ~0xfffull, 1, MMU_READ).pa, PA);
		assert_int_equal(fsc(e, 0ull - (1ull << (64 - t[i].tsz)) - 4096, 1, MMU_READ),
				 0x04);
	}
	e->cpu.tcr = (e->cpu.tcr & ~0x3full) | 40;
	assert_int_equal(fsc(e, 0, 1, MMU_READ), 0x04);
	e->cpu.tcr = (e->cpu.tcr & ~0x3full) | 15;
	assert_int_equal(fsc(e, 0, 1, MMU_READ), 0x04);
}

static void tag_byte_is_ignored_only_with_tbi(void **state)
{
	struct env *e = *state;
	env_mmu_on(e);
	env_map(e, e->cpu.ttbr[0], 0, VA0, 3, PA | D_PAGE | D_AF, 0);
	env_map(e, e->cpu.ttbr[1], 0, VA1, 3, PA | D_PAGE | D_AF, 0);
	uint64_t tagged0 = VA0 | 0xa5ull << 56, tagged1 = VA1 & ~(0x5aull << 56);
	assert_int_equal(fsc(e, tagged0, 1, MMU_READ), 0x04);
	assert_int_equal(fsc(e, tagged1, 1, MMU_READ), 0x04);
	e->cpu.tcr |= 1ull << 37;
	assert_int_equal(fsc(e, tagged0, 1, MMU_READ), -1);
	assert_int_equal(fsc(e, tagged1, 1, MMU_READ), 0x04);
	e->cpu.tcr |= 1ull << 38;
	assert_int_equal(fsc(e, tagged1, 1, MMU_READ), -1);
	/* Bits 55..48 still count. */
	assert_int_equal(fsc(e, tagged0 | 1ull << 50, 1, MMU_READ), 0x04);
	assert_int_equal(mmu_branch_addr(&e->cpu, tagged0), VA0);
	assert_int_equal(mmu_branch_addr(&e->cpu, tagged1), VA1);
}

static void halves_can_be_switched_off(void **state)
{
	struct env *e = *state;
	env_mmu_on(e);
	uint64_t tcr = e->cpu.tcr;
	env_map(e, e->cpu.ttbr[0], 0, VA0, 3, PA | D_PAGE | D_AF | D_AP(1), 0);
	env_map(e, e->cpu.ttbr[1], 0, VA1, 3, PA | D_PAGE | D_AF | D_AP(1), 0);
	for (unsigned half = 0; half < 2; half++) {
		uint64_t va = half ? VA1 : VA0, other = half ? VA0 : VA1;
		e->cpu.tcr = tcr | 1ull << (half ? 23 : 7); /* EPDn */
		assert_int_equal(fsc(e, va, 1, MMU_READ), 0x04);
		assert_int_equal(fsc(e, other, 1, MMU_READ), -1);
		e->cpu.tcr = tcr | 1ull << (55 + half); /* E0PDn */
		assert_int_equal(fsc(e, va, 1, MMU_READ), -1);
		assert_int_equal(fsc(e, va, 0, MMU_READ), 0x04);
		assert_int_equal(fsc(e, other, 0, MMU_READ), -1);
	}
}

static void asid_comes_from_the_register_that_tcr_names(void **state)
{
	struct env *e = *state;
	env_mmu_on(e);
	env_map(e, e->cpu.ttbr[0], 0, VA0, 3, PA | D_PAGE | D_AF | D_NG, 0);
	e->cpu.ttbr[0] |= 0x1234ull << 48;
	e->cpu.ttbr[1] |= 0x5678ull << 48;
	assert_int_equal(walk(e, VA0, 1, MMU_READ).asid, 0x1234);
	e->cpu.tcr |= 1ull << 22; /* A1 */
	assert_int_equal(walk(e, VA0, 1, MMU_READ).asid, 0x5678);
	e->cpu.tcr &= ~(1ull << 36); /* AS: 8 bits */
	assert_int_equal(walk(e, VA0, 1, MMU_READ).asid, 0x78);
}

static void at_fills_par(void **state)
{
	struct env *e = *state;
	uint32_t at = SYSREG_KEY(1, 0, 7, 8, 0);
	env_mmu_on(e);
	env_map(e, e->cpu.ttbr[0], 0, VA0, 3, PA | D_PAGE | D_AF | D_AP(3) | D_SH(3), 0);
	assert_true(mmu_at_exec(&e->cpu, at, VA0 + 0x123));
	assert_int_equal(e->cpu.par, 0xffull << 56 | PA | 1 << 11 | 1 << 9 | 3 << 7);
	assert_true(mmu_at_exec(&e->cpu, at + 3, VA0)); /* S1E0W */
	assert_int_equal(e->cpu.par, 1 << 11 | 0x0f << 1 | 1);
	assert_true(mmu_at_exec(&e->cpu, at + 2, VA0)); /* S1E0R */
	assert_int_equal(e->cpu.par & 1, 0);
	assert_true(mmu_at_exec(&e->cpu, at + 1, VA0 + 0x1000));
	assert_int_equal(e->cpu.par, 1 << 11 | 0x07 << 1 | 1);
	assert_false(mmu_at_exec(&e->cpu, at + 4, VA0));
	assert_false(mmu_at_exec(&e->cpu, SYSREG_KEY(1, 0, 7, 9, 0), VA0));
}

#define T(f) cmocka_unit_test_setup_teardown(f, env_setup, env_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(off_is_flat_and_device),
		T(page_maps_with_attributes),
		T(blocks_map_at_levels_1_and_2),
		T(invalid_descriptor_faults_at_its_level),
		T(access_flag_faults_at_its_level),
		T(permission_faults_at_its_level),
		T(every_permission_is_as_the_manual_says),
		T(table_attributes_restrict_the_leaf),
		T(addresses_beyond_the_output_size_fault),
		T(table_outside_ram_is_an_external_abort),
		T(start_level_follows_input_size),
		T(tag_byte_is_ignored_only_with_tbi),
		T(halves_can_be_switched_off),
		T(asid_comes_from_the_register_that_tcr_names),
		T(at_fills_par),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
