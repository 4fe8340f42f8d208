/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/trace_file.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "proto/ctl.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <zlib.h>

#define FIRST_CHUNKS 1024u

/* One chunk of records, as the reader found it. */
struct chunk_at {
	size_t offset; /* of the payload */
	uint32_t bytes;
	uint32_t next; /* index + 1 of the next chunk of the same ring; 0: none */
	uint64_t lost, guest_ns;
};

struct ring_at {
	uint32_t first, last; /* chunks, index + 1 */
	uint64_t lost;
};

struct trace_file {
	const uint8_t *bytes;
	size_t size;
	bool mapped;
	struct trace_file_header head;
	Outrigger__TraceDevice *device[TRACE_FILE_DEVICES];
	struct ring_at *ring[TRACE_FILE_DEVICES]; /* TRACE_RINGS of each device */
	unsigned n_devices;
	struct chunk_at *chunk;
	uint32_t n_chunks, room;
};

static uint32_t check_of(const void *p, size_t n)
{
	return (uint32_t)crc32(0, p, (uInt)n);
}

static uint32_t head_check_of(const struct trace_chunk *c)
{
	return check_of(c, offsetof(struct trace_chunk, head_check));
}

/* ---- opening --------------------------------------------------------------------------------------------- */

void trace_file_close(struct trace_file *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < f->n_devices; i++) {
		ctl_free(&f->device[i]->base);
		free(f->ring[i]);
	}
	free(f->chunk);
	if (f->mapped)
		munmap((void *)(uintptr_t)f->bytes, f->size);
	else
		free((void *)(uintptr_t)f->bytes);
	free(f);
}

/* From a pipe: all of it, as a decoder goes through it once for each ring. */
static int load_pipe(int fd, struct trace_file *f, struct err *err)
{
	size_t room = 1u << 20, n = 0;
	AUTO_FREE uint8_t *buf = NULL;
	for (;;) {
		uint8_t *more = realloc(buf, room);
		if (!more)
			return err_set(err, ENOMEM, "out of memory");
		buf = more;
		ssize_t got = fd_read_all(fd, buf + n, room - n);
		if (got < 0)
			return err_set(err, (int)-got, "cannot read it: %s", strerror((int)-got));
		n += (size_t)got;
		if (n < room)
			break;
		if (room >= TRACE_PIPE_MAX)
			return err_set(err, EFBIG,
				       "it is no regular file and longer than %llu bytes: write it "
				       "to a file first",
				       TRACE_PIPE_MAX);
		room *= 2;
	}
	f->bytes = ptr_steal(buf);
	f->size = n;
	return 0;
}

static int load(const char *path, struct trace_file *f, struct err *err)
{
	struct stat st;
	AUTO_FD fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, errno, "cannot open it: %s", strerror(errno));
	if (S_ISDIR(st.st_mode))
		return err_set(err, EISDIR, "it is a directory");
	if (!S_ISREG(st.st_mode) || !st.st_size)
		return load_pipe(fd, f, err);
	void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return err_set(err, errno, "cannot map it: %s", strerror(errno));
	f->bytes = map;
	f->size = (size_t)st.st_size;
	f->mapped = true;
	return 0;
}

static int head_read(struct trace_file *f, struct err *err)
{
	if (f->size < sizeof(f->head) || memcmp(f->bytes, TRACE_FILE_MAGIC, 8))
		return err_set(err, EPROTO, "it is no trace of `outrigger trace`");
	memcpy(&f->head, f->bytes, sizeof(f->head));
	if (f->head.version != TRACE_FILE_VERSION)
		return err_set(err, EPROTO,
			       "it has version %u of the format; this build reads version %u",
			       f->head.version, TRACE_FILE_VERSION);
	if (!memchr(f->head.vm, 0, sizeof(f->head.vm)))
		return err_set(err, EPROTO, "the name of its VM has no end");
	return 0;
}

