/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * core.h: running a device model, whatever its environment is.
 *
 * A struct dm binds a class to an arena and to a struct dm_env (clocks, log, guest memory). Everything
 * that must survive the process is in the arena: the environment's own part (struct dm_hdr: interrupt
 * lines, timers, out-queue indices), the model's state, and the bytes of the out-queues. The functions below
 * change the arena and nothing else, so an environment is a loop that calls them and carries out, after
 * commit, what the arena then says: lines, shadow values, bytes, timers.
 *
 * Arena: [struct dm_hdr][model state][out-queue bytes of channel 0][... channel n].
 * The first two, the "hot" part, are small and copied at each commit; queue bytes are only appended, so the
 * bytes beyond the committed tail are nobody's and need no copy but the new ones (dm_arena_sync()).
 */
#include <stdarg.h>
#include "base/err.h"
#include "base/log.h"
#include "devmodel/dm.h"
#include "proto/limits.h"
#include "proto/port.h"

/** struct dm_channel - out-queue of one host channel; indices run freely, DM_OUT_BYTES is a power of two. */
struct dm_channel {
	uint32_t head; /* next byte to leave */
	uint32_t tail; /* next byte to be queued */
	uint32_t busy; /* over DM_OUT_SOFT, and not yet back at DM_OUT_RESUME */
	uint32_t away; /* nobody is at the host's end */
};

/** struct dm_hdr - the environment's part of the arena. */
struct dm_hdr {
	uint32_t levels;	       /* bit n: line n is high */
	uint32_t edges[DM_MAX_LINES];  /* pulses so far, as in port_line.edges */
	uint32_t events[DM_MAX_LINES]; /* bits to be added to port_line.pending after the commit */
	uint32_t forget;	       /* bit n: clear the pending events of line n before that */
	uint32_t lost_out;	       /* bytes that found an out-queue full */
	uint64_t timer_ns[DM_MAX_TIMERS]; /* guest time + 1; 0: off */
	uint64_t keep[DM_KEEP];		  /* dm_keep() */
	struct dm_channel ch[DM_MAX_CHANNELS];
};

/** struct dm_env - what a model's environment can do. @ctx is passed to each. count, latency and depth may be NULL. */
struct dm_env {
	uint64_t (*now_ns)(void *ctx);
	uint64_t (*realtime_ns)(void *ctx);
	void (*log)(void *ctx, enum dm_level level, const char *text);
	void (*random)(void *ctx, void *buf, size_t len);
	void (*count)(void *ctx, enum dm_count what, uint64_t n);
	void (*latency)(void *ctx, uint64_t ns);
	void (*depth)(void *ctx, unsigned n);
};

/** struct dm_setting - one option as the config gives it. Borrowed during dm_create(). */
struct dm_setting {
	const char *name, *value;
};

/** struct dm_region_map - finds a register by offset: lut[offset >> shift] = index + 1. */
struct dm_region_map {
	uint16_t *lut;
	uint32_t slots;
	uint8_t shift;
	uint8_t reg_width;
	uint16_t nregs;
	int32_t shadow_page; /* first shadow page, -1: none */
};

struct recorder;
struct dm_shadow_reg; /* regs.c: a register whose shadow value can change */

/** struct dm - a running model. One thread. */
struct dm {
	const struct dm_class *cls;
	const struct dm_env *env;
	void *ctx;
	unsigned regions, options, channels;
	struct dm_region region[DM_MAX_REGIONS + 1]; /* the class's, as the options make them */
	struct dm_reg *scaled[DM_MAX_REGIONS]; /* their registers, where they differ; else NULL */
	struct dm_region_map map[DM_MAX_REGIONS];
	struct dm_shadow_reg *live;
	unsigned nlive;
	char **values; /* of each option; NULL: its default */
	struct log_rate rate;
	/* set by the environment after dm_create() */
	bool successor;		     /* another daemon served this slot before us */
	const struct vring_mem *mem; /* granted windows; NULL: none */
	bool copied;		     /* dma: copy: @mem is the copy channel (proto/copychan.h) */
	int copy_kick_fd;	     /* then: written after buffers were given back. Borrowed */
	uint64_t copy_asked_ns; /* then: when the core was asked last to look for more; monotonic */
	const struct dm_queue_ops *queue_ops; /* dma: copy */
	void *queue_ctx;
	const struct dm_io_ops *io; /* disks and links */
	void *io_ctx;
	void *lately; /* heap: what a shared part of models keeps for inspect(), not of the state */
	void *scratch;
	size_t scratch_bytes;
	uint64_t guest_errors;
	uint64_t vm_asked; /* PORT_VM() of the write that is being served; 0: nothing */
	uint64_t
		commits; /* counted by the environment: tells one call of the model from the next */
	/* the recorder (record.h) */
	struct recorder *rec;		    /* NULL: this device cannot be recorded */
	const _Atomic uint32_t *rec_wanted; /* trace_area.wanted, or a zero */
	bool rec_on;			    /* it is recorded now */
	/* stands between the model and dm_dma_read(), _write(): the recorder's or a replayer's. NULL: nobody does */
	int (*dma_tap)(struct dm *dm, bool write, uint64_t gpa, void *buf, size_t len);
	/* the working arena, and the offsets in it */
	uint8_t *arena;
	struct dm_hdr *hdr;
	void *state;
	size_t hot_bytes, arena_bytes;
};

