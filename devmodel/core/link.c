/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Coming up: dock -> isolate -> control link -> hello, configure, ranges, ranges_ok -> seal -> serving.
 */
#include "devmodel/core/daemon.h"
#include "devmodel/core/buildid.h"
#include "devmodel/core/record.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include "proto/copychan.h"
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#define LIMIT_URL sizeof(((struct dock_reply *)0)->control_url)
#define DOCK_TIMEOUT_MS 15000 /* hv opens it once it has its engine: seconds on an emulated host */
#define LINGER_MS 100	      /* for the last message to leave */
#define HANDSHAKE_TIMEOUT_MS 10000

/* ---- messages ---------------------------------------------------------------------------------------------- */

static int send_up(struct daemon *d, Outrigger__FromDaemon *m, struct err *err)
{
	int rc = ctl_send(d->ctl, &m->base, HANDSHAKE_TIMEOUT_MS);
	return rc ? err_set(err, -rc, "cannot send to the hypervisor: %s", strerror(-rc)) : 0;
}

/* Waits for the next message, which must be of @kind; `refused` ends with its reason. */
static int expect(struct daemon *d, Outrigger__ToDaemon__KindCase kind, Outrigger__ToDaemon **ret,
		  struct err *err)
{
	ProtobufCMessage *raw = NULL;
	int rc = ctl_recv(d->ctl, &outrigger__to_daemon__descriptor, HANDSHAKE_TIMEOUT_MS, &raw);
	if (rc)
		return err_set(err, -rc, "no answer from the hypervisor: %s", strerror(-rc));
	Outrigger__ToDaemon *m = (void *)raw;
	if (m->kind_case == OUTRIGGER__TO_DAEMON__KIND_REFUSED) {
		rc = err_set(err, EACCES, "refused: %s", m->refused);
	} else if (m->kind_case != kind) {
		rc = err_set(err, EPROTO, "unexpected message %d in the handshake", m->kind_case);
	} else {
		*ret = m;
		return 0;
	}
	ctl_free(raw);
	return rc;
}

static int say_hello(struct daemon *d, struct err *err)
{
	char id[65];
	build_id_text(id, sizeof(id));
	Outrigger__Hello h = OUTRIGGER__HELLO__INIT;
	h.model = (char *)(uintptr_t)d->cls->name;
	h.model_version = d->cls->version;
	h.epoch = d->epoch;
	h.build_id = id;
	h.pid = getpid();
	h.state_bytes = (uint32_t)dm_arena_size(d->cls);
	Outrigger__FromDaemon m = OUTRIGGER__FROM_DAEMON__INIT;
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_HELLO;
	m.hello = &h;
	return send_up(d, &m, err);
}

/* ---- configure ------------------------------------------------------------------------------------------------ */

static int backend_of(struct daemon *d, const Outrigger__Configure *c, unsigned channel,
		      const char *option, struct err *err)
{
	enum chardev_kind kind = CHARDEV_NULL;
	int none = -1, *fd = &none;
	for (size_t i = 0; i < c->n_backends; i++) {
		const Outrigger__BackendFd *b = c->backends[i];
		if (strcmp(b->option, option) != 0)
			continue;
		if (chardev_kind_parse(b->kind, &kind))
			return err_set(err, EINVAL, "option '%s': unknown kind of backend '%s'",
				       option, b->kind);
		uint32_t at = DOCK_FD_BACKEND + (uint32_t)b->fd_index;
		if (kind != CHARDEV_NULL && (b->fd_index < 0 || at >= d->nfds || d->fds[at] < 0))
			return err_set(err, EINVAL, "option '%s': no descriptor %d", option,
				       b->fd_index);
		if (kind != CHARDEV_NULL)
			fd = &d->fds[at];
	}
	int rc = chardev_open(&d->ch[channel], kind, channel, fd, &d->srv, d->epfd,
			      EV_CHANNEL + channel);
	d->channels = channel + 1;
	return rc ? err_set(err, -rc, "option '%s': cannot use its backend: %s", option,
			    strerror(-rc))
		  : 0;
}

