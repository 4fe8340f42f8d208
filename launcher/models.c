/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/models.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include "proto/ctl.h"

#define PREFIX "outrigger-dm-"
enum { DESCRIBE_MAX = 256 * 1024, DESCRIBE_NS = 2000000000, MAX_MODELS = 256 };

/* One question to a model's program. */
struct ask {
	struct model *model;
	struct stat st;
	pid_t pid;
	int fd;
	char *buf;
	size_t len;
};

char *bindir(void)
{
	const char *env = getenv("OUTRIGGER_BINDIR");
	if (env && env[0])
		return xstrdup(env);
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n <= 0)
		return xstrdup(".");
	path[n] = 0;
	char *slash = strrchr(path, '/');
	if (slash)
		*slash = 0;
	return xstrdup(path);
}

/* ---- the cache ---- */

/* The folder of the cache, made if need be; NULL when there is no place for it. */
static char *cache_dir(void)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char *base;
	if (xdg && xdg[0] == '/')
		base = xstrdup(xdg);
	else if (home && home[0] == '/')
		base = xasprintf("%s/.cache", home);
	else
		return NULL;
	mkdir(base, 0700);
	char *dir = xasprintf("%s/outrigger", base);
	free(base);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		free(dir);
		return NULL;
	}
	return dir;
}

static uint64_t fnv1a(const char *s)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3u;
	return h;
}

static char *cache_path(const char *dir, const struct model *m)
{
	return xasprintf("%s/model-%016llx", dir, (unsigned long long)fnv1a(m->path));
}

/* The first line of a cache file: what the description was made from. */
static char *cache_key(const struct ask *a)
{
	return xasprintf("outrigger-model %s %s %lld %lld.%09ld %llu\n", OUTRIGGER_VERSION,
			 a->model->path, (long long)a->st.st_size, (long long)a->st.st_mtim.tv_sec,
			 a->st.st_mtim.tv_nsec, (unsigned long long)a->st.st_ino);
}

/* Keeps @m's description only if it is one, and of this model. */
static void model_take(struct model *m, const char *buf, size_t len)
{
	m->desc = (void *)ctl_unpack(&outrigger__model_description__descriptor, buf, len);
	if (m->desc && strcmp(m->desc->name, m->name) != 0) {
		ctl_free(&m->desc->base);
		m->desc = NULL;
	}
}

static bool cache_get(const char *dir, struct ask *a)
{
	if (!dir)
		return false;
	AUTO_FREE char *path = cache_path(dir, a->model);
	AUTO_FREE char *key = cache_key(a);
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() ||
	    st.st_size > DESCRIBE_MAX + 8192)
		return false;
	AUTO_FREE char *buf = xalloc((size_t)st.st_size + 1, 1);
	ssize_t n = fd_read_all(fd, buf, (size_t)st.st_size);
	size_t klen = strlen(key);
	if (n < (ssize_t)klen || memcmp(buf, key, klen) != 0)
		return false;
	model_take(a->model, buf + klen, (size_t)n - klen);
	return a->model->desc != NULL;
}

static void cache_put(const char *dir, struct ask *a)
{
	if (!dir)
		return;
	AUTO_FREE char *path = cache_path(dir, a->model);
	AUTO_FREE char *key = cache_key(a);
	AUTO_FREE char *tmp = xasprintf("%s.%d", path, getpid());
	AUTO_FD fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	if (fd_write_all(fd, key, strlen(key)) < 0 || fd_write_all(fd, a->buf, a->len) < 0 ||
	    rename(tmp, path) < 0)
		unlink(tmp);
}

/* ---- asking -------------------------------------------------------------------------------------
 */

static void ask_start(struct ask *a)
{
	int p[2];
	a->fd = -1;
	if (pipe2(p, O_CLOEXEC) < 0)
		return;
	a->pid = fork();
	if (a->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(null, 0);
		dup2(p[1], 1);
		dup2(null, 2);
		execl(a->model->path, a->model->path, "--describe=pb", (char *)NULL);
		_exit(127);
	}
	close(p[1]);
	if (a->pid < 0)
		fd_close(&p[0]);
	a->fd = p[0];
	a->buf = xalloc(DESCRIBE_MAX + 1, 1);
}

/* Reads what is there; closes the pipe at its end or when there is too much. */
static void ask_read(struct ask *a)
{
	ssize_t n = read(a->fd, a->buf + a->len, DESCRIBE_MAX + 1 - a->len);
	if (n < 0 && errno == EINTR)
		return;
	if (n > 0)
		a->len += (size_t)n;
	if (n <= 0 || a->len > DESCRIBE_MAX)
		fd_close(&a->fd);
}

