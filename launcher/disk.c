/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disk images: opened and locked here, used by the daemon.
 *
 * The lock is one of the open file (F_OFD_SETLK), on all of it: it passes with the descriptor to hv and to the daemon, and
 * ends when the last of them has closed it. So it covers the time in which a daemon is replaced. QEMU's own
 * image locks are of the same kind and conflict with it, as they should.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "base/fd.h"
#include "base/log.h"
#include "launcher/hostio.h"
#include "launcher/text.h"

/* A VM that has just ended still has its image open while the kernel ends the last requests. */
#define LOCK_TRIES 20
#define LOCK_TRY_NS 25000000L

int hostio_check_disk(const char *value, struct err *err)
{
	size_t len = strlen(value);
	if (!len)
		return err_set(err, EINVAL,
			       "the path is empty; write that of an image or of a block device");
	if (value[len - 1] == '/')
		return err_set(
			err, EINVAL,
			"\"%s\" is a folder; write the path of an image or of a block device",
			value);
	return 0;
}

/* ---- who has it ---------------------------------------------------------------------------------------- */

/* Does process @pid have the file @st open, other than as descriptor @except? */
static bool has_open(int proc, const char *pid, const struct stat *st, int except)
{
	AUTO_FREE char *name = xasprintf("%s/fd", pid);
	int fd = openat(proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct stat other;
	bool found = false;
	if (!dir) {
		fd_close(&fd);
		return false;
	}
	for (struct dirent *e; !found && (e = readdir(dir));)
		found = strtol(e->d_name, NULL, 10) != except &&
			fstatat(dirfd(dir), e->d_name, &other, 0) == 0 &&
			other.st_ino == st->st_ino && other.st_dev == st->st_dev;
	closedir(dir);
	return found;
}

/* "another VM (process 123, outrigger-hv, has it open)", as far as it can be told. */
static char *find_user(const struct stat *st, int own_fd)
{
	char *text = NULL;
	DIR *proc = opendir("/proc");
	if (proc && has_open(dirfd(proc), "self", st, own_fd))
		text = xstrdup("another disk of this VM");
	for (struct dirent *e; proc && !text && (e = readdir(proc));) {
		long pid = strtol(e->d_name, NULL, 10);
		if (pid <= 0 || pid == getpid() || !has_open(dirfd(proc), e->d_name, st, -1))
			continue;
		char comm[32] = "";
		AUTO_FREE char *name = xasprintf("%s/comm", e->d_name);
		AUTO_FD fd = openat(dirfd(proc), name, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd >= 0 ? fd_read_all(fd, comm, sizeof(comm) - 1) : 0;
		comm[n > 0 ? strcspn(comm, "\n") : 0] = 0;
		text = xasprintf("another VM (process %ld, %s, has it open)", pid,
				 comm[0] ? comm : "?");
	}
	if (proc)
		closedir(proc);
	return text ? text : xstrdup("another VM");
}

static int lock(int fd, const char *path, bool readonly, struct err *err)
{
	struct stat st = {0};
	struct flock l = {.l_type = readonly ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};
	int e = 0;
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (fcntl(fd, F_OFD_SETLK, &l) == 0)
			return 0;
		e = errno;
		if (e != EAGAIN && e != EACCES) {
			log_warn("%s cannot be locked (%s): take care that no other VM uses it",
				 path, strerror(e));
			return 0;
		}
		nanosleep(&(struct timespec){0, LOCK_TRY_NS}, NULL);
	}
	if (fstat(fd, &st))
		return err_set(err, errno, "%s: %s", path, strerror(errno));
	AUTO_FREE char *user = find_user(&st, fd);
	return err_set(err, EBUSY,
		       "%s is in use by %s; stop that VM (`outrigger ps` lists them), give each "
		       "disk an image of its own, "
		       "or share this one by readonly: true in all of them",
		       path, user);
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

static int cannot_open(const char *path, int e, bool readonly, bool direct, bool block,
		       struct err *err)
{
	switch (e) {
	case ENOENT:
		return err_set(err, e, "there is no %s; to make an image: truncate -s 10G %s", path,
			       path);
	case EACCES:
	case EPERM:
		return err_set(err, e, "%s: no permission to %s it%s", path,
			       readonly ? "read" : "write",
			       readonly ? "" : "; readonly: true needs to read only");
	case EROFS:
		return err_set(err, e, "%s is on a read-only file system; use readonly: true",
			       path);
	case EBUSY:
		if (block)
			return err_set(
				err, e,
				"%s is in use by this host (mounted, or part of a RAID or LVM)",
				path);
		break;
	case EINVAL:
		if (direct)
			return err_set(err, e,
				       "the file system of %s does not know O_DIRECT, which cache: "
				       "none needs; use "
				       "cache: writeback",
				       path);
		break;
	default:
		break;
	}
	return err_set(err, e, "%s cannot be opened: %s", path, strerror(e));
}

static int check_kind(const char *path, const struct stat *st, struct err *err)
{
	const char *what = S_ISDIR(st->st_mode)	   ? "a folder"
			   : S_ISFIFO(st->st_mode) ? "a FIFO"
			   : S_ISSOCK(st->st_mode) ? "a socket"
			   : S_ISCHR(st->st_mode)  ? "a character device"
						   : NULL;
	if (!what)
		return 0;
	return err_set(err, EINVAL, "%s is %s; a disk is a raw image file or a block device", path,
		       what);
}

/* Guests that find another format's header where they look for a boot sector are hard to explain. */
static void warn_format(const char *path)
{
	unsigned char magic[4] = {0};
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && fd_read_all(fd, magic, sizeof(magic)) == sizeof(magic) &&
	    memcmp(magic, "QFI\xfb", 4) == 0)
		log_warn("%s looks like a qcow2 image and is used as a raw one; to convert it: "
			 "qemu-img convert -O raw %s disk.img",
			 path, path);
}

static int open_image(const char *path, int flags, bool block, struct err *err)
{
	bool readonly = (flags & O_ACCMODE) == O_RDONLY;
	/* O_NONBLOCK: whatever took the file's place by now, opening it waits for nobody. */
	AUTO_FD fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	if (fd < 0)
		return cannot_open(path, errno, readonly, flags & O_DIRECT, block, err);
	if (fstat(fd, &st))
		return cannot_open(path, errno, readonly, false, block, err);
	int r = check_kind(path, &st, err);
	if (r)
		return r;
	int now = fcntl(fd, F_GETFL);
	if (now < 0 || fcntl(fd, F_SETFL, now & ~O_NONBLOCK) < 0)
		return cannot_open(path, errno, readonly, false, block, err);
	return fd_steal(&fd);
}

static bool is(const struct config_device *dev, const char *option, const char *value)
{
	const char *v = config_value(dev, option);
	return v && strcmp(v, value) == 0;
}

int hostio_open_disk(const struct config *c, const struct config_device *dev, const char *value,
		     struct hostio *ret, struct err *err)
{
	AUTO_FREE char *path = config_path(c->dir, value);
	bool readonly = is(dev, "readonly", "true"), direct = is(dev, "cache", "none");
	int flags = readonly ? O_RDONLY : O_RDWR;
	struct stat st;
	if (stat(path, &st))
		return cannot_open(path, errno, readonly, false, false, err);
	int r = check_kind(path, &st, err);
	if (r)
		return r;
	bool block = S_ISBLK(st.st_mode);
	/* O_EXCL without O_CREAT, on a block device: not while the host itself uses it. */
	AUTO_FD fd = open_image(path,
				flags | (direct ? O_DIRECT : 0) | (block && !readonly ? O_EXCL : 0),
				block, err);
	if (fd < 0)
		return fd;
	r = lock(fd, path, readonly, err);
	if (r)
		return r;
	/* The second way to the same file, for requests that O_DIRECT does not take. */
	AUTO_FD buffered = direct ? open_image(path, flags, block, err) : -1;
	if (direct && buffered < 0)
		return buffered;
	warn_format(path);
	if (fstat(fd, &st))
		return cannot_open(path, errno, readonly, false, block, err);
	*ret = (struct hostio){.wire = "disk", .image_dev = st.st_dev, .image_ino = st.st_ino};
	ret->fds[ret->nfds++] = fd_steal(&fd);
	if (direct)
		ret->fds[ret->nfds++] = fd_steal(&buffered);
	return 0;
}
