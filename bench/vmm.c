/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/vmm.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct args {
	size_t n;
	const char *v[VMM_ARGS_MAX];
};

static void args_add(struct args *a, const char *first, const char *second)
{
	CHECK(a->n + 3 <= VMM_ARGS_MAX);
	a->v[a->n++] = first;
	if (second)
		a->v[a->n++] = second;
	a->v[a->n] = NULL;
}

bool vmm_has(const struct vmm_setup *s, enum report_side side)
{
	return side == REPORT_OURS ? s->outrigger[0] : side == REPORT_QEMU ? s->qemu[0] : false;
}

static char last_name[48];

const char *vmm_name(void)
{
	return last_name;
}

int vmm_start(const struct vmm_setup *s, enum report_side side, const struct vmm_image *image,
	      struct child *c, struct err *e)
{
	static unsigned count;
	char memory[16], cpus[16];
	struct args a = {0};
	snprintf(memory, sizeof memory, "%uM", s->memory_mib);
	snprintf(cpus, sizeof cpus, "%u", image->cpus ? image->cpus : 1);
	if (side == REPORT_OURS) {
		snprintf(last_name, sizeof last_name, "bench-%d-%u", (int)getpid(), count++);
		args_add(&a, s->outrigger, "run");
		args_add(&a, image->config ? image->config : s->config, NULL);
		args_add(&a, "--name", last_name);
		args_add(&a, "--console", "stdio");
		args_add(&a, "--cpus", cpus);
		args_add(&a, "--memory", memory);
		args_add(&a, "--kernel", image->kernel);
		args_add(&a, "--initrd", image->initrd ? image->initrd : "none");
		args_add(&a, "--cmdline", image->cmdline ? image->cmdline : "");
	} else {
		args_add(&a, s->qemu, NULL);
		args_add(&a, "-machine", "virt,gic-version=3");
		args_add(&a, "-accel", "tcg");
		args_add(&a, "-cpu", "cortex-a53");
		args_add(&a, "-smp", "1");
		args_add(&a, "-m", memory);
		args_add(&a, "-nodefaults", NULL);
		args_add(&a, "-display", "none");
		args_add(&a, "-serial", "stdio");
		args_add(&a, "-kernel", image->kernel);
		if (image->initrd)
			args_add(&a, "-initrd", image->initrd);
		if (image->cmdline)
			args_add(&a, "-append", image->cmdline);
		for (const char *const *q = image->qemu_args; q && *q; q++)
			args_add(&a, *q, NULL);
	}
	if (s->verbose) {
		for (size_t i = 0; i < a.n; i++)
			fprintf(stderr, "%s%s", i ? " " : "+ ", a.v[i]);
		fprintf(stderr, "\n");
	}
	/* execvp takes them as char *const[], but does not write to them. */
	union {
		const char **in;
		char **out;
	} argv = {.in = a.v};
	return child_start(c, argv.out, e);
}

int vmm_explain(struct child *c, enum report_side side, const char *what, struct err *e)
{
	char errors[300];
	size_t from = c->output_len > 200 ? c->output_len - 200 : 0;
	child_error_text(c, errors, sizeof errors);
	return err_set(e, EIO, "%s %s; its last output: \"%s\"; its last messages: \"%s\"",
		       side == REPORT_OURS ? "outrigger" : "QEMU", what,
		       c->output ? c->output + from : "", errors);
}
