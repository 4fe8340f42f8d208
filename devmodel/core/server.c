/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/core/server.h"
#include "devmodel/core/record.h"
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline void count(_Atomic uint64_t *c, uint64_t n)
{
	/* One writer: a plain increment, made of atomic halves so that readers never see a torn word. */
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static void shadow_store(void *ctx, uint32_t offset, unsigned width, uint64_t value)
{
	struct server *s = ctx;
	port_shadow_write(&s->port, offset, width, value);
	if (s->dm->rec_on)
		record_shadow(s->dm, offset, width, value);
}

/*
 * Line words follow the committed arena: what falls before the shadow registers, what rises after them. So a driver that
 * takes an interrupt finds in the shadow page what it is about, also when we are killed in between and the next daemon takes
 * its time; an interrupt that comes a little after its status bit is only late. Both return true if a line changed.
 */
static bool lines_fall(struct server *s)
{
	struct dm_hdr *h = s->dm->hdr;
	bool changed = false;
	for (unsigned i = 0; i < s->dm->cls->irqs && i < s->port.lines; i++) {
		if (!(h->levels >> i & 1))
			changed |= port_line_set(&s->port, i, false);
		if (h->forget >> i & 1)
			changed |= port_line_forget(&s->port, i);
	}
	h->forget = 0;
	return changed;
}

static bool lines_rise(struct server *s)
{
	struct dm_hdr *h = s->dm->hdr;
	bool changed = false;
	for (unsigned i = 0; i < s->dm->cls->irqs && i < s->port.lines; i++) {
		if (h->levels >> i & 1)
			changed |= port_line_set(&s->port, i, true);
		uint32_t have =
			atomic_load_explicit(&s->port.port->line[i].edges, memory_order_relaxed);
		for (; have != h->edges[i]; have++, changed = true)
			port_line_pulse(&s->port, i);
		/* The working copy forgets them now, the committed one with the next commit: a crash in
		 * between raises them once more, which a driver cannot tell from another event. */
		if (h->events[i]) {
			changed |= port_line_event(&s->port, i, h->events[i]);
			count(&s->port.port->io.events, 1);
			if (s->dm->rec_on)
				record_event(s->dm, i, h->events[i]);
			h->events[i] = 0;
		}
	}
	return changed;
}

static void commit(struct server *s, uint64_t head)
{
	server_step(s, "commit");
	arena_flip(&s->arena, head);
	server_step(s, "flip");
	arena_sync(&s->arena);
}

static void publish(struct server *s, bool forwarded)
{
	server_step(s, "publish");
	bool changed = lines_fall(s);
	server_step(s, "shadow");
	dm_shadow_refresh(s->dm, false, shadow_store, s);
	server_step(s, "rise");
	if (lines_rise(s) || changed) {
		s->lines_changed = true;
		s->kick_due |= !forwarded;
	}
}

static void publish_errors(struct server *s)
{
	uint64_t n = s->dm->guest_errors - s->published_errors;
	if (!n)
		return;
	s->published_errors += n;
	s->arena.seg->guest_errors += n;
	count(&s->port.port->counters.guest_errors, n);
}

static void serve_one(struct server *s, const struct port_entry *e)
{
	bool forwarded = !(e->flags & PORT_F_POSTED);
	uint32_t status;
	uint64_t data;
	record_sync(s->dm);
	server_step(s, "serve");
	bool dirty = dm_serve(s->dm, e, &status, &data);
	if (dirty) {
		if (forwarded)
			arena_reply_set(&s->arena, e->seq, e->vcpu, status, data);
		commit(s, e->seq);
		publish(s, forwarded);
	}
	publish_errors(s);
	server_step(s, "complete");
	if (forwarded)
		port_complete(&s->port, e, status, data);
	/* The vCPU goes on already. */
	if (__builtin_expect(s->dm->rec_on, 0))
		record_request(s->dm, e, status, data, dirty);
	server_step(s, "consume");
	port_consume(&s->port);
	server_step(s, "consumed");
}

unsigned server_run(struct server *s, unsigned max)
{
	struct port_entry e;
	unsigned n = 0;
	while (n < max && port_peek(&s->port, &e)) {
		serve_one(s, &e);
		n++;
	}
	if (n)
		count(&s->port.port->counters.served, n);
	return n;
}

bool server_doorbells(struct server *s)
{
	s->doorbells |= port_doorbells_take(&s->port);
	if (!s->doorbells)
		return false;
	count(&s->port.port->io.doorbells, 1);
	server_step(s, "rung");
	while (s->doorbells) {
		unsigned i = (unsigned)__builtin_ctzll(s->doorbells);
		s->doorbells &= s->doorbells - 1;
		dm_doorbell(s->dm, i);
	}
	server_commit(s);
	return true;
}

bool server_work(struct server *s)
{
	if (!dm_work(s->dm))
		return false;
	server_step(s, "worked");
	server_commit(s);
	return true;
}

void server_count(struct server *s, unsigned what, uint64_t n)
{
	if (!s->port.port) /* a standby that loads */
		return;
	count(&s->port.port->io.count[what & 15], n);
}

void server_latency(struct server *s, uint64_t ns)
{
	unsigned b = ns ? 63u - (unsigned)__builtin_clzll(ns) : 0;
	count(&s->port.port->io
		       .latency_log2_ns[b < PORT_LATENCY_BUCKETS ? b : PORT_LATENCY_BUCKETS - 1],
	      1);
}

void server_depth(struct server *s, unsigned n)
{
	atomic_store_explicit(&s->port.port->io.depth, n, memory_order_relaxed);
}

void server_commit(struct server *s)
{
	commit(s, arena_head(&s->arena));
	publish(s, false);
	publish_errors(s);
	if (__builtin_expect(s->dm->rec_on, 0))
		record_commit(s->dm);
	record_sync(s->dm);
}

void server_republish(struct server *s)
{
	bool changed = lines_fall(s);
	dm_shadow_refresh(s->dm, true, shadow_store, s);
	if (lines_rise(s) || changed)
		s->lines_changed = s->kick_due = true;
}

void server_kick(struct server *s, bool all)
{
	if (!(s->kick_due || (all && s->lines_changed)))
		return;
	s->kick_due = false;
	if (!port_lines_unseen(&s->port)) {
		s->lines_changed = false;
		return;
	}
	/* A vCPU that is awake looks by itself. If it has not when we go to sleep, we come back with @all. */
	if (!all && s->bell && bell_ring(s->bell))
		return;
	if (s->irq_fd < 0)
		return;
	uint64_t one = 1;
	server_step(s, "kick");
	ssize_t n = write(s->irq_fd, &one, sizeof(one));
	if (n == (ssize_t)sizeof(one)) {
		s->lines_changed = false;
		count(&s->port.port->counters.irq_kicks, 1);
	}
}

/* ---- taking over --------------------------------------------------------------------------------------- */

/*
 * Answers of the daemon before us stand in the completion slots with its epoch, which hv no longer takes. What is
 * complete there is the truth (a completion is published after its commit), so it gets our epoch.
 */
static void adopt_answers(struct server *s)
{
	for (unsigned v = 0; v < s->port.vcpus; v++) {
		struct port_completion *c = &s->port.port->comp[v];
		uint32_t status = *(volatile uint32_t *)&c->status;
		if (!atomic_load(&c->done) || status < PORT_STATUS_OK || status > PORT_STATUS_VM)
			continue;
		*(volatile uint32_t *)&c->epoch = s->port.epoch;
		atomic_thread_fence(memory_order_seq_cst);
		syscall(SYS_futex, &c->done, FUTEX_WAKE, 64, NULL, NULL, 0);
	}
}

/* Killed between commit and completion: the entry's effect is in the arena, and so is its answer. */
static void repeat_answer(struct server *s)
{
	const struct state_reply *r = arena_reply(&s->arena);
	if (!r->seq)
		return;
	struct port_entry e = {.seq = r->seq, .vcpu = (uint16_t)r->vcpu};
	if (r->vcpu < s->port.vcpus &&
	    (int32_t)(PORT_DONE(r->seq) - atomic_load(&s->port.port->comp[r->vcpu].done)) > 0)
		port_complete(&s->port, &e, r->status, r->data);
}

/* The port is ours: publishes everything. @resumed: we go on from a state, @crashed: the daemon before us may have been
 * between the commit of a request and its answer. */
static void enter(struct server *s, bool resumed, bool crashed)
{
	dm_shadow_layout(s->dm, s->port.shadow_pages);
	server_step(s, "republish");
	server_republish(s);
	server_step(s, "adopt");
	adopt_answers(s);
	server_step(s, "repeat");
	if (crashed)
		repeat_answer(s);
	record_sync(s->dm);
	server_step(s, "resume");
	if (resumed && s->dm->cls->doorbell) {
		/* What the daemon before us had taken and not done yet: ask everybody. */
		s->doorbells = UINT64_MAX;
		dm_resume(s->dm);
		server_commit(s);
	}
	server_step(s, "entered");
	s->kick_due |= port_lines_unseen(&s->port);
}

int server_attach(struct server *s, struct dm *dm, void *port, size_t port_size, uint32_t epoch,
		  void *state, size_t state_size, uint32_t build_id, int irq_fd, bool *ret_resumed,
		  struct err *err)
{
	*s = (struct server){.dm = dm, .irq_fd = irq_fd, .step = step_hook};
	server_step(s, "attach");
	if (port_attach(&s->port, port, port_size, epoch, UINT64_MAX))
		return err_set(err, EPROTO, "not a port of version %u", PORT_VERSION);
	int rc = arena_open(&s->arena, dm, state, state_size, build_id, s->port.head, ret_resumed,
			    err);
	if (rc)
		return rc;
	server_step(s, "attached");
	/* Pure reads move the ring's head without a commit, a crash after a commit leaves it behind. */
	uint64_t head = arena_head(&s->arena);
	if (*ret_resumed && (int64_t)(head - s->port.head) > 0)
		CHECK(!port_attach(&s->port, port, port_size, epoch, head));
	if (!*ret_resumed) {
		for (unsigned i = 0; i < dm->cls->irqs && i < s->port.lines; i++)
			dm->hdr->edges[i] = atomic_load(&s->port.port->line[i].edges);
		arena_commit(&s->arena, s->port.head);
	}
	enter(s, *ret_resumed, *ret_resumed);
	return 0;
}

int server_load(struct server *s, struct dm *dm, void *state, size_t state_size, uint32_t build_id,
		const uint8_t *blob, size_t len, struct err *err)
{
	bool resumed;
	*s = (struct server){.dm = dm, .irq_fd = -1, .step = step_hook};
	int rc = arena_open(&s->arena, dm, state, state_size, build_id, 0, &resumed, err);
	return rc ? rc : dm_load(dm, blob, len, err);
}

int server_take_over(struct server *s, struct dm *dm, void *port, size_t port_size, uint32_t epoch,
		     void *state, size_t state_size, uint32_t build_id, int irq_fd,
		     const uint8_t *blob, size_t len, struct err *err)
{
	int rc = server_load(s, dm, state, state_size, build_id, blob, len, err);
	if (rc)
		return rc;
	s->irq_fd = irq_fd;
	if (port_open(&s->port, port, port_size, epoch))
		return err_set(err, EPROTO, "not a port of version %u", PORT_VERSION);
	/* The daemon before us has stopped, so the head stays. Who finds our epoch in the port goes on from our segment: it
	 * must be good before that. */
	server_step(s, "preload");
	arena_commit(&s->arena, s->port.head);
	server_step(s, "attach");
	port_claim(&s->port);
	server_step(s, "attached");
	enter(s, true, false);
	return 0;
}

void server_leave(struct server *s)
{
	s->port.port = NULL;
}

void server_detach(struct server *s)
{
	port_detach(&s->port);
}
