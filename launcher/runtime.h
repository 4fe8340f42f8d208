/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The runtime folder: one folder per running VM, private to the user, held by a lock while the VM
 * lives. */
#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"

/** struct runtime - one VM's folder. */
struct runtime {
	char *dir;
	int lock_fd;
};

/** runtime_base - the folder of all VMs, made and checked: $XDG_RUNTIME_DIR/outrigger, else
 * /tmp/outrigger-<uid>. Mode 0700, ours. 0 and a heap string, or -Exxx. */
int runtime_base(char **ret, struct err *err);

/** runtime_create - makes the folder of VM @name and takes its lock; what a dead VM left is
 * removed. @longest: bytes that the longest socket address adds to the folder's path. -EBUSY: that
 * VM runs; -ENAMETOOLONG: a socket's path would not fit 107 bytes; else -Exxx. */
int runtime_create(struct runtime *rt, const char *name, size_t longest, struct err *err);

/** runtime_remove - removes the folder and drops the lock. A zeroed @rt is allowed. */
void runtime_remove(struct runtime *rt);

/** runtime_path - "<dir>/<file>" as a heap string. */
char *runtime_path(const struct runtime *rt, const char *file);

/** runtime_alive - true if VM @name in folder @base has a living supervisor. */
bool runtime_alive(const char *base, const char *name);

/** runtime_list - names of the living VMs, sorted: a NULL-terminated heap array of heap strings. */
char **runtime_list(const char *base);
void runtime_list_free(char **names);
