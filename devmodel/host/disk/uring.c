/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_uring: reads and direct writes. The ring is made and the file registered before the system call filter, which then
 * needs io_uring_enter alone.
 */
#include "devmodel/host/disk/disk.h"
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

#define RING_ENTRIES 128u
#define INFLIGHT_MAX (2 * RING_ENTRIES) /* the completion queue has as many: it cannot overflow */

struct disk_uring {
	struct io_uring ring;
	int fd;		 /* of the image; its index if @fixed */
	bool fixed;	 /* the file is registered */
	unsigned queued; /* entries that the kernel has not been told of */
	unsigned inflight;
};

struct disk_uring *disk_uring_open(struct disk_file *file, int *ret_errno)
{
	struct disk_uring *u = calloc(1, sizeof(*u));
	if (!u) {
		*ret_errno = ENOMEM;
		return NULL;
	}
	int rc = io_uring_queue_init(RING_ENTRIES, &u->ring, IORING_SETUP_SINGLE_ISSUER);
	if (rc == -EINVAL) /* before Linux 6.0 */
		rc = io_uring_queue_init(RING_ENTRIES, &u->ring, 0);
	if (rc) {
		*ret_errno = -rc;
		free(u);
		return NULL;
	}
	u->fixed = !io_uring_register_files(&u->ring, &file->fd, 1);
	u->fd = u->fixed ? 0 : file->fd;
	return u;
}

void disk_uring_close(struct disk_uring *u)
{
	if (!u)
		return;
	io_uring_queue_exit(&u->ring);
	free(u);
}

int disk_uring_fd(const struct disk_uring *u)
{
	return u->ring.ring_fd;
}

unsigned disk_uring_inflight(const struct disk_uring *u)
{
	return u->inflight;
}

unsigned disk_uring_queued(const struct disk_uring *u)
{
	return u->queued;
}

void disk_uring_flush(struct disk_uring *u)
{
	while (u->queued) {
		int n = io_uring_submit(&u->ring);
		if (n == -EINTR)
			continue;
		if (n <= 0) /* no memory in the kernel now: the next turn tries again */
			return;
		u->queued -= (unsigned)n < u->queued ? (unsigned)n : u->queued;
	}
}

bool disk_uring_add(struct disk_uring *u, struct disk_req *r)
{
	if (u->inflight >= INFLIGHT_MAX)
		return false;
	struct io_uring_sqe *s = io_uring_get_sqe(&u->ring);
	if (!s) {
		disk_uring_flush(u);
		s = io_uring_get_sqe(&u->ring);
		if (!s)
			return false;
	}
	uint64_t at = r->offset + r->done;
	unsigned n = r->niov - r->first;
	if (r->op == DM_DISK_READ)
		io_uring_prep_readv2(s, u->fd, r->iov + r->first, n, at, 0);
	else
		io_uring_prep_writev2(s, u->fd, r->iov + r->first, n, at,
				      r->stable ? RWF_DSYNC : 0);
	if (u->fixed)
		io_uring_sqe_set_flags(s, IOSQE_FIXED_FILE);
	io_uring_sqe_set_data(s, r);
	u->queued++;
	u->inflight++;
	return true;
}

/* Not a failure of the medium: io_uring cannot do this one here (no worker thread allowed, an alignment that the file
 * system did not tell, a flag that it does not know). */
static bool not_here(int res)
{
	return res == -EAGAIN || res == -ECANCELED || res == -EINTR || res == -EINVAL ||
	       res == -EOPNOTSUPP || res == -ENOMEM;
}

struct disk_req *disk_uring_take(struct disk_uring *u, bool *ret_again)
{
	struct io_uring_cqe *c;
	if (!u->inflight || !io_uring_peek_batch_cqe(&u->ring, &c, 1))
		return NULL;
	struct disk_req *r = io_uring_cqe_get_data(c);
	int res = c->res;
	io_uring_cqe_seen(&u->ring, c);
	u->inflight--;
	*ret_again = not_here(res);
	if (*ret_again)
		return r;
	if (res > 0) {
		disk_req_advance(r, (size_t)res);
		r->result = 0;
		*ret_again = r->done < r->bytes; /* short: the pool goes on, and finds out why */
	} else {
		r->result = res ? res : -EIO; /* nothing left to read: the image became shorter */
	}
	return r;
}

bool disk_uring_wait(struct disk_uring *u)
{
	struct io_uring_cqe *c;
	if (!u->inflight)
		return false;
	disk_uring_flush(u);
	io_uring_wait_cqe(&u->ring, &c); /* interrupted: the caller looks, and waits again */
	return true;
}