static int device_read(struct trace_file *f, const struct trace_chunk *c, size_t at,
		       struct err *err)
{
	if (f->n_devices == TRACE_FILE_DEVICES || c->device != f->n_devices)
		return err_set(err, EPROTO,
			       "byte %zu: device %u, where number %u of at most %u would be next",
			       at, c->device, f->n_devices, TRACE_FILE_DEVICES);
	ProtobufCMessage *m =
		ctl_unpack(&outrigger__trace_device__descriptor, f->bytes + at, c->bytes);
	struct ring_at *rings = calloc(TRACE_RINGS, sizeof(*rings));
	if (!m || !rings) {
		ctl_free(m);
		free(rings);
		return err_set(err, m ? ENOMEM : EPROTO, "byte %zu: device %u is not described", at,
			       c->device);
	}
	f->device[f->n_devices] = (Outrigger__TraceDevice *)(void *)m;
	f->ring[f->n_devices++] = rings;
	return 0;
}

/* Every record is whole, so that no user of the file has to look. */
static int records_check(const uint8_t *p, size_t at, size_t bytes, struct err *err)
{
	for (size_t done = 0; done < bytes;) {
		struct port_entry e;
		if (bytes - done < sizeof(e))
			return err_set(err, EPROTO, "byte %zu: %zu bytes are no record", at + done,
				       bytes - done);
		memcpy(&e, p + done, sizeof(e));
		uint64_t len = trace_record_bytes(&e);
		if (!e.op || trace_payload(&e) > TRACE_PAYLOAD_MAX || len > bytes - done)
			return err_set(err, EPROTO,
				       "byte %zu: no record: op %u with %u bytes of payload, %zu "
				       "are left in its chunk",
				       at + done, e.op, trace_payload(&e), bytes - done);
		done += len;
	}
	return 0;
}

static int records_add(struct trace_file *f, const struct trace_chunk *c, size_t at,
		       struct err *err)
{
	if (c->device >= f->n_devices || c->ring >= TRACE_RINGS)
		return err_set(err, EPROTO,
			       "byte %zu: records of ring %u of device %u; there are %u devices",
			       at, c->ring, c->device, f->n_devices);
	int r = records_check(f->bytes + at, at, c->bytes, err);
	if (r)
		return r;
	if (f->n_chunks == f->room) {
		uint32_t room = f->room ? f->room * 2 : FIRST_CHUNKS;
		struct chunk_at *more =
			room > f->room ? reallocarray(f->chunk, room, sizeof(*more)) : NULL;
		if (!more)
			return err_set(err, ENOMEM, "out of memory for %u chunks", f->room);
		f->chunk = more;
		f->room = room;
	}
	f->chunk[f->n_chunks++] = (struct chunk_at){
		.offset = at, .bytes = c->bytes, .lost = c->lost, .guest_ns = c->guest_ns};
	struct ring_at *ring = &f->ring[c->device][c->ring];
	if (ring->last)
		f->chunk[ring->last - 1].next = f->n_chunks;
	else
		ring->first = f->n_chunks;
	ring->last = f->n_chunks;
	ring->lost += c->lost;
	return 0;
}

/* The chunk at @at. *@ret_next: where the next one is; left alone when this one is cut off. */
static int chunk_read(struct trace_file *f, size_t at, size_t *ret_next, bool *ret_end,
		      struct err *err)
{
	struct trace_chunk c;
	if (f->size - at < sizeof(c))
		return 0;
	memcpy(&c, f->bytes + at, sizeof(c));
	if (c.magic != TRACE_CHUNK_MAGIC || c.head_check != head_check_of(&c) ||
	    c.bytes > TRACE_CHUNK_MAX)
		return err_set(err, EPROTO, "byte %zu: the head of a chunk is damaged", at);
	size_t body = at + sizeof(c);
	if (f->size - body < align_up(c.bytes, 8))
		return 0;
	if (c.check != check_of(f->bytes + body, c.bytes))
		return err_set(err, EPROTO,
			       "byte %zu: %u bytes are damaged: their checksum differs", body,
			       c.bytes);
	int r = 0;
	switch (c.kind) {
	case TRACE_CHUNK_DEVICE:
		r = device_read(f, &c, body, err);
		break;
	case TRACE_CHUNK_RECORDS:
		r = records_add(f, &c, body, err);
		break;
	case TRACE_CHUNK_END:
		*ret_end = true;
		break;
	default:
		r = err_set(err, EPROTO, "byte %zu: a chunk of unknown kind %u", at, c.kind);
	}
	*ret_next = body + align_up(c.bytes, 8);
	return r;
}

