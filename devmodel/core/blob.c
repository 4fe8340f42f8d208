/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving and loading a device: the blob that goes from one build of a model to another.
 *
 * Layout, little-endian: struct blob_head, queued output of each channel, the model's own part. Every length is checked
 * against what is there before anything is believed.
 */
#include "devmodel/core/core.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOB_MAGIC 0x424d444fu /* "ODMB" */
#define BLOB_VERSION 1u

struct blob_head {
	uint32_t magic, version;
	char model[32];
	uint32_t model_version;
	uint32_t model_bytes; /* of the model's part */
	uint32_t raw;	      /* the part is the state itself */
	uint32_t channels;
	uint32_t levels, lost_out;
	uint32_t edges[DM_MAX_LINES];
	uint64_t timer_ns[DM_MAX_TIMERS];
	uint32_t queued[DM_MAX_CHANNELS];
};

static size_t put_queue(struct dm *dm, unsigned ch, uint8_t *to)
{
	const struct dm_channel *c = &dm->hdr->ch[ch];
	const uint8_t *q = dm->arena + dm->hot_bytes + (size_t)ch * DM_OUT_BYTES;
	size_t n = dm_output_pending(dm, ch);
	for (size_t i = 0; i < n; i++)
		to[i] = q[(c->head + i) & (DM_OUT_BYTES - 1)];
	return n;
}

int dm_save(struct dm *dm, uint8_t **ret, size_t *ret_len)
{
	size_t max =
		sizeof(struct blob_head) + DM_MAX_CHANNELS * DM_OUT_BYTES + LIMIT_MSG_BYTES / 2;
	uint8_t *buf = malloc(max);
	if (!buf)
		return -ENOMEM;
	struct blob_head h = {.magic = BLOB_MAGIC,
			      .version = BLOB_VERSION,
			      .model_version = dm->cls->version,
			      .raw = !dm->cls->save,
			      .channels = dm->channels,
			      .levels = dm->hdr->levels,
			      .lost_out = dm->hdr->lost_out};
	snprintf(h.model, sizeof(h.model), "%s", dm->cls->name);
	memcpy(h.edges, dm->hdr->edges, sizeof(h.edges));
	memcpy(h.timer_ns, dm->hdr->timer_ns, sizeof(h.timer_ns));
	size_t at = sizeof(h);
	for (unsigned c = 0; c < dm->channels; c++) {
		h.queued[c] = (uint32_t)put_queue(dm, c, buf + at);
		at += h.queued[c];
	}
	size_t n = dm->cls->state_size;
	if (dm->cls->save)
		n = dm->cls->save(dm, dm->state, buf + at, max - at);
	else if (n <= max - at)
		memcpy(buf + at, dm->state, n);
	if (!n || n > max - at) {
		free(buf);
		return -E2BIG;
	}
	h.model_bytes = (uint32_t)n;
	memcpy(buf, &h, sizeof(h));
	*ret = buf;
	*ret_len = at + n;
	return 0;
}

static int check_head(const struct dm *dm, const struct blob_head *h, size_t len, struct err *err)
{
	if (h->magic != BLOB_MAGIC || h->version != BLOB_VERSION)
		return err_set(err, EINVAL, "not a saved device of version %u", BLOB_VERSION);
	if (strncmp(h->model, dm->cls->name, sizeof(h->model)) != 0)
		return err_set(err, EINVAL, "the saved device is a %.31s, this is a %s", h->model,
			       dm->cls->name);
	if (h->channels != dm->channels)
		return err_set(err, EINVAL, "the saved device has %u channels, this one %u",
			       h->channels, dm->channels);
	uint64_t want = sizeof(*h) + (uint64_t)h->model_bytes;
	for (unsigned c = 0; c < dm->channels; c++) {
		if (h->queued[c] > DM_OUT_BYTES)
			return err_set(err, EINVAL, "%u bytes queued on channel %u: at most %u",
				       h->queued[c], c, DM_OUT_BYTES);
		want += h->queued[c];
	}
	if (want != len)
		return err_set(err, EINVAL, "the saved device has %zu bytes, its header says %llu",
			       len, (unsigned long long)want);
	if (h->raw && (dm->cls->load || h->model_version != dm->cls->version ||
		       h->model_bytes != dm->cls->state_size))
		return err_set(
			err, EINVAL, "state of version %u (%u bytes): this build has %u (%u)",
			h->model_version, h->model_bytes, dm->cls->version, dm->cls->state_size);
	if (!h->raw && !dm->cls->load)
		return err_set(err, EINVAL, "this build of %s loads no blobs", dm->cls->name);
	return 0;
}

int dm_load(struct dm *dm, const uint8_t *buf, size_t len, struct err *err)
{
	struct blob_head h;
	if (len < sizeof(h))
		return err_set(err, EINVAL, "a saved device has at least %zu bytes, this has %zu",
			       sizeof(h), len);
	memcpy(&h, buf, sizeof(h));
	int rc = check_head(dm, &h, len, err);
	if (rc)
		return rc;
	const uint8_t *p = buf + sizeof(h);
	dm_pristine(dm);
	for (unsigned c = 0; c < dm->channels; c++) {
		memcpy(dm->arena + dm->hot_bytes + (size_t)c * DM_OUT_BYTES, p, h.queued[c]);
		dm->hdr->ch[c] = (struct dm_channel){.tail = h.queued[c],
						     .busy = h.queued[c] >= DM_OUT_SOFT};
		p += h.queued[c];
	}
	if (h.raw)
		memcpy(dm->state, p, h.model_bytes);
	else if (dm->cls->load(dm, dm->state, h.model_version, p, h.model_bytes))
		return err_set(err, EINVAL, "%s %u does not take a state of version %u",
			       dm->cls->name, dm->cls->version, h.model_version);
	dm->hdr->levels = h.levels & ((1u << dm->cls->irqs) - 1);
	dm->hdr->lost_out = h.lost_out;
	memcpy(dm->hdr->edges, h.edges, sizeof(h.edges));
	memcpy(dm->hdr->timer_ns, h.timer_ns, sizeof(h.timer_ns));
	return 0;
}
