/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Becoming the supervisor of a VM whose own has died without a word.
 *
 * Theory of operation. What it knew is in <runtime>/saved, what it held is at hv, and which processes serve now hv knows
 * best. Whatever can fail comes first and changes nothing: then the VM is as unsupervised as before. The processes are
 * no children of ours: their ends show at their pidfds, their exit codes stay unknown.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "launcher/hvlink.h"
#include "launcher/saved.h"
#include "launcher/sup.h"
#include "launcher/verb.h"

/* ---- processes that are no children of ours ---- */

static void adopted_event(uv_poll_t *p, int status, int events)
{
	(void)status;
	(void)events;
	sup_reap(p->data);
}

static int adopted_open(struct sup *s, struct err *err)
{
	s->adopted_epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->adopted_epoll < 0 || uv_poll_init(&s->loop, &s->adopted_poll, s->adopted_epoll) < 0)
		return err_set(err, errno, "cannot make an epoll instance: %s", strerror(errno));
	s->adopted_poll.data = s;
	return 0;
}

void sup_adopted_add(struct sup *s, struct sup_process *p, pid_t pid, int *pidfd)
{
	struct epoll_event ev = {.events = EPOLLIN};
	p->pid = pid;
	p->pidfd = fd_steal(pidfd);
	p->adopted = p->alive = true;
	epoll_ctl(s->adopted_epoll, EPOLL_CTL_ADD, p->pidfd, &ev);
}

bool sup_adopted_gone(struct sup *s, struct sup_process *p)
{
	struct pollfd pfd = {.fd = p->pidfd, .events = POLLIN};
	if (poll(&pfd, 1, 0) != 1)
		return false;
	/* hv has the same open file, so closing alone would leave it watched. */
	epoll_ctl(s->adopted_epoll, EPOLL_CTL_DEL, p->pidfd, NULL);
	fd_close(&p->pidfd);
	p->alive = false;
	return true;
}

/* ---- what was known ---- */

static char **sets_copy(char *const *set, size_t n)
{
	char **copy = n ? xalloc(n + 1, sizeof(*copy)) : NULL;
	for (size_t i = 0; i < n; i++)
		copy[i] = xstrdup(set[i]);
	return copy;
}

static void device_known(struct sup *s, struct sup_device *dev, const Outrigger__SavedDevice *o)
{
	AUTO_FREE char *log = xasprintf("%s.log", dev->cfg->name);
	dev->proc.name = dev->cfg->name;
	dev->proc.log_path = runtime_path(&s->rt, log);
	dev->proc.program = xstrdup(o->process->program);
	dev->proc.isolated = o->process->isolated;
	dev->proc.pid = o->process->pid;
	dev->proc.adopted = dev->proc.judged = true;
	dev->set = sets_copy(o->set, o->n_set);
	dev->restarts_total = o->restarts;
}

static int vm_known(struct sup *s, struct err *err)
{
	int r = saved_read(s->rt.dir, &s->saved, err);
	if (r < 0)
		return r;
	saved_config(s->saved, &s->saved_cfg, &s->saved_models);
	s->cfg = &s->saved_cfg;
	s->vm_msg = s->saved->config;
	s->config_path = xstrdup(s->saved->config_path);
	snprintf(s->started, sizeof(s->started), "%s", s->saved->started);
	s->opt.no_sandbox = s->saved->no_sandbox;
	s->timeout_at_ns = s->saved->timeout_at_ns;
	s->running_ns = s->saved->running_ns;
	s->ndevices = s->cfg->ndevices;
	s->devices = xalloc(s->ndevices, sizeof(*s->devices));
	for (size_t i = 0; i < s->ndevices; i++) {
		sup_device_init(s, &s->devices[i], &s->cfg->devices[i]);
		device_known(s, &s->devices[i], s->saved->devices[i]);
	}
	s->hv.name = "hv";
	s->hv.program = xasprintf("%s/outrigger-hv", s->models->dir);
	s->hv.log_path = runtime_path(&s->rt, "hv.log");
	return 0;
}

