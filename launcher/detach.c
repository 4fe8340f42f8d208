/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/detach.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "launcher/verb.h"

/* Waits until the VM runs or has failed. */
static int wait_ready(int fd, pid_t child, const char *name, const char *what)
{
	char c;
	ssize_t n;
	int status;
	do
		n = read(fd, &c, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1) {
		printf("%s %s, supervisor pid %d\n", name, what, child);
		return EXIT_DONE;
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
	return code ? code : EXIT_FAILED;
}

int detach_run(const char *name, const char *what, int (*fn)(void *arg, int ready_fd), void *arg)
{
	int p[2];
	if (pipe2(p, O_CLOEXEC) < 0)
		return fail("cannot make a pipe: %s", strerror(errno));
	pid_t pid = fork();
	if (pid < 0)
		return fail("cannot start the supervisor: %s", strerror(errno));
	if (pid > 0) {
		close(p[1]);
		int code = wait_ready(p[0], pid, name, what);
		close(p[0]);
		return code;
	}
	close(p[0]);
	setsid();
	exit(fn(arg, p[1]));
}
