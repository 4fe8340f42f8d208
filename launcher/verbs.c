/* SPDX-License-Identifier: Apache-2.0 */
/* The list of verbs, in the order that --help shows. A new verb is one file and one line here. */
#include "launcher/verbs.h"
#include <stddef.h>

uint64_t verb_start_ns;

const struct verb *const verb_table[] = {
	&verb_run,     &verb_ps,      &verb_stop,	&verb_console, &verb_stats,
	&verb_top,     &verb_inspect, &verb_pause,	&verb_resume,  &verb_kill,
	&verb_restart, &verb_swap,    &verb_adopt,	&verb_debug,   &verb_attach,
	&verb_trace,   &verb_replay,  &verb_shadow,	&verb_models,  &verb_check,
	&verb_doctor,  &verb_bench,   &verb_completion, &verb_man,     NULL,
};
