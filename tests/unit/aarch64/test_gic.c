/* SPDX-License-Identifier: Apache-2.0 */
/* GICv3 as a state machine: delivery, acknowledge, priorities, routing, SGIs. */
#include "gic_env.h"

static void level_spi_is_pending_while_the_line_is_up(void **state)
{
	(void)state;
	bit_set(0, 33, ISENABLER);
	gic_set_spi(ge.g, 1, true);
	assert_true(ge.irq[0]);
	assert_true(gic_irq_level(ge.g, 0));
	assert_int_equal(icc(0, HPPIR1), 33);
	assert_int_equal(icc(0, IAR1), 33);
	assert_false(ge.irq[0]);
	assert_true(bit_get(0, 33, ISACTIVER));
	assert_true(bit_get(0, 33, ISPENDR)); /* active and pending: the line is still up */
	icc_set(0, EOIR1, 33);
	assert_true(ge.irq[0]); /* again */
	assert_int_equal(icc(0, IAR1), 33);
	gic_set_spi(ge.g, 1, false);
	icc_set(0, EOIR1, 33);
	assert_false(ge.irq[0]);
	assert_int_equal(icc(0, IAR1), NONE);
}

static void lowered_level_is_withdrawn(void **state)
{
	(void)state;
	bit_set(0, 33, ISENABLER);
	gic_set_spi(ge.g, 1, true);
	gic_set_spi(ge.g, 1, false);
	assert_false(ge.irq[0]);
	assert_int_equal(icc(0, IAR1), NONE);
	/* A pending state that software set stays until it is taken or cleared. */
	bit_set(0, 33, ISPENDR);
	assert_true(ge.irq[0]);
	bit_set(0, 33, ICPENDR);
	assert_false(ge.irq[0]);
	/* Clearing the latch does not lower the line. */
	gic_set_spi(ge.g, 1, true);
	bit_set(0, 33, ICPENDR);
	assert_true(ge.irq[0]);
}

static void edges_are_latched_and_counted_once_while_active(void **state)
{
	(void)state;
	edge_set(40);
	bit_set(0, 40, ISENABLER);
	gic_pulse_spi(ge.g, 8);
	assert_true(ge.irq[0]);
	assert_int_equal(icc(0, IAR1), 40);
	assert_false(bit_get(0, 40, ISPENDR));
	gic_pulse_spi(ge.g, 8);
	gic_pulse_spi(ge.g, 8);
	assert_false(ge.irq[0]); /* active: kept back */
	assert_true(bit_get(0, 40, ISPENDR));
	icc_set(0, EOIR1, 40);
	assert_true(ge.irq[0]);
	assert_int_equal(icc(0, IAR1), 40);
	icc_set(0, EOIR1, 40);
	assert_false(ge.irq[0]);
	/* A line that stays up is one edge. */
	gic_set_spi(ge.g, 8, true);
	assert_int_equal(icc(0, IAR1), 40);
	icc_set(0, EOIR1, 40);
	assert_false(ge.irq[0]);
	gic_set_spi(ge.g, 8, true);
	assert_false(ge.irq[0]);
}

static void disabled_edge_waits_for_enable(void **state)
{
	(void)state;
	edge_set(40);
	gic_pulse_spi(ge.g, 8);
	assert_false(ge.irq[0]);
	bit_set(0, 40, ISENABLER);
	assert_true(ge.irq[0]);
	bit_set(0, 40, ICENABLER);
	assert_false(ge.irq[0]);
}

static void best_priority_then_lowest_intid_comes_first(void **state)
{
	(void)state;
	static const uint32_t ids[] = {27, 95, 60, 34, 33};
	static const uint8_t prios[] = {0xb0, 0x40, 0x40, 0x48, 0xa0};
	static const uint32_t order[] = {60, 95, 34, 33, 27};
	for (unsigned i = 0; i < 5; i++) {
		prio_set(0, ids[i], prios[i]);
		bit_set(0, ids[i], ISENABLER);
		bit_set(0, ids[i], ISPENDR);
	}
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(icc(0, IAR1), order[i]);
		icc_set(0, EOIR1, order[i]);
	}
	assert_int_equal(icc(0, IAR1), NONE);
}

