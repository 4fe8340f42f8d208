/* SPDX-License-Identifier: Apache-2.0 */
/* Every kind of record in words, in the order of their times, with hv's latencies joined. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "launcher/trace_info.h"
#include "launcher/trace_walk.h"
#include "sample.h"

static const char *const lines[] = {
	"       0     0.001000 net0     start     virtio-net version 3, start 2, build "
	"0123456789ab, 0 bytes of state (asked)",
	"       1     0.001010 net0     write     CTL <- 0x30007 {EN WLEN=8 bits SIZE=3}  1.50 us",
	"       2     0.001010 net0     shadow    CTL = 0x7 {EN WLEN=8 bits}",
	"       3     0.001010 net0     irq       line 0 high, events 0x2, 3 edges so far",
	"     l/0     0.001020 net0     line      0 high",
	"     l/1     0.001021 net0     line      1 edge",
	"    v0/1     0.001500 net0     read      CTL = 0x7 {EN WLEN=8 bits} (by the core)",
	"       4     0.002000 net0     clock     wall 5 ns",
	"       5     0.002000 net0     log       \"a \\x1b[2Jline\"",
	"       6     0.002000 net0     read      DATA[2] = 0xbeef  25 us",
	"    v0/3     0.002990 net0     doorbell  1 rung",
	"       7     0.003000 net0     queue     1 pop chain 7, 5 bytes to the device, room for "
	"12, out 0x1000+5, in 0x2000+12, \"hello\"",
	"       8     0.003000 net0     queue     1 pop: nothing",
	"       9     0.003000 net0     queue     1 push chain 7, 12 bytes written: 000102ff",
	"      10     0.003000 net0     queue     0 signal? yes",
	"      11     0.003000 net0     host      disk submit 0: write, tag 4, byte 4096, 512 "
	"bytes",
	"      12     0.003000 net0     host      link send 0: frame of 72 bytes, queue 0",
	"      13     0.003000 net0     doorbell  1",
	"      14     0.004000 net0     host      link peek 0: frame of 72 bytes, queue 0 gave 72",
	"      15     0.004000 net0     host      link peek 0: frame of 72 bytes, queue 0 gave 72",
	"      16     0.004000 net0     host      link skip 0:",
	"      17     0.004000 net0     host      link send 0: frame of 72 bytes, queue 0 gave "
	"error: Resource temporarily unavailable",
	"      18     0.004000 net0     call      link ready 0",
	"      19     0.004000 net0     call      disk done 0: tag 9, error: Input/output error",
	"      20     0.004100 net0     commit",
	"      21     0.004100 net0     gap       ---- 640 bytes of records were lost here ----",
	"    v0/4     0.004500 net0     policy    0x44 = 0xffffffff (by policy)",
	"      22     0.005000 net0     host-in   channel 0, 4 bytes: \"hi\\r\\n\"",
	"      23     0.005000 net0     host-out  channel 0, 3 bytes: 010203",
	"      24     0.005001 net0     taken     channel 0, 3 bytes",
	"      25     0.005002 net0     peer      channel 0: somebody is there",
	"      26     0.005003 net0     control   \"link=up\": Invalid argument",
	"      27     0.005004 net0     timer     due at 5004000 ns",
	"      28     0.005005 net0     work      did something",
	"     l/2     0.005010 net0     line      0 low",
	"      29     0.006000 net0     random    deadbeef",
	"      30     0.006000 net0     dma-read  0x4000, 2 bytes: \"xy\"",
	"      31     0.006000 net0     dma-write 0x4000: Bad address",
	"      32     0.006000 net0     reset",
	"      33     0.006001 net0     sync",
	"      34     0.006002 net0     unknown   op 0x3f, value 0x6",
	"      35     0.006003 net0     start     makes no sense",
	"    v1/0     0.007000 uart0    write     0x44 <- 0x41 (posted)",
};

static void each_record_is_a_line(void **state)
{
	(void)state;
	char path[64];
	struct trace_file *f = sample_open(path);
	struct trace_walk *w = trace_walk_create(f, -1, false);
	struct trace_view v;
	size_t n = 0;
	while (trace_walk_next(w, &v)) {
		AUTO_SB out = {0};
		trace_text_line(&v, false, &out);
		assert_true(n < sizeof(lines) / sizeof(lines[0]));
		assert_true(out.len && out.s[out.len - 1] == '\n');
		out.s[out.len - 1] = 0;
		assert_string_equal(out.s, lines[n]);
		n++;
	}
	assert_int_equal(n, sizeof(lines) / sizeof(lines[0]));
	trace_walk_destroy(w);
	trace_file_close(f);
	unlink(path);
}

static void raw_shows_the_numbers_payloads_and_hvs_own_records(void **state)
{
	(void)state;
	char path[64];
	struct trace_file *f = sample_open(path);
	struct trace_walk *w = trace_walk_create(f, 0, true);
	struct trace_view v;
	AUTO_SB out = {0};
	while (trace_walk_next(w, &v)) {
		assert_int_equal(v.device, 0);
		trace_text_line(&v, true, &out);
	}
	assert_non_null(strstr(out.s, "v0/0     0.001015 net0     write     CTL <- 0x30007"));
	assert_non_null(strstr(out.s, "[op 01 width 2 range 0 flags 00 offset 18 value beef seq 2 "
				      "time 2000 vcpu 0 aux 0]"));
	assert_non_null(strstr(out.s, "0000  deadbeef\n"));
	trace_walk_destroy(w);
	trace_file_close(f);
	unlink(path);
}

static void json_has_one_object_a_line(void **state)
{
	(void)state;
	char path[64];
	struct trace_file *f = sample_open(path);
	struct trace_walk *w = trace_walk_create(f, -1, false);
	struct trace_view v;
	while (trace_walk_next(w, &v)) {
		AUTO_SB out = {0};
		trace_text_json(&v, true, &out);
		assert_ptr_equal(strchr(out.s, '\n'), out.s + out.len - 1);
		if (v.index == 1 && v.ring == TRACE_RING_DM) {
			assert_non_null(strstr(
				out.s, "\"fields\": {\"EN\": 1,\"WLEN\": \"8 bits\",\"SIZE\": 3}"));
			assert_non_null(strstr(out.s, "\"latency_ns\": 1500"));
			assert_non_null(strstr(out.s, "\"seq\": 1"));
		}
		if (v.e.op == TRACE_LOG)
			assert_non_null(strstr(out.s, "\"payload\": \"61201b5b324a6c696e65\""));
	}
	trace_walk_destroy(w);
	trace_file_close(f);
	unlink(path);
}

static void info_counts(void **state)
{
	(void)state;
	char path[64];
	struct trace_file *f = sample_open(path);
	AUTO_SB out = {0};
	trace_info(f, true, false, &out);
	assert_non_null(strstr(out.s, "2 devices, 45 records"));
	assert_non_null(strstr(out.s, "640 bytes LOST; its end is missing"));
	assert_non_null(strstr(out.s, "net0: virtio-net, 44 records"));
	assert_non_null(strstr(out.s, "queue                 4\n"));
	assert_non_null(strstr(out.s, "13.25  us on average, of 2 accesses"));
	trace_file_close(f);
	unlink(path);
}

/* Records of any kind with payloads that are not what they should be: a file can be anything. */
static void hostile_records_are_harmless(void **state)
{
	(void)state;
	char path[64];
	struct trace_file *f = sample_open(path);
	static uint8_t payload[4096];
	uint64_t seed = 7;
	for (unsigned round = 0; round < 60000; round++) {
		struct port_entry e;
		uint8_t *b = (uint8_t *)&e;
		AUTO_SB out = {0};
		for (size_t i = 0; i < sizeof(e); i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			b[i] = seed >> 60 & 3 ? (uint8_t)(seed >> 33) : 0;
		}
		for (size_t i = 0; i < 96; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			payload[seed >> 33 & 255] = (uint8_t)(seed >> 45);
		}
		e.op = (uint8_t)(round % 256);
		e.range = round & 1 ? e.range : e.range % 16;
		size_t len = seed >> 40 & 255;
		e.flags = (uint8_t)(len ? e.flags | PORT_F_PAYLOAD : e.flags & ~PORT_F_PAYLOAD);
		e.seq = (e.seq & UINT32_MAX) | (uint64_t)len << 32;
		AUTO_FREE uint8_t *exact =
			malloc(len ? len : 1); /* ASan sees a read behind its end */
		memcpy(exact, payload, len);
		const struct trace_view v = {.info = trace_file_device_info(f, round % 2),
					     .ring = round % 5,
					     .e = e,
					     .payload = len ? exact : NULL};
		trace_text_line(&v, round % 3 == 0, &out);
		trace_text_json(&v, round % 3 == 0, &out);
		for (size_t i = 0; i < out.len; i++)
			assert_true((unsigned char)out.s[i] >= ' ' || out.s[i] == '\n');
	}
	trace_file_close(f);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_record_is_a_line),
		cmocka_unit_test(raw_shows_the_numbers_payloads_and_hvs_own_records),
		cmocka_unit_test(json_has_one_object_a_line),
		cmocka_unit_test(info_counts),
		cmocka_unit_test(hostile_records_are_harmless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
