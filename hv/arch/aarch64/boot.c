/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/arch/aarch64/boot.h"
#include "base/bytes.h"
#include "hv/loader.h"
#include <elf.h>
#include <errno.h>

#define ULL(x) ((unsigned long long)(x))
#define MIB2 (2ull << 20)
/* Where the initramfs goes at best: far enough for any kernel, as on QEMU's `virt`. */
#define INITRD_OFFSET (128ull << 20)

/* The arm64 Image header, booting.rst. */
#define IMAGE_HEADER 64u
#define IMAGE_MAGIC_AT 0x38
#define IMAGE_MAGIC "ARM\x64"
#define IMAGE_FLAG_BE 1u
#define IMAGE_OLD_TEXT_OFFSET 0x80000u /* what a header with image_size 0 means */

struct image_header {
	uint64_t text_offset, image_size, flags;
};

/** struct magic - what a file that is no kernel for us looks like, and what to tell its owner. */
struct magic {
	unsigned at, len;
	const char *bytes;
	const char *is;
};

static const struct magic foreign[] = {
	{0x202, 4, "HdrS", "an x86 bzImage; an arm64 kernel is needed"},
	{0x24, 4, "\x18\x28\x6f\x01", "a 32-bit ARM zImage; an arm64 kernel is needed"},
	{0x24, 4, "\x01\x6f\x28\x18", "a big-endian 32-bit ARM zImage; an arm64 kernel is needed"},
	{0x38, 4, "RSC\x05", "a RISC-V Image; an arm64 kernel is needed"},
	{4, 4, "zimg",
	 "a compressed EFI image (zboot); give the Image or Image.gz it was made from"},
	{0, 6,
	 "\xfd"
	 "7zXZ\0",
	 "compressed with xz; only gzip is unpacked: run `xz -d` first"},
	{0, 4, "\x28\xb5\x2f\xfd",
	 "compressed with zstd; only gzip is unpacked: run `zstd -d` first"},
	{0, 3, "BZh", "compressed with bzip2; only gzip is unpacked: run `bzip2 -d` first"},
	{0, 4, "\x02\x21\x4c\x18",
	 "compressed with lz4; only gzip is unpacked: run `lz4 -d` first"},
	{0, 4, "\x04\x22\x4d\x18",
	 "compressed with lz4; only gzip is unpacked: run `lz4 -d` first"},
	{0, 4, "\x27\x05\x19\x56", "a U-Boot uImage; give the Image inside it"},
	{0, 4, "\xd0\x0d\xfe\xed", "a device tree or FIT image, not a kernel"},
	{0, 6, "070701", "a cpio archive: an initramfs, not a kernel"},
};

static const char *foreign_kind(const uint8_t *head, uint64_t len)
{
	for (unsigned i = 0; i < ARRAY_LEN(foreign); i++) {
		const struct magic *f = &foreign[i];
		if (f->at + f->len <= len && !memcmp(head + f->at, f->bytes, f->len))
			return f->is;
	}
	return NULL;
}

static bool is_image(const uint8_t *head, uint64_t len)
{
	return len >= IMAGE_HEADER && !memcmp(head + IMAGE_MAGIC_AT, IMAGE_MAGIC, 4);
}

/* Checks an Image header and decides where the Image goes. */
static int image_place(const struct loader_src *s, const struct mem *m, const uint8_t *head,
		       struct boot_layout *l, struct err *err)
{
	struct image_header h = {
		.text_offset = load_le(head + 8, 8),
		.image_size = load_le(head + 16, 8),
		.flags = load_le(head + 24, 8),
	};
	if (h.flags & IMAGE_FLAG_BE)
		return err_set(err, ENOEXEC,
			       "the kernel %s is big-endian; a little-endian one is needed",
			       s->path);
	if (!h.image_size)
		h.text_offset = IMAGE_OLD_TEXT_OFFSET;
	if (h.text_offset >= m->size || h.image_size > m->size - h.text_offset)
		return err_set(err, EFBIG,
			       "the kernel %s needs %llu MiB at offset 0x%llx; the guest has %llu "
			       "MiB of memory",
			       s->path, ULL((h.image_size + (1 << 20) - 1) >> 20),
			       ULL(h.text_offset), ULL(m->size >> 20));
	l->kernel_start = align_up(m->base.v, MIB2) + h.text_offset;
	l->kernel_end = l->kernel_start + h.image_size;
	l->entry = l->kernel_start;
	if (!mem_at(m, gpa(l->kernel_start), h.image_size))
		return err_set(err, EFBIG, "the kernel %s does not fit into %llu MiB of memory",
			       s->path, ULL(m->size >> 20));
	return 0;
}

