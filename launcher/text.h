/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Text in and out: values that people type, growing strings, nearest names. No state, any thread.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** text_u64 - parses the whole of @s: decimal, 0x hexadecimal, '_' between digits allowed.
 * 0 and *@ret, or -EINVAL (not a number), -ERANGE (over 64 bits). */
int text_u64(const char *s, uint64_t *ret);

/** text_size - parses bytes: a number and nothing, K, M, G or T (powers of 1024; KiB, MB.. also).
 * 0, -EINVAL, -ERANGE. */
int text_size(const char *s, uint64_t *ret);

/** text_duration - parses a time: a decimal number (fraction allowed) and ns, us, ms, s, m or h;
 * without a unit it is seconds if @bare_seconds, else -EINVAL. *@ret in nanoseconds. 0, -EINVAL,
 * -ERANGE. */
int text_duration(const char *s, bool bare_seconds, uint64_t *ret);

/** text_bool - true/yes/on/1 and false/no/off/0. 0 or -EINVAL. */
int text_bool(const char *s, bool *ret);

/** text_name_ok - true for 1..LIMIT_NAME bytes of [A-Za-z0-9._-] that begin with a letter or digit.
 */
bool text_name_ok(const char *s);

/** text_nearest - the entry of @words (NULL-terminated) that @word was probably meant to be, or
 * NULL when none is near. Borrowed from @words. */
const char *text_nearest(const char *word, const char *const *words);

/** text_size_format - @bytes as "256M" when whole, else as bytes, in @buf. Returns @buf. */
char *text_size_format(char buf[32], uint64_t bytes);

/** text_utf8_len - bytes of the well-formed UTF-8 sequence at @s, 0 if there is none; 1 at the end.
 */
unsigned text_utf8_len(const char *s);

/** text_printable - puts a question mark in place of all in @s that could move a terminal's cursor
 * or worse: control characters and what is no UTF-8. For text of other processes that is shown to
 * people. Returns @s. */
char *text_printable(char *s);

/** struct sb - a growing string. Zero-initialise; sb_free() or AUTO_SB. @s is NULL until first use.
 */
struct sb {
	char *s;
	size_t len, cap;
};
#define AUTO_SB __attribute__((cleanup(sb_free))) struct sb

void sb_add(struct sb *b, const char *s);
void sb_addn(struct sb *b, const char *s, size_t n);
void sb_addc(struct sb *b, char c);
void sb_addf(struct sb *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sb_addv(struct sb *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
void sb_free(struct sb *b);
/** sb_str - the text, "" when nothing was added. Borrowed. */
const char *sb_str(const struct sb *b);
/** sb_steal - the text as a heap string (gives); @b is empty again. */
char *sb_steal(struct sb *b);

/** text_join - appends @words (NULL-terminated) to @b, separated by @sep. */
void text_join(struct sb *b, const char *const *words, const char *sep);

/** xalloc / xstrdup / xasprintf - zeroed memory or an exit: the launcher has nothing to do without
 * it. */
void *xalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
