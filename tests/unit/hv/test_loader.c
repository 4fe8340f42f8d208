/* SPDX-License-Identifier: Apache-2.0 */
/* Good and hostile kernels, initramfs files and placements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include "base/bytes.h"
#include "base/fd.h"
#include "hv/arch/aarch64/board.h"
#include "hv/arch/aarch64/boot.h"

#define MIB (1ull << 20)
#define RAM (32 * MIB)

static struct mem ram;

static int setup(void **state)
{
	(void)state;
	struct err err;
	return mem_init(&ram, gpa(BOARD_RAM_BASE), RAM, &err);
}

static int teardown(void **state)
{
	(void)state;
	mem_fini(&ram);
	return 0;
}

static int file_of(const void *buf, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, buf, len), 0);
	return fd;
}

static void put64(uint8_t *p, uint64_t v)
{
	store_le(p, 8, v);
}

/* An Image of @len bytes whose last byte is 0x5a. */
static void image_make(uint8_t *p, size_t len, uint64_t text_offset, uint64_t image_size,
		       uint64_t flags)
{
	memset(p, 0, len);
	p[0] = 'M';
	p[1] = 'Z';
	put64(p + 8, text_offset);
	put64(p + 16, image_size);
	put64(p + 24, flags);
	memcpy(p + 0x38, "ARM\x64", 4);
	p[len - 1] = 0x5a;
}

static int load(const void *kernel, size_t len, const void *initrd, size_t initrd_len,
		struct boot_layout *l, struct err *err)
{
	struct boot_source s = {.kernel_fd = kernel ? file_of(kernel, len) : -1,
				.initrd_fd = initrd ? file_of(initrd, initrd_len) : -1,
				.kernel_path = "K",
				.initrd_path = "I"};
	memset(err, 0, sizeof(*err));
	int rc = boot_load(&ram, &s, l, err);
	fd_close(&s.kernel_fd);
	fd_close(&s.initrd_fd);
	return rc;
}

static void refused(const void *kernel, size_t len, const char *says)
{
	struct boot_layout l;
	struct err err;
	int rc = load(kernel, len, NULL, 0, &l, &err);
	assert_true(rc < 0);
	if (!strstr(err.msg, says))
		fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
}

static void image_is_loaded_where_its_header_says(void **state)
{
	(void)state;
	uint8_t k[8192];
	struct boot_layout l;
	struct err err;
	image_make(k, sizeof(k), 0, 3 * MIB, 0xa);
	assert_int_equal(load(k, sizeof(k), "initrd", 6, &l, &err), 0);
	assert_string_equal(l.format, "Image");
	assert_int_equal(l.entry, BOARD_RAM_BASE);
	assert_int_equal(l.kernel_end, BOARD_RAM_BASE + 3 * MIB);
	assert_int_equal(*mem_at(&ram, gpa(l.entry + sizeof(k) - 1), 1), 0x5a);
	assert_true(l.initrd_start >= l.kernel_end);
	assert_int_equal(l.initrd_end - l.initrd_start, 6);
	assert_memory_equal(mem_at(&ram, gpa(l.initrd_start), 6), "initrd", 6);
	image_make(k, sizeof(k), 0x80000, MIB, 0xa);
	assert_int_equal(load(k, sizeof(k), NULL, 0, &l, &err), 0);
	assert_int_equal(l.entry, BOARD_RAM_BASE + 0x80000);
	image_make(k, sizeof(k), 0, 0, 0); /* older than image_size */
	assert_int_equal(load(k, sizeof(k), NULL, 0, &l, &err), 0);
	assert_int_equal(l.entry, BOARD_RAM_BASE + 0x80000);
	assert_int_equal(l.kernel_end, l.entry + sizeof(k));
}

