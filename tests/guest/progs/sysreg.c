/* SPDX-License-Identifier: Apache-2.0 */
/* System registers and instructions, and their gates for EL0. Values of ID registers are not checked: they differ. */
#include "rt.h"
#include "mmu.h"

#define EC_SYSREG 0x18
#define UNDEF_ESR (1ull << 25)

static unsigned seen;
static struct frame last;

static bool record(struct frame *f)
{
	seen++;
	last = *f;
	f->elr += 4;
	return true;
}

/* ISS of EC 0x18: op0[21:20] op2[19:17] op1[16:14] crn[13:10] rt[9:5] crm[4:1] read[0] */
#define SYS_ESR(op0, op1, crn, crm, op2, rt, rd)                                                   \
	(0x18ull << 26 | 1ull << 25 | (op0) << 20 | (op2) << 17 | (op1) << 14 | (crn) << 10 |      \
	 (rt) << 5 | (crm) << 1 | (rd))

static void test_pstate(void)
{
	uint64_t v;

	group("pstate registers");
	CHECK_EQ(read_sysreg(currentel), 4);
	write_sysreg(nzcv, 0xf0000000ull);
	CHECK_EQ(read_sysreg(spsel), 1);
	__asm__ volatile("msr nzcv, %1\n\tmrs %0, nzcv" : "=r"(v) : "r"(~0ull) : "cc");
	CHECK_EQ(v, 0xf0000000);
	__asm__ volatile("msr nzcv, %1\n\tmrs %0, nzcv" : "=r"(v) : "r"(0x50000000ull) : "cc");
	CHECK_EQ(v, 0x50000000);
	write_sysreg(daif, 0x3c0);
	CHECK_EQ(read_sysreg(daif), 0x3c0);
	write_sysreg(daif, 0x140);
	CHECK_EQ(read_sysreg(daif), 0x140);
	__asm__ volatile("msr daifset, #2");
	CHECK_EQ(read_sysreg(daif), 0x1c0);
	__asm__ volatile("msr daifset, #8");
	CHECK_EQ(read_sysreg(daif), 0x3c0);
	__asm__ volatile("msr daifclr, #5");
	CHECK_EQ(read_sysreg(daif), 0x280);
	__asm__ volatile("msr daifset, #15");
	__asm__ volatile("msr sp_el0, %1\n\tmov x1, sp\n\tmsr spsel, #0\n\tmov %0, sp\n\t"
			 "add sp, sp, #16\n\tmsr spsel, #1\n\tmov x2, sp\n\tsub x1, x1, x2"
			 : "=&r"(v)
			 : "r"(0x1234560ull)
			 : "x1", "x2", "memory");
	CHECK_EQ(v, 0x1234560);
	CHECK_EQ(read_sysreg(sp_el0), 0x1234570);
	__asm__ volatile("msr spsel, %1\n\tmrs %0, spsel\n\tmsr spsel, #1"
			 : "=&r"(v)
			 : "r"(0ull)
			 : "memory");
	CHECK_EQ(v, 0);
}

#define RW(name, val)                                                                              \
	do {                                                                                       \
		uint64_t old_ = read_sysreg(name);                                                 \
		write_sysreg(name, val);                                                           \
		CHECK_EQ(read_sysreg(name), val);                                                  \
		write_sysreg(name, old_);                                                          \
	} while (0)

