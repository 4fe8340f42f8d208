/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "base/fd.h"
#include "launcher/client.h"
#include "launcher/json.h"
#include "launcher/portstats.h"
#include "launcher/runtime.h"
#include "launcher/topview.h"
#include "launcher/verbs.h"
#include "proto/ctl.h"

static const struct option_def options[] = {
	OPTION_JSON,
	{"names", 0, NULL, "print only the VMs' names, one a line", NULL},
	OPTIONS_END,
};

static uint64_t sum(const uint64_t *v, size_t n)
{
	uint64_t s = 0;
	for (size_t i = 0; i < n; i++)
		s += v[i];
	return s;
}

static void text_place(const Outrigger__DeviceConfig *c, struct sb *addr, struct sb *irq)
{
	for (size_t i = 0; c && i < c->n_ranges; i++)
		sb_addf(addr, "%s0x%08llx", i ? "," : "",
			(unsigned long long)c->ranges[i]->address);
	for (size_t i = 0; c && i < c->n_irqs; i++)
		sb_addf(irq, "%s%u", i ? "," : "", c->irqs[i]);
}

static void text_vm(const Outrigger__CliReply *r, const Outrigger__VmConfig *cfg, struct sb *out)
{
	const Outrigger__VmStatus *vm = r->vm;
	char mem[32];
	char sup[32] = "no supervisor";
	if (r->supervisor_pid)
		snprintf(sup, sizeof(sup), "supervisor pid %d", r->supervisor_pid);
	sb_addf(out, "%s: %s, engine %s, %zu CPU%s, %s, %s, %s\n", r->vm_name, vm->state,
		vm->engine[0] ? vm->engine : "-",
		vm->n_vcpu_exits ? vm->n_vcpu_exits : (size_t)(cfg ? cfg->cpus : 0),
		vm->n_vcpu_exits > 1 ? "s" : "", text_size_format(mem, r->memory_bytes), sup,
		r->config);
	sb_addf(out, "  %-12s %8s %-14s %-11s %-10s %-4s %9s %9s %9s %9s %9s %6s %6s\n", "NAME",
		"PID", "MODEL", "STATE", "ADDRESS", "IRQ", "FWD-READ", "FWD-WRITE", "POSTED",
		"SHADOW", "REQUESTS", "IN", "OUT");
	sb_addf(out, "  %-12s %8d %-14s %-11s %-10s %-4s %9s %9s %9s %9s %9s %6s %6s\n", "hv",
		r->hv_pid, "core", vm->state, "-", "-", "-", "-", "-", "-", "-", "-", "-");
	for (size_t i = 0; i < vm->n_devices; i++) {
		const Outrigger__DeviceStatus *d = vm->devices[i];
		AUTO_SB addr = {0};
		AUTO_SB irq = {0};
		text_place(client_device_config(cfg, d->name), &addr, &irq);
		char in[16], bytes[16];
		sb_addf(out,
			"  %-12s %8d %-14s %-11s %-10s %-4s %9llu %9llu %9llu %9llu %9llu %6s "
			"%6s\n",
			d->name, d->pid, d->model, d->state, addr.len ? sb_str(&addr) : "-",
			irq.len ? sb_str(&irq) : "-",
			(unsigned long long)portstats_get(d, PC_READS_FORWARDED),
			(unsigned long long)portstats_get(d, PC_WRITES_FORWARDED),
			(unsigned long long)portstats_get(d, PC_WRITES_POSTED),
			(unsigned long long)portstats_get(d, PC_READS_SHADOW),
			(unsigned long long)portstats_io(d, PI_REQUESTS),
			top_number(in, (double)portstats_in_bytes(d)),
			top_number(bytes, (double)portstats_out_bytes(d)));
		if (d->why[0])
			sb_addf(out, "  %-12s   %s\n", "", text_printable(d->why));
		if (d->shadow)
			sb_addf(out, "  %-12s   shadow run %s: %llu records, %llu differences\n",
				"", d->shadow == 1 ? "running" : "over",
				(unsigned long long)d->shadow_records,
				(unsigned long long)d->shadow_diverged);
		if (d->restarts)
			sb_addf(out, "  %-12s   restarts: %u, of them %u of at most %u in a row\n",
				"", d->restarts, d->restarts_in_row, d->restart_limit);
	}
}

