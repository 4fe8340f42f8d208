/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/spawn.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "launcher/text.h"

extern char **environ;

enum { LOG_TAIL_BYTES = 16384 };

/* ---- in the child: only async-signal-safe calls, for other threads may have held locks ---- */

static void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		ssize_t n = write(fd, text, strlen(text));
		(void)n; /* refused: then we are nobody in there, and the program still runs */
		close(fd);
	}
}

static void child_fail(const char *what, const char *path)
{
	const char *why = strerrordesc_np(errno);
	const char *parts[] = {what, " ", path, ": ", why ? why : "unknown error", "\n"};
	for (size_t i = 0; i < 6; i++)
		if (write(2, parts[i], strlen(parts[i])) < 0)
			break;
	_exit(127);
}

struct child_plan {
	const struct spawn *s;
	char **envp;
	int log_fd, null_fd;
	pid_t parent;
	char uid_map[64], gid_map[64];
	bool user_namespace, pid_namespace;
};

_Noreturn static void child_run(const struct child_plan *p)
{
	sigset_t none;
	/* hv takes this back when the guest runs, a daemon when it has docked. */
	if (!p->s->outlives)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!p->pid_namespace && getppid() != p->parent)
		_exit(127); /* the parent died before the line above */
	if (p->user_namespace) {
		put_file("/proc/self/setgroups", "deny");
		put_file("/proc/self/uid_map", p->uid_map);
		put_file("/proc/self/gid_map", p->gid_map);
	}
	/* Ctrl-C on the terminal is the supervisor's business. Not a session of its own: with
	 * Linux's autogroups a vCPU thread and a daemon on the same core would then share it by
	 * slices of milliseconds. */
	setpgid(0, 0);
	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(p->null_fd, 0);
	dup2(p->log_fd, 1);
	dup2(p->log_fd, 2);
	/* Also what our own parent left open to us: nothing of it is a device's business. */
	syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC);
	if (p->s->keep_fd >= 0)
		fcntl(p->s->keep_fd, F_SETFD, 0);
	execve(p->s->path, (char *const *)(uintptr_t)p->s->argv, p->envp);
	child_fail("cannot execute", p->s->path);
	_exit(127);
}

/* ---- in the parent ---- */

/* Our environment and @add, which wins. The array is heap, its strings are borrowed. */
static char **env_make(const char *const *add)
{
	size_t n = 0, m = 0;
	while (environ[n])
		n++;
	while (add && add[m])
		m++;
	char **e = xalloc(n + m + 1, sizeof(*e));
	size_t k = 0;
	for (size_t i = 0; i < m; i++)
		e[k++] = (char *)(uintptr_t)add[i];
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "OUTRIGGER_TOKEN=", 16) != 0)
			e[k++] = environ[i];
	return e;
}

/* fork() in new namespaces. glibc has no call for it; the child only runs child_run(). */
static pid_t fork_flags(unsigned long flags)
{
	return (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
}

static pid_t fork_isolated(struct child_plan *p)
{
	p->pid_namespace = true;
	pid_t pid = geteuid() == 0 ? fork_flags(CLONE_NEWPID) : -1;
	if (pid >= 0)
		return pid;
	p->user_namespace = true;
	pid = fork_flags(CLONE_NEWUSER | CLONE_NEWPID);
	if (pid >= 0)
		return pid;
	p->user_namespace = p->pid_namespace = false;
	return fork_flags(0);
}

int spawn_start(const struct spawn *s, pid_t *ret_pid, bool *ret_isolated, struct err *err)
{
	struct child_plan p = {.s = s, .parent = getpid()};
	AUTO_FD log_fd = open(s->log_path,
			      O_WRONLY | O_CREAT | (s->append ? 0 : O_TRUNC) | O_APPEND |
				      O_CLOEXEC | O_NOFOLLOW,
			      0600);
	AUTO_FD null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (log_fd < 0 || null_fd < 0)
		return err_set(err, errno, "cannot open %s: %s",
			       log_fd < 0 ? s->log_path : "/dev/null", strerror(errno));
	p.log_fd = log_fd;
	p.null_fd = null_fd;
	snprintf(p.uid_map, sizeof(p.uid_map), "%u %u 1", geteuid(), geteuid());
	snprintf(p.gid_map, sizeof(p.gid_map), "%u %u 1", getegid(), getegid());
	p.envp = env_make(s->env);
	pid_t pid = s->pid_namespace ? fork_isolated(&p) : fork_flags(0);
	if (pid == 0)
		child_run(&p);
	int saved = errno;
	free(p.envp);
	if (pid < 0)
		return err_set(err, saved, "cannot start %s: %s", s->path, strerror(saved));
	*ret_pid = pid;
	if (ret_isolated)
		*ret_isolated = p.pid_namespace;
	return 0;
}

char *spawn_status_text(char buf[64], int status)
{
	if (WIFSIGNALED(status))
		snprintf(buf, 64, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(buf, 64, "exit code %d", WEXITSTATUS(status));
	return buf;
}

char *spawn_log_tail(const char *path, unsigned lines, const char *indent)
{
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return xstrdup("");
	AUTO_FREE char *buf = xalloc(LOG_TAIL_BYTES + 1, 1);
	off_t from = st.st_size > LOG_TAIL_BYTES ? st.st_size - LOG_TAIL_BYTES : 0;
	lseek(fd, from, SEEK_SET);
	ssize_t n = fd_read_all(fd, buf, LOG_TAIL_BYTES);
	char *p = buf + (n > 0 ? n : 0), *end = p;
	if (p > buf && p[-1] == '\n')
		p--;
	while (p > buf && (p[-1] != '\n' || --lines > 0))
		p--;
	struct sb out = {0};
	while (p < end) {
		char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = nl ? (size_t)(nl - p) : (size_t)(end - p);
		sb_add(&out, indent);
		sb_addn(&out, p, len);
		sb_addc(&out, '\n');
		p += len + 1;
	}
	return sb_steal(&out);
}
