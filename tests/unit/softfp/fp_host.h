/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Runs cases through decode_fp() and its handlers, with nothing else of the engine. */
#include "fpcase.h"
#include "hv/arch/aarch64/soft/op.h"

/** FP_SLOTS - the arm64 program's cases per batch: x30 depends on the slot. */
#define FP_SLOTS 8192u

/** fp_host_exec - executes @word on @s. False: not decoded; @s unchanged. */
bool fp_host_exec(struct fp_state *s, uint32_t word);
/** fp_host_case - case @n of @seed, @first being the first case of its run. */
void fp_host_case(uint64_t seed, uint64_t first, uint64_t n, enum fp_mix mix,
		  struct fp_result *ret);
/** struct fp_golden - one record of the golden table: case @n, executed by the judge. Little-endian. */
struct fp_golden {
	uint64_t hash, v[2], x;
	uint32_t n, word, fpsr, nzcv;
};
/** struct fp_golden_part - header of each part of the table. */
struct fp_golden_part {
	uint64_t seed;
	uint32_t mix, count;
};

/** fp_host_handler - number of the handler that executes @word, in order of appearance: below FP_HANDLERS. */
unsigned fp_host_handler(uint32_t word);
#define FP_HANDLERS 2048u
/** fp_host_stack_growth - bytes of stack that a chain of operations @word takes more than one of them. */
unsigned fp_host_stack_growth(uint32_t word);
/** fp_host_traps - how often an operation took the FP access trap; @enabled sets cpu.fp_ok of the next ones. */
unsigned fp_host_traps(bool enabled);
