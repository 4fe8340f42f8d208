/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A JSON writer into a string: commas, indentation and escaping are done here. One thread. */
#include <stdbool.h>
#include <stdint.h>
#include "launcher/text.h"

/** struct json - zero-initialise with the string to append to. At most 16 levels. */
struct json {
	struct sb *out; /* borrows */
	unsigned depth;
	bool some[16]; /* the level has a member already */
	bool flat;     /* all on one line */
};

/** json_open / json_close - begins an object ('{') or array ('['), as member @key (NULL in an
 * array). */
void json_open(struct json *j, const char *key, char kind);
void json_close(struct json *j, char kind);

/** json_str, json_u64, json_i64, json_bool, json_null - one member; @key is NULL in an array. A
 * NULL string is null; bytes that are not UTF-8 become U+FFFD. */
void json_str(struct json *j, const char *key, const char *value);
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);
/** json_raw - a member whose value is the formatted text as it is. */
void json_raw(struct json *j, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
