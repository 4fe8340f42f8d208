/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exit path of an access to a device: no allocation, no lock on shadow reads and posted writes,
 * the clock only where a wait is long or an access is one of the timed ones.
 */
#include "hv/slot.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "hv/copy.h"
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

/* Looks at the completion before the first look at the clock. An awake daemon on another core
 * answers within about 200 ns; a look with its pause takes 10 ns to 40 ns. */
#define QUICK_LOOKS 64
#define SPIN_MAX_NS 50000u
/* How often a vCPU offers its core to the daemon that was just woken on it, before it sleeps. */
#define LOCAL_YIELDS 4
/* One forwarded access in this many is timed for the histogram. */
#define TIMED_EVERY 64u

/* With one vCPU there is one writer, and no locked add is needed. (The control thread's counters
 * are others.) */
static void count(struct slot *s, _Atomic uint64_t *c)
{
	if (__builtin_expect(s->cfg.vcpus == 1, 1))
		atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1,
				      memory_order_relaxed);
	else
		atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}

/* The answer when there is nobody to ask. */
static enum access_result policy_answer(struct slot *s, unsigned len, bool is_write, uint64_t *data)
{
	count(s, &s->pp.port->counters.policy_answers);
	switch (s->cfg.policy) {
	case POLICY_STOP:
		return ACCESS_STOP;
	case POLICY_ABORT:
		return ACCESS_ABORT;
	case POLICY_ONES:
		break;
	}
	if (!is_write)
		*data = width_mask(len);
	return ACCESS_OK;
}

static void nonsense(struct slot *s, const char *what)
{
	/* The control thread counts here, too. */
	atomic_fetch_add_explicit(&s->pp.port->counters.bad_answers, 1, memory_order_relaxed);
	slot_fail(s, SLOT_QUARANTINED, "%s wrote nonsense into its port: %s", s->cfg.name, what);
}

static void kick(struct slot *s, unsigned vcpu)
{
	uint64_t one = 1;
	_Atomic uint32_t *k = &s->pv[vcpu].kicks;
	uint32_t n = atomic_load_explicit(k, memory_order_relaxed);
	atomic_store_explicit(k, n + 1, memory_order_relaxed);
	ssize_t put = write(s->kick_fd, &one, sizeof(one));
	bool blocked = put < 0 &&
		       errno == EINTR; /* EAGAIN: the counter is at its end, so it is readable */
	atomic_store_explicit(k, n + 2, memory_order_relaxed);
	count(s, &s->pp.port->counters.wakes_sent);
	if (blocked)
		nonsense(s, "its kick eventfd is full and blocks");
}

/* A cold daemon is bound to the core of the vCPU that asked last. If the vCPU has moved since, the
 * daemon is bound to where it is now: a wake-up on the same core costs a tenth of one that must
 * bring another core out of its halt. */
static void bring_near(struct slot *s)
{
	struct port *p = s->pp.port;
	uint32_t core = atomic_load_explicit(&p->producer.last_core, memory_order_relaxed);
	if (core == atomic_load_explicit(&p->consumer.core, memory_order_relaxed))
		return;
	int pid = atomic_load_explicit(&s->daemon_pid, memory_order_relaxed);
	cpu_set_t set;
	if (pid <= 0 || !core || core > CPU_SETSIZE)
		return;
	CPU_ZERO(&set);
	CPU_SET(core - 1, &set);
	if (sched_setaffinity(pid, sizeof(set), &set) == 0)
		atomic_store_explicit(&p->consumer.core, core, memory_order_relaxed);
}

static void silent_begin(struct slot *s, uint64_t seq)
{
	uint64_t none = 0;
	count(s, &s->pp.port->counters.deadline_misses);
	if (atomic_compare_exchange_strong(&s->silent_seq, &none, seq)) {
		log_warn_limited(
			"device=%s did not answer within %llu ms: its policy answers until it does",
			s->cfg.name, (unsigned long long)(s->cfg.deadline_ns / 1000000));
		s->cfg.ops->changed(s->cfg.opaque);
	}
}

/* A daemon that missed a deadline is not waited for again until it has served what it was asked
 * then: a hung one costs the guest one deadline, not one an access. True: still silent. */
