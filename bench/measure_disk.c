/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks: fio in the guest, on an image of its own for each machine, the machines running side by side and
 * measured in turns. Both images are plain files, written in full beforehand, in the same folder.
 */
#include "base/clock.h"
#include "base/fd.h"
#include "bench/measure.h"
#include "bench/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IMAGE_MIB 512u
#define FIO_SECONDS 1.5
#define SETUPS 3u /* ours, QEMU, ours with dma: copy */

struct job {
	const char *name, *rw, *bs;
	unsigned depth;
	bool write, sequential;
};

static const struct job jobs[] = {
	{"seq_read_128k.qd1", "read", "128k", 1, false, true},
	{"seq_write_128k.qd1", "write", "128k", 1, true, true},
	{"seq_read_128k.qd32", "read", "128k", 32, false, true},
	{"seq_write_128k.qd32", "write", "128k", 32, true, true},
	{"rand_read_4k.qd1", "randread", "4k", 1, false, false},
	{"rand_write_4k.qd1", "randwrite", "4k", 1, true, false},
	{"rand_read_4k.qd32", "randread", "4k", 32, false, false},
	{"rand_write_4k.qd32", "randwrite", "4k", 32, true, false},
};
#define JOBS (sizeof jobs / sizeof jobs[0])

/* What is added up of one job on one machine. */
struct result {
	struct stats rate;     /* MB/s, or thousands of requests a second */
	struct stats device_s; /* CPU time a request */
	struct stats wakes,
		kicks; /* system calls a request: by the vCPU to wake the daemon, by the daemon to wake hv */
};

/* One machine with its image. */
struct machine {
	enum report_side side;
	bool copy;
	bool present;
	char image[PATH_MAX];
	struct rig rig;
	struct result result[JOBS];
};

struct fio {
	double kib, per_second, iops, ms;
};

static int image_make(const char *path, struct err *e)
{
	static uint32_t block[1 << 18];
	uint32_t x = 1;
	AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(e, errno, "cannot make %s: %s", path, strerror(errno));
	for (unsigned i = 0; i < IMAGE_MIB; i++) {
		for (size_t k = 0; k < sizeof block / sizeof block[0]; k++)
			block[k] = x = x * 1664525u + 1013904223u;
		if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
			return err_set(e, errno ? errno : ENOSPC, "cannot write %s: %s", path,
				       strerror(errno ? errno : ENOSPC));
	}
	/* What is still to be written would go to disk while others are measured. */
	return fsync(fd) ? err_set(e, errno, "cannot sync %s: %s", path, strerror(errno)) : 0;
}

static int machine_start(const struct vmm_setup *s, struct machine *m, const char *cache,
			 struct err *e)
{
	char options[PATH_MAX + 80], drive[PATH_MAX + 120];
	snprintf(options, sizeof options, "{path: \"%s\", cache: %s}", m->image, cache);
	snprintf(drive, sizeof drive, "-drive if=none,id=work,format=raw,cache=%s,file=%s", cache,
		 m->image);
	const struct rig_device disk = {
		.model = "virtio-blk",
		.options = options,
		.dma = m->copy ? "copy" : "map",
		.qemu_backend = drive,
		.qemu_device = "virtio-blk-device,drive=work",
	};
	return rig_start(s, m->side, &disk, 1, &m->rig, e);
}

/* Fields of fio's terse output, version 3. */
static int fio_parse(const char *text, bool write, struct fio *ret)
{
	const char *p = strstr(text, "3;fio");
	unsigned skip = write ? 46 : 5;
	while (p && skip--) {
		p = strchr(p, ';');
		p = p ? p + 1 : NULL;
	}
	if (!p ||
	    sscanf(p, "%lf;%lf;%lf;%lf", &ret->kib, &ret->per_second, &ret->iops, &ret->ms) != 4)
		return -EIO;
	return ret->kib > 0 ? 0 : -EIO;
}

