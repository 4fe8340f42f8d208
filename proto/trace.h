/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The trace area: one shared-memory object beside each port, into which hv and the daemon write what happens at the device.
 *
 * Theory of operation. A record is a struct port_entry (proto/port.h), followed by its payload if it has one. Each writer has a
 * ring of its own: the daemon, hv's line sampler, each vCPU. A ring is broadcast: its writer never waits
 * and never looks at a reader; it overwrites what is oldest. A reader keeps its own position and sees by @reserve that it
 * was overtaken, how much it has lost, and goes on at the newest record. So any number of readers cost the writer nothing,
 * and a slow or dead reader harms nobody.
 *
 *   writer   reserve = end of the record; fence; the bytes; head = that end (release)
 *   reader   head (acquire); the bytes; fence; reserve: was what I have copied overwritten meanwhile?
 *
 * While nobody reads, @wanted is 0 and a writer looks at that word and no more. Pages that were never written
 * take no memory.
 *
 * The daemon's ring alone says all that the model was given and all that it gave: it can be replayed. For that it begins
 * with a TRACE_START, which has the device's state; a reader that was overtaken asks for another one (trace_ask()).
 * hv's rings say what the daemon does not know: shadow reads, how long accesses took, answers by policy.
 *
 * Trust. All of it can be written by the daemon and by every reader. hv only writes, at positions that it keeps
 * privately. Readers check every length.
 */
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/port.h"
#include "proto/trace_payload.h"

#define TRACE_MAGIC 0x43525454u /* "TTRC" read little-endian */
#define TRACE_VERSION 1u
#define TRACE_UNIT 32u			/* records and payloads are multiples of this */
#define TRACE_DM_BYTES (4u << 20)	/* ring of the daemon; power of two */
#define TRACE_HV_BYTES (1u << 20)	/* each ring of hv; power of two */
#define TRACE_PAYLOAD_MAX (1280u << 10) /* bytes behind one record: a saved state fits */
#define TRACE_RING_DM 0u		/* the daemon's ring */
#define TRACE_RING_LINES 1u		/* hv: lines as they reach the interrupt controller */
#define TRACE_RING_VCPU 2u		/* + index of the vCPU */
#define TRACE_RINGS (TRACE_RING_VCPU + PORT_MAX_VCPUS)
#define TRACE_READERS 8u /* at once, of one device */

/** enum trace_want - bits of trace_area.wanted. */
enum trace_want {
	TRACE_WANT_RECORDS = 1,
	TRACE_WANT_BYTES = 2, /* data that the guest moves by DMA, and not only its hash */
};

/*
 * Records: enum port_op below 0x40, and these. A *stimulus* is what makes the model run; a *nested* record is what the model
 * asked or was given while it ran, and comes before its stimulus; *outputs* follow their stimulus. A step is
 * [nested...] stimulus [outputs...].
 *
 * Of a record with PORT_F_PAYLOAD, .aux and .offset mean what is said below, and .vcpu is 0; its payload has trace_payload()
 * bytes, which stand in the upper half of .seq; the lower half is the record's own.
 */
