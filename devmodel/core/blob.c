/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving and loading a device: the blob that goes from one build of a model to another. Format and rules: docs/state-blobs.md.
 *
 * Layout, little-endian: struct blob_head, then records: struct blob_record and its bytes, padded to 8. Every length is checked
 * against what is there before anything is believed.
 */
#include "devmodel/core/blob.h"
#include "base/bytes.h"
#include "base/fd.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- saving ------------------------------------------------------------------------------------------- */

struct writer {
	uint8_t *buf;
	size_t at, max;
	uint32_t records;
	bool full;
};

/* Room for a record of @width times @count bytes; NULL: none is left. */
static uint8_t *put_record(struct writer *w, const char *prefix, const char *name, uint32_t width,
			   uint32_t count)
{
	size_t len = (size_t)align_up((size_t)width * count, 8);
	if (w->full || w->max - w->at < sizeof(struct blob_record) + len) {
		w->full = true;
		return NULL;
	}
	struct blob_record r = {.width = width, .count = count};
	snprintf(r.name, sizeof(r.name), "%s%s", prefix, name);
	memcpy(w->buf + w->at, &r, sizeof(r));
	uint8_t *data = w->buf + w->at + sizeof(r);
	memset(data, 0, len);
	w->at += sizeof(r) + len;
	w->records++;
	return data;
}

static void put(struct writer *w, const char *prefix, const char *name, const void *from,
		uint32_t width, uint32_t count)
{
	uint8_t *to = put_record(w, prefix, name, width, count);
	if (to)
		memcpy(to, from, (size_t)width * count);
}

static void put_queue(struct writer *w, struct dm *dm, unsigned ch, const char *name)
{
	const struct dm_channel *c = &dm->hdr->ch[ch];
	const uint8_t *q = dm->arena + dm->hot_bytes + (size_t)ch * DM_OUT_BYTES;
	uint32_t n = (uint32_t)dm_output_pending(dm, ch);
	uint8_t *to = put_record(w, OUT_PREFIX, name, 1, n);
	for (uint32_t i = 0; to && i < n; i++)
		to[i] = q[(c->head + i) & (DM_OUT_BYTES - 1)];
}

static void put_state(struct writer *w, struct dm *dm)
{
	const struct dm_class *cls = dm->cls;
	if (cls->fields) {
		for (const struct dm_field *f = cls->fields; f->name; f++)
			put(w, STATE_PREFIX, f->name, (uint8_t *)dm->state + f->offset, f->width,
			    f->count);
		return;
	}
	if (!cls->save) {
		put(w, "", STATE_RAW, dm->state, 1, cls->state_size);
		return;
	}
	/* Its length is known when it is written: the record's room is what is left. */
	size_t left = w->max - w->at;
	size_t n = w->full || left < sizeof(struct blob_record) + 8
			   ? 0
			   : cls->save(dm, dm->state, w->buf + w->at + sizeof(struct blob_record),
				       left - sizeof(struct blob_record) - 8);
	AUTO_FREE uint8_t *copy = n ? malloc(n) : NULL;
	if (!copy) {
		w->full = true;
		return;
	}
	memcpy(copy, w->buf + w->at + sizeof(struct blob_record), n);
	put(w, "", STATE_RAW, copy, 1, (uint32_t)n);
}

/* The environment's own part, with the option names of the channels. */
static void put_env(struct writer *w, struct dm *dm)
{
	struct dm_hdr *h = dm->hdr;
	uint32_t away = 0, busy = 0;
	unsigned ch = 0;
	for (unsigned c = 0; c < dm->channels; c++) {
		away |= (uint32_t) !!h->ch[c].away << c;
		busy |= (uint32_t) !!h->ch[c].busy << c;
	}
	put(w, "", "dm.levels", &h->levels, 4, 1);
	put(w, "", "dm.edges", h->edges, 4, DM_MAX_LINES);
	put(w, "", "dm.lost_out", &h->lost_out, 4, 1);
	put(w, "", "dm.timer_ns", h->timer_ns, 8, DM_MAX_TIMERS);
	put(w, "", "dm.keep", h->keep, 8, DM_KEEP);
	put(w, "", "dm.away", &away, 4, 1);
	put(w, "", "dm.busy", &busy, 4, 1);
	for (unsigned k = 0; k < dm->options; k++)
		if (dm->cls->options[k].type == DM_OPT_CHARDEV)
			put_queue(w, dm, ch++, dm->cls->options[k].name);
}

