/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/config_args.h"
#include "launcher/json.h"
#include "launcher/verbs.h"

static const struct option_def options[] = {OPTIONS_CONFIG, OPTION_JSON, OPTIONS_END};

static void print_json(const struct config *c, struct sb *out)
{
	struct json j = {.out = out};
	json_open(&j, NULL, '{');
	json_str(&j, "name", c->name);
	json_str(&j, "machine", c->machine->name);
	json_str(&j, "engine", c->engine);
	json_u64(&j, "cpus", c->cpus);
	json_u64(&j, "memory", c->memory_bytes);
	json_u64(&j, "memory_base", c->machine->ram_base);
	json_str(&j, "kernel", c->kernel);
	json_str(&j, "initrd", c->initrd);
	json_str(&j, "cmdline", c->cmdline);
	json_open(&j, "devices", '[');
	for (size_t i = 0; i < c->ndevices; i++) {
		const struct config_device *dev = &c->devices[i];
		json_open(&j, NULL, '{');
		json_str(&j, "name", dev->name);
		json_str(&j, "model", dev->model->name);
		json_open(&j, "ranges", '[');
		for (unsigned k = 0; k < dev->nranges; k++) {
			json_open(&j, NULL, '{');
			json_u64(&j, "base", dev->ranges[k].base);
			json_u64(&j, "size", dev->ranges[k].size);
			json_close(&j, '}');
		}
		json_close(&j, ']');
		json_open(&j, "irqs", '[');
		for (unsigned k = 0; k < dev->nirqs; k++)
			json_u64(&j, NULL, dev->irqs[k]);
		json_close(&j, ']');
		json_open(&j, "options", '{');
		for (size_t k = 0; k < dev->model->desc->n_options; k++)
			if (dev->values[k])
				json_str(&j, dev->model->desc->options[k]->name, dev->values[k]);
		json_close(&j, '}');
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
}

static void print_text(const struct config *c, struct sb *out)
{
	char mem[32];
	sb_addf(out, "%s: good\nVM %s on %s, engine %s, %u CPU%s, %s of memory\n", c->path, c->name,
		c->machine->name, c->engine, c->cpus, c->cpus > 1 ? "s" : "",
		text_size_format(mem, c->memory_bytes));
	sb_addf(out, "kernel  %s\ninitrd  %s\ncmdline %s\nmemory map:\n", c->kernel,
		c->initrd ? c->initrd : "none", c->cmdline);
	config_layout_print(c, out);
}

static int check(const struct args *a)
{
	struct config c;
	struct models m;
	AUTO_SB out = {0};
	int code = config_from_args(&c, &m, a);
	if (code == 0) {
		if (args_flag(a, "json"))
			print_json(&c, &out);
		else
			print_text(&c, &out);
		fputs(sb_str(&out), stdout);
	}
	config_fini(&c);
	models_fini(&m);
	return code;
}

const struct verb verb_check = {
	.name = "check",
	.summary = "Check a config without starting anything, and print its memory map",
	.operands = "CONFIG",
	.min_operands = 1,
	.max_operands = 1,
	.complete = "@config",
	.options = options,
	.text = "Takes the options of `outrigger run` that change a config. Every error names "
		"file, line, what is wrong and\n"
		"what would be right. Exit code 0: good, 2: not.",
	.fn = check,
};
