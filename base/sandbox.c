/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Step one of the sandbox: namespaces, empty root, Landlock, capabilities, limits. The filter is in seccomp.c.
 */
#include "base/sandbox.h"
#include "base/bytes.h"
#include "base/fd.h"
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- namespaces ------------------------------------------------------------------------------------ */

static const struct {
	int flag;
	uint32_t bit;
} namespaces[] = {
	{CLONE_NEWNS, SANDBOX_MOUNTNS},
	{CLONE_NEWNET, SANDBOX_NETNS},
	{CLONE_NEWIPC, SANDBOX_IPCNS},
	{CLONE_NEWUTS, SANDBOX_UTSNS},
};

static int write_proc(const char *path, const char *text)
{
	AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fd_write_all(fd, text, strlen(text));
}

/* Maps the caller's own user and group, and nobody else, into the new user namespace. */
static void map_ids(uid_t uid, gid_t gid)
{
	char line[64];
	write_proc("/proc/self/setgroups", "deny");
	snprintf(line, sizeof(line), "%u %u 1\n", uid, uid);
	write_proc("/proc/self/uid_map", line);
	snprintf(line, sizeof(line), "%u %u 1\n", gid, gid);
	write_proc("/proc/self/gid_map", line);
}

static void enter_namespaces(struct sandbox *sb)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int all = 0;
	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++)
		all |= namespaces[i].flag;
	if (getpid() == 1)
		sb->on |= SANDBOX_PIDNS;
	if (!unshare(CLONE_NEWUSER | all)) {
		sb->on |= SANDBOX_USERNS;
		for (size_t i = 0; i < ARRAY_LEN(namespaces); i++)
			sb->on |= namespaces[i].bit;
		map_ids(uid, gid);
		return;
	}
	/* Not all at once: a host without one of them, or root where user namespaces are forbidden. */
	if (!unshare(CLONE_NEWUSER)) {
		sb->on |= SANDBOX_USERNS;
		map_ids(uid, gid);
	}
	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++)
		if (!unshare(namespaces[i].flag))
			sb->on |= namespaces[i].bit;
}

/* ---- the empty root --------------------------------------------------------------------------------- */

static int enter_empty_dir(void)
{
	static const char *const places[] = {"/tmp", "/usr", "/proc", "/dev"};
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (!mount("none", places[i], "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
			   "size=4k,nr_inodes=2,mode=0555"))
			return chdir(places[i]) ? -errno : 0;
	return -errno;
}

/* The new root is an empty, read-only tmpfs. pivot_root(".", ".") stacks the old root on it, and the umount
 * takes it away; @keep_fd's directory stays usable through the working directory, as an open file would. */
static void empty_root(struct sandbox *sb, int keep_fd)
{
	if (sb->on & SANDBOX_MOUNTNS && !enter_empty_dir()) {
		bool ok = !syscall(SYS_pivot_root, ".", ".") && !umount2(".", MNT_DETACH);
		if (!ok)
			ok = !chroot(".");
		if (ok && !chdir("/")) {
			mount(NULL, "/", NULL,
			      MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
			      NULL);
			sb->on |= SANDBOX_EMPTY_ROOT;
		}
	}
	if (keep_fd >= 0 && fchdir(keep_fd))
		return;
}

/* ---- Landlock ------------------------------------------------------------------------------------------ */

/* The kernel's struct landlock_ruleset_attr as of ABI 6; older kernels take the front of it. */
struct landlock_attr {
	uint64_t fs, net, scoped;
};
#define LANDLOCK_VERSION_FLAG 1u

static int landlock_abi(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);
}

/* Handles every right the kernel knows and grants none. connect(2) to a socket's path is not among them. */
static int landlock_deny_all(void)
{
	int abi = landlock_abi();
	if (abi < 1)
		return -ENOSYS;
	struct landlock_attr a = {.fs = (1u << 13) - 1};
	a.fs |= abi >= 2 ? 1u << 13 : 0; /* refer */
	a.fs |= abi >= 3 ? 1u << 14 : 0; /* truncate */
	a.fs |= abi >= 5 ? 1u << 15 : 0; /* ioctl on devices */
	a.net = abi >= 4 ? 3 : 0;	 /* TCP bind and connect */
	a.scoped = abi >= 6 ? 3 : 0;	 /* abstract sockets and signals to the outside */
	size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
	AUTO_FD fd = (int)syscall(SYS_landlock_create_ruleset, &a, size, 0);
	if (fd < 0)
		return -errno;
	return syscall(SYS_landlock_restrict_self, fd, 0) ? -errno : 0;
}