enum trace_op {
	/* What each field and payload of the daemon's records means: proto/trace_payload.h.
	 * stimuli; beside PORT_OP_READ, _WRITE, _SYNC, _RESET as they stood in the ring: .value is what was written or read,
	 * PORT_F_FAILED: status ERROR. PORT_OP_DOORBELL: .value is the index */
	TRACE_HOST_IN = 0x41,	 /* payload: bytes from the host for channel .range */
	TRACE_TIMER = 0x43,	 /* timers that were due at guest time .value ns */
	TRACE_HOST_TAKEN = 0x48, /* the host took .value bytes of channel .range's queue */
	TRACE_HOST_PEER =
		0x49, /* somebody is (.value 1) or is not at the host's end of channel .range */
	TRACE_CONTROL = 0x4a,	/* payload: "name=value"; .value: 0 or errno */
	TRACE_WORK = 0x4b,	/* a turn of left-over work; .value: 1, it did something */
	TRACE_HOST_CALL = 0x4c, /* the back-end called the model; .range: enum trace_call */
	/* nested */
	TRACE_CLOCK =
		0x46, /* the model asked for the time: .value ns; .range 0: guest's, 1: wall clock */
	TRACE_RANDOM = 0x47, /* payload: random bytes that it got */
	TRACE_QUEUE = 0x50,  /* a queue operation; .range: enum trace_queue, .aux: queue */
	TRACE_HOST = 0x51,   /* a call of the back-end; .range: enum trace_host */
	TRACE_DMA_READ =
		0x44, /* guest memory as the model read it, outside of chains: .value: guest address, payload */
	TRACE_DMA_WRITE = 0x45, /* and as it wrote it */
	/* outputs, after TRACE_COMMIT (of a request: after the request) */
	TRACE_COMMIT = 0x4f, /* what was done took effect */
	TRACE_IRQ =
		0x40, /* line .range: .value bit 0: level, bits 32 and up: events added; .offset: edges so far */
	TRACE_HOST_OUT = 0x42, /* payload: bytes queued for the host on channel .range */
	TRACE_SHADOW =
		0x4d, /* a shadow register changed: .range, .offset, .width, .value as of a register */
	TRACE_VM = 0x52, /* the write asked .value, a PORT_VM(), of its VM */
	/* nested, too: */
	TRACE_LOG = 0x4e, /* payload: a line that the model logged; .range: enum dm_level */
	/* of the trace itself */
	TRACE_START =
		0x5f, /* payload: a packed TraceStart: the model, its options, its state. Replay begins here */
	TRACE_GAP =
		0x5e, /* .value bytes were lost before this place, or a writer died inside of a record of so many (payload: what is there) */
	/* rings of hv only; .value as of an access, .aux: trace_latency(). PORT_OP_READ and _WRITE with .seq: forwarded or
	 * posted accesses as the vCPU saw them, PORT_F_SHADOW: answered without the daemon; PORT_OP_DOORBELL: rung */
	TRACE_POLICY =
		0x60, /* the policy answered a read (.value: what) or dropped a write; .range, .offset, .width */
	TRACE_LINE =
		0x61, /* line .range changed at the interrupt controller; .value: level, 2: an edge */
};

/* More bits of port_entry.flags, in traces only. */
#define PORT_F_FAILED 0x04u  /* status ERROR, or the access was refused */
#define PORT_F_WRITTEN 0x08u /* an answer by policy or TRACE_DMA_*: it was a write */
#define PORT_F_PAYLOAD 0x80u

/** struct trace_ring - what its writer publishes. @reserve and @head are bytes since the ring was made, multiples of TRACE_UNIT. */
struct trace_ring {
	_Atomic uint64_t
		reserve; /* below this everything may be under change, down to @reserve - size */
	_Atomic uint64_t head; /* records before this are complete */
	uint8_t pad[48];
};
static_assert(sizeof(struct trace_ring) == 64, "a cache line");

/** struct trace_area - head of the object; the rings' bytes follow at trace_ring_offset(). */
struct trace_area {
	uint32_t magic, version;
	uint64_t bytes; /* of the whole object */
	uint32_t vcpus, reserved;
	char device[32];
	uint8_t pad0[72];
	_Atomic uint32_t wanted; /* enum trace_want of all readers; hv writes it */
	_Atomic uint32_t asked;	 /* readers increment it: a TRACE_START, please */
	/* the guest's clock, by hv while it is wanted: CLOCK_MONOTONIC less the offset, or standing at @clock_stopped - 1 */
	_Atomic uint64_t clock_offset_ns;
	_Atomic uint64_t clock_stopped;
	_Atomic uint64_t
		tick_mult; /* hv, while it is wanted: tick_scale.mult of base/tick.h; 0: the counter is not to be used */
	uint8_t pad1[96];
	struct trace_ring ring[TRACE_RINGS];
};
static_assert(offsetof(struct trace_area, wanted) == 128, "layout");
static_assert(offsetof(struct trace_area, ring) == 256, "layout");
#define TRACE_RING_BASE 8192u /* where the first ring's bytes are */
static_assert(sizeof(struct trace_area) <= TRACE_RING_BASE, "layout");

static inline uint64_t trace_ring_bytes(unsigned ring)
{
	return ring == TRACE_RING_DM ? TRACE_DM_BYTES : TRACE_HV_BYTES;
}
static inline uint64_t trace_ring_offset(unsigned ring)
{
	return ring == TRACE_RING_DM
		       ? TRACE_RING_BASE
		       : TRACE_RING_BASE + TRACE_DM_BYTES + (uint64_t)(ring - 1) * TRACE_HV_BYTES;
}
/** trace_area_bytes - size of the object for @vcpus vCPUs. */
static inline uint64_t trace_area_bytes(unsigned vcpus)
{
	return trace_ring_offset(TRACE_RING_VCPU + vcpus);
}