/** dm_class_check - validates a class: names, widths, overlaps, fields inside the state, limits.
 * 0 or -EINVAL with the register's name in @err. For tests and for every start of a daemon. */
int dm_class_check(const struct dm_class *cls, struct err *err);

/** dm_arena_size - bytes of an arena of @cls. */
size_t dm_arena_size(const struct dm_class *cls);

/** dm_shadow_pages - shadow pages that @dm wants: for each region with a shadow register its size in pages. */
unsigned dm_shadow_pages(const struct dm *dm);

/** dm_create - a runner for @cls with options @set[@n]. Gives *@ret, without an arena yet.
 * -EINVAL: a bad class, an unknown option or a bad value, -ENOMEM. */
int dm_create(struct dm **ret, const struct dm_class *cls, const struct dm_env *env, void *ctx,
	      const struct dm_setting *set, size_t n, struct err *err);
void dm_destroy(struct dm *dm);

/** dm_bind - makes @arena (borrowed, dm_arena_size() bytes, 8-aligned) the working one. */
void dm_bind(struct dm *dm, void *arena);

/** dm_pristine - fills the bound arena with the state after power-on. */
void dm_pristine(struct dm *dm);

/** dm_reset - the VM resets: the model's state, lines and timers are as after power-on; bytes that were
 * queued for the host stay queued. */
void dm_reset(struct dm *dm);

/** dm_serve - runs one request on the working arena. Answers in *@ret_status (enum port_status) and *@ret_data
 * (masked to the width). True: the arena may have changed and must be committed. */
bool dm_serve(struct dm *dm, const struct port_entry *e, uint32_t *ret_status, uint64_t *ret_data);

/** dm_doorbell / dm_work / dm_resume - as in dm_class. dm_work: true if it did something. */
void dm_doorbell(struct dm *dm, unsigned index);
bool dm_work(struct dm *dm);
void dm_resume(struct dm *dm);
/** dm_reg_set - sets the stored value of a register, by NAME, NAME[i], NAME.FIELD. 0, -ENOENT: no such register, -EPERM: it has
 * none, -EINVAL: not such a value; @err says what would be right. */
int dm_reg_set(struct dm *dm, const char *name, const char *value, struct err *err);
/** dm_control_set - sets a control of the class. 0, -ENOENT: no such control, -EINVAL;  says why. */
int dm_control_set(struct dm *dm, const char *name, const char *value, struct err *err);

/** dm_input_room / dm_input - host bytes for @channel; @len is at most what room said. */
size_t dm_input_room(struct dm *dm, unsigned channel);
void dm_input(struct dm *dm, unsigned channel, const uint8_t *buf, size_t len);

/** dm_disk_done / _changed, dm_link_ready - the host has something for the model: as in dm_class. */
void dm_disk_done(struct dm *dm, unsigned disk, uint32_t tag, int result);
void dm_disk_changed(struct dm *dm, unsigned disk);
void dm_link_ready(struct dm *dm, unsigned link);

/** dm_memory - copies guest memory without a tap: 0, -EACCES: nothing granted there. */
int dm_memory(struct dm *dm, bool write, uint64_t gpa, void *buf, size_t len);

/** dm_output_peek - the longest contiguous run of queued bytes: its length, and where in *@ret. */
size_t dm_output_peek(struct dm *dm, unsigned channel, const uint8_t **ret);
/** dm_output_pending - all bytes queued on @channel. */
size_t dm_output_pending(struct dm *dm, unsigned channel);
/** dm_output_consume - @n bytes have left. May call the model's host_done. */
void dm_output_consume(struct dm *dm, unsigned channel, size_t n);

/** dm_peer_set - somebody is at the host's end of @channel (@here), or not. Calls the model's host_peer if that is
 * news. True: it was. */
bool dm_peer_set(struct dm *dm, unsigned channel, bool here);

/** dm_timers_next - guest time of the earliest timer, UINT64_MAX: none is on. */
uint64_t dm_timers_next(const struct dm *dm);
/** dm_timers_run - calls the timers that are due at @now_ns. True if one was. */
bool dm_timers_run(struct dm *dm, uint64_t now_ns);

/** dm_arena_sync - makes @dst equal to @src given that it was before, but for the hot part and the queue bytes
 * between each channel's tail in @dst and in @src. */
void dm_arena_sync(const struct dm *dm, uint8_t *dst, const uint8_t *src);

/** dm_shadow_layout - gives each region with shadow registers its pages, if @pages suffice for all; else
 * none gets any and every read is forwarded. */
void dm_shadow_layout(struct dm *dm, unsigned pages);

