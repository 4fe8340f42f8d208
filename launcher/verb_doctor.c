/* SPDX-License-Identifier: Apache-2.0 */
/* What this host offers, and what is lost where something is missing. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <uv.h>
#include "base/bytes.h"
#include "base/fd.h"
#include "base/sandbox.h"
#include "launcher/json.h"
#include "launcher/models.h"
#include "launcher/runtime.h"
#include "launcher/verbs.h"

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

static void check_kvm(struct report *r)
{
	static const char lost[] =
		"guests run on the software engine (engine: soft), which needs nothing of the host";
	AUTO_FD fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct utsname u;
	uname(&u);
	if (fd < 0) {
		add(r, "kvm", "note",
		    xasprintf("no: /dev/kvm: %s", errno == EACCES
							  ? "not for this user (join group kvm)"
							  : strerror(errno)),
		    lost);
		return;
	}
	int version = ioctl(fd, KVM_GET_API_VERSION, 0);
	AUTO_FD vm = version == KVM_API_VERSION ? ioctl(fd, KVM_CREATE_VM, 0) : -1;
	if (version != KVM_API_VERSION)
		add(r, "kvm", "note",
		    xasprintf("no: API version %d, not %d", version, KVM_API_VERSION), lost);
	else if (vm < 0)
		add(r, "kvm", "note", xasprintf("no: a VM cannot be made: %s", strerror(errno)),
		    lost);
	else if (strcmp(u.machine, "aarch64") != 0)
		add(r, "kvm", "note", xasprintf("there, for %s guests only", u.machine),
		    "aarch64 guests run on the software engine (engine: soft)");
	else
		add(r, "kvm", "ok", xstrdup("yes"), NULL);
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
	check_kvm(&r);
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