static void preemption_needs_a_better_group_priority(void **state)
{
	(void)state;
	for (uint32_t i = 32; i < 36; i++)
		bit_set(0, i, ISENABLER);
	prio_set(0, 33, 0x98);
	prio_set(0, 34, 0x60);
	bit_set(0, 32, ISPENDR); /* 0xa0 */
	assert_int_equal(icc(0, IAR1), 32);
	assert_int_equal(icc(0, RPR), 0xa0);
	bit_set(0, 35, ISPENDR); /* equal priority */
	assert_false(ge.irq[0]);
	bit_set(0, 33, ISPENDR);
	assert_true(ge.irq[0]);
	icc_set(0, BPR1, 6); /* groups of 64: 0x98 and 0xa0 are one group */
	assert_false(ge.irq[0]);
	bit_set(0, 34, ISPENDR);
	assert_true(ge.irq[0]);
	assert_int_equal(icc(0, IAR1), 34);
	assert_int_equal(icc(0, RPR), 0x40); /* only the group bits run */
	assert_int_equal(icc(0, AP1R0), 1u << (0x40 >> 3) | 1u << (0xa0 >> 3));
	icc_set(0, EOIR1, 34);
	assert_int_equal(icc(0, RPR), 0xa0);
	assert_false(ge.irq[0]);
	icc_set(0, EOIR1, 32);
	assert_int_equal(icc(0, RPR), 0xff);
	assert_int_equal(icc(0, IAR1), 33);
	icc_set(0, EOIR1, 33);
	assert_int_equal(icc(0, IAR1), 35);
}

static void mask_holds_back_what_is_not_better(void **state)
{
	(void)state;
	bit_set(0, 33, ISENABLER);
	bit_set(0, 33, ISPENDR);
	icc_set(0, PMR, 0xa0);
	assert_false(ge.irq[0]);
	assert_int_equal(icc(0, HPPIR1), 33); /* the mask does not hide it */
	assert_int_equal(icc(0, IAR1), NONE);
	icc_set(0, PMR, 0xa8);
	assert_true(ge.irq[0]);
	icc_set(0, PMR, 0xa7); /* five bits: 0xa0 */
	assert_int_equal(icc(0, PMR), 0xa0);
	assert_false(ge.irq[0]);
}

static void group_enables_gate_delivery(void **state)
{
	(void)state;
	bit_set(0, 33, ISENABLER);
	bit_set(0, 33, ISPENDR);
	icc_set(0, IGRPEN1, 0);
	assert_false(ge.irq[0]);
	icc_set(0, IGRPEN1, 1);
	assert_true(ge.irq[0]);
	mmio_set(GICD(0), 4, 1);
	assert_false(ge.irq[0]);
	mmio_set(GICD(0), 4, 2);
	assert_true(ge.irq[0]);
}

static void group_0_is_fiq(void **state)
{
	(void)state;
	bit_set(0, 33, ISENABLER);
	bit_set(0, 34, ISENABLER);
	mmio_set(GICD(0x84), 4, ~2u); /* 33: Group 0 */
	bit_set(0, 33, ISPENDR);
	assert_true(ge.fiq[0]);
	assert_false(ge.irq[0]);
	assert_int_equal(icc(0, IAR1), NONE);
	assert_int_equal(icc(0, HPPIR0), 33);
	assert_int_equal(icc(0, IAR0), 33);
	assert_int_equal(icc(0, AP0R0), 1u << (0xa0 >> 3));
	assert_false(ge.fiq[0]);
	icc_set(0, EOIR1, 33); /* the other group's register: nothing */
	assert_int_equal(icc(0, RPR), 0xa0);
	assert_true(bit_get(0, 33, ISACTIVER));
	icc_set(0, EOIR0, 33);
	assert_int_equal(icc(0, RPR), 0xff);
	/* Group 0 without its enable does not stand in Group 1's way. */
	bit_set(0, 33, ISPENDR);
	bit_set(0, 34, ISPENDR);
	icc_set(0, IGRPEN0, 0);
	assert_true(ge.irq[0]);
	assert_int_equal(icc(0, IAR1), 34);
}

