/* SPDX-License-Identifier: Apache-2.0 */
/* GICv3: distributor, redistributor and CPU interface, one CPU, one security state. IHI 0069. */
#include "gic.h"

#define SPI_A 40u /* no device uses these */
#define SPI_B 41u
#define SPI_C 75u
#define SGI1R(target, intid) ((uint64_t)(intid) << 24 | (target))

static unsigned order[16], norder;

static void note(unsigned id)
{
	if (norder < 16)
		order[norder++] = id;
}

/* Lets pending interrupts in; two turns, because the first may uncover a second. */
static void let_in(void)
{
	for (int i = 0; i < 4; i++)
		__asm__ volatile("msr daifclr, #2\n\tisb\n\tnop\n\tmsr daifset, #2" ::: "memory");
}

static void reset_counts(void)
{
	gic_count = 0;
	gic_last = 0;
	norder = 0;
	gic_quiesce = note;
}

static void test_ident(void)
{
	group("identification");
	CHECK_EQ(mmio_r32(GICD + GICD_PIDR2) & 0xf0, 0x30);
	CHECK_EQ(mmio_r32(GICR + 0xffe8) & 0xf0, 0x30);
	CHECK_EQ(mmio_r32(GICD + GICD_CTLR) & 0x50, 0x50);
	CHECK((mmio_r32(GICD + GICD_TYPER) & 31) >= 2);
	CHECK_EQ(mmio_r64(GICR + 8) >> 32, 0);
	CHECK_EQ(mmio_r32(GICR + 8) & 0x10, 0x10);
	CHECK_EQ(mmio_r32(GICR + 12), 0);
	CHECK_EQ(mmio_r32(GICR + GICR_WAKER) & 6, 0);
	CHECK_EQ(icc_read(ICC_SRE_EL1) & 7, 7);
	CHECK_EQ(icc_read(ICC_IGRPEN1_EL1), 1);
	CHECK_EQ(mmio_r32(GICD + GICD_CTLR) & 3, 2);
}

static void test_bits(void)
{
	static const unsigned ids[] = {3, 20, SPI_A, SPI_C};

	group("enable, pending, active and group bits");
	for (unsigned i = 0; i < 4; i++) {
		unsigned id = ids[i];

		CHECK_EQ(gic_bit(id, GICD_ISENABLER), 0);
		gic_enable(id);
		CHECK_EQ(gic_bit(id, GICD_ISENABLER), 1);
		CHECK_EQ(gic_bit(id, GICD_ICENABLER), 1);
		mmio_w32(gic_bit_reg(id, GICD_ISENABLER), 0);
		mmio_w32(gic_bit_reg(id, GICD_ICENABLER), 0);
		CHECK_EQ(gic_bit(id, GICD_ISENABLER), 1);
		gic_disable(id);
		CHECK_EQ(gic_bit(id, GICD_ISENABLER), 0);
		gic_pend(id);
		CHECK_EQ(gic_is_pending(id), 1);
		CHECK_EQ(gic_bit(id, GICD_ICPENDR), 1);
		gic_bit_write(id, GICD_ICPENDR);
		CHECK_EQ(gic_is_pending(id), 0);
		gic_bit_write(id, GICD_ISACTIVER);
		CHECK_EQ(gic_is_active(id), 1);
		CHECK_EQ(gic_bit(id, GICD_ICACTIVER), 1);
		gic_bit_write(id, GICD_ICACTIVER);
		CHECK_EQ(gic_is_active(id), 0);
		mmio_w32(gic_bit_reg(id, GICD_IGROUPR), ~(1u << (id & 31)));
		CHECK_EQ(gic_bit(id, GICD_IGROUPR), 0);
		mmio_w32(gic_bit_reg(id, GICD_IGROUPR), ~0u);
		CHECK_EQ(gic_bit(id, GICD_IGROUPR), 1);
	}
	group("priorities by byte and word");
	gic_prio(SPI_A, 0x40);
	gic_prio(SPI_B, 0x50);
	CHECK_EQ(gic_prio_get(SPI_A), 0x40);
	CHECK_EQ(gic_prio_get(SPI_B), 0x50);
	CHECK_EQ(mmio_r32(GICD + GICD_IPRIORITYR + SPI_A) & 0xffff, 0x5040);
	mmio_w32(GICD + GICD_IPRIORITYR + SPI_A, 0x98908880);
	CHECK_EQ(gic_prio_get(SPI_A + 3), 0x98);
	CHECK_EQ(gic_prio_get(SPI_A), 0x80);
	mmio_w32(GICR_SGI + GICD_IPRIORITYR + 4, 0x08101820);
	CHECK_EQ(gic_prio_get(5), 0x18);
	mmio_w32(GICR_SGI + GICD_IPRIORITYR + 4, 0xa0a0a0a0);
	mmio_w32(GICD + GICD_IPRIORITYR + SPI_A, 0xa0a0a0a0);
	group("routing registers");
	mmio_w64(GICD + GICD_IROUTER + 8 * SPI_A, 0);
	CHECK_EQ(mmio_r64(GICD + GICD_IROUTER + 8 * SPI_A), 0);
	mmio_w64(GICD + GICD_IROUTER + 8 * SPI_A, 0x80000000);
	CHECK_EQ(mmio_r64(GICD + GICD_IROUTER + 8 * SPI_A), 0x80000000);
	CHECK_EQ(mmio_r32(GICD + GICD_IROUTER + 8 * SPI_A), 0x80000000);
	CHECK_EQ(mmio_r32(GICD + GICD_IROUTER + 8 * SPI_A + 4), 0);
	mmio_w32(GICD + GICD_IROUTER + 8 * SPI_A, 0x00010203);
	mmio_w32(GICD + GICD_IROUTER + 8 * SPI_A + 4, 0x05);
	CHECK_EQ(mmio_r64(GICD + GICD_IROUTER + 8 * SPI_A), 0x0500010203);
	mmio_w64(GICD + GICD_IROUTER + 8 * SPI_A, 0);
	group("configuration registers");
	CHECK_EQ(mmio_r32(GICR_SGI + GICD_ICFGR), 0xaaaaaaaa);
	gic_edge(SPI_A, true);
	CHECK_EQ(mmio_r32(GICD + GICD_ICFGR + SPI_A / 16 * 4) >> (SPI_A % 16 * 2) & 3, 2);
	gic_edge(SPI_A, false);
	CHECK_EQ(mmio_r32(GICD + GICD_ICFGR + SPI_A / 16 * 4) >> (SPI_A % 16 * 2) & 3, 0);
}

