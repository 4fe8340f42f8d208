/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting passt(1), as Debian packages it.
 *
 * Theory of operation. passt gets one end of a socket pair (--fd), stays in the foreground, and ends by itself when all other
 * ends are closed; it confines itself (namespaces, no capabilities, seccomp; as root it first becomes "nobody"). It has
 * no sign for "ready" that works for root, for users and under AppArmor alike, so we ask it something: an ARP request, which it
 * answers for every address. An answer or its end, whichever comes first, tells. Where it serves IPv6 only it does
 * not answer, and being alive after a while has to do.
 */
#include "launcher/passt.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "launcher/netopt.h"
#include "launcher/runtime.h"
#include "launcher/spawn.h"
#include "launcher/text.h"

#define READY_MS 2000
#define SNDBUF (1 << 20)
#define ARGS_MAX (16 + 2 * NET_FORWARDS_MAX)
#define LOG_LINES 3u

/* "Who has 169.254.0.1": to everybody, from an address that is nobody's, so that nothing is learned from it. */
static const uint8_t arp_request[] = {0,    0,	  0,	42, /* length of the frame */
				      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
				      0xff, 0xff, 0x08, 0x06, 0,    1,	  8,	0,    6,    4,
				      0,    1, /* Ethernet, IPv4, request */
				      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 169,	254,  0,    2,
				      0,    0,	  0,	0,    0,    0,	  169,	254,  0,    1};

/* The program's path: heap, NULL: it is not installed. */
static char *find_passt(void)
{
	const char *path = getenv("PATH");
	if (!path || !*path)
		path = "/usr/local/bin:/usr/bin:/bin";
	while (*path) {
		size_t n = strcspn(path, ":");
		char *full = xasprintf("%.*s/passt", (int)n, path);
		if (n && access(full, X_OK) == 0)
			return full;
		free(full);
		path += n + (path[n] == ':');
	}
	return NULL;
}

/* Takes @n bytes that are there or about to come. False: the end, or nothing comes. */
static bool take(int fd, uint8_t *buf, size_t n)
{
	while (n) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, READY_MS) <= 0)
			return false;
		ssize_t got = recv(fd, buf, n, MSG_DONTWAIT);
		if (got <= 0)
			return false;
		buf += got;
		n -= (size_t)got;
	}
	return true;
}

/* Takes one whole frame off the stream, so that the daemon starts with the next. */
static bool take_answer(int fd)
{
	uint8_t head[4], frame[2048];
	if (!take(fd, head, sizeof(head)))
		return false;
	size_t n = (size_t)head[2] << 8 | head[3];
	return !head[0] && !head[1] && n <= sizeof(frame) && take(fd, frame, n);
}

/* True once passt serves @fd; false: process @pid has ended. */
static bool wait_ready(int fd, pid_t pid)
{
	AUTO_FD pidfd = (int)syscall(SYS_pidfd_open, pid, 0u);
	if (send(fd, arp_request, sizeof(arp_request), MSG_NOSIGNAL) < 0)
		return false;
	struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
	if (poll(p, 2, READY_MS) <= 0)
		return true; /* alive and silent */
	return !p[1].revents && (p[0].revents & POLLIN) && take_answer(fd);
}

/* What it said last, on one line, without its complaints about a missing syslog. */
static char *last_words(const char *log)
{
	AUTO_FREE char *tail = spawn_log_tail(log, 2 * LOG_LINES, "");
	AUTO_SB sb = {0};
	char *save = NULL;
	for (char *l = strtok_r(tail, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		if (strncmp(l, "Failed to send", 14) == 0 ||
		    strncmp(l, "Don't run as root", 17) == 0)
			continue;
		sb_addf(&sb, "%s%s", sb.len ? "; " : "", l);
	}
	return text_printable(xstrdup(sb.len ? sb_str(&sb) : "it says nothing"));
}

/* Fills @argv; the strings are borrowed. */
static void arguments(const char *argv[ARGS_MAX], const char *fd, const char *mtu,
		      const struct net_forward *f, unsigned n)
{
	const char *const fixed[] = {"passt", "--foreground", "--quiet", "--fd", fd};
	unsigned k = 0;
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		argv[k++] = fixed[i];
	if (mtu) {
		argv[k++] = "--mtu";
		argv[k++] = mtu;
	}
	for (unsigned i = 0; i < n; i++) {
		argv[k++] = f[i].option;
		argv[k++] = f[i].spec;
	}
	argv[k] = NULL;
}

static int pair(int sv[2], struct err *err)
{
	int size = SNDBUF;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return err_set(err, errno, "cannot make a socket pair: %s", strerror(errno));
	for (int i = 0; i < 2; i++) /* the host may give less */
		(void)setsockopt(sv[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

/* The log's path: heap. */
static int log_path(const struct config *c, const struct config_device *dev, char **ret,
		    struct err *err)
{
	AUTO_FREE char *base = NULL;
	int rc = runtime_base(&base, err);
	if (rc == 0)
		*ret = xasprintf("%s/%s/%s.passt.log", base, c->name, dev->name);
	return rc;
}

int passt_open(const struct config *c, const struct config_device *dev, struct hostio *ret,
	       struct err *err)
{
	struct net_forward f[NET_FORWARDS_MAX];
	const char *argv[ARGS_MAX];
	unsigned n = 0;
	bool isolated;
	int sv[2];
	AUTO_FREE char *path = find_passt();
	AUTO_FREE char *log = NULL;
	if (!path)
		return err_set(
			err, ENOENT,
			"net: user needs passt, which is not installed: apt-get install passt");
	int rc = net_forwards(config_value(dev, "forward"), f, &n, err);
	if (rc == 0)
		rc = log_path(c, dev, &log, err);
	if (rc == 0)
		rc = pair(sv, err);
	if (rc < 0)
		return rc;
	AUTO_FD theirs = sv[1];
	ret->wire = "stream";
	ret->fds[ret->nfds++] = sv[0];
	char fd[16], mtu[24];
	uint64_t size = net_number(dev, "mtu", 0);
	snprintf(fd, sizeof(fd), "%d", theirs);
	snprintf(mtu, sizeof(mtu), "%llu", (unsigned long long)size);
	arguments(argv, fd, size ? mtu : NULL, f, n);
	/* It ends when all of our end is closed: with hv and the daemon. */
	rc = spawn_start(&(struct spawn){.path = path,
					 .argv = argv,
					 .log_path = log,
					 .keep_fd = theirs,
					 .outlives = true},
			 &ret->helper, &isolated, err);
	if (rc < 0)
		return rc;
	ret->helper_fd = (int)syscall(SYS_pidfd_open, ret->helper, 0u);
	fd_close(&theirs);
	if (wait_ready(sv[0], ret->helper))
		return 0;
	AUTO_FREE char *words = last_words(log);
	return err_set(err, EIO, "passt did not start: %s", words);
}
