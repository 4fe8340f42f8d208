/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Host descriptors of a device: what its options of type chardev, disk, net and sink are joined to. They belong to the slot, like
 * port and state; a swap can bring others. Control thread. */
#include "base/err.h"
#include "control.pb-c.h"
#include "proto/limits.h"

/** struct backend_set - a device's. Zeroed: none. */
struct backend_set {
	unsigned n;
	struct {
		char *option, *kind; /* owned; BackendFd's */
		int fd;		     /* owned; -1: none */
	} item[LIMIT_FDS];
};

/** backends_init - those of @list (@n), whose indices are into @fds; these descriptors are taken (-1 is left). 0 or -ENOMEM. */
int backends_init(struct backend_set *b, Outrigger__BackendFd *const *list, size_t n, int *fds);

/** backends_replace - in @ret a copy of @old in which the options of @list (@n) have the back-ends of @list, as
 * backends_init() takes them. 0; -EINVAL: an index is not below @nfds, or there are too many; -ENOMEM; -EMFILE. On failure
 * @ret is empty. */
int backends_replace(const struct backend_set *old, Outrigger__BackendFd *const *list, size_t n,
		     int *fds, unsigned nfds, struct backend_set *ret);

/** backends_fill - @msg and @ptrs (LIMIT_FDS each) as the daemon is told of them: indices in the order of backends_fds().
 * Strings are borrowed. Returns how many. */
size_t backends_fill(const struct backend_set *b, Outrigger__BackendFd *msg,
		     Outrigger__BackendFd **ptrs);

/** backends_fds - the descriptors, borrowed, in @fds (LIMIT_FDS). Returns how many. */
unsigned backends_fds(const struct backend_set *b, int *fds);

/** backends_fini - closes and frees all. */
void backends_fini(struct backend_set *b);
