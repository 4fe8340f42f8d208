/* SPDX-License-Identifier: Apache-2.0 */
/* Bad configs: each gets its message, with the line, and nothing else is needed to see what would
 * be right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/bytes.h"
#include "fixture.h"

#define HEAD "machine: aarch64-virt\nkernel: kernel\n"	      /* lines 1 and 2 */
#define UART HEAD "devices:\n- name: uart0\n  model: pl011\n" /* lines 3 to 5 */
#define RTC HEAD "devices:\n- name: rtc\n  model: pl031\n"
#define OPT RTC "  options:\n" /* line 6 */

/* @line 0: the message is about the file as a whole. @also: a second message in the same report. */
static const struct bad {
	const char *yaml;
	unsigned line;
	const char *what, *also;
} bads[] = {
	/* models and options */
	{HEAD "devices:\n- name: u\n  model: pl01\n", 5,
	 "unknown model \"pl01\"; did you mean \"pl011\"? installed in /bin are broken, hollow, "
	 "pl011",
	 NULL},
	{HEAD "devices:\n- name: u\n  model: zebra\n", 5, "unknown model \"zebra\"; installed",
	 NULL},
	{HEAD "devices:\n- name: u\n  model: broken\n", 5,
	 "model broken cannot be used: /bin/broken ended with exit code 1", NULL},
	{OPT "    bsae: host\n", 7,
	 "device rtc: model pl031 has no option \"bsae\"; did you mean \"base\"?", NULL},
	{OPT "    chardev: pty\n", 7,
	 "model pl031 has no option \"chardev\"; its options are base, delay", NULL},
	{HEAD "devices:\n- name: d\n  model: virtio-blk\n", 4,
	 "option path is missing; model virtio-blk needs it", NULL},
	/* values and units */
	{OPT "    delay: 5\n", 7,
	 "option delay: \"5\" is not a duration; write a time with its unit", NULL},
	{OPT "    delay: 5 parsecs\n", 7, "option delay: \"5 parsecs\" is not a duration", NULL},
	{OPT "    depth: many\n", 7, "option depth: \"many\" is not a u64; write a number", NULL},
	{OPT "    depth: 99999999999999999999\n", 7, "is too large for 64 bits", NULL},
	{OPT "    cache: 64X\n", 7, "option cache: \"64X\" is not a size; write a size such as",
	 NULL},
	{OPT "    readonly: perhaps\n", 7, "is not a bool; write true or false", NULL},
	{OPT "    mode: exakt\n", 7,
	 "option mode: \"exakt\" is not a choice; did you mean \"exact\"? use one of fast, exact",
	 NULL},
	{OPT "    base: yesterday\n", 7, "is not a time; write host, seconds since 1970", NULL},
	{OPT "    depth: [1]\n", 7, "option depth: is a list", NULL},
	{UART "  options:\n    chardev: tty\n", 7,
	 "option chardev: \"tty\" is not a byte stream; use console, stdio, pty", NULL},
	{UART "  options:\n    chardev: \"file:\"\n", 7, "\"file:\" needs a path", NULL},
	{HEAD "memory: lots\n", 3, "memory \"lots\" is not a size; write it like 256M", NULL},
	{HEAD "memory: 0\n", 3, "memory 0 is too small; use a multiple of 4K, at least 2M", NULL},
	{HEAD "memory: 10000001\n", 3, "is no multiple of 4K", NULL},
	{HEAD "memory: 900T\n", 3, "memory 900T is too large; aarch64-virt has at most 255G", NULL},
	{HEAD "memory: 99999999999999999999G\n", 3, "is too large", NULL},
	{HEAD "cpus: 0\n", 3, "cpus 0 is out of range; use 1 to 64", NULL},
	{HEAD "cpus: two\n", 3, "cpus: \"two\" is not a number", NULL},
	{HEAD "timeout: soon\n", 3, "timeout \"soon\" is not a time", NULL},
	{HEAD "engine: sofd\n", 3,
	 "engine: \"sofd\" is not known; did you mean \"soft\"? use one of auto, soft, kvm, fake",
	 NULL},
	{HEAD "on_unclaimed: ignore\n", 3, "use one of abort, ones, stop", NULL},
	{"machine: x86\nkernel: kernel\n", 1,
	 "machine: \"x86\" is not known; use one of aarch64-virt, x86_64-pc", NULL},
	{RTC "  on_failure: pray\n", 6,
	 "on_failure: \"pray\" is not known; did you mean \"park\"? use one of restart, ones, "
	 "abort, park, stop",
	 NULL},
	{RTC "  on_failure: stop\n  then: ones\n", 7,
	 "device rtc: then: comes after restarts; on_failure: is stop", NULL},
	{RTC "  on_failure: ones\n  restart_limit: 3\n", 7,
	 "device rtc: restart_limit: is about restarts; on_failure: is ones", NULL},
	{RTC "  restart_limit: many\n", 6, "restart_limit: \"many\" is not a number", NULL},
	{RTC "  restart_limit: 1000001\n", 6, "restart_limit 1000001 is too many; at most 1000000",
	 NULL},
	{RTC "  restart_backoff: 50\n", 6,
	 "restart_backoff \"50\" is not a time; write it with its unit", NULL},
	{RTC "  restart_backoff: 2m\n", 6, "restart_backoff 2m is too long; at most 60s", NULL},
	{RTC "  restart_window: 25h\n", 6, "restart_window 25h is too long; at most 86400s", NULL},
	{RTC "  deadline: 3\n", 6, "deadline \"3\" is not a time; write it with its unit", NULL},
	{HEAD "name: a/b\n", 3, "name \"a/b\" must be 1 to 31 letters", NULL},
	{HEAD "devices:\n- name: a b\n  model: pl011\n", 4, "device name \"a b\" must be", NULL},
	/* places */
	{RTC
	 "  address: 0x09000000\n  irq: 2\n- name: uart0\n  model: pl011\n  address: 0x09000000\n",
	 10,
	 "devices rtc (0x9000000 to 0x9000fff, line 6) and uart0 (0x9000000 to 0x9000fff) overlap",
	 NULL},
	{RTC "  address: 0x40001000\n  irq: 2\n", 6,
	 "device rtc (0x40001000 to 0x40001fff) lies over guest memory (0x40000000 to 0x4fffffff)",
	 NULL},
	{RTC "  address: 0x08000000\n  irq: 2\n", 6,
	 "lies over the interrupt controller's distributor (GICD)", NULL},
	{RTC "  address: 0x080b0000\n  irq: 2\n", 6,
	 "lies over the interrupt controller's redistributors (GICR)", NULL},
	{RTC "  address: 0xfffffffffffff000\n  irq: 2\n", 6,
	 "is beyond the machine's address space of 40 bits", NULL},
	{RTC "  address: 0xfffffffffffff800\n  irq: 2\n", 6,
	 "wrap around the end of the address space", "is misaligned"},
	{RTC "  address: 0x09000004\n  irq: 2\n", 6,
	 "address 0x9000004 is misaligned; a multiple of 0x1000 is needed, such as 0x9000000",
	 NULL},
	{RTC "  address: somewhere\n  irq: 2\n", 6,
	 "address \"somewhere\" is not a number; write it like 0x09000000", NULL},
	{RTC "  address: 0x10000000000000000\n  irq: 2\n", 6, "is over 64 bits", NULL},
	{HEAD "devices:\n- name: h\n  model: hollow\n  address: 0x0b000000\n", 4,
	 "region regs of model hollow has zero length", NULL},
	{HEAD "devices:\n- name: h\n  model: hollow\n", 4,
	 "has no place of its own for a (further) hollow; give address: and irq:", NULL},
	{RTC "  address: 0x0b000000\n", 4, "key \"irq\" is missing; model pl031 has 1 interrupt",
	 NULL},
	{HEAD "devices:\n- {name: u, model: uart16, space: pio, address: 0x3f8, irq: 4}\n", 4,
	 "device u: machine aarch64-virt has no I/O ports; use space: mmio", NULL},
	{RTC "  space: port\n", 6, "space: \"port\" is not known; use one of auto, mmio, pio",
	 NULL},
	/* interrupts and names */
	{RTC "  irq: 1\n- name: uart0\n  model: pl011\n", 7,
	 "devices rtc (line 4) and uart0 both have irq 1", NULL},
	{RTC "  irq: 988\n", 6, "irq 988 is too large; aarch64-virt has shared interrupts 0 to 987",
	 NULL},
	{RTC "  irq: -1\n", 6, "irq: \"-1\" is not a number", NULL},
	{HEAD "devices:\n- name: h\n  model: hollow\n  address: 0x0b000000\n  irq: 9\n", 7,
	 "model hollow has no interrupt; leave irq: out", "has zero length"},
	{RTC "- name: rtc\n  model: pl011\n", 6,
	 "device name \"rtc\" is used twice; the first is in line 4", NULL},
	/* files */
	{"machine: aarch64-virt\nkernel: missing\n", 2,
	 "missing cannot be read: No such file or directory; paths in a config are seen from",
	 NULL},
	{"machine: aarch64-virt\nkernel: ../build/guests/aarch64/kernel\n", 2,
	 "run scripts/fetch-guests", NULL},
	{"machine: aarch64-virt\n", 0,
	 "no kernel: give the key kernel: or the option --kernel FILE", NULL},
	{"machine: aarch64-virt\nkernel: .\n", 2, "is not a file", NULL},
	{"machine: aarch64-virt\nkernel: empty\n", 2, "is empty", NULL},
	{HEAD "initrd: missing\n", 3, "initrd ", "cannot be read"},
	/* YAML itself */
	{HEAD "memroy: 1G\n", 3, "config: unknown key \"memroy\"; did you mean \"memory\"?", NULL},
	{HEAD "xyzzy: 1\n", 3, "unknown key \"xyzzy\"; known are machine, name, engine", NULL},
	{UART "  adress: 0x09000000\n", 6,
	 "device uart0: unknown key \"adress\"; did you mean \"address\"?", NULL},
	{"kernel: kernel\n", 1, "key \"machine\" is missing", NULL},
	{HEAD "devices:\n- model: pl011\n", 4, "device without a name: key \"name\" is missing",
	 NULL},
	{HEAD "devices:\n- name: u\n", 4, "device u: key \"model\" is missing", NULL},
	{HEAD "devices:\n\t- name: u\n", 4, "not YAML: a tab", NULL},
	{HEAD "memory 1G\ncpus: 1\n", 4, "not YAML:", NULL},
	{HEAD "cmdline: \"\xff\"\n", 3, "not YAML: invalid leading UTF-8 octet (byte ", NULL},
	{HEAD "cmdline: \"a\\0b\"\n", 3, "a text with a NUL character", NULL},
	{HEAD "devices: [a\n", 0, "not YAML:", NULL},
	{HEAD "name: \"abc\n", 0, "not YAML:", NULL},
	{HEAD "memory: 1G\nmemory: 2G\n", 4,
	 "key \"memory\" is given twice; the first is in line 3", NULL},
	{HEAD "memory:\n", 3, "memory: has no value", NULL},
	{HEAD "memory: [1G]\n", 3, "memory: is a list (\"- \" lines), must be a plain value", NULL},
	{HEAD "devices: uart0\n", 3, "devices: is a plain value, must be a list", NULL},
	{HEAD "devices:\n- uart0\n", 4, "devices: is a plain value, must be a map", NULL},
	{UART "  options: fast\n", 6, "options: is a plain value, must be a map", NULL},
	{"- a\n- b\n", 1, "a config is a map", NULL},
	{"", 0, "the file is empty", NULL},
	{"# nothing\n", 0, "the file is empty", NULL},
	{HEAD "name: *none\n", 3, "alias *none has no anchor before it", NULL},
	{HEAD "---\nmachine: aarch64-virt\n", 3, "a second document", NULL},
	/* several at once */
	{HEAD "memroy: 1\nengin: soft\n", 3, "unknown key \"memroy\"",
	 "vm.yaml:4: config: unknown key \"engin\""},
	{HEAD "cpus: 0\nmemory: 1Q\n", 3, "cpus 0 is out of range",
	 "vm.yaml:4: memory \"1Q\" is not a size"},
};