static void test_storage(void)
{
	group("registers that hold a value");
	RW(tpidr_el0, 0x0123456789abcdefull);
	RW(tpidrro_el0, 0xfedcba9876543210ull);
	RW(tpidr_el1, 0xa5a5a5a55a5a5a5aull);
	RW(elr_el1, 0xffffff8012345678ull);
	RW(far_el1, 0x8000123456789abcull);
	RW(sp_el0, 0x7ffffffffff0ull);
	RW(contextidr_el1, 0x12345678ull);
	RW(mair_el1, 0x44ff0004ffbb4400ull);
	RW(ttbr1_el1, 0x0055000041230000ull);
	RW(ttbr0_el1, 0x0001000041231000ull);
	RW(vbar_el1, 0x41234800ull);
	RW(esr_el1, 0x96000045ull);
	RW(spsr_el1, 0x600003c5ull);
	RW(cpacr_el1, 0x300000ull);
	RW(csselr_el1, 0x0ull);
	expect_none();
	group("reads that work");
	(void)read_sysreg(midr_el1);
	(void)read_sysreg(mpidr_el1);
	(void)read_sysreg(revidr_el1);
	(void)read_sysreg(id_aa64pfr0_el1);
	(void)read_sysreg(id_aa64pfr1_el1);
	(void)read_sysreg(id_aa64dfr0_el1);
	(void)read_sysreg(id_aa64dfr1_el1);
	(void)read_sysreg(id_aa64isar0_el1);
	(void)read_sysreg(id_aa64isar1_el1);
	(void)read_sysreg(id_aa64mmfr0_el1);
	(void)read_sysreg(id_aa64mmfr1_el1);
	(void)read_sysreg(S3_0_C0_C7_2); /* ID_AA64MMFR2 */
	(void)read_sysreg(S3_0_C0_C4_4); /* ID_AA64ZFR0 */
	(void)read_sysreg(S3_0_C0_C7_7); /* reserved: RAZ */
	(void)read_sysreg(id_aa64afr0_el1);
	(void)read_sysreg(clidr_el1);
	(void)read_sysreg(ccsidr_el1);
	(void)read_sysreg(aidr_el1);
	(void)read_sysreg(actlr_el1);
	(void)read_sysreg(afsr0_el1);
	(void)read_sysreg(afsr1_el1);
	(void)read_sysreg(amair_el1);
	(void)read_sysreg(isr_el1);
	(void)read_sysreg(par_el1);
	(void)read_sysreg(mdscr_el1);
	(void)read_sysreg(oslsr_el1);
	(void)read_sysreg(ctr_el0);
	(void)read_sysreg(dczid_el0);
	(void)read_sysreg(cntfrq_el0);
	(void)read_sysreg(cntpct_el0);
	(void)read_sysreg(cntvct_el0);
	(void)read_sysreg(cntkctl_el1);
	(void)read_sysreg(dbgbvr0_el1);
	(void)read_sysreg(dbgbcr0_el1);
	(void)read_sysreg(dbgwvr0_el1);
	(void)read_sysreg(dbgwcr0_el1);
	expect_none();
	CHECK_EQ(read_sysreg(S3_0_C0_C7_7), 0);
	CHECK_EQ(read_sysreg(mpidr_el1) & 0xff00ffffff, 0);
	CHECK_EQ(read_sysreg(mpidr_el1) >> 31 & 1, 1);
	CHECK_EQ(read_sysreg(isr_el1), 0);
	CHECK(read_sysreg(cntfrq_el0) != 0);
	group("read-only registers cannot be written");
	exc_hook = record;
	seen = 0;
	__asm__ volatile("msr S3_0_C0_C0_0, xzr"); /* MIDR */
	CHECK_EQ(seen, 1);
	CHECK_EQ(last.esr, UNDEF_ESR);
	__asm__ volatile("msr S3_0_C4_C2_2, xzr"); /* CurrentEL */
	CHECK_EQ(seen, 2);
	__asm__ volatile("msr S3_3_C14_C0_2, xzr"); /* CNTVCT */
	CHECK_EQ(seen, 3);
	__asm__ volatile("msr S3_3_C0_C0_1, xzr"); /* CTR */
	CHECK_EQ(seen, 4);
	CHECK_EQ(last.esr, UNDEF_ESR);
	exc_hook = NULL;
	expect_none();
}