/** dm_shadow_fn - stores @width bytes at byte @offset of the shadow area. */
typedef void (*dm_shadow_fn)(void *ctx, uint32_t offset, unsigned width, uint64_t value);

/** dm_shadow_refresh - publishes the shadow registers that changed since the last call (@all: every one). */
void dm_shadow_refresh(struct dm *dm, bool all, dm_shadow_fn fn, void *ctx);

/* ---- registers (regs.c) -------------------------------------------------------------------------- */

/** struct dm_reg_ref - a register found. */
struct dm_reg_ref {
	const struct dm_reg *reg;
	unsigned index;
	unsigned byte; /* first byte of the access within the register */
};

/** dm_reg_find - the register that holds bytes [@offset, @offset + @width) of @region. NULL if fine, else why not. */
const char *dm_reg_find(const struct dm *dm, unsigned region, uint32_t offset, unsigned width,
			struct dm_reg_ref *ret);
/** dm_reg_get / dm_reg_put - the stored value of a register (its constant where it has no field). */
uint64_t dm_reg_get(const struct dm *dm, const void *state, const struct dm_reg *reg,
		    unsigned index);
void dm_reg_put(const struct dm *dm, void *state, const struct dm_reg *reg, unsigned index,
		uint64_t value);
/** dm_reg_bytes_get / _put - @width bytes from byte @at on of a register that is a run of bytes. */
uint64_t dm_reg_bytes_get(const void *state, const struct dm_reg *reg, unsigned at, unsigned width);
void dm_reg_bytes_put(void *state, const struct dm_reg *reg, unsigned at, unsigned width,
		      uint64_t value);
/** dm_reg_width / _widths / _count / _stride - a register's geometry with the defaults filled in. */
unsigned dm_reg_width(const struct dm_region *region, const struct dm_reg *reg);
unsigned dm_reg_widths(const struct dm_region *region, const struct dm_reg *reg);
unsigned dm_reg_count(const struct dm_reg *reg);
unsigned dm_reg_stride(const struct dm_region *region, const struct dm_reg *reg);
/** dm_reg_shadowed - 0: reads are forwarded; 1: shadow; 2: shadow without waiting for posted writes; 3: pending events. */
unsigned dm_reg_shadowed(const struct dm_reg *reg);
/** dm_reg_write_way - 0: forwarded, 1: posted, 2: ignored, 3: doorbell, 4: acknowledges pending events. */
unsigned dm_reg_write_way(const struct dm_reg *reg);

/** dm_geometry_create - fills dm.region from the class and the options (geometry.c). 0; -EINVAL, -ENOMEM (@err). */
int dm_geometry_create(struct dm *dm, struct err *err);
void dm_geometry_destroy(struct dm *dm);
/** dm_space_set - range @n is in @space, as the config says. -EINVAL: the class does not allow it (@err). */
int dm_space_set(struct dm *dm, unsigned n, const char *space, struct err *err);
/** dm_region_spaces - OR of DM_IN(): where the region may be. */
unsigned dm_region_spaces(const struct dm_region *r);

int dm_maps_create(struct dm *dm, struct err *err);
void dm_maps_destroy(struct dm *dm);

/* ---- options (options.c) -------------------------------------------------------------------------- */

/** dm_option_check - true if @value is good for @o; else @err says what would be. */
bool dm_option_check(const struct dm_option *o, const char *value, struct err *err);
const char *dm_option_type_name(enum dm_option_type type);
/** dm_parse_time - "host" (*@ret_host), RFC 3339 or seconds since 1970. 0 or -EINVAL. */
int dm_parse_time(const char *s, bool *ret_host, uint64_t *ret_ns);

/* ---- save, load, inspect (blob.c, inspect.c) ------------------------------------------------------- */

/** dm_save - the whole device as a versioned blob. Gives *@ret. 0, -ENOMEM, -E2BIG. */
int dm_save(struct dm *dm, uint8_t **ret, size_t *ret_len);
/** dm_load - fills the bound arena from a blob. 0; -EINVAL (@err): not such a blob; the arena is then undefined. */
int dm_load(struct dm *dm, const uint8_t *buf, size_t len, struct err *err);

/** dm_blob_differs - compares blob @a with @b, of the same model, in the fields that both have. @unknown: but for what may hold bytes
 * of the guest's. True: they differ, and how in @expected and @got (@max bytes each). */
bool dm_blob_differs(const uint8_t *a, size_t alen, const uint8_t *b, size_t blen, bool unknown,
		     char *expected, char *got, size_t max);

/** dm_inspect - registers, lines, timers, queues and the model's items as JSON. Gives a string, NULL: no memory. */
char *dm_inspect(struct dm *dm, const char *device);

/** struct dm_text - a growing string; @failed: memory ran out. */
struct dm_text {
	char *buf;
	size_t len, cap;
	bool failed, first;
};
void dm_text_addf(struct dm_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** dm_text_json - adds @s as a quoted JSON string. */
void dm_text_json(struct dm_text *t, const char *s);
/** dm_text_steal - gives the string, NULL if memory ran out. */
char *dm_text_steal(struct dm_text *t);
