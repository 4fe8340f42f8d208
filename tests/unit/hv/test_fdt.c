/* SPDX-License-Identifier: Apache-2.0 */
/* The device tree, read back with libfdt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>
#include "base/fd.h"
#include "hv/arch/aarch64/fdt.h"

static void *text(const char *s)
{
	return (void *)(uintptr_t)s;
}

/* A UART with a clock and a level interrupt, and a transport with an edge one. */
struct machine {
	Outrigger__DeviceConfig dev[2], *devs[2];
	Outrigger__RangeConfig range[2], *ranges[2];
	Outrigger__FdtDescription fdt[2];
	uint32_t irq[2];
	char *compat[2], *clocks[2];
	struct fdt_config cfg;
};

static void machine_make(struct machine *m)
{
	memset(m, 0, sizeof(*m));
	for (unsigned i = 0; i < 2; i++) {
		outrigger__device_config__init(&m->dev[i]);
		outrigger__range_config__init(&m->range[i]);
		outrigger__fdt_description__init(&m->fdt[i]);
		m->devs[i] = &m->dev[i];
		m->ranges[i] = &m->range[i];
		m->range[i].space = text("mmio");
		m->dev[i].n_ranges = 1;
		m->dev[i].ranges = &m->ranges[i];
		m->dev[i].fdt = &m->fdt[i];
		m->dev[i].n_irqs = 1;
		m->dev[i].irqs = &m->irq[i];
		m->fdt[i].n_compatible = 1;
		m->fdt[i].compatible = &m->compat[i];
	}
	m->range[0].address = 0x09000000;
	m->range[0].size = 0x1000;
	m->dev[0].name = text("uart0");
	m->irq[0] = 1;
	m->fdt[0].node = text("pl011");
	m->fdt[0].stdout = 1;
	m->fdt[0].irq_type = text("level-high");
	m->compat[0] = text("arm,pl011");
	m->clocks[0] = text("uartclk");
	m->clocks[1] = text("apb_pclk");
	m->fdt[0].n_clock_names = 2;
	m->fdt[0].clock_names = m->clocks;
	m->range[1].address = 0x0a000000;
	m->range[1].size = 0x200;
	m->dev[1].name = text("disk0");
	m->irq[1] = 16;
	m->fdt[1].node = text("virtio_mmio");
	m->fdt[1].irq_type = text("edge-rising");
	m->fdt[1].dma_coherent = 1;
	m->compat[1] = text("virtio,mmio");
	m->cfg = (struct fdt_config){.ram_base = 0x40000000,
				     .ram_size = 256ull << 20,
				     .cpus = 18,
				     .bootargs = "console=ttyAMA0",
				     .initrd_start = 0x48000000,
				     .initrd_end = 0x48123456,
				     .n_devices = 2,
				     .devices = m->devs};
}

static const char *str(const void *t, const char *path, const char *name)
{
	int n = fdt_path_offset(t, path);
	if (n < 0)
		fail_msg("no node %s", path);
	const char *v = fdt_getprop(t, n, name, NULL);
	if (!v)
		fail_msg("no %s in %s", name, path);
	return v;
}

static uint32_t cell(const void *t, const char *path, const char *name, unsigned i)
{
	int len;
	int n = fdt_path_offset(t, path);
	const fdt32_t *v = n < 0 ? NULL : fdt_getprop(t, n, name, &len);
	if (!v || (unsigned)len < (i + 1) * 4)
		fail_msg("no cell %u of %s in %s", i, name, path);
	return fdt32_to_cpu(v[i]);
}

static bool flag(const void *t, const char *path, const char *name)
{
	return fdt_getprop(t, fdt_path_offset(t, path), name, NULL) != NULL;
}

