/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Daemons that a person starts (`outrigger attach`): under a debugger, in valgrind, from an IDE. The way into the device is
 * that of a swap, but that the process is not our child. Its end is seen by its pidfd, and answered by on_failure with the
 * program that served before it. Also here: marking a device as debugged, and pause and resume of one device, which hv does.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/fd.h"
#include "launcher/sup.h"
#include "proto/dock.h"

enum { WAIT_MS_DEFAULT = 60000, WAIT_MS_MAX = 3600000 };

/** struct sup_hand - it serves a device. Heap: libuv ends a handle only some time after it was told to. */
struct sup_hand {
	uv_poll_t poll;
	struct sup_device *dev;
	int pid_fd;
};

/* ---- the process ---- */

static void hand_closed(uv_handle_t *h)
{
	struct sup_hand *hand = h->data;
	fd_close(&hand->pid_fd);
	free(hand);
}

void sup_hand_drop(struct sup_device *dev)
{
	if (dev->hand)
		uv_close((uv_handle_t *)&dev->hand->poll, hand_closed);
	dev->hand = NULL;
}

bool sup_hand_kill(struct sup_device *dev)
{
	if (!dev->hand)
		return false;
	syscall(SYS_pidfd_send_signal, dev->hand->pid_fd, SIGKILL, NULL, 0);
	return true;
}

static void hand_ended(uv_poll_t *p, int status, int events)
{
	struct sup_hand *hand = p->data;
	struct sup_device *dev = hand->dev;
	(void)status;
	(void)events;
	sup_tell(dev->sup, "%s (pid %d, started by hand) ended", dev->cfg->name, dev->proc.pid);
	sup_hand_drop(dev);
	if (dev->swap_id) /* it is hv that knows who serves */
		return;
	/* The first one after it is at once, and does not count. */
	dev->restart_asked |= strcmp(dev->cfg->on_failure, "restart") == 0;
	sup_restart(dev->sup, dev);
}

void sup_attach_event(struct sup_device *dev, pid_t pid)
{
	struct sup_attach *a = &dev->attach;
	bool takes = a->swaps ? a->stage == ATTACH_DONE : a->stage == ATTACH_WAITS;
	if (!takes || dev->hand || dev->proc.alive || pid <= 0)
		return;
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct sup_hand *hand = fd < 0 ? NULL : calloc(1, sizeof(*hand));
	dev->proc.pid = pid;
	dev->proc.judged = true;
	if (!hand) { /* gone already */
		fd_close(&fd);
		sup_restart(dev->sup, dev);
		return;
	}
	hand->dev = dev;
	hand->pid_fd = fd;
	hand->poll.data = hand;
	uv_poll_init(&dev->sup->loop, &hand->poll, fd);
	uv_poll_start(&hand->poll, UV_READABLE, hand_ended);
	dev->hand = hand;
	if (!a->swaps)
		sup_attach_over(dev, NULL);
	a->swaps = false;
	sup_tell(dev->sup, "%s (%s) is served by pid %d, which was started by hand", dev->cfg->name,
		 dev->cfg->model->name, pid);
}

/* ---- attach ---- */

void sup_attach_over(struct sup_device *dev, const char *why)
{
	struct sup_attach *a = &dev->attach;
	uv_timer_stop(&dev->attach_timer);
	a->stage = why ? ATTACH_FAILED : ATTACH_DONE;
	a->swaps &= !why;
	snprintf(a->why, sizeof(a->why), "%s", why ? why : "");
}

/* The client's answer: the token, the dock's path and the program that serves, or served last. */
void sup_attach_ready(struct sup *s, struct sup_device *dev)
{
	AUTO_FREE char *dock = runtime_path(&s->rt, "dock");
	AUTO_FREE char *text = xasprintf("%s\n%s\n%s", dev->attach.token, dock, dev->proc.program);
	dev->attach.stage = ATTACH_WAITS;
	sup_cli_text(s, text);
	if (s->cli_pending)
		sup_cli_next(s);
}

static void attach_late(uv_timer_t *t)
{
	struct sup_device *dev = t->data;
	sup_hv_device(dev->sup, OUTRIGGER__HV_REQUEST__KIND_EXPECT, dev->cfg->name, "", "");
	sup_attach_over(dev, "no daemon came in time");
}

bool sup_attach_answer(struct sup *s, const Outrigger__HvReply *reply)
{
	for (size_t i = 0; i < s->ndevices; i++) {
		struct sup_device *dev = &s->devices[i];
		if (!dev->attach.id || dev->attach.id != reply->id)
			continue;
		dev->attach.id = 0;
		if (!reply->status) {
			sup_attach_ready(s, dev);
			return true;
		}
		sup_attach_over(dev, reply->error);
		sup_cli_error(s, reply->error);
		sup_cli_next(s);
		return true;
	}
	return false;
}

