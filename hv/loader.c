/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/loader.h"
#include "base/bytes.h"
#include "base/fd.h"
#include <elf.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <zlib.h>

#define ULL(x) ((unsigned long long)(x))

static int copy_stream(struct loader_src *s, int fd, uint64_t max_bytes, struct err *err)
{
	static const size_t chunk = 256 * 1024;
	AUTO_FREE char *buf = malloc(chunk);
	s->own = memfd_create("image", MFD_CLOEXEC);
	if (!buf || s->own < 0)
		return err_set(err, ENOMEM, "%s %s: out of memory", s->what, s->path);
	for (;;) {
		ssize_t n = fd_read_all(fd, buf, chunk);
		if (n < 0)
			return err_set(err, (int)-n, "cannot read the %s %s: %s", s->what, s->path,
				       strerror((int)-n));
		s->size += (uint64_t)n;
		if (s->size > max_bytes)
			return err_set(err, EFBIG,
				       "the %s %s is larger than the guest's memory, %llu MiB",
				       s->what, s->path, ULL(max_bytes >> 20));
		int rc = fd_write_all(s->own, buf, (size_t)n);
		if (rc)
			return err_set(err, -rc, "cannot keep the %s: %s", s->what, strerror(-rc));
		if ((size_t)n < chunk)
			break;
	}
	s->fd = s->own;
	return 0;
}

int loader_open(struct loader_src *s, int fd, const char *path, const char *what,
		uint64_t max_bytes, struct err *err)
{
	*s = (struct loader_src){.fd = fd, .own = -1, .path = path, .what = what};
	struct stat st;
	int rc = 0;
	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "cannot look at the %s %s: %s", what, path,
			       strerror(errno));
	if (S_ISDIR(st.st_mode))
		return err_set(err, EINVAL, "the %s %s is a directory; a file is needed", what,
			       path);
	if (S_ISREG(st.st_mode))
		s->size = (uint64_t)st.st_size;
	else
		rc = copy_stream(s, fd, max_bytes, err);
	if (!rc && !s->size)
		rc = err_set(err, EINVAL, "the %s %s is empty", what, path);
	if (rc)
		loader_close(s);
	return rc;
}

void loader_close(struct loader_src *s)
{
	fd_close(&s->own);
}

