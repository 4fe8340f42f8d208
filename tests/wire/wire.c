/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/wire/wire.h"
#include "base/clock.h"
#include "base/fd.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define PATIENCE_MS 5000
#define LINES 16
#define RAM_GPA 0x40000000ull
#define RAM_BYTES (8ull << 20)
#define DISK_BYTES (4ull << 20)
#define MAX_OPTIONS 24

const struct wire_copier *wire_copier;

static Outrigger__ModelDescription *describe(const char *exe)
{
	int p[2];
	uint8_t buf[65536];
	CHECK(!pipe2(p, O_CLOEXEC));
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		dup2(p[1], 1);
		execl(exe, exe, "--describe=pb", (char *)NULL);
		_exit(127);
	}
	close(p[1]);
	ssize_t n = fd_read_all(p[0], buf, sizeof(buf));
	close(p[0]);
	int status;
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(n > 0 && (size_t)n < sizeof(buf));
	ProtobufCMessage *m = ctl_unpack(&outrigger__model_description__descriptor, buf, (size_t)n);
	CHECK(m);
	return (void *)m;
}

/* What the launcher computes: pages for every region that has a shadow register. */
static unsigned shadow_pages(const Outrigger__ModelDescription *d)
{
	unsigned pages = 0;
	for (size_t i = 0; i < d->n_regions; i++) {
		bool any = false;
		for (size_t k = 0; k < d->regions[i]->n_regs; k++)
			any |= !strcmp(d->regions[i]->regs[k]->read_way, "shadow");
		if (any)
			pages += (unsigned)((d->regions[i]->size + PORT_PAGE - 1) / PORT_PAGE);
	}
	return pages;
}

static void *map(int fd, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	return p;
}

/*
 * A control socket for each daemon of the slot. A pair has one peer: on one socket for all of them, the
 * listener may still hold the dead daemon's pipe when the next one dials, and would drop its hello.
 */
static void open_control(struct wire *w)
{
	static unsigned serial;
	struct err err;
	snprintf(w->url, sizeof(w->url), "ipc://%s/ctl.%u", w->dir, ++serial);
	CHECK(!ctl_listen(CTL_PAIR, w->url, &w->ctl, &err));
}

static void close_control(struct wire *w)
{
	if (!w->ctl)
		return;
	ctl_close(w->ctl);
	w->ctl = NULL;
	unlink(w->url + strlen("ipc://"));
}

/* Guest memory between two pages without access: whoever runs over its end faults, here and (by the size of the object)
 * in the daemon. */
