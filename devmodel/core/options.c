/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/core/core.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static const char *const type_names[] = {
	[DM_OPT_STRING] = "string", [DM_OPT_BOOL] = "bool",	    [DM_OPT_U64] = "u64",
	[DM_OPT_SIZE] = "size",	    [DM_OPT_DURATION] = "duration", [DM_OPT_ENUM] = "enum",
	[DM_OPT_TIME] = "time",	    [DM_OPT_CHARDEV] = "chardev",   [DM_OPT_DISK] = "disk",
	[DM_OPT_NET] = "net",	    [DM_OPT_SINK] = "sink",
};

const char *dm_option_type_name(enum dm_option_type type)
{
	return type_names[type];
}

struct unit {
	const char *name;
	uint64_t factor;
};
static const struct unit no_units[] = {{"", 1}, {0}};
static const struct unit size_units[] = {{"", 1},	    {"K", 1ull << 10}, {"M", 1ull << 20},
					 {"G", 1ull << 30}, {"T", 1ull << 40}, {0}};
static const struct unit time_units[] = {{"ns", 1},	    {"us", 1000},	{"ms", 1000000},
					 {"s", 1000000000}, {"m", 60000000000}, {0}};

static int parse_number(const char *s, const struct unit *units, uint64_t *ret)
{
	char *end;
	if (!isdigit((unsigned char)s[0]))
		return -EINVAL;
	errno = 0;
	unsigned long long v = strtoull(s, &end, 0);
	if (errno)
		return -EINVAL;
	for (const struct unit *u = units; u->name; u++) {
		if (strcasecmp(end, u->name) != 0)
			continue;
		return __builtin_mul_overflow((uint64_t)v, u->factor, ret) ? -EINVAL : 0;
	}
	return -EINVAL;
}

static int parse_bool(const char *s, bool *ret)
{
	static const char *const yes[] = {"true", "yes", "on", "1"};
	static const char *const no[] = {"false", "no", "off", "0"};
	for (size_t i = 0; i < 4; i++) {
		if (!strcmp(s, yes[i]) || !strcmp(s, no[i])) {
			*ret = !strcmp(s, yes[i]);
			return 0;
		}
	}
	return -EINVAL;
}

static bool in_choices(const char *choices, const char *s)
{
	size_t len = strlen(s);
	for (const char *p = choices; p && len;) {
		const char *bar = strchr(p, '|');
		size_t n = bar ? (size_t)(bar - p) : strlen(p);
		if (n == len && !memcmp(p, s, n))
			return true;
		p = bar ? bar + 1 : NULL;
	}
	return false;
}

int dm_parse_time(const char *s, bool *ret_host, uint64_t *ret_ns)
{
	*ret_host = !strcmp(s, "host");
	if (*ret_host)
		return 0;
	uint64_t v;
	if (!parse_number(s, no_units, &v)) {
		return __builtin_mul_overflow(v, 1000000000ull, ret_ns) ? -EINVAL : 0;
	}
	struct tm tm = {0};
	const char *p = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!p)
		p = strptime(s, "%Y-%m-%d %H:%M:%S", &tm);
	if (!p)
		return -EINVAL;
	int sign = 0, h = 0, m = 0, used = 0;
	if ((*p == '+' || *p == '-') && isdigit((unsigned char)p[1])) {
		sign = *p == '+' ? 1 : -1;
		if (sscanf(p + 1, "%2d:%2d%n", &h, &m, &used) != 2 || p[1 + used])
			return -EINVAL;
	} else if (strcmp(p, "Z") != 0 && strcmp(p, "z") != 0 && *p) {
		return -EINVAL;
	}
	time_t t = timegm(&tm);
	t -= sign * (h * 3600 + m * 60);
	if (t < 0)
		return -EINVAL;
	*ret_ns = (uint64_t)t * 1000000000u;
	return 0;
}

bool dm_option_check(const struct dm_option *o, const char *v, struct err *err)
{
	uint64_t n;
	bool b, ok = true;
	const char *want = "";
	switch (o->type) {
	case DM_OPT_STRING:
	case DM_OPT_CHARDEV:
	case DM_OPT_DISK:
	case DM_OPT_NET:
	case DM_OPT_SINK:
		break;
	case DM_OPT_BOOL:
		ok = !parse_bool(v, &b);
		want = "true or false";
		break;
	case DM_OPT_U64:
		ok = !parse_number(v, no_units, &n);
		want = "a number";
		break;
	case DM_OPT_SIZE:
		ok = !parse_number(v, size_units, &n);
		want = "a size like 64K or 16M";
		break;
	case DM_OPT_DURATION:
		ok = !parse_number(v, time_units, &n);
		want = "a duration like 10ms or 3s";
		break;
	case DM_OPT_ENUM:
		ok = in_choices(o->choices, v);
		want = o->choices;
		break;
	case DM_OPT_TIME:
		ok = !dm_parse_time(v, &b, &n);
		want = "host, a time like 2026-01-31T12:00:00Z, or seconds since 1970";
		break;
	}
	if (!ok)
		err_set(err, EINVAL, "option '%s' is '%s': it must be %s", o->name, v, want);
	return ok;
}

const char *dm_option_str(struct dm *dm, const char *name)
{
	for (unsigned k = 0; k < dm->options; k++)
		if (!strcmp(dm->cls->options[k].name, name))
			return dm->values[k] ? dm->values[k] : dm->cls->options[k].def;
	CHECK(!"an option that the class does not declare");
	return NULL;
}

uint64_t dm_option_u64(struct dm *dm, const char *name)
{
	const char *s = dm_option_str(dm, name);
	uint64_t v = 0;
	for (unsigned k = 0; s && k < dm->options; k++) {
		const struct dm_option *o = &dm->cls->options[k];
		if (strcmp(o->name, name) != 0)
			continue;
		const struct unit *units = o->type == DM_OPT_SIZE	? size_units
					   : o->type == DM_OPT_DURATION ? time_units
									: no_units;
		CHECK(!parse_number(s, units, &v));
	}
	return v;
}

bool dm_option_bool(struct dm *dm, const char *name)
{
	const char *s = dm_option_str(dm, name);
	bool v = false;
	if (s)
		CHECK(!parse_bool(s, &v));
	return v;
}

bool dm_option_time(struct dm *dm, const char *name, uint64_t *ret_ns)
{
	const char *s = dm_option_str(dm, name);
	bool host = true;
	if (s)
		CHECK(!dm_parse_time(s, &host, ret_ns));
	return !host;
}
