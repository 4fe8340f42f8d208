/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dm_host_disk: the back-end of options of type disk. disk.h says how it works.
 */
#include "devmodel/host/disk/disk.h"
#include "base/clock.h"
#include "base/fd.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define TURN_DONE 64u		     /* completions given to the model in one turn */
#define TURN_INLINE_BYTES (1u << 20) /* moved by the daemon's own thread in one turn */
#define INLINE_MAX (512u << 10)	     /* larger writes go to the pool */
#define INLINE_SLOW_NS 5000000u	     /* a write that took this long closes the inline way... */
#define INLINE_CLOSED_NS 100000000u  /* ...for this long */
#define FLUSH_TAG UINT32_MAX	     /* of the flush that we do on our own account */

struct disk {
	struct dm *dm;
	struct disk_file file;
	struct disk_pool pool;
	struct disk_uring *uring; /* NULL: aio=threads */
	bool pool_on;
	bool writeback;
	bool lost; /* a flush failed: see finish() */
	uint64_t bytes;
	uint64_t inline_closed_ns;
	unsigned inflight;	   /* of the model's */
	struct disk_list todo;	   /* submitted, not with the host yet */
	struct disk_list finished; /* done inline, not told to the model yet */
	struct disk_req own_flush;
	struct disk_req req[DM_DISK_TAGS];
};

/* ---- starting ---------------------------------------------------------------------------------------- */

static bool moves_data(const struct disk_req *r)
{
	return r->op == DM_DISK_READ || r->op == DM_DISK_WRITE;
}

/* Performs @r in this thread if that is the best way. False: it is not, or could not be done to its end. */
static bool try_inline(struct disk *d, struct disk_req *r)
{
	if (d->file.direct || !moves_data(r) || r->bytes > INLINE_MAX)
		return false;
	if (r->op == DM_DISK_READ)
		return !d->uring && disk_file_try_read(&d->file, r);
	if (r->stable)
		return false;
	uint64_t before = clock_now_ns();
	if (before < d->inline_closed_ns)
		return false;
	disk_file_do(&d->file, r);
	uint64_t now = clock_now_ns();
	if (now - before > INLINE_SLOW_NS)
		d->inline_closed_ns = now + INLINE_CLOSED_NS;
	return true;
}

static bool for_uring(const struct disk *d, const struct disk_req *r)
{
	if (!d->uring || !moves_data(r))
		return false;
	if (d->file.direct)
		return disk_req_aligned(&d->file, r);
	return r->op == DM_DISK_READ;
}

static void start(struct disk *d)
{
	uint64_t moved = 0;
	struct disk_req *r;
	while (moved < TURN_INLINE_BYTES && (r = disk_list_take(&d->todo))) {
		if (try_inline(d, r)) {
			moved += r->bytes;
			disk_list_add(&d->finished, r);
		} else if (!for_uring(d, r) || !disk_uring_add(d->uring, r)) {
			disk_pool_add(&d->pool, r);
		}
	}
	if (d->uring)
		disk_uring_flush(d->uring);
}

/* ---- ending ------------------------------------------------------------------------------------------ */

static const char *const op_names[] = {
	[DM_DISK_READ] = "read",       [DM_DISK_WRITE] = "write",	[DM_DISK_FLUSH] = "flush",
	[DM_DISK_DISCARD] = "discard", [DM_DISK_ZERO] = "write zeroes",
};

/* After a failed fdatasync(2) the page cache has forgotten which data it could not write, and the next one would
 * succeed: a guest that repeats its flush must not be told so. */
static void note_flush(struct disk *d, struct disk_req *r)
{
	if (r->result && !d->file.direct && !d->lost) {
		d->lost = true;
		dm_log(d->dm, DM_LOG_ERR,
		       "disk: data written since the last flush may be lost (%s); every flush "
		       "fails from now on until "
		       "the device is restarted",
		       strerror(-r->result));
	}
	if (!r->result && d->lost)
		r->result = -EIO;
}

/* Takes @r out of the table. Returns false if nobody waits for it. */
static bool finish(struct disk *d, struct disk_req *r)
{
	bool told = r->tag != FLUSH_TAG && !r->dropped;
	if (r->op == DM_DISK_FLUSH)
		note_flush(d, r);
	if (r->result && !r->dropped)
		dm_log(d->dm, DM_LOG_WARN, "disk: %s of %llu bytes at %llu failed: %s",
		       op_names[r->op], (unsigned long long)r->bytes, (unsigned long long)r->offset,
		       strerror(-r->result));
	r->busy = false;
	if (r->tag != FLUSH_TAG)
		d->inflight--;
	return told;
}

static struct disk_req *next_done(struct disk *d)
{
	bool again;
	struct disk_req *r = disk_list_take(&d->finished);
	if (r)
		return r;
	while (d->uring && (r = disk_uring_take(d->uring, &again))) {
		if (!again)
			return r;
		disk_pool_add(&d->pool, r);
	}
	return disk_pool_take(&d->pool);
}

