/* SPDX-License-Identifier: Apache-2.0 */
/* What this host offers, and what is lost where something is missing. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>
#include "base/bytes.h"
#include "base/fd.h"
#include "base/sandbox.h"
#include "launcher/json.h"
#include "launcher/models.h"
#include "launcher/runtime.h"
#include "launcher/verbs.h"

/* hv's answer: the probe guests run for some milliseconds, and how long they are made for depends on the host. */
#define ENGINES_MAX_BYTES 4096u
#define ENGINES_WAIT_MS 10000
#define SLOW_ENGINE                                                                                \
	16u /* as hv/engine.c: this much slower than the host, a software engine is better */

static const struct option_def options[] = {OPTION_JSON, OPTIONS_END};

/* One fact. @level: "ok", "note" (something is lost), "bad" (VMs cannot run). */
struct fact {
	char *name, *value, *lost;
	const char *level;
};

struct report {
	struct fact items[48];
	size_t count;
};

static void add(struct report *r, const char *name, const char *level, char *value,
		const char *lost)
{
	if (r->count < ARRAY_LEN(r->items))
		r->items[r->count++] =
			(struct fact){xstrdup(name), value, lost ? xstrdup(lost) : NULL, level};
}

static void add_part(struct report *r, const char *name, bool have, const char *lost)
{
	add(r, name, have ? "ok" : "note", xstrdup(have ? "yes" : "no"), have ? NULL : lost);
}

/* The first line of a small file, "" if it cannot be read. Heap. */
static char *first_line(const char *path)
{
	char buf[256];
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, buf, sizeof(buf) - 1) : 0;
	buf[n > 0 ? n : 0] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return xstrdup(buf);
}

/* ---- engines: hv tells, for it alone knows them ---- */

/* What hv --engines prints, heap; NULL: it cannot be started, or gave no answer in time. */
static char *ask_hv(void)
{
	int p[2];
	if (pipe2(p, O_CLOEXEC) < 0)
		return NULL;
	AUTO_FD in = p[0];
	AUTO_FREE char *dir = bindir();
	AUTO_FREE char *hv = xasprintf("%s/outrigger-hv", dir);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(p[1], 1);
		execl(hv, hv, "--engines", (char *)NULL);
		_exit(127);
	}
	close(p[1]);
	char *buf = xalloc(1, ENGINES_MAX_BYTES + 1);
	size_t len = 0;
	struct pollfd f = {.fd = in, .events = POLLIN};
	ssize_t n = 1;
	while (pid > 0 && n > 0 && len < ENGINES_MAX_BYTES && poll(&f, 1, ENGINES_WAIT_MS) == 1) {
		n = read(in, buf + len, ENGINES_MAX_BYTES - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (n != 0)
		kill(pid, SIGKILL);
	int status = -1;
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status == 0)
		return buf;
	free(buf);
	return NULL;
}

static char *speed(uint64_t ips)
{
	if (ips < 10000000)
		return xasprintf("%.1f M instructions/s", (double)ips / 1e6);
	return xasprintf("%llu M instructions/s", (unsigned long long)(ips / 1000000));
}

/* One line of it: "NAME ISA ok IPS HOST_IPS EXIT_NS" or "NAME ISA no REASON". */
static void add_engine(struct report *r, char *line)
{
	char name[16], isa[16], state[4];
	int at = 0;
	unsigned long long ips = 0, host = 0, exit_ns = 0;
	if (sscanf(line, "%15s %15s %3s %n", name, isa, state, &at) < 3 || !at)
		return;
	AUTO_FREE char *what = xasprintf("engine %s, %s", name, isa);
	bool x86 = strcmp(isa, "x86_64") == 0;
	if (strcmp(state, "no") == 0) {
		add(r, what, "note", xasprintf("no: %s", line + at),
		    x86 ? "x86_64 guests cannot run"
			: "guests run on the software engine, which needs nothing of the host");
		return;
	}
	sscanf(line + at, "%llu %llu %llu", &ips, &host, &exit_ns);
	if (!ips) {
		add(r, what, "ok", xstrdup("yes"), NULL);
		return;
	}
	AUTO_FREE char *fast = speed(ips), *host_fast = speed(host);
	bool slow = ips < host / SLOW_ENGINE;
	add(r, what, slow ? "note" : "ok",
	    xasprintf("guest kernel code %s (the host: %s), an exit %.1f us", fast, host_fast,
		      (double)exit_ns / 1000),
	    !slow ? NULL
	    : x86 ? "too slow for more than small programs: KVM is emulated here"
		  : "engine: auto takes the software engine");
}

