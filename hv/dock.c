/* SPDX-License-Identifier: Apache-2.0 */
/* The VM's dock: who connects, says a token and is the one that the token was made for gets a
 * device's descriptors. */
#include "hv/device.h"
#include "hv/swap.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/observe.h"
#include "hv/report.h"
#include "proto/dock.h"
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

/* Connections that have not said their token yet; the oldest goes when one more comes. */
#define DOCK_PENDING 16u

struct dock_conn {
	struct vm *vm;
	struct watch *watch;
	int fd; /* -1: free */
	uint64_t age;
};

static void conn_close(struct dock_conn *c)
{
	watch_stop(&c->watch);
	fd_close(&c->fd);
}

/* *@ret_standby: it is the token of a daemon that comes up while another one serves. */
static struct device *token_find(struct vm *vm, const char token[LIMIT_TOKEN + 1],
				 bool *ret_standby)
{
	struct device *found = NULL;
	for (unsigned i = 0; i < vm->n_devices; i++) {
		struct device *d = &vm->devices[i];
		bool standby = d->swap && dock_token_is(swap_token(d->swap), token);
		if (standby || dock_token_is(d->token, token)) {
			found = d;
			*ret_standby = standby;
		}
	}
	return found;
}

static void refuse(int fd, int status, const char *why)
{
	struct dock_reply r = {.magic = DOCK_MAGIC, .version = DOCK_VERSION, .status = status};
	snprintf(r.reason, sizeof(r.reason), "%s", why);
	dock_send_reply(fd, &r, NULL, 0);
	log_warn_limited("dock: refused: %s", why);
}

static void conn_ready(void *arg)
{
	struct dock_conn *c = arg;
	struct dock_request req;
	struct err err = {0};
	pid_t pid = 0;
	int rc = dock_recv_request(c->fd, &req, &pid, &err);
	if (rc == -EAGAIN)
		return;
	int fd = fd_steal(&c->fd);
	watch_stop(&c->watch);
	if (rc) {
		if (rc != -ECONNRESET)
			refuse(fd, -rc, err.msg);
		fd_close(&fd);
		return;
	}
	if (observe_docked(c->vm, req.token, &fd))
		return;
	bool standby = false;
	struct device *d = token_find(c->vm, req.token, &standby);
	if (!d) { /* the launcher may have told us of it a moment ago */
		report_poll(c->vm);
		d = token_find(c->vm, req.token, &standby);
	}
	if (!d) {
		char why[64];
		snprintf(why, sizeof(why), "pid %d has no valid token", pid);
		refuse(fd, EACCES, why);
	} else {
		rc = standby ? swap_docked(d->swap, &fd, pid, &err)
			     : device_docked(d, &fd, pid, &err);
		if (rc)
			refuse(fd, -rc, err.msg);
	}
	fd_close(&fd);
}

static void dock_ready(void *arg)
{
	struct vm *vm = arg;
	static uint64_t age;
	int fd = accept4(vm->dock_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	struct dock_conn *c = &vm->dock_conns[0];
	for (unsigned i = 0; i < DOCK_PENDING && c->fd >= 0; i++) {
		struct dock_conn *k = &vm->dock_conns[i];
		if (k->fd < 0 || k->age < c->age)
			c = k;
	}
	conn_close(c);
	c->fd = fd;
	c->age = ++age;
	c->watch = watch_start(&vm->loop, fd, conn_ready, c);
	if (!c->watch)
		fd_close(&c->fd);
}

int dock_open(struct vm *vm, struct err *err)
{
	char path[160];
	snprintf(path, sizeof(path), "%s/dock", vm->cfg->runtime_dir);
	vm->dock_conns = calloc(DOCK_PENDING, sizeof(vm->dock_conns[0]));
	if (!vm->dock_conns)
		return err_set(err, ENOMEM, "out of memory");
	for (unsigned i = 0; i < DOCK_PENDING; i++) {
		vm->dock_conns[i].vm = vm;
		vm->dock_conns[i].fd = -1;
	}
	vm->dock_fd = dock_listen(path, err);
	if (vm->dock_fd < 0)
		return vm->dock_fd;
	vm->dock_watch = watch_start(&vm->loop, vm->dock_fd, dock_ready, vm);
	return vm->dock_watch ? 0 : err_set(err, ENOMEM, "cannot watch the dock");
}

void dock_close(struct vm *vm)
{
	for (unsigned i = 0; vm->dock_conns && i < DOCK_PENDING; i++)
		conn_close(&vm->dock_conns[i]);
	free(vm->dock_conns);
	vm->dock_conns = NULL;
	watch_stop(&vm->dock_watch);
	fd_close(&vm->dock_fd);
}
