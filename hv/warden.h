/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The warden: a process that sees to it that no daemon outlives hv.
 *
 * Theory of operation. A daemon ends when its dock connection does. One that is stopped, hangs or is hostile does not, and
 * when hv was killed with nobody supervising there is nobody left to end it. So hv forks, before it has anything, a
 * process that sleeps on a socket to hv and is handed a pidfd of each daemon. The end of the socket is hv's end: it lets
 * stopped daemons go on, so that they can write out their last bytes, and kills those that are still there after
 * WARDEN_GRACE_MS. Then it ends itself.
 */

/** warden_start - forks the warden. Before any thread is made, and before there is a descriptor it should not have. 0 or
 * -Exxx: then there is none, and warden_watch() does nothing. Once in a process. */
int warden_start(void);

/** warden_watch - the process of @pidfd (borrowed, -1 is allowed) is to end with hv. Does not block. */
void warden_watch(int pidfd);
