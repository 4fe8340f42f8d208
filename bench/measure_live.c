/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Swaps and crashes as the guest sees them: bench/guest/live.c is busy on a device with one CPU and on another with the other,
 * and says how long it had to wait at most. In between a device is swapped, or its process killed.
 */
#include "base/clock.h"
#include "bench/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_NS 60000000000ull
#define COUNT_FULL 40u /* of each, times --runs */
#define COUNT_QUICK 8u
#define IDLE_NS 5000000u /* a measurement without an event lasts about as long as one with */

struct live {
	const struct vmm_setup *s;
	struct report *r;
	struct err *e;
	struct child vm;
	char name[48], config[PATH_MAX], image[PATH_MAX], copy[PATH_MAX];
	size_t seen; /* of the VM's output */
	unsigned n;
};

/** struct live_case - what is done, while CPU 1 is busy on a device. */
struct live_case {
	const char *row;    /* live.ROW.* */
	char busy;	    /* what CPU 1 does: see live.c */
	const char *device; /* that something is done to; NULL: nothing is */
	bool kill, alone;   /* alone: CPU 0 sleeps */
};

static int said(struct live *l, const char *what)
{
	return vmm_explain(&l->vm, REPORT_OURS, what, l->e);
}

static void rest(long ns)
{
	const struct timespec ts = {.tv_nsec = ns};
	nanosleep(&ts, NULL);
}

/* ---- the guest ------------------------------------------------------------------------------------------- */

static int tell(struct live *l, char c)
{
	return write(l->vm.in, &c, 1) == 1 ? 0 : said(l, "takes no input");
}

/* The longest gaps since the last time: of CPU 1 and of CPU 0, seconds. */
static int gaps(struct live *l, double *ret_one, double *ret_other)
{
	uint64_t one, other;
	int rc = tell(l, 'r');
	if (rc)
		return rc;
	uint64_t end = clock_now_ns() + DEADLINE_NS;
	if (child_wait_text(&l->vm, "gap ", l->seen, end, NULL))
		return said(l, "gives no answer");
	size_t at = (size_t)(strstr(l->vm.output + l->seen, "gap ") - l->vm.output);
	if (child_wait_text(&l->vm, "\n", at, end, NULL) ||
	    sscanf(l->vm.output + at, "gap %" SCNu64 " %" SCNu64, &one, &other) != 2)
		return said(l, "gives no proper answer");
	l->seen = at + 4;
	*ret_one = (double)one * 1e-9;
	*ret_other = (double)other * 1e-9;
	return 0;
}

/* ---- commands -------------------------------------------------------------------------------------------- */

/* Runs `outrigger VERB [OPTION] VM [DEVICE]`; *@ret_text (may be NULL): what it printed, heap. */
static int command(struct live *l, const char *verb, const char *option, const char *device,
		   char **ret_text)
{
	char *argv[6] = {(char *)(uintptr_t)l->s->outrigger, (char *)(uintptr_t)verb};
	struct child c;
	int k = 2;
	if (option)
		argv[k++] = (char *)(uintptr_t)option;
	argv[k++] = l->name;
	if (device)
		argv[k++] = (char *)(uintptr_t)device;
	int rc = child_start(&c, argv, l->e);
	if (rc)
		return rc;
	if (child_wait_exit(&c, clock_now_ns() + DEADLINE_NS) || c.status)
		rc = vmm_explain(&c, REPORT_OURS, verb, l->e);
	else if (ret_text && !(*ret_text = strdup(c.output)))
		rc = -ENOMEM;
	child_destroy(&c);
	return rc;
}

static pid_t device_pid(struct live *l, const char *device)
{
	char key[64], *text = NULL;
	pid_t pid = -1;
	if (command(l, "ps", "--json", NULL, &text))
		return -1;
	snprintf(key, sizeof(key), "\"name\": \"%s\"", device);
	const char *at = strstr(text, key);
	at = at ? strstr(at, "\"pid\": ") : NULL;
	if (at)
		pid = (pid_t)atoi(at + strlen("\"pid\": "));
	free(text);
	return pid > 1 ? pid : -1;
}

