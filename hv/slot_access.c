/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exit path of an access to a device: which way it goes. No allocation, no lock on shadow reads and posted writes.
 */
#include "hv/slot_int.h"
#include "base/bytes.h"
#include "base/log.h"
#include "hv/copy.h"
#include <poll.h>
#include <unistd.h>

/* What follows a posted write that is in the ring as @seq. */
static void posted(struct slot *s, unsigned vcpu, uint64_t seq)
{
	slot_count(s, &s->pp.port->counters.writes_posted);
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
		slot_publish_core(s);
		slot_kick(s, vcpu);
	}
}

static enum access_result post(struct slot *s, struct port_entry *e, const _Atomic uint32_t *stop,
			       uint64_t *data)
{
	uint64_t seq = 0, begun = 0;
	e->flags = PORT_F_POSTED;
	int rc = slot_push(s, e, stop, &begun, &seq);
	if (__builtin_expect(rc != 0, 0))
		return slot_wait_failed(s, rc, seq, e->width, true, data);
	posted(s, e->vcpu, seq);
	if (slot_traced(s)) {
		e->seq = seq;
		slot_trace_entry(s, e, 0);
	}
	return ACCESS_OK;
}

static void rung(struct slot *s, unsigned vcpu, uint64_t index)
{
	struct port_entry e = {.op = PORT_OP_DOORBELL, .value = index, .vcpu = (uint16_t)vcpu};
	slot_trace_entry(s, &e, 0);
}

/* A doorbell: no entry, no answer; rings that come together are one. False: there is no such doorbell. */
static bool ring(struct slot *s, unsigned vcpu, uint64_t index)
{
	bool local;
	if (index >= 64)
		return false;
	if (slot_traced(s))
		rung(s, vcpu, index);
	port_ring(&s->pp, (unsigned)index);
	if (port_needs_wake(&s->pp, &local)) {
		slot_publish_core(s);
		if (local)
			slot_bring_near(s);
		slot_kick(s, vcpu);
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
	uint64_t v = atomic_load_explicit(&s->pp.port->line[0].pending, memory_order_acquire);
	slot_count(s, &s->pp.port->counters.reads_shadow);
	/* The event is in its word before the generation tells of it: a guest that sees it finds the line high. */
	if (v)
		slot_lines_sample(s);
	else
		slot_lines_follow(s);
	return v;
}

/* True if *@data was read from the shadow page. */
static bool shadow(struct slot *s, const struct bus_range *r, bus_rule_t rule, uint32_t offset,
		   unsigned len, uint64_t *data)
{
	enum bus_read_way way = (enum bus_read_way)bus_rule_read(rule);
	uint64_t v;
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
	v = port_shadow_read(&s->pp, r->shadow + offset, len) & width_mask(len);
	if (__builtin_expect((v & bus_rule_guarded(rule)) != 0, 0))
		return false;
	*data = v;
	slot_lines_follow(s);
	slot_count(s, &s->pp.port->counters.reads_shadow);
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
	    shadow(s, r, rule, offset, len, data)) {
		if (slot_traced(s))
			slot_trace_local(s, r, vcpu, offset, len, false, 0, *data);
		return ACCESS_OK;
	}
	if (is_write && ruled &&
	    (bus_rule_write(rule) == BUS_WRITE_IGNORE || bus_rule_write(rule) == BUS_WRITE_ACK)) {
		if (slot_traced(s))
			slot_trace_local(s, r, vcpu, offset, len, true, 0, *data);
		if (bus_rule_write(rule) == BUS_WRITE_ACK)
			acknowledge(s, *data);
		return ACCESS_OK;
	}
	if (is_write && ruled && bus_rule_write(rule) == BUS_WRITE_DOORBELL &&
	    ring(s, vcpu, *data & width_mask(len)))
		return ACCESS_OK;
	if (__builtin_expect(!(r->widths & len), 0)) {
		enum access_result res = bad_width(s, len, is_write, data);
		if (slot_traced(s))
			slot_trace_local(s, r, vcpu, offset, len, is_write, PORT_F_FAILED, *data);
		return res;
	}
	if (__builtin_expect(slot_still_silent(s), 0) && !slot_parks(s))
		return slot_policy_answer(s, len, is_write, data);
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
	return slot_forward_access(s, &e, stop, data);
}