static void test_idle(void)
{
	group("nothing pending");
	CHECK_EQ(icc_read(ICC_IAR1_EL1), 1023);
	CHECK_EQ(icc_read(ICC_HPPIR1_EL1), 1023);
	CHECK_EQ(icc_read(ICC_RPR_EL1), 0xff);
	CHECK_EQ(icc_read(ICC_AP1R0_EL1), 0);
	CHECK_EQ(read_sysreg(isr_el1), 0);
	icc_write(ICC_EOIR1_EL1, 1023);
}

static void test_delivery(void)
{
	group("acknowledge and end by hand");
	gic_edge(SPI_A, true);
	gic_enable(SPI_A);
	gic_pend(SPI_A);
	CHECK_EQ(read_sysreg(isr_el1), 0x80);
	CHECK_EQ(icc_read(ICC_HPPIR1_EL1), SPI_A);
	CHECK_EQ(icc_read(ICC_IAR1_EL1), SPI_A);
	CHECK_EQ(gic_is_pending(SPI_A), 0);
	CHECK_EQ(gic_is_active(SPI_A), 1);
	CHECK_EQ(icc_read(ICC_RPR_EL1), 0xa0);
	CHECK_EQ(icc_read(ICC_AP1R0_EL1), 1u << (0xa0 >> 3));
	CHECK_EQ(read_sysreg(isr_el1), 0);
	CHECK_EQ(icc_read(ICC_IAR1_EL1), 1023);
	/* Pending again while active: held back. */
	gic_pend(SPI_A);
	CHECK_EQ(gic_is_pending(SPI_A), 1);
	CHECK_EQ(icc_read(ICC_IAR1_EL1), 1023);
	icc_write(ICC_EOIR1_EL1, SPI_A);
	CHECK_EQ(gic_is_active(SPI_A), 0);
	CHECK_EQ(icc_read(ICC_RPR_EL1), 0xff);
	CHECK_EQ(icc_read(ICC_IAR1_EL1), SPI_A);
	icc_write(ICC_EOIR1_EL1, SPI_A);
	CHECK_EQ(icc_read(ICC_IAR1_EL1), 1023);

	group("taken as an exception");
	reset_counts();
	gic_pend(SPI_A);
	CHECK_EQ(gic_count, 0);
	let_in();
	CHECK_EQ(gic_count, 1);
	CHECK_EQ(gic_last, SPI_A);
	let_in();
	CHECK_EQ(gic_count, 1);
	CHECK_EQ(gic_is_active(SPI_A), 0);

	group("disabled, masked and blocked");
	reset_counts();
	gic_disable(SPI_A);
	gic_pend(SPI_A);
	let_in();
	CHECK_EQ(gic_count, 0);
	icc_write(ICC_PMR_EL1, 0xa0); /* priority must be strictly higher */
	gic_enable(SPI_A);
	let_in();
	CHECK_EQ(gic_count, 0);
	CHECK_EQ(icc_read(ICC_IAR1_EL1), 1023);
	CHECK_EQ(icc_read(ICC_PMR_EL1), 0xa0);
	icc_write(ICC_PMR_EL1, 0xf0);
	icc_write(ICC_IGRPEN1_EL1, 0);
	let_in();
	CHECK_EQ(gic_count, 0);
	icc_write(ICC_IGRPEN1_EL1, 1);
	mmio_w32(GICD + GICD_CTLR, 0x10);
	(void)mmio_r32(GICD + GICD_CTLR);
	let_in();
	CHECK_EQ(gic_count, 0);
	mmio_w32(GICD + GICD_CTLR, 0x12);
	(void)mmio_r32(GICD + GICD_CTLR);
	let_in();
	CHECK_EQ(gic_count, 1);
	CHECK_EQ(gic_last, SPI_A);

	group("priority order");
	reset_counts();
	gic_edge(SPI_B, true);
	gic_edge(SPI_C, true);
	gic_enable(SPI_B);
	gic_enable(SPI_C);
	gic_prio(SPI_A, 0x90);
	gic_prio(SPI_B, 0x80);
	gic_prio(SPI_C, 0x40);
	gic_pend(SPI_A);
	gic_pend(SPI_B);
	gic_pend(SPI_C);
	CHECK_EQ(icc_read(ICC_HPPIR1_EL1), SPI_C);
	let_in();
	CHECK_EQ(norder, 3);
	CHECK_EQ(order[0], SPI_C);
	CHECK_EQ(order[1], SPI_B);
	CHECK_EQ(order[2], SPI_A);
	reset_counts();
	gic_prio(SPI_A, 0x80);
	gic_prio(SPI_C, 0x80);
	gic_pend(SPI_C);
	gic_pend(SPI_B);
	gic_pend(SPI_A);
	let_in();
	CHECK_EQ(order[0], SPI_A);
	CHECK_EQ(order[1], SPI_B);
	CHECK_EQ(order[2], SPI_C);

	group("active by register");
	reset_counts();
	gic_bit_write(SPI_A, GICD_ISACTIVER);
	gic_pend(SPI_A);
	let_in();
	CHECK_EQ(gic_count, 0);
	gic_bit_write(SPI_A, GICD_ICACTIVER);
	let_in();
	CHECK_EQ(gic_count, 1);

	group("another cpu's interrupt does not come here");
	reset_counts();
	mmio_w64(GICD + GICD_IROUTER + 8 * SPI_A, 5);
	gic_pend(SPI_A);
	let_in();
	CHECK_EQ(gic_count, 0);
	mmio_w64(GICD + GICD_IROUTER + 8 * SPI_A, 0);
	let_in();
	CHECK_EQ(gic_count, 1);

	group("group 0 is not acknowledged as group 1");
	reset_counts();
	mmio_w32(gic_bit_reg(SPI_A, GICD_IGROUPR), ~(1u << (SPI_A & 31)));
	gic_pend(SPI_A);
	CHECK_EQ(icc_read(ICC_IAR1_EL1), 1023);
	let_in();
	CHECK_EQ(gic_count, 0);
	mmio_w32(gic_bit_reg(SPI_A, GICD_IGROUPR), ~0u);
	let_in();
	CHECK_EQ(gic_count, 1);
}