static uint64_t el0_id(uint64_t x)
{
	uint64_t n = 0;

#define ID(r)                                                                                      \
	__asm__ volatile("mrs x1, " #r ::: "x1");                                                  \
	n++
	ID(midr_el1);
	ID(mpidr_el1);
	ID(revidr_el1);
	ID(id_aa64pfr0_el1);
	ID(id_aa64pfr1_el1);
	ID(id_aa64dfr0_el1);
	ID(id_aa64isar0_el1);
	ID(id_aa64isar1_el1);
	ID(id_aa64mmfr0_el1);
	ID(id_aa64mmfr1_el1);
	ID(S3_0_C0_C7_2);
	ID(S3_0_C0_C4_4);
	return n + x;
}

static void test_id_el0(void)
{
	group("id registers from el0 are undefined");
	exc_hook = record;
	seen = 0;
	CHECK_EQ(el0_call(el0_id, 0), 12);
	CHECK_EQ(seen, 12);
	CHECK_EQ(last.esr, UNDEF_ESR);
	exc_hook = NULL;
}

static uint64_t el0_ctr(uint64_t x)
{
	(void)x;
	return read_sysreg(ctr_el0);
}

static uint64_t el0_dczid(uint64_t x)
{
	(void)x;
	return read_sysreg(dczid_el0);
}

static uint64_t el0_zva(uint64_t x)
{
	__asm__ volatile("dc zva, %0" ::"r"(x) : "memory");
	return 0;
}

static uint64_t el0_cvau(uint64_t x)
{
	__asm__ volatile("mov x3, %0\n\tdc cvau, x3" ::"r"(x) : "x3", "memory");
	return 0;
}

static uint64_t el0_cache_ops(uint64_t x)
{
	__asm__ volatile(
		"dc cvac, %0\n\tdc cvau, %0\n\tdc civac, %0\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(
			x)
		: "memory");
	return 0;
}

static uint64_t el0_daif(uint64_t x)
{
	__asm__ volatile("mrs x5, daif\n\tmsr daif, x5\n\tmsr daifset, #2\n\tmsr daifclr, #2" ::
				 : "x5");
	return x;
}

static uint64_t el0_free(uint64_t x)
{
	uint64_t a;

	/* Never gated. */
	__asm__ volatile("mrs x1, nzcv\n\tmsr nzcv, x1\n\tmsr tpidr_el0, %1\n\tmrs %0, "
			 "tpidr_el0\n\tmrs x1, tpidrro_el0\n\tadd %0, %0, x1"
			 : "=&r"(a)
			 : "r"(x)
			 : "x1", "cc");
	return a;
}

static uint8_t zva_area[256] __attribute__((aligned(256)));

