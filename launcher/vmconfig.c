/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/vmconfig.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/fd.h"
#include "proto/dock.h"
#include "proto/port.h"

/* Storage of one device's message. */
struct device_parts {
	Outrigger__DeviceConfig msg;
	Outrigger__RangeConfig ranges[LIMIT_RANGES], *range_ptrs[LIMIT_RANGES];
	Outrigger__OptionValue options[LIMIT_OPTIONS], *option_ptrs[LIMIT_OPTIONS];
	Outrigger__BackendFd backends[LIMIT_FDS], *backend_ptrs[LIMIT_FDS];
	uint32_t irqs[LIMIT_LINES];
	char token[LIMIT_TOKEN + 1];
};

struct vmconfig_parts {
	struct device_parts *devices;
	Outrigger__DeviceConfig **ptrs;
};

/* protobuf-c's strings are not const; it never writes to them when packing. */
static char *text(const char *s)
{
	return (char *)(uintptr_t)(s ? s : "");
}

static int32_t add_fd(struct vmconfig *v, int fd)
{
	if (fd < 0)
		return -1;
	v->fds[v->nfds] = fd;
	return (int32_t)v->nfds++;
}

static void device_options(struct device_parts *p, const struct config_device *dev)
{
	const Outrigger__ModelDescription *desc = dev->model->desc;
	for (size_t i = 0; i < desc->n_options && p->msg.n_options < LIMIT_OPTIONS; i++) {
		if (!dev->values[i])
			continue;
		Outrigger__OptionValue *o = &p->options[p->msg.n_options];
		outrigger__option_value__init(o);
		o->name = desc->options[i]->name;
		o->value = text(dev->values[i]);
		p->option_ptrs[p->msg.n_options++] = o;
	}
	p->msg.options = p->option_ptrs;
}

static void add_backend(struct vmconfig *v, struct device_parts *p, const struct backend *n,
			const char *wire, int fd)
{
	if (p->msg.n_backends == LIMIT_FDS)
		return;
	Outrigger__BackendFd *f = &p->backends[p->msg.n_backends];
	outrigger__backend_fd__init(f);
	f->option = text(n->option);
	f->kind = text(wire);
	f->fd_index = add_fd(v, fd);
	p->backend_ptrs[p->msg.n_backends++] = f;
}

static void device_backends(struct vmconfig *v, struct device_parts *p, const struct backends *b,
			    size_t index)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct backend *n = &b->items[i];
		if (n->device != index)
			continue;
		if (!n->is_io || !n->io.nfds)
			add_backend(v, p, n, n->is_io ? n->io.wire : n->wire, n->fd);
		for (unsigned k = 0; n->is_io && k < n->io.nfds; k++)
			add_backend(v, p, n, n->io.wire, n->io.fds[k]);
	}
	p->msg.backends = p->backend_ptrs;
}

/* Shadow pages of a device: every region with a register that is read by shadow, whole. */
static uint32_t shadow_pages(const struct config_device *dev)
{
	const Outrigger__ModelDescription *desc = dev->model->desc;
	uint64_t pages = 0;
	for (size_t r = 0; r < dev->nranges; r++) {
		const Outrigger__RegionDescription *region = desc->regions[r];
		bool shadow = false;
		for (size_t k = 0; k < region->n_regs; k++)
			shadow |= strncmp(region->regs[k]->read_way, "shadow", 6) == 0;
		pages += shadow ? (dev->ranges[r].size + PORT_PAGE - 1) / PORT_PAGE : 0;
	}
	return pages > PORT_MAX_SHADOW_PAGES ? PORT_MAX_SHADOW_PAGES : (uint32_t)pages;
}

