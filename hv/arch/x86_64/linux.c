/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux by its 64-bit boot protocol (Documentation/arch/x86/boot.rst): bzImage, entered at its own decompressor, and ELF
 * vmlinux. And ELF kernels with a PVH entry (Xen docs/misc/pvh.markdown, xen/include/public/arch-x86/hvm/start_info.h).
 */
#include "hv/arch/x86_64/acpi.h"
#include "hv/arch/x86_64/board.h"
#include "hv/arch/x86_64/boot.h"
#include "base/bytes.h"
#include "base/fd.h"
#include <elf.h>
#include <errno.h>

#define ULL(x) ((unsigned long long)(x))
#define MIB2 (2ull << 20)

/* The setup header in file and boot_params, boot.rst, "The Real-Mode Kernel Header". */
#define HDR_START 0x1f1u
#define HDR_SETUP_SECTS 0x1f1u
#define HDR_BOOT_FLAG 0x1feu
#define HDR_JUMP_LEN 0x201u /* the header ends this many bytes after 0x202 */
#define HDR_MAGIC 0x202u
#define HDR_VERSION 0x206u
#define HDR_TYPE_OF_LOADER 0x210u
#define HDR_LOADFLAGS 0x211u
#define HDR_RAMDISK 0x218u
#define HDR_RAMDISK_SIZE 0x21cu
#define HDR_CMDLINE 0x228u
#define HDR_INITRD_MAX 0x22cu
#define HDR_ALIGNMENT 0x230u
#define HDR_RELOCATABLE 0x234u
#define HDR_XLOADFLAGS 0x236u
#define HDR_CMDLINE_SIZE 0x238u
#define HDR_PREF_ADDRESS 0x258u
#define HDR_INIT_SIZE 0x260u
#define HDR_MIN_VERSION 0x20cu /* 64-bit entry and init_size */
#define HDR_FILE_MIN 0x268u
#define LOADED_HIGH 1u
#define XLF_KERNEL_64 1u
#define LOADER_UNDEFINED 0xffu
#define ENTRY_64 0x200u

/* The rest of boot_params, Documentation/arch/x86/zero-page.rst. */
#define ZP_RSDP 0x070u
#define ZP_E820_COUNT 0x1e8u
#define ZP_E820 0x2d0u
#define ZP_E820_ENTRY 20u
#define ZP_BYTES 0x1000u

#define PVH_NOTE 18u /* XEN_ELFNOTE_PHYS32_ENTRY */
#define PVH_MAGIC 0x336ec578u
#define PVH_MODULE_AT (X86_PARAMS_AT + 0x80u)
#define NOTES_MAX 65536u

bool bzimage_is(const struct x86_load *l)
{
	return l->head_len >= HDR_FILE_MIN && load_le(l->head + HDR_BOOT_FLAG, 2) == 0xaa55 &&
	       !memcmp(l->head + HDR_MAGIC, "HdrS", 4);
}

/* Where a relocatable kernel goes: where it wants to, or else as low as it may. */
static uint64_t kernel_place(const struct x86_load *l, uint64_t init_size)
{
	uint64_t pref = load_le(l->head + HDR_PREF_ADDRESS, 8);
	uint64_t align = load_le(l->head + HDR_ALIGNMENT, 4);
	if (!l->head[HDR_RELOCATABLE] || mem_at(l->m, gpa(pref), init_size))
		return pref;
	return align_up(X86_HIGH, is_pow2(align) ? align : MIB2);
}

