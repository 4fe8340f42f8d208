/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the records of a daemon's ring say, field by field, and the layout of their payloads. The framing is proto/trace.h's.
 *
 * A step is [nested...] stimulus [outputs...]. Outputs are what became true at the commit that follows the stimulus: of a
 * request they follow its record at once; everything else is committed by a TRACE_COMMIT of its own, and the outputs follow that. So
 * `nested, TRACE_HOST_CALL, nested, TRACE_HOST_CALL, TRACE_COMMIT, outputs` is two calls of the model in one commit.
 * Nested records that a START, a GAP or the end follows belong to a step that was cut off: its daemon died, and it never happened.
 *
 * Fields that are not named are 0. time_us is the guest's clock in stimuli, TRACE_COMMIT and TRACE_START, and 0 elsewhere.
 * "Payload: X, Y" is X followed by Y without padding; all structs here are multiples of 8. Integers are little-endian.
 *
 * TRACE_START      .value: commits so far (an arbitrary start; the model sees the count), .offset: enum trace_start_flags, .aux: shadow
 *                  pages of the port (0: no register is shown in them, and there are no TRACE_SHADOW). Payload: packed TraceStart.
 *                  TraceStart.host is a list of struct trace_item. TraceStart.out is empty: what is queued is in the state.
 * TRACE_COMMIT     what was done since the last commit took effect.
 *
 * Stimuli
 * PORT_OP_READ, _WRITE, _SYNC, _RESET   .range, .offset, .width, .vcpu, .seq as in the port; .flags: PORT_F_POSTED; PORT_F_FAILED if the
 *                  status was ERROR; .value: written, or the answer.
 * PORT_OP_DOORBELL .value: index
 * TRACE_HOST_IN    .range: channel. Payload: the bytes
 * TRACE_HOST_TAKEN .range: channel, .value: bytes
 * TRACE_HOST_PEER  .range: channel, .value: 1 somebody is there, 0 nobody is
 * TRACE_TIMER      .value: guest time, .offset: bit n: timer n was due
 * TRACE_CONTROL    .value: 0 or the error number. Payload: "name=value" without a NUL
 * TRACE_WORK       .value: 1 it did something, 0 it did not (recorded only if it asked for something)
 * TRACE_HOST_CALL  .range: enum trace_call
 *   _DISK_DONE     .offset: disk, .value: tag, upper half: result as int32. Payload (of a read, TRACE_WANT_BYTES, at most
 *                  TRACE_DATA_MAX): what is in the request's segments then, in their order
 *   _DISK_CHANGED  .offset: disk
 *   _LINK_READY    .offset: link
 *   _RESUME        dm_class.resume
 *
 * Nested
 * TRACE_CLOCK      .range: 0 the guest's, 1 wall clock, .value: ns
 * TRACE_RANDOM     Payload: the bytes
 * TRACE_LOG        .range: enum dm_level. Payload: the text without a NUL. Not compared.
 * TRACE_DMA_READ   .value: guest address. Payload: the bytes. .offset: 0 or the error number (then no payload)
 * TRACE_DMA_WRITE  the same
 * TRACE_QUEUE      .range: enum trace_queue, .aux: queue; see there
 * TRACE_HOST       .range: enum trace_host, .aux: disk or link; see there
 *
 * Outputs, in this order
 * TRACE_VM         .value: PORT_VM(): what the write asks of its VM
 * TRACE_IRQ        .range: line, .value: bit 0: level, bits 32 and up: events that were added; .offset: edges so far. Only when one of
 *                  these changed.
 * TRACE_HOST_OUT   .range: channel. Payload: bytes that were queued
 * TRACE_SHADOW     .range, .offset, .width, .value
 *
 * How much of the guest's data is there. With TRACE_WANT_BYTES all of it up to TRACE_DATA_MAX of a chain or frame; without it all
 * of a chain or frame of up to TRACE_DATA_WHOLE bytes, and the first TRACE_DATA_HEAD of a longer one. The hash is always of all
 * of it: XXH3, 64 bits, seed 0.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_DATA_MAX (1u << 20)
#define TRACE_DATA_WHOLE 256u
#define TRACE_DATA_HEAD 64u

/** enum trace_start_flags - of a TRACE_START. */
enum trace_start_flags {
	TRACE_START_BYTES = 1, /* TRACE_WANT_BYTES was on */
	TRACE_START_ANEW =
		2, /* the state does not follow from the records before it: they are another daemon's, nothing
				* was recorded for a while, or the device was loaded */
};

/** enum trace_call - .range of TRACE_HOST_CALL. */
enum trace_call {
	TRACE_CALL_DISK_DONE = 1,
	TRACE_CALL_DISK_CHANGED,
	TRACE_CALL_LINK_READY,
	TRACE_CALL_RESUME,
};

/**
 * enum trace_queue - .range of TRACE_QUEUE: an operation of a virtqueue. The payload of all begins with the struct trace_vring
 * that the ring is afterwards.
 */
enum trace_queue {
	TRACE_Q_START = 1, /* .value: 0 or errno. Payload: trace_vring, trace_queue_start */
	TRACE_Q_STOP,	   /* the queue was reset */
	TRACE_Q_POP, /* .value: 1 a chain, 0 none, else errno. 1: trace_vring, trace_chain, trace_seg[], bytes */
	TRACE_Q_UNPOP, /* .value: the chain's id */
	TRACE_Q_PUSH,  /* .value: bytes written. Payload: trace_vring, trace_pushed, bytes */
	TRACE_Q_SHOULD_SIGNAL, /* .value: 1 the driver wants an interrupt */
	TRACE_Q_NOTIFY_ON,     /* .value: 1 there is more */
	TRACE_Q_NOTIFY_OFF,
	TRACE_Q_AVAILABLE, /* .value: 1 a chain is there */
	TRACE_Q_PUBLISHED, /* .value: 1 the next push was done by the daemon before */
	TRACE_Q_SKIP,	   /* .value: the chain's id, it was pushed by the daemon before */
	TRACE_Q_ADOPT, /* Payload: trace_vring, uint64_t busy[16], uint16_t ids that were found in the ring, in order */
	TRACE_Q_MARK, /* Payload: trace_vring, trace_mark */
	TRACE_Q_REREAD, /* .value: 0 or errno; 0: payload as of POP. A chain in flight was read again after a crash */
};

