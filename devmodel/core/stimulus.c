/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes a model run beside requests: doorbells, left-over work, timers, bytes from the host, the host's answers. Each tells
 * the recorder, if it is on.
 */
#include "devmodel/core/record.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void told(struct dm *dm, unsigned op, unsigned range, uint32_t offset, uint64_t value,
		 const void *payload, size_t len)
{
	struct port_entry e = {
		.op = (uint8_t)op, .range = (uint8_t)range, .offset = offset, .value = value};
	record_stimulus(dm, &e, payload, len);
}

/* ---- doorbells, work, controls ------------------------------------------------------------------------- */

void dm_doorbell(struct dm *dm, unsigned index)
{
	if (dm->cls->doorbell && index < DM_MAX_DOORBELLS)
		dm->cls->doorbell(dm, dm->state, index);
	if (dm->rec_on)
		told(dm, PORT_OP_DOORBELL, 0, 0, index, NULL, 0);
}

bool dm_work(struct dm *dm)
{
	bool did = dm->cls->work && dm->cls->work(dm, dm->state);
	if (dm->rec_on && (did || record_asked(dm)))
		told(dm, TRACE_WORK, 0, 0, did, NULL, 0);
	return did;
}

void dm_resume(struct dm *dm)
{
	if (dm->cls->resume)
		dm->cls->resume(dm, dm->state);
	if (dm->rec_on)
		record_call(dm, TRACE_CALL_RESUME, 0, 0, 0);
}

int dm_control_set(struct dm *dm, const char *name, const char *value, struct err *err)
{
	char why[160] = "it was refused";
	const struct dm_control *c = dm->cls->controls;
	while (c && c->name && strcmp(c->name, name) != 0)
		c++;
	if (!c || !c->name)
		return err_set(err, ENOENT, "model %s has no control '%s'", dm->cls->name, name);
	int rc = dm->cls->control(dm, dm->state, name, value, why, sizeof(why));
	if (dm->rec_on) {
		char text[LIMIT_NAME + LIMIT_OPTION_BYTES + 2];
		int n = snprintf(text, sizeof(text), "%s=%s", name, value);
		told(dm, TRACE_CONTROL, 0, 0, (uint64_t)-rc, text,
		     n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1);
	}
	return rc ? err_set(err, -rc, "%s cannot become '%s': %s", name, value, why) : 0;
}

/* ---- bytes ------------------------------------------------------------------------------------------- */

size_t dm_input_room(struct dm *dm, unsigned channel)
{
	if (!dm->cls->host_room || !dm->cls->host_in)
		return 0;
	return dm->cls->host_room(dm, dm->state, channel);
}

void dm_input(struct dm *dm, unsigned channel, const uint8_t *buf, size_t len)
{
	if (len)
		dm->cls->host_in(dm, dm->state, channel, buf, len);
	if (len && dm->rec_on)
		told(dm, TRACE_HOST_IN, channel, 0, 0, buf, len);
}

void dm_output_consume(struct dm *dm, unsigned channel, size_t n)
{
	struct dm_channel *ch = &dm->hdr->ch[channel];
	ch->head += (uint32_t)n;
	if (ch->busy && ch->tail - ch->head <= DM_OUT_RESUME) {
		ch->busy = 0;
		if (dm->cls->host_done)
			dm->cls->host_done(dm, dm->state, channel);
	}
	if (dm->rec_on)
		told(dm, TRACE_HOST_TAKEN, channel, 0, n, NULL, 0);
}

bool dm_peer_set(struct dm *dm, unsigned channel, bool here)
{
	struct dm_channel *ch = &dm->hdr->ch[channel];
	if (ch->away == !here)
		return false;
	ch->away = !here;
	if (dm->cls->host_peer)
		dm->cls->host_peer(dm, dm->state, channel);
	if (dm->rec_on)
		told(dm, TRACE_HOST_PEER, channel, 0, here, NULL, 0);
	return true;
}

/* ---- timers and the host -------------------------------------------------------------------------------- */

bool dm_timers_run(struct dm *dm, uint64_t now_ns)
{
	uint32_t due = 0;
	for (unsigned i = 0; i < dm->cls->timers; i++) {
		uint64_t t = dm->hdr->timer_ns[i];
		if (!t || t - 1 > now_ns)
			continue;
		dm->hdr->timer_ns[i] = 0;
		dm->cls->timer(dm, dm->state, i);
		due |= 1u << i;
	}
	if (due && dm->rec_on)
		told(dm, TRACE_TIMER, 0, due, now_ns, NULL, 0);
	return due != 0;
}

void dm_disk_done(struct dm *dm, unsigned disk, uint32_t tag, int result)
{
	dm->cls->disk_done(dm, dm->state, disk, tag, result);
	if (dm->rec_on)
		record_call(dm, TRACE_CALL_DISK_DONE, disk, tag, result);
}

void dm_disk_changed(struct dm *dm, unsigned disk)
{
	if (dm->cls->disk_changed)
		dm->cls->disk_changed(dm, dm->state, disk);
	if (dm->rec_on)
		record_call(dm, TRACE_CALL_DISK_CHANGED, disk, 0, 0);
}

void dm_link_ready(struct dm *dm, unsigned link)
{
	dm->cls->link_ready(dm, dm->state, link);
	if (dm->rec_on)
		record_call(dm, TRACE_CALL_LINK_READY, link, 0, 0);
}