static unsigned nested_first, nested_rpr_in, nested_rpr_out;

/* In the handler of SPI_A: SPI_B becomes pending and interrupts are let in. */
static void nest(unsigned id)
{
	uint64_t elr = read_sysreg(elr_el1), spsr = read_sysreg(spsr_el1);

	note(id);
	if (id != SPI_A)
		return;
	gic_pend(SPI_B);
	nested_rpr_in = (unsigned)icc_read(ICC_RPR_EL1);
	let_in();
	nested_first = norder;
	nested_rpr_out = (unsigned)icc_read(ICC_RPR_EL1);
	write_sysreg(elr_el1, elr);
	write_sysreg(spsr_el1, spsr);
}

static void run_nested(uint8_t prio_a, uint8_t prio_b, unsigned bpr, unsigned want_inside)
{
	reset_counts();
	gic_quiesce = nest;
	icc_write(ICC_BPR1_EL1, bpr);
	gic_prio(SPI_A, prio_a);
	gic_prio(SPI_B, prio_b);
	gic_pend(SPI_A);
	let_in();
	CHECK_EQ(nested_first, want_inside);
	CHECK_EQ(norder, 2);
	CHECK_EQ(order[0], SPI_A);
	CHECK_EQ(order[1], SPI_B);
	CHECK_EQ(icc_read(ICC_RPR_EL1), 0xff);
	CHECK_EQ(icc_read(ICC_AP1R0_EL1), 0);
}

