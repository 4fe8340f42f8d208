/* SPDX-License-Identifier: Apache-2.0 */
/* Tagged addresses, ASIDs, TLB maintenance, table walk disable, AT and PAR, alignment, LDTR/STTR. */
#include "mmu.h"

#define TVA 0x100000000ull
#define T1VA 0xffffff8000000000ull
#define DABT_LD(dfsc) (0x96000000ull | (dfsc))
#define DABT_ST(dfsc) (0x96000040ull | (dfsc))
#define ALIGN_FAULT 0x21
#define TRANS3 7
#define PERM3 15

static uint64_t page[4][512] __attribute__((aligned(4096)));
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

static void start(uint64_t tcr_more, uint64_t sctlr_more)
{
	mmu_off();
	pt_release();
	root = pt_alloc();
	pt_identity(root, 1);
	mmu_on(root, mmu_tcr(25, 25) | tcr_more, sctlr_more);
	for (int i = 0; i < 4; i++)
		page[i][0] = 0x1000u + (unsigned)i;
}

static void tlbi(const char *what, uint64_t arg)
{
	__asm__ volatile("dsb ish" ::: "memory");
	switch (what[0]) {
	case 'v':
		__asm__ volatile("tlbi vae1, %0" ::"r"(arg) : "memory");
		break;
	case 'V':
		__asm__ volatile("tlbi vae1is, %0" ::"r"(arg) : "memory");
		break;
	case 'l':
		__asm__ volatile("tlbi vale1, %0" ::"r"(arg) : "memory");
		break;
	case 'L':
		__asm__ volatile("tlbi vale1is, %0" ::"r"(arg) : "memory");
		break;
	case 'a':
		__asm__ volatile("tlbi vaae1, %0" ::"r"(arg) : "memory");
		break;
	case 'A':
		__asm__ volatile("tlbi vaae1is, %0" ::"r"(arg) : "memory");
		break;
	case 'w':
		__asm__ volatile("tlbi vaale1, %0" ::"r"(arg) : "memory");
		break;
	case 'W':
		__asm__ volatile("tlbi vaale1is, %0" ::"r"(arg) : "memory");
		break;
	case 's':
		__asm__ volatile("tlbi aside1, %0" ::"r"(arg) : "memory");
		break;
	case 'S':
		__asm__ volatile("tlbi aside1is, %0" ::"r"(arg) : "memory");
		break;
	case 'm':
		__asm__ volatile("tlbi vmalle1" ::: "memory");
		break;
	case 'M':
		__asm__ volatile("tlbi vmalle1is" ::: "memory");
		break;
	}
	__asm__ volatile("dsb ish\n\tisb" ::: "memory");
}

static void test_tbi(void)
{
	uint64_t tag = 0x5aull << 56, v;
	uint32_t *w = (uint32_t *)page[2];

	group("tagged addresses");
	start(0, 0);
	pt_map(root, 1, TVA, (uint64_t)page[0], 3, PTE_NORMAL);
	FAULT(ld(TVA | tag), DABT_LD(4), TVA | tag);
	start(TCR_TBI0, 0);
	pt_map(root, 1, TVA, (uint64_t)page[0], 3, PTE_NORMAL);
	pt_map(root, 1, TVA + 0x2000, (uint64_t)page[2], 3, PTE_NORMAL);
	NOFAULT(CHECK_EQ(ld(TVA | tag), 0x1000));
	NOFAULT(CHECK_EQ(ld(TVA | 0xffull << 56), 0x1000));
	NOFAULT(CHECK_EQ(ld(TVA), 0x1000));
	NOFAULT(st((TVA + 8) | tag, 0x99));
	CHECK_EQ(page[0][1], 0x99);
	FAULT(ld((TVA + 0x1000) | tag), DABT_LD(TRANS3), (TVA + 0x1000) | tag);
	/* The tag does not reach the PC: ADR X0, .; RET */
	w[0] = 0x10000000;
	w[1] = 0xd65f03c0;
	__asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(w)
			 : "memory");
	exc_reset();
	__asm__ volatile("blr %1\n\tmov %0, x0"
			 : "=r"(v)
			 : "r"((TVA + 0x2000) | tag)
			 : "x0", "x30", "memory");
	CHECK_EQ(v, TVA + 0x2000);
	expect_none();
	/* TTBR1 has its own bit. */
	FAULT(ld(T1VA & ~(0xffull << 56)), DABT_LD(4), T1VA & ~(0xffull << 56));
}