static void bad_configs_are_named_with_their_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bads); i++) {
		const struct bad *b = &bads[i];
		struct config c;
		struct diag d;
		char where[32];
		int r = fixture_load(&c, b->yaml, NULL, &d);
		const char *text = sb_str(&d.text);
		snprintf(where, sizeof(where), "vm.yaml:%u: ", b->line);
		if (r == 0)
			fail_msg("case %zu was accepted:\n%s", i, b->yaml);
		if (!strstr(text, b->what) || (b->line && !strstr(text, where)) ||
		    (b->also && !strstr(text, b->also)))
			fail_msg("case %zu:\n%s--- wanted \"%s\" at %s, got\n%s", i, b->yaml,
				 b->what, where, text);
		if (!b->also && d.errors != 1)
			fail_msg("case %zu:\n%s--- wanted one error, got\n%s", i, b->yaml, text);
		sb_free(&d.text);
		config_fini(&c);
	}
}

static void kernel_larger_than_memory_is_refused(void **state)
{
	struct config c;
	struct diag d;
	struct config_overrides o = {.memory = "2M"};
	char path[128];
	(void)state;
	snprintf(path, sizeof(path), "%s/large", fixture_dir());
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(ftruncate(fileno(f), 3 << 20), 0);
	fclose(f);
	assert_true(fixture_load(&c, "machine: aarch64-virt\nkernel: large\n", &o, &d) < 0);
	assert_non_null(strstr(sb_str(&d.text), "vm.yaml:2: kernel "));
	assert_non_null(
		strstr(sb_str(&d.text), "more than the guest's memory of 2M; raise memory:"));
	sb_free(&d.text);
	config_fini(&c);
	assert_true(fixture_load(&c, HEAD "initrd: large\n", &o, &d) < 0);
	assert_non_null(
		strstr(sb_str(&d.text),
		       "vm.yaml:3: kernel (100000 bytes) and initrd (3145728 bytes) do not fit"));
	sb_free(&d.text);
	config_fini(&c);
}