int dm_save(struct dm *dm, uint8_t **ret, size_t *ret_len)
{
	struct writer w = {.max = DM_MAX_CHANNELS * DM_OUT_BYTES + LIMIT_MSG_BYTES / 2,
			   .at = sizeof(struct blob_head)};
	w.buf = malloc(w.max);
	if (!w.buf)
		return -ENOMEM;
	put_env(&w, dm);
	put_state(&w, dm);
	if (w.full) {
		free(w.buf);
		return -E2BIG;
	}
	struct blob_head h = {.magic = BLOB_MAGIC,
			      .version = BLOB_VERSION,
			      .model_version = dm->cls->version,
			      .records = w.records,
			      .bytes = w.at};
	snprintf(h.model, sizeof(h.model), "%s", dm->cls->name);
	memcpy(w.buf, &h, sizeof(h));
	*ret = w.buf;
	*ret_len = w.at;
	return 0;
}

/* ---- loading ------------------------------------------------------------------------------------------ */

/** struct reader - a checked index of the records. */
struct reader {
	const uint8_t *buf;
	struct blob_record rec[BLOB_RECORDS];
	const uint8_t *data[BLOB_RECORDS];
	unsigned n;
	struct err *err;
};

static int check_head(const struct dm *dm, const struct blob_head *h, size_t len, struct err *err)
{
	if (h->magic != BLOB_MAGIC || h->version != BLOB_VERSION)
		return err_set(err, EINVAL, "not a saved device of version %u", BLOB_VERSION);
	if (strncmp(h->model, dm->cls->name, sizeof(h->model)) != 0)
		return err_set(err, EINVAL, "the saved device is a %.31s, this is a %s", h->model,
			       dm->cls->name);
	if (h->bytes != len || h->records > BLOB_RECORDS)
		return err_set(err, EINVAL,
			       "the saved device has %zu bytes, its header says %llu in %u records",
			       len, (unsigned long long)h->bytes, h->records);
	if (h->model_version > dm->cls->version)
		return err_set(err, EINVAL, "state of version %u: this build knows up to %u",
			       h->model_version, dm->cls->version);
	return 0;
}

static int index_records(struct reader *r, const uint8_t *buf, size_t len, uint32_t records)
{
	size_t at = sizeof(struct blob_head);
	for (; r->n < records; r->n++) {
		struct blob_record *q = &r->rec[r->n];
		if (len - at < sizeof(*q))
			return err_set(r->err, EINVAL, "record %u is cut off", r->n);
		memcpy(q, buf + at, sizeof(*q));
		at += sizeof(*q);
		uint64_t n = (uint64_t)q->width * q->count;
		bool width = q->width == 1 || q->width == 2 || q->width == 4 || q->width == 8;
		if (!width || memchr(q->name, 0, sizeof(q->name)) == NULL || n > len - at ||
		    align_up(n, 8) > len - at)
			return err_set(r->err, EINVAL, "record %u (%.31s) makes no sense", r->n,
				       q->name);
		r->data[r->n] = buf + at;
		at += (size_t)align_up(n, 8);
	}
	return at == len ? 0 : err_set(r->err, EINVAL, "%zu bytes after the last record", len - at);
}

/* Index of the record; -1: there is none. */
static int find(const struct reader *r, const char *prefix, const char *name)
{
	size_t len = strlen(prefix);
	for (unsigned i = 0; i < r->n; i++)
		if (strncmp(r->rec[i].name, prefix, len) == 0 &&
		    strcmp(r->rec[i].name + len, name) == 0)
			return (int)i;
	return -1;
}

static uint64_t element(const uint8_t *p, uint32_t width, uint32_t i)
{
	uint64_t v = 0;
	memcpy(&v, p + (size_t)i * width, width);
	return v;
}

/* Fills @count elements of @width bytes by the rules: what the blob lacks stays, what does not fit must be 0. */
static int get(struct reader *r, const char *prefix, const char *name, void *to, uint32_t width,
	       uint32_t count)
{
	int at = find(r, prefix, name);
	if (at < 0)
		return 0;
	const struct blob_record *q = &r->rec[at];
	for (uint32_t i = 0; i < q->count; i++) {
		uint64_t v = element(r->data[at], q->width, i);
		if (v & ~width_mask(width) || (i >= count && v))
			return err_set(r->err, EINVAL,
				       "%s%s[%u] is 0x%llx: this build has %u elements of %u bytes",
				       prefix, name, i, (unsigned long long)v, count, width);
		if (i < count)
			memcpy((uint8_t *)to + (size_t)i * width, &v, width);
	}
	return 0;
}

