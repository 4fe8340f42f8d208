/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Host descriptors of a VM: images and what each device's byte streams are joined to. */
#include <stdbool.h>
#include "launcher/config.h"
#include "launcher/hostio.h"

/** struct backend - one option of type chardev, disk, net or sink, opened. */
struct backend {
	unsigned device;    /* index in config.devices */
	const char *option; /* borrows from the model's description */
	enum chardev_kind kind;
	const char *wire; /* BackendFd.kind: stream, listen, write, null, pty */
	int fd;		  /* what the daemon gets, owned until sent; -1: none */
	int peer_fd;	  /* console: our end; pty: a master of our own; else -1 */
	char *path; /* pty: the slave's path; unix: the socket to remove at the end; else NULL */
	bool is_io; /* disk, net: @io counts, not @kind, @fd and @peer_fd */
	struct hostio io;
	bool front; /* console that the foreground terminal shows */
};

/** struct backends - all of a VM. */
struct backends {
	struct backend *items;
	size_t count;
	int kernel_fd, initrd_fd; /* -1: none */
};

/** backends_open - opens the images and all byte streams of @c. Nothing was started yet, so a
 * failure leaves nothing behind. 0 or -Exxx with @err that names file or device. */
int backends_open(struct backends *b, const struct config *c, struct err *err);

/** backends_add - opens option @o of @dev (device @index of @c, perhaps with other values than there) as @value says and adds it to
 * @b, which has room. 0 or -Exxx with @err. */
int backends_add(struct backends *b, const struct config *c, const struct config_device *dev,
		 size_t index, const Outrigger__OptionDescription *o, const char *value,
		 struct err *err);

/** backend_close - closes and removes one. */
void backend_close(struct backend *b);

/** backends_sent - closes the descriptors that the daemons have by now. */
void backends_sent(struct backends *b);

/** backends_forget - frees them and removes nothing: they are a living VM's. */
void backends_forget(struct backends *b);

/** backends_close - closes and removes everything. A zeroed one is allowed. */
void backends_close(struct backends *b);