/* ---- capabilities and limits --------------------------------------------------------------------------- */

static int drop_caps(void)
{
	for (unsigned long cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};
	return syscall(SYS_capset, &h, none) ? -errno : 0;
}

/* Standard error may be a log file that the launcher keeps: the only file a daemon without a file backend writes. */
#define LOG_BYTES (64u << 20)

static void limit(int what, rlim_t v)
{
	struct rlimit r = {v, v}, old;
	if (!getrlimit((__rlimit_resource_t)what, &old) && old.rlim_max < v)
		return;
	setrlimit((__rlimit_resource_t)what, &r);
}

int sandbox_isolate(struct sandbox *sb, const char *keep_dir, bool writes_files, struct err *err)
{
	AUTO_FD keep = keep_dir ? open(keep_dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	enter_namespaces(sb);
	empty_root(sb, keep);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, 256);
	/* Private memory only: a grant of guest memory is mapped shared, and may be of any size. */
	limit(RLIMIT_DATA, 1ull << 30);
	signal(SIGXFSZ, SIG_IGN); /* a log that is full is no reason to die */
	if (!writes_files)
		limit(RLIMIT_FSIZE, LOG_BYTES);
	sb->on |= SANDBOX_RLIMITS;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_set(err, errno, "cannot set no_new_privs: %s", strerror(errno));
	sb->on |= SANDBOX_NO_NEW_PRIVS;
	if (!landlock_deny_all())
		sb->on |= SANDBOX_LANDLOCK;
	int rc = drop_caps();
	if (rc)
		return err_set(err, -rc, "cannot drop capabilities: %s", strerror(-rc));
	sb->on |= SANDBOX_NO_CAPS;
	return 0;
}

/* ---- reports --------------------------------------------------------------------------------------------- */

static const char *const part_names[] = {"no_new_privs", "no_caps",  "userns",	"mountns",
					 "netns",	 "ipcns",    "utsns",	"pidns",
					 "empty_root",	 "landlock", "seccomp", "rlimits"};

const char *sandbox_report(struct sandbox *sb)
{
	size_t at = 0;
	for (int pass = 1; pass >= 0; pass--) {
		const char *lead = pass ? "" : "; without ";
		for (unsigned i = 0; i < ARRAY_LEN(part_names); i++) {
			if ((sb->on >> i & 1) != (unsigned)pass || at >= sizeof(sb->report))
				continue;
			at += (size_t)snprintf(sb->report + at, sizeof(sb->report) - at, "%s%s",
					       lead, part_names[i]);
			lead = " ";
		}
	}
	return sb->report;
}

/* Runs unshare(@flags) in a child; true if it worked. */
static bool try_unshare(int flags)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(unshare(flags) ? 1 : 0);
	int status;
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

void sandbox_probe(struct sandbox_probe *ret)
{
	*ret = (struct sandbox_probe){0};
	ret->userns = try_unshare(CLONE_NEWUSER);
	int with = ret->userns ? CLONE_NEWUSER : 0;
	ret->mountns = try_unshare(with | CLONE_NEWNS);
	ret->netns = try_unshare(with | CLONE_NEWNET);
	ret->pidns = try_unshare(with | CLONE_NEWPID);
	ret->landlock_abi = landlock_abi();
	ret->landlock = ret->landlock_abi >= 1;
	if (ret->landlock_abi < 0)
		ret->landlock_abi = 0;
	ret->seccomp = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0 &&
		       syscall(SYS_seccomp, 2u /* GET_ACTION_AVAIL */, 0u,
			       &(uint32_t){0x80000000u /* KILL_PROCESS */}) == 0;
}
