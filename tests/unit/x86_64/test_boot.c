/* SPDX-License-Identifier: Apache-2.0 */
/* Loading x86 kernels: every format, and files that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/bytes.h"
#include "base/fd.h"
#include "hv/arch/x86_64/board.h"
#include "hv/arch/x86_64/boot.h"

#define RAM (64ull << 20)

static struct mem ram;
static struct err err;
static struct engine_boot boot;
static Outrigger__VmConfig cfg;
static uint8_t file[32768];

static void *text(const char *s)
{
	return (void *)(uintptr_t)s;
}

static int setup(void **state)
{
	(void)state;
	outrigger__vm_config__init(&cfg);
	cfg.kernel_path = text("vmlinuz");
	cfg.initrd_path = text("initrd");
	cfg.cmdline = text("console=ttyS0");
	cfg.cpus = 1;
	memset(file, 0, sizeof(file));
	boot = (struct engine_boot){0};
	err.msg[0] = 0;
	return mem_init(&ram, gpa(0), RAM, &err);
}

static int teardown(void **state)
{
	(void)state;
	mem_fini(&ram);
	return 0;
}

static int fd_of(const void *p, size_t len)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);
	assert_int_equal(fd_write_all(fd, p, len), 0);
	return fd;
}

static int load(size_t len, const void *initrd, size_t initrd_len)
{
	AUTO_FD k = fd_of(file, len);
	AUTO_FD i = initrd ? fd_of(initrd, initrd_len) : -1;
	struct board_images in = {.cfg = &cfg, .kernel_fd = k, .initrd_fd = i, .tables_fd = -1};
	return x86_boot_load(&ram, &in, &boot, &err);
}

static uint64_t mem32(uint64_t a)
{
	return load_le(mem_at(&ram, gpa(a), 4), 4);
}

#define REFUSED(len, what)                                                                         \
	do {                                                                                       \
		if (load(len, NULL, 0) >= 0)                                                       \
			fail_msg("was loaded; wanted: %s", what);                                  \
		if (!strstr(err.msg, what))                                                        \
			fail_msg("got: %s\nwanted: %s", err.msg, what);                            \
	} while (0)

/* ---- bzImage ---- */

static void bzimage(void)
{
	memset(file, 0, sizeof(file));
	file[0x1f1] = 1;
	store_le(file + 0x1fe, 2, 0xaa55);
	file[0x201] = 0x66;
	memcpy(file + 0x202, "HdrS", 4);
	store_le(file + 0x206, 2, 0x20f);
	file[0x211] = 1;
	store_le(file + 0x22c, 4, 0x7fffffff);
	store_le(file + 0x230, 4, 2u << 20);
	file[0x234] = 1;
	store_le(file + 0x236, 2, 1);
	store_le(file + 0x238, 4, 2047);
	store_le(file + 0x258, 8, 16u << 20);
	store_le(file + 0x260, 4, 8u << 20);
	memcpy(file + 1024, "decompressor", 12);
}

static void bzimage_is_entered_in_long_mode(void **state)
{
	(void)state;
	bzimage();
	assert_int_equal(load(8192, "initramfs", 9), 0);
	assert_int_equal(boot.mode, X86_ENTRY_LONG);
	assert_int_equal(boot.entry, (16u << 20) + 0x200);
	assert_memory_equal(mem_at(&ram, gpa(16u << 20), 12), "decompressor", 12);
	uint64_t zp = boot.args[0];
	assert_int_equal(load_le(mem_at(&ram, gpa(zp + 0x1fe), 2), 2), 0xaa55);
	assert_string_equal((char *)mem_at(&ram, gpa(mem32(zp + 0x228)), 16), "console=ttyS0");
	assert_int_equal(mem32(zp + 0x21c), 9);
	uint64_t initrd = mem32(zp + 0x218);
	assert_memory_equal(mem_at(&ram, gpa(initrd), 9), "initramfs", 9);
	assert_true(initrd >= 24u << 20 && initrd % 4096 == 0);
	assert_int_equal(*mem_at(&ram, gpa(zp + 0x210), 1), 0xff);
	/* The page tables map what they must one to one, and the memory map has all of it. */
	uint64_t pml4 = boot.args[1], pdpt = mem32(pml4) & ~0xfffull, pd = mem32(pdpt) & ~0xfffull;
	assert_int_equal(mem32(pd + 8), 0x200083);
	assert_true(*mem_at(&ram, gpa(zp + 0x1e8), 1) >= 3);
	assert_memory_equal(mem_at(&ram, gpa(mem32(zp + 0x70)), 8), "RSD PTR ", 8);
}

