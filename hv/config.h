/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The checks on the VmConfig that the launcher sends: hv trusts no sender. */
#include "base/err.h"
#include "control.pb-c.h"
#include "hv/slot.h"

/** enum unclaimed_policy - what an access to no device gets. */
enum unclaimed_policy { UNCLAIMED_ONES = 1, UNCLAIMED_ABORT = 2, UNCLAIMED_STOP = 3 };

/** config_check - names, numbers, limits, descriptor indices against @nfds. What needs the bus
 * (overlaps) or the interrupt table is checked by the VM. 0 or -EINVAL with @err for a person. */
int config_check(const Outrigger__VmConfig *c, unsigned nfds, struct err *err);

/** config_failure - on_failure and then of @d: the policy that answers, and whether a dead daemon is followed by another.
 * -EINVAL. */
int config_failure(const Outrigger__DeviceConfig *d, enum slot_policy *ret, bool *ret_restart,
		   struct err *err);

/** config_unclaimed / config_policy - the enum of a policy's name ("" = the default: abort, ones).
 * -EINVAL: unknown, or one of a later version. */
int config_unclaimed(const char *name, enum unclaimed_policy *ret, struct err *err);
int config_policy(const char *name, enum slot_policy *ret, struct err *err);
