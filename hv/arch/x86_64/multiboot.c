/* SPDX-License-Identifier: Apache-2.0 */
/* Multiboot 1 (Multiboot Specification 0.6.96), for bare-metal programs: images with an address header, and ELF32. */
#include "hv/arch/x86_64/boot.h"
#include "base/bytes.h"
#include "hv/arch/x86_64/board.h"
#include <elf.h>
#include <errno.h>

#define ULL(x) ((unsigned long long)(x))
#define MB_MAGIC 0x1badb002u
#define MB_LOADED 0x2badb002u /* in eax */
#define MB_WANTS_VIDEO (1u << 2)
#define MB_HAS_ADDRESSES (1u << 16)
#define MB_REQUIRED 0xffffu /* what of these we do not know must not be ignored (3.1.2) */
#define MB_KNOWN 3u	    /* page-aligned modules, memory information */
#define MB_HEADER 48u

/* The information, 3.3. */
#define INFO_MEM (1u << 0)
#define INFO_CMDLINE (1u << 2)
#define INFO_MODULES (1u << 3)
#define INFO_MEMMAP (1u << 6)
#define INFO_LOADER (1u << 9)
#define INFO_BYTES 116u
#define MODULE_AT (X86_PARAMS_AT + 0x100u)
#define LOADER_AT (X86_PARAMS_AT + 0x140u)
#define MAP_ENTRY 24u

struct mb_header {
	uint32_t at, flags;
	uint32_t header_addr, load_addr, load_end, bss_end, entry;
};

static bool header_find(const struct x86_load *l, struct mb_header *h)
{
	for (uint32_t at = 0; at + MB_HEADER <= l->head_len; at += 4) {
		const uint8_t *p = l->head + at;
		uint32_t flags = (uint32_t)load_le(p + 4, 4);
		if (load_le(p, 4) != MB_MAGIC ||
		    (uint32_t)(MB_MAGIC + flags + (uint32_t)load_le(p + 8, 4)))
			continue;
		*h = (struct mb_header){
			.at = at,
			.flags = flags,
			.header_addr = (uint32_t)load_le(p + 12, 4),
			.load_addr = (uint32_t)load_le(p + 16, 4),
			.load_end = (uint32_t)load_le(p + 20, 4),
			.bss_end = (uint32_t)load_le(p + 24, 4),
			.entry = (uint32_t)load_le(p + 28, 4),
		};
		return true;
	}
	return false;
}

bool multiboot_is(const struct x86_load *l)
{
	struct mb_header h;
	return header_find(l, &h);
}

static int load_addressed(struct x86_load *l, const struct mb_header *h, struct err *err)
{
	const char *path = l->src.path;
	uint32_t before = h->header_addr - h->load_addr; /* bytes of the image before its header */
	if (h->header_addr < h->load_addr || before > h->at)
		return err_set(err, EPROTO,
			       "the kernel %s is damaged: its multiboot header says 0x%x for its "
			       "own address and 0x%x for the image's, and is 0x%x bytes into the "
			       "file",
			       path, h->header_addr, h->load_addr, h->at);
	uint64_t from = h->at - before, bytes = l->src.size - from;
	if (h->load_end) {
		if (h->load_end < h->load_addr || h->load_end - h->load_addr > bytes)
			return err_set(err, EPROTO,
				       "the kernel %s is truncated: its multiboot header loads "
				       "0x%x..0x%x, the file has %llu bytes for it",
				       path, h->load_addr, h->load_end, ULL(bytes));
		bytes = h->load_end - h->load_addr;
	}
	l->kernel_start = h->load_addr;
	l->kernel_end = h->load_addr + bytes;
	if (h->bss_end > l->kernel_end)
		l->kernel_end = h->bss_end;
	/* Memory reads as zero: nothing is to be done for the bss but to see that it is there. */
	if (l->kernel_start < X86_HIGH ||
	    !mem_at(l->m, gpa(l->kernel_start), l->kernel_end - l->kernel_start))
		return err_set(err, EFBIG,
			       "the kernel %s does not fit: it wants 0x%llx..0x%llx; memory above "
			       "1 MiB is there up to 0x%llx",
			       path, ULL(l->kernel_start), ULL(l->kernel_end), ULL(l->m->size));
	return loader_to_mem(&l->src, from, bytes, l->m, gpa(l->kernel_start), err);
}

/* ---- ELF32 ---- */

static int elf32_segment(struct x86_load *l, const Elf32_Phdr *ph, struct err *err)
{
	uint64_t end = (uint64_t)ph->p_paddr + ph->p_memsz;
	if (ph->p_type != PT_LOAD || !ph->p_memsz)
		return 0;
	if (ph->p_filesz > ph->p_memsz || ph->p_paddr < X86_HIGH ||
	    !mem_at(l->m, gpa(ph->p_paddr), ph->p_memsz))
		return err_set(err, EFBIG,
			       "the kernel %s does not fit: a segment of %u bytes at 0x%x; memory "
			       "for it is from 1 MiB up to %llu MiB",
			       l->src.path, ph->p_memsz, ph->p_paddr, ULL(l->m->size >> 20));
	if (!l->kernel_end || ph->p_paddr < l->kernel_start)
		l->kernel_start = ph->p_paddr;
	if (end > l->kernel_end)
		l->kernel_end = end;
	return loader_to_mem(&l->src, ph->p_offset, ph->p_filesz, l->m, gpa(ph->p_paddr), err);
}

