/* SPDX-License-Identifier: Apache-2.0 */
/* In builds for other hosts: x86_64 guests cannot run. */
#include "hv/engine.h"
#include <errno.h>

static int absent_probe(struct err *err)
{
	return err_set(err, ENOTSUP,
		       "x86_64 guests run on x86_64 hosts only, and this is a build for another");
}

extern const struct engine_ops kvm_x86_64_engine;
const struct engine_ops kvm_x86_64_engine = {.name = "kvm", .isa = "x86_64", .probe = absent_probe};
