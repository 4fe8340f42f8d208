/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The slot of one device: the core's side of its port, and the four ways of an access.
 *
 * Theory of operation. One atomic word says who owns the slot, in which state and epoch it is, and
 * how many vCPUs are inside it (@word). A vCPU enters by adding 1 and sees in the same step whether
 * it may go on, so that whoever changes the state (death, quarantine, swap) can tell when the last
 * one has left.
 *
 * Trust. From the port the core takes head, states, line words and completions, each read once and
 * checked; whatever cannot be true quarantines the daemon and is answered by policy.
 *
 * Locks. slot.lock orders the two samplers of the line words (vCPU threads after an answer, the
 * control thread after an irq kick) and guards @why. The interrupt controller's own lock nests
 * inside it. Shadow reads and posted writes take no lock.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "hv/bus.h"
#include "hv/guest_clock.h"
#include "proto/port.h"
#include "proto/trace.h"

/** enum slot_state - zero is invalid. */
enum slot_state {
	SLOT_WAITING =
		1, /* no daemon yet, or (slot_config.restart) none now: accesses wait for the next one */
	SLOT_DOCKED = 2,      /* has its descriptors, registers its ranges */
	SLOT_SERVING = 3,     /* answers */
	SLOT_DEAD = 4,	      /* its process is gone */
	SLOT_QUARANTINED = 5, /* wrote nonsense: not asked any more */
};

/** enum slot_policy - what an access gets when the daemon is silent or dead. */
enum slot_policy {
	POLICY_ONES = 1, /* reads give all-ones, writes are dropped */
	POLICY_STOP = 2, /* the VM ends */
	POLICY_PARK = 4, /* it waits until a daemon answers; the guest's clock stands meanwhile */
	POLICY_ABORT = 5,
};

/** enum slot_hold - why accesses park whatever the policy. Bits. */
enum slot_hold {
	SLOT_HOLD_DEBUG = 1,  /* a debugger may hold the daemon */
	SLOT_HOLD_PAUSED = 2, /* a person has paused the device */
};

/** enum access_result - what a vCPU does with an access. */
enum access_result {
	ACCESS_OK = 1,		/* *data is the answer */
	ACCESS_ABORT = 2,	/* external abort to the guest */
	ACCESS_STOP = 3,	/* the VM ends by policy */
	ACCESS_INTERRUPTED = 4, /* the vCPU's stop word is set; there is no answer */
	ACCESS_VM =
		5, /* a write: done, and the device asks something of the VM: *data is PORT_VM() */
	ACCESS_PARK = 6, /* inside the slot only: nobody answers, and the policy is to wait */
};

/** struct slot_ops - what the slot calls. Any thread; must not block. @opaque: of the slot_config.
 */
struct slot_ops {
	void (*irq_line)(void *opaque, unsigned irq, bool level); /* slot.lock is held */
	void (*irq_pulse)(void *opaque, unsigned irq);		  /* slot.lock is held */
	/** changed - the slot became quarantined or silent, an access parks, or it answers again: the
	 * control thread should look. */
	void (*changed)(void *opaque);
};

/** struct slot_config - how a slot is made. Strings and arrays are borrowed for the slot's life. */
struct slot_config {
	const char *name;
	unsigned index; /* of the slot in its VM */
	unsigned vcpus;
	unsigned lines;	      /* <= PORT_MAX_LINES */
	const uint32_t *irqs; /* board interrupt of each line */
	unsigned shadow_pages;
	uint64_t deadline_ns;	 /* 0: SLOT_DEADLINE_NS */
	enum slot_policy policy; /* what answers when nobody does */
	bool restart;		 /* a daemon that dies is followed by another one */
	bool vm_requests;	 /* the model may answer PORT_STATUS_VM */
	uint32_t state_bytes;	 /* arena of the model */
	/* of the times in traces; NULL: CLOCK_MONOTONIC */
	const struct guest_clock *clock;
	const struct slot_ops *ops;
	void *opaque;
};
#define SLOT_DEADLINE_NS 1000000000ull

/** struct slot_vcpu - what a slot keeps for each vCPU, in a cache line of its own. */
struct slot_vcpu {
	_Alignas(64) uint64_t forwards; /* own thread: which accesses are timed */
	_Atomic uint32_t
		kicks; /* odd while inside the write(2) of a kick; read by slot_kick_stuck() */
	uint32_t kicks_looked;	      /* control thread: what slot_kick_stuck() saw last */
	struct trace_writer tw;	      /* own thread, and so is what follows */
	uint64_t tick, tick_guest_ns; /* a moment not long ago, by both clocks */
};