static void test_preemption(void)
{
	group("preemption");
	run_nested(0xa0, 0x80, 0, 2);
	CHECK_EQ(nested_rpr_in, 0xa0);
	CHECK_EQ(nested_rpr_out, 0xa0);
	run_nested(0xa0, 0xa0, 0, 1);
	run_nested(0x80, 0xa0, 0, 1);
	group("binary point");
	run_nested(0xa0, 0x98, 3, 2);
	CHECK_EQ(icc_read(ICC_BPR1_EL1), 3);
	run_nested(0xa0, 0x98, 5, 2);
	run_nested(0x98, 0x90, 5, 1);
	run_nested(0xb0, 0x80, 7, 1);
	CHECK_EQ(icc_read(ICC_BPR1_EL1), 7);
	run_nested(0xa0, 0x60, 7, 2);
	icc_write(ICC_BPR1_EL1, 0);
	CHECK(icc_read(ICC_BPR1_EL1) != 0);
}

static void test_eoimode(void)
{
	group("separate drop and deactivation");
	gic_quiesce = NULL;
	gic_prio(SPI_A, 0x80);
	gic_prio(SPI_B, 0xa0);
	icc_write(ICC_CTLR_EL1, 2);
	CHECK_EQ(icc_read(ICC_CTLR_EL1) & 2, 2);
	gic_pend(SPI_A);
	CHECK_EQ(icc_read(ICC_IAR1_EL1), SPI_A);
	CHECK_EQ(icc_read(ICC_RPR_EL1), 0x80);
	gic_pend(SPI_B);
	CHECK_EQ(icc_read(ICC_IAR1_EL1), 1023);
	icc_write(ICC_EOIR1_EL1, SPI_A);
	CHECK_EQ(icc_read(ICC_RPR_EL1), 0xff);
	CHECK_EQ(gic_is_active(SPI_A), 1);
	/* Priority has dropped: a lower one comes through while the first is still active. */
	CHECK_EQ(icc_read(ICC_IAR1_EL1), SPI_B);
	icc_write(ICC_EOIR1_EL1, SPI_B);
	icc_write(ICC_DIR_EL1, SPI_B);
	CHECK_EQ(gic_is_active(SPI_B), 0);
	gic_pend(SPI_A);
	CHECK_EQ(icc_read(ICC_IAR1_EL1), 1023);
	icc_write(ICC_DIR_EL1, SPI_A);
	CHECK_EQ(gic_is_active(SPI_A), 0);
	CHECK_EQ(icc_read(ICC_IAR1_EL1), SPI_A);
	icc_write(ICC_EOIR1_EL1, SPI_A);
	icc_write(ICC_DIR_EL1, SPI_A);
	icc_write(ICC_CTLR_EL1, 0);
	CHECK_EQ(icc_read(ICC_CTLR_EL1) & 2, 0);
	CHECK_EQ(icc_read(ICC_IAR1_EL1), 1023);
}