static bool still_silent(struct slot *s)
{
	uint64_t seq = atomic_load_explicit(&s->silent_seq, memory_order_relaxed);
	if (__builtin_expect(!seq, 1))
		return false;
	if (!port_served(&s->pp, seq))
		return true;
	if (atomic_compare_exchange_strong(&s->silent_seq, &seq, 0))
		s->cfg.ops->changed(s->cfg.opaque);
	return false;
}

/* True if the consumer says it served what was never asked. */
static bool head_is_nonsense(struct slot *s)
{
	uint64_t head = atomic_load_explicit(&s->pp.port->consumer.head, memory_order_acquire);
	return (int64_t)(atomic_load(&s->pp.tail) - head) < 0;
}

/* What a wait that failed means. Gives the policy's answer, or INTERRUPTED. */
static enum access_result wait_failed(struct slot *s, int rc, uint64_t seq, unsigned len,
				      bool is_write, uint64_t *data)
{
	switch (rc) {
	case -EINTR:
		return ACCESS_INTERRUPTED;
	case -ETIMEDOUT:
		if (head_is_nonsense(s))
			nonsense(s, "ring head");
		else
			silent_begin(s, seq);
		break;
	case -EPROTO:
		nonsense(s, "ring head or completion");
		break;
	default: /* -EPIPE: dead; the control thread knows */
		break;
	}
	return policy_answer(s, len, is_write, data);
}

/* Pushes @e, waiting for room at most until *@deadline (set here when first needed). */
static int push(struct slot *s, const struct port_entry *e, const _Atomic uint32_t *stop,
		uint64_t *deadline, uint64_t *ret_seq)
{
	for (;;) {
		int rc = port_push(&s->pp, e, ret_seq);
		if (__builtin_expect(rc != -EAGAIN, 1))
			return rc;
		if (!*deadline)
			*deadline = clock_now_ns() + s->cfg.deadline_ns;
		bool local;
		if (port_needs_wake(&s->pp, &local))
			kick(s, e->vcpu);
		rc = port_wait_room(&s->pp, *deadline, stop);
		if (rc) {
			/* What must be served before the daemon counts as on time again: all there
			 * is. */
			*ret_seq = atomic_load(&s->pp.tail);
			return rc;
		}
	}
}

/* The spin budget follows what is seen: twice the usual latency while that is worth a spin, else
 * towards 0. */
static void spin_learn(struct slot *s, uint64_t took_ns)
{
	uint32_t old = atomic_load_explicit(&s->spin_ns, memory_order_relaxed);
	uint32_t want = 0;
	/* Up to twice the cap: a sleep adds a wake-up of tens of microseconds to what a spin would
	 * have seen. */
	if (took_ns <= 2 * SPIN_MAX_NS)
		want = took_ns * 2 < SPIN_MAX_NS ? (uint32_t)took_ns * 2 : SPIN_MAX_NS;
	uint32_t new = (old * 3 + want) / 4;
	if (new != old)
		atomic_store_explicit(&s->spin_ns, new, memory_order_relaxed);
}

static void histogram(struct slot *s, uint64_t ns)
{
	unsigned b = ns ? 63u - (unsigned)__builtin_clzll(ns) : 0;
	count(s,
	      &s->pp.port->counters
		       .latency_log2_ns[b < PORT_LATENCY_BUCKETS ? b : PORT_LATENCY_BUCKETS - 1]);
}

/*
 * The daemon was woken on this very core: hand it over and stay runnable. A vCPU that slept would
 * be woken on whatever core is idle, which costs a wake-up across cores and carries it away from
 * its daemons.
 */
static bool yield_answer(struct slot *s, unsigned vcpu, uint64_t seq, struct port_result *res,
			 int *ret_rc)
{
	for (int i = 0; i < LOCAL_YIELDS; i++) {
		if (port_poll_done(&s->pp, vcpu, seq, res, ret_rc))
			return true;
		sched_yield();
	}
	return false;
}

