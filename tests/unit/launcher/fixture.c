/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/bytes.h"
#include "base/err.h"

static char dir[64];

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void cleanup(void)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void file_make(const char *name, size_t bytes)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
	close(fd);
}

const char *fixture_dir(void)
{
	if (dir[0])
		return dir;
	strcpy(dir, "/tmp/outrigger-test-XXXXXX");
	CHECK(mkdtemp(dir));
	atexit(cleanup);
	file_make("kernel", 100000);
	file_make("initrd", 1000);
	file_make("empty", 0);
	return dir;
}

/* ---- models ---- */

static char *t(const char *s)
{
	return (char *)(uintptr_t)s;
}

static Outrigger__OptionDescription *option(const char *name, const char *type, const char *def)
{
	Outrigger__OptionDescription *o = xalloc(1, sizeof(*o));
	outrigger__option_description__init(o);
	o->name = t(name);
	o->type = t(type);
	o->def = t(def);
	return o;
}

static Outrigger__ModelDescription *describe(const char *name, uint64_t size, uint32_t irqs,
					     bool console)
{
	static char *modes[] = {(char *)(uintptr_t) "fast", (char *)(uintptr_t) "exact"};
	Outrigger__ModelDescription *d = xalloc(1, sizeof(*d));
	Outrigger__RegionDescription *r = xalloc(1, sizeof(*r));
	Outrigger__FdtDescription *f = xalloc(1, sizeof(*f));
	outrigger__model_description__init(d);
	outrigger__region_description__init(r);
	outrigger__fdt_description__init(f);
	f->stdout = console;
	r->name = t("regs");
	r->space = t("mmio");
	r->size = size;
	d->name = t(name);
	d->fdt = f;
	d->irqs = irqs;
	d->n_regions = 1;
	d->regions = xalloc(1, sizeof(*d->regions));
	d->regions[0] = r;
	d->options = xalloc(10, sizeof(*d->options));
	if (console) {
		d->options[d->n_options++] = option("chardev", "chardev", "null");
	} else {
		d->options[d->n_options++] = option("base", "time", "host");
		d->options[d->n_options++] = option("delay", "duration", "");
		d->options[d->n_options++] = option("depth", "u64", "16");
		d->options[d->n_options++] = option("cache", "size", "");
		d->options[d->n_options++] = option("readonly", "bool", "");
		d->options[d->n_options] = option("mode", "enum", "fast");
		d->options[d->n_options]->n_choices = 2;
		d->options[d->n_options++]->choices = modes;
	}
	if (strcmp(name, "uart16") == 0) { /* in either space, its registers as the config says */
		static char *both[] = {(char *)(uintptr_t) "mmio", (char *)(uintptr_t) "pio"};
		r->space = t("pio");
		r->n_spaces = 2;
		r->spaces = both;
		r->shift_option = t("reg-shift");
		r->width_option = t("reg-io-width");
		d->options[d->n_options++] = option("reg-shift", "u64", "0");
		d->options[d->n_options++] = option("reg-io-width", "u64", "1");
	}
	if (strcmp(name, "virtio-blk") == 0) {
		d->options[d->n_options] = option("path", "string", "");
		d->options[d->n_options++]->required = 1;
	}
	return d;
}

const struct models *fixture_models(void)
{
	static struct model items[6];
	static const char *names[7];
	static struct models m = {.items = items, .count = 6, .names = names};
	if (items[0].name)
		return &m;
	items[0] = (struct model){
		.name = t("broken"), .path = t("/bin/broken"), .why = t("ended with exit code 1")};
	items[1] = (struct model){.name = t("hollow"),
				  .path = t("/bin/hollow"),
				  .desc = describe("hollow", 0, 0, false)};
	items[2] = (struct model){.name = t("pl011"),
				  .path = t("/bin/pl011"),
				  .desc = describe("pl011", 4096, 1, true)};
	items[3] = (struct model){.name = t("pl031"),
				  .path = t("/bin/pl031"),
				  .desc = describe("pl031", 4096, 1, false)};
	items[4] = (struct model){.name = t("uart16"),
				  .path = t("/bin/uart16"),
				  .desc = describe("uart16", 8, 1, true)};
	items[5] = (struct model){.name = t("virtio-blk"),
				  .path = t("/bin/blk"),
				  .desc = describe("virtio-blk", 0x200, 1, false)};
	for (size_t i = 0; i < m.count; i++)
		names[i] = items[i].name;
	m.dir = t("/bin");
	return &m;
}

int fixture_load(struct config *c, const char *yaml, const struct config_overrides *o,
		 struct diag *d)
{
	static const struct config_overrides none;
	char path[128];
	snprintf(path, sizeof(path), "%s/vm.yaml", fixture_dir());
	FILE *f = fopen(path, "we");
	CHECK(f && fputs(yaml, f) >= 0 && fclose(f) == 0);
	*d = (struct diag){0};
	return config_load(c, path, o ? o : &none, fixture_models(), d);
}
