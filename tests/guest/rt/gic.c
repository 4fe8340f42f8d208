/* SPDX-License-Identifier: Apache-2.0 */
#include "gic.h"

volatile unsigned gic_last, gic_count;
void (*gic_quiesce)(unsigned id);

uint64_t gic_bit_reg(unsigned id, unsigned off)
{
	return (id < 32 ? GICR_SGI : GICD) + off + id / 32 * 4;
}

bool gic_bit(unsigned id, unsigned off)
{
	return mmio_r32(gic_bit_reg(id, off)) >> (id & 31) & 1;
}

void gic_bit_write(unsigned id, unsigned off)
{
	mmio_w32(gic_bit_reg(id, off), 1u << (id & 31));
	/* A read back orders it before what follows. */
	(void)mmio_r32(gic_bit_reg(id, off));
}

void gic_prio(unsigned id, uint8_t prio)
{
	mmio_w8((id < 32 ? GICR_SGI : GICD) + GICD_IPRIORITYR + id, prio);
}

uint8_t gic_prio_get(unsigned id)
{
	return mmio_r8((id < 32 ? GICR_SGI : GICD) + GICD_IPRIORITYR + id);
}

void gic_edge(unsigned id, bool edge)
{
	uint64_t a = (id < 32 ? GICR_SGI : GICD) + GICD_ICFGR + id / 16 * 4;
	uint32_t bit = 2u << (id % 16 * 2), v = mmio_r32(a);

	mmio_w32(a, edge ? v | bit : v & ~bit);
}

void gic_init(void)
{
	mmio_w32(GICD + GICD_CTLR, 0x10);
	mmio_w32(GICD + GICD_CTLR, 0x12);
	mmio_w32(GICR + GICR_WAKER, mmio_r32(GICR + GICR_WAKER) & ~2u);
	while (mmio_r32(GICR + GICR_WAKER) & 4)
		;
	for (unsigned id = 0; id < 96; id += 32) {
		mmio_w32(gic_bit_reg(id, GICD_IGROUPR), ~0u);
		mmio_w32(gic_bit_reg(id, GICD_ICENABLER), ~0u);
		mmio_w32(gic_bit_reg(id, GICD_ICPENDR), ~0u);
		mmio_w32(gic_bit_reg(id, GICD_ICACTIVER), ~0u);
	}
	for (unsigned id = 0; id < 96; id++)
		gic_prio(id, 0xa0);
	icc_write(ICC_SRE_EL1, 7);
	icc_write(ICC_PMR_EL1, 0xf0);
	icc_write(ICC_BPR1_EL1, 0);
	icc_write(ICC_CTLR_EL1, 0);
	icc_write(ICC_IGRPEN1_EL1, 1);
}

void gic_take(void)
{
	unsigned id = (unsigned)icc_read(ICC_IAR1_EL1);

	gic_last = id;
	gic_count++;
	if (gic_quiesce)
		gic_quiesce(id);
	if (id < 1020)
		icc_write(ICC_EOIR1_EL1, id);
}
