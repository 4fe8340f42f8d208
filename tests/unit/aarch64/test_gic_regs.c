/* SPDX-License-Identifier: Apache-2.0 */
/* GICv3 registers: identification, widths, reserved space, read-back. */
#include "gic_env.h"

static void identification(void **state)
{
	(void)state;
	assert_int_equal(mmio(GICD(0x0), 4), 0x53); /* DS, ARE, both groups */
	assert_int_equal(mmio(GICD(0x4), 4), 0x03780002);
	assert_int_equal(mmio(GICD(0x8), 4), 0x43b);
	assert_int_equal(mmio(GICD(0xc), 4), 0);
	assert_int_equal(mmio(GICD(0xffe8), 4), 0x3b);
	assert_int_equal(mmio(GICD(0xffe0), 4), 0x92);
	assert_int_equal(mmio(GICD(0xfffc), 4), 0xb1);
	for (unsigned n = 0; n < GE_CPUS; n++) {
		uint64_t aff = (n & 15) | n >> 4 << 8;
		uint64_t typer = aff << 32 | 1u << 24 | n << 8 | (n == GE_CPUS - 1 ? 0x10 : 0);
		assert_int_equal(mmio(GICR(n, 8), 8), typer);
		assert_int_equal(mmio(GICR(n, 8), 4), typer & UINT32_MAX);
		assert_int_equal(mmio(GICR(n, 12), 4), aff);
		assert_int_equal(mmio(GICR(n, 0xffe8), 4), 0x3b);
		assert_int_equal(mmio(GICR(n, 0xffe0), 4), 0x93);
		assert_int_equal(mmio(GICR(n, 0), 4), 0);
	}
}

static void the_boards_spis_are_256(void **state)
{
	(void)state;
	static const struct gic_ops ops = {.signal = ge_signal};
	struct gic *g = gic_create(1, BOARD_SPI_COUNT, &ops, NULL);
	uint64_t v = 0;
	assert_true(gic_mmio(g, 0, GICD(4), 4, false, &v));
	assert_int_equal(v & 31, 8);
	gic_destroy(g);
	assert_null(gic_create(0, 32, &ops, NULL));
	assert_null(gic_create(1, 33, &ops, NULL));
	assert_null(gic_create(1, 992, &ops, NULL));
	gic_destroy(NULL);
}

static void addresses_outside_are_not_ours(void **state)
{
	(void)state;
	static const uint64_t t[] = {0,
				     BOARD_GICD_BASE - 4,
				     GICD(0x10000),
				     BOARD_GICR_BASE - 4,
				     GICR(GE_CPUS, 0),
				     UINT64_MAX};
	uint64_t v = 0;
	for (unsigned i = 0; i < 6; i++)
		assert_false(gic_mmio(ge.g, 0, t[i], 4, false, &v));
}

static void waker_follows_processor_sleep(void **state)
{
	(void)state;
	assert_int_equal(mmio(GICR(1, 0x14), 4), 6);
	mmio_set(GICR(1, 0x14), 4, 0);
	assert_int_equal(mmio(GICR(1, 0x14), 4), 0);
	mmio_set(GICR(1, 0x14), 4, 2);
	assert_int_equal(mmio(GICR(1, 0x14), 4), 6);
	assert_int_equal(mmio(GICR(0, 0x14), 4), 6);
}

static void enable_and_pending_read_back_from_both_registers(void **state)
{
	(void)state;
	mmio_set(GICD(0x104), 4, 0xf0);
	assert_int_equal(mmio(GICD(0x104), 4), 0xf0);
	assert_int_equal(mmio(GICD(0x184), 4), 0xf0);
	mmio_set(GICD(0x184), 4, 0x30);
	assert_int_equal(mmio(GICD(0x104), 4), 0xc0);
	mmio_set(GICD(0x208), 4, 0x5);
	assert_int_equal(mmio(GICD(0x288), 4), 0x5);
	mmio_set(GICD(0x308), 4, 0x9);
	mmio_set(GICD(0x388), 4, 0x8);
	assert_int_equal(mmio(GICD(0x308), 4), 0x1);
}

