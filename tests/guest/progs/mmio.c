/* SPDX-License-Identifier: Apache-2.0 */
/* Loads and stores of every kind that may be used on a device, and what reaches the register file. */
#include "mmu.h"

#define MR (RTC_BASE + 4)
#define IBRD (UART_BASE + 0x24)

#define LOAD(insn, addr)                                                                           \
	({                                                                                         \
		uint64_t v_ = 0x5555555555555555;                                                  \
		__asm__ volatile(insn : "+r"(v_) : "r"(addr) : "memory");                          \
		v_;                                                                                \
	})

static void test_loads(void)
{
	mmio_w32(MR, 0x80918283);
	CHECK_EQ(LOAD("ldr %w0, [%1]", MR), 0x80918283);
	CHECK_EQ(LOAD("ldrh %w0, [%1]", MR), 0x8283);
	CHECK_EQ(LOAD("ldrb %w0, [%1]", MR), 0x83);
	CHECK_EQ(LOAD("ldrsw %0, [%1]", MR), 0xffffffff80918283);
	CHECK_EQ(LOAD("ldrsh %w0, [%1]", MR), 0xffff8283);
	CHECK_EQ(LOAD("ldrsh %0, [%1]", MR), 0xffffffffffff8283);
	CHECK_EQ(LOAD("ldrsb %w0, [%1]", MR), 0xffffff83);
	CHECK_EQ(LOAD("ldrsb %0, [%1]", MR), 0xffffffffffffff83);
	mmio_w32(MR, 0x7f716263);
	CHECK_EQ(LOAD("ldrsw %0, [%1]", MR), 0x7f716263);
	CHECK_EQ(LOAD("ldrsh %w0, [%1]", MR), 0x6263);
	CHECK_EQ(LOAD("ldrsb %0, [%1]", MR), 0x63);
	mmio_w32(IBRD, 0xfedc);
	CHECK_EQ(LOAD("ldr %w0, [%1]", IBRD), 0xfedc);
	CHECK_EQ(LOAD("ldrh %w0, [%1]", IBRD), 0xfedc);
	CHECK_EQ(LOAD("ldrsh %0, [%1]", IBRD), 0xfffffffffffffedc);
	CHECK_EQ(LOAD("ldrsb %w0, [%1]", IBRD), 0xffffffdc);
}

static void test_forms(void)
{
	uint64_t v;

	mmio_w32(MR, 0x12345678);
	CHECK_EQ(LOAD("ldr %w0, [%1, #4]", RTC_BASE), 0x12345678);
	CHECK_EQ(LOAD("ldur %w0, [%1, #-4]", RTC_BASE + 8), 0x12345678);
	v = 0;
	__asm__ volatile("ldr %w0, [%1, %2]" : "=r"(v) : "r"(RTC_BASE), "r"(4ull) : "memory");
	CHECK_EQ(v, 0x12345678);
	__asm__ volatile("ldr %w0, [%1, %w2, uxtw #2]"
			 : "=r"(v)
			 : "r"(RTC_BASE), "r"(1ull)
			 : "memory");
	CHECK_EQ(v, 0x12345678);
	__asm__ volatile("str %w0, [%1, #4]" ::"r"(0x9abcdef0ull), "r"(RTC_BASE) : "memory");
	CHECK_EQ(mmio_r32(MR), 0x9abcdef0);
	__asm__ volatile("str wzr, [%0]" ::"r"(MR) : "memory");
	CHECK_EQ(mmio_r32(MR), 0);
	/* The upper half of the source does not matter. */
	__asm__ volatile("str %w0, [%1]" ::"r"(0xaaaaaaaa11112222ull), "r"(MR) : "memory");
	CHECK_EQ(mmio_r32(MR), 0x11112222);
	/* Into the zero register, and into the base itself. */
	__asm__ volatile("ldr wzr, [%0]" ::"r"(MR) : "memory");
	v = MR;
	__asm__ volatile("ldr %w0, [%0]" : "+r"(v)::"memory");
	CHECK_EQ(v, 0x11112222);
	/* Narrow stores reach the same register. */
	mmio_w32(IBRD, 0);
	mmio_w16(IBRD, 0x1234);
	CHECK_EQ(mmio_r32(IBRD), 0x1234);
	mmio_w8(IBRD, 0x77);
	CHECK_EQ(mmio_r32(IBRD) & 0xff, 0x77);
}

static void test_ordered(void)
{
	__asm__ volatile("stlr %w0, [%1]" ::"r"(0xcafef00dull), "r"(MR) : "memory");
	CHECK_EQ(mmio_r32(MR), 0xcafef00d);
	CHECK_EQ(LOAD("ldar %w0, [%1]", MR), 0xcafef00d);
	CHECK_EQ(LOAD("ldarh %w0, [%1]", MR), 0xf00d);
	CHECK_EQ(LOAD("ldtr %w0, [%1]", MR), 0xcafef00d);
}

static void all(void)
{
	test_loads();
	test_forms();
	test_ordered();
	expect_none();
}

static uint64_t el0_read(uint64_t va)
{
	return LOAD("ldrsh %0, [%1]", va);
}

void test_main(void)
{
	uint64_t *root;

	group("mmu off");
	all();
	group("el0");
	mmio_w32(MR, 0x8765);
	CHECK_EQ(el0_call(el0_read, MR), 0xffffffffffff8765);
	expect_none();
	group("mmu on");
	root = pt_alloc();
	pt_map(root, 1, RAM_BASE, RAM_BASE, 1, PTE_NORMAL);
	for (uint64_t pa = 0x09000000; pa < 0x09020000; pa += 0x1000)
		pt_map(root, 1, pa, pa, 3, PTE_DEVICE | PTE_AP(1));
	pt_map(root, 1, 0x100000000, RTC_BASE, 3, PTE_DEVICE | PTE_AP(2));
	mmu_on(root, mmu_tcr(25, 25) | TCR_EPD1, 0);
	all();
	group("a device behind another address");
	mmio_w32(MR, 0x13579bdf);
	CHECK_EQ(mmio_r32(0x100000004), 0x13579bdf);
	exc_reset();
	mmio_w32(0x100000004, 0);
	expect_exc(0x25);
	CHECK_EQ(exc.esr, 0x9600004f);
	CHECK_EQ(mmio_r32(MR), 0x13579bdf);
	group("many accesses in a row");
	for (uint32_t i = 0; i < 20000; i++) {
		mmio_w32(MR, i * 2654435761u);
		if (mmio_r32(MR) != i * 2654435761u) {
			CHECK_EQ(mmio_r32(MR), i * 2654435761u);
			break;
		}
	}
	mmu_off();
}
