/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Devices whose daemon a debugger may hold.
 *
 * Theory of operation. While a device is marked, its accesses park instead of being answered by policy, and the control thread
 * looks at the daemon every few milliseconds: stopped (by the debugger, or by a signal) it holds the VM up, so that no guest
 * time passes, whether the guest asks it something or not. The mark needs no goodbye: it ends when the process that asked
 * for it (`outrigger debug`) is gone and no tracer is attached, or when the daemon ends. One that a person started by
 * hand is marked as long as it serves.
 */
#include "hv/device.h"

/** debug_request - HvRequest.debug: @value is "PID MS", or "" for the end. Answers @launcher_id. Control thread. */
void debug_request(struct device *d, const char *value, uint64_t launcher_id);

/** debug_by_hand - the daemon of @d was started by a person. Control thread. */
void debug_by_hand(struct device *d);

/** debug_end - no mark any more. debug_clear - the same without a word: the caller calls devices_review(). Control thread. */
void debug_end(struct device *d);
void debug_clear(struct device *d);
