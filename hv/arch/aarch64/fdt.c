/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/arch/aarch64/fdt.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "hv/arch/aarch64/board.h"
#include "hv/arch/aarch64/boot.h"
#include "hv/arch/aarch64/psci.h"
#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define PHANDLE_GIC 1u
#define PHANDLE_CLOCK 2u
/* Interrupt specifiers of the GIC binding: type, number, flags. */
#define GIC_SPI 0u
#define GIC_PPI 1u
#define IRQ_EDGE_RISING 1u
#define IRQ_LEVEL_HIGH 4u
#define NODE_NAME 64u

/** struct tree - a tree being written. The first error stays; later calls do nothing. */
struct tree {
	void *buf;
	int rc; /* of libfdt */
};

static void begin(struct tree *t, const char *name)
{
	if (!t->rc)
		t->rc = fdt_begin_node(t->buf, name);
}

static void end(struct tree *t)
{
	if (!t->rc)
		t->rc = fdt_end_node(t->buf);
}

static void prop(struct tree *t, const char *name, const void *val, size_t len)
{
	if (!t->rc)
		t->rc = fdt_property(t->buf, name, val, (int)len);
}

static void prop_str(struct tree *t, const char *name, const char *val)
{
	prop(t, name, val, strlen(val) + 1);
}

static void prop_flag(struct tree *t, const char *name)
{
	prop(t, name, NULL, 0);
}

static void prop_u64(struct tree *t, const char *name, uint64_t v)
{
	fdt64_t be = cpu_to_fdt64(v);
	prop(t, name, &be, sizeof(be));
}

#define PROP_CELLS_MAX (4 * LIMIT_LINES + 4 * LIMIT_RANGES)

static void prop_cells(struct tree *t, const char *name, const uint32_t *cells, size_t count)
{
	fdt32_t be[PROP_CELLS_MAX];
	CHECK(count <= ARRAY_LEN(be));
	for (size_t i = 0; i < count; i++)
		be[i] = cpu_to_fdt32(cells[i]);
	prop(t, name, be, count * sizeof(be[0]));
}

#define CELLS(t, name, ...)                                                                        \
	prop_cells(t, name, (const uint32_t[]){__VA_ARGS__},                                       \
		   sizeof((const uint32_t[]){__VA_ARGS__}) / 4)
#define HI(v) ((uint32_t)((uint64_t)(v) >> 32))
#define LO(v) ((uint32_t)(v))

/* A property that is a list of strings. */
static void prop_strs(struct tree *t, const char *name, char *const *strs, size_t count)
{
	char buf[1024];
	size_t len = 0;
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(strs[i]) + 1;
		if (n > sizeof(buf) - len) {
			t->rc = t->rc ? t->rc : -FDT_ERR_BADVALUE;
			return;
		}
		memcpy(buf + len, strs[i], n);
		len += n;
	}
	prop(t, name, buf, len);
}

static void add_cpus(struct tree *t, unsigned cpus)
{
	begin(t, "cpus");
	CELLS(t, "#address-cells", 1);
	CELLS(t, "#size-cells", 0);
	for (unsigned i = 0; i < cpus; i++) {
		char name[NODE_NAME];
		uint32_t mpidr = (uint32_t)psci_index_mpidr(i);
		snprintf(name, sizeof(name), "cpu@%x", mpidr);
		begin(t, name);
		prop_str(t, "device_type", "cpu");
		prop_str(t, "compatible", "arm,armv8");
		prop_str(t, "enable-method", "psci");
		CELLS(t, "reg", mpidr);
		end(t);
	}
	end(t);
}

static void add_psci(struct tree *t)
{
	static const char compat[] = "arm,psci-1.0\0arm,psci-0.2\0arm,psci";
	begin(t, "psci");
	prop(t, "compatible", compat, sizeof(compat));
	prop_str(t, "method", "hvc");
	/* SMC64 function numbers, for readers of "arm,psci" (0.1). */
	CELLS(t, "cpu_suspend", 0xc4000001);
	CELLS(t, "cpu_off", 0x84000002);
	CELLS(t, "cpu_on", 0xc4000003);
	CELLS(t, "migrate", 0xc4000005);
	end(t);
}

static void add_timer(struct tree *t)
{
	static const char compat[] = "arm,armv8-timer\0arm,armv7-timer";
	begin(t, "timer");
	prop(t, "compatible", compat, sizeof(compat));
	CELLS(t, "interrupts", GIC_PPI, BOARD_PPI_CNTP_S - 16, IRQ_LEVEL_HIGH, GIC_PPI,
	      BOARD_PPI_CNTP_NS - 16, IRQ_LEVEL_HIGH, GIC_PPI, BOARD_PPI_CNTV - 16, IRQ_LEVEL_HIGH,
	      GIC_PPI, BOARD_PPI_CNTHP - 16, IRQ_LEVEL_HIGH);
	prop_flag(t, "always-on");
	end(t);
}