static void ask_finish(struct ask *a, const char *dir, bool late)
{
	int status = 0;
	if (a->pid <= 0) {
		a->model->why = xstrdup("cannot be started");
		return;
	}
	if (late || a->len > DESCRIBE_MAX)
		kill(a->pid, SIGKILL);
	while (waitpid(a->pid, &status, 0) < 0 && errno == EINTR)
		;
	fd_close(&a->fd);
	if (late)
		a->model->why = xstrdup("--describe=pb gave no answer in 2 s");
	else if (WIFSIGNALED(status))
		a->model->why =
			xasprintf("--describe=pb was killed by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		a->model->why =
			xasprintf("--describe=pb ended with exit code %d", WEXITSTATUS(status));
	else
		model_take(a->model, a->buf, a->len);
	if (a->model->desc)
		cache_put(dir, a);
	else if (!a->model->why)
		a->model->why = xstrdup("--describe=pb did not give a description of this model");
}

static void ask_all(struct ask *asks, size_t n, const char *dir)
{
	struct pollfd pfd[MAX_MODELS];
	uint64_t end = clock_now_ns() + DESCRIBE_NS;
	for (size_t i = 0; i < n; i++)
		ask_start(&asks[i]);
	for (;;) {
		size_t open_count = 0;
		for (size_t i = 0; i < n; i++) {
			pfd[i] = (struct pollfd){.fd = asks[i].fd, .events = POLLIN};
			open_count += asks[i].fd >= 0;
		}
		uint64_t now = clock_now_ns();
		if (!open_count || now >= end)
			break;
		if (poll(pfd, n, (int)((end - now) / 1000000) + 1) < 0 && errno != EINTR)
			break;
		for (size_t i = 0; i < n; i++)
			if (pfd[i].fd >= 0 && pfd[i].revents)
				ask_read(&asks[i]);
	}
	for (size_t i = 0; i < n; i++) {
		ask_finish(&asks[i], dir, asks[i].fd >= 0);
		free(asks[i].buf);
	}
}

/* ---- all of them ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct model *)a)->name, ((const struct model *)b)->name);
}

static int scan(struct models *m, struct err *err)
{
	DIR *d = opendir(m->dir);
	if (!d)
		return err_set(err, errno, "cannot read %s, the folder of device models: %s",
			       m->dir, strerror(errno));
	for (struct dirent *e; (e = readdir(d)) && m->count < MAX_MODELS;) {
		if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) != 0 ||
		    !text_name_ok(e->d_name + strlen(PREFIX)))
			continue;
		char *path = xasprintf("%s/%s", m->dir, e->d_name);
		struct stat st;
		if (access(path, X_OK) < 0 || stat(path, &st) < 0 || !S_ISREG(st.st_mode)) {
			free(path);
			continue;
		}
		m->items = xrealloc(m->items, m->count + 1, sizeof(*m->items));
		m->items[m->count++] =
			(struct model){.name = xstrdup(e->d_name + strlen(PREFIX)), .path = path};
	}
	closedir(d);
	return 0;
}

int models_load(struct models *m, struct err *err)
{
	*m = (struct models){.dir = bindir()};
	int r = scan(m, err);
	if (r < 0)
		return r;
	if (m->count)
		qsort(m->items, m->count, sizeof(*m->items), by_name);
	m->names = xalloc(m->count + 1, sizeof(*m->names));
	AUTO_FREE struct ask *asks = xalloc(m->count, sizeof(*asks));
	AUTO_FREE char *dir = cache_dir();
	size_t n = 0;
	for (size_t i = 0; i < m->count; i++) {
		m->names[i] = m->items[i].name;
		asks[n] = (struct ask){.model = &m->items[i], .fd = -1};
		if (stat(m->items[i].path, &asks[n].st) == 0 && !cache_get(dir, &asks[n]))
			n++;
	}
	if (n)
		ask_all(asks, n, dir);
	return 0;
}

void models_fini(struct models *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free(m->items[i].name);
		free(m->items[i].path);
		free(m->items[i].why);
		if (m->items[i].desc)
			ctl_free(&m->items[i].desc->base);
	}
	free(m->items);
	free(m->names);
	free(m->dir);
	*m = (struct models){0};
}

const struct model *models_find(const struct models *m, const char *name)
{
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->items[i].name, name) == 0)
			return &m->items[i];
	return NULL;
}

const Outrigger__OptionDescription *model_option(const struct model *m, const char *name)
{
	for (size_t i = 0; m->desc && i < m->desc->n_options; i++)
		if (strcmp(m->desc->options[i]->name, name) == 0)
			return m->desc->options[i];
	return NULL;
}
