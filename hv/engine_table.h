/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Choosing an engine: the table behind engine_find(). */
#include "hv/engine.h"

/** engine_register - adds an engine; at most four. @ops is borrowed for ever. main.c adds what this
 * build has, a test the fake one. Before any thread looks one up. */
void engine_register(const struct engine_ops *ops);

/** engine_choose - the engine for @wanted ("auto", "" or a name) and @isa, probed. *@ret_why: a few
 * words for people. -ENOENT: not in this build; else what its probe said. */
int engine_choose(const char *wanted, const char *isa, const struct engine_ops **ret,
		  const char **ret_why, struct err *err);
