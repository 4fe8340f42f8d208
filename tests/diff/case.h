/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The case file of the differential CPU tests, and everything both sides of the comparison must
 * compute in the same way: the initial CPU state of a case and the hash of its final state.
 *
 * This header and case.c are compiled for the host (generator, runner of our engine, comparison)
 * and, freestanding, for arm64 (the harness that runs under qemu-aarch64). They use no libc.
 */
#pragma once
#include <stdint.h>

/* File: blob_header, then ncases case_desc, then code_bytes bytes of code words. */
#define CASE_MAGIC 0x31464944u /* "DIF1" */
#define CASE_VERSION 1u

/* Guest-virtual places, the same on both sides, because ADR and BL make them visible. */
#define CASE_CODE_BASE 0x04000000ull
#define CASE_CODE_MAX 0x04000000ull
#define CASE_SCRATCH_BASE 0x0c000000ull
#define CASE_SCRATCH_SIZE 0x10000ull
/* All data accesses fall into this window, which straddles a page boundary. */
#define CASE_WIN_BASE 0x0c007e00ull
#define CASE_WIN_SIZE 1024u

#define CASE_SETS 10	  /* initial registers a case may fix */
#define CASE_WORDS_MAX 16 /* body words of a case */
#define CASE_REG_SP 31

/* How the vector registers start. */
enum case_vkind { CASE_V_RANDOM, CASE_V_HALF, CASE_V_SINGLE, CASE_V_DOUBLE, CASE_V_MIXED };

/* The word in front of each body: MRS X30, TPIDR_EL0. The harness enters through X30. */
#define CASE_PROLOGUE 0xd53bd05eu

struct blob_header {
	uint32_t magic;
	uint32_t version;
	uint64_t seed;
	uint32_t ncases;
	uint32_t first_id;
	uint32_t code_off; /* of the first code byte, from CASE_CODE_BASE */
	uint32_t code_bytes;
};

/*
 * One case. Its slot at CASE_CODE_BASE + code_off holds 1 prologue word, nwords body words and
 * one more; the runner writes its own exit instruction over every body word from index nrun on,
 * and over the last word. nrun < nwords is how a mismatch is bisected.
 */
struct case_desc {
	uint64_t seed;
	uint32_t code_off;
	uint8_t nwords;
	uint8_t nrun;
	uint8_t nset;
	uint8_t vkind;
	uint8_t set_reg[CASE_SETS];
	uint8_t pad[6];
	uint64_t set_val[CASE_SETS];
};

struct cpu_state {
	uint64_t x[31];
	uint64_t sp;
	uint64_t v[32][2];
	uint32_t nzcv; /* in bits 31..28, as MRS reads it */
	uint32_t fpcr;
	uint32_t fpsr;
	uint32_t pad;
};

enum case_status { CASE_OK = 0, CASE_UNDEF = 1, CASE_FAULT = 2, CASE_OTHER = 3 };

/* One result. `where` is the body index of the instruction that trapped, 0 when none did. */
struct case_record {
	uint32_t id;
	uint8_t status;
	uint8_t where;
	uint16_t pad;
	uint64_t hash;
};

/* What a runner writes with a full dump: one record, then one of these, for each case. */
struct case_dump {
	struct case_record rec;
	struct cpu_state state;
	uint64_t win[CASE_WIN_SIZE / 8];
};

/* case_rng_next - SplitMix64: advances *s and gives the next 64 random bits. */
uint64_t case_rng_next(uint64_t *s);

/* case_state_init - fills @st and, unless NULL, the window @win, from the description @d alone. */
void case_state_init(const struct case_desc *d, struct cpu_state *st, uint64_t *win);

/* case_state_hash - hash of a final state and the window's content. */
uint64_t case_state_hash(const struct cpu_state *st, const uint64_t *win);
