/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GICv3: distributor and redistributor registers (IHI 0069, 12.8 to 12.11).
 *
 * Both have the same block of registers from IGROUPR to ICFGR, one word (or 8 priority words) per bank of 32: block_*
 * below serve it for the bank that the offset names. In the distributor bank 0 is RAZ/WI, as affinity routing is
 * always on. Words are 32 bits; priorities are bytes too; IROUTER and GICR_TYPER are 64 bits too. All else is RAZ/WI.
 */
#include "hv/arch/aarch64/gic_int.h"
#include "hv/arch/aarch64/board.h"
#include "hv/arch/aarch64/psci.h"

#define GICD_CTLR 0x0000u
#define GICD_TYPER 0x0004u
#define GICD_IIDR 0x0008u
#define GICD_IROUTER 0x6000u
#define GIC_ID_REGS 0xffd0u
#define GIC_IIDR 0x43bu /* Arm, as KVM and QEMU say */

#define GICR_IIDR 0x0004u
#define GICR_TYPER 0x0008u
#define GICR_WAKER 0x0014u
#define GICR_SGI_FRAME 0x10000u
#define WAKER_PROCESSOR_SLEEP 0x2u
#define WAKER_CHILDREN_ASLEEP 0x4u

/* Offsets of the common block. */
#define IGROUPR 0x080u
#define ISENABLER 0x100u
#define ICENABLER 0x180u
#define ISPENDR 0x200u
#define ICPENDR 0x280u
#define ISACTIVER 0x300u
#define ICACTIVER 0x380u
#define IPRIORITYR 0x400u
#define ITARGETSR 0x800u
#define ICFGR 0xc00u
#define IGRPMODR 0xd00u

/* No 1-of-N guarantee, Aff3 valid, 16 bits of INTID, as QEMU's board says. */
static uint32_t gicd_typer(const struct gic *g)
{
	return 1u << 25 | 1u << 24 | 0xfu << 19 | g->spis / GIC_BANK;
}

static uint32_t id_reg(uint32_t offset, uint32_t part)
{
	/* PIDR4..7, PIDR0..3, CIDR0..3; PIDR2: GICv3. */
	static const uint8_t ids[12] = {0x44, 0, 0, 0, 0, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1};
	unsigned i = (offset - GIC_ID_REGS) / 4;
	return i == 4 ? part : ids[i];
}

/* --- the common block --- */

/* 16 two-bit fields; the upper bit says edge. */
static uint32_t cfg_read(const struct gic_bank *b, unsigned half)
{
	uint32_t edge = b->edge >> (16 * half) & 0xffff, v = 0;
	for (unsigned i = 0; i < 16; i++)
		v |= (edge >> i & 1) << (2 * i + 1);
	return v;
}

static void cfg_write(struct gic_bank *b, unsigned half, uint32_t value)
{
	uint32_t edge = 0;
	for (unsigned i = 0; i < 16; i++)
		edge |= (value >> (2 * i + 1) & 1) << i;
	b->edge = (b->edge & ~(0xffffu << (16 * half))) | edge << (16 * half);
}

static uint32_t block_read(const struct gic_bank *b, uint32_t reg, unsigned half)
{
	switch (reg) {
	case IGROUPR:
		return b->group;
	case ISENABLER:
	case ICENABLER:
		return b->enable;
	case ISPENDR:
	case ICPENDR:
		return gic_bank_pending(b);
	case ISACTIVER:
	case ICACTIVER:
		return b->active;
	case ICFGR:
		return cfg_read(b, half);
	default:
		return 0;
	}
}

static void block_write(struct gic_bank *b, uint32_t reg, unsigned half, uint32_t value)
{
	switch (reg) {
	case IGROUPR:
		b->group = value;
		break;
	case ISENABLER:
		b->enable |= value;
		break;
	case ICENABLER:
		b->enable &= ~value;
		break;
	case ISPENDR:
		b->latch |= value;
		break;
	case ICPENDR:
		b->latch &= ~value;
		break;
	case ISACTIVER:
		b->active |= value;
		break;
	case ICACTIVER:
		b->active &= ~value;
		break;
	case ICFGR:
		cfg_write(b, half, value);
		break;
	default:
		break;
	}
}