static void bank_0_of_the_distributor_is_reserved(void **state)
{
	(void)state;
	static const uint32_t t[] = {0x80,  0x100, 0x180, 0x200, 0x280,	 0x300, 0x380,
				     0x400, 0x41c, 0xc00, 0xc04, 0x6000, 0x60f8};
	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		mmio_set(GICD(t[i]), 4, UINT32_MAX);
		assert_int_equal(mmio(GICD(t[i]), 4), 0);
	}
}

static void banks_beyond_the_last_are_reserved(void **state)
{
	(void)state;
	static const uint32_t t[] = {0x8c,  0x10c,	     0x17c,  0x20c, 0x460, 0x7f8, 0xc18,
				     0xcfc, 0x6000 + 8 * 96, 0x7fd8, 0xd04, 0xe00, 0xf00, 0x800,
				     0x40,  0xfff0 - 0x30};
	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		mmio_set(GICD(t[i]), 4, UINT32_MAX);
		assert_int_equal(mmio(GICD(t[i]), 4), 0);
	}
}

static void priorities_have_five_bits_in_bytes_and_words(void **state)
{
	(void)state;
	mmio_set(GICD(0x400 + 44), 4, 0x12345678);
	assert_int_equal(mmio(GICD(0x400 + 44), 4), 0x10305078);
	mmio_set(GICD(0x400 + 46), 1, 0xff);
	assert_int_equal(mmio(GICD(0x400 + 44), 4), 0x10f85078);
	assert_int_equal(mmio(GICD(0x400 + 46), 1), 0xf8);
	mmio_set(GICR_SGI(3, 0x400 + 27), 1, 0x47);
	assert_int_equal(mmio(GICR_SGI(3, 0x418), 4), 0x40a0a0a0);
	assert_int_equal(mmio(GICR_SGI(2, 0x418), 4), 0xa0a0a0a0);
}

static void configuration_is_level_or_edge(void **state)
{
	(void)state;
	mmio_set(GICD(0xc08), 4, 0xffffffff);
	assert_int_equal(mmio(GICD(0xc08), 4), 0xaaaaaaaa);
	assert_int_equal(mmio(GICD(0xc0c), 4), 0);
	mmio_set(GICD(0xc0c), 4, 0x80000000);
	assert_int_equal(mmio(GICD(0xc0c), 4), 0x80000000);
	assert_int_equal(mmio(GICD(0xc08), 4), 0xaaaaaaaa);
	assert_int_equal(mmio(GICR_SGI(0, 0xc00), 4), 0xaaaaaaaa);
	mmio_set(GICR_SGI(0, 0xc00), 4, 0);
	assert_int_equal(mmio(GICR_SGI(0, 0xc00), 4), 0xaaaaaaaa);
	mmio_set(GICR_SGI(0, 0xc04), 4, 0x2);
	assert_int_equal(mmio(GICR_SGI(0, 0xc04), 4), 0x2);
}

static void irouter_in_halves(void **state)
{
	(void)state;
	uint64_t r = GICD(0x6000 + 8 * 50);
	mmio_set(r, 8, UINT64_MAX);
	assert_int_equal(mmio(r, 8), 0xff80ffffff);
	mmio_set(r, 4, 0x103);
	assert_int_equal(mmio(r, 8), 0xff00000103);
	mmio_set(r + 4, 4, 0);
	assert_int_equal(mmio(r, 8), 0x103);
	assert_int_equal(mmio(r, 4), 0x103);
	assert_int_equal(mmio(r + 4, 4), 0);
}

