/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/observe.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/device.h"
#include "proto/dock.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define DOCK_WITHIN_NS 5000000000u /* a token that nobody came with makes room for another */

static void wishes_update(struct device *d)
{
	uint32_t want = 0;
	for (unsigned i = 0; i < TRACE_READERS; i++)
		if (d->observers[i].asked_ns && d->observers[i].fd >= 0)
			want |= d->observers[i].want;
	if (want != atomic_load(&d->slot->trace.wanted))
		slot_trace_want(d->slot, want);
}

static void observer_free(struct observer *o)
{
	if (!o->asked_ns)
		return;
	watch_stop(&o->watch);
	fd_close(&o->fd);
	o->asked_ns = 0;
	o->token[0] = 0;
}

/* It never has anything to say. */
static void observer_ready(void *arg)
{
	struct observer *o = arg;
	char byte;
	ssize_t n = recv(o->fd, &byte, 1, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	log_info("device=%s a reader of its trace left", o->d->cfg->name);
	observer_free(o);
	wishes_update(o->d);
}

int observe_ask(struct device *d, uint32_t want, char token[LIMIT_TOKEN + 1], struct err *err)
{
	uint64_t now = clock_now_ns();
	struct observer *o = NULL;
	if (!(want & TRACE_WANT_RECORDS) || want > (TRACE_WANT_RECORDS | TRACE_WANT_BYTES))
		return err_set(err, EINVAL, "%s: wishes 0x%x for a trace; there are 1 and 3",
			       d->cfg->name, want);
	for (unsigned i = 0; i < TRACE_READERS && !o; i++) {
		struct observer *k = &d->observers[i];
		if (k->asked_ns && k->fd < 0 && now - k->asked_ns > DOCK_WITHIN_NS)
			observer_free(k);
		if (!k->asked_ns)
			o = k;
	}
	if (!o)
		return err_set(err, EBUSY, "%s is watched by %u readers; more are not possible",
			       d->cfg->name, TRACE_READERS);
	*o = (struct observer){.d = d, .asked_ns = now, .fd = -1, .want = want};
	dock_token_make(o->token);
	memcpy(token, o->token, sizeof(o->token));
	return 0;
}

static struct observer *observer_find(struct vm *vm, const char token[LIMIT_TOKEN + 1])
{
	struct observer *found = NULL;
	for (unsigned i = 0; i < vm->n_devices; i++)
		for (unsigned k = 0; k < TRACE_READERS; k++)
			if (dock_token_is(vm->devices[i].observers[k].token, token))
				found = &vm->devices[i].observers[k];
	return found;
}

bool observe_docked(struct vm *vm, const char token[LIMIT_TOKEN + 1], int *conn)
{
	struct observer *o = observer_find(vm, token);
	if (!o)
		return false;
	struct device *d = o->d;
	struct dock_reply r = {.magic = DOCK_MAGIC,
			       .version = DOCK_VERSION,
			       .epoch = slot_epoch(d->slot),
			       .nfds = 1};
	snprintf(r.device, sizeof(r.device), "%s", d->cfg->name);
	o->token[0] = 0; /* good for once */
	o->fd = fd_steal(conn);
	/* First the wish: from the moment that it has the area, its records are there. */
	wishes_update(d);
	o->watch = watch_start(&vm->loop, o->fd, observer_ready, o);
	if (!o->watch || dock_send_reply(o->fd, &r, &d->slot->trace.fd, 1)) {
		observer_free(o);
		wishes_update(d);
		return true;
	}
	log_info("device=%s a reader of its trace docked, wishes 0x%x", d->cfg->name, o->want);
	return true;
}

void observe_review(struct vm *vm)
{
	for (unsigned i = 0; i < vm->n_devices; i++)
		slot_trace_clock(vm->devices[i].slot);
}

void observe_end(struct device *d)
{
	for (unsigned i = 0; i < TRACE_READERS; i++)
		observer_free(&d->observers[i]);
}
