/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/backend.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include "base/fd.h"
#include "launcher/ynode.h"

/* How long a reader of a pty has at the end, and for how long there must be nothing left. */
enum { DRAIN_MS = 3000, DRAIN_QUIET_MS = 20 };

static int open_pty(struct backend *b, struct err *err)
{
	char name[128];
	struct termios t;
	b->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (b->fd < 0 || grantpt(b->fd) < 0 || unlockpt(b->fd) < 0 ||
	    ptsname_r(b->fd, name, sizeof(name)) != 0)
		return err_set(err, errno, "cannot make a pseudo terminal: %s", strerror(errno));
	b->path = xstrdup(name);
	AUTO_FD slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || tcgetattr(slave, &t) < 0)
		return err_set(err, errno, "cannot open %s: %s", name, strerror(errno));
	cfmakeraw(&t);
	tcsetattr(slave, TCSANOW, &t);
	/* The slave is not kept open: the daemon is to see whether somebody is attached. A master of ours is: what a reader
	 * has not taken yet when the daemon ends would be lost with the last one. */
	b->peer_fd = fcntl(b->fd, F_DUPFD_CLOEXEC, 0);
	return b->peer_fd < 0 ? err_set(err, errno, "cannot copy a descriptor: %s", strerror(errno))
			      : 0;
}

/* At the end: a reader that is attached to the pty gets the time to take what is still in it. */
static void drain_pty(const struct backend *b)
{
	struct pollfd p = {.fd = b->peer_fd};
	int left = 0, quiet = 0;
	if (b->peer_fd < 0 || poll(&p, 1, 0) < 0 || (p.revents & POLLHUP))
		return; /* nobody is attached */
	AUTO_FD slave = open(b->path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	/* The line discipline is refilled from behind: it must stay empty for a while to be empty. */
	for (int ms = 0; slave >= 0 && ms < DRAIN_MS && quiet < DRAIN_QUIET_MS; ms++) {
		if (ioctl(slave, FIONREAD, &left) < 0)
			return;
		quiet = left ? 0 : quiet + 1;
		poll(NULL, 0, 1);
	}
}

static int open_unix(struct backend *b, const char *path, struct err *err)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct stat st;
	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(err, ENAMETOOLONG,
			       "socket path %s has %zu bytes; at most %zu are possible", path,
			       strlen(path), sizeof(sa.sun_path) - 1);
	memcpy(sa.sun_path, path, strlen(path));
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return err_set(err, EEXIST,
			       "%s exists and is no socket; it is left alone, choose another path",
			       path);
	unlink(path);
	b->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mode_t old = umask(077);
	int r = b->fd < 0 ? -1 : bind(b->fd, (struct sockaddr *)&sa, sizeof(sa));
	umask(old);
	if (r < 0 || listen(b->fd, 4) < 0)
		return err_set(err, errno, "cannot listen on %s: %s", path, strerror(errno));
	b->path = xstrdup(path);
	return 0;
}

static int open_file(struct backend *b, const char *path, struct err *err)
{
	b->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);
	if (b->fd < 0)
		return err_set(err, errno, "cannot write %s: %s", path, strerror(errno));
	return 0;
}

static int open_one(struct backend *b, const char *dir, const char *path, struct err *err)
{
	AUTO_FREE char *full = path ? config_path(dir, path) : NULL;
	int sv[2];
	switch (b->kind) {
	case CHARDEV_CONSOLE:
	case CHARDEV_STDIO:
		b->wire = "stream";
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
			return err_set(err, errno, "cannot make a socket pair: %s",
				       strerror(errno));
		b->fd = sv[0];
		b->peer_fd = sv[1];
		return 0;
	case CHARDEV_PTY:
		b->wire = "pty";
		return open_pty(b, err);
	case CHARDEV_FILE:
		b->wire = "write";
		return open_file(b, full, err);
	case CHARDEV_UNIX:
		b->wire = "listen";
		return open_unix(b, full, err);
	default:
		b->wire = "null";
		return 0;
	}
}

static int open_image(const char *what, const char *path, int *ret_fd, struct err *err)
{
	if (!path)
		return 0;
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? err_set(err, errno, "%s %s cannot be read: %s", what, path,
				     strerror(errno))
			   : 0;
}

/* Says in @err where the config has option @name of @dev, and whose it is. */
static void name_place(struct err *err, const struct config *c, const struct config_device *dev,
		       const char *name)
{
	const struct ynode *options = ynode_get(dev->node, "options");
	const struct ynode *n = options ? ynode_get(options, name) : NULL;
	err_prefix(err, "device %s, option %s: ", dev->name, name);
	if (!n)
		n = dev->node;
	if (!n)
		return;
	if (n->from)
		err_prefix(err, "%s: ", n->from);
	else if (n->line)
		err_prefix(err, "%s:%u: ", c->path, n->line);
}

