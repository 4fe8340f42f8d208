/* SPDX-License-Identifier: Apache-2.0 */
/* A second processor: found by CPUID and MADT's rule (APIC ids from 0), started by INIT and SIPI, interrupted. */
#include "rt.h"

static volatile unsigned up, ap_id, rounds, go;

static unsigned apic_id(void)
{
	return mmio_r32(LAPIC_BASE + 0x20) >> 24;
}

static void second(void)
{
	uint32_t r[4];
	cpuid(1, 0, r);
	ap_id = apic_id() << 8 | r[1] >> 24;
	__atomic_store_n(&up, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&go, __ATOMIC_SEQ_CST))
		__asm__ volatile("pause");
	for (unsigned i = 0; i < 1000; i++)
		__atomic_fetch_add(&rounds, 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < 50; i++) {
		mmio_w32(TESTMEM_BASE + 0x40, i);
		(void)mmio_r32(TESTMEM_BASE + 0x40);
	}
	__atomic_store_n(&up, 2, __ATOMIC_SEQ_CST);
}

static bool wait_up(unsigned want)
{
	for (unsigned long i = 0; i < 400000000ul; i++) {
		if (__atomic_load_n(&up, __ATOMIC_SEQ_CST) == want)
			return true;
		__asm__ volatile("pause");
	}
	return false;
}

void test_main(void)
{
	uint32_t r[4];
	group("processors");
	cpuid(1, 0, r);
	CHECK_EQ(r[1] >> 24, 0);
	CHECK_EQ(r[1] >> 16 & 0xff, 2);
	CHECK_EQ(apic_id(), 0);
	group("the second one starts");
	apic_init();
	ap_start_one(1, second);
	CHECK(wait_up(1));
	CHECK_EQ(ap_id, 0x101);
	group("both run");
	__atomic_store_n(&go, 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < 1000; i++)
		__atomic_fetch_add(&rounds, 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < 50; i++)
		(void)in32(TESTPORT_BASE + 0x40);
	CHECK(wait_up(2));
	CHECK_EQ(rounds, 2000);
}
