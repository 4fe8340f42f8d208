/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/orphan.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "launcher/hvlink.h"
#include "launcher/runtime.h"
#include "launcher/saved.h"
#include "launcher/text.h"
#include "proto/ctl.h"

enum { DIAL_MS = 1000, SEND_MS = 500, ANSWER_MS = 250, TRIES = 8 };
enum { STOP_MS = 2000, GONE_MS = 6000, SAID_MAX = 1024 };

/* ---- hv, asked directly: it takes one peer at a time, so others may be in the way for a moment ---- */

static int dial(const char *base, const char *vm, struct ctl **ret, struct err *err)
{
	AUTO_FREE char *url = xasprintf("ipc://%s/%s/hv", base, vm);
	ctl_setup();
	return ctl_dial(CTL_PAIR, url, DIAL_MS, ret, err);
}

/* The answer to request @id; NULL: none in time. */
static Outrigger__FromHv *answer(struct ctl *c, uint64_t id)
{
	uint64_t end = clock_now_ns() + ANSWER_MS * 1000000ull;
	ProtobufCMessage *m = NULL;
	while (clock_now_ns() < end &&
	       ctl_recv(c, &outrigger__from_hv__descriptor, ANSWER_MS, &m) == 0) {
		Outrigger__FromHv *from = (Outrigger__FromHv *)(void *)m;
		if (from->kind_case == OUTRIGGER__FROM_HV__KIND_REPLY && from->reply->id == id)
			return from;
		ctl_free(m);
	}
	return NULL;
}

static Outrigger__FromHv *ask(struct ctl *c, Outrigger__HvRequest__KindCase what)
{
	Outrigger__HvRequest q = OUTRIGGER__HV_REQUEST__INIT;
	Outrigger__FromHv *from = NULL;
	q.kind_case = what;
	q.stop = true; /* the members without a device are one bool */
	for (int i = 0; !from && i < TRIES; i++) {
		q.id = clock_now_ns();
		if (ctl_send(c, &q.base, SEND_MS) == 0)
			from = answer(c, q.id);
	}
	return from;
}

/* ---- status ---- */

static void own(Outrigger__VmStatus *vm, const Outrigger__SavedVm *v)
{
	for (size_t i = 0; i < vm->n_devices; i++)
		for (size_t k = 0; k < v->n_devices; k++)
			if (strcmp(vm->devices[i]->name, v->config->devices[k]->name) == 0) {
				vm->devices[i]->restarts = v->devices[k]->restarts;
				vm->devices[i]->restart_limit = v->devices[k]->restart_limit;
			}
}

/* A message of its own, as if it had come from a supervisor. */
static int reply_make(const Outrigger__SavedVm *v, const Outrigger__VmStatus *vm, pid_t hv_pid,
		      Outrigger__CliReply **ret)
{
	Outrigger__CliReply r = OUTRIGGER__CLI_REPLY__INIT;
	size_t len = outrigger__vm_config__get_packed_size(v->config);
	AUTO_FREE uint8_t *config = xalloc(len + 1, 1);
	outrigger__vm_config__pack(v->config, config);
	r.vm = (Outrigger__VmStatus *)(uintptr_t)vm;
	r.hv_pid = hv_pid;
	r.vm_name = v->config->name;
	r.config = v->config_path;
	r.memory_bytes = v->config->memory_bytes;
	r.started = v->started;
	r.blob.data = config;
	r.blob.len = len;
	size_t n = outrigger__cli_reply__get_packed_size(&r);
	AUTO_FREE uint8_t *buf = xalloc(n + 1, 1);
	outrigger__cli_reply__pack(&r, buf);
	*ret = (Outrigger__CliReply *)(void *)ctl_unpack(&outrigger__cli_reply__descriptor, buf, n);
	return *ret ? 0 : -EMSGSIZE;
}

int orphan_status(const char *base, const char *vm, Outrigger__CliReply **ret, struct err *err)
{
	AUTO_FREE char *dir = xasprintf("%s/%s", base, vm);
	Outrigger__SavedVm *v = NULL;
	Outrigger__VmStatus none = OUTRIGGER__VM_STATUS__INIT, *status = &none;
	struct ctl *c = NULL;
	pid_t pid = 0;
	AUTO_FD pidfd = -1;
	int r = saved_read(dir, &v, err);
	if (r < 0)
		return r;
	AUTO_FD sock = hvlink_connect(dir, &pid, &pidfd, err);
	if (sock >= 0)
		r = dial(base, vm, &c, err);
	Outrigger__FromHv *from = r == 0 && c ? ask(c, OUTRIGGER__HV_REQUEST__KIND_STATUS) : NULL;
	char *state = NULL;
	if (from && from->reply->vm) {
		status = from->reply->vm;
		own(status, v);
		state = status->state;
	}
	/* Whether it is paused is worth a word, that it runs is not. */
	status->state = state && strcmp(state, "paused") == 0
				? (char *)(uintptr_t) "paused, unsupervised"
				: (char *)(uintptr_t) "unsupervised";
	r = reply_make(v, status, pid, ret);
	if (state)
		status->state = state;
	if (from)
		ctl_free(&from->base);
	ctl_close(c);
	ctl_free(&v->base);
	return r < 0 ? err_set(err, -r, "VM %s: its state is too long", vm) : 0;
}