/* The trailer of a gzip file, the header of an arm64 Image: what counts is the size in memory. */
static void kernel_size_is_the_one_in_memory(void **state)
{
	struct config c;
	struct diag d;
	char path[128];
	uint8_t bytes[128] = {0x1f, 0x8b, 8};
	(void)state;
	for (int round = 0; round < 2; round++) {
		memset(bytes, 0, sizeof(bytes));
		if (round == 0) {
			bytes[0] = 0x1f;
			bytes[1] = 0x8b;
			store_le(bytes + 124, 4, 0x20000000);
		} else {
			store_le(bytes + 16, 8, 0x20000000);
			memcpy(bytes + 56, "ARM\x64", 4);
		}
		snprintf(path, sizeof(path), "%s/packed", fixture_dir());
		FILE *f = fopen(path, "we");
		assert_non_null(f);
		assert_int_equal(fwrite(bytes, 1, sizeof(bytes), f), sizeof(bytes));
		fclose(f);
		assert_true(fixture_load(&c, "machine: aarch64-virt\nkernel: packed\n", NULL, &d) <
			    0);
		assert_non_null(
			strstr(sb_str(&d.text),
			       "needs 536870912 bytes, more than the guest's memory of 256M"));
		sb_free(&d.text);
		config_fini(&c);
	}
}

