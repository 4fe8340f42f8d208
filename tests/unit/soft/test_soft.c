/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU by itself, through the flat-memory interface. Instruction words are written out; comments
 * say them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/bytes.h"
#include "hv/arch/aarch64/soft/code.h"
#include "hv/arch/aarch64/soft/soft_test.h"

#define BASE 0x40000000ull
#define SIZE (4u << 20)
#define SVC0 0xd4000001u
#define NOP 0xd503201fu
#define RET 0xd65f03c0u

static struct soft_test *create(const uint32_t *code, size_t words)
{
	struct soft_test *t = soft_test_create(BASE, SIZE, 1);
	assert_non_null(t);
	memcpy(soft_test_mem(t), code, words * 4);
	return t;
}
#define CREATE(...)                                                                                \
	create((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static void put(struct soft_test *t, uint64_t va, uint32_t word)
{
	memcpy(soft_test_mem(t) + (va - BASE), &word, 4);
}

static void loop_runs_and_counts(void **state)
{
	(void)state;
	/* mov x0,#1000; mov x1,#0; 1: add x1,x1,x0; subs x0,x0,#1; b.ne 1b; svc #7 */
	struct soft_test *t =
		CREATE(0xd2807d00, 0xd2800001, 0x8b000021, 0xf1000400, 0x54ffffc1, 0xd40000e1);
	assert_int_equal(soft_test_run(t, 0), SOFT_TEST_SVC);
	assert_int_equal(soft_test_x(t, 1), 500500);
	assert_int_equal(soft_test_stop_info(t)->imm, 7);
	assert_int_equal(soft_test_stop_info(t)->executed, 2 + 3 * 1000 + 1);
	assert_int_equal(soft_test_pc(t), BASE + 24);
	assert_int_equal(soft_test_nzcv(t), 0x60000000);
	soft_test_destroy(t);
}

static void limit_stops_at_exactly_that_many(void **state)
{
	(void)state;
	struct soft_test *t =
		CREATE(0xd2807d00, 0xd2800001, 0x8b000021, 0xf1000400, 0x54ffffc1, SVC0);
	for (uint64_t n = 1; n < 12; n++) {
		soft_test_set_pc(t, BASE);
		assert_int_equal(soft_test_run(t, n), SOFT_TEST_LIMIT);
		assert_int_equal(soft_test_stop_info(t)->executed, n);
		assert_int_equal(soft_test_pc(t), BASE + (n < 2 ? n * 4 : 8 + (n - 2) % 3 * 4));
	}
	soft_test_destroy(t);
}

/* A call in the last word of a page returns to the next page. */
static void return_behind_a_page_end(void **state)
{
	(void)state;
	struct soft_test *t = CREATE(NOP);
	put(t, BASE + 0xffc, 0x94000401);  /* bl 0x2000 */
	put(t, BASE + 0x1000, 0x91000400); /* add x0,x0,#1 */
	put(t, BASE + 0x1004, SVC0);
	put(t, BASE + 0x2000, RET);
	for (unsigned i = 1; i <= 3; i++) {
		soft_test_set_pc(t, BASE + 0xffc);
		assert_int_equal(soft_test_run(t, 0), SOFT_TEST_SVC);
		assert_int_equal(soft_test_pc(t), BASE + 0x1008);
		assert_int_equal(soft_test_x(t, 0), i);
		assert_int_equal(soft_test_stop_info(t)->executed, 4);
	}
	soft_test_destroy(t);
}

/* Falling and branching from page to page, conditional and not. */
static void pages_are_crossed(void **state)
{
	(void)state;
	struct soft_test *t = CREATE(0x14000400); /* b +0x1000 */
	put(t, BASE + 0x1000, 0xb5007fe0);	  /* cbnz x0, 0x1ffc */
	put(t, BASE + 0x1ffc, 0xf1000400);	  /* subs x0,x0,#1 (fused only inside a page) */
	put(t, BASE + 0x2000, 0x54ff8001);	  /* b.ne 0x1000 */
	put(t, BASE + 0x2004, SVC0);
	soft_test_set_x(t, 0, 5);
	assert_int_equal(soft_test_run(t, 0), SOFT_TEST_SVC);
	assert_int_equal(soft_test_x(t, 0), 0);
	assert_int_equal(soft_test_stop_info(t)->executed, 1 + 5 * 3 + 1);
	soft_test_destroy(t);
}

static void unaligned_access_over_a_page_end(void **state)
{
	(void)state;
	/* ldr x1,[x0]; str x1,[x2,#3]; ldp x3,x4,[x0] ; svc */
	struct soft_test *t = CREATE(0xf9400001, 0xf8003041, 0xa9401003, SVC0);
	for (unsigned i = 0; i < 64; i++)
		soft_test_mem(t)[0x2fe0 + i] = (uint8_t)i;
	soft_test_set_x(t, 0, BASE + 0x2ffb);
	soft_test_set_x(t, 2, BASE + 0x3ff8);
	assert_int_equal(soft_test_run(t, 0), SOFT_TEST_SVC);
	assert_int_equal(soft_test_x(t, 1), 0x2221201f1e1d1c1bull);
	assert_int_equal(load_le(soft_test_mem(t) + 0x3ffb, 8), 0x2221201f1e1d1c1bull);
	assert_int_equal(soft_test_x(t, 3), 0x2221201f1e1d1c1bull);
	assert_int_equal(soft_test_x(t, 4), 0x2a29282726252423ull);
	soft_test_destroy(t);
}

/* Half of the access faults: nothing changes, FAR is the first byte that has no memory. */
static void faulting_access_changes_nothing(void **state)
{
	(void)state;
	static const uint32_t words[] = {
		0xa9c10803, /* ldp x3,x2,[x0,#16]! */
		0xf8408c03, /* ldr x3,[x0,#8]! */
		0xa9810803, /* stp x3,x2,[x0,#16]! */
		0xadc08803, /* ldp q3,q2,[x0,#16]! */
		0x4cdf2003, /* ld1 {v3.16b-v6.16b},[x0],#64 */
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct soft_test *t = CREATE(words[i], SVC0);
		uint64_t base = BASE + SIZE - 24 + 4 + (i == 1 ? 8 : 0);
		uint64_t first = i == 4 ? base : base + (i == 1 ? 8 : 16);
		memset(soft_test_mem(t) + SIZE - 64, 0x5a, 64);
		soft_test_set_x(t, 0, base);
		soft_test_set_x(t, 3, 3);
		soft_test_set_x(t, 2, 2);
		assert_true(first < BASE + SIZE);
		assert_int_equal(soft_test_run(t, 0), SOFT_TEST_DATA_ABORT);
		assert_int_equal(soft_test_pc(t), BASE);
		assert_int_equal(soft_test_stop_info(t)->far, BASE + SIZE);
		assert_int_equal(soft_test_stop_info(t)->esr & 0x7f, (i == 2 ? 0x40 : 0) | 7);
		assert_int_equal(soft_test_x(t, 0), base);
		assert_int_equal(soft_test_x(t, 3), 3);
		assert_int_equal(soft_test_x(t, 2), 2);
		assert_int_equal(soft_test_v(t, 3).d[0], 0);
		assert_int_equal(load_le(soft_test_mem(t) + SIZE - 8, 8), 0x5a5a5a5a5a5a5a5aull);
		soft_test_destroy(t);
	}
}

static void narrow_loads_extend(void **state)
{
	(void)state;
	/* ldrsb w1,[x0]; ldrsb x2,[x0]; ldrsh w3,[x0]; ldrsh x4,[x0]; ldrsw x5,[x0]; ldrb w6; ldrh
	 * w7; svc */
	struct soft_test *t = CREATE(0x39c00001, 0x39800002, 0x79c00003, 0x79800004, 0xb9800005,
				     0x39400006, 0x79400007, SVC0);
	store_le(soft_test_mem(t) + 0x1000, 8, 0x8182838485868788ull);
	for (unsigned odd = 0; odd < 2; odd++) { /* odd: through the slow path */
		soft_test_set_x(t, 0, BASE + 0x1000 + odd);
		uint64_t v = 0x8182838485868788ull >> (8 * odd);
		soft_test_set_pc(t, BASE);
		assert_int_equal(soft_test_run(t, 0), SOFT_TEST_SVC);
		assert_int_equal(soft_test_x(t, 1), (uint32_t)(int8_t)v);
		assert_int_equal(soft_test_x(t, 2), (uint64_t)(int8_t)v);
		assert_int_equal(soft_test_x(t, 3), (uint32_t)(int16_t)v);
		assert_int_equal(soft_test_x(t, 4), (uint64_t)(int16_t)v);
		assert_int_equal(soft_test_x(t, 5), (uint64_t)(int32_t)v);
		assert_int_equal(soft_test_x(t, 6), (uint8_t)v);
		assert_int_equal(soft_test_x(t, 7), (uint16_t)v);
	}
	soft_test_destroy(t);
}

static void exclusives_pass_and_fail(void **state)
{
	(void)state;
	/* ldxr x1,[x0]; stxr w2,x3,[x0]; stxr w4,x3,[x0]; svc */
	struct soft_test *t = CREATE(0xc85f7c01, 0xc8027c03, 0xc8047c03, SVC0);
	soft_test_set_x(t, 0, BASE + 0x1000);
	soft_test_set_x(t, 3, 77);
	soft_test_set_x(t, 2, 9);
	assert_int_equal(soft_test_run(t, 0), SOFT_TEST_SVC);
	assert_int_equal(soft_test_x(t, 2), 0);
	assert_int_equal(soft_test_x(t, 4), 1); /* the monitor is clear again */
	assert_int_equal(load_le(soft_test_mem(t) + 0x1000, 8), 77);
	soft_test_destroy(t);

	/* ldxp x1,x2,[x0]; str x3,[x0,#8]; stxp w4,x5,x6,[x0]: another value came in between */
	t = CREATE(0xc87f0801, 0xf9000403, 0xc8241805, SVC0);
	soft_test_set_x(t, 0, BASE + 0x1000);
	soft_test_set_x(t, 3, 1);
	assert_int_equal(soft_test_run(t, 0), SOFT_TEST_SVC);
	assert_int_equal(soft_test_x(t, 4), 1);
	soft_test_set_x(t, 3, 1); /* the same value again: the pair is as it was */
	soft_test_set_pc(t, BASE);
	soft_test_set_x(t, 5, 55);
	soft_test_set_x(t, 6, 66);
	assert_int_equal(soft_test_run(t, 0), SOFT_TEST_SVC);
	assert_int_equal(soft_test_x(t, 4), 0);
	assert_int_equal(load_le(soft_test_mem(t) + 0x1008, 8), 66);
	soft_test_set_pc(t, BASE);
	soft_test_set_x(t, 0, BASE + 0x1008); /* not aligned to 16 */
	assert_int_equal(soft_test_run(t, 0), SOFT_TEST_DATA_ABORT);
	assert_int_equal(soft_test_stop_info(t)->esr & 0x3f, 0x21);
	soft_test_destroy(t);
}

/* New code counts from IC IVAU on, also in the page that is running. */
static void ic_ivau_drops_decoded_code(void **state)
{
	(void)state;
	/* 0: mov w5,#1; 4: str w1,[x0]; ic ivau,x0; isb; b +4; target: mov w5,#1 -> patched to #2;
	 * svc */
	struct soft_test *t = CREATE(0x52800025, 0xb9000001, 0xd50b7520, 0xd5033fdf, 0x14000001,
				     0x52800025, SVC0);
	soft_test_set_x(t, 0, BASE + 20);
	soft_test_set_x(t, 1, 0x52800025);
	assert_int_equal(soft_test_run(t, 0), SOFT_TEST_SVC);
	assert_int_equal(soft_test_x(t, 5), 1);
	soft_test_set_x(t, 1, 0x52800045); /* mov w5,#2 */
	soft_test_set_pc(t, BASE);
	assert_int_equal(soft_test_run(t, 0), SOFT_TEST_SVC);
	assert_int_equal(soft_test_x(t, 5), 2);
	assert_int_equal(soft_test_stop_info(t)->executed, 7);
	soft_test_destroy(t);
}

/* More code than the arena holds: dropped and decoded again, with the count right. */
static void full_arena_is_dropped(void **state)
{
	(void)state;
	struct soft_test *t = CREATE(NOP);
	for (uint64_t a = BASE; a < BASE + (2u << 20) - 8; a += 4)
		put(t, a, 0x91000400);		   /* add x0,x0,#1 */
	put(t, BASE + (2u << 20) - 8, 0xf1000421); /* subs x1,x1,#1 */
	put(t, BASE + (2u << 20) - 4, 0x54000041); /* b.ne +8 */
	put(t, BASE + (2u << 20), SVC0);
	put(t, BASE + (2u << 20) + 4, 0x17f7ffff); /* b back to the start */
	uint64_t words = (2u << 20) / 4 - 2;
	soft_test_set_x(t, 1, 3);
	assert_int_equal(soft_test_run(t, 0), SOFT_TEST_SVC);
	assert_int_equal(soft_test_x(t, 0), words * 3);
	assert_int_equal(soft_test_stop_info(t)->executed, words * 3 + 3 * 2 + 2 + 1);
	assert_true(soft_test_cpu(t)->code->drops >= 2);
	soft_test_destroy(t);
}

static void stops_are_told_apart(void **state)
{
	(void)state;
	static const struct {
		uint32_t word;
		enum soft_test_stop stop;
		unsigned off; /* of pc */
	} cases[] = {
		{0xd4200020, SOFT_TEST_BRK, 0},
		{0xd4000002, SOFT_TEST_HVC, 4},
		{0x00000000, SOFT_TEST_UNDEF, 0},
		{0xd4000003, SOFT_TEST_UNDEF, 0}, /* smc */
		{0xd503207f, SOFT_TEST_WFI, 4},
		{0xd61f0000, SOFT_TEST_FETCH_ABORT, 0x1000}, /* br x0 */
		{0xf9400000, SOFT_TEST_DATA_ABORT, 0},	     /* ldr x0,[x0] */
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct soft_test *t = CREATE(cases[i].word);
		soft_test_set_x(t, 0, cases[i].stop == SOFT_TEST_FETCH_ABORT ? BASE + 0x1002 : 8);
		assert_int_equal(soft_test_run(t, 0), cases[i].stop);
		assert_int_equal(soft_test_pc(t) & ~3ull, BASE + cases[i].off);
		soft_test_destroy(t);
	}
}

/* Every condition, fused and not, against every NZCV that a compare of small numbers gives. */
static void conditions_agree_fused_and_stepped(void **state)
{
	(void)state;
	static const uint64_t v[] = {0,
				     1,
				     2,
				     0x7fffffffull,
				     0x80000000ull,
				     0xffffffffull,
				     0x7fffffffffffffffull,
				     0x8000000000000000ull,
				     ~0ull};
	static const uint32_t setter[] = {
		0xeb02003f, 0x6b02003f, 0xab02003f, 0x2b02003f, /* cmp, cmp w, cmn, cmn w */
		0xea02003f, 0x6a02003f,				/* tst, tst w */
		0xf100083f, 0x7100083f, 0xf240003f, 0x7200003f, /* cmp #2, w, tst #1, w */
	};
	struct soft_test *t = CREATE(NOP);
	for (unsigned cc = 0; cc < 15; cc++)
		for (size_t s = 0; s < ARRAY_LEN(setter); s++) {
			put(t, BASE, setter[s]);
			put(t, BASE + 4, 0x54000060 | cc); /* b.cc +12 */
			put(t, BASE + 8, 0xd2800000);	   /* mov x0,#0 */
			put(t, BASE + 12, SVC0);
			put(t, BASE + 16, 0xd2800020); /* mov x0,#1 */
			put(t, BASE + 20,
			    0x9a9f07e3 | cc << 12); /* csinc x3,xzr,xzr,cc: 0 if it holds */
			put(t, BASE + 24, SVC0);
			soft_test_flush(t);
			for (size_t i = 0; i < ARRAY_LEN(v) * ARRAY_LEN(v); i++) {
				uint64_t x0[2], f[2];
				for (unsigned step = 0; step < 2; step++) {
					soft_test_set_x(t, 1, v[i / ARRAY_LEN(v)]);
					soft_test_set_x(t, 2, v[i % ARRAY_LEN(v)]);
					soft_test_set_x(t, 3, 0);
					soft_test_set_pc(t, BASE);
					if (step)
						soft_test_run(t, 100);
					else
						soft_test_run(t, 0);
					x0[step] = soft_test_x(t, 0);
					f[step] = soft_test_nzcv(t);
					assert_int_equal(soft_test_x(t, 3), 0);
				}
				assert_int_equal(x0[0], x0[1]);
				assert_int_equal(f[0], f[1]);
				if (i == 0)
					i += (size_t)(cc + s) %
					     3; /* stepping decodes anew: a sample */
				i += 6;
			}
		}
	soft_test_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loop_runs_and_counts),
		cmocka_unit_test(limit_stops_at_exactly_that_many),
		cmocka_unit_test(return_behind_a_page_end),
		cmocka_unit_test(pages_are_crossed),
		cmocka_unit_test(unaligned_access_over_a_page_end),
		cmocka_unit_test(faulting_access_changes_nothing),
		cmocka_unit_test(narrow_loads_extend),
		cmocka_unit_test(exclusives_pass_and_fail),
		cmocka_unit_test(ic_ivau_drops_decoded_code),
		cmocka_unit_test(full_arena_is_dropped),
		cmocka_unit_test(stops_are_told_apart),
		cmocka_unit_test(conditions_agree_fused_and_stepped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