static void backends_known(struct sup *s)
{
	struct backends *b = &s->backends;
	*b = (struct backends){.kernel_fd = -1, .initrd_fd = -1};
	b->items = xalloc(s->saved->n_backends + 1, sizeof(*b->items));
	for (; b->count < s->saved->n_backends; b->count++) {
		const Outrigger__SavedBackend *o = s->saved->backends[b->count];
		b->items[b->count] = (struct backend){
			.device = o->device,
			.option = o->option,
			.kind = (enum chardev_kind)o->kind,
			.wire = o->wire,
			.fd = -1,
			.peer_fd = -1,
			.path = o->path[0] ? xstrdup(o->path) : NULL,
			.is_io = o->is_io,
			.front = o->front,
			.io = {.wire = o->wire,
			       .remove = o->remove[0] ? xstrdup(o->remove) : NULL,
			       .helper_fd = -1,
			       .image_dev = o->image_dev,
			       .image_ino = o->image_ino},
		};
	}
}

/* ---- what hv has ---- */

static struct sup_device *device_named(struct sup *s, const char *name)
{
	for (size_t i = 0; i < s->ndevices; i++)
		if (strcmp(s->devices[i].cfg->name, name) == 0)
			return &s->devices[i];
	return NULL;
}

/* Process @pid serves @dev: the one that was known, one of a swap that has succeeded since, or one started since. */
static void daemon_found(struct sup *s, struct sup_device *dev, pid_t pid, int *pidfd)
{
	const Outrigger__SavedDevice *o = s->saved->devices[dev - s->devices];
	if (o->standby && o->standby->pid == pid && pid != o->process->pid) {
		free(dev->proc.program);
		dev->proc.program = xstrdup(o->standby->program);
		dev->proc.isolated = o->standby->isolated;
		sup_sets_free(dev->set);
		dev->set = sets_copy(o->standby_set, o->n_standby_set);
	}
	sup_adopted_add(s, &dev->proc, pid, pidfd);
	dev->proc.judged = false;
}

static struct backend *backend_keyed(struct sup *s, const char *kind, const char *key)
{
	size_t n = strlen(kind);
	for (size_t i = 0; strncmp(key, kind, n) == 0 && i < s->backends.count; i++) {
		struct backend *b = &s->backends.items[i];
		AUTO_FREE char *name =
			xasprintf("%s.%s", s->cfg->devices[b->device].name, b->option);
		if (strcmp(key + n, name) == 0)
			return b;
	}
	return NULL;
}

#define CONSOLE_KEY "console."

/** struct found - the descriptors of consoles, until they can be started. */
struct found {
	char name[LAUNCH_KEY]; /* "": none */
	int fds[CONSOLE_FDS];
};

/* Takes @fds. A console that is there twice or in excess is left alone. */
static void found_console(struct found found[LAUNCH_KEPT_MAX], const char *name, int *fds)
{
	struct found *f = found;
	while (f->name[0])
		f++; /* hv keeps LAUNCH_KEPT_MAX things at most */
	snprintf(f->name, sizeof(f->name), "%s", name);
	for (unsigned i = 0; i < CONSOLE_FDS; i++)
		f->fds[i] = fd_steal(&fds[i]);
}

/* @p with @fds, of which it takes what it can use. */
static void thing_found(struct sup *s, const struct launch_packet *p, int *fds, unsigned n,
			struct found found[LAUNCH_KEPT_MAX])
{
	struct sup_device *dev = p->op == LAUNCH_DAEMON ? device_named(s, p->key) : NULL;
	struct backend *b;
	if (p->op == LAUNCH_DAEMON) {
		if (dev && n == 1)
			daemon_found(s, dev, p->pid, &fds[0]);
	} else if (strcmp(p->key, "lock") == 0 && n == 1) {
		s->rt.lock_fd = fd_steal(&fds[0]);
	} else if (strncmp(p->key, CONSOLE_KEY, strlen(CONSOLE_KEY)) == 0 && n == CONSOLE_FDS) {
		found_console(found, p->key + strlen(CONSOLE_KEY), fds);
	} else if ((b = backend_keyed(s, "pty.", p->key)) && n == 1) {
		b->peer_fd = fd_steal(&fds[0]);
	} else if ((b = backend_keyed(s, LAUNCH_HELPER, p->key)) && n == 1) {
		b->io.helper_fd = fd_steal(&fds[0]);
		for (size_t i = 0; i < s->saved->n_backends; i++)
			if (&s->backends.items[i] == b)
				b->io.helper = s->saved->backends[i]->helper_pid;
	}
}

