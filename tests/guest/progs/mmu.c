/* SPDX-License-Identifier: Apache-2.0 */
/* Stage 1 translation: sizes, levels, faults, permissions, tags, ASIDs, TLB maintenance, AT. */
#include "mmu.h"

#define TVA 0x100000000ull /* 1 GiB of test addresses from here; not mapped by pt_identity */
#define T1_25 0xffffff8000000000ull

#define DABT_LD(dfsc) (0x96000000ull | (dfsc))
#define DABT_ST(dfsc) (0x96000040ull | (dfsc))
#define DABT0_LD(dfsc) (0x92000000ull | (dfsc))
#define DABT0_ST(dfsc) (0x92000040ull | (dfsc))
#define IABT(ifsc) (0x86000000ull | (ifsc))
#define IABT0(ifsc) (0x82000000ull | (ifsc))
#define FS_SIZE(l) (0x00u + (l))
#define FS_TRANS(l) (0x04u + (l))
#define FS_AF(l) (0x08u + (l))
#define FS_PERM(l) (0x0cu + (l))

static uint64_t page_a[512] __attribute__((aligned(4096)));
static uint64_t page_b[512] __attribute__((aligned(4096)));
static uint64_t *root;

static uint64_t ld(uint64_t va)
{
	uint64_t v = 0xdead;

	__asm__ volatile("ldr %0, [%1]" : "+r"(v) : "r"(va) : "memory");
	return v;
}

static void st(uint64_t va, uint64_t v)
{
	__asm__ volatile("str %0, [%1]" ::"r"(v), "r"(va) : "memory");
}

static uint64_t el0_ld(uint64_t va)
{
	return ld(va);
}

static uint64_t el0_st(uint64_t va)
{
	st(va, 0x1234);
	return 0;
}

static uint64_t run(uint64_t va)
{
	uint64_t v;

	__asm__ volatile("mov x0, #0\n\tblr %1\n\tmov %0, x0"
			 : "=r"(v)
			 : "r"(va)
			 : "x0", "x1", "x30", "memory");
	return v;
}

static uint64_t run0(uint64_t va)
{
	return el0_enter(va, 0, 0, 0);
}

#define FAULT(what, esr_, far_)                                                                    \
	do {                                                                                       \
		exc_reset();                                                                       \
		what;                                                                              \
		CHECK_EQ(exc.count, 1);                                                            \
		CHECK_EQ(exc.esr, esr_);                                                           \
		CHECK_EQ(exc.far, far_);                                                           \
	} while (0)
#define NOFAULT(what)                                                                              \
	do {                                                                                       \
		exc_reset();                                                                       \
		what;                                                                              \
		CHECK_EQ(exc.count, 0);                                                            \
	} while (0)
/* One probe that must work or fault. */
#define PROBE(ok, what, esr_, far_)                                                                \
	do {                                                                                       \
		exc_reset();                                                                       \
		what;                                                                              \
		CHECK_EQ(exc.count, !(ok));                                                        \
		if (!(ok))                                                                         \
			CHECK_EQ(exc.esr, esr_);                                                   \
		if (!(ok))                                                                         \
			CHECK_EQ(exc.far, far_);                                                   \
	} while (0)

/* Code: MOV X0, #42; RET */
static void put_code(uint64_t *page)
{
	uint32_t *w = (uint32_t *)page;

	w[0] = 0xd2800540;
	w[1] = 0xd65f03c0;
	__asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(page)
			 : "memory");
}

static void start(unsigned t0sz, uint64_t tcr_more, uint64_t sctlr_more)
{
	mmu_off();
	root = pt_alloc();
	pt_identity(root, t0sz <= 24 ? 0 : 1);
	mmu_on(root, (mmu_tcr(t0sz, 25) | TCR_EPD1) ^ tcr_more, sctlr_more);
}