/* CPU time in ns so far of what serves disks: our daemons; QEMU's threads but for the vCPU, which however is the one that
 * takes requests off the queue there. */
static double cpu_now(const struct machine *m)
{
	static struct footprint f;
	double sum = 0;
	if (footprint_take(&f, m->rig.child.pid, 0, 0))
		return 0;
	for (size_t i = 0; i < f.n; i++) {
		const struct footprint_process *p = &f.process[i];
		if (m->side == REPORT_QEMU)
			sum += (double)(p->cpu_ns - p->vcpu_ns);
		else if (!strcmp(p->name, "outrigger-dm-virtio-blk"))
			sum += (double)p->cpu_ns;
	}
	return sum;
}

static int job_run(const struct vmm_setup *s, struct machine *m, size_t j, struct err *e)
{
	char command[512];
	const char *out;
	const struct job *job = &jobs[j];
	struct result *r = &m->result[j];
	struct fio fio;
	double device, wakes = 0, kicks = 0;
	double seconds = FIO_SECONDS * s->scale;
	bool ours = m->side == REPORT_OURS;
	snprintf(command, sizeof command,
		 "fio --name=j --filename=/dev/vdb --direct=1 --ioengine=libaio --rw=%s --bs=%s "
		 "--iodepth=%u --time_based --runtime=%.0fms --size=%uM --norandommap --thread "
		 "--gtod_reduce=1 --output-format=terse --terse-version=3 2>&1",
		 job->rw, job->bs, job->depth, seconds * 1e3, IMAGE_MIB);
	if (ours) {
		wakes = rig_stat(s, &m->rig, "dev1", "wakes_sent");
		kicks = rig_stat(s, &m->rig, "dev1", "irq_kicks");
	}
	device = cpu_now(m);
	int rc = rig_run(&m->rig, command, 60, &out, e);
	if (rc)
		return rc;
	device = cpu_now(m) - device;
	if (fio_parse(out, job->write, &fio))
		return err_set(e, EIO, "fio says: %.200s", out);
	stats_add(&r->rate, job->sequential ? fio.kib * 1.024 / fio.ms : fio.iops * 1e-3);
	double requests = fio.iops * fio.ms * 1e-3;
	stats_add(&r->device_s, device / requests * 1e-9);
	if (ours) {
		stats_add(&r->wakes,
			  (rig_stat(s, &m->rig, "dev1", "wakes_sent") - wakes) / requests);
		stats_add(&r->kicks,
			  (rig_stat(s, &m->rig, "dev1", "irq_kicks") - kicks) / requests);
	}
	return 0;
}

/* Which system calls a busy guest costs: a guest that never waits has its vCPU running when the interrupts come, and
 * a daemon that is awake needs no wake-up. Counted by both sides' counters, once. */
static int busy_run(const struct vmm_setup *s, struct report *r, struct machine *m, struct err *e)
{
	static const char *const keys[] = {"wakes_sent", "sleeps", "irq_kicks", "requests"};
	double before[4], n[4];
	char command[512];
	const char *out;
	snprintf(command, sizeof command,
		 "(while :; do :; done) & fio --name=j --filename=/dev/vdb --direct=1 "
		 "--ioengine=libaio --rw=randread --bs=4k --iodepth=32 --time_based "
		 "--runtime=%.0fms --size=%uM --norandommap --thread --gtod_reduce=1 "
		 "--output-format=terse --terse-version=3 2>&1; R=$?; kill $!; (exit $R)",
		 FIO_SECONDS * s->scale * 1e3, IMAGE_MIB);
	for (size_t i = 0; i < 4; i++)
		before[i] = rig_stat(s, &m->rig, "dev1", keys[i]);
	int rc = rig_run(&m->rig, command, 60, &out, e);
	for (size_t i = 0; i < 4; i++)
		n[i] = rig_stat(s, &m->rig, "dev1", keys[i]) - before[i];
	if (rc)
		return rc;
	if (n[3] < 100)
		return err_set(e, EIO, "the disk's counters tell of %.0f requests only", n[3]);
	report_put_one(r, "disk.wakes_per_sleep_of_daemon", "", m->side,
		       n[1] > 0 ? n[0] / n[1] : n[0]);
	report_put_one(r, "disk.irq_syscalls_per_request_busy", "", m->side, n[2] / n[3]);
	return 0;
}

