/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/runtime.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "base/fd.h"
#include "launcher/saved.h"
#include "launcher/text.h"

/* How often, and after how long, a lock that somebody holds is tried again. */
#define TRIES 6
#define PATIENCE 50
#define TRY_NS 20000000L

/* Makes @dir if need be; it must be a real folder, ours, closed to others. */
static int private_dir(const char *dir, struct err *err)
{
	struct stat st;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_set(err, errno, "cannot make the runtime folder %s: %s", dir,
			       strerror(errno));
	if (lstat(dir, &st) < 0)
		return err_set(err, errno, "cannot look at the runtime folder %s: %s", dir,
			       strerror(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return err_set(err, EPERM,
			       "%s is not a folder of user %u; remove it, or set XDG_RUNTIME_DIR "
			       "to a folder of yours",
			       dir, geteuid());
	if ((st.st_mode & 077) && chmod(dir, 0700) < 0)
		return err_set(err, errno, "cannot close the runtime folder %s to others: %s", dir,
			       strerror(errno));
	return 0;
}

int runtime_base(char **ret, struct err *err)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	struct stat st;
	char *dir;
	if (xdg && xdg[0] == '/' && stat(xdg, &st) == 0 && S_ISDIR(st.st_mode) &&
	    access(xdg, W_OK) == 0)
		dir = xasprintf("%s/outrigger", xdg);
	else
		dir = xasprintf("/tmp/outrigger-%u", geteuid());
	int r = private_dir(dir, err);
	if (r < 0) {
		free(dir);
		return r;
	}
	*ret = dir;
	return 0;
}

char *runtime_path(const struct runtime *rt, const char *file)
{
	return xasprintf("%s/%s", rt->dir, file);
}

/* Removes the files in @dir, the lock last. */
static void dir_clear(const char *dir, bool lock_too)
{
	DIR *d = opendir(dir);
	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strcmp(e->d_name, "lock"))
			unlinkat(dirfd(d), e->d_name, 0);
	if (lock_too)
		unlinkat(dirfd(d), "lock", 0);
	closedir(d);
}

/* The open file is still what @path names: a folder that is being removed takes its lock with it. */
static bool still_there(int fd, const char *path)
{
	struct stat a, b;
	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

/* The lock @file of @dir, made if need be with @flags O_CREAT. The descriptor; -EBUSY; else -Exxx with @err. */
static int lock_take(const char *dir, const char *file, int flags, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, file);
	AUTO_FD fd = open(path, O_RDWR | flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, EBUSY, "locked");
	if (!still_there(fd, path))
		return err_set(err, EAGAIN, "%s is being removed", path);
	return fd_steal(&fd);
}

/* The folder @dir and its lock. Others hold it for a moment when they look, or remove what a dead VM left. */
static int dir_take(const char *dir, struct err *err)
{
	int r = -EBUSY;
	for (int i = 0; i < TRIES; i++) {
		r = private_dir(dir, err);
		if (r == 0)
			r = lock_take(dir, "lock", O_CREAT, err);
		if (r != -EBUSY && r != -EAGAIN && r != -ENOENT)
			return r;
		nanosleep(&(struct timespec){0, TRY_NS}, NULL);
	}
	return r;
}

int runtime_create(struct runtime *rt, const char *name, size_t longest, struct err *err)
{
	AUTO_FREE char *base = NULL;
	*rt = (struct runtime){.lock_fd = -1, .sup_fd = -1};
	int r = runtime_base(&base, err);
	if (r < 0)
		return r;
	char *dir = xasprintf("%s/%s", base, name);
	size_t most = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
	if (strlen(dir) + 1 + longest > most) {
		r = err_set(err, ENAMETOOLONG,
			    "the runtime folder %s is too long: a socket in it would have a path "
			    "of %zu bytes, "
			    "at most %zu are possible; use a shorter --name or XDG_RUNTIME_DIR",
			    dir, strlen(dir) + 1 + longest, most);
		free(dir);
		return r;
	}
	r = dir_take(dir, err);
	if (r < 0) {
		if (r == -EBUSY)
			err_set(err, EBUSY,
				"a VM named %s is already running; stop it with `outrigger stop "
				"%s`, or give this one "
				"another name with --name",
				name, name);
		free(dir);
		return r;
	}
	rt->lock_fd = r;
	rt->dir = dir;
	dir_clear(dir, false);
	r = lock_take(dir, "supervised", O_CREAT, err);
	if (r < 0) {
		runtime_remove(rt);
		return r;
	}
	rt->sup_fd = r;
	return 0;
}

