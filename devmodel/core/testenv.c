/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/core/testenv.h"
#include "devmodel/core/record.h"
#include "devmodel/core/replay.h"
#include "devmodel/core/testio.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORK_MAX 100000u

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

static void t_random(void *ctx, void *buf, size_t len)
{
	struct dm_test *t = ctx;
	uint8_t *p = buf;
	while (len--) { /* repeatable: a test compares */
		t->random = t->random * 6364136223846793005ull + 1442695040888963407ull;
		*p++ = (uint8_t)(t->random >> 56);
	}
}

static void t_count(void *ctx, enum dm_count what, uint64_t n)
{
	((struct dm_test *)ctx)->counts[what] += n;
}

static const struct dm_env test_env = {
	.now_ns = t_now, .realtime_ns = t_real, .log = t_log, .random = t_random, .count = t_count};

static void shadow_store(void *ctx, uint32_t offset, unsigned width, uint64_t value)
{
	struct dm_test *t = ctx;
	if (t->dm->rec_on)
		record_shadow(t->dm, offset, width, value);
}

/* OUTRIGGER_DMT_REPLAY: every test's session is replayed while it runs; a difference ends the test. */
static void replay_all(struct dm_test *t)
{
	size_t len;
	struct err err = {{0}};
	uint8_t *buf = dmt_trace(t, &len);
	testtrace_add(t, buf, len);
	for (size_t at = 0; at < len;) {
		struct port_entry e;
		memcpy(&e, buf + at, sizeof(e));
		int rc = replay_feed(t->replay, &e, buf + at + sizeof(e), t->replayed++, &err);
		const struct replay_diverged *d = replay_difference(t->replay);
		if (rc > 0)
			fprintf(stderr,
				"replay: record %llu, step %llu, %s: %s: expected %s, got %s\n",
				(unsigned long long)d->record, (unsigned long long)d->step, d->kind,
				d->where, d->expected, d->got);
		if (rc < 0)
			fprintf(stderr, "replay: %s\n", err.msg);
		CHECK(rc == 0);
		at += trace_record_bytes(&e);
	}
	free(buf);
}

/* What a daemon does at a commit. */
static void publish(struct dm_test *t)
{
	struct dm_hdr *h = t->dm->hdr;
	for (unsigned i = 0; i < t->dm->cls->irqs; i++) {
		if (h->forget >> i & 1)
			t->pending[i] = 0;
		t->pending[i] |= h->events[i];
		if (t->dm->rec_on && h->events[i])
			record_event(t->dm, i, h->events[i]);
		h->events[i] = 0;
	}
	h->forget = 0;
	t->dm->commits++;
	memcpy(t->committed, t->arena, t->dm->arena_bytes);
	if (t->area)
		dm_shadow_refresh(t->dm, false, shadow_store, t);
}

static void settle(struct dm_test *t)
{
	publish(t);
	if (t->dm->rec_on)
		record_commit(t->dm);
	record_sync(t->dm);
	if (t->replay)
		replay_all(t);
}

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
	t->committed = calloc(1, t->dm->arena_bytes);
	t->ram = calloc(1, DMT_RAM_BYTES);
	CHECK(t->arena && t->committed && t->ram);
	t->mem = (struct vring_mem){.n = 1, .win = {{DMT_RAM_GPA, DMT_RAM_BYTES, t->ram, true}}};
	if (cls->dma)
		t->dm->mem = &t->mem;
	testio_open(t);
	dm_bind(t->dm, t->arena);
	dm_pristine(t->dm);
	const char *want = getenv("OUTRIGGER_DMT_REPLAY");
	if (want) {
		CHECK(!replay_create(&t->replay, cls));
		testtrace_open(t);
		dmt_record(t, !strcmp(want, "bytes") ? TRACE_WANT_RECORDS | TRACE_WANT_BYTES
						     : TRACE_WANT_RECORDS);
	}
	settle(t);
	return t;
}

void dmt_destroy(struct dm_test *t)
{
	dm_destroy(t->dm);
	testio_close(t);
	free(t->area);
	replay_destroy(t->replay);
	testtrace_close(t);
	free(t->ram);
	free(t->committed);
	free(t->arena);
	free(t);
}