/* What the supervisor said about @device: how often it serves again. */
static unsigned served_again(struct live *l, const char *device)
{
	static char text[1 << 20];
	char key[64];
	unsigned n = 0;
	ssize_t len = pread(l->vm.errors, text, sizeof(text) - 1, 0);
	text[len > 0 ? len : 0] = 0;
	snprintf(key, sizeof(key), "%s (", device);
	for (const char *p = text; (p = strstr(p, key)); p++) {
		const char *end = strchr(p, '\n'), *say = strstr(p, ") serves again after ");
		n += say && end && say < end;
	}
	return n;
}

static int kill_device(struct live *l, const char *device)
{
	double one, other;
	pid_t pid = device_pid(l, device);
	unsigned before = served_again(l, device);
	uint64_t end = clock_now_ns() + DEADLINE_NS;
	if (pid < 0)
		return err_set(l->e, EIO, "device %s has no process", device);
	int rc = gaps(l, &one, &other); /* that was `ps` */
	if (!rc && kill(pid, SIGKILL))
		rc = err_set(l->e, errno, "cannot kill process %d: %s", pid, strerror(errno));
	while (!rc && served_again(l, device) == before) {
		if (clock_now_ns() > end)
			rc = said(l, "does not start a device again");
		rest(1000000);
	}
	return rc;
}

static int swap_device(struct live *l, const char *device, struct stats *rests)
{
	char *text = NULL;
	int rc = command(l, "swap", NULL, device, &text);
	const char *at = rc ? NULL : strstr(text, "rested for ");
	if (at)
		stats_add(rests, atof(at + strlen("rested for ")) * 1e-3);
	free(text);
	return rc;
}

/* ---- measuring ------------------------------------------------------------------------------------------- */

static void put(struct live *l, const char *row, const char *what, struct stats *samples)
{
	char name[REPORT_NAME_MAX];
	snprintf(name, sizeof(name), "live.%s.%s", row, what);
	if (samples->n)
		report_put(l->r, name, "s", REPORT_OURS, stats_sum_up(samples));
}

static int measure_case(struct live *l, const struct live_case *k)
{
	static struct stats one, other, rests;
	double a, b;
	one.n = other.n = rests.n = 0;
	int rc = tell(l, k->busy);
	if (!rc)
		rc = tell(l, k->alone ? 'i' : 'b');
	for (unsigned i = 0; i < l->n && !rc; i++) {
		rc = gaps(l, &a, &b);
		if (!rc && k->device)
			rc = k->kill ? kill_device(l, k->device)
				     : swap_device(l, k->device, &rests);
		if (!k->device)
			rest(IDLE_NS);
		/* CPU 1 answers when its device does: that is the end of the gap. */
		if (!rc)
			rc = gaps(l, &a, &b);
		if (rc)
			return rc;
		stats_add(&one, a);
		stats_add(&other, b);
	}
	put(l, k->row, "gap", &one);
	if (!k->alone)
		put(l, k->row, "gap_of_another", &other);
	put(l, k->row, "rest", &rests); /* as hv tells: from the last request of the old one on */
	return rc;
}

/* Copies the model's program to @to by way of a rename, as a build would. */
static int program_renew(struct live *l, const char *from, const char *to)
{
	char part[PATH_MAX + 8];
	struct stat st;
	snprintf(part, sizeof(part), "%s.new", to);
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	bool good = in >= 0 && out >= 0 && !fstat(in, &st);
	for (off_t at = 0; good && at < st.st_size;)
		good = sendfile(out, in, &at, (size_t)(st.st_size - at)) > 0;
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	if (!good || rename(part, to))
		return err_set(l->e, errno, "cannot write %s: %s", to, strerror(errno));
	return 0;
}

