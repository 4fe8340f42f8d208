/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fixture.h"

static void load_ok(struct config *c, const char *yaml, const struct config_overrides *o)
{
	struct diag d;
	if (fixture_load(c, yaml, o, &d) != 0)
		fail_msg("unexpected errors:\n%s", sb_str(&d.text));
	sb_free(&d.text);
}

static void defaults_are_the_boards(void **state)
{
	struct config c;
	(void)state;
	load_ok(&c,
		"machine: aarch64-virt\nkernel: kernel\ninitrd: initrd\ndevices:\n"
		"- {name: uart0, model: pl011}\n- {name: rtc, model: pl031}\n- {name: d0, model: "
		"virtio-blk, options: {path: x}}\n"
		"- {name: d1, model: virtio-blk, options: {path: y}}\n",
		NULL);
	assert_string_equal(c.name, "vm");
	assert_string_equal(c.engine, "auto");
	assert_string_equal(c.on_unclaimed, "abort");
	assert_int_equal(c.cpus, 1);
	assert_int_equal(c.memory_bytes, 256 << 20);
	assert_int_equal(c.ndevices, 4);
	assert_int_equal(c.devices[0].ranges[0].base, 0x09000000);
	assert_int_equal(c.devices[0].irqs[0], 1);
	assert_int_equal(c.devices[1].ranges[0].base, 0x09010000);
	assert_int_equal(c.devices[1].irqs[0], 2);
	assert_int_equal(c.devices[2].ranges[0].base, 0x0a000000);
	assert_int_equal(c.devices[2].irqs[0], 16);
	assert_int_equal(c.devices[3].ranges[0].base, 0x0a000200);
	assert_int_equal(c.devices[3].irqs[0], 17);
	assert_int_equal(c.devices[0].restart.limit, RESTART_LIMIT);
	assert_int_equal(c.devices[0].restart.backoff_ns, RESTART_BACKOFF_NS);
	assert_int_equal(c.devices[0].restart.window_ns, RESTART_WINDOW_NS);
	assert_string_equal(config_value(&c.devices[0], "chardev"), "console");
	assert_string_equal(config_value(&c.devices[1], "base"), "host");
	assert_string_equal(config_value(&c.devices[3], "path"), "y");
	assert_int_equal(config_console_device(&c), 0);
	assert_null(strstr(c.kernel, "//"));
	config_fini(&c);
}

static void values_reach_the_models_in_plain_units(void **state)
{
	struct config c;
	(void)state;
	load_ok(&c,
		"machine: aarch64-virt\nname: n1\nengine: soft\ncpus: 0x2\nmemory: 1G\nkernel: "
		"kernel\non_unclaimed: stop\n"
		"timeout: 90\ncmdline: a b\ndevices:\n- name: rtc\n  model: pl031\n  address: "
		"0x0b000000\n  irq: 40\n"
		"  deadline: 500ms\n  on_failure: restart\n  then: stop\n  restart_limit: 0x20\n"
		"  restart_backoff: 1s\n  restart_window: 2m\n  options:\n    base: "
		"2026-01-31T12:00:00Z\n    delay: 2ms\n    depth: 0x10\n"
		"    cache: 64K\n    readonly: yes\n    mode: exact\n",
		NULL);
	const struct config_device *dev = &c.devices[0];
	assert_string_equal(c.name, "n1");
	assert_int_equal(c.cpus, 2);
	assert_int_equal(c.memory_bytes, 1 << 30);
	assert_int_equal(c.timeout_ns, 90000000000);
	assert_string_equal(c.on_unclaimed, "stop");
	assert_string_equal(c.cmdline, "a b");
	assert_int_equal(dev->ranges[0].base, 0x0b000000);
	assert_int_equal(dev->irqs[0], 40);
	assert_int_equal(dev->deadline_ns, 500000000);
	assert_string_equal(dev->on_failure, "restart");
	assert_string_equal(dev->then, "stop");
	assert_int_equal(dev->restart.limit, 32);
	assert_int_equal(dev->restart.backoff_ns, 1000000000);
	assert_int_equal(dev->restart.window_ns, 120000000000);
	assert_string_equal(config_value(dev, "delay"), "2000000ns");
	assert_string_equal(config_value(dev, "depth"), "16");
	assert_string_equal(config_value(dev, "cache"), "65536");
	assert_string_equal(config_value(dev, "readonly"), "true");
	assert_string_equal(config_value(dev, "mode"), "exact");
	config_fini(&c);
}

