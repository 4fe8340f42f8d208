/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * <runtime>/saved: what a supervisor knows and its successor has to know (SavedVm in control.proto). It is whole at any time:
 * replaced by rename. With it the config is made again as it was when the VM began, not as the file or the models are now.
 */
#include "control.pb-c.h"
#include "launcher/config.h"

/** saved_write - replaces the file in folder @dir. 0 or -Exxx. */
int saved_write(const char *dir, const Outrigger__SavedVm *v);

/** saved_read - reads and checks it: *@ret, to be freed with ctl_free(). 0 or -Exxx with @err. */
int saved_read(const char *dir, Outrigger__SavedVm **ret, struct err *err);

/** saved_sweep - removes what a dead VM left outside its folder @dir: sockets that nobody listens on. */
void saved_sweep(const char *dir);

/** saved_config - the config in @v, which is borrowed: to be freed with config_fini(). *@ret_models: the models of its
 * devices, to be freed with free() afterwards. */
void saved_config(const Outrigger__SavedVm *v, struct config *ret, struct model **ret_models);