/* Opens the disk, network or sink of option @o of @dev and adds it. */
static int add_io(struct backends *b, const struct config *c, const struct config_device *dev,
		  const Outrigger__OptionDescription *o, const char *value, struct err *err)
{
	struct backend *n = &b->items[b->count];
	int r = 0;
	if (!value)
		return 0;
	b->count++;
	if (strcmp(o->type, "sink") == 0) {
		AUTO_FREE char *full = config_path(c->dir, value);
		n->wire = "write";
		r = open_file(n, full, err);
	} else {
		n->is_io = true;
		r = strcmp(o->type, "disk") == 0 ? hostio_open_disk(c, dev, value, &n->io, err)
						 : hostio_open_net(c, dev, value, &n->io, err);
	}
	if (r < 0)
		name_place(err, c, dev, o->name);
	return r;
}

int backends_add(struct backends *b, const struct config *c, const struct config_device *dev,
		 size_t index, const Outrigger__OptionDescription *o, const char *value,
		 struct err *err)
{
	struct backend *n = &b->items[b->count];
	const char *path = NULL;
	*n = (struct backend){.device = (unsigned)index,
			      .option = o->name,
			      .kind = CHARDEV_NULL,
			      .fd = -1,
			      .peer_fd = -1};
	if (config_option_io(o->type))
		return add_io(b, c, dev, o, value, err);
	int r = chardev_parse(value ? value : "null", &n->kind, &path, err);
	b->count++;
	if (r == 0)
		r = open_one(n, c->dir, path, err);
	if (r < 0)
		name_place(err, c, dev, o->name);
	return r;
}

/* Chooses what the foreground terminal shows: the one asked for by "stdio", else the console
 * device's. */
static int choose_front(struct backends *b, const struct config *c, struct err *err)
{
	struct backend *front = NULL;
	int console = config_console_device(c);
	for (size_t i = 0; i < b->count; i++) {
		if (b->items[i].kind != CHARDEV_STDIO)
			continue;
		if (front)
			return err_set(err, EINVAL,
				       "devices %s and %s both have chardev stdio; only one can "
				       "have the terminal",
				       c->devices[front->device].name,
				       c->devices[b->items[i].device].name);
		front = &b->items[i];
	}
	for (size_t i = 0; !front && i < b->count; i++)
		if (b->items[i].kind == CHARDEV_CONSOLE && !b->items[i].is_io &&
		    (int)b->items[i].device == console)
			front = &b->items[i];
	if (front)
		front->front = true;
	return 0;
}

int backends_open(struct backends *b, const struct config *c, struct err *err)
{
	*b = (struct backends){.kernel_fd = -1, .initrd_fd = -1};
	size_t max = 0;
	for (size_t i = 0; i < c->ndevices; i++)
		max += c->devices[i].model->desc->n_options;
	b->items = xalloc(max, sizeof(*b->items));
	int r = open_image("kernel", c->kernel, &b->kernel_fd, err);
	if (r == 0)
		r = open_image("initrd", c->initrd, &b->initrd_fd, err);
	for (size_t i = 0; r == 0 && i < c->ndevices; i++) {
		const Outrigger__ModelDescription *desc = c->devices[i].model->desc;
		unsigned streams = 0;
		for (size_t k = 0; r == 0 && k < desc->n_options; k++) {
			if (strcmp(desc->options[k]->type, "chardev") != 0 &&
			    !config_option_io(desc->options[k]->type))
				continue;
			if (++streams > LIMIT_FDS)
				r = err_set(err, E2BIG, "device %s has more than %d back-ends",
					    c->devices[i].name, LIMIT_FDS);
			else
				r = backends_add(b, c, &c->devices[i], i, desc->options[k],
						 c->devices[i].values[k], err);
		}
	}
	if (r == 0)
		r = choose_front(b, c, err);
	if (r < 0)
		backends_close(b);
	return r;
}

void backends_sent(struct backends *b)
{
	for (size_t i = 0; i < b->count; i++) {
		fd_close(&b->items[i].fd);
		if (b->items[i].is_io)
			hostio_sent(&b->items[i].io);
	}
	fd_close(&b->kernel_fd);
	fd_close(&b->initrd_fd);
}

void backends_forget(struct backends *b)
{
	for (size_t i = 0; i < b->count; i++) {
		struct backend *n = &b->items[i];
		fd_close(&n->fd);
		fd_close(&n->peer_fd);
		if (n->is_io) {
			hostio_sent(&n->io);
			if (n->io.helper > 0)
				fd_close(&n->io.helper_fd);
			free(n->io.remove);
		}
		free(n->path);
	}
	free(b->items);
	*b = (struct backends){.kernel_fd = -1, .initrd_fd = -1};
}

void backend_close(struct backend *n)
{
	fd_close(&n->fd);
	if (n->kind == CHARDEV_PTY && !n->is_io)
		drain_pty(n);
	fd_close(&n->peer_fd);
	if (n->is_io)
		hostio_close(&n->io);
	if (n->path && n->kind == CHARDEV_UNIX)
		unlink(n->path);
	free(n->path);
	*n = (struct backend){.fd = -1, .peer_fd = -1};
}

void backends_close(struct backends *b)
{
	if (!b->items)
		return;
	backends_sent(b);
	for (size_t i = 0; i < b->count; i++)
		backend_close(&b->items[i]);
	free(b->items);
	*b = (struct backends){.kernel_fd = -1, .initrd_fd = -1};
}
