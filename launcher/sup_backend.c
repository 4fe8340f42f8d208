/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `outrigger swap --set` of an option that is joined to something on the host: the new back-end is opened as at the start, goes to
 * hv with the swap, and becomes the device's when the new daemon serves. Until then, and if that fails, the old one is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/log.h"
#include "launcher/hvlink.h"
#include "launcher/sup.h"
#include "launcher/sup_backend.h"

/* What else of a network's options its back-end is opened with. */
static bool net_depends(const char *name)
{
	return strcmp(name, "forward") == 0 || strcmp(name, "mtu") == 0 ||
	       strcmp(name, "queues") == 0;
}

/* ---- which ones ---- */

static struct backend *current(struct sup *s, size_t device, const char *option)
{
	for (size_t i = 0; i < s->backends.count; i++)
		if (s->backends.items[i].device == device &&
		    strcmp(s->backends.items[i].option, option) == 0)
			return &s->backends.items[i];
	return NULL;
}

/* The option's value before the swap, NULL for none. */
static const char *value_now(const struct sup_device *dev, size_t option)
{
	const char *set = sup_set_of(dev->set, dev->cfg->model->desc->options[option]->name);
	return set ? set : dev->cfg->values[option];
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

/* Is option @i to be opened anew? What stays the same is left alone: it may be one of a kind. */
static bool changes(struct sup *s, const struct sup_device *dev, const struct config_device *to,
		    size_t i)
{
	const Outrigger__ModelDescription *desc = dev->cfg->model->desc;
	const Outrigger__OptionDescription *o = desc->options[i];
	bool net = strcmp(o->type, "net") == 0;
	if (!sup_option_is_host(o->type))
		return false;
	for (size_t k = 0; net && k < desc->n_options; k++)
		if (net_depends(desc->options[k]->name) &&
		    !same_text(value_now(dev, k), to->values[k]))
			return true;
	if (strcmp(o->type, "disk") != 0 || !to->values[i])
		return !same_text(value_now(dev, i), to->values[i]);
	/* The same file by whatever name keeps its open file, and so its lock; another one of the same name does not. */
	AUTO_FREE char *path = config_path(s->cfg->dir, to->values[i]);
	const struct backend *b = current(s, (size_t)(dev - s->devices), o->name);
	struct stat st;
	bool same = b && stat(path, &st) == 0 && st.st_dev == b->io.image_dev &&
		    st.st_ino == b->io.image_ino;
	return !same && (!same_text(value_now(dev, i), to->values[i]) || stat(path, &st) == 0);
}

/* ---- opening ---- */

/* A copy of the device's config with @sets on top; its values are heap. */
static void config_with(const struct sup_device *dev, char *const *sets, struct config_device *ret)
{
	const Outrigger__ModelDescription *desc = dev->cfg->model->desc;
	*ret = *dev->cfg;
	ret->node = NULL; /* what is wrong is not in the file */
	ret->values = xalloc(desc->n_options + 1, sizeof(*ret->values));
	for (size_t i = 0; i < desc->n_options; i++) {
		const char *set = sup_set_of(sets, desc->options[i]->name);
		const char *value = set ? set : dev->cfg->values[i];
		ret->values[i] = value ? xstrdup(value) : NULL;
	}
}

/* The opening may have filled in an option (a tap's MTU): then it is a setting. @sets: heap array, replaced. */
static void sets_add(const struct sup_device *dev, const struct config_device *to, char ***sets)
{
	const Outrigger__ModelDescription *desc = dev->cfg->model->desc;
	for (size_t i = 0; i < desc->n_options; i++) {
		const char *set = sup_set_of(*sets, desc->options[i]->name);
		const char *before = set ? set : dev->cfg->values[i];
		size_t n = 0;
		if (set || same_text(before, to->values[i]))
			continue;
		while ((*sets)[n])
			n++;
		*sets = xrealloc(*sets, n + 2, sizeof(**sets));
		(*sets)[n] = xasprintf("%s=%s", desc->options[i]->name, to->values[i]);
		(*sets)[n + 1] = NULL;
	}
}

/* An image that another device of this VM has is not another VM's; its lock would only tell that somebody has it. */
static int image_free(struct sup *s, const struct sup_device *dev, const char *value,
		      struct err *err)
{
	AUTO_FREE char *path = config_path(s->cfg->dir, value);
	struct stat st;
	if (stat(path, &st) < 0)
		return 0; /* said when it is opened */
	for (size_t i = 0; i < s->backends.count; i++) {
		const struct backend *b = &s->backends.items[i];
		const struct config_device *other = &s->cfg->devices[b->device];
		const char *readonly = sup_set_of(s->devices[b->device].set, "readonly");
		if (!readonly)
			readonly = config_value(other, "readonly");
		if (b->device != (size_t)(dev - s->devices) && b->is_io && b->io.image_ino &&
		    b->io.image_ino == st.st_ino && b->io.image_dev == st.st_dev &&
		    !(readonly && strcmp(readonly, "true") == 0))
			return err_set(err, EBUSY,
				       "device %s: %s is in use by %s, another disk of this VM",
				       dev->cfg->name, path, other->name);
	}
	return 0;
}

int sup_backends_open(struct sup *s, struct sup_device *dev, char ***sets, struct err *err)
{
	const Outrigger__ModelDescription *desc = dev->cfg->model->desc;
	struct config_device to;
	int r = 0;
	config_with(dev, *sets, &to);
	backends_close(&dev->change);
	dev->change = (struct backends){.kernel_fd = -1, .initrd_fd = -1};
	dev->change.items = xalloc(desc->n_options + 1, sizeof(*dev->change.items));
	for (size_t i = 0; r == 0 && i < desc->n_options; i++) {
		if (!changes(s, dev, &to, i))
			continue;
		if (strcmp(desc->options[i]->type, "disk") == 0 && to.values[i])
			r = image_free(s, dev, to.values[i], err);
		if (r == 0)
			r = backends_add(&dev->change, s->cfg, &to, (size_t)(dev - s->devices),
					 desc->options[i], to.values[i], err);
	}
	if (r == 0)
		sets_add(dev, &to, sets);
	else
		backends_close(&dev->change);
	config_device_fini(&to);
	return r;
}

/* ---- handing over ---- */

int sup_backends_send(struct sup *s, struct sup_device *dev, const char *token,
		      Outrigger__BackendFd msg[LIMIT_FDS], Outrigger__BackendFd *ptrs[LIMIT_FDS],
		      size_t *ret_n)
{
	int fds[LIMIT_FDS];
	unsigned n = 0, nfds = 0;
	for (size_t i = 0; i < dev->change.count; i++) {
		const struct backend *b = &dev->change.items[i];
		unsigned count = b->is_io && b->io.nfds ? b->io.nfds : 1;
		for (unsigned k = 0; k < count; k++) {
			int fd = !b->is_io ? b->fd : b->io.nfds ? b->io.fds[k] : -1;
			if (n == LIMIT_FDS)
				return -E2BIG;
			outrigger__backend_fd__init(&msg[n]);
			msg[n].option = (char *)(uintptr_t)b->option;
			msg[n].kind = (char *)(uintptr_t)(b->is_io ? b->io.wire : b->wire);
			msg[n].fd_index = fd < 0 ? -1 : (int32_t)nfds;
			ptrs[n] = &msg[n];
			n++;
			if (fd >= 0)
				fds[nfds++] = fd;
		}
	}
	*ret_n = n;
	int r = nfds ? hvlink_backends(s->launch_fd, token, fds, nfds) : 0;
	backends_sent(&dev->change);
	return r;
}

/* ---- the end of it ---- */

static bool is_console(const struct backend *b)
{
	return !b->is_io && (b->kind == CHARDEV_CONSOLE || b->kind == CHARDEV_STDIO);
}

static struct console *console_of(struct sup *s, const char *name)
{
	for (size_t i = 0; i < s->nconsoles; i++)
		if (s->consoles[i]->device && !s->consoles[i]->leaving &&
		    strcmp(s->consoles[i]->device, name) == 0)
			return s->consoles[i];
	return NULL;
}

/* One that was left and is not read to the end, for the terminal is slow: two cannot write one log. The log gets it all. */
static void leaving_end(struct sup *s, const char *name)
{
	for (size_t i = 0; i < s->nconsoles; i++) {
		struct console *c = s->consoles[i];
		if (!c->device || !c->leaving || strcmp(c->device, name) != 0)
			continue;
		console_drain(c);
		c->front = NULL;
		console_drain(c);
		if (s->front.console == c)
			s->front.console = NULL;
		console_stop(c);
	}
}

/* Its log goes on, should there be one. */
static void console_begin(struct sup *s, struct backend *b)
{
	struct err err = {0};
	AUTO_FREE char *name = sup_console_name(s, b);
	int pair[2] = {-1, -1};
	leaving_end(s, name);
	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0) {
		sup_tell(s, "the console of %s has no pipe: %s", name, strerror(errno));
		return;
	}
	int fds[CONSOLE_FDS] = {fd_steal(&b->peer_fd), pair[0], pair[1]};
	if (sup_console_start(s, name, fds, &err) < 0)
		sup_tell(s, "%s", err.msg);
	struct console *c = s->consoles[s->nconsoles - 1];
	sup_keep_console(s, c);
	if (b->front && s->front_on) {
		s->front.console = c;
		console_attach(c, &s->front, false); /* it has seen the rest */
	}
}