int bzimage_load(struct x86_load *l, struct engine_boot *ret, struct err *err)
{
	const uint8_t *h = l->head;
	const char *path = l->src.path;
	unsigned version = (unsigned)load_le(h + HDR_VERSION, 2);
	if (version < HDR_MIN_VERSION || !(load_le(h + HDR_XLOADFLAGS, 2) & XLF_KERNEL_64) ||
	    !(h[HDR_LOADFLAGS] & LOADED_HIGH))
		return err_set(err, ENOEXEC,
			       "the kernel %s is a bzImage without a 64-bit entry (boot protocol "
			       "%u.%02u, xloadflags 0x%llx); a 64-bit kernel of Linux 3.8 or "
			       "later is needed",
			       path, version >> 8, version & 0xff,
			       ULL(load_le(h + HDR_XLOADFLAGS, 2)));
	uint64_t setup = ((h[HDR_SETUP_SECTS] ? h[HDR_SETUP_SECTS] : 4u) + 1u) * 512u;
	if (setup >= l->src.size)
		return err_set(err, EPROTO,
			       "the kernel %s is truncated: it ends at %llu bytes, in its setup "
			       "code of %llu",
			       path, ULL(l->src.size), ULL(setup));
	uint64_t init_size = load_le(h + HDR_INIT_SIZE, 4), bytes = l->src.size - setup;
	if (init_size < bytes)
		init_size = bytes;
	l->kernel_start = kernel_place(l, init_size);
	l->kernel_end = l->kernel_start + init_size;
	if (l->kernel_start < X86_HIGH || !mem_at(l->m, gpa(l->kernel_start), init_size))
		return err_set(err, EFBIG,
			       "the kernel %s does not fit: it needs %llu MiB at 0x%llx; the guest "
			       "has %llu MiB of memory",
			       path, ULL(init_size >> 20), ULL(l->kernel_start),
			       ULL(l->m->size >> 20));
	uint64_t max = load_le(h + HDR_INITRD_MAX, 4);
	if (max && max < l->initrd_max)
		l->initrd_max = max;
	size_t cmdline = strlen(l->cfg->cmdline), limit = load_le(h + HDR_CMDLINE_SIZE, 4);
	if (cmdline > limit)
		return err_set(err, EINVAL,
			       "the kernel command line has %zu bytes; this kernel takes %zu",
			       cmdline, limit);
	*ret = (struct engine_boot){.entry = l->kernel_start + ENTRY_64, .mode = X86_ENTRY_LONG};
	return loader_to_mem(&l->src, setup, bytes, l->m, gpa(l->kernel_start), err);
}

/* ---- ELF ---- */

/* Looks through @len bytes of notes. */
static bool note_find(const uint8_t *p, size_t len, uint32_t *ret_entry)
{
	while (len >= 12) {
		uint64_t name = align_up(load_le(p, 4), 4), desc = align_up(load_le(p + 4, 4), 4);
		if (name > len - 12 || desc > len - 12 - name)
			return false;
		if (load_le(p + 8, 4) == PVH_NOTE && load_le(p, 4) == 4 &&
		    !memcmp(p + 12, "Xen", 4) && desc >= 4) {
			*ret_entry = (uint32_t)load_le(p + 12 + name, 4);
			return true;
		}
		p += 12 + name + desc;
		len -= 12 + name + desc;
	}
	return false;
}

/* *@ret_entry: 0 if the file has no PVH entry. */
static int pvh_entry(const struct x86_load *l, uint32_t *ret_entry, struct err *err)
{
	Elf64_Ehdr h;
	*ret_entry = 0;
	int rc = loader_read(&l->src, 0, &h, sizeof(h), err);
	for (unsigned i = 0; i < h.e_phnum && !rc; i++) {
		Elf64_Phdr ph;
		rc = loader_read(&l->src, h.e_phoff + i * sizeof(ph), &ph, sizeof(ph), err);
		if (rc || ph.p_type != PT_NOTE || ph.p_filesz > NOTES_MAX)
			continue;
		AUTO_FREE uint8_t *notes = malloc(ph.p_filesz + 1);
		if (!notes)
			return err_set(err, ENOMEM, "out of memory");
		rc = loader_read(&l->src, ph.p_offset, notes, ph.p_filesz, err);
		if (!rc && note_find(notes, ph.p_filesz, ret_entry))
			break;
	}
	return rc;
}

int elf_load(struct x86_load *l, struct engine_boot *ret, struct err *err)
{
	struct loader_elf e;
	uint32_t pvh = 0;
	int rc = loader_elf64(&l->src, l->m, EM_X86_64, "x86_64", &e, err);
	if (!rc)
		rc = pvh_entry(l, &pvh, err);
	if (rc)
		return rc;
	if (e.start < X86_HIGH)
		return err_set(err, EFBIG,
			       "the kernel %s loads to 0x%llx; below 1 MiB is the machine's own",
			       l->src.path, ULL(e.start));
	l->kernel_start = e.start;
	l->kernel_end = e.end;
	*ret = (struct engine_boot){.entry = e.entry, .mode = X86_ENTRY_LONG};
	if (pvh)
		*ret = (struct engine_boot){
			.entry = pvh, .args = {0, X86_PARAMS_AT}, .mode = X86_ENTRY_PROT};
	return 0;
}

/* ---- what the kernel is told ---- */

static int put_cmdline(const struct x86_load *l, struct err *err)
{
	const char *s = l->cfg->cmdline;
	return mem_write(l->m, gpa(X86_CMDLINE_AT), s, strlen(s) + 1)
		       ? err_set(err, ENOSPC, "no room for the kernel command line")
		       : 0;
}

