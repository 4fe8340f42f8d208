/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * dm.h: the one header that a device model includes.
 *
 * A model is a library without threads, descriptors or clocks. It fills in one struct dm_class: a table of
 * its registers and a few functions. Whoever runs it is its environment: the daemon (over shared memory),
 * a unit test (over a script), a fuzzer or a replayer. The model cannot tell which.
 *
 * State. Everything that the guest can see lives in one plain struct without pointers, whose size is
 * dm_class.state_size. It is passed to every function as @state and must not be kept: the address changes from
 * call to call, because a request runs on a working copy that is committed when it is done. A model that is
 * killed in the middle of a function has done nothing at all. So a model has no static variables either.
 *
 * Registers. The table alone serves a register that is plain storage or a constant. `write` is called after
 * the table has stored the value (the old one is in the dm_io); `read` is called only for registers
 * that say DM_READ_CALL or DM_READ_PURE. Everything of one device runs in one thread.
 *
 * docs/adding-a-device.md builds a device from nothing.
 */
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct dm; /* the environment of one device */

#define DM_MAX_REGIONS 8u  /* ranges of one device */
#define DM_MAX_LINES 16u   /* interrupt lines of one device */
#define DM_MAX_TIMERS 8u   /* timers of one device */
#define DM_MAX_CHANNELS 8u /* options of type chardev */
#define DM_MAX_DISKS 1u	   /* options of type disk */
#define DM_MAX_LINKS 1u	   /* options of type net */
#define DM_MAX_DOORBELLS 64u
#define DM_OUT_BYTES 4096u  /* out-queue of one channel */
#define DM_OUT_SOFT 3072u   /* queued bytes from which dm_host_out_busy() is true... */
#define DM_OUT_RESUME 2048u /* ...until no more than these are left */
/* A port's ring holds 512 posted writes and each of up to 64 vCPUs may have one more in hand. */
static_assert(DM_OUT_BYTES - DM_OUT_SOFT >= 512 + 64, "room for posted writes in flight");

/* ---- the register table ---------------------------------------------------------------------- */

/** enum dm_access - what the guest may do with a register, and what the table does by itself. */
enum dm_access {
	DM_RO = 1, /* reads give the field or @reset; writes are ignored */
	DM_RW,	   /* writes store (old & ~mask) | (value & mask) */
	DM_WO,	   /* reads give 0; writes store into the field, if there is one */
	DM_W1C,	   /* writes clear the bits that are 1 in value & mask */
	DM_RC,	   /* reads give the field and clear it; writes are ignored */
};

/** enum dm_read_way - how a read reaches its value. */
enum dm_read_way {
	DM_READ_AUTO =
		0, /* DM_RC: forwarded; everything else: shadow, after pending posted writes */
	DM_READ_SHADOW_NOW, /* shadow without waiting for posted writes: where a driver cannot tell */
	DM_READ_CALL,	    /* forwarded to dm_class.read, which may change the state */
	DM_READ_PURE,	    /* forwarded to dm_class.read, which changes nothing */
	DM_READ_FORWARD,    /* forwarded, the table answers */
	DM_READ_PENDING,    /* the pending events of line 0 (dm_irq_event()); the core answers */
};

/** enum dm_write_way - how a write reaches the model. */
enum dm_write_way {
	DM_WRITE_AUTO = 0, /* DM_RO and DM_RC: ignored by the core; everything else: forwarded */
	DM_WRITE_POST,	   /* posted: the vCPU does not wait. For data registers and doorbells */
	DM_WRITE_FORWARD,  /* the vCPU waits until the write has taken effect */
	DM_WRITE_DOORBELL, /* the value is the number of a doorbell, below DM_MAX_DOORBELLS: calls dm_class.doorbell. The
			    * vCPU does not wait; rings that come together are one. `write` is not called */
	DM_WRITE_ACK, /* clears those pending events of line 0 whose bits are 1; the core does it */
};

