/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A virtqueue seen from the device: split and packed rings (virtio 1.2, sections 2.7 and 2.8).
 *
 * Theory of operation. The rings lie in memory that the driver writes at any time and with any contents, so each field is
 * read once, checked, and the copy is used. Whatever breaks a MUST of the specification latches an error in the
 * ring (struct vring.error); from then on the ring gives nothing more, and the transport sets DEVICE_NEEDS_RESET.
 * Work is bounded: a chain has at most vring.size descriptors, an indirect table included.
 *
 * struct vring is plain data without pointers: it lives in a device's committed state. Guest memory is reached
 * through struct vring_mem, the windows that were granted; a buffer lies wholly in one window or is an error.
 * The same code runs in a daemon (dma: map) and in the core on behalf of a daemon that may not see guest memory (dma: copy).
 *
 * One thread at a time for one ring. All functions are free of system calls and of allocation.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define VRING_SIZE_MAX 1024u /* entries of one ring: a power of two for split rings */
#define VRING_MEM_WINDOWS 4u
#define VRING_CHAIN_BYTES_MAX                                                                      \
	(1ull << 32) /* all buffers of a chain together, 2.7.4 and 2.8.6.1: 2^32 bytes */

/* Feature bits that a ring knows (virtio 1.2, section 6). */
#define VRING_F_INDIRECT_DESC (1ull << 28)
#define VRING_F_EVENT_IDX (1ull << 29)
#define VRING_F_VERSION_1 (1ull << 32)
#define VRING_F_RING_PACKED (1ull << 34)
#define VRING_F_IN_ORDER (1ull << 35)
#define VRING_FEATURES                                                                             \
	(VRING_F_INDIRECT_DESC | VRING_F_EVENT_IDX | VRING_F_RING_PACKED | VRING_F_IN_ORDER)

/** struct vring_window - @bytes of guest memory from @gpa on, at @hva. Both are multiples of the page size. */
struct vring_window {
	uint64_t gpa, bytes;
	uint8_t *hva;
	bool writable;
};

/** struct vring_mem - all windows. Borrowed by every call; fixed while the ring is in use. */
struct vring_mem {
	unsigned n;
	struct vring_window win[VRING_MEM_WINDOWS];
};

/** enum vring_error - why a ring is broken. Never renumber: it is saved. */
enum vring_error {
	VRING_OK = 0,
	VRING_E_SIZE,  /* size 0, over the maximum, or (split) not a power of two */
	VRING_E_ALIGN, /* a ring area is misaligned (2.7: 16/2/4; 2.8: 16/4/4) */
	VRING_E_AREA, /* a ring area is not wholly inside a writable (desc, driver: readable) window */
	VRING_E_AVAIL, /* split: avail.idx is more than size ahead */
	VRING_E_HEAD,  /* split: a head or next index is not below size */
	VRING_E_LOOP,  /* a chain is longer than size */
	VRING_E_BUFFER, /* a buffer is outside of granted memory, wraps, or is not writable for the device */
	VRING_E_ORDER, /* a device-readable buffer after a device-writable one (2.7.4.2, 2.8.17) */
	VRING_E_INDIRECT, /* not negotiated, nested, together with NEXT, length 0 or not a multiple of 16, outside */
	VRING_E_TOTAL,	  /* a chain's buffers are longer than VRING_CHAIN_BYTES_MAX together */
	VRING_E_INFLIGHT, /* more buffers outstanding than the ring has entries, or one head twice */
	VRING_E_TRUNCATED, /* packed: the chain's last descriptor is not available yet */
	VRING_E_LIMIT,	   /* dma: copy: a chain is longer than what is copied at once */
	VRING_ERRORS
};

/** struct vring - one queue. Plain data: belongs to the device's state. All-zero: not set up. */
struct vring {
	/* set by the transport while @ready is 0 */
	uint64_t desc, driver,
		device;	   /* guest addresses of descriptor area, driver area, device area */
	uint64_t features; /* negotiated; the VRING_F_* bits count */
	uint16_t size;	   /* entries that the driver chose */
	uint16_t size_max; /* entries that the device offers; 0: the queue does not exist */
	uint8_t ready;	   /* 1: vring_start() has been called */
	uint8_t error;	   /* enum vring_error, latched */
	/* the ring's own */
	uint8_t avail_wrap, used_wrap; /* packed: wrap counters, 1 after start */
	uint16_t avail;	    /* split: next avail index (free running); packed: next slot */
	uint16_t used;	    /* split: used.idx (free running); packed: next slot to write */
	uint16_t signalled; /* used position at which the driver was told last (EVENT_IDX) */
	uint16_t since;	    /* packed: ring entries used since then; saturates at UINT16_MAX */
	uint16_t inflight;  /* chains popped and not pushed yet */
	uint8_t notify_off; /* the driver was asked not to notify */
	uint8_t signalled_valid;
	uint32_t popped, pushed; /* chains, free running: for people */
	uint64_t busy
		[VRING_SIZE_MAX /
		 64]; /* bit: this id is in flight (packed: ids from VRING_SIZE_MAX on are not kept) */
};

