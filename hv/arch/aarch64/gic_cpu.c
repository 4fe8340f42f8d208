/* SPDX-License-Identifier: Apache-2.0 */
/* GICv3: the CPU interface, ICC_*_EL1 (IHI 0069, 4.2 "CPU interface", 12.2 "AArch64 System register descriptions"). */
#include "hv/arch/aarch64/gic_int.h"
#include "hv/arch/aarch64/psci.h"
#include "hv/arch/aarch64/soft/sysreg.h"

#define ICC(crm, op2) SYSREG_KEY(3, 0, 12, crm, op2)
#define ICC_PMR SYSREG_KEY(3, 0, 4, 6, 0)
#define ICC_IAR0 ICC(8, 0)
#define ICC_EOIR0 ICC(8, 1)
#define ICC_HPPIR0 ICC(8, 2)
#define ICC_BPR0 ICC(8, 3)
#define ICC_AP0R0 ICC(8, 4)
#define ICC_AP1R0 ICC(9, 0)
#define ICC_DIR ICC(11, 1)
#define ICC_RPR ICC(11, 3)
#define ICC_SGI1R ICC(11, 5)
#define ICC_ASGI1R ICC(11, 6)
#define ICC_SGI0R ICC(11, 7)
#define ICC_IAR1 ICC(12, 0)
#define ICC_EOIR1 ICC(12, 1)
#define ICC_HPPIR1 ICC(12, 2)
#define ICC_BPR1 ICC(12, 3)
#define ICC_CTLR ICC(12, 4)
#define ICC_SRE ICC(12, 5)
#define ICC_IGRPEN0 ICC(12, 6)
#define ICC_IGRPEN1 ICC(12, 7)

/* A3V, 24 bits of INTID, 5 bits of priority. */
#define ICC_CTLR_FIXED (0x8000u | 1u << 11 | (GIC_PRI_BITS - 1) << 8)
#define SGI_IRM (1ull << 40)

static uint32_t acknowledge(struct gic *g, unsigned cpu, unsigned group)
{
	struct gic_cpu *c = &g->cpu[cpu];
	if (c->best.group != group || !gic_can_signal(c))
		return GIC_SPURIOUS;
	uint32_t intid = c->best.intid;
	struct gic_bank *b = gic_bank_of(g, cpu, intid);
	uint32_t bit = 1u << intid % GIC_BANK;
	b->active |= bit;
	b->latch &= ~bit;
	c->apr[group] |= 1u << ((c->best.prio & gic_group_mask(c, group)) >> 3);
	gic_intid_changed(g, cpu, intid);
	return intid;
}

static void deactivate(struct gic *g, unsigned cpu, uint32_t intid)
{
	struct gic_bank *b = gic_bank_of(g, cpu, intid);
	if (!b)
		return;
	b->active &= ~(1u << intid % GIC_BANK);
	gic_intid_changed(g, cpu, intid);
}

static void end_of_interrupt(struct gic *g, unsigned cpu, unsigned group, uint32_t intid)
{
	struct gic_cpu *c = &g->cpu[cpu];
	uint32_t all = c->apr[0] | c->apr[1];
	/* Only the highest active priority can end, and only through its own group's register. */
	if (!gic_bank_of(g, cpu, intid) || !all || !(c->apr[group] & all & -all))
		return;
	c->apr[group] &= c->apr[group] - 1;
	if (c->ctlr & ICC_CTLR_EOIMODE)
		gic_cpu_update(g, cpu);
	else
		deactivate(g, cpu, intid);
	/* An SPI that is routed elsewhere by now was updated there: the priority drop is here. */
	if (intid >= GIC_BANK && g->cpus > 1)
		gic_cpu_update(g, cpu);
}

static void sgi_one(struct gic *g, unsigned to, uint32_t bit, unsigned group)
{
	struct gic_bank *b = &g->cpu[to].local;
	if (!(b->group & bit) != (group == 0))
		return;
	b->latch |= bit;
	gic_local_changed(g, to);
}

/* IHI 0069, ICC_SGI1R_EL1. */
static void sgi(struct gic *g, unsigned cpu, unsigned group, uint64_t v)
{
	uint32_t bit = 1u << (v >> 24 & 15);
	if (v & SGI_IRM) {
		for (unsigned n = 0; n < g->cpus; n++) {
			if (n != cpu)
				sgi_one(g, n, bit, group);
		}
		return;
	}
	if (v >> 44 & 15) /* RS: ICC_CTLR_EL1.RSS = 0 */
		return;
	uint64_t cluster = (v >> 48 & 0xff) << 32 | (v >> 32 & 0xff) << 16 | (v >> 16 & 0xff) << 8;
	for (uint32_t list = v & 0xffff; list; list &= list - 1) {
		int to = psci_mpidr_index(g->cpus, cluster | (unsigned)__builtin_ctz(list));
		if (to >= 0)
			sgi_one(g, (unsigned)to, bit, group);
	}
}

