/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/warden.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "proto/dock.h"
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define WARDEN_MAX (2 * LIMIT_DEVICES + 64) /* serving, retiring, coming up; helpers */
#define WARDEN_GRACE_MS 3000		    /* more than a daemon takes for its last words */
#define WARDEN_REAP_MS 1000

static int warden_fd = -1;

/* ---- the warden's own ---- */

struct ward {
	struct pollfd p[WARDEN_MAX + 1]; /* 0: hv */
	nfds_t n;
};

static void ward_add(struct ward *w, int fd)
{
	if (w->n == WARDEN_MAX + 1) {
		log_warn("too many processes to watch: one is not");
		close(fd);
		return;
	}
	w->p[w->n++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

/* Forgets those that have ended. */
static void ward_review(struct ward *w)
{
	for (nfds_t i = w->n; i-- > 1;)
		if (w->p[i].revents) {
			close(w->p[i].fd);
			w->p[i] = w->p[--w->n];
		}
}

static void ward_signal(const struct ward *w, int sig)
{
	for (nfds_t i = 1; i < w->n; i++)
		syscall(SYS_pidfd_send_signal, w->p[i].fd, sig, NULL, 0);
}

/* Until all have ended, or @ms are over. */
static void ward_wait(struct ward *w, unsigned ms)
{
	uint64_t end = clock_now_ns() + ms * 1000000ull;
	for (uint64_t now; w->n > 1 && (now = clock_now_ns()) < end;) {
		w->p[0].fd = -1;
		if (poll(w->p, w->n, (int)((end - now) / 1000000) + 1) > 0)
			ward_review(w);
	}
}

/* False: hv has ended. */
static bool ward_receive(struct ward *w)
{
	char byte;
	int fd;
	unsigned n = 0;
	ssize_t got = fdpass_recv(w->p[0].fd, &byte, 1, &fd, 1, &n);
	if (n == 1)
		ward_add(w, fd);
	return got > 0 || got == -EMSGSIZE;
}

_Noreturn static void ward_main(int sock)
{
	static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE};
	static struct ward w = {.n = 1};
	prctl(PR_SET_PDEATHSIG, 0);
	prctl(PR_SET_NAME, "outrigger-ward");
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	dup2(sock, 3);
	syscall(SYS_close_range, 4u, ~0u, 0);
	w.p[0] = (struct pollfd){.fd = 3, .events = POLLIN};
	for (;;) {
		if (poll(w.p, w.n, -1) < 0)
			continue;
		bool heard = w.p[0].revents;
		ward_review(&w);
		if (heard && !ward_receive(&w))
			break;
	}
	ward_signal(&w, SIGCONT);
	ward_wait(&w, WARDEN_GRACE_MS);
	ward_signal(&w, SIGKILL);
	ward_wait(&w, WARDEN_REAP_MS);
	_exit(0);
}

/* ---- hv's side ---- */

int warden_start(void)
{
	int sv[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0)
		ward_main(sv[1]);
	int rc = pid < 0 ? -errno : fd_nonblock(sv[0], 1);
	close(sv[1]);
	if (rc < 0)
		close(sv[0]);
	else
		warden_fd = sv[0];
	return rc;
}

void warden_watch(int pidfd)
{
	char byte = 1;
	if (warden_fd < 0 || pidfd < 0)
		return;
	int rc = fdpass_send(warden_fd, &byte, 1, &pidfd, 1);
	if (rc)
		log_warn_limited(
			"the warden takes no process: %s; a daemon that hangs may outlive hv",
			strerror(-rc));
}
