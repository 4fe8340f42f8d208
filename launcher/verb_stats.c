/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include "base/fd.h"
#include "launcher/client.h"
#include "launcher/json.h"
#include "launcher/portstats.h"
#include "launcher/verbs.h"
#include "proto/ctl.h"

static const struct option_def options[] = {OPTION_JSON, OPTIONS_END};

static void text_device(const Outrigger__DeviceStatus *d, struct sb *out)
{
	sb_addf(out, "%s (%s, %s)\n", d->name, d->model, d->state);
	portstats_text(d, true, out);
	if (d->shadow)
		sb_addf(out,
			"  shadow run %s: %llu records, %llu differences, %llu unknown, %llu bytes "
			"missed\n",
			d->shadow == 1 ? "running" : "over", (unsigned long long)d->shadow_records,
			(unsigned long long)d->shadow_diverged,
			(unsigned long long)d->shadow_unknown, (unsigned long long)d->shadow_lost);
}

static void json_shadow(struct json *j, const Outrigger__DeviceStatus *d)
{
	if (!d->shadow) {
		json_null(j, "shadow");
		return;
	}
	json_open(j, "shadow", '{');
	json_str(j, "state", d->shadow == 1 ? "running" : "over");
	json_u64(j, "records", d->shadow_records);
	json_u64(j, "diverged", d->shadow_diverged);
	json_u64(j, "unknown", d->shadow_unknown);
	json_u64(j, "missed_bytes", d->shadow_lost);
	json_close(j, '}');
}

static void json_device(struct json *j, const Outrigger__DeviceStatus *d)
{
	json_open(j, NULL, '{');
	json_str(j, "name", d->name);
	json_str(j, "model", d->model);
	json_str(j, "state", d->state);
	portstats_json(d, j);
	json_shadow(j, d);
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
		   "requests, latencies",
	.operands = "[VM]",
	.max_operands = 1,
	.complete = "@vm",
	.options = options,
	.text = "Without VM, the only running one. Counters only grow, from the VM's start, and "
		"live as "
		"long as the device's\n"
		"place in the VM, whatever becomes of its process. \"forwarded latency\" is that "
		"of "
		"accesses for which the guest\n"
		"waited, \"request latency\" that of whole requests (disk, network). They come "
		"from "
		"histograms of powers of two:\n"
		"a figure is the upper edge of its bucket.",
	.fn = stats,
};