static void test_asid(void)
{
	uint64_t *ra, *rb, tcr;

	group("address space identifiers");
	start(TCR_AS, 0);
	tcr = read_sysreg(tcr_el1);
	ra = root;
	rb = pt_alloc();
	pt_identity(rb, 1);
	pt_map(ra, 1, TVA, (uint64_t)page[0], 3, PTE_NORMAL | PTE_NG);
	pt_map(rb, 1, TVA, (uint64_t)page[1], 3, PTE_NORMAL | PTE_NG);
	for (int i = 0; i < 3; i++) {
		write_sysreg(ttbr0_el1, (uint64_t)ra | 1ull << 48);
		CHECK_EQ(ld(TVA), 0x1000);
		write_sysreg(ttbr0_el1, (uint64_t)rb | 2ull << 48);
		CHECK_EQ(ld(TVA), 0x1001);
	}
	/* 16 bits count with TCR.AS. */
	write_sysreg(ttbr0_el1, (uint64_t)ra | 0x0101ull << 48);
	CHECK_EQ(ld(TVA), 0x1000);
	write_sysreg(ttbr0_el1, (uint64_t)rb | 0x8101ull << 48);
	CHECK_EQ(ld(TVA), 0x1001);
	write_sysreg(ttbr0_el1, (uint64_t)ra | 0x0101ull << 48);
	CHECK_EQ(ld(TVA), 0x1000);
	expect_none();

	group("asid in ttbr1");
	write_sysreg(tcr_el1, tcr | TCR_A1 | TCR_EPD1);
	tlbi_all();
	for (int i = 0; i < 3; i++) {
		write_sysreg(ttbr1_el1, 0x11ull << 48);
		write_sysreg(ttbr0_el1, (uint64_t)ra);
		CHECK_EQ(ld(TVA), 0x1000);
		write_sysreg(ttbr1_el1, 0x22ull << 48);
		write_sysreg(ttbr0_el1, (uint64_t)rb);
		CHECK_EQ(ld(TVA), 0x1001);
	}
	expect_none();
}

