/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The generic timer of one CPU: CNTV and CNTP (DDI 0487, chapter D11). Counter = guest clock in 16 ns ticks. */
#include <stdbool.h>
#include <stdint.h>
#include "hv/guest_clock.h"
#include "hv/arch/aarch64/gic.h"

struct gtimer_half {
	uint64_t cval;
	uint32_t ctl; /* ENABLE, IMASK */
};

/** struct gtimer - embedded in the vCPU. Its own thread only; no locks. */
struct gtimer {
	struct guest_clock *clock;
	struct gic *gic;
	unsigned cpu;
	struct gtimer_half v, p;
	bool v_level, p_level;
	uint32_t cntkctl;
	uint32_t cntfrq;   /* tells, changes nothing */
	uint64_t armed_ns; /* guest ns of the host timer that is armed; UINT64_MAX: none */
	void (*arm)(void *opaque, uint64_t guest_ns); /* asks for gtimer_update() at that time */
	void *opaque;
};

void gtimer_init(struct gtimer *t, struct guest_clock *clock, struct gic *gic, unsigned cpu,
		 void (*arm)(void *opaque, uint64_t guest_ns), void *opaque);
void gtimer_reset(struct gtimer *t);
/** gtimer_count - CNTVCT/CNTPCT now. */
static inline uint64_t gtimer_count(const struct gtimer *t)
{
	return guest_clock_ns(t->clock) >> 4;
}
/** gtimer_update - recomputes both outputs, tells the GIC what changed, arms the host timer for the next one. The
 * callback is made only for an earlier time than is armed already; a host timer that turns out too early costs one
 * update. */
void gtimer_update(struct gtimer *t);
/** gtimer_rearm - as gtimer_update(), and forgets what was armed: after the guest clock was stopped or changed, and
 * when the host timer fired. */
void gtimer_rearm(struct gtimer *t);
/** gtimer_next_ns - guest time of the next output change, UINT64_MAX if none. */
uint64_t gtimer_next_ns(const struct gtimer *t);
/** gtimer_read / gtimer_write - CNT{V,P}_{CTL,CVAL,TVAL}_EL0, CNT{V,P}CT_EL0, CNTFRQ_EL0, CNTKCTL_EL1 by SYSREG_KEY.
 * False: not a timer register. EL0 gating is the caller's. */
bool gtimer_read(struct gtimer *t, uint32_t key, uint64_t *ret);
bool gtimer_write(struct gtimer *t, uint32_t key, uint64_t value);
