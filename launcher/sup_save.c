/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this supervisor leaves to the one that follows it, should it die without a word: knowledge in <runtime>/saved, written
 * whenever it changes, and descriptors at hv (launcher/hvlink.h). Before the guest runs both are complete.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fd.h"
#include "base/log.h"
#include "launcher/hvlink.h"
#include "launcher/saved.h"
#include "launcher/sup.h"

/** struct save - storage of one SavedVm; what it points to is borrowed. */
struct save {
	Outrigger__SavedVm v;
	Outrigger__SavedModel models[LIMIT_DEVICES], *model_ptrs[LIMIT_DEVICES];
	Outrigger__SavedDevice devices[LIMIT_DEVICES], *device_ptrs[LIMIT_DEVICES];
	Outrigger__SavedProcess processes[2 * LIMIT_DEVICES];
};

static char *text(const char *s)
{
	return (char *)(uintptr_t)(s ? s : "");
}

static Outrigger__SavedProcess *save_process(Outrigger__SavedProcess *o,
					     const struct sup_process *p)
{
	outrigger__saved_process__init(o);
	o->pid = p->pid;
	o->program = text(p->program);
	o->isolated = p->isolated;
	return o;
}

static uint32_t save_model(struct save *k, const struct model *m)
{
	for (uint32_t i = 0; i < k->v.n_models; i++)
		if (k->models[i].description == m->desc)
			return i;
	Outrigger__SavedModel *o = &k->models[k->v.n_models];
	outrigger__saved_model__init(o);
	o->path = m->path;
	o->description = m->desc;
	k->model_ptrs[k->v.n_models] = o;
	return (uint32_t)k->v.n_models++;
}

static void save_device(struct save *k, size_t i, const struct sup_device *dev)
{
	Outrigger__SavedDevice *o = &k->devices[i];
	outrigger__saved_device__init(o);
	o->model = save_model(k, dev->cfg->model);
	o->process = save_process(&k->processes[2 * i], &dev->proc);
	if (dev->swap_id)
		o->standby = save_process(&k->processes[2 * i + 1], &dev->standby);
	o->set = dev->set;
	while (dev->set && dev->set[o->n_set])
		o->n_set++;
	o->standby_set = dev->new_set;
	while (dev->new_set && dev->new_set[o->n_standby_set])
		o->n_standby_set++;
	o->restarts = dev->restarts_total;
	o->restart_limit = dev->cfg->restart.limit;
	o->restart_backoff_ns = dev->cfg->restart.backoff_ns;
	o->restart_window_ns = dev->cfg->restart.window_ns;
	k->device_ptrs[i] = o;
}

static void save_backend(Outrigger__SavedBackend *o, const struct backend *b)
{
	outrigger__saved_backend__init(o);
	o->device = b->device;
	o->option = text(b->option);
	o->kind = b->kind;
	o->wire = text(b->is_io ? b->io.wire : b->wire);
	o->path = text(b->path);
	o->is_io = b->is_io;
	o->front = b->front;
	if (!b->is_io)
		return;
	o->remove = text(b->io.remove);
	o->helper_pid = b->io.helper;
	o->image_dev = b->io.image_dev;
	o->image_ino = b->io.image_ino;
}

void sup_save(struct sup *s)
{
	AUTO_FREE struct save *k = xalloc(1, sizeof(*k));
	AUTO_FREE Outrigger__SavedBackend *backends =
		xalloc(s->backends.count + 1, sizeof(*backends));
	AUTO_FREE Outrigger__SavedBackend **ptrs = xalloc(s->backends.count + 1, sizeof(*ptrs));
	AUTO_FREE char *dir = realpath(s->cfg->dir, NULL);
	if (s->phase == SUP_ENDING)
		return;
	outrigger__saved_vm__init(&k->v);
	k->v.version = text(OUTRIGGER_VERSION);
	k->v.config = (Outrigger__VmConfig *)(uintptr_t)s->vm_msg;
	k->v.models = k->model_ptrs;
	k->v.devices = k->device_ptrs;
	k->v.n_devices = s->ndevices;
	for (size_t i = 0; i < s->ndevices; i++)
		save_device(k, i, &s->devices[i]);
	k->v.backends = ptrs;
	k->v.n_backends = s->backends.count;
	for (size_t i = 0; i < s->backends.count; i++) {
		save_backend(&backends[i], &s->backends.items[i]);
		ptrs[i] = &backends[i];
	}
	k->v.config_path = s->config_path ? s->config_path : s->cfg->path;
	k->v.config_dir = dir ? dir : s->cfg->dir;
	k->v.started = s->started;
	k->v.no_sandbox = s->opt.no_sandbox;
	k->v.timeout_at_ns = s->timeout_at_ns;
	k->v.running_ns = s->running_ns;
	int r = saved_write(s->rt.dir, &k->v);
	if (r < 0)
		log_warn("cannot write %s/saved: %s; if this supervisor dies, no other can follow",
			 s->rt.dir, strerror(-r));
}

static void keep(struct sup *s, const char *key, const int *fds, unsigned n)
{
	int r = hvlink_keep(s->launch_fd, key, fds, n);
	if (r < 0 && s->hv.alive)
		log_warn("hv does not keep %s: %s", key, strerror(-r));
}

void sup_keep_console(struct sup *s, const struct console *c)
{
	int fds[CONSOLE_FDS];
	AUTO_FREE char *key = xasprintf("console.%s", c->device);
	console_fds(c, fds);
	keep(s, key, fds, CONSOLE_FDS);
}

void sup_backend_drop(struct sup *s, const struct backend *b)
{
	AUTO_FREE char *name = xasprintf("%s.%s", s->cfg->devices[b->device].name, b->option);
	AUTO_FREE char *key = xasprintf("%s%s", b->is_io ? LAUNCH_HELPER : "pty.", name);
	if (b->is_io ? b->io.helper > 0 : b->kind == CHARDEV_PTY)
		keep(s, key, NULL, 0);
}

void sup_keep_helpers(struct sup *s)
{
	for (size_t i = 0; i < s->backends.count; i++) {
		const struct backend *b = &s->backends.items[i];
		AUTO_FREE char *key = xasprintf(LAUNCH_HELPER "%s.%s",
						s->cfg->devices[b->device].name, b->option);
		AUTO_FREE char *pty =
			xasprintf("pty.%s.%s", s->cfg->devices[b->device].name, b->option);
		if (b->is_io && b->io.helper > 0 && b->io.helper_fd >= 0)
			keep(s, key, &b->io.helper_fd, 1);
		if (b->kind == CHARDEV_PTY && !b->is_io && b->peer_fd >= 0)
			keep(s, pty, &b->peer_fd, 1);
	}
}
