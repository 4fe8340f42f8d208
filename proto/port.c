/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/port.h"
#include "base/bytes.h"
#include "base/clock.h"
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * The fences. Each pair is Dekker's: both sides store, fence, load; without either fence both can miss the
 * other's store and sleep for ever.
 *   FENCE(push)  producer: entry.seq or doorbells.rung, then consumer.state     <-> FENCE(sleep)
 *   FENCE(sleep) consumer: consumer.state, then entry.seq and doorbells.rung <-> FENCE(push)
 *   FENCE(done)  consumer: comp.done, then comp.waiter; and head, then room_waiter <-> FUTEX_WAIT: the kernel orders the
 *                sleeper's store before its own second look at the word (futex(2): "atomically")
 * PORT_BREAK_FENCE (a test build only) names one to leave out, so that the stress test can show it matters.
 */
#define FENCE_push 1
#define FENCE_sleep 2
#define FENCE_done 3
#ifndef PORT_BREAK_FENCE
#define PORT_BREAK_FENCE 0
#endif
#if defined(__SANITIZE_THREAD__)
/* ThreadSanitizer does not model fences (gcc warns); a seq_cst exchange orders as well. */
static _Atomic uint32_t port_fence_word;
#define FULL_FENCE() ((void)atomic_exchange(&port_fence_word, 1))
#else
#define FULL_FENCE() atomic_thread_fence(memory_order_seq_cst)
#endif
#define FENCE(name)                                                                                \
	do {                                                                                       \
		if (PORT_BREAK_FENCE != FENCE_##name)                                              \
			FULL_FENCE();                                                              \
	} while (0)

#define RING_MASK (PORT_RING_ENTRIES - 1)
/* A sleeper wakes at least this often to look at its stop word and at @dead: bounds what a peer that forgets to wake
 * can cost. */
#define WAIT_SLICE_NS 50000000ull

#ifdef PORT_TEST_FUTEX
/* The stress test stands in for the kernel: one ordered look at the word, then asleep until a wake. */
long port_test_futex_wait(_Atomic uint32_t *word, uint32_t seen, uint64_t deadline_ns);
void port_test_futex_wake(_Atomic uint32_t *word);
#define futex_wait_word port_test_futex_wait
#define futex_wake_word port_test_futex_wake
#else
static long futex_wait_word(_Atomic uint32_t *word, uint32_t seen, uint64_t deadline_ns)
{
	struct timespec ts = clock_timespec(deadline_ns);
	/* BITSET takes an absolute CLOCK_MONOTONIC time. Shared: the word is in a memfd. */
	return syscall(SYS_futex, (void *)word, FUTEX_WAIT_BITSET, seen, &ts, NULL,
		       FUTEX_BITSET_MATCH_ANY);
}

static void futex_wake_word(_Atomic uint32_t *word)
{
	syscall(SYS_futex, (void *)word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
#endif

static _Atomic uint32_t *head_word(struct port *p)
{
	/* The low half of the 64-bit head: little-endian hosts only (x86_64, aarch64). */
	return (_Atomic uint32_t *)(void *)&p->consumer.head;
}

static _Atomic uint64_t *entry_seq(struct port_entry *e)
{
	return (_Atomic uint64_t *)(void *)&e->seq;
}

static void bump(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- hv's side ------------------------------------------------------------------------------ */

void port_init(struct port_producer *pp, void *map, unsigned vcpus, unsigned lines,
	       unsigned shadow_pages, const char *device)
{
	struct port *p = map;
	*pp = (struct port_producer){.port = p, .lines = lines, .shadow_pages = shadow_pages};
	atomic_store(&pp->dead, 1);
	p->hdr = (struct port_header){
		.magic = PORT_MAGIC,
		.version = PORT_VERSION,
		.size = (uint32_t)port_size(shadow_pages),
		.ring_entries = PORT_RING_ENTRIES,
		.vcpus = vcpus,
		.lines = lines,
		.shadow_pages = shadow_pages,
	};
	snprintf(p->hdr.device, sizeof(p->hdr.device), "%s", device);
	atomic_store(&p->consumer.state, PORT_ABSENT);
	atomic_store(&p->producer.room_waiter, PORT_AWAKE);
	for (unsigned i = 0; i < lines; i++)
		atomic_store(&p->line[i].word, PORT_LINE_LOW);
	for (unsigned i = 0; i < vcpus; i++)
		atomic_store(&p->comp[i].waiter, PORT_AWAKE);
}

uint32_t port_epoch_reserve(struct port_producer *pp)
{
	if (!++pp->last_epoch)
		pp->last_epoch = 1;
	return pp->last_epoch;
}

void port_epoch_set(struct port_producer *pp, uint32_t epoch)
{
	atomic_store(&pp->epoch, epoch);
}

uint32_t port_epoch_begin(struct port_producer *pp)
{
	uint32_t e = port_epoch_reserve(pp);
	port_epoch_set(pp, e);
	atomic_store(&pp->dead, 0);
	return e;
}

void port_mark_dead(struct port_producer *pp)
{
	atomic_store(&pp->dead, 1);
	for (unsigned i = 0; i < PORT_MAX_VCPUS; i++)
		futex_wake_word(&pp->port->comp[i].done);
	futex_wake_word(head_word(pp->port));
}

int port_push(struct port_producer *pp, const struct port_entry *e, uint64_t *ret_seq)
{
	struct port *p = pp->port;
	uint64_t t = atomic_load_explicit(&pp->tail, memory_order_relaxed);
	for (;;) {
		/* The head as seen before is enough while it shows room: its line is the consumer's. Acquire: the slot's
		 * old content was read before the head moved past it. */
		if (t - atomic_load_explicit(&pp->head_seen, memory_order_acquire) >=
		    PORT_RING_ENTRIES) {
			uint64_t head =
				atomic_load_explicit(&p->consumer.head, memory_order_acquire);
			uint64_t used = t - head;
			if (used >= PORT_RING_ENTRIES) {
				/* Another vCPU may have moved the tail and the consumer the head since @t was read. */
				uint64_t again =
					atomic_load_explicit(&pp->tail, memory_order_relaxed);
				if (again != t) {
					t = again;
					continue;
				}
				return used > PORT_RING_ENTRIES ? -EPROTO : -EAGAIN;
			}
			atomic_store_explicit(&pp->head_seen, head, memory_order_release);
		}
		if (atomic_compare_exchange_weak_explicit(
			    &pp->tail, &t, t + 1, memory_order_relaxed, memory_order_relaxed))
			break;
	}
	struct port_entry *slot = &p->ring[t & RING_MASK];
	slot->op = e->op;
	slot->width = e->width;
	slot->range = e->range;
	slot->flags = e->flags;
	slot->offset = e->offset;
	slot->value = e->value;
	slot->time_us = e->time_us;
	slot->vcpu = e->vcpu;
	slot->aux = e->aux;
	atomic_store_explicit(entry_seq(slot), t + 1, memory_order_release);
	*ret_seq = t + 1;
	return 0;
}

bool port_needs_wake(struct port_producer *pp, bool *ret_local)
{
	_Atomic uint32_t *state = &pp->port->consumer.state;
	FENCE(push);
	uint32_t s = atomic_load_explicit(state, memory_order_relaxed);
	if (ret_local)
		*ret_local = s == PORT_ASLEEP_LOCAL || s == PORT_WAKING_LOCAL;
	if (s != PORT_ASLEEP && s != PORT_ASLEEP_LOCAL)
		return false;
	/* Claims the wake-up. If this fails, another producer has it, or the consumer woke by itself and will look at
	 * the ring (again, behind its own fence) before it sleeps. */
	return atomic_compare_exchange_strong(state, &s,
					      s == PORT_ASLEEP ? PORT_AWAKE : PORT_WAKING_LOCAL);
}

void port_ring(struct port_producer *pp, unsigned index)
{
	atomic_fetch_or_explicit(&pp->port->doorbells.rung, 1ull << (index & 63),
				 memory_order_release);
}

void port_ack(struct port_producer *pp, unsigned line, uint32_t bits)
{
	/* An ordered operation: the guest's later reads of its queues come after it. */
	atomic_fetch_and(&pp->port->line[line].pending, ~bits);
}

bool port_poll_done(struct port_producer *pp, unsigned vcpu, uint64_t seq, struct port_result *ret,
		    int *ret_err)
{
	struct port_completion *s = &pp->port->comp[vcpu];
	*ret_err = 0;
	if (atomic_load_explicit(&s->done, memory_order_acquire) != PORT_DONE(seq))
		return false;
	/* Plain shared words: read each once, through volatile, and use the copies. */
	uint32_t epoch = *(volatile uint32_t *)&s->epoch;
	uint32_t status = *(volatile uint32_t *)&s->status;
	uint64_t data = *(volatile uint64_t *)&s->data;
	if (epoch != atomic_load_explicit(&pp->epoch, memory_order_relaxed))
		return false;
	if (status < PORT_STATUS_OK || status > PORT_STATUS_VM) {
		*ret_err = -EPROTO;
		return true;
	}
	ret->status = status;
	ret->data = data;
	return true;
}

static int wait_ended(struct port_producer *pp, uint64_t now, uint64_t deadline_ns,
		      const _Atomic uint32_t *stop)
{
	if (atomic_load_explicit(&pp->dead, memory_order_acquire))
		return -EPIPE;
	if (stop && atomic_load_explicit(stop, memory_order_relaxed))
		return -EINTR;
	return now >= deadline_ns ? -ETIMEDOUT : 0;
}

int port_wait_done(struct port_producer *pp, unsigned vcpu, uint64_t seq, uint64_t spin_ns,
		   uint64_t deadline_ns, const _Atomic uint32_t *stop, struct port_result *ret)
{
	struct port_completion *s = &pp->port->comp[vcpu];
	int err;
	/* The clock is read once in 64 looks: a look costs 0.1 ns to 10 ns, the clock 20 ns to 50 ns. */
	uint64_t spin_end = spin_ns ? clock_now_ns() + spin_ns : 0;
	while (spin_ns) {
		for (int i = 0; i < 64; i++) {
			if (port_poll_done(pp, vcpu, seq, ret, &err))
				return err;
			cpu_relax();
		}
		if (clock_now_ns() >= spin_end)
			break;
	}
	for (;;) {
		atomic_store_explicit(&s->waiter, PORT_ASLEEP, memory_order_relaxed);
		uint32_t seen = atomic_load_explicit(&s->done, memory_order_relaxed);
		if (port_poll_done(pp, vcpu, seq, ret, &err))
			break;
		uint64_t now = clock_now_ns();
		err = wait_ended(pp, now, deadline_ns, stop);
		if (err)
			break;
		/* An answer between the load of @seen and here changed the word: the futex returns at once. */
		uint64_t until = now + WAIT_SLICE_NS;
		futex_wait_word(&s->done, seen, until < deadline_ns ? until : deadline_ns);
	}
	atomic_store_explicit(&s->waiter, PORT_AWAKE, memory_order_relaxed);
	return err;
}

int port_wait_room(struct port_producer *pp, uint64_t deadline_ns, const _Atomic uint32_t *stop)
{
	struct port *p = pp->port;
	int err = 0;
	bump(&p->counters.ring_full_waits);
	for (;;) {
		atomic_store_explicit(&p->producer.room_waiter, PORT_ASLEEP, memory_order_relaxed);
		uint64_t head = atomic_load_explicit(&p->consumer.head, memory_order_acquire);
		uint64_t used = atomic_load_explicit(&pp->tail, memory_order_relaxed) - head;
		if (used < PORT_RING_ENTRIES)
			return 0; /* room_waiter may stay: others can sleep on it; it costs the daemon a wake */
		uint64_t now = clock_now_ns();
		err = wait_ended(pp, now, deadline_ns, stop);
		if (err)
			return err;
		uint64_t until = now + WAIT_SLICE_NS;
		futex_wait_word(head_word(p), (uint32_t)head,
				until < deadline_ns ? until : deadline_ns);
	}
}

void port_interrupt(struct port_producer *pp, unsigned vcpu)
{
	futex_wake_word(&pp->port->comp[vcpu].done);
	futex_wake_word(head_word(pp->port));
}

uint64_t port_shadow_read(const struct port_producer *pp, uint32_t offset, unsigned width)
{
	const uint8_t *a = pp->port->shadow + offset;
	switch (width) {
	case 1:
		return __atomic_load_n(a, __ATOMIC_ACQUIRE);
	case 2:
		return __atomic_load_n((const uint16_t *)(const void *)a, __ATOMIC_ACQUIRE);
	case 4:
		return __atomic_load_n((const uint32_t *)(const void *)a, __ATOMIC_ACQUIRE);
	default:
		return __atomic_load_n((const uint64_t *)(const void *)a, __ATOMIC_ACQUIRE);
	}
}

/* ---- the daemon's side ---------------------------------------------------------------------- */

int port_open(struct port_consumer *pc, void *map, size_t size, uint32_t epoch)
{
	struct port *p = map;
	if (size < port_size(0))
		return -EPROTO;
	const struct port_header h = p->hdr;
	if (h.magic != PORT_MAGIC || h.version != PORT_VERSION ||
	    h.ring_entries != PORT_RING_ENTRIES || h.vcpus == 0 || h.vcpus > PORT_MAX_VCPUS ||
	    h.lines > PORT_MAX_LINES || h.shadow_pages > PORT_MAX_SHADOW_PAGES ||
	    h.size != port_size(h.shadow_pages) || size < h.size || !epoch)
		return -EPROTO;
	*pc = (struct port_consumer){
		.port = p,
		.epoch = epoch,
		.vcpus = h.vcpus,
		.lines = h.lines,
		.shadow_pages = h.shadow_pages,
		.head = atomic_load(&p->consumer.head),
	};
	return 0;
}

void port_claim(struct port_consumer *pc)
{
	struct port *p = pc->port;
	atomic_store(&p->consumer.head, pc->head);
	atomic_store(&p->consumer.epoch, pc->epoch);
	atomic_store(&p->consumer.state, PORT_AWAKE);
}

int port_attach(struct port_consumer *pc, void *map, size_t size, uint32_t epoch, uint64_t head)
{
	int rc = port_open(pc, map, size, epoch);
	if (rc)
		return rc;
	if (head != UINT64_MAX)
		pc->head = head;
	port_claim(pc);
	return 0;
}

static bool entry_ready(struct port_consumer *pc)
{
	struct port_entry *slot = &pc->port->ring[pc->head & RING_MASK];
	return atomic_load_explicit(entry_seq(slot), memory_order_acquire) == pc->head + 1;
}

uint64_t port_doorbells_take(struct port_consumer *pc)
{
	_Atomic uint64_t *rung = &pc->port->doorbells.rung;
	if (!atomic_load_explicit(rung, memory_order_relaxed))
		return 0;
	return atomic_exchange_explicit(rung, 0, memory_order_acquire);
}

bool port_has_work(struct port_consumer *pc)
{
	return entry_ready(pc) ||
	       atomic_load_explicit(&pc->port->doorbells.rung, memory_order_relaxed);
}

bool port_peek(struct port_consumer *pc, struct port_entry *ret)
{
	if (!entry_ready(pc))
		return false;
	const volatile struct port_entry *slot = &pc->port->ring[pc->head & RING_MASK];
	*ret = (struct port_entry){
		.op = slot->op,
		.width = slot->width,
		.range = slot->range,
		.flags = slot->flags,
		.offset = slot->offset,
		.value = slot->value,
		.seq = pc->head + 1,
		.time_us = slot->time_us,
		.vcpu = slot->vcpu,
		.aux = slot->aux,
	};
	return true;
}

void port_consume(struct port_consumer *pc)
{
	struct port *p = pc->port;
	pc->head++;
	atomic_store_explicit(&p->consumer.head, pc->head, memory_order_release);
	FENCE(done);
	if (atomic_load_explicit(&p->producer.room_waiter, memory_order_relaxed) == PORT_ASLEEP) {
		atomic_store_explicit(&p->producer.room_waiter, PORT_AWAKE, memory_order_relaxed);
		futex_wake_word(head_word(p));
		bump(&p->counters.waiter_wakes);
	}
}

void port_complete(struct port_consumer *pc, const struct port_entry *e, uint32_t status,
		   uint64_t data)
{
	if (e->vcpu >= pc->vcpus || (e->flags & PORT_F_POSTED))
		return;
	struct port_completion *s = &pc->port->comp[e->vcpu];
	s->status = status;
	s->data = data;
	s->epoch = pc->epoch;
	atomic_store_explicit(&s->done, PORT_DONE(e->seq), memory_order_release);
	FENCE(done);
	if (atomic_load_explicit(&s->waiter, memory_order_relaxed) == PORT_ASLEEP) {
		futex_wake_word(&s->done);
		bump(&pc->port->counters.waiter_wakes);
	}
}

static bool sleep_begin(struct port_consumer *pc, uint32_t state, bool doorbells)
{
	struct port *p = pc->port;
	atomic_store_explicit(&p->consumer.state, state, memory_order_relaxed);
	FENCE(sleep);
	if (!(doorbells ? port_has_work(pc) : entry_ready(pc))) {
		bump(&p->counters.sleeps);
		return true;
	}
	atomic_store_explicit(&p->consumer.state, PORT_AWAKE, memory_order_relaxed);
	return false;
}

bool port_sleep_begin(struct port_consumer *pc, bool local)
{
	return sleep_begin(pc, local ? PORT_ASLEEP_LOCAL : PORT_ASLEEP, true);
}

bool port_sleep_begin_requests(struct port_consumer *pc)
{
	return sleep_begin(pc, PORT_ASLEEP, false);
}

void port_sleep_end(struct port_consumer *pc)
{
	atomic_store_explicit(&pc->port->consumer.state, PORT_AWAKE, memory_order_relaxed);
}

void port_detach(struct port_consumer *pc)
{
	if (pc->port)
		atomic_store(&pc->port->consumer.state, PORT_ABSENT);
	pc->port = NULL;
}

bool port_line_set(struct port_consumer *pc, unsigned line, bool level)
{
	if (line >= pc->lines)
		return false;
	uint32_t want = level ? PORT_LINE_HIGH : PORT_LINE_LOW;
	if (atomic_load_explicit(&pc->port->line[line].word, memory_order_relaxed) == want)
		return false;
	atomic_store_explicit(&pc->port->line[line].word, want, memory_order_release);
	atomic_fetch_add(&pc->port->consumer.lines_gen, 1);
	return true;
}

bool port_line_event(struct port_consumer *pc, unsigned line, uint32_t bits)
{
	/* Release: what the event tells of, a used ring, is visible to whoever sees it. */
	if (atomic_fetch_or(&pc->port->line[line].pending, bits))
		return false;
	atomic_fetch_add_explicit(&pc->port->consumer.lines_gen, 1, memory_order_release);
	return true;
}

bool port_line_forget(struct port_consumer *pc, unsigned line)
{
	if (!atomic_exchange(&pc->port->line[line].pending, 0))
		return false;
	atomic_fetch_add_explicit(&pc->port->consumer.lines_gen, 1, memory_order_release);
	return true;
}

void port_line_pulse(struct port_consumer *pc, unsigned line)
{
	if (line >= pc->lines)
		return;
	atomic_fetch_add(&pc->port->line[line].edges, 1);
	atomic_fetch_add(&pc->port->consumer.lines_gen, 1);
}

bool port_lines_unseen(struct port_consumer *pc)
{
	return atomic_load(&pc->port->producer.lines_seen) !=
	       atomic_load(&pc->port->consumer.lines_gen);
}

void port_shadow_write(struct port_consumer *pc, uint32_t offset, unsigned width, uint64_t value)
{
	if ((uint64_t)offset + width > (uint64_t)pc->shadow_pages * PORT_PAGE)
		return;
	uint8_t *a = pc->port->shadow + offset;
	switch (width) {
	case 1:
		__atomic_store_n(a, (uint8_t)value, __ATOMIC_RELEASE);
		break;
	case 2:
		__atomic_store_n((uint16_t *)(void *)a, (uint16_t)value, __ATOMIC_RELEASE);
		break;
	case 4:
		__atomic_store_n((uint32_t *)(void *)a, (uint32_t)value, __ATOMIC_RELEASE);
		break;
	default:
		__atomic_store_n((uint64_t *)(void *)a, value, __ATOMIC_RELEASE);
		break;
	}
}
