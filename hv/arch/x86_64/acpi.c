/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/arch/x86_64/acpi.h"
#include "base/bytes.h"
#include "hv/arch/x86_64/aml.h"
#include "hv/arch/x86_64/board.h"
#include "hv/arch/x86_64/boot.h"
#include <errno.h>
#include <stdio.h>

#define TABLES_BYTES (X86_ACPI_END - X86_ACPI_AT)
#define HEADER_BYTES 36u
#define RSDP_BYTES 36u

/* FADT flags, ACPI 6.4, table 5.10. */
#define FADT_WBINVD (1u << 0)
#define FADT_PROC_C1 (1u << 2)
#define FADT_SLP_BUTTON                                                                            \
	(1u << 5) /* no sleep button in the fixed registers; the power button is there */
#define FADT_TMR_VAL_EXT (1u << 8)
#define FADT_RESET_REG (1u << 10)
/* IAPC_BOOT_ARCH, table 5.11. */
#define BOOT_LEGACY_DEVICES (1u << 0)
#define BOOT_8042 (1u << 1)
#define BOOT_NO_VGA (1u << 2)
#define BOOT_NO_CMOS_RTC (1u << 5)

/** struct tables - the tables being written, and where the guest will find them. */
struct tables {
	struct aml out;
	const Outrigger__VmConfig *cfg;
};

static uint32_t here(const struct tables *t)
{
	return X86_ACPI_AT + (uint32_t)t->out.len;
}

static void checksum(uint8_t *p, size_t len, size_t at)
{
	uint8_t sum = 0;
	p[at] = 0;
	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + p[i]);
	p[at] = (uint8_t)-sum;
}

/* 5.2.6: the header of every table but FACS and RSDP. */
static size_t table_begin(struct tables *t, const char *signature, unsigned revision)
{
	struct aml *a = &t->out;
	while (a->len % 16 && !a->full)
		aml_u8(a, 0);
	size_t at = a->len;
	aml_raw(a, signature, 4);
	aml_u32(a, 0);
	aml_u8(a, revision);
	aml_u8(a, 0);
	aml_raw(a, "OUTRIG", 6);
	aml_raw(a, "OUTRIGPC", 8);
	aml_u32(a, 1);
	aml_raw(a, "OUTR", 4);
	aml_u32(a, 1);
	return at;
}

static uint32_t table_end(struct tables *t, size_t at)
{
	struct aml *a = &t->out;
	if (!a->full) {
		store_le(a->buf + at + 4, 4, a->len - at);
		checksum(a->buf + at, a->len - at, 9);
	}
	return X86_ACPI_AT + (uint32_t)at;
}

/* ---- DSDT ---- */

/* What the guest's drivers know a model by. */
struct acpi_id {
	const char *model; /* ends with '*': any that begins so */
	const char *hid;
};

static const struct acpi_id ids[] = {
	{"ns16550", "PNP0501"}, {"rtc-cmos", "PNP0B00"}, {"i8042", "PNP0303"},
	{"pl011", "ARMH0011"},	{"pvpanic", "QEMU0001"}, {"virtio-*", "LNRO0005"},
};

static const char *device_hid(const Outrigger__DeviceConfig *d)
{
	for (unsigned i = 0; i < ARRAY_LEN(ids); i++) {
		size_t n = strlen(ids[i].model);
		bool prefix = ids[i].model[n - 1] == '*';
		if (prefix ? !strncmp(ids[i].model, d->model, n - 1)
			   : !strcmp(ids[i].model, d->model))
			return ids[i].hid;
	}
	return NULL;
}

static void device_resources(struct aml *a, const Outrigger__DeviceConfig *d)
{
	bool edge = d->fdt && d->fdt->irq_type && !strcmp(d->fdt->irq_type, "edge-rising");
	aml_name(a, "_CRS");
	size_t r = aml_resources(a);
	for (size_t i = 0; i < d->n_ranges; i++) {
		const Outrigger__RangeConfig *g = d->ranges[i];
		if (!strcmp(g->space, "pio"))
			aml_io(a, (unsigned)g->address, (unsigned)g->size);
		else
			aml_memory32(a, (uint32_t)g->address, (uint32_t)g->size);
	}
	for (size_t i = 0; i < d->n_irqs; i++)
		/* The interrupts of the old bus are edges (MADT says nothing else of them). */
		aml_interrupt(a, d->irqs[i], edge || d->irqs[i] < 16);
	aml_resources_end(a, r);
}