static int wait_answer(struct slot *s, unsigned vcpu, uint64_t seq, bool local,
		       const _Atomic uint32_t *stop, uint64_t deadline, struct port_result *res)
{
	int rc;
	bool may_spin = s->can_spin && !local;
	if (local && yield_answer(s, vcpu, seq, res, &rc))
		return rc;
	if (may_spin)
		for (int i = 0; i < QUICK_LOOKS; i++) {
			if (port_poll_done(&s->pp, vcpu, seq, res, &rc))
				return rc;
			cpu_relax();
		}
	uint64_t start = clock_now_ns();
	uint64_t spin = may_spin ? atomic_load_explicit(&s->spin_ns, memory_order_relaxed) : 0;
	rc = port_wait_done(&s->pp, vcpu, seq, spin,
			    deadline ? deadline : start + s->cfg.deadline_ns, stop, res);
	int late;
	if (rc == -ETIMEDOUT) {
		/* A thread that lost its core between its last look and the clock may have the
		 * answer by now. An answer is there before the head moves on: a head that went past
		 * without one would cost the guest a deadline at each access, for ever. */
		bool passed = port_served(&s->pp, seq);
		if (port_poll_done(&s->pp, vcpu, seq, res, &late))
			rc = late;
		else if (passed)
			rc = -EPROTO;
	}
	if (may_spin && (rc == 0 || rc == -ETIMEDOUT))
		spin_learn(s, clock_now_ns() - start);
	return rc;
}

static void publish_core(struct slot *s)
{
	struct port_producer_line *pl = &s->pp.port->producer;
	uint32_t core = (uint32_t)sched_getcpu() + 1;
	if (atomic_load_explicit(&pl->last_core, memory_order_relaxed) != core)
		atomic_store_explicit(&pl->last_core, core, memory_order_relaxed);
}

/* After a value was read with acquire: line changes that came with it are visible, and reach the
 * interrupt controller before the guest sees the value. */
static void lines_follow(struct slot *s)
{
	if (__builtin_expect(
		    atomic_load_explicit(&s->pp.port->consumer.lines_gen, memory_order_relaxed) !=
			    atomic_load_explicit(&s->lines_seen, memory_order_relaxed),
		    0))
		slot_lines_sample(s);
}

/* Pushes @e and waits for its answer. On ACCESS_OK with *@ret_answered the result is the daemon's.
 */
static enum access_result forward(struct slot *s, const struct port_entry *e,
				  const _Atomic uint32_t *stop, struct port_result *res,
				  bool *ret_answered, uint64_t *data)
{
	bool is_write = e->op != PORT_OP_READ, local = false;
	uint64_t seq = 0, deadline = 0;
	uint64_t t0 = s->pv[e->vcpu].forwards++ % TIMED_EVERY ? 0 : clock_now_ns();
	publish_core(s);
	int rc = push(s, e, stop, &deadline, &seq);
	if (!rc) {
		if (port_needs_wake(&s->pp, &local)) {
			if (local)
				bring_near(s);
			kick(s, e->vcpu);
		}
		rc = wait_answer(s, e->vcpu, seq, local, stop, deadline, res);
	}
	if (__builtin_expect(rc != 0, 0))
		return wait_failed(s, rc, seq, e->width, is_write, data);
	if (t0)
		histogram(s, clock_now_ns() - t0);
	lines_follow(s);
	*ret_answered = true;
	return ACCESS_OK;
}

static enum access_result forward_access(struct slot *s, struct port_entry *e,
					 const _Atomic uint32_t *stop, uint64_t *data)
{
	struct port_result res = {0};
	bool is_write = e->op == PORT_OP_WRITE, answered = false;
	count(s, is_write ? &s->pp.port->counters.writes_forwarded
			  : &s->pp.port->counters.reads_forwarded);
	enum access_result r = forward(s, e, stop, &res, &answered, data);
	if (answered && !is_write)
		*data = (res.status == PORT_STATUS_OK ? res.data : UINT64_MAX) &
			width_mask(e->width);
	return r;
}

/* What follows a posted write that is in the ring as @seq. */
static void posted(struct slot *s, unsigned vcpu, uint64_t seq)
{
	count(s, &s->pp.port->counters.writes_posted);
	/* The largest of all vCPUs; release: whoever is told of this write by another vCPU sees it
	 * here. */
	uint64_t last = atomic_load_explicit(&s->posted_seq, memory_order_relaxed);
	if (s->cfg.vcpus == 1)
		atomic_store_explicit(&s->posted_seq, seq, memory_order_release);
	else
		while (last < seq && !atomic_compare_exchange_weak_explicit(
					     &s->posted_seq, &last, seq, memory_order_release,
					     memory_order_relaxed))
			;
	bool local;
	if (port_needs_wake(&s->pp, &local)) {
		publish_core(s);
		kick(s, vcpu);
	}
}