/** struct dm_bits - one named bit field of a register, for people. A table ends with {}. */
struct dm_bits {
	const char *name;
	uint8_t lsb, bits;
	const char *values; /* of an enumeration: "1/8|1/4|1/2", from 0 up; NULL: a number */
};

/** struct dm_reg - one register, or an array of them. A table ends with {}. */
struct dm_reg {
	const char *name;
	uint32_t offset; /* bytes from the start of the region */
	enum dm_access access;
	uint8_t width;	/* bytes: 1, 2, 4, 8; 0: the region's reg_width */
	uint8_t widths; /* OR of the access widths allowed; 0: the region's */
	bool bytes; /* a run of @count bytes (@width 1) that may be accessed in any allowed width at any offset; DM_RW;
			      * `write` gets .index = first byte, .value and .old = the bytes of the access */
	uint16_t count;	     /* elements of an array; 0: one register */
	uint16_t stride;     /* bytes from one element to the next; 0: width */
	uint32_t field;	     /* DM_FIELD(): where in the state it lives, + 1; 0: nowhere */
	uint32_t field_size; /* DM_FIELD(): bytes of the member */
	uint64_t reset;	     /* value after reset, of each element; a constant's value */
	uint64_t mask;	     /* bits that can be written; 0: all */
	enum dm_read_way read;
	enum dm_write_way write;
	uint8_t read_acts; /* bits of the field's low byte: while one of them is set, reading has an effect and is a DM_READ_CALL;
			    * with none set it is the shadow read that @read says (AUTO or SHADOW_NOW) */
	const struct dm_bits *bits; /* may be NULL */
	const char *help;	    /* one line */
};

/** DM_FIELD - initialiser of the register's place: member @m (an unsigned integer or, with .count, an array
 * of them) of state struct @type. */
#define DM_FIELD(type, m)                                                                          \
	.field = 1 + (uint32_t)offsetof(type, m), .field_size = (uint32_t)sizeof(((type *)0)->m)

/** enum dm_space - the guest's address spaces. */
enum dm_space { DM_MMIO = 0, DM_PIO = 1 };
#define DM_IN(space) (1u << (space))

/** struct dm_region - one address range of the device. A table ends with {}. */
struct dm_region {
	const char *name;
	uint64_t size; /* bytes */
	enum dm_space
		space; /* where it is if the config does not say, and the machine has such a space */
	uint8_t spaces; /* OR of DM_IN(): what a config may choose; 0: @space alone */
	uint32_t at;	/* bytes from the device\'s address; 0: after the region before, aligned */
	uint8_t widths; /* OR of the access widths allowed: 1|2|4|8 */
	uint8_t reg_width; /* bytes of a register that does not say; 0: 4 */
	/* Names of DM_OPT_U64 options, may be NULL. By the first one the registers lie further apart: offsets and size are shifted
	 * left by its value. By the second each register takes that many bytes, of which the upper ones are 0, and is
	 * accessed in that width only. The table is written without them, and dm_io.reg is the table's. */
	const char *shift_option, *width_option;
	const struct dm_reg *regs;
};

/** struct dm_io - one register access, as `read` and `write` get it. */
struct dm_io {
	const struct dm_reg *reg;
	unsigned region; /* index in dm_class.regions */
	unsigned index;	 /* element of an array; 0 for a single register */
	unsigned width;	 /* bytes of the guest's access */
	unsigned byte;	 /* write: its first byte within the register */
	uint64_t value;	 /* write: the whole register's new value, merged and masked */
	uint64_t old;	 /* write: its value before (of registers with a field) */
};

/* ---- the class ------------------------------------------------------------------------------- */

