/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* GICv3: distributor, redistributors, CPU interface (IHI 0069). No ITS/LPIs, one security state (GICD_CTLR.DS=1). */
#include <stdbool.h>
#include <stdint.h>

struct gic;

/** struct gic_ops - what the GIC calls. @signal: the IRQ input of @cpu is now @level; called with the GIC's lock held
 * from any thread; must not call back into the GIC and must not block. */
struct gic_ops {
	void (*signal)(void *opaque, unsigned cpu, bool level);
	/** signal_fiq - the same for the FIQ input (Group 0 interrupts). NULL: not wired. */
	void (*signal_fiq)(void *opaque, unsigned cpu, bool level);
};

/** gic_create - a GIC for @cpus CPU interfaces and @spis SPIs (multiple of 32). NULL: no memory. */
struct gic *gic_create(unsigned cpus, unsigned spis, const struct gic_ops *ops, void *opaque);
void gic_destroy(struct gic *g);
void gic_reset(struct gic *g);

/** gic_set_spi - level of SPI @spi (INTID 32 + spi). Out of range is ignored. Any thread. */
void gic_set_spi(struct gic *g, unsigned spi, bool level);
/** gic_pulse_spi - one edge. */
void gic_pulse_spi(struct gic *g, unsigned spi);
/** gic_set_ppi - level of PPI @intid (16..31) of @cpu. Any thread. */
void gic_set_ppi(struct gic *g, unsigned cpu, unsigned intid, bool level);

/** gic_mmio - an access to GICD or the GICRs. Returns false if @gpa is in neither. Wrong widths and reserved
 * registers read zero and ignore writes. @cpu: who accesses. */
bool gic_mmio(struct gic *g, unsigned cpu, uint64_t gpa, unsigned len, bool is_write,
	      uint64_t *data);

/** gic_icc_read / gic_icc_write - ICC_*_EL1 by SYSREG_KEY. False: no such register (UNDEF). vCPU's own thread. */
bool gic_icc_read(struct gic *g, unsigned cpu, uint32_t key, uint64_t *ret);
bool gic_icc_write(struct gic *g, unsigned cpu, uint32_t key, uint64_t value);

/** gic_irq_level - true if @cpu's IRQ input is asserted now. */
bool gic_irq_level(struct gic *g, unsigned cpu);
