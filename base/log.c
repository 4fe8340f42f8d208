/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/clock.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char log_tag[48] = "outrigger";
static int log_current = LOG_WARN;
static int log_fd = 2;
static const char *const log_names[] = {"?", "err", "warn", "info", "debug"};

void log_init(const char *tag)
{
	snprintf(log_tag, sizeof(log_tag), "%s", tag);
	const char *env = getenv("OUTRIGGER_LOG");
	for (int i = LOG_ERR; env && i <= LOG_DEBUG; i++)
		if (!strcmp(env, log_names[i]))
			log_current = i;
}

void log_level_set(enum log_level level)
{
	__atomic_store_n(&log_current, (int)level, __ATOMIC_RELAXED);
}

void log_fd_set(int fd)
{
	log_fd = fd;
}

int log_enabled(enum log_level level)
{
	return (int)level <= __atomic_load_n(&log_current, __ATOMIC_RELAXED);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	if (!log_enabled(level))
		return;
	char line[1024];
	int n = snprintf(line, sizeof(line) - 1, "%s %s ", log_names[level], log_tag);
	va_list ap;
	va_start(ap, fmt);
	int m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	size_t len = (size_t)n + (m > 0 ? (size_t)m : 0);
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[len] = '\n';
	ssize_t r = write(log_fd, line, len + 1);
	(void)r;
}

int log_rate_ok(struct log_rate *r, uint32_t burst, uint32_t *ret_dropped)
{
	uint64_t now = clock_now_ns();
	uint64_t last = __atomic_load_n(&r->last_ns, __ATOMIC_RELAXED);
	uint32_t used = __atomic_load_n(&r->tokens, __ATOMIC_RELAXED);
	uint64_t refill = last ? (now - last) / 1000000000u : 0;
	used = refill >= used ? 0 : used - (uint32_t)refill;
	if (used >= burst) {
		__atomic_add_fetch(&r->dropped, 1, __ATOMIC_RELAXED);
		return 0;
	}
	if (refill || !last)
		__atomic_store_n(&r->last_ns, now, __ATOMIC_RELAXED);
	__atomic_store_n(&r->tokens, used + 1, __ATOMIC_RELAXED);
	uint32_t dropped = __atomic_exchange_n(&r->dropped, 0, __ATOMIC_RELAXED);
	if (ret_dropped)
		*ret_dropped = dropped;
	return 1;
}
