/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A VM that nobody supervises: what can be done with it, and how it gets a supervisor. */
#include "base/err.h"
#include "control.pb-c.h"

/** orphan_status - as client_ask() of "status" answers, from what hv says and the last supervisor has left. 0 or -Exxx. */
int orphan_status(const char *base, const char *vm, Outrigger__CliReply **ret, struct err *err);

/** orphan_stop - ends it and waits until hv and all daemons are gone; @force: at once. 0 or -Exxx. */
int orphan_stop(const char *base, const char *vm, bool force, struct err *err);

/** orphan_adopt - starts a supervisor in the background, says so on standard error, and waits until it answers. 0 or -Exxx. */
int orphan_adopt(const char *base, const char *vm, struct err *err);
