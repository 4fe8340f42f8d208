/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Getting an x86 guest into memory. Formats, told apart by their contents: Linux bzImage and ELF vmlinux (Linux
 * Documentation/arch/x86/boot.rst, 64-bit boot protocol), ELF with a PVH entry (Xen docs/misc/pvh.markdown), and multiboot 1
 * (Multiboot Specification 0.6.96) for bare-metal programs.
 */
#include "hv/board.h"
#include "hv/loader.h"

/* Low memory, as the boot code lays it out. What a kernel is given lies below 640 KiB, where every kernel lets it be. */
#define X86_GDT_AT 0x500u
#define X86_PARAMS_AT 0x7000u	   /* boot_params, start_info or multiboot information */
#define X86_PAGE_TABLES_AT 0x9000u /* 6 pages: 4 GiB one to one */
#define X86_CMDLINE_AT 0x20000u
#define X86_MEMMAP_AT 0x8000u
#define X86_EBDA_AT 0x9fc00u /* end of low memory */
#define X86_ACPI_AT 0xe0000u
#define X86_ACPI_END 0x100000u
#define X86_HIGH 0x100000u

/** struct x86_load - a kernel being loaded. */
struct x86_load {
	const struct mem *m;
	const Outrigger__VmConfig *cfg;
	struct loader_src src;
	uint8_t head[8192]; /* of the file */
	uint64_t head_len;
	uint64_t kernel_start, kernel_end; /* with the space that it wants behind itself */
	uint64_t initrd_start, initrd_end;
	uint64_t initrd_max; /* last address it may have */
};

/** struct x86_region - one line of the memory map. */
struct x86_region {
	uint64_t base, size;
	uint32_t type; /* as in e820: 1 RAM, 2 reserved */
};
#define X86_REGIONS_MAX 6u

/** x86_memory_map - the guest's memory map, ascending. How many lines. */
unsigned x86_memory_map(const struct mem *m, struct x86_region ret[X86_REGIONS_MAX]);

/** x86_boot_load - board.load of x86_64-pc. */
int x86_boot_load(const struct mem *m, const struct board_images *in, struct engine_boot *ret,
		  struct err *err);

/* ---- one file each; @l has the head of the kernel. ---- */

/** multiboot_is, bzimage_is - is it one? */
bool multiboot_is(const struct x86_load *l);
bool bzimage_is(const struct x86_load *l);

/** *_load - puts the kernel into memory, sets kernel_start, kernel_end and initrd_max. */
int multiboot_load(struct x86_load *l, struct engine_boot *ret, struct err *err);
int bzimage_load(struct x86_load *l, struct engine_boot *ret, struct err *err);
int elf_load(struct x86_load *l, struct engine_boot *ret, struct err *err);

/** *_finish - once the initramfs has its place: what the kernel is told. */
int multiboot_finish(struct x86_load *l, struct err *err);
int linux_finish(struct x86_load *l, struct engine_boot *ret, struct err *err);
int pvh_finish(struct x86_load *l, struct err *err);
