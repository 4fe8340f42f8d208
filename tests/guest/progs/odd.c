/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ours only: what QEMU 7.2 does not model or does differently. Accesses to devices without a
 * valid syndrome are external aborts, as under KVM; unaligned ones alignment faults; nobody at an
 * address is an external abort (on_unclaimed: abort).
 */
#include "mmu.h"

#define MR (RTC_BASE + 4)
#define HOLE 0x20000000ull /* no device, no RAM */
#define EXTERNAL 0x10
#define ALIGNMENT 0x21
#define EXCLUSIVE 0x35

#define ACCESS(insn, addr, dfsc, far_)                                                             \
	do {                                                                                       \
		uint64_t b_ = (addr);                                                              \
		exc_reset();                                                                       \
		__asm__ volatile(insn : "+r"(b_)::"x1", "x2", "x3", "memory");                     \
		CHECK_EQ(exc.count, 1);                                                            \
		CHECK_EQ(ESR_EC(exc.esr), 0x25);                                                   \
		CHECK_EQ(exc.esr & 0x3f, dfsc);                                                    \
		CHECK_EQ(exc.far, far_);                                                           \
		CHECK_EQ(b_, addr);                                                                \
	} while (0)

static void test_device_forms(void)
{
	mmio_w32(MR, 0x11223344);
	ACCESS("ldp w1, w2, [%0]", MR, EXTERNAL, MR);
	ACCESS("ldp x1, x2, [%0]", MR + 4, EXTERNAL, MR + 4);
	ACCESS("stp w1, w2, [%0]", MR, EXTERNAL, MR);
	ACCESS("stp xzr, xzr, [%0]", MR + 4, EXTERNAL, MR + 4);
	ACCESS("ldr w1, [%0], #4", MR, EXTERNAL, MR);
	ACCESS("ldr w1, [%0, #0]!", MR, EXTERNAL, MR);
	ACCESS("str wzr, [%0], #4", MR, EXTERNAL, MR);
	ACCESS(".arch armv8-a+simd\n\tldr s1, [%0]", MR, EXTERNAL, MR);
	ACCESS("str s1, [%0]", MR, EXTERNAL, MR);
	ACCESS("ldr q1, [%0]", MR + 12, EXTERNAL, MR + 12);
	ACCESS("ld1 {v1.4s}, [%0]", MR + 12, EXTERNAL, MR + 12);
	ACCESS("ldxr w1, [%0]", MR, EXCLUSIVE, MR);
	ACCESS("ldaxr w1, [%0]", MR, EXCLUSIVE, MR);
	ACCESS("dc zva, %0", RTC_BASE, ALIGNMENT, RTC_BASE);
	CHECK_EQ(mmio_r32(MR), 0x11223344);
}

static void test_unaligned_device(void)
{
	ACCESS("ldr w1, [%0]", MR + 1, ALIGNMENT, MR + 1);
	ACCESS("ldrh w1, [%0]", MR + 1, ALIGNMENT, MR + 1);
	ACCESS("ldr x1, [%0]", MR, ALIGNMENT, MR);
	ACCESS("str wzr, [%0]", MR + 2, ALIGNMENT, MR + 2);
	ACCESS("strh wzr, [%0]", MR + 3, ALIGNMENT, MR + 3);
	CHECK_EQ(mmio_r32(MR), 0x11223344);
}

static void test_hole(void)
{
	ACCESS("ldr w1, [%0]", HOLE, EXTERNAL, HOLE);
	ACCESS("ldrb w1, [%0]", HOLE + 5, EXTERNAL, HOLE + 5);
	ACCESS("str x1, [%0]", HOLE + 8, EXTERNAL, HOLE + 8);
	CHECK_EQ(exc.esr >> 6 & 1, 1);
	ACCESS("ldr w1, [%0]", RAM_BASE + 0x10000000, EXTERNAL, RAM_BASE + 0x10000000);
	ACCESS("str w1, [%0]", RAM_BASE - 4, EXTERNAL, RAM_BASE - 4);
}

static void call(uint64_t va)
{
	__asm__ volatile("blr %0" ::"r"(va) : "x30", "memory");
}

static void test_fetch(uint64_t va)
{
	exc_reset();
	call(va);
	CHECK_EQ(exc.count, 1);
	CHECK_EQ(ESR_EC(exc.esr), 0x21);
	CHECK_EQ(exc.esr & 0x3f, EXTERNAL);
	CHECK_EQ(exc.far, va);
	CHECK_EQ(exc.elr, va);
}

static uint64_t ram[8] __attribute__((aligned(64)));

static void test_mmu_off_memory(void)
{
	ram[0] = 0x0807060504030201;
	ACCESS("ldr w1, [%0]", (uint64_t)ram + 1, ALIGNMENT, (uint64_t)ram + 1);
	ACCESS("ldrh w1, [%0]", (uint64_t)ram + 3, ALIGNMENT, (uint64_t)ram + 3);
	ACCESS("str xzr, [%0]", (uint64_t)ram + 4, ALIGNMENT, (uint64_t)ram + 4);
	ACCESS("ldp x1, x2, [%0]", (uint64_t)ram + 4, ALIGNMENT, (uint64_t)ram + 4);
	exc_reset();
	CHECK_EQ(mmio_r8((uint64_t)ram + 3), 4);
	CHECK_EQ(mmio_r16((uint64_t)ram + 2), 0x0403);
	expect_none();
}

static void test_smccc(void)
{
	CHECK_EQ(hvc_call(0x84000000, 0, 0, 0), 0x10001);
	CHECK_EQ(hvc_call(0x80000000, 0, 0, 0), 0x10001);
	CHECK_EQ(hvc_call(0x80000001, 0x80008000, 0, 0), 1);
	CHECK_EQ(hvc_call(0x80000001, 0x80007fff, 0, 0), 1);
	CHECK_EQ((int32_t)hvc_call(0x80000001, 0x80000123, 0, 0), -1);
	CHECK_EQ((int32_t)hvc_call(0x8400000a, 0x80000000, 0, 0), 0);
}

void test_main(void)
{
	uint64_t *root;

	write_sysreg(cpacr_el1, 3ull << 20);
	group("device accesses without a syndrome, mmu off");
	test_device_forms();
	group("unaligned device accesses, mmu off");
	test_unaligned_device();
	group("nobody at the address, mmu off");
	test_hole();
	test_fetch(HOLE);
	test_fetch(RAM_BASE + 0x10000000);
	group("instruction fetch from a device");
	test_fetch(RTC_BASE);
	test_fetch(UART_BASE + 0xfe0);
	group("memory is device memory while the mmu is off");
	test_mmu_off_memory();
	group("smccc");
	test_smccc();

	root = pt_alloc();
	pt_identity(root, 0);
	mmu_on(root, mmu_tcr(16, 25) | TCR_EPD1, 0);
	group("device accesses without a syndrome, mmu on");
	test_device_forms();
	group("unaligned device accesses, mmu on");
	test_unaligned_device();
	group("nobody at the address, mmu on");
	test_hole();
	group("a block entry at level 0 is reserved");
	pte_set(&root[8], RAM_BASE | PTE_NORMAL | 1);
	exc_reset();
	(void)mmio_r32(8ull << 39);
	CHECK_EQ(exc.esr, 0x96000004);
	mmu_off();
}
