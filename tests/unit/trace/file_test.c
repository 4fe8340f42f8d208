/* SPDX-License-Identifier: Apache-2.0 */
/* Trace files: what is written is read back; what is damaged, cut off or hostile is told, and never read past. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "base/bytes.h"
#include "base/fd.h"
#include "proto/trace_file.h"

static char path[64];

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/trace-file-test.%d", getpid());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static struct trace_file_writer *create(void)
{
	struct trace_file_writer *w = NULL;
	struct err err = {0};
	if (trace_file_create(path, "demo", &w, &err))
		fail_msg("%s", err.msg);
	return w;
}

static void device(struct trace_file_writer *w, const char *name)
{
	Outrigger__TraceDevice d = OUTRIGGER__TRACE_DEVICE__INIT;
	struct err err = {0};
	d.device = (char *)(uintptr_t)name;
	d.model = (char *)(uintptr_t) "pl011";
	if (trace_file_device(w, &d, &err))
		fail_msg("%s", err.msg);
}

static size_t put(uint8_t *buf, size_t at, struct port_entry e, const char *payload)
{
	size_t len = payload ? strlen(payload) : 0;
	if (len) {
		e.flags |= PORT_F_PAYLOAD;
		e.seq |= (uint64_t)len << 32;
	}
	memset(buf + at, 0, trace_record_bytes(&e));
	memcpy(buf + at, &e, sizeof(e));
	memcpy(buf + at + sizeof(e), payload ? payload : "", len);
	return at + trace_record_bytes(&e);
}

/* Two devices; the first with two chunks of one ring, a loss between them, and one of another ring. */
static void sample(void)
{
	uint8_t buf[1024];
	struct err err = {0};
	struct trace_file_writer *w = create();
	device(w, "uart0");
	device(w, "rtc");
	size_t n = put(buf, 0, (struct port_entry){.op = PORT_OP_READ, .value = 7, .time_us = 1000},
		       NULL);
	n = put(buf, n, (struct port_entry){.op = TRACE_HOST_OUT, .seq = 3},
		"forty-two bytes of output, or so, are here");
	trace_file_clock(w, 5000000);
	assert_int_equal(trace_file_records(w, 0, TRACE_RING_DM, buf, n, 0, &err), 0);
	n = put(buf, 0, (struct port_entry){.op = PORT_OP_WRITE, .value = 1}, NULL);
	assert_int_equal(trace_file_records(w, 1, TRACE_RING_VCPU + 1, buf, n, 0, &err), 0);
	n = put(buf, 0, (struct port_entry){.op = PORT_OP_WRITE, .value = 8, .time_us = 4000},
		NULL);
	assert_int_equal(trace_file_records(w, 0, TRACE_RING_DM, buf, n, 640, &err), 0);
	uint64_t size = trace_file_size(w);
	assert_int_equal(trace_file_finish(w, &err), 0);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, size + sizeof(struct trace_chunk));
	assert_int_equal(st.st_mode & 0777, 0600);
}

