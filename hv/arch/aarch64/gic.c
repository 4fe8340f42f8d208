/* SPDX-License-Identifier: Apache-2.0 */
/* GICv3: life cycle, input lines, and the choice of the interrupt to signal (IHI 0069, chapter 4). */
#include "hv/arch/aarch64/gic_int.h"
#include <stdlib.h>
#include <string.h>
#include "hv/arch/aarch64/psci.h"

#define WAKER_ASLEEP 0x6u
#define IROUTER_IRM (1ull << 31)
#define IROUTER_MASK (0xff00ffffffull | IROUTER_IRM)

struct gic *gic_create(unsigned cpus, unsigned spis, const struct gic_ops *ops, void *opaque)
{
	struct gic *g;
	if (cpus == 0 || spis > GIC_SPIS_MAX || spis % GIC_BANK)
		return NULL;
	g = calloc(1, sizeof(*g) + cpus * sizeof(g->cpu[0]));
	if (!g)
		return NULL;
	pthread_mutex_init(&g->lock, NULL);
	g->cpus = cpus;
	g->spis = spis;
	g->ops = *ops;
	g->opaque = opaque;
	gic_reset(g);
	return g;
}

void gic_destroy(struct gic *g)
{
	if (!g)
		return;
	pthread_mutex_destroy(&g->lock);
	free(g);
}

/* The input lines stay as they are: they belong to the devices. */
static void bank_reset(struct gic_bank *b)
{
	uint32_t line = b->line;
	memset(b, 0, sizeof(*b));
	b->line = line;
}

void gic_reset(struct gic *g)
{
	pthread_mutex_lock(&g->lock);
	g->ctlr = 0;
	g->any_cpu = 0;
	g->ready_banks = 0;
	for (unsigned b = 0; b < g->spis / GIC_BANK; b++)
		bank_reset(&g->spi[b]);
	for (unsigned i = 0; i < g->spis; i++) {
		g->irouter[i] = 0;
		g->route[i] = 0;
	}
	for (unsigned n = 0; n < g->cpus; n++) {
		struct gic_cpu *c = &g->cpu[n];
		bank_reset(&c->local);
		c->local.edge = 0xffff; /* SGIs */
		c->waker = WAKER_ASLEEP;
		c->pmr = 0;
		c->bpr[0] = GIC_BPR0_MIN;
		c->bpr[1] = GIC_BPR1_MIN;
		c->grpen[0] = c->grpen[1] = false;
		c->ctlr = 0;
		c->apr[0] = c->apr[1] = 0;
	}
	gic_all_changed(g);
	pthread_mutex_unlock(&g->lock);
}

struct gic_bank *gic_bank_of(struct gic *g, unsigned cpu, uint32_t intid)
{
	if (intid < GIC_BANK)
		return &g->cpu[cpu].local;
	if (intid - GIC_BANK < g->spis)
		return &g->spi[intid / GIC_BANK - 1];
	return NULL;
}

/* --- what to signal --- */

static void bank_ready(const struct gic *g, struct gic_bank *b)
{
	uint32_t r = gic_bank_pending(b) & b->enable & ~b->active;
	b->ready[0] = g->ctlr & GICD_CTLR_GRP0 ? r & ~b->group : 0;
	b->ready[1] = g->ctlr & GICD_CTLR_GRP1 ? r & b->group : 0;
}

static void best_of_bank(const struct gic_cpu *c, const struct gic_bank *b, uint32_t mask,
			 uint32_t first, struct gic_best *best)
{
	uint32_t r0 = c->grpen[0] ? b->ready[0] : 0;
	uint32_t r = (r0 | (c->grpen[1] ? b->ready[1] : 0)) & mask;
	for (; r; r &= r - 1) {
		unsigned i = (unsigned)__builtin_ctz(r);
		/* Equal priorities: the lowest INTID, which comes first. */
		if (b->prio[i] < best->prio) {
			best->intid = first + i;
			best->prio = b->prio[i];
			best->group = !(r0 >> i & 1);
		}
	}
}