/* In the order of the config: the first console is what `outrigger console VM` means. */
static int consoles_start(struct sup *s, struct found *found, struct err *err)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < s->backends.count; i++) {
		const struct backend *b = &s->backends.items[i];
		AUTO_FREE char *name = sup_console_name(s, b);
		bool is = !b->is_io && (b->kind == CHARDEV_CONSOLE || b->kind == CHARDEV_STDIO);
		for (struct found *f = found; is && r == 0 && f->name[0]; f++)
			if (strcmp(f->name, name) == 0 && f->fds[0] >= 0)
				r = sup_console_start(s, name, f->fds, err);
	}
	return r;
}

static int things_take(struct sup *s, struct err *err)
{
	struct launch_packet p;
	int fds[LAUNCH_KEEP_FDS], r = 0;
	unsigned n = 0;
	AUTO_FREE struct found *found = xalloc(LAUNCH_KEPT_MAX + 1, sizeof(*found));
	for (unsigned i = 0; i < LAUNCH_KEPT_MAX + LIMIT_DEVICES; i++) {
		r = hvlink_next(s->launch_fd, i, &p, fds, &n, err);
		if (r < 0)
			break;
		if (p.op == LAUNCH_DAEMON || i < LAUNCH_KEPT_MAX)
			thing_found(s, &p, fds, n, found);
		while (n)
			fd_close(&fds[--n]);
	}
	if (r == 0 || r == -ENOENT)
		r = consoles_start(s, found, err);
	for (struct found *f = found; f->name[0]; f++)
		for (unsigned i = 0; i < CONSOLE_FDS; i++)
			fd_close(&f->fds[i]);
	return r;
}

static int hv_claim(struct sup *s, struct err *err)
{
	pid_t pid = 0;
	AUTO_FD pidfd = -1;
	int r = adopted_open(s, err);
	if (r < 0)
		return r;
	s->launch_fd = hvlink_connect(s->rt.dir, &pid, &pidfd, err);
	if (s->launch_fd < 0)
		return s->launch_fd;
	r = hvlink_claim(s->launch_fd, err);
	if (r == 0) /* it has answered since: so it is that process still */
		sup_adopted_add(s, &s->hv, pid, &pidfd);
	return r;
}

/* ---- as before ---- */

static void devices_review(struct sup *s, const Outrigger__VmStatus *vm)
{
	for (size_t i = 0; i < vm->n_devices; i++) {
		const Outrigger__DeviceStatus *ds = vm->devices[i];
		struct sup_device *dev = device_named(s, ds->name);
		if (!dev)
			continue;
		snprintf(dev->state, sizeof(dev->state), "%s", ds->state);
		snprintf(dev->why, sizeof(dev->why), "%s", ds->why);
		if (!dev->proc.alive && strcmp(ds->state, "restarting") == 0)
			sup_restart(s, dev);
	}
}

static int adopt(struct sup *s, const char *name, struct err *err)
{
	Outrigger__FromHv *m = NULL;
	int r = runtime_adopt(&s->rt, name, err);
	if (r == 0)
		r = vm_known(s, err);
	if (r == 0)
		r = hv_claim(s, err);
	if (r == 0)
		r = sup_hv_status(s, &m, err);
	if (r < 0)
		return r;
	backends_known(s);
	r = things_take(s, err);
	if (r == 0)
		r = sup_cli_start(s, err);
	if (r < 0) {
		ctl_free(&m->base);
		return r;
	}
	s->phase = SUP_RUNNING;
	s->start_sent = true;
	uv_poll_start(&s->adopted_poll, UV_READABLE, adopted_event);
	sup_say(s, "adopted: hv pid %d, %zu devices", s->hv.pid, s->ndevices);
	sup_front_start(s);
	sup_front_size(s);
	devices_review(s, m->reply->vm);
	ctl_free(&m->base);
	sup_timeout_start(s);
	sup_save(s);
	sup_hv_watch(s);
	sup_reap(s);
	return 0;
}

int sup_adopt(struct sup *s, const char *name)
{
	struct err err = {0};
	int r = adopt(s, name, &err);
	if (r < 0) {
		/* The VM lives: nothing of it is removed. */
		runtime_leave(&s->rt);
		backends_forget(&s->backends);
		return fail("VM %s cannot be adopted: %s", name, text_printable(err.msg));
	}
	if (s->opt.ready_fd >= 0)
		sup_detach(s);
	return 0;
}
