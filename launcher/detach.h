/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* --detach: a supervisor in a process of its own, whose starter waits until the VM runs. */

/** detach_run - has a child in a session of its own call @fn(@arg, @ready_fd), which takes @ready_fd and writes a byte to it
 * when all is well; the child exits with what @fn returns. Prints "<name> <what>, supervisor pid N". Returns the
 * exit code. */
int detach_run(const char *name, const char *what, int (*fn)(void *arg, int ready_fd), void *arg);