static void make_ram(struct wire *w)
{
	w->ram_gpa = RAM_GPA;
	w->ram_bytes = RAM_BYTES;
	w->ram_fd = memfd_create_sized("ram", RAM_BYTES);
	CHECK(w->ram_fd >= 0);
	uint8_t *area = mmap(NULL, RAM_BYTES + 2 * PORT_PAGE, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(area != MAP_FAILED);
	w->ram = mmap(area + PORT_PAGE, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		      w->ram_fd, 0);
	CHECK(w->ram != MAP_FAILED);
}

static void make_disk(struct wire *w)
{
	char path[] = "/tmp/outrigger-disk-XXXXXX";
	w->disk_bytes = DISK_BYTES;
	w->disk_fd = mkostemp(path, O_CLOEXEC);
	CHECK(w->disk_fd >= 0 && !unlink(path) && !ftruncate(w->disk_fd, DISK_BYTES));
}

struct wire *wire_create(const char *exe)
{
	struct wire *w = calloc(1, sizeof(*w));
	struct err err;
	CHECK(w);
	w->exe = exe;
	w->conn_fd = w->host_fd = w->dev_fd = w->ram_fd = w->disk_fd = -1;
	w->desc = describe(exe);
	snprintf(w->dir, sizeof(w->dir), "/tmp/outrigger-wire-XXXXXX");
	CHECK(mkdtemp(w->dir));
	snprintf(w->dock_path, sizeof(w->dock_path), "%s/dock", w->dir);
	dock_token_make(w->token);
	w->dock_fd = dock_listen(w->dock_path, &err);
	CHECK(w->dock_fd >= 0);
	unsigned pages = shadow_pages(w->desc);
	w->port_fd = memfd_create_sized("port", port_size(pages));
	w->state_bytes = STATE_COPY_OFFSET +
			 2 * ((w->desc->state_bytes + 63) / 64 * 64 + sizeof(struct state_reply));
	w->state_fd = memfd_create_sized("state", w->state_bytes);
	w->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->irq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->bell_fd = memfd_create_sized("bell", PORT_PAGE);
	w->trace_bytes = trace_area_bytes(2);
	w->trace_fd = memfd_create_sized("trace", w->trace_bytes);
	CHECK(w->trace_fd >= 0 && w->port_fd >= 0 && w->state_fd >= 0 && w->kick_fd >= 0 &&
	      w->irq_fd >= 0 && w->bell_fd >= 0);
	w->bell = map(w->bell_fd, PORT_PAGE);
	w->bell->magic = BELL_MAGIC;
	w->trace = map(w->trace_fd, w->trace_bytes);
	trace_area_init(w->trace, 2, "dev0");
	port_init(&w->pp, map(w->port_fd, port_size(pages)), 2, LINES, pages, "dev0");
	w->state = map(w->state_fd, w->state_bytes);
	if (w->desc->dma) {
		make_ram(w);
		if (wire_copier)
			w->copier = wire_copier->create(w);
	}
	for (size_t i = 0; i < w->desc->n_options; i++) {
		const char *type = w->desc->options[i]->type;
		int sv[2];
		if (!strcmp(type, "disk")) {
			w->disk_option = w->desc->options[i]->name;
			make_disk(w);
		}
		bool net = !strcmp(type, "net");
		if ((strcmp(type, "chardev") != 0 && !net) || w->host_fd >= 0)
			continue;
		CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
		w->host_fd = sv[0];
		w->dev_fd = sv[1];
		w->backend_kind = "stream";
		if (net)
			w->net_option = w->desc->options[i]->name;
	}
	return w;
}

void wire_destroy(struct wire *w)
{
	if (w->pid)
		wire_kill(w);
	close_control(w);
	if (w->copier)
		wire_copier->destroy(w->copier);
	if (w->ranges)
		ctl_free(&w->ranges->base);
	ctl_free(&w->desc->base);
	munmap(w->pp.port, w->pp.port->hdr.size);
	munmap(w->state, w->state_bytes);
	munmap(w->bell, PORT_PAGE);
	munmap(w->trace, w->trace_bytes);
	if (w->ram)
		munmap(w->ram - PORT_PAGE, RAM_BYTES + 2 * PORT_PAGE);
	int *fds[] = {&w->dock_fd, &w->conn_fd, &w->port_fd, &w->state_fd,
		      &w->kick_fd, &w->irq_fd,	&w->host_fd, &w->dev_fd,
		      &w->bell_fd, &w->ram_fd,	&w->disk_fd, &w->trace_fd};
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		fd_close(fds[i]);
	unlink(w->dock_path);
	rmdir(w->dir);
	free(w);
}

/* ---- coming up -------------------------------------------------------------------------------------------- */

static void answer_at_dock(struct wire *w)
{
	struct pollfd p = {.fd = w->dock_fd, .events = POLLIN};
	struct dock_request req;
	struct err err;
	pid_t peer;
	CHECK(poll(&p, 1, PATIENCE_MS) == 1);
	w->conn_fd = accept4(w->dock_fd, NULL, NULL, SOCK_CLOEXEC);
	CHECK(w->conn_fd >= 0);
	p.fd = w->conn_fd;
	CHECK(poll(&p, 1, PATIENCE_MS) == 1);
	CHECK(!dock_recv_request(w->conn_fd, &req, &peer, &err));
	CHECK(peer == w->pid);
	struct dock_reply r = {.magic = DOCK_MAGIC, .version = DOCK_VERSION, .device = "dev0"};
	if (strcmp(req.token, w->token) != 0) {
		r.status = EACCES;
		snprintf(r.reason, sizeof(r.reason), "wrong token");
		CHECK(!dock_send_reply(w->conn_fd, &r, NULL, 0));
		fd_close(&w->conn_fd);
		return;
	}
	int fds[DOCK_FD_BACKEND + 4] = {w->port_fd, w->state_fd, w->kick_fd,
					w->irq_fd,  w->bell_fd,	 w->trace_fd};
	snprintf(r.control_url, sizeof(r.control_url), "%s", w->url);
	r.epoch = w->epoch = port_epoch_begin(&w->pp);
	r.nfds = DOCK_FD_BACKEND;
	/* configure() names them in this order */
	const int backend[] = {w->dev_fd, w->disk_fd,
			       w->copier ? wire_copier->channel_fd(w->copier) : w->ram_fd,
			       w->copier ? wire_copier->kick_fd(w->copier) : -1};
	for (unsigned i = 0; i < 4; i++)
		if (backend[i] >= 0)
			fds[r.nfds++] = backend[i];
	CHECK(!dock_send_reply(w->conn_fd, &r, fds, r.nfds));
}

void wire_spawn(struct wire *w, const char *token)
{
	close_control(w);
	open_control(w);
	w->pid = fork();
	CHECK(w->pid >= 0);
	if (w->pid == 0) {
		setenv("OUTRIGGER_TOKEN", token ? token : w->token, 1);
		execl(w->exe, w->exe, "--dock", w->dock_path, (char *)NULL);
		_exit(127);
	}
	answer_at_dock(w);
}

Outrigger__FromDaemon *wire_recv(struct wire *w)
{
	for (;;) {
		ProtobufCMessage *m = NULL;
		if (ctl_recv(w->ctl, &outrigger__from_daemon__descriptor, PATIENCE_MS, &m))
			return NULL;
		Outrigger__FromDaemon *f = (void *)m;
		if (f->kind_case != OUTRIGGER__FROM_DAEMON__KIND_LOG)
			return f;
		ctl_free(m);
	}
}

void wire_send(struct wire *w, Outrigger__ToDaemon *m)
{
	CHECK(!ctl_send(w->ctl, &m->base, PATIENCE_MS));
}

void wire_send_simple(struct wire *w, Outrigger__ToDaemon__KindCase kind, uint64_t id)
{
	Outrigger__ToDaemon m = OUTRIGGER__TO_DAEMON__INIT;
	m.id = id;
	m.kind_case = kind;
	m.bye = true; /* the bools of the oneof share their place */
	wire_send(w, &m);
}

/* The options: the one of the test, its further ones, and what the rig's own disk and network need. */
static size_t fill_options(struct wire *w, Outrigger__OptionValue *o, Outrigger__OptionValue **list)
{
	const char *names[MAX_OPTIONS], *values[MAX_OPTIONS];
	size_t n = 0;
	if (w->option) {
		names[n] = w->option;
		values[n++] = w->value;
	}
	for (size_t i = 0; w->options && w->options[2 * i]; i++) {
		names[n] = w->options[2 * i];
		values[n++] = w->options[2 * i + 1];
	}
	if (w->disk_option) {
		names[n] = w->disk_option;
		values[n++] = "disk.img";
	}
	if (w->net_option) {
		names[n] = w->net_option;
		values[n++] = "socket:peer";
	}
	for (size_t i = 0; i < n; i++) {
		outrigger__option_value__init(&o[i]);
		o[i].name = (char *)(uintptr_t)names[i];
		o[i].value = (char *)(uintptr_t)values[i];
		list[i] = &o[i];
	}
	return n;
}

static const char *stream_option(const struct wire *w)
{
	for (size_t i = 0; i < w->desc->n_options; i++)
		if (!strcmp(w->desc->options[i]->type, "chardev") ||
		    !strcmp(w->desc->options[i]->type, "net"))
			return w->desc->options[i]->name;
	return NULL;
}

static void configure(struct wire *w)
{
	Outrigger__Configure c = OUTRIGGER__CONFIGURE__INIT;
	Outrigger__BackendFd b[2] = {OUTRIGGER__BACKEND_FD__INIT, OUTRIGGER__BACKEND_FD__INIT};
	Outrigger__BackendFd *bs[2] = {&b[0], &b[1]};
	Outrigger__OptionValue o[MAX_OPTIONS], *os[MAX_OPTIONS];
	Outrigger__Grant g = OUTRIGGER__GRANT__INIT, *gs = &g;
	char vm[] = "wire", disk[] = "disk";
	int32_t next = 0;
	c.vm = vm;
	c.standby = w->standby;
	c.backends = bs;
	if (w->dev_fd >= 0) {
		b[c.n_backends].option = (char *)(uintptr_t)stream_option(w);
		b[c.n_backends].kind = (char *)(uintptr_t)w->backend_kind;
		b[c.n_backends++].fd_index = next++;
	}
	if (w->disk_fd >= 0) {
		b[c.n_backends].option = (char *)(uintptr_t)w->disk_option;
		b[c.n_backends].kind = disk;
		b[c.n_backends++].fd_index = next++;
	}
	if (w->ram_fd >= 0) {
		g.gpa = w->ram_gpa;
		g.bytes = w->ram_bytes;
		g.fd_index = next;
		g.writable = true;
		c.grants = &gs;
		c.n_grants = 1;
		if (w->copier) {
			g.gpa = 0;
			g.bytes = wire_copier->channel_bytes;
			c.dma_copy = true;
			c.copy_kick_fd_index = next + 1;
		}
	}
	c.options = os;
	c.n_options = fill_options(w, o, os);
	Outrigger__ToDaemon m = OUTRIGGER__TO_DAEMON__INIT;
	m.kind_case = OUTRIGGER__TO_DAEMON__KIND_CONFIGURE;
	m.configure = &c;
	wire_send(w, &m);
}

void wire_handshake(struct wire *w)
{
	Outrigger__FromDaemon *m = wire_recv(w);
	CHECK(m && m->kind_case == OUTRIGGER__FROM_DAEMON__KIND_HELLO);
	CHECK(!strcmp(m->hello->model, w->desc->name) && m->hello->pid == w->pid);
	CHECK(m->hello->epoch == w->epoch && !strcmp(m->hello->build_id, w->desc->build_id));
	CHECK(m->hello->state_bytes == w->desc->state_bytes);
	ctl_free(&m->base);
	configure(w);
	m = wire_recv(w);
	CHECK(m && m->kind_case == OUTRIGGER__FROM_DAEMON__KIND_RANGES);
	if (w->ranges)
		ctl_free(&w->ranges->base);
	w->ranges = m;
	wire_send_simple(w, OUTRIGGER__TO_DAEMON__KIND_RANGES_OK, 0);
	m = wire_recv(w);
	if (w->standby) {
		CHECK(m && m->kind_case == OUTRIGGER__FROM_DAEMON__KIND_STANDING_BY);
		ctl_free(&m->base);
		return;
	}
	CHECK(m && m->kind_case == OUTRIGGER__FROM_DAEMON__KIND_SERVING);
	w->resumed = m->serving->resumed;
	snprintf(w->sandbox, sizeof(w->sandbox), "%s", m->serving->sandbox);
	ctl_free(&m->base);
	if (w->copier)
		wire_copier->serving(w->copier, true);
}

void wire_start(struct wire *w)
{
	wire_spawn(w, NULL);
	wire_handshake(w);
}

/* ---- accesses ------------------------------------------------------------------------------------------------ */

uint64_t wire_push(struct wire *w, const struct port_entry *e)
{
	uint64_t seq, deadline = clock_now_ns() + PATIENCE_MS * 1000000ull;
	int rc;
	while ((rc = port_push(&w->pp, e, &seq)) == -EAGAIN)
		CHECK(!port_wait_room(&w->pp, deadline, NULL));
	CHECK(!rc);
	if (port_needs_wake(&w->pp, NULL)) {
		uint64_t one = 1;
		CHECK(write(w->kick_fd, &one, 8) == 8);
	}
	return seq;
}

uint64_t wire_wait(struct wire *w, uint64_t seq, uint32_t *ret_status)
{
	struct port_result r = {0, 0};
	CHECK(!port_wait_done(&w->pp, 0, seq, 0, clock_now_ns() + PATIENCE_MS * 1000000ull, NULL,
			      &r));
	if (ret_status)
		*ret_status = r.status;
	return r.data;
}

uint64_t wire_read(struct wire *w, unsigned range, uint32_t offset, unsigned width)
{
	struct port_entry e = {.op = PORT_OP_READ,
			       .width = (uint8_t)width,
			       .range = (uint8_t)range,
			       .offset = offset};
	return wire_wait(w, wire_push(w, &e), NULL);
}

void wire_write(struct wire *w, unsigned range, uint32_t offset, unsigned width, uint64_t v)
{
	struct port_entry e = {.op = PORT_OP_WRITE,
			       .width = (uint8_t)width,
			       .range = (uint8_t)range,
			       .offset = offset,
			       .value = v};
	bool copied = w->copier && range == 0 && width == 4;
	if (copied)
		wire_copier->begin(w->copier, offset, (uint32_t)v);
	wire_wait(w, wire_push(w, &e), NULL);
	if (copied)
		wire_copier->end(w->copier, offset, (uint32_t)v);
}

void wire_post(struct wire *w, unsigned range, uint32_t offset, unsigned width, uint64_t v)
{
	struct port_entry e = {.op = PORT_OP_WRITE,
			       .width = (uint8_t)width,
			       .flags = PORT_F_POSTED,
			       .range = (uint8_t)range,
			       .offset = offset,
			       .value = v};
	wire_push(w, &e);
}

void wire_sync(struct wire *w)
{
	struct port_entry e = {.op = PORT_OP_SYNC};
	for (unsigned i = 0; w->copier && i < 2; i++) { /* there, and what it caused back */
		wire_copier->settle(w->copier);
		wire_wait(w, wire_push(w, &e), NULL);
	}
	if (w->copier)
		wire_copier->settle(w->copier);
	wire_wait(w, wire_push(w, &e), NULL);
}

/* ---- processes ----------------------------------------------------------------------------------------------- */

int wire_wait_exit(struct wire *w)
{
	int status = -1;
	uint64_t end = clock_now_ns() + PATIENCE_MS * 1000000ull;
	while (waitpid(w->pid, &status, WNOHANG) == 0) {
		CHECK(clock_now_ns() < end);
		poll(NULL, 0, 1);
	}
	w->pid = 0;
	fd_close(&w->conn_fd);
	return status;
}

void wire_ring(struct wire *w, unsigned index)
{
	uint64_t one = 1;
	if (w->copier) {
		wire_copier->doorbell(w->copier, index);
		return;
	}
	port_ring(&w->pp, index);
	if (port_needs_wake(&w->pp, NULL))
		CHECK(write(w->kick_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

uint32_t wire_pending(struct wire *w)
{
	return atomic_load(&w->pp.port->line[0].pending);
}

uint32_t wire_wait_pending(struct wire *w, uint32_t bits)
{
	uint64_t until = clock_now_ns() + PATIENCE_MS * 1000000ull;
	struct pollfd p = {.fd = w->irq_fd, .events = POLLIN};
	while (!(wire_pending(w) & bits) && clock_now_ns() < until) {
		uint64_t n;
		if (poll(&p, 1, 1) == 1 && read(w->irq_fd, &n, sizeof(n)) < 0)
			CHECK(errno == EAGAIN);
	}
	return wire_pending(w) & bits;
}

void wire_ack(struct wire *w, uint32_t bits)
{
	port_ack(&w->pp, 0, bits);
}

uint64_t wire_shadow(struct wire *w, uint32_t offset, unsigned width)
{
	int32_t page = w->ranges->ranges->ranges[0]->shadow_page;
	CHECK(page >= 0);
	return port_shadow_read(&w->pp, (uint32_t)page * PORT_PAGE + offset, width);
}

void wire_kill(struct wire *w)
{
	kill(w->pid, SIGKILL);
	wire_wait_exit(w);
	if (w->copier)
		wire_copier->serving(w->copier, false);
}

unsigned long long wire_status(struct wire *w, const char *key)
{
	char path[64], line[256];
	unsigned long long v = ~0ull;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)w->pid);
	FILE *f = fopen(path, "re");
	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			v = strtoull(line + strlen(key) + 1, NULL, 16);
	fclose(f);
	return v;
}

size_t wire_output(struct wire *w, char *buf, size_t want)
{
	size_t at = 0;
	struct pollfd p = {.fd = w->host_fd, .events = POLLIN};
	while (at < want && poll(&p, 1, PATIENCE_MS) == 1) {
		ssize_t n = read(w->host_fd, buf + at, want - at);
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	return at;
}
