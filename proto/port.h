/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The port: the one shared-memory object between hv and the daemon of one device slot.
 *
 * Theory of operation. The port belongs to the slot, not to the daemon: a swap or a crash changes
 * the consumer, never the port. vCPU threads of hv are the producers of one ring; the daemon is its
 * only consumer. hv trusts nothing in here: its tail, geometry and epoch are private
 * (struct port_producer); from shared memory it reads the consumer's head (range-checked), the
 * consumer's state (a hint), line words and completions (each read once, masked by the caller).
 *
 * An entry is published by its sequence number (ticket + 1), so a zeroed page holds no entry, and the
 * order is total across vCPUs. A forwarded access waits on the completion slot of its vCPU;
 * a posted write waits for nothing.
 *
 * Sleeping, both directions, is Dekker's protocol: store own flag or data, full fence, read the other
 * side's data or flag. The fences are marked FENCE(name) in port.c, each names its partner, and
 * tests/unit/port's stress test fails when one is removed.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORT_MAGIC 0x54504f52u /* "ROPT" read little-endian */
#define PORT_VERSION 2u
#define PORT_PAGE 4096u

/* Limits on everything that is sized by a peer or a config: proto/limits.h has the others. */
#define PORT_RING_ENTRIES 512u /* power of two */
#define PORT_MAX_VCPUS 64u
#define PORT_MAX_LINES 16u
#define PORT_MAX_SHADOW_PAGES 16u

/** enum port_op - what an entry or a trace record says. Never renumber. */
enum port_op {
	PORT_OP_READ = 1,  /* guest read: offset, width; forwarded */
	PORT_OP_WRITE = 2, /* guest write: offset, width, value; forwarded or posted (flag) */
	PORT_OP_SYNC = 3,  /* a marker: completes when everything before it is served */
	PORT_OP_RESET = 4, /* the VM resets: back to the pristine state */
	PORT_OP_DOORBELL =
		5, /* a doorbell as a record; doorbells themselves are eventfds or words */
	/* 0x40 and up: only in traces, never in a ring. */
	PORT_OP_IRQ = 0x40,
	PORT_OP_HOST_IN = 0x41,
	PORT_OP_HOST_OUT = 0x42,
	PORT_OP_TIMER = 0x43,
	PORT_OP_DMA_READ = 0x44,
	PORT_OP_DMA_WRITE = 0x45,
	PORT_OP_CLOCK = 0x46,
};

/** enum port_entry_flags - bits of port_entry.flags. */
enum port_entry_flags {
	PORT_F_POSTED = 0x01, /* nobody waits for a completion */
	PORT_F_SHADOW = 0x02, /* trace only: answered from the shadow page */
};

/**
 * struct port_entry - one request, and the record of it: trace, fuzz input, reproducer and shadow
 * run all hold these 32 bytes. Little-endian. Values are zero above @width.
 */
struct port_entry {
	uint8_t op;	  /* enum port_op */
	uint8_t width;	  /* bytes: 1, 2, 4, 8; 0 where it has no meaning */
	uint8_t range;	  /* index of the device's range (region) */
	uint8_t flags;	  /* enum port_entry_flags */
	uint32_t offset;  /* bytes from the start of the range */
	uint64_t value;	  /* what is written; in a trace also what was read */
	uint64_t seq;	  /* ring ticket + 1; published last, with release */
	uint32_t time_us; /* guest clock, low 32 bits of microseconds; 0 = not taken */
	uint16_t vcpu;	  /* who waits, index of the completion slot */
	uint16_t aux;	  /* 0; trace: latency, log2 ns */
};
static_assert(sizeof(struct port_entry) == 32, "the record is 32 bytes");
static_assert(offsetof(struct port_entry, offset) == 4, "layout");
static_assert(offsetof(struct port_entry, value) == 8, "layout");
static_assert(offsetof(struct port_entry, seq) == 16, "layout");
static_assert(offsetof(struct port_entry, time_us) == 24, "layout");
static_assert(offsetof(struct port_entry, vcpu) == 28, "layout");

/** enum port_status - how a request ended. Zero is invalid. */
enum port_status {
	PORT_STATUS_OK = 1,
	PORT_STATUS_ERROR = 2, /* the device does not know this access: all-ones / dropped */
	PORT_STATUS_VM =
		3, /* of a write: done, and the VM is asked for what data says: PORT_VM() */
};