static void add_gic(struct tree *t, unsigned cpus)
{
	char name[NODE_NAME];
	uint64_t gicr = cpus * BOARD_GICR_SIZE_PER_CPU;
	snprintf(name, sizeof(name), "intc@%llx", BOARD_GICD_BASE);
	begin(t, name);
	prop_str(t, "compatible", "arm,gic-v3");
	CELLS(t, "#interrupt-cells", 3);
	CELLS(t, "#address-cells", 2);
	CELLS(t, "#size-cells", 2);
	prop_flag(t, "ranges");
	prop_flag(t, "interrupt-controller");
	CELLS(t, "#redistributor-regions", 1);
	CELLS(t, "reg", HI(BOARD_GICD_BASE), LO(BOARD_GICD_BASE), HI(BOARD_GICD_SIZE),
	      LO(BOARD_GICD_SIZE), HI(BOARD_GICR_BASE), LO(BOARD_GICR_BASE), HI(gicr), LO(gicr));
	CELLS(t, "phandle", PHANDLE_GIC);
	end(t);
}

static void add_clock(struct tree *t)
{
	begin(t, "apb-pclk");
	prop_str(t, "compatible", "fixed-clock");
	CELLS(t, "#clock-cells", 0);
	CELLS(t, "clock-frequency", BOARD_APB_PCLK_HZ);
	prop_str(t, "clock-output-names", "clk24mhz");
	CELLS(t, "phandle", PHANDLE_CLOCK);
	end(t);
}

static bool shown(const Outrigger__DeviceConfig *d)
{
	return d->fdt && !d->fdt->hidden && d->fdt->node && d->fdt->node[0] && d->n_ranges &&
	       strcmp(d->ranges[0]->space, "pio") != 0;
}

static void device_name(const Outrigger__DeviceConfig *d, char name[NODE_NAME])
{
	snprintf(name, NODE_NAME, "%.31s@%llx", d->fdt->node,
		 (unsigned long long)d->ranges[0]->address);
}

/* The value of a property of one cell: fixed, or an option's. -EINVAL: there is no such number. */
static int prop_value(const Outrigger__DeviceConfig *d, const Outrigger__FdtProp *p, uint32_t *ret)
{
	*ret = p->value;
	if (!p->option || !p->option[0])
		return 0;
	for (size_t i = 0; i < d->n_options; i++) {
		char *end;
		if (strcmp(d->options[i]->name, p->option) != 0)
			continue;
		errno = 0;
		unsigned long long v = strtoull(d->options[i]->value, &end, 0);
		if (errno || end == d->options[i]->value || *end || v > UINT32_MAX)
			return -EINVAL;
		*ret = (uint32_t)v;
		return 0;
	}
	return -EINVAL;
}

static void add_device(struct tree *t, const Outrigger__DeviceConfig *d)
{
	const Outrigger__FdtDescription *f = d->fdt;
	uint32_t cells[PROP_CELLS_MAX];
	char name[NODE_NAME];
	size_t n = 0;
	device_name(d, name);
	begin(t, name);
	prop_strs(t, "compatible", f->compatible, f->n_compatible);
	for (size_t i = 0; i < d->n_ranges; i++) {
		const Outrigger__RangeConfig *r = d->ranges[i];
		cells[n++] = HI(r->address);
		cells[n++] = LO(r->address);
		cells[n++] = HI(r->size);
		cells[n++] = LO(r->size);
	}
	prop_cells(t, "reg", cells, n);
	n = 0;
	for (size_t i = 0; i < d->n_irqs; i++) {
		cells[n++] = GIC_SPI;
		cells[n++] = d->irqs[i];
		cells[n++] = f->irq_type && !strcmp(f->irq_type, "edge-rising") ? IRQ_EDGE_RISING
										: IRQ_LEVEL_HIGH;
	}
	if (n)
		prop_cells(t, "interrupts", cells, n);
	if (f->n_clock_names) {
		for (n = 0; n < f->n_clock_names; n++)
			cells[n] = PHANDLE_CLOCK;
		prop_cells(t, "clocks", cells, n);
		prop_strs(t, "clock-names", f->clock_names, f->n_clock_names);
	}
	for (size_t i = 0; i < f->n_props; i++) {
		uint32_t v = 0;
		CHECK(!prop_value(d, f->props[i], &v)); /* check_devices() has seen it */
		CELLS(t, f->props[i]->name, v);
	}
	if (f->dma_coherent)
		prop_flag(t, "dma-coherent");
	end(t);
}

