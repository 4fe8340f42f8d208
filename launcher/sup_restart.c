/* SPDX-License-Identifier: Apache-2.0 */
/*
 * on_failure: restart. A daemon that dies while the VM runs is followed by another one, which goes on from the committed
 * state. The first restart is immediate. One that dies again soon is given more and more time, and after RESTARTS_MAX in a
 * row the policy of `then` takes over.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "launcher/spawn.h"
#include "launcher/sup.h"
#include "proto/dock.h"

enum {
	RESTARTS_MAX = 5,     /* in a row */
	RESTART_STEP_MS = 50, /* the second one waits this long, the next twice that, ... */
};
#define HEALTHY_NS 10000000000ull /* one that lived this long was well */

static void cannot(struct sup_device *dev, const char *why)
{
	sup_tell(dev->sup, "%s cannot be started again: %s", dev->cfg->name, why);
	sup_hv_give_up(dev->sup, dev->cfg->name, "its daemon cannot be started again");
}

/* hv must know of the token before the daemon says it: the daemon is started when hv has answered. */
static void respawn(uv_timer_t *t)
{
	struct sup_device *dev = t->data;
	struct sup *s = dev->sup;
	if (s->phase != SUP_RUNNING || !s->hv.alive || dev->proc.alive)
		return;
	dock_token_make(dev->restart_token);
	dev->restarted_ns = clock_now_ns();
	dev->expect_id = sup_hv_expect(s, dev->cfg->name, dev->restart_token);
	if (!dev->expect_id)
		cannot(dev, "hv takes no requests");
}

bool sup_restart_answer(struct sup *s, const Outrigger__HvReply *reply)
{
	struct err err = {0};
	struct sup_device *dev = NULL;
	for (size_t i = 0; i < s->ndevices && !dev; i++)
		if (s->devices[i].expect_id && s->devices[i].expect_id == reply->id)
			dev = &s->devices[i];
	if (!dev)
		return false;
	dev->expect_id = 0;
	if (s->phase != SUP_RUNNING || dev->proc.alive)
		return true;
	dev->restarts_total++;
	if (reply->status)
		cannot(dev, reply->error);
	else if (sup_spawn_daemon(s, dev, dev->restart_token, &err) < 0)
		cannot(dev, err.msg);
	return true;
}

void sup_restart(struct sup *s, struct sup_device *dev)
{
	char how[64];
	bool asked = dev->restart_asked;
	dev->restart_asked = false;
	if (s->phase != SUP_RUNNING || !s->hv.alive)
		return;
	if (asked) {
		dev->proc.judged = true;
		dev->restarts = 0;
		uv_timer_stop(&dev->restart_timer);
		respawn(&dev->restart_timer);
		return;
	}
	if (strcmp(dev->cfg->on_failure, "restart") != 0)
		return;
	if (clock_now_ns() - dev->restarted_ns > HEALTHY_NS)
		dev->restarts = 0;
	if (dev->restarts == RESTARTS_MAX) {
		char why[160];
		snprintf(why, sizeof(why), "its daemon died %u times in a row, at last with %s",
			 dev->restarts + 1, spawn_status_text(how, dev->proc.status));
		sup_hv_give_up(s, dev->cfg->name, why);
		return;
	}
	unsigned n = dev->restarts++;
	dev->proc.judged = true; /* here */
	sup_tell(s, "%s (%s, pid %d) ended with %s: it is started again%s; its log: %s",
		 dev->cfg->name, dev->cfg->model->name, dev->proc.pid,
		 spawn_status_text(how, dev->proc.status), n ? " in a moment" : "",
		 dev->proc.log_path);
	uv_timer_stop(&dev->restart_timer);
	if (n == 0)
		respawn(&dev->restart_timer);
	else
		uv_timer_start(&dev->restart_timer, respawn, (uint64_t)RESTART_STEP_MS << (n - 1),
			       0);
}