/* Which register and bank @offset is in. False: none of the one-word-per-bank registers. */
static bool block_decode(uint32_t offset, uint32_t *ret_reg, unsigned *ret_bank, unsigned *ret_half)
{
	*ret_half = 0;
	if (offset >= IGROUPR && offset < IPRIORITYR) {
		*ret_reg = offset & ~0x7fu;
		*ret_bank = (offset & 0x7f) / 4;
		return true;
	}
	if (offset >= ICFGR && offset < IGRPMODR) {
		*ret_reg = ICFGR;
		*ret_bank = (offset - ICFGR) / 8;
		*ret_half = offset / 4 & 1;
		return true;
	}
	return false;
}

/* Bytes of the priorities from INTID @first of @b. */
static uint64_t prio_read(const struct gic_bank *b, unsigned first, unsigned len)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < len; i++)
		v |= (uint64_t)b->prio[first + i] << (8 * i);
	return v;
}

static void prio_write(struct gic_bank *b, unsigned first, unsigned len, uint64_t value)
{
	for (unsigned i = 0; i < len; i++)
		b->prio[first + i] = (uint8_t)(value >> (8 * i)) & GIC_PRI_MASK;
}

/* --- distributor --- */

static struct gic_bank *spi_bank(struct gic *g, unsigned bank)
{
	return bank >= 1 && bank <= g->spis / GIC_BANK ? &g->spi[bank - 1] : NULL;
}

static void gicd_ctlr_write(struct gic *g, uint32_t value)
{
	uint32_t new = value &(GICD_CTLR_GRP0 | GICD_CTLR_GRP1);
	if (new == g->ctlr)
		return;
	g->ctlr = new;
	gic_all_changed(g);
}

static void irouter_access(struct gic *g, uint32_t offset, unsigned len, bool is_write,
			   uint64_t *data)
{
	unsigned intid = (offset - GICD_IROUTER) / 8;
	if (intid < GIC_BANK || intid - GIC_BANK >= g->spis || len < 4)
		return;
	unsigned spi = intid - GIC_BANK, shift = offset & 4 ? 32 : 0;
	uint64_t old = g->irouter[spi];
	if (!is_write) {
		*data = len == 8 ? old : old >> shift & UINT32_MAX;
		return;
	}
	uint64_t mask = len == 8 ? UINT64_MAX : (uint64_t)UINT32_MAX << shift;
	gic_route_set(g, spi, (old & ~mask) | (*data << shift & mask));
}

static void gicd_prio_access(struct gic *g, uint32_t offset, unsigned len, bool is_write,
			     uint64_t *data)
{
	unsigned intid = offset - IPRIORITYR;
	struct gic_bank *b = spi_bank(g, intid / GIC_BANK);
	if (!b || (len != 1 && len != 4))
		return;
	if (is_write) {
		prio_write(b, intid % GIC_BANK, len, *data);
		gic_spi_changed(g, intid / GIC_BANK - 1, UINT32_MAX);
	} else {
		*data = prio_read(b, intid % GIC_BANK, len);
	}
}

static uint32_t gicd_word_read(struct gic *g, uint32_t offset)
{
	uint32_t reg;
	unsigned bank, half;
	if (block_decode(offset, &reg, &bank, &half)) {
		struct gic_bank *b = spi_bank(g, bank);
		return b ? block_read(b, reg, half) : 0;
	}
	switch (offset) {
	case GICD_CTLR:
		return g->ctlr | GICD_CTLR_DS | GICD_CTLR_ARE;
	case GICD_TYPER:
		return gicd_typer(g);
	case GICD_IIDR:
		return GIC_IIDR;
	default:
		return offset >= GIC_ID_REGS ? id_reg(offset, 0x92) : 0;
	}
}

static void gicd_word_write(struct gic *g, uint32_t offset, uint32_t value)
{
	uint32_t reg;
	unsigned bank, half;
	if (offset == GICD_CTLR) {
		gicd_ctlr_write(g, value);
		return;
	}
	if (!block_decode(offset, &reg, &bank, &half))
		return;
	struct gic_bank *b = spi_bank(g, bank);
	if (!b)
		return;
	block_write(b, reg, half, value);
	gic_spi_changed(g, bank - 1, half || reg == ICFGR ? UINT32_MAX : value);
}

