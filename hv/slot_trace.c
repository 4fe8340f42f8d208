/* SPDX-License-Identifier: Apache-2.0 */
/* The slot's trace area (proto/trace.h): what hv writes into it. */
#include "hv/slot_int.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/tick.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/*
 * A record's time costs ticks and a multiplication. The pair of clocks that they are counted from is taken anew each
 * millisecond, so that neither the rounding of the scale nor a clock that was stopped meanwhile shows.
 */
#define PAIR_NS 1000000u

static uint64_t guest_now(const struct slot *s)
{
	return s->cfg.clock ? guest_clock_ns(s->cfg.clock) : clock_now_ns();
}

static uint32_t micros(uint64_t ns)
{
	uint32_t us = (uint32_t)(ns / 1000);
	return us ? us : 1; /* 0: not taken */
}

void slot_trace_entry(struct slot *s, const struct port_entry *e, uint64_t begun)
{
	struct slot_vcpu *pv = &s->pv[e->vcpu];
	struct port_entry t = *e;
	uint64_t now = tick_now(), since = tick_ns(now - pv->tick);
	if (__builtin_expect(since > PAIR_NS, 0)) {
		pv->tick_guest_ns = guest_now(s);
		pv->tick = now;
		since = 0;
	}
	t.time_us = micros(pv->tick_guest_ns + since);
	t.aux = begun ? trace_latency(tick_ns(now - begun)) : 0;
	trace_write(&pv->tw, &t, NULL, 0);
}

void slot_trace_local(struct slot *s, const struct bus_range *r, unsigned vcpu, uint32_t offset,
		      unsigned len, bool is_write, unsigned flags, uint64_t value)
{
	struct port_entry e = {.op = is_write ? PORT_OP_WRITE : PORT_OP_READ,
			       .width = (uint8_t)len,
			       .range = r->index,
			       .flags = (uint8_t)(PORT_F_SHADOW | flags),
			       .offset = offset,
			       .value = value & width_mask(len),
			       .vcpu = (uint16_t)vcpu};
	slot_trace_entry(s, &e, 0);
}

void slot_trace_policy(struct slot *s, const struct bus_range *r, unsigned vcpu, uint32_t offset,
		       unsigned len, bool is_write, uint64_t value)
{
	struct port_entry e = {.op = TRACE_POLICY,
			       .width = (uint8_t)len,
			       .range = r->index,
			       .flags = is_write ? PORT_F_WRITTEN : 0,
			       .offset = offset,
			       .value = value & width_mask(len),
			       .vcpu = (uint16_t)vcpu};
	slot_trace_entry(s, &e, 0);
}

void slot_trace_line(struct slot *s, unsigned i, unsigned what)
{
	struct port_entry e = {.op = TRACE_LINE,
			       .range = (uint8_t)i,
			       .value = what,
			       .time_us = micros(guest_now(s))};
	trace_write(&s->trace.lines, &e, NULL, 0);
}

void slot_trace_clock(struct slot *s)
{
	const struct guest_clock *c = s->cfg.clock;
	struct trace_area *a = s->trace.area;
	if (!c || !atomic_load(&s->trace.wanted))
		return;
	atomic_store(&a->clock_offset_ns, atomic_load(&c->offset_ns));
	atomic_store(&a->clock_stopped, atomic_load(&c->stopped_at));
}

void slot_trace_want(struct slot *s, uint32_t want)
{
	struct trace_area *a = s->trace.area;
	if (want) {
		tick_setup();
		atomic_store(&a->tick_mult, tick_scale.raw ? tick_scale.mult : 0);
	}
	/* Release: partner: slot_traced(). */
	atomic_store_explicit(&s->trace.wanted, want, memory_order_release);
	atomic_store(&a->wanted, want);
	slot_trace_clock(s);
	/* Whoever watches next begins at the rings' ends: what is before them is of no use to anybody. */
	if (!want && fallocate(s->trace.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       TRACE_RING_BASE, (off_t)(s->trace.bytes - TRACE_RING_BASE)) < 0)
		log_debug("device=%s: the trace area keeps its memory: %s", s->cfg.name,
			  strerror(errno));
}

int slot_trace_create(struct slot *s, struct err *err)
{
	struct slot_trace *t = &s->trace;
	t->bytes = trace_area_bytes(s->cfg.vcpus);
	t->fd = memfd_create_sized("trace", t->bytes);
	if (t->fd < 0)
		return err_set(err, -t->fd, "%s: cannot make its trace area: %s", s->cfg.name,
			       strerror(-t->fd));
	void *map = mmap(NULL, t->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
	if (map == MAP_FAILED)
		return err_set(err, errno, "%s: cannot map its trace area: %s", s->cfg.name,
			       strerror(errno));
	t->area = map;
	trace_area_init(t->area, s->cfg.vcpus, s->cfg.name);
	trace_writer_init(&t->lines, t->area, TRACE_RING_LINES);
	for (unsigned i = 0; i < s->cfg.vcpus; i++)
		trace_writer_init(&s->pv[i].tw, t->area, TRACE_RING_VCPU + i);
	return 0;
}

void slot_trace_destroy(struct slot *s)
{
	if (s->trace.area)
		munmap(s->trace.area, s->trace.bytes);
	s->trace.area = NULL;
	fd_close(&s->trace.fd);
}