/** enum dm_option_type - of options in the VM's config. */
enum dm_option_type {
	DM_OPT_STRING = 1,
	DM_OPT_BOOL,
	DM_OPT_U64,
	DM_OPT_SIZE,	 /* 4K, 16M, 1G */
	DM_OPT_DURATION, /* 10ms, 3s; in ns */
	DM_OPT_ENUM,	 /* @choices: "a|b|c" */
	DM_OPT_TIME,	 /* "host", RFC 3339, or seconds since 1970 */
	DM_OPT_CHARDEV,	 /* a host channel; the n-th one is channel n of dm_host_out() */
	DM_OPT_DISK,	 /* a disk image or block device: dm_disk_submit(). Needs dm_class.host */
	DM_OPT_NET,	 /* a network back-end: dm_link_send(). Needs dm_class.host */
	DM_OPT_SINK,	 /* a file that is made anew and only written to, by dm_class.host */
};

/** struct dm_option - one option. A table ends with {}. */
struct dm_option {
	const char *name;
	enum dm_option_type type;
	const char *def; /* default as text; NULL: none */
	const char *choices;
	bool required;
	const char *help;
};

/** struct dm_syscall - a system call that this model's environment needs beside the common ones,
 * and why. A table ends with {}. Write it as DM_SYSCALL(name, "reason"). */
struct dm_syscall {
	const char *name;
	int number;
	const char *why;
};
#define DM_SYSCALL(nr, reason)                                                                     \
	{                                                                                          \
		.name = #nr, .number = SYS_##nr, .why = reason                                     \
	}

/** struct dm_fdt_prop - a property of one cell: the value of an option, or a fixed one. A table ends with {}. */
struct dm_fdt_prop {
	const char *name;
	const char *option; /* DM_OPT_U64; NULL: @value */
	uint32_t value;
};

/** struct dm_fdt - how the guest's device tree shows the device. */
struct dm_fdt {
	const char *node;		 /* name without the unit address; NULL: no node */
	const char *const *compatible;	 /* most specific first; ends with NULL */
	const char *const *clock_names;	 /* ends with NULL; each is the board's apb_pclk (24 MHz) */
	const struct dm_fdt_prop *props; /* further ones; may be NULL */
	bool can_be_stdout;
	bool edge_irq; /* edge-rising; false: level-high */
	bool dma_coherent;
};

/** struct dm_control - a property that can be changed while the device runs (`outrigger inspect --set`). Ends with {}. */
struct dm_control {
	const char *name;
	const char *help; /* one line, with the form of the value */
};

/** struct dm_host - a kind of host back-end beside byte streams: it does the I/O of DM_OPT_DISK or DM_OPT_NET options.
 * A class names the one that it needs, and only daemons that name it contain it. Private to devmodel/. */
struct dm_host;
extern const struct dm_host dm_host_disk, dm_host_net;

/** enum dm_disk_op - what a disk is asked to do. */
enum dm_disk_op { DM_DISK_READ = 1, DM_DISK_WRITE, DM_DISK_FLUSH, DM_DISK_DISCARD, DM_DISK_ZERO };

/** struct dm_disk_info - what a disk is. */
struct dm_disk_info {
	uint64_t bytes; /* size now: what an image really has, also if it is no multiple of 512 */
	uint32_t block; /* offsets, lengths and buffers are best multiples of this; 512 at least */
	uint32_t physical; /* physical block, bytes */
	bool readonly, can_discard, can_zero,
		writeback; /* writeback: written data is safe only after a flush */
	char id[20];	   /* serial number, padded with NULs */
};

/** struct dm_disk_io - one request. The iovec array is copied, the memory is used until disk_done. */
struct dm_disk_io {
	enum dm_disk_op op;
	uint32_t tag;	 /* comes back in disk_done; below DM_DISK_TAGS, and not in use */
	uint64_t offset; /* bytes */
	uint64_t bytes;	 /* all of it: of the iovecs for READ and WRITE */
	const struct iovec *iov;
	unsigned niov;
	bool unmap; /* ZERO may give the space back */
};
#define DM_DISK_TAGS 1024u