static void json_device(struct json *j, const Outrigger__DeviceStatus *d,
			const Outrigger__DeviceConfig *c)
{
	json_open(j, NULL, '{');
	json_str(j, "name", d->name);
	json_i64(j, "pid", d->pid);
	json_str(j, "model", d->model);
	json_str(j, "state", d->state);
	json_str(j, "why", d->why[0] ? d->why : NULL);
	json_u64(j, "epoch", d->epoch);
	json_u64(j, "restarts", d->restarts);
	json_u64(j, "restarts_in_row", d->restarts_in_row);
	json_u64(j, "restart_limit", d->restart_limit);
	json_open(j, "ranges", '[');
	for (size_t i = 0; c && i < c->n_ranges; i++) {
		json_open(j, NULL, '{');
		json_str(j, "space", c->ranges[i]->space);
		json_u64(j, "base", c->ranges[i]->address);
		json_u64(j, "size", c->ranges[i]->size);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_open(j, "irqs", '[');
	for (size_t i = 0; c && i < c->n_irqs; i++)
		json_u64(j, NULL, c->irqs[i]);
	json_close(j, ']');
	json_open(j, "accesses", '{');
	json_u64(j, "reads_forwarded", portstats_get(d, PC_READS_FORWARDED));
	json_u64(j, "writes_forwarded", portstats_get(d, PC_WRITES_FORWARDED));
	json_u64(j, "writes_posted", portstats_get(d, PC_WRITES_POSTED));
	json_u64(j, "reads_shadow", portstats_get(d, PC_READS_SHADOW));
	json_close(j, '}');
	json_open(j, "traffic", '{');
	json_u64(j, "requests", portstats_io(d, PI_REQUESTS));
	json_u64(j, "in_bytes", portstats_in_bytes(d));
	json_u64(j, "out_bytes", portstats_out_bytes(d));
	json_u64(j, "errors", portstats_io(d, PI_ERRORS));
	json_u64(j, "drops", portstats_io(d, PI_DROPS));
	json_close(j, '}');
	json_close(j, '}');
}

static void json_vm(struct json *j, const Outrigger__CliReply *r, const Outrigger__VmConfig *cfg)
{
	const Outrigger__VmStatus *vm = r->vm;
	json_open(j, NULL, '{');
	json_str(j, "name", r->vm_name);
	json_str(j, "state", vm->state);
	json_str(j, "engine", vm->engine[0] ? vm->engine : NULL);
	json_str(j, "config", r->config);
	json_str(j, "started", r->started);
	json_u64(j, "uptime_ns", vm->uptime_ns);
	json_u64(j, "memory", r->memory_bytes);
	json_u64(j, "cpus", cfg ? cfg->cpus : vm->n_vcpu_exits);
	json_i64(j, "supervisor_pid", r->supervisor_pid); /* 0: unsupervised */
	json_open(j, "hv", '{');
	json_i64(j, "pid", r->hv_pid);
	json_u64(j, "exits", sum(vm->vcpu_exits, vm->n_vcpu_exits));
	json_u64(j, "instructions", sum(vm->vcpu_instructions, vm->n_vcpu_instructions));
	json_u64(j, "unclaimed", vm->unclaimed);
	json_close(j, '}');
	json_open(j, "devices", '[');
	for (size_t i = 0; i < vm->n_devices; i++)
		json_device(j, vm->devices[i], client_device_config(cfg, vm->devices[i]->name));
	json_close(j, ']');
	json_close(j, '}');
}

static int show(const char *base, const char *vm, struct json *j, struct sb *out)
{
	struct err err = {0};
	Outrigger__CliReply *r = NULL;
	if (client_status(base, vm, &r, &err) < 0)
		return fail("%s", err.msg);
	Outrigger__VmConfig *cfg = client_config(r);
	if (j)
		json_vm(j, r, cfg);
	else
		text_vm(r, cfg, out);
	if (cfg)
		ctl_free(&cfg->base);
	ctl_free(&r->base);
	return EXIT_DONE;
}

static int ps(const struct args *a)
{
	struct err err = {0};
	AUTO_FREE char *base = NULL;
	AUTO_SB out = {0};
	struct json j = {.out = &out};
	int code = EXIT_DONE;
	bool json = args_flag(a, "json"), names_only = args_flag(a, "names");
	if (runtime_base(&base, &err) < 0)
		return fail("%s", err.msg);
	char **names = runtime_list(base);
	AUTO_FREE char *one = a->noperands ? client_vm(a->operand[0], NULL, &err) : NULL;
	if (a->noperands && !one)
		code = fail("%s", err.msg);
	if (json)
		json_open(&j, NULL, '[');
	for (size_t i = 0; names[i]; i++) {
		if (a->noperands && (!one || strcmp(one, names[i]) != 0))
			continue;
		if (names_only)
			sb_addf(&out, "%s\n", names[i]);
		else if (show(base, names[i], json ? &j : NULL, &out) != EXIT_DONE)
			code = EXIT_FAILED;
	}
	if (json)
		json_close(&j, ']');
	if (code == EXIT_DONE || !a->noperands)
		fputs(sb_str(&out), stdout);
	if (!names[0] && !json && !names_only && !a->noperands)
		fprintf(stderr, "outrigger: no VM is running in %s\n", base);
	runtime_list_free(names);
	return code;
}

const struct verb verb_ps = {
	.name = "ps",
	.summary = "Show the running VMs and their processes",
	.operands = "[VM]",
	.max_operands = 1,
	.complete = "@vm",
	.options = options,
	.text = "One line for hv and one for each device process: PID, model, state, address, "
		"interrupt, and the guest's\n"
		"accesses by their way: forwarded reads and writes, posted writes, shadow reads; "
		"and "
		"the device's traffic:\n"
		"requests done, bytes to the guest and from it. A VM whose supervisor was killed "
		"goes "
		"on and is called unsupervised: see `outrigger adopt`.",
	.fn = ps,
};
