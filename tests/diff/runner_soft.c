/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff-runner - runs a case file in the software CPU: the counterpart of harness.c, with the same
 * arguments and the same output. Each case leaves through SVC where the harness has a branch.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "case.h"
#include "hv/arch/aarch64/soft/soft_test.h"

#define SVC_EXIT 0xd4000001u
#define MEM_SIZE (CASE_SCRATCH_BASE + CASE_SCRATCH_SIZE - CASE_CODE_BASE)

static uint8_t *mem;

static void *at(uint64_t addr)
{
	return mem + (addr - CASE_CODE_BASE);
}

static void load_state(struct soft_test *t, const struct cpu_state *s)
{
	for (unsigned i = 0; i < 31; i++)
		soft_test_set_x(t, i, s->x[i]);
	soft_test_set_x(t, 31, s->sp);
	for (unsigned i = 0; i < 32; i++)
		soft_test_set_v(t, i, s->v[i][0], s->v[i][1]);
	soft_test_set_nzcv(t, s->nzcv);
	soft_test_set_fp(t, s->fpcr, s->fpsr);
	soft_test_cpu(t)->tpidr_el0 = s->x[30];
	soft_test_cpu(t)->excl_valid = false;
}

static void store_state(const struct soft_test *t, struct cpu_state *s)
{
	for (unsigned i = 0; i < 31; i++)
		s->x[i] = soft_test_x(t, i);
	s->sp = soft_test_x(t, 31);
	for (unsigned i = 0; i < 32; i++) {
		union vreg v = soft_test_v(t, i);

		s->v[i][0] = v.d[0];
		s->v[i][1] = v.d[1];
	}
	s->nzcv = soft_test_nzcv(t);
	s->fpcr = soft_test_fpcr(t);
	s->fpsr = soft_test_fpsr(t);
	s->pad = 0;
}

static void run_case(struct soft_test *t, const struct case_desc *d, struct case_dump *out,
		     uint64_t max)
{
	uint64_t body = CASE_CODE_BASE + d->code_off + 4;
	struct cpu_state init;
	enum soft_test_stop why;

	case_state_init(d, &init, at(CASE_WIN_BASE));
	load_state(t, &init);
	soft_test_set_pc(t, body - 4);
	why = soft_test_run(t, max);
	if (why != SOFT_TEST_SVC) {
		out->rec.status = why == SOFT_TEST_UNDEF ? CASE_UNDEF
				  : why == SOFT_TEST_DATA_ABORT || why == SOFT_TEST_FETCH_ABORT
					  ? CASE_FAULT
					  : CASE_OTHER;
		out->rec.where = (uint8_t)((soft_test_pc(t) - body) / 4);
	}
	store_state(t, &out->state);
	memcpy(out->win, at(CASE_WIN_BASE), CASE_WIN_SIZE);
	out->rec.hash = case_state_hash(&out->state, out->win);
}

static int fail(const char *what, const char *name)
{
	fprintf(stderr, "diff-runner: %s file=%s\n", what, name);
	return 2;
}

/* Reads the case file; the code goes to its place in guest memory, with the exits put in. */
static struct case_desc *read_cases(FILE *f, struct blob_header *h)
{
	struct case_desc *d;

	if (fread(h, sizeof(*h), 1, f) != 1 || h->magic != CASE_MAGIC ||
	    h->version != CASE_VERSION || h->code_off + (uint64_t)h->code_bytes > CASE_CODE_MAX)
		return NULL;
	d = calloc(h->ncases, sizeof(*d));
	if (!d || fread(d, sizeof(*d), h->ncases, f) != h->ncases ||
	    fread(at(CASE_CODE_BASE + h->code_off), 1, h->code_bytes, f) != h->code_bytes) {
		free(d);
		return NULL;
	}
	for (uint32_t i = 0; i < h->ncases; i++)
		for (unsigned k = d[i].nrun; k <= d[i].nwords; k++)
			((uint32_t *)at(CASE_CODE_BASE + d[i].code_off))[1 + k] = SVC_EXIT;
	return d;
}

/* argv: [-d] [-s] CASES RECORDS; -s steps one instruction at a time, without fusion. */
int main(int argc, char **argv)
{
	int dump = 0, n = 1;
	uint64_t max = 0;
	struct blob_header h;
	struct soft_test *t;
	struct case_desc *d;
	FILE *in, *out;

	for (; n < argc && argv[n][0] == '-'; n++) {
		dump |= !strcmp(argv[n], "-d");
		if (!strcmp(argv[n], "-s"))
			max = 1000;
	}
	if (argc - n != 2)
		return fail("usage: diff-runner [-d] [-s] CASES RECORDS", "(none)");
	t = soft_test_create(CASE_CODE_BASE, MEM_SIZE, 0);
	if (!t)
		return fail("no memory for the CPU", argv[n]);
	mem = soft_test_mem(t);
	in = fopen(argv[n], "rb");
	if (!in)
		return fail("cannot open", argv[n]);
	d = read_cases(in, &h);
	fclose(in);
	if (!d)
		return fail("not a case file of this version", argv[n]);
	out = fopen(argv[n + 1], "wb");
	if (!out)
		return fail("cannot write", argv[n + 1]);
	soft_test_flush(t);
	for (uint32_t i = 0; i < h.ncases; i++) {
		struct case_dump r = {.rec.id = h.first_id + i};

		run_case(t, &d[i], &r, max);
		fwrite(&r, dump ? sizeof(r) : sizeof(r.rec), 1, out);
	}
	free(d);
	soft_test_destroy(t);
	return fclose(out) ? fail("cannot write", argv[n + 1]) : 0;
}
