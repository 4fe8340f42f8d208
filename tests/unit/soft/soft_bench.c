/* SPDX-License-Identifier: Apache-2.0 */
/*
 * soft-bench: guest instructions a second of the engine alone, on three generated programs: a tight
 * loop of arithmetic, a copy loop, and a mix of 600 functions (about 34 000 words) called in random
 * order through a table.
 */
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "hv/arch/aarch64/soft/soft_test.h"

#define BASE 0x40000000ull
#define SIZE (8u << 20)
#define FUNCTIONS 600u
#define CODE_AT 0x10000u   /* functions */
#define TABLE_AT 0x400000u /* their addresses, in random order */
#define TABLE_SIZE 4096u
#define DATA_AT 0x500000u
#define SVC0 0xd4000001u
#define RET 0xd65f03c0u

static uint64_t seed = 1;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((seed >> 33) % n);
}

struct out {
	uint8_t *mem;
	uint32_t at;
};

static void emit(struct out *o, uint32_t w)
{
	memcpy(o->mem + o->at, &w, 4);
	o->at += 4;
}

/** emit_some - one of the frequent forms on x0..x15; x19 = data, x20.. not touched. */
static void emit_some(struct out *o)
{
	uint32_t d = rnd(16), n = rnd(16), m = rnd(16), off = rnd(256);

	switch (rnd(10)) {
	case 0:
		emit(o, 0x91000000u | off << 10 | n << 5 | d); /* add d,n,#off */
		break;
	case 1:
		emit(o, 0x8b000000u | m << 16 | n << 5 | d); /* add d,n,m */
		break;
	case 2:
		emit(o, 0xca000000u | m << 16 | n << 5 | d); /* eor */
		break;
	case 3:
		emit(o, 0xaa0003e0u | m << 16 | d); /* mov d,m */
		break;
	case 4:
	case 5:
		emit(o, 0xf9400000u | off << 10 | 19 << 5 | d); /* ldr d,[x19,#off*8] */
		break;
	case 6:
		emit(o, 0xf9000000u | off << 10 | 19 << 5 | d); /* str */
		break;
	case 7:
		emit(o, 0xd3400000u | (off & 31) << 16 | 63 << 10 | n << 5 | d); /* lsr */
		break;
	case 8:
		emit(o, 0xf1000000u | off << 10 | n << 5 | 31); /* cmp n,#off */
		emit(o, 0x54000040u | rnd(14));			/* b.cc +8 */
		emit(o, 0xcb000000u | m << 16 | n << 5 | d);	/* sub */
		break;
	default:
		emit(o, 0xb4000040u | n);		     /* cbz n,+8 */
		emit(o, 0x9b007c00u | m << 16 | n << 5 | d); /* mul */
		break;
	}
}

static void make_mix(uint8_t *mem)
{
	struct out o = {.mem = mem, .at = CODE_AT};
	uint64_t addr[FUNCTIONS];

	for (unsigned f = 0; f < FUNCTIONS; f++) {
		addr[f] = BASE + o.at;
		emit(&o, 0xa9be7bfdu); /* stp x29,x30,[sp,#-32]! */
		for (unsigned i = 20 + rnd(40); i; i--)
			emit_some(&o);
		emit(&o, 0xa8c27bfdu); /* ldp x29,x30,[sp],#32 */
		emit(&o, RET);
	}
	for (unsigned i = 0; i < TABLE_SIZE; i++)
		memcpy(mem + TABLE_AT + i * 8, &addr[rnd(FUNCTIONS)], 8);
	o.at = 0;
	/* x21 = table, x22 = end, x23 = rounds */
	emit(&o, 0xaa1503f8u); /* 1: mov x24,x21 */
	emit(&o, 0xf8408719u); /* 2: ldr x25,[x24],#8 */
	emit(&o, 0xd63f0320u); /* blr x25 */
	emit(&o, 0xeb16031fu); /* cmp x24,x22 */
	emit(&o, 0x54ffffa1u); /* b.ne 2b */
	emit(&o, 0xf10006f7u); /* subs x23,x23,#1 */
	emit(&o, 0x54ffff41u); /* b.ne 1b */
	emit(&o, SVC0);
}

static void run(const char *name, const uint32_t *code, size_t words, uint64_t rounds)
{
	struct soft_test *t = soft_test_create(BASE, SIZE, 1);
	uint64_t best = UINT64_MAX, n = 0;

	if (!t)
		return;
	if (code)
		memcpy(soft_test_mem(t), code, words * 4);
	else
		make_mix(soft_test_mem(t));
	for (unsigned i = 0; i < 3; i++) {
		soft_test_set_pc(t, BASE);
		soft_test_set_x(t, 19, BASE + DATA_AT);
		soft_test_set_x(t, 20, BASE + DATA_AT + 0x10000);
		soft_test_set_x(t, 21, BASE + TABLE_AT);
		soft_test_set_x(t, 22, BASE + TABLE_AT + TABLE_SIZE * 8);
		soft_test_set_x(t, 23, rounds);
		uint64_t start = clock_now_ns();
		enum soft_test_stop why = soft_test_run(t, 0);
		uint64_t ns = clock_now_ns() - start;
		if (why != SOFT_TEST_SVC) {
			printf("%-8s stopped: %d at %#llx\n", name, (int)why,
			       (unsigned long long)soft_test_pc(t));
			break;
		}
		n = soft_test_stop_info(t)->executed;
		if (ns < best)
			best = ns;
	}
	printf("%-8s %10llu instructions  %6.0f MIPS\n", name, (unsigned long long)n,
	       (double)n * 1e3 / (double)best);
	soft_test_destroy(t);
}

int main(void)
{
	static const uint32_t loop[] = {
		0x8b170000, 0xca000021, 0xd3441c22,
		0x8b020063, 0x91000484,	      /* add eor ubfx add add */
		0xf10006f7, 0x54ffff41, SVC0, /* subs; b.ne */
	};
	static const uint32_t copy[] = {
		0xaa1303e0, 0xaa1403e1, 0xd2804002, /* 1: mov x0,x19; mov x1,x20; mov x2,#512 */
		0xa8c11003, 0xa8811023, 0xf1000442, 0x54ffffa1, /* 2: ldp; stp; subs; b.ne 2b */
		0xf10006f7, 0x54ffff01, SVC0,
	};

	run("loop", loop, sizeof(loop) / 4, 20000000);
	run("copy", copy, sizeof(copy) / 4, 20000);
	run("mix", NULL, 0, 400);
	return 0;
}
