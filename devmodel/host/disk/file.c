/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the file behind a disk is: kind, size, block sizes, what O_DIRECT demands.
 */
#include "devmodel/host/disk/disk.h"
#include "base/bytes.h"
#include "base/fd.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define SECTOR 512u
#define BLOCK_MAX (1u << 20) /* of what a host may claim */

static uint32_t sane_block(uint64_t v, uint32_t fallback)
{
	return is_pow2(v) && v >= SECTOR && v <= BLOCK_MAX ? (uint32_t)v : fallback;
}

/*
 * What O_DIRECT demands of this file. Since Linux 6.1 statx(2) tells (STATX_DIOALIGN); before, the block size is
 * a safe answer. Offsets that need more than a sector are held to whole pages: a request that does not keep to it goes through
 * the page cache, which writes whole pages, and must never share a page with one that goes around it.
 */
static void find_dio(struct disk_file *f, uint32_t fallback)
{
	f->dio_offset = f->dio_mem = fallback;
#ifdef STATX_DIOALIGN
	struct statx sx;
	if (!statx(f->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) && sx.stx_mask & STATX_DIOALIGN &&
	    sx.stx_dio_offset_align) {
		f->dio_offset = sane_block(sx.stx_dio_offset_align, SECTOR);
		f->dio_mem = is_pow2(sx.stx_dio_mem_align) ? sx.stx_dio_mem_align : fallback;
	}
#endif
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
	if (f->dio_offset > SECTOR && f->dio_offset < page)
		f->dio_offset = page;
}

static void find_blocks(struct disk_file *f, const struct stat *st)
{
	int logical = 0;
	unsigned physical = 0;
	f->logical = SECTOR;
	f->physical = sane_block((uint64_t)st->st_blksize, 4096);
	if (f->is_block) {
		if (!ioctl(f->fd, BLKSSZGET, &logical) && logical > 0)
			f->logical = sane_block((uint64_t)logical, SECTOR);
		if (!ioctl(f->fd, BLKPBSZGET, &physical))
			f->physical = sane_block(physical, f->logical);
		find_dio(f, f->logical);
	} else {
		find_dio(f, f->physical);
	}
	if (f->physical > 65536) /* of network file systems: no use to a guest */
		f->physical = 4096;
}

int disk_file_open(struct disk_file *f, int *fd, int *buffered, struct err *err)
{
	struct stat st;
	*f = (struct disk_file){.fd = fd_steal(fd), .buffered = fd_steal(buffered)};
	int flags = fcntl(f->fd, F_GETFL);
	if (flags < 0 || fstat(f->fd, &st)) {
		int e = errno;
		disk_file_close(f);
		return err_set(err, e, "disk: %s", strerror(e));
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		disk_file_close(f);
		return err_set(err, EINVAL, "disk: neither a file nor a block device");
	}
	f->is_block = S_ISBLK(st.st_mode);
	f->readonly = (flags & O_ACCMODE) == O_RDONLY;
	f->direct = flags & O_DIRECT;
	find_blocks(f, &st);
	int64_t bytes = disk_file_bytes(f);
	if (bytes < 0) {
		disk_file_close(f);
		return err_set(err, (int)-bytes, "disk: its size: %s", strerror((int)-bytes));
	}
	return 0;
}

void disk_file_close(struct disk_file *f)
{
	fd_close(&f->fd);
	fd_close(&f->buffered);
}

int64_t disk_file_bytes(const struct disk_file *f)
{
	/* The end of a block device is its size as well, and needs no ioctl. Requests carry their offsets: the file's
	 * position is nobody's. */
	off_t end = lseek(f->fd, 0, SEEK_END);
	return end < 0 ? -errno : end;
}

int disk_file_resize(struct disk_file *f, uint64_t bytes)
{
	if (f->is_block)
		return -ENOTSUP;
	if (f->readonly)
		return -EROFS;
	if (bytes > INT64_MAX)
		return -EFBIG;
	return ftruncate(f->fd, (off_t)bytes) ? -errno : 0;
}