static void test_sizes(void)
{
	static const unsigned t0sz[] = {16, 20, 24, 25, 28, 31};

	group("page, 2 MiB and 1 GiB mappings");
	start(25, 0, 0);
	page_a[3] = 0xaaaa0003;
	page_b[3] = 0xbbbb0003;
	pt_map(root, 1, TVA, (uint64_t)page_a, 3, PTE_NORMAL);
	pt_map(root, 1, TVA + 0x1000, (uint64_t)page_b, 3, PTE_NORMAL | 1ull << 52);
	pt_map(root, 1, TVA + 0x200000, RAM_BASE, 2, PTE_NORMAL);
	pt_map(root, 1, TVA + 0x40000000, RAM_BASE, 1, PTE_NORMAL);
	CHECK_EQ(ld(TVA + 24), 0xaaaa0003);
	CHECK_EQ(ld(TVA + 0x1000 + 24), 0xbbbb0003);
	CHECK_EQ(ld(TVA + 0x200000 - RAM_BASE + (uint64_t)&page_a[3]), 0xaaaa0003);
	CHECK_EQ(ld(TVA + 0x40000000 - RAM_BASE + (uint64_t)&page_b[3]), 0xbbbb0003);
	st(TVA + 32, 0x77);
	CHECK_EQ(page_a[4], 0x77);
	CHECK_EQ(ld(TVA + 0xffc), (uint32_t)0 | page_b[0] << 32 | page_a[511] >> 32);
	expect_none();

	group("T0SZ");
	for (unsigned i = 0; i < sizeof(t0sz) / sizeof(t0sz[0]); i++) {
		int first = t0sz[i] <= 24 ? 0 : 1;
		uint64_t top = (1ull << (64 - t0sz[i])) - 0x1000;

		start(t0sz[i], 0, 0);
		pt_map(root, first, top, (uint64_t)page_a, 3, PTE_NORMAL);
		NOFAULT(CHECK_EQ(ld(top + 24), 0xaaaa0003));
		FAULT(ld(top + 0x1000), DABT_LD(FS_TRANS(0)), top + 0x1000);
		FAULT(ld(top + (1ull << (64 - t0sz[i]))), DABT_LD(FS_TRANS(0)),
		      top + (1ull << (64 - t0sz[i])));
	}
	group("T1SZ");
	for (unsigned t1sz = 16; t1sz <= 39; t1sz++) {
		int first = t1sz <= 24 ? 0 : t1sz <= 33 ? 1 : 2;
		uint64_t *r1, low = -(1ull << (64 - t1sz));

		mmu_off();
		pt_release();
		start(25, 0, 0);
		r1 = pt_alloc();
		pt_map(r1, first, low & ((1ull << (64 - t1sz)) - 1), (uint64_t)page_a, 3,
		       PTE_NORMAL);
		pt_map(r1, first, 0xfffffffffffff000ull & ((1ull << (64 - t1sz)) - 1),
		       (uint64_t)page_b, 3, PTE_NORMAL);
		write_sysreg(ttbr1_el1, r1);
		write_sysreg(tcr_el1, mmu_tcr(25, t1sz));
		tlbi_all();
		NOFAULT(CHECK_EQ(ld(low + 24), 0xaaaa0003));
		NOFAULT(CHECK_EQ(ld(0xfffffffffffff018ull), 0xbbbb0003));
		FAULT(ld(low - 8), DABT_LD(FS_TRANS(0)), low - 8);
		FAULT(ld(low + 0x1000), DABT_LD(FS_TRANS(3)), low + 0x1000);
	}
}

