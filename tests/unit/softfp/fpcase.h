/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Cases for the FP/AdvSIMD operations: case number n of a seed is one instruction word and one register state, the same
 * on every machine. The host runs it through decode_fp(), an arm64 program through its CPU; results are compared by
 * struct fp_result.
 */
#include <stdbool.h>
#include <stdint.h>

/** struct fp_state - everything such an instruction can read or write. x[30] is fixed by the arm64 program. */
struct fp_state {
	uint64_t v[32][2];
	uint64_t x[31];
	uint64_t nzcv; /* bits 31..28 */
	uint64_t fpcr, fpsr;
};

#define FP_X30_BASE 0x04000000ull /* where the arm64 program runs instruction 0; 8 bytes each */

/** struct fp_result - of one case. The hash covers the whole state, the rest is for people. */
struct fp_result {
	uint64_t hash;
	uint64_t v[2]; /* V<bits 4..0> */
	uint64_t x;    /* X<bits 4..0>, 0 for 31 */
	uint32_t word;
	uint32_t fpsr, nzcv;
	uint32_t undef;
};

/* What to draw cases from. */
enum fp_mix {
	FP_MIX_CLASSES, /* all classes, by weight */
	FP_MIX_WILD,	/* half of the words: any of the FP/AdvSIMD space */
	FP_MIX_FLOAT,	/* floating point on values that often meet in special ways */
	FP_MIX_SWEEP,	/* case n: all words but for Rd and Rn, in order; FP_SWEEP of them */
};

#define FP_SWEEP (1u << 19)

/** fp_case_word - the instruction of case @n. */
uint32_t fp_case_word(uint64_t seed, uint64_t n, enum fp_mix mix);
/** fp_case_state - the registers of case @n, which sits in slot @slot. */
void fp_case_state(uint64_t seed, uint64_t n, enum fp_mix mix, uint64_t slot, struct fp_state *s);
/** fp_case_result - sums up the state @s after @word. */
void fp_case_result(const struct fp_state *s, uint32_t word, bool undef, struct fp_result *ret);
/** fp_case_is_crypto - AES, SHA and PMULL.1Q, which the judge has and we do not. */
bool fp_case_is_crypto(uint32_t word);
/** fp_case_is_other_space - the word is not FP/AdvSIMD data processing. */
bool fp_case_is_other_space(uint32_t word);
