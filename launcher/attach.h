/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What `attach` and `debug` share: a daemon that is not started by the supervisor. */
#include "base/err.h"

/** struct attach - what such a daemon needs. Heap strings. */
struct attach {
	char *token, *dock;
	char *program; /* that serves now, or served last */
};

/** attach_begin - a daemon may come within @wait_ms. 0 with *@ret (attach_fini()), or -Exxx. */
int attach_begin(const char *vm, const char *device, unsigned wait_ms, struct attach *ret,
		 struct err *err);
void attach_fini(struct attach *a);

/** attach_look - 0 with its process id: it has the device; -EAGAIN: not yet; else it will not, @err says why. */
int attach_look(const char *vm, const char *device, int *ret_pid, struct err *err);

/** attach_cancel - it need not come any more. */
void attach_cancel(const char *vm, const char *device);
