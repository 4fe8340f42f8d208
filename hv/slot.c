/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/slot_int.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/log.h"
#include "proto/state.h"
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

/* Pulses that one sample hands on: an edge line's pending bit is one bit, the rest would be lost
 * anyway. */
#define EDGES_MAX 4u
#define SPIN_START_NS 20000u

const char *slot_state_name(enum slot_state state)
{
	static const char *const names[] = {"?",       "waiting", "docked",
					    "serving", "dead",	  "quarantined"};
	return (unsigned)state < ARRAY_LEN(names) ? names[state] : names[0];
}

/* The true number of cores: sysconf() answers nng's question, see proto/ctl_threads.c. */
static bool many_cores(void)
{
	cpu_set_t set;
	return sched_getaffinity(0, sizeof(set), &set) < 0 || CPU_COUNT(&set) > 1;
}

/* A segment for an arena of @bytes. */
static int state_create(uint64_t bytes)
{
	uint64_t copy = align_up(bytes, 64) + sizeof(struct state_reply);
	return memfd_create_sized("state", align_up(STATE_COPY_OFFSET + 2 * copy, PORT_PAGE));
}

static int slot_make_fds(struct slot *s, struct err *err)
{
	const struct slot_config *c = &s->cfg;
	s->port_bytes = align_up(port_size(c->shadow_pages), PORT_PAGE);
	s->port_fd = memfd_create_sized("port", s->port_bytes);
	s->state_fd = state_create(c->state_bytes);
	s->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->irq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->port_fd < 0 || s->state_fd < 0 || s->kick_fd < 0 || s->irq_fd < 0)
		return err_set(err, EMFILE, "%s: cannot make its shared memory: %s", c->name,
			       strerror(errno));
	void *map = mmap(NULL, s->port_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->port_fd, 0);
	if (map == MAP_FAILED)
		return err_set(err, errno, "%s: cannot map its port: %s", c->name, strerror(errno));
	port_init(&s->pp, map, c->vcpus, c->lines, c->shadow_pages, c->name);
	return 0;
}

int slot_create(const struct slot_config *cfg, struct slot **ret, struct err *err)
{
	CHECK(cfg->vcpus <= PORT_MAX_VCPUS && cfg->lines <= PORT_MAX_LINES &&
	      cfg->shadow_pages <= PORT_MAX_SHADOW_PAGES);
	struct slot *s = aligned_alloc(64, align_up(sizeof(*s), 64));
	if (!s)
		return err_set(err, ENOMEM, "%s: out of memory", cfg->name);
	memset(s, 0, sizeof(*s));
	s->cfg = *cfg;
	if (!s->cfg.deadline_ns)
		s->cfg.deadline_ns = SLOT_DEADLINE_NS;
	s->port_fd = s->state_fd = s->kick_fd = s->irq_fd = s->trace.fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	int rc = slot_make_fds(s, err);
	if (!rc)
		rc = slot_trace_create(s, err);
	if (rc) {
		slot_destroy(s);
		return rc;
	}
	for (unsigned i = 0; i < cfg->lines; i++)
		s->line_word[i] = PORT_LINE_LOW;
	s->can_spin = many_cores();
	atomic_store(&s->spin_ns, SPIN_START_NS);
	atomic_store(&s->word, (uint64_t)SLOT_WAITING << 16 | (uint64_t)(cfg->index + 1) << 24);
	*ret = s;
	return 0;
}

