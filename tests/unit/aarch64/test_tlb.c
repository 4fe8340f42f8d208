/* SPDX-License-Identifier: Apache-2.0 */
/* What TLBI and regime changes drop from the software TLB, and what they keep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "hv/arch/aarch64/soft/sysreg.h"
#include "soft_env.h"

#define VA 0x0000000012345000ull
#define TLBI(crm, op2) SYSREG_KEY(1, 0, 8, crm, op2)

static uint8_t host_page[4096];

/* The hit test of an access of @size bytes. */
static bool hit(const struct tlb *t, uint64_t va, unsigned size, bool write)
{
	const struct tlb_entry *e = &t->e[tlb_index(va)];
	uint64_t tag = va & (~0xfffull | (size - 1));
	return tag == (write ? e->tag_w : e->tag_r);
}

static bool fetch_hit(const struct tlb *t, uint64_t va)
{
	return t->f[ftlb_index(va)].tag == (va & ~0xfffull);
}

static void fill(struct env *e, unsigned el, uint64_t va, unsigned shift, int asid)
{
	struct mmu_map m = {.pa = 0x40000000 | (va & 0xfff), .page_shift = (uint8_t)shift};
	m.read = m.write = m.exec = true;
	m.nonglobal = asid >= 0;
	m.asid = (uint16_t)(asid >= 0 ? asid : 0);
	tlb_fill(&e->cpu, &e->view[el], va, &m, host_page + (va & 0xfff));
	tlb_fill_fetch(&e->cpu, &e->view[el], va, &m, host_page);
}

static void empty_view_never_hits(void **state)
{
	struct env *e = *state;
	for (uint64_t va = 0; va < 64; va++) {
		for (unsigned size = 1; size <= 64; size *= 2)
			assert_false(hit(&e->view[1], va, size, false));
	}
}

static void fill_hits_its_page_when_aligned(void **state)
{
	struct env *e = *state;
	fill(e, 1, VA + 0x123, 12, -1);
	assert_true(hit(&e->view[1], VA, 8, true));
	assert_true(hit(&e->view[1], VA + 0xff8, 8, false));
	assert_false(hit(&e->view[1], VA + 0xff9, 8, false));
	assert_false(hit(&e->view[1], VA + 0x1000, 8, false));
	assert_false(hit(&e->view[0], VA, 8, false));
	assert_ptr_equal((void *)(VA + 8 + e->view[1].e[tlb_index(VA)].addend), host_page + 8);
}

static void read_only_page_has_no_write_tag(void **state)
{
	struct env *e = *state;
	struct mmu_map m = {.pa = 0x40000000, .page_shift = 12, .read = true};
	tlb_fill(&e->cpu, &e->view[0], VA, &m, host_page);
	assert_true(hit(&e->view[0], VA, 4, false));
	assert_false(hit(&e->view[0], VA, 4, true));
}

static void tlbi_va_drops_that_page_in_both_views(void **state)
{
	struct env *e = *state;
	fill(e, 0, VA, 12, -1);
	fill(e, 1, VA, 12, -1);
	fill(e, 1, VA + 0x1000, 12, -1);
	assert_true(tlbi_exec(&e->cpu, TLBI(7, 7), VA >> 12));
	assert_false(hit(&e->view[0], VA, 4, false));
	assert_false(hit(&e->view[1], VA, 4, false));
	assert_false(fetch_hit(&e->view[1], VA));
	assert_true(hit(&e->view[1], VA + 0x1000, 4, false));
	assert_true(fetch_hit(&e->view[1], VA + 0x1000));
	assert_int_equal(e->broadcasts, 0);
}

static void tlbi_va_ignores_the_tag_byte(void **state)
{
	struct env *e = *state;
	uint64_t tagged = VA | 0xabull << 56;
	fill(e, 0, tagged, 12, 5);
	assert_true(hit(&e->view[0], tagged, 4, false));
	tlbi_exec(&e->cpu, TLBI(7, 3), VA >> 12);
	assert_false(hit(&e->view[0], tagged, 4, false));
}