/** struct vring_chain - one popped chain. The iovecs are the caller's storage, filled by vring_pop(). */
struct vring_chain {
	uint16_t id; /* split: head index; packed: buffer id */
	uint16_t
		ndesc; /* ring entries that the chain takes: split: 1; packed: its descriptors outside of an indirect table */
	unsigned nout, nin; /* device-readable (first) and device-writable segments, none empty */
	struct iovec *out, *in; /* point into the caller's array */
	uint64_t out_bytes, in_bytes;
};

/** vring_reset - back to not set up; @size_max stays. */
void vring_reset(struct vring *r);

/** vring_start - the driver wrote 1 to QueueReady: checks size, alignment and areas against @mem and starts at index 0.
 * 0; -EINVAL: r->error says what. */
int vring_start(struct vring *r, const struct vring_mem *mem);

/** vring_check - may *@r, which came from a saved state, be used with @mem? Checks all that the other functions take for
 * granted; changes nothing. A ring that is not ready passes. 0, -EINVAL. */
int vring_check(const struct vring *r, const struct vring_mem *mem);

/** vring_pop - the next available chain. @iov: room for @max segments (VRING_SIZE_MAX suffices always; a chain of more than
 * @max counts as longer than the ring). 1: *@ret is filled; 0: none is available; -EIO: the ring is broken (now or
 * before), r->error says why. Empty buffers (length 0) are allowed and left out. */
int vring_pop(struct vring *r, const struct vring_mem *mem, struct iovec *iov, unsigned max,
	      struct vring_chain *ret);

/** vring_unpop - puts back the chain that was popped last and not pushed: as if it had not been popped. Several go back in
 * the reverse order. */
void vring_unpop(struct vring *r, const struct vring_chain *c);

/** vring_push - gives chain (@id, @ndesc) back with @len bytes written. With IN_ORDER the caller pushes in the order
 * of popping. The driver sees it at once. A ring that is broken, or has no such chain in flight, ignores it. */
void vring_push(struct vring *r, const struct vring_mem *mem, uint16_t id, uint16_t ndesc,
		uint32_t len);

/** vring_should_signal - does the driver want an interrupt for what was pushed since this was asked last? Full fence inside.
 * False if nothing was pushed. (2.7.7.2, 2.8.14, 2.8.21.3) */
bool vring_should_signal(struct vring *r, const struct vring_mem *mem);

/** vring_notify_off - asks the driver not to notify while the device looks by itself. A hint. */
void vring_notify_off(struct vring *r, const struct vring_mem *mem);

/** vring_notify_on - asks for notifications again, full fence, looks again. True: something is available: pop again. */
bool vring_notify_on(struct vring *r, const struct vring_mem *mem);

/** vring_available - is a chain available? Reads only. */
bool vring_available(const struct vring *r, const struct vring_mem *mem);

/** vring_iov_read / _write - copies between a list of segments, from byte @offset on, and @buf. Returns bytes copied. */
size_t vring_iov_read(const struct iovec *iov, unsigned n, size_t offset, void *buf, size_t len);
size_t vring_iov_write(const struct iovec *iov, unsigned n, size_t offset, const void *buf,
		       size_t len);

/** vring_adopt - after a crash: the daemon may have pushed chains that its committed state does not know of. Calls @seen for
 * each entry that the used ring holds beyond r->used (at most size), and moves r->used past it. @seen gets the
 * chain's id and returns the ring entries that it took; 0: unknown id. Split: used.idx decides, what @seen returns does not
 * matter; an id that is not in flight here was popped after the commit as well, so r->avail moves past it too.
 * Packed: the flags of the used descriptors decide; an unknown id ends it.
 * A packed ring tells only what the driver has not made available anew since, which it may do at once when the ring
 * is full; a device that commits what it is going to push is told exactly by vring_published().
 * If any was found, vring_should_signal() is true next time unless the driver wants none: the dead daemon may have
 * had no time to ask. */
void vring_adopt(struct vring *r, const struct vring_mem *mem,
		 unsigned (*seen)(void *ctx, uint16_t id), void *ctx);

/** vring_published - after a crash: was the entry that the next vring_push() would write written already? For a device whose
 * committed state says which chains are to be pushed next, and in which order: for each of them vring_skip() while this is
 * true, then vring_push(). Exact for both kinds of ring, whatever the driver has done meanwhile. */
bool vring_published(const struct vring *r, const struct vring_mem *mem);

/** vring_skip - as vring_push(), but the entry was written by a daemon that died. The next vring_should_signal() is true
 * unless the driver wants none. */
void vring_skip(struct vring *r, uint16_t id, uint16_t ndesc);

/** vring_error_text - one line for people. */
const char *vring_error_text(enum vring_error e);