static void overrides_win_over_the_file(void **state)
{
	struct config c;
	static const char *const sets[] = {"devices.uart0.options.chardev=null", "devices.1.irq=77",
					   "memory=64M", NULL};
	struct config_overrides o = {.sets = sets,
				     .initrd = "none",
				     .append = "c d",
				     .cpus = "3",
				     .memory = "32M",
				     .name = "x",
				     .timeout = "1.5"};
	(void)state;
	load_ok(&c,
		"machine: aarch64-virt\nmemory: 1G\nkernel: kernel\ninitrd: initrd\ncmdline: a "
		"b\ndevices:\n"
		"- {name: uart0, model: pl011}\n- {name: rtc, model: pl031}\n",
		&o);
	assert_int_equal(c.memory_bytes, 32 << 20);
	assert_int_equal(c.cpus, 3);
	assert_null(c.initrd);
	assert_string_equal(c.cmdline, "a b c d");
	assert_string_equal(c.name, "x");
	assert_int_equal(c.timeout_ns, 1500000000);
	assert_string_equal(config_value(&c.devices[0], "chardev"), "null");
	assert_int_equal(c.devices[1].irqs[0], 77);
	config_fini(&c);
}

static void console_pty_becomes_the_first_uarts(void **state)
{
	struct config c;
	struct config_overrides o = {.console = "pty"};
	(void)state;
	load_ok(&c,
		"machine: aarch64-virt\nkernel: kernel\ndevices:\n- {name: rtc, model: pl031}\n- "
		"{name: u0, model: pl011}\n"
		"- {name: u1, model: pl011}\n",
		&o);
	assert_int_equal(config_console_device(&c), 1);
	assert_string_equal(config_value(&c.devices[1], "chardev"), "pty");
	assert_string_equal(config_value(&c.devices[2], "chardev"), "console");
	assert_int_equal(c.devices[2].ranges[0].base, 0x09040000);
	config_fini(&c);
}

/* A machine with I/O ports, which the config's word for it does not know: the devices are resolved again for it. */
static const struct machine_block pc_blocks[] = {{"the interrupt controller", 0x20, 2, true},
						 {NULL, 0, 0, false}};
static const struct machine_slot pc_slots[] = {{"uart16", 0x3f8, 4, true},
					       {"uart16", 0x2f8, 3, true},
					       {"uart16", 0x0a000000, 7, false},
					       {NULL, 0, 0, false}};
static const struct machine pc = {.name = "pc",
				  .ram_base = 0,
				  .ram_max = 1ull << 40,
				  .address_bits = 46,
				  .pio = true,
				  .spi_count = 24,
				  .blocks = pc_blocks,
				  .slots = pc_slots};

static void load_on_pc(struct config *c, const char *yaml, struct diag *ret)
{
	struct diag d;
	fixture_load(c, yaml, NULL, &d); /* aarch64-virt may refuse it */
	sb_free(&d.text);
	*ret = (struct diag){.file = c->path};
	c->machine = &pc;
	c->memory_bytes = 64 << 20;
	for (size_t i = 0; i < c->ndevices; i++) {
		config_device_fini(&c->devices[i]);
		c->devices[i] = (struct config_device){0};
		config_device_resolve(c, i, fixture_models(), ret);
	}
	config_layout_check(c, ret);
}

#define DEVS "machine: aarch64-virt\nkernel: kernel\ndevices:\n"

static void ports_are_the_default_where_model_and_machine_have_them(void **state)
{
	(void)state;
	struct config c;
	struct diag d;
	load_on_pc(&c,
		   DEVS "- {name: a, model: uart16}\n- {name: b, model: uart16}\n"
			"- {name: c, model: uart16, space: mmio}\n"
			"- {name: d, model: uart16, space: pio, address: 0xfff8, irq: 9}\n"
			"- {name: e, model: uart16, space: mmio, address: 0x0b000000, irq: 8, "
			"options: {reg-shift: 2, reg-io-width: 4}}\n",
		   &d);
	if (d.errors)
		fail_msg("%s", sb_str(&d.text));
	static const struct {
		uint64_t base, size;
		bool pio;
		uint32_t irq;
	} want[] = {{0x3f8, 8, true, 4},
		    {0x2f8, 8, true, 3},
		    {0x0a000000, 8, false, 7},
		    {0xfff8, 8, true, 9},
		    {0x0b000000, 32, false, 8}};
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(c.devices[i].ranges[0].base, want[i].base);
		assert_int_equal(c.devices[i].ranges[0].size, want[i].size);
		assert_int_equal(c.devices[i].ranges[0].pio, want[i].pio);
		assert_int_equal(c.devices[i].irqs[0], want[i].irq);
	}
	AUTO_SB map = {0};
	config_layout_print(&c, &map);
	assert_non_null(strstr(sb_str(&map), "port   0x03f8"));
	config_fini(&c);
}