/* The file's bytes can go beyond image_size (a signature); both count. */
static void image_extend(struct boot_layout *l, uint64_t bytes)
{
	if (l->kernel_end < l->kernel_start + bytes)
		l->kernel_end = l->kernel_start + bytes;
}

static int load_image(const struct loader_src *s, const struct mem *m, const uint8_t *head,
		      struct boot_layout *l, struct err *err)
{
	l->format = "Image";
	int rc = image_place(s, m, head, l, err);
	if (rc)
		return rc;
	image_extend(l, s->size);
	return loader_to_mem(s, 0, s->size, m, gpa(l->kernel_start), err);
}

static int unpack_image(const struct loader_src *s, struct loader_gz *g, const struct mem *m,
			struct boot_layout *l, struct err *err)
{
	uint8_t head[1024];
	int64_t n = loader_gz_read(g, head, sizeof(head), err);
	if (n < 0)
		return (int)n;
	if (!is_image(head, (uint64_t)n)) {
		const char *kind = foreign_kind(head, (uint64_t)n);
		return err_set(err, ENOEXEC,
			       "the kernel %s is a gzip file without an arm64 Image inside%s%s",
			       s->path, kind ? "; it is " : "", kind ? kind : "");
	}
	int rc = image_place(s, m, head, l, err);
	if (rc)
		return rc;
	uint64_t room = m->base.v + m->size - l->kernel_start;
	uint8_t *p = mem_at(m, gpa(l->kernel_start), room);
	if (!p || (uint64_t)n > room)
		return err_set(err, EFBIG, "the kernel %s does not fit into memory", s->path);
	memcpy(p, head, (size_t)n);
	int64_t more = loader_gz_read(g, p + n, room - (uint64_t)n, err);
	if (more < 0)
		return (int)more;
	uint8_t beyond;
	int64_t rest = loader_gz_read(g, &beyond, 1, err);
	if (rest)
		return rest < 0 ? (int)rest
				: err_set(err, EFBIG,
					  "the kernel %s unpacks to more than the guest's memory, "
					  "%llu MiB",
					  s->path, ULL(m->size >> 20));
	image_extend(l, (uint64_t)(n + more));
	return 0;
}

static int load_gzip(const struct loader_src *s, const struct mem *m, struct boot_layout *l,
		     struct err *err)
{
	struct loader_gz *g = NULL;
	l->format = "Image.gz";
	int rc = loader_gz_open(s, &g, err);
	if (!rc)
		rc = unpack_image(s, g, m, l, err);
	loader_gz_close(g);
	return rc;
}

static int load_elf(const struct loader_src *s, const struct mem *m, struct boot_layout *l,
		    struct err *err)
{
	struct loader_elf e;
	l->format = "ELF";
	int rc = loader_elf64(s, m, EM_AARCH64, "aarch64", &e, err);
	if (rc)
		return rc;
	l->entry = e.entry;
	l->kernel_start = e.start;
	l->kernel_end = e.end;
	return 0;
}

static int load_raw(const struct loader_src *s, const struct mem *m, struct boot_layout *l,
		    struct err *err)
{
	l->format = "raw";
	l->kernel_start = l->entry = m->base.v + BOOT_RAW_OFFSET;
	l->kernel_end = l->kernel_start + s->size;
	return loader_to_mem(s, 0, s->size, m, gpa(l->kernel_start), err);
}

static int load_kernel(const struct loader_src *s, const struct mem *m, struct boot_layout *l,
		       struct err *err)
{
	uint8_t head[1024];
	uint64_t n = s->size < sizeof(head) ? s->size : sizeof(head);
	int rc = loader_read(s, 0, head, n, err);
	if (rc)
		return rc;
	if (is_image(head, n))
		return load_image(s, m, head, l, err);
	if (n >= 2 && head[0] == 0x1f && head[1] == 0x8b)
		return load_gzip(s, m, l, err);
	if (n >= 4 && !memcmp(head,
			      "\x7f"
			      "ELF",
			      4))
		return load_elf(s, m, l, err);
	const char *kind = foreign_kind(head, n);
	if (kind)
		return err_set(err, ENOEXEC, "the kernel %s is %s", s->path, kind);
	if (n >= 2 && head[0] == 'M' && head[1] == 'Z')
		return err_set(err, ENOEXEC, "the kernel %s is an EFI program, but no arm64 Image",
			       s->path);
	return load_raw(s, m, l, err);
}