/** enum port_vm - what a device may ask of its VM, if the config says that it may. Zero is invalid. */
enum port_vm {
	PORT_VM_EXIT = 1, /* argument: exit code, 0 to 255 */
	PORT_VM_RESET = 2,
	PORT_VM_POWEROFF = 3,
	PORT_VM_PANIC = 4, /* argument: enum port_vm_then */
	PORT_VM_CRASHLOADED = 5,
};
enum port_vm_then { PORT_VM_LOG = 0, PORT_VM_PAUSE = 1, PORT_VM_STOP = 2 };
#define PORT_VM(what, arg) ((uint64_t)(what) << 32 | (uint32_t)(arg))
#define PORT_VM_WHAT(data) ((enum port_vm)((data) >> 32 & 0xff))
#define PORT_VM_ARG(data) ((uint32_t)(data))

/** struct port_completion - one cache line per vCPU; the daemon writes it but for @waiter. */
struct port_completion {
	_Atomic uint32_t done; /* futex word: PORT_DONE(seq) of the finished request, stored last */
	uint32_t status;       /* enum port_status */
	uint32_t epoch;	       /* epoch of the daemon that answered */
	_Atomic uint32_t waiter; /* enum port_wait, written by the vCPU */
	uint64_t data;
	uint8_t pad[40];
};
static_assert(sizeof(struct port_completion) == 64, "one cache line");
static_assert(offsetof(struct port_completion, data) == 16, "layout");

/** PORT_DONE - the nonzero 32-bit image of a sequence number in port_completion.done. */
#define PORT_DONE(seq) ((uint32_t)((seq) << 1 | 1))

/** enum port_wait - a side's sleep state. Zero is invalid (a zeroed page is nobody). */
enum port_wait {
	PORT_AWAKE = 1,	       /* looks at the ring by itself */
	PORT_ASLEEP = 2,       /* must be woken: eventfd for the consumer, futex for a producer */
	PORT_ASLEEP_LOCAL = 3, /* asleep and pinned to the producer's core: do not spin for it */
	PORT_ABSENT = 4,       /* nobody serves: no wake-up */
	PORT_WAKING_LOCAL =
		5, /* was ASLEEP_LOCAL, a producer has kicked it: do not kick again, do not spin */
};

/**
 * struct port_consumer_line - what the daemon publishes about itself. The head moves with every entry, the rest seldom: they
 * are apart (and not in neighbouring lines, which hosts fetch in pairs), so that a producer that looks at the state
 * does not wait for the line that the consumer is writing.
 */
struct port_consumer_line {
	_Atomic uint64_t
		head; /* entries before this ticket are served and committed; low half is a futex */
	uint8_t pad0[120];
	_Atomic uint32_t state;	    /* enum port_wait */
	_Atomic uint32_t epoch;	    /* epoch of the attached daemon */
	_Atomic uint32_t lines_gen; /* incremented after each change of a line word */
	_Atomic uint32_t
		core; /* host core + 1 that an ASLEEP_LOCAL consumer is bound to; 0: none */
	uint8_t pad1[112];
};
static_assert(sizeof(struct port_consumer_line) == 256, "two pairs of cache lines");
static_assert(offsetof(struct port_consumer_line, state) == 128, "layout");

/** struct port_producer_line - what hv publishes about itself. Hints for the daemon only. */
struct port_producer_line {
	_Atomic uint64_t reserved;    /* 0 */
	_Atomic uint32_t room_waiter; /* PORT_ASLEEP: someone sleeps on head's futex for room */
	_Atomic uint32_t last_core;   /* host core of the vCPU that pushed last, + 1; 0 = unknown */
	_Atomic uint32_t lines_seen;  /* lines_gen up to which hv has sampled the line words */
	uint8_t pad0[44];
	/* The guest's clock: CLOCK_MONOTONIC less @clock_offset_ns (0: as Configure says), or standing still at
	 * @clock_stopped_at - 1 while that is not 0. Offset first, then stopped (release); read the other way round. */
	_Atomic uint64_t clock_offset_ns;
	_Atomic uint64_t clock_stopped_at;
	uint8_t pad1[48];
};
static_assert(sizeof(struct port_producer_line) == 128, "a pair of cache lines");
static_assert(offsetof(struct port_producer_line, clock_offset_ns) == 64, "layout");

/** struct port_line - one interrupt line: high while @word is PORT_LINE_HIGH or an event is pending. Survives the daemon.
 * hv reads each member once. */
