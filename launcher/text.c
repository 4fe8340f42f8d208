/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/text.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/bytes.h"
#include "base/err.h"
#include "proto/limits.h"

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

/* Parses the digits at the start of @s; *@end is where they end. */
static int number_prefix(const char *s, uint64_t *ret, const char **end)
{
	int base = 10;
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
	}
	if (digit_value(*s) >= base)
		return -EINVAL;
	uint64_t v = 0;
	bool over = false;
	for (;; s++) {
		if (*s == '_' && digit_value(s[1]) < base)
			continue;
		int d = digit_value(*s);
		if (d >= base)
			break;
		over |= __builtin_mul_overflow(v, (uint64_t)base, &v);
		over |= __builtin_add_overflow(v, (uint64_t)d, &v);
	}
	*end = s;
	if (over)
		return -ERANGE;
	*ret = v;
	return 0;
}

int text_u64(const char *s, uint64_t *ret)
{
	const char *end = s;
	uint64_t v = 0;
	int r = number_prefix(s, &v, &end);
	if (r == -EINVAL || *end)
		return -EINVAL;
	if (r == 0)
		*ret = v;
	return r;
}

int text_size(const char *s, uint64_t *ret)
{
	static const char units[] = "KMGT";
	const char *end = s;
	uint64_t v = 0;
	int r = number_prefix(s, &v, &end);
	if (r == -EINVAL)
		return r;
	unsigned shift = 0;
	if (*end && strcasecmp(end, "B") != 0) {
		const char *u = strchr(units, toupper((unsigned char)*end));
		if (!u || !*u)
			return -EINVAL;
		shift = 10 * (unsigned)(u - units + 1);
		end++;
		if (*end && strcasecmp(end, "B") != 0 && strcasecmp(end, "iB") != 0)
			return -EINVAL;
	}
	if (r)
		return r;
	if (shift && v >> (64 - shift))
		return -ERANGE;
	*ret = v << shift;
	return 0;
}

int text_duration(const char *s, bool bare_seconds, uint64_t *ret)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
	if (!isdigit((unsigned char)s[0]) || strchr(s, 'x') || strchr(s, 'X'))
		return -EINVAL;
	char *end;
	double v = strtod(s, &end);
	double scale = 0;
	if (!*end && (bare_seconds || v <= 0))
		scale = 1e9;
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (strcmp(end, units[i].unit) == 0)
			scale = units[i].ns;
	if (scale <= 0)
		return -EINVAL;
	if (v * scale > 9e18)
		return -ERANGE;
	*ret = (uint64_t)(v * scale + 0.5);
	return 0;
}

