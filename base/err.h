/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/**
 * struct err - one human-readable error: fault first, the wrong value, what would be right.
 * Functions that can fail for a reason a person must act on take a `struct err *` (may be NULL)
 * and return -Exxx. Not thread-safe; one per call chain.
 */
struct err {
	char msg[768];
};

/** err_set - formats @fmt into @e (if not NULL) and returns -@errnum. @errnum: positive errno. */
int err_set(struct err *e, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/** err_prefix - puts formatted text before the message already in @e. NULL @e is ignored. */
void err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** check_failed - reports a bug of ours and aborts. Use through CHECK(). Never returns. */
_Noreturn void check_failed(const char *file, int line, const char *what);

/** CHECK - asserts an invariant of our own code. Never for what a guest, peer, file or user sends. */
#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (__builtin_expect(!(x), 0))                                                     \
			check_failed(__FILE__, __LINE__, #x);                                      \
	} while (0)