static void wrong_widths_read_zero_and_change_nothing(void **state)
{
	(void)state;
	assert_int_equal(mmio(GICD(4), 1), 0);
	assert_int_equal(mmio(GICD(4), 2), 0);
	assert_int_equal(mmio(GICD(8), 8), 0);
	mmio_set(GICD(0x106), 4, 0xff); /* not aligned */
	mmio_set(GICD(0x104), 1, 0xff);
	mmio_set(GICD(0x104), 2, 0xff);
	mmio_set(GICD(0x100), 8, UINT64_MAX);
	assert_int_equal(mmio(GICD(0x104), 4), 0);
	mmio_set(GICR_SGI(0, 0x100), 8, UINT64_MAX);
	assert_int_equal(mmio(GICR_SGI(0, 0x100), 4), 0);
	mmio_set(GICD(0x400 + 44), 2, 0);
	assert_int_equal(mmio(GICD(0x400 + 44), 4), 0xa0a0a0a0);
	mmio_set(GICD(0x6000 + 8 * 50), 1, 3);
	assert_int_equal(mmio(GICD(0x6000 + 8 * 50), 8), 0);
}

/* No access may crash or leave its arrays: run under the sanitizers this visits all of both frames. */
static void every_offset_can_be_touched(void **state)
{
	(void)state;
	static const unsigned widths[] = {1, 2, 4, 8};
	for (unsigned w = 0; w < 4; w++) {
		for (uint64_t off = 0; off < 0x10000; off += widths[w]) {
			mmio_set(GICD(off), widths[w], UINT64_MAX);
			(void)mmio(GICD(off), widths[w]);
		}
		for (uint64_t off = 0; off < 0x20000; off += widths[w]) {
			mmio_set(GICR(GE_CPUS - 1, off), widths[w], UINT64_MAX);
			(void)mmio(GICR(GE_CPUS - 1, off), widths[w]);
		}
	}
	uint64_t v = 0;
	assert_true(gic_mmio(ge.g, 0, GICD(0xffff), 4, false, &v));
	assert_true(gic_mmio(ge.g, 0, GICD(0), 0, false, &v));
}

static void cpu_interface_registers(void **state)
{
	(void)state;
	uint64_t v;
	assert_int_equal(icc(0, SRE), 7);
	icc_set(0, SRE, 0);
	assert_int_equal(icc(0, SRE), 7);
	assert_int_equal(icc(0, CTLR), 0x8c00);
	assert_int_equal(icc(0, BPR0), 2);
	assert_int_equal(icc(0, BPR1), 3);
	icc_set(0, BPR0, 0);
	icc_set(0, BPR1, 0);
	assert_int_equal(icc(0, BPR0), 2);
	assert_int_equal(icc(0, BPR1), 3);
	icc_set(0, BPR0, 4);
	icc_set(0, CTLR, 1); /* CBPR */
	assert_int_equal(icc(0, BPR1), 5);
	icc_set(0, BPR1, 7);
	icc_set(0, CTLR, 0);
	assert_int_equal(icc(0, BPR1), 3);
	/* Directions and absent registers. */
	assert_false(gic_icc_read(ge.g, 0, EOIR1, &v));
	assert_false(gic_icc_read(ge.g, 0, SGI1R, &v));
	assert_false(gic_icc_read(ge.g, 0, DIR, &v));
	assert_false(gic_icc_write(ge.g, 0, IAR1, 0));
	assert_false(gic_icc_write(ge.g, 0, RPR, 0));
	assert_false(gic_icc_read(ge.g, 0, ICC(9, 1), &v)); /* AP1R1: more than 5 bits */
	assert_false(gic_icc_read(ge.g, 0, SYSREG_KEY(3, 0, 0, 0, 0), &v));
	assert_true(gic_icc_write(ge.g, 0, ICC(11, 6), 1)); /* ASGI1R: ignored */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(identification),
		T(the_boards_spis_are_256),
		T(addresses_outside_are_not_ours),
		T(waker_follows_processor_sleep),
		T(enable_and_pending_read_back_from_both_registers),
		T(bank_0_of_the_distributor_is_reserved),
		T(banks_beyond_the_last_are_reserved),
		T(priorities_have_five_bits_in_bytes_and_words),
		T(configuration_is_level_or_edge),
		T(irouter_in_halves),
		T(wrong_widths_read_zero_and_change_nothing),
		T(every_offset_can_be_touched),
		T(cpu_interface_registers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
