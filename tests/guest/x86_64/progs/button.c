/* SPDX-License-Identifier: Apache-2.0 */
/* Waits for the power button by its interrupt (SCI), and switches itself off. */
#include "rt.h"

static volatile unsigned pressed;

static void on_irq(unsigned vector)
{
	if (vector == 0x70 && in16(0x600) & 1u << 8) {
		pressed = 1;
		out16(0x600, 1u << 8); /* writing 1 clears, and takes the level away */
	}
	apic_eoi();
}

void test_main(void)
{
	apic_init();
	exc_irq = on_irq;
	print("deaf\n");
	while (in16(0x602) == 0 && mmio_r32(PL011_BASE + 0x18) & 0x10) /* until a byte comes */
		;
	ioapic_route(9, 0x70, true);
	out16(0x602, 1u << 8);
	print("listening\n");
	while (!pressed)
		irq_wait(&pressed);
	print("pressed\n");
	CHECK_EQ(in16(0x600) & 1u << 8, 0);
}