static void machine_report(struct report *r, struct machine *m, const char *cache)
{
	for (size_t j = 0; j < JOBS; j++) {
		char row[REPORT_NAME_MAX];
		struct result *res = &m->result[j];
		const char *what = m->copy ? "disk_copy" : "disk";
		snprintf(row, sizeof row, "%s.%s.%s", what, cache, jobs[j].name);
		report_put(r, row, jobs[j].sequential ? "MB/s" : "k IOPS", m->side,
			   stats_sum_up(&res->rate));
	}
	/* Where the device is busiest for itself: many small requests. */
	size_t j = JOBS - 2;
	if (m->copy || strcmp(cache, "none") != 0)
		return;
	report_put(r, "disk.device_cpu_per_request", "s", m->side,
		   stats_sum_up(&m->result[j].device_s));
	if (m->side != REPORT_OURS)
		return;
	report_put(r, "disk.wakes_per_request", "", m->side, stats_sum_up(&m->result[j].wakes));
	report_put(r, "disk.irq_syscalls_per_request", "", m->side,
		   stats_sum_up(&m->result[j].kicks));
}

static int cache_mode(const struct vmm_setup *s, struct report *r, struct machine *m, size_t n,
		      const char *cache, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < n; i++)
		memset(m[i].result, 0, sizeof m[i].result);
	for (size_t i = 0; i < n && !rc; i++)
		if (m[i].present)
			rc = machine_start(s, &m[i], cache, e);
	if (rc && m[n - 1].copy && !m[n - 1].rig.child.pid) {
		fprintf(stderr, " [dma: copy left out: %s]", e->msg);
		m[n - 1].present = false;
		rc = 0;
	}
	unsigned runs = s->runs > 3 ? 3 : s->runs;
	for (unsigned run = 0; run < runs && !rc; run++)
		for (size_t j = 0; j < JOBS && !rc; j++)
			for (size_t k = 0; k < n && !rc; k++) {
				struct machine *now = &m[(run + k) % n];
				if (now->present)
					rc = job_run(s, now, j, e);
			}
	if (!rc && m[0].present && !strcmp(cache, "none"))
		rc = busy_run(s, r, &m[0], e);
	for (size_t i = 0; i < n; i++) {
		if (m[i].present && !rc)
			machine_report(r, &m[i], cache);
		rig_stop(&m[i].rig);
	}
	return rc;
}

int measure_disk(const struct vmm_setup *s, struct report *r, struct err *e)
{
	static struct machine m[SETUPS];
	int rc = 0;
	memset(m, 0, sizeof m);
	m[0].side = REPORT_OURS;
	m[1].side = REPORT_QEMU;
	m[2].side = REPORT_OURS;
	m[2].copy = true;
	for (size_t i = 0; i < SETUPS && !rc; i++) {
		m[i].present = vmm_has(s, m[i].side);
		snprintf(m[i].image, sizeof m[i].image, "%.4000s/disk-%d-%zu.img", s->work,
			 (int)getpid(), i);
		if (m[i].present)
			rc = image_make(m[i].image, e);
	}
	if (!rc)
		rc = cache_mode(s, r, m, SETUPS, "none", e);
	/* The price of copying does not depend on the host's cache. */
	if (!rc)
		rc = cache_mode(s, r, m, SETUPS - 1, "writeback", e);
	for (size_t i = 0; i < SETUPS; i++)
		unlink(m[i].image);
	return rc;
}