static void device_make(struct vmconfig *v, struct device_parts *p, const struct config_device *dev,
			const struct backends *b, size_t index)
{
	const Outrigger__ModelDescription *desc = dev->model->desc;
	outrigger__device_config__init(&p->msg);
	p->msg.name = text(dev->name);
	p->msg.model = dev->model->name;
	for (unsigned i = 0; i < dev->nranges; i++) {
		outrigger__range_config__init(&p->ranges[i]);
		p->ranges[i].space = text(dev->ranges[i].pio ? "pio" : "mmio");
		p->ranges[i].address = dev->ranges[i].base;
		p->ranges[i].size = dev->ranges[i].size;
		p->range_ptrs[i] = &p->ranges[i];
	}
	p->msg.n_ranges = dev->nranges;
	p->msg.ranges = p->range_ptrs;
	memcpy(p->irqs, dev->irqs, sizeof(p->irqs));
	p->msg.n_irqs = dev->nirqs;
	p->msg.irqs = p->irqs;
	device_options(p, dev);
	device_backends(v, p, b, index);
	dock_token_make(p->token);
	p->msg.token = p->token;
	p->msg.deadline_ns = dev->deadline_ns;
	p->msg.on_failure = text(dev->on_failure);
	p->msg.then = text(dev->then);
	p->msg.fdt = desc->fdt;
	p->msg.state_bytes = desc->state_bytes;
	p->msg.shadow_pages = shadow_pages(dev);
	p->msg.vm_requests = desc->vm_requests;
	p->msg.dma = text(dev->dma);
}

void vmconfig_make(struct vmconfig *v, const struct config *c, const struct backends *b,
		   const char *runtime_dir, bool no_reboot)
{
	*v = (struct vmconfig){0};
	v->fds = xalloc(b->count * (HOSTIO_FDS + 1) + 2, sizeof(*v->fds));
	v->parts = xalloc(1, sizeof(*v->parts));
	v->parts->devices = xalloc(c->ndevices, sizeof(*v->parts->devices));
	v->parts->ptrs = xalloc(c->ndevices, sizeof(*v->parts->ptrs));
	outrigger__vm_config__init(&v->msg);
	v->msg.name = c->name;
	v->msg.machine = text(c->machine->name);
	v->msg.engine = text(c->engine);
	v->msg.cpus = c->cpus;
	v->msg.memory_bytes = c->memory_bytes;
	v->msg.cmdline = text(c->cmdline);
	v->msg.on_unclaimed = text(c->on_unclaimed);
	v->msg.no_reboot = no_reboot;
	v->msg.runtime_dir = text(runtime_dir);
	v->msg.kernel_fd_index = add_fd(v, b->kernel_fd);
	v->msg.initrd_fd_index = add_fd(v, b->initrd_fd);
	v->msg.kernel_path = text(c->kernel);
	v->msg.initrd_path = text(c->initrd);
	v->msg.dtb_out_fd_index = -1;
	v->msg.log_level = text(getenv("OUTRIGGER_LOG"));
	for (size_t i = 0; i < c->ndevices; i++) {
		device_make(v, &v->parts->devices[i], &c->devices[i], b, i);
		v->parts->ptrs[i] = &v->parts->devices[i].msg;
	}
	v->msg.n_devices = c->ndevices;
	v->msg.devices = v->parts->ptrs;
}

void vmconfig_fini(struct vmconfig *v)
{
	if (!v->parts)
		return;
	free(v->parts->devices);
	free(v->parts->ptrs);
	free(v->parts);
	free(v->fds);
	*v = (struct vmconfig){0};
}

int vmconfig_send(const struct vmconfig *v, int sock, struct err *err)
{
	size_t len = outrigger__vm_config__get_packed_size(&v->msg);
	if (len > LIMIT_UNPACK_BYTES / 4)
		return err_set(err, E2BIG, "the config has %zu bytes; at most %d", len,
			       LIMIT_UNPACK_BYTES / 4);
	AUTO_FREE uint8_t *buf = xalloc(len, 1);
	outrigger__vm_config__pack(&v->msg, buf);
	AUTO_FD mem = memfd_create("outrigger-config", MFD_CLOEXEC);
	if (mem < 0 || fd_write_all(mem, buf, len) < 0)
		return err_set(err, errno, "cannot make the config's memfd: %s", strerror(errno));
	struct launch_header packet = {LAUNCH_MAGIC, LAUNCH_VERSION, (uint32_t)len, v->nfds};
	AUTO_FREE int *fds = xalloc(v->nfds + 1, sizeof(*fds));
	fds[0] = mem;
	for (unsigned i = 0; i < v->nfds; i++)
		fds[i + 1] = v->fds[i];
	int r = fdpass_send(sock, &packet, sizeof(packet), fds, v->nfds + 1);
	if (r < 0)
		return err_set(err, -r, "cannot send hv its config: %s", strerror(-r));
	return 0;
}
