/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The installed device models: every executable outrigger-dm-<model> beside the launcher (or in
 * OUTRIGGER_BINDIR). What a model is comes from `outrigger-dm-<model> --describe=pb`; answers are
 * cached under the XDG cache folder by path, size and time of change, so that a start costs no
 * process for it.
 */
#include "base/err.h"
#include "control.pb-c.h"
#include "launcher/ynode.h"

/** struct model - one installed model. @desc is NULL when it could not be described; then @why says
 * why. */
struct model {
	char *name; /* after "outrigger-dm-" */
	char *path;
	Outrigger__ModelDescription *desc;
	char *why;
};

/** struct models - all of them, sorted by name. */
struct models {
	char *dir;
	struct model *items;
	size_t count;
	const char **names; /* NULL-terminated, borrowed from items */
};

/** models_load - finds and describes all models, asking those not in the cache at the same time.
 * 0 (also when there is none), or -Exxx when the folder cannot be read. Blocks at most 5 s. */
int models_load(struct models *m, struct err *err);
void models_fini(struct models *m);

/** models_find - by name; NULL if there is none. */
const struct model *models_find(const struct models *m, const char *name);

/** model_option - the description of option @name, or NULL. */
const Outrigger__OptionDescription *model_option(const struct model *m, const char *name);

/** bindir - the folder of our programs: OUTRIGGER_BINDIR, else that of this executable. Heap
 * string. */
char *bindir(void);
