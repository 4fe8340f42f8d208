/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"
#include "base/err.h"
#include <sys/mman.h>
#include <unistd.h>

#define GUARD 65536u

static uint8_t *map_guarded(int fd, int prot, uint8_t **ret_base)
{
	uint8_t *base = mmap(NULL, GUEST_AREA_BYTES + 2 * GUARD, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(base != MAP_FAILED);
	CHECK(mmap(base + GUARD, GUEST_AREA_BYTES, prot, MAP_SHARED | MAP_FIXED, fd, 0) ==
	      base + GUARD);
	*ret_base = base;
	return base + GUARD;
}

void guest_init(struct guest *g, bool packed, bool one_view)
{
	*g = (struct guest){.mem.n = AREAS};
	for (unsigned i = 0; i < AREAS; i++) {
		int fd = memfd_create("guest", MFD_CLOEXEC);
		CHECK(fd >= 0 && !ftruncate(fd, GUEST_AREA_BYTES));
		bool writable = i == AREA_DEVICE || i == AREA_DATA || (i == AREA_DESC && packed);
		int prot = PROT_READ | (writable || one_view ? PROT_WRITE : 0);
		g->mem.win[i] = (struct vring_window){.gpa = GUEST_GPA(i),
						      .bytes = GUEST_AREA_BYTES,
						      .hva = map_guarded(fd, prot, &g->base[i]),
						      .writable = writable};
		g->driver[i] =
			one_view ? g->mem.win[i].hva
				 : map_guarded(fd, PROT_READ | PROT_WRITE, &g->base[AREAS + i]);
		close(fd);
	}
}

void guest_fini(struct guest *g)
{
	for (unsigned i = 0; i < 2 * AREAS; i++)
		if (g->base[i])
			munmap(g->base[i], GUEST_AREA_BYTES + 2 * GUARD);
}

uint8_t *guest_ptr(struct guest *g, uint64_t gpa)
{
	for (unsigned i = 0; i < AREAS; i++)
		if (gpa - GUEST_GPA(i) < GUEST_AREA_BYTES)
			return g->driver[i] + (gpa - GUEST_GPA(i));
	CHECK(!"an address of a window");
	return NULL;
}

uint64_t guest_end(enum guest_area area, uint64_t bytes, uint64_t align)
{
	return (GUEST_GPA(area) + GUEST_AREA_BYTES - bytes) / align * align;
}
