/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/supervision.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/device.h"
#include "hv/swap.h"
#include "hv/warden.h"
#include "proto/dock.h"
#include "proto/launch.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define PACKETS_A_TURN 32

struct kept {
	char key[LAUNCH_KEY]; /* "": free */
	int fds[LAUNCH_KEEP_FDS];
	unsigned n;
};

struct supervision {
	struct vm *vm;
	int listen_fd, conn_fd, caller_fd; /* caller: connected, and has not claimed the VM yet */
	struct watch *listen_watch, *conn_watch, *caller_watch;
	pid_t pid; /* of the supervisor; 0: the one that started us, or none */
	struct kept kept[LAUNCH_KEPT_MAX];
	struct kept coming; /* back-ends of the next swap; its key is the token */
};

static void kept_clear(struct kept *k)
{
	for (unsigned i = 0; i < k->n; i++)
		fd_close(&k->fds[i]);
	k->n = 0;
	k->key[0] = 0;
}

static struct kept *kept_find(struct supervision *v, const char *key)
{
	for (unsigned i = 0; i < LAUNCH_KEPT_MAX; i++)
		if (!strcmp(v->kept[i].key, key))
			return &v->kept[i];
	return NULL;
}

/* Takes the descriptors of @p. */
static void keep(struct kept *k, const struct launch_packet *p, int *fds, unsigned n)
{
	kept_clear(k);
	memcpy(k->key, p->key, sizeof(k->key));
	for (unsigned i = 0; i < n; i++)
		k->fds[i] = fd_steal(&fds[i]);
	k->n = n;
}

static void on_keep(struct supervision *v, const struct launch_packet *p, int *fds, unsigned n)
{
	struct kept *k = kept_find(v, p->key);
	if (!k)
		k = kept_find(v, "");
	if (!k || !p->key[0]) {
		log_warn_limited("launcher: %.70s is not kept: there is no room", p->key);
		return;
	}
	if (!strncmp(p->key, LAUNCH_HELPER, strlen(LAUNCH_HELPER)) && n == 1)
		warden_watch(fds[0]);
	keep(k, p, fds, n);
}

/* ---- claims ---- */

static int answer(int fd, struct launch_packet *p, int status, const char *why, const int *fds,
		  unsigned n)
{
	p->magic = LAUNCH_MAGIC;
	p->status = status;
	p->nfds = n;
	snprintf(p->reason, sizeof(p->reason), "%s", why);
	return fdpass_send(fd, p, sizeof(*p), fds, n);
}

static void conn_lost(struct supervision *v)
{
	struct vm *vm = v->vm;
	watch_stop(&v->conn_watch);
	fd_close(&v->conn_fd);
	v->pid = 0;
	kept_clear(&v->coming);
	if (vm->state == VM_STARTING) {
		vm_fail_start(vm, "the launcher ended before the guest ran");
		return;
	}
	if (vm->state == VM_RUNNING)
		log_warn("nobody supervises this VM any more; `outrigger adopt %s` does",
			 vm->cfg->name);
	/* Who was to start the other daemon is gone. */
	for (unsigned i = 0; i < vm->n_devices; i++)
		if (vm->devices[i].swap && !swap_in_hand_over(vm->devices[i].swap))
			swap_cancel(&vm->devices[i], "the supervisor ended");
}

static bool swap_under_way(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->n_devices; i++)
		if (vm->devices[i].swap)
			return true;
	return false;
}

