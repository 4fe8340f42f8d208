/* SPDX-License-Identifier: Apache-2.0 */
/* FP and AdvSIMD operations against results that QEMU 7.2 (cortex-a53) gave, and some rules spelled out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fp_host.h"
#include "hv/arch/aarch64/soft/fp_core.h"

/* The golden table, read whole. */
static struct fp_golden_part parts[4];
static struct fp_golden *records[4];
static unsigned n_parts;

static int read_table(void **state)
{
	FILE *f = fopen(SOFTFP_GOLDEN, "rb");

	(void)state;
	if (!f)
		return -1;
	while (n_parts < 4 && fread(&parts[n_parts], sizeof(parts[0]), 1, f) == 1) {
		size_t count = parts[n_parts].count;
		struct fp_golden *g = calloc(count, sizeof(*g));
		if (!g || fread(g, sizeof(*g), count, f) != count) {
			free(g);
			break;
		}
		records[n_parts++] = g;
	}
	fclose(f);
	return n_parts ? 0 : -1;
}

static int free_table(void **state)
{
	(void)state;
	for (unsigned i = 0; i < n_parts; i++)
		free(records[i]);
	return 0;
}

static void golden_cases_give_qemus_results(void **state)
{
	unsigned cases = 0, bad = 0;

	(void)state;
	for (unsigned p = 0; p < n_parts; p++) {
		for (unsigned i = 0; i < parts[p].count; i++, cases++) {
			const struct fp_golden *g = &records[p][i];
			struct fp_result r;

			fp_host_case(parts[p].seed, 0, g->n, (enum fp_mix)parts[p].mix, &r);
			if (r.word == g->word && !r.undef && r.hash == g->hash)
				continue;
			if (bad++ < 10)
				print_error("part %u case %u word %08x: undefined %u, vd "
					    "%016llx%016llx x %llx fpsr %08x nzcv "
					    "%08x; want %016llx%016llx %llx %08x %08x\n",
					    p, g->n, g->word, r.undef, (unsigned long long)r.v[1],
					    (unsigned long long)r.v[0], (unsigned long long)r.x,
					    r.fpsr, r.nzcv, (unsigned long long)g->v[1],
					    (unsigned long long)g->v[0], (unsigned long long)g->x,
					    g->fpsr, g->nzcv);
		}
	}
	assert_int_equal(bad, 0);
	assert_true(cases >= 5000);
}

static void words_of_later_architectures_are_undefined(void **state)
{
	static const uint32_t words[] = {
		0x4e284820,
		0x4e285820,
		0x4e286820,
		0x4e287820, /* aese, aesd, aesmc, aesimc */
		0x5e020020,
		0x5e280820,
		0x5e281820,
		0x5e282820, /* sha1c, sha1h, sha1su1, sha256su0 */
		0x0ee2e020,
		0x4ee2e020, /* pmull, pmull2 1q */
		0xce628020,
		0xce620020, /* sha512h, eor3 */
		0x6e828420,
		0x6e828c20,
		0x7e828420,
		0x6f82d020, /* sqrdmlah, sqrdmlsh, scalar, by element */
		0x0e829420,
		0x2e829420,
		0x0f82e020, /* sdot, udot, by element */
		0x2e82c420,
		0x2e82e420,
		0x2f821020, /* fcmla, fcadd, fcmla by element */
		0x1ee22820,
		0x1ee02020,
		0x1fc20c20,
		0x1ee1c020, /* fadd, fcmp, fmadd, fsqrt h */
		0x0e421420,
		0x0e79a820,
		0x5e79a820,
		0x0f03fc20, /* fadd 4h, fcvtms 4h, scalar, fmov 4h */
		0x1e7e0020, /* fjcvtzs */
		0x0e22ec20,
		0x4ea2ec20, /* fmlal, fmlsl */
		0x1e284020,
		0x4e21e820, /* frint32z, its vector form */
		0x0ee1f820,
		0x4ea1f820, /* frecpx has no vector form */
		0x0ee28420,
		0x0e62d420,		   /* add 1d, fadd 1d */
		0x6f03f420 & ~0x40000000u, /* fmov 1d */
		0x1ea20020,
		0x9e204020,
		0x1ea20820, /* type 10, sf with fadd */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct op o = {.fn = NULL};
		if (decode_fp(words[i], &o))
			print_error("%08x is decoded\n", words[i]);
		assert_false(decode_fp(words[i], &o));
	}
}

static void with_fp_disabled_every_operation_traps_and_changes_nothing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < parts[0].count; i++) {
		struct fp_state before, after;

		fp_case_state(1, i, FP_MIX_CLASSES, 0, &before);
		after = before;
		unsigned traps = fp_host_traps(false);
		assert_true(fp_host_exec(&after, records[0][i].word));
		assert_int_equal(fp_host_traps(true), traps + 1);
		assert_memory_equal(&before, &after, sizeof(before));
	}
}

