/* SPDX-License-Identifier: Apache-2.0 */
/* What the processor says of itself, MSRs, exceptions, and the timers. */
#include "rt.h"

static volatile unsigned ticked;

static void on_irq(unsigned vector)
{
	if (vector == 0x60)
		ticked++;
	apic_eoi();
}

static void test_cpuid(void)
{
	uint32_t r[4];
	cpuid(1, 0, r);
	CHECK(r[2] & 1u << 31);	  /* a hypervisor */
	CHECK(!(r[2] & 1u << 5)); /* no VMX inside */
	CHECK(r[3] & 1u << 9);	  /* APIC */
	cpuid(0x80000001, 0, r);
	CHECK(r[3] & 1u << 29);	  /* long mode */
	CHECK(!(r[2] & 1u << 2)); /* no SVM inside */
}

static void test_exceptions(void)
{
	CATCH(__asm__ volatile("ud2"));
	CHECK_EQ(exc.vector, 6);
	exc_reset();
	CATCH((void)*(volatile uint8_t *)0x8000000000ull);
	CHECK_EQ(exc.vector, 14);
	CHECK_EQ(exc.cr2, 0x8000000000ull);
	exc_reset();
	CATCH((void)*(volatile uint8_t *)0x800000000000ull);
	CHECK_EQ(exc.vector, 13);
	exc_reset();
}

static void test_pm_timer(void)
{
	uint32_t a = in32(0x608), b;
	unsigned n = 0;
	do
		b = in32(0x608);
	while (((b - a) & 0xffffff) < 3580 && ++n < 1000000); /* a millisecond */
	CHECK(n < 1000000);
}

void test_main(void)
{
	group("cpuid");
	test_cpuid();
	group("exceptions");
	test_exceptions();
	group("msr");
	wrmsr(0xc0000102, 0x123456789abcull);
	CHECK_EQ(rdmsr(0xc0000102), 0x123456789abcull);
	group("ACPI timer");
	test_pm_timer();
	group("the APIC's timer");
	apic_init();
	exc_irq = on_irq;
	mmio_w32(LAPIC_BASE + 0x3e0, 0xb);
	mmio_w32(LAPIC_BASE + 0x320, 0x60 | 1u << 17); /* periodic */
	mmio_w32(LAPIC_BASE + 0x380, 1000000);
	while (ticked < 3)
		__asm__ volatile("sti; hlt; cli" ::: "memory");
	mmio_w32(LAPIC_BASE + 0x380, 0);
	CHECK(ticked >= 3);
}
