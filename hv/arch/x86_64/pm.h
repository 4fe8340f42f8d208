/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Power management in the fast path: ACPI's fixed registers (ACPI 6.4, 4.8.3) and the reset register. The registers of PM1
 * are bytes, so that any width of access reaches them.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "hv/guest_clock.h"

/** enum pm_event - what an access asks for. */
enum pm_event { PM_NONE = 0, PM_POWEROFF, PM_RESET };

/** struct pm - state. Any thread; the lock is a leaf, but for @sci, which is called with it held. */
struct pm {
	pthread_mutex_t lock;
	const struct guest_clock *clock;
	uint16_t sts, en, cnt; /* lock */
	uint8_t reset;	       /* lock */
	bool level;	       /* lock: of the SCI */
	/** sci - the level of the system control interrupt has changed. */
	void (*sci)(void *opaque, bool level);
	void *opaque;
};

/** pm_init, pm_fini - @clock and @opaque are borrowed. */
void pm_init(struct pm *p, const struct guest_clock *clock, void (*sci)(void *, bool),
	     void *opaque);
void pm_fini(struct pm *p);

/** pm_reset - to what it is at power-on. */
void pm_reset(struct pm *p);

/** pm_has - does port @port belong to it? */
bool pm_has(uint64_t port);

/** pm_access - one access of @len bytes (1, 2 or 4) at @port, for which pm_has() is true. Reads fill *@data. */
enum pm_event pm_access(struct pm *p, uint64_t port, unsigned len, bool is_write, uint64_t *data);

/** pm_power_button - the button is pressed. False: the guest does not listen. */
bool pm_power_button(struct pm *p);
