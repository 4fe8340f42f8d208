/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/mem.h"
#include "base/bytes.h"
#include "base/fd.h"
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#define MEM_PAGE 4096u

int mem_init_layout(struct mem *m, const struct mem_layout *l, uint64_t size, struct err *err)
{
	int rc = mem_init(m, gpa(l->base), size, err);
	m->hole = gpa(l->hole);
	m->hole_bytes = l->hole_bytes;
	return rc;
}

unsigned mem_blocks(const struct mem *m, struct mem_block ret[MEM_BLOCKS])
{
	uint64_t low = m->hole.v - m->base.v;
	if (!m->hole_bytes || low >= m->size) {
		ret[0] = (struct mem_block){m->base.v, m->size, 0};
		return 1;
	}
	ret[0] = (struct mem_block){m->base.v, low, 0};
	ret[1] = (struct mem_block){m->hole.v + m->hole_bytes, m->size - low, low};
	return 2;
}

int mem_init(struct mem *m, gpa_t base, uint64_t size, struct err *err)
{
	*m = (struct mem){.fd = -1, .base = base, .size = size};
	if (!size || size % MEM_PAGE || base.v % MEM_PAGE || base.v + size < base.v)
		return err_set(err, EINVAL,
			       "guest memory of %llu bytes at 0x%llx: must be whole 4 KiB pages "
			       "and not wrap",
			       (unsigned long long)size, (unsigned long long)base.v);
	m->fd = memfd_create_sized("guest-ram", size);
	if (m->fd < 0)
		return err_set(err, -m->fd, "cannot make %llu MiB of guest memory: %s",
			       (unsigned long long)(size >> 20), strerror(-m->fd));
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, m->fd, 0);
	if (p == MAP_FAILED) {
		int e = errno;
		mem_fini(m);
		return err_set(err, e, "cannot map %llu MiB of guest memory: %s",
			       (unsigned long long)(size >> 20), strerror(e));
	}
	m->hva = p;
	/* Helps only where shmem_enabled says "advise"; elsewhere it changes nothing. */
	madvise(p, size, MADV_HUGEPAGE);
	madvise(p, size, MADV_DONTDUMP);
	return 0;
}

void mem_fini(struct mem *m)
{
	if (!m->size)
		return; /* a zeroed object: its fd 0 is not ours */
	if (m->hva)
		munmap(m->hva, m->size);
	m->hva = NULL;
	fd_close(&m->fd);
	m->size = 0;
}

uint8_t *mem_at(const struct mem *m, gpa_t addr, uint64_t len)
{
	struct mem_block b[MEM_BLOCKS];
	unsigned n = mem_blocks(m, b);
	for (unsigned i = 0; i < n; i++) {
		uint64_t off = addr.v - b[i].base;
		if (addr.v >= b[i].base && off <= b[i].size && len <= b[i].size - off)
			return m->hva + b[i].offset + off;
	}
	return NULL;
}

int mem_write(const struct mem *m, gpa_t addr, const void *buf, uint64_t len)
{
	uint8_t *p = mem_at(m, addr, len);
	if (!p)
		return -EFAULT;
	memcpy(p, buf, len);
	return 0;
}

int mem_read(const struct mem *m, gpa_t addr, void *buf, uint64_t len)
{
	const uint8_t *p = mem_at(m, addr, len);
	if (!p)
		return -EFAULT;
	memcpy(buf, p, len);
	return 0;
}

void mem_clear(const struct mem *m)
{
	if (madvise(m->hva, m->size, MADV_REMOVE) < 0)
		memset(m->hva, 0, m->size);
}
