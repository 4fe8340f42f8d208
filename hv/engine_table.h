/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Choosing an engine: the table behind engine_find(). */
#include "hv/engine.h"

/** engine_register - adds an engine; at most four. @ops is borrowed for ever. main.c adds what this
 * build has, a test the fake one. Before any thread looks one up. */
void engine_register(const struct engine_ops *ops);

/** engine_choose - the engine for @wanted ("auto", "" or a name) and @isa, probed. *@ret_why: a few words for people, in
 * one buffer for all calls. "auto" takes KVM if it works and runs guest kernel code faster than a software engine could (a
 * sixteenth of the host's speed), else the software engine if the architecture has one. -ENOENT: not in this build; else
 * what its probe said. */
int engine_choose(const char *wanted, const char *isa, const struct engine_ops **ret,
		  const char **ret_why, struct err *err);

/** engines_report - one line an engine to standard output, for `outrigger doctor`: name, isa, "ok" with instructions of guest
 * kernel code a second, the host's, nanoseconds an exit (0: not measured), or "no" with the reason. */
void engines_report(void);
