/* SPDX-License-Identifier: Apache-2.0 */
/* Synchronous exceptions at EL1 and from EL0: syndrome, return address, saved and new PSTATE. */
#include "rt.h"

#define EC_UNKNOWN 0x00
#define EC_WFX 0x01
#define EC_FP 0x07
#define EC_ILLEGAL 0x0e
#define EC_SVC 0x15
#define EC_PCALIGN 0x22
#define EC_BRK 0x3c

/* Runs one instruction; @at gets its address. */
#define RUN(at, insn) __asm__ volatile("adr %0, 1f\n1: " insn : "=&r"(at)::"memory", "cc")

static void test_svc(void)
{
	uint64_t at;

	group("svc");
	RUN(at, "svc #0x1234");
	expect_exc(EC_SVC);
	CHECK_EQ(exc.kind, 4);
	CHECK_EQ(ESR_ISS(exc.esr), 0x1234);
	CHECK_EQ(ESR_IL(exc.esr), 1);
	CHECK_EQ(exc.elr, at + 4);
	exc_reset();
	RUN(at, "svc #0xffff");
	CHECK_EQ(exc.esr, 0x15ull << 26 | 1 << 25 | 0xffff);
	exc_reset();
	RUN(at, "svc #0");
	CHECK_EQ(exc.esr, 0x15ull << 26 | 1 << 25);
}

static void test_pstate(void)
{
	uint64_t at, nzcv;

	group("saved and new pstate");
	RUN(at, "svc #1");
	CHECK_EQ(exc.spsr & 0x1f, 5);
	CHECK_EQ(exc.daif, 0x3c0);
	CHECK_EQ(exc.spsel, 1);
	CHECK_EQ(exc.el, 4);
	exc_reset();
	__asm__ volatile("msr nzcv, %1\n\tsvc #2\n\tmrs %0, nzcv"
			 : "=r"(nzcv)
			 : "r"(0xa0000000ull)
			 : "cc", "memory");
	CHECK_EQ(exc.spsr >> 28, 0xa);
	CHECK_EQ(nzcv, 0xa0000000);
	exc_reset();
	__asm__ volatile("msr daifclr, #9\n\tsvc #3\n\tmrs %0, daif\n\tmsr daifset, #15"
			 : "=r"(at)::"memory");
	CHECK_EQ(exc.spsr & 0x3c0, 0x180);
	CHECK_EQ(exc.daif, 0x3c0);
	CHECK_EQ(at, 0x180);
	exc_reset();
	/* With SP_EL0 selected the first quarter of the table is used. */
	__asm__ volatile("mov x1, sp\n\tmsr spsel, #0\n\tmov x2, sp\n\tmov sp, x1\n\tsvc #4\n\t"
			 "mov sp, x2\n\tmsr spsel, #1" ::
				 : "x1", "x2", "memory");
	expect_exc(EC_SVC);
	CHECK_EQ(exc.kind, 0);
	CHECK_EQ(exc.spsr & 0x1f, 4);
	CHECK_EQ(exc.spsel, 1);
}

static void test_brk_undef(void)
{
	uint64_t at;

	group("brk");
	RUN(at, "brk #0xabc");
	expect_exc(EC_BRK);
	CHECK_EQ(exc.esr, 0x3cull << 26 | 1 << 25 | 0xabc);
	CHECK_EQ(exc.elr, at);
	CHECK_EQ(exc.kind, 4);

	group("undefined");
#define UNDEF(text)                                                                                \
	do {                                                                                       \
		exc_reset();                                                                       \
		RUN(at, text);                                                                     \
		CHECK_EQ(exc.count, 1);                                                            \
		CHECK_EQ(exc.esr, 1u << 25);                                                       \
		CHECK_EQ(exc.elr, at);                                                             \
	} while (0)
	UNDEF(".inst 0x00000000");
	UNDEF(".inst 0x0000ffff");
	UNDEF(".inst 0xffffffff");
	UNDEF(".inst 0x02000000");
	UNDEF("smc #0");
	UNDEF("smc #0x55");
	UNDEF(".inst 0xd4a00001"); /* DCPS1 outside of debug state */
	UNDEF(".inst 0xd538f000"); /* MRS X0, S3_0_C15_C0_0 */
	UNDEF(".inst 0xd53c4100"); /* MRS X0, SP_EL1: op1=4 at EL1 */
	UNDEF(".inst 0xd53c1100"); /* MRS X0, HCR_EL2 */
	UNDEF(".inst 0xd53e1100"); /* MRS X0, SCR_EL3 */
	UNDEF(".inst 0x1ac0fc00"); /* unallocated, two sources */
	UNDEF(".inst 0x5ac01800"); /* unallocated, one source */
	UNDEF(".inst 0x38a00000"); /* LDADDAB: not in Armv8.0 */
	UNDEF(".inst 0xd69f13e0"); /* ERET with a wrong field */
}

