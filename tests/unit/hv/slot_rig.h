/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A slot with a consumer thread, and what both did. Included after cmocka.h. */
#include <pthread.h>
#include <string.h>
#include "base/bytes.h"
#include "hv/slot.h"
#include "mini_daemon.h"

#define DEADLINE_NS 20000000000ull /* where a miss would be a failure: also on a busy machine */
#define SHORT_NS 60000000u	   /* where a miss is the point */

struct rig {
	struct slot *slot;
	struct mini_port mp;
	struct bus_range range;
	bus_rule_t rules[64];
	uint32_t irq;
	bool two_maps; /* races in the port are the point of the test: see mini_port.map */
	_Atomic uint32_t stop;
	/* what the slot told us */
	pthread_t vcpu_thread;
	_Atomic uint32_t level, level_calls, pulses, changes;
};

/** rig_rule - ways of register @reg (4 bytes). */
void rig_rule(struct rig *r, unsigned reg, unsigned read_way, unsigned write_way);

/** rig_make - a slot whose daemon has not come yet. Register 0 is posted, 1 shadow, 2 ignores
 * writes, 4 shadow without waiting, the others are forwarded. */
void rig_make(struct rig *r, enum slot_policy policy);

/** rig_start - a daemon of mode @mode docks and serves; rig_end - stops it and frees the slot. */
void rig_start(struct rig *r, enum mini_mode mode);
void rig_end(struct rig *r);

/** rd / wr - an access of vCPU 0 to register @reg that must be answered. */
uint64_t rd(struct rig *r, unsigned reg, unsigned len);
void wr(struct rig *r, unsigned reg, uint64_t v);
struct port_counters *counters(struct rig *r);
