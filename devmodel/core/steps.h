/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Steps: the points between which a daemon may be killed and nothing may be lost. Tests stop there, by a hook in the
 * server (struct server.step), or, in a real daemon, by OUTRIGGER_KILL_AT=STEP:N in its environment: it ends without another
 * word when it comes to that step for the Nth time. The names are listed in HACKING.md.
 */
#include <stddef.h>

/** step_fn - called before what the step's name says; may not return. */
typedef void (*step_fn)(void *ctx, const char *step);

/** step_hook - that of the process; NULL, as but for tests: none. Set before the first step, by steps_arm(). */
extern step_fn step_hook;

/** step_at - a step outside of the server. */
static inline void step_at(const char *name)
{
	if (__builtin_expect(step_hook != NULL, 0))
		step_hook(NULL, name);
}

/** steps_arm - sets the hook if the environment asks for it. 0; -EINVAL: what it asks for makes no sense. */
int steps_arm(void);