static void check_engines(struct report *r)
{
	AUTO_FREE char *text = ask_hv();
	if (!text)
		add(r, "engines", "bad", xstrdup("outrigger-hv --engines gives no answer"),
		    "nothing can run");
	for (char *save = NULL, *l = text ? strtok_r(text, "\n", &save) : NULL; l;
	     l = strtok_r(NULL, "\n", &save))
		add_engine(r, l);
}

static void check_sandbox(struct report *r)
{
	struct sandbox_probe p = {0};
	sandbox_probe(&p);
	add_part(r, "user namespaces", p.userns,
		 "daemons keep the user's own namespace; without root none of the others either");
	add_part(r, "pid namespaces", p.pidns, "daemons see the host's process numbers");
	add_part(r, "net namespaces", p.netns,
		 "daemons are kept from the network by seccomp alone");
	add_part(r, "mount namespaces", p.mountns, "daemons have no empty root; Landlock must do");
	if (p.landlock)
		add(r, "landlock", "ok", xasprintf("ABI %d", p.landlock_abi), NULL);
	else
		add_part(r, "landlock", false,
			 "files are kept from daemons by the empty root alone");
	add(r, "seccomp", p.seccomp ? "ok" : "bad", xstrdup(p.seccomp ? "yes" : "no"),
	    p.seccomp ? NULL : "daemons refuse to run without a system-call filter");
}

static void check_memory(struct report *r)
{
	AUTO_FD fd = memfd_create("doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	bool sealed = fd >= 0 && ftruncate(fd, 4096) == 0 &&
		      fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0;
	add(r, "memfd with seals", sealed ? "ok" : "bad", xstrdup(sealed ? "yes" : strerror(errno)),
	    sealed ? NULL : "guest memory and ports cannot be made");
	AUTO_FREE char *huge = first_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
	bool on = huge[0] && !strstr(huge, "[never]") && !strstr(huge, "[deny]");
	add(r, "huge pages for memfd", on ? "ok" : "note", xstrdup(huge[0] ? huge : "unknown"),
	    on ? NULL : "guest memory is in 4 KiB pages; boots take some more page faults");
	long pages = sysconf(_SC_PHYS_PAGES), avail = sysconf(_SC_AVPHYS_PAGES);
	add(r, "memory", "ok", xasprintf("%ld MiB, %ld MiB free", pages / 256, avail / 256), NULL);
}

static void check_cpus(struct report *r)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
	add(r, "cores", n > 1 ? "ok" : "note", xasprintf("%d", n),
	    n > 1 ? NULL
		  : "with one core vCPU and daemons take turns: no spinning, a process switch per "
		    "forwarded access");
	AUTO_FREE char *gov = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
	bool slow = strcmp(gov, "powersave") == 0;
	add(r, "cpu frequency governor", slow ? "note" : "ok",
	    xstrdup(gov[0] ? gov : "none (fixed, or a virtual machine)"),
	    slow ? "measurements vary; set it to performance before a benchmark" : NULL);
}

static void check_limits(struct report *r)
{
	struct rlimit files = {0}, procs = {0};
	getrlimit(RLIMIT_NOFILE, &files);
	getrlimit(RLIMIT_NPROC, &procs);
	add(r, "open files", files.rlim_cur >= 256 ? "ok" : "note",
	    xasprintf("%llu", (unsigned long long)files.rlim_cur),
	    files.rlim_cur >= 256 ? NULL : "many devices need more; ulimit -n 1024");
	bool few = procs.rlim_cur != RLIM_INFINITY && procs.rlim_cur < 256;
	add(r, "processes", few ? "note" : "ok",
	    procs.rlim_cur == RLIM_INFINITY ? xstrdup("unlimited")
					    : xasprintf("%llu", (unsigned long long)procs.rlim_cur),
	    few ? "each device is a process with some threads; ulimit -u 1024" : NULL);
}

