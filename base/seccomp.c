/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Step two of the sandbox: the system-call filter.
 *
 * The filter is written by hand: libseccomp would keep its tables in every daemon's memory, and the list is a list.
 * Layout: wrong architecture -> kill; the calls that reconnecting libraries try (socket, connect) -> EACCES;
 * mmap and mprotect -> allowed unless they ask for PROT_EXEC; prctl -> a thread may name itself; each allowed
 * number -> allow; anything else -> kill the process.
 */
#include "base/sandbox.h"
#include "base/bytes.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

#define CALL(nr, why)                                                                              \
	{                                                                                          \
#nr, SYS_##nr, why                                                                 \
	}

/* Most frequent first: the filter is a linear list. */
static const struct sandbox_syscall common[] = {
	CALL(futex, "waking a vCPU; locks of the control library's threads"),
#ifdef SYS_epoll_wait
	CALL(epoll_wait, "the main loop and the control library's poller"),
#endif
	CALL(epoll_pwait, "the same, where the C library calls it so"),
	CALL(write, "host output, eventfds, log"),
	CALL(read, "host input, eventfds"),
	CALL(sched_setaffinity, "sleeping on the vCPU's core, spinning on another"),
	CALL(timerfd_settime, "the model's timers"),
	CALL(getcpu, "seeing on which core we spin"),
	CALL(clock_gettime, "clocks, where the vDSO does not serve them"),
	CALL(epoll_ctl, "backends that come and go; the control library"),
	CALL(sendmsg, "control messages"),
	CALL(recvmsg, "control messages"),
	CALL(readv, "control messages"),
	CALL(writev, "control messages"),
	CALL(recvfrom, "backends that are sockets"),
	CALL(sendto, "backends that are sockets"),
	CALL(getsockopt, "who sent a control message"),
	CALL(close, "a client that went away; a broken control link"),
	CALL(shutdown, "closing the control link"),
#ifdef SYS_poll
	CALL(poll, "the state of a pty"),
#endif
	CALL(ppoll, "the same, where the C library calls it so"),
	CALL(fcntl, "non-blocking mode of an accepted client"),
	CALL(nanosleep, "the control library's timers"),
	CALL(clock_nanosleep, "the control library's timers"),
	CALL(brk, "memory"),
	CALL(munmap, "memory"),
	CALL(mremap, "memory"),
	CALL(madvise, "memory given back, thread stacks"),
	CALL(getrandom, "the control library's and the allocator's seeds"),
	CALL(sched_yield, "locks"),
	CALL(getpid, "the control library"),
	CALL(gettid, "abort()"),
	CALL(tgkill, "abort()"),
	CALL(rt_sigprocmask, "abort(), threads that end"),
	CALL(rt_sigaction, "abort()"),
	CALL(rt_sigreturn, "returning from a signal"),
	CALL(rseq, "a thread of the control library that starts only now"),
	CALL(set_robust_list, "the same"),
	CALL(restart_syscall, "a wait that a debugger interrupted"),
	CALL(exit, "threads that end"),
	CALL(exit_group, "the end"),
	CALL(chdir, "leaving the last directory"),
};

/* A library that loses its connection dials again; it is told no. */
static const int refused[] = {SYS_socket, SYS_connect};

const struct sandbox_syscall *sandbox_common(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(common);
	return common;
}

#define STMT(code, k) ((struct sock_filter)BPF_STMT((code), (k)))
#define JUMP(code, k, t, f) ((struct sock_filter)BPF_JUMP((code), (k), (t), (f)))
#define LOAD(field) STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define RET(v) STMT(BPF_RET | BPF_K, (v))
#define MAX_FILTER 256

struct prog {
	struct sock_filter f[MAX_FILTER];
	unsigned short n;
};

static void add(struct prog *p, struct sock_filter f)
{
	CHECK(p->n < MAX_FILTER);
	p->f[p->n++] = f;
}

/* If the number is @nr: return @action. */
static void add_call(struct prog *p, int nr, uint32_t action)
{
	add(p, JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1));
	add(p, RET(action));
}

/* If the number is @nr: allow unless the low half of argument 2 has PROT_EXEC. */
static void add_no_exec(struct prog *p, int nr)
{
	add(p, JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 4));
	add(p, LOAD(args[2]));
	add(p, JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1));
	add(p, RET(SECCOMP_RET_KILL_PROCESS));
	add(p, RET(SECCOMP_RET_ALLOW));
}

/* If the number is @nr: allow if the low half of argument 0 is @value, and kill otherwise. */
static void add_if_first_is(struct prog *p, int nr, uint32_t value)
{
	add(p, JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 4));
	add(p, LOAD(args[0]));
	add(p, JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0));
	add(p, RET(SECCOMP_RET_KILL_PROCESS));
	add(p, RET(SECCOMP_RET_ALLOW));
}

static void build(struct prog *p, const int *extra, size_t n)
{
	add(p, LOAD(arch));
	add(p, JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0));
	add(p, RET(SECCOMP_RET_KILL_PROCESS));
	add(p, LOAD(nr));
	for (size_t i = 0; i < ARRAY_LEN(common); i++)
		add_call(p, common[i].number, SECCOMP_RET_ALLOW);
	for (size_t i = 0; i < n; i++)
		add_call(p, extra[i], SECCOMP_RET_ALLOW);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		add_call(p, refused[i], SECCOMP_RET_ERRNO | EACCES);
	add_no_exec(p, SYS_mmap);
	add_no_exec(p, SYS_mprotect);
	add_if_first_is(p, SYS_prctl,
			PR_SET_NAME); /* threads that start only now name themselves */
	add(p, RET(SECCOMP_RET_KILL_PROCESS));
}

static bool contains(const int *calls, size_t n, int nr)
{
	for (size_t i = 0; i < n; i++)
		if (calls[i] == nr)
			return true;
	return false;
}

int sandbox_seal(struct sandbox *sb, const int *extra, size_t n, struct err *err)
{
	struct prog p = {.n = 0};
	if (chdir("/"))
		return err_set(err, errno, "cannot leave the runtime directory: %s",
			       strerror(errno));
	/* Threads are not on the list anyway. The kernel's own for io_uring count against the limit, and a ring that gets
	 * none stalls. */
	if (!contains(extra, n, SYS_io_uring_enter))
		setrlimit(RLIMIT_NPROC, &(struct rlimit){0, 0});
	build(&p, extra, n);
	struct sock_fprog prog = {.len = p.n, .filter = p.f};
	long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog);
	if (rc > 0)
		return err_set(err, ESRCH, "thread %ld did not take the system-call filter", rc);
	if (rc < 0)
		return err_set(err, errno, "cannot set the system-call filter: %s",
			       strerror(errno));
	sb->on |= SANDBOX_SECCOMP;
	return 0;
}
