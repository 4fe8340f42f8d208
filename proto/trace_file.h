/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A trace file: what was read from the rings of one or several devices, in chunks.
 *
 *   header     struct trace_file_header
 *   chunks     struct trace_chunk, then @bytes of payload, then zeroes up to a multiple of 8
 *
 * The first chunk of a device is TRACE_CHUNK_DEVICE, a packed TraceDevice. The others are whole records (proto/trace.h) of one
 * ring, in order; rings are put in order among each other by time and by seq. The last is an empty TRACE_CHUNK_END. A file that
 * was cut off (its writer was killed) is good up to the last whole chunk. Little-endian.
 */
#include <stdint.h>
#include "base/err.h"
#include "control.pb-c.h"
#include "proto/trace.h"

#define TRACE_FILE_MAGIC "ORTRACE" /* and its NUL: 8 bytes */
#define TRACE_FILE_VERSION 1u
#define TRACE_CHUNK_MAGIC 0x4b4e4843u /* "CHNK" */
#define TRACE_CHUNK_MAX (4u << 20)    /* bytes of one chunk's payload */
#define TRACE_FILE_DEVICES 64u
#define TRACE_PIPE_MAX (1ull << 30)

struct trace_file_header {
	char magic[8];
	uint32_t version;
	uint32_t reserved;
	uint64_t real_ns; /* wall clock when the trace began */
	char vm[40];
};
static_assert(sizeof(struct trace_file_header) == 64, "layout");

enum trace_chunk_kind { TRACE_CHUNK_DEVICE = 1, TRACE_CHUNK_RECORDS = 2, TRACE_CHUNK_END = 3 };

struct trace_chunk {
	uint32_t magic;
	uint8_t kind;	/* enum trace_chunk_kind */
	uint8_t device; /* index: order of the TRACE_CHUNK_DEVICEs */
	uint16_t ring;	/* of RECORDS */
	uint32_t bytes; /* of the payload */
	uint32_t check; /* crc32 (zlib) of the payload */
	uint64_t lost;	/* RECORDS: bytes of this ring that were lost before it */
	uint64_t
		guest_ns; /* RECORDS: the guest's clock when they were read, which makes 64 bits of time_us; 0: not known */
	uint32_t reserved;
	uint32_t
		head_check; /* crc32 of this struct up to here: damage is not taken for a cut-off end */
};
static_assert(sizeof(struct trace_chunk) == 40, "layout");

/* ---- writing: one thread ---------------------------------------------------------------------------------- */

struct trace_file_writer;

/** trace_file_create - makes @path anew (mode 0600; "-": standard output). Gives *@ret. 0 or -Exxx with @err. */
int trace_file_create(const char *path, const char *vm, struct trace_file_writer **ret,
		      struct err *err);
/** trace_file_device - adds a device; its index is how many were added before. 0 or -Exxx. */
int trace_file_device(struct trace_file_writer *w, const Outrigger__TraceDevice *d,
		      struct err *err);
/** trace_file_clock - the guest's clock when the records were read that are added from now on. */
void trace_file_clock(struct trace_file_writer *w, uint64_t guest_ns);
/** trace_file_size - bytes written so far. */
uint64_t trace_file_size(const struct trace_file_writer *w);
/** trace_file_records - adds @bytes of whole records of @ring of @device; @lost: bytes lost before them. 0 or -Exxx (ENOSPC...). */
int trace_file_records(struct trace_file_writer *w, unsigned device, unsigned ring,
		       const void *records, size_t bytes, uint64_t lost, struct err *err);
/** trace_file_finish - writes the end, closes, frees. NULL is allowed. 0 or -Exxx: it is not complete. After a failed
 * write there is no end: a regular file is cut after its last whole chunk. */
int trace_file_finish(struct trace_file_writer *w, struct err *err);

/* ---- reading ------------------------------------------------------------------------------------------------ */

/** struct trace_file - a file in memory (mapped; from a pipe: copied, TRACE_PIPE_MAX at most), checked: every record is whole. */
struct trace_file;

/** trace_file_open - maps and checks @path. Damage is an error that names the byte, but a cut-off end is only *@ret_cut (may be NULL).
 * Gives *@ret. 0, -Exxx with @err. */
int trace_file_open(const char *path, struct trace_file **ret, bool *ret_cut, struct err *err);
void trace_file_close(struct trace_file *f);
const struct trace_file_header *trace_file_head(const struct trace_file *f);
unsigned trace_file_devices(const struct trace_file *f);
/** trace_file_device_info - of device @i. Borrowed until the file is closed. */
const Outrigger__TraceDevice *trace_file_device_info(const struct trace_file *f, unsigned i);
/** trace_file_lost - bytes lost of @ring of device @i. */
uint64_t trace_file_lost(const struct trace_file *f, unsigned i, unsigned ring);

/** struct trace_cursor - goes through the records of one ring of one device. Plain data; borrows the file. */
struct trace_cursor {
	const struct trace_file *file;
	unsigned device, ring;
	size_t chunk, at; /* the chunk's index + 1, 0: the end; and bytes in it */
	uint64_t
		index; /* of the next record in this ring, from 0; a TRACE_GAP made up for a loss counts */
	uint64_t gap; /* bytes of a loss still to be told of */
	uint64_t
		time_ns; /* guest time of the record that was given last, or of the last one before it that had any */
};
void trace_cursor_init(struct trace_cursor *c, const struct trace_file *f, unsigned device,
		       unsigned ring);
/** trace_cursor_next - the next record in *@ret, its payload (trace_payload() bytes, borrowed) in *@ret_payload. A loss is
 * told as a TRACE_GAP. False: the end. */
bool trace_cursor_next(struct trace_cursor *c, struct port_entry *ret, const uint8_t **ret_payload);
