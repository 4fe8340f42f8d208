/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * GICv3, private to gic*.c.
 *
 * Theory of operation. Interrupts live in banks of 32: one bank of SGIs and PPIs per CPU, one bank per 32 SPIs. A bank
 * keeps one word per attribute and, always current, @ready: which of its interrupts could be signalled (pending,
 * enabled, not active, group enabled in GICD_CTLR). What a CPU would acknowledge next is cached (@best); a change
 * recomputes it for the CPUs concerned from the ready words alone, so no event ever scans all interrupts.
 * GICD_CTLR.DS = 1: one security state, Group 0 is FIQ, Group 1 is IRQ (IHI 0069, 4.6.2).
 *
 * One mutex guards everything but cpu.irq and cpu.fiq, which are read without it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include "hv/arch/aarch64/gic.h"

#define GIC_BANK 32u
#define GIC_SPIS_MAX 960u
#define GIC_SPI_BANKS_MAX (GIC_SPIS_MAX / GIC_BANK)
#define GIC_SPURIOUS 1023u
#define GIC_PRI_BITS 5u
#define GIC_PRI_MASK 0xf8u
#define GIC_PRI_IDLE 0xffu
#define GIC_BPR0_MIN 2u
#define GIC_BPR1_MIN 3u

#define GICD_CTLR_GRP0 0x1u
#define GICD_CTLR_GRP1 0x2u
#define GICD_CTLR_ARE 0x10u
#define GICD_CTLR_DS 0x40u

#define ICC_CTLR_CBPR 0x1u
#define ICC_CTLR_EOIMODE 0x2u

#define ROUTE_NONE (-1) /* an affinity that no CPU has */
#define ROUTE_ANY (-2)	/* IRM: any participating CPU */

/** struct gic_bank - 32 interrupts. */
struct gic_bank {
	uint32_t group; /* 1: Group 1 */
	uint32_t enable;
	uint32_t latch; /* edge seen, or set by ISPENDR */
	uint32_t line;
	uint32_t edge; /* configured as edge-triggered */
	uint32_t active;
	uint32_t ready[2]; /* by group */
	uint8_t prio[GIC_BANK];
};

struct gic_best {
	uint32_t intid; /* GIC_SPURIOUS: none */
	uint8_t prio;
	uint8_t group;
};

/** struct gic_cpu - one redistributor and CPU interface. */
struct gic_cpu {
	struct gic_bank local;
	uint32_t waker;
	uint8_t pmr;
	uint8_t bpr[2];
	bool grpen[2];
	uint32_t ctlr;	 /* CBPR, EOImode */
	uint32_t apr[2]; /* active priorities by group, bit = priority / 8 */
	struct gic_best best;
	atomic_bool irq, fiq;
};

struct gic {
	pthread_mutex_t lock;
	struct gic_ops ops;
	void *opaque;
	unsigned cpus, spis;
	uint32_t ctlr;	      /* group enables */
	unsigned any_cpu;     /* where ROUTE_ANY goes */
	uint32_t ready_banks; /* bit b: spi[b].ready[] is not empty */
	struct gic_bank spi[GIC_SPI_BANKS_MAX];
	uint64_t irouter[GIC_SPIS_MAX];
	int16_t route[GIC_SPIS_MAX]; /* CPU of irouter[], or ROUTE_* */
	struct gic_cpu cpu[];
};

/* All with the lock held. */

/** gic_bank_pending - the pending state of the 32 interrupts. */
static inline uint32_t gic_bank_pending(const struct gic_bank *b)
{
	return b->latch | (b->line & ~b->edge);
}
/** gic_bank_of - the bank that @intid of @cpu is in, or NULL if there is no such interrupt. */
struct gic_bank *gic_bank_of(struct gic *g, unsigned cpu, uint32_t intid);
/** gic_spi_changed - recomputes SPI bank @bank's ready words, and the CPUs that its interrupts in @mask go to. */
void gic_spi_changed(struct gic *g, unsigned bank, uint32_t mask);
/** gic_local_changed - the same for @cpu's own bank. */
void gic_local_changed(struct gic *g, unsigned cpu);
/** gic_all_changed - recomputes everything. */
void gic_all_changed(struct gic *g);
/** gic_cpu_update - recomputes what @cpu would acknowledge next, and its outputs. */
void gic_cpu_update(struct gic *g, unsigned cpu);
/** gic_intid_changed - gic_spi_changed() or gic_local_changed(), as @intid asks. */
void gic_intid_changed(struct gic *g, unsigned cpu, uint32_t intid);
/** gic_route_set - IROUTER of SPI @spi. */
void gic_route_set(struct gic *g, unsigned spi, uint64_t value);
/** gic_any_update - which CPU takes ROUTE_ANY, after a group enable changed. */
void gic_any_update(struct gic *g);
/** gic_can_signal - @c's best candidate beats its mask and running priority. */
bool gic_can_signal(const struct gic_cpu *c);
/** gic_group_mask - the bits of a priority of @group that preempt. */
uint8_t gic_group_mask(const struct gic_cpu *c, unsigned group);
/** gic_running_priority - the highest active priority, GIC_PRI_IDLE if none. */
uint8_t gic_running_priority(const struct gic_cpu *c);
