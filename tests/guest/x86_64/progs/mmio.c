/* SPDX-License-Identifier: Apache-2.0 */
/* Loads and stores of every width and form against testmem, and what is not claimed by anyone. */
#include "rt.h"

#define M TESTMEM_BASE
#define FWD (M + 0x40)
#define SEQ (M + 0x80)
#define LOG (M + 0x84)
#define DIGEST (M + 0x88)
#define POSTED (M + 0x90)
#define CLEAR (M + 0x94)

#define LOAD(insn, addr)                                                                           \
	({                                                                                         \
		uint64_t v_ = 0x5555555555555555;                                                  \
		__asm__ volatile(insn : "+a"(v_) : "r"(addr) : "memory");                          \
		v_;                                                                                \
	})

static void test_loads(uint64_t base)
{
	mmio_w64(base, 0x8899aabb80918283);
	CHECK_EQ(LOAD("movq (%1), %%rax", base), 0x8899aabb80918283);
	CHECK_EQ(LOAD("movl (%1), %%eax", base), 0x80918283);
	CHECK_EQ(LOAD("movw (%1), %%ax", base), 0x5555555555558283);
	CHECK_EQ(LOAD("movb (%1), %%al", base), 0x5555555555555583);
	CHECK_EQ(LOAD("movb (%1), %%ah", base), 0x5555555555558355);
	CHECK_EQ(LOAD("movzbl (%1), %%eax", base), 0x83);
	CHECK_EQ(LOAD("movzwl (%1), %%eax", base), 0x8283);
	CHECK_EQ(LOAD("movzbq (%1), %%rax", base), 0x83);
	CHECK_EQ(LOAD("movsbl (%1), %%eax", base), 0xffffff83);
	CHECK_EQ(LOAD("movsbq (%1), %%rax", base), 0xffffffffffffff83);
	CHECK_EQ(LOAD("movsbw (%1), %%ax", base), 0x555555555555ff83);
	CHECK_EQ(LOAD("movswl (%1), %%eax", base), 0xffff8283);
	CHECK_EQ(LOAD("movswq (%1), %%rax", base), 0xffffffffffff8283);
	CHECK_EQ(LOAD("movslq (%1), %%rax", base), 0xffffffff80918283);
	mmio_w32(base, 0x7f716263);
	CHECK_EQ(LOAD("movslq (%1), %%rax", base), 0x7f716263);
	CHECK_EQ(LOAD("movsbq (%1), %%rax", base), 0x63);
	CHECK_EQ(LOAD("movl 4(%1), %%eax", base), 0x8899aabb);
	CHECK_EQ(LOAD("movzbl 3(%1), %%eax", base), 0x7f);
	CHECK_EQ(LOAD("movzwl 1(%1), %%eax", base), 0x7162);
}

static void test_stores(uint64_t base)
{
	mmio_w64(base, 0);
	mmio_w8(base + 7, 0x11);
	mmio_w16(base + 4, 0x2233);
	mmio_w32(base, 0x44556677);
	CHECK_EQ(mmio_r64(base), 0x1100223344556677);
	__asm__ volatile("movb $0x5a, (%0)" ::"r"(base) : "memory");
	__asm__ volatile("movl $0x12345678, 4(%0)" ::"r"(base) : "memory");
	__asm__ volatile("movq $-2, 8(%0)" ::"r"(base) : "memory");
	CHECK_EQ(mmio_r64(base), 0x123456784455665a);
	CHECK_EQ(mmio_r64(base + 8), 0xfffffffffffffffe);
}

/* A load and a store in one instruction. */
static void test_modify(uint64_t base)
{
	mmio_w32(base, 0x0f);
	__asm__ volatile("orl $0xf0, (%0)" ::"r"(base) : "memory", "cc");
	CHECK_EQ(mmio_r32(base), 0xff);
	__asm__ volatile("addl $1, (%0)" ::"r"(base) : "memory", "cc");
	CHECK_EQ(mmio_r32(base), 0x100);
	uint32_t v = 7;
	__asm__ volatile("xchgl %0, (%1)" : "+r"(v) : "r"(base) : "memory");
	CHECK_EQ(v, 0x100);
	CHECK_EQ(mmio_r32(base), 7);
	bool zero;
	__asm__ volatile("testl $8, (%1)" : "=@ccz"(zero) : "r"(base) : "memory");
	CHECK(zero);
}

static void test_strings(void)
{
	static uint32_t from[16], to[16];
	const void *s = from;
	void *d = (void *)FWD;
	uint64_t n = 16;
	for (unsigned i = 0; i < 16; i++)
		from[i] = i * 0x01010101u + 3;
	__asm__ volatile("cld; rep movsl" : "+S"(s), "+D"(d), "+c"(n)::"memory");
	s = (const void *)FWD;
	d = to;
	n = 16;
	__asm__ volatile("cld; rep movsl" : "+S"(s), "+D"(d), "+c"(n)::"memory");
	for (unsigned i = 0; i < 16; i++)
		CHECK_EQ(to[i], from[i]);
	d = (void *)(FWD + 1);
	n = 9;
	__asm__ volatile("cld; rep stosb" : "+D"(d), "+c"(n) : "a"(0xa5) : "memory");
	CHECK_EQ(mmio_r64(FWD), 0xa5a5a5a5a5a5a503);
	CHECK_EQ(mmio_r32(FWD + 8), 0x0202a5a5);
}

void test_main(void)
{
	group("loads from the shadow");
	test_loads(M);
	group("loads by asking");
	test_loads(FWD);
	group("stores");
	test_stores(M);
	test_stores(FWD);
	group("read, modify, write");
	test_modify(FWD);
	group("strings");
	test_strings();
	group("a read that acts happens once");
	mmio_w32(CLEAR, 0);
	for (unsigned i = 0; i < 100; i++)
		CHECK_EQ(mmio_r32(SEQ), i);
	group("posted writes are in order");
	for (unsigned i = 0; i < 1000; i++)
		mmio_w32(POSTED, i);
	CHECK_EQ(mmio_r32(POSTED), 999);
	group("unclaimed addresses");
	CHECK_EQ(mmio_r8(0xd0300000), 0xff);
	CHECK_EQ(mmio_r16(0xd0300000), 0xffff);
	CHECK_EQ(mmio_r32(0xd0300000), 0xffffffff);
	CHECK_EQ(mmio_r64(0xd0300000), 0xffffffffffffffff);
	mmio_w64(0xd0300000, 0);
	CHECK_EQ(mmio_r64(M + 0xfc), 0xffffffffffffffff); /* not wholly inside */
	CHECK_EQ(exc.count, 0);
}
