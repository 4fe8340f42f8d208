/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "bench/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOOT_DEADLINE_NS 180000000000ull

struct boot_times {
	struct stats userland, total;
};

static int boot_once(const struct vmm_setup *s, enum report_side side, const char *cmdline,
		     struct boot_times *t, struct err *e)
{
	const struct vmm_image image = {
		.kernel = s->kernel, .initrd = s->initrd, .cmdline = cmdline};
	struct child c;
	uint64_t up_ns;
	int rc = vmm_start(s, side, &image, &c, e);
	if (rc)
		return rc;
	uint64_t deadline = c.started_ns + BOOT_DEADLINE_NS;
	if (child_wait_text(&c, "outrigger-guest: userland up", 0, deadline, &up_ns))
		rc = vmm_explain(&c, side, "did not boot to userland", e);
	else if (child_wait_exit(&c, deadline))
		rc = vmm_explain(&c, side, "did not end when its guest powered off", e);
	else if (c.status)
		rc = vmm_explain(&c, side, "ended with an error after the guest powered off", e);
	if (!rc) {
		stats_add(&t->userland, (double)(up_ns - c.started_ns) * 1e-9);
		stats_add(&t->total, (double)(clock_now_ns() - c.started_ns) * 1e-9);
	}
	child_destroy(&c);
	return rc;
}

static int boot_variant(const struct vmm_setup *s, struct report *r, const char *name,
			const char *cmdline, struct err *e)
{
	static struct boot_times times[REPORT_HOST];
	memset(times, 0, sizeof times);
	/* Turns: A B, B A, A B, ... so that a drift of the machine hits both. */
	for (unsigned run = 0; run < s->runs; run++) {
		for (unsigned k = 0; k < REPORT_HOST; k++) {
			enum report_side side = (enum report_side)((run + k) % REPORT_HOST);
			if (!vmm_has(s, side))
				continue;
			int rc = boot_once(s, side, cmdline, &times[side], e);
			if (rc)
				return rc;
		}
	}
	for (unsigned side = 0; side < REPORT_HOST; side++) {
		char row[REPORT_NAME_MAX];
		snprintf(row, sizeof row, "boot.%s.userland", name);
		report_put(r, row, "s", (enum report_side)side,
			   stats_sum_up(&times[side].userland));
		snprintf(row, sizeof row, "boot.%s.total", name);
		report_put(r, row, "s", (enum report_side)side, stats_sum_up(&times[side].total));
	}
	return 0;
}

/* What `outrigger stats` says that the VM's vCPU has retired; 0 if it cannot be had. */
static double instructions_now(const struct vmm_setup *s)
{
	char command[PATH_MAX + 80], line[256];
	double n = 0;
	snprintf(command, sizeof command, "'%s' stats %s --json", s->outrigger, vmm_name());
	FILE *f = popen(command, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof line, f)) {
		char *at = strstr(line, "\"instructions\":");
		if (at && !n)
			n = strtod(at + strlen("\"instructions\":"), NULL);
	}
	pclose(f);
	return n;
}

/* boot.instructions_per_second: from the command until userland is up and the count has been read, so a lower bound. */
static int boot_speed(const struct vmm_setup *s, struct report *r, struct err *e)
{
	const struct vmm_image image = {
		.kernel = s->kernel,
		.initrd = s->initrd,
		.cmdline = "console=ttyAMA0 cryptomgr.notests=1 quiet outrigger.modules=yes"};
	struct stats speed = {0};
	for (unsigned run = 0; run < s->runs && vmm_has(s, REPORT_OURS); run++) {
		struct child c;
		int rc = vmm_start(s, REPORT_OURS, &image, &c, e);
		if (rc)
			return rc;
		double n = 0;
		if (child_wait_text(&c, "outrigger-guest: userland up", 0,
				    c.started_ns + BOOT_DEADLINE_NS, NULL))
			rc = vmm_explain(&c, REPORT_OURS, "did not boot to userland", e);
		else if ((n = instructions_now(s)) <= 0)
			rc = vmm_explain(&c, REPORT_OURS, "did not tell its instructions", e);
		else
			stats_add(&speed, n / (double)(clock_now_ns() - c.started_ns) * 1e3);
		child_destroy(&c);
		if (rc)
			return rc;
	}
	if (vmm_has(s, REPORT_OURS))
		report_put(r, "boot.instruction_rate", "M insn/s", REPORT_OURS,
			   stats_sum_up(&speed));
	return 0;
}

int measure_boot(const struct vmm_setup *s, struct report *r, struct err *e)
{
	/* The same work on both: the modules are loaded whether or not there are virtio devices. */
	int rc = boot_variant(s, r, "quiet",
			      "console=ttyAMA0 cryptomgr.notests=1 quiet outrigger.modules=yes "
			      "outrigger.mode=poweroff",
			      e);
	if (rc)
		return rc;
	rc = boot_variant(s, r, "chatty",
			  "console=ttyAMA0 cryptomgr.notests=1 outrigger.modules=yes "
			  "outrigger.mode=poweroff",
			  e);
	return rc ? rc : boot_speed(s, r, e);
}
