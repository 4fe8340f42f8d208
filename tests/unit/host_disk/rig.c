/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"

#define DEADLINE_NS 30000000000ull

struct rig_faults rig_faults;

/* ---- the host's calls ------------------------------------------------------------------------------------- */

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	__atomic_add_fetch(&rig_faults.fdatasync_calls, 1, __ATOMIC_SEQ_CST);
	if (rig_faults.fdatasync_errno) {
		errno = rig_faults.fdatasync_errno;
		return -1;
	}
	return __real_fdatasync(fd);
}

static struct iovec limited(const struct iovec *iov)
{
	struct iovec v = *iov;
	if (rig_faults.move_max && v.iov_len > rig_faults.move_max)
		v.iov_len = rig_faults.move_max;
	return v;
}

ssize_t __real_preadv2(int fd, const struct iovec *iov, int n, off_t at, int flags);
ssize_t __wrap_preadv2(int fd, const struct iovec *iov, int n, off_t at, int flags);
ssize_t __wrap_preadv2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
	struct iovec v = limited(iov);
	if (rig_faults.move_errno) {
		errno = rig_faults.move_errno;
		return -1;
	}
	return __real_preadv2(fd, rig_faults.move_max ? &v : iov, rig_faults.move_max ? 1 : n, at,
			      flags);
}

ssize_t __real_pwritev2(int fd, const struct iovec *iov, int n, off_t at, int flags);
ssize_t __wrap_pwritev2(int fd, const struct iovec *iov, int n, off_t at, int flags);
ssize_t __wrap_pwritev2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
	struct iovec v = limited(iov);
	__atomic_store_n(&rig_faults.last_flags, flags, __ATOMIC_SEQ_CST);
	if (rig_faults.move_errno) {
		errno = rig_faults.move_errno;
		return -1;
	}
	return __real_pwritev2(fd, rig_faults.move_max ? &v : iov, rig_faults.move_max ? 1 : n, at,
			       flags);
}

int __real_fallocate(int fd, int mode, off_t at, off_t len);
int __wrap_fallocate(int fd, int mode, off_t at, off_t len);
int __wrap_fallocate(int fd, int mode, off_t at, off_t len)
{
	__atomic_add_fetch(&rig_faults.fallocate_calls, 1, __ATOMIC_SEQ_CST);
	if (rig_faults.fallocate_errno) {
		errno = rig_faults.fallocate_errno;
		return -1;
	}
	return __real_fallocate(fd, mode, at, len);
}

int __real_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
	return rig_faults.uring_errno ? -rig_faults.uring_errno
				      : __real_io_uring_queue_init(entries, ring, flags);
}

/* ---- a model that only counts ------------------------------------------------------------------------------- */

static struct rig *now_open;

struct nothing {
	uint32_t word;
};

static void done(struct dm *dm, void *state, unsigned disk, uint32_t tag, int result)
{
	struct rig *r = now_open;
	(void)dm, (void)state;
	assert_int_equal(disk, 0);
	assert_true(tag < DM_DISK_TAGS);
	if (r->drained)
		r->refused++;
	assert_int_equal(r->result[tag], PENDING);
	r->result[tag] = result;
	r->done++;
}

static const struct dm_class counting = {
	.name = "counting",
	.version = 1,
	.summary = "counts",
	.regions = (const struct dm_region[]){{.name = "none",
					       .size = 16,
					       .widths = 4,
					       .regs = (const struct dm_reg[]){{}}},
					      {}},
	.options =
		(const struct dm_option[]){
			{.name = "path", .type = DM_OPT_DISK, .help = "image"},
			{.name = "aio", .type = DM_OPT_STRING, .def = "auto", .help = "engine"},
			{.name = "cache",
			 .type = DM_OPT_STRING,
			 .def = "writeback",
			 .help = "cache"},
			{}},
	.host = &dm_host_disk,
	.state_size = sizeof(struct nothing),
	.disk_done = done,
};

static uint64_t rig_now(void *ctx)
{
	(void)ctx;
	return clock_now_ns();
}

static void rig_log(void *ctx, enum dm_level level, const char *text)
{
	struct rig *r = ctx;
	(void)level;
	r->logs++;
	snprintf(r->log, sizeof(r->log), "%s", text);
}

static const struct dm_env env = {.now_ns = rig_now, .realtime_ns = rig_now, .log = rig_log};

/* ---- the rig ---------------------------------------------------------------------------------------------------- */

uint8_t *rig_alloc(size_t bytes)
{
	void *p = NULL;
	assert_int_equal(posix_memalign(&p, 4096, bytes), 0);
	memset(p, 0, bytes);
	return p;
}