/** struct dm_link_info - what a network back-end can do. */
struct dm_link_info {
	bool up;
	bool csum, tso4, tso6, ufo, ecn; /* takes such frames from the guest (transmit offloads) */
	bool rx_csum, rx_tso4, rx_tso6;	 /* may deliver such frames, if the driver allows */
	unsigned queues;		 /* queue pairs */
	uint32_t mtu;			 /* 0: not known */
};
#define DM_FRAME_MAX 65562u /* a frame with its 12-byte virtio_net_hdr */

/** enum dm_count - what `top` and `ps` show of a device beside its accesses. */
enum dm_count {
	DM_COUNT_REQUESTS = 0, /* requests done; frames */
	DM_COUNT_IN_BYTES,     /* payload from the host to the guest */
	DM_COUNT_OUT_BYTES,    /* payload from the guest to the host */
	DM_COUNT_ERRORS,       /* requests that ended in an error */
	DM_COUNT_DROPS,	       /* frames or bytes thrown away */
	DM_COUNTS
};

/** struct dm_text - where `inspect` writes; see dm_text_item(). */
struct dm_text;

/** struct dm_field - a member of the state that is saved, by its name: unsigned integers of @width bytes, @count of them. */
struct dm_field {
	const char *name;
	uint32_t offset, width, count;
};
/** DM_SAVE - the field of member @m of @type; DM_SAVE_ARRAY - of an array. */
#define DM_SAVE(type, m)                                                                           \
	{                                                                                          \
#m, offsetof(type, m), sizeof(((type *)0)->m), 1                                   \
	}
#define DM_SAVE_ARRAY(type, m)                                                                     \
	{                                                                                          \
#m, offsetof(type, m), sizeof(((type *)0)->m[0]),                                  \
			sizeof(((type *)0)->m) / sizeof(((type *)0)->m[0])                         \
	}

/** struct dm_class - a device model. Only name, version, summary, regions and state_size are needed. */
struct dm_class {
	const char *name; /* of the model: the binary is outrigger-dm-<name> */
	uint32_t version; /* of the state's layout and meaning: saved blobs carry it */
	const char *summary;
	const struct dm_region *regions;
	unsigned irqs;	  /* interrupt lines */
	unsigned timers;  /* at most DM_MAX_TIMERS */
	bool dma;	  /* wants guest memory; register devices do not */
	bool vm_requests; /* may call dm_vm_request() */
	const struct dm_option *options;
	const struct dm_syscall *syscalls;
	struct dm_fdt fdt;
	uint32_t state_size;	    /* sizeof(struct ...): one plain struct without pointers */
	const void *extra;	    /* the model's own: a shared part finds its description here */
	const struct dm_host *host; /* NULL: byte streams only */
	const struct dm_control *controls; /* NULL: none */