static void test_tlbi(void)
{
	static const char ops[] = "vVlLaAwWsSmM";
	uint64_t *e, *g;

	group("tlb maintenance operations");
	start(TCR_AS, 0);
	write_sysreg(ttbr0_el1, (uint64_t)root | 0x1234ull << 48);
	e = pt_map(root, 1, TVA + 0x3000, (uint64_t)page[0], 3, PTE_NORMAL | PTE_NG);
	g = pt_map(root, 1, TVA + 0x4000, (uint64_t)page[0], 3, PTE_NORMAL);
	for (int i = 0; ops[i]; i++) {
		uint64_t asid = 0x1234ull << 48, arg = (TVA + 0x3000) >> 12;
		unsigned to = 1 + (unsigned)i % 3;

		if (i < 4)
			arg |= asid;
		else if (i >= 8)
			arg = asid;
		(void)ld(TVA + 0x3000);
		st(TVA + 0x3100, 1);
		pte_set(e, 0);
		tlbi(&ops[i], arg);
		FAULT(ld(TVA + 0x3000), DABT_LD(TRANS3), TVA + 0x3000);
		pte_set(e, (uint64_t)page[to] | PTE_NORMAL | PTE_NG | 3);
		NOFAULT(CHECK_EQ(ld(TVA + 0x3000), 0x1000 + to));
	}
	/* Operations by address also take global entries. */
	for (int i = 0; i < 8; i++) {
		unsigned to = 1 + (unsigned)i % 3;

		(void)ld(TVA + 0x4000);
		pte_set(g, 0);
		tlbi(&ops[i], (TVA + 0x4000) >> 12 | (i < 4 ? 0x1234ull << 48 : 0));
		FAULT(ld(TVA + 0x4000), DABT_LD(TRANS3), TVA + 0x4000);
		pte_set(g, (uint64_t)page[to] | PTE_NORMAL | 3);
		NOFAULT(CHECK_EQ(ld(TVA + 0x4000), 0x1000 + to));
	}

	group("permission change after tlbi");
	pt_map(root, 1, TVA + 0x5000, (uint64_t)page[0], 3, PTE_NORMAL);
	e = pt_entry(root, 1, TVA + 0x5000, 3);
	NOFAULT(st(TVA + 0x5008, 5));
	pte_set(e, *e | PTE_AP(2));
	tlbi("a", (TVA + 0x5000) >> 12);
	FAULT(st(TVA + 0x5008, 6), DABT_ST(PERM3), TVA + 0x5008);
	pte_set(e, *e & ~PTE_AP(2));
	tlbi("a", (TVA + 0x5000) >> 12);
	NOFAULT(st(TVA + 0x5008, 7));
	CHECK_EQ(page[0][1], 7);

	group("block entry dropped by one address");
	e = pt_map(root, 1, TVA + 0x200000, RAM_BASE, 2, PTE_NORMAL);
	for (uint64_t off = 0; off < 0x200000; off += 0x10000)
		(void)ld(TVA + 0x200000 + off);
	pte_set(e, 0);
	tlbi("a", (TVA + 0x200000 + 0x123000) >> 12);
	exc_reset();
	for (uint64_t off = 0; off < 0x200000; off += 0x10000)
		(void)ld(TVA + 0x200000 + off);
	CHECK_EQ(exc.count, 32);
}

static void test_stress(void)
{
	uint64_t r = 12345;
	unsigned bad = 0;

	group("remapping 256 pages at random");
	start(0, 0);
	for (uint64_t i = 0; i < 256; i++)
		pt_map(root, 1, TVA + i * 0x1000, (uint64_t)page[i & 3], 3, PTE_NORMAL);
	for (int n = 0; n < 20000; n++) {
		uint64_t va, k;

		r = r * 6364136223846793005ull + 1442695040888963407ull;
		va = TVA + (r >> 33 & 255) * 0x1000;
		k = r >> 50 & 3;
		if (r >> 60 < 4) {
			*pt_entry(root, 1, va, 3) = 0;
			tlbi("A", va >> 12);
			pte_set(pt_entry(root, 1, va, 3), (uint64_t)page[k] | PTE_NORMAL | 3);
			if (ld(va) != 0x1000 + k)
				bad++;
		} else if (ld(va) !=
			   *(volatile uint64_t *)(*pt_entry(root, 1, va, 3) & 0xfffffffff000ull)) {
			bad++;
		}
	}
	CHECK_EQ(bad, 0);
	expect_none();
}

