/* SPDX-License-Identifier: Apache-2.0 */
/*
 * difftool - makes case files and judges results. See usage() for the verbs.
 * Exit codes: 0 done and equal, 1 results differ, 2 bad usage or files.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gen.h"

#define SLOT_WORDS (CASE_WORDS_MAX + 2)
#define SLOTS 500000u
#define GOLDEN_MAGIC 0x31444c47u /* "GLD1" */

struct golden_header {
	uint32_t magic;
	uint32_t count;
	uint64_t seed;
	uint32_t classes;
	uint32_t pad;
};

struct opts {
	uint64_t seed;
	uint32_t first, count, classes;
	int prefix; /* -1 = whole cases */
	const char *out;
	const char *file[4];
	int nfile;
};

static const struct {
	const char *name;
	uint32_t bit;
} classes[] = {{"int", GEN_INT},   {"branch", GEN_BRANCH},   {"mem", GEN_MEM}, {"fp", GEN_FP},
	       {"simd", GEN_SIMD}, {"simdmem", GEN_SIMDMEM}, {"all", GEN_ALL}};

static int usage(void)
{
	fputs("usage: difftool gen [--seed S] [--first N] [--count N] [--class C,..] [--prefix N] "
	      "-o CASES\n"
	      "       difftool cmp RECORDS RECORDS        prints the numbers of the cases that "
	      "differ\n"
	      "       difftool show CASES DUMP            names, words and registers of one case\n"
	      "       difftool dumpdiff DUMP_A DUMP_B     registers that differ\n"
	      "       difftool words CASES -o FILE        the body words of the first case\n"
	      "       difftool golden CASES RECORDS -o GOLDEN\n"
	      "       difftool golden-info GOLDEN         options for gen, to stdout\n"
	      "       difftool golden-cmp GOLDEN RECORDS\n"
	      "classes: int branch mem fp simd simdmem all\n",
	      stderr);
	return 2;
}

static void *load(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "rb");
	char *p;
	long n;

	if (!f || fseek(f, 0, SEEK_END) || (n = ftell(f)) < 0 || fseek(f, 0, SEEK_SET)) {
		fprintf(stderr, "difftool: cannot read file=%s\n", path);
		exit(2);
	}
	p = malloc((size_t)n + 1);
	if (!p || fread(p, 1, (size_t)n, f) != (size_t)n) {
		fprintf(stderr, "difftool: cannot read file=%s\n", path);
		exit(2);
	}
	fclose(f);
	*ret_len = (size_t)n;
	return p;
}

static int write_out(const char *path, const void *a, size_t na, const void *b, size_t nb,
		     const void *c, size_t nc)
{
	FILE *f = path ? fopen(path, "wb") : NULL;
	int ok = f && fwrite(a, 1, na, f) == na && fwrite(b, 1, nb, f) == nb &&
		 fwrite(c, 1, nc, f) == nc;

	if (f && fclose(f))
		ok = 0;
	if (!ok)
		fprintf(stderr, "difftool: cannot write file=%s\n", path ? path : "(none)");
	return ok ? 0 : 2;
}

static uint32_t slot_off(uint32_t id)
{
	return id % SLOTS * SLOT_WORDS * 4;
}