int text_bool(const char *s, bool *ret)
{
	static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no",
										    "off", "0"};
	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (strcasecmp(s, yes[i]) == 0 || strcasecmp(s, no[i]) == 0) {
			*ret = strcasecmp(s, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}

bool text_name_ok(const char *s)
{
	size_t n = strlen(s);
	if (n == 0 || n > LIMIT_NAME || !isalnum((unsigned char)s[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("._-", s[i]))
			return false;
	return true;
}

/* Damerau-Levenshtein distance (optimal string alignment) of two short words. */
static unsigned distance(const char *a, const char *b)
{
	enum { MAX = 48 };
	unsigned d[MAX + 1][MAX + 1];
	size_t la = strlen(a), lb = strlen(b);
	if (la > MAX || lb > MAX)
		return 1000;
	for (size_t i = 0; i <= la; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		for (size_t j = 1; j <= lb; j++) {
			unsigned same = tolower((unsigned char)a[i - 1]) ==
					tolower((unsigned char)b[j - 1]);
			unsigned best = d[i - 1][j - 1] + !same;
			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[la][lb];
}

const char *text_nearest(const char *word, const char *const *words)
{
	const char *best = NULL;
	size_t len = strlen(word);
	unsigned limit = len <= 2 ? 1 : len <= 5 ? 2 : 3, best_d = limit + 1;
	for (; *words; words++) {
		unsigned d = distance(word, *words);
		if (d >= len) /* nothing in common */
			continue;
		if (d < best_d) {
			best_d = d;
			best = *words;
		}
	}
	return best;
}

char *text_size_format(char buf[32], uint64_t bytes)
{
	static const char units[] = {0, 'K', 'M', 'G', 'T'};
	unsigned u = 0;
	while (bytes && u < 4 && bytes % 1024 == 0) {
		bytes /= 1024;
		u++;
	}
	snprintf(buf, 32, u ? "%llu%c" : "%llu", (unsigned long long)bytes, units[u]);
	return buf;
}

/* ---- growing strings ------------------------------------------------------------------------ */

static void sb_room(struct sb *b, size_t more)
{
	if (b->len + more + 1 <= b->cap)
		return;
	b->cap = (b->len + more + 1) * 2 + 64;
	b->s = xrealloc(b->s, b->cap, 1);
}

void sb_addn(struct sb *b, const char *s, size_t n)
{
	sb_room(b, n);
	if (n)
		memcpy(b->s + b->len, s, n);
	b->len += n;
	b->s[b->len] = 0;
}

/* Unicode 15, table 3-7. */
unsigned text_utf8_len(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	unsigned n = s[0] < 0x80		   ? 1
		     : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		     : (s[0] & 0xf0) == 0xe0	   ? 3
		     : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
						   : 0;
	for (unsigned i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

char *text_printable(char *s)
{
	for (unsigned char *p = (unsigned char *)s; *p;) {
		unsigned n = text_utf8_len((char *)p);
		bool c1 = p[0] == 0xc2 && p[1] < 0xa0; /* U+0080 to U+009F: CSI and its like */
		if (!n || c1 || *p < 0x20 || *p == 0x7f) {
			memset(p, '?', n ? n : 1);
		}
		p += n ? n : 1;
	}
	return s;
}

void sb_add(struct sb *b, const char *s)
{
	sb_addn(b, s, strlen(s));
}

void sb_addc(struct sb *b, char c)
{
	sb_addn(b, &c, 1);
}

void sb_addv(struct sb *b, const char *fmt, va_list ap)
{
	va_list ap2;
	va_copy(ap2, ap);
	int n = vsnprintf(NULL, 0, fmt, ap2);
	va_end(ap2);
	CHECK(n >= 0);
	sb_room(b, (size_t)n);
	vsnprintf(b->s + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
}

void sb_addf(struct sb *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	sb_addv(b, fmt, ap);
	va_end(ap);
}

void sb_free(struct sb *b)
{
	free(b->s);
	*b = (struct sb){0};
}

const char *sb_str(const struct sb *b)
{
	return b->s ? b->s : "";
}

char *sb_steal(struct sb *b)
{
	char *s = b->s ? b->s : xstrdup("");
	*b = (struct sb){0};
	return s;
}

void text_join(struct sb *b, const char *const *words, const char *sep)
{
	for (size_t i = 0; words[i]; i++)
		sb_addf(b, "%s%s", i ? sep : "", words[i]);
}

/* ---- memory ---------------------------------------------------------------------------------- */

void *xrealloc(void *p, size_t n, size_t size)
{
	void *r = reallocarray(p, n ? n : 1, size ? size : 1);
	if (!r) {
		fputs("outrigger: out of memory\n", stderr);
		abort();
	}
	return r;
}

void *xalloc(size_t n, size_t size)
{
	void *r = xrealloc(NULL, n, size);
	memset(r, 0, n * size);
	return r;
}

char *xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;
	return memcpy(xalloc(n, 1), s, n);
}

char *xasprintf(const char *fmt, ...)
{
	struct sb b = {0};
	va_list ap;
	va_start(ap, fmt);
	sb_addv(&b, fmt, ap);
	va_end(ap);
	return sb_steal(&b);
}