static void operations_chain_without_stack(void **state)
{
	(void)state;
#ifdef SOFT_LOOP_DISPATCH
	skip(); /* each operation returns to a loop */
#endif
	for (unsigned i = 0; i < parts[0].count; i++) {
		unsigned grown = fp_host_stack_growth(records[0][i].word);
		if (grown)
			print_error("word %08x: no sibling call, %u bytes\n", records[0][i].word,
				    grown);
		assert_int_equal(grown, 0);
	}
}

/* Rules in one line each: instruction on S0 or D0.., result, flags. Registers: rd 0, rn 1, rm 2, ra 3. */
struct rule {
	const char *what;
	uint32_t word;
	uint32_t fpcr;
	uint64_t n, m, a;
	uint64_t result;
	uint32_t fpsr;
};
#define FADD_S 0x1e222820u
#define FMUL_S 0x1e220820u
#define FMADD_S 0x1f020c20u
#define FMAXNM_S 0x1e226820u
#define FSQRT_D 0x1e61c020u
#define FCVT_H_S 0x1e23c020u
#define FCVTXN_S 0x7e616820u
#define FRECPS_S 0x5e22fc20u
static const struct rule rules[] = {
	{"a signalling NaN wins over an earlier quiet one", FADD_S, 0, 0x7fc00001, 0xff800002, 0,
	 0xffc00002, FPSR_IOC},
	{"DN gives the default NaN", FADD_S, FPCR_DN, 0x7fc00001, 0, 0, 0x7fc00000, 0},
	{"infinity * 0 + quiet NaN is invalid", FMADD_S, 0, 0x7f800000, 0, 0x7fc00001, 0x7fc00000,
	 FPSR_IOC},
	{"the addend's NaN comes first", FMADD_S, 0, 0x7fc00002, 0x3f800000, 0x7fc00001, 0x7fc00001,
	 0},
	{"FMAXNM takes the number", FMAXNM_S, 0, 0x7fc00001, 0xbf800000, 0, 0xbf800000, 0},
	{"FZ flushes inputs with IDC alone", FADD_S, FPCR_FZ, 0x00000001, 0x3f800000, 0, 0x3f800000,
	 FPSR_IDC},
	{"FZ flushes outputs with UFC alone", FMUL_S, FPCR_FZ, 0x00800000, 0x3f000000, 0, 0,
	 FPSR_UFC},
	{"tininess is judged before rounding", FMUL_S, 0, 0x00ffffff, 0x3f000000, 0, 0x00800000,
	 FPSR_UFC | FPSR_IXC},
	{"exact denormals raise nothing", FMUL_S, 0, 0x00800000, 0x3f000000, 0, 0x00400000, 0},
	{"x - x is -0 when rounding down", FADD_S, 2u << 22, 0x3f800000, 0xbf800000, 0, 0x80000000,
	 0},
	{"overflow rounds to the largest number toward zero", FMUL_S, 3u << 22, 0x7f000000,
	 0x7f000000, 0, 0x7f7fffff, FPSR_OFC | FPSR_IXC},
	{"the root of -1 is the default NaN", FSQRT_D, 0, 0xbff0000000000000, 0, 0,
	 0x7ff8000000000000, FPSR_IOC},
	{"alternative half precision saturates with IOC alone", FCVT_H_S, FPCR_AHP, 0x7f800000, 0,
	 0, 0x7fff, FPSR_IOC},
	{"FCVTXN rounds to odd", FCVTXN_S, 0, 0x3ff0000000000001, 0, 0, 0x3f800001, FPSR_IXC},
	{"a step of infinity and 0 is 2", FRECPS_S, 0, 0x7f800000, 0x80000000, 0, 0x40000000, 0},
};

static void rules_hold(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct rule *t = &rules[i];
		struct fp_state s;

		memset(&s, 0xee, sizeof(s));
		s.nzcv = 0;
		s.fpcr = t->fpcr;
		s.fpsr = 0;
		s.v[1][0] = t->n;
		s.v[2][0] = t->m;
		s.v[3][0] = t->a;
		assert_true(fp_host_exec(&s, t->word));
		if (s.v[0][0] != t->result || s.v[0][1] != 0 || s.fpsr != t->fpsr)
			print_error("%s: got %llx, FPSR %llx\n", t->what,
				    (unsigned long long)s.v[0][0], (unsigned long long)s.fpsr);
		assert_int_equal(s.v[0][0], t->result);
		assert_int_equal(s.v[0][1], 0);
		assert_int_equal(s.fpsr, t->fpsr);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_cases_give_qemus_results),
		cmocka_unit_test(words_of_later_architectures_are_undefined),
		cmocka_unit_test(with_fp_disabled_every_operation_traps_and_changes_nothing),
		cmocka_unit_test(operations_chain_without_stack),
		cmocka_unit_test(rules_hold),
	};

	return cmocka_run_group_tests(tests, read_table, free_table);
}
