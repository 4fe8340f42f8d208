/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A folder with a kernel and an initrd, and three models that need no programs. */
#include "launcher/config.h"

/** fixture_dir - the temporary folder; made on first use, removed at exit. It holds the files
 * kernel (100 KB), initrd (1000 bytes) and empty (0 bytes). */
const char *fixture_dir(void);

/** fixture_models - pl011, pl031, uart16 (in either space), virtio-blk, "hollow" (a region of zero length) and "broken" (no
 * description). */
const struct models *fixture_models(void);

/** fixture_load - writes @yaml to vm.yaml in the folder and loads it. As config_load(). */
int fixture_load(struct config *c, const char *yaml, const struct config_overrides *o,
		 struct diag *d);