/** struct slot_trace - the slot's trace area (hv/slot_trace.c). */
struct slot_trace {
	/* enum trace_want: what area->wanted should be; no daemon can change this one */
	_Atomic uint32_t wanted;
	struct trace_area *area; /* mapping; hv only writes to it */
	size_t bytes;
	int fd;
	struct trace_writer lines; /* slot.lock */
};

struct copy;

/** struct slot - see slot_create(). Fields are the slot's own but for those that say otherwise. */
struct slot {
	struct slot_config cfg;
	struct copy *copy; /* dma: copy; else NULL. Set before a vCPU runs; borrowed */
	struct port_producer pp;
	_Atomic uint64_t word;	     /* see SLOT_WORD_* */
	_Atomic uint32_t spin_ns;    /* how long a vCPU looks before it sleeps; adapts */
	_Atomic uint32_t lines_seen; /* lines_gen that was sampled last */
	_Atomic uint64_t posted_seq; /* the last posted write; shadow reads wait for it */
	_Atomic uint64_t
		silent_seq;	 /* the request whose deadline passed; 0 = the daemon is on time */
	_Atomic uint32_t hold;	 /* enum slot_hold; control thread */
	_Atomic uint32_t down;	 /* nobody serves and nobody is to come: accesses park at once */
	_Atomic uint32_t parked; /* vCPUs whose access waits without a deadline */
	_Atomic uint32_t turn;	 /* futex: changes when a parked access should look again */
	_Atomic int32_t daemon_pid; /* of the docked daemon, to bind it to a core; 0: none */
	bool can_spin;		    /* more than one host core */
	int port_fd, state_fd, kick_fd, irq_fd;
	size_t port_bytes;
	pthread_mutex_t lock;
	uint32_t line_word
		[PORT_MAX_LINES]; /* lock: level last handed on, as PORT_LINE_LOW or _HIGH */
	uint32_t line_edges[PORT_MAX_LINES];
	char why[160]; /* lock: reason of dead and quarantined */
	struct slot_trace trace;
	struct slot_vcpu pv[PORT_MAX_VCPUS];
};

/* slot.word: in-flight accesses, state, owner (slot index + 1), epoch of the daemon. */
#define SLOT_WORD_INFLIGHT(w) ((unsigned)((w)&0xffff))
#define SLOT_WORD_STATE(w) ((enum slot_state)((w) >> 16 & 0xff))
#define SLOT_WORD_OWNER(w) ((unsigned)((w) >> 24 & 0xff))
#define SLOT_WORD_EPOCH(w) ((uint32_t)((w) >> 32))

/** slot_create - makes port, state segment and eventfds of a device. 0 and *@ret (gives), or -Exxx.
 */
int slot_create(const struct slot_config *cfg, struct slot **ret, struct err *err);

/** slot_destroy - closes and frees all. No vCPU runs. NULL and half-made slots are allowed. */
void slot_destroy(struct slot *s);

static inline enum slot_state slot_state(struct slot *s)
{
	return SLOT_WORD_STATE(atomic_load_explicit(&s->word, memory_order_acquire));
}
static inline uint32_t slot_epoch(struct slot *s)
{
	return SLOT_WORD_EPOCH(atomic_load_explicit(&s->word, memory_order_acquire));
}

/** slot_attach - a daemon docked: a new epoch begins, state DOCKED. Returns the epoch. Control
 * thread. */
uint32_t slot_attach(struct slot *s);

/** slot_serve - DOCKED to SERVING. -EPROTO in any other state. Control thread. */
int slot_serve(struct slot *s);

/** slot_successor - an epoch and a state segment (*@ret_state_fd, gives; room for SLOT_STATE_GROWTH more bytes of state) for
 * a daemon that comes up while another one serves. 0 or -Exxx. Control thread. */
int slot_successor(struct slot *s, uint32_t *ret_epoch, int *ret_state_fd);
#define SLOT_STATE_GROWTH (256u * 1024)

/** slot_switch - answers of @epoch count from now on: of the successor, or once more of its predecessor. What the vCPUs have
 * asked stays in the ring. False: the slot does not serve. Control thread. */
bool slot_switch(struct slot *s, uint32_t epoch);

/** slot_taken - true if the daemon of @epoch has attached to the port. */
static inline bool slot_taken(struct slot *s, uint32_t epoch)
{
	return atomic_load(&s->pp.port->consumer.epoch) == epoch;
}

