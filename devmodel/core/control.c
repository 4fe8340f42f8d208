/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests that hv may make of a serving daemon: quiesce, resume, save, load, inspect, hand_over, bye.
 */
#include "devmodel/core/daemon.h"
#include "devmodel/core/record.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void reply(struct daemon *d, uint64_t id, Outrigger__FromDaemon *m)
{
	m->id = id;
	int rc = ctl_send(d->ctl, &m->base, 1000);
	if (rc)
		log_warn("cannot answer control request %llu: %s", (unsigned long long)id,
			 strerror(-rc));
}

static void reply_ok(struct daemon *d, uint64_t id)
{
	Outrigger__FromDaemon m = OUTRIGGER__FROM_DAEMON__INIT;
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_OK;
	m.ok = true;
	reply(d, id, &m);
}

static void reply_error(struct daemon *d, uint64_t id, const char *text)
{
	Outrigger__FromDaemon m = OUTRIGGER__FROM_DAEMON__INIT;
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_ERROR;
	m.error = (char *)(uintptr_t)text;
	reply(d, id, &m);
}

/* Takes @buf. */
static void reply_blob(struct daemon *d, uint64_t id, void *buf, size_t len)
{
	Outrigger__FromDaemon m = OUTRIGGER__FROM_DAEMON__INIT;
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_BLOB;
	m.blob.data = buf;
	m.blob.len = len;
	reply(d, id, &m);
	free(buf);
}

static void do_save(struct daemon *d, uint64_t id)
{
	uint8_t *buf;
	size_t len;
	int rc = dm_save(d->dm, &buf, &len);
	if (rc)
		reply_error(d, id, strerror(-rc));
	else
		reply_blob(d, id, buf, len);
}

bool control_hand_over(struct daemon *d)
{
	Outrigger__FromDaemon m = OUTRIGGER__FROM_DAEMON__INIT;
	uint8_t *buf;
	size_t len;
	uint64_t id = d->hand_over;
	const struct dm_host *h = d->cls->host;
	if (d->host && h->busy && h->busy(d->host))
		return false;
	if (d->host && h->settled && !h->settled(d->host))
		return false;
	d->hand_over = 0;
	step_at("save");
	int rc = dm_save(d->dm, &buf, &len);
	if (rc) {
		reply_error(d, id, strerror(-rc));
		return true;
	}
	d->handed_over = true;
	step_at("hand");
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_HANDED_OVER;
	m.handed_over.data = buf;
	m.handed_over.len = len;
	reply(d, id, &m);
	step_at("handed");
	free(buf);
	return true;
}

/* After quiesce, or a hand-over that came to nothing. */
static void do_resume(struct daemon *d, uint64_t id)
{
	if (d->handed_over) /* somebody else may have written to the trace */
		record_restart(d->dm, "resumed");
	d->quiesced = d->handed_over = false;
	d->hand_over = 0;
	reply_ok(d, id);
}

/* A failed load leaves the state as it was: it ran on the working copy. */
static void do_load(struct daemon *d, uint64_t id, const ProtobufCBinaryData *blob)
{
	struct err err;
	record_restart(d->dm, "loaded");
	if (dm_load(d->dm, blob->data, blob->len, &err)) {
		arena_discard(&d->srv.arena);
		reply_error(d, id, err.msg);
		return;
	}
	server_commit(&d->srv);
	arena_discard(&d->srv.arena); /* the queues' bytes may have moved as well */
	server_republish(&d->srv);
	reply_ok(d, id);
}

static void do_inspect(struct daemon *d, uint64_t id)
{
	char *text = dm_inspect(d->dm, d->device);
	if (text)
		reply_blob(d, id, text, strlen(text));
	else
		reply_error(d, id, "out of memory");
}

static void do_control(struct daemon *d, uint64_t id, const Outrigger__ControlSet *c)
{
	struct err err = {{0}};
	int rc = dm_control_set(d->dm, c->name, c->value, &err);
	if (rc == -ENOENT) {
		/* No model has seen this come: a replay goes on from what it makes of the state. */
		record_restart(d->dm, "a register was set");
		rc = dm_reg_set(d->dm, c->name, c->value, &err);
	}
	server_commit(&d->srv); /* what was refused has changed nothing */
	if (rc)
		reply_error(d, id, err.msg);
	else
		reply_ok(d, id);
}

static void do_bye(struct daemon *d, uint64_t id)
{
	Outrigger__FromDaemon m = OUTRIGGER__FROM_DAEMON__INIT;
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_BYE;
	m.bye = (char *)(uintptr_t) "asked to end";
	reply(d, id, &m);
	link_linger(d);
	d->done = true;
}

static void handle(struct daemon *d, const Outrigger__ToDaemon *m)
{
	switch (m->kind_case) {
	case OUTRIGGER__TO_DAEMON__KIND_QUIESCE:
		if (!d->handed_over)
			loop_drain(d);
		d->quiesced = true;
		reply_ok(d, m->id);
		break;
	case OUTRIGGER__TO_DAEMON__KIND_RESUME:
		do_resume(d, m->id);
		break;
	case OUTRIGGER__TO_DAEMON__KIND_HAND_OVER: /* in the loop, which may be asleep in the port now */
		d->hand_over = m->id;
		break;
	case OUTRIGGER__TO_DAEMON__KIND_CONFIGURE: /* a new clock offset, after a pause */
		d->clock_offset_ns = m->configure->guest_clock_offset_ns;
		d->timer_armed_ns = UINT64_MAX;
		reply_ok(d, m->id);
		break;
	case OUTRIGGER__TO_DAEMON__KIND_SAVE:
		do_save(d, m->id);
		break;
	case OUTRIGGER__TO_DAEMON__KIND_LOAD:
		do_load(d, m->id, &m->load);
		break;
	case OUTRIGGER__TO_DAEMON__KIND_INSPECT:
		do_inspect(d, m->id);
		break;
	case OUTRIGGER__TO_DAEMON__KIND_CONTROL:
		do_control(d, m->id, m->control);
		break;
	case OUTRIGGER__TO_DAEMON__KIND_BYE:
		do_bye(d, m->id);
		break;
	default:
		reply_error(d, m->id, "not a request for a serving daemon");
		break;
	}
}

void control_run(struct daemon *d)
{
	while (!d->done) {
		ProtobufCMessage *raw = NULL;
		int rc = ctl_recv(d->ctl, &outrigger__to_daemon__descriptor, 0, &raw);
		if (rc == -EPROTO) {
			log_warn("control message dropped: malformed or too large");
			continue;
		}
		if (rc)
			return;
		handle(d, (const Outrigger__ToDaemon *)(const void *)raw);
		ctl_free(raw);
	}
}
