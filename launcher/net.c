/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of the host: opens what the option `net` of a device names. passt is in passt.c. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/fd.h"
#include "launcher/hostio.h"
#include "launcher/netopt.h"
#include "launcher/passt.h"
#include "launcher/text.h"

#define TUN "/dev/net/tun"
#define BACKLOG 16
#define SPARES                                                                                     \
	3 /* further connections, for a peer whose daemon is restarted: devmodel/host/net/stream.c */
#define SOCKET_TRIES 5 /* two VMs that start at once see each other's half-made socket */

int hostio_check_net(const char *value, struct err *err)
{
	enum net_kind kind;
	const char *rest;
	return net_parse(value, &kind, &rest, err);
}

/* Gives option @name the value @text, unless the config has one. */
static void fill_option(const struct config_device *dev, const char *name, const char *text)
{
	for (size_t i = 0; i < dev->model->desc->n_options; i++)
		if (strcmp(dev->model->desc->options[i]->name, name) == 0) {
			free(dev->values[i]);
			dev->values[i] = xstrdup(text);
		}
}

/* ---- tap --------------------------------------------------------------------------------------- */

static int tap_error(int e, const char *name, bool many, struct err *err)
{
	const char *ifname = *name ? name : "tap0", *multi = many ? " multi_queue" : "";
	if (e == EPERM)
		return err_set(
			err, e,
			"tap %s: not permitted. Make one that belongs to you: sudo ip tuntap "
			"add dev %s mode tap user $USER vnet_hdr%s && sudo ip link set %s up; "
			"then use tap:%s",
			ifname, ifname, multi, ifname, ifname);
	if (e == EACCES)
		return err_set(err, e,
			       "tap %s: " TUN
			       " may not be opened; its usual mode lets everybody: sudo "
			       "chmod 666 " TUN,
			       ifname);
	if (e == EBUSY)
		return err_set(err, e, "tap %s is in use by another program", ifname);
	if (e == EINVAL)
		return err_set(
			err, e,
			"tap %s is no tap device with%s several queues; make it anew: sudo ip "
			"tuntap add dev %s mode tap user $USER vnet_hdr%s",
			ifname, many ? "" : "out", ifname, multi);
	return err_set(err, e, "tap %s: %s", ifname, strerror(e));
}

/* One queue of interface @name; its name as the kernel chose it is left in @name. 0 or -Exxx. */
static int tap_queue(char name[IFNAMSIZ], bool many, int *ret)
{
	struct ifreq r = {0};
	AUTO_FD fd = open(TUN, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	memcpy(r.ifr_name, name, IFNAMSIZ);
	r.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (many ? IFF_MULTI_QUEUE : 0));
	if (ioctl(fd, TUNSETIFF, &r) < 0)
		return -errno;
	memcpy(name, r.ifr_name, IFNAMSIZ);
	*ret = fd_steal(&fd);
	return 0;
}

/* Brings the interface up where that is allowed, and learns its MTU (0: not known). */
static unsigned tap_up(const char name[IFNAMSIZ])
{
	struct ifreq r = {0};
	AUTO_FD s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return 0;
	memcpy(r.ifr_name, name, IFNAMSIZ);
	if (ioctl(s, SIOCGIFFLAGS, &r) == 0 && !(r.ifr_flags & IFF_UP)) {
		r.ifr_flags |= IFF_UP;
		(void)ioctl(s, SIOCSIFFLAGS, &r); /* refused to a user: then its owner does it */
	}
	return ioctl(s, SIOCGIFMTU, &r) == 0 && r.ifr_mtu > 0 ? (unsigned)r.ifr_mtu : 0;
}

