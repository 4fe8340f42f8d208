/* SPDX-License-Identifier: Apache-2.0 */
/* PSCI and SMCCC over HVC. */
#include "rt.h"

#define NOT_SUPPORTED ((uint64_t)-1)
#define INVALID_PARAMETERS ((uint64_t)-2)
#define ALREADY_ON ((uint64_t)-4)

static uint64_t call(uint64_t fn, uint64_t a, uint64_t b, uint64_t c)
{
	return (uint64_t)(int64_t)(int32_t)hvc_call(fn, a, b, c);
}

void test_main(void)
{
	uint64_t v, x[4];

	group("psci version");
	v = call(0x84000000, 0, 0, 0);
	CHECK(v == 0x10000 || v == 0x10001 || v == 2);
	group("affinity info");
	CHECK_EQ(call(0x84000004, 0, 0, 0), 0);
	CHECK_EQ(call(0xc4000004, 0, 0, 0), 0);
	CHECK_EQ(call(0xc4000004, 77, 0, 0), INVALID_PARAMETERS);
	group("cpu on errors");
	CHECK_EQ(call(0xc4000003, 0, RAM_BASE, 0), ALREADY_ON);
	CHECK_EQ(call(0x84000003, 0, RAM_BASE, 0), ALREADY_ON);
	CHECK_EQ(call(0xc4000003, 77, RAM_BASE, 0), INVALID_PARAMETERS);
	CHECK_EQ(call(0xc4000003, 0x0100000000, RAM_BASE, 0), INVALID_PARAMETERS);
	group("migrate info type");
	CHECK_EQ(call(0x84000006, 0, 0, 0), 2);
	group("features");
	CHECK_EQ(call(0x8400000a, 0x84000000, 0, 0), 0);
	CHECK_EQ(call(0x8400000a, 0xc4000003, 0, 0), 0);
	CHECK_EQ(call(0x8400000a, 0x84000008, 0, 0), 0);
	CHECK_EQ(call(0x8400000a, 0x84000009, 0, 0), 0);
	CHECK_EQ(call(0x8400000a, 0x8400ffff, 0, 0), NOT_SUPPORTED);
	group("unknown functions");
	CHECK_EQ(call(0x84000077, 1, 2, 3), NOT_SUPPORTED);
	CHECK_EQ(call(0xc4000077, 1, 2, 3), NOT_SUPPORTED);
	CHECK_EQ(call(0x12345678, 1, 2, 3), NOT_SUPPORTED);
	CHECK_EQ(call(0xffffffff, 1, 2, 3), NOT_SUPPORTED);
	CHECK_EQ(call(0x86000000, 1, 2, 3), NOT_SUPPORTED);
	group("registers survive");
	__asm__ volatile(
		"mov x0, #0x84000000\n\tmov x4, #44\n\tmov x17, #55\n\tmov x18, #66\n\t"
		"mov x29, x29\n\thvc #0\n\tmov %0, x4\n\tmov %1, x17\n\tmov %2, x18\n\tmov %3, x0"
		: "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
		:
		: "x0", "x1", "x2", "x3", "x4", "x17", "x18", "memory");
	CHECK_EQ(x[0], 44);
	CHECK_EQ(x[1], 55);
	CHECK_EQ(x[2], 66);
	CHECK_EQ((uint32_t)x[3], v);
	expect_none();
}
