/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Guest RAM: one sealed memfd, mapped shared for the VM's life. */
#include <stdbool.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/err.h"

/** struct mem_layout - where a board's RAM lies: from @base on; what would reach into the hole goes on behind it. */
struct mem_layout {
	uint64_t base;
	uint64_t hole, hole_bytes; /* guest-physical; no bytes: no hole */
};

/** struct mem - guest RAM. Made and ended on the control thread; the bytes are everybody's. */
struct mem {
	int fd; /* memfd, F_SEAL_GROW|SHRINK|SEAL */
	uint8_t *hva;
	gpa_t base;
	uint64_t size; /* bytes */
	gpa_t hole;    /* see mem_layout */
	uint64_t hole_bytes;
};

/** struct mem_block - RAM without a gap: @size bytes at @base, @offset bytes into the memfd and its mapping. */
struct mem_block {
	uint64_t base, size, offset;
};
#define MEM_BLOCKS 2u

/** mem_init - makes @size bytes (page aligned) of zeroed guest RAM at @base. 0 or -Exxx with @err.
 */
int mem_init(struct mem *m, gpa_t base, uint64_t size, struct err *err);

/** mem_init_layout - the same, with a hole in it. */
int mem_init_layout(struct mem *m, const struct mem_layout *l, uint64_t size, struct err *err);

/** mem_blocks - the blocks that RAM consists of, ascending; returns how many, 1 or 2. */
unsigned mem_blocks(const struct mem *m, struct mem_block ret[MEM_BLOCKS]);

/** mem_fini - unmaps and closes; a zeroed or half-made object is allowed. */
void mem_fini(struct mem *m);

/** mem_at - the host address of @len bytes at @addr, NULL if not wholly in RAM. Borrowed. Any
 * thread. */
uint8_t *mem_at(const struct mem *m, gpa_t addr, uint64_t len);

/** mem_write / mem_read - copies @len bytes to or from guest memory. 0, or -EFAULT: not wholly in
 * RAM. */
int mem_write(const struct mem *m, gpa_t addr, const void *buf, uint64_t len);
int mem_read(const struct mem *m, gpa_t addr, void *buf, uint64_t len);

/** mem_clear - gives all pages back, so that RAM reads as zero again. No vCPU is running. */
void mem_clear(const struct mem *m);