/* dma: copy: the copier learns from the guest where the rings are, whatever ways the daemon registered. */
static enum access_result copied_write(struct slot *s, const struct bus_range *r, unsigned vcpu,
				       const _Atomic uint32_t *stop, uint32_t offset,
				       uint64_t *data)
{
	uint32_t value = (uint32_t)*data;
	if (offset == COPY_R_NOTIFY) {
		copy_doorbell(s->copy, vcpu, value);
		return ACCESS_OK;
	}
	copy_write_begin(s->copy, offset, value);
	enum access_result res = way_access(s, r, vcpu, stop, offset, 4, true, data);
	if (res != ACCESS_INTERRUPTED && res != ACCESS_PARK) /* else it comes again */
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
	if (slot_parks(s))
		return ACCESS_PARK;
	if (is_copied_write(s, r, len, is_write)) {
		copy_write_begin(s->copy, offset, (uint32_t)*data);
		copy_write_end(s->copy, offset, (uint32_t)*data);
	}
	return slot_policy_answer(s, len, is_write, data);
}

enum access_result slot_access(struct slot *s, const struct bus_range *r, unsigned vcpu,
			       const _Atomic uint32_t *stop, uint64_t offset, unsigned len,
			       bool is_write, uint64_t *data)
{
	enum access_result res;
	/* In and out of the slot: pairs with whoever changes the state and waits for in-flight 0.
	 */
	do {
		uint64_t w = atomic_fetch_add_explicit(&s->word, 1, memory_order_acquire);
		if (__builtin_expect(SLOT_WORD_STATE(w) == SLOT_SERVING, 1) || slot_reachable(s, w))
			res = serving_access(s, r, vcpu, stop, (uint32_t)offset, len, is_write,
					     data);
		else
			res = absent_access(s, r, (uint32_t)offset, len, is_write, data);
		if (__builtin_expect(slot_by_policy, 0)) {
			slot_by_policy = false;
			if (slot_traced(s))
				slot_trace_policy(s, r, vcpu, (uint32_t)offset, len, is_write,
						  *data);
		}
		atomic_fetch_sub_explicit(&s->word, 1, memory_order_release);
		if (__builtin_expect(res != ACCESS_PARK, 1))
			return res;
	} while (slot_park_absent(s, stop));
	return ACCESS_INTERRUPTED;
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
	if (!(r->widths & len) || slot_still_silent(s))
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
	if (slot_traced(s)) {
		e.seq = seq;
		slot_trace_entry(s, &e, 0);
	}
	return true;
}

/* A doorbell of a daemon that is awake. To a sleeper it is a system call: see post_now(). */
static bool ring_now(struct slot *s, unsigned vcpu, uint64_t index)
{
	if (index >= 64 || asleep(s))
		return false;
	if (slot_traced(s))
		rung(s, vcpu, index);
	port_ring(&s->pp, (unsigned)index);
	bool local;
	if (port_needs_wake(&s->pp, &local)) {
		/* It fell asleep just now, and it falls to us to wake it. */
		slot_publish_core(s);
		slot_kick(s, vcpu);
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
		if (slot_traced(s))
			slot_trace_local(s, r, vcpu, offset, len, true, 0, data);
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
	if (bus_rule_read(rule) == BUS_READ_FORWARD ||
	    !shadow(s, r, rule, (uint32_t)offset, len, data))
		return false;
	if (slot_traced(s))
		slot_trace_local(s, r, vcpu, (uint32_t)offset, len, false, 0, *data);
	return true;
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
	do {
		uint64_t w = atomic_fetch_add_explicit(&s->word, 1, memory_order_acquire);
		if (slot_reachable(s, w) && (!slot_still_silent(s) || slot_parks(s)))
			r = slot_forward(s, &e, stop, &res, &answered, &data);
		else
			r = slot_policy_answer(s, 0, true, &data);
		slot_by_policy = false; /* no access to tell of */
		if (s->copy && r != ACCESS_INTERRUPTED && r != ACCESS_PARK)
			copy_reset(s->copy);
		atomic_fetch_sub_explicit(&s->word, 1, memory_order_release);
		if (r != ACCESS_PARK)
			return r;
	} while (slot_park_absent(s, stop));
	return ACCESS_INTERRUPTED;
}
