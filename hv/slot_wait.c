/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking a daemon and waiting for its answer: no allocation; the clock only where a wait is long or an access is one of the
 * timed ones.
 */
#include "hv/slot_int.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/tick.h"
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Looks at the completion before the first look at the clock. An awake daemon on another core
 * answers within about 200 ns; a look with its pause takes 10 ns to 40 ns. */
#define QUICK_LOOKS 64
#define SPIN_MAX_NS 50000u
/* How often a vCPU offers its core to the daemon that was just woken on it, before it sleeps. */
#define LOCAL_YIELDS 4
/* One forwarded access in this many is timed for the histogram. */
#define TIMED_EVERY 64u
/* A wait looks at what may have changed its deadline at least this often. */
#define SLICE_NS 50000000u
/* A daemon that a debugger may hold: so long is no sign of it yet, and the guest's clock runs. */
#define HELD_NS 20000000u

_Thread_local bool slot_by_policy;

/* The answer when there is nobody to ask. */
enum access_result slot_policy_answer(struct slot *s, unsigned len, bool is_write, uint64_t *data)
{
	if (slot_parks(s))
		return ACCESS_PARK;
	slot_by_policy = true;
	slot_count(s, &s->pp.port->counters.policy_answers);
	switch (s->cfg.policy) {
	case POLICY_STOP:
		return ACCESS_STOP;
	case POLICY_ABORT:
		return ACCESS_ABORT;
	case POLICY_ONES:
	case POLICY_PARK:
		break;
	}
	if (!is_write)
		*data = width_mask(len);
	return ACCESS_OK;
}

void slot_nonsense(struct slot *s, const char *what)
{
	/* The control thread counts here, too. */
	atomic_fetch_add_explicit(&s->pp.port->counters.bad_answers, 1, memory_order_relaxed);
	slot_fail(s, SLOT_QUARANTINED, "%s wrote nonsense into its port: %s", s->cfg.name, what);
}

void slot_kick(struct slot *s, unsigned vcpu)
{
	uint64_t one = 1;
	_Atomic uint32_t *k = &s->pv[vcpu].kicks;
	uint32_t n = atomic_load_explicit(k, memory_order_relaxed);
	atomic_store_explicit(k, n + 1, memory_order_relaxed);
	ssize_t put = write(s->kick_fd, &one, sizeof(one));
	bool blocked = put < 0 &&
		       errno == EINTR; /* EAGAIN: the counter is at its end, so it is readable */
	atomic_store_explicit(k, n + 2, memory_order_relaxed);
	slot_count(s, &s->pp.port->counters.wakes_sent);
	if (blocked)
		slot_nonsense(s, "its kick eventfd is full and blocks");
}

/* A cold daemon is bound to the core of the vCPU that asked last. If the vCPU has moved since, the
 * daemon is bound to where it is now: a wake-up on the same core costs a tenth of one that must
 * bring another core out of its halt. */
void slot_bring_near(struct slot *s)
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
	slot_count(s, &s->pp.port->counters.deadline_misses);
	if (atomic_compare_exchange_strong(&s->silent_seq, &none, seq)) {
		log_warn_limited(
			"device=%s did not answer within %llu ms: its policy answers until it does",
			s->cfg.name, (unsigned long long)(s->cfg.deadline_ns / 1000000));
		s->cfg.ops->changed(s->cfg.opaque);
	}
}

/* A daemon that missed a deadline is not waited for again until it has served what it was asked
 * then: a hung one costs the guest one deadline, not one an access. True: still silent. */