void rig_fill(void *buf, size_t bytes, uint32_t seed)
{
	uint8_t *p = buf;
	for (size_t i = 0; i < bytes; i++) {
		seed = seed * 1664525u + 1013904223u;
		p[i] = (uint8_t)(seed >> 24);
	}
}

static void make_file(struct rig *r, const char *dir)
{
	const char *tmp = dir ? dir : getenv("TMPDIR");
	snprintf(r->path, sizeof(r->path), "%s/host-disk-XXXXXX", tmp ? tmp : "/tmp");
	r->fd = mkstemp(r->path);
	assert_true(r->fd >= 0);
	if (dir) /* a small file system: the test fills it */
		return;
	uint8_t *data = malloc(RIG_BYTES);
	rig_fill(data, RIG_BYTES, 1);
	assert_int_equal(fd_write_all(r->fd, data, RIG_BYTES), 0);
	free(data);
}

void rig_begin(struct rig *r, const char *dir, const char *cache)
{
	*r = (struct rig){.cache = cache, .direct = !strcmp(cache, "none")};
	now_open = r;
	make_file(r, dir);
}

static int use(struct rig *r, const char *path, const char *aio, bool readonly)
{
	int flags = (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	int fd[2] = {open(path, flags | (r->direct ? O_DIRECT : 0)), -1};
	if (fd[0] < 0) {
		print_message("no O_DIRECT in the temporary folder: skipped\n");
		rig_end(r);
		return 1;
	}
	if (r->direct)
		fd[1] = open(path, flags);
	struct dm_setting set[] = {{"path", "x"}, {"aio", aio}, {"cache", r->cache}};
	struct host_fd fds[] = {{"path", "disk", &fd[0]}, {"path", "disk", &fd[1]}};
	assert_int_equal(dm_create(&r->dm, &counting, &env, r, set, 3, &r->err), 0);
	r->arena = calloc(1, r->dm->arena_bytes);
	dm_bind(r->dm, r->arena);
	dm_pristine(r->dm);
	r->epfd = epoll_create1(EPOLL_CLOEXEC);
	int rc = dm_host_disk.open(r->dm, fds, r->direct ? 2 : 1, r->epfd, 100, &r->h, &r->err);
	if (!rc) {
		r->dm->io = &dm_host_disk.ops;
		r->dm->io_ctx = r->h;
		assert_int_equal(fd[0], -1);
		assert_int_equal(fd[1], -1);
	}
	fd_close(&fd[0]);
	fd_close(&fd[1]);
	return rc;
}

int rig_use(struct rig *r, const char *path)
{
	return use(r, path, "auto", false);
}

int rig_open(struct rig *r, const char *dir, const char *aio, const char *cache, bool readonly)
{
	rig_begin(r, dir, cache);
	return use(r, r->path, aio, readonly);
}

void rig_end(struct rig *r)
{
	close(r->fd);
	unlink(r->path);
}

void rig_close(struct rig *r)
{
	dm_host_disk.close(r->h);
	dm_destroy(r->dm);
	free(r->arena);
	close(r->epfd);
	rig_end(r);
}

void rig_submit(struct rig *r, enum dm_disk_op op, uint32_t tag, uint64_t offset, void *buf,
		size_t bytes)
{
	struct iovec v = {buf, bytes};
	struct dm_disk_io io = {.op = op,
				.tag = tag,
				.offset = offset,
				.bytes = bytes,
				.iov = buf ? &v : NULL,
				.niov = buf != NULL};
	r->result[tag] = PENDING;
	assert_int_equal(dm_disk_submit(r->dm, 0, &io), 0);
}

void rig_wait(struct rig *r)
{
	uint64_t until = clock_now_ns() + DEADLINE_NS;
	struct epoll_event ev[4];
	while (dm_host_disk.busy(r->h)) {
		if (dm_host_disk.run(r->h))
			continue;
		assert_true(clock_now_ns() < until);
		/* An event that does not come is a failure: the daemon would sleep for ever. */
		int n = epoll_wait(r->epfd, ev, 4, 10000);
		if (n < 0 && errno == EINTR)
			continue;
		assert_true(n > 0);
		for (int i = 0; i < n; i++)
			dm_host_disk.event(r->h, (unsigned)(ev[i].data.u64 - 100), ev[i].events);
	}
}

int rig_do(struct rig *r, enum dm_disk_op op, uint64_t offset, void *buf, size_t bytes)
{
	rig_submit(r, op, 7, offset, buf, bytes);
	rig_wait(r);
	return r->result[7];
}
