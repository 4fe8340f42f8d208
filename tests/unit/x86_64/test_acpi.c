/* SPDX-License-Identifier: Apache-2.0 */
/* The ACPI tables: their checksums and pointers, and what ACPICA's disassembler reads in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/bytes.h"
#include "base/fd.h"
#include "hv/arch/x86_64/acpi.h"
#include "hv/arch/x86_64/boot.h"

#define DEVICES 4u

static struct mem ram;
static Outrigger__VmConfig cfg;
static Outrigger__DeviceConfig dev[LIMIT_DEVICES], *devs[LIMIT_DEVICES];
static Outrigger__RangeConfig range[LIMIT_DEVICES], *ranges[LIMIT_DEVICES];
static uint32_t irq[LIMIT_DEVICES];

static void *text(const char *s)
{
	return (void *)(uintptr_t)s;
}

static void device(unsigned i, const char *name, const char *model, const char *space, uint64_t at,
		   uint64_t size, uint32_t line)
{
	outrigger__device_config__init(&dev[i]);
	outrigger__range_config__init(&range[i]);
	devs[i] = &dev[i];
	ranges[i] = &range[i];
	range[i].space = text(space);
	range[i].address = at;
	range[i].size = size;
	irq[i] = line;
	dev[i].name = text(name);
	dev[i].model = text(model);
	dev[i].n_ranges = 1;
	dev[i].ranges = &ranges[i];
	dev[i].n_irqs = line != 0;
	dev[i].irqs = &irq[i];
}

static int setup(void **state)
{
	struct err err;
	(void)state;
	outrigger__vm_config__init(&cfg);
	device(0, "uart0", "ns16550", "pio", 0x3f8, 8, 4);
	device(1, "rtc", "rtc-cmos", "pio", 0x70, 2, 8);
	device(2, "disk0", "virtio-blk", "mmio", 0xd0000000, 0x200, 16);
	device(3, "secret", "no-such-model", "mmio", 0xd0001000, 0x1000, 17);
	cfg.n_devices = DEVICES;
	cfg.devices = devs;
	cfg.cpus = 3;
	return mem_init(&ram, gpa(0), 16u << 20, &err);
}

static int teardown(void **state)
{
	(void)state;
	mem_fini(&ram);
	return 0;
}

static uint8_t sum(const uint8_t *p, size_t n)
{
	uint8_t s = 0;
	while (n--)
		s = (uint8_t)(s + *p++);
	return s;
}

static const uint8_t *at(uint64_t a)
{
	assert_true(a >= X86_ACPI_AT && a < X86_ACPI_END);
	return mem_at(&ram, gpa(a), 64);
}

static const uint8_t *table(uint64_t a, const char *signature)
{
	const uint8_t *p = at(a);
	assert_memory_equal(p, signature, 4);
	assert_int_equal(sum(p, load_le(p + 4, 4)), 0);
	return p;
}

static const uint8_t *build(void)
{
	uint64_t rsdp = 0;
	struct err err = {0};
	assert_int_equal(acpi_build(&ram, &cfg, &rsdp, &err), 0);
	const uint8_t *p = at(rsdp);
	assert_memory_equal(p, "RSD PTR ", 8);
	assert_int_equal(sum(p, 20), 0);
	assert_int_equal(sum(p, 36), 0);
	return table(load_le(p + 24, 8), "XSDT");
}

static void tables_are_whole(void **state)
{
	(void)state;
	const uint8_t *x = build();
	assert_int_equal(load_le(x + 4, 4), 36 + 2 * 8);
	const uint8_t *fadt = table(load_le(x + 36, 8), "FACP");
	assert_int_equal(load_le(fadt + 4, 4), 276);
	table(load_le(fadt + 40, 4), "DSDT");
	assert_int_equal(load_le(fadt + 140, 8), load_le(fadt + 40, 4));
	const uint8_t *facs = at(load_le(fadt + 36, 4));
	assert_memory_equal(facs, "FACS", 4);
	assert_int_equal(load_le(fadt + 36, 4) % 64, 0);
	assert_int_equal(load_le(fadt + 76, 4), 0x608); /* PM timer */
	assert_int_equal(load_le(fadt + 120, 8), 0xcf9);
}

static void every_processor_is_in_the_madt(void **state)
{
	(void)state;
	const uint8_t *x = build(), *m = table(load_le(x + 44, 8), "APIC");
	size_t len = load_le(m + 4, 4), i = 44;
	unsigned cpus = 0, ioapics = 0;
	for (; i < len; i += m[i + 1]) {
		assert_true(m[i + 1] >= 2);
		cpus += m[i] == 0;
		ioapics += m[i] == 1;
		if (m[i] == 0)
			assert_int_equal(m[i + 3], cpus - 1);
	}
	assert_int_equal(i, len);
	assert_int_equal(cpus, 3);
	assert_int_equal(ioapics, 1);
}

