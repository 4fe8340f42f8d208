/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <signal.h>
#include "base/fd.h"
#include "launcher/client.h"
#include "launcher/runtime.h"
#include "launcher/term.h"
#include "launcher/verbs.h"
#include "proto/ctl.h"

static const struct option_def options[] = {OPTIONS_END};

static volatile sig_atomic_t ended, resized;

static void on_signal(int sig)
{
	if (sig == SIGWINCH)
		resized = 1;
	else
		ended = sig;
}

/* Tells the console's device how large our terminal is. That the VM is gone is seen elsewhere. */
static void send_size(const char *vm, const char *device)
{
	struct err err;
	unsigned cols, rows;
	Outrigger__CliReply *r = NULL;
	resized = 0;
	if (!term_is_raw() || !term_size(STDIN_FILENO, &cols, &rows))
		return;
	AUTO_FREE char *size = xasprintf("%ux%u", cols, rows);
	const char *args[] = {device, size};
	if (client_call(vm, "size", args, 2, &r, &err) == 0)
		ctl_free(&r->base);
}

static int connect_unix(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path));
	AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return fd_steal(&fd);
}

/* Bytes typed: to the guest. false: leave. */
static bool from_user(int sock, bool raw, struct term_escape *esc, bool *in_open)
{
	char buf[4096], plain[4096];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));
	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0) {
		*in_open = false; /* output goes on */
		return true;
	}
	if (!raw)
		return fd_write_all(sock, buf, (size_t)n) == 0;
	for (ssize_t at = 0; at < n;) {
		enum term_key key;
		size_t used, len = term_filter(esc, buf + at, (size_t)(n - at), plain, &used, &key);
		if (len && fd_write_all(sock, plain, len) < 0)
			return false;
		at += (ssize_t)used;
		if (key == TERM_QUIT)
			return false;
		if (key != TERM_NONE)
			fputs("\r\nCtrl-A x  leave the console (the VM goes on)\r\nCtrl-A Ctrl-A  "
			      "send Ctrl-A\r\n",
			      stderr);
	}
	return true;
}

/* Joins the terminal with the socket. @awake: the signal mask while it sleeps. 0: the user left, 1: the VM ended. */
static int pump(int sock, bool raw, const char *vm, const char *device, const sigset_t *awake)
{
	struct term_escape esc = {0};
	bool in_open = true;
	char buf[16384];
	while (!ended) {
		if (resized)
			send_size(vm, device);
		struct pollfd p[2] = {{.fd = sock, .events = POLLIN},
				      {.fd = in_open ? STDIN_FILENO : -1, .events = POLLIN}};
		if (ppoll(p, 2, NULL, awake) < 0)
			continue;
		if (p[0].revents) {
			ssize_t n = read(sock, buf, sizeof(buf));
			if (n <= 0)
				return 1;
			if (fd_write_all(STDOUT_FILENO, buf, (size_t)n) < 0)
				return 0;
		}
		if (p[1].revents && !from_user(sock, raw, &esc, &in_open))
			return 0;
	}
	return 0;
}

/* They come while the pump sleeps, and only then. nng's threads inherit the mask. */
static void signals_start(sigset_t *ret_awake)
{
	static const int list[] = {SIGTERM, SIGHUP, SIGINT, SIGWINCH};
	struct sigaction sa = {.sa_handler = on_signal};
	sigset_t blocked;
	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		sigaction(list[i], &sa, NULL);
		sigaddset(&blocked, list[i]);
	}
	sigprocmask(SIG_BLOCK, &blocked, ret_awake);
}

static int console(const struct args *a)
{
	struct err err = {0};
	sigset_t awake;
	signals_start(&awake);
	AUTO_FREE char *base = NULL;
	AUTO_FREE char *vm = client_vm(a->noperands ? a->operand[0] : NULL, &base, &err);
	Outrigger__CliReply *reply = NULL;
	if (!vm ||
	    client_ask(vm, "console", a->noperands > 1 ? a->operand[1] : NULL, &reply, &err) < 0)
		return fail("%s", err.msg);
	AUTO_FREE char *path = xstrdup(reply->console_path);
	ctl_free(&reply->base);
	AUTO_FD sock = connect_unix(path);
	if (sock < 0)
		return fail("VM %s: cannot reach %s: %s", vm, path, strerror(-sock));
	signal(SIGPIPE, SIG_IGN);
	bool raw = term_raw(STDIN_FILENO);
	if (raw)
		fprintf(stderr, "outrigger: console of %s; Ctrl-A x leaves it\r\n", vm);
	const char *device = strstr(path, "/console.");
	resized = 1; /* told at the beginning, and whenever it changes */
	int gone = pump(sock, raw, vm, device ? device + strlen("/console.") : "", &awake);
	term_restore();
	bool orphan = gone && runtime_orphaned(base, vm, true);
	if (raw || orphan)
		fprintf(stderr, "%soutrigger: %s\n", raw ? "\n" : "",
			orphan ? "the VM's supervisor has ended; the VM goes on, `outrigger "
				 "console` again shows it"
			: gone && runtime_supervised(base, vm)
				? "the device has no console any more; the VM goes on"
			: gone ? "the VM ended"
			       : "left the console; the VM goes on");
	return ended ? 128 + (int)ended : orphan ? EXIT_FAILED : EXIT_DONE;
}

const struct verb verb_console = {
	.name = "console",
	.summary = "Join the terminal to a device's console of a running VM",
	.operands = "[VM [DEVICE]]",
	.max_operands = 2,
	.complete = "@vm",
	.options = options,
	.text = "Shows the last 64 KiB and then what follows; what is typed goes to the guest. "
		"Without DEVICE, the VM's\n"
		"first console. Several may look at once. Ctrl-A x leaves the console; the VM goes "
		"on. Who reads too slowly\n"
		"loses the oldest bytes beyond 256 KiB and is told how many; the guest is never "
		"held up. A virtio-console is told the size of the terminal.",
	.fn = console,
};
