/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decodetool - does our decoder take the words that exist, and only those?
 *
 *	decodetool words COUNT SEED OUT          random words, evenly over the top-level classes
 *	decodetool judge ALLOW < LISTING         compares with what objdump says of words
 *
 * ALLOW is a file like decode-allow.txt. judge prints one line for each kind of disagreement that
 * no rule covers: what it is, how often, and one example; then it exits with 1. For objdump,
 * `.inst` with the comment "undefined" and UDF are undefined words.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "case.h"
#include "hv/arch/aarch64/soft/soft_test.h"

#define KINDS 4096
#define RULES 256

struct rule {
	int extra;
	uint32_t value, mask;
	unsigned used;
};

static struct rule rules[RULES];
static unsigned nrules;

struct kind {
	char name[40];
	unsigned count;
	uint32_t example;
	char text[80];
};

static struct kind kinds[KINDS];
static unsigned nkinds;

static void note(const char *name, uint32_t word, const char *text)
{
	unsigned i;

	for (i = 0; i < nkinds && strcmp(kinds[i].name, name); i++)
		;
	if (i == KINDS)
		return;
	if (i == nkinds) {
		nkinds++;
		snprintf(kinds[i].name, sizeof(kinds[i].name), "%s", name);
		snprintf(kinds[i].text, sizeof(kinds[i].text), "%s", text);
		kinds[i].example = word;
	}
	kinds[i].count++;
}

/* Random words: each value of bits 28..25 as often as any other, and some fields often zero or ones. */
static int do_words(long count, uint64_t seed, const char *path)
{
	FILE *f = fopen(path, "wb");

	if (!f)
		return 2;
	for (long i = 0; i < count; i++) {
		uint64_t r = case_rng_next(&seed);
		uint32_t w = (uint32_t)r;

		w = (w & ~(15u << 25)) | (uint32_t)(i & 15) << 25;
		if (r >> 32 & 1)
			w &= ~0x001f0000u;
		if ((r >> 33 & 3) == 0)
			w |= 0x001f0000;
		if ((r >> 35 & 3) == 0)
			w &= ~0x00007c00u;
		if ((r >> 37 & 3) == 0)
			w |= 0x00007c00;
		if ((r >> 39 & 7) == 0)
			w &= ~0x0000fc00u;
		fwrite(&w, 4, 1, f);
	}
	return fclose(f) ? 2 : 0;
}

static int allowed(int extra, uint32_t word)
{
	for (unsigned i = 0; i < nrules; i++)
		if (rules[i].extra == extra && (word & rules[i].mask) == rules[i].value)
			return (int)++rules[i].used;
	return 0;
}

static int load_rules(const char *path)
{
	char line[256], kind[16];
	FILE *f = fopen(path, "r");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f) && nrules < RULES) {
		struct rule *r = &rules[nrules];

		if (sscanf(line, "%15s %x %x", kind, &r->value, &r->mask) != 3 || kind[0] == '#')
			continue;
		r->extra = !strcmp(kind, "extra");
		nrules++;
	}
	fclose(f);
	return 0;
}

/* A line of objdump -D: "   0:\t1234abcd \tmnemonic\toperands". */
static void judge_line(char *line)
{
	char *word_s = strchr(line, '\t'), *mn, *end, name[40];
	uint32_t word;
	int undefined, ours;

	if (!word_s)
		return;
	word = (uint32_t)strtoul(word_s + 1, &end, 16);
	mn = *end ? strchr(end, '\t') : NULL;
	if (!mn)
		return;
	mn++;
	mn[strcspn(mn, "\n")] = 0;
	/* "s0_" is objdump's name for what is unallocated among the system instructions. */
	undefined = strstr(mn, "; undefined") || !strncmp(mn, "udf", 3) || strstr(mn, "s0_");
	ours = soft_decode_is_allocated(word);
	if (ours == !undefined || allowed(ours, word))
		return;
	if (undefined)
		snprintf(name, sizeof(name), "extra %03x.....", word >> 20);
	else
		snprintf(name, sizeof(name), "missing %.*s", (int)strcspn(mn, "\t "), mn);
	note(name, word, mn);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct kind *)a)->name, ((const struct kind *)b)->name);
}

int main(int argc, char **argv)
{
	char line[512];
	unsigned long lines = 0;

	if (argc == 5 && !strcmp(argv[1], "words"))
		return do_words(atol(argv[2]), strtoull(argv[3], NULL, 0), argv[4]);
	if (argc != 3 || strcmp(argv[1], "judge") || load_rules(argv[2])) {
		fputs("usage: decodetool words COUNT SEED OUT | decodetool judge ALLOW < LISTING\n",
		      stderr);
		return 2;
	}
	while (fgets(line, sizeof(line), stdin)) {
		lines++;
		judge_line(line);
	}
	qsort(kinds, nkinds, sizeof(kinds[0]), by_name);
	for (unsigned i = 0; i < nkinds; i++)
		printf("%s\t%u\t%08x %s\n", kinds[i].name, kinds[i].count, kinds[i].example,
		       kinds[i].text);
	fprintf(stderr, "lines=%lu disagreements=%u\n", lines, nkinds);
	/* Fewer lines than words would mean that objdump folded some. */
	return nkinds != 0 || lines < 1000;
}
