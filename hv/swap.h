/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A swap: another daemon takes a device over from the one that serves it, at a boundary between two requests.
 *
 *   the new daemon                       the old one
 *   dock, hello, configure, ranges,      serves
 *   sandbox; standing_by
 *   load for practice: ok            <-  save (it goes on serving)
 *   take_over: load, attach, serve   <-  hand_over (what is with the host comes back; it stops and says how it stands)
 *   serving                              ends
 *
 * Whatever goes wrong before the new daemon has attached to the port leaves the device with the old one. Control thread.
 */
#include "hv/device.h"

struct swap;

/** swap_begin - the launcher's request @launcher_id: a daemon with @q->token may dock beside the one that serves @d. It is
 * answered twice: when the daemon may be started, and how it went; or once, with an error. */
void swap_begin(struct device *d, const Outrigger__SwapRequest *q, uint64_t launcher_id);

/** swap_cancel - the new daemon will not come, or no more: the swap of @d fails because of @why. None is fine. */
void swap_cancel(struct device *d, const char *why);

/** swap_abort - the slot has failed: no daemon has it any more. */
void swap_abort(struct swap *w, const char *why);

/** swap_destroy - ends it without a word. NULL is allowed. */
void swap_destroy(struct swap *w);

/** swap_token - that the new daemon may dock with now, "" for none. */
const char *swap_token(const struct swap *w);

/** swap_docked - as device_docked(). */
int swap_docked(struct swap *w, int *conn, pid_t pid, struct err *err);

/** swap_answer - @m came from the old daemon. True: it was meant for the swap. */
bool swap_answer(struct swap *w, const Outrigger__FromDaemon *m);

/** swap_old_gone - the old daemon has ended. True: the new one is taking over, so it matters no more. */
bool swap_old_gone(struct swap *w);

/** swap_in_hand_over - the old daemon has been told to stop. */
bool swap_in_hand_over(const struct swap *w);
