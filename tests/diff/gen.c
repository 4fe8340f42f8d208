/* SPDX-License-Identifier: Apache-2.0 */
#include "gen.h"
#include <string.h>

uint32_t gen_rnd(struct gen *g, uint32_t below)
{
	return (uint32_t)((case_rng_next(&g->s) >> 32) * below >> 32);
}

void gen_word(struct gen *g, const char *name, uint32_t w)
{
	g->c->names[g->n] = name;
	g->c->words[g->n++] = w;
}

uint32_t gen_dest(struct gen *g, bool sp)
{
	for (;;) {
		uint32_t r = gen_rnd(g, 32);

		if (r == 31 && !sp)
			return r;
		if (g->reserved >> r & 1)
			continue;
		g->written |= 1u << r;
		g->bases &= ~(1u << r);
		return r;
	}
}

void gen_set(struct gen *g, unsigned reg, uint64_t val)
{
	struct case_desc *d = &g->c->d;

	d->set_reg[d->nset] = (uint8_t)reg;
	d->set_val[d->nset++] = val;
	g->reserved |= 1u << reg;
}

int gen_fresh(struct gen *g)
{
	if (g->c->d.nset == CASE_SETS)
		return -1;
	for (int tries = 0; tries < 64; tries++) {
		uint32_t r = gen_rnd(g, 31);

		if (!((g->written | g->reserved) >> r & 1))
			return (int)r;
	}
	return -1;
}

/* Words that the cortex-a53 of QEMU executes and our engine, by its ID registers, does not. */
bool gen_is_optional(uint32_t w)
{
	return (w & 0x7fe0f000) == 0x1ac04000 || (w & 0x7fe0f000) == 0x1ac05000 || /* CRC32 */
	       (w & 0xff3e0c00) == 0x4e280800 ||				   /* AES */
	       (w & 0xff208c00) == 0x5e000000 ||				   /* SHA, 3 regs */
	       (w & 0xff3e0c00) == 0x5e280800 ||				   /* SHA, 2 regs */
	       (w & 0xbfe0fc00) == 0x0ee0e000;					   /* PMULL 1Q */
}

/* Writes the random free bits of @row into a word that is fit to run. */
static bool row_word(struct gen *g, const struct gen_row *row)
{
	for (int tries = 0; tries < 200; tries++) {
		uint32_t w = row->value | ((uint32_t)(case_rng_next(&g->s) >> 20) & ~row->mask);
		unsigned flags = row->flags;

		if (row->fix && !row->fix(g, &w, &flags))
			continue;
		if (gen_is_optional(w))
			continue;
		if (flags & ROW_D_SP_NS)
			flags |= w >> 29 & 1 ? ROW_D : ROW_D_SP;
		if (flags & (ROW_D | ROW_D_SP))
			w = (w & ~31u) | gen_dest(g, flags & ROW_D_SP);
		gen_word(g, row->name, w);
		return true;
	}
	return false;
}

struct row_pick {
	const struct gen_row *row[256];
	unsigned n;
};

static void pick_add(struct row_pick *p, const struct gen_row *rows, unsigned n, uint32_t classes)
{
	for (unsigned i = 0; i < n && p->n < 256; i++)
		if (rows[i].cls & classes)
			p->row[p->n++] = &rows[i];
}

/* A class is chosen first, so that a big table does not drown a small one. */
static bool gen_one(struct gen *g, const struct row_pick picks[6], uint32_t classes)
{
	unsigned k = gen_rnd(g, 6);
	const struct gen_row *row;

	if (!(classes >> k & 1) || !picks[k].n)
		return false;
	if ((1u << k) == GEN_BRANCH && (!g->branchy || gen_rnd(g, 4)))
		return false;
	row = picks[k].row[gen_rnd(g, picks[k].n)];
	/* An undefined word ends the case: put those last, and in few cases. */
	if ((row->flags & ROW_ANY) && (g->n + 1 != g->len && gen_rnd(g, 8)))
		return false;
	return row->emit ? row->emit(g, row) : row_word(g, row);
}

void gen_case_make(struct gen_case *c, uint64_t seed, uint32_t id, uint32_t classes,
		   uint32_t code_off)
{
	struct gen g = {.c = c};
	struct row_pick picks[6];
	unsigned stuck = 0;

	memset(c, 0, sizeof(*c));
	g.s = seed ^ (uint64_t)id * 0xd1342543de82ef95ull;
	case_rng_next(&g.s);
	c->d.seed = case_rng_next(&g.s);
	c->d.code_off = code_off;
	g.branchy = (classes & GEN_BRANCH) && (gen_rnd(&g, 4) == 0 || classes == GEN_BRANCH);
	/* Most cases keep to few classes, the others mix them all. */
	if (gen_rnd(&g, 4)) {
		uint32_t keep = classes & (uint32_t)(case_rng_next(&g.s) >> 32);

		if (keep & ~(uint32_t)GEN_BRANCH)
			classes = keep | (classes & GEN_BRANCH);
	}
	c->d.vkind = (uint8_t)gen_rnd(&g, CASE_V_MIXED + 1);
	case_state_init(&c->d, &g.st0, NULL);
	g.len = 8 + gen_rnd(&g, 5);
	for (unsigned k = 0; k < 6; k++) {
		picks[k].n = 0;
		pick_add(&picks[k], gen_rows_int, gen_rows_int_n, 1u << k);
		pick_add(&picks[k], gen_rows_mem, gen_rows_mem_n, 1u << k);
		pick_add(&picks[k], gen_rows_fp, gen_rows_fp_n, 1u << k);
	}
	while (g.n < g.len && stuck < 20000)
		if (!gen_one(&g, picks, classes))
			stuck++;
	c->d.nwords = (uint8_t)g.n;
	c->d.nrun = (uint8_t)g.n;
}