static enum access_result post(struct slot *s, struct port_entry *e, const _Atomic uint32_t *stop,
			       uint64_t *data)
{
	uint64_t seq = 0, deadline = 0;
	e->flags = PORT_F_POSTED;
	int rc = push(s, e, stop, &deadline, &seq);
	if (__builtin_expect(rc != 0, 0))
		return wait_failed(s, rc, seq, e->width, true, data);
	posted(s, e->vcpu, seq);
	return ACCESS_OK;
}

/* A doorbell: no entry, no answer; rings that come together are one. False: there is no such doorbell. */
static bool ring(struct slot *s, unsigned vcpu, uint64_t index)
{
	bool local;
	if (index >= 64)
		return false;
	port_ring(&s->pp, (unsigned)index);
	if (port_needs_wake(&s->pp, &local)) {
		publish_core(s);
		if (local)
			bring_near(s);
		kick(s, vcpu);
	}
	return true;
}

/* From a thread that is no vCPU's: nobody would notice that it is stuck, so it writes only what finds room. */
static void kick_elsewhere(struct slot *s)
{
	struct pollfd p = {.fd = s->kick_fd, .events = POLLOUT};
	uint64_t one = 1;
	if (poll(&p, 1, 0) == 1 && write(s->kick_fd, &one, sizeof(one)) > 0)
		atomic_fetch_add_explicit(&s->pp.port->counters.wakes_sent, 1,
					  memory_order_relaxed);
}

void slot_ring(struct slot *s, unsigned vcpu, unsigned index)
{
	if (vcpu != COPY_NO_VCPU) {
		ring(s, vcpu, index);
	} else if (index < 64) {
		port_ring(&s->pp, index);
		if (port_needs_wake(&s->pp, NULL))
			kick_elsewhere(s);
	}
}

void slot_event(struct slot *s, uint32_t bits)
{
	/* Release: the used ring is visible to whoever sees the event. */
	atomic_fetch_or(&s->pp.port->line[0].pending, bits);
	slot_lines_sample(s);
}

/* The guest acknowledges events: done here, the daemon need not know. */
static void acknowledge(struct slot *s, uint64_t bits)
{
	port_ack(&s->pp, 0, (uint32_t)bits);
	slot_lines_sample(s);
}

static uint64_t pending(struct slot *s)
{
	lines_follow(s);
	count(s, &s->pp.port->counters.reads_shadow);
	return atomic_load_explicit(&s->pp.port->line[0].pending, memory_order_acquire);
}

/* True if *@data was read from the shadow page. */
static bool shadow(struct slot *s, const struct bus_range *r, enum bus_read_way way,
		   uint32_t offset, unsigned len, uint64_t *data)
{
	if (offset & (len - 1))
		return false;
	/* The page may lack the effect of a posted write that is still in the ring. Forwarded ones
	 * were waited for. */
	if (way == BUS_READ_PENDING) {
		*data = pending(s) & width_mask(len);
		return true;
	}
	if (way != BUS_READ_SHADOW_NOWAIT &&
	    !port_served(&s->pp, atomic_load_explicit(&s->posted_seq, memory_order_acquire)))
		return false;
	*data = port_shadow_read(&s->pp, r->shadow + offset, len) & width_mask(len);
	lines_follow(s);
	count(s, &s->pp.port->counters.reads_shadow);
	return true;
}

/* The guest's mistake, not the daemon's: all-ones whatever the policy. */
static enum access_result bad_width(struct slot *s, unsigned len, bool is_write, uint64_t *data)
{
	log_warn_limited("device=%s has no %u-bit registers: %s", s->cfg.name, len * 8,
			 is_write ? "write dropped" : "read gives all-ones");
	if (!is_write)
		*data = width_mask(len);
	return ACCESS_OK;
}

