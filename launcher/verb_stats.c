/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include "base/bytes.h"
#include "base/fd.h"
#include "launcher/client.h"
#include "launcher/json.h"
#include "launcher/portstats.h"
#include "launcher/verbs.h"
#include "proto/ctl.h"

static const struct option_def options[] = {OPTION_JSON, OPTIONS_END};

static const struct counter {
	const char *key, *text;
	unsigned index;
} counters[] = {
	{"reads_forwarded", "reads forwarded", PC_READS_FORWARDED},
	{"writes_forwarded", "writes forwarded", PC_WRITES_FORWARDED},
	{"writes_posted", "writes posted", PC_WRITES_POSTED},
	{"reads_shadow", "reads from shadow", PC_READS_SHADOW},
	{"irqs_sampled", "interrupt changes", PC_IRQS_SAMPLED},
	{"wakes_sent", "wake-ups of the daemon", PC_WAKES_SENT},
	{"ring_full_waits", "waits for a full ring", PC_RING_FULL_WAITS},
	{"deadline_misses", "deadlines missed", PC_DEADLINE_MISSES},
	{"policy_answers", "answers by policy", PC_POLICY_ANSWERS},
	{"bad_answers", "nonsense answers", PC_BAD_ANSWERS},
	{"served", "requests served", PC_SERVED},
	{"sleeps", "times asleep", PC_SLEEPS},
	{"waiter_wakes", "wake-ups of vCPUs", PC_WAITER_WAKES},
	{"irq_kicks", "interrupt kicks", PC_IRQ_KICKS},
	{"host_in_bytes", "bytes from the host", PC_HOST_IN_BYTES},
	{"host_out_bytes", "bytes to the host", PC_HOST_OUT_BYTES},
	{"guest_errors", "accesses refused", PC_GUEST_ERRORS},
};
static const double percents[] = {50, 90, 99, 99.9};
static const char *const percent_keys[] = {"p50_ns", "p90_ns", "p99_ns", "p999_ns"};

static void text_ns(struct sb *b, uint64_t ns)
{
	if (ns < 10000)
		sb_addf(b, "%llu ns", (unsigned long long)ns);
	else if (ns < 10000000)
		sb_addf(b, "%llu us", (unsigned long long)ns / 1000);
	else
		sb_addf(b, "%llu ms", (unsigned long long)ns / 1000000);
}

static void text_device(const Outrigger__DeviceStatus *d, struct sb *out)
{
	sb_addf(out, "%s (%s, %s)\n", d->name, d->model, d->state);
	for (size_t i = 0; i < ARRAY_LEN(counters); i++)
		sb_addf(out, "  %-24s %14llu\n", counters[i].text,
			(unsigned long long)portstats_get(d, counters[i].index));
	uint64_t n = portstats_samples(d);
	sb_addf(out, "  forwarded latency, %llu samples:", (unsigned long long)n);
	for (size_t i = 0; n && i < ARRAY_LEN(percents); i++) {
		sb_addf(out, "%s %g %% < ", i ? "," : "", percents[i]);
		text_ns(out, portstats_percentile(d, percents[i]));
	}
	sb_add(out, n ? "\n" : " none\n");
}

static void json_device(struct json *j, const Outrigger__DeviceStatus *d)
{
	json_open(j, NULL, '{');
	json_str(j, "name", d->name);
	json_str(j, "model", d->model);
	json_str(j, "state", d->state);
	json_open(j, "counters", '{');
	for (size_t i = 0; i < ARRAY_LEN(counters); i++)
		json_u64(j, counters[i].key, portstats_get(d, counters[i].index));
	json_close(j, '}');
	json_open(j, "latency", '{');
	json_u64(j, "samples", portstats_samples(d));
	for (size_t i = 0; i < ARRAY_LEN(percents); i++)
		json_u64(j, percent_keys[i], portstats_percentile(d, percents[i]));
	json_open(j, "log2_ns", '[');
	for (unsigned i = 0; i < PORT_LATENCY_BUCKETS; i++)
		json_u64(j, NULL, portstats_get(d, PC_LATENCY + i));
	json_close(j, ']');
	json_close(j, '}');
	json_close(j, '}');
}

static void print_text(const Outrigger__CliReply *r, struct sb *out)
{
	const Outrigger__VmStatus *vm = r->vm;
	sb_addf(out, "%s: %s, engine %s, up %.1f s, %llu unclaimed accesses\n", r->vm_name,
		vm->state, vm->engine, (double)vm->uptime_ns / 1e9,
		(unsigned long long)vm->unclaimed);
	for (size_t i = 0; i < vm->n_vcpu_exits; i++)
		sb_addf(out, "  cpu%zu: %llu exits, %llu instructions\n", i,
			(unsigned long long)vm->vcpu_exits[i],
			(unsigned long long)(i < vm->n_vcpu_instructions ? vm->vcpu_instructions[i]
									 : 0));
	for (size_t i = 0; i < vm->n_devices; i++)
		text_device(vm->devices[i], out);
}

static void print_json(const Outrigger__CliReply *r, struct sb *out)
{
	struct json j = {.out = out};
	const Outrigger__VmStatus *vm = r->vm;
	json_open(&j, NULL, '{');
	json_str(&j, "name", r->vm_name);
	json_str(&j, "state", vm->state);
	json_str(&j, "engine", vm->engine);
	json_u64(&j, "uptime_ns", vm->uptime_ns);
	json_u64(&j, "first_instruction_ns", vm->first_instruction_ns);
	json_u64(&j, "unclaimed", vm->unclaimed);
	json_open(&j, "vcpus", '[');
	for (size_t i = 0; i < vm->n_vcpu_exits; i++) {
		json_open(&j, NULL, '{');
		json_u64(&j, "exits", vm->vcpu_exits[i]);
		json_u64(&j, "instructions",
			 i < vm->n_vcpu_instructions ? vm->vcpu_instructions[i] : 0);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_open(&j, "devices", '[');
	for (size_t i = 0; i < vm->n_devices; i++)
		json_device(&j, vm->devices[i]);
	json_close(&j, ']');
	json_close(&j, '}');
}

static int stats(const struct args *a)
{
	struct err err = {0};
	AUTO_SB out = {0};
	AUTO_FREE char *vm = client_vm(a->noperands ? a->operand[0] : NULL, NULL, &err);
	Outrigger__CliReply *r = NULL;
	if (!vm || client_ask(vm, "status", NULL, &r, &err) < 0)
		return fail("%s", err.msg);
	if (args_flag(a, "json"))
		print_json(r, &out);
	else
		print_text(r, &out);
	ctl_free(&r->base);
	fputs(sb_str(&out), stdout);
	return EXIT_DONE;
}

const struct verb verb_stats = {
	.name = "stats",
	.summary = "Show the counters of a running VM: exits, instructions, accesses by way, "
		   "latencies",
	.operands = "[VM]",
	.max_operands = 1,
	.complete = "@vm",
	.options = options,
	.text = "Without VM, the only running one. Counters only grow, from the VM's start. "
		"Latencies come from a histogram\n"
		"of powers of two: a figure is the upper edge of its bucket.",
	.fn = stats,
};
