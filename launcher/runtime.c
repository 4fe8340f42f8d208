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
#include "base/fd.h"
#include "launcher/text.h"

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

static int lock_take(const char *dir, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/lock", dir);
	AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, EBUSY, "locked");
	return fd_steal(&fd);
}

int runtime_create(struct runtime *rt, const char *name, size_t longest, struct err *err)
{
	AUTO_FREE char *base = NULL;
	*rt = (struct runtime){.lock_fd = -1};
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
	r = private_dir(dir, err);
	if (r == 0)
		r = lock_take(dir, err);
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
	return 0;
}

void runtime_remove(struct runtime *rt)
{
	if (!rt->dir)
		return;
	dir_clear(rt->dir, true);
	rmdir(rt->dir);
	fd_close(&rt->lock_fd);
	free(rt->dir);
	rt->dir = NULL;
}

bool runtime_alive(const char *base, const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s/lock", base, name);
	AUTO_FD fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	return flock(fd, LOCK_SH | LOCK_NB) < 0;
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
		if (!text_name_ok(e->d_name) || !runtime_alive(base, e->d_name))
			continue;
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