static void properties_come_from_the_model_and_its_options(void **state)
{
	(void)state;
	struct machine m;
	struct err err = {0};
	AUTO_FREE void *t = NULL;
	AUTO_FREE void *u = NULL;
	size_t size;
	Outrigger__FdtProp p[2], *ps[2] = {&p[0], &p[1]};
	Outrigger__OptionValue o, *os = &o;
	machine_make(&m);
	for (unsigned i = 0; i < 2; i++)
		outrigger__fdt_prop__init(&p[i]);
	outrigger__option_value__init(&o);
	p[0].name = text("clock-frequency");
	p[0].value = 1843200;
	p[1].name = p[1].option = o.name = text("reg-shift");
	o.value = text("2");
	m.fdt[0].n_props = 2;
	m.fdt[0].props = ps;
	m.dev[0].n_options = 1;
	m.dev[0].options = &os;
	assert_int_equal(fdt_build(&m.cfg, &t, &size, &err), 0);
	assert_int_equal(cell(t, "/pl011@9000000", "clock-frequency", 0), 1843200);
	assert_int_equal(cell(t, "/pl011@9000000", "reg-shift", 0), 2);
	static const char *const bad[] = {"", "two", "0x100000000", "2x"};
	for (unsigned i = 0; i < 4; i++) {
		o.value = text(bad[i]);
		assert_true(fdt_build(&m.cfg, &u, &size, &err) < 0);
		assert_non_null(strstr(err.msg, "uart0"));
		assert_non_null(strstr(err.msg, "reg-shift"));
	}
	m.dev[0].n_options = 0; /* no such option */
	assert_true(fdt_build(&m.cfg, &u, &size, &err) < 0);
	/* What is in I/O ports is not in a device tree's memory. */
	m.dev[0].n_options = 1;
	m.range[0].space = text("pio");
	assert_int_equal(fdt_build(&m.cfg, &u, &size, &err), 0);
	assert_true(fdt_path_offset(u, "/pl011@9000000") < 0);
}

static void tree_describes_the_machine(void **state)
{
	(void)state;
	struct machine m;
	struct err err = {0};
	AUTO_FREE void *t = NULL;
	size_t size;
	machine_make(&m);
	assert_int_equal(fdt_build(&m.cfg, &t, &size, &err), 0);
	assert_int_equal(fdt_check_full(t, size), 0);
	assert_string_equal(str(t, "/", "compatible"), "linux,dummy-virt");
	assert_string_equal(str(t, "/chosen", "bootargs"), "console=ttyAMA0");
	assert_string_equal(str(t, "/chosen", "stdout-path"), "/pl011@9000000");
	assert_string_equal(str(t, "/aliases", "serial0"), "/pl011@9000000");
	assert_int_equal(cell(t, "/chosen", "linux,initrd-start", 1), 0x48000000);
	assert_int_equal(cell(t, "/chosen", "linux,initrd-end", 1), 0x48123456);
	assert_true(flag(t, "/chosen", "rng-seed"));
	assert_false(flag(t, "/chosen", "kaslr-seed"));
	assert_int_equal(cell(t, "/memory@40000000", "reg", 1), 0x40000000);
	assert_int_equal(cell(t, "/memory@40000000", "reg", 3), 256 << 20);
	assert_string_equal(str(t, "/psci", "method"), "hvc");
	assert_string_equal(str(t, "/cpus/cpu@0", "enable-method"), "psci");
	assert_int_equal(cell(t, "/cpus/cpu@f", "reg", 0), 15);
	assert_int_equal(cell(t, "/cpus/cpu@101", "reg", 0), 0x101); /* the 18th: Aff1 = 1 */
	assert_int_equal(cell(t, "/timer", "interrupts", 1), 13);
	assert_int_equal(cell(t, "/timer", "interrupts", 4), 14);
	assert_int_equal(cell(t, "/timer", "interrupts", 7), 11);
	assert_int_equal(cell(t, "/timer", "interrupts", 10), 10);
	assert_true(flag(t, "/timer", "always-on"));
	assert_string_equal(str(t, "/intc@8000000", "compatible"), "arm,gic-v3");
	assert_int_equal(cell(t, "/intc@8000000", "reg", 5), 0x080a0000);
	assert_int_equal(cell(t, "/intc@8000000", "reg", 7), 18 * 0x20000);
	assert_int_equal(cell(t, "/", "interrupt-parent", 0),
			 cell(t, "/intc@8000000", "phandle", 0));
	assert_int_equal(cell(t, "/apb-pclk", "clock-frequency", 0), 24000000);
}