static int do_gen(const struct opts *o)
{
	struct blob_header h = {.magic = CASE_MAGIC,
				.version = CASE_VERSION,
				.seed = o->seed,
				.ncases = o->count,
				.first_id = o->first,
				.code_off = slot_off(o->first),
				.code_bytes = o->count * SLOT_WORDS * 4};
	struct case_desc *d;
	uint32_t *code;
	int rc;

	if (!o->count || o->first % SLOTS + (uint64_t)o->count > SLOTS) {
		fprintf(stderr, "difftool: first=%u count=%u crosses a multiple of %u\n", o->first,
			o->count, SLOTS);
		return 2;
	}
	d = calloc(o->count, sizeof(*d));
	code = calloc(o->count, SLOT_WORDS * 4);
	if (!d || !code)
		return 2;
	for (uint32_t i = 0; i < o->count; i++) {
		struct gen_case c;
		uint32_t *w = code + (size_t)i * SLOT_WORDS;

		gen_case_make(&c, o->seed, o->first + i, o->classes, slot_off(o->first + i));
		if (o->prefix >= 0 && o->prefix < c.d.nwords)
			c.d.nrun = (uint8_t)o->prefix;
		d[i] = c.d;
		w[0] = CASE_PROLOGUE;
		memcpy(w + 1, c.words, 4u * c.d.nwords);
	}
	rc = write_out(o->out, &h, sizeof(h), d, o->count * sizeof(*d), code, h.code_bytes);
	free(d);
	free(code);
	return rc;
}

/* Compares hash, status and place; of a trap the state counts as well. */
static int do_cmp(const struct opts *o)
{
	size_t na, nb, diff = 0;
	struct case_record *a = load(o->file[0], &na), *b = load(o->file[1], &nb);
	size_t n = na / sizeof(*a);

	if (na != nb || na % sizeof(*a)) {
		fprintf(stderr, "difftool: %s and %s have %zu and %zu bytes\n", o->file[0],
			o->file[1], na, nb);
		return 2;
	}
	for (size_t i = 0; i < n; i++) {
		if (!memcmp(&a[i], &b[i], sizeof(a[i])))
			continue;
		diff++;
		printf("%u\n", a[i].id);
	}
	fprintf(stderr, "cases=%zu differ=%zu\n", n, diff);
	free(a);
	free(b);
	return diff != 0;
}

static void state_diff(const struct case_dump *a, const struct case_dump *b, const char *la,
		       const char *lb)
{
	static const char *const st[] = {"ok", "undefined", "fault", "other"};

	if (a->rec.status != b->rec.status || a->rec.where != b->rec.where)
		printf("  %-6s %s: %s at %u   %s: %s at %u\n", "status", la, st[a->rec.status & 3],
		       a->rec.where, lb, st[b->rec.status & 3], b->rec.where);
	for (int i = 0; i < 31; i++)
		if (a->state.x[i] != b->state.x[i])
			printf("  x%-5d %s: %016" PRIx64 "   %s: %016" PRIx64 "\n", i, la,
			       a->state.x[i], lb, b->state.x[i]);
	if (a->state.sp != b->state.sp)
		printf("  %-6s %s: %016" PRIx64 "   %s: %016" PRIx64 "\n", "sp", la, a->state.sp,
		       lb, b->state.sp);
	for (int i = 0; i < 32; i++)
		if (memcmp(a->state.v[i], b->state.v[i], 16))
			printf("  v%-5d %s: %016" PRIx64 "_%016" PRIx64 "   %s: %016" PRIx64
			       "_%016" PRIx64 "\n",
			       i, la, a->state.v[i][1], a->state.v[i][0], lb, b->state.v[i][1],
			       b->state.v[i][0]);
	if (a->state.nzcv != b->state.nzcv || a->state.fpcr != b->state.fpcr ||
	    a->state.fpsr != b->state.fpsr)
		printf("  flags  %s: nzcv=%08x fpcr=%08x fpsr=%08x   %s: nzcv=%08x fpcr=%08x "
		       "fpsr=%08x\n",
		       la, a->state.nzcv, a->state.fpcr, a->state.fpsr, lb, b->state.nzcv,
		       b->state.fpcr, b->state.fpsr);
	for (unsigned i = 0; i < CASE_WIN_SIZE / 8; i++)
		if (a->win[i] != b->win[i])
			printf("  [%llx] %s: %016" PRIx64 "   %s: %016" PRIx64 "\n",
			       CASE_WIN_BASE + i * 8, la, a->win[i], lb, b->win[i]);
}

