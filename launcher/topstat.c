/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/topstat.h"
#include <stdio.h>
#include <string.h>
#include "base/bytes.h"
#include "launcher/text.h"

/* Of a monotonic counter. */
static uint64_t since(uint64_t before, uint64_t now)
{
	return now >= before ? now - before : now;
}

static double rate(uint64_t before, uint64_t now, double seconds)
{
	return seconds > 0 ? (double)since(before, now) / seconds : 0;
}

static const Outrigger__DeviceStatus *find(const Outrigger__VmStatus *vm, const char *name)
{
	for (size_t i = 0; vm && i < vm->n_devices; i++)
		if (strcmp(vm->devices[i]->name, name) == 0)
			return vm->devices[i];
	return NULL;
}

static struct histogram histogram_since(struct histogram before, struct histogram now)
{
	for (unsigned i = 0; i < PORT_LATENCY_BUCKETS; i++)
		now.bucket[i] = since(before.bucket[i], now.bucket[i]);
	return now;
}

static void latencies(struct top_device *t, const Outrigger__DeviceStatus *before,
		      const Outrigger__DeviceStatus *now)
{
	t->latency = histogram_since(portstats_requests(before), portstats_requests(now));
	t->latency_of_requests = histogram_samples(&t->latency);
	if (!t->latency_of_requests)
		t->latency = histogram_since(portstats_accesses(before), portstats_accesses(now));
}

static void device_rates(struct top_device *t, const Outrigger__DeviceStatus *before,
			 const Outrigger__DeviceStatus *now, double s)
{
	const struct {
		double *ret;
		unsigned index;
	} accesses[] = {{&t->reads_forwarded, PC_READS_FORWARDED},
			{&t->writes_forwarded, PC_WRITES_FORWARDED},
			{&t->writes_posted, PC_WRITES_POSTED},
			{&t->reads_shadow, PC_READS_SHADOW}},
	  io[] = {{&t->requests, PI_REQUESTS}, {&t->errors, PI_ERRORS}, {&t->drops, PI_DROPS}};
	for (size_t i = 0; i < ARRAY_LEN(accesses); i++) {
		*accesses[i].ret = rate(portstats_get(before, accesses[i].index),
					portstats_get(now, accesses[i].index), s);
		t->accesses += *accesses[i].ret;
	}
	for (size_t i = 0; i < ARRAY_LEN(io); i++)
		*io[i].ret =
			rate(portstats_io(before, io[i].index), portstats_io(now, io[i].index), s);
	t->in_bytes = rate(portstats_in_bytes(before), portstats_in_bytes(now), s);
	t->out_bytes = rate(portstats_out_bytes(before), portstats_out_bytes(now), s);
	t->wakes = rate(portstats_get(before, PC_WAKES_SENT), portstats_get(now, PC_WAKES_SENT), s);
	/* A device that raises events (virtio) counts them itself; of others hv sees the line change. */
	t->interrupts = portstats_io(now, PI_EVENTS) ? rate(portstats_io(before, PI_EVENTS),
							    portstats_io(now, PI_EVENTS), s)
						     : rate(portstats_get(before, PC_IRQS_SAMPLED),
							    portstats_get(now, PC_IRQS_SAMPLED), s);
	t->depth = portstats_io(now, PI_DEPTH);
	if (s > 0)
		latencies(t, before, now);
}

static void name_copy(char *to, size_t max, const char *from)
{
	snprintf(to, max, "%s", from);
	text_printable(to);
}

void top_rates(struct top_view *v, const Outrigger__CliReply *before,
	       const Outrigger__CliReply *now)
{
	const Outrigger__VmStatus *a = before ? before->vm : NULL, *b = now->vm;
	Outrigger__DeviceStatus none = OUTRIGGER__DEVICE_STATUS__INIT;
	*v = (struct top_view){0};
	name_copy(v->vm, sizeof(v->vm), now->vm_name);
	name_copy(v->state, sizeof(v->state), b->state);
	name_copy(v->engine, sizeof(v->engine), b->engine);
	v->uptime_ns = b->uptime_ns;
	if (a)
		v->seconds = (double)since(a->uptime_ns, b->uptime_ns) / 1e9;
	v->unclaimed = rate(a ? a->unclaimed : 0, b->unclaimed, v->seconds);
	for (size_t i = 0; i < b->n_vcpu_exits && i < LIMIT_VCPUS; i++, v->ncpus++) {
		uint64_t exits = a && i < a->n_vcpu_exits ? a->vcpu_exits[i] : 0;
		uint64_t insns = a && i < a->n_vcpu_instructions ? a->vcpu_instructions[i] : 0;
		v->cpus[i].exits = rate(exits, b->vcpu_exits[i], v->seconds);
		if (i < b->n_vcpu_instructions)
			v->cpus[i].mips = rate(insns, b->vcpu_instructions[i], v->seconds) / 1e6;
	}
	for (size_t i = 0; i < b->n_devices && i < LIMIT_DEVICES; i++, v->ndevices++) {
		const Outrigger__DeviceStatus *d = b->devices[i], *was = find(a, d->name);
		struct top_device *t = &v->devices[i];
		name_copy(t->name, sizeof(t->name), d->name);
		name_copy(t->model, sizeof(t->model), d->model);
		name_copy(t->state, sizeof(t->state), d->state);
		name_copy(t->why, sizeof(t->why), d->why);
		t->order = (unsigned)i;
		device_rates(t, was ? was : &none, d, v->seconds);
	}
}
