/* SPDX-License-Identifier: Apache-2.0 */
/* PSCI and SMCCC: every function number that is answered, and some that must not be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "hv/arch/aarch64/psci.h"

static struct {
	unsigned index;
	uint64_t entry, context;
	int64_t answer;
	int calls, state;
} fake;

static int64_t fake_on(void *opaque, unsigned index, uint64_t entry, uint64_t context)
{
	(void)opaque;
	fake.calls++;
	fake.index = index;
	fake.entry = entry;
	fake.context = context;
	return fake.answer;
}

static int fake_state(void *opaque, unsigned index)
{
	(void)opaque;
	fake.index = index;
	return fake.state;
}

static const struct psci_ops ops = {.cpu_on = fake_on, .cpu_state = fake_state};
static struct psci psci = {.cpus = 20, .ops = &ops};

static enum psci_action call(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3, int64_t *ret)
{
	const uint64_t x[4] = {fn, a1, a2, a3};
	uint64_t r = 0xbad;
	enum psci_action a = psci_call(&psci, 0, x, &r);
	*ret = (int64_t)r;
	return a;
}

static void constant_answers(void **state)
{
	(void)state;
	static const struct {
		uint64_t fn, a1;
		int64_t ret;
	} t[] = {
		{0x84000000, 0, 0x10001}, /* PSCI_VERSION */
		{0x80000000, 0, 0x10001}, /* SMCCC_VERSION */
		{0x84000006, 0, 2},	  /* MIGRATE_INFO_TYPE */
		{0x84000005, 0, -1},	  /* MIGRATE */
		{0x8400000e, 0, -1},	  /* SYSTEM_SUSPEND */
		{0xc4000000, 0, -1},	  /* no 64-bit PSCI_VERSION */
		{0x8600ff01, 0, -1},	  /* vendor UID */
		{0, 0, -1},
		{0x80000001, 0x80000000, 0}, /* ARCH_FEATURES */
		{0x80000001, 0x80000001, 0},
		{0x80000001, 0x80008000, 1},
		{0x80000001, 0x80007fff, 1},
		{0x80000001, 0x80003fff, 1},
		{0x80000001, 0x80000002, -1}, /* SOC_ID */
		{0x80008000, 0, 0},
		{0x8400000a, 0x84000000, 0}, /* PSCI_FEATURES */
		{0x8400000a, 0x84000001, 0},
		{0x8400000a, 0xc4000001, 0},
		{0x8400000a, 0x84000002, 0},
		{0x8400000a, 0xc4000003, 0},
		{0x8400000a, 0xc4000004, 0},
		{0x8400000a, 0x84000008, 0},
		{0x8400000a, 0x84000009, 0},
		{0x8400000a, 0x84000012, 0},
		{0x8400000a, 0x80000000, 0},
		{0x8400000a, 0x8400000e, -1},
		{0x8400000a, 0xc4000008, -1},
	};
	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		int64_t r;
		assert_int_equal(call(t[i].fn, t[i].a1, 0, 0, &r), PSCI_RETURN);
		assert_int_equal(r, t[i].ret);
	}
	/* Only w0 names the function. */
	int64_t r;
	call(0xffffffff84000000, 0, 0, 0, &r);
	assert_int_equal(r, 0x10001);
}

static void actions(void **state)
{
	(void)state;
	int64_t r;
	assert_int_equal(call(0x84000008, 0, 0, 0, &r), PSCI_POWEROFF);
	assert_int_equal(call(0x84000009, 0, 0, 0, &r), PSCI_RESET);
	assert_int_equal(call(0xc4000012, 0, 0, 0, &r), PSCI_RESET);
	assert_int_equal(call(0xc4000012, 1, 0, 0, &r), PSCI_RETURN);
	assert_int_equal(r, -2);
	assert_int_equal(call(0x84000002, 0, 0, 0, &r), PSCI_CPU_OFF);
	assert_int_equal(call(0x84000001, 0x10000, 0, 0, &r), PSCI_SUSPEND);
	assert_int_equal(r, 0);
	assert_int_equal(call(0xc4000001, 0x20000, 0, 0, &r), PSCI_RETURN);
	assert_int_equal(r, -2);
}

static void cpu_on_finds_its_target(void **state)
{
	(void)state;
	int64_t r;
	fake.answer = 0;
	call(0xc4000003, 0x103, 0x123456789a, 0xabcdef0123456789, &r);
	assert_int_equal(r, 0);
	assert_int_equal(fake.index, 19);
	assert_int_equal(fake.entry, 0x123456789a);
	assert_int_equal(fake.context, 0xabcdef0123456789);
	/* SMC32: the upper halves of the registers do not count. */
	call(0x84000003, 0xf00000001ull, 0x1240000000, 0x5500000001, &r);
	assert_int_equal(r, 0);
	assert_int_equal(fake.index, 1);
	assert_int_equal(fake.entry, 0x40000000);
	assert_int_equal(fake.context, 1);
	fake.answer = -4;
	call(0xc4000003, 1, 0, 0, &r);
	assert_int_equal(r, -4);
	static const uint64_t bad[] = {0x104, 0x10, 0x10000, 1ull << 32, 1u << 31, UINT64_MAX};
	fake.calls = 0;
	for (unsigned i = 0; i < 6; i++) {
		call(0xc4000003, bad[i], 0, 0, &r);
		assert_int_equal(r, -2);
	}
	assert_int_equal(fake.calls, 0);
}

static void affinity_info(void **state)
{
	(void)state;
	int64_t r;
	for (fake.state = 0; fake.state < 3; fake.state++) {
		call(0xc4000004, 2, 0, 0, &r);
		assert_int_equal(r, fake.state);
		assert_int_equal(fake.index, 2);
	}
	call(0xc4000004, 99, 0, 0, &r);
	assert_int_equal(r, -2);
	call(0xc4000004, 0, 1, 0, &r);
	assert_int_equal(r, 0);
	call(0xc4000004, 0, 4, 0, &r);
	assert_int_equal(r, -2);
}

static void mpidr_and_index_are_inverse(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(psci_mpidr_index(64, 0x80000000 | psci_index_mpidr(i)), i);
	assert_int_equal(psci_mpidr_index(1, 1), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constant_answers),
		cmocka_unit_test(actions),
		cmocka_unit_test(cpu_on_finds_its_target),
		cmocka_unit_test(affinity_info),
		cmocka_unit_test(mpidr_and_index_are_inverse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
