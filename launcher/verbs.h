/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Every verb there is, each defined in verb_<name>.c. */
#include "launcher/verb.h"

extern const struct verb verb_run, verb_ps, verb_stop, verb_console, verb_stats, verb_top,
	verb_inspect, verb_pause, verb_debug, verb_attach, verb_resume, verb_kill, verb_restart,
	verb_swap, verb_adopt, verb_trace, verb_models, verb_check, verb_doctor, verb_bench,
	verb_completion, verb_man;
extern const struct verb verb_replay, verb_shadow;