static void check_programs(struct report *r)
{
	struct models m;
	struct err err = {0};
	AUTO_FREE char *dir = bindir();
	AUTO_FREE char *hv = xasprintf("%s/outrigger-hv", dir);
	bool have = access(hv, X_OK) == 0;
	add(r, "hv", have ? "ok" : "bad", xstrdup(hv),
	    have ? NULL : "not there: nothing can run; build it, or set OUTRIGGER_BINDIR");
	if (models_load(&m, &err) < 0) {
		add(r, "device models", "bad", xstrdup(err.msg), "no device can run");
	} else {
		AUTO_SB list = {0};
		for (size_t i = 0; i < m.count; i++)
			sb_addf(&list, "%s%s%s", i ? ", " : "", m.names[i],
				m.items[i].desc ? "" : " (unusable)");
		add(r, "device models", m.count ? "ok" : "bad",
		    xstrdup(m.count ? sb_str(&list) : "none"),
		    m.count ? NULL : "no device can run");
	}
	models_fini(&m);
}

static void check_runtime(struct report *r)
{
	struct err err = {0};
	char *base = NULL;
	if (runtime_base(&base, &err) < 0)
		add(r, "runtime folder", "bad", xstrdup(err.msg), "no VM can be started");
	else
		add(r, "runtime folder", "ok", base, NULL);
}

static void check_versions(struct report *r)
{
	struct utsname u;
	uname(&u);
	add(r, "outrigger", "ok", xstrdup(OUTRIGGER_VERSION), NULL);
	add(r, "host", "ok", xasprintf("%s %s %s", u.sysname, u.release, u.machine), NULL);
	add(r, "libuv", "ok", xstrdup(uv_version_string()), NULL);
	add(r, "protobuf-c", "ok", xstrdup(protobuf_c_version()), NULL);
}

static int print(const struct report *r, bool as_json)
{
	AUTO_SB out = {0};
	struct json j = {.out = &out};
	int code = EXIT_DONE;
	if (as_json)
		json_open(&j, NULL, '[');
	for (size_t i = 0; i < r->count; i++) {
		const struct fact *f = &r->items[i];
		if (strcmp(f->level, "bad") == 0)
			code = EXIT_FAILED;
		if (!as_json) {
			sb_addf(&out, "%-5s %-24s %s\n", f->level, f->name, f->value);
			if (f->lost)
				sb_addf(&out, "%31s%s\n", "", f->lost);
			continue;
		}
		json_open(&j, NULL, '{');
		json_str(&j, "name", f->name);
		json_str(&j, "level", f->level);
		json_str(&j, "value", f->value);
		json_str(&j, "lost", f->lost);
		json_close(&j, '}');
	}
	if (as_json)
		json_close(&j, ']');
	fputs(sb_str(&out), stdout);
	return code;
}

static int doctor(const struct args *a)
{
	struct report r = {.count = 0};
	check_versions(&r);
	check_programs(&r);
	check_engines(&r);
	check_sandbox(&r);
	check_memory(&r);
	check_cpus(&r);
	check_limits(&r);
	check_runtime(&r);
	int code = print(&r, args_flag(a, "json"));
	for (size_t i = 0; i < r.count; i++) {
		free(r.items[i].name);
		free(r.items[i].value);
		free(r.items[i].lost);
	}
	return code;
}

const struct verb verb_doctor = {
	.name = "doctor",
	.summary = "Show what this host offers and what is lost where something is missing",
	.operands = "",
	.options = options,
	.text = "Levels: ok; note: VMs run, but something is lost; bad: VMs cannot run (then the "
		"exit code is 1).",
	.fn = doctor,
};
