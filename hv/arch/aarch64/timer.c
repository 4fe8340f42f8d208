/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generic timer (DDI 0487, chapter D11). CNTVOFF is zero and there is no EL2: CNTVCT = CNTPCT = guest time / 16 ns.
 * The condition is Counter >= CompareValue as unsigned 64-bit numbers, as in QEMU; the output is a level.
 */
#include "hv/arch/aarch64/timer.h"
#include "hv/arch/aarch64/board.h"
#include "hv/arch/aarch64/soft/sysreg.h"

#define CTL_ENABLE 1u
#define CTL_IMASK 2u
#define CTL_ISTATUS 4u

_Static_assert(1000000000u / BOARD_CNTFRQ_HZ == 1u << BOARD_CNT_SHIFT, "one tick is 16 ns");

void gtimer_init(struct gtimer *t, struct guest_clock *clock, struct gic *gic, unsigned cpu,
		 void (*arm)(void *opaque, uint64_t guest_ns), void *opaque)
{
	*t = (struct gtimer){.clock = clock, .gic = gic, .cpu = cpu, .arm = arm, .opaque = opaque};
	t->cntfrq = BOARD_CNTFRQ_HZ;
	t->armed_ns = UINT64_MAX;
}

static void set_level(struct gtimer *t, unsigned ppi, bool *level, bool now)
{
	if (*level == now)
		return;
	*level = now;
	if (t->gic)
		gic_set_ppi(t->gic, t->cpu, ppi, now);
}

void gtimer_reset(struct gtimer *t)
{
	t->v = t->p = (struct gtimer_half){0};
	t->cntkctl = 0;
	t->cntfrq = BOARD_CNTFRQ_HZ;
	set_level(t, BOARD_PPI_CNTV, &t->v_level, false);
	set_level(t, BOARD_PPI_CNTP_NS, &t->p_level, false);
}

static bool half_status(const struct gtimer_half *h, uint64_t count)
{
	return (h->ctl & CTL_ENABLE) && count >= h->cval;
}

static bool half_level(const struct gtimer_half *h, uint64_t count)
{
	return half_status(h, count) && !(h->ctl & CTL_IMASK);
}

/* Guest time at which the output of @h rises; UINT64_MAX: never, or it is up already. */
static uint64_t half_next(const struct gtimer_half *h, uint64_t count)
{
	if (!(h->ctl & CTL_ENABLE) || h->ctl & CTL_IMASK || count >= h->cval ||
	    h->cval >> (64 - BOARD_CNT_SHIFT))
		return UINT64_MAX;
	return h->cval << BOARD_CNT_SHIFT;
}

static uint64_t next_at(const struct gtimer *t, uint64_t count)
{
	uint64_t v = half_next(&t->v, count), p = half_next(&t->p, count);
	return v < p ? v : p;
}

uint64_t gtimer_next_ns(const struct gtimer *t)
{
	return next_at(t, gtimer_count(t));
}

void gtimer_update(struct gtimer *t)
{
	uint64_t count = gtimer_count(t);
	set_level(t, BOARD_PPI_CNTV, &t->v_level, half_level(&t->v, count));
	set_level(t, BOARD_PPI_CNTP_NS, &t->p_level, half_level(&t->p, count));

	if (t->armed_ns >> BOARD_CNT_SHIFT <= count) /* it has fired, or is about to */
		t->armed_ns = UINT64_MAX;
	uint64_t next = next_at(t, count);
	if (next >= t->armed_ns)
		return;
	t->armed_ns = next;
	if (t->arm)
		t->arm(t->opaque, next);
}

void gtimer_rearm(struct gtimer *t)
{
	t->armed_ns = UINT64_MAX;
	gtimer_update(t);
}

/* --- registers: op0 = 3, op1 = 3, CRn = 14 but for CNTKCTL_EL1 --- */

#define CNT(crm, op2) SYSREG_KEY(3, 3, 14, crm, op2)
#define CNTKCTL SYSREG_KEY(3, 0, 14, 1, 0)
#define CNTKCTL_MASK 0x3ffu

static uint64_t half_read(const struct gtimer_half *h, unsigned op2, uint64_t count)
{
	switch (op2) {
	case 0: /* TVAL */
		return (uint32_t)(h->cval - count);
	case 1:
		return h->ctl | (half_status(h, count) ? CTL_ISTATUS : 0);
	default:
		return h->cval;
	}
}

bool gtimer_read(struct gtimer *t, uint32_t key, uint64_t *ret)
{
	switch (key) {
	case CNTKCTL:
		*ret = t->cntkctl;
		return true;
	case CNT(0, 0):
		*ret = t->cntfrq;
		return true;
	case CNT(0, 1):
	case CNT(0, 2):
		*ret = gtimer_count(t);
		return true;
	case CNT(2, 0):
	case CNT(2, 1):
	case CNT(2, 2):
		*ret = half_read(&t->p, key & 7, gtimer_count(t));
		return true;
	case CNT(3, 0):
	case CNT(3, 1):
	case CNT(3, 2):
		*ret = half_read(&t->v, key & 7, gtimer_count(t));
		return true;
	default:
		return false;
	}
}

static void half_write(struct gtimer *t, struct gtimer_half *h, unsigned op2, uint64_t value)
{
	switch (op2) {
	case 0: /* TVAL is signed */
		h->cval = gtimer_count(t) + (uint64_t)(int64_t)(int32_t)value;
		break;
	case 1:
		h->ctl = (uint32_t)value & (CTL_ENABLE | CTL_IMASK);
		break;
	default:
		h->cval = value;
		break;
	}
	gtimer_update(t);
}

bool gtimer_write(struct gtimer *t, uint32_t key, uint64_t value)
{
	switch (key) {
	case CNTKCTL:
		t->cntkctl = (uint32_t)value & CNTKCTL_MASK;
		return true;
	case CNT(0, 0):
		t->cntfrq = (uint32_t)value;
		return true;
	case CNT(2, 0):
	case CNT(2, 1):
	case CNT(2, 2):
		half_write(t, &t->p, key & 7, value);
		return true;
	case CNT(3, 0):
	case CNT(3, 1):
	case CNT(3, 2):
		half_write(t, &t->v, key & 7, value);
		return true;
	default:
		return false;
	}
}