static void test_hints(void)
{
	uint64_t at;

	group("hints do nothing");
	RUN(at, "yield");
	RUN(at, "sev\n\twfe");
	RUN(at, "sevl\n\twfe");
	RUN(at, ".inst 0xd503233f"); /* PACIASP */
	RUN(at, ".inst 0xd50323bf"); /* AUTIASP */
	RUN(at, ".inst 0xd503241f"); /* BTI */
	RUN(at, ".inst 0xd5032fdf"); /* HINT #126 */
	RUN(at, ".inst 0xd50320ff"); /* XPACLRI */
	expect_none();
}

static void test_pc_align(void)
{
	uint64_t at;

	group("pc alignment");
	__asm__ volatile("adr %0, 1f\n\tadd %0, %0, #2\n\tblr %0\n\tnop\n1: nop"
			 : "=&r"(at)::"x30", "memory");
	expect_exc(EC_PCALIGN);
	CHECK_EQ(exc.elr, at);
	CHECK_EQ(exc.far, at);
	CHECK_EQ(exc.kind, 4);
	CHECK_EQ(ESR_ISS(exc.esr), 0);
	CHECK_EQ(ESR_IL(exc.esr), 1);
}

static void test_illegal(void)
{
	uint64_t at, nzcv = 1;

	group("illegal exception return");
	/* EL2h: there is no EL2. The return stays at EL1 and the next instruction is illegal. */
	__asm__ volatile("adr %0, 1f\n\tmsr elr_el1, %0\n\tmsr spsr_el1, %2\n\tisb\n\teret\n"
			 "1: nop\n\tmrs %1, nzcv"
			 : "=&r"(at), "=&r"(nzcv)
			 : "r"(0x600003c9ull)
			 : "memory", "cc");
	expect_exc(EC_ILLEGAL);
	CHECK_EQ(ESR_IL(exc.esr), 1);
	CHECK_EQ(ESR_ISS(exc.esr), 0);
	CHECK_EQ(exc.elr, at);
	CHECK_EQ(exc.spsr >> 20 & 1, 1);
	CHECK_EQ(exc.spsr & 0x1f, 5);
	CHECK_EQ(nzcv, 0x60000000);
	exc_reset();
	/* A reserved mode. */
	__asm__ volatile("adr %0, 1f\n\tmsr elr_el1, %0\n\tmsr spsr_el1, %1\n\tisb\n\teret\n1: nop"
			 : "=&r"(at)
			 : "r"(0x3c2ull)
			 : "memory", "cc");
	expect_exc(EC_ILLEGAL);
	CHECK_EQ(exc.elr, at);
}

static void test_eret(void)
{
	uint64_t at, spsel, daif, nzcv;

	group("eret");
	__asm__ volatile(
		"mov x4, sp\n\tmsr sp_el0, x4\n\tadr %0, 1f\n\tmsr elr_el1, %0\n\t"
		"msr spsr_el1, %4\n\tisb\n\teret\n\tnop\n1: mrs %1, spsel\n\tmrs %2, daif\n\t"
		"mrs %3, nzcv\n\tmsr spsel, #1\n\tmsr daifset, #15"
		: "=&r"(at), "=&r"(spsel), "=&r"(daif), "=&r"(nzcv)
		: "r"(0x90000104ull)
		: "x4", "memory", "cc");
	CHECK_EQ(spsel, 0);
	CHECK_EQ(daif, 0x100);
	CHECK_EQ(nzcv, 0x90000000);
	expect_none();
}

static uint64_t el0_add(uint64_t x)
{
	return x + read_sysreg(nzcv) * 0 + 5;
}

static uint64_t el0_sp(uint64_t x)
{
	uint64_t sp;

	(void)x;
	__asm__ volatile("mov %0, sp" : "=r"(sp));
	return sp;
}

static uint64_t el0_svc(uint64_t x)
{
	register uint64_t x0 __asm__("x0") = x;

	__asm__ volatile("svc #0x42" : "+r"(x0)::"memory");
	return x0;
}

static uint64_t el0_undef(uint64_t x)
{
	uint64_t at;

	RUN(at, ".inst 0");
	return at + x;
}

static uint64_t el0_privileged(uint64_t x)
{
	uint64_t n = 0;

#define PRIV(text)                                                                                 \
	__asm__ volatile(text ::: "x1", "memory");                                                 \
	n++
	PRIV("mrs x1, sctlr_el1");
	PRIV("msr sctlr_el1, x1");
	PRIV("mrs x1, currentel");
	PRIV("msr vbar_el1, x1");
	PRIV("mrs x1, tpidr_el1");
	PRIV("mrs x1, midr_el1");
	PRIV("mrs x1, id_aa64pfr0_el1");
	PRIV("mrs x1, elr_el1");
	PRIV("mrs x1, sp_el0");
	PRIV("mrs x1, spsel");
	PRIV("eret");
	PRIV("tlbi vmalle1");
	PRIV("ic iallu");
	PRIV("dc ivac, x1");
	PRIV("at s1e1r, x1");
	PRIV("msr spsel, #0");
	PRIV("msr tpidrro_el0, x1");
	PRIV("hvc #0");
	PRIV("smc #0");
	return n + x;
}