static void eoimode_1_splits_drop_and_deactivation(void **state)
{
	(void)state;
	bit_set(0, 33, ISENABLER);
	bit_set(0, 33, ISPENDR);
	icc_set(0, CTLR, 2);
	assert_int_equal(icc(0, CTLR), 0x8c02);
	assert_int_equal(icc(0, IAR1), 33);
	icc_set(0, EOIR1, 33);
	assert_int_equal(icc(0, RPR), 0xff);
	assert_true(bit_get(0, 33, ISACTIVER));
	bit_set(0, 33, ISPENDR);
	assert_false(ge.irq[0]);
	icc_set(0, DIR, 33);
	assert_false(bit_get(0, 33, ISACTIVER));
	assert_true(ge.irq[0]);
	/* In mode 0 DIR does nothing. */
	icc_set(0, CTLR, 0);
	assert_int_equal(icc(0, IAR1), 33);
	icc_set(0, DIR, 33);
	assert_true(bit_get(0, 33, ISACTIVER));
}

static void wrong_end_of_interrupt_changes_nothing(void **state)
{
	(void)state;
	static const uint32_t ids[] = {1023, 1020, 96, 5000, 0xffffff};
	bit_set(0, 33, ISENABLER);
	bit_set(0, 33, ISPENDR);
	icc_set(0, EOIR1, 33); /* nothing is active */
	assert_int_equal(icc(0, IAR1), 33);
	for (unsigned i = 0; i < 5; i++)
		icc_set(0, EOIR1, ids[i]);
	assert_int_equal(icc(0, RPR), 0xa0);
	assert_true(bit_get(0, 33, ISACTIVER));
}

static void active_set_by_software_holds_back(void **state)
{
	(void)state;
	bit_set(0, 33, ISENABLER);
	bit_set(0, 33, ISACTIVER);
	bit_set(0, 33, ISPENDR);
	assert_false(ge.irq[0]);
	bit_set(0, 33, ICACTIVER);
	assert_true(ge.irq[0]);
}

static void spi_goes_where_it_is_routed(void **state)
{
	(void)state;
	bit_set(0, 33, ISENABLER);
	bit_set(0, 33, ISPENDR);
	assert_true(ge.irq[0]);
	mmio_set(GICD(0x6000 + 8 * 33), 8, 2);
	assert_false(ge.irq[0]);
	assert_true(ge.irq[2]);
	assert_int_equal(icc(0, IAR1), NONE);
	assert_int_equal(icc(2, IAR1), 33);
	mmio_set(GICD(0x6000 + 8 * 33), 8, 3); /* while active */
	bit_set(0, 33, ISPENDR);
	icc_set(2, EOIR1, 33);
	assert_true(ge.irq[3]);
	assert_int_equal(icc(2, RPR), 0xff);
	mmio_set(GICD(0x6000 + 8 * 33), 8, 0x500); /* nobody */
	assert_false(ge.irq[3]);
	mmio_set(GICD(0x6000 + 8 * 33), 8, 1ull << 31); /* any */
	assert_true(ge.irq[0]);
	icc_set(0, IGRPEN0, 0);
	icc_set(0, IGRPEN1, 0); /* CPU 0 takes no part */
	assert_false(ge.irq[0]);
	assert_true(ge.irq[1]);
}

static void sgi_reaches_its_targets(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 4; c++)
		bit_set(c, 5, ISENABLER);
	icc_set(0, SGI1R, 5 << 24 | 0xa); /* CPUs 1 and 3 */
	assert_false(ge.irq[0] || ge.irq[2]);
	assert_true(ge.irq[1] && ge.irq[3]);
	assert_int_equal(icc(1, IAR1), 5);
	assert_int_equal(icc(3, IAR1), 5);
	icc_set(1, EOIR1, 5);
	icc_set(3, EOIR1, 5);
	icc_set(2, SGI1R, 1ull << 40 | 5 << 24); /* all but self */
	assert_true(ge.irq[0] && ge.irq[1] && ge.irq[3]);
	assert_false(ge.irq[2]);
	/* CPU 17 is affinity 1.1. */
	mmio_set(GICR_SGI(17, 0x80), 4, UINT32_MAX);
	bit_set(17, 5, ISENABLER);
	icc_set(17, PMR, 0xff);
	icc_set(17, IGRPEN1, 1);
	icc_set(0, SGI1R, 1ull << 44 | 5 << 24 | 1 << 16 | 2); /* range 1: none there */
	icc_set(0, SGI1R, 1ull << 32 | 5 << 24 | 1 << 16 | 2); /* Aff2 = 1 */
	assert_true(!ge.irq[17]);
	icc_set(0, SGI1R, 5 << 24 | 1 << 16 | 2);
	assert_true(ge.irq[17]);
	/* A Group 0 SGI is not SGI1R's. */
	mmio_set(GICR_SGI(2, 0x80), 4, ~(1u << 5));
	icc_set(0, SGI1R, 5 << 24 | 4);
	assert_false(bit_get(2, 5, ISPENDR));
	icc_set(0, SGI0R, 5 << 24 | 4);
	assert_true(ge.fiq[2]);
}