static bool disk_run(void *h)
{
	struct disk *d = h;
	struct disk_req *r;
	bool called = false;
	start(d);
	for (unsigned n = 0; n < TURN_DONE && (r = next_done(d)); n++) {
		if (!finish(d, r))
			continue;
		dm_count_latency(d->dm, clock_now_ns() - r->start_ns);
		dm_disk_done(d->dm, 0, r->tag, r->result);
		called = true;
	}
	return called || (d->uring && disk_uring_queued(d->uring));
}

static bool disk_busy(void *h)
{
	return ((struct disk *)h)->inflight;
}

static void disk_event(void *h, unsigned k, uint32_t events)
{
	(void)h; /* edge-triggered: disk_run() looks at both by itself */
	(void)k;
	(void)events;
}

/* ---- what the model calls -------------------------------------------------------------------------------- */

static void disk_info(void *h, unsigned disk, struct dm_disk_info *ret)
{
	const struct disk *d = h;
	(void)disk;
	*ret = (struct dm_disk_info){
		.bytes = d->bytes,
		.block = d->file.direct && d->file.dio_offset > d->file.logical ? d->file.dio_offset
										: d->file.logical,
		.physical = d->file.physical,
		.readonly = d->file.readonly,
		.can_discard = !d->file.readonly,
		.can_zero = !d->file.readonly,
		.writeback = d->writeback,
	};
}

static int copy_iov(struct disk_req *r, const struct dm_disk_io *io)
{
	if (io->niov > r->cap) {
		struct iovec *v = malloc(io->niov * sizeof(*v));
		if (!v)
			return -ENOMEM;
		if (r->iov != r->few)
			free(r->iov);
		r->iov = v;
		r->cap = io->niov;
	}
	if (io->niov)
		memcpy(r->iov, io->iov, io->niov * sizeof(*r->iov));
	r->niov = io->niov;
	return 0;
}

static int check(const struct disk *d, const struct dm_disk_io *io)
{
	uint64_t end, sum = 0;
	if (io->op == DM_DISK_FLUSH)
		return 0;
	if (__builtin_add_overflow(io->offset, io->bytes, &end) || end > INT64_MAX)
		return -EINVAL;
	if (io->op != DM_DISK_READ && d->file.readonly)
		return -EROFS;
	for (unsigned i = 0; i < io->niov; i++)
		sum += io->iov[i].iov_len;
	return (io->op == DM_DISK_READ || io->op == DM_DISK_WRITE) && sum != io->bytes ? -EINVAL
										       : 0;
}

static int disk_submit(void *h, unsigned disk, const struct dm_disk_io *io)
{
	struct disk *d = h;
	(void)disk;
	if (io->tag >= DM_DISK_TAGS)
		return -EINVAL;
	struct disk_req *r = &d->req[io->tag];
	if (r->busy)
		return -EBUSY;
	if (!r->iov) {
		r->iov = r->few;
		r->cap = sizeof(r->few) / sizeof(r->few[0]);
	}
	r->op = io->op;
	r->tag = io->tag;
	r->offset = io->offset;
	r->bytes = io->bytes;
	r->unmap = io->unmap;
	r->done = 0;
	r->first = 0;
	r->dropped = false;
	r->stable = !d->writeback && io->op != DM_DISK_READ;
	r->start_ns = clock_now_ns();
	r->busy = true;
	d->inflight++;
	r->result = check(d, io);
	if (!r->result)
		r->result = copy_iov(r, io);
	bool nothing = io->op != DM_DISK_FLUSH && !io->bytes;
	disk_list_add(r->result || nothing ? &d->finished : &d->todo, r);
	return 0;
}

static unsigned disk_drain(void *h, unsigned disk)
{
	struct disk *d = h;
	struct disk_list dropped;
	struct disk_req *r;
	bool again;
	unsigned n = d->inflight;
	(void)disk;
	disk_list_init(&dropped);
	while ((r = disk_list_take(&d->todo)) || (r = disk_list_take(&d->finished)))
		disk_list_add(&dropped, r);
	while (d->uring && disk_uring_wait(d->uring))
		while ((r = disk_uring_take(d->uring, &again)))
			disk_list_add(&dropped, r);
	disk_pool_drain(&d->pool, &dropped);
	while ((r = disk_pool_take(&d->pool)))
		disk_list_add(&dropped, r);
	while ((r = disk_list_take(&dropped))) {
		r->dropped = true;
		finish(d, r);
	}
	return n;
}