static void test_faults(void)
{
	uint64_t *e;

	group("translation faults");
	start(16, 0, 0);
	FAULT(ld(0x8000000000), DABT_LD(FS_TRANS(0)), 0x8000000000);
	FAULT(ld(0x80000000), DABT_LD(FS_TRANS(1)), 0x80000000);
	pt_map(root, 0, TVA, (uint64_t)page_a, 3, PTE_NORMAL);
	FAULT(ld(TVA + 0x200008), DABT_LD(FS_TRANS(2)), TVA + 0x200008);
	FAULT(ld(TVA + 0x1ff8), DABT_LD(FS_TRANS(3)), TVA + 0x1ff8);
	FAULT(st(TVA + 0x1ff0, 1), DABT_ST(FS_TRANS(3)), TVA + 0x1ff0);
	FAULT(el0_call(el0_ld, TVA + 0x2000), DABT0_LD(FS_TRANS(3)), TVA + 0x2000);
	FAULT(el0_call(el0_st, TVA + 0x2000), DABT0_ST(FS_TRANS(3)), TVA + 0x2000);
	CHECK_EQ(exc.kind, 8);
	FAULT(run(TVA + 0x3000), IABT(FS_TRANS(3)), TVA + 0x3000);
	CHECK_EQ(exc.elr, TVA + 0x3000);
	FAULT(run(0x80000000), IABT(FS_TRANS(1)), 0x80000000);
	FAULT(run0(0x80000000), IABT0(FS_TRANS(1)), 0x80000000);
	FAULT(ld(0x0001000000000000), DABT_LD(FS_TRANS(0)), 0x0001000000000000);
	FAULT(ld(0xfffffffffffffff8), DABT_LD(FS_TRANS(0)), 0xfffffffffffffff8);

	group("reserved descriptors");
	e = pt_map(root, 0, TVA + 0x5000, (uint64_t)page_a, 3, PTE_NORMAL);
	pte_set(e, (*e & ~3ull) | 1);
	FAULT(ld(TVA + 0x5000), DABT_LD(FS_TRANS(3)), TVA + 0x5000);
	e = pt_map(root, 0, TVA + 0x6000, (uint64_t)page_a, 3, PTE_NORMAL);
	pte_set(e, *e & ~1ull);
	FAULT(ld(TVA + 0x6000), DABT_LD(FS_TRANS(3)), TVA + 0x6000);

	group("access flag faults");
	start(25, 0, 0);
	e = pt_map(root, 1, TVA, (uint64_t)page_a, 3, PTE_NORMAL & ~PTE_AF);
	pt_map(root, 1, TVA + 0x200000, RAM_BASE, 2, PTE_NORMAL & ~PTE_AF);
	pt_map(root, 1, TVA + 0x40000000, RAM_BASE, 1, PTE_NORMAL & ~PTE_AF);
	FAULT(ld(TVA + 8), DABT_LD(FS_AF(3)), TVA + 8);
	FAULT(st(TVA + 8, 0), DABT_ST(FS_AF(3)), TVA + 8);
	FAULT(ld(TVA + 0x200008), DABT_LD(FS_AF(2)), TVA + 0x200008);
	FAULT(ld(TVA + 0x40000008), DABT_LD(FS_AF(1)), TVA + 0x40000008);
	FAULT(run(TVA), IABT(FS_AF(3)), TVA);
	FAULT(el0_call(el0_ld, TVA + 0x200010), DABT0_LD(FS_AF(2)), TVA + 0x200010);
	/* An entry that faulted is not cached: no TLBI is needed after it is made good. */
	pte_set(e, *e | PTE_AF);
	NOFAULT(ld(TVA + 8));

	group("permission faults");
	pt_map(root, 1, TVA + 0x1000, (uint64_t)page_a, 3, PTE_NORMAL | PTE_AP(2));
	pt_map(root, 1, TVA + 0x400000, RAM_BASE, 2, PTE_NORMAL | PTE_AP(2));
	pt_map(root, 1, TVA + 0x80000000, RAM_BASE, 1, PTE_NORMAL | PTE_AP(2));
	NOFAULT(ld(TVA + 0x1008));
	FAULT(st(TVA + 0x1008, 0), DABT_ST(FS_PERM(3)), TVA + 0x1008);
	NOFAULT(ld(TVA + 0x400008));
	FAULT(st(TVA + 0x400008, 0), DABT_ST(FS_PERM(2)), TVA + 0x400008);
	NOFAULT(ld(TVA + 0x80000008));
	FAULT(st(TVA + 0x80000008, 0), DABT_ST(FS_PERM(1)), TVA + 0x80000008);
	FAULT(el0_call(el0_ld, TVA + 0x1010), DABT0_LD(FS_PERM(3)), TVA + 0x1010);
	FAULT(el0_call(el0_st, TVA + 0x400010), DABT0_ST(FS_PERM(2)), TVA + 0x400010);

	group("address size faults");
	start(25, 2ull << 32, 0); /* IPS 32 bits */
	pt_map(root, 1, TVA, 0x100000000, 3, PTE_NORMAL);
	pt_map(root, 1, TVA + 0x200000, 0x100000000, 2, PTE_NORMAL);
	pt_map(root, 1, TVA + 0x40000000, 0x100000000, 1, PTE_NORMAL);
	FAULT(ld(TVA), DABT_LD(FS_SIZE(3)), TVA);
	FAULT(ld(TVA + 0x200000), DABT_LD(FS_SIZE(2)), TVA + 0x200000);
	FAULT(st(TVA + 0x40000000, 0), DABT_ST(FS_SIZE(1)), TVA + 0x40000000);
	pte_set(&root[9], 0x100000000ull | PTE_TABLE);
	FAULT(ld(9ull << 30), DABT_LD(FS_SIZE(1)), 9ull << 30);
}