static uint32_t pending_id(const struct gic_cpu *c, unsigned group)
{
	return c->best.group == group ? c->best.intid : GIC_SPURIOUS;
}

static uint32_t bpr1_read(const struct gic_cpu *c)
{
	if (!(c->ctlr & ICC_CTLR_CBPR))
		return c->bpr[1];
	return c->bpr[0] < 7 ? c->bpr[0] + 1u : 7;
}

static bool read_locked(struct gic *g, unsigned cpu, uint32_t key, uint64_t *ret)
{
	struct gic_cpu *c = &g->cpu[cpu];
	switch (key) {
	case ICC_IAR0:
		*ret = acknowledge(g, cpu, 0);
		return true;
	case ICC_IAR1:
		*ret = acknowledge(g, cpu, 1);
		return true;
	case ICC_HPPIR0:
		*ret = pending_id(c, 0);
		return true;
	case ICC_HPPIR1:
		*ret = pending_id(c, 1);
		return true;
	case ICC_PMR:
		*ret = c->pmr;
		return true;
	case ICC_BPR0:
		*ret = c->bpr[0];
		return true;
	case ICC_BPR1:
		*ret = bpr1_read(c);
		return true;
	case ICC_AP0R0:
		*ret = c->apr[0];
		return true;
	case ICC_AP1R0:
		*ret = c->apr[1];
		return true;
	case ICC_RPR:
		*ret = gic_running_priority(c);
		return true;
	case ICC_CTLR:
		*ret = c->ctlr | ICC_CTLR_FIXED;
		return true;
	case ICC_SRE:
		*ret = 7;
		return true;
	case ICC_IGRPEN0:
		*ret = c->grpen[0];
		return true;
	case ICC_IGRPEN1:
		*ret = c->grpen[1];
		return true;
	default:
		return false;
	}
}

bool gic_icc_read(struct gic *g, unsigned cpu, uint32_t key, uint64_t *ret)
{
	pthread_mutex_lock(&g->lock);
	bool ok = read_locked(g, cpu, key, ret);
	pthread_mutex_unlock(&g->lock);
	return ok;
}

static uint8_t bpr_value(uint64_t value, unsigned min)
{
	return (uint8_t)((value & 7) < min ? min : value & 7);
}

static void grpen_write(struct gic *g, struct gic_cpu *c, unsigned group, uint64_t value)
{
	c->grpen[group] = value & 1;
	gic_any_update(g);
}

/* What only takes effect through gic_cpu_update(), which the caller does. False: not one of these. */
static bool write_state(struct gic *g, unsigned cpu, uint32_t key, uint64_t value)
{
	struct gic_cpu *c = &g->cpu[cpu];
	switch (key) {
	case ICC_PMR:
		c->pmr = value & GIC_PRI_MASK;
		return true;
	case ICC_BPR0:
		c->bpr[0] = bpr_value(value, GIC_BPR0_MIN);
		return true;
	case ICC_BPR1:
		if (!(c->ctlr & ICC_CTLR_CBPR)) /* else it shows BPR0 and ignores writes */
			c->bpr[1] = bpr_value(value, GIC_BPR1_MIN);
		return true;
	case ICC_AP0R0:
		c->apr[0] = (uint32_t)value;
		return true;
	case ICC_AP1R0:
		c->apr[1] = (uint32_t)value;
		return true;
	case ICC_CTLR:
		c->ctlr = (uint32_t)value & (ICC_CTLR_CBPR | ICC_CTLR_EOIMODE);
		return true;
	case ICC_IGRPEN0:
		grpen_write(g, c, 0, value);
		return true;
	case ICC_IGRPEN1:
		grpen_write(g, c, 1, value);
		return true;
	default:
		return false;
	}
}

static bool write_locked(struct gic *g, unsigned cpu, uint32_t key, uint64_t value)
{
	uint32_t intid = value & 0xffffff;
	if (write_state(g, cpu, key, value)) {
		gic_cpu_update(g, cpu);
		return true;
	}
	switch (key) {
	case ICC_EOIR0:
		end_of_interrupt(g, cpu, 0, intid);
		return true;
	case ICC_EOIR1:
		end_of_interrupt(g, cpu, 1, intid);
		return true;
	case ICC_DIR:
		if (g->cpu[cpu].ctlr & ICC_CTLR_EOIMODE)
			deactivate(g, cpu, intid);
		return true;
	case ICC_SGI0R:
		sgi(g, cpu, 0, value);
		return true;
	case ICC_SGI1R:
		sgi(g, cpu, 1, value);
		return true;
	case ICC_ASGI1R: /* the other security state, which there is not */
	case ICC_SRE:	 /* RAO/WI */
		return true;
	default:
		return false;
	}
}

bool gic_icc_write(struct gic *g, unsigned cpu, uint32_t key, uint64_t value)
{
	pthread_mutex_lock(&g->lock);
	bool ok = write_locked(g, cpu, key, value);
	pthread_mutex_unlock(&g->lock);
	return ok;
}