static uint64_t access(struct dm_test *t, uint8_t op, uint32_t offset, unsigned width, uint64_t v)
{
	struct port_entry e = {
		.op = op, .width = (uint8_t)width, .offset = offset, .value = v, .seq = 1};
	uint32_t status;
	uint64_t data;
	struct dm_reg_ref ref;
	if ((op == PORT_OP_READ || op == PORT_OP_WRITE) &&
	    !dm_reg_find(t->dm, 0, offset, width, &ref)) {
		/* What hv answers by itself. */
		if (op == PORT_OP_READ && ref.reg->read == DM_READ_PENDING)
			return t->pending[0];
		if (op == PORT_OP_WRITE && ref.reg->write == DM_WRITE_ACK) {
			dmt_ack(t, 0, (uint32_t)v);
			return 0;
		}
	}
	record_sync(t->dm);
	bool dirty = dm_serve(t->dm, &e, &status, &data);
	CHECK(status == PORT_STATUS_OK);
	if (dirty)
		publish(t);
	if (t->dm->rec_on)
		record_request(t->dm, &e, status, data, dirty);
	if (t->replay)
		replay_all(t);
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
	return (t->dm->hdr->levels >> line & 1) || t->pending[line];
}

void dmt_advance(struct dm_test *t, uint64_t ns)
{
	uint64_t end = t->now_ns + ns;
	for (;;) {
		uint64_t next = dm_timers_next(t->dm);
		uint64_t to = next > end ? end : next < t->now_ns ? t->now_ns : next;
		t->real_ns += to - t->now_ns;
		t->now_ns = to;
		bool ran = dm_timers_run(t->dm, t->now_ns);
		settle(t);
		if (!ran && to == end)
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
		settle(t);
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
		settle(t);
		at += n;
	}
	buf[at] = 0;
	return at;
}

/* ---- doorbells, work, controls, crashes ---------------------------------------------------------------- */

void dmt_ack(struct dm_test *t, unsigned line, uint32_t bits)
{
	t->pending[line] &= ~bits;
}

void dmt_doorbell(struct dm_test *t, unsigned index)
{
	dm_doorbell(t->dm, index);
	settle(t);
	testio_run(t);
	dmt_work(t, WORK_MAX);
}

unsigned dmt_work(struct dm_test *t, unsigned max)
{
	unsigned n = 0;
	while (n < max && dm_work(t->dm)) {
		settle(t);
		testio_run(t);
		n++;
	}
	CHECK(max != WORK_MAX || n < WORK_MAX); /* a model that never comes to rest */
	settle(t);
	return n;
}

int dmt_control(struct dm_test *t, const char *name, const char *value)
{
	struct err err = {0};
	int rc = dm_control_set(t->dm, name, value, &err);
	if (rc)
		snprintf(t->log, sizeof(t->log), "%s", err.msg);
	settle(t);
	testio_run(t);
	return rc;
}

void dmt_crash(struct dm_test *t)
{
	memcpy(t->arena, t->committed, t->dm->arena_bytes);
	testio_forget(t);
	record_restart(t->dm, "attached");
	record_sync(t->dm);
	dm_resume(t->dm);
	settle(t);
	for (unsigned i = 0; i < DM_MAX_DOORBELLS; i++)
		dm_doorbell(t->dm, i);
	settle(t);
	testio_run(t);
	dmt_work(t, WORK_MAX);
}

/* ---- traces --------------------------------------------------------------------------------------------- */

void dmt_record(struct dm_test *t, uint32_t wanted)
{
	static const struct record_origin origin = {
		.device = "test", .build_id = "test", .epoch = 1};
	if (!t->area) {
		t->area = calloc(1, (size_t)trace_area_bytes(0));
		CHECK(t->area);
		trace_area_init(t->area, 0, "test");
		trace_reader_init(&t->reader, t->area, TRACE_RING_DM);
		CHECK(!record_open(t->dm, t->area, &origin));
		dm_shadow_layout(t->dm, PORT_MAX_SHADOW_PAGES);
		dm_shadow_refresh(t->dm, true, shadow_store, t);
	}
	atomic_store(&t->area->wanted, wanted);
	record_sync(t->dm);
}

void *dmt_trace(struct dm_test *t, size_t *ret_len)
{
	uint64_t lost;
	uint8_t *buf = malloc(TRACE_DM_BYTES);
	CHECK(buf);
	int64_t n = trace_read(&t->reader, buf, TRACE_DM_BYTES, &lost);
	CHECK(n >= 0 && !lost);
	*ret_len = (size_t)n;
	return buf;
}

void dmt_settle(struct dm_test *t)
{
	settle(t);
}

void *dmt_at(struct dm_test *t, uint64_t gpa)
{
	CHECK(gpa >= DMT_RAM_GPA && gpa - DMT_RAM_GPA < DMT_RAM_BYTES);
	return t->ram + (gpa - DMT_RAM_GPA);
}