static void tlbi_va_by_asid_spares_other_asids(void **state)
{
	struct env *e = *state;
	e->cpu.tcr = 1ull << 36;
	fill(e, 0, VA, 12, 0x102);
	tlbi_exec(&e->cpu, TLBI(7, 1), VA >> 12 | 0x103ull << 48);
	assert_true(hit(&e->view[0], VA, 4, false));
	tlbi_exec(&e->cpu, TLBI(7, 5), VA >> 12 | 0x102ull << 48);
	assert_false(hit(&e->view[0], VA, 4, false));
	/* Global entries match every ASID. */
	fill(e, 0, VA, 12, -1);
	tlbi_exec(&e->cpu, TLBI(7, 1), VA >> 12 | 0x103ull << 48);
	assert_false(hit(&e->view[0], VA, 4, false));
	/* With 8-bit ASIDs the upper bits do not count. */
	e->cpu.tcr = 0;
	fill(e, 0, VA, 12, 2);
	tlbi_exec(&e->cpu, TLBI(7, 1), VA >> 12 | 0x102ull << 48);
	assert_false(hit(&e->view[0], VA, 4, false));
}

static void tlbi_va_drops_the_whole_block(void **state)
{
	struct env *e = *state;
	uint64_t block = VA & ~0x1fffffull, other = block + 0x400000;
	fill(e, 1, block + 0x3000, 21, -1);
	fill(e, 1, block + 0x1ff000, 21, -1);
	fill(e, 1, other + 0x7000, 21, -1);
	fill(e, 1, block + 0x5000, 12,
	     -1); /* a page would not be under a block; it must stay all the same */
	tlbi_exec(&e->cpu, TLBI(7, 3), (block + 0x10000) >> 12);
	assert_false(hit(&e->view[1], block + 0x3000, 4, false));
	assert_false(hit(&e->view[1], block + 0x1ff000, 4, false));
	assert_false(fetch_hit(&e->view[1], block + 0x3000));
	assert_true(hit(&e->view[1], other + 0x7000, 4, false));
	assert_true(hit(&e->view[1], block + 0x5000, 4, false));

	fill(e, 1, 0x80123000, 30, -1);
	tlbi_exec(&e->cpu, TLBI(7, 3), 0xbfff0000 >> 12);
	assert_false(hit(&e->view[1], 0x80123000, 4, false));
}

static void tlbi_asid_and_all(void **state)
{
	struct env *e = *state;
	fill(e, 0, VA, 12, 1);
	fill(e, 0, VA + 0x1000, 12, 2);
	fill(e, 0, VA + 0x2000, 12, -1);
	tlbi_exec(&e->cpu, TLBI(7, 2), 1ull << 48);
	assert_false(hit(&e->view[0], VA, 4, false));
	assert_false(fetch_hit(&e->view[0], VA));
	assert_true(hit(&e->view[0], VA + 0x1000, 4, false));
	assert_true(hit(&e->view[0], VA + 0x2000, 4, false));
	/* A second time: the bookkeeping of what is not global must have survived. */
	tlbi_exec(&e->cpu, TLBI(7, 2), 2ull << 48);
	assert_false(hit(&e->view[0], VA + 0x1000, 4, false));
	tlbi_exec(&e->cpu, TLBI(7, 0), 0);
	assert_false(hit(&e->view[0], VA + 0x2000, 4, false));
}

