/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/arch/x86_64/pm.h"
#include "base/bytes.h"
#include "hv/arch/x86_64/board.h"

/* ACPI 6.4, tables 4.11 to 4.13. */
#define PWRBTN (1u << 8)
#define PM1_EN_MASK (PWRBTN | 1u << 0 | 1u << 5 | 1u << 9 | 1u << 10)
#define CNT_SCI_EN (1u << 0)
#define CNT_SLP_TYP(v) ((v) >> 10 & 7u)
#define CNT_SLP_EN (1u << 13)
#define RESET_CPU (1u << 2) /* a rise of this bit resets */

#define LOCKED(p)                                                                                  \
	for (int once_ = (pthread_mutex_lock(&(p)->lock), 1); once_;                               \
	     once_ = (pthread_mutex_unlock(&(p)->lock), 0))

void pm_init(struct pm *p, const struct guest_clock *clock, void (*sci)(void *, bool), void *opaque)
{
	*p = (struct pm){.clock = clock, .sci = sci, .opaque = opaque, .cnt = CNT_SCI_EN};
	pthread_mutex_init(&p->lock, NULL);
}

void pm_fini(struct pm *p)
{
	pthread_mutex_destroy(&p->lock);
}

/* Lock held. */
static void sci_update(struct pm *p)
{
	bool level = (p->sts & p->en) != 0;
	if (level != p->level)
		p->sci(p->opaque, level);
	p->level = level;
}

void pm_reset(struct pm *p)
{
	LOCKED(p)
	{
		p->sts = p->en = 0;
		p->cnt = CNT_SCI_EN;
		p->reset = 0;
		sci_update(p);
	}
}

bool pm_has(uint64_t port)
{
	return port - BOARD_PM_BASE < BOARD_PM_SIZE || port == BOARD_RESET_PORT;
}

static uint32_t timer(const struct pm *p)
{
	return (uint32_t)((unsigned __int128)guest_clock_ns(p->clock) * BOARD_PM_TMR_HZ /
			  1000000000u);
}

/* One byte of the fixed registers. Lock held. */
static uint8_t pm_read(const struct pm *p, unsigned port, uint32_t ticks)
{
	switch (port) {
	case BOARD_PM1_EVT:
	case BOARD_PM1_EVT + 1:
		return (uint8_t)(p->sts >> 8 * (port & 1));
	case BOARD_PM1_EVT + 2:
	case BOARD_PM1_EVT + 3:
		return (uint8_t)(p->en >> 8 * (port & 1));
	case BOARD_PM1_CNT:
	case BOARD_PM1_CNT + 1:
		return (uint8_t)(p->cnt >> 8 * (port & 1));
	case BOARD_RESET_PORT:
		return p->reset;
	}
	if (port - BOARD_PM_TMR < 4)
		return (uint8_t)(ticks >> 8 * (port - BOARD_PM_TMR));
	return 0xff;
}

static void byte_put(uint16_t *reg, unsigned port, uint8_t v)
{
	unsigned shift = 8 * (port & 1);
	*reg = (uint16_t)((*reg & ~(0xffu << shift)) | (unsigned)v << shift);
}

/* One byte of the fixed registers. Lock held. */
static enum pm_event pm_write(struct pm *p, unsigned port, uint8_t v)
{
	uint8_t old = p->reset;
	switch (port) {
	case BOARD_PM1_EVT:
	case BOARD_PM1_EVT + 1: /* writing 1 clears */
		p->sts = (uint16_t)(p->sts & ~((unsigned)v << 8 * (port & 1)));
		break;
	case BOARD_PM1_EVT + 2:
	case BOARD_PM1_EVT + 3:
		byte_put(&p->en, port, v);
		p->en &= PM1_EN_MASK;
		break;
	case BOARD_PM1_CNT:
	case BOARD_PM1_CNT + 1:
		byte_put(&p->cnt, port, v);
		p->cnt |= CNT_SCI_EN; /* there is no way back to a legacy mode */
		if (p->cnt & CNT_SLP_EN) {
			p->cnt &= (uint16_t)~CNT_SLP_EN;
			return CNT_SLP_TYP(p->cnt) == BOARD_SLP_TYP_S5 ? PM_POWEROFF : PM_NONE;
		}
		break;
	case BOARD_RESET_PORT:
		p->reset = v & (uint8_t)~RESET_CPU;
		return !(old & RESET_CPU) && (v & RESET_CPU) ? PM_RESET : PM_NONE;
	}
	return PM_NONE;
}

enum pm_event pm_access(struct pm *p, uint64_t port, unsigned len, bool is_write, uint64_t *data)
{
	enum pm_event ev = PM_NONE;
	uint32_t ticks = timer(p); /* one look for all its bytes */
	uint64_t v = 0;
	LOCKED(p)
	{
		for (unsigned i = 0; i < len; i++) {
			unsigned at = (unsigned)port + i;
			uint8_t b = (uint8_t)(*data >> 8 * i);
			enum pm_event e = PM_NONE;
			if (is_write)
				e = pm_write(p, at, b);
			else
				v |= (uint64_t)pm_read(p, at, ticks) << 8 * i;
			ev = e ? e : ev;
		}
		sci_update(p);
	}
	if (!is_write)
		*data = v;
	return ev;
}

bool pm_power_button(struct pm *p)
{
	bool heard = false;
	LOCKED(p)
	{
		heard = (p->en & PWRBTN) != 0;
		if (heard)
			p->sts |= PWRBTN;
		sci_update(p);
	}
	return heard;
}
