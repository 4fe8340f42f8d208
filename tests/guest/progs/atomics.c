/* SPDX-License-Identifier: Apache-2.0 */
/* Exclusive loads and stores, of all sizes, with the MMU on as software uses them. */
#include "mmu.h"

static uint64_t cell[8] __attribute__((aligned(64)));

#define LL(w, r, p) __asm__ volatile("ldxr" w ", [%1]" : "=r"(r) : "r"(p) : "memory")
#define SIZES(X)                                                                                   \
	X("ldxrb %w0, [%3]\n\tadd %w0, %w0, #1\n\tstxrb %w1, %w0, [%3]", 0xff)                     \
	X("ldxrh %w0, [%3]\n\tadd %w0, %w0, #1\n\tstxrh %w1, %w0, [%3]", 0xffff)                   \
	X("ldxr %w0, [%3]\n\tadd %w0, %w0, #1\n\tstxr %w1, %w0, [%3]", 0xffffffff)                 \
	X("ldxr %0, [%3]\n\tadd %0, %0, #1\n\tstxr %w1, %0, [%3]", ~0ull)                          \
	X("ldaxrb %w0, [%3]\n\tadd %w0, %w0, #1\n\tstlxrb %w1, %w0, [%3]", 0xff)                   \
	X("ldaxrh %w0, [%3]\n\tadd %w0, %w0, #1\n\tstlxrh %w1, %w0, [%3]", 0xffff)                 \
	X("ldaxr %w0, [%3]\n\tadd %w0, %w0, #1\n\tstlxr %w1, %w0, [%3]", 0xffffffff)               \
	X("ldaxr %0, [%3]\n\tadd %0, %0, #1\n\tstlxr %w1, %0, [%3]", ~0ull)

#define RUN_ONE(text, mask)                                                                        \
	do {                                                                                       \
		uint64_t v_, s_ = 9, n_ = 0;                                                       \
		cell[0] = 0x11223344556677ffull;                                                   \
		do                                                                                 \
			__asm__ volatile(text                                                      \
					 : "=&r"(v_), "=&r"(s_), "+r"(n_)                          \
					 : "r"(cell)                                               \
					 : "memory");                                              \
		while (s_ && ++n_ < 1000);                                                         \
		CHECK_EQ(s_, 0);                                                                   \
		CHECK_EQ(cell[0], (0x11223344556677ffull & ~(uint64_t)(mask)) |                    \
					  ((0x11223344556677ffull + 1) & (uint64_t)(mask)));       \
	} while (0);

static void test_pairs(void)
{
	uint64_t a, b, s, n = 0;

	group("pairs");
	cell[2] = 0x1111111111111111;
	cell[3] = 0x2222222222222222;
	do
		__asm__ volatile("ldxp %0, %1, [%3]\n\tstxp %w2, %1, %0, [%3]"
				 : "=&r"(a), "=&r"(b), "=&r"(s)
				 : "r"(&cell[2])
				 : "memory");
	while (s && ++n < 1000);
	CHECK_EQ(a, 0x1111111111111111);
	CHECK_EQ(cell[2], 0x2222222222222222);
	CHECK_EQ(cell[3], 0x1111111111111111);
	n = 0;
	do
		__asm__ volatile("ldaxp %w0, %w1, [%3]\n\tstlxp %w2, %w1, %w0, [%3]"
				 : "=&r"(a), "=&r"(b), "=&r"(s)
				 : "r"(&cell[2])
				 : "memory");
	while (s && ++n < 1000);
	CHECK_EQ(a, 0x22222222);
	CHECK_EQ(b, 0x22222222);
	cell[4] = 0xaaaaaaaa55555555;
	n = 0;
	do
		__asm__ volatile("ldxp %w0, %w1, [%3]\n\tstxp %w2, %w1, %w0, [%3]"
				 : "=&r"(a), "=&r"(b), "=&r"(s)
				 : "r"(&cell[4])
				 : "memory");
	while (s && ++n < 1000);
	CHECK_EQ(cell[4], 0x55555555aaaaaaaa);
}

