/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int err_set(struct err *e, int errnum, const char *fmt, ...)
{
	if (e) {
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
		va_end(ap);
	}
	return -errnum;
}

void err_prefix(struct err *e, const char *fmt, ...)
{
	if (!e)
		return;
	char old[sizeof(e->msg)];
	memcpy(old, e->msg, sizeof(old));
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(e->msg))
		snprintf(e->msg + n, sizeof(e->msg) - (size_t)n, "%.*s",
			 (int)(sizeof(e->msg) - (size_t)n - 1), old);
}

void check_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "bug: %s:%d: %s does not hold; please report this\n", file, line, what);
	abort();
}