static void gicd_access(struct gic *g, uint32_t offset, unsigned len, bool is_write, uint64_t *data)
{
	if (offset >= GICD_IROUTER && offset < GICD_IROUTER + 1020 * 8)
		irouter_access(g, offset, len, is_write, data);
	else if (offset >= IPRIORITYR && offset < ITARGETSR)
		gicd_prio_access(g, offset, len, is_write, data);
	else if (len != 4)
		return;
	else if (is_write)
		gicd_word_write(g, offset, (uint32_t)*data);
	else
		*data = gicd_word_read(g, offset);
}

/* --- redistributor --- */

static uint64_t gicr_typer(const struct gic *g, unsigned n)
{
	uint64_t m = psci_index_mpidr(n);
	uint64_t affinity = (m >> 32 & 0xff) << 24 | (m & 0xffffff);
	uint64_t last = n + 1 == g->cpus;
	/* CommonLPIAff = 1; no LPIs. */
	return affinity << 32 | 1u << 24 | (uint64_t)n << 8 | last << 4;
}

static void gicr_rd_access(struct gic *g, unsigned n, uint32_t offset, unsigned len, bool is_write,
			   uint64_t *data)
{
	struct gic_cpu *c = &g->cpu[n];
	if (offset == GICR_TYPER && len == 8 && !is_write) {
		*data = gicr_typer(g, n);
		return;
	}
	if (len != 4)
		return;
	if (is_write) {
		if (offset == GICR_WAKER)
			c->waker = *data & WAKER_PROCESSOR_SLEEP
					   ? WAKER_PROCESSOR_SLEEP | WAKER_CHILDREN_ASLEEP
					   : 0;
		return;
	}
	switch (offset) {
	case GICR_IIDR:
		*data = GIC_IIDR;
		break;
	case GICR_TYPER:
		*data = gicr_typer(g, n) & UINT32_MAX;
		break;
	case GICR_TYPER + 4:
		*data = gicr_typer(g, n) >> 32;
		break;
	case GICR_WAKER:
		*data = c->waker;
		break;
	default: /* GICR_CTLR: no LPIs */
		*data = offset >= GIC_ID_REGS ? id_reg(offset, 0x93) : 0;
		break;
	}
}

static void gicr_sgi_access(struct gic *g, unsigned n, uint32_t offset, unsigned len, bool is_write,
			    uint64_t *data)
{
	struct gic_bank *b = &g->cpu[n].local;
	uint32_t reg;
	unsigned bank, half;
	if (offset >= IPRIORITYR && offset < IPRIORITYR + GIC_BANK && (len == 1 || len == 4)) {
		if (!is_write) {
			*data = prio_read(b, offset - IPRIORITYR, len);
			return;
		}
		prio_write(b, offset - IPRIORITYR, len, *data);
	} else if (len == 4 && block_decode(offset, &reg, &bank, &half) && bank == 0) {
		if (!is_write) {
			*data = block_read(b, reg, half);
			return;
		}
		if (reg == ICFGR && half == 0) /* SGIs are edges */
			return;
		block_write(b, reg, half, (uint32_t)*data);
	} else {
		return;
	}
	gic_local_changed(g, n);
}

bool gic_mmio(struct gic *g, unsigned cpu, uint64_t gpa, unsigned len, bool is_write,
	      uint64_t *data)
{
	(void)cpu;
	uint64_t gicr = gpa - BOARD_GICR_BASE, gicd = gpa - BOARD_GICD_BASE;
	bool is_gicr = gpa >= BOARD_GICR_BASE && gicr < g->cpus * BOARD_GICR_SIZE_PER_CPU;
	if (!is_gicr && (gpa < BOARD_GICD_BASE || gicd >= BOARD_GICD_SIZE))
		return false;
	if (!is_write)
		*data = 0;
	if (len == 0 || gpa % len)
		return true;
	pthread_mutex_lock(&g->lock);
	if (is_gicr) {
		unsigned n = (unsigned)(gicr / BOARD_GICR_SIZE_PER_CPU);
		uint32_t offset = (uint32_t)(gicr % BOARD_GICR_SIZE_PER_CPU);
		if (offset >= GICR_SGI_FRAME)
			gicr_sgi_access(g, n, offset - GICR_SGI_FRAME, len, is_write, data);
		else
			gicr_rd_access(g, n, offset, len, is_write, data);
	} else {
		gicd_access(g, (uint32_t)gicd, len, is_write, data);
	}
	pthread_mutex_unlock(&g->lock);
	return true;
}
