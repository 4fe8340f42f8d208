/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdlib.h>
#include <stdint.h>
#include <unistd.h>
#include <errno.h>

/* Descriptors are CLOEXEC everywhere. `int fd` = borrowed, `int *fd` = taken and set to -1. */

static inline void fd_close(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;
		close(*fd);
		errno = saved;
		*fd = -1;
	}
}

/** fd_steal - gives the descriptor away: returns *@fd and sets it to -1. */
static inline int fd_steal(int *fd)
{
	int r = *fd;
	*fd = -1;
	return r;
}

static inline void ptr_free(void *p)
{
	void **pp = p;
	free(*pp);
	*pp = NULL;
}

/** ptr_steal - gives the pointer away: evaluates to @p's value and sets @p to NULL. */
#define ptr_steal(p)                                                                               \
	({                                                                                         \
		__auto_type steal_ = (p);                                                          \
		(p) = NULL;                                                                        \
		steal_;                                                                            \
	})

#define AUTO_FD __attribute__((cleanup(fd_close))) int
#define AUTO_FREE __attribute__((cleanup(ptr_free)))

/** fd_write_all - writes all @len bytes, retrying on EINTR and short writes. 0 or -Exxx. Blocks. */
int fd_write_all(int fd, const void *buf, size_t len);

/** fd_read_all - reads up to @len bytes until end of file. Bytes read or -Exxx. Blocks. */
ssize_t fd_read_all(int fd, void *buf, size_t len);

/** fd_nonblock - sets or clears O_NONBLOCK. 0 or -Exxx. */
int fd_nonblock(int fd, int on);

/** memfd_create_sized - a memfd of @size bytes whose size is sealed (F_SEAL_GROW|SHRINK|SEAL).
 * Returns the descriptor (gives) or -Exxx. @name: for /proc, copied. */
int memfd_create_sized(const char *name, uint64_t size);
