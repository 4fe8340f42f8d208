/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "base/fd.h"
#include "launcher/client.h"
#include "launcher/inspectpage.h"
#include "launcher/models.h"
#include "launcher/portstats.h"
#include "launcher/verbs.h"
#include "proto/ctl.h"

static const struct option_def options[] = {
	{"set", 's', "NAME=VALUE",
	 "change a control or a register of the device instead (repeatable)", NULL},
	OPTION_JSON,
	OPTIONS_END,
};

/* Sets one control and says so. */
static int set(const char *vm, const char *device, const char *assignment, struct json *j)
{
	struct err err = {0};
	Outrigger__CliReply *r = NULL;
	const char *eq = strchr(assignment, '=');
	AUTO_FREE char *name = xasprintf("%.*s", eq ? (int)(eq - assignment) : 0, assignment);
	const char *args[] = {device, name, eq ? eq + 1 : ""};
	if (client_call(vm, "control", args, 3, &r, &err) < 0)
		return fail("%s: %s: %s", device, assignment, text_printable(err.msg));
	ctl_free(&r->base);
	if (j)
		json_str(j, name, eq + 1);
	else
		printf("%s: %s is now %s\n", device, name, eq + 1);
	return EXIT_DONE;
}

static int set_all(const struct args *a, const char *vm, const char *device)
{
	AUTO_SB out = {0};
	struct json j = {.out = &out};
	bool json = args_flag(a, "json");
	int code = EXIT_DONE;
	for (int i = 0; i < a->nopts; i++) {
		const char *eq = a->value[i] ? strchr(a->value[i], '=') : NULL;
		if (strcmp(a->opt[i]->name, "set") == 0 && (!eq || eq == a->value[i]))
			return usage_error(a->verb, "--set %s: write NAME=VALUE", a->value[i]);
	}
	json_open(&j, NULL, '{');
	json_str(&j, "device", device);
	json_open(&j, "set", '{');
	for (int i = 0; i < a->nopts && code == EXIT_DONE; i++)
		if (strcmp(a->opt[i]->name, "set") == 0)
			code = set(vm, device, a->value[i], json ? &j : NULL);
	json_close(&j, '}');
	json_close(&j, '}');
	if (json)
		fputs(sb_str(&out), stdout);
	return code;
}

static void text_controls(const Outrigger__ModelDescription *desc, struct sb *out)
{
	for (size_t i = 0; desc && i < desc->n_controls; i++)
		sb_addf(out, "%s    %-22s %s\n", i ? "" : "  can be set\n", desc->controls[i]->name,
			desc->controls[i]->help);
}

static void json_controls(const Outrigger__ModelDescription *desc, struct json *j)
{
	json_open(j, "controls", '[');
	for (size_t i = 0; desc && i < desc->n_controls; i++) {
		json_open(j, NULL, '{');
		json_str(j, "name", desc->controls[i]->name);
		json_str(j, "help", desc->controls[i]->help);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void print(const Outrigger__DeviceStatus *d, const struct ynode *root,
		  const Outrigger__ModelDescription *desc, bool json)
{
	AUTO_SB out = {0};
	if (json) {
		struct json j = {.out = &out};
		json_open(&j, NULL, '{');
		inspect_json(root, &j);
		json_str(&j, "process_state", d->state);
		json_i64(&j, "pid", d->pid);
		json_u64(&j, "epoch", d->epoch);
		json_str(&j, "dma", d->dma[0] ? d->dma : NULL);
		json_controls(desc, &j);
		portstats_json(d, &j);
		json_close(&j, '}');
	} else {
		sb_addf(&out, "%s: %s, %s, pid %d, start %u%s%s\n", d->name, d->model, d->state,
			d->pid, d->epoch, d->dma[0] ? ", guest memory: " : "", d->dma);
		inspect_text(root, &out);
		text_controls(desc, &out);
		portstats_text(d, false, &out);
	}
	fputs(sb_str(&out), stdout);
}

static int show(const char *vm, const char *device, bool json)
{
	struct err err = {0};
	struct models models = {0};
	Outrigger__CliReply *answer = NULL, *status = NULL;
	struct ynode *root = NULL;
	int code = EXIT_FAILED;
	if (client_call(vm, "inspect", &device, 1, &answer, &err) < 0 ||
	    client_ask(vm, "status", NULL, &status, &err) < 0) {
		code = fail("%s", text_printable(err.msg));
		goto out;
	}
	root = inspect_parse(answer->blob.data, answer->blob.len);
	if (!root) {
		code = fail("VM %s: device %s gave an answer that cannot be read", vm, device);
		goto out;
	}
	models_load(&models, &err);
	for (size_t i = 0; i < status->vm->n_devices; i++) {
		const Outrigger__DeviceStatus *d = status->vm->devices[i];
		if (strcmp(d->name, device) != 0)
			continue;
		const struct model *m = models_find(&models, d->model);
		print(d, root, m ? m->desc : NULL, json);
		code = EXIT_DONE;
	}
out:
	models_fini(&models);
	ynode_free(root);
	if (answer)
		ctl_free(&answer->base);
	if (status)
		ctl_free(&status->base);
	return code;
}

static int inspect(const struct args *a)
{
	struct err err = {0};
	const char *device = a->operand[a->noperands - 1];
	AUTO_FREE char *vm = client_vm(a->noperands > 1 ? a->operand[0] : NULL, NULL, &err);
	if (!vm)
		return fail("%s", err.msg);
	if (args_get(a, "set"))
		return set_all(a, vm, device);
	return show(vm, device, args_flag(a, "json"));
}

const struct verb verb_inspect = {
	.name = "inspect",
	.summary = "Show a device's registers, queues, state and counters, or change a control",
	.operands = "[VM] DEVICE",
	.min_operands = 1,
	.max_operands = 2,
	.complete = "@vm",
	.options = options,
	.text = "Registers come with their fields by name (those that are not 0); a register whose "
		"reading has an effect is not shown. Nothing that the guest can see changes by "
		"looking, "
		"but the device's process stops for it for a moment. Without VM, the only running "
		"one.\n\n"
		"--set changes what the device lets change while it runs, such as an image's "
		"capacity, a "
		"network's link or a console's size; the guest's driver is told. What can be set "
		"is on the page.\n\n"
		"--set REGISTER=VALUE, REGISTER[i]=, REGISTER.FIELD= sets what the register "
		"stores, "
		"between two requests: it is no access of the guest, so no side effect is played "
		"and no mask applies; interrupt lines and what the guest reads follow. A register "
		"that stores nothing is refused, with the reason.",
	.fn = inspect,
};