static void add_device(struct aml *a, const Outrigger__DeviceConfig *d, unsigned index)
{
	const char *hid = device_hid(d);
	char seg[5];
	if (!hid)
		return;
	snprintf(seg, sizeof(seg), "D%03X", index & 0xfffu);
	size_t dev = aml_device(a, seg);
	aml_name(a, "_HID");
	if (!strncmp(hid, "PNP", 3))
		aml_eisaid(a, hid);
	else
		aml_str(a, hid);
	aml_name(a, "_UID");
	aml_int(a, index);
	aml_name(a, "_STR");
	size_t b = aml_resources(a); /* a buffer of UTF-16: built by hand, it has no end tag */
	for (const char *s = d->name; *s; s++)
		aml_u16(a, (uint8_t)*s);
	aml_u16(a, 0);
	if (!a->full)
		store_le(a->buf + b + 4, 2, a->len - (b + 6));
	aml_end(a, b);
	aml_name(a, "_CCA");
	aml_int(a, 1);
	device_resources(a, d);
	aml_end(a, dev);
}

static uint32_t dsdt(struct tables *t)
{
	struct aml *a = &t->out;
	size_t at = table_begin(t, "DSDT", 2);
	aml_name(a, "\\_S5_"); /* 7.3.4.6: SLP_TYPa, SLP_TYPb */
	size_t p = aml_package(a, 4);
	aml_int(a, BOARD_SLP_TYP_S5);
	aml_int(a, BOARD_SLP_TYP_S5);
	aml_int(a, 0);
	aml_int(a, 0);
	aml_end(a, p);
	size_t scope = aml_scope(a, "\\_SB_");
	for (size_t i = 0; i < t->cfg->n_devices; i++)
		add_device(a, t->cfg->devices[i], (unsigned)i);
	aml_end(a, scope);
	return table_end(t, at);
}

/* ---- the others ---- */

/* 5.2.10 */
static uint32_t facs(struct tables *t)
{
	struct aml *a = &t->out;
	while (a->len % 64 && !a->full)
		aml_u8(a, 0);
	uint32_t at = here(t);
	aml_raw(a, "FACS", 4);
	aml_u32(a, 64);
	for (unsigned i = 0; i < 56; i++)
		aml_u8(a, i == 24 ? 2 : 0); /* version */
	return at;
}

static void gas(struct aml *a, unsigned port, unsigned bytes)
{
	aml_u8(a, 1); /* system I/O, 5.2.3.2 */
	aml_u8(a, bytes * 8);
	aml_u8(a, 0);
	aml_u8(a, bytes == 4 ? 3 : bytes);
	aml_u64(a, port);
}

static void gas_none(struct aml *a, unsigned count)
{
	for (unsigned i = 0; i < 12 * count; i++)
		aml_u8(a, 0);
}

static bool has_model(const struct tables *t, const char *model)
{
	for (size_t i = 0; i < t->cfg->n_devices; i++)
		if (!strcmp(t->cfg->devices[i]->model, model))
			return true;
	return false;
}

static void zeros(struct aml *a, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		aml_u8(a, 0);
}

/* 5.2.9. The fixed hardware of a PC is there (pm.h), so it is not "hardware-reduced": Linux then also uses the PIT and the ACPI
 * timer, which old kernels want. */
static uint32_t fadt(struct tables *t, uint32_t facs_at, uint32_t dsdt_at)
{
	struct aml *a = &t->out;
	size_t at = table_begin(t, "FACP", 6);
	aml_u32(a, facs_at);
	aml_u32(a, dsdt_at);
	aml_u8(a, 0);
	aml_u8(a, 0); /* unspecified profile */
	aml_u16(a, BOARD_SCI);
	zeros(a, 8); /* no SMI: always in ACPI mode */
	aml_u32(a, BOARD_PM1_EVT);
	aml_u32(a, 0);
	aml_u32(a, BOARD_PM1_CNT);
	zeros(a, 8);
	aml_u32(a, BOARD_PM_TMR);
	zeros(a, 8); /* no GPE blocks */
	aml_u8(a, 4);
	aml_u8(a, 2);
	aml_u8(a, 0);
	aml_u8(a, 4);
	zeros(a, 4);
	aml_u16(a, 0xfff); /* no C2 */
	aml_u16(a, 0xfff); /* no C3 */
	zeros(a, 8);
	aml_u8(a, has_model(t, "rtc-cmos") ? 0x32 : 0); /* the century's place in the CMOS */
	aml_u16(a, BOOT_LEGACY_DEVICES | BOOT_NO_VGA | (has_model(t, "i8042") ? BOOT_8042 : 0) |
			   (has_model(t, "rtc-cmos") ? 0 : BOOT_NO_CMOS_RTC));
	aml_u8(a, 0);
	aml_u32(a,
		FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_TMR_VAL_EXT | FADT_RESET_REG);
	gas(a, BOARD_RESET_PORT, 1);
	aml_u8(a, BOARD_RESET_VALUE);
	aml_u16(a, 0);
	aml_u8(a, 4); /* minor revision */
	aml_u64(a, 0);
	aml_u64(a, dsdt_at);
	gas(a, BOARD_PM1_EVT, 4);
	gas_none(a, 1);
	gas(a, BOARD_PM1_CNT, 2);
	gas_none(a, 2);
	gas(a, BOARD_PM_TMR, 4);
	gas_none(a, 2 + 2); /* GPE blocks; sleep registers */
	aml_u64(a, 0);
	return table_end(t, at);
}