/* ---- stop ---- */

/** struct processes - pidfds of a VM's processes, owned. The first is hv's. */
struct processes {
	struct pollfd p[2 * LIMIT_DEVICES + 2];
	nfds_t n;
};

static void processes_find(struct processes *all, int sock)
{
	struct launch_packet p;
	int fds[LAUNCH_KEEP_FDS];
	unsigned n = 0;
	struct err err;
	if (hvlink_claim(sock, &err) < 0)
		return;
	for (unsigned i = 0; hvlink_next(sock, i, &p, fds, &n, &err) == 0; i++) {
		bool process = p.op == LAUNCH_DAEMON ||
			       strncmp(p.key, LAUNCH_HELPER, strlen(LAUNCH_HELPER)) == 0;
		if (process && n == 1 && all->n < sizeof(all->p) / sizeof(all->p[0]))
			all->p[all->n++] =
				(struct pollfd){.fd = fd_steal(&fds[0]), .events = POLLIN};
		while (n)
			fd_close(&fds[--n]);
	}
}

static void processes_signal(const struct processes *all, nfds_t first, int sig)
{
	for (nfds_t i = first; i < all->n; i++)
		if (all->p[i].fd >= 0)
			syscall(SYS_pidfd_send_signal, all->p[i].fd, sig, NULL, 0);
}

/* True: those before @end have ended. */
static bool processes_wait(struct processes *all, nfds_t end, int ms)
{
	uint64_t until = clock_now_ns() + (uint64_t)ms * 1000000u;
	for (;;) {
		nfds_t left = 0;
		for (nfds_t i = 0; i < end; i++) {
			if (all->p[i].revents)
				fd_close(&all->p[i].fd);
			all->p[i].revents = 0;
			left += all->p[i].fd >= 0;
		}
		uint64_t now = clock_now_ns();
		if (!left || now >= until)
			return !left;
		poll(all->p, end, (int)((until - now) / 1000000) + 1);
	}
}

static void stop_ask(const char *base, const char *vm)
{
	struct ctl *c = NULL;
	struct err err;
	if (dial(base, vm, &c, &err) < 0)
		return;
	Outrigger__FromHv *from = ask(c, OUTRIGGER__HV_REQUEST__KIND_STOP);
	if (from)
		ctl_free(&from->base);
	ctl_close(c);
}

int orphan_stop(const char *base, const char *vm, bool force, struct err *err)
{
	AUTO_FREE char *dir = xasprintf("%s/%s", base, vm);
	struct processes all = {.n = 1};
	pid_t pid = 0;
	all.p[0] = (struct pollfd){.fd = -1, .events = POLLIN};
	AUTO_FD sock = hvlink_connect(dir, &pid, &all.p[0].fd, err);
	if (sock < 0)
		return runtime_alive(base, vm) ? sock : 0;
	processes_find(&all, sock);
	if (!force)
		stop_ask(base, vm);
	/* What does not hear is ended as a supervisor would do it. */
	if (force || !processes_wait(&all, 1, STOP_MS))
		processes_signal(&all, 0, SIGKILL);
	bool gone = processes_wait(&all, all.n, STOP_MS);
	processes_signal(&all, 0, SIGKILL);
	gone = gone || processes_wait(&all, all.n, GONE_MS);
	for (nfds_t i = 0; i < all.n; i++)
		fd_close(&all.p[i].fd);
	return gone ? 0 : err_set(err, ETIMEDOUT, "VM %s: its processes do not end", vm);
}

/* ---- a supervisor ---- */

/* Runs `outrigger adopt --detach`. Its exit code; what it said in @said. */
static int run_adopt(const char *vm, char said[SAID_MAX])
{
	int p[2], status = 0;
	size_t n = 0;
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(null, 0);
		dup2(null, 1);
		dup2(p[1], 2);
		execl("/proc/self/exe", "outrigger", "adopt", "--detach", "--quiet", "--", vm,
		      (char *)NULL);
		_exit(127);
	}
	close(p[1]);
	for (ssize_t got = 1; pid > 0 && got > 0 && n < SAID_MAX - 1; n += (size_t)got) {
		got = read(p[0], said + n, SAID_MAX - 1 - n);
		if (got < 0)
			got = 0;
	}
	said[n] = 0;
	close(p[0]);
	if (pid < 0)
		return -EAGAIN;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

int orphan_adopt(const char *base, const char *vm, struct err *err)
{
	char said[SAID_MAX] = "";
	int r = run_adopt(vm, said);
	if (r == 0) {
		fprintf(stderr,
			"outrigger: VM %s had no supervisor any more; it has one again, in the "
			"background\n",
			vm);
		return 0;
	}
	if (runtime_supervised(base, vm)) /* another command was quicker */
		return 0;
	said[strcspn(said, "\n")] = 0;
	return err_set(err, EIO, "%s", said[0] ? text_printable(said) : "adopt failed");
}