static int file_read(struct trace_file *f, bool *ret_cut, struct err *err)
{
	int r = head_read(f, err);
	if (r)
		return r;
	bool end = false;
	size_t at = sizeof(f->head), next = at;
	for (; !end; at = next) {
		r = chunk_read(f, at, &next, &end, err);
		if (r)
			return r;
		if (next == at)
			break;
	}
	if (end && at != f->size)
		return err_set(err, EPROTO, "byte %zu: %zu bytes follow the end", at, f->size - at);
	if (ret_cut)
		*ret_cut = !end;
	return 0;
}

int trace_file_open(const char *path, struct trace_file **ret, bool *ret_cut, struct err *err)
{
	struct trace_file *f = calloc(1, sizeof(*f));
	if (!f)
		return err_set(err, ENOMEM, "out of memory");
	int r = load(path, f, err);
	if (!r)
		r = file_read(f, ret_cut, err);
	if (r) {
		err_prefix(err, "%s: ", path);
		trace_file_close(f);
		return r;
	}
	*ret = f;
	return 0;
}

const struct trace_file_header *trace_file_head(const struct trace_file *f)
{
	return &f->head;
}

unsigned trace_file_devices(const struct trace_file *f)
{
	return f->n_devices;
}

const Outrigger__TraceDevice *trace_file_device_info(const struct trace_file *f, unsigned i)
{
	return f->device[i];
}

uint64_t trace_file_lost(const struct trace_file *f, unsigned i, unsigned ring)
{
	return f->ring[i][ring].lost;
}

/* ---- going through it ------------------------------------------------------------------------------------- */

static void cursor_enter(struct trace_cursor *c, size_t chunk)
{
	c->chunk = chunk;
	c->at = 0;
	if (chunk)
		c->gap = c->file->chunk[chunk - 1].lost;
}

void trace_cursor_init(struct trace_cursor *c, const struct trace_file *f, unsigned device,
		       unsigned ring)
{
	*c = (struct trace_cursor){.file = f, .device = device, .ring = ring};
	cursor_enter(c, f->ring[device][ring].first);
}

static void cursor_time(struct trace_cursor *c, uint64_t guest_ns, uint32_t us)
{
	if (us && guest_ns)
		c->time_ns = trace_time_ns(guest_ns, us);
	else if (us) /* not known: no record is 71 minutes younger than the one before */
		c->time_ns += (uint64_t)(us - (uint32_t)(c->time_ns / 1000)) * 1000;
}

bool trace_cursor_next(struct trace_cursor *c, struct port_entry *ret, const uint8_t **ret_payload)
{
	while (c->chunk) {
		const struct chunk_at *k = &c->file->chunk[c->chunk - 1];
		if (c->gap) {
			*ret = (struct port_entry){.op = TRACE_GAP, .value = c->gap};
			*ret_payload = NULL;
			c->gap = 0;
			c->index++;
			return true;
		}
		if (c->at == k->bytes) {
			cursor_enter(c, k->next);
			continue;
		}
		const uint8_t *p = c->file->bytes + k->offset + c->at;
		memcpy(ret, p, sizeof(*ret));
		*ret_payload = trace_payload(ret) ? p + sizeof(*ret) : NULL;
		c->at += trace_record_bytes(ret);
		c->index++;
		cursor_time(c, k->guest_ns, ret->time_us);
		return true;
	}
	return false;
}