static struct trace_file *open_good(bool want_cut)
{
	struct trace_file *f = NULL;
	struct err err = {0};
	bool cut = !want_cut;
	if (trace_file_open(path, &f, &cut, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(cut, want_cut);
	return f;
}

static void open_bad(const char *part)
{
	struct trace_file *f = NULL;
	struct err err = {0};
	assert_true(trace_file_open(path, &f, NULL, &err) < 0);
	assert_null(f);
	if (!strstr(err.msg, part) || !strstr(err.msg, path))
		fail_msg("'%s' lacks '%s'", err.msg, part);
}

static void what_is_written_is_read_back(void **state)
{
	(void)state;
	sample();
	struct trace_file *f = open_good(false);
	struct trace_cursor c;
	struct port_entry e;
	const uint8_t *payload;
	assert_string_equal(trace_file_head(f)->vm, "demo");
	assert_int_equal(trace_file_devices(f), 2);
	assert_string_equal(trace_file_device_info(f, 1)->device, "rtc");
	assert_int_equal(trace_file_lost(f, 0, TRACE_RING_DM), 640);
	assert_int_equal(trace_file_lost(f, 1, TRACE_RING_VCPU + 1), 0);
	trace_cursor_init(&c, f, 0, TRACE_RING_DM);
	assert_true(trace_cursor_next(&c, &e, &payload));
	assert_int_equal(e.value, 7);
	assert_int_equal(c.time_ns, 1000000);
	assert_null(payload);
	assert_true(trace_cursor_next(&c, &e, &payload));
	assert_int_equal(e.op, TRACE_HOST_OUT);
	assert_int_equal(trace_payload(&e), 42);
	assert_memory_equal(payload, "forty-two bytes", 15);
	assert_int_equal(c.time_ns, 1000000); /* has none of its own */
	assert_true(trace_cursor_next(&c, &e, &payload));
	assert_int_equal(e.op, TRACE_GAP);
	assert_int_equal(e.value, 640);
	assert_int_equal(c.index, 3);
	assert_true(trace_cursor_next(&c, &e, &payload));
	assert_int_equal(e.value, 8);
	assert_int_equal(c.time_ns, 4000000);
	assert_false(trace_cursor_next(&c, &e, &payload));
	assert_false(trace_cursor_next(&c, &e, &payload));
	trace_cursor_init(&c, f, 1, TRACE_RING_VCPU);
	assert_false(trace_cursor_next(&c, &e, &payload));
	trace_file_close(f);
}

static void times_go_past_the_32_bits_of_a_record(void **state)
{
	(void)state;
	uint8_t buf[256];
	struct err err = {0};
	struct trace_file_writer *w = create();
	device(w, "uart0");
	/* Two hours of silence between the chunks; the last record is a moment ahead of the reader's clock. */
	static const uint64_t us[] = {4294967295u, 4294967297u, 10000000000u, 10000000100u};
	for (unsigned i = 0; i < ARRAY_LEN(us); i++) {
		size_t n = put(buf, 0,
			       (struct port_entry){.op = PORT_OP_SYNC, .time_us = (uint32_t)us[i]},
			       NULL);
		trace_file_clock(w, us[i] * 1000 + (i == 3 ? -5000ull : 900000000ull));
		assert_int_equal(trace_file_records(w, 0, TRACE_RING_DM, buf, n, 0, &err), 0);
	}
	assert_int_equal(trace_file_finish(w, &err), 0);
	struct trace_file *f = open_good(false);
	struct trace_cursor c;
	struct port_entry e;
	const uint8_t *payload;
	trace_cursor_init(&c, f, 0, TRACE_RING_DM);
	for (unsigned i = 0; trace_cursor_next(&c, &e, &payload); i++)
		assert_int_equal(c.time_ns, us[i] * 1000);
	trace_file_close(f);
}

static uint8_t *slurp(size_t *ret_n)
{
	AUTO_FD fd = open(path, O_RDONLY);
	uint8_t *buf = malloc(65536);
	ssize_t n = fd_read_all(fd, buf, 65536);
	assert_true(n > 0);
	*ret_n = (size_t)n;
	return buf;
}

static void spill(const uint8_t *buf, size_t n)
{
	AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(fd_write_all(fd, buf, n), 0);
}

static unsigned count(struct trace_file *f)
{
	unsigned n = 0;
	for (unsigned d = 0; d < trace_file_devices(f); d++)
		for (unsigned ring = 0; ring < TRACE_RINGS; ring++) {
			struct trace_cursor c;
			struct port_entry e;
			const uint8_t *payload;
			volatile uint8_t sum = 0;
			trace_cursor_init(&c, f, d, ring);
			for (; trace_cursor_next(&c, &e, &payload); n++)
				for (uint32_t i = 0; payload && i < trace_payload(&e); i++)
					sum = (uint8_t)(sum + payload[i]);
		}
	return n;
}

static void a_file_cut_anywhere_is_good_up_to_its_last_chunk(void **state)
{
	(void)state;
	sample();
	size_t n;
	AUTO_FREE uint8_t *buf = slurp(&n);
	unsigned before = 0;
	for (size_t keep = sizeof(struct trace_file_header); keep < n; keep++) {
		spill(buf, keep);
		struct trace_file *f = open_good(true);
		unsigned have = count(f);
		assert_true(have >= before);
		before = have;
		trace_file_close(f);
	}
	assert_int_equal(before, 5);
	for (size_t keep = 0; keep < sizeof(struct trace_file_header); keep += 9) {
		spill(buf, keep);
		open_bad("it is no trace");
	}
}

static void each_damaged_byte_is_found(void **state)
{
	(void)state;
	sample();
	size_t n;
	AUTO_FREE uint8_t *buf = slurp(&n);
	for (size_t i = sizeof(struct trace_file_header); i < n; i++) {
		uint8_t old = buf[i];
		buf[i] ^= 0x10;
		spill(buf, n);
		struct trace_file *f = NULL;
		struct err err = {0};
		int r = trace_file_open(path, &f, NULL, &err);
		if (r == 0) { /* the zeroes behind a payload are not looked at */
			assert_int_equal(old, 0);
			assert_int_equal(count(f), 5);
		} else {
			assert_non_null(strstr(err.msg, "byte "));
		}
		trace_file_close(f);
		buf[i] = old;
	}
	memcpy(buf, "XRTRACE", 8);
	spill(buf, n);
	open_bad("it is no trace");
	memcpy(buf, TRACE_FILE_MAGIC, 8);
	buf[8] = 9;
	spill(buf, n);
	open_bad("version 9");
	buf[8] = TRACE_FILE_VERSION;
	memset(buf + offsetof(struct trace_file_header, vm), 'x', 40);
	spill(buf, n);
	open_bad("name of its VM");
}

static void what_follows_the_end_is_refused(void **state)
{
	(void)state;
	sample();
	AUTO_FD fd = open(path, O_WRONLY | O_APPEND);
	assert_int_equal(fd_write_all(fd, "more", 4), 0);
	open_bad("4 bytes follow the end");
}

/* A chunk with right checksums and whatever else the test wants. */
static size_t chunk(uint8_t *buf, size_t at, struct trace_chunk c, const void *payload)
{
	c.magic = TRACE_CHUNK_MAGIC;
	c.check = (uint32_t)crc32(0, payload, c.bytes);
	c.head_check =
		(uint32_t)crc32(0, (const void *)&c, offsetof(struct trace_chunk, head_check));
	memcpy(buf + at, &c, sizeof(c));
	memcpy(buf + at + sizeof(c), payload, c.bytes);
	return at + sizeof(c) + align_up(c.bytes, 8);
}

static void hostile(struct trace_chunk c, const void *payload, const char *part)
{
	static uint8_t buf[65536];
	memset(buf, 0, sizeof(buf));
	struct trace_file_header h = {.magic = TRACE_FILE_MAGIC, .version = TRACE_FILE_VERSION};
	memcpy(buf, &h, sizeof(h));
	size_t n = chunk(buf, sizeof(h), (struct trace_chunk){.kind = TRACE_CHUNK_DEVICE}, "");
	spill(buf, chunk(buf, n, c, payload));
	open_bad(part);
}

static void hostile_chunks_are_refused(void **state)
{
	(void)state;
	uint8_t buf[8192] = {0};
	size_t n = put(buf, 0, (struct port_entry){.op = PORT_OP_READ}, NULL);
	struct trace_chunk c = {.kind = TRACE_CHUNK_RECORDS, .bytes = (uint32_t)n};
	c.device = 1;
	hostile(c, buf, "device 1");
	c.device = 255;
	hostile(c, buf, "device 255");
	c.device = 0;
	c.ring = TRACE_RINGS;
	hostile(c, buf, "ring 66");
	c.ring = 0xffff;
	hostile(c, buf, "ring 65535");
	c.ring = 0;
	c.bytes = 31;
	hostile(c, buf, "31 bytes are no record");
	c.bytes = 64;
	hostile(c, buf, "op 0"); /* a record, then zeroes */
	c.bytes = 32;
	struct port_entry e = {.op = TRACE_LOG, .flags = PORT_F_PAYLOAD, .seq = 1ull << 32};
	memcpy(buf, &e, sizeof(e));
	hostile(c, buf, "1 bytes of payload, 32 are left");
	e.seq = 0xffffffffull << 32;
	memcpy(buf, &e, sizeof(e));
	hostile(c, buf, "4294967295 bytes of payload");
	e.seq = (TRACE_PAYLOAD_MAX + 1ull) << 32;
	memcpy(buf, &e, sizeof(e));
	hostile(c, buf, "bytes of payload");
	hostile((struct trace_chunk){.kind = 77}, "", "unknown kind 77");
	hostile((struct trace_chunk){.kind = TRACE_CHUNK_DEVICE, .device = 3}, "", "device 3");
	hostile((struct trace_chunk){.kind = TRACE_CHUNK_DEVICE, .device = 1, .bytes = 4},
		"\xff\xff\xff\xff", "device 1 is not described");
}

static void more_devices_than_there_may_be_are_refused(void **state)
{
	(void)state;
	static uint8_t buf[65536];
	struct trace_file_header h = {.magic = TRACE_FILE_MAGIC, .version = TRACE_FILE_VERSION};
	memcpy(buf, &h, sizeof(h));
	size_t n = sizeof(h);
	for (unsigned i = 0; i <= TRACE_FILE_DEVICES; i++)
		n = chunk(buf, n,
			  (struct trace_chunk){.kind = TRACE_CHUNK_DEVICE, .device = (uint8_t)i},
			  "");
	spill(buf, n);
	open_bad("at most 64");
}

static void a_full_disk_is_an_error_that_names_the_file(void **state)
{
	(void)state;
	struct trace_file_writer *w = NULL;
	struct err err = {0};
	assert_int_equal(trace_file_create("/dev/full", "demo", &w, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "/dev/full"));
	assert_non_null(strstr(err.msg, strerror(ENOSPC)));
	assert_int_equal(trace_file_create("/nonexistent/dir/file", "demo", &w, &err), -ENOENT);
	assert_null(w);
}

static void a_pipe_is_read_whole(void **state)
{
	(void)state;
	sample();
	size_t n;
	AUTO_FREE uint8_t *buf = slurp(&n);
	int p[2];
	assert_int_equal(pipe(p), 0);
	assert_int_equal(fd_write_all(p[1], buf, n), 0);
	close(p[1]);
	char fd_path[32];
	snprintf(fd_path, sizeof(fd_path), "/dev/fd/%d", p[0]);
	struct trace_file *f = NULL;
	struct err err = {0};
	if (trace_file_open(fd_path, &f, NULL, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(count(f), 5);
	trace_file_close(f);
	close(p[0]);
	assert_true(trace_file_open("/tmp", &f, NULL, &err) < 0);
	assert_non_null(strstr(err.msg, "directory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(times_go_past_the_32_bits_of_a_record),
		cmocka_unit_test(a_file_cut_anywhere_is_good_up_to_its_last_chunk),
		cmocka_unit_test(each_damaged_byte_is_found),
		cmocka_unit_test(what_follows_the_end_is_refused),
		cmocka_unit_test(hostile_chunks_are_refused),
		cmocka_unit_test(more_devices_than_there_may_be_are_refused),
		cmocka_unit_test(a_full_disk_is_an_error_that_names_the_file),
		cmocka_unit_test(a_pipe_is_read_whole),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
