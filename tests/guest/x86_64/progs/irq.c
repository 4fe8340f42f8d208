/* SPDX-License-Identifier: Apache-2.0 */
/* A device's line through the IOAPIC: edge and level, masked, and a level that stays until it is taken away. */
#include "rt.h"

static volatile unsigned seen, total, vector_seen;
static bool lower; /* the handler takes the level away */
static uint64_t line;

/* An interrupt in service has its bit in the ISR. Where it has not (a nested KVM was seen to run handlers so), an EOI ends
 * nothing and interrupts come again at random. */
static bool in_service(unsigned vector)
{
	return mmio_r32(LAPIC_BASE + 0x100 + vector / 32 * 16) >> vector % 32 & 1;
}

static void on_irq(unsigned vector)
{
	if (vector == 255) /* spurious: never in service (SDM 3A, 10.9) */
		return;
	if (!in_service(vector)) {
		print("SKIP: this host's APIC runs handlers of interrupts that are not in "
		      "service\n");
		power_off();
	}
	if (vector == 254) { /* irq_wait()'s timer */
		apic_eoi();
		return;
	}
	total++;
	seen = 1;
	vector_seen = vector;
	if (lower)
		mmio_w32(line, 0);
	apic_eoi();
}

static void test_line(uint64_t base, unsigned gsi)
{
	line = base + 0x8c;
	group("edge");
	lower = false;
	for (unsigned i = 0; i < 20; i++) {
		seen = 0;
		ioapic_route(gsi, 0x40, false);
		mmio_w32(line, 1);
		CHECK(irq_wait(&seen));
		CHECK_EQ(vector_seen, 0x40);
		mmio_w32(line, 0);
	}
	CHECK_EQ(total, 20);
	group("level");
	total = seen = 0;
	lower = true;
	ioapic_route(gsi, 0x51, true);
	for (unsigned i = 0; i < 20; i++) {
		seen = 0;
		mmio_w32(line, 1);
		CHECK(irq_wait(&seen));
	}
	CHECK_EQ(total, 20);
	CHECK_EQ(vector_seen, 0x51);
	group("a level that stays comes again");
	total = seen = 0;
	lower = false;
	mmio_w32(line, 1);
	for (unsigned i = 0; i < 3; i++) {
		seen = 0;
		CHECK(irq_wait(&seen));
	}
	lower = true;
	seen = 0;
	CHECK(irq_wait(&seen));
	CHECK(total >= 4);
	group("masked");
	ioapic_mask(gsi);
	total = seen = 0;
	mmio_w32(line, 1);
	__asm__ volatile("sti");
	for (unsigned i = 0; i < 100; i++)
		(void)in8(0x80);
	__asm__ volatile("cli");
	CHECK_EQ(total, 0);
	ioapic_route(gsi, 0x51, true); /* it was high all the time */
	CHECK(irq_wait(&seen));
	CHECK_EQ(total, 1);
	ioapic_mask(gsi);
}

void test_main(void)
{
	apic_init();
	exc_irq = on_irq;
	test_line(TESTMEM_BASE, TESTMEM_GSI);
}
