/* SPDX-License-Identifier: Apache-2.0 */
#include "mini_daemon.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include "proto/ctl.h"
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>

#define SPIN_NS 30000u

static void serve_one(struct mini_port *mp, const struct port_entry *e)
{
	struct port_consumer *pc = &mp->pc;
	uint32_t status = PORT_STATUS_OK;
	uint64_t data = 0;
	unsigned r = e->offset / 4;
	if (e->op == PORT_OP_RESET) {
		memset(mp->reg, 0, sizeof(mp->reg));
		port_line_set(pc, 0, false);
		atomic_fetch_add(&mp->resets, 1);
	} else if (r >= MINI_REGS) {
		status = PORT_STATUS_ERROR;
	} else if (e->op == PORT_OP_WRITE) {
		mp->reg[r] = e->value;
		if (r == 0)
			port_line_set(pc, 0, e->value & 1);
		if (r == 0 && (e->value & 2))
			port_line_pulse(pc, 0);
		if (r == 1)
			port_shadow_write(pc, 4, 4, e->value);
		if (r == MINI_REG_VM) {
			status = PORT_STATUS_VM;
			data = PORT_VM(e->value >> 16, e->value & 0xffff);
		}
	} else {
		data = mp->reg[r];
	}
	if (mp->mode == MINI_BAD_STATUS)
		status = 77;
	if (mp->mode == MINI_BAD_LINE) {
		atomic_store(&pc->port->line[0].word, 99);
		atomic_fetch_add(&pc->port->consumer.lines_gen, 1);
	}
	atomic_fetch_add(&mp->served, 1);
	port_complete(pc, e, status, data);
	port_consume(pc);
}

static void idle(struct mini_port *mp)
{
	if (port_lines_unseen(&mp->pc)) {
		uint64_t one = 1;
		ssize_t n = write(mp->irq_fd, &one, sizeof(one));
		(void)n;
	}
	uint64_t end = mp->never_spin ? 0 : clock_now_ns() + SPIN_NS;
	struct port_entry e;
	while (clock_now_ns() < end) {
		if (port_peek(&mp->pc, &e) || atomic_load(&mp->stop))
			return;
		cpu_relax();
	}
	if (port_sleep_begin(&mp->pc, mp->mode == MINI_LOCAL)) {
		struct pollfd p = {.fd = mp->kick_fd, .events = POLLIN};
		poll(&p, 1, 20);
		uint64_t n;
		ssize_t got = read(mp->kick_fd, &n, sizeof(n));
		(void)got;
		port_sleep_end(&mp->pc);
	}
}

void mini_port_run(struct mini_port *mp)
{
	struct port_entry e;
	while (!atomic_load(&mp->stop)) {
		if (mp->mode == MINI_MUTE) {
			poll(NULL, 0, 1);
		} else if (mp->mode == MINI_BAD_HEAD && port_peek(&mp->pc, &e)) {
			atomic_store(&mp->pc.port->consumer.head, mp->pc.head + 100000);
			poll(NULL, 0, 1);
		} else if (port_peek(&mp->pc, &e)) {
			serve_one(mp, &e);
		} else {
			idle(mp);
		}
	}
	port_detach(&mp->pc);
}

static void mini_port_attach(struct mini_port *mp, int port_fd, int kick_fd, int irq_fd,
			     uint32_t epoch)
{
	off_t size = lseek(port_fd, 0, SEEK_END);
	void *map =
		mp->map ? mp->map
			: mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, port_fd, 0);
	CHECK(map != MAP_FAILED);
	mp->kick_fd = kick_fd;
	mp->irq_fd = irq_fd;
	CHECK(!port_attach(&mp->pc, map, (size_t)size, epoch, UINT64_MAX));
}

static void *port_thread(void *arg)
{
	mini_port_run(arg);
	return NULL;
}

void mini_port_start(struct mini_port *mp, int port_fd, int kick_fd, int irq_fd, uint32_t epoch)
{
	mini_port_attach(mp, port_fd, kick_fd, irq_fd, epoch);
	CHECK(!pthread_create(&mp->thread, NULL, port_thread, mp));
}

void mini_port_stop(struct mini_port *mp)
{
	atomic_store(&mp->stop, 1);
	pthread_join(mp->thread, NULL);
}

/* ---- with dock and control ---- */

static bool daemon_gone(struct mini_daemon *d)
{
	struct pollfd p = {.fd = d->dock_fd, .events = POLLIN};
	return atomic_load(&d->die) || (poll(&p, 1, 0) > 0 && p.revents);
}

static Outrigger__ToDaemon *daemon_wait(struct mini_daemon *d, struct ctl *c)
{
	ProtobufCMessage *m = NULL;
	while (!daemon_gone(d))
		if (!ctl_recv(c, &outrigger__to_daemon__descriptor, 50, &m))
			break;
	Outrigger__ToDaemon *t = (Outrigger__ToDaemon *)m;
	if (t && t->kind_case == OUTRIGGER__TO_DAEMON__KIND_REFUSED)
		snprintf(d->refused, sizeof(d->refused), "%s", t->refused);
	return t;
}

static void say_hello(struct mini_daemon *d, struct ctl *c, uint32_t epoch)
{
	Outrigger__Hello h = OUTRIGGER__HELLO__INIT;
	Outrigger__FromDaemon m = OUTRIGGER__FROM_DAEMON__INIT;
	h.model = (char *)(uintptr_t)(d->lie == MINI_LIE_MODEL ? "liar" : d->model);
	h.epoch = epoch;
	h.state_bytes = 64;
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_HELLO;
	m.hello = &h;
	ctl_send(c, &m.base, 1000);
}