static void attach_begin(struct sup *s, struct sup_device *dev, const char *wait)
{
	struct sup_attach *a = &dev->attach;
	struct err err = {0};
	unsigned long ms = wait ? strtoul(wait, NULL, 10) : WAIT_MS_DEFAULT;
	ms = ms < 1 ? 1 : ms < WAIT_MS_MAX ? ms : WAIT_MS_MAX;
	if (s->phase != SUP_RUNNING || dev->swap_id || dev->expect_id || a->stage == ATTACH_ASKED ||
	    a->stage == ATTACH_WAITS) {
		sup_cli_error(s, s->phase != SUP_RUNNING ? "the VM does not run"
				 : dev->expect_id	 ? "the device is just being restarted"
						  : "another swap of the device is under way");
		return;
	}
	*a = (struct sup_attach){.stage = ATTACH_ASKED, .swaps = dev->proc.alive || dev->hand};
	dock_token_make(a->token);
	uint64_t id;
	if (a->swaps) {
		id = sup_swap_attach(s, dev, (unsigned)ms, &err);
	} else {
		uv_timer_stop(&dev->restart_timer);
		id = a->id = sup_hv_device(s, OUTRIGGER__HV_REQUEST__KIND_EXPECT, dev->cfg->name,
					   "by hand", a->token);
		uv_timer_start(&dev->attach_timer, attach_late, ms, 0);
	}
	if (!id)
		sup_attach_over(dev, "hv takes no requests now");
	sup_cli_wait(s, id);
}

/* How the last attach went: "waits", "done PID", or an error. */
static void attach_state(struct sup *s, const struct sup_device *dev)
{
	const struct sup_attach *a = &dev->attach;
	AUTO_FREE char *done = xasprintf("done %d", dev->proc.pid);
	if (a->stage == ATTACH_FAILED || a->stage == ATTACH_NONE)
		sup_cli_error(s, a->stage == ATTACH_NONE ? "nothing is attached" : a->why);
	else
		sup_cli_text(s, a->stage == ATTACH_DONE && dev->hand ? done : "waits");
}

static void attach_cancel(struct sup *s, struct sup_device *dev)
{
	struct sup_attach *a = &dev->attach;
	if (a->stage == ATTACH_WAITS && a->swaps) {
		sup_hv_swap_cancel(s, dev->cfg->name, "cancelled"); /* its answer ends it */
	} else if (a->stage == ATTACH_WAITS) {
		attach_late(&dev->attach_timer);
		sup_attach_over(dev, "cancelled");
		if (!dev->proc.alive && strcmp(dev->cfg->on_failure, "restart") == 0)
			sup_restart(s, dev);
	}
	sup_cli_text(s, "");
}

/* ---- the verbs ---- */

static void device_ask(struct sup *s, struct sup_device *dev, Outrigger__HvRequest__KindCase which,
		       const char *value)
{
	if (dev)
		sup_cli_wait(s, sup_hv_device(s, which, dev->cfg->name, "", value));
}

bool sup_attach_verb(struct sup *s, const Outrigger__CliRequest *q)
{
	static const char *const mine[] = {"attach", "attach-state", "attach-cancel", "debug",
					   "program"};
	const char *device = q->n_args ? q->args[0] : NULL,
		   *arg = q->n_args > 1 ? q->args[1] : NULL;
	bool pause = strcmp(q->verb, "pause") == 0, resume = strcmp(q->verb, "resume") == 0;
	bool known = (pause || resume) && device;
	for (size_t i = 0; i < sizeof(mine) / sizeof(mine[0]); i++)
		known |= strcmp(q->verb, mine[i]) == 0;
	if (!known)
		return false;
	struct sup_device *dev = sup_cli_device(s, device);
	if (!dev)
		return true;
	AUTO_FREE char *program = xasprintf("%d %s", dev->proc.pid, dev->proc.program);
	if (pause)
		device_ask(s, dev, OUTRIGGER__HV_REQUEST__KIND_PAUSE_DEVICE, "");
	else if (resume)
		device_ask(s, dev, OUTRIGGER__HV_REQUEST__KIND_RESUME_DEVICE, "");
	else if (strcmp(q->verb, "debug") == 0)
		device_ask(s, dev, OUTRIGGER__HV_REQUEST__KIND_DEBUG, arg ? arg : "");
	else if (strcmp(q->verb, "attach") == 0)
		attach_begin(s, dev, arg);
	else if (strcmp(q->verb, "attach-state") == 0)
		attach_state(s, dev);
	else if (strcmp(q->verb, "attach-cancel") == 0)
		attach_cancel(s, dev);
	else
		sup_cli_text(s, program);
	return true;
}