static void overrides_are_named_in_errors(void **state)
{
	static const struct {
		const char *set, *what;
	} c[] = {
		{"memory=x", "--set memory=x: memory \"x\" is not a size"},
		{"memroy=1",
		 "--set memroy=1: config: unknown key \"memroy\"; did you mean \"memory\"?"},
		{"devices.rtc.options.bad=1",
		 "--set devices.rtc.options.bad=1: device rtc: model pl031 has no option \"bad\""},
		{"devices.nobody.irq=1", "no entry of this name or index: nobody"},
		{"memory.x=1", "there is nothing below this key to set: x"},
		{"memory", "not KEY=VALUE"},
		{"=1", "not KEY=VALUE"},
		{"devices.rtc=1", "name a key of this entry"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		struct config cfg;
		struct diag d;
		const char *sets[] = {c[i].set, NULL};
		struct config_overrides o = {.sets = sets};
		int r = fixture_load(
			&cfg, HEAD "memory: 64M\ndevices:\n- name: rtc\n  model: pl031\n", &o, &d);
		if (r == 0 || !strstr(sb_str(&d.text), c[i].what))
			fail_msg("--set %s: \"%s\" lacks \"%s\"", c[i].set, sb_str(&d.text),
				 c[i].what);
		sb_free(&d.text);
		config_fini(&cfg);
	}
}

static void a_missing_or_wrong_config_file_is_named(void **state)
{
	static const struct config_overrides none;
	struct config c;
	struct diag d = {0};
	(void)state;
	assert_true(config_load(&c, "/nonexistent/x.yaml", &none, fixture_models(), &d) < 0);
	assert_string_equal(sb_str(&d.text),
			    "/nonexistent/x.yaml: cannot be read: No such file or directory\n");
	sb_free(&d.text);
	config_fini(&c);
	d = (struct diag){0};
	assert_true(config_load(&c, "/tmp", &none, fixture_models(), &d) < 0);
	assert_string_equal(sb_str(&d.text), "/tmp: is a folder; a YAML file is needed\n");
	sb_free(&d.text);
	config_fini(&c);
}

/* Any cut and any flipped byte of a good config is refused or accepted, never fatal. */
static void damaged_configs_do_no_harm(void **state)
{
	char yaml[] = UART "  options: {chardev: \"null\"}\n- &r {name: r, model: pl031}\n";
	char copy[sizeof(yaml)];
	(void)state;
	for (size_t i = 0; i < sizeof(yaml) - 1; i++) {
		static const char with[] = {0, ':', '{', '\t', '\n', '*', '-', '\x80'};
		for (size_t k = 0; k < sizeof(with); k++) {
			struct config c;
			struct diag d;
			memcpy(copy, yaml, sizeof(yaml));
			copy[i] = with[k];
			fixture_load(&c, copy, NULL, &d);
			sb_free(&d.text);
			config_fini(&c);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_configs_are_named_with_their_line),
		cmocka_unit_test(kernel_larger_than_memory_is_refused),
		cmocka_unit_test(kernel_size_is_the_one_in_memory),
		cmocka_unit_test(overrides_are_named_in_errors),
		cmocka_unit_test(a_missing_or_wrong_config_file_is_named),
		cmocka_unit_test(damaged_configs_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
