/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares cases with the results of fp_judge.
 * usage: fp_diff SEED FIRST COUNT MIX [RECORD EACH] < results
 * With RECORD, appends results of the judge to the golden table of that name: EACH cases of every handler.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "fp_host.h"

static void complain(uint64_t n, const struct fp_state *s, const struct fp_result *want,
		     const struct fp_result *got)
{
	uint32_t w = want->word;

	printf("case=%" PRIu64 " word=%08x undef=%u/%u (judge/ours) fpcr=%08" PRIx64
	       " nzcv-in=%08" PRIx64 "\n",
	       n, w, want->undef, got->undef, s->fpcr, s->nzcv);
	for (unsigned i = 0; i < 4; i++) {
		static const unsigned shift[] = {5, 16, 10, 0};
		unsigned r = w >> shift[i] & 31;
		printf("   v%u=%016" PRIx64 "%016" PRIx64 " x%u=%" PRIx64 "\n", r, s->v[r][1],
		       s->v[r][0], r, r == 31 ? 0 : s->x[r]);
	}
	printf("   judge vd=%016" PRIx64 "%016" PRIx64 " x=%" PRIx64 " fpsr=%08x nzcv=%08x\n",
	       want->v[1], want->v[0], want->x, want->fpsr, want->nzcv);
	printf("   ours  vd=%016" PRIx64 "%016" PRIx64 " x=%" PRIx64 " fpsr=%08x nzcv=%08x\n",
	       got->v[1], got->v[0], got->x, got->fpsr, got->nzcv);
}

/* A part of the golden table: @count records behind their header. */
static bool append(const char *path, const struct fp_golden_part *part, const struct fp_golden *g)
{
	FILE *f = fopen(path, "ab");

	if (!f)
		return false;
	bool ok = fwrite(part, sizeof(*part), 1, f) == 1 &&
		  fwrite(g, sizeof(*g), part->count, f) == part->count;
	return fclose(f) == 0 && ok;
}

int main(int argc, char **argv)
{
	uint64_t bad = 0, undef = 0, crypto = 0, n;
	struct fp_golden *g = NULL;

	if (argc < 5)
		return 2;
	uint64_t seed = strtoull(argv[1], NULL, 0), first = strtoull(argv[2], NULL, 0);
	uint64_t count = strtoull(argv[3], NULL, 0);
	enum fp_mix mix = (enum fp_mix)atoi(argv[4]);
	struct fp_golden_part part = {.seed = seed, .mix = mix};
	uint32_t each = argc > 6 ? (uint32_t)atoi(argv[6]) : 0, taken[FP_HANDLERS] = {0};
	if (each && !(g = calloc((size_t)each * FP_HANDLERS, sizeof(*g))))
		return 2;
	for (n = first; n < first + count; n++) {
		struct fp_result want, got;

		if (fread(&want, sizeof(want), 1, stdin) != 1) {
			fprintf(stderr, "fp_diff: results end at case %" PRIu64 " of %" PRIu64 "\n",
				n - first, count);
			return 1;
		}
		fp_host_case(seed, first, n, mix, &got);
		bool differs =
			want.word != got.word || want.undef != got.undef || want.hash != got.hash;
		if (fp_case_is_crypto(got.word)) {
			differs = !got.undef;
			crypto++;
		} else if (want.undef) {
			undef++;
		}
		if (differs && bad++ < 40) {
			struct fp_state s;
			fp_case_state(seed, n, mix, (n - first) % FP_SLOTS, &s);
			complain(n, &s, &want, &got);
		}
		if (each && !want.undef && !fp_case_is_crypto(want.word) &&
		    taken[fp_host_handler(want.word)]++ < each)
			g[part.count++] = (struct fp_golden){want.hash, {want.v[0], want.v[1]},
							     want.x,	(uint32_t)(n - first),
							     want.word, want.fpsr,
							     want.nzcv};
	}
	printf("cases=%" PRIu64 " undefined=%" PRIu64 " crypto=%" PRIu64 " mismatches=%" PRIu64
	       " seed=%#" PRIx64 "\n",
	       count, undef, crypto, bad, seed);
	if (each && !append(argv[5], &part, g))
		return 2;
	free(g);
	return bad != 0;
}
