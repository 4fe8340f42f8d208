/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request on a file, in whatever thread: everything here may block.
 */
#include "devmodel/host/disk/disk.h"
#include "base/bytes.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define BOUNCE_BYTES (256u << 10)
#define ZERO_BYTES (64u << 10)
#define IOV_CALL_MAX 1024u /* UIO_MAXIOV */

/* Never written to, so it stays the kernel's one page of zeroes. */
static _Alignas(4096) uint8_t zeroes[ZERO_BYTES];

void disk_req_advance(struct disk_req *r, size_t n)
{
	r->done += n;
	while (n && r->first < r->niov) {
		struct iovec *v = &r->iov[r->first];
		if (n < v->iov_len) {
			v->iov_base = (char *)v->iov_base + n;
			v->iov_len -= n;
			return;
		}
		n -= v->iov_len;
		r->first++;
	}
}

static bool offset_aligned(const struct disk_file *f, const struct disk_req *r)
{
	return !((r->offset + r->done) % f->dio_offset) && !((r->bytes - r->done) % f->dio_offset);
}

/* O_DIRECT wants each segment to begin aligned and, as the next one begins at its end on the medium, to be whole blocks. */
static bool memory_aligned(const struct disk_file *f, const struct disk_req *r)
{
	for (unsigned i = r->first; i < r->niov; i++)
		if ((uintptr_t)r->iov[i].iov_base % f->dio_mem || r->iov[i].iov_len % f->dio_offset)
			return false;
	return true;
}

bool disk_req_aligned(const struct disk_file *f, const struct disk_req *r)
{
	return offset_aligned(f, r) && memory_aligned(f, r);
}

static unsigned left_iov(const struct disk_req *r)
{
	unsigned n = r->niov - r->first;
	return n < IOV_CALL_MAX ? n : IOV_CALL_MAX;
}