struct port_line {
	_Atomic uint32_t word;	/* PORT_LINE_LOW or PORT_LINE_HIGH; anything else is nonsense */
	_Atomic uint32_t edges; /* pulses since the port was made; hv injects the difference */
	_Atomic uint32_t
		pending; /* events: the daemon adds bits, hv clears what the guest acknowledges */
	uint8_t pad[4];
};
static_assert(sizeof(struct port_line) == 16, "layout");
#define PORT_LINE_LOW 2u
#define PORT_LINE_HIGH 3u

#define PORT_LATENCY_BUCKETS 32u

/** struct port_doorbells - bit n: doorbell n was rung. hv adds bits, the daemon takes them all at once. */
struct port_doorbells {
	_Atomic uint64_t rung;
	uint8_t pad[120];
};
static_assert(sizeof(struct port_doorbells) == 128, "a pair of cache lines");

/** struct port_io - what the device did for the guest, for people. Written by the daemon only. */
struct port_io {
	_Atomic uint64_t count[16]; /* by enum dm_count of devmodel/dm.h */
	_Atomic uint64_t depth;	    /* requests in flight now */
	_Atomic uint64_t doorbells; /* turns in which a doorbell was rung */
	_Atomic uint64_t events;    /* interrupt events raised */
	uint64_t pad[13];
	_Atomic uint64_t latency_log2_ns[PORT_LATENCY_BUCKETS]; /* of requests */
};
static_assert(sizeof(struct port_io) == 512, "layout");

/** struct port_counters - monotonic since the port was made. First half hv's, second the daemon's. */
struct port_counters {
	/* written by hv */
	_Atomic uint64_t reads_forwarded;
	_Atomic uint64_t writes_forwarded;
	_Atomic uint64_t writes_posted;
	_Atomic uint64_t reads_shadow;
	_Atomic uint64_t wakes_sent; /* eventfd writes to the daemon */
	_Atomic uint64_t ring_full_waits;
	_Atomic uint64_t deadline_misses;
	_Atomic uint64_t policy_answers; /* accesses answered by policy, not by the daemon */
	_Atomic uint64_t irqs_sampled;	 /* line changes delivered to the interrupt controller */
	_Atomic uint64_t bad_answers;	 /* nonsense seen in the port */
	_Atomic uint64_t latency_log2_ns[PORT_LATENCY_BUCKETS]; /* sampled forwarded accesses */
	uint64_t hv_pad[6];
	/* written by the daemon */
	_Atomic uint64_t served;
	_Atomic uint64_t sleeps;
	_Atomic uint64_t waiter_wakes; /* futex wakes of vCPUs */
	_Atomic uint64_t irq_kicks;    /* eventfd writes to hv */
	_Atomic uint64_t host_in_bytes;
	_Atomic uint64_t host_out_bytes;
	_Atomic uint64_t guest_errors; /* accesses the model refused */
	uint64_t dm_pad[9];
};
static_assert(sizeof(struct port_counters) == 8 * 64, "layout");
static_assert(offsetof(struct port_counters, served) == 8 * 48, "layout");

/** struct port_header - written once by hv before the port is handed out. */
struct port_header {
	uint32_t magic;	  /* PORT_MAGIC */
	uint32_t version; /* PORT_VERSION */
	uint32_t size;	  /* bytes of the whole object */
	uint32_t ring_entries;
	uint32_t vcpus;
	uint32_t lines;
	uint32_t shadow_pages;
	uint32_t reserved;
	char device[32]; /* slot's name, NUL-terminated */
};
static_assert(sizeof(struct port_header) == 64, "layout");

/** struct port - the fixed part; @ring and the shadow pages follow at the offsets below. */
struct port {
	struct port_header hdr; /* 0x0000 */
	uint8_t pad0[PORT_PAGE - sizeof(struct port_header)];
	struct port_consumer_line consumer; /* 0x1000 */
	struct port_producer_line producer; /* 0x1100 */
	struct port_doorbells doorbells;    /* 0x1180 */
	uint8_t pad1[0x200];
	struct port_io io; /* 0x1400 */
	uint8_t pad2[0x700];
	struct port_line line[PORT_MAX_LINES];
	struct port_counters counters;
	struct port_completion comp[PORT_MAX_VCPUS]; /* 0x2000 */
	struct port_entry ring[PORT_RING_ENTRIES];   /* 0x3000 */
	uint8_t shadow[];			     /* 0x7000, PORT_MAX_SHADOW_PAGES at most */
};
static_assert(offsetof(struct port, consumer) == 0x1000, "layout");
static_assert(offsetof(struct port, producer) == 0x1100, "layout");
static_assert(offsetof(struct port, doorbells) == 0x1180, "layout");
static_assert(offsetof(struct port, io) == 0x1400, "layout");
static_assert(offsetof(struct port, line) == 0x1d00, "layout");
static_assert(offsetof(struct port, counters) == 0x1e00, "layout");
static_assert(offsetof(struct port, comp) == 0x2000, "layout");
static_assert(offsetof(struct port, ring) == 0x3000, "layout");
static_assert(offsetof(struct port, shadow) == 0x7000, "layout");