/* Which interrupts of SPI bank @bank go to @cpu. */
static uint32_t routed_here(const struct gic *g, unsigned bank, unsigned cpu, uint32_t ready)
{
	uint32_t here = 0;
	for (uint32_t r = ready; r; r &= r - 1) {
		unsigned i = (unsigned)__builtin_ctz(r);
		int to = g->route[bank * GIC_BANK + i];
		if (to == ROUTE_ANY)
			to = (int)g->any_cpu;
		if (to == (int)cpu)
			here |= 1u << i;
	}
	return here;
}

/* Group priority bits (IHI 0069, 4.8.2): BPR0 = n leaves bits 7..n+1, BPR1 = n bits 7..n. */
uint8_t gic_group_mask(const struct gic_cpu *c, unsigned group)
{
	unsigned shift = group == 0 || c->ctlr & ICC_CTLR_CBPR ? c->bpr[0] + 1u : c->bpr[1];
	return (uint8_t)(0xffu << shift);
}

uint8_t gic_running_priority(const struct gic_cpu *c)
{
	uint32_t all = c->apr[0] | c->apr[1];
	return (uint8_t)(all ? (unsigned)__builtin_ctz(all) << 3 : GIC_PRI_IDLE);
}

bool gic_can_signal(const struct gic_cpu *c)
{
	if (c->best.intid == GIC_SPURIOUS || c->best.prio >= c->pmr)
		return false;
	uint8_t running = gic_running_priority(c);
	if (running == GIC_PRI_IDLE)
		return true;
	uint8_t mask = gic_group_mask(c, c->best.group);
	return (c->best.prio & mask) < (running & mask);
}

void gic_cpu_update(struct gic *g, unsigned cpu)
{
	struct gic_cpu *c = &g->cpu[cpu];
	struct gic_best best = {.intid = GIC_SPURIOUS, .prio = GIC_PRI_IDLE};
	best_of_bank(c, &c->local, UINT32_MAX, 0, &best);
	for (uint32_t banks = g->ready_banks; banks; banks &= banks - 1) {
		unsigned b = (unsigned)__builtin_ctz(banks);
		struct gic_bank *bank = &g->spi[b];
		uint32_t here = routed_here(g, b, cpu, bank->ready[0] | bank->ready[1]);
		best_of_bank(c, bank, here, (b + 1) * GIC_BANK, &best);
	}
	c->best = best;

	bool on = gic_can_signal(c);
	bool irq = on && best.group == 1, fiq = on && best.group == 0;
	if (atomic_load_explicit(&c->irq, memory_order_relaxed) != irq) {
		atomic_store_explicit(&c->irq, irq, memory_order_release);
		g->ops.signal(g->opaque, cpu, irq);
	}
	if (atomic_load_explicit(&c->fiq, memory_order_relaxed) != fiq) {
		atomic_store_explicit(&c->fiq, fiq, memory_order_release);
		if (g->ops.signal_fiq)
			g->ops.signal_fiq(g->opaque, cpu, fiq);
	}
}

static void spi_bank_ready(struct gic *g, unsigned bank)
{
	struct gic_bank *b = &g->spi[bank];
	bank_ready(g, b);
	if (b->ready[0] | b->ready[1])
		g->ready_banks |= 1u << bank;
	else
		g->ready_banks &= ~(1u << bank);
}

void gic_spi_changed(struct gic *g, unsigned bank, uint32_t mask)
{
	spi_bank_ready(g, bank);
	if (g->cpus == 1) {
		gic_cpu_update(g, 0);
	} else if (mask && !(mask & (mask - 1))) {
		int to = g->route[bank * GIC_BANK + (unsigned)__builtin_ctz(mask)];
		if (to == ROUTE_ANY)
			to = (int)g->any_cpu;
		if (to >= 0)
			gic_cpu_update(g, (unsigned)to);
	} else {
		for (unsigned n = 0; n < g->cpus; n++)
			gic_cpu_update(g, n);
	}
}

