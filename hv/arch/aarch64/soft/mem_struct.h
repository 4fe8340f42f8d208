/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* AdvSIMD structure loads and stores: LD1-LD4, ST1-ST4, LD1R-LD4R (DDI 0487 C4.1.4). */
#include "hv/arch/aarch64/soft/cpu.h"

/** struct mem_struct_form - one such instruction, taken apart. */
struct mem_struct_form {
	bool load, single, replicate, post;
	uint8_t rt, rn, rm, q;
	uint8_t esize;	/* bytes of an element */
	uint8_t selem;	/* elements of a structure: registers it is spread over */
	uint8_t rpt;	/* whole-register repeats (LD1 of 1..4) */
	uint8_t index;	/* lane of the single forms */
	unsigned bytes; /* transferred */
};

/** mem_struct_split - false: unallocated. Pure. */
bool mem_struct_split(uint32_t w, struct mem_struct_form *f);
/** mem_struct - executes @w; as mem_exec(). */
bool mem_struct(struct cpu *c, uint32_t w);
