/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/core/testenv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t t_now(void *ctx)
{
	return ((struct dm_test *)ctx)->now_ns;
}

static uint64_t t_real(void *ctx)
{
	return ((struct dm_test *)ctx)->real_ns;
}

static void t_log(void *ctx, enum dm_level level, const char *text)
{
	struct dm_test *t = ctx;
	(void)level;
	t->logs++;
	snprintf(t->log, sizeof(t->log), "%s", text);
}

static const struct dm_env test_env = {.now_ns = t_now, .realtime_ns = t_real, .log = t_log};

struct dm_test *dmt_create(const struct dm_class *cls, const char *const *options)
{
	struct dm_test *t = calloc(1, sizeof(*t));
	struct dm_setting set[LIMIT_OPTIONS];
	struct err err;
	size_t n = 0;
	CHECK(t);
	for (; options && options[2 * n]; n++)
		set[n] = (struct dm_setting){options[2 * n], options[2 * n + 1]};
	t->real_ns = 1700000000ull * 1000000000u;
	if (dm_create(&t->dm, cls, &test_env, t, set, n, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		abort();
	}
	t->arena = calloc(1, t->dm->arena_bytes);
	CHECK(t->arena);
	dm_bind(t->dm, t->arena);
	dm_pristine(t->dm);
	return t;
}

void dmt_destroy(struct dm_test *t)
{
	dm_destroy(t->dm);
	free(t->arena);
	free(t);
}

static uint64_t access(struct dm_test *t, uint8_t op, uint32_t offset, unsigned width, uint64_t v)
{
	struct port_entry e = {
		.op = op, .width = (uint8_t)width, .offset = offset, .value = v, .seq = 1};
	uint32_t status;
	uint64_t data;
	dm_serve(t->dm, &e, &status, &data);
	CHECK(status == PORT_STATUS_OK);
	return data;
}

uint64_t dmt_read(struct dm_test *t, uint32_t offset, unsigned width)
{
	return access(t, PORT_OP_READ, offset, width, 0);
}

void dmt_write(struct dm_test *t, uint32_t offset, unsigned width, uint64_t value)
{
	access(t, PORT_OP_WRITE, offset, width, value);
}

void dmt_reset(struct dm_test *t)
{
	access(t, PORT_OP_RESET, 0, 0, 0);
}

bool dmt_line(const struct dm_test *t, unsigned line)
{
	return t->dm->hdr->levels >> line & 1;
}

void dmt_advance(struct dm_test *t, uint64_t ns)
{
	uint64_t end = t->now_ns + ns;
	for (;;) {
		uint64_t next = dm_timers_next(t->dm);
		uint64_t to = next > end ? end : next < t->now_ns ? t->now_ns : next;
		t->real_ns += to - t->now_ns;
		t->now_ns = to;
		if (!dm_timers_run(t->dm, t->now_ns) && to == end)
			return;
	}
}

size_t dmt_input(struct dm_test *t, const char *s)
{
	size_t len = strlen(s), done = 0;
	while (done < len) {
		size_t room = dm_input_room(t->dm, 0);
		if (!room)
			break;
		size_t n = len - done < room ? len - done : room;
		dm_input(t->dm, 0, (const uint8_t *)s + done, n);
		done += n;
	}
	return done;
}

size_t dmt_output(struct dm_test *t, char *buf, size_t max)
{
	const uint8_t *p;
	size_t at = 0, n;
	while (at < max - 1 && (n = dm_output_peek(t->dm, 0, &p))) {
		n = n < max - 1 - at ? n : max - 1 - at;
		memcpy(buf + at, p, n);
		dm_output_consume(t->dm, 0, n);
		at += n;
	}
	buf[at] = 0;
	return at;
}