static void devices_have_their_addresses_interrupts_and_clocks(void **state)
{
	(void)state;
	struct machine m;
	struct err err = {0};
	AUTO_FREE void *t = NULL;
	size_t size;
	machine_make(&m);
	assert_int_equal(fdt_build(&m.cfg, &t, &size, &err), 0);
	const char *uart = "/pl011@9000000", *disk = "/virtio_mmio@a000000";
	assert_int_equal(cell(t, uart, "reg", 1), 0x09000000);
	assert_int_equal(cell(t, uart, "reg", 3), 0x1000);
	assert_int_equal(cell(t, uart, "interrupts", 0), 0);
	assert_int_equal(cell(t, uart, "interrupts", 1), 1);
	assert_int_equal(cell(t, uart, "interrupts", 2), 4);
	assert_int_equal(cell(t, uart, "clocks", 1), cell(t, "/apb-pclk", "phandle", 0));
	assert_memory_equal(str(t, uart, "clock-names"), "uartclk\0apb_pclk", 17);
	assert_false(flag(t, uart, "dma-coherent"));
	assert_int_equal(cell(t, disk, "interrupts", 1), 16);
	assert_int_equal(cell(t, disk, "interrupts", 2), 1);
	assert_true(flag(t, disk, "dma-coherent"));
	m.fdt[1].hidden = 1;
	m.fdt[0].stdout = 0;
	AUTO_FREE void *u = NULL;
	assert_int_equal(fdt_build(&m.cfg, &u, &size, &err), 0);
	assert_true(fdt_path_offset(u, disk) < 0);
	assert_false(flag(u, "/chosen", "stdout-path"));
}

static void seed_differs_each_time(void **state)
{
	(void)state;
	struct machine m;
	struct err err = {0};
	AUTO_FREE void *a = NULL;
	AUTO_FREE void *b = NULL;
	size_t size;
	machine_make(&m);
	assert_int_equal(fdt_build(&m.cfg, &a, &size, &err), 0);
	assert_int_equal(fdt_build(&m.cfg, &b, &size, &err), 0);
	assert_memory_not_equal(str(a, "/chosen", "rng-seed"), str(b, "/chosen", "rng-seed"), 32);
}

static void unusable_description_is_refused_by_name(void **state)
{
	(void)state;
	struct machine m;
	struct err err = {0};
	void *t = NULL;
	size_t size;
	machine_make(&m);
	m.fdt[1].node = text("a/b");
	assert_true(fdt_build(&m.cfg, &t, &size, &err) < 0);
	assert_non_null(strstr(err.msg, "disk0"));
	machine_make(&m);
	m.fdt[1].n_compatible = 0;
	assert_true(fdt_build(&m.cfg, &t, &size, &err) < 0);
	machine_make(&m);
	char *huge = calloc(1, 5000);
	assert_non_null(huge);
	memset(huge, 'x', 4999);
	m.compat[1] = huge;
	assert_true(fdt_build(&m.cfg, &t, &size, &err) < 0);
	free(huge);
	assert_null(t);
}

static void many_devices_make_a_larger_tree(void **state)
{
	(void)state;
	enum { MANY = 64 };
	static Outrigger__RangeConfig range[MANY], *range_ptr[MANY];
	static Outrigger__DeviceConfig dev[MANY], *devs[MANY];
	struct machine m;
	struct err err = {0};
	AUTO_FREE void *t = NULL;
	size_t size;
	machine_make(&m);
	for (unsigned i = 0; i < MANY; i++) {
		dev[i] = m.dev[1];
		range[i] = m.range[1];
		range[i].address += i * 0x200;
		range_ptr[i] = &range[i];
		dev[i].ranges = &range_ptr[i];
		devs[i] = &dev[i];
	}
	static char args[2048];
	memset(args, 'a', sizeof(args) - 1);
	m.cfg.bootargs = args;
	m.cfg.cpus = 64;
	m.cfg.n_devices = MANY;
	m.cfg.devices = devs;
	assert_int_equal(fdt_build(&m.cfg, &t, &size, &err), 0);
	assert_int_equal(fdt_check_full(t, size), 0);
	assert_true(fdt_path_offset(t, "/virtio_mmio@a007e00") > 0);
	assert_string_equal(str(t, "/chosen", "bootargs"), args);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tree_describes_the_machine),
		cmocka_unit_test(properties_come_from_the_model_and_its_options),
		cmocka_unit_test(devices_have_their_addresses_interrupts_and_clocks),
		cmocka_unit_test(seed_differs_each_time),
		cmocka_unit_test(unusable_description_is_refused_by_name),
		cmocka_unit_test(many_devices_make_a_larger_tree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