void slot_destroy(struct slot *s)
{
	if (!s)
		return;
	slot_trace_destroy(s);
	if (s->pp.port)
		munmap(s->pp.port, s->port_bytes);
	fd_close(&s->port_fd);
	fd_close(&s->state_fd);
	fd_close(&s->kick_fd);
	fd_close(&s->irq_fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Puts @state and, if nonzero, @epoch into the word; the in-flight count is left alone. */
static uint64_t word_set(struct slot *s, enum slot_state state, uint32_t epoch)
{
	uint64_t old = atomic_load(&s->word), new;
	do {
		new = (old & ~0xff0000ull) | (uint64_t)state << 16;
		if (epoch)
			new = (new & 0xffffffffull) | (uint64_t)epoch << 32;
	} while (!atomic_compare_exchange_weak(&s->word, &old, new));
	slot_turn(s);
	return old;
}

void slot_hold_set(struct slot *s, uint32_t hold)
{
	if (atomic_exchange(&s->hold, hold) != hold)
		slot_turn(s);
}

void slot_down_set(struct slot *s, bool down)
{
	if (atomic_exchange(&s->down, down) != down)
		slot_turn(s);
}

void slot_interrupt(struct slot *s, unsigned vcpu)
{
	port_interrupt(&s->pp, vcpu);
	slot_turn(s);
}

void slot_clock(struct slot *s, uint64_t offset_ns, uint64_t stopped_at)
{
	struct port_producer_line *p = &s->pp.port->producer;
	atomic_store_explicit(&p->clock_offset_ns, offset_ns, memory_order_relaxed);
	atomic_store_explicit(&p->clock_stopped_at, stopped_at, memory_order_release);
}

uint32_t slot_attach(struct slot *s)
{
	uint32_t epoch = port_epoch_begin(&s->pp);
	pthread_mutex_lock(&s->lock);
	s->why[0] = 0;
	pthread_mutex_unlock(&s->lock);
	atomic_store(&s->silent_seq, 0);
	word_set(s, SLOT_DOCKED, epoch);
	return epoch;
}

int slot_serve(struct slot *s)
{
	if (slot_state(s) != SLOT_DOCKED)
		return -EPROTO;
	word_set(s, SLOT_SERVING, 0);
	return 0;
}

int slot_successor(struct slot *s, uint32_t *ret_epoch, int *ret_state_fd)
{
	int fd = state_create(s->cfg.state_bytes + SLOT_STATE_GROWTH);
	if (fd < 0)
		return fd;
	*ret_state_fd = fd;
	*ret_epoch = port_epoch_reserve(&s->pp);
	return 0;
}

bool slot_switch(struct slot *s, uint32_t epoch)
{
	pthread_mutex_lock(&s->lock); /* against slot_fail() */
	bool serving = slot_state(s) == SLOT_SERVING;
	if (serving) {
		port_epoch_set(&s->pp, epoch);
		word_set(s, SLOT_SERVING, epoch);
	}
	pthread_mutex_unlock(&s->lock);
	return serving;
}

bool slot_vacate(struct slot *s)
{
	pthread_mutex_lock(&s->lock);
	enum slot_state now = slot_state(s);
	bool change = now == SLOT_SERVING || now == SLOT_DOCKED;
	if (change)
		word_set(s, SLOT_WAITING, 0);
	pthread_mutex_unlock(&s->lock);
	/* Nobody looks at the ring: no spinning for an answer, no kicks. Its successor says so for itself. */
	if (change)
		atomic_store(&s->pp.port->consumer.state, PORT_ABSENT);
	return change;
}

bool slot_fail(struct slot *s, enum slot_state state, const char *fmt, ...)
{
	pthread_mutex_lock(&s->lock);
	enum slot_state now = slot_state(s);
	/* A quarantined daemon that dies is dead; a dead one stays dead. */
	bool change = now != state && now != SLOT_DEAD;
	if (change && !s->why[0]) {
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(s->why, sizeof(s->why), fmt, ap);
		va_end(ap);
	}
	if (change)
		word_set(s, state, 0);
	pthread_mutex_unlock(&s->lock);
	if (change) {
		port_mark_dead(&s->pp);
		s->cfg.ops->changed(s->cfg.opaque);
	}
	return change;
}

void slot_say_why(struct slot *s, const char *why)
{
	pthread_mutex_lock(&s->lock);
	snprintf(s->why, sizeof(s->why), "%s", why);
	pthread_mutex_unlock(&s->lock);
}

void slot_why(struct slot *s, char *buf, size_t len)
{
	pthread_mutex_lock(&s->lock);
	snprintf(buf, len, "%s", s->why);
	pthread_mutex_unlock(&s->lock);
}

/* One line under the lock. False: nonsense in the port. */
static bool line_sample(struct slot *s, unsigned i)
{
	struct port_line *l = &s->pp.port->line[i];
	uint32_t word = atomic_load_explicit(&l->word, memory_order_acquire);
	uint32_t edges = atomic_load_explicit(&l->edges, memory_order_acquire);
	uint32_t irq = s->cfg.irqs[i];
	if (word != PORT_LINE_LOW && word != PORT_LINE_HIGH)
		return false;
	if (atomic_load_explicit(&l->pending, memory_order_acquire))
		word = PORT_LINE_HIGH;
	if (word != s->line_word[i]) {
		s->line_word[i] = word;
		if (slot_traced(s))
			slot_trace_line(s, i, word == PORT_LINE_HIGH);
		s->cfg.ops->irq_line(s->cfg.opaque, irq, word == PORT_LINE_HIGH);
		atomic_fetch_add_explicit(&s->pp.port->counters.irqs_sampled, 1,
					  memory_order_relaxed);
	}
	uint32_t n = edges - s->line_edges[i];
	s->line_edges[i] = edges;
	for (uint32_t k = 0; k < n && k < EDGES_MAX; k++) {
		if (slot_traced(s))
			slot_trace_line(s, i, 2);
		s->cfg.ops->irq_pulse(s->cfg.opaque, irq);
	}
	if (n)
		atomic_fetch_add_explicit(&s->pp.port->counters.irqs_sampled, n,
					  memory_order_relaxed);
	return true;
}

void slot_lines_sample(struct slot *s)
{
	struct port *p = s->pp.port;
	bool good = true;
	pthread_mutex_lock(&s->lock);
	enum slot_state state = slot_state(s);
	if (state != SLOT_QUARANTINED && state != SLOT_DEAD) {
		/* The generation is read before the words: a change after this makes them differ
		 * again, and the daemon, which compares lines_seen with it before it sleeps, kicks
		 * us. */
		uint32_t gen = atomic_load_explicit(&p->consumer.lines_gen, memory_order_acquire);
		for (unsigned i = 0; good && i < s->cfg.lines; i++)
			good = line_sample(s, i);
		atomic_store_explicit(&s->lines_seen, gen, memory_order_relaxed);
		atomic_store(&p->producer.lines_seen, gen);
	}
	pthread_mutex_unlock(&s->lock);
	if (!good) {
		atomic_fetch_add_explicit(&p->counters.bad_answers, 1, memory_order_relaxed);
		slot_fail(s, SLOT_QUARANTINED,
			  "%s wrote an interrupt line word that is neither low nor high",
			  s->cfg.name);
	}
}
