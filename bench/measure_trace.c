/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What recording costs: the guest's forwarded read of the RTC with `outrigger trace` on it and without, in turns. A run counts as
 * recorded only if the trace has all of those reads: else the recording began too late, and the run is done again.
 */
#include "base/clock.h"
#include "bench/measure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GUEST_DEADLINE_NS 120000000000ull
#define READS 100000u /* that guest/guest.c does for rtc_dr_read: 100 batches of 1000 */
#define TRIES 5u

/* Records the VM's RTC into @path as soon as there is somebody to ask, until the VM's end. */
static int recorder_start(const struct vmm_setup *s, const char *path, struct child *c,
			  struct err *e)
{
	char command[2 * PATH_MAX + 200];
	snprintf(command, sizeof command,
		 "for i in $(seq 200); do '%s' trace '%s' rtc --out '%s' 2>/dev/null && exit 0; "
		 "sleep 0.01; done; "
		 "exit 1",
		 s->outrigger, vmm_name(), path);
	char sh[] = "sh", flag[] = "-c";
	char *argv[] = {sh, flag, command, NULL};
	return child_start(c, argv, e);
}

/* The reads of the RTC that are in the trace. */
static int recorded_reads(const struct vmm_setup *s, const char *path, uint64_t *ret_n,
			  struct err *e)
{
	char command[2 * PATH_MAX + 64], line[256];
	snprintf(command, sizeof command, "'%s' trace info '%s' 2>&1", s->outrigger, path);
	FILE *p = popen(command, "r");
	if (!p)
		return err_set(e, errno, "cannot run outrigger trace info");
	*ret_n = 0;
	while (fgets(line, sizeof line, p))
		sscanf(line, " read %" SCNu64, ret_n);
	return pclose(p) ? err_set(e, EIO, "outrigger trace info: %s", line) : 0;
}

static int guest_once(const struct vmm_setup *s, const char *trace, double *ret_seconds,
		      struct err *e)
{
	const struct vmm_image image = {.kernel = s->guest};
	struct child c, rec = {0};
	uint64_t median = 0;
	int rc = vmm_start(s, REPORT_OURS, &image, &c, e);
	if (rc)
		return rc;
	if (trace)
		rc = recorder_start(s, trace, &rec, e);
	if (!rc && child_wait_exit(&c, c.started_ns + GUEST_DEADLINE_NS))
		rc = vmm_explain(&c, REPORT_OURS, "did not finish the benchmark guest", e);
	const char *line = c.output ? strstr(c.output, "bench: access rtc_dr_read ") : NULL;
	if (!rc &&
	    (!line || sscanf(line,
			     "bench: access rtc_dr_read unit=ps count=%*u batches=%*u min=%*u "
			     "median=%" SCNu64,
			     &median) != 1))
		rc = vmm_explain(&c, REPORT_OURS, "did not measure its RTC", e);
	if (!rc && trace && child_wait_exit(&rec, clock_now_ns() + GUEST_DEADLINE_NS))
		rc = err_set(e, ETIMEDOUT, "outrigger trace did not end with the VM");
	child_destroy(&rec);
	child_destroy(&c);
	*ret_seconds = (double)median * 1e-12;
	return rc;
}

static int recorded_once(const struct vmm_setup *s, const char *trace, double *ret_seconds,
			 struct err *e)
{
	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t reads = 0;
		int rc = guest_once(s, trace, ret_seconds, e);
		if (!rc)
			rc = recorded_reads(s, trace, &reads, e);
		unlink(trace);
		if (rc || reads >= READS)
			return rc;
	}
	return err_set(e, EIO, "recording began too late %u times, or lost records", TRIES);
}

int measure_trace(const struct vmm_setup *s, struct report *r, struct err *e)
{
	static struct stats off, on;
	char trace[PATH_MAX + 32];
	if (!vmm_has(s, REPORT_OURS))
		return 0;
	memset(&off, 0, sizeof off);
	memset(&on, 0, sizeof on);
	if (mkdir(s->work, 0755) && errno != EEXIST)
		return err_set(e, errno, "cannot make the folder %s: %s", s->work, strerror(errno));
	snprintf(trace, sizeof trace, "%s/bench-%d.trace", s->work, (int)getpid());
	for (unsigned run = 0; run < s->runs; run++) {
		double seconds;
		int rc = guest_once(s, NULL, &seconds, e);
		if (rc)
			return rc;
		stats_add(&off, seconds);
		rc = recorded_once(s, trace, &seconds, e);
		if (rc)
			return rc;
		stats_add(&on, seconds);
	}
	report_put(r, "trace.off.rtc_dr_read", "s", REPORT_OURS, stats_sum_up(&off));
	report_put(r, "trace.on.rtc_dr_read", "s", REPORT_OURS, stats_sum_up(&on));
	return 0;
}
