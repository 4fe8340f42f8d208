/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/child.h"

#include "base/clock.h"
#include "base/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

static _Noreturn void child_exec(int in, int out, int errors, char *const argv[])
{
	setpgid(0, 0);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(errors, 2) < 0)
		_exit(127);
	execvp(argv[0], argv);
	dprintf(2, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int child_start(struct child *c, char *const argv[], struct err *e)
{
	*c = (struct child){.in = -1, .out = -1, .errors = -1};
	int to[2] = {-1, -1}, from[2] = {-1, -1};
	c->output = malloc(CHILD_OUTPUT_MAX);
	c->errors = memfd_create("child-errors", MFD_CLOEXEC);
	if (!c->output || c->errors < 0 || pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC)) {
		int rc = err_set(e, errno, "cannot start %s: %s", argv[0], strerror(errno));
		fd_close(&to[0]);
		fd_close(&to[1]);
		child_destroy(c);
		return rc;
	}
	c->output[0] = 0;
	/* A reader that is late must not stop a guest that prints fast: take what a pipe can hold.
	 */
	(void)fcntl(from[1], F_SETPIPE_SZ, 1 << 20);
	c->started_ns = clock_now_ns();
	c->pid = fork();
	if (!c->pid)
		child_exec(to[0], from[1], c->errors, argv);
	int saved = errno;
	fd_close(&to[0]);
	fd_close(&from[1]);
	c->in = to[1];
	c->out = from[0];
	if (c->pid < 0) {
		c->pid = 0;
		child_destroy(c);
		return err_set(e, saved, "cannot fork: %s", strerror(saved));
	}
	setpgid(c->pid, c->pid);
	return 0;
}

/* child_read - one read of its output. 1: something came, 0: end of output, -ETIMEDOUT, -Exxx. */
static int child_read(struct child *c, uint64_t deadline_ns)
{
	char scrap[4096];
	struct pollfd p = {.fd = c->out, .events = POLLIN};
	uint64_t now = clock_now_ns();
	if (now >= deadline_ns)
		return -ETIMEDOUT;
	int n = poll(&p, 1, (int)((deadline_ns - now) / 1000000u) + 1);
	if (n <= 0)
		return n == 0 || errno == EINTR ? 1 : -errno;
	size_t room = CHILD_OUTPUT_MAX - 1 - c->output_len;
	ssize_t got = room ? read(c->out, c->output + c->output_len, room)
			   : read(c->out, scrap, sizeof scrap);
	if (got < 0)
		return errno == EINTR ? 1 : -errno;
	if (got == 0)
		return 0;
	if (room) {
		/* NULs would hide what follows them. */
		for (ssize_t i = 0; i < got; i++)
			if (!c->output[c->output_len + (size_t)i])
				c->output[c->output_len + (size_t)i] = '?';
		c->output_len += (size_t)got;
		c->output[c->output_len] = 0;
	}
	return 1;
}

int child_wait_text(struct child *c, const char *text, size_t from, uint64_t deadline_ns,
		    uint64_t *ret_ns)
{
	for (;;) {
		uint64_t now = clock_now_ns();
		if (from <= c->output_len && strstr(c->output + from, text)) {
			if (ret_ns)
				*ret_ns = now;
			return 0;
		}
		int rc = child_read(c, deadline_ns);
		if (rc <= 0)
			return rc == 0 ? -EPIPE : rc;
	}
}

static int child_reap(struct child *c, uint64_t deadline_ns)
{
	while (c->pid) {
		pid_t pid = waitpid(c->pid, &c->status, WNOHANG);
		if (pid == c->pid || pid < 0) {
			c->pid = 0;
			return 0;
		}
		if (clock_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		struct timespec pause = {.tv_nsec = 500000};
		nanosleep(&pause, NULL);
	}
	return 0;
}

int child_wait_exit(struct child *c, uint64_t deadline_ns)
{
	int rc;
	while ((rc = child_read(c, deadline_ns)) > 0)
		;
	return rc < 0 ? rc : child_reap(c, deadline_ns);
}

void child_error_text(struct child *c, char *text, size_t size)
{
	text[0] = 0;
	off_t end = c->errors >= 0 ? lseek(c->errors, 0, SEEK_END) : 0;
	if (end <= 0)
		return;
	off_t begin = end > (off_t)size - 1 ? end - (off_t)size + 1 : 0;
	ssize_t n = pread(c->errors, text, size - 1, begin);
	text[n > 0 ? n : 0] = 0;
}

void child_destroy(struct child *c)
{
	if (c->pid > 0) {
		kill(c->pid, SIGTERM);
		if (child_reap(c, clock_now_ns() + 2000000000u)) {
			kill(-c->pid, SIGKILL);
			child_reap(c, clock_now_ns() + 2000000000u);
		}
	}
	if (c->output) {
		fd_close(&c->in);
		fd_close(&c->out);
		fd_close(&c->errors);
	}
	free(c->output);
	*c = (struct child){.in = -1, .out = -1, .errors = -1};
}