	/** reset - the state is zeroed and the table's reset values are in; does the rest. */
	void (*reset)(struct dm *dm, void *state);
	/** read - the value of a register that says DM_READ_CALL or DM_READ_PURE. */
	uint64_t (*read)(struct dm *dm, void *state, const struct dm_io *io);
	/** write - a register was written; the table has stored what it stores. */
	void (*write)(struct dm *dm, void *state, const struct dm_io *io);
	/** host_room - how many bytes host_in() can take on @channel now; the host waits meanwhile. */
	size_t (*host_room)(struct dm *dm, const void *state, unsigned channel);
	/** host_in - @len bytes (1 to what host_room() said) came from the host. */
	void (*host_in)(struct dm *dm, void *state, unsigned channel, const uint8_t *buf,
			size_t len);
	/** host_done - @channel is no longer busy: see dm_host_out_busy(). */
	void (*host_done)(struct dm *dm, void *state, unsigned channel);
	/** host_peer - whoever is at the host's end of @channel came or left: dm_host_peer() says which. */
	void (*host_peer)(struct dm *dm, void *state, unsigned channel);
	/** timer - the time of @timer has come; it is off now. */
	void (*timer)(struct dm *dm, void *state, unsigned timer);
	/** doorbell - doorbell @index was rung, once or more often, since it was called last. */
	void (*doorbell)(struct dm *dm, void *state, unsigned index);
	/** work - one bounded turn of work that was left over. True: it did something, and must be asked again before the
	 * daemon may sleep. Called after doorbells and completions. */
	bool (*work)(struct dm *dm, void *state);
	/** disk_done - request @tag has ended: @result 0 or -Exxx. */
	void (*disk_done)(struct dm *dm, void *state, unsigned disk, uint32_t tag, int result);
	/** disk_changed - the size of @disk changed. */
	void (*disk_changed)(struct dm *dm, void *state, unsigned disk);
	/** link_ready - frames may have arrived, or there is room again, or the link went up or down. */
	void (*link_ready)(struct dm *dm, void *state, unsigned link);
	/** resume - we go on from the committed state of a daemon that died: puts right what is outside of the state
	 * (guest memory, host requests). All doorbells are rung after it. */
	void (*resume)(struct dm *dm, void *state);
	/** control - sets a property of @controls. 0, or -EINVAL and one line in @why (@len bytes). */
	int (*control)(struct dm *dm, void *state, const char *name, const char *value, char *why,
		       size_t len);
	/** fields - what is saved and loaded, by name, so that builds with other fields understand each other; the rules are
	 * in docs/state-blobs.md. Ends with an empty one. NULL: save() and load(), or the state as it is. */
	const struct dm_field *fields;
	/** loaded - the state came from a blob of model version @version (at most ours): checks what is used as an index, and
	 * brings it up to date. 0, or -EINVAL: it cannot be. May be NULL. */
	int (*loaded)(struct dm *dm, void *state, uint32_t version);
	/** save - writes a blob that load() of this version or a later one reads. Returns its length, or
	 * 0: more than @max. Without save and load the state itself is the blob. */
	size_t (*save)(struct dm *dm, const void *state, void *buf, size_t max);
	/** load - fills the reset @state from a blob of model version @version. 0, or -EINVAL: malformed, or
	 * a version that it does not know; then the caller throws @state away. */
	int (*load)(struct dm *dm, void *state, uint32_t version, const void *buf, size_t len);
	/** poked - a person has set the stored value of a register (@io: which, .old, .value), between two requests: lines, timers
	 * and other registers that follow from it are brought up to date. NULL: nothing does. */
	void (*poked)(struct dm *dm, void *state, const struct dm_io *io);
	/** inspect - adds what registers do not show: queues, modes. Calls dm_text_item() only. */
	void (*inspect)(struct dm *dm, const void *state, struct dm_text *text);
};

/* ---- what a model may ask of its environment --------------------------------------------------- */

/** dm_irq_set - sets the level of interrupt @line. Setting it as it is costs nothing. */
void dm_irq_set(struct dm *dm, unsigned line, bool level);

/** dm_irq_pulse - one edge on @line. None is lost or doubled, even over a crash. */
void dm_irq_pulse(struct dm *dm, unsigned line);

/** dm_irq_event - adds @bits to the pending events of @line, which is high while one is pending; the guest
 * clears them through a DM_WRITE_ACK register. After this request is committed. None is lost over a crash. */
void dm_irq_event(struct dm *dm, unsigned line, uint32_t bits);

/** dm_irq_forget - the pending events of @line are cleared: the device is reset. Events added after it stay. */
void dm_irq_forget(struct dm *dm, unsigned line);

/** dm_now_ns - the guest's clock: 0 when the VM started, stands still while it is paused. */
uint64_t dm_now_ns(struct dm *dm);

/** dm_realtime_ns - the host's wall clock, nanoseconds since 1970. */
uint64_t dm_realtime_ns(struct dm *dm);

/** dm_timer_set - calls dm_class.timer once the guest's clock reaches @at_ns. Replaces an earlier setting. */
void dm_timer_set(struct dm *dm, unsigned timer, uint64_t at_ns);
/** dm_timer_cancel - turns @timer off. */
void dm_timer_cancel(struct dm *dm, unsigned timer);