void gic_local_changed(struct gic *g, unsigned cpu)
{
	bank_ready(g, &g->cpu[cpu].local);
	gic_cpu_update(g, cpu);
}

void gic_intid_changed(struct gic *g, unsigned cpu, uint32_t intid)
{
	if (intid < GIC_BANK)
		gic_local_changed(g, cpu);
	else
		gic_spi_changed(g, intid / GIC_BANK - 1, 1u << intid % GIC_BANK);
}

void gic_all_changed(struct gic *g)
{
	for (unsigned b = 0; b < g->spis / GIC_BANK; b++)
		spi_bank_ready(g, b);
	for (unsigned n = 0; n < g->cpus; n++)
		gic_local_changed(g, n);
}

/* --- routing --- */

void gic_route_set(struct gic *g, unsigned spi, uint64_t value)
{
	value &= IROUTER_MASK;
	g->irouter[spi] = value;
	if (value & IROUTER_IRM)
		g->route[spi] = ROUTE_ANY;
	else
		g->route[spi] = (int16_t)psci_mpidr_index(g->cpus, value);
	/* The CPU that had it and the one that gets it. */
	if (g->ready_banks & 1u << spi / GIC_BANK) {
		for (unsigned n = 0; n < g->cpus; n++)
			gic_cpu_update(g, n);
	}
}

void gic_any_update(struct gic *g)
{
	unsigned any = 0;
	for (unsigned n = g->cpus; n-- > 0;) {
		if (g->cpu[n].grpen[1] || g->cpu[n].grpen[0])
			any = n;
	}
	if (any == g->any_cpu)
		return;
	g->any_cpu = any;
	for (unsigned n = 0; n < g->cpus; n++)
		gic_cpu_update(g, n);
}

/* --- input lines --- */

/* Returns true if something that matters changed. */
static bool line_set(struct gic_bank *b, uint32_t bit, bool level)
{
	if (!(b->line & bit) == !level)
		return false;
	b->line ^= bit;
	if (level && b->edge & bit)
		b->latch |= bit;
	return true;
}

void gic_set_spi(struct gic *g, unsigned spi, bool level)
{
	if (spi >= g->spis)
		return;
	unsigned bank = spi / GIC_BANK;
	uint32_t bit = 1u << spi % GIC_BANK;
	pthread_mutex_lock(&g->lock);
	if (line_set(&g->spi[bank], bit, level))
		gic_spi_changed(g, bank, bit);
	pthread_mutex_unlock(&g->lock);
}

void gic_pulse_spi(struct gic *g, unsigned spi)
{
	if (spi >= g->spis)
		return;
	unsigned bank = spi / GIC_BANK;
	uint32_t bit = 1u << spi % GIC_BANK;
	pthread_mutex_lock(&g->lock);
	line_set(&g->spi[bank], bit, false);
	line_set(&g->spi[bank], bit, true);
	line_set(&g->spi[bank], bit, false);
	gic_spi_changed(g, bank, bit);
	pthread_mutex_unlock(&g->lock);
}

void gic_set_ppi(struct gic *g, unsigned cpu, unsigned intid, bool level)
{
	if (cpu >= g->cpus || intid < 16 || intid >= GIC_BANK)
		return;
	pthread_mutex_lock(&g->lock);
	if (line_set(&g->cpu[cpu].local, 1u << intid, level))
		gic_local_changed(g, cpu);
	pthread_mutex_unlock(&g->lock);
}

bool gic_irq_level(struct gic *g, unsigned cpu)
{
	return cpu < g->cpus && atomic_load_explicit(&g->cpu[cpu].irq, memory_order_acquire);
}
