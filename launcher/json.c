/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/json.h"
#include <inttypes.h>
#include <string.h>
#include "base/err.h"

static void quoted(struct sb *b, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	sb_addc(b, '"');
	while (*s) {
		unsigned n = text_utf8_len((const char *)s);
		if (n == 0) {
			sb_add(b, "\\ufffd");
			n = 1;
		} else if (*s == '"' || *s == '\\') {
			sb_addf(b, "\\%c", *s);
		} else if (*s == '\n') {
			sb_add(b, "\\n");
		} else if (*s < 0x20) {
			sb_addf(b, "\\u%04x", *s);
		} else {
			sb_addn(b, (const char *)s, n);
		}
		s += n;
	}
	sb_addc(b, '"');
}

static void member(struct json *j, const char *key)
{
	if (j->some[j->depth])
		sb_addc(j->out, ',');
	if (j->depth && !j->flat)
		sb_addf(j->out, "\n%*s", (int)j->depth * 2, "");
	j->some[j->depth] = true;
	if (key) {
		quoted(j->out, key);
		sb_add(j->out, ": ");
	}
}

void json_open(struct json *j, const char *key, char kind)
{
	member(j, key);
	sb_addc(j->out, kind);
	j->depth++;
	CHECK(j->depth < 16);
	j->some[j->depth] = false;
}

void json_close(struct json *j, char kind)
{
	bool some = j->some[j->depth];
	j->depth--;
	if (some && !j->flat)
		sb_addf(j->out, "\n%*s", (int)j->depth * 2, "");
	sb_addc(j->out, kind);
	if (j->depth == 0)
		sb_addc(j->out, '\n');
}

void json_str(struct json *j, const char *key, const char *value)
{
	if (!value) {
		json_null(j, key);
		return;
	}
	member(j, key);
	quoted(j->out, value);
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
	member(j, key);
	sb_addf(j->out, "%" PRIu64, value);
}

void json_i64(struct json *j, const char *key, int64_t value)
{
	member(j, key);
	sb_addf(j->out, "%" PRId64, value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	member(j, key);
	sb_add(j->out, value ? "true" : "false");
}

void json_null(struct json *j, const char *key)
{
	member(j, key);
	sb_add(j->out, "null");
}

void json_raw(struct json *j, const char *key, const char *fmt, ...)
{
	va_list ap;
	member(j, key);
	va_start(ap, fmt);
	sb_addv(j->out, fmt, ap);
	va_end(ap);
}
