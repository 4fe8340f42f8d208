/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Descriptors on the control loop. A watch is heap memory of its own, because libuv ends a handle
 * only some time after it was told to. Control thread. */
#include <uv.h>

struct watch;
typedef void (*watch_fn)(void *arg);

/** watch_start - calls @fn(@arg) while @fd (borrowed) is readable or hung up. NULL: no memory. */
struct watch *watch_start(uv_loop_t *loop, int fd, watch_fn fn, void *arg);

/** watch_stop - takes it off the loop and sets *@w to NULL; @fn is not called any more. Before @fd
 * is closed.
 * *@w == NULL is allowed. */
void watch_stop(struct watch **w);