static enum access_result way_access(struct slot *s, const struct bus_range *r, unsigned vcpu,
				     const _Atomic uint32_t *stop, uint32_t offset, unsigned len,
				     bool is_write, uint64_t *data)
{
	bus_rule_t rule = offset < r->rules_len ? r->rules[offset] : 0;
	bool ruled = bus_rule_fits(rule, len);
	if (!is_write && ruled && bus_rule_read(rule) != BUS_READ_FORWARD &&
	    shadow(s, r, (enum bus_read_way)bus_rule_read(rule), offset, len, data))
		return ACCESS_OK;
	if (is_write && ruled && bus_rule_write(rule) == BUS_WRITE_IGNORE)
		return ACCESS_OK;
	if (is_write && ruled && bus_rule_write(rule) == BUS_WRITE_ACK) {
		acknowledge(s, *data);
		return ACCESS_OK;
	}
	if (is_write && ruled && bus_rule_write(rule) == BUS_WRITE_DOORBELL &&
	    ring(s, vcpu, *data & width_mask(len)))
		return ACCESS_OK;
	if (__builtin_expect(!(r->widths & len), 0))
		return bad_width(s, len, is_write, data);
	if (__builtin_expect(still_silent(s), 0))
		return policy_answer(s, len, is_write, data);
	struct port_entry e = {
		.op = is_write ? PORT_OP_WRITE : PORT_OP_READ,
		.width = (uint8_t)len,
		.range = r->index,
		.offset = offset,
		.value = is_write ? *data & width_mask(len) : 0,
		.vcpu = (uint16_t)vcpu,
	};
	if (is_write && ruled && bus_rule_write(rule) == BUS_WRITE_POST)
		return post(s, &e, stop, data);
	return forward_access(s, &e, stop, data);
}

/* A daemon has died and the next one is on its way: what is asked now is served by it, from the ring. */
static bool between_daemons(const struct slot *s, uint64_t word)
{
	enum slot_state state = SLOT_WORD_STATE(word);
	return s->cfg.restart && (state == SLOT_WAITING || state == SLOT_DOCKED);
}

/* dma: copy: the copier learns from the guest where the rings are, whatever ways the daemon registered. */
static enum access_result copied_write(struct slot *s, const struct bus_range *r, unsigned vcpu,
				       const _Atomic uint32_t *stop, uint32_t offset, uint64_t *data)
{
	uint32_t value = (uint32_t)*data;
	if (offset == COPY_R_NOTIFY) {
		copy_doorbell(s->copy, vcpu, value);
		return ACCESS_OK;
	}
	copy_write_begin(s->copy, offset, value);
	enum access_result res = way_access(s, r, vcpu, stop, offset, 4, true, data);
	if (res != ACCESS_INTERRUPTED) /* else it comes again */
		copy_write_end(s->copy, offset, value);
	return res;
}

static bool is_copied_write(const struct slot *s, const struct bus_range *r, unsigned len,
			    bool is_write)
{
	return __builtin_expect(s->copy && is_write && len == 4 && r->index == 0, 0);
}

static enum access_result serving_access(struct slot *s, const struct bus_range *r, unsigned vcpu,
					 const _Atomic uint32_t *stop, uint32_t offset,
					 unsigned len, bool is_write, uint64_t *data)
{
	if (is_copied_write(s, r, len, is_write))
		return copied_write(s, r, vcpu, stop, offset, data);
	return way_access(s, r, vcpu, stop, offset, len, is_write, data);
}

/* Nobody serves. */
static enum access_result absent_access(struct slot *s, const struct bus_range *r, uint32_t offset,
					unsigned len, bool is_write, uint64_t *data)
{
	if (is_copied_write(s, r, len, is_write)) {
		copy_write_begin(s->copy, offset, (uint32_t)*data);
		copy_write_end(s->copy, offset, (uint32_t)*data);
	}
	return policy_answer(s, len, is_write, data);
}

enum access_result slot_access(struct slot *s, const struct bus_range *r, unsigned vcpu,
			       const _Atomic uint32_t *stop, uint64_t offset, unsigned len,
			       bool is_write, uint64_t *data)
{
	enum access_result res;
	/* In and out of the slot: pairs with whoever changes the state and waits for in-flight 0.
	 */
	uint64_t w = atomic_fetch_add_explicit(&s->word, 1, memory_order_acquire);
	if (__builtin_expect(SLOT_WORD_STATE(w) == SLOT_SERVING, 1) || between_daemons(s, w))
		res = serving_access(s, r, vcpu, stop, (uint32_t)offset, len, is_write, data);
	else
		res = absent_access(s, r, (uint32_t)offset, len, is_write, data);
	atomic_fetch_sub_explicit(&s->word, 1, memory_order_release);
	return res;
}