static unsigned hook_seen, hook_bad;

static bool count_undef(struct frame *f)
{
	hook_seen++;
	if (f->esr != 1u << 25 || f->kind != 8 || (f->spsr & 0x1f) != 0)
		hook_bad++;
	f->elr += 4;
	return true;
}

static void test_el0(void)
{
	uint64_t at;

	group("el0 entry and return");
	CHECK_EQ(el0_call(el0_add, 37), 42);
	expect_none();
	CHECK_EQ(el0_call(el0_sp, 0), (uint64_t)el0_stack + EL0_STACK_BYTES);
	CHECK_EQ(read_sysreg(spsel), 1);
	group("el0 svc");
	CHECK_EQ(el0_call(el0_svc, 77), 77);
	expect_exc(EC_SVC);
	CHECK_EQ(exc.kind, 8);
	CHECK_EQ(ESR_ISS(exc.esr), 0x42);
	CHECK_EQ(exc.spsr & 0x3df, 0);
	CHECK_EQ(exc.spsel, 1);
	CHECK_EQ(exc.daif, 0x3c0);
	group("el0 undefined");
	at = el0_call(el0_undef, 0);
	expect_exc(EC_UNKNOWN);
	CHECK_EQ(exc.elr, at);
	CHECK_EQ(exc.kind, 8);
	group("el0 privileged instructions are undefined");
	exc_hook = count_undef;
	CHECK_EQ(el0_call(el0_privileged, 0), 19);
	exc_hook = NULL;
	CHECK_EQ(hook_seen, 19);
	CHECK_EQ(hook_bad, 0);
}

static uint64_t el0_fp(uint64_t x)
{
	uint64_t at;

	RUN(at, ".inst 0x9e670000"); /* FMOV D0, X0 */
	return at + x;
}

static void test_fp_trap(void)
{
	uint64_t at;

	group("fp access trap");
	write_sysreg(cpacr_el1, 0);
	RUN(at, ".inst 0x9e670000");
	expect_exc(EC_FP);
	CHECK_EQ(exc.esr, 0x07ull << 26 | 1 << 25 | 0x1e00000);
	CHECK_EQ(exc.elr, at);
	exc_reset();
	RUN(at, "sub sp, sp, #16\n\t.inst 0x3d8003e0\n\tadd sp, sp, #16"); /* STR Q0, [SP] */
	expect_exc(EC_FP);
	exc_reset();
	RUN(at, "mrs x1, fpcr");
	expect_exc(EC_FP);
	write_sysreg(cpacr_el1, 1ull << 20);
	exc_reset();
	RUN(at, ".inst 0x9e670000");
	expect_none();
	at = el0_call(el0_fp, 0);
	expect_exc(EC_FP);
	CHECK_EQ(exc.kind, 8);
	CHECK_EQ(exc.elr, at);
	write_sysreg(cpacr_el1, 2ull << 20);
	exc_reset();
	RUN(at, ".inst 0x9e670000");
	expect_exc(EC_FP);
	write_sysreg(cpacr_el1, 3ull << 20);
	exc_reset();
	RUN(at, ".inst 0x9e670000");
	el0_call(el0_fp, 0);
	expect_none();
	write_sysreg(cpacr_el1, 0);
}

static uint64_t el0_wfi(uint64_t x)
{
	uint64_t at;

	RUN(at, "wfi");
	return at + x;
}

static uint64_t el0_wfe(uint64_t x)
{
	uint64_t at;

	RUN(at, "wfe");
	return at + x;
}

static void test_wfx(void)
{
	uint64_t at, sctlr = read_sysreg(sctlr_el1);

	group("wfx trap at el0");
	write_sysreg(sctlr_el1, sctlr & ~(1ull << 16 | 1ull << 18));
	at = el0_call(el0_wfi, 0);
	expect_exc(EC_WFX);
	CHECK_EQ(exc.esr, 0x01ull << 26 | 1 << 25 | 0x1e00000);
	CHECK_EQ(exc.elr, at);
	exc_reset();
	write_sysreg(sctlr_el1, sctlr | 1ull << 18);
	__asm__ volatile("sev");
	el0_call(el0_wfe, 0);
	expect_none();
	write_sysreg(sctlr_el1, sctlr);
}

void test_main(void)
{
	test_svc();
	test_pstate();
	test_brk_undef();
	test_hints();
	test_pc_align();
	test_illegal();
	test_eret();
	test_el0();
	test_fp_trap();
	test_wfx();
}
