/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "bench/stats.h"

#include <stdbool.h>
#include <stdio.h>

#define REPORT_ROWS_MAX 128
#define REPORT_NAME_MAX 64

/** enum report_side - whose figure it is. HOST: of the machine itself, by no hypervisor. */
enum report_side { REPORT_OURS, REPORT_QEMU, REPORT_HOST, REPORT_SIDES };

/** struct report_row - one quantity, a summary for each side that has it (n = 0: has not). */
struct report_row {
	char name[REPORT_NAME_MAX];
	char unit[12];
	struct stats_summary side[REPORT_SIDES];
};

/**
 * struct report_goal - a goal: the median of @name on our side, over @base (a row's name; NULL: the
 * goal is absolute) of @base_side, is to be at most @limit.
 */
struct report_goal {
	const char *name;
	const char *base;
	enum report_side base_side;
	double limit;
	const char *text;
	bool at_least;
	bool p99; /* not the median of @name, but what 99 of 100 samples are below */
};

/** struct report - everything that was measured, in the order of measuring. Zeroed = empty. */
struct report {
	size_t n;
	struct report_row row[REPORT_ROWS_MAX];
};

/** report_put - stores a summary as @name's (copied) of @side; a new name makes a new row. */
void report_put(struct report *r, const char *name, const char *unit, enum report_side side,
		struct stats_summary summary);

/** report_put_one - the same of a single value. */
void report_put_one(struct report *r, const char *name, const char *unit, enum report_side side,
		    double value);

/** report_find - the row called @name, or NULL. Borrowed from @r. */
const struct report_row *report_find(const struct report *r, const char *name);

/** report_print_table - prints the rows side by side, and each goal with its verdict. */
void report_print_table(const struct report *r, FILE *out);

/** report_print_json - prints the rows, the goals and the host as one JSON object. */
void report_print_json(const struct report *r, FILE *out);
