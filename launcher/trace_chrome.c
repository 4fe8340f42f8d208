/* SPDX-License-Identifier: Apache-2.0 */
/* Trace Event Format: process 1 has a thread for each vCPU, process 2 one for each device. Times are microseconds of the guest. */
#include <inttypes.h>
#include "base/fd.h"
#include "launcher/json.h"
#include "launcher/trace_export.h"
#include "launcher/trace_walk.h"

enum { PID_VCPUS = 1, PID_DEVICES = 2 };

struct chrome {
	FILE *out;
	bool some, vcpu[PORT_MAX_VCPUS];
};

static void put(struct chrome *c, struct sb *b)
{
	size_t n = b->len;
	while (n && b->s[n - 1] == '\n')
		n--;
	fprintf(c->out, "%s%.*s", c->some ? ",\n" : "\n", (int)n, sb_str(b));
	c->some = true;
	b->len = 0;
}

/* Everything but the arguments; they and the end follow. */
static void begin(struct json *j, const char *name, const char *phase, uint64_t ns, int pid,
		  uint64_t tid)
{
	json_open(j, NULL, '{');
	json_str(j, "name", name);
	json_str(j, "ph", phase);
	json_u64(j, "pid", (uint64_t)pid);
	json_u64(j, "tid", tid);
	json_raw(j, "ts", "%" PRIu64 ".%03" PRIu64, ns / 1000, ns % 1000);
}

static void name_track(struct chrome *c, const char *what, int pid, uint64_t tid, const char *name)
{
	AUTO_SB b = {0};
	struct json j = {.out = &b, .flat = true};
	begin(&j, what, "M", 0, pid, tid);
	json_open(&j, "args", '{');
	json_str(&j, "name", name);
	json_close(&j, '}');
	json_close(&j, '}');
	put(c, &b);
}

static void args_add(struct json *j, const struct trace_view *v)
{
	char ring[16], record[48];
	AUTO_SB text = {0};
	trace_text_ring(v->ring, ring);
	snprintf(record, sizeof(record), "%s%" PRIu64, ring, v->index);
	trace_text_detail(v, &text);
	json_open(j, "args", '{');
	json_str(j, "record", record);
	json_str(j, "text", sb_str(&text));
	json_close(j, '}');
}

static void vcpu_seen(struct chrome *c, unsigned vcpu)
{
	char name[24];
	if (vcpu >= PORT_MAX_VCPUS || c->vcpu[vcpu])
		return;
	c->vcpu[vcpu] = true;
	snprintf(name, sizeof(name), "vCPU %u", vcpu);
	name_track(c, "thread_name", PID_VCPUS, vcpu, name);
}

static bool is_guest_access(const struct port_entry *e)
{
	return e->op == PORT_OP_READ || e->op == PORT_OP_WRITE || e->op == TRACE_POLICY ||
	       e->op == PORT_OP_RESET;
}

/* A slice as long as the vCPU waited. */
static void access_put(struct chrome *c, const struct trace_view *v)
{
	AUTO_SB b = {0}, name = {0};
	struct json j = {.out = &b, .flat = true};
	uint64_t took = v->latency_ns;
	sb_addf(&name, "%s %s ", v->info->device, trace_text_kind(&v->e));
	trace_text_reg_name(v->info, v->e.range, v->e.offset, &name);
	vcpu_seen(c, v->e.vcpu);
	begin(&j, sb_str(&name), "X", v->time_ns > took ? v->time_ns - took : 0, PID_VCPUS,
	      v->e.vcpu);
	json_raw(&j, "dur", "%" PRIu64 ".%03" PRIu64, took / 1000, took % 1000);
	json_str(&j, "cat", "access");
	args_add(&j, v);
	json_close(&j, '}');
	put(c, &b);
}

static void line_put(struct chrome *c, const struct trace_view *v)
{
	AUTO_SB b = {0}, name = {0};
	struct json j = {.out = &b, .flat = true};
	sb_addf(&name, "%s line %u", v->info->device, v->e.range);
	if (v->e.value == 2) { /* an edge */
		begin(&j, sb_str(&name), "i", v->time_ns, PID_DEVICES, v->device + 1);
		json_str(&j, "s", "t");
	} else {
		begin(&j, sb_str(&name), "C", v->time_ns, PID_DEVICES, v->device + 1);
		json_open(&j, "args", '{');
		json_u64(&j, "level", v->e.value & 1);
		json_close(&j, '}');
	}
	json_close(&j, '}');
	put(c, &b);
}

static void device_put(struct chrome *c, const struct trace_view *v)
{
	AUTO_SB b = {0};
	struct json j = {.out = &b, .flat = true};
	begin(&j, trace_text_kind(&v->e), "i", v->time_ns, PID_DEVICES, v->device + 1);
	json_str(&j, "s", "t");
	json_str(&j, "cat", "device");
	args_add(&j, v);
	json_close(&j, '}');
	put(c, &b);
}

int trace_export_chrome(const struct trace_file *f, int device, FILE *out, struct err *err)
{
	struct chrome c = {.out = out};
	struct trace_view v;
	(void)err;
	fputs("{\"displayTimeUnit\": \"ns\", \"traceEvents\": [", out);
	name_track(&c, "process_name", PID_VCPUS, 0, "vCPUs");
	name_track(&c, "process_name", PID_DEVICES, 0, "devices");
	for (unsigned i = 0; i < trace_file_devices(f); i++)
		if (device < 0 || (unsigned)device == i)
			name_track(&c, "thread_name", PID_DEVICES, i + 1,
				   trace_file_device_info(f, i)->device);
	struct trace_walk *w = trace_walk_create(f, device, false);
	while (!ferror(out) && trace_walk_next(w, &v)) {
		if (is_guest_access(&v.e))
			access_put(&c, &v);
		else if (v.e.op == TRACE_LINE)
			line_put(&c, &v);
		else if (
			v.e.op !=
			TRACE_IRQ) /* the same, and when the guest's controller saw it: TRACE_LINE */
			device_put(&c, &v);
	}
	trace_walk_destroy(w);
	fputs("\n]}\n", out);
	return 0;
}
