/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A GIC with 20 CPUs and 64 SPIs, and short names for its registers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/err.h"
#include "hv/arch/aarch64/board.h"
#include "hv/arch/aarch64/gic.h"
#include "hv/arch/aarch64/soft/sysreg.h"

#define GE_CPUS 20u
#define ICC(crm, op2) SYSREG_KEY(3, 0, 12, crm, op2)
#define PMR SYSREG_KEY(3, 0, 4, 6, 0)
#define IAR0 ICC(8, 0)
#define EOIR0 ICC(8, 1)
#define HPPIR0 ICC(8, 2)
#define BPR0 ICC(8, 3)
#define AP0R0 ICC(8, 4)
#define AP1R0 ICC(9, 0)
#define DIR ICC(11, 1)
#define RPR ICC(11, 3)
#define SGI1R ICC(11, 5)
#define SGI0R ICC(11, 7)
#define IAR1 ICC(12, 0)
#define EOIR1 ICC(12, 1)
#define HPPIR1 ICC(12, 2)
#define BPR1 ICC(12, 3)
#define CTLR ICC(12, 4)
#define SRE ICC(12, 5)
#define IGRPEN0 ICC(12, 6)
#define IGRPEN1 ICC(12, 7)
#define NONE 1023u

static struct {
	struct gic *g;
	bool irq[GE_CPUS], fiq[GE_CPUS];
	unsigned signals;
} ge;

static void ge_signal(void *opaque, unsigned cpu, bool level)
{
	(void)opaque;
	ge.irq[cpu] = level;
	ge.signals++;
}

static void ge_signal_fiq(void *opaque, unsigned cpu, bool level)
{
	(void)opaque;
	ge.fiq[cpu] = level;
}

static inline uint64_t icc(unsigned cpu, uint32_t key)
{
	uint64_t v = 0;
	assert_true(gic_icc_read(ge.g, cpu, key, &v));
	return v;
}

static void icc_set(unsigned cpu, uint32_t key, uint64_t v)
{
	assert_true(gic_icc_write(ge.g, cpu, key, v));
}

static uint64_t mmio(uint64_t gpa, unsigned len)
{
	uint64_t v = 0xdead;
	assert_true(gic_mmio(ge.g, 0, gpa, len, false, &v));
	return v;
}

static void mmio_set(uint64_t gpa, unsigned len, uint64_t v)
{
	assert_true(gic_mmio(ge.g, 0, gpa, len, true, &v));
}

#define GICD(off) (BOARD_GICD_BASE + (off))
#define GICR(cpu, off) (BOARD_GICR_BASE + (cpu)*BOARD_GICR_SIZE_PER_CPU + (off))
#define GICR_SGI(cpu, off) GICR(cpu, 0x10000u + (off))

/* The bit of @intid in the register block at @off. */
static inline void bit_set(unsigned cpu, uint32_t intid, uint32_t off)
{
	if (intid < 32)
		mmio_set(GICR_SGI(cpu, off), 4, 1u << intid);
	else
		mmio_set(GICD(off + intid / 32 * 4), 4, 1u << intid % 32);
}

static inline bool bit_get(unsigned cpu, uint32_t intid, uint32_t off)
{
	uint64_t v = intid < 32 ? mmio(GICR_SGI(cpu, off), 4) : mmio(GICD(off + intid / 32 * 4), 4);
	return v >> intid % 32 & 1;
}

#define ISENABLER 0x100u
#define ICENABLER 0x180u
#define ISPENDR 0x200u
#define ICPENDR 0x280u
#define ISACTIVER 0x300u
#define ICACTIVER 0x380u

static inline void prio_set(unsigned cpu, uint32_t intid, uint8_t prio)
{
	mmio_set(intid < 32 ? GICR_SGI(cpu, 0x400 + intid) : GICD(0x400 + intid), 1, prio);
}

static inline void edge_set(uint32_t intid)
{
	uint64_t r = GICD(0xc00 + intid / 16 * 4);
	mmio_set(r, 4, mmio(r, 4) | 2u << intid % 16 * 2);
}

/* All interrupts Group 1, priority 0xa0, both groups on, CPUs 0..3 open to all priorities. */
static inline int ge_setup(void **state)
{
	(void)state;
	static const struct gic_ops ops = {.signal = ge_signal, .signal_fiq = ge_signal_fiq};
	memset(&ge, 0, sizeof(ge));
	ge.g = gic_create(GE_CPUS, 64, &ops, NULL);
	CHECK(ge.g != NULL);
	mmio_set(GICD(0), 4, 3);
	for (unsigned b = 1; b < 3; b++)
		mmio_set(GICD(0x80 + 4 * b), 4, UINT32_MAX);
	for (unsigned i = 32; i < 96; i += 4)
		mmio_set(GICD(0x400 + i), 4, 0xa0a0a0a0);
	for (unsigned c = 0; c < 4; c++) {
		mmio_set(GICR_SGI(c, 0x80), 4, UINT32_MAX);
		for (unsigned i = 0; i < 32; i += 4)
			mmio_set(GICR_SGI(c, 0x400 + i), 4, 0xa0a0a0a0);
		icc_set(c, PMR, 0xff);
		icc_set(c, IGRPEN0, 1);
		icc_set(c, IGRPEN1, 1);
	}
	return 0;
}

static inline int ge_teardown(void **state)
{
	(void)state;
	gic_destroy(ge.g);
	return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, ge_setup, ge_teardown)