/** slot_hold_set - accesses park for the reasons @hold (enum slot_hold) from now on; 0: for none. slot_down_set - @down: nobody
 * serves and nobody is to come (POLICY_PARK). Accesses in progress follow. Control thread. */
void slot_hold_set(struct slot *s, uint32_t hold);
void slot_down_set(struct slot *s, bool down);

/** slot_parks - true if an access that nobody answers waits. Any thread. */
static inline bool slot_parks(struct slot *s)
{
	return s->cfg.policy == POLICY_PARK ||
	       atomic_load_explicit(&s->hold, memory_order_acquire) != 0;
}

/** slot_interrupt - wakes vCPU @vcpu wherever it waits in the slot, so that it looks at its stop word. Any thread. */
void slot_interrupt(struct slot *s, unsigned vcpu);

/** slot_clock - tells the daemon of the guest's clock. Control thread. */
void slot_clock(struct slot *s, uint64_t offset_ns, uint64_t stopped_at);

/** slot_vacate - the daemon is dead and another one is to come (slot_config.restart), or accesses are to wait for one that a
 * person starts (POLICY_PARK): what the vCPUs asked stays in the ring and waits, up to the deadline. False: the slot was not
 * in use. Control thread. */
bool slot_vacate(struct slot *s);

/** slot_fail - to DEAD or QUARANTINED, ends every wait, records why (the first reason of an epoch
 * stays). True if this call changed the state. Any thread. */
bool slot_fail(struct slot *s, enum slot_state state, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** slot_say_why - the reason why nobody serves, of a slot that has not failed. Control thread. */
void slot_say_why(struct slot *s, const char *why);

/** slot_why - copies the reason of the last failure, "" if none. Any thread. */
void slot_why(struct slot *s, char *buf, size_t len);

/** slot_access_now - as slot_access(), but only what needs no wait: a shadow read, or a posted write that finds room.
 * True: *@data is the answer. False: nothing was done; slot_access() will. Any vCPU thread; never blocks. */
bool slot_access_now(struct slot *s, const struct bus_range *r, unsigned vcpu, uint64_t offset,
		     unsigned len, bool is_write, uint64_t *data);

/** slot_access - one guest access to @r, a range of @s. Blocks up to the device's deadline.
 * @vcpu: index; @stop: ends waits when nonzero; @offset: within the range, @len 1, 2, 4, 8 and
 * inside it;
 * @data: written value, or where the read value goes. The vCPU's own thread. */
enum access_result slot_access(struct slot *s, const struct bus_range *r, unsigned vcpu,
			       const _Atomic uint32_t *stop, uint64_t offset, unsigned len,
			       bool is_write, uint64_t *data);

/** slot_reset - forwards PORT_OP_RESET and waits for it as slot_access() does. A vCPU thread. */
enum access_result slot_reset(struct slot *s, unsigned vcpu, const _Atomic uint32_t *stop);

/** slot_ring - rings doorbell @index (below 64) of the daemon. @vcpu: whose thread this is, COPY_NO_VCPU: none's. As in
 * slot_kick_stuck(), a hostile daemon can make it block until a signal comes. */
void slot_ring(struct slot *s, unsigned vcpu, unsigned index);

/** slot_event - adds @bits to the pending events of line 0, on behalf of the daemon. Any thread. */
void slot_event(struct slot *s, uint32_t bits);

/** slot_trace_want - the wishes of all who watch; 0: nobody does, and the area's memory is given back. Control thread. */
void slot_trace_want(struct slot *s, uint32_t want);

/** slot_trace_clock - tells those who watch of the guest's clock. Control thread, now and then. */
void slot_trace_clock(struct slot *s);

/** slot_kick_stuck - true if vCPU @vcpu is still inside the kick that it was in at the call before.
 * A daemon has the same open eventfd: it can fill its counter and clear O_NONBLOCK, and then the
 * write sleeps until a signal interrupts it. Control thread, twice a second. */
bool slot_kick_stuck(struct slot *s, unsigned vcpu);

/** slot_lines_sample - reads the line words and tells the interrupt controller what changed. Any
 * thread. */
void slot_lines_sample(struct slot *s);

/** slot_lines_poll - slot_lines_sample(), if anything changed since the last time. Any thread; cheap. */
static inline void slot_lines_poll(struct slot *s)
{
	if (atomic_load_explicit(&s->pp.port->consumer.lines_gen, memory_order_acquire) !=
	    atomic_load_explicit(&s->lines_seen, memory_order_relaxed))
		slot_lines_sample(s);
}

/** slot_state_name - "waiting", "docked", "serving", "dead", "quarantined". */
const char *slot_state_name(enum slot_state state);
