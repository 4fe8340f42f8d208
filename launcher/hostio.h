/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Host objects behind options of type disk and net: images, tap devices, user networking. Opened before anything is started. */
#include <sys/types.h>
#include "launcher/config.h"

#define HOSTIO_FDS 8

/** struct hostio - what one option was opened to. */
struct hostio {
	const char *
		wire; /* BackendFd.kind of each descriptor: "disk", "tap", "stream", "none"; static */
	int fds[HOSTIO_FDS]; /* owned; what the daemon gets, in order */
	unsigned nfds;
	pid_t helper; /* a process of ours that serves the other end (passt); 0: none. Ended by hostio_close() */
	int helper_fd;		       /* its pidfd, owned; with helper only */
	uint64_t image_dev, image_ino; /* of a disk: which file it is */
	char *remove;		       /* a socket to unlink at the end; NULL: none */
};

/** hostio_check_disk / _net - is @value well formed? Touches nothing. 0 or -EINVAL with @err: what is wrong, what would be
 * right. At config time, so that the message carries file and line. */
int hostio_check_disk(const char *value, struct err *err);
int hostio_check_net(const char *value, struct err *err);

/** hostio_open_disk / _net - opens @value for device @dev of @c (config_value(@dev, name) gives its other options).
 * Relative paths are relative to @c->dir (config_path()). 0, or -Exxx with @err and nothing left open. */
int hostio_open_disk(const struct config *c, const struct config_device *dev, const char *value,
		     struct hostio *ret, struct err *err);
int hostio_open_net(const struct config *c, const struct config_device *dev, const char *value,
		    struct hostio *ret, struct err *err);

/** hostio_sent - closes the descriptors that the daemon has by now. */
void hostio_sent(struct hostio *h);

/** hostio_close - closes all, ends the helper process, removes the socket. A zeroed one is allowed. */
void hostio_close(struct hostio *h);