/* The connection's other end is closed: that is seen here before its event comes. */
static bool conn_dead(const struct supervision *v)
{
	char byte;
	return v->conn_fd < 0 || recv(v->conn_fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

static void conn_ready(void *arg);

/* The caller wants to supervise. */
static void on_claim(struct supervision *v, struct launch_packet *p)
{
	if (!conn_dead(v)) {
		answer(v->caller_fd, p, EBUSY, "another process supervises it already", NULL, 0);
		return;
	}
	if (v->conn_fd >= 0)
		conn_lost(v);
	if (swap_under_way(v->vm)) {
		answer(v->caller_fd, p, EAGAIN, "a swap is being finished", NULL, 0);
		return;
	}
	watch_stop(&v->caller_watch);
	v->conn_fd = fd_steal(&v->caller_fd);
	v->pid = p->pid;
	v->conn_watch = watch_start(&v->vm->loop, v->conn_fd, conn_ready, v);
	log_info("supervisor pid=%d", p->pid);
	answer(v->conn_fd, p, v->conn_watch ? 0 : ENOMEM, v->conn_watch ? "" : "out of memory",
	       NULL, 0);
}

/* Things kept first, then daemons. */
static void on_next(struct supervision *v, struct launch_packet *p)
{
	uint32_t i = 0;
	for (unsigned k = 0; k < LAUNCH_KEPT_MAX; k++) {
		if (!v->kept[k].key[0] || i++ != p->index)
			continue;
		memcpy(p->key, v->kept[k].key, sizeof(p->key));
		p->op = LAUNCH_KEEP;
		answer(v->conn_fd, p, 0, "", v->kept[k].fds, v->kept[k].n);
		return;
	}
	for (unsigned k = 0; k < v->vm->n_devices; k++) {
		const struct device *d = &v->vm->devices[k];
		if (d->stage == STAGE_NONE || d->pid_fd < 0 || i++ != p->index)
			continue;
		snprintf(p->key, sizeof(p->key), "%s", d->cfg->name);
		p->pid = d->pid;
		p->op = LAUNCH_DAEMON;
		answer(v->conn_fd, p, 0, "", &d->pid_fd, 1);
		return;
	}
	answer(v->conn_fd, p, ENOENT, "", NULL, 0);
}

/* ---- packets ---- */

static bool packet_good(const struct launch_packet *p, ssize_t got, unsigned n)
{
	return got == (ssize_t)sizeof(*p) && p->magic == LAUNCH_MAGIC && p->nfds == n &&
	       memchr(p->key, 0, sizeof(p->key));
}

static void on_packet(struct supervision *v, struct launch_packet *p, int *fds, unsigned n)
{
	struct kept *k;
	switch (p->op) {
	case LAUNCH_KEEP:
		on_keep(v, p, fds, n);
		break;
	case LAUNCH_DROP:
		k = p->key[0] ? kept_find(v, p->key) : NULL;
		if (k)
			kept_clear(k);
		break;
	case LAUNCH_BACKENDS:
		keep(&v->coming, p, fds, n);
		break;
	case LAUNCH_NEXT:
		on_next(v, p);
		break;
	default:
		answer(v->conn_fd, p, EPROTO, "hv does not know this operation", NULL, 0);
	}
}

/* One packet of @fd. 0; -EAGAIN: none is there; else the connection is of no use any more. */
static int receive(int fd, struct launch_packet *p, int fds[LAUNCH_KEEP_FDS], unsigned *ret_n)
{
	ssize_t got = fdpass_recv(fd, p, sizeof(*p), fds, LAUNCH_KEEP_FDS, ret_n);
	if (got == 0)
		return -ECONNRESET;
	if (got < 0)
		return (int)got;
	if (packet_good(p, got, *ret_n))
		return 0;
	log_warn_limited("launcher: a packet of %zd bytes makes no sense", got);
	for (unsigned i = 0; i < *ret_n; i++)
		fd_close(&fds[i]);
	return -EPROTO;
}

static void conn_ready(void *arg)
{
	struct supervision *v = arg;
	struct launch_packet p;
	int fds[LAUNCH_KEEP_FDS];
	unsigned n = 0;
	for (int i = 0; v->conn_fd >= 0 && i < PACKETS_A_TURN; i++) {
		int rc = receive(v->conn_fd, &p, fds, &n);
		if (rc == -EAGAIN)
			return;
		if (rc && rc != -EPROTO && rc != -EMSGSIZE) {
			conn_lost(v);
			return;
		}
		if (rc)
			continue;
		on_packet(v, &p, fds, n);
		for (unsigned k = 0; k < n; k++)
			fd_close(&fds[k]); /* those that were not taken */
	}
}

static void caller_ready(void *arg)
{
	struct supervision *v = arg;
	struct launch_packet p;
	int fds[LAUNCH_KEEP_FDS];
	unsigned n = 0;
	int rc = receive(v->caller_fd, &p, fds, &n);
	if (rc == -EAGAIN)
		return;
	for (unsigned i = 0; !rc && i < n; i++)
		fd_close(&fds[i]);
	if (!rc && p.op == LAUNCH_CLAIM)
		on_claim(v, &p);
	if (rc || p.op != LAUNCH_CLAIM) {
		watch_stop(&v->caller_watch);
		fd_close(&v->caller_fd);
	}
}

static void listen_ready(void *arg)
{
	struct supervision *v = arg;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	AUTO_FD fd = accept4(v->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 ||
	    (cred.uid != geteuid() && cred.uid != 0))
		return;
	watch_stop(&v->caller_watch); /* the one before has said nothing: the next one's turn */
	fd_close(&v->caller_fd);
	v->caller_fd = fd_steal(&fd);
	v->caller_watch = watch_start(&v->vm->loop, v->caller_fd, caller_ready, v);
	if (!v->caller_watch)
		fd_close(&v->caller_fd);
}

/* ---- life ---- */

int supervision_open(struct vm *vm, int *sock, struct err *err)
{
	char path[160];
	struct supervision *v = calloc(1, sizeof(*v));
	if (!v)
		return err_set(err, ENOMEM, "out of memory");
	*v = (struct supervision){.vm = vm, .listen_fd = -1, .caller_fd = -1};
	v->conn_fd = fd_steal(sock);
	vm->supervision = v;
	snprintf(path, sizeof(path), "%s/launch", vm->cfg->runtime_dir);
	v->listen_fd = dock_listen(path, err);
	if (v->listen_fd < 0)
		return v->listen_fd;
	int rc = fd_nonblock(v->conn_fd, 1);
	if (rc)
		return err_set(err, -rc, "cannot use the launch socket: %s", strerror(-rc));
	v->conn_watch = watch_start(&vm->loop, v->conn_fd, conn_ready, v);
	v->listen_watch = watch_start(&vm->loop, v->listen_fd, listen_ready, v);
	return v->conn_watch && v->listen_watch ? 0
						: err_set(err, ENOMEM, "cannot watch the launcher");
}

void supervision_close(struct vm *vm)
{
	struct supervision *v = vm->supervision;
	if (!v)
		return;
	watch_stop(&v->conn_watch);
	watch_stop(&v->caller_watch);
	watch_stop(&v->listen_watch);
	fd_close(&v->conn_fd);
	fd_close(&v->caller_fd);
	fd_close(&v->listen_fd);
	for (unsigned i = 0; i < LAUNCH_KEPT_MAX; i++)
		kept_clear(&v->kept[i]);
	kept_clear(&v->coming);
	free(v);
	vm->supervision = NULL;
}

void supervision_running(struct vm *vm)
{
	if (!vm->supervision)
		return;
	prctl(PR_SET_PDEATHSIG, 0);
	supervision_poll(vm); /* its end may have come meanwhile: then it is as one later */
}

void supervision_poll(struct vm *vm)
{
	if (vm->supervision && vm->supervision->conn_fd >= 0)
		conn_ready(vm->supervision);
}

bool supervision_present(const struct vm *vm)
{
	return !vm->supervision || vm->supervision->conn_fd >= 0;
}

int supervision_backends(struct vm *vm, const char *token, int fds[LIMIT_FDS], unsigned *ret_n)
{
	struct supervision *v = vm->supervision;
	supervision_poll(vm);
	if (!v || !v->coming.key[0] || strcmp(v->coming.key, token) != 0 || v->coming.n > LIMIT_FDS)
		return -ENOENT;
	for (unsigned i = 0; i < v->coming.n; i++)
		fds[i] = fd_steal(&v->coming.fds[i]);
	*ret_n = v->coming.n;
	kept_clear(&v->coming);
	return 0;
}
