/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/board.h"
#include "base/bytes.h"

/* hv/arch/aarch64/board.c, hv/arch/x86_64/board.c */
extern const struct board board_aarch64_virt, board_x86_64_pc;

static int no_images(const struct mem *m, const struct board_images *in, struct engine_boot *ret,
		     struct err *err)
{
	(void)m;
	(void)in;
	(void)err;
	*ret = (struct engine_boot){0};
	return 0;
}

/* For tests of the core: memory and lines, no images. */
static const struct board board_fake = {
	.machine = "fake",
	.isa = "any",
	.ram = {.base = 0x40000000},
	.irq_count = 256,
	.has_pio = true,
	.ranges = (const struct board_range[]){{0}},
	.load = no_images,
};

static const struct board *const boards[] = {&board_aarch64_virt, &board_x86_64_pc, &board_fake};

const struct board *board_find(const char *machine)
{
	for (unsigned i = 0; i < ARRAY_LEN(boards); i++)
		if (!strcmp(boards[i]->machine, machine))
			return boards[i];
	return NULL;
}

const char *board_names(void)
{
	return "aarch64-virt and x86_64-pc are";
}