int loader_read(const struct loader_src *s, uint64_t off, void *buf, uint64_t len, struct err *err)
{
	uint8_t *p = buf;
	if (off > s->size || len > s->size - off)
		return err_set(err, EPROTO,
			       "the %s %s is truncated: %llu bytes at offset 0x%llx are needed, "
			       "the file has %llu",
			       s->what, s->path, ULL(len), ULL(off), ULL(s->size));
	while (len) {
		ssize_t n = pread(s->fd, p, len < 1u << 30 ? (size_t)len : 1u << 30, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, errno, "cannot read the %s %s: %s", s->what, s->path,
				       strerror(errno));
		if (n == 0)
			return err_set(err, EPROTO, "the %s %s became shorter while it was read",
				       s->what, s->path);
		p += n;
		off += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

/* Returns how many bytes went the fast way. */
static uint64_t send_to_mem(const struct loader_src *s, uint64_t off, uint64_t len,
			    const struct mem *m, uint64_t at)
{
	uint64_t done = 0;
	off_t from = (off_t)off;
	if (off > s->size || len > s->size - off || lseek(m->fd, (off_t)at, SEEK_SET) < 0)
		return 0;
	while (done < len) {
		ssize_t n = sendfile(m->fd, s->fd, &from,
				     len - done < 1u << 30 ? (size_t)(len - done) : 1u << 30);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (uint64_t)n;
	}
	return done;
}

int loader_to_mem(const struct loader_src *s, uint64_t off, uint64_t len, const struct mem *m,
		  gpa_t addr, struct err *err)
{
	uint8_t *p = mem_at(m, addr, len);
	if (!p)
		return err_set(err, EFBIG,
			       "the %s %s does not fit: %llu bytes at 0x%llx; memory is "
			       "0x%llx..0x%llx (%llu MiB)",
			       s->what, s->path, ULL(len), ULL(addr.v), ULL(m->base.v),
			       ULL(m->base.v + m->size - 1), ULL(m->size >> 20));
	/* From page cache to page cache: no page is cleared first and none is faulted in (20 ms for
	 * 27 MB where reading into the mapping took 31 ms). What cannot be sent so is read. */
	uint64_t done = send_to_mem(s, off, len, m, (uint64_t)(p - m->hva));
	off += done;
	len -= done;
	p += done;
	return loader_read(s, off, p, len, err);
}

/* ---- gzip ---- */

struct loader_gz {
	const struct loader_src *src;
	z_stream z;
	uint64_t off;
	bool end;
	uint8_t in[64 * 1024];
};

int loader_gz_open(const struct loader_src *s, struct loader_gz **ret, struct err *err)
{
	struct loader_gz *g = calloc(1, sizeof(*g));
	/* 16: gzip wrapper only, its CRC and length are checked. */
	if (!g || inflateInit2(&g->z, 15 + 16) != Z_OK) {
		free(g);
		return err_set(err, ENOMEM, "the %s %s: out of memory", s->what, s->path);
	}
	g->src = s;
	*ret = g;
	return 0;
}

void loader_gz_close(struct loader_gz *g)
{
	if (g)
		inflateEnd(&g->z);
	free(g);
}

static int gz_fill(struct loader_gz *g, struct err *err)
{
	const struct loader_src *s = g->src;
	uint64_t n = s->size - g->off;
	if (!n)
		return err_set(err, EPROTO, "the %s %s is truncated: its gzip stream does not end",
			       s->what, s->path);
	if (n > sizeof(g->in))
		n = sizeof(g->in);
	int rc = loader_read(s, g->off, g->in, n, err);
	g->off += n;
	g->z.next_in = g->in;
	g->z.avail_in = (uInt)n;
	return rc;
}

int64_t loader_gz_read(struct loader_gz *g, void *buf, uint64_t len, struct err *err)
{
	uint64_t got = 0;
	while (got < len && !g->end) {
		int rc = g->z.avail_in ? 0 : gz_fill(g, err);
		if (rc)
			return rc;
		uint64_t room = len - got < 1u << 30 ? len - got : 1u << 30;
		g->z.next_out = (uint8_t *)buf + got;
		g->z.avail_out = (uInt)room;
		int z = inflate(&g->z, Z_NO_FLUSH);
		got += room - g->z.avail_out;
		if (z == Z_STREAM_END)
			g->end = true;
		else if (z != Z_OK)
			return err_set(err, EPROTO, "the %s %s is damaged: %s", g->src->what,
				       g->src->path, g->z.msg ? g->z.msg : "bad gzip data");
	}
	return (int64_t)got;
}

/* ---- ELF ---- */

static int elf_check(const struct loader_src *s, const Elf64_Ehdr *h, uint16_t machine,
		     const char *machine_name, struct err *err)
{
	const char *p = s->path;
	if (h->e_ident[EI_CLASS] != ELFCLASS64)
		return err_set(err, ENOEXEC,
			       "the %s %s is a 32-bit ELF file; a 64-bit one for %s is needed",
			       s->what, p, machine_name);
	if (h->e_ident[EI_DATA] != ELFDATA2LSB)
		return err_set(err, ENOEXEC,
			       "the %s %s is a big-endian ELF file; little-endian is needed",
			       s->what, p);
	if (h->e_machine != machine)
		return err_set(
			err, ENOEXEC,
			"the %s %s is an ELF file for machine %u%s; one for %s (%u) is needed",
			s->what, p, h->e_machine, h->e_machine == EM_X86_64 ? " (x86-64)" : "",
			machine_name, machine);
	if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
		return err_set(err, ENOEXEC,
			       "the %s %s is an ELF file of type %u; an executable is needed",
			       s->what, p, h->e_type);
	if (h->e_phentsize != sizeof(Elf64_Phdr) || !h->e_phnum || h->e_phnum == PN_XNUM)
		return err_set(err, EPROTO,
			       "the %s %s has no usable program headers (%u of %u bytes)", s->what,
			       p, h->e_phnum, h->e_phentsize);
	return 0;
}

static int elf_segment(const struct loader_src *s, const struct mem *m, const Elf64_Phdr *ph,
		       struct loader_elf *e, struct err *err)
{
	if (ph->p_type != PT_LOAD || !ph->p_memsz)
		return 0;
	if (ph->p_filesz > ph->p_memsz)
		return err_set(
			err, EPROTO,
			"the %s %s is damaged: a segment has more bytes in the file than in memory",
			s->what, s->path);
	uint8_t *p = mem_at(m, gpa(ph->p_paddr), ph->p_memsz);
	if (!p)
		return err_set(err, EFBIG,
			       "the %s %s does not fit: a segment of %llu bytes at 0x%llx; memory "
			       "is 0x%llx..0x%llx (%llu MiB)",
			       s->what, s->path, ULL(ph->p_memsz), ULL(ph->p_paddr), ULL(m->base.v),
			       ULL(m->base.v + m->size - 1), ULL(m->size >> 20));
	int rc = loader_read(s, ph->p_offset, p, ph->p_filesz, err);
	if (rc)
		return rc;
	memset(p + ph->p_filesz, 0, ph->p_memsz - ph->p_filesz);
	if (ph->p_paddr < e->start)
		e->start = ph->p_paddr;
	if (ph->p_paddr + ph->p_memsz > e->end)
		e->end = ph->p_paddr + ph->p_memsz;
	return 0;
}

/* The entry point is a virtual address: what runs first with the MMU off is where its segment lies
 * physically. */
static int elf_entry(const struct loader_src *s, const Elf64_Ehdr *h, struct loader_elf *e,
		     struct err *err)
{
	for (unsigned i = 0; i < h->e_phnum; i++) {
		Elf64_Phdr ph;
		int rc = loader_read(s, h->e_phoff + i * sizeof(ph), &ph, sizeof(ph), err);
		if (rc)
			return rc;
		if (ph.p_type == PT_LOAD && h->e_entry - ph.p_vaddr < ph.p_memsz) {
			e->entry = ph.p_paddr + (h->e_entry - ph.p_vaddr);
			return 0;
		}
	}
	return 0;
}

int loader_elf64(const struct loader_src *s, const struct mem *m, uint16_t machine,
		 const char *machine_name, struct loader_elf *ret, struct err *err)
{
	Elf64_Ehdr h;
	int rc = loader_read(s, 0, &h, sizeof(h), err);
	if (!rc)
		rc = elf_check(s, &h, machine, machine_name, err);
	if (rc)
		return rc;
	struct loader_elf e = {.entry = h.e_entry, .start = UINT64_MAX};
	for (unsigned i = 0; !rc && i < h.e_phnum; i++) {
		Elf64_Phdr ph;
		if (h.e_phoff > s->size)
			return err_set(err, EPROTO,
				       "the %s %s is truncated: program headers at 0x%llx, the "
				       "file has %llu bytes",
				       s->what, s->path, ULL(h.e_phoff), ULL(s->size));
		rc = loader_read(s, h.e_phoff + i * sizeof(ph), &ph, sizeof(ph), err);
		if (!rc)
			rc = elf_segment(s, m, &ph, &e, err);
	}
	if (rc)
		return rc;
	if (e.start == UINT64_MAX)
		return err_set(err, EPROTO, "the %s %s has nothing to load", s->what, s->path);
	rc = elf_entry(s, &h, &e, err);
	if (rc)
		return rc;
	if (e.entry < e.start || e.entry >= e.end)
		return err_set(err, EPROTO,
			       "the %s %s is damaged: its entry point 0x%llx is outside of what it "
			       "loads, 0x%llx..0x%llx",
			       s->what, s->path, ULL(e.entry), ULL(e.start), ULL(e.end - 1));
	*ret = e;
	return 0;
}