/** port_size - bytes of a port with @shadow_pages pages of shadow registers. */
static inline size_t port_size(unsigned shadow_pages)
{
	return offsetof(struct port, shadow) + (size_t)shadow_pages * PORT_PAGE;
}

/* ---- hv's side ------------------------------------------------------------------------------ */

/** struct port_producer - hv's private half: nothing of it is in shared memory. Any vCPU thread. */
struct port_producer {
	struct port *port; /* borrows the mapping */
	_Atomic uint64_t tail;
	_Atomic uint64_t
		head_seen; /* the consumer's head when it was last looked at: never ahead of it */
	_Atomic uint32_t epoch; /* of the daemon whose answers count; 0 = none */
	uint32_t last_epoch;	/* given out last; control thread */
	_Atomic uint32_t dead;	/* nonzero: nobody will answer; waits end at once with -EPIPE */
	unsigned lines;
	unsigned shadow_pages;
};

/** struct port_result - a completion after it was read once and checked. */
struct port_result {
	uint32_t status; /* enum port_status, checked */
	uint64_t data;	 /* unmasked: the caller masks to the access's width */
};

/** port_init - writes the header and the first states into a zeroed mapping and attaches @pp to it.
 * @map: port_size(@shadow_pages) bytes, borrowed; @device: slot name. Consumer starts ABSENT. */
void port_init(struct port_producer *pp, void *map, unsigned vcpus, unsigned lines,
	       unsigned shadow_pages, const char *device);

/** port_epoch_begin - a new daemon may attach: returns its epoch (nonzero) and clears @dead.
 * Answers that carry any other epoch are ignored from now on. Control thread. */
uint32_t port_epoch_begin(struct port_producer *pp);

/** port_epoch_reserve - an epoch that no daemon has had, for one that may attach later. Control thread. */
uint32_t port_epoch_reserve(struct port_producer *pp);

/** port_epoch_set - answers of @epoch count from now on, and no others. Control thread. */
void port_epoch_set(struct port_producer *pp, uint32_t epoch);

/** port_mark_dead - nobody serves: ends every wait with -EPIPE and wakes the sleepers. Any thread. */
void port_mark_dead(struct port_producer *pp);

/** port_push - claims a slot, fills it with *@e (seq is set here) and publishes it.
 * @ret_seq: sequence number to wait for. 0, -EAGAIN: the ring is full, -EPROTO: the consumer's head
 * is nonsense (quarantine it). Any vCPU thread; does not block. */
int port_push(struct port_producer *pp, const struct port_entry *e, uint64_t *ret_seq);

/** port_ring - rings doorbell @index (< 64). Then port_needs_wake(), as after a push. Any vCPU thread. */
void port_ring(struct port_producer *pp, unsigned index);

/** port_ack - clears @bits of the pending events of @line. The caller samples the lines. Any vCPU thread. */
void port_ack(struct port_producer *pp, unsigned line, uint32_t bits);

/** port_needs_wake - after port_push(): full fence, then true if the consumer sleeps and it falls to the caller to
 * write the kick eventfd: of the producers that find it asleep just one gets true, and must kick.
 * @ret_local (may be NULL): the consumer sleeps, or is only just being woken, on our core: do not spin. */
bool port_needs_wake(struct port_producer *pp, bool *ret_local);

/** port_poll_done - true if request @seq of @vcpu has been answered by the current epoch.
 * -EPROTO in *@ret_err for a nonsense status (then true is returned as well). Does not block. */
bool port_poll_done(struct port_producer *pp, unsigned vcpu, uint64_t seq, struct port_result *ret,
		    int *ret_err);

/** port_wait_done - waits for request @seq of @vcpu: spins for @spin_ns (0: not at all), then sleeps.
 * @deadline_ns: CLOCK_MONOTONIC, absolute. @stop (may be NULL): nonzero ends the wait with -EINTR when a
 * signal or port_interrupt() arrives. 0, -ETIMEDOUT, -EINTR, -EPIPE (dead), -EPROTO (nonsense). */