static int open_tap(const struct config_device *dev, const char *ifname, struct hostio *ret,
		    struct err *err)
{
	uint64_t pairs = net_number(dev, "queues", 1);
	bool many = pairs > 1;
	char name[IFNAMSIZ] = {0}, text[24];
	if (ifname)
		memcpy(name, ifname, strlen(ifname)); /* net_parse() has seen its length */
	ret->wire = "tap";
	for (uint64_t i = 0; i < pairs; i++) {
		int rc = tap_queue(name, many, &ret->fds[i]);
		if (rc == -EINVAL && !many) { /* made for several queues: one of them will do */
			rc = tap_queue(name, true, &ret->fds[i]);
		}
		if (rc == -ENOENT || rc == -ENODEV)
			return err_set(err, -rc,
				       TUN ": %s; the kernel has no tap devices (modprobe tun)",
				       strerror(-rc));
		if (rc < 0)
			return tap_error(-rc, name, many, err);
		ret->nfds++;
	}
	unsigned mtu = tap_up(name);
	if (mtu && mtu != 1500 && !net_number(dev, "mtu", 0)) {
		snprintf(text, sizeof(text), "%u", mtu);
		fill_option(dev, "mtu", text);
	}
	return 0;
}

/* ---- a socket to another VM ---------------------------------------------------------------------- */

static int socket_listen(int fd, const struct sockaddr_un *sa, struct err *err)
{
	struct stat st;
	if (lstat(sa->sun_path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode))
			return err_set(
				err, EEXIST,
				"%s exists and is no socket; it is left alone, choose another "
				"path",
				sa->sun_path);
		unlink(sa->sun_path); /* nobody listens: its owner is dead */
	}
	mode_t old = umask(077);
	int rc = bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 || listen(fd, BACKLOG) < 0
			 ? -errno
			 : 0;
	umask(old);
	if (rc < 0 && rc != -EADDRINUSE)
		return err_set(err, -rc, "cannot listen on %s: %s", sa->sun_path, strerror(-rc));
	return rc;
}

/* A few more connections, as far as the peer's queue takes them. */
static void add_spares(const struct sockaddr_un *sa, struct hostio *ret)
{
	for (int i = 0; i < SPARES; i++) {
		AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0 || connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0)
			return;
		ret->fds[ret->nfds++] = fd_steal(&fd);
	}
}

static int open_socket(const struct config *c, const char *path, struct hostio *ret,
		       struct err *err)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	AUTO_FREE char *full = config_path(c->dir, path);
	if (strlen(full) >= sizeof(sa.sun_path))
		return err_set(err, ENAMETOOLONG,
			       "socket path %s has %zu bytes; at most %zu are possible", full,
			       strlen(full), sizeof(sa.sun_path) - 1);
	memcpy(sa.sun_path, full, strlen(full));
	for (int i = 0; i < SOCKET_TRIES; i++) {
		AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			return err_set(err, errno, "cannot make a socket: %s", strerror(errno));
		int rc = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
		if (rc == -ENOENT || rc == -ECONNREFUSED) {
			rc = socket_listen(fd, &sa, err);
			if (rc == -EADDRINUSE)
				continue;
			if (rc == 0)
				ret->remove = xstrdup(full);
		} else if (rc < 0) {
			err_set(err, -rc, "cannot connect to %s: %s", full, strerror(-rc));
		}
		if (rc < 0)
			return rc;
		ret->wire = "stream";
		ret->fds[ret->nfds++] = fd_steal(&fd);
		if (!ret->remove)
			add_spares(&sa, ret);
		return 0;
	}
	return err_set(err, EADDRINUSE, "socket %s is fought over by another program", full);
}

int hostio_open_net(const struct config *c, const struct config_device *dev, const char *value,
		    struct hostio *ret, struct err *err)
{
	enum net_kind kind;
	const char *rest;
	char mac[18];
	*ret = (struct hostio){.wire = "none"};
	int rc = net_parse(value, &kind, &rest, err);
	if (rc == 0)
		rc = net_options_check(dev, kind, err);
	if (rc < 0)
		return rc;
	if (!config_value(dev, "mac")) {
		net_mac_make(c->name, dev->name, mac);
		fill_option(dev, "mac", mac);
	}
	if (kind == NET_TAP)
		rc = open_tap(dev, rest, ret, err);
	else if (kind == NET_SOCKET)
		rc = open_socket(c, rest, ret, err);
	else if (kind == NET_USER)
		rc = passt_open(c, dev, ret, err);
	if (rc < 0)
		hostio_close(ret);
	return rc;
}
