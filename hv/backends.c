/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/backends.h"
#include "base/fd.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* Takes *@fd. */
static int add(struct backend_set *b, const char *option, const char *kind, int *fd)
{
	if (b->n == LIMIT_FDS)
		return -EINVAL;
	unsigned i = b->n++;
	b->item[i].option = strdup(option);
	b->item[i].kind = strdup(kind);
	b->item[i].fd = fd_steal(fd);
	return b->item[i].option && b->item[i].kind ? 0 : -ENOMEM;
}

static int add_list(struct backend_set *b, Outrigger__BackendFd *const *list, size_t n, int *fds)
{
	int rc = 0, none = -1;
	for (size_t i = 0; !rc && i < n; i++)
		rc = add(b, list[i]->option, list[i]->kind,
			 list[i]->fd_index < 0 ? &none : &fds[list[i]->fd_index]);
	return rc;
}

int backends_init(struct backend_set *b, Outrigger__BackendFd *const *list, size_t n, int *fds)
{
	*b = (struct backend_set){0};
	return add_list(b, list, n, fds);
}

static bool named(Outrigger__BackendFd *const *list, size_t n, const char *option)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i]->option, option))
			return true;
	return false;
}

int backends_replace(const struct backend_set *old, Outrigger__BackendFd *const *list, size_t n,
		     int *fds, unsigned nfds, struct backend_set *ret)
{
	int rc = n <= LIMIT_FDS ? 0 : -EINVAL;
	*ret = (struct backend_set){0};
	for (size_t i = 0; !rc && i < n; i++)
		if (list[i]->fd_index >= 0 && (unsigned)list[i]->fd_index >= nfds)
			rc = -EINVAL;
	for (unsigned i = 0; !rc && i < old->n; i++) {
		if (named(list, n, old->item[i].option))
			continue;
		AUTO_FD fd = old->item[i].fd < 0 ? -1 : fcntl(old->item[i].fd, F_DUPFD_CLOEXEC, 0);
		rc = old->item[i].fd >= 0 && fd < 0
			     ? -errno
			     : add(ret, old->item[i].option, old->item[i].kind, &fd);
	}
	if (!rc)
		rc = add_list(ret, list, n, fds);
	if (rc)
		backends_fini(ret);
	return rc;
}

size_t backends_fill(const struct backend_set *b, Outrigger__BackendFd *msg,
		     Outrigger__BackendFd **ptrs)
{
	int32_t next = 0;
	for (unsigned i = 0; i < b->n; i++) {
		outrigger__backend_fd__init(&msg[i]);
		msg[i].option = b->item[i].option;
		msg[i].kind = b->item[i].kind;
		msg[i].fd_index = b->item[i].fd < 0 ? -1 : next++;
		ptrs[i] = &msg[i];
	}
	return b->n;
}

unsigned backends_fds(const struct backend_set *b, int *fds)
{
	unsigned n = 0;
	for (unsigned i = 0; i < b->n; i++)
		if (b->item[i].fd >= 0)
			fds[n++] = b->item[i].fd;
	return n;
}

void backends_fini(struct backend_set *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		free(b->item[i].option);
		free(b->item[i].kind);
		fd_close(&b->item[i].fd);
	}
	b->n = 0;
}