static void test_sgi(void)
{
	group("software generated interrupts");
	for (unsigned id = 0; id < 16; id++) {
		reset_counts();
		gic_enable(id);
		icc_write(ICC_SGI1R_EL1, SGI1R(1, id));
		CHECK_EQ(gic_is_pending(id), 1);
		let_in();
		CHECK_EQ(gic_count, 1);
		CHECK_EQ(gic_last, id);
		CHECK_EQ(gic_is_pending(id), 0);
	}
	reset_counts();
	icc_write(ICC_SGI1R_EL1, SGI1R(1, 4));
	icc_write(ICC_SGI1R_EL1, SGI1R(1, 4));
	icc_write(ICC_SGI1R_EL1, SGI1R(1, 2));
	let_in();
	CHECK_EQ(norder, 2);
	CHECK_EQ(order[0], 2);
	CHECK_EQ(order[1], 4);
	reset_counts();
	icc_write(ICC_SGI1R_EL1, SGI1R(0, 4));		    /* no target */
	icc_write(ICC_SGI1R_EL1, SGI1R(2, 4));		    /* a CPU that is not there */
	icc_write(ICC_SGI1R_EL1, 1ull << 40 | SGI1R(0, 4)); /* all but self */
	icc_write(ICC_SGI1R_EL1, 1ull << 16 | SGI1R(1, 4)); /* other cluster */
	let_in();
	CHECK_EQ(gic_count, 0);
	gic_disable(4);
	icc_write(ICC_SGI1R_EL1, SGI1R(1, 4));
	let_in();
	CHECK_EQ(gic_count, 0);
	gic_enable(4);
	let_in();
	CHECK_EQ(gic_count, 1);
	for (unsigned id = 0; id < 16; id++)
		gic_disable(id);
}

static uint64_t el0_nothing(uint64_t x)
{
	for (volatile int i = 0; i < 100; i++)
		;
	return x + 1;
}

static void test_el0_and_wfi(void)
{
	group("interrupt at el0");
	reset_counts();
	gic_pend(SPI_A);
	CHECK_EQ(el0_call(el0_nothing, 8), 9);
	CHECK_EQ(gic_count, 1);
	group("wfi ends with a masked interrupt");
	reset_counts();
	gic_pend(SPI_A);
	__asm__ volatile("wfi");
	CHECK_EQ(gic_count, 0);
	let_in();
	CHECK_EQ(gic_count, 1);
}

static unsigned uart_irqs;

static void uart_quiesce(unsigned id)
{
	note(id);
	if (id == SPI_UART && ++uart_irqs == 3)
		mmio_w32(UART_BASE + 0x38, 0); /* IMSC */
}

static void test_level(void)
{
	group("level-sensitive shared interrupt");
	reset_counts();
	gic_quiesce = uart_quiesce;
	gic_edge(SPI_UART, false);
	mmio_w32(UART_BASE + 0x38, 0);
	CHECK_EQ(gic_is_pending(SPI_UART), 0);
	/* The transmit interrupt: its raw state is set after output has drained. */
	for (int i = 0; i < 1000000 && !(mmio_r32(UART_BASE + 0x3c) & 0x20); i++)
		;
	CHECK_EQ(mmio_r32(UART_BASE + 0x3c) >> 5 & 1, 1);
	mmio_w32(UART_BASE + 0x38, 0x20);
	CHECK_EQ(gic_is_pending(SPI_UART), 1);
	mmio_w32(UART_BASE + 0x38, 0);
	CHECK_EQ(gic_is_pending(SPI_UART), 0);
	mmio_w32(UART_BASE + 0x38, 0x20);
	gic_enable(SPI_UART);
	/* It comes again after each end of interrupt for as long as the line is high. */
	for (int i = 0; i < 5; i++)
		let_in();
	CHECK_EQ(gic_count, 3);
	CHECK_EQ(gic_is_pending(SPI_UART), 0);
	/* While active, the line's level shows as pending. */
	gic_quiesce = NULL;
	mmio_w32(UART_BASE + 0x38, 0x20);
	CHECK_EQ(icc_read(ICC_IAR1_EL1), SPI_UART);
	CHECK_EQ(gic_is_active(SPI_UART), 1);
	CHECK_EQ(gic_is_pending(SPI_UART), 1);
	mmio_w32(UART_BASE + 0x38, 0);
	CHECK_EQ(gic_is_pending(SPI_UART), 0);
	icc_write(ICC_EOIR1_EL1, SPI_UART);
	CHECK_EQ(icc_read(ICC_IAR1_EL1), 1023);
	/* Software pending on a level interrupt stays until acknowledged or cleared. */
	gic_pend(SPI_UART);
	CHECK_EQ(gic_is_pending(SPI_UART), 1);
	gic_bit_write(SPI_UART, GICD_ICPENDR);
	CHECK_EQ(gic_is_pending(SPI_UART), 0);
	gic_disable(SPI_UART);
}

void test_main(void)
{
	gic_init();
	exc_irq = gic_take;
	test_ident();
	test_bits();
	test_idle();
	test_delivery();
	test_preemption();
	test_eoimode();
	test_sgi();
	test_el0_and_wfi();
	test_level();
}