/** dm_host_out - queues bytes for the host on @channel; they leave after this request is committed.
 * Returns how many were taken: all of them, as long as the model shows the guest that it is full while
 * dm_host_out_busy() is true, for writes already posted then still find room. */
size_t dm_host_out(struct dm *dm, unsigned channel, const void *buf, size_t len);

/** dm_host_out_busy - the host is behind on @channel: tell the guest to wait, in the device's own way.
 * dm_class.host_done is called when it ends. */
bool dm_host_out_busy(struct dm *dm, unsigned channel);

/** dm_host_peer - is somebody at the host's end of @channel? False: a socket that nobody has connected to, or a stream
 * whose reader has gone. */
bool dm_host_peer(struct dm *dm, unsigned channel);

/** dm_option_str / _u64 / _bool - the value of an option, its default where the config has none.
 * str: NULL if there is neither; u64: also sizes and durations (ns). */
const char *dm_option_str(struct dm *dm, const char *name);
uint64_t dm_option_u64(struct dm *dm, const char *name);
bool dm_option_bool(struct dm *dm, const char *name);

/** dm_option_time - true and *@ret_ns (since 1970) if a time option names a fixed time; false: "host". */
bool dm_option_time(struct dm *dm, const char *name, uint64_t *ret_ns);

/** dm_dma_read / _write - copies guest memory. 0, -EACCES: nothing granted there (always so for a
 * class without .dma). dma_map: a pointer to @len granted bytes that is valid during this call only, or NULL; what is
 * done through it is in no trace, so a model that is to be replayed copies. */
int dm_dma_read(struct dm *dm, uint64_t gpa, void *buf, size_t len);
int dm_dma_write(struct dm *dm, uint64_t gpa, const void *buf, size_t len);
void *dm_dma_map(struct dm *dm, uint64_t gpa, size_t len, bool writable);

/** dm_mem - the windows of guest memory that were granted; NULL: none (dma: none, or dma: copy). */
struct vring_mem;
const struct vring_mem *dm_mem(struct dm *dm);

/** dm_queue_ops - with dma: copy, the queue operations that the core does for us; NULL: rings are used directly.
 * Private to devmodel/virtio/. */
struct dm_queue_ops;
const struct dm_queue_ops *dm_queue_ops(struct dm *dm, void **ret_ctx);

/** dm_scratch - @bytes of memory that hold nothing from one call of the model to the next. Grows at most to 1 MiB. */
void *dm_scratch(struct dm *dm, size_t bytes);

/** dm_disk_info - the n-th DM_OPT_DISK option's disk. */
void dm_disk_info(struct dm *dm, unsigned disk, struct dm_disk_info *ret);
/** dm_disk_submit - starts a request; it goes to the host after this call of the model is committed and ends in
 * disk_done. 0; -EBUSY: the tag is in use. Bad offsets and errors of the host come through disk_done. */
int dm_disk_submit(struct dm *dm, unsigned disk, const struct dm_disk_io *io);
/** dm_disk_drain - waits until no request is with the host; their disk_done is not called. Returns how many were. */
unsigned dm_disk_drain(struct dm *dm, unsigned disk);
/** dm_disk_writeback - turns the host's write cache on or off (WCE). Off: a write is stable when it is done. */
void dm_disk_writeback(struct dm *dm, unsigned disk, bool on);
/** dm_disk_resize - grows or shrinks an image file to @bytes (0: looks how large it is now). 0 or -Exxx. */
int dm_disk_resize(struct dm *dm, unsigned disk, uint64_t bytes);

