/* SPDX-License-Identifier: Apache-2.0 */
/*
 * on_failure: restart. A daemon that dies while the VM runs is followed by another one, which goes on from the committed
 * state, when restart.c says so; after the last of a row the policy of `then` takes over.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "launcher/spawn.h"
#include "launcher/sup.h"
#include "proto/dock.h"

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
	dev->restarts.started_ns = clock_now_ns();
	dev->expect_id = sup_hv_expect(s, dev->cfg->name, dev->restart_token);
	if (!dev->expect_id)
		cannot(dev, "hv takes no requests");
}

uint64_t sup_revive(struct sup *s, struct sup_device *dev)
{
	if (s->phase != SUP_RUNNING || !s->hv.alive || dev->proc.alive || dev->expect_id)
		return 0;
	uv_timer_stop(&dev->restart_timer);
	dock_token_make(dev->restart_token);
	dev->restarts.started_ns = clock_now_ns();
	dev->expect_id = sup_hv_device(s, OUTRIGGER__HV_REQUEST__KIND_EXPECT, dev->cfg->name,
				       "quiesced", dev->restart_token);
	return dev->expect_id;
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
	if (reply->status || sup_spawn_daemon(s, dev, dev->restart_token, &err) < 0) {
		sup_swap_lost(s, dev);
		cannot(dev, reply->status ? reply->error : err.msg);
	}
	sup_save(s);
	return true;
}

void sup_restart(struct sup *s, struct sup_device *dev)
{
	char how[64];
	uint64_t delay_ns;
	bool asked = dev->restart_asked;
	dev->restart_asked = false;
	if (s->phase != SUP_RUNNING || !s->hv.alive)
		return;
	if (asked) {
		dev->proc.judged = true;
		dev->restarts.count = 0;
		uv_timer_stop(&dev->restart_timer);
		respawn(&dev->restart_timer);
		return;
	}
	if (strcmp(dev->cfg->on_failure, "restart") != 0)
		return;
	if (!restart_next(&dev->restarts, &dev->cfg->restart, clock_now_ns(), &delay_ns)) {
		char why[160];
		snprintf(why, sizeof(why), "its daemon died %u times in a row, at last with %s",
			 dev->restarts.count + 1, sup_how(&dev->proc, how));
		sup_hv_give_up(s, dev->cfg->name, why);
		return;
	}
	dev->proc.judged = true; /* here */
	sup_tell(s, "%s (%s, pid %d) ended with %s: it is started again%s; its log: %s",
		 dev->cfg->name, dev->cfg->model->name, dev->proc.pid, sup_how(&dev->proc, how),
		 delay_ns ? " in a moment" : "", dev->proc.log_path);
	uv_timer_stop(&dev->restart_timer);
	if (delay_ns == 0)
		respawn(&dev->restart_timer);
	else
		uv_timer_start(&dev->restart_timer, respawn, (delay_ns + 999999) / 1000000, 0);
}
