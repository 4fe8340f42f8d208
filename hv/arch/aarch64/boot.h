/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Getting an AArch64 guest into memory: which kind of kernel it is, where kernel, initramfs and
 * device tree go. Source: Linux Documentation/arm64/booting.rst; for raw programs and ELF files,
 * where QEMU's `virt` puts things.
 */
#include <stdint.h>
#include "base/err.h"
#include "hv/mem.h"

/** struct boot_source - what to load. Descriptors are borrowed; -1 = none (no kernel is an error).
 */
struct boot_source {
	int kernel_fd, initrd_fd;
	const char *kernel_path, *initrd_path; /* for messages */
};

/** struct boot_layout - guest-physical addresses of what was loaded. Ends are exclusive; start ==
 * end: none. */
struct boot_layout {
	uint64_t entry;
	uint64_t kernel_start, kernel_end; /* with the space an Image wants after itself */
	uint64_t initrd_start, initrd_end;
	uint64_t dtb;	    /* 0 until boot_place_dtb() */
	const char *format; /* "Image", "Image.gz", "ELF", "raw", static string */
};

#define BOOT_DTB_MAX (2u << 20)
#define BOOT_RAW_OFFSET 0x80000u

/** boot_load - loads kernel and initramfs. 0 and *@ret; -Exxx with @err for a person: not for this
 * architecture, damaged, truncated, larger than memory. Memory may then hold parts of the files. */
int boot_load(const struct mem *m, const struct boot_source *src, struct boot_layout *ret,
	      struct err *err);

/** boot_place_dtb - copies the device tree of @size bytes to a free place and sets @l->dtb. -EFBIG:
 * over 2 MiB; -ENOSPC: there is no room left. */
int boot_place_dtb(const struct mem *m, struct boot_layout *l, const void *dtb, uint64_t size,
		   struct err *err);