static void asid_change_drops_not_global_entries_only(void **state)
{
	struct env *e = *state;
	uint32_t ttbr0 = SYSREG_KEY(3, 0, 2, 0, 0);
	e->cpu.tcr = 1ull << 36;
	fill(e, 0, VA, 12, 0);
	fill(e, 0, VA + 0x1000, 12, -1);
	/* Another table under the same ASID: nothing to drop. */
	assert_int_equal(sysreg_write(&e->cpu, ttbr0, 0x40001000), SYSREG_OK);
	assert_true(hit(&e->view[0], VA, 4, false));
	/* The other TTBR's ASID field does not count. */
	assert_int_equal(sysreg_write(&e->cpu, ttbr0 + 1, 7ull << 48), SYSREG_OK);
	assert_true(hit(&e->view[0], VA, 4, false));
	assert_int_equal(sysreg_write(&e->cpu, ttbr0, 0x40001000 | 7ull << 48), SYSREG_OK);
	assert_false(hit(&e->view[0], VA, 4, false));
	assert_false(fetch_hit(&e->view[0], VA));
	assert_true(hit(&e->view[0], VA + 0x1000, 4, false));
	assert_true(fetch_hit(&e->view[0], VA + 0x1000));
}

static void regime_changes_drop_all(void **state)
{
	struct env *e = *state;
	const struct {
		uint32_t key;
		uint64_t value;
	} t[] = {
		{SYSREG_KEY(3, 0, 1, 0, 0), e->cpu.sctlr | 1},
		{SYSREG_KEY(3, 0, 2, 0, 2), 0x100010},
		{SYSREG_KEY(3, 0, 10, 2, 0), 0xff},
	};
	for (unsigned i = 0; i < 3; i++) {
		fill(e, 1, VA, 12, -1);
		assert_int_equal(sysreg_write(&e->cpu, t[i].key, t[i].value), SYSREG_OK);
		assert_false(hit(&e->view[1], VA, 4, false));
		/* The same value again changes nothing. */
		fill(e, 1, VA, 12, -1);
		assert_int_equal(sysreg_write(&e->cpu, t[i].key, t[i].value), SYSREG_OK);
		assert_true(hit(&e->view[1], VA, 4, false));
	}
}

static void shared_variants_are_broadcast(void **state)
{
	struct env *e = *state;
	e->cpu.tcr = 1ull << 36;
	static const struct {
		unsigned op2;
		enum inbox_kind kind;
		bool all;
	} t[] = {
		{0, INBOX_TLB_ALL, false}, {1, INBOX_TLB_VA, false}, {2, INBOX_TLB_ASID, false},
		{3, INBOX_TLB_VA, true},   {5, INBOX_TLB_VA, false}, {7, INBOX_TLB_VA, true},
	};
	for (unsigned i = 0; i < 6; i++) {
		fill(e, 1, VA, 12, 0x104);
		assert_true(tlbi_exec(&e->cpu, TLBI(3, t[i].op2), VA >> 12 | 0x104ull << 48));
		assert_false(hit(&e->view[1], VA, 4, false));
		assert_int_equal(e->broadcasts, i + 1);
		assert_int_equal(e->last.kind, t[i].kind);
		assert_int_equal(e->last.all_asids, t[i].all);
		assert_int_equal(e->last.asid, 0x104);
		assert_int_equal(e->last.addr, VA);
	}
	assert_false(tlbi_exec(&e->cpu, TLBI(3, 4), 0));
	assert_false(tlbi_exec(&e->cpu, TLBI(1, 1), 0));		/* outer shareable: v8.4 */
	assert_false(tlbi_exec(&e->cpu, SYSREG_KEY(1, 4, 8, 7, 0), 0)); /* EL2's */
}

#define T(f) cmocka_unit_test_setup_teardown(f, env_setup, env_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(empty_view_never_hits),
		T(fill_hits_its_page_when_aligned),
		T(read_only_page_has_no_write_tag),
		T(tlbi_va_drops_that_page_in_both_views),
		T(tlbi_va_ignores_the_tag_byte),
		T(tlbi_va_by_asid_spares_other_asids),
		T(tlbi_va_drops_the_whole_block),
		T(tlbi_asid_and_all),
		T(asid_change_drops_not_global_entries_only),
		T(regime_changes_drop_all),
		T(shared_variants_are_broadcast),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