static void disk_writeback(void *h, unsigned disk, bool on)
{
	struct disk *d = h;
	(void)disk;
	if (d->writeback && !on && !d->own_flush.busy && !d->file.readonly) {
		/* What was written before was not promised; it is made stable soon all the same. */
		d->own_flush =
			(struct disk_req){.op = DM_DISK_FLUSH, .tag = FLUSH_TAG, .busy = true};
		disk_pool_add(&d->pool, &d->own_flush);
	}
	d->writeback = on;
}

static int disk_resize(void *h, unsigned disk, uint64_t bytes)
{
	struct disk *d = h;
	(void)disk;
	if (bytes) {
		int rc = disk_file_resize(&d->file, bytes);
		if (rc)
			return rc;
	}
	int64_t now = disk_file_bytes(&d->file);
	if (now < 0)
		return (int)now;
	d->bytes = (uint64_t)now;
	return 0;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

/* An option that a model of another kind need not have. */
static const char *option(struct dm *dm, const char *name, const char *otherwise)
{
	for (const struct dm_option *o = dm->cls->options; o && o->name; o++)
		if (!strcmp(o->name, name)) {
			const char *v = dm_option_str(dm, name);
			return v ? v : otherwise;
		}
	return otherwise;
}

static void disk_close(void *h)
{
	struct disk *d = h;
	if (!d)
		return;
	if (d->pool_on) {
		disk_drain(d, 0);
		disk_pool_stop(&d->pool);
	}
	disk_uring_close(d->uring);
	disk_file_close(&d->file);
	for (unsigned i = 0; i < DM_DISK_TAGS; i++)
		if (d->req[i].iov != d->req[i].few)
			free(d->req[i].iov);
	free(d);
}

static int watch(int epfd, int fd, uint64_t data, struct err *err)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u64 = data};
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev))
		return err_set(err, errno, "disk: epoll: %s", strerror(errno));
	return 0;
}

/* The engine that `aio` asks for; auto takes io_uring where it is to be had. */
static int open_engine(struct disk *d, struct err *err)
{
	const char *aio = option(d->dm, "aio", "auto");
	int e = 0;
	if (strcmp(aio, "threads") != 0)
		d->uring = disk_uring_open(&d->file, &e);
	if (!d->uring && !strcmp(aio, "io_uring"))
		return err_set(err, e,
			       "disk: io_uring is not to be had here (%s); use aio: threads",
			       strerror(e));
	if (!d->uring && e)
		log_info("disk: no io_uring here (%s): threads", strerror(e));
	/* Beside io_uring two: one that flushes, and one for the rest. */
	int rc = disk_pool_start(&d->pool, &d->file, d->uring ? 2 : POOL_THREADS, err);
	d->pool_on = !rc;
	return rc;
}

static int disk_open(struct dm *dm, const struct host_fd *fds, unsigned n, int epfd, uint64_t tag,
		     void **ret, struct err *err)
{
	int none = -1, *fd[2] = {&none, &none};
	unsigned found = 0;
	for (unsigned i = 0; i < n && found < 2; i++)
		if (!strcmp(fds[i].kind, "disk"))
			fd[found++] = fds[i].fd;
	if (!found)
		return err_set(err, EINVAL, "disk: no image was handed over");
	struct disk *d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->dm = dm;
	d->file.fd = d->file.buffered = -1;
	disk_list_init(&d->todo);
	disk_list_init(&d->finished);
	int rc = disk_file_open(&d->file, fd[0], fd[1], err);
	if (!rc)
		rc = open_engine(d, err);
	if (!rc)
		rc = watch(epfd, d->pool.event_fd, tag, err);
	if (!rc && d->uring)
		rc = watch(epfd, disk_uring_fd(d->uring), tag + 1, err);
	if (!rc)
		rc = disk_resize(d, 0, 0);
	if (rc) {
		disk_close(d);
		return rc;
	}
	d->writeback = strcmp(option(dm, "cache", "writeback"), "writethrough") != 0;
	*ret = d;
	return 0;
}

static const struct dm_syscall syscalls[] = {
	DM_SYSCALL(io_uring_enter, "reads, and writes around the page cache"),
	DM_SYSCALL(preadv2, "reads: of what the page cache has, and in threads"),
	DM_SYSCALL(pwritev2, "writes, and writes that are stable when done"),
	DM_SYSCALL(fdatasync, "flush"),
	DM_SYSCALL(fallocate, "discard and zeroes without data"),
	DM_SYSCALL(lseek, "how large the disk is now"),
	DM_SYSCALL(ftruncate, "a new size for an image"),
	{}};

const struct dm_host dm_host_disk = {
	.name = "disk",
	.syscalls = syscalls,
	.open = disk_open,
	.close = disk_close,
	.event = disk_event,
	.run = disk_run,
	.busy = disk_busy,
	.ops = {.disk_info = disk_info,
		.disk_submit = disk_submit,
		.disk_drain = disk_drain,
		.disk_writeback = disk_writeback,
		.disk_resize = disk_resize},
};