static void a_small_machine_takes_a_relocatable_kernel(void **state)
{
	(void)state;
	bzimage();
	store_le(file + 0x258, 8, 60u << 20);
	assert_int_equal(load(8192, NULL, 0), 0);
	assert_int_equal(boot.entry, (2u << 20) + 0x200);
	file[0x234] = 0; /* not relocatable */
	REFUSED(8192, "does not fit");
}

static void bad_bzimages_are_refused(void **state)
{
	(void)state;
	bzimage();
	store_le(file + 0x236, 2, 0);
	REFUSED(8192, "without a 64-bit entry");
	bzimage();
	store_le(file + 0x206, 2, 0x204);
	REFUSED(8192, "boot protocol 2.04");
	bzimage();
	file[0x1f1] = 64;
	REFUSED(8192, "truncated");
	bzimage();
	store_le(file + 0x260, 4, 0xffffffff);
	REFUSED(8192, "does not fit");
	bzimage();
	store_le(file + 0x258, 8, UINT64_MAX - 4095);
	file[0x234] = 0;
	REFUSED(8192, "does not fit");
	bzimage();
	store_le(file + 0x238, 4, 4);
	REFUSED(8192, "command line has 13 bytes; this kernel takes 4");
	static uint8_t big[1];
	bzimage();
	store_le(file + 0x22c, 4, 0x100000); /* the initrd must end below the kernel: no room */
	assert_true(load(8192, big, 1) < 0);
	assert_non_null(strstr(err.msg, "initrd"));
}

/* ---- multiboot ---- */

static void multiboot(uint32_t load_addr, uint32_t load_end, uint32_t bss_end, uint32_t entry)
{
	memset(file, 0, sizeof(file));
	store_le(file + 16, 4, 0x1badb002);
	store_le(file + 20, 4, 0x10003);
	store_le(file + 24, 4, (uint32_t) - (0x1badb002 + 0x10003));
	store_le(file + 28, 4, load_addr + 16);
	store_le(file + 32, 4, load_addr);
	store_le(file + 36, 4, load_end);
	store_le(file + 40, 4, bss_end);
	store_le(file + 44, 4, entry);
}

static void multiboot_is_entered_in_protected_mode(void **state)
{
	(void)state;
	multiboot(0x200000, 0x201000, 0x210000, 0x200040);
	assert_int_equal(load(4096, "module", 6), 0);
	assert_int_equal(boot.mode, X86_ENTRY_PROT);
	assert_int_equal(boot.entry, 0x200040);
	assert_int_equal(boot.args[0], 0x2badb002);
	uint64_t info = boot.args[1];
	assert_int_equal(mem32(0x200010), 0x1badb002);
	assert_int_equal(mem32(info + 20), 1);
	assert_memory_equal(mem_at(&ram, gpa(mem32(mem32(info + 24))), 6), "module", 6);
	assert_string_equal((char *)mem_at(&ram, gpa(mem32(info + 16)), 16), "console=ttyS0");
}

static void bad_multiboot_is_refused(void **state)
{
	(void)state;
	multiboot(0x200000, 0x210000, 0, 0x200040);
	REFUSED(4096, "truncated");
	multiboot(0x1000, 0, 0, 0x1040);
	REFUSED(4096, "does not fit");
	multiboot(0xfffff000, 0, 0, 0xfffff040);
	REFUSED(4096, "does not fit");
	multiboot(0x200000, 0, 0xfffffff0, 0x200040);
	REFUSED(4096, "does not fit");
	multiboot(0x200000, 0, 0, 0x100);
	REFUSED(4096, "entry point");
	multiboot(0x200000, 0, 0, 0x200040);
	store_le(file + 28, 4, 0x100000); /* header address below the image's */
	REFUSED(4096, "damaged");
	multiboot(0x200000, 0, 0, 0x200040);
	store_le(file + 20, 4, 0x10043);
	store_le(file + 24, 4, (uint32_t) - (0x1badb002 + 0x10043));
	REFUSED(4096, "asks by its multiboot header");
	multiboot(0x200000, 0, 0, 0x200040);
	store_le(file + 20, 4, 3); /* no addresses, and no ELF32 */
	store_le(file + 24, 4, (uint32_t) - (0x1badb002 + 3));
	REFUSED(4096, "no ELF32");
}

/* ---- ELF ---- */

