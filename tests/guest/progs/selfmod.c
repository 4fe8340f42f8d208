/* SPDX-License-Identifier: Apache-2.0 */
/* Code that changes: through DC CVAU + IC IVAU, through an alias, by remapping, with and without the MMU. */
#include "mmu.h"

static uint32_t code[4][1024] __attribute__((aligned(4096)));
#define MOV_X0(n) (0xd2800000u | (uint32_t)(n) << 5)
#define RET 0xd65f03c0u
#define TVA 0x100000000ull

static void sync_code(const void *p)
{
	__asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(p)
			 : "memory");
}

static uint64_t run(uint64_t va)
{
	register uint64_t x0 __asm__("x0") = 0;

	__asm__ volatile("blr %1" : "+r"(x0) : "r"(va) : "x1", "x30", "memory");
	return x0;
}

static void put(uint32_t *p, unsigned n)
{
	p[0] = MOV_X0(n);
	p[1] = RET;
	sync_code(p);
}

static void rewrite_tests(void)
{
	unsigned bad = 0;

	for (unsigned n = 0; n < 2000; n++) {
		put(code[0], n);
		if (run((uint64_t)code[0]) != n)
			bad++;
	}
	CHECK_EQ(bad, 0);
	/* Two functions in one page: changing one leaves the other. */
	put(code[1], 7);
	put(code[1] + 512, 8);
	for (unsigned n = 0; n < 100; n++) {
		put(code[1], n);
		if (run((uint64_t)code[1]) != n || run((uint64_t)(code[1] + 512)) != 8)
			bad++;
	}
	CHECK_EQ(bad, 0);
	/* IC IALLU takes all. */
	code[2][0] = MOV_X0(1);
	code[2][1] = RET;
	sync_code(code[2]);
	CHECK_EQ(run((uint64_t)code[2]), 1);
	code[2][0] = MOV_X0(2);
	__asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic iallu\n\tdsb ish\n\tisb" ::"r"(code[2])
			 : "memory");
	CHECK_EQ(run((uint64_t)code[2]), 2);
	code[2][0] = MOV_X0(3);
	__asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ialluis\n\tdsb ish\n\tisb" ::"r"(code[2])
			 : "memory");
	CHECK_EQ(run((uint64_t)code[2]), 3);
}

/* A function that rewrites an instruction further on in its own straight line. */
static void test_in_line(void)
{
	uint64_t v, old;

	group("an instruction ahead in the same block");
	for (unsigned n = 1; n < 5; n++) {
		__asm__ volatile("adr x1, 1f\n\tldr w3, [x1]\n\tmov %1, x3\n\tstr %w2, [x1]\n\t"
				 "dc cvau, x1\n\tdsb ish\n\tic ivau, x1\n\tdsb ish\n\tisb\n"
				 "1:\tmov x4, #77\n\tmov %0, x4"
				 : "=&r"(v), "=&r"(old)
				 : "r"(MOV_X0(n) | 4)
				 : "x1", "x3", "x4", "memory");
		CHECK_EQ(v, n);
	}
}

static void test_page_end(void)
{
	uint64_t end = (uint64_t)&code[0][1023];

	group("a function across two pages");
	for (unsigned n = 0; n < 50; n++) {
		code[0][1023] = MOV_X0(n);
		code[1][0] = 0x91000400; /* ADD X0, X0, #1 */
		code[1][1] = RET;
		sync_code(&code[0][1023]);
		sync_code(code[1]);
		CHECK_EQ(run(end), n + 1);
		code[1][0] = 0x91000800; /* ADD X0, X0, #2 */
		sync_code(code[1]);
		CHECK_EQ(run(end), n + 2);
	}
}

static void test_alias(void)
{
	uint64_t *root, *e;

	group("written through another mapping");
	root = pt_alloc();
	pt_identity(root, 1);
	e = pt_map(root, 1, TVA, (uint64_t)code[3], 3, PTE_NORMAL | PTE_AP(2));
	mmu_on(root, mmu_tcr(25, 25) | TCR_EPD1, 0);
	for (unsigned n = 0; n < 100; n++) {
		code[3][0] = MOV_X0(n);
		code[3][1] = RET;
		sync_code(code[3]);
		CHECK_EQ(run(TVA), n);
		CHECK_EQ(run((uint64_t)code[3]), n);
	}
	group("another page under the same address");
	put(code[1], 111);
	put(code[2], 222);
	for (int i = 0; i < 50; i++) {
		pte_set(e, 0);
		__asm__ volatile("tlbi vaae1, %0\n\tdsb ish\n\tisb" ::"r"(TVA >> 12) : "memory");
		pte_set(e, (uint64_t)code[1 + (i & 1)] | PTE_NORMAL | PTE_AP(2) | 3);
		CHECK_EQ(run(TVA), i & 1 ? 222 : 111);
	}
	group("execute permission taken away");
	CHECK_EQ(run(TVA), 222);
	pte_set(e, *e | PTE_PXN);
	__asm__ volatile("tlbi vaae1, %0\n\tdsb ish\n\tisb" ::"r"(TVA >> 12) : "memory");
	exc_reset();
	(void)run(TVA);
	CHECK_EQ(exc.count, 1);
	CHECK_EQ(exc.esr, 0x8600000f);
	pte_set(e, *e & ~PTE_PXN);
	__asm__ volatile("tlbi vaae1, %0\n\tdsb ish\n\tisb" ::"r"(TVA >> 12) : "memory");
	exc_reset();
	CHECK_EQ(run(TVA), 222);
	expect_none();
	group("rewritten with the mmu on");
	rewrite_tests();
	mmu_off();
}

void test_main(void)
{
	group("rewritten with the mmu off");
	rewrite_tests();
	test_in_line();
	test_page_end();
	test_alias();
}