/** struct trace_vring - struct vring (vring/vring.h) without its busy bits. */
struct trace_vring {
	uint64_t desc, driver, device, features;
	uint16_t size, size_max;
	uint8_t ready, error, avail_wrap, used_wrap;
	uint16_t avail, used, signalled, since, inflight;
	uint8_t notify_off, signalled_valid;
	uint32_t popped, pushed;
	uint32_t reserved;
};
static_assert(sizeof(struct trace_vring) == 64, "layout");

/** struct trace_queue_start - the queue as the driver had set it up. */
struct trace_queue_start {
	uint64_t desc, driver, device, features;
	uint32_t size, reserved;
};
static_assert(sizeof(struct trace_queue_start) == 40, "layout");

/** struct trace_chain - a chain; @nout and then @nin struct trace_seg follow, then @known bytes of the device-readable part. */
struct trace_chain {
	uint16_t id, ndesc;
	uint32_t nout, nin;
	uint32_t known; /* bytes that follow; all of it if it is @out_bytes */
	uint64_t out_bytes, in_bytes;
	uint64_t hash; /* of the whole device-readable part */
};
static_assert(sizeof(struct trace_chain) == 40, "layout");

/** struct trace_seg - a segment in guest memory (dma: copy: in the copy channel). */
struct trace_seg {
	uint64_t gpa, bytes;
};

/** enum trace_pushed_flags */
enum trace_pushed_flags {
	TRACE_PUSHED_HASH = 1, /* @hash is there: the chain was popped since the START */
};

/** struct trace_pushed - a chain given back; @known bytes of what was written follow. */
struct trace_pushed {
	uint16_t id, ndesc;
	uint32_t flags; /* enum trace_pushed_flags */
	uint64_t hash;	/* of the first .value bytes of the device-writable part */
	uint32_t known, reserved;
};
static_assert(sizeof(struct trace_pushed) == 24, "layout");

/** struct trace_mark - vring_mark(). */
struct trace_mark {
	uint64_t table;
	uint16_t entries, slot;
	uint32_t reserved;
};
static_assert(sizeof(struct trace_mark) == 16, "layout");

/** enum trace_host - .range of TRACE_HOST: dm_disk_* and dm_link_* of devmodel/dm.h. .value: what the call returned, as int64. */
enum trace_host {
	TRACE_H_DISK_INFO = 1,	/* Payload: trace_disk_info */
	TRACE_H_DISK_SUBMIT,	/* Payload: trace_submit, trace_seg[] */
	TRACE_H_DISK_DRAIN,	/* nothing is with the host any more */
	TRACE_H_DISK_WRITEBACK, /* .offset: on or off */
	TRACE_H_DISK_RESIZE,	/* Payload: uint64_t bytes */
	TRACE_H_LINK_INFO,	/* Payload: trace_link_info */
	TRACE_H_LINK_OFFLOADS,	/* .offset: bit 0 csum, 1 tso4, 2 tso6 */
	TRACE_H_LINK_RECV,	/* .offset: queue; .value > 0: payload: trace_frame, bytes */
	TRACE_H_LINK_PEEK,	/* the same */
	TRACE_H_LINK_SKIP,	/* .offset: queue */
	TRACE_H_LINK_SEND,	/* .offset: queue. Payload: trace_frame, bytes */
	TRACE_H_LINK_LISTEN,	/* .offset: on or off */
};

/** struct trace_submit - struct dm_disk_io; @nseg segments follow. */
struct trace_submit {
	uint32_t op, tag; /* op: enum dm_disk_op */
	uint64_t offset, bytes;
	uint32_t unmap, nseg;
};
static_assert(sizeof(struct trace_submit) == 32, "layout");

/** struct trace_frame - a frame with its virtio_net_hdr; @known bytes of it follow. */
struct trace_frame {
	uint32_t bytes, known;
	uint64_t hash;
};
static_assert(sizeof(struct trace_frame) == 16, "layout");

/** struct trace_disk_info - struct dm_disk_info. */
struct trace_disk_info {
	uint64_t bytes;
	uint32_t block, physical;
	uint8_t readonly, can_discard, can_zero, writeback;
	char id[20];
};
static_assert(sizeof(struct trace_disk_info) == 40, "layout");

/** struct trace_link_info - struct dm_link_info. */
struct trace_link_info {
	uint8_t up, csum, tso4, tso6, ufo, ecn, rx_csum, rx_tso4, rx_tso6, pad[3];
	uint32_t queues, mtu, reserved;
};
static_assert(sizeof(struct trace_link_info) == 24, "layout");

/** enum trace_item_kind - of struct trace_item. */
enum trace_item_kind {
	TRACE_ITEM_WINDOW = 1, /* struct trace_window: guest memory that was granted */
	TRACE_ITEM_DISK,       /* struct trace_disk_info */
	TRACE_ITEM_LINK,       /* struct trace_link_info */
};

/** struct trace_item - head of an item of TraceStart.host; @bytes, a multiple of 8, follow. */
struct trace_item {
	uint32_t kind, bytes;
};

/** struct trace_window - struct vring_window. */
struct trace_window {
	uint64_t gpa, bytes, writable;
};