int runtime_adopt(struct runtime *rt, const char *name, struct err *err)
{
	AUTO_FREE char *base = NULL;
	*rt = (struct runtime){.lock_fd = -1, .sup_fd = -1};
	int r = runtime_base(&base, err);
	if (r < 0)
		return r;
	if (!runtime_alive(base, name))
		return err_set(err, ENOENT, "no VM named %s is running", name);
	AUTO_FREE char *dir = xasprintf("%s/%s", base, name);
	for (int i = 0; i < TRIES; i++) { /* others look at it */
		r = lock_take(dir, "supervised", O_CREAT, err);
		if (r != -EBUSY)
			break;
		nanosleep(&(struct timespec){0, TRY_NS}, NULL);
	}
	if (r == -EBUSY)
		return err_set(err, EBUSY, "VM %s has a supervisor", name);
	if (r < 0)
		return r;
	rt->sup_fd = r;
	rt->dir = ptr_steal(dir);
	return 0;
}

void runtime_leave(struct runtime *rt)
{
	fd_close(&rt->lock_fd);
	fd_close(&rt->sup_fd);
	free(rt->dir);
	rt->dir = NULL;
}

void runtime_remove(struct runtime *rt)
{
	if (!rt->dir)
		return;
	dir_clear(rt->dir, true);
	rmdir(rt->dir);
	runtime_leave(rt);
}

static bool locked(const char *base, const char *name, const char *file)
{
	AUTO_FREE char *path = xasprintf("%s/%s/%s", base, name, file);
	AUTO_FD fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	return flock(fd, LOCK_SH | LOCK_NB) < 0;
}

bool runtime_alive(const char *base, const char *name)
{
	return locked(base, name, "lock");
}

bool runtime_supervised(const char *base, const char *name)
{
	return locked(base, name, "supervised");
}

bool runtime_orphaned(const char *base, const char *name, bool patient)
{
	for (int i = 0; patient && i < PATIENCE && runtime_supervised(base, name); i++)
		nanosleep(&(struct timespec){0, TRY_NS}, NULL);
	return runtime_alive(base, name) && !runtime_supervised(base, name);
}

/* Removes what a VM has left that ended with nobody to see it. */
static void sweep(const char *base, const char *name)
{
	struct err err;
	AUTO_FREE char *dir = xasprintf("%s/%s", base, name);
	AUTO_FD fd = lock_take(dir, "lock", 0, &err);
	if (fd < 0)
		return;
	saved_sweep(dir);
	dir_clear(dir, true);
	rmdir(dir);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **runtime_list(const char *base)
{
	char **names = xalloc(1, sizeof(*names));
	size_t n = 0;
	DIR *d = opendir(base);
	if (!d)
		return names;
	for (struct dirent *e; (e = readdir(d));) {
		if (!text_name_ok(e->d_name))
			continue;
		if (!runtime_alive(base, e->d_name)) {
			sweep(base, e->d_name);
			continue;
		}
		names = xrealloc(names, n + 2, sizeof(*names));
		names[n++] = xstrdup(e->d_name);
		names[n] = NULL;
	}
	closedir(d);
	if (n > 1)
		qsort(names, n, sizeof(*names), by_text);
	return names;
}

void runtime_list_free(char **names)
{
	for (size_t i = 0; names && names[i]; i++)
		free(names[i]);
	free(names);
}
