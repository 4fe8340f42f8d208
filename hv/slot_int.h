/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Between the slot's files only: slot_access.c (the ways of an access), slot_wait.c (asking the daemon and waiting for it),
 * slot_trace.c (what happens, for who watches). Any vCPU thread, where nothing else is said. */
#include "hv/slot.h"

/* With one vCPU there is one writer, and no locked add is needed. (The control thread's counters
 * are others.) */
static inline void slot_count(struct slot *s, _Atomic uint64_t *c)
{
	if (__builtin_expect(s->cfg.vcpus == 1, 1))
		atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1,
				      memory_order_relaxed);
	else
		atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}

/** slot_trace_create / slot_trace_destroy - the trace area of a slot; the latter takes half-made ones. Control thread. */
int slot_trace_create(struct slot *s, struct err *err);
void slot_trace_destroy(struct slot *s);

/** slot_traced - somebody watches. */
static inline bool slot_traced(const struct slot *s)
{
	/* Acquire: the scale of the ticks. Partner: slot_trace_want(). */
	return __builtin_expect(atomic_load_explicit(&s->trace.wanted, memory_order_acquire) != 0,
				0);
}
/** slot_trace_entry - records @e of its vCPU; @begun: ticks when it began, 0: its latency is not told. */
void slot_trace_entry(struct slot *s, const struct port_entry *e, uint64_t begun);
/** slot_trace_local - an access that the core answered by itself; @flags: beside PORT_F_SHADOW. */
void slot_trace_local(struct slot *s, const struct bus_range *r, unsigned vcpu, uint32_t offset,
		      unsigned len, bool is_write, unsigned flags, uint64_t value);
/** slot_trace_policy - the policy answered with @value, or dropped it. */
void slot_trace_policy(struct slot *s, const struct bus_range *r, unsigned vcpu, uint32_t offset,
		       unsigned len, bool is_write, uint64_t value);
/** slot_trace_line - line @i is @what now (0, 1), or 2: had an edge. slot.lock is held. */
void slot_trace_line(struct slot *s, unsigned i, unsigned what);
/** slot_by_policy - this thread's access was answered by slot_policy_answer(). */
extern _Thread_local bool slot_by_policy;
/** slot_policy_answer - the answer when there is nobody to ask. ACCESS_PARK: there is to be none. */
enum access_result slot_policy_answer(struct slot *s, unsigned len, bool is_write, uint64_t *data);
/** slot_nonsense - the daemon wrote @what into its port: quarantined. */
void slot_nonsense(struct slot *s, const char *what);
/** slot_kick - wakes the daemon. */
void slot_kick(struct slot *s, unsigned vcpu);
/** slot_bring_near - binds a cold daemon to the core of the vCPU that asks. */
void slot_bring_near(struct slot *s);
/** slot_still_silent - a deadline was missed, and what was asked then is not served yet. */
bool slot_look_silent(struct slot *s, uint64_t seq);
static inline bool slot_still_silent(struct slot *s)
{
	uint64_t seq = atomic_load_explicit(&s->silent_seq, memory_order_relaxed);
	return __builtin_expect(seq != 0, 0) && slot_look_silent(s, seq);
}
/** slot_wait_failed - what a wait that ended with @rc means. Gives the policy's answer, or INTERRUPTED. */
enum access_result slot_wait_failed(struct slot *s, int rc, uint64_t seq, unsigned len,
				    bool is_write, uint64_t *data);
/** slot_push - pushes @e, waiting for room up to the deadline, or longer if the access parks. *@begun: when that began;
 * set here when first needed. */
int slot_push(struct slot *s, const struct port_entry *e, const _Atomic uint32_t *stop,
	      uint64_t *begun, uint64_t *ret_seq);
/** slot_reachable - what is asked now (@word: slot.word) is served: by the daemon, or by the next one, from the ring. */
static inline bool slot_reachable(struct slot *s, uint64_t word)
{
	enum slot_state state = SLOT_WORD_STATE(word);
	return state == SLOT_SERVING || ((state == SLOT_WAITING || state == SLOT_DOCKED) &&
					 (s->cfg.restart || slot_parks(s)));
}
/** slot_park_absent - nobody can be asked: waits until somebody can, or that is not the policy any more. False: the vCPU is to
 * stop. */
bool slot_park_absent(struct slot *s, const _Atomic uint32_t *stop);
/** slot_turn - parked accesses look again. Any thread. */
void slot_turn(struct slot *s);
/** slot_publish_core - tells the daemon on which core this vCPU runs. */
void slot_publish_core(struct slot *s);
/** slot_lines_follow - after a value was read with acquire: line changes that came with it reach the controller first. */
static inline void slot_lines_follow(struct slot *s)
{
	if (__builtin_expect(
		    atomic_load_explicit(&s->pp.port->consumer.lines_gen, memory_order_relaxed) !=
			    atomic_load_explicit(&s->lines_seen, memory_order_relaxed),
		    0))
		slot_lines_sample(s);
}
/** slot_forward - pushes @e and waits for its answer. On ACCESS_OK with *@ret_answered the result is the daemon's. */
enum access_result slot_forward(struct slot *s, const struct port_entry *e,
				const _Atomic uint32_t *stop, struct port_result *res,
				bool *ret_answered, uint64_t *data);
/** slot_forward_access - the same for a read or write: *@data is the answer. */
enum access_result slot_forward_access(struct slot *s, struct port_entry *e,
				       const _Atomic uint32_t *stop, uint64_t *data);