static void test_epd(void)
{
	uint64_t tcr, v, off = T1VA;

	group("table walk disable");
	start(0, 0);
	tcr = read_sysreg(tcr_el1);
	write_sysreg(ttbr1_el1, root);
	tlbi_all();
	/* TTBR1 sees the same tables: RAM is at T1VA + its address too. */
	NOFAULT(CHECK_EQ(ld(T1VA + (uint64_t)page[1]), 0x1001));
	write_sysreg(tcr_el1, tcr | TCR_EPD1);
	tlbi_all();
	FAULT(ld(T1VA + (uint64_t)page[1]), DABT_LD(4), T1VA + (uint64_t)page[1]);
	write_sysreg(tcr_el1, tcr);
	tlbi_all();
	/* The whole program moves to the other half, then the lower half is switched off. */
	exc_reset();
	__asm__ volatile(
		"mrs x9, vbar_el1\n\tmov x10, sp\n\tadr x11, 1f\n\t"
		"add x12, x9, %1\n\tmsr vbar_el1, x12\n\tadd x12, x10, %1\n\tmov sp, x12\n\t"
		"add x11, x11, %1\n\tisb\n\tbr x11\n"
		"1:\n\tmsr tcr_el1, %2\n\tisb\n\ttlbi vmalle1\n\tdsb ish\n\tisb\n\t"
		"mov %0, #0\n\tldr %0, [%4]\n\t"
		"msr tcr_el1, %3\n\tisb\n\ttlbi vmalle1\n\tdsb ish\n\tisb\n\t"
		"adr x11, 2f\n\tsub x11, x11, %1\n\tmsr vbar_el1, x9\n\tmov sp, x10\n\tisb\n\tbr "
		"x11\n2:"
		: "=&r"(v)
		: "r"(off), "r"(tcr | TCR_EPD0), "r"(tcr), "r"(page[1])
		: "x9", "x10", "x11", "x12", "memory");
	CHECK_EQ(exc.count, 1);
	CHECK_EQ(exc.esr, DABT_LD(4));
	CHECK_EQ(exc.far, (uint64_t)page[1]);
	CHECK_EQ(exc.elr >> 39, 0x1ffffff);
	CHECK_EQ(v, 0);
	NOFAULT(CHECK_EQ(ld((uint64_t)page[1]), 0x1001));
}