static int load_initrd(const struct loader_src *s, const struct mem *m, struct boot_layout *l,
		       struct err *err)
{
	uint64_t end = m->base.v + m->size;
	uint64_t far = m->base.v + (m->size / 2 < INITRD_OFFSET ? m->size / 2 : INITRD_OFFSET);
	uint64_t start = align_up(l->kernel_end, 4096);
	/* Far from the kernel if it and a device tree of any size then still fit, else close behind
	 * it. */
	if (start < far && s->size <= end - far && end - far - s->size >= 2 * BOOT_DTB_MAX)
		start = far;
	if (start > end || s->size > end - start)
		return err_set(err, EFBIG,
			       "the initrd %s of %llu KiB does not fit: %llu KiB of the guest's "
			       "%llu MiB are left above the kernel",
			       s->path, ULL(s->size >> 10),
			       ULL(start > end ? 0 : (end - start) >> 10), ULL(m->size >> 20));
	l->initrd_start = start;
	l->initrd_end = start + s->size;
	return loader_to_mem(s, 0, s->size, m, gpa(start), err);
}

int boot_load(const struct mem *m, const struct boot_source *src, struct boot_layout *ret,
	      struct err *err)
{
	struct boot_layout l = {0};
	struct loader_src s;
	if (src->kernel_fd < 0)
		return err_set(err, EINVAL,
			       "there is no kernel; give one with `kernel:` or --kernel");
	int rc = loader_open(&s, src->kernel_fd, src->kernel_path, "kernel", m->size, err);
	if (rc)
		return rc;
	rc = load_kernel(&s, m, &l, err);
	loader_close(&s);
	if (rc || src->initrd_fd < 0)
		goto out;
	rc = loader_open(&s, src->initrd_fd, src->initrd_path, "initrd", m->size, err);
	if (rc)
		return rc;
	rc = load_initrd(&s, m, &l, err);
	loader_close(&s);
out:
	if (!rc)
		*ret = l;
	return rc;
}

static bool overlaps(uint64_t a, uint64_t a_end, uint64_t b, uint64_t b_end)
{
	return a < b_end && b < a_end;
}

static bool dtb_fits(const struct mem *m, const struct boot_layout *l, uint64_t at, uint64_t size)
{
	return mem_at(m, gpa(at), size) &&
	       !overlaps(at, at + size, l->kernel_start, l->kernel_end) &&
	       !overlaps(at, at + size, l->initrd_start, l->initrd_end);
}

int boot_place_dtb(const struct mem *m, struct boot_layout *l, const void *dtb, uint64_t size,
		   struct err *err)
{
	if (size > BOOT_DTB_MAX)
		return err_set(err, EFBIG,
			       "the device tree has %llu bytes; Linux takes 2 MiB at most",
			       ULL(size));
	uint64_t base = m->base.v, end = base + m->size;
	uint64_t half = base + (m->size / 2 < INITRD_OFFSET ? m->size / 2 : INITRD_OFFSET);
	uint64_t top = l->initrd_end > l->kernel_end ? l->initrd_end : l->kernel_end;
	/* A program that is no Linux kernel looks for it at the start of RAM, as on QEMU's `virt`.
	 */
	uint64_t first = !strcmp(l->format, "ELF") ? base : align_up(top > half ? top : half, MIB2);
	const uint64_t places[] = {
		first,
		align_up(top > half ? top : half, MIB2),
		align_up(top, MIB2),
		align_up(top, 8),
		align_down(end - (size < m->size ? size : m->size), 8),
		base,
	};
	for (unsigned i = 0; i < ARRAY_LEN(places); i++)
		if (dtb_fits(m, l, places[i], size)) {
			l->dtb = places[i];
			return mem_write(m, gpa(l->dtb), dtb, size);
		}
	return err_set(err, ENOSPC,
		       "no room for a device tree of %llu bytes beside kernel and initrd in %llu "
		       "MiB of memory",
		       ULL(size), ULL(m->size >> 20));
}