static void test_failures(void)
{
	uint64_t v, s;

	group("store exclusive without a monitor fails");
	cell[0] = 5;
	__asm__ volatile("clrex\n\tstxr %w0, %1, [%2]"
			 : "=&r"(s)
			 : "r"(6ull), "r"(cell)
			 : "memory");
	CHECK_EQ(s, 1);
	CHECK_EQ(cell[0], 5);
	__asm__ volatile("ldxr %1, [%3]\n\tclrex\n\tstxr %w0, %2, [%3]"
			 : "=&r"(s), "=&r"(v)
			 : "r"(6ull), "r"(cell)
			 : "memory");
	CHECK_EQ(s, 1);
	CHECK_EQ(v, 5);
	CHECK_EQ(cell[0], 5);
	group("a second store exclusive fails");
	__asm__ volatile("ldxr x5, [%3]\n\tstxr w6, %2, [%3]\n\tstxr %w0, %2, [%3]\n\tmov %w1, w6"
			 : "=&r"(s), "=&r"(v)
			 : "r"(7ull), "r"(cell)
			 : "x5", "x6", "memory");
	CHECK_EQ(v, 0);
	CHECK_EQ(s, 1);
	CHECK_EQ(cell[0], 7);
	group("an exception return clears the monitor");
	__asm__ volatile("ldxr x5, [%2]\n\tsvc #1\n\tstxr %w0, %1, [%2]"
			 : "=&r"(s)
			 : "r"(8ull), "r"(cell)
			 : "x5", "memory");
	CHECK_EQ(s, 1);
	CHECK_EQ(cell[0], 7);
	group("pair without a monitor fails");
	cell[2] = 1;
	cell[3] = 2;
	__asm__ volatile("clrex\n\tstxp %w0, %1, %1, [%2]"
			 : "=&r"(s)
			 : "r"(9ull), "r"(&cell[2])
			 : "memory");
	CHECK_EQ(s, 1);
	CHECK_EQ(cell[2], 1);
	CHECK_EQ(cell[3], 2);
	__asm__ volatile("ldxp x5, x6, [%2]\n\tclrex\n\tstxp %w0, %1, %1, [%2]"
			 : "=&r"(s)
			 : "r"(9ull), "r"(&cell[2])
			 : "x5", "x6", "memory");
	CHECK_EQ(s, 1);
	CHECK_EQ(cell[3], 2);
}

static void test_ordered(void)
{
	uint64_t v;

	group("load-acquire and store-release");
	cell[0] = 0;
	__asm__ volatile("stlr %0, [%1]" ::"r"(0x8899aabbccddeeffull), "r"(cell) : "memory");
	CHECK_EQ(cell[0], 0x8899aabbccddeeff);
	__asm__ volatile("ldar %0, [%1]" : "=r"(v) : "r"(cell) : "memory");
	CHECK_EQ(v, 0x8899aabbccddeeff);
	__asm__ volatile("ldar %w0, [%1]" : "=r"(v) : "r"(cell) : "memory");
	CHECK_EQ(v, 0xccddeeff);
	__asm__ volatile("ldarh %w0, [%1]" : "=r"(v) : "r"(cell) : "memory");
	CHECK_EQ(v, 0xeeff);
	__asm__ volatile("ldarb %w0, [%1]" : "=r"(v) : "r"(cell) : "memory");
	CHECK_EQ(v, 0xff);
	__asm__ volatile("stlrb wzr, [%0]\n\tstlrh wzr, [%1]\n\tstlr wzr, [%2]" ::"r"(cell),
			 "r"((char *)cell + 2), "r"((char *)cell + 4)
			 : "memory");
	CHECK_EQ(cell[0], 0xee00);
}

void test_main(void)
{
	uint64_t *root = pt_alloc();

	pt_identity(root, 1);
	mmu_on(root, mmu_tcr(25, 25) | TCR_EPD1, 0);
	group("increments of all sizes");
	SIZES(RUN_ONE)
	test_pairs();
	test_failures();
	test_ordered();
	mmu_off();
}