#define AT(op, va)                                                                                 \
	({                                                                                         \
		__asm__ volatile("at " #op ", %0\n\tisb" ::"r"((uint64_t)(va)) : "memory");        \
		read_sysreg(par_el1);                                                              \
	})
#define PAR_PA(p) ((p)&0xfffffffff000ull)

static void test_at(void)
{
	uint64_t p;

	group("address translation instructions");
	start(0, 0);
	pt_map(root, 1, TVA, (uint64_t)page[0], 3, PTE_NORMAL | PTE_UXN);
	pt_map(root, 1, TVA + 0x1000, (uint64_t)page[1], 3, PTE_NORMAL | PTE_AP(2));
	pt_map(root, 1, TVA + 0x2000, (uint64_t)page[2], 3, PTE_NORMAL | PTE_AP(1));
	pt_map(root, 1, TVA + 0x3000, (uint64_t)page[3], 3, PTE_NORMAL | PTE_AP(3));
	pt_map(root, 1, TVA + 0x4000, (uint64_t)page[3], 3, PTE_NORMAL & ~PTE_AF);
	p = AT(s1e1r, TVA + 0x123);
	CHECK_EQ(p & 1, 0);
	CHECK_EQ(PAR_PA(p), (uint64_t)page[0]);
	CHECK_EQ(p >> 56, 0xff);
	CHECK_EQ(p >> 7 & 3, 3);
	p = AT(s1e1w, TVA);
	CHECK_EQ(p & 1, 0);
	p = AT(s1e0r, TVA);
	CHECK_EQ(p & 0x7f, 1 | PERM3 << 1);
	p = AT(s1e1w, TVA + 0x1000);
	CHECK_EQ(p & 0x7f, 1 | PERM3 << 1);
	p = AT(s1e1r, TVA + 0x1fff);
	CHECK_EQ(p & 1, 0);
	CHECK_EQ(PAR_PA(p), (uint64_t)page[1]);
	p = AT(s1e0r, TVA + 0x2000);
	CHECK_EQ(p & 1, 0);
	CHECK_EQ(PAR_PA(p), (uint64_t)page[2]);
	p = AT(s1e0w, TVA + 0x2000);
	CHECK_EQ(p & 1, 0);
	p = AT(s1e0r, TVA + 0x3000);
	CHECK_EQ(p & 1, 0);
	p = AT(s1e0w, TVA + 0x3000);
	CHECK_EQ(p & 0x7f, 1 | PERM3 << 1);
	p = AT(s1e1r, TVA + 0x4000);
	CHECK_EQ(p & 0x7f, 1 | 0xb << 1);
	p = AT(s1e1r, TVA + 0x5000);
	CHECK_EQ(p & 0x7f, 1 | TRANS3 << 1);
	p = AT(s1e1r, TVA + 0x200000);
	CHECK_EQ(p & 0x7f, 1 | 6 << 1);
	p = AT(s1e1r, 0x8000000000);
	CHECK_EQ(p & 0x7f, 1 | 4 << 1);
	p = AT(s1e1r, UART_BASE);
	CHECK_EQ(p & 1, 0);
	CHECK_EQ(PAR_PA(p), UART_BASE);
	CHECK_EQ(p >> 56, 0);
	expect_none();
}

static void test_align(void)
{
	uint64_t v, sctlr;

	group("alignment");
	start(0, 0);
	pt_map(root, 1, TVA, (uint64_t)page[0], 3, PTE_NORMAL);
	pt_map(root, 1, TVA + 0x1000, (uint64_t)page[2], 3, PTE_NORMAL);
	page[0][0] = 0x0807060504030201;
	page[0][1] = 0x100f0e0d0c0b0a09;
	page[0][511] = 0x1111111111111111;
	page[2][0] = 0x2222222222222222;
	NOFAULT(CHECK_EQ(ld(TVA + 3), 0x0b0a090807060504));
	NOFAULT(CHECK_EQ(ld(TVA + 0xffd), 0x2222222222111111));
	NOFAULT(st(TVA + 0xffe, 0x8877665544332211));
	CHECK_EQ(page[0][511], 0x2211111111111111);
	CHECK_EQ(page[2][0], 0x2222887766554433);
	sctlr = read_sysreg(sctlr_el1);
	write_sysreg(sctlr_el1, sctlr | SCTLR_A);
	FAULT(ld(TVA + 1), DABT_LD(ALIGN_FAULT), TVA + 1);
	FAULT(st(TVA + 4, 0), DABT_ST(ALIGN_FAULT), TVA + 4);
	NOFAULT(ld(TVA + 8));
	exc_reset();
	__asm__ volatile("ldrh w1, [%0]" ::"r"(TVA + 1) : "x1", "memory");
	expect_exc(0x25);
	exc_reset();
	__asm__ volatile("ldrb w1, [%0]" ::"r"(TVA + 1) : "x1", "memory");
	expect_none();
	__asm__ volatile("ldp w1, w2, [%0]" ::"r"(TVA + 4) : "x1", "x2", "memory");
	expect_none();
	__asm__ volatile("ldp x1, x2, [%0]" ::"r"(TVA + 4) : "x1", "x2", "memory");
	expect_exc(0x25);
	write_sysreg(sctlr_el1, sctlr);

	group("alignment of exclusive and ordered accesses");
#define ALIGNED(insn, va, wnr)                                                                     \
	do {                                                                                       \
		exc_reset();                                                                       \
		__asm__ volatile(insn ::"r"(va) : "x1", "x2", "x3", "memory");                     \
		CHECK_EQ(exc.count, 1);                                                            \
		CHECK_EQ(exc.esr & ~0x40ull, DABT_LD(ALIGN_FAULT));                                \
		CHECK_EQ(exc.far, va);                                                             \
	} while (0)
	ALIGNED("ldxr x1, [%0]", TVA + 4, 0);
	ALIGNED("ldxr w1, [%0]", TVA + 2, 0);
	ALIGNED("ldaxrh w1, [%0]", TVA + 1, 0);
	ALIGNED("ldxp x1, x2, [%0]", TVA + 8, 0);
	ALIGNED("ldxp w1, w2, [%0]", TVA + 4, 0);

	group("unaligned access into a bad page");
	pt_map(root, 1, TVA + 0x3000, (uint64_t)page[3], 3, PTE_NORMAL);
	page[3][511] = 0x3333333333333333;
	FAULT(v = ld(TVA + 0x3ffc), DABT_LD(TRANS3), TVA + 0x4000);
	CHECK_EQ(v, 0xdead);
	FAULT(st(TVA + 0x3ffc, ~0ull), DABT_ST(TRANS3), TVA + 0x4000);
	CHECK_EQ(page[3][511], 0x3333333333333333);
	FAULT(v = ld(TVA + 0x2ffc), DABT_LD(TRANS3), TVA + 0x2ffc);
}

static void test_writeback(void)
{
	uint64_t base, a = 1, b = 2;

	group("a faulting access changes no register");
	exc_reset();
	base = TVA + 0x8000;
	__asm__ volatile("ldr %1, [%0], #16" : "+r"(base), "+r"(a)::"memory");
	CHECK_EQ(base, TVA + 0x8000);
	__asm__ volatile("ldr %1, [%0, #16]!" : "+r"(base), "+r"(a)::"memory");
	CHECK_EQ(base, TVA + 0x8000);
	__asm__ volatile("str %1, [%0, #-8]!" : "+r"(base), "+r"(a)::"memory");
	CHECK_EQ(base, TVA + 0x8000);
	__asm__ volatile("ldp %1, %2, [%0], #32" : "+r"(base), "+r"(a), "+r"(b)::"memory");
	CHECK_EQ(base, TVA + 0x8000);
	CHECK_EQ(a, 1);
	CHECK_EQ(b, 2);
	base = TVA + 0x3ff8; /* the second half faults */
	__asm__ volatile("ldp %1, %2, [%0], #16" : "+r"(base), "+r"(a), "+r"(b)::"memory");
	CHECK_EQ(base, TVA + 0x3ff8);
	CHECK_EQ(a, 1);
	CHECK_EQ(exc.count, 5);
	CHECK_EQ(exc.far, TVA + 0x4000);
}

static void test_unpriv(void)
{
	uint64_t v = 0;

	group("unprivileged loads and stores");
	start(0, 0);
	for (unsigned ap = 0; ap < 4; ap++) {
		uint64_t va = TVA + ap * 0x1000;

		pt_map(root, 1, va, (uint64_t)page[0], 3, PTE_NORMAL | PTE_AP(ap));
		exc_reset();
		__asm__ volatile("ldtr %0, [%1]" : "=&r"(v) : "r"(va) : "memory");
		CHECK_EQ(exc.count, !(ap & 1));
		if (!(ap & 1))
			CHECK_EQ(exc.esr, DABT_LD(PERM3));
		exc_reset();
		__asm__ volatile("sttr %0, [%1]" ::"r"(v), "r"(va) : "memory");
		CHECK_EQ(exc.count, ap != 1);
		if (ap != 1)
			CHECK_EQ(exc.esr, DABT_ST(PERM3));
		exc_reset();
		__asm__ volatile("ldtrb %w0, [%1]" : "=&r"(v) : "r"(va) : "memory");
		CHECK_EQ(exc.count, !(ap & 1));
	}
	/* The same page seen by LDTR after LDR: the two must not share a TLB verdict. */
	NOFAULT(ld(TVA));
	exc_reset();
	__asm__ volatile("ldtr x1, [%0]" ::"r"(TVA) : "x1", "memory");
	expect_exc(0x25);
	NOFAULT(ld(TVA));
}

void test_main(void)
{
	test_tbi();
	test_asid();
	test_tlbi();
	test_stress();
	test_epd();
	test_at();
	test_align();
	test_writeback();
	test_unpriv();
	mmu_off();
}
