/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * When a daemon that died is started again: the limit and the back-off of on_failure: restart. Nothing but arithmetic; what
 * is done about it is sup_restart.c's.
 */
#include <stdbool.h>
#include <stdint.h>

#define RESTART_LIMIT 5u		      /* in a row, then `then` takes over */
#define RESTART_LIMIT_MAX 1000000u	      /* what a config may ask for */
#define RESTART_BACKOFF_NS 50000000ull	      /* before the second of them; then twice that, ... */
#define RESTART_BACKOFF_MAX_NS 60000000000ull /* ... but no longer than this */
#define RESTART_WINDOW_NS 10000000000ull      /* one that lived this long was well */

/** struct restart_policy - of a device's config. */
struct restart_policy {
	uint32_t limit;	     /* 0: none is started again */
	uint64_t backoff_ns; /* 0: each at once */
	uint64_t window_ns;  /* a process that lived longer ends the row */
};

/** struct restart_row - deaths of one device, each soon after the start before. */
struct restart_row {
	uint32_t count;
	uint64_t started_ns; /* CLOCK_MONOTONIC of the last start; 0: of the VM's */
};

/** restart_next - the process has died at @now_ns. True: start another one after *@ret_delay_ns, which is 0 for the first
 * of a row; it counts. False: the limit of @p was reached, give up. */
bool restart_next(struct restart_row *row, const struct restart_policy *p, uint64_t now_ns,
		  uint64_t *ret_delay_ns);