static struct case_dump *load_dump(const char *path)
{
	size_t n;
	struct case_dump *d = load(path, &n);

	if (n != sizeof(*d)) {
		fprintf(stderr, "difftool: file=%s is not the dump of one case\n", path);
		exit(2);
	}
	return d;
}

static struct case_desc *load_cases(const char *path, struct blob_header **ret_h,
				    uint32_t **ret_code)
{
	size_t n;
	struct blob_header *h = load(path, &n);
	struct case_desc *d = (void *)(h + 1);

	if (n < sizeof(*h) || h->magic != CASE_MAGIC || h->version != CASE_VERSION ||
	    n != sizeof(*h) + (size_t)h->ncases * sizeof(*d) + h->code_bytes) {
		fprintf(stderr, "difftool: file=%s is not a case file of this version\n", path);
		exit(2);
	}
	*ret_h = h;
	*ret_code = (void *)(d + h->ncases);
	return d;
}

static int do_words(const struct opts *o)
{
	struct blob_header *h;
	uint32_t *code;
	struct case_desc *d = load_cases(o->file[0], &h, &code);
	int rc = write_out(o->out, code + 1, d->nrun * 4u, NULL, 0, NULL, 0);

	free(h);
	return rc;
}

static int do_show(const struct opts *o)
{
	struct blob_header *h;
	uint32_t *code;
	struct case_desc *d = load_cases(o->file[0], &h, &code);
	struct case_dump *s = load_dump(o->file[1]);

	printf("case %u of seed %" PRIu64 ", body at %llx\n", h->first_id, h->seed,
	       CASE_CODE_BASE + d->code_off + 4);
	for (int i = 0; i < 31; i++)
		printf("x%-2d %016" PRIx64 "%s", i, s->state.x[i], i % 4 == 3 ? "\n" : "  ");
	printf("sp  %016" PRIx64 "\nnzcv=%08x fpcr=%08x fpsr=%08x\n", s->state.sp, s->state.nzcv,
	       s->state.fpcr, s->state.fpsr);
	for (int i = 0; i < 32; i++)
		printf("v%-2d %016" PRIx64 "_%016" PRIx64 "%s", i, s->state.v[i][1],
		       s->state.v[i][0], i % 2 ? "\n" : "  ");
	free(s);
	free(h);
	return 0;
}

static int do_dumpdiff(const struct opts *o)
{
	struct case_dump *a = load_dump(o->file[0]), *b = load_dump(o->file[1]);
	int differ = memcmp(a, b, sizeof(*a)) != 0;

	if (differ)
		state_diff(a, b, "qemu", "ours");
	free(a);
	free(b);
	return differ;
}

static int do_golden(const struct opts *o)
{
	struct blob_header *h;
	uint32_t *code;
	struct case_desc *d = load_cases(o->file[0], &h, &code);
	size_t n;
	struct case_record *r = load(o->file[1], &n);
	struct golden_header g = {GOLDEN_MAGIC, h->ncases, h->seed, o->classes, 0};
	uint64_t *v = calloc(h->ncases, 8);
	int rc;

	if (!v || n != h->ncases * sizeof(*r) || h->first_id != 0)
		return 2;
	/* The hash of the words comes in, so a changed generator is told from a wrong result. */
	for (uint32_t i = 0; i < h->ncases; i++) {
		v[i] = r[i].hash ^ (uint64_t)r[i].status << 8 ^ r[i].where;
		for (unsigned k = 0; k < d[i].nwords; k++)
			g.pad = g.pad * 31 + code[(size_t)i * SLOT_WORDS + 1 + k];
	}
	rc = write_out(o->out, &g, sizeof(g), v, (size_t)h->ncases * 8, NULL, 0);
	free(v);
	free(r);
	free(h);
	return rc;
}

static struct golden_header *load_golden(const char *path)
{
	size_t n;
	struct golden_header *g = load(path, &n);