/* The path of the first device that can be the console, "" if there is none. */
static void stdout_path(const struct fdt_config *cfg, char path[NODE_NAME + 1])
{
	path[0] = 0;
	for (size_t i = 0; i < cfg->n_devices && !path[0]; i++)
		if (shown(cfg->devices[i]) && cfg->devices[i]->fdt->stdout) {
			path[0] = '/';
			device_name(cfg->devices[i], path + 1);
		}
}

static void add_chosen(struct tree *t, const struct fdt_config *cfg, const char *console)
{
	uint8_t seed[32];
	begin(t, "chosen");
	if (cfg->bootargs[0])
		prop_str(t, "bootargs", cfg->bootargs);
	if (console[0])
		prop_str(t, "stdout-path", console);
	if (cfg->initrd_start != cfg->initrd_end) {
		prop_u64(t, "linux,initrd-start", cfg->initrd_start);
		prop_u64(t, "linux,initrd-end", cfg->initrd_end);
	}
	if (getrandom(seed, sizeof(seed), 0) == (ssize_t)sizeof(seed))
		prop(t, "rng-seed", seed, sizeof(seed));
	end(t);
}

static void add_root(struct tree *t, const struct fdt_config *cfg)
{
	char console[NODE_NAME + 1], name[NODE_NAME];
	stdout_path(cfg, console);
	begin(t, "");
	prop_str(t, "compatible", "linux,dummy-virt");
	prop_str(t, "model", "linux,dummy-virt");
	CELLS(t, "#address-cells", 2);
	CELLS(t, "#size-cells", 2);
	CELLS(t, "interrupt-parent", PHANDLE_GIC);
	add_chosen(t, cfg, console);
	if (console[0]) {
		begin(t, "aliases");
		prop_str(t, "serial0", console);
		end(t);
	}
	snprintf(name, sizeof(name), "memory@%llx", (unsigned long long)cfg->ram_base);
	begin(t, name);
	prop_str(t, "device_type", "memory");
	CELLS(t, "reg", HI(cfg->ram_base), LO(cfg->ram_base), HI(cfg->ram_size), LO(cfg->ram_size));
	end(t);
	add_psci(t);
	add_cpus(t, cfg->cpus);
	add_timer(t);
	add_gic(t, cfg->cpus);
	add_clock(t);
	for (size_t i = 0; i < cfg->n_devices; i++)
		if (shown(cfg->devices[i]))
			add_device(t, cfg->devices[i]);
	end(t);
}

static int check_devices(const struct fdt_config *cfg, struct err *err)
{
	for (size_t i = 0; i < cfg->n_devices; i++) {
		const Outrigger__DeviceConfig *d = cfg->devices[i];
		if (!shown(d))
			continue;
		const Outrigger__FdtDescription *f = d->fdt;
		if (!f->n_compatible || f->n_clock_names > LIMIT_RANGES ||
		    d->n_irqs > LIMIT_LINES || d->n_ranges > LIMIT_RANGES || strchr(f->node, '/') ||
		    strchr(f->node, '@'))
			return err_set(err, EINVAL,
				       "%s: its device-tree description is not usable (node "
				       "\"%s\", %zu compatible strings, %zu clocks)",
				       d->name, f->node, f->n_compatible, f->n_clock_names);
		for (size_t k = 0; k < f->n_props; k++) {
			uint32_t v;
			const Outrigger__FdtProp *p = f->props[k];
			if (!p->name[0] || strlen(p->name) > LIMIT_NAME || prop_value(d, p, &v))
				return err_set(
					err, EINVAL,
					"%s: its device-tree property \"%.31s\" has no value "
					"of 32 bits; option \"%.31s\" is to give it",
					d->name, p->name, p->option);
		}
	}
	return 0;
}

int fdt_build(const struct fdt_config *cfg, void **ret, size_t *ret_size, struct err *err)
{
	int rc = check_devices(cfg, err);
	if (rc)
		return rc;
	for (size_t size = 16 * 1024; size <= BOOT_DTB_MAX; size *= 2) {
		AUTO_FREE void *buf = calloc(1, size);
		if (!buf)
			return err_set(err, ENOMEM, "out of memory for the device tree");
		struct tree t = {.buf = buf};
		t.rc = fdt_create(buf, (int)size);
		if (!t.rc)
			t.rc = fdt_finish_reservemap(buf);
		add_root(&t, cfg);
		if (!t.rc)
			t.rc = fdt_finish(buf);
		if (t.rc == -FDT_ERR_NOSPACE)
			continue;
		if (t.rc)
			return err_set(err, EINVAL, "cannot make the device tree: %s",
				       fdt_strerror(t.rc));
		*ret_size = fdt_totalsize(buf);
		*ret = ptr_steal(buf);
		return 0;
	}
	return err_set(err, EFBIG, "the device tree would be over 2 MiB");
}