int port_wait_done(struct port_producer *pp, unsigned vcpu, uint64_t seq, uint64_t spin_ns,
		   uint64_t deadline_ns, const _Atomic uint32_t *stop, struct port_result *ret);

/** port_wait_room - waits until port_push() can succeed. Errors as port_wait_done(). */
int port_wait_room(struct port_producer *pp, uint64_t deadline_ns, const _Atomic uint32_t *stop);

/** port_interrupt - wakes whoever sleeps in a wait of @vcpu so that it looks at its stop word. */
void port_interrupt(struct port_producer *pp, unsigned vcpu);

/** port_served - true if every entry up to sequence number @seq is served (head has passed it). */
static inline bool port_served(struct port_producer *pp, uint64_t seq)
{
	return (int64_t)(atomic_load_explicit(&pp->port->consumer.head, memory_order_acquire) -
			 seq) >= 0;
}

/** port_shadow_read - reads @width (1, 2, 4, 8; aligned) bytes at byte @offset of the shadow area.
 * The caller has checked the offset against the range's shadow pages. Single copy atomic. */
uint64_t port_shadow_read(const struct port_producer *pp, uint32_t offset, unsigned width);

/* ---- the daemon's side ---------------------------------------------------------------------- */

/** struct port_consumer - the daemon's private half. One thread. */
struct port_consumer {
	struct port *port;
	uint64_t head;
	uint32_t epoch;
	unsigned vcpus, lines, shadow_pages;
};

/** port_attach - checks magic, version and geometry of a mapping of @size bytes, takes over as
 * consumer at entry @head (from the committed state; UINT64_MAX: where the port's head stands) and
 * becomes AWAKE. 0, -EPROTO: not a port of this version. */
int port_attach(struct port_consumer *pc, void *map, size_t size, uint32_t epoch, uint64_t head);
/** port_open / port_claim - its two halves: the checks, which leave the port as it is (@pc->head: the port's), and the taking
 * over, at @pc->head. */
int port_open(struct port_consumer *pc, void *map, size_t size, uint32_t epoch);
void port_claim(struct port_consumer *pc);

/** port_peek - copies the next entry to *@ret if one is published. Does not consume it. */
bool port_peek(struct port_consumer *pc, struct port_entry *ret);

/** port_doorbells_take - takes all doorbells that were rung. */
uint64_t port_doorbells_take(struct port_consumer *pc);

/** port_has_work - an entry is published or a doorbell was rung. Changes nothing. */
bool port_has_work(struct port_consumer *pc);

/** port_line_event - adds @bits to the pending events of a line. True if that made one pending that was not. */
bool port_line_event(struct port_consumer *pc, unsigned line, uint32_t bits);

/** port_line_forget - clears all pending events of a line: the device is reset. True if one was. */
bool port_line_forget(struct port_consumer *pc, unsigned line);

/** port_consume - moves the head past the entry that port_peek() showed. Call after its effects are
 * committed. Wakes a producer that waits for room. */
void port_consume(struct port_consumer *pc);

/** port_complete - answers @e: data, status, epoch, then done; wakes the vCPU if it sleeps. */
void port_complete(struct port_consumer *pc, const struct port_entry *e, uint32_t status,
		   uint64_t data);

/** port_sleep_begin - says "asleep" (@local: pinned to the producer's core), full fence, looks again.
 * true: the ring is empty, the caller may block until its kick eventfd is readable, then must call
 * port_sleep_end(). false: there is work and the state is AWAKE again. */
bool port_sleep_begin(struct port_consumer *pc, bool local);
/** port_sleep_begin_requests - the same of one that takes no doorbells now: only requests keep it awake. */
bool port_sleep_begin_requests(struct port_consumer *pc);
void port_sleep_end(struct port_consumer *pc);

/** port_detach - leaves the port: state ABSENT. */
void port_detach(struct port_consumer *pc);

/** port_line_set - sets the level of a line; true if it changed (then hv must learn of it: the irq
 * eventfd, or the completion of the request being served). */
bool port_line_set(struct port_consumer *pc, unsigned line, bool level);

/** port_line_pulse - adds one edge to a line. */
void port_line_pulse(struct port_consumer *pc, unsigned line);

/** port_lines_unseen - true if hv has not yet sampled the latest line change. */
bool port_lines_unseen(struct port_consumer *pc);

/** port_shadow_write - stores @width aligned bytes into the shadow area, single copy atomic. */
void port_shadow_write(struct port_consumer *pc, uint32_t offset, unsigned width, uint64_t value);