	if (n < sizeof(*g) || g->magic != GOLDEN_MAGIC || n != sizeof(*g) + (size_t)g->count * 8) {
		fprintf(stderr, "difftool: file=%s is not a golden file\n", path);
		exit(2);
	}
	return g;
}

static int do_golden_info(const struct opts *o)
{
	struct golden_header *g = load_golden(o->file[0]);
	uint32_t sum = 0;

	for (uint32_t i = 0; i < g->count; i++) {
		struct gen_case c;

		gen_case_make(&c, g->seed, i, g->classes, slot_off(i));
		for (unsigned k = 0; k < c.d.nwords; k++)
			sum = sum * 31 + c.words[k];
	}
	if (sum != g->pad) {
		fprintf(stderr,
			"difftool: the generator has changed since file=%s was made; make it "
			"anew\n",
			o->file[0]);
		return 2;
	}
	printf("--seed %" PRIu64 " --count %u\n", g->seed, g->count);
	free(g);
	return 0;
}

static int do_golden_cmp(const struct opts *o)
{
	struct golden_header *g = load_golden(o->file[0]);
	const uint64_t *v = (const uint64_t *)(const void *)(g + 1);
	size_t n, diff = 0;
	struct case_record *r = load(o->file[1], &n);

	if (n != g->count * sizeof(*r)) {
		fprintf(stderr, "difftool: %zu results for %u golden cases\n", n / sizeof(*r),
			g->count);
		return 2;
	}
	for (uint32_t i = 0; i < g->count; i++) {
		if (v[i] == (r[i].hash ^ (uint64_t)r[i].status << 8 ^ r[i].where))
			continue;
		diff++;
		printf("%u\n", i);
	}
	fprintf(stderr, "cases=%u differ=%zu\n", g->count, diff);
	free(r);
	free(g);
	return diff != 0;
}

static uint32_t parse_classes(const char *s)
{
	uint32_t bits = 0;

	while (*s) {
		size_t n = strcspn(s, ","), i;

		for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
			if (strlen(classes[i].name) == n && !strncmp(classes[i].name, s, n))
				break;
		if (i == sizeof(classes) / sizeof(classes[0])) {
			fprintf(stderr, "difftool: unknown class in \"%s\"\n", s);
			exit(2);
		}
		bits |= classes[i].bit;
		s += n + (s[n] == ',');
	}
	return bits;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int files;
		int (*fn)(const struct opts *);
	} verbs[] = {{"gen", 0, do_gen},
		     {"cmp", 2, do_cmp},
		     {"show", 2, do_show},
		     {"dumpdiff", 2, do_dumpdiff},
		     {"words", 1, do_words},
		     {"golden", 2, do_golden},
		     {"golden-info", 1, do_golden_info},
		     {"golden-cmp", 2, do_golden_cmp}};
	struct opts o = {.seed = 1, .count = 1000, .classes = GEN_ALL, .prefix = -1};

	for (int i = 2; i < argc; i++) {
		const char *val = i + 1 < argc ? argv[i + 1] : "";

		if (argv[i][0] != '-') {
			if (o.nfile == 4)
				return usage();
			o.file[o.nfile++] = argv[i];
			continue;
		}
		if (!strcmp(argv[i], "--seed"))
			o.seed = strtoull(val, NULL, 0);
		else if (!strcmp(argv[i], "--first"))
			o.first = (uint32_t)strtoul(val, NULL, 0);
		else if (!strcmp(argv[i], "--count"))
			o.count = (uint32_t)strtoul(val, NULL, 0);
		else if (!strcmp(argv[i], "--class"))
			o.classes = parse_classes(val);
		else if (!strcmp(argv[i], "--prefix"))
			o.prefix = atoi(val);
		else if (!strcmp(argv[i], "-o"))
			o.out = val;
		else
			return usage();
		i++;
	}
	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(argv[1], verbs[i].name) && verbs[i].files == o.nfile)
			return verbs[i].fn(&o);
	return usage();
}
