/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

/* Instructions of one round (see work.S). */
#define WORK_ALU_INSNS 32u
#define WORK_MEMORY_INSNS (256u * 20u + 4u)
#define WORK_CALLS_INSNS (8u + 30u)
#define WORK_MEMORY_BYTES 16384u

/** work_alu - @rounds rounds of integer arithmetic. */
void work_alu(uint64_t rounds);

/** work_memory - @rounds passes of loads and stores over the 16 KiB at @buffer (borrows). */
void work_memory(uint64_t rounds, void *buffer);

/** work_calls - @rounds calls, in a pseudo-random order, of 1024 different functions. */
void work_calls(uint64_t rounds);