static void elf(bool pvh)
{
	Elf64_Ehdr h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1},
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_entry = 0xffffffff81000100,
			.e_phoff = 64,
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = pvh ? 2 : 1};
	Elf64_Phdr p[2] = {{.p_type = PT_LOAD,
			    .p_offset = 4096,
			    .p_vaddr = 0xffffffff81000000,
			    .p_paddr = 0x1000000,
			    .p_filesz = 4096,
			    .p_memsz = 8192},
			   {.p_type = PT_NOTE, .p_offset = 512, .p_filesz = 20}};
	memset(file, 0, sizeof(file));
	memcpy(file, &h, sizeof(h));
	memcpy(file + 64, p, sizeof(p));
	store_le(file + 512, 4, 4);
	store_le(file + 516, 4, 4);
	store_le(file + 520, 4, 18);
	memcpy(file + 524, "Xen", 4);
	store_le(file + 528, 4, 0x1000200);
}

static void vmlinux_is_entered_in_long_mode(void **state)
{
	(void)state;
	elf(false);
	assert_int_equal(load(8192, NULL, 0), 0);
	assert_int_equal(boot.mode, X86_ENTRY_LONG);
	assert_int_equal(boot.entry, 0x1000100);
	assert_int_equal(mem32(boot.args[0] + 0x202), 0x53726448);
}

static void pvh_is_entered_by_its_note(void **state)
{
	(void)state;
	elf(true);
	assert_int_equal(load(8192, "initrd", 6), 0);
	assert_int_equal(boot.mode, X86_ENTRY_PROT);
	assert_int_equal(boot.entry, 0x1000200);
	uint64_t info = boot.args[1];
	assert_int_equal(mem32(info), 0x336ec578);
	assert_int_equal(mem32(info + 12), 1);
	assert_memory_equal(mem_at(&ram, gpa(mem32(mem32(info + 16))), 6), "initrd", 6);
	assert_true(mem32(info + 48) >= 3);
	/* Notes that lie about their lengths are looked through, and end. */
	store_le(file + 512, 4, 0xffffffff);
	assert_int_equal(load(8192, NULL, 0), 0);
	assert_int_equal(boot.mode, X86_ENTRY_LONG);
	store_le(file + 512, 4, 4);
	store_le(file + 516, 4, 0xfffffff0);
	assert_int_equal(load(8192, NULL, 0), 0);
	assert_int_equal(boot.mode, X86_ENTRY_LONG);
}

/* ---- what is none ---- */

static void foreign_kernels_are_named(void **state)
{
	(void)state;
	memcpy(file + 0x38, "ARM\x64", 4);
	REFUSED(4096, "an arm64 Image");
	memset(file, 0, sizeof(file));
	memcpy(file, "\x1f\x8b", 2);
	REFUSED(4096, "gzip");
	memset(file, 0, sizeof(file));
	memcpy(file, "070701", 6);
	REFUSED(4096, "initramfs, not a kernel");
	memset(file, 0, sizeof(file));
	REFUSED(4096, "of no known kind");
	REFUSED(1, "of no known kind");
	elf(false);
	store_le(file + 18, 2, EM_AARCH64);
	REFUSED(8192, "x86_64");
}

static void damaged_files_do_no_harm(void **state)
{
	(void)state;
	unsigned seed = 1;
	for (unsigned round = 0; round < 3000; round++) {
		switch (round % 3) {
		case 0:
			bzimage();
			break;
		case 1:
			elf(true);
			break;
		default:
			multiboot(0x200000, 0x201000, 0x210000, 0x200040);
		}
		for (unsigned i = 0; i < 4; i++) {
			seed = seed * 1103515245u + 12345u;
			file[(seed >> 8) % 700] = (uint8_t)(seed >> 24);
		}
		load(1 + (seed >> 4) % sizeof(file), round & 1 ? "i" : NULL, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bzimage_is_entered_in_long_mode, setup, teardown),
		cmocka_unit_test_setup_teardown(a_small_machine_takes_a_relocatable_kernel, setup,
						teardown),
		cmocka_unit_test_setup_teardown(bad_bzimages_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(multiboot_is_entered_in_protected_mode, setup,
						teardown),
		cmocka_unit_test_setup_teardown(bad_multiboot_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(vmlinux_is_entered_in_long_mode, setup, teardown),
		cmocka_unit_test_setup_teardown(pvh_is_entered_by_its_note, setup, teardown),
		cmocka_unit_test_setup_teardown(foreign_kernels_are_named, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_files_do_no_harm, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