static void old_ends(struct sup *s, struct backend *old, const struct backend *new)
{
	AUTO_FREE char *name = sup_console_name(s, old);
	AUTO_FREE char *key = xasprintf("console.%s", name);
	struct console *c = is_console(old) ? console_of(s, name) : NULL;
	if (c) { /* what its stream still holds is read to the end: console_leave() */
		c->leaving = true;
		if (!is_console(new))
			hvlink_keep(s->launch_fd, key, NULL, 0);
	}
	if (old->path && new->path && strcmp(old->path, new->path) == 0)
		ptr_free(&old->path); /* the socket is the new one's */
	sup_backend_drop(s, old);
	backend_close(old);
}

void sup_backends_done(struct sup *s, struct sup_device *dev, bool good)
{
	for (size_t i = 0; good && i < dev->change.count; i++) {
		struct backend *new = &dev->change.items[i];
		struct backend *old = current(s, new->device, new->option);
		if (!old) {
			size_t n = s->backends.count++;
			s->backends.items =
				xrealloc(s->backends.items, n + 1, sizeof(*s->backends.items));
			old = &s->backends.items[n];
		} else {
			new->front = old->front;
			old_ends(s, old, new);
		}
		*old = *new;
		*new = (struct backend){.fd = -1, .peer_fd = -1};
		if (old->kind == CHARDEV_PTY && !old->is_io)
			sup_tell(s, "%s: %s is %s", dev->cfg->name, old->option, old->path);
		if (is_console(old))
			console_begin(s, old);
	}
	if (good && dev->change.count)
		sup_keep_helpers(s);
	if (good)
		dev->change.count = 0;
	backends_close(&dev->change);
}

void sup_consoles_review(struct sup *s)
{
	for (size_t i = 0; i < s->nconsoles; i++) {
		struct console *c = s->consoles[i];
		if (!c->device || !c->leaving || c->open || !console_drain(c))
			continue;
		if (s->front.console == c)
			s->front.console = NULL;
		console_stop(c);
	}
}
