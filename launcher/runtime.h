/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The runtime folder: one folder per running VM, private to the user, held by a lock while the VM
 * lives. */
#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"

/** struct runtime - one VM's folder. Two locks, both of open files: `lock` is held as long as the VM lives, for hv keeps a
 * copy of it; `supervised` by its supervisor alone. */
struct runtime {
	char *dir;
	int lock_fd, sup_fd;
};

/** runtime_base - the folder of all VMs, made and checked: $XDG_RUNTIME_DIR/outrigger, else
 * /tmp/outrigger-<uid>. Mode 0700, ours. 0 and a heap string, or -Exxx. */
int runtime_base(char **ret, struct err *err);

/** runtime_create - makes the folder of VM @name and takes its lock; what a dead VM left is
 * removed. @longest: bytes that the longest socket address adds to the folder's path. -EBUSY: that
 * VM runs; -ENAMETOOLONG: a socket's path would not fit 107 bytes; else -Exxx. */
int runtime_create(struct runtime *rt, const char *name, size_t longest, struct err *err);

/** runtime_adopt - takes the lock of the supervisor of the living VM @name, whose supervisor is gone. @rt->lock_fd is left to
 * be filled with hv's copy. -EBUSY: it is supervised; -ENOENT: it does not live; else -Exxx. */
int runtime_adopt(struct runtime *rt, const char *name, struct err *err);

/** runtime_leave - lets go of the folder of a VM that lives on. */
void runtime_leave(struct runtime *rt);

/** runtime_remove - removes the folder and drops the lock. A zeroed @rt is allowed. */
void runtime_remove(struct runtime *rt);

/** runtime_path - "<dir>/<file>" as a heap string. */
char *runtime_path(const struct runtime *rt, const char *file);

/** runtime_alive - true if VM @name in folder @base lives. runtime_supervised - true if it has a supervisor as well. */
bool runtime_alive(const char *base, const char *name);
bool runtime_supervised(const char *base, const char *name);

/** runtime_orphaned - true if VM @name lives without a supervisor. One that gave no answer may be dying, thread by thread: with
 * @patient that is waited for a moment. */
bool runtime_orphaned(const char *base, const char *name, bool patient);

/** runtime_list - names of the living VMs, sorted: a NULL-terminated heap array of heap strings. What dead ones left behind
 * is removed. */
char **runtime_list(const char *base);
void runtime_list_free(char **names);