bool slot_look_silent(struct slot *s, uint64_t seq)
{
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
enum access_result slot_wait_failed(struct slot *s, int rc, uint64_t seq, unsigned len,
				    bool is_write, uint64_t *data)
{
	switch (rc) {
	case -EINTR:
		return ACCESS_INTERRUPTED;
	case -ETIMEDOUT:
		if (head_is_nonsense(s))
			slot_nonsense(s, "ring head");
		else
			silent_begin(s, seq);
		break;
	case -EPROTO:
		slot_nonsense(s, "ring head or completion");
		break;
	default: /* -EPIPE: dead; the control thread knows */
		break;
	}
	return slot_policy_answer(s, len, is_write, data);
}

/* ---- deadlines, and waiting without one ---- */

/* How long a request may wait: what it depends on may change while it does. */
static uint64_t deadline_of(struct slot *s)
{
	uint32_t hold = atomic_load_explicit(&s->hold, memory_order_relaxed);
	if ((hold & SLOT_HOLD_PAUSED) || atomic_load_explicit(&s->down, memory_order_relaxed))
		return 0;
	return (hold & SLOT_HOLD_DEBUG) && s->cfg.deadline_ns > HELD_NS ? HELD_NS
									: s->cfg.deadline_ns;
}

/* One slice of a wait that began at @begun. True: its time is over. */
static bool slice(struct slot *s, uint64_t begun, uint64_t *ret_until)
{
	uint64_t now = clock_now_ns(), end = begun + deadline_of(s);
	*ret_until = end < now + SLICE_NS ? end : now + SLICE_NS;
	return now >= end;
}

static int wait_room(struct slot *s, uint64_t begun, const _Atomic uint32_t *stop)
{
	for (;;) {
		uint64_t until;
		bool last = slice(s, begun, &until);
		int rc = port_wait_room(&s->pp, until, stop);
		if (rc != -ETIMEDOUT || last)
			return rc;
	}
}

void slot_turn(struct slot *s)
{
	atomic_fetch_add(&s->turn, 1);
	syscall(SYS_futex, (void *)&s->turn, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void turn_wait(struct slot *s, uint32_t seen)
{
	struct timespec ts = {.tv_nsec = SLICE_NS};
	syscall(SYS_futex, (void *)&s->turn, FUTEX_WAIT_PRIVATE, seen, &ts, NULL, 0);
}

static void park_begin(struct slot *s)
{
	if (!atomic_load(&s->hold) && !atomic_load(&s->down))
		slot_count(s, &s->pp.port->counters.deadline_misses);
	atomic_fetch_add(&s->parked, 1);
	s->cfg.ops->changed(s->cfg.opaque);
}

static void park_end(struct slot *s)
{
	atomic_fetch_sub(&s->parked, 1);
	s->cfg.ops->changed(s->cfg.opaque);
}

/* What a wait that failed with @rc is followed by: waiting on, for whoever serves next. */
static bool may_park(struct slot *s, int rc)
{
	return (rc == -ETIMEDOUT || rc == -EPIPE) && slot_parks(s) && !head_is_nonsense(s);
}

/* True if the daemon that has the port went past @seq. It may have taken over just now, and be about to make the answer of
 * the one before its own: so it counts only when seen twice. */
static bool went_past(struct slot *s, uint64_t seq)
{
	return slot_taken(s, slot_epoch(s)) && port_served(&s->pp, seq);
}

/* Waits without a deadline for the answer to @seq, or for room in the ring if that is 0: as long as that is the policy. */
static int park(struct slot *s, unsigned vcpu, uint64_t seq, const _Atomic uint32_t *stop,
		struct port_result *res)
{
	unsigned passed = 0;
	int rc;
	park_begin(s);
	do {
		uint32_t turn = atomic_load(&s->turn);
		uint64_t until = clock_now_ns() + SLICE_NS;
		bool past = seq && went_past(s, seq);
		rc = seq ? port_wait_done(&s->pp, vcpu, seq, 0, until, stop, res)
			 : port_wait_room(&s->pp, until, stop);
		passed = past && rc == -ETIMEDOUT ? passed + 1 : 0;
		if (passed == 2)
			rc = -EPROTO;
		if (rc == -EPIPE)
			turn_wait(s, turn);
		if (rc == -EPIPE && atomic_load_explicit(stop, memory_order_relaxed))
			rc = -EINTR;
	} while (may_park(s, rc));
	park_end(s);
	return rc;
}

bool slot_park_absent(struct slot *s, const _Atomic uint32_t *stop)
{
	park_begin(s);
	for (;;) {
		uint32_t turn = atomic_load(&s->turn);
		if (!slot_parks(s) || slot_reachable(s, atomic_load(&s->word)) ||
		    atomic_load_explicit(stop, memory_order_relaxed))
			break;
		turn_wait(s, turn);
	}
	park_end(s);
	return !atomic_load_explicit(stop, memory_order_relaxed);
}

static int push_once(struct slot *s, const struct port_entry *e, const _Atomic uint32_t *stop,
		     uint64_t *begun, uint64_t *ret_seq)
{
	for (;;) {
		int rc = port_push(&s->pp, e, ret_seq);
		if (__builtin_expect(rc != -EAGAIN, 1))
			return rc;
		if (!*begun)
			*begun = clock_now_ns();
		bool local;
		if (port_needs_wake(&s->pp, &local))
			slot_kick(s, e->vcpu);
		rc = wait_room(s, *begun, stop);
		if (rc) {
			/* What must be served before the daemon counts as on time again: all there
			 * is. */
			*ret_seq = atomic_load(&s->pp.tail);
			return rc;
		}
	}
}

int slot_push(struct slot *s, const struct port_entry *e, const _Atomic uint32_t *stop,
	      uint64_t *begun, uint64_t *ret_seq)
{
	for (;;) {
		int rc = push_once(s, e, stop, begun, ret_seq);
		if (__builtin_expect(!may_park(s, rc), 1))
			return rc;
		rc = park(s, e->vcpu, 0, stop, NULL);
		if (rc)
			return rc;
		*begun = 0;
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
	slot_count(
		s,
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
		       const _Atomic uint32_t *stop, uint64_t begun, struct port_result *res)
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
	for (bool last = false; !last; spin = 0) {
		uint64_t until;
		last = slice(s, begun ? begun : start, &until);
		rc = port_wait_done(&s->pp, vcpu, seq, spin, until, stop, res);
		if (rc != -ETIMEDOUT)
			break;
	}
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

void slot_publish_core(struct slot *s)
{
	struct port_producer_line *pl = &s->pp.port->producer;
	uint32_t core = (uint32_t)sched_getcpu() + 1;
	if (atomic_load_explicit(&pl->last_core, memory_order_relaxed) != core)
		atomic_store_explicit(&pl->last_core, core, memory_order_relaxed);
}

/* The access @e as it ended. */
static void trace_forwarded(struct slot *s, const struct port_entry *e, uint64_t seq,
			    const struct port_result *res, uint64_t begun)
{
	struct port_entry t = *e;
	t.seq = seq;
	if (e->op == PORT_OP_READ)
		t.value = (res->status == PORT_STATUS_OK ? res->data : UINT64_MAX) &
			  width_mask(e->width);
	if (res->status == PORT_STATUS_ERROR)
		t.flags |= PORT_F_FAILED;
	slot_trace_entry(s, &t, begun);
}

/* Pushes @e and waits for its answer. On ACCESS_OK with *@ret_answered the result is the daemon's.
 */
enum access_result slot_forward(struct slot *s, const struct port_entry *e,
				const _Atomic uint32_t *stop, struct port_result *res,
				bool *ret_answered, uint64_t *data)
{
	bool is_write = e->op != PORT_OP_READ, local = false;
	uint64_t seq = 0, begun = 0;
	uint64_t t0 = s->pv[e->vcpu].forwards++ % TIMED_EVERY ? 0 : clock_now_ns();
	uint64_t tick = slot_traced(s) ? tick_now() : 0;
	slot_publish_core(s);
	int rc = slot_push(s, e, stop, &begun, &seq);
	if (!rc) {
		if (port_needs_wake(&s->pp, &local)) {
			if (local)
				slot_bring_near(s);
			slot_kick(s, e->vcpu);
		}
		rc = wait_answer(s, e->vcpu, seq, local, stop, begun, res);
		if (__builtin_expect(rc != 0, 0) && may_park(s, rc))
			rc = park(s, e->vcpu, seq, stop, res);
	}
	if (__builtin_expect(rc != 0, 0))
		return slot_wait_failed(s, rc, seq, e->width, is_write, data);
	if (t0)
		histogram(s, clock_now_ns() - t0);
	if (__builtin_expect(tick != 0, 0))
		trace_forwarded(s, e, seq, res, tick);
	slot_lines_follow(s);
	*ret_answered = true;
	return ACCESS_OK;
}

/* The device asks something of the VM. Whether it may, and what there is to ask, is checked here. */
static enum access_result vm_asked(struct slot *s, bool is_write, const struct port_result *res,
				   uint64_t *data)
{
	unsigned what = PORT_VM_WHAT(res->data);
	uint32_t arg = PORT_VM_ARG(res->data), max = 0;
	if (what == PORT_VM_EXIT)
		max = 255;
	else if (what == PORT_VM_PANIC)
		max = PORT_VM_STOP;
	if (!s->cfg.vm_requests || !is_write || what < PORT_VM_EXIT || what > PORT_VM_CRASHLOADED ||
	    res->data != PORT_VM(what, arg) || arg > max) {
		slot_nonsense(s, "a request to the VM");
		return slot_policy_answer(s, 0, is_write, data);
	}
	*data = res->data;
	return ACCESS_VM;
}

enum access_result slot_forward_access(struct slot *s, struct port_entry *e,
				       const _Atomic uint32_t *stop, uint64_t *data)
{
	struct port_result res = {0};
	bool is_write = e->op == PORT_OP_WRITE, answered = false;
	slot_count(s, is_write ? &s->pp.port->counters.writes_forwarded
			       : &s->pp.port->counters.reads_forwarded);
	enum access_result r = slot_forward(s, e, stop, &res, &answered, data);
	if (__builtin_expect(answered && res.status == PORT_STATUS_VM, 0))
		return vm_asked(s, is_write, &res, data);
	if (answered && !is_write)
		*data = (res.status == PORT_STATUS_OK ? res.data : UINT64_MAX) &
			width_mask(e->width);
	return r;
}
