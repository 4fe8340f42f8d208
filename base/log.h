/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

/** enum log_level - err: the operation failed; warn: it goes on, but look; info: life cycle; debug. */
enum log_level { LOG_ERR = 1, LOG_WARN = 2, LOG_INFO = 3, LOG_DEBUG = 4 };

/**
 * log_init - sets this process's tag ("hv/demo", "uart0") and reads OUTRIGGER_LOG
 * (err|warn|info|debug, default warn). @tag is copied. Call once, before threads start.
 */
void log_init(const char *tag);

/** log_level_set - changes the level. Any thread. */
void log_level_set(enum log_level level);

/** log_fd_set - sends lines to @fd (borrowed) in place of standard error. */
void log_fd_set(int fd);

/** log_write - writes one line `level tag message` with one write(2). Any thread; async-signal-unsafe. */
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** log_enabled - true if @level would be written. */
int log_enabled(enum log_level level);

#define log_err(...) log_write(LOG_ERR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_enabled(LOG_DEBUG))                                                        \
			log_write(LOG_DEBUG, __VA_ARGS__);                                         \
	} while (0)

/** struct log_rate - a token bucket: @burst lines, then one a second; the rest is counted. */
struct log_rate {
	uint64_t last_ns;
	uint32_t tokens;
	uint32_t dropped;
};

/** log_rate_ok - true if a guest- or peer-triggered line may be written now; any thread (races only
 * make the count approximate). @ret_dropped (may be NULL) gets how many were held back before. */
int log_rate_ok(struct log_rate *r, uint32_t burst, uint32_t *ret_dropped);

/** log_warn_limited - log_warn() for lines that a guest or a peer can cause at will. */
#define log_warn_limited(...)                                                                      \
	do {                                                                                       \
		static struct log_rate log_rate_here_;                                             \
		if (log_rate_ok(&log_rate_here_, 10, 0))                                           \
			log_warn(__VA_ARGS__);                                                     \
	} while (0)
