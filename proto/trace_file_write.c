/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include "proto/trace_file.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <zlib.h>

struct trace_file_writer {
	int fd;
	int failed;    /* errno of the first write that failed: nothing is written after it */
	uint64_t good; /* bytes up to the end of the last whole chunk */
	uint64_t guest_ns;
	unsigned devices;
	bool made; /* the file is ours from its first byte, not what standard output was appended to */
	char path[256]; /* for messages */
};

static int failed(struct trace_file_writer *w, int rc, struct err *err)
{
	w->failed = -rc;
	return err_set(err, w->failed, "cannot write %s: %s (%llu bytes of the trace are in it)",
		       w->path, strerror(w->failed), (unsigned long long)w->good);
}

static int write_all(int fd, struct iovec *v, int n)
{
	while (n) {
		ssize_t put = writev(fd, v, n);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		for (; n && (size_t)put >= v->iov_len; v++, n--)
			put -= (ssize_t)v->iov_len;
		if (n) {
			v->iov_base = (uint8_t *)v->iov_base + put;
			v->iov_len -= (size_t)put;
		}
	}
	return 0;
}

int trace_file_create(const char *path, const char *vm, struct trace_file_writer **ret,
		      struct err *err)
{
	AUTO_FREE struct trace_file_writer *w = calloc(1, sizeof(*w));
	if (!w)
		return err_set(err, ENOMEM, "out of memory");
	bool out = !strcmp(path, "-");
	snprintf(w->path, sizeof(w->path), "%s", out ? "standard output" : path);
	AUTO_FD fd = out ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
			 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, errno, "cannot make %s: %s", w->path, strerror(errno));
	struct trace_file_header h = {.magic = TRACE_FILE_MAGIC,
				      .version = TRACE_FILE_VERSION,
				      .real_ns = clock_real_ns()};
	snprintf(h.vm, sizeof(h.vm), "%s", vm);
	int r = fd_write_all(fd, &h, sizeof(h));
	if (r)
		return failed(w, r, err);
	w->good = sizeof(h);
	w->made = !out;
	w->fd = fd_steal(&fd);
	*ret = ptr_steal(w);
	return 0;
}

static int chunk_write(struct trace_file_writer *w, struct trace_chunk *c, const void *payload,
		       struct err *err)
{
	static const uint8_t zeroes[8];
	if (w->failed)
		return failed(w, -w->failed, err);
	if (c->bytes > TRACE_CHUNK_MAX)
		return err_set(err, EMSGSIZE, "a chunk of %u bytes; %u are allowed", c->bytes,
			       TRACE_CHUNK_MAX);
	c->magic = TRACE_CHUNK_MAGIC;
	c->check = (uint32_t)crc32(0, payload, c->bytes);
	c->head_check =
		(uint32_t)crc32(0, (const void *)c, offsetof(struct trace_chunk, head_check));
	struct iovec v[] = {
		{.iov_base = c, .iov_len = sizeof(*c)},
		{.iov_base = (void *)(uintptr_t)payload, .iov_len = c->bytes},
		{.iov_base = (void *)(uintptr_t)zeroes,
		 .iov_len = align_up(c->bytes, 8) - c->bytes},
	};
	int r = write_all(w->fd, v, ARRAY_LEN(v));
	if (r)
		return failed(w, r, err);
	w->good += sizeof(*c) + align_up(c->bytes, 8);
	return 0;
}

int trace_file_device(struct trace_file_writer *w, const Outrigger__TraceDevice *d, struct err *err)
{
	if (w->devices == TRACE_FILE_DEVICES)
		return err_set(err, E2BIG, "a trace has room for %u devices", TRACE_FILE_DEVICES);
	size_t n = outrigger__trace_device__get_packed_size(d);
	AUTO_FREE uint8_t *buf = malloc(n + 1);
	if (!buf)
		return err_set(err, ENOMEM, "out of memory");
	if (n > TRACE_CHUNK_MAX)
		return err_set(err, EMSGSIZE, "the description of %s has %zu bytes; %u are allowed",
			       d->device, n, TRACE_CHUNK_MAX);
	outrigger__trace_device__pack(d, buf);
	struct trace_chunk c = {
		.kind = TRACE_CHUNK_DEVICE, .device = (uint8_t)w->devices, .bytes = (uint32_t)n};
	int r = chunk_write(w, &c, buf, err);
	if (!r)
		w->devices++;
	return r;
}

void trace_file_clock(struct trace_file_writer *w, uint64_t guest_ns)
{
	w->guest_ns = guest_ns;
}

uint64_t trace_file_size(const struct trace_file_writer *w)
{
	return w->good;
}

int trace_file_records(struct trace_file_writer *w, unsigned device, unsigned ring,
		       const void *records, size_t bytes, uint64_t lost, struct err *err)
{
	CHECK(device < w->devices && ring < TRACE_RINGS);
	if (bytes > TRACE_CHUNK_MAX)
		return err_set(err, EMSGSIZE, "%zu bytes of records at once; %u are allowed", bytes,
			       TRACE_CHUNK_MAX);
	struct trace_chunk c = {.kind = TRACE_CHUNK_RECORDS,
				.device = (uint8_t)device,
				.ring = (uint16_t)ring,
				.bytes = (uint32_t)bytes,
				.lost = lost,
				.guest_ns = w->guest_ns};
	return chunk_write(w, &c, records, err);
}

int trace_file_finish(struct trace_file_writer *w, struct err *err)
{
	struct stat st;
	if (!w)
		return 0;
	struct trace_chunk c = {.kind = TRACE_CHUNK_END};
	int r = chunk_write(w, &c, "", err);
	if (r && w->made && !fstat(w->fd, &st) && S_ISREG(st.st_mode) &&
	    ftruncate(w->fd, (off_t)w->good) < 0)
		r = failed(w, -errno, err);
	if (close(w->fd) < 0 && !r)
		r = failed(w, -errno, err);
	free(w);
	return r;
}