static int load_elf32(struct x86_load *l, uint64_t *ret_entry, struct err *err)
{
	Elf32_Ehdr h;
	int rc = loader_read(&l->src, 0, &h, sizeof(h), err);
	if (!rc && (memcmp(h.e_ident, ELFMAG, SELFMAG) || h.e_ident[EI_CLASS] != ELFCLASS32 ||
		    h.e_machine != EM_386 || h.e_phentsize != sizeof(Elf32_Phdr)))
		rc = err_set(err, ENOEXEC,
			     "the kernel %s has a multiboot header without addresses, and is no "
			     "ELF32 file for i386 either; one of both is needed",
			     l->src.path);
	for (unsigned i = 0; i < h.e_phnum && !rc; i++) {
		Elf32_Phdr ph;
		rc = loader_read(&l->src, h.e_phoff + (uint64_t)i * sizeof(ph), &ph, sizeof(ph),
				 err);
		if (!rc)
			rc = elf32_segment(l, &ph, err);
	}
	if (!rc && !l->kernel_end)
		rc = err_set(err, EPROTO, "the kernel %s has nothing to load", l->src.path);
	if (!rc)
		*ret_entry = h.e_entry;
	return rc;
}

int multiboot_load(struct x86_load *l, struct engine_boot *ret, struct err *err)
{
	struct mb_header h;
	header_find(l, &h);
	if (h.flags & MB_REQUIRED & ~(MB_KNOWN | MB_WANTS_VIDEO))
		return err_set(err, ENOEXEC,
			       "the kernel %s asks by its multiboot header for 0x%x; bits 0 and 1 "
			       "are known",
			       l->src.path, h.flags);
	uint64_t entry = h.entry;
	int rc = h.flags & MB_HAS_ADDRESSES ? load_addressed(l, &h, err)
					    : load_elf32(l, &entry, err);
	if (rc)
		return rc;
	if (entry < l->kernel_start || entry >= l->kernel_end)
		return err_set(err, EPROTO,
			       "the kernel %s is damaged: its entry point 0x%llx is outside of "
			       "what it loads, 0x%llx..0x%llx",
			       l->src.path, ULL(entry), ULL(l->kernel_start), ULL(l->kernel_end));
	*ret = (struct engine_boot){
		.entry = entry, .args = {MB_LOADED, X86_PARAMS_AT}, .mode = X86_ENTRY_PROT};
	return 0;
}

static unsigned map_put(const struct x86_load *l, uint8_t *to)
{
	struct x86_region r[X86_REGIONS_MAX];
	unsigned n = x86_memory_map(l->m, r);
	for (unsigned i = 0; i < n; i++, to += MAP_ENTRY) {
		store_le(to, 4, MAP_ENTRY - 4);
		store_le(to + 4, 8, r[i].base);
		store_le(to + 12, 8, r[i].size);
		store_le(to + 20, 4, r[i].type);
	}
	return n * MAP_ENTRY;
}

int multiboot_finish(struct x86_load *l, struct err *err)
{
	struct mem_block b[MEM_BLOCKS];
	mem_blocks(l->m, b);
	uint8_t *info = mem_at(l->m, gpa(X86_PARAMS_AT), 0x1000);
	uint8_t *map = mem_at(l->m, gpa(X86_MEMMAP_AT), 0x1000);
	size_t cmdline = strlen(l->cfg->cmdline) + 1;
	if (!info || !map || mem_write(l->m, gpa(X86_CMDLINE_AT), l->cfg->cmdline, cmdline))
		return err_set(err, ENOSPC, "no room for the multiboot information");
	bool initrd = l->initrd_end > l->initrd_start;
	memset(info, 0, INFO_BYTES);
	store_le(info, 4,
		 INFO_MEM | INFO_CMDLINE | INFO_MEMMAP | INFO_LOADER | (initrd ? INFO_MODULES : 0));
	store_le(info + 4, 4, X86_EBDA_AT >> 10);
	store_le(info + 8, 4, (b[0].size - X86_HIGH) >> 10);
	store_le(info + 16, 4, X86_CMDLINE_AT);
	store_le(info + 20, 4, initrd);
	store_le(info + 24, 4, MODULE_AT);
	store_le(info + 44, 4, map_put(l, map));
	store_le(info + 48, 4, X86_MEMMAP_AT);
	store_le(info + 64, 4, LOADER_AT);
	memcpy(info + (LOADER_AT - X86_PARAMS_AT), "Outrigger", sizeof("Outrigger"));
	uint8_t *module = info + (MODULE_AT - X86_PARAMS_AT);
	store_le(module, 4, l->initrd_start);
	store_le(module + 4, 4, l->initrd_end);
	store_le(module + 8, 4, X86_CMDLINE_AT + cmdline - 1); /* an empty string */
	return 0;
}
