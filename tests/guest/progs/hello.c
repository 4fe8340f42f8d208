/* SPDX-License-Identifier: Apache-2.0 */
#include "rt.h"

void test_main(void)
{
	static const uint8_t fdt_magic[4] = {0xd0, 0x0d, 0xfe, 0xed};
	volatile uint8_t *dtb = (volatile uint8_t *)rt_dtb;

	print("hello from EL1\n");
	group("entry");
	CHECK_EQ(read_sysreg(currentel), 1 << 2);
	CHECK_EQ(read_sysreg(sctlr_el1) & 1, 0);
	CHECK_EQ(rt_dtb & 7, 0);
	CHECK(rt_dtb >= RAM_BASE && rt_dtb < RAM_BASE + 0x10000000);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(dtb[i], fdt_magic[i]);
	group("memory");
	for (uint64_t a = RAM_BASE + 0x1000000; a < RAM_BASE + 0x10000000; a += 0x1000000) {
		mmio_w64(a, ~a);
		mmio_w8(a + 15, 0x5a);
	}
	for (uint64_t a = RAM_BASE + 0x1000000; a < RAM_BASE + 0x10000000; a += 0x1000000) {
		CHECK_EQ(mmio_r64(a), ~a);
		CHECK_EQ(mmio_r8(a + 15), 0x5a);
		CHECK_EQ(mmio_r16(a + 2), (uint16_t)(~a >> 16));
	}
}