/* Writes table @p to FOLDER/name.dat and has it disassembled to name.dsl, which is then read. */
static char *disassemble(const char *folder, const char *name, const uint8_t *p)
{
	char path[256], cmd[700];
	snprintf(path, sizeof(path), "%s/%s.dat", folder, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, load_le(p + 4, 4), f), load_le(p + 4, 4));
	fclose(f);
	snprintf(cmd, sizeof(cmd), "cd %s && iasl -d %s.dat >%s.out 2>&1", folder, name, name);
	int rc = system(cmd);
	snprintf(path, sizeof(path), "%s/%s.dsl", folder, name);
	char *out = calloc(1, 65536);
	f = fopen(path, "r");
	if (!f || rc)
		fail_msg("iasl does not read %s", name);
	assert_non_null(out);
	assert_true(fread(out, 1, 65535, f) > 0);
	fclose(f);
	return out;
}

#define HAS(text, what)                                                                            \
	do {                                                                                       \
		if (!strstr(text, what))                                                           \
			fail_msg("not in it: %s\n%s", what, text);                                 \
	} while (0)

static void acpica_reads_them(void **state)
{
	(void)state;
	char folder[] = "/tmp/outrigger-acpi-XXXXXX", cmd[64];
	if (system("command -v iasl >/dev/null")) {
		print_message("SKIP: iasl is not installed (package acpica-tools)\n");
		skip();
	}
	assert_non_null(mkdtemp(folder));
	const uint8_t *x = build(), *fadt = table(load_le(x + 36, 8), "FACP");
	AUTO_FREE char *dsdt = disassemble(folder, "dsdt", table(load_le(fadt + 40, 4), "DSDT"));
	HAS(dsdt, "Name (_HID, EisaId (\"PNP0501\")");
	HAS(dsdt, "Name (_HID, EisaId (\"PNP0B00\")");
	HAS(dsdt, "Name (_HID, \"LNRO0005\")");
	HAS(dsdt, "0x03F8,             // Range Minimum");
	HAS(dsdt, "0xD0000000,         // Address Base");
	HAS(dsdt, "0x00000200,         // Address Length");
	HAS(dsdt, "Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive");
	HAS(dsdt, "0x00000010,");
	HAS(dsdt, "Unicode (\"disk0\")");
	HAS(dsdt, "Name (\\_S5");
	if (strstr(dsdt, "secret"))
		fail_msg("a model that no driver knows is in the DSDT");
	AUTO_FREE char *facp = disassemble(folder, "facp", fadt);
	HAS(facp, "Reset Register Supported (V2) : 1");
	HAS(facp, "Control Method Power Button (V1) : 0");
	HAS(facp, "Hardware Reduced (V5) : 0");
	AUTO_FREE char *apic = disassemble(folder, "apic", table(load_le(x + 44, 8), "APIC"));
	HAS(apic, "Subtable Type : 02 [Interrupt Source Override]");
	if (strstr(facp, "rror") || strstr(apic, "rror"))
		fail_msg("iasl finds errors:\n%s\n%s", facp, apic);
	/* And back: what was disassembled compiles without an error. */
	snprintf(cmd, sizeof(cmd), "cd %s && iasl dsdt.dsl >dsdt.out 2>&1", folder);
	if (system(cmd))
		fail_msg("iasl does not compile what it read (%s)", folder);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", folder);
	assert_int_equal(system(cmd), 0);
}

static void more_devices_than_fit_are_an_error(void **state)
{
	(void)state;
	static Outrigger__DeviceConfig *many[4096];
	struct err err = {0};
	uint64_t rsdp;
	for (unsigned i = 0; i < ARRAY_LEN(many); i++)
		many[i] = &dev[2];
	cfg.devices = many;
	cfg.n_devices = LIMIT_DEVICES; /* the most that a config can have: they fit */
	assert_int_equal(acpi_build(&ram, &cfg, &rsdp, &err), 0);
	cfg.n_devices = ARRAY_LEN(many);
	assert_true(acpi_build(&ram, &cfg, &rsdp, &err) < 0);
	assert_non_null(strstr(err.msg, "do not fit"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tables_are_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(every_processor_is_in_the_madt, setup, teardown),
		cmocka_unit_test_setup_teardown(acpica_reads_them, setup, teardown),
		cmocka_unit_test_setup_teardown(more_devices_than_fit_are_an_error, setup,
						teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