static void ppi_is_private(void **state)
{
	(void)state;
	bit_set(1, 27, ISENABLER);
	bit_set(2, 27, ISENABLER);
	gic_set_ppi(ge.g, 1, 27, true);
	assert_true(ge.irq[1]);
	assert_false(ge.irq[2]);
	assert_int_equal(icc(1, IAR1), 27);
	gic_set_ppi(ge.g, 1, 27, false);
	icc_set(1, EOIR1, 27);
	assert_false(ge.irq[1]);
	gic_set_ppi(ge.g, 1, 15, true); /* not a PPI */
	gic_set_ppi(ge.g, 1, 32, true);
	gic_set_ppi(ge.g, 99, 27, true);
	gic_set_spi(ge.g, 64, true);
	gic_pulse_spi(ge.g, 9999);
}

static void output_is_told_once_per_change(void **state)
{
	(void)state;
	bit_set(0, 33, ISENABLER);
	ge.signals = 0;
	gic_set_spi(ge.g, 1, true);
	gic_set_spi(ge.g, 1, true);
	bit_set(0, 34, ISENABLER);
	gic_set_spi(ge.g, 2, true);
	assert_int_equal(ge.signals, 1);
}

static void reset_keeps_lines_and_forgets_the_rest(void **state)
{
	(void)state;
	bit_set(0, 33, ISENABLER);
	gic_set_spi(ge.g, 1, true);
	gic_reset(ge.g);
	assert_false(ge.irq[0]);
	assert_int_equal(icc(0, PMR), 0);
	assert_false(bit_get(0, 33, ISENABLER));
	assert_true(bit_get(0, 33, ISPENDR));
}

static void priority_drop_is_in_order(void **state)
{
	(void)state;
	/* Three nested levels end from the inside out, whatever INTID is named. */
	for (uint32_t i = 0; i < 3; i++) {
		prio_set(0, 33 + i, (uint8_t)(0x90 - 0x20 * i));
		bit_set(0, 33 + i, ISENABLER);
		bit_set(0, 33 + i, ISPENDR);
		assert_int_equal(icc(0, IAR1), 33 + i);
	}
	assert_int_equal(icc(0, RPR), 0x50);
	icc_set(0, EOIR1, 35);
	assert_int_equal(icc(0, RPR), 0x70);
	icc_set(0, EOIR1, 34);
	assert_int_equal(icc(0, RPR), 0x90);
	icc_set(0, EOIR1, 33);
	assert_int_equal(icc(0, RPR), 0xff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(level_spi_is_pending_while_the_line_is_up),
		T(lowered_level_is_withdrawn),
		T(edges_are_latched_and_counted_once_while_active),
		T(disabled_edge_waits_for_enable),
		T(best_priority_then_lowest_intid_comes_first),
		T(preemption_needs_a_better_group_priority),
		T(mask_holds_back_what_is_not_better),
		T(group_enables_gate_delivery),
		T(group_0_is_fiq),
		T(eoimode_1_splits_drop_and_deactivation),
		T(wrong_end_of_interrupt_changes_nothing),
		T(active_set_by_software_holds_back),
		T(spi_goes_where_it_is_routed),
		T(sgi_reaches_its_targets),
		T(ppi_is_private),
		T(output_is_told_once_per_change),
		T(reset_keeps_lines_and_forgets_the_rest),
		T(priority_drop_is_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