static void on_pc_wrong(const char *yaml, const char *says)
{
	struct config c;
	struct diag d;
	load_on_pc(&c, yaml, &d);
	if (!d.errors || !strstr(sb_str(&d.text), says))
		fail_msg("\"%s\" does not say \"%s\"", sb_str(&d.text), says);
	sb_free(&d.text);
	config_fini(&c);
}

static void ports_that_cannot_be_are_refused(void **state)
{
	(void)state;
	on_pc_wrong(DEVS "- {name: a, model: uart16, address: 0x10000, irq: 1}\n",
		    "device a: ports 0x10000 to 0x10007 go beyond the last one, 0xffff");
	on_pc_wrong(
		DEVS "- {name: a, model: uart16}\n- {name: b, model: uart16, address: 0x3f8, "
		     "irq: 9}\n",
		"devices a (ports 0x3f8 to 0x3ff, line 4) and b (ports 0x3f8 to 0x3ff) overlap");
	on_pc_wrong(DEVS "- {name: a, model: pl031, space: pio, address: 0x70, irq: 8}\n",
		    "device a: region regs of model pl031 cannot be in I/O ports");
	on_pc_wrong(DEVS "- {name: a, model: uart16, space: mmio, address: 0x0b000000, irq: 1, "
			 "options: {reg-shift: 9}}\n",
		    "device a: option reg-shift: 9 is too much; 0 to 8");
	on_pc_wrong(DEVS "- {name: a, model: uart16, space: mmio, address: 0x0b000000, irq: 1, "
			 "options: {reg-io-width: 4}}\n",
		    "device a: option reg-io-width: 4; registers that are 1 bytes apart");
}

static void a_machine_without_ports_takes_the_model_in_memory(void **state)
{
	(void)state;
	struct config c;
	load_ok(&c,
		DEVS "- {name: a, model: uart16, address: 0x0b000000, irq: 1, options: {reg-shift: "
		     "2}}\n",
		NULL);
	assert_int_equal(c.devices[0].ranges[0].size, 32);
	assert_false(c.devices[0].ranges[0].pio);
	config_fini(&c);
}

static void anchors_and_empty_lists_are_yaml(void **state)
{
	struct config c;
	(void)state;
	load_ok(&c, "machine: aarch64-virt\nkernel: &k kernel\ninitrd: *k\ndevices:\n", NULL);
	assert_int_equal(c.ndevices, 0);
	assert_string_equal(c.kernel, c.initrd);
	config_fini(&c);
}

static void chardevs(void **state)
{
	enum chardev_kind kind;
	const char *path;
	struct err err;
	(void)state;
	assert_int_equal(chardev_parse("file:a:b", &kind, &path, &err), 0);
	assert_int_equal(kind, CHARDEV_FILE);
	assert_string_equal(path, "a:b");
	assert_int_equal(chardev_parse("pty", &kind, &path, &err), 0);
	assert_null(path);
	assert_true(chardev_parse("file:", &kind, &path, &err) < 0);
	assert_true(chardev_parse("pty:x", &kind, &path, &err) < 0);
	assert_true(chardev_parse("tcp:1", &kind, &path, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_the_boards),
		cmocka_unit_test(values_reach_the_models_in_plain_units),
		cmocka_unit_test(overrides_win_over_the_file),
		cmocka_unit_test(console_pty_becomes_the_first_uarts),
		cmocka_unit_test(ports_are_the_default_where_model_and_machine_have_them),
		cmocka_unit_test(ports_that_cannot_be_are_refused),
		cmocka_unit_test(a_machine_without_ports_takes_the_model_in_memory),
		cmocka_unit_test(anchors_and_empty_lists_are_yaml),
		cmocka_unit_test(chardevs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
