/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/saved.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/fd.h"
#include "proto/ctl.h"

int saved_write(const char *dir, const Outrigger__SavedVm *v)
{
	size_t len = outrigger__saved_vm__get_packed_size(v);
	if (len > LIMIT_MSG_BYTES)
		return -E2BIG;
	AUTO_FREE uint8_t *buf = xalloc(len + 1, 1);
	outrigger__saved_vm__pack(v, buf);
	AUTO_FREE char *path = xasprintf("%s/saved", dir);
	AUTO_FREE char *new = xasprintf("%s/saved.new", dir);
	AUTO_FD fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	int r = fd_write_all(fd, buf, len);
	return r < 0 ? r : rename(new, path) < 0 ? -errno : 0;
}

/* ---- reading: the file is ours, and still a damaged one must not be believed ---- */

static bool good(const Outrigger__SavedVm *v)
{
	const Outrigger__VmConfig *c = v->config;
	if (!c || !machine_find(c->machine) || c->n_devices > LIMIT_DEVICES ||
	    v->n_devices != c->n_devices)
		return false;
	for (size_t i = 0; i < v->n_models; i++)
		if (!v->models[i]->description)
			return false;
	for (size_t i = 0; i < v->n_devices; i++)
		if (v->devices[i]->model >= v->n_models || !v->devices[i]->process ||
		    c->devices[i]->n_ranges > LIMIT_RANGES || c->devices[i]->n_irqs > LIMIT_LINES)
			return false;
	for (size_t i = 0; i < v->n_backends; i++)
		if (v->backends[i]->device >= v->n_devices || v->backends[i]->kind > CHARDEV_NULL)
			return false;
	return true;
}

int saved_read(const char *dir, Outrigger__SavedVm **ret, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/saved", dir);
	AUTO_FREE uint8_t *buf = xalloc(LIMIT_MSG_BYTES + 1, 1);
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -errno : fd_read_all(fd, buf, LIMIT_MSG_BYTES + 1);
	if (n < 0)
		return err_set(err, (int)-n, "cannot read %s: %s", path, strerror((int)-n));
	ProtobufCMessage *m = ctl_unpack(&outrigger__saved_vm__descriptor, buf, (size_t)n);
	Outrigger__SavedVm *v = (Outrigger__SavedVm *)(void *)m;
	if (!v || strcmp(v->version, OUTRIGGER_VERSION) != 0) {
		int r = !v ? err_set(err, EPROTO, "%s is damaged", path)
			   : err_set(err, EPROTO,
				     "the VM was started by version %s; this is " OUTRIGGER_VERSION,
				     v->version);
		ctl_free(m);
		return r;
	}
	if (!good(v)) {
		ctl_free(m);
		return err_set(err, EPROTO, "%s makes no sense", path);
	}
	*ret = v;
	return 0;
}

/* A socket that nobody listens on goes; one that a VM of today has bound stays. */
static void remove_stale(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct stat st;
	if (!path[0] || strlen(path) >= sizeof(sa.sun_path) || lstat(path, &st) < 0 ||
	    !S_ISSOCK(st.st_mode))
		return;
	memcpy(sa.sun_path, path, strlen(path));
	AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 && errno == ECONNREFUSED)
		unlink(path);
}

void saved_sweep(const char *dir)
{
	Outrigger__SavedVm *v = NULL;
	struct err err;
	if (saved_read(dir, &v, &err) < 0)
		return;
	for (size_t i = 0; i < v->n_backends; i++) {
		const Outrigger__SavedBackend *b = v->backends[i];
		if (b->kind == CHARDEV_UNIX && !b->is_io)
			remove_stale(b->path);
		remove_stale(b->remove);
	}
	ctl_free(&v->base);
}

/* ---- the config again ---- */

static void device_again(struct config_device *dev, const Outrigger__DeviceConfig *c,
			 const Outrigger__SavedDevice *s, const struct model *model)
{
	const Outrigger__ModelDescription *desc = model->desc;
	*dev = (struct config_device){
		.name = c->name,
		.model = model,
		.nranges = (unsigned)c->n_ranges,
		.nirqs = (unsigned)c->n_irqs,
		.deadline_ns = c->deadline_ns,
		.on_failure = c->on_failure,
		.then = c->then,
		.dma = c->dma,
		.restart = {s->restart_limit, s->restart_backoff_ns, s->restart_window_ns}};
	for (size_t i = 0; i < c->n_ranges; i++)
		dev->ranges[i] = (struct config_range){c->ranges[i]->address, c->ranges[i]->size,
						       strcmp(c->ranges[i]->space, "pio") == 0};
	for (size_t i = 0; i < c->n_irqs; i++)
		dev->irqs[i] = c->irqs[i];
	dev->values = xalloc(desc->n_options + 1, sizeof(*dev->values));
	for (size_t i = 0; i < desc->n_options; i++)
		for (size_t k = 0; k < c->n_options; k++)
			if (strcmp(desc->options[i]->name, c->options[k]->name) == 0 &&
			    !dev->values[i])
				dev->values[i] = xstrdup(c->options[k]->value);
}

void saved_config(const Outrigger__SavedVm *v, struct config *ret, struct model **ret_models)
{
	const Outrigger__VmConfig *c = v->config;
	struct model *m = xalloc(v->n_models + 1, sizeof(*m));
	for (size_t i = 0; i < v->n_models; i++)
		m[i] = (struct model){.name = v->models[i]->description->name,
				      .path = v->models[i]->path,
				      .desc = v->models[i]->description};
	*ret = (struct config){.path = xstrdup(v->config_path),
			       .dir = xstrdup(v->config_dir),
			       .name = xstrdup(c->name),
			       .machine = machine_find(c->machine),
			       .engine = c->engine,
			       .cpus = c->cpus,
			       .memory_bytes = c->memory_bytes,
			       .kernel = xstrdup(c->kernel_path),
			       .initrd = c->initrd_path[0] ? xstrdup(c->initrd_path) : NULL,
			       .cmdline = xstrdup(c->cmdline),
			       .on_unclaimed = c->on_unclaimed,
			       .ndevices = c->n_devices};
	ret->devices = xalloc(ret->ndevices, sizeof(*ret->devices));
	for (size_t i = 0; i < ret->ndevices; i++)
		device_again(&ret->devices[i], c->devices[i], v->devices[i],
			     &m[v->devices[i]->model]);
	*ret_models = m;
}