static size_t gzip(const void *in, size_t len, uint8_t *out, size_t room)
{
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (uint8_t *)(uintptr_t)in;
	z.avail_in = (uInt)len;
	z.next_out = out;
	z.avail_out = (uInt)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static void gzipped_image_is_unpacked(void **state)
{
	(void)state;
	static uint8_t k[300000], gz[300000];
	struct boot_layout l;
	struct err err;
	image_make(k, sizeof(k), 0x1000, MIB, 0xa);
	for (size_t i = 64; i < sizeof(k) - 1; i++)
		k[i] = (uint8_t)(i * 2654435761u >> 20);
	size_t n = gzip(k, sizeof(k), gz, sizeof(gz));
	assert_int_equal(load(gz, n, NULL, 0, &l, &err), 0);
	assert_string_equal(l.format, "Image.gz");
	assert_int_equal(l.entry, BOARD_RAM_BASE + 0x1000);
	assert_memory_equal(mem_at(&ram, gpa(l.entry), sizeof(k)), k, sizeof(k));
	for (size_t cut = 2; cut < n; cut += n / 37)
		refused(gz, cut, "truncated");
	refused(gz, n - 4, "truncated");
	gz[n / 2] ^= 0x40;
	refused(gz, n, "damaged");
}

static void gzip_bomb_stops_at_the_end_of_memory(void **state)
{
	(void)state;
	static uint8_t gz[1 << 20];
	size_t len = 40 * MIB;
	AUTO_FREE uint8_t *k = malloc(len);
	assert_non_null(k);
	image_make(k, len, 0, MIB, 0xa);
	refused(gz, gzip(k, len, gz, sizeof(gz)), "more than the guest's memory");
	refused(gz, gzip("no kernel", 9, gz, sizeof(gz)), "without an arm64 Image");
}

struct tiny_elf {
	Elf64_Ehdr h;
	Elf64_Phdr p[2];
	uint8_t code[64];
};

static void elf_make(struct tiny_elf *e)
{
	memset(e, 0, sizeof(*e));
	memcpy(e->h.e_ident, ELFMAG, SELFMAG);
	e->h.e_ident[EI_CLASS] = ELFCLASS64;
	e->h.e_ident[EI_DATA] = ELFDATA2LSB;
	e->h.e_machine = EM_AARCH64;
	e->h.e_type = ET_EXEC;
	e->h.e_phoff = offsetof(struct tiny_elf, p);
	e->h.e_phentsize = sizeof(Elf64_Phdr);
	e->h.e_phnum = 2;
	e->h.e_entry = 0xffff000000080010ull;
	e->p[0] = (Elf64_Phdr){.p_type = PT_LOAD,
			       .p_offset = offsetof(struct tiny_elf, code),
			       .p_vaddr = 0xffff000000080000ull,
			       .p_paddr = BOARD_RAM_BASE + 0x80000,
			       .p_filesz = 64,
			       .p_memsz = 0x2000};
	memset(e->code, 0xc3, sizeof(e->code));
}

static void elf_is_loaded_at_its_physical_addresses(void **state)
{
	(void)state;
	struct tiny_elf e;
	struct boot_layout l;
	struct err err;
	elf_make(&e);
	memset(mem_at(&ram, gpa(BOARD_RAM_BASE + 0x80000), 0x2000), 0xff, 0x2000);
	assert_int_equal(load(&e, sizeof(e), NULL, 0, &l, &err), 0);
	assert_int_equal(l.entry, BOARD_RAM_BASE + 0x80010);
	assert_int_equal(*mem_at(&ram, gpa(BOARD_RAM_BASE + 0x8003f), 1), 0xc3);
	assert_int_equal(*mem_at(&ram, gpa(BOARD_RAM_BASE + 0x80040), 1),
			 0); /* the tail is cleared */
	assert_int_equal(l.kernel_end, BOARD_RAM_BASE + 0x82000);
	/* A bare-metal program finds the device tree at the start of RAM. */
	assert_int_equal(boot_place_dtb(&ram, &l, "dtb", 4, &err), 0);
	assert_int_equal(l.dtb, BOARD_RAM_BASE);
}

static void hostile_elf_is_refused(void **state)
{
	(void)state;
	struct tiny_elf e;
#define BAD(change, says)                                                                          \
	do {                                                                                       \
		elf_make(&e);                                                                      \
		change;                                                                            \
		refused(&e, sizeof(e), says);                                                      \
	} while (0)
	BAD(e.h.e_machine = EM_X86_64, "x86-64");
	BAD(e.h.e_ident[EI_CLASS] = ELFCLASS32, "32-bit");
	BAD(e.h.e_ident[EI_DATA] = ELFDATA2MSB, "big-endian");
	BAD(e.h.e_type = ET_REL, "type 1");
	BAD(e.h.e_phnum = 0, "program headers");
	BAD(e.h.e_phnum = 65000, "truncated");
	BAD(e.h.e_phoff = UINT64_MAX - 8, "truncated");
	BAD(e.p[0].p_paddr = 0, "does not fit");
	BAD(e.p[0].p_paddr = UINT64_MAX - 16, "does not fit");
	BAD(e.p[0].p_memsz = UINT64_MAX, "does not fit");
	BAD(e.p[0].p_memsz = RAM, "does not fit");
	BAD(e.p[0].p_filesz = 0x3000, "more bytes in the file");
	BAD(e.p[0].p_offset = UINT64_MAX - 4, "truncated");
	BAD(e.p[0].p_offset = sizeof(e) - 8, "truncated");
	BAD(e.p[0].p_type = PT_NOTE, "nothing to load");
	BAD(e.h.e_entry = 4, "entry point");
	elf_make(&e);
	for (size_t cut = 5; cut < sizeof(e); cut++)
		refused(&e, cut, "K");
}

static void raw_program_goes_to_0x80000(void **state)
{
	(void)state;
	static const uint8_t code[] = {0x1f, 0x20, 0x03, 0xd5, 1, 2, 3};
	struct boot_layout l;
	struct err err;
	assert_int_equal(load(code, sizeof(code), NULL, 0, &l, &err), 0);
	assert_string_equal(l.format, "raw");
	assert_int_equal(l.entry, BOARD_RAM_BASE + 0x80000);
	assert_memory_equal(mem_at(&ram, gpa(l.entry), sizeof(code)), code, sizeof(code));
	assert_int_equal(boot_place_dtb(&ram, &l, "dtb", 4, &err), 0);
	assert_int_equal(l.dtb % 8, 0);
	assert_true(l.dtb >= l.kernel_end);
}

static void wrong_kernel_is_named(void **state)
{
	(void)state;
	uint8_t k[4096];
	memset(k, 0, sizeof(k));
	memcpy(k + 0x202, "HdrS", 4);
	refused(k, sizeof(k), "x86 bzImage");
	memset(k, 0, sizeof(k));
	memcpy(k + 0x24, "\x18\x28\x6f\x01", 4);
	refused(k, sizeof(k), "32-bit ARM zImage");
	image_make(k, sizeof(k), 0, MIB, 0xb);
	refused(k, sizeof(k), "big-endian");
	image_make(k, sizeof(k), 0, 33 * MIB, 0xa);
	refused(k, sizeof(k), "needs 33 MiB");
	image_make(k, sizeof(k), 0, UINT64_MAX - 4, 0xa);
	refused(k, sizeof(k), "memory");
	image_make(k, sizeof(k), UINT64_MAX - 4, 8, 0xa);
	refused(k, sizeof(k), "memory");
	image_make(k, sizeof(k), 31 * MIB, MIB + 1, 0xa);
	refused(k, sizeof(k), "memory");
	memset(k, 0, sizeof(k));
	memcpy(k,
	       "\xfd"
	       "7zXZ\0",
	       6);
	refused(k, sizeof(k), "xz -d");
	memcpy(k, "MZ\0\0zimg", 8);
	refused(k, sizeof(k), "zboot");
	memcpy(k, "MZ\0\0\0\0\0\0", 8);
	refused(k, sizeof(k), "EFI program");
	refused("070701", 6, "initramfs");
	refused("", 0, "empty");
	refused(NULL, 0, "no kernel");
}

static void initrd_that_does_not_fit_is_refused(void **state)
{
	(void)state;
	uint8_t k[4096];
	struct boot_layout l;
	struct err err;
	AUTO_FREE char *big = calloc(1, 33 * MIB);
	assert_non_null(big);
	image_make(k, sizeof(k), 0, 30 * MIB, 0xa);
	assert_true(load(k, sizeof(k), big, 3 * MIB, &l, &err) < 0);
	assert_non_null(strstr(err.msg, "2048 KiB"));
	assert_true(load(k, sizeof(k), big, 33 * MIB, &l, &err) < 0);
	assert_int_equal(load(k, sizeof(k), big, 2 * MIB, &l, &err), 0);
	assert_true(boot_place_dtb(&ram, &l, big, 4096, &err) < 0); /* all is full */
	assert_non_null(strstr(err.msg, "no room"));
	assert_int_equal(load(k, sizeof(k), big, 2 * MIB - 8192, &l, &err), 0);
	assert_int_equal(boot_place_dtb(&ram, &l, big, 4096, &err), 0);
	assert_true(l.dtb >= l.initrd_end);
	assert_true(load(k, sizeof(k), "", 0, &l, &err) < 0);
}

static void kernel_in_a_pipe_is_read(void **state)
{
	(void)state;
	int p[2];
	uint8_t k[4096];
	struct boot_layout l;
	struct err err = {0};
	image_make(k, sizeof(k), 0, MIB, 0xa);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(fd_write_all(p[1], k, sizeof(k)), 0);
	close(p[1]);
	struct boot_source s = {
		.kernel_fd = p[0], .initrd_fd = -1, .kernel_path = "-", .initrd_path = ""};
	assert_int_equal(boot_load(&ram, &s, &l, &err), 0);
	close(p[0]);
	assert_int_equal(*mem_at(&ram, gpa(l.entry + sizeof(k) - 1), 1), 0x5a);
}

static void memory_accessors_keep_inside(void **state)
{
	(void)state;
	char b[16];
	assert_non_null(mem_at(&ram, gpa(BOARD_RAM_BASE + RAM - 8), 8));
	assert_null(mem_at(&ram, gpa(BOARD_RAM_BASE + RAM - 8), 9));
	assert_null(mem_at(&ram, gpa(BOARD_RAM_BASE - 1), 1));
	assert_null(mem_at(&ram, gpa(BOARD_RAM_BASE), UINT64_MAX));
	assert_null(mem_at(&ram, gpa(UINT64_MAX), 2));
	assert_true(mem_read(&ram, gpa(BOARD_RAM_BASE + RAM - 8), b, 16) < 0);
	assert_int_equal(mem_write(&ram, gpa(BOARD_RAM_BASE), "xyz", 3), 0);
	mem_clear(&ram);
	assert_int_equal(mem_read(&ram, gpa(BOARD_RAM_BASE), b, 3), 0);
	assert_int_equal(b[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(image_is_loaded_where_its_header_says),
		cmocka_unit_test(gzipped_image_is_unpacked),
		cmocka_unit_test(gzip_bomb_stops_at_the_end_of_memory),
		cmocka_unit_test(elf_is_loaded_at_its_physical_addresses),
		cmocka_unit_test(hostile_elf_is_refused),
		cmocka_unit_test(raw_program_goes_to_0x80000),
		cmocka_unit_test(wrong_kernel_is_named),
		cmocka_unit_test(initrd_that_does_not_fit_is_refused),
		cmocka_unit_test(kernel_in_a_pipe_is_read),
		cmocka_unit_test(memory_accessors_keep_inside),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
