/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "launcher/verbs.h"

static const struct option_def options[] = {OPTIONS_END};

static int completion(const struct args *a)
{
	if (strcmp(a->operand[0], "bash") != 0)
		return usage_error(a->verb, "no completion for \"%s\"; there is bash",
				   a->operand[0]);
	docgen_bash(stdout);
	return EXIT_DONE;
}

const struct verb verb_completion = {
	.name = "completion",
	.summary = "Print the shell's completion of outrigger",
	.operands = "bash",
	.min_operands = 1,
	.max_operands = 1,
	.complete = "bash",
	.options = options,
	.text = "To use it now: source <(outrigger completion bash)",
	.fn = completion,
};
