/* SPDX-License-Identifier: Apache-2.0 */
/* Two saved devices compared, record by record. */
#include "devmodel/core/blob.h"
#include "base/bytes.h"
#include <stdio.h>
#include <string.h>

typedef unsigned long long ull;

/* Finds record @name in a blob; NULL: it is not there, or the blob is malformed. */
static const uint8_t *find(const uint8_t *buf, size_t len, const char *name,
			   struct blob_record *ret)
{
	size_t at = sizeof(struct blob_head);
	while (at < len && len - at >= sizeof(*ret)) {
		memcpy(ret, buf + at, sizeof(*ret));
		at += sizeof(*ret);
		uint64_t n = (uint64_t)ret->width * ret->count;
		if (!ret->width || ret->width > 8 || n > len - at || align_up(n, 8) > len - at)
			return NULL;
		if (!strncmp(ret->name, name, sizeof(ret->name)))
			return buf + at;
		at += (size_t)align_up(n, 8);
	}
	return NULL;
}

/* The first element that differs, in words. False: none. */
static bool element(const struct blob_record *r, const uint8_t *a, const uint8_t *b, char *expected,
		    char *got, size_t max)
{
	for (uint32_t i = 0; i < r->count; i++) {
		uint64_t x = load_le(a + (size_t)i * r->width, r->width);
		uint64_t y = load_le(b + (size_t)i * r->width, r->width);
		if (x == y)
			continue;
		snprintf(expected, max, "%.31s[%u] %#llx", r->name, i, (ull)x);
		snprintf(got, max, "%.31s[%u] %#llx", r->name, i, (ull)y);
		return true;
	}
	return false;
}

/* Bytes that the trace does not have may be in there. */
static bool may_be_unknown(const char *name)
{
	return !strcmp(name, STATE_RAW) || !strncmp(name, OUT_PREFIX, strlen(OUT_PREFIX)) ||
	       !strncmp(name, STATE_PREFIX, strlen(STATE_PREFIX));
}

bool dm_blob_differs(const uint8_t *a, size_t alen, const uint8_t *b, size_t blen, bool unknown,
		     char *expected, char *got, size_t max)
{
	size_t at = sizeof(struct blob_head);
	struct blob_record r, other;
	while (at < alen && alen - at >= sizeof(r)) {
		memcpy(&r, a + at, sizeof(r));
		r.name[sizeof(r.name) - 1] = 0;
		at += sizeof(r);
		uint64_t n = (uint64_t)r.width * r.count;
		if (!r.width || r.width > 8 || n > alen - at || align_up(n, 8) > alen - at)
			return false; /* dm_load() says so */
		const uint8_t *mine = a + at;
		at += (size_t)align_up(n, 8);
		if (unknown && may_be_unknown(r.name))
			continue;
		const uint8_t *theirs = find(b, blen, r.name, &other);
		if (!theirs) /* a field of another build */
			continue;
		if (other.width != r.width || other.count != r.count) {
			snprintf(expected, max, "%.31s of %u", r.name, r.count);
			snprintf(got, max, "%.31s of %u", r.name, other.count);
			return true;
		}
		if (element(&r, mine, theirs, expected, got, max))
			return true;
	}
	return false;
}
