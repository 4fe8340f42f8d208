/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/trace_info.h"
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include "launcher/json.h"
#include "launcher/trace_text.h"
#include "base/fd.h"

struct tally {
	uint64_t by_op[256], records, bytes, lost, first_ns, last_ns, latency_ns, timed;
	uint64_t core; /* accesses that the core answered */
};

/* @daemon: its daemon's ring has records: hv's of the same accesses are not counted twice. */
static void ring_tally(const struct trace_file *f, unsigned device, unsigned ring, bool daemon,
		       struct tally *t)
{
	struct trace_cursor c;
	struct port_entry e;
	const uint8_t *payload;
	t->lost += trace_file_lost(f, device, ring);
	trace_cursor_init(&c, f, device, ring);
	while (trace_cursor_next(&c, &e, &payload)) {
		bool hv = ring != TRACE_RING_DM;
		t->records++;
		t->bytes += trace_record_bytes(&e);
		if (c.time_ns && (!t->first_ns || c.time_ns < t->first_ns))
			t->first_ns = c.time_ns;
		if (c.time_ns > t->last_ns)
			t->last_ns = c.time_ns;
		if (hv && e.aux) {
			t->latency_ns += trace_latency_ns(e.aux);
			t->timed++;
		}
		if (hv && e.op <= PORT_OP_WRITE && e.flags & PORT_F_SHADOW)
			t->core++;
		else if (!hv || e.op >= TRACE_POLICY || !daemon)
			t->by_op[e.op]++;
	}
}

static double seconds(const struct tally *t)
{
	return t->last_ns > t->first_ns ? (double)(t->last_ns - t->first_ns) / 1e9 : 0;
}

static void text_device(const Outrigger__TraceDevice *d, const struct tally *t, struct sb *out)
{
	AUTO_FREE char *name = text_printable(xstrdup(d->device));
	AUTO_FREE char *model = text_printable(xstrdup(d->model));
	sb_addf(out, "%s: %s, %" PRIu64 " records, %" PRIu64 " bytes", name, model, t->records,
		t->bytes);
	if (t->lost)
		sb_addf(out, ", %" PRIu64 " bytes LOST", t->lost);
	sb_addc(out, '\n');
	for (unsigned op = 0; op < 256; op++) {
		struct port_entry e = {.op = (uint8_t)op};
		if (t->by_op[op])
			sb_addf(out, "  %-10s %12" PRIu64 "\n", trace_text_kind(&e), t->by_op[op]);
	}
	if (t->core)
		sb_addf(out, "  %-10s %12" PRIu64 "  accesses that the core answered\n", "core",
			t->core);
	if (t->timed)
		sb_addf(out, "  %-10s %12.2f  us on average, of %" PRIu64 " accesses that waited\n",
			"latency", (double)t->latency_ns / (double)t->timed / 1e3, t->timed);
}

static void json_device(const Outrigger__TraceDevice *d, const struct tally *t, struct json *j)
{
	json_open(j, NULL, '{');
	json_str(j, "device", d->device);
	json_str(j, "model", d->model);
	json_str(j, "program", d->program);
	json_u64(j, "records", t->records);
	json_u64(j, "bytes", t->bytes);
	json_u64(j, "lost_bytes", t->lost);
	json_u64(j, "core", t->core);
	json_u64(j, "timed", t->timed);
	json_u64(j, "latency_ns", t->timed ? t->latency_ns / t->timed : 0);
	json_open(j, "kinds", '{');
	for (unsigned op = 0; op < 256; op++) {
		struct port_entry e = {.op = (uint8_t)op};
		if (t->by_op[op])
			json_u64(j, trace_text_kind(&e), t->by_op[op]);
	}
	json_close(j, '}');
	json_close(j, '}');
}

static void total_add(struct tally *all, const struct tally *t)
{
	all->records += t->records;
	all->lost += t->lost;
	if (t->first_ns && (!all->first_ns || t->first_ns < all->first_ns))
		all->first_ns = t->first_ns;
	if (t->last_ns > all->last_ns)
		all->last_ns = t->last_ns;
}

static void text_total(const struct trace_file *f, const struct tally *all, bool cut,
		       struct sb *out)
{
	char when[64];
	time_t began = (time_t)(trace_file_head(f)->real_ns / 1000000000u);
	struct tm tm;
	localtime_r(&began, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	AUTO_FREE char *vm = text_printable(xstrdup(trace_file_head(f)->vm));
	sb_addf(out,
		"VM %s, began %s, %.3f s of the guest's time, %u device%s, %" PRIu64 " records", vm,
		when, seconds(all), trace_file_devices(f), trace_file_devices(f) == 1 ? "" : "s",
		all->records);
	if (seconds(all) > 0)
		sb_addf(out, " (%.0f a second)", (double)all->records / seconds(all));
	if (all->lost)
		sb_addf(out, ", %" PRIu64 " bytes LOST", all->lost);
	sb_addf(out, "%s\n", cut ? "; its end is missing: cut off, or still being written" : "");
}

void trace_info(const struct trace_file *f, bool cut, bool json, struct sb *out)
{
	unsigned n = trace_file_devices(f);
	AUTO_FREE struct tally *t = xalloc(n + 1u, sizeof(*t));
	struct tally all = {.records = 0};
	struct json j = {.out = out};
	for (unsigned i = 0; i < n; i++) {
		struct trace_cursor c;
		trace_cursor_init(&c, f, i, TRACE_RING_DM);
		for (unsigned ring = 0; ring < TRACE_RINGS; ring++)
			ring_tally(f, i, ring, c.chunk != 0, &t[i]);
		total_add(&all, &t[i]);
	}
	if (!json) {
		text_total(f, &all, cut, out);
		for (unsigned i = 0; i < n; i++)
			text_device(trace_file_device_info(f, i), &t[i], out);
		return;
	}
	json_open(&j, NULL, '{');
	json_str(&j, "vm", trace_file_head(f)->vm);
	json_u64(&j, "began_real_ns", trace_file_head(f)->real_ns);
	json_u64(&j, "first_ns", all.first_ns);
	json_u64(&j, "last_ns", all.last_ns);
	json_u64(&j, "records", all.records);
	json_u64(&j, "lost_bytes", all.lost);
	json_bool(&j, "complete", !cut);
	json_open(&j, "devices", '[');
	for (unsigned i = 0; i < n; i++)
		json_device(trace_file_device_info(f, i), &t[i], &j);
	json_close(&j, ']');
	json_close(&j, '}');
}