/** dm_link_info - the n-th DM_OPT_NET option's back-end. */
void dm_link_info(struct dm *dm, unsigned link, struct dm_link_info *ret);
/** dm_link_offloads - which offloads the driver can receive (GUEST_CSUM, GUEST_TSO4, GUEST_TSO6). */
void dm_link_offloads(struct dm *dm, unsigned link, bool csum, bool tso4, bool tso6);
/** dm_link_recv - takes the next frame, a 12-byte virtio_net_hdr (num_buffers 0) in front, into @buf.
 * Its length, 0: none, -EMSGSIZE: one longer than @max was thrown away. */
ssize_t dm_link_recv(struct dm *dm, unsigned link, unsigned queue, void *buf, size_t max);
/** dm_link_peek - the next frame without a copy: its length, 0: none. *@ret is the back-end's own memory, header in front; it
 * may be changed, and is valid until the next dm_link_* call or the end of this call of the model. Comes again until
 * dm_link_skip() takes it off. */
ssize_t dm_link_peek(struct dm *dm, unsigned link, unsigned queue, uint8_t **ret);
void dm_link_skip(struct dm *dm, unsigned link, unsigned queue);
/** dm_link_send - sends one frame, 12-byte virtio_net_hdr in front. 0; -EAGAIN: no room, link_ready comes when there is;
 * other errors: the frame is lost. */
int dm_link_send(struct dm *dm, unsigned link, unsigned queue, const struct iovec *iov, unsigned n);
/** dm_link_listen - whether frames are wanted now: false stops the host's events (the guest gave no buffers). */
void dm_link_listen(struct dm *dm, unsigned link, bool on);

/** dm_keep / dm_keep_set - one of DM_KEEP words that outlive a reset of the VM: what a control set is not the guest's to
 * undo. 0 after power-on. */
#define DM_KEEP 4u
uint64_t dm_keep(struct dm *dm, unsigned i);
void dm_keep_set(struct dm *dm, unsigned i, uint64_t value);

/** enum dm_vm_what - what a device can ask of its VM. */
enum dm_vm_what {
	DM_VM_EXIT = 1, /* end; @arg: the exit code of `run`, 0 to 255 */
	DM_VM_RESET,	/* as if the guest had asked for a reset; @arg: 0 */
	DM_VM_POWEROFF, /* as if the guest had powered itself off; @arg: 0 */
	DM_VM_PANIC,	/* the guest's system panicked; @arg: enum dm_vm_then */
	DM_VM_CRASHLOADED, /* it panicked and takes care of that by itself; @arg: 0. It is reported, no more */
};
/** enum dm_vm_then - what follows on a panic. */
enum dm_vm_then { DM_VM_LOG = 0, DM_VM_PAUSE = 1, DM_VM_STOP = 2 };

/** dm_vm_request - asks something of the VM when this write has been committed; the vCPU that wrote does nothing more before it is
 * done. From `write` of a forwarded register, once, and only if the class says .vm_requests. It is carried out once, also if
 * this daemon is killed meanwhile. */
void dm_vm_request(struct dm *dm, enum dm_vm_what what, uint32_t arg);

/** dm_random - @len random bytes of the host's generator. */
void dm_random(struct dm *dm, void *buf, size_t len);

/** dm_count - adds to a counter that people see. Not part of the state. */
void dm_count(struct dm *dm, enum dm_count what, uint64_t n);
/** dm_count_latency - one request took @ns. dm_count_depth: requests in flight now. */
void dm_count_latency(struct dm *dm, uint64_t ns);
void dm_count_depth(struct dm *dm, unsigned n);

/** enum dm_level - as base/log.h's: error, look here, life cycle, debugging. */
enum dm_level { DM_LOG_ERR = 1, DM_LOG_WARN, DM_LOG_INFO, DM_LOG_DEBUG };

/** dm_log - one line, `key=value` style. Rate-limited: a guest may cause it at will. */
void dm_log(struct dm *dm, enum dm_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** dm_guest_error - the guest did what the device's manual forbids: counted, and logged at times. */
void dm_guest_error(struct dm *dm, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** dm_text_item - adds "key": "value" to what `outrigger inspect` shows. */
void dm_text_item(struct dm_text *text, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
