/* SPDX-License-Identifier: Apache-2.0 */
/* The exports, read by programs that know nothing of us: python3 (JSON), GTKWave's vcd2fst, tcpdump. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "launcher/text.h"
#include "launcher/trace_export.h"
#include "sample.h"

static bool have(const char *program)
{
	char cmd[128];
	snprintf(cmd, sizeof(cmd), "command -v %s >/dev/null", program);
	if (!system(cmd))
		return true;
	printf("skipped: %s is not installed\n", program);
	return false;
}

/* The sample in a format, at *@ret_path; the trace is removed. */
static void export(int (*make)(const struct trace_file *, int, FILE *, struct err *), int device,
		   char path[64])
{
	char trace[64];
	struct trace_file *f = sample_open(trace);
	struct err err = {0};
	snprintf(path, 64, "%.50s.export", trace);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	if (make(f, device, out, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(fclose(out), 0);
	trace_file_close(f);
	unlink(trace);
}

/* What @cmd prints; its exit code must be 0. */
static void output(const char *cmd, char *buf, size_t max)
{
	FILE *p = popen(cmd, "r");
	assert_non_null(p);
	buf[fread(buf, 1, max - 1, p)] = 0;
	if (pclose(p))
		fail_msg("%s failed: %s", cmd, buf);
}

static void chrome_json_has_slices_counters_and_tracks(void **state)
{
	(void)state;
	char path[64], cmd[1200], buf[4096];
	if (!have("python3"))
		skip();
	export(trace_export_chrome, -1, path);
	snprintf(cmd, sizeof(cmd),
		 "python3 -c '\n"
		 "import json\n"
		 "e = json.load(open(\"%s\"))[\"traceEvents\"]\n"
		 "w = [x for x in e if x[\"name\"] == \"net0 write CTL\"][0]\n"
		 "print(w[\"ph\"], w[\"ts\"], w[\"dur\"], w[\"tid\"], w[\"args\"][\"record\"])\n"
		 "print(len([x for x in e if x[\"ph\"] == \"C\"]), [x[\"args\"][\"level\"] for x "
		 "in e if x[\"ph\"] == \"C\"])\n"
		 "print(sorted(x[\"args\"][\"name\"] for x in e if x[\"ph\"] == \"M\"))\n'",
		 path);
	output(cmd, buf, sizeof(buf));
	assert_string_equal(buf, "X 1008.5 1.5 0 1\n"
				 "2 [1, 0]\n"
				 "['devices', 'net0', 'uart0', 'vCPU 0', 'vCPU 1', 'vCPUs']\n");
	unlink(path);
}

static void vcd_is_read_by_gtkwave(void **state)
{
	(void)state;
	char path[64], cmd[512], buf[8192];
	export(trace_export_vcd, -1, path);
	snprintf(cmd, sizeof(cmd), "cat %s", path);
	output(cmd, buf, sizeof(buf));
	assert_non_null(strstr(buf, "$scope module net0 $end\n$var reg 32 ! CTL [31:0] $end\n"
				    "$var reg 16 \" DATA_2 [15:0] $end\n"));
	assert_non_null(strstr(buf, "#1010\nb110000000000000111 !\nb111 !\n#1020\n1"));
	if (!have("vcd2fst") || !have("fst2vcd"))
		skip();
	snprintf(cmd, sizeof(cmd), "vcd2fst %s %s.fst >/dev/null && fst2vcd %s.fst && rm %s.fst",
		 path, path, path, path);
	output(cmd, buf, sizeof(buf));
	assert_non_null(strstr(buf, "CTL"));
	assert_non_null(strstr(buf, "#2000"));
	assert_non_null(strstr(buf, "1011111011101111")); /* 0xbeef */
	unlink(path);
}

static void pcap_is_read_by_tcpdump(void **state)
{
	(void)state;
	char path[64], cmd[512], buf[8192];
	if (!have("tcpdump"))
		skip();
	export(trace_export_pcap, 0, path);
	snprintf(cmd, sizeof(cmd), "TZ=UTC tcpdump --nano -tt -e -n -x -r %s 2>/dev/null", path);
	output(cmd, buf, sizeof(buf));
	/* 2 ms after the TRACE_START, whose wall clock it has; the sent one is whole, of the received one 28 bytes are known. */
	assert_non_null(strstr(
		buf,
		"1700000000.002000000 02:02:02:02:02:02 > ff:ff:ff:ff:ff:ff, ethertype Unknown "
		"(0x88b5), length 60"));
	assert_non_null(strstr(buf, "1700000000.003000000 02:02:02:02:02:02 > ff:ff:ff:ff:ff:ff"));
	assert_null(
		strstr(strstr(buf, ".003000000") + 1, "ethertype")
			? strstr(strstr(strstr(buf, ".003000000") + 1, "ethertype") + 1,
				 "ethertype")
			: NULL); /* two frames: peeked twice is taken once, and what found no room was not sent */
	unlink(path);
}

static void pcap_of_a_device_without_network_is_refused(void **state)
{
	(void)state;
	char trace[64];
	struct trace_file *f = sample_open(trace);
	struct err err = {0};
	assert_int_equal(trace_export_pcap(f, 1, stdout, &err), -2);
	assert_non_null(strstr(err.msg, "no network device"));
	trace_file_close(f);
	unlink(trace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chrome_json_has_slices_counters_and_tracks),
		cmocka_unit_test(vcd_is_read_by_gtkwave),
		cmocka_unit_test(pcap_is_read_by_tcpdump),
		cmocka_unit_test(pcap_of_a_device_without_network_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