/* 4 GiB one to one, by pages of 2 MiB: AMD64 Architecture Programmer's Manual 2, 5.3. */
static void put_page_tables(uint8_t *at)
{
	uint64_t pml4 = X86_PAGE_TABLES_AT, pdpt = pml4 + 0x1000, pd = pdpt + 0x1000;
	store_le(at, 8, pdpt | 3);
	for (unsigned i = 0; i < 4; i++) {
		store_le(at + 0x1000 + i * 8, 8, (pd + i * 0x1000) | 3);
		for (unsigned k = 0; k < 512; k++)
			store_le(at + 0x2000 + i * 0x1000 + k * 8, 8,
				 (uint64_t)i << 30 | (uint64_t)k << 21 | 0x83);
	}
}

static void put_gdt(uint8_t *at)
{
	store_le(at + X86_GDT_CODE, 8, 0x00af9b000000ffffull);
	store_le(at + X86_GDT_DATA, 8, 0x00cf93000000ffffull);
}

static void put_e820(const struct x86_load *l, uint8_t *zp)
{
	struct x86_region r[X86_REGIONS_MAX];
	unsigned n = x86_memory_map(l->m, r);
	zp[ZP_E820_COUNT] = (uint8_t)n;
	for (unsigned i = 0; i < n; i++) {
		uint8_t *e = zp + ZP_E820 + i * ZP_E820_ENTRY;
		store_le(e, 8, r[i].base);
		store_le(e + 8, 8, r[i].size);
		store_le(e + 16, 4, r[i].type);
	}
}

int linux_finish(struct x86_load *l, struct engine_boot *ret, struct err *err)
{
	uint64_t rsdp = 0;
	uint8_t *zp = mem_at(l->m, gpa(X86_PARAMS_AT), ZP_BYTES);
	uint8_t *tables = mem_at(l->m, gpa(X86_PAGE_TABLES_AT), 6 * 4096);
	uint8_t *gdt = mem_at(l->m, gpa(X86_GDT_AT), 8 * X86_GDT_ENTRIES);
	int rc = put_cmdline(l, err);
	if (!rc)
		rc = acpi_build(l->m, l->cfg, &rsdp, err);
	if (rc)
		return rc;
	if (bzimage_is(l)) {
		unsigned end = HDR_MAGIC + l->head[HDR_JUMP_LEN];
		memcpy(zp + HDR_START, l->head + HDR_START, end - HDR_START);
	} else {
		store_le(zp + HDR_BOOT_FLAG, 2, 0xaa55);
		memcpy(zp + HDR_MAGIC, "HdrS", 4);
		store_le(zp + HDR_VERSION, 2, HDR_MIN_VERSION);
		store_le(zp + HDR_ALIGNMENT, 4, MIB2);
	}
	zp[HDR_TYPE_OF_LOADER] = LOADER_UNDEFINED;
	store_le(zp + HDR_CMDLINE, 4, X86_CMDLINE_AT);
	store_le(zp + HDR_RAMDISK, 4, l->initrd_start);
	store_le(zp + HDR_RAMDISK_SIZE, 4, l->initrd_end - l->initrd_start);
	store_le(zp + ZP_RSDP, 8, rsdp);
	put_e820(l, zp);
	put_page_tables(tables);
	put_gdt(gdt);
	ret->args[0] = X86_PARAMS_AT;
	ret->args[1] = X86_PAGE_TABLES_AT;
	ret->args[2] = X86_GDT_AT;
	return 0;
}

int pvh_finish(struct x86_load *l, struct err *err)
{
	struct x86_region r[X86_REGIONS_MAX];
	uint64_t rsdp = 0;
	uint8_t *info = mem_at(l->m, gpa(X86_PARAMS_AT), 0x1000);
	uint8_t *map = mem_at(l->m, gpa(X86_MEMMAP_AT), 0x1000);
	int rc = put_cmdline(l, err);
	if (!rc)
		rc = acpi_build(l->m, l->cfg, &rsdp, err);
	if (rc)
		return rc;
	bool initrd = l->initrd_end > l->initrd_start;
	unsigned n = x86_memory_map(l->m, r);
	store_le(info, 4, PVH_MAGIC);
	store_le(info + 4, 4, 1); /* version: has the memory map */
	store_le(info + 12, 4, initrd);
	store_le(info + 16, 8, initrd ? PVH_MODULE_AT : 0);
	store_le(info + 24, 8, X86_CMDLINE_AT);
	store_le(info + 32, 8, rsdp);
	store_le(info + 40, 8, X86_MEMMAP_AT);
	store_le(info + 48, 4, n);
	uint8_t *module = info + (PVH_MODULE_AT - X86_PARAMS_AT);
	store_le(module, 8, l->initrd_start);
	store_le(module + 8, 8, l->initrd_end - l->initrd_start);
	for (unsigned i = 0; i < n; i++, map += 24) {
		store_le(map, 8, r[i].base);
		store_le(map + 8, 8, r[i].size);
		store_le(map + 16, 4, r[i].type);
	}
	return 0;
}