/* 5.2.12 */
static uint32_t madt(struct tables *t)
{
	struct aml *a = &t->out;
	size_t at = table_begin(t, "APIC", 5);
	aml_u32(a, (uint32_t)BOARD_LAPIC_BASE);
	aml_u32(a, 1); /* there are PICs as well */
	for (unsigned i = 0; i < t->cfg->cpus; i++) {
		aml_u8(a, 0);
		aml_u8(a, 8);
		aml_u8(a, i);
		aml_u8(a, i);
		aml_u32(a, 1);
	}
	aml_u8(a, 1); /* IOAPIC */
	aml_u8(a, 12);
	aml_u8(a, t->cfg->cpus);
	aml_u8(a, 0);
	aml_u32(a, (uint32_t)BOARD_IOAPIC_BASE);
	aml_u32(a, 0);
	static const uint8_t overrides[][3] = {
		{0, 2, 0},		      /* the PIT: pin 2, as the bus has it */
		{BOARD_SCI, BOARD_SCI, 0x0d}, /* level, active high */
	};
	for (unsigned i = 0; i < ARRAY_LEN(overrides); i++) {
		aml_u8(a, 2);
		aml_u8(a, 10);
		aml_u8(a, 0);
		aml_u8(a, overrides[i][0]);
		aml_u32(a, overrides[i][1]);
		aml_u16(a, overrides[i][2]);
	}
	aml_u8(a, 4); /* LINT1 of all: NMI */
	aml_u8(a, 6);
	aml_u8(a, 0xff);
	aml_u16(a, 0);
	aml_u8(a, 1);
	return table_end(t, at);
}

static uint32_t xsdt(struct tables *t, const uint32_t *tables, unsigned n)
{
	size_t at = table_begin(t, "XSDT", 1);
	for (unsigned i = 0; i < n; i++)
		aml_u64(&t->out, tables[i]);
	return table_end(t, at);
}

/* 5.2.5.3, at the start of the area, where it is also found by looking. */
static void rsdp(struct tables *t, uint32_t xsdt_at)
{
	uint8_t *p = t->out.buf;
	memcpy(p, "RSD PTR ", 8);
	memcpy(p + 9, "OUTRIG", 6);
	p[15] = 2;
	store_le(p + 20, 4, RSDP_BYTES);
	store_le(p + 24, 8, xsdt_at);
	checksum(p, 20, 8);
	checksum(p, RSDP_BYTES, 32);
}

int acpi_build(const struct mem *m, const Outrigger__VmConfig *cfg, uint64_t *ret_rsdp,
	       struct err *err)
{
	uint8_t *p = mem_at(m, gpa(X86_ACPI_AT), TABLES_BYTES);
	if (!p)
		return err_set(err, ENOSPC, "no memory for the ACPI tables");
	memset(p, 0, TABLES_BYTES);
	struct tables t = {.out = {.buf = p, .max = TABLES_BYTES, .len = 64}, .cfg = cfg};
	uint32_t facs_at = facs(&t);
	uint32_t dsdt_at = dsdt(&t);
	const uint32_t roots[] = {fadt(&t, facs_at, dsdt_at), madt(&t)};
	uint32_t xsdt_at = xsdt(&t, roots, ARRAY_LEN(roots));
	if (t.out.full)
		return err_set(err, ENOSPC,
			       "the ACPI tables do not fit into %u KiB: too many devices",
			       TABLES_BYTES >> 10);
	rsdp(&t, xsdt_at);
	*ret_rsdp = X86_ACPI_AT;
	return 0;
}