/* ---- records ------------------------------------------------------------------------------------------- */

/** trace_payload - bytes behind record @e. Unchecked: at most UINT32_MAX. */
static inline uint32_t trace_payload(const struct port_entry *e)
{
	return e->flags & PORT_F_PAYLOAD ? (uint32_t)(e->seq >> 32) : 0;
}
/** trace_record_bytes - bytes of the record with its payload in a ring or file: a multiple of TRACE_UNIT. */
static inline uint64_t trace_record_bytes(const struct port_entry *e)
{
	return TRACE_UNIT +
	       (((uint64_t)trace_payload(e) + TRACE_UNIT - 1) & ~(uint64_t)(TRACE_UNIT - 1));
}
/** trace_latency - @ns as 16 bits, 10 of them significant, for port_entry.aux; at least 1: 0 is "not measured". */
static inline uint16_t trace_latency(uint64_t ns)
{
	unsigned e = 0;
	for (ns = ns ? ns : 1; ns >= 1024; ns >>= 1)
		e++;
	return (uint16_t)(e << 10 | ns);
}
static inline uint64_t trace_latency_ns(uint16_t aux)
{
	return (uint64_t)(aux & 1023) << (aux >> 10);
}

/* ---- writing ------------------------------------------------------------------------------------------- */

/** struct trace_writer - private to one writer thread. All-zero: writes nothing. */
struct trace_writer {
	struct trace_ring *ring; /* borrowed */
	uint8_t *bytes;		 /* of the ring, borrowed */
	uint64_t mask;		 /* its size - 1 */
	uint64_t
		pos; /* where the next record goes: the truth; what the ring says may be anything */
};

/** trace_area_init - writes the head into a zeroed mapping of trace_area_bytes(@vcpus). */
void trace_area_init(struct trace_area *a, unsigned vcpus, const char *device);

/** trace_area_check - is @map (@size bytes) a trace area of this version? 0, -EPROTO. */
int trace_area_check(const void *map, size_t size);

/** trace_writer_init - @w writes ring @ring of @a from now on, after what another process may have written there before. */
void trace_writer_init(struct trace_writer *w, struct trace_area *a, unsigned ring);

/** trace_write - appends @e, with @len (at most TRACE_PAYLOAD_MAX) bytes of payload if @len is not 0; then e->flags and the upper
 * half of e->seq are set here. Never waits. The writer's thread. */
void trace_write(struct trace_writer *w, const struct port_entry *e, const void *payload,
		 size_t len);

/** trace_writev - the same, its payload being @n pieces. */
struct iovec;
void trace_writev(struct trace_writer *w, const struct port_entry *e, const struct iovec *iov,
		  unsigned n);

/* ---- reading ------------------------------------------------------------------------------------------- */

/** struct trace_reader - one reader of one ring. */
struct trace_reader {
	const struct trace_ring *ring; /* borrowed */
	const uint8_t *bytes;
	uint64_t size, pos;
	uint64_t lost; /* bytes that were overwritten before they were read, in all */
};

/** trace_reader_init - @r reads ring @ring of @a (checked) from its newest end on. */
void trace_reader_init(struct trace_reader *r, const struct trace_area *a, unsigned ring);

/** trace_read - copies up to @max bytes (a multiple of TRACE_UNIT) of whole records to @buf and moves on. Returns the bytes
 * copied, 0: nothing new. *@ret_lost: bytes that were lost before them. -EMSGSIZE: the next record is longer than @max;
 * -EPROTO: what stands there is no record; the reader goes on at the newest end. Never blocks. */
int64_t trace_read(struct trace_reader *r, void *buf, size_t max, uint64_t *ret_lost);

/** trace_ask - asks the daemon for a TRACE_START. */
static inline void trace_ask(struct trace_area *a)
{
	atomic_fetch_add(&a->asked, 1);
}

/** trace_guest_ns - the guest's clock as a reader knows it: what is read now is not younger. */
uint64_t trace_guest_ns(const struct trace_area *a);

/** trace_time_ns - the guest time of a record with time_us @us that was read at guest time @now_ns: the last instant up to
 * then whose low 32 bits of microseconds are @us. */
uint64_t trace_time_ns(uint64_t now_ns, uint32_t us);
