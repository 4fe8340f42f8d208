/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/core/buildid.h"
#include "base/bytes.h"
#include <link.h>
#include <stdio.h>

struct found {
	const uint8_t *id;
	size_t len;
};

/* The first object is the program itself; its PT_NOTE segments hold the note of name "GNU", type 3. */
static int visit(struct dl_phdr_info *info, size_t size, void *data)
{
	struct found *f = data;
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		if (ph->p_type != PT_NOTE)
			continue;
		const uint8_t *p = (const uint8_t *)info->dlpi_addr + ph->p_vaddr;
		const uint8_t *end = p + ph->p_memsz;
		while (end - p >= 12) {
			uint32_t nlen = (uint32_t)load_le(p, 4), dlen = (uint32_t)load_le(p + 4, 4);
			uint32_t type = (uint32_t)load_le(p + 8, 4);
			const uint8_t *desc = p + 12 + align_up(nlen, 4);
			if (type == NT_GNU_BUILD_ID && nlen == 4 && p[12] == 'G' &&
			    desc + dlen <= end) {
				*f = (struct found){desc, dlen};
				return 1;
			}
			p = desc + align_up(dlen, 4);
		}
	}
	return 1;
}

void build_id_text(char *buf, size_t size)
{
	struct found f = {NULL, 0};
	dl_iterate_phdr(visit, &f);
	buf[0] = 0;
	for (size_t i = 0; i < f.len && 2 * i + 3 <= size; i++)
		snprintf(buf + 2 * i, 3, "%02x", f.id[i]);
}

uint32_t build_id_word(void)
{
	struct found f = {NULL, 0};
	dl_iterate_phdr(visit, &f);
	return f.len >= 4 ? (uint32_t)load_le(f.id, 4) : 0;
}
