/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The case generator: deterministic, from {seed, case number, classes} to one case.
 *
 * It emits valid Armv8.0-A words of every class, plus in the random rows words that QEMU's
 * cortex-a53 may find undefined (which is then the expected result). CONSTRAINED UNPREDICTABLE
 * forms, optional extensions (CRC32, AES, SHA, PMULL of 64 bits) and system instructions whose
 * result depends on the machine are left out.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "case.h"

enum gen_class {
	GEN_INT = 1,
	GEN_BRANCH = 2,
	GEN_MEM = 4,
	GEN_FP = 8,
	GEN_SIMD = 16,
	GEN_SIMDMEM = 32,
	GEN_ALL = 63,
};

/* Properties of a row of the tables: which fields are general registers that are written. */
enum row_flags {
	ROW_D = 1,	 /* Rd (bits 4:0) is a general register, 31 = ZR */
	ROW_D_SP = 2,	 /* Rd is a general register, 31 = SP */
	ROW_D_SP_NS = 4, /* as ROW_D_SP when bit 29 (S) is clear, else as ROW_D */
	ROW_ANY = 8,	 /* words of this row may be undefined: used rarely */
};

struct gen;

/*
 * One class of instructions: fixed bits and free bits. @fix, when not NULL, may adjust a word
 * with random free bits or refuse it (false: another is drawn). @emit, when not NULL, does
 * all by itself and gives false when it cannot.
 */
struct gen_row {
	const char *name;
	uint32_t value;
	uint32_t mask;
	uint16_t cls;
	uint16_t flags;
	bool (*fix)(struct gen *g, uint32_t *w, unsigned *flags);
	bool (*emit)(struct gen *g, const struct gen_row *row);
	uint32_t arg;
};

struct gen_case {
	struct case_desc d;
	uint32_t words[CASE_WORDS_MAX]; /* body */
	const char *names[CASE_WORDS_MAX];
};

struct gen {
	uint64_t s; /* random state */
	struct gen_case *c;
	struct cpu_state st0; /* initial state before the fixed registers */
	unsigned n, len;      /* words so far, and in all */
	uint32_t
		written; /* general registers (bit 31 = SP) that no longer have their initial value */
	uint32_t reserved; /* general registers that must not be written */
	uint32_t bases;	   /* registers whose value is known: an address */
	uint64_t base_val[32];
	bool branchy; /* control flow may skip words: no writeback, no exclusives */
};

/* gen_case_make - makes case @id of @seed from the classes @classes (bits of gen_class), its slot at @code_off. */
void gen_case_make(struct gen_case *c, uint64_t seed, uint32_t id, uint32_t classes,
		   uint32_t code_off);

/* Helpers for the tables. */
uint32_t gen_rnd(struct gen *g, uint32_t below);
void gen_word(struct gen *g, const char *name, uint32_t w);
/* gen_dest - a register that may be written, as a field of 5 bits; @sp: 31 would be SP. Marks it. */
uint32_t gen_dest(struct gen *g, bool sp);
void gen_set(struct gen *g, unsigned reg, uint64_t val);
/* gen_fresh - a register that still has its initial value and is not fixed yet, or -1. */
int gen_fresh(struct gen *g);
bool gen_is_optional(uint32_t w);

extern const struct gen_row gen_rows_int[], gen_rows_mem[], gen_rows_fp[];
extern const unsigned gen_rows_int_n, gen_rows_mem_n, gen_rows_fp_n;
