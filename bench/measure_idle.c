/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "bench/footprint.h"
#include "bench/measure.h"

#include <string.h>

#define IDLE_DEADLINE_NS 180000000000ull
#define MIB (1024.0 * 1024.0)

static void sleep_s(double seconds)
{
	struct timespec t = clock_timespec((uint64_t)(seconds * 1e9));
	nanosleep(&t, NULL);
}

static double cpu_sum(const struct footprint *f)
{
	double sum = 0;
	for (size_t i = 0; i < f->n; i++)
		sum += (double)f->process[i].cpu_ns;
	return sum;
}

static void memory_put(struct report *r, enum report_side side, const struct footprint *f)
{
	double all = 0, ram = 0, device = 0, hypervisor = 0, devices = 0;
	for (size_t i = 0; i < f->n; i++) {
		const struct footprint_process *p = &f->process[i];
		double own = (double)p->pss_bytes / MIB;
		all += own;
		ram += (double)p->guest_ram_bytes / MIB;
		if (!strncmp(p->name, "outrigger-dm-", 13)) {
			devices++;
			device = own > device ? own : device;
		} else if (!strcmp(p->name, "outrigger-hv")) {
			hypervisor = own;
		}
	}
	report_put_one(r, "memory.beyond_guest_ram", "MiB", side, all);
	report_put_one(r, "memory.guest_ram_touched", "MiB", side, ram);
	report_put_one(r, "memory.processes", "", side, (double)f->n);
	if (side == REPORT_OURS) {
		report_put_one(r, "memory.hypervisor_process", "MiB", side, hypervisor);
		if (devices > 0)
			report_put_one(r, "memory.largest_device_process", "MiB", side, device);
	}
}

static int idle_side(const struct vmm_setup *s, struct report *r, enum report_side side,
		     struct err *e)
{
	static struct footprint before, after;
	const struct vmm_image image = {
		.kernel = s->kernel,
		.initrd = s->initrd,
		.cmdline = "console=ttyAMA0 cryptomgr.notests=1 quiet outrigger.modules=yes"};
	struct child c;
	int rc = vmm_start(s, side, &image, &c, e);
	if (rc)
		return rc;
	if (child_wait_text(&c, "outrigger:/root# ", 0, c.started_ns + IDLE_DEADLINE_NS, NULL)) {
		rc = vmm_explain(&c, side, "did not boot to its shell", e);
		goto out;
	}
	/* The guest settles: its kernel has a few seconds' worth of deferred work. */
	sleep_s(4 * s->scale);
	rc = footprint_take(&before, c.pid, (uint64_t)s->memory_mib << 20, 1);
	if (rc) {
		err_set(e, -rc, "cannot read the memory maps of the processes: %s", strerror(-rc));
		goto out;
	}
	memory_put(r, side, &before);
	rc = footprint_take(&before, c.pid, 0, 0);
	uint64_t begin = clock_now_ns();
	sleep_s(10 * s->scale);
	if (!rc)
		rc = footprint_take(&after, c.pid, 0, 0);
	double elapsed = (double)(clock_now_ns() - begin);
	if (rc)
		err_set(e, -rc, "cannot read the CPU times of the processes: %s", strerror(-rc));
	else
		report_put_one(r, "idle.cpu", "%", side,
			       100 * (cpu_sum(&after) - cpu_sum(&before)) / elapsed);
out:
	child_destroy(&c);
	return rc;
}

int measure_idle(const struct vmm_setup *s, struct report *r, struct err *e)
{
	for (unsigned side = 0; side < REPORT_HOST; side++) {
		if (!vmm_has(s, (enum report_side)side))
			continue;
		int rc = idle_side(s, r, (enum report_side)side, e);
		if (rc)
			return rc;
	}
	return 0;
}