static void test_gates(void)
{
	uint64_t sctlr = SCTLR_RES1;
	uint64_t root = (uint64_t)pt_alloc();

	/* DC ZVA wants Normal memory. EL0 may touch everything here. */
	pt_map((uint64_t *)root, 1, 0, 0, 1, PTE_DEVICE);
	pt_map((uint64_t *)root, 1, RAM_BASE, RAM_BASE, 2, PTE_NORMAL);
	pt_map((uint64_t *)root, 1, (uint64_t)zva_area & ~0x1fffffull,
	       (uint64_t)zva_area & ~0x1fffffull, 2, PTE_NORMAL);
	pt_map((uint64_t *)root, 1, 0x80000000ull, (uint64_t)zva_area & ~0xfffull, 3,
	       PTE_NORMAL | PTE_AP(1) | PTE_UXN);
	mmu_on((uint64_t *)root, mmu_tcr(25, 25) | TCR_EPD1, 0);
	sctlr = read_sysreg(sctlr_el1);

	group("el0 free registers");
	write_sysreg(tpidrro_el0, 100);
	CHECK_EQ(el0_call(el0_free, 23), 123);
	expect_none();

	exc_hook = record;
	group("el0 gate UCT");
	seen = 0;
	el0_call(el0_ctr, 0);
	CHECK_EQ(seen, 1);
	CHECK_EQ(last.esr & ~(31ull << 5), SYS_ESR(3, 3, 0, 0, 1, 0, 1));
	write_sysreg(sctlr_el1, sctlr | SCTLR_UCT);
	CHECK_EQ(el0_call(el0_ctr, 0), read_sysreg(ctr_el0));
	CHECK_EQ(seen, 1);
	CHECK_EQ(el0_call(el0_dczid, 0) & 15, read_sysreg(dczid_el0) & 15);
	CHECK_EQ(seen, 1);
	write_sysreg(sctlr_el1, sctlr);

	group("el0 gate UMA");
	seen = 0;
	el0_call(el0_daif, 0);
	CHECK_EQ(seen, 4);
	CHECK_EQ(ESR_EC(last.esr), EC_SYSREG);
	write_sysreg(sctlr_el1, sctlr | SCTLR_UMA);
	seen = 0;
	el0_call(el0_daif, 0);
	CHECK_EQ(seen, 0);
	write_sysreg(sctlr_el1, sctlr);

	group("el0 gate UCI");
	seen = 0;
	el0_call(el0_cache_ops, 0x80000000);
	CHECK_EQ(seen, 4);
	CHECK_EQ(ESR_EC(last.esr), EC_SYSREG);
	el0_call(el0_cvau, 0x80000000);
	CHECK_EQ(last.esr, SYS_ESR(1, 3, 7, 11, 1, 3, 0));
	write_sysreg(sctlr_el1, sctlr | SCTLR_UCI);
	seen = 0;
	el0_call(el0_cache_ops, 0x80000000);
	CHECK_EQ(seen, 0);
	write_sysreg(sctlr_el1, sctlr);

	group("el0 gate DZE");
	seen = 0;
	el0_call(el0_zva, 0x80000000);
	CHECK_EQ(seen, 1);
	CHECK_EQ(last.esr & ~(31ull << 5), SYS_ESR(1, 3, 7, 4, 1, 0, 0));
	CHECK_EQ(el0_call(el0_dczid, 0) >> 4 & 1, 1);
	write_sysreg(sctlr_el1, sctlr | SCTLR_DZE);
	CHECK_EQ(el0_call(el0_dczid, 0) >> 4 & 1, 0);
	for (int i = 0; i < 256; i++)
		zva_area[i] = 0xaa;
	seen = 0;
	el0_call(el0_zva, 0x80000000 + ((uint64_t)zva_area & 0xfff) + 77);
	CHECK_EQ(seen, 0);
	for (int i = 0; i < 256; i++)
		CHECK_EQ(zva_area[i], i >= 64 && i < 128 ? 0 : 0xaa);
	write_sysreg(sctlr_el1, sctlr);
	exc_hook = NULL;

	group("dc zva at el1");
	CHECK_EQ(read_sysreg(dczid_el0), 4);
	for (int i = 0; i < 256; i++)
		zva_area[i] = 0x55;
	__asm__ volatile("dc zva, %0" ::"r"(&zva_area[128]) : "memory");
	__asm__ volatile("dc zva, %0" ::"r"(&zva_area[63]) : "memory");
	for (int i = 0; i < 256; i++)
		CHECK_EQ(zva_area[i], i < 64 || (i >= 128 && i < 192) ? 0 : 0x55);
	expect_none();
	group("cache maintenance at el1");
	zva_area[5] = 0x77;
	__asm__ volatile(
		"dc cvac, %0\n\tdc cvau, %0\n\tdc civac, %0\n\tdc ivac, %0\n\tic ivau, %0\n\t"
		"ic iallu\n\tic ialluis\n\tdsb sy\n\tisb" ::"r"(zva_area)
		: "memory");
	CHECK_EQ(zva_area[5], 0x77);
	expect_none();
	mmu_off();
}

void test_main(void)
{
	test_pstate();
	test_storage();
	test_id_el0();
	test_gates();
}