/* One system call. Bytes moved, 0 at the end of the file, or -Exxx. */
static ssize_t move(int fd, const struct disk_req *r, int flags)
{
	off_t at = (off_t)(r->offset + r->done);
	ssize_t n;
	do {
		n = r->op == DM_DISK_READ
			    ? preadv2(fd, r->iov + r->first, (int)left_iov(r), at, flags)
			    : pwritev2(fd, r->iov + r->first, (int)left_iov(r), at, flags);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int move_all(int fd, struct disk_req *r, int flags)
{
	while (r->done < r->bytes) {
		ssize_t n = move(fd, r, flags);
		if (n < 0)
			return (int)n;
		if (n == 0) /* a read behind the end: the image became shorter */
			return -EIO;
		disk_req_advance(r, (size_t)n);
	}
	return 0;
}

/* Through an aligned buffer, for memory that O_DIRECT refuses. */
static int move_bounced(int fd, struct disk_req *r, int flags)
{
	void *buf;
	if (posix_memalign(&buf, 4096, BOUNCE_BYTES))
		return -ENOMEM;
	int rc = 0;
	while (!rc && r->done < r->bytes) {
		uint64_t left = r->bytes - r->done;
		struct iovec one = {buf, left < BOUNCE_BYTES ? (size_t)left : BOUNCE_BYTES};
		struct disk_req part = {.op = r->op,
					.offset = r->offset + r->done,
					.bytes = one.iov_len,
					.iov = &one,
					.niov = 1};
		size_t at = 0;
		for (unsigned i = r->first; r->op == DM_DISK_WRITE && at < part.bytes; i++) {
			size_t n = part.bytes - at;
			n = r->iov[i].iov_len < n ? r->iov[i].iov_len : n;
			memcpy((char *)buf + at, r->iov[i].iov_base, n);
			at += n;
		}
		rc = move_all(fd, &part, flags);
		at = 0;
		for (unsigned i = r->first; r->op == DM_DISK_READ && at < part.done; i++) {
			size_t n = part.done - at;
			n = r->iov[i].iov_len < n ? r->iov[i].iov_len : n;
			memcpy(r->iov[i].iov_base, (char *)buf + at, n);
			at += n;
		}
		disk_req_advance(r, part.done);
	}
	free(buf);
	return rc;
}

static int do_move(struct disk_file *f, struct disk_req *r)
{
	int flags = r->stable ? RWF_DSYNC : 0;
	if (!f->direct)
		return move_all(f->fd, r, flags);
	if (!offset_aligned(f, r)) /* by the page cache, which reads and writes around it */
		return f->buffered >= 0 ? move_all(f->buffered, r, flags) : -EINVAL;
	if (!memory_aligned(f, r))
		return move_bounced(f->fd, r, flags);
	int rc = move_all(f->fd, r, flags);
	if (rc == -EINVAL && f->buffered >= 0) /* it wants more than it told us */
		rc = move_all(f->buffered, r, flags);
	return rc;
}

static int do_flush(struct disk_file *f)
{
	int rc;
	do {
		rc = fdatasync(f->fd) ? -errno : 0;
	} while (rc == -EINTR);
	return rc;
}

static int allocate(struct disk_file *f, int mode, const struct disk_req *r)
{
	int rc;
	do {
		rc = fallocate(f->fd, mode, (off_t)r->offset, (off_t)r->bytes) ? -errno : 0;
	} while (rc == -EINTR);
	return rc;
}

static bool refused(int rc)
{
	return rc == -EOPNOTSUPP || rc == -ENOSYS || rc == -EINVAL || rc == -ENODEV;
}

/* A discard is a hint (virtio 1.2, 5.2.6.2): where the host cannot, nothing happens. On a block device, PUNCH_HOLE is
 * a discard that reads as zeroes. */
static int do_discard(struct disk_file *f, const struct disk_req *r)
{
	if (f->no_punch)
		return 0;
	int rc = allocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, r);
	if (!refused(rc))
		return rc;
	if (rc != -EINVAL) /* EINVAL: this range is not on its blocks */
		f->no_punch = true;
	return 0;
}

static int write_zeroes(struct disk_file *f, const struct disk_req *r)
{
	uint64_t done = 0;
	while (done < r->bytes) {
		uint64_t left = r->bytes - done;
		struct iovec one = {zeroes, left < ZERO_BYTES ? (size_t)left : ZERO_BYTES};
		struct disk_req part = {.op = DM_DISK_WRITE,
					.offset = r->offset + done,
					.bytes = one.iov_len,
					.iov = &one,
					.niov = 1};
		int rc = do_move(f, &part);
		if (rc)
			return rc;
		done += part.done;
	}
	return 0;
}

static int do_zero(struct disk_file *f, const struct disk_req *r)
{
	int rc = -EOPNOTSUPP;
	if (r->unmap && !f->no_punch) {
		rc = allocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, r);
		if (!refused(rc))
			return rc;
		f->no_punch = f->no_punch || rc != -EINVAL;
	}
	if (!f->no_zero_range) {
		rc = allocate(f, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, r);
		if (!refused(rc))
			return rc;
		f->no_zero_range = f->no_zero_range || rc != -EINVAL;
	}
	return write_zeroes(f, r);
}

void disk_file_do(struct disk_file *f, struct disk_req *r)
{
	switch (r->op) {
	case DM_DISK_READ:
	case DM_DISK_WRITE:
		r->result = do_move(f, r);
		break;
	case DM_DISK_FLUSH:
		r->result = do_flush(f);
		break;
	case DM_DISK_DISCARD:
		r->result = do_discard(f, r);
		break;
	case DM_DISK_ZERO:
		r->result = do_zero(f, r);
		break;
	default:
		r->result = -EINVAL;
		break;
	}
	/* What changed the medium without RWF_DSYNC is made stable here. */
	if (!r->result && r->stable && (r->op == DM_DISK_DISCARD || r->op == DM_DISK_ZERO))
		r->result = do_flush(f);
}

bool disk_file_try_read(struct disk_file *f, struct disk_req *r)
{
	while (r->done < r->bytes) {
		ssize_t n = move(f->fd, r, RWF_NOWAIT);
		if (n <= 0)
			return false;
		disk_req_advance(r, (size_t)n);
	}
	r->result = 0;
	return true;
}