/* Register 0 is posted, 1 is read from the shadow page, 2 ignores writes, the rest is forwarded. */
static void say_ranges(struct mini_daemon *d, struct ctl *c)
{
	static char mmio[] = "mmio", pio[] = "pio";
	Outrigger__RegisterRule rule[3], *rules[3];
	for (unsigned i = 0; i < 3; i++) {
		outrigger__register_rule__init(&rule[i]);
		rule[i].offset = i * 4;
		rule[i].width = 4;
		rule[i].widths = 7;
		rules[i] = &rule[i];
	}
	rule[0].write_way = 1;
	rule[1].read_way = 1;
	rule[2].write_way = 2;
	Outrigger__RangeRequest r = OUTRIGGER__RANGE_REQUEST__INIT, *rs[2] = {&r, &r};
	r.space = d->pio ? pio : mmio;
	r.size = d->lie == MINI_LIE_SIZE ? MINI_SIZE * 2 : MINI_SIZE;
	r.widths = 7;
	r.shadow_page = d->lie == MINI_LIE_SHADOW ? 5 : 0;
	r.n_rules = 3;
	r.rules = rules;
	Outrigger__RegisterRanges a = OUTRIGGER__REGISTER_RANGES__INIT;
	a.n_ranges = d->lie == MINI_LIE_COUNT ? 2 : 1;
	a.ranges = rs;
	a.irqs = d->lie == MINI_LIE_IRQS ? 7 : 1;
	Outrigger__FromDaemon m = OUTRIGGER__FROM_DAEMON__INIT;
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_RANGES;
	m.ranges = &a;
	ctl_send(c, &m.base, 1000);
}

static void say_serving(struct ctl *c)
{
	Outrigger__Serving s = OUTRIGGER__SERVING__INIT;
	Outrigger__FromDaemon m = OUTRIGGER__FROM_DAEMON__INIT;
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_SERVING;
	m.serving = &s;
	ctl_send(c, &m.base, 1000);
}

static bool register_all(struct mini_daemon *d, struct ctl *c, uint32_t epoch)
{
	say_hello(d, c, epoch);
	Outrigger__ToDaemon *t = daemon_wait(d, c);
	bool go = t && t->kind_case == OUTRIGGER__TO_DAEMON__KIND_CONFIGURE;
	d->pio = go && t->configure->n_spaces && !strcmp(t->configure->spaces[0], "pio");
	if (t)
		ctl_free(&t->base);
	if (!go)
		return false;
	say_ranges(d, c);
	t = daemon_wait(d, c);
	go = t && t->kind_case == OUTRIGGER__TO_DAEMON__KIND_RANGES_OK;
	if (t)
		ctl_free(&t->base);
	if (go)
		say_serving(c);
	return go;
}

static void *port_until_gone(void *arg)
{
	struct mini_daemon *d = arg;
	while (!daemon_gone(d))
		poll(NULL, 0, 2);
	atomic_store(&d->port.stop, 1);
	return NULL;
}

static void *daemon_thread(void *arg)
{
	struct mini_daemon *d = arg;
	struct dock_reply rep;
	struct err err = {0};
	int fds[DOCK_FD_BACKEND + LIMIT_FDS];
	unsigned n = 0;
	struct ctl *c = NULL;
	d->dock_fd = -1;
	for (int i = 0; i < 500 && d->dock_fd < 0; i++) {
		d->dock_fd =
			dock_connect(d->dock, d->token, 5000, &rep, fds, ARRAY_LEN(fds), &n, &err);
		if (d->dock_fd == -EACCES)
			break;
		if (d->dock_fd < 0)
			poll(NULL, 0, 2);
	}
	if (d->dock_fd < 0) {
		snprintf(d->refused, sizeof(d->refused), "%s", err.msg);
		return NULL;
	}
	if (d->lie != MINI_DIE_AFTER_DOCK && !ctl_dial(CTL_PAIR, rep.control_url, 2000, &c, &err) &&
	    register_all(d, c, rep.epoch)) {
		pthread_t w;
		mini_port_attach(&d->port, fds[DOCK_FD_PORT], fds[DOCK_FD_KICK], fds[DOCK_FD_IRQ],
				 rep.epoch);
		atomic_store(&d->serving, 1);
		CHECK(!pthread_create(&w, NULL, port_until_gone, d));
		mini_port_run(&d->port);
		pthread_join(w, NULL);
	}
	fd_close(&d->dock_fd);
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
	ctl_close(c);
	return NULL;
}

void mini_daemon_start(struct mini_daemon *d, const char *runtime, const char *token,
		       const char *model, enum mini_lie lie)
{
	snprintf(d->dock, sizeof(d->dock), "%s/dock", runtime);
	snprintf(d->token, sizeof(d->token), "%s", token);
	d->model = model;
	d->lie = lie;
	CHECK(!pthread_create(&d->thread, NULL, daemon_thread, d));
}

void mini_daemon_kill(struct mini_daemon *d)
{
	atomic_store(&d->die, 1);
}

void mini_daemon_join(struct mini_daemon *d)
{
	pthread_join(d->thread, NULL);
}