/* From the new program's rename to the word that it serves. */
static int measure_watch(struct live *l)
{
	static struct stats times;
	char from[PATH_MAX];
	struct child c;
	snprintf(from, sizeof(from), "%.*s/outrigger-dm-pl031",
		 (int)(strrchr(l->s->outrigger, '/') - l->s->outrigger), l->s->outrigger);
	int rc = program_renew(l, from, l->copy);
	if (rc)
		return rc;
	char *argv[] = {(char *)(uintptr_t)l->s->outrigger,
			(char *)(uintptr_t) "swap",
			l->name,
			(char *)(uintptr_t) "rtc",
			(char *)(uintptr_t) "--watch",
			(char *)(uintptr_t) "--model",
			l->copy,
			NULL};
	rc = child_start(&c, argv, l->e);
	if (rc)
		return rc;
	times.n = 0;
	if (child_wait_text(&c, "watching", 0, clock_now_ns() + DEADLINE_NS, NULL))
		rc = vmm_explain(&c, REPORT_OURS, "does not watch", l->e);
	for (unsigned i = 0; i < l->n && !rc; i++) {
		size_t from_byte = c.output_len;
		uint64_t served = 0;
		rc = program_renew(l, from, l->copy);
		uint64_t begin = clock_now_ns();
		if (!rc &&
		    child_wait_text(&c, "is served by", from_byte, begin + DEADLINE_NS, &served))
			rc = vmm_explain(&c, REPORT_OURS, "does not swap by --watch", l->e);
		if (!rc)
			stats_add(&times, (double)(served - begin) * 1e-9);
	}
	child_destroy(&c);
	if (!rc)
		report_put(l->r, "live.watch", "s", REPORT_OURS, stats_sum_up(&times));
	return rc;
}

static int live_start(struct live *l)
{
	FILE *f = fopen(l->config, "we");
	int fd = open(l->image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (!f || fd < 0 || ftruncate(fd, 32 << 20))
		return err_set(l->e, errno, "cannot write in %s: %s", l->s->work, strerror(errno));
	close(fd);
	static const char each[] = "restart_window: 0s, deadline: 10s";
	fprintf(f,
		"machine: aarch64-virt\nengine: soft\nkernel: none\ndevices:\n"
		"  - {name: uart0, model: pl011, %s}\n"
		"  - {name: rtc, model: pl031, %s}\n"
		"  - {name: disk0, model: virtio-blk, %s, options: {path: \"%s\"}}\n",
		each, each, each, l->image);
	fclose(f);
	const struct vmm_image image = {.kernel = l->s->live_guest, .config = l->config, .cpus = 2};
	int rc = vmm_start(l->s, REPORT_OURS, &image, &l->vm, l->e);
	if (rc)
		return rc;
	snprintf(l->name, sizeof(l->name), "%s", vmm_name());
	if (child_wait_text(&l->vm, "ready", 0, clock_now_ns() + DEADLINE_NS, NULL))
		return said(l, "does not start the guest");
	return 0;
}

int measure_live(const struct vmm_setup *s, struct report *r, struct err *e)
{
	static const struct live_case cases[] = {
		{"none.clock", 'c', NULL, false, false},
		{"none.disk", 'd', NULL, false, false},
		{"swap.clock", 'c', "rtc", false, false},
		{"swap.uart", 'u', "uart0", false, false},
		{"swap.disk", 'd', "disk0", false, false},
		{"kill.clock", 'c', "rtc", true, false},
		{"kill.uart", 'u', "uart0", true, false},
		{"kill.disk", 'd', "disk0", true, false},
		{"none.alone.clock", 'c', NULL, false, true},
		{"swap.alone.clock", 'c', "rtc", false, true},
		{"swap.alone.uart", 'u', "uart0", false, true},
		{"swap.alone.disk", 'd', "disk0", false, true},
		{"kill.alone.clock", 'c', "rtc", true, true},
		{"kill.alone.uart", 'u', "uart0", true, true},
		{"kill.alone.disk", 'd', "disk0", true, true},
	};
	static struct live l;
	l = (struct live){.s = s, .r = r, .e = e};
	if (!vmm_has(s, REPORT_OURS))
		return 0;
	l.n = s->scale < 1 ? COUNT_QUICK : COUNT_FULL * s->runs;
	snprintf(l.config, sizeof(l.config), "/tmp/outrigger-bench-%d.yaml", (int)getpid());
	snprintf(l.image, sizeof(l.image), "/tmp/outrigger-bench-%d.img", (int)getpid());
	snprintf(l.copy, sizeof(l.copy), "/tmp/outrigger-bench-%d.dm", (int)getpid());
	int rc = live_start(&l);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0] && !rc; i++)
		rc = measure_case(&l, &cases[i]);
	if (!rc)
		rc = measure_watch(&l);
	if (!rc)
		rc = tell(&l, 'q');
	if (!rc && child_wait_exit(&l.vm, clock_now_ns() + DEADLINE_NS))
		rc = said(&l, "does not end");
	child_destroy(&l.vm);
	unlink(l.config);
	unlink(l.image);
	unlink(l.copy);
	return rc;
}