static bool is_channel(const struct dm_class *cls, const char *option)
{
	for (const struct dm_option *o = cls->options; o && o->name; o++)
		if (!strcmp(o->name, option))
			return o->type == DM_OPT_CHARDEV;
	return false;
}

static int open_backends(struct daemon *d, const Outrigger__Configure *c, struct err *err)
{
	unsigned channel = 0;
	for (const struct dm_option *o = d->cls->options; o && o->name; o++) {
		if (o->type != DM_OPT_CHARDEV)
			continue;
		int rc = backend_of(d, c, channel++, o->name, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* The back-end takes the descriptors of disks, networks and sinks; it may start threads: the filter is not on yet. */
static int open_host(struct daemon *d, const Outrigger__Configure *c, struct err *err)
{
	struct host_fd fds[LIMIT_FDS];
	unsigned n = 0;
	if (!d->cls->host)
		return 0;
	for (size_t i = 0; i < c->n_backends && n < LIMIT_FDS; i++) {
		const Outrigger__BackendFd *b = c->backends[i];
		uint32_t at = DOCK_FD_BACKEND + (uint32_t)b->fd_index;
		if (is_channel(d->cls, b->option))
			continue;
		if (b->fd_index >= 0 && (at >= d->nfds || d->fds[at] < 0))
			return err_set(err, EINVAL, "option '%s': no descriptor %d", b->option,
				       b->fd_index);
		static int none = -1;
		fds[n++] = (struct host_fd){.option = b->option,
					    .kind = b->kind,
					    .fd = b->fd_index >= 0 ? &d->fds[at] : &none};
	}
	d->dm->successor = d->epoch > 1;
	int rc = d->cls->host->open(d->dm, fds, n, d->epfd, EV_HOST, &d->host, err);
	if (!rc) {
		d->dm->io = &d->cls->host->ops;
		d->dm->io_ctx = d->host;
	}
	return rc;
}

/* Maps what was granted and closes its descriptors. */
static int map_grants(struct daemon *d, const Outrigger__Configure *c, struct err *err)
{
	for (size_t i = 0; i < c->n_grants; i++) {
		const Outrigger__Grant *g = c->grants[i];
		uint32_t at = DOCK_FD_BACKEND + (uint32_t)g->fd_index;
		if (!d->cls->dma || d->mem.n == VRING_MEM_WINDOWS || g->fd_index < 0 ||
		    at >= d->nfds || d->fds[at] < 0 || !g->bytes || g->gpa + g->bytes < g->gpa)
			return err_set(err, EPROTO, "grant %zu of guest memory makes no sense", i);
		void *p = mmap(NULL, (size_t)g->bytes,
			       g->writable ? PROT_READ | PROT_WRITE : PROT_READ,
			       MAP_SHARED | MAP_NORESERVE, d->fds[at], (off_t)g->offset);
		if (p == MAP_FAILED)
			return err_set(err, errno, "cannot map guest memory: %s", strerror(errno));
		/* Not in a core dump: it is the guest's, and large. */
		madvise(p, (size_t)g->bytes, MADV_DONTDUMP);
		d->mem.win[d->mem.n++] = (struct vring_window){g->gpa, g->bytes, p, g->writable};
	}
	for (size_t i = 0; i < c->n_grants; i++)
		fd_close(&d->fds[DOCK_FD_BACKEND + (uint32_t)c->grants[i]->fd_index]);
	if (d->mem.n)
		d->dm->mem = &d->mem;
	return 0;
}

/* dma: copy: what was granted is the channel; the core is told by an eventfd of it that buffers were given back. */
static int open_copy(struct daemon *d, const Outrigger__Configure *c, struct err *err)
{
	uint32_t at = DOCK_FD_BACKEND + (uint32_t)c->copy_kick_fd_index;
	if (!c->dma_copy)
		return 0;
	if (d->mem.n != 1 || d->mem.win[0].bytes < COPY_CHANNEL_BYTES ||
	    c->copy_kick_fd_index < 0 || at >= d->nfds || d->fds[at] < 0)
		return err_set(err, EPROTO, "the copy channel makes no sense");
	d->dm->copied = true;
	d->dm->copy_kick_fd = d->fds[at];
	return 0;
}

static int configure(struct daemon *d, struct err *err)
{
	Outrigger__ToDaemon *m = NULL;
	int rc = expect(d, OUTRIGGER__TO_DAEMON__KIND_CONFIGURE, &m, err);
	if (rc)
		return rc;
	const Outrigger__Configure *c = m->configure;
	struct dm_setting set[LIMIT_OPTIONS];
	size_t n = 0;
	for (size_t i = 0; i < c->n_options && n < LIMIT_OPTIONS; i++, n++)
		set[n] = (struct dm_setting){c->options[i]->name, c->options[i]->value};
	d->clock_offset_ns = c->guest_clock_offset_ns;
	d->standby = c->standby;
	d->quiesced = c->quiesced && !c->standby;
	if (c->n_options > LIMIT_OPTIONS)
		rc = err_set(err, EINVAL, "%zu options: at most %d", c->n_options, LIMIT_OPTIONS);
	if (!rc)
		rc = dm_create(&d->dm, d->cls, &daemon_env, d, set, n, err);
	for (size_t i = 0; i < c->n_spaces && !rc; i++)
		rc = dm_space_set(d->dm, (unsigned)i, c->spaces[i], err);
	if (!rc)
		rc = open_backends(d, c, err);
	if (!rc)
		rc = map_grants(d, c, err);
	if (!rc)
		rc = open_copy(d, c, err);
	if (!rc)
		rc = open_host(d, c, err);
	ctl_free(&m->base);
	return rc;
}

/* ---- ranges --------------------------------------------------------------------------------------------------- */

static void fill_rule(Outrigger__RegisterRule *q, const struct dm_region *region,
		      const struct dm_reg *r, bool shadow)
{
	outrigger__register_rule__init(q);
	q->offset = r->offset;
	q->width = r->bytes ? r->count : dm_reg_width(region, r);
	q->read_way = shadow ? dm_reg_shadowed(r) : 0;
	q->read_acts = shadow ? r->read_acts : 0;
	q->write_way = dm_reg_write_way(r);
	q->widths = dm_reg_widths(region, r);
	q->count = r->bytes ? 1 : dm_reg_count(r);
	q->stride = r->bytes ? q->width : dm_reg_stride(region, r);
}

static int send_range_batch(struct daemon *d, Outrigger__RangeRequest *ranges,
			    Outrigger__RangeRequest **list, struct err *err)
{
	Outrigger__RegisterRanges batch = OUTRIGGER__REGISTER_RANGES__INIT;
	batch.n_ranges = d->dm->regions;
	batch.ranges = list;
	batch.irqs = d->cls->irqs;
	for (unsigned i = 0; i < d->dm->regions; i++)
		list[i] = &ranges[i];
	Outrigger__FromDaemon m = OUTRIGGER__FROM_DAEMON__INIT;
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_RANGES;
	m.ranges = &batch;
	int rc = send_up(d, &m, err);
	Outrigger__ToDaemon *ok = NULL;
	if (!rc)
		rc = expect(d, OUTRIGGER__TO_DAEMON__KIND_RANGES_OK, &ok, err);
	if (ok)
		ctl_free(&ok->base);
	return rc;
}

static int register_ranges(struct daemon *d, struct err *err)
{
	Outrigger__RangeRequest ranges[DM_MAX_REGIONS], *list[DM_MAX_REGIONS];
	Outrigger__RegisterRule *rules[DM_MAX_REGIONS] = {NULL};
	int rc = 0;
	for (unsigned i = 0; i < d->dm->regions; i++) {
		const struct dm_region *r = &d->dm->region[i];
		const struct dm_region_map *map = &d->dm->map[i];
		outrigger__range_request__init(&ranges[i]);
		ranges[i].space = (char *)(uintptr_t)(r->space == DM_PIO ? "pio" : "mmio");
		ranges[i].size = r->size;
		ranges[i].widths = r->widths;
		ranges[i].shadow_page = map->shadow_page;
		rules[i] = calloc(map->nregs + 1u, sizeof(*rules[i]));
		ranges[i].rules = calloc(map->nregs + 1u, sizeof(*ranges[i].rules));
		CHECK(rules[i] && ranges[i].rules);
		ranges[i].n_rules = map->nregs;
		for (unsigned k = 0; k < map->nregs; k++) {
			fill_rule(&rules[i][k], r, &r->regs[k], map->shadow_page >= 0);
			ranges[i].rules[k] = &rules[i][k];
		}
	}
	rc = send_range_batch(d, ranges, list, err);
	for (unsigned i = 0; i < d->dm->regions; i++) {
		free(ranges[i].rules);
		free(rules[i]);
	}
	return rc;
}

/* ---- the mappings ------------------------------------------------------------------------------------------------ */

static int map_fd(int fd, const char *what, void **ret, size_t *ret_size, struct err *err)
{
	struct stat st;
	if (fstat(fd, &st))
		return err_set(err, errno, "%s: fstat: %s", what, strerror(errno));
	if (st.st_size <= 0 || st.st_size > 128 * 1024 * 1024)
		return err_set(err, EPROTO, "%s of %lld bytes", what, (long long)st.st_size);
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return err_set(err, errno, "cannot map the %s: %s", what, strerror(errno));
	*ret = p;
	*ret_size = (size_t)st.st_size;
	return 0;
}

/* Maps port, state, bell and trace area, and closes their descriptors. */
static int map_objects(struct daemon *d, struct mappings *m, struct err *err)
{
	int rc = map_fd(d->fds[DOCK_FD_PORT], "port", &m->port, &m->port_size, err);
	if (!rc)
		rc = map_fd(d->fds[DOCK_FD_STATE], "state segment", &m->state, &m->state_size, err);
	if (!rc)
		rc = map_fd(d->fds[DOCK_FD_BELL], "bell", &m->bell, &m->bell_size, err);
	const struct bell *b = m->bell;
	if (!rc && (m->bell_size < sizeof(*b) || b->magic != BELL_MAGIC))
		rc = err_set(err, EPROTO, "the bell is none");
	void *trace = NULL;
	if (!rc)
		rc = map_fd(d->fds[DOCK_FD_TRACE], "trace area", &trace, &m->trace_size, err);
	if (!rc && trace_area_check(trace, m->trace_size))
		rc = err_set(err, EPROTO, "the trace area is none of version %u", TRACE_VERSION);
	if (!rc)
		d->trace = m->trace = trace;
	fd_close(&d->fds[DOCK_FD_PORT]);
	fd_close(&d->fds[DOCK_FD_STATE]);
	fd_close(&d->fds[DOCK_FD_BELL]);
	fd_close(&d->fds[DOCK_FD_TRACE]);
	return rc;
}

static unsigned port_pages(int fd)
{
	struct stat st;
	if (fstat(fd, &st) || (size_t)st.st_size < port_size(0))
		return 0;
	return (unsigned)(((size_t)st.st_size - port_size(0)) / PORT_PAGE);
}

/* ---- the order of things ------------------------------------------------------------------------------------------ */

static int watch(struct daemon *d, int fd, uint32_t events, uint64_t tag, struct err *err)
{
	struct epoll_event ev = {.events = events, .data.u64 = tag};
	if (epoll_ctl(d->epfd, EPOLL_CTL_ADD, fd, &ev))
		return err_set(err, errno, "epoll_ctl: %s", strerror(errno));
	return 0;
}

static int prepare_loop(struct daemon *d, struct err *err)
{
	d->epfd = epoll_create1(EPOLL_CLOEXEC);
	d->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (d->epfd < 0 || d->timer_fd < 0)
		return err_set(err, errno, "cannot make an epoll or a timer: %s", strerror(errno));
	/* The kick's and the timer's counters are never read: each write or expiry is an edge. */
	int rc = watch(d, d->fds[DOCK_FD_KICK], EPOLLIN | EPOLLET, EV_KICK, err);
	if (!rc)
		rc = watch(d, d->timer_fd, EPOLLIN | EPOLLET, EV_TIMER, err);
	if (!rc)
		rc = watch(d, d->dock_fd, EPOLLIN | EPOLLRDHUP, EV_DOCK, err);
	return rc;
}

static int dock(struct daemon *d, const struct daemon_args *args, struct dock_reply *reply,
		struct err *err)
{
	int fd = dock_connect(args->dock, args->token, DOCK_TIMEOUT_MS, reply, d->fds,
			      ARRAY_LEN(d->fds), &d->nfds, err);
	if (fd < 0)
		return fd;
	d->dock_fd = fd;
	/* Until now we would have died with whoever started us; from now on we live as long as hv does. */
	prctl(PR_SET_PDEATHSIG, 0);
	d->epoch = reply->epoch;
	snprintf(d->device, sizeof(d->device), "%.*s", LIMIT_NAME, reply->device);
	log_init(d->device);
	if (d->nfds < DOCK_FD_BACKEND)
		return err_set(err, EPROTO, "the dock gave %u descriptors, at least %d are needed",
			       d->nfds, DOCK_FD_BACKEND);
	return 0;
}

/* The control socket is dialled by a path relative to the runtime directory: with an empty root, that directory
 * is all that is left. */
static int dial(struct daemon *d, const struct daemon_args *args, const char *url, struct err *err)
{
	char path[LIMIT_URL], near[LIMIT_URL + 8];
	if (strncmp(url, "ipc://", 6) != 0)
		return err_set(err, EPROTO, "control address '%s' is not ipc://", url);
	snprintf(path, sizeof(path), "%.*s", (int)LIMIT_URL - 1, url + 6);
	if (args->no_sandbox)
		return ctl_dial(CTL_PAIR, url, HANDSHAKE_TIMEOUT_MS, &d->ctl, err);
	char *slash = strrchr(path, '/');
	snprintf(near, sizeof(near), "ipc://%.*s", (int)LIMIT_URL, slash ? slash + 1 : path);
	const char *dir = !slash ? "." : slash == path ? "/" : path;
	if (slash)
		*slash = 0;
	bool files = false;
	for (unsigned i = DOCK_FD_BACKEND; i < d->nfds; i++) {
		struct stat st;
		files |= !fstat(d->fds[i], &st) && S_ISREG(st.st_mode);
	}
	int rc = sandbox_isolate(&d->sandbox, dir, files, err);
	return rc ? rc : ctl_dial(CTL_PAIR, near, HANDSHAKE_TIMEOUT_MS, &d->ctl, err);
}

static int seal(struct daemon *d, struct err *err)
{
	int extra[64];
	size_t n = 0;
	for (unsigned c = 0; c < d->channels; c++)
		if (d->ch[c].kind == CHARDEV_LISTEN && n == 0)
			extra[n++] = SYS_accept4;
	for (const struct dm_syscall *s = d->cls->syscalls; s && s->name && n < ARRAY_LEN(extra);
	     s++)
		extra[n++] = s->number;
	for (const struct dm_syscall *s = d->cls->host ? d->cls->host->syscalls : NULL;
	     s && s->name && n < ARRAY_LEN(extra); s++)
		extra[n++] = s->number;
	return sandbox_seal(&d->sandbox, extra, n, err);
}

static int say_serving(struct daemon *d, bool sandboxed, struct err *err)
{
	Outrigger__Serving s = OUTRIGGER__SERVING__INIT;
	s.resumed = d->resumed;
	s.sandbox = (char *)(uintptr_t)(sandboxed ? sandbox_report(&d->sandbox) : "off");
	Outrigger__FromDaemon m = OUTRIGGER__FROM_DAEMON__INIT;
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_SERVING;
	m.serving = &s;
	return send_up(d, &m, err);
}

static void say_error(struct daemon *d, const struct err *err)
{
	Outrigger__FromDaemon m = OUTRIGGER__FROM_DAEMON__INIT;
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_ERROR;
	m.error = (char *)(uintptr_t)err->msg;
	if (d->ctl)
		ctl_send(d->ctl, &m.base, 200);
}

static int open_recorder(struct daemon *d, struct err *err)
{
	static char id[65];
	build_id_text(id, sizeof(id));
	struct record_origin o = {.device = d->device, .build_id = id, .epoch = d->epoch};
	int rc = record_open(d->dm, d->trace, &o);
	return rc ? err_set(err, -rc, "no memory for the recorder") : 0;
}

static int bring_up(struct daemon *d, const struct daemon_args *args, struct err *err)
{
	struct dock_reply reply;
	struct mappings m = {0};
	int rc = dock(d, args, &reply, err);
	if (!rc)
		rc = prepare_loop(d, err);
	if (!rc) {
		waiting_init(&d->wait);
		ctl_setup();
		rc = dial(d, args, reply.control_url, err);
	}
	if (!rc)
		rc = say_hello(d, err);
	if (!rc)
		rc = configure(d, err);
	if (rc)
		return rc;
	dm_shadow_layout(d->dm, port_pages(d->fds[DOCK_FD_PORT]));
	rc = register_ranges(d, err);
	if (!rc)
		rc = watch(d, ctl_fd(d->ctl), EPOLLIN, EV_CONTROL, err);
	if (!rc)
		rc = map_objects(d, &m, err);
	if (!rc)
		rc = open_recorder(d, err);
	if (!rc && !args->no_sandbox)
		rc = seal(d, err);
	/* From here on guest input is looked at, so the filter is on. */
	if (!rc && d->standby)
		rc = standby_run(d, &m, !args->no_sandbox, err);
	else if (!rc)
		rc = server_attach(&d->srv, d->dm, m.port, m.port_size, d->epoch, m.state,
				   m.state_size, build_id_word(), d->fds[DOCK_FD_IRQ], &d->resumed,
				   err);
	if (!rc)
		d->srv.bell = m.bell;
	step_at("say");
	if (!rc)
		rc = say_serving(d, !args->no_sandbox, err);
	step_at("said");
	malloc_trim(0);
	return rc;
}

void link_await(struct daemon *d)
{
	struct pollfd p[2] = {{.fd = ctl_fd(d->ctl), .events = POLLIN},
			      {.fd = d->dock_fd, .events = POLLIN | POLLRDHUP}};
	if (poll(p, 2, -1) > 0 && p[1].revents)
		d->done = true;
}

void link_linger(struct daemon *d)
{
	/* nng drops what it has not sent yet when it is closed, and has no call to wait for it. */
	struct pollfd p = {.fd = d->dock_fd, .events = POLLIN};
	if (d->ctl)
		poll(&p, 1, LINGER_MS);
}

int link_up(struct daemon *d, const struct daemon_args *args, struct err *err)
{
	int rc = bring_up(d, args, err);
	if (rc) {
		say_error(d, err);
		link_linger(d);
	}
	return rc;
}

void link_down(struct daemon *d)
{
	if (d->handed_over)
		server_leave(&d->srv);
	if (d->srv.port.port)
		server_detach(&d->srv);
	for (unsigned c = 0; c < d->channels; c++)
		chardev_close(&d->ch[c]);
	/* The control link ends with the process: closing it takes a thread (proto/ctl.c), and no sandboxed daemon may start one. */
	if (d->host)
		d->cls->host->close(d->host);
	dm_destroy(d->dm);
	for (unsigned i = 0; i < d->nfds; i++)
		fd_close(&d->fds[i]);
	fd_close(&d->dock_fd);
	fd_close(&d->timer_fd);
	fd_close(&d->epfd);
}
