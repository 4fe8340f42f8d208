/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* hv's side of the conversation with the launcher: events out, requests in. Control thread. */
#include "hv/vm.h"

/** report_open - listens on <runtime>/hv. 0 or -Exxx with @err. */
int report_open(struct vm *vm, struct err *err);

/** report_poll - handles the requests that have arrived. */
void report_poll(struct vm *vm);

/** report_serve - begins to answer requests; the loop must be open. 0 or -ENOMEM. */
int report_serve(struct vm *vm);
void report_close(struct vm *vm);

/** Events. None blocks: a launcher that does not read loses the newest. */
void report_progress(struct vm *vm, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** report_notice - a line that people must see. The caller limits how often. */
void report_notice(struct vm *vm, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void report_device(struct device *d);
void report_running(struct vm *vm);

/** report_reply - answers request @id of the launcher. @status: 0 or a positive errno with @why; @blob: @len bytes or NULL. */
void report_reply(struct vm *vm, uint64_t id, int status, const char *why, const void *blob,
		  size_t len);

/** report_end - the last event: ended, or error. Waits, bounded, until the launcher has it: for a
 * request (any serves as an acknowledgement) or a tenth of a second. */
void report_end(struct vm *vm, const struct vm_end *end);
