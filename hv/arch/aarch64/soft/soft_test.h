/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A software CPU without threads, devices or a VM around it: flat memory, MMU off, for unit and
 *differential tests.
 *
 *	struct soft_test *t = soft_test_create(0x40000000, 1 << 20, 0);
 *	memcpy(soft_test_mem(t), code, sizeof(code));
 *	soft_test_set_pc(t, 0x40000000);
 *	enum soft_test_stop why = soft_test_run(t, 0);
 *
 * One object per thread. Addresses are guest-physical and, with the MMU off, virtual as well. All
 *memory is normal memory in which unaligned accesses work, as for a Linux user program.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/arch/aarch64/soft/cpu.h"

struct soft_test;

enum soft_test_stop {
	SOFT_TEST_SVC = 1, /* SVC: pc is the instruction after it, imm in .imm */
	SOFT_TEST_HVC,
	SOFT_TEST_BRK,	      /* pc is the BRK */
	SOFT_TEST_UNDEF,      /* pc is the undefined instruction; also trapped system registers */
	SOFT_TEST_DATA_ABORT, /* address outside of the memory, misaligned exclusive, ...: pc is the
				 instruction */
	SOFT_TEST_FETCH_ABORT, /* pc outside of the memory or misaligned: pc is that */
	SOFT_TEST_SP_ALIGN,
	SOFT_TEST_LIMIT, /* @max instructions done: pc is the next */
	SOFT_TEST_WFI,	 /* WFI: pc is the instruction after it */
	SOFT_TEST_OTHER, /* any other exception: .esr says which */
};

/** struct soft_test_info - about the last stop. */
struct soft_test_info {
	uint64_t esr;	   /* ESR_EL1 image of the exception; 0 for LIMIT and WFI */
	uint64_t far;	   /* of aborts */
	uint32_t imm;	   /* of SVC, HVC, BRK */
	uint64_t executed; /* instructions retired by the last soft_test_run() */
};

/** soft_test_create - @size bytes (page multiple) at @base (page aligned), zeroed; @el 0 or 1; FP
 * enabled; all registers 0, SP = end of memory. NULL: no memory. */
struct soft_test *soft_test_create(uint64_t base, uint64_t size, unsigned el);
void soft_test_destroy(struct soft_test *t);
/** soft_test_mem - host address of guest address @base. After changing code call soft_test_flush().
 */
uint8_t *soft_test_mem(struct soft_test *t);
/** soft_test_flush - forgets all decoded code. */
void soft_test_flush(struct soft_test *t);
/** soft_test_cpu - for what has no accessor here. Flags only by flags.h. */
struct cpu *soft_test_cpu(struct soft_test *t);

/* x: 0..30; 31 is SP. */
void soft_test_set_x(struct soft_test *t, unsigned r, uint64_t v);
uint64_t soft_test_x(const struct soft_test *t, unsigned r);
void soft_test_set_v(struct soft_test *t, unsigned r, uint64_t lo, uint64_t hi);
union vreg soft_test_v(const struct soft_test *t, unsigned r);
void soft_test_set_pc(struct soft_test *t, uint64_t pc);
uint64_t soft_test_pc(const struct soft_test *t);
/* NZCV in bits 31..28. */
void soft_test_set_nzcv(struct soft_test *t, uint32_t nzcv);
uint32_t soft_test_nzcv(const struct soft_test *t);
void soft_test_set_fp(struct soft_test *t, uint32_t fpcr, uint32_t fpsr);
uint32_t soft_test_fpcr(const struct soft_test *t);
uint32_t soft_test_fpsr(const struct soft_test *t);

/**
 * soft_test_run - runs from pc. @max = 0: at full speed (fused and linked operations) until
 * something stops it.
 * @max > 0: the same, but exactly @max instructions at most, one at a time without fusion (slower;
 * same results). The exception is not taken: EL, VBAR and banked registers stay as they were, only
 * pc moves as said above.
 */
enum soft_test_stop soft_test_run(struct soft_test *t, uint64_t max);
/** soft_test_stop_info - details of the last stop. */
const struct soft_test_info *soft_test_stop_info(const struct soft_test *t);

/** soft_decode_is_allocated - true if the decoder knows @word: it would not become op_undef. Pure,
 * any thread. */
bool soft_decode_is_allocated(uint32_t word);
