/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/hostio.h"
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "base/fd.h"

#define HELPER_END_MS 1000

void hostio_sent(struct hostio *h)
{
	for (unsigned i = 0; i < h->nfds; i++)
		fd_close(&h->fds[i]);
	h->nfds = 0;
}

/* Ends our helper: asks, and insists after a second. It need not be our child. */
static void end_helper(pid_t pid, int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0);
	if (poll(&p, 1, HELPER_END_MS) <= 0)
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

void hostio_close(struct hostio *h)
{
	hostio_sent(h);
	if (h->helper > 0) {
		end_helper(h->helper, h->helper_fd);
		fd_close(&h->helper_fd);
	}
	if (h->remove)
		unlink(h->remove);
	free(h->remove);
	*h = (struct hostio){0};
}