static int get_queue(struct reader *r, struct dm *dm, unsigned ch, const char *name)
{
	int at = find(r, OUT_PREFIX, name);
	if (at < 0)
		return 0;
	uint32_t n = r->rec[at].count;
	if (r->rec[at].width != 1 || n > DM_OUT_BYTES)
		return err_set(r->err, EINVAL, "%u bytes queued on channel %s: at most %u", n, name,
			       DM_OUT_BYTES);
	memcpy(dm->arena + dm->hot_bytes + (size_t)ch * DM_OUT_BYTES, r->data[at], n);
	dm->hdr->ch[ch].tail = n;
	return 0;
}

static int get_state(struct reader *r, struct dm *dm, uint32_t version)
{
	const struct dm_class *cls = dm->cls;
	int rc = 0;
	for (const struct dm_field *f = cls->fields; f && f->name && !rc; f++)
		rc = get(r, STATE_PREFIX, f->name, (uint8_t *)dm->state + f->offset, f->width,
			 f->count);
	if (cls->fields)
		return rc;
	int at = find(r, "", STATE_RAW);
	if (at < 0 || r->rec[at].width != 1)
		return err_set(r->err, EINVAL, "there is no state in it");
	uint32_t n = r->rec[at].count;
	if (cls->load)
		return cls->load(dm, dm->state, version, r->data[at], n)
			       ? err_set(r->err, EINVAL,
					 "%s %u does not take this state of version %u (%u bytes)",
					 cls->name, cls->version, version, n)
			       : 0;
	if (version != cls->version || n != cls->state_size)
		return err_set(r->err, EINVAL,
			       "state of version %u (%u bytes): this build has %u (%u)", version, n,
			       cls->version, cls->state_size);
	memcpy(dm->state, r->data[at], n);
	return 0;
}

static int get_env(struct reader *r, struct dm *dm)
{
	struct dm_hdr *h = dm->hdr;
	uint32_t away = 0, busy = 0;
	unsigned ch = 0;
	int rc = get(r, "", "dm.levels", &h->levels, 4, 1);
	rc = rc ? rc : get(r, "", "dm.edges", h->edges, 4, DM_MAX_LINES);
	rc = rc ? rc : get(r, "", "dm.lost_out", &h->lost_out, 4, 1);
	rc = rc ? rc : get(r, "", "dm.timer_ns", h->timer_ns, 8, DM_MAX_TIMERS);
	rc = rc ? rc : get(r, "", "dm.keep", h->keep, 8, DM_KEEP);
	rc = rc ? rc : get(r, "", "dm.away", &away, 4, 1);
	rc = rc ? rc : get(r, "", "dm.busy", &busy, 4, 1);
	for (unsigned k = 0; k < dm->options && !rc; k++)
		if (dm->cls->options[k].type == DM_OPT_CHARDEV)
			rc = get_queue(r, dm, ch++, dm->cls->options[k].name);
	for (unsigned c = 0; c < dm->channels; c++) {
		uint32_t n = h->ch[c].tail;
		h->ch[c].away = away >> c & 1;
		/* Only what is beyond the one mark and not below the other can be either. */
		h->ch[c].busy = n >= DM_OUT_SOFT || (n > DM_OUT_RESUME && busy >> c & 1);
	}
	h->levels &= (1u << dm->cls->irqs) - 1;
	for (unsigned i = dm->cls->timers; i < DM_MAX_TIMERS; i++)
		h->timer_ns[i] = 0;
	return rc;
}

int dm_load(struct dm *dm, const uint8_t *buf, size_t len, struct err *err)
{
	struct blob_head h;
	if (len < sizeof(h))
		return err_set(err, EINVAL, "a saved device has at least %zu bytes, this has %zu",
			       sizeof(h), len);
	memcpy(&h, buf, sizeof(h));
	int rc = check_head(dm, &h, len, err);
	AUTO_FREE struct reader *r = rc ? NULL : calloc(1, sizeof(*r));
	if (rc || !r)
		return rc ? rc : err_set(err, ENOMEM, "out of memory");
	r->err = err;
	rc = index_records(r, buf, len, h.records);
	if (rc)
		return rc;
	dm_pristine(dm);
	/* Pending events are in the port, and stay there. */
	dm->hdr->forget = 0;
	memset(dm->hdr->events, 0, sizeof(dm->hdr->events));
	rc = get_state(r, dm, h.model_version);
	/* Its calls may set lines and timers, which are what the blob says. */
	if (!rc && dm->cls->loaded && dm->cls->loaded(dm, dm->state, h.model_version))
		rc = err_set(err, EINVAL, "%s %u does not take this state of version %u",
			     dm->cls->name, dm->cls->version, h.model_version);
	return rc ? rc : get_env(r, dm);
}