static void test_permissions(void)
{
	group("AP bits");
	start(25, 0, 0);
	for (unsigned ap = 0; ap < 4; ap++) {
		uint64_t va = TVA + ap * 0x1000;

		pt_map(root, 1, va, (uint64_t)page_a, 3,
		       PTE_NORMAL | PTE_AP(ap) | PTE_UXN | PTE_PXN);
		PROBE(1, ld(va), 0, 0);
		PROBE(ap < 2, st(va, ap), DABT_ST(FS_PERM(3)), va);
		PROBE(ap & 1, el0_call(el0_ld, va), DABT0_LD(FS_PERM(3)), va);
		PROBE(ap == 1, el0_call(el0_st, va), DABT0_ST(FS_PERM(3)), va);
	}
	group("UXN and PXN");
	put_code(page_b);
	for (unsigned k = 0; k < 16; k++) {
		uint64_t va = TVA + 0x10000 + k * 0x1000;
		unsigned ap = k & 3;
		bool uxn = k & 4, pxn = k & 8;

		pt_map(root, 1, va, (uint64_t)page_b, 3,
		       PTE_NORMAL | PTE_AP(ap) | (uxn ? PTE_UXN : 0) | (pxn ? PTE_PXN : 0));
		PROBE(!pxn && ap != 1, CHECK_EQ(run(va), !pxn && ap != 1 ? 42 : 0),
		      IABT(FS_PERM(3)), va);
		PROBE(!uxn, CHECK_EQ(run0(va), !uxn ? 42 : 0), IABT0(FS_PERM(3)), va);
	}
	group("WXN");
	/* The programs' own RAM is writable: with WXN it would not run. Give it read-only code. */
	start(25, 0, 0);
	pt_map(root, 1, TVA, (uint64_t)page_b, 3, PTE_NORMAL);
	pt_map(root, 1, TVA + 0x1000, (uint64_t)page_b, 3, PTE_NORMAL | PTE_AP(2));
	pt_map(root, 1, TVA + 0x2000, (uint64_t)page_b, 3, PTE_NORMAL | PTE_AP(1) | PTE_PXN);
	pt_map(root, 1, TVA + 0x3000, (uint64_t)page_b, 3, PTE_NORMAL | PTE_AP(3) | PTE_PXN);
	{
		extern char __bss_start[], _start[];
		uint64_t *l2 = pt_alloc(), *l3 = pt_alloc();

		for (uint64_t i = 0; i < 512; i++) {
			uint64_t pa = RAM_BASE + i * 0x1000;
			bool code =
				pa < ((uint64_t)__bss_start & ~0xfffull) && pa >= (uint64_t)_start;

			l2[i] = (RAM_BASE + i * 0x200000) | PTE_NORMAL | 1;
			l3[i] = pa | PTE_NORMAL | 3 | (code ? PTE_AP(2) : 0);
		}
		/* .data has a page of its own; it is not used by the probes between here and mmu_off(). */
		l2[0] = (uint64_t)l3 | PTE_TABLE;
		pte_set(&root[1], (uint64_t)l2 | PTE_TABLE);
		tlbi_all();
		write_sysreg(sctlr_el1, read_sysreg(sctlr_el1) | SCTLR_WXN);
		tlbi_all();
	}
	FAULT(run(TVA), IABT(FS_PERM(3)), TVA);
	NOFAULT(CHECK_EQ(run(TVA + 0x1000), 42));
	FAULT(run0(TVA + 0x2000), IABT0(FS_PERM(3)), TVA + 0x2000);
	NOFAULT(CHECK_EQ(run0(TVA + 0x3000), 42));
	mmu_off();

	group("hierarchical permissions");
	for (unsigned k = 0; k < 8; k++) {
		static const uint64_t bits[] = {TABLE_AP(1),
						TABLE_AP(2),
						TABLE_AP(3),
						TABLE_PXN,
						TABLE_UXN,
						TABLE_PXN | TABLE_UXN,
						TABLE_AP(2) | TABLE_UXN,
						0};
		uint64_t ap = bits[k] >> 61 & 3;

		for (int level = 1; level <= 2; level++) {
			start(25, 0, 0);
			/* Leaf: both may write; and a leaf that both may execute. */
			pt_map(root, 1, TVA, (uint64_t)page_a, 3, PTE_NORMAL | PTE_AP(1));
			pt_map(root, 1, TVA + 0x1000, (uint64_t)page_b, 3, PTE_NORMAL | PTE_AP(3));
			*pt_entry(root, 1, TVA, level) |= bits[k];
			tlbi_all();
			PROBE(1, ld(TVA), 0, 0);
			PROBE(!(ap & 2), st(TVA, 1), DABT_ST(FS_PERM(3)), TVA);
			PROBE(!(ap & 1), el0_call(el0_ld, TVA), DABT0_LD(FS_PERM(3)), TVA);
			PROBE(ap == 0, el0_call(el0_st, TVA), DABT0_ST(FS_PERM(3)), TVA);
			PROBE(!(bits[k] & TABLE_PXN), run(TVA + 0x1000), IABT(FS_PERM(3)),
			      TVA + 0x1000);
			PROBE(!(bits[k] & TABLE_UXN), run0(TVA + 0x1000), IABT0(FS_PERM(3)),
			      TVA + 0x1000);
			mmu_off();
		}
		pt_release();
	}
}

void test_main(void)
{
	test_sizes();
	mmu_off();
	pt_release();
	test_faults();
	mmu_off();
	pt_release();
	test_permissions();
	mmu_off();
	pt_release();
}