static bool asleep(struct slot *s)
{
	uint32_t state = atomic_load_explicit(&s->pp.port->consumer.state, memory_order_relaxed);
	return state == PORT_ASLEEP || state == PORT_ASLEEP_LOCAL;
}

/* A posted write, if the ring has room now. */
static bool post_now(struct slot *s, const struct bus_range *r, unsigned vcpu, uint32_t offset,
		     unsigned len, uint64_t data)
{
	if (!(r->widths & len) || still_silent(s))
		return false;
	/* Not to a sleeper: its kick is a system call, which a hostile daemon can make block. */
	if (asleep(s))
		return false;
	struct port_entry e = {
		.op = PORT_OP_WRITE,
		.width = (uint8_t)len,
		.range = r->index,
		.flags = PORT_F_POSTED,
		.offset = offset,
		.value = data & width_mask(len),
		.vcpu = (uint16_t)vcpu,
	};
	uint64_t seq;
	if (port_push(&s->pp, &e, &seq))
		return false;
	posted(s, vcpu, seq);
	return true;
}

/* A doorbell of a daemon that is awake. To a sleeper it is a system call: see post_now(). */
static bool ring_now(struct slot *s, unsigned vcpu, uint64_t index)
{
	if (index >= 64 || asleep(s))
		return false;
	port_ring(&s->pp, (unsigned)index);
	bool local;
	if (port_needs_wake(&s->pp, &local)) {
		/* It fell asleep just now, and it falls to us to wake it. */
		publish_core(s);
		kick(s, vcpu);
	}
	return true;
}

static bool write_now(struct slot *s, const struct bus_range *r, enum bus_write_way way,
		      unsigned vcpu, uint32_t offset, unsigned len, uint64_t data)
{
	switch (way) {
	case BUS_WRITE_POST:
		return post_now(s, r, vcpu, offset, len, data);
	case BUS_WRITE_DOORBELL:
		return ring_now(s, vcpu, data & width_mask(len));
	case BUS_WRITE_ACK:
		acknowledge(s, data);
		return true;
	default:
		return false;
	}
}

bool slot_access_now(struct slot *s, const struct bus_range *r, unsigned vcpu, uint64_t offset,
		     unsigned len, bool is_write, uint64_t *data)
{
	bus_rule_t rule = offset < r->rules_len ? r->rules[offset] : 0;
	if (!bus_rule_fits(rule, len))
		return false;
	/* No in-flight count: page and ring are the slot's, not the daemon's. A write that is
	 * pushed while the daemon is being replaced is served by whoever comes next. */
	uint64_t w = atomic_load_explicit(&s->word, memory_order_acquire);
	if (SLOT_WORD_STATE(w) != SLOT_SERVING)
		return false;
	if (is_write && s->copy) /* data may have to be moved */
		return false;
	if (is_write)
		return write_now(s, r, (enum bus_write_way)bus_rule_write(rule), vcpu,
				 (uint32_t)offset, len, *data);
	return bus_rule_read(rule) != BUS_READ_FORWARD &&
	       shadow(s, r, (enum bus_read_way)bus_rule_read(rule), (uint32_t)offset, len, data);
}

bool slot_kick_stuck(struct slot *s, unsigned vcpu)
{
	struct slot_vcpu *pv = &s->pv[vcpu];
	uint32_t now = atomic_load_explicit(&pv->kicks, memory_order_relaxed);
	bool stuck = (now & 1) && now == pv->kicks_looked;
	pv->kicks_looked = now;
	return stuck;
}

enum access_result slot_reset(struct slot *s, unsigned vcpu, const _Atomic uint32_t *stop)
{
	struct port_entry e = {.op = PORT_OP_RESET, .vcpu = (uint16_t)vcpu};
	struct port_result res;
	uint64_t data = 0;
	bool answered = false;
	enum access_result r;
	uint64_t w = atomic_fetch_add_explicit(&s->word, 1, memory_order_acquire);
	if ((SLOT_WORD_STATE(w) == SLOT_SERVING || between_daemons(s, w)) && !still_silent(s))
		r = forward(s, &e, stop, &res, &answered, &data);
	else
		r = policy_answer(s, 0, true, &data);
	if (s->copy && r != ACCESS_INTERRUPTED)
		copy_reset(s->copy);
	atomic_fetch_sub_explicit(&s->word, 1, memory_order_release);
	return r;
}
