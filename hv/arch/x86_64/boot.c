/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/arch/x86_64/boot.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "hv/arch/x86_64/board.h"
#include <errno.h>

#define ULL(x) ((unsigned long long)(x))
#define PAGE 4096u
#define MIN_MEMORY (4ull << 20)

unsigned x86_memory_map(const struct mem *m, struct x86_region ret[X86_REGIONS_MAX])
{
	struct mem_block b[MEM_BLOCKS];
	unsigned blocks = mem_blocks(m, b), n = 0;
	ret[n++] = (struct x86_region){0, X86_EBDA_AT, 1};
	ret[n++] = (struct x86_region){X86_EBDA_AT, X86_HIGH - X86_EBDA_AT, 2};
	ret[n++] = (struct x86_region){X86_HIGH, b[0].size - X86_HIGH, 1};
	ret[n++] = (struct x86_region){BOARD_KVM_BASE, 0x4000, 2};
	if (blocks > 1)
		ret[n++] = (struct x86_region){b[1].base, b[1].size, 1};
	return n;
}

/* ---- what is no kernel for us ---- */

/** struct magic - what such a file looks like, and what to tell its owner. */
struct magic {
	unsigned at, len;
	const char *bytes;
	const char *is;
};

static const struct magic foreign[] = {
	{0x38, 4, "ARM\x64", "an arm64 Image; a kernel for x86_64 is needed"},
	{0, 2, "\x1f\x8b",
	 "compressed with gzip; give the bzImage or vmlinux itself (an arm64 "
	 "Image.gz is no kernel for x86_64)"},
	{0, 6,
	 "\xfd"
	 "7zXZ\0",
	 "compressed with xz; a bzImage unpacks itself: give that, or run `xz -d` first"},
	{0, 4, "\x28\xb5\x2f\xfd",
	 "compressed with zstd; a bzImage unpacks itself: give that, or run `zstd -d` first"},
	{0, 6, "070701", "a cpio archive: an initramfs, not a kernel"},
	{0, 2, "MZ", "an EFI program, but no bzImage with the Linux boot protocol"},
};

static int unknown_kernel(const struct x86_load *l, struct err *err)
{
	for (unsigned i = 0; i < ARRAY_LEN(foreign); i++) {
		const struct magic *f = &foreign[i];
		if (f->at + f->len <= l->head_len && !memcmp(l->head + f->at, f->bytes, f->len))
			return err_set(err, ENOEXEC, "the kernel %s is %s", l->src.path, f->is);
	}
	return err_set(err, ENOEXEC,
		       "the kernel %s is of no known kind; a Linux bzImage, an ELF file for x86_64 "
		       "or a multiboot 1 image is needed",
		       l->src.path);
}

/* ---- the initramfs: as high as it may be, for the kernel unpacks itself upwards ---- */

static int load_initrd(struct x86_load *l, int fd, struct err *err)
{
	struct loader_src s;
	struct mem_block b[MEM_BLOCKS];
	mem_blocks(l->m, b);
	int rc = loader_open(&s, fd, l->cfg->initrd_path, "initrd", l->m->size, err);
	if (rc)
		return rc;
	uint64_t top = b[0].size;
	if (l->initrd_max < top - 1)
		top = l->initrd_max + 1;
	uint64_t start = s.size < top ? align_down(top - s.size, PAGE) : 0;
	if (start < align_up(l->kernel_end, PAGE)) {
		rc = err_set(err, EFBIG,
			     "the initrd %s of %llu KiB does not fit: the kernel goes up to "
			     "0x%llx, and the initrd must end below 0x%llx",
			     l->cfg->initrd_path, ULL(s.size >> 10), ULL(l->kernel_end), ULL(top));
	} else {
		l->initrd_start = start;
		l->initrd_end = start + s.size;
		rc = loader_to_mem(&s, 0, s.size, l->m, gpa(start), err);
	}
	loader_close(&s);
	return rc;
}

/* ---- all of it ---- */

static int read_head(struct x86_load *l, struct err *err)
{
	l->head_len = l->src.size < sizeof(l->head) ? l->src.size : sizeof(l->head);
	return loader_read(&l->src, 0, l->head, l->head_len, err);
}

static bool is_elf(const struct x86_load *l)
{
	return l->head_len >= 4 && !memcmp(l->head,
					   "\x7f"
					   "ELF",
					   4);
}

static int load_kind(struct x86_load *l, int initrd_fd, struct engine_boot *b, struct err *err)
{
	int rc = multiboot_is(l) ? multiboot_load(l, b, err)
		 : bzimage_is(l) ? bzimage_load(l, b, err)
		 : is_elf(l)	 ? elf_load(l, b, err)
				 : unknown_kernel(l, err);
	if (!rc && initrd_fd >= 0)
		rc = load_initrd(l, initrd_fd, err);
	if (rc)
		return rc;
	if (multiboot_is(l))
		return multiboot_finish(l, err);
	return b->mode == X86_ENTRY_LONG ? linux_finish(l, b, err) : pvh_finish(l, err);
}

int x86_boot_load(const struct mem *m, const struct board_images *in, struct engine_boot *ret,
		  struct err *err)
{
	struct engine_boot b = {0};
	AUTO_FREE struct x86_load *l = calloc(1, sizeof(*l));
	if (!l)
		return err_set(err, ENOMEM, "out of memory");
	l->m = m;
	l->cfg = in->cfg;
	l->initrd_max = BOARD_HOLE_BASE - 1;
	if (m->size < MIN_MEMORY)
		return err_set(err, EINVAL, "%llu MiB of memory; x86_64-pc needs 4 MiB at least",
			       ULL(m->size >> 20));
	if (in->kernel_fd < 0)
		return err_set(err, EINVAL,
			       "there is no kernel; give one with `kernel:` or --kernel");
	int rc = loader_open(&l->src, in->kernel_fd, in->cfg->kernel_path, "kernel", m->size, err);
	if (rc)
		return rc;
	rc = read_head(l, err);
	if (!rc)
		rc = load_kind(l, in->initrd_fd, &b, err);
	loader_close(&l->src);
	if (!rc)
		*ret = b;
	return rc;
}
