/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "hv/config.h"
#include "hv/engine_table.h"
#include "hv/arch/fake/fake.h"
#include "proto/limits.h"

static Outrigger__VmConfig c;
static Outrigger__DeviceConfig dev[2], *devs[2];
static Outrigger__RangeConfig range, *ranges[9];
static Outrigger__BackendFd backend, *backends[1];

static void *text(const char *s)
{
	return (void *)(uintptr_t)s;
}

static void make(void)
{
	outrigger__vm_config__init(&c);
	outrigger__range_config__init(&range);
	outrigger__backend_fd__init(&backend);
	c.name = text("vm");
	c.machine = text("aarch64-virt");
	c.cpus = 1;
	c.memory_bytes = 64 << 20;
	c.runtime_dir = text("/run/x");
	c.initrd_fd_index = c.dtb_out_fd_index = -1;
	c.n_devices = 2;
	c.devices = devs;
	range.space = text("mmio");
	range.size = 0x1000;
	backends[0] = &backend;
	for (unsigned i = 0; i < 9; i++)
		ranges[i] = &range;
	for (unsigned i = 0; i < 2; i++) {
		outrigger__device_config__init(&dev[i]);
		devs[i] = &dev[i];
		dev[i].name = text(i ? "rtc0" : "uart0");
		dev[i].model = text("pl011");
		dev[i].token = text(i ? "0123456789abcdef0123456789abcdef"
				      : "0123456789abcdef0123456789abcdee");
		dev[i].n_ranges = 1;
		dev[i].ranges = ranges;
		dev[i].backends = backends;
	}
}

#define BAD(change, says)                                                                          \
	do {                                                                                       \
		struct err e = {0};                                                                \
		make();                                                                            \
		change;                                                                            \
		assert_true(config_check(&c, 1, &e) < 0);                                          \
		if (!strstr(e.msg, says))                                                          \
			fail_msg("\"%s\" does not say \"%s\"", e.msg, says);                       \
	} while (0)

static void each_wrong_value_is_refused_with_its_reason(void **state)
{
	(void)state;
	static char name[64];
	memset(name, 'n', 40);
	static char path[200];
	memset(path, 'p', 150);
	static char line[LIMIT_CMDLINE + 2];
	memset(line, 'l', LIMIT_CMDLINE + 1);
	struct err err = {0};
	make();
	assert_int_equal(config_check(&c, 1, &err), 0);
	BAD(c.name = text("../x"), "VM name");
	BAD(c.name = text(""), "VM name");
	BAD(c.name = name, "VM name");
	BAD(c.machine = text("pc"), "\"pc\" is unknown");
	BAD(c.cpus = 0, "0 CPUs");
	BAD(c.cpus = 65, "65 CPUs");
	BAD(c.memory_bytes = 0, "bytes of memory");
	BAD(c.memory_bytes = (64 << 20) + 4096, "multiple of 2 MiB");
	BAD(c.memory_bytes = 1ull << 40, "bytes of memory");
	BAD(c.cmdline = line, "command line");
	BAD(c.n_devices = 65, "65 devices");
	BAD(c.runtime_dir = path, "too long");
	BAD(c.runtime_dir = text(""), "empty");
	BAD(c.on_unclaimed = text("explode"), "explode");
	BAD(c.kernel_fd_index = 1, "index 1");
	BAD(c.initrd_fd_index = -2, "index -2");
	BAD(dev[1].name = text("uart0"), "two devices are named uart0");
	BAD(dev[1].token = dev[0].token, "same dock token");
	BAD(dev[1].token = text("short"), "rtc0");
	BAD(dev[1].model = text("a b"), "model name");
	BAD(dev[1].n_ranges = 0, "rtc0: 0 ranges");
	BAD(dev[1].n_ranges = 9, "9 ranges");
	BAD(dev[1].n_irqs = 17, "17 interrupts");
	BAD(dev[1].shadow_pages = 17, "17 shadow pages");
	BAD(dev[1].state_bytes = 2 << 20, "bytes of state");
	BAD((dev[1].on_failure = text("restart"), dev[1].then = text("restart")), "restart");
	BAD(dev[1].on_failure = text("pray"), "\"pray\" is unknown");
	BAD(dev[1].on_failure = text("pray"), "rtc0: on_failure: \"pray\" is unknown");
	BAD(dev[1].deadline_ns = UINT64_MAX, "deadline");
	BAD((dev[1].n_backends = 1, backend.fd_index = 5), "index 5");
	BAD(range.space = text("io"), "\"io\" is unknown");
	BAD(range.space = text("pio"), "no port I/O");
	BAD(range.size = 1ull << 33, "4 GiB");
}

static void engine_that_is_not_built_in_is_an_error(void **state)
{
	(void)state;
	const struct engine_ops *e = NULL;
	const char *why;
	struct err err = {0};
	assert_true(engine_choose("kvm", "aarch64", &e, &why, &err) < 0);
	assert_non_null(strstr(err.msg, "kvm"));
	assert_non_null(strstr(err.msg, "not in this build"));
	assert_null(e);
	engine_register(&fake_engine);
	assert_int_equal(engine_choose("fake", "aarch64", &e, &why, &err), 0);
	assert_ptr_equal(e, &fake_engine);
	assert_null(engine_find("soft", "aarch64")); /* main.c brings it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_wrong_value_is_refused_with_its_reason),
		cmocka_unit_test(engine_that_is_not_built_in_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
