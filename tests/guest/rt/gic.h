/* SPDX-License-Identifier: Apache-2.0 */
/* GICv3 for the test programs: one security state, affinity routing, no LPIs. */
#pragma once
#include "rt.h"

#define GICD 0x08000000ull
#define GICR 0x080a0000ull
#define GICR_SGI (GICR + 0x10000)

#define GICD_CTLR 0x0
#define GICD_TYPER 0x4
#define GICD_IGROUPR 0x80
#define GICD_ISENABLER 0x100
#define GICD_ICENABLER 0x180
#define GICD_ISPENDR 0x200
#define GICD_ICPENDR 0x280
#define GICD_ISACTIVER 0x300
#define GICD_ICACTIVER 0x380
#define GICD_IPRIORITYR 0x400
#define GICD_ICFGR 0xc00
#define GICD_IROUTER 0x6000
#define GICD_PIDR2 0xffe8
#define GICR_WAKER 0x14

#define ICC_PMR_EL1 S3_0_C4_C6_0
#define ICC_IAR0_EL1 S3_0_C12_C8_0
#define ICC_BPR0_EL1 S3_0_C12_C8_3
#define ICC_AP0R0_EL1 S3_0_C12_C8_4
#define ICC_AP1R0_EL1 S3_0_C12_C9_0
#define ICC_DIR_EL1 S3_0_C12_C11_1
#define ICC_RPR_EL1 S3_0_C12_C11_3
#define ICC_SGI1R_EL1 S3_0_C12_C11_5
#define ICC_IAR1_EL1 S3_0_C12_C12_0
#define ICC_EOIR1_EL1 S3_0_C12_C12_1
#define ICC_HPPIR1_EL1 S3_0_C12_C12_2
#define ICC_BPR1_EL1 S3_0_C12_C12_3
#define ICC_CTLR_EL1 S3_0_C12_C12_4
#define ICC_SRE_EL1 S3_0_C12_C12_5
#define ICC_IGRPEN0_EL1 S3_0_C12_C12_6
#define ICC_IGRPEN1_EL1 S3_0_C12_C12_7

#define PPI_CNTV 27
#define PPI_CNTP 30
#define SPI_UART 33
#define SPI_RTC 34

/* gic_init - distributor, redistributor 0 and CPU interface on; everything group 1, disabled, priority 0xa0. */
void gic_init(void);
/* Registers with a bit, a byte or two bits for each interrupt, in the right frame for @id. */
uint64_t gic_bit_reg(unsigned id, unsigned off);
bool gic_bit(unsigned id, unsigned off);
void gic_bit_write(unsigned id, unsigned off);
void gic_prio(unsigned id, uint8_t prio);
uint8_t gic_prio_get(unsigned id);
void gic_edge(unsigned id, bool edge);
static inline void gic_enable(unsigned id)
{
	gic_bit_write(id, GICD_ISENABLER);
}
static inline void gic_disable(unsigned id)
{
	gic_bit_write(id, GICD_ICENABLER);
}
static inline void gic_pend(unsigned id)
{
	gic_bit_write(id, GICD_ISPENDR);
}
static inline bool gic_is_pending(unsigned id)
{
	return gic_bit(id, GICD_ISPENDR);
}
static inline bool gic_is_active(unsigned id)
{
	return gic_bit(id, GICD_ISACTIVER);
}
#define icc_read(r) read_icc_(r)
#define read_icc_(r) read_sysreg(r)
#define icc_write(r, v) write_icc_(r, v)
#define write_icc_(r, v) write_sysreg(r, v)

/* gic_take - handler for exc_irq: acknowledges, notes the ID in gic_last and counts, ends. */
void gic_take(void);
extern volatile unsigned gic_last, gic_count;
/* gic_quiesce - called by gic_take between IAR and EOI; lets a program silence its device. */
extern void (*gic_quiesce)(unsigned id);
