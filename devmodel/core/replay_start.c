/* SPDX-License-Identifier: Apache-2.0 */
/* Beginnings: TRACE_START makes a model and its guest memory, and is compared with the model that was there. */
#include "devmodel/core/replay_int.h"
#include "base/fd.h"
#include "control.pb-c.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef unsigned long long ull;

static void unmap(struct replay *r)
{
	for (unsigned i = 0; i < r->mem.n; i++)
		munmap(r->mem.win[i].hva, (size_t)r->mem.win[i].bytes);
	r->mem.n = 0;
}

void rp_stop(struct replay *r)
{
	rp_chains_drop(r, 0, true);
	dm_destroy(r->dm);
	free(r->arena);
	r->dm = NULL;
	r->arena = NULL;
	unmap(r);
}

uint8_t *rp_at(const struct replay *r, uint64_t gpa, uint64_t bytes)
{
	for (unsigned i = 0; i < r->mem.n; i++) {
		const struct vring_window *w = &r->mem.win[i];
		uint64_t at = gpa - w->gpa;
		if (gpa >= w->gpa && at <= w->bytes && bytes <= w->bytes - at)
			return w->hva + at;
	}
	return NULL;
}

/* ---- what the back-ends and the memory are ------------------------------------------------------------- */

void replay_disk_info(struct dm_disk_info *to, const struct trace_disk_info *from)
{
	*to = (struct dm_disk_info){.bytes = from->bytes,
				    .block = from->block,
				    .physical = from->physical,
				    .readonly = from->readonly,
				    .can_discard = from->can_discard,
				    .can_zero = from->can_zero,
				    .writeback = from->writeback};
	memcpy(to->id, from->id, sizeof(to->id));
}

void replay_link_info(struct dm_link_info *to, const struct trace_link_info *from)
{
	*to = (struct dm_link_info){.up = from->up,
				    .csum = from->csum,
				    .tso4 = from->tso4,
				    .tso6 = from->tso6,
				    .ufo = from->ufo,
				    .ecn = from->ecn,
				    .rx_csum = from->rx_csum,
				    .rx_tso4 = from->rx_tso4,
				    .rx_tso6 = from->rx_tso6,
				    .queues = from->queues,
				    .mtu = from->mtu};
}

static int window(struct replay *r, const struct trace_window *w, struct err *err)
{
	bool aligned = !((w->gpa | w->bytes) & 4095);
	if (r->mem.n == VRING_MEM_WINDOWS || !w->bytes || w->bytes > REPLAY_WINDOW_MAX ||
	    w->gpa + w->bytes < w->gpa || !aligned)
		return err_set(err, EPROTO, "a window of %#llx bytes of guest memory at %#llx",
			       (ull)w->bytes, (ull)w->gpa);
	/* Shared, so that the sandbox's limit of private memory does not count what is never touched. */
	void *p = mmap(NULL, (size_t)w->bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return err_set(err, errno, "cannot map %llu bytes for the guest's memory: %s",
			       (ull)w->bytes, strerror(errno));
	madvise(p, (size_t)w->bytes, MADV_DONTDUMP);
	r->mem.win[r->mem.n++] = (struct vring_window){w->gpa, w->bytes, p, w->writable != 0};
	return 0;
}

/* TraceStart.host */
static int take_items(struct replay *r, const uint8_t *p, size_t len, struct err *err)
{
	r->disk = (struct dm_disk_info){.block = 512, .physical = 512};
	r->link = (struct dm_link_info){.up = true, .queues = 1};
	while (len) {
		struct trace_item head;
		struct trace_window w;
		struct trace_disk_info disk;
		struct trace_link_info link;
		int rc = 0;
		if (len < sizeof(head))
			return err_set(err, EPROTO, "an item of the start is cut off");
		memcpy(&head, p, sizeof(head));
		p += sizeof(head);
		len -= sizeof(head);
		if (head.bytes > len)
			return err_set(err, EPROTO, "an item of the start is cut off");
		if (head.kind == TRACE_ITEM_WINDOW && head.bytes == sizeof(w)) {
			memcpy(&w, p, sizeof(w));
			rc = window(r, &w, err);
		} else if (head.kind == TRACE_ITEM_DISK && head.bytes == sizeof(disk)) {
			memcpy(&disk, p, sizeof(disk));
			replay_disk_info(&r->disk, &disk);
		} else if (head.kind == TRACE_ITEM_LINK && head.bytes == sizeof(link)) {
			memcpy(&link, p, sizeof(link));
			replay_link_info(&r->link, &link);
		}
		if (rc)
			return rc;
		p += head.bytes;
		len -= head.bytes;
	}
	return 0;
}

/* ---- the model ------------------------------------------------------------------------------------------- */

static void no_shadow(void *ctx, uint32_t offset, unsigned width, uint64_t value)
{
	(void)ctx, (void)offset, (void)width, (void)value;
}

/* Back-ends of a file are those of the model, not those of this machine: only options that are text count. */
static int make_model(struct replay *r, const Outrigger__TraceStart *s, struct err *err)
{
	struct dm_setting set[2 * LIMIT_OPTIONS];
	size_t n = 0;
	if (s->n_options > LIMIT_OPTIONS)
		return err_set(err, EPROTO, "%zu options", s->n_options);
	for (size_t i = 0; i < s->n_options; i++, n++)
		set[n] = (struct dm_setting){s->options[i]->name, s->options[i]->value};
	for (size_t i = 0; i < r->noverride; i++, n++)
		set[n] = r->override[i]; /* the last one of a name counts */
	int rc = dm_create(&r->dm, r->cls, &replay_env, r, set, n, err);
	if (rc)
		return rc;
	r->arena = calloc(1, r->dm->arena_bytes);
	if (!r->arena)
		return err_set(err, ENOMEM, "out of memory");
	if (r->mem.n)
		r->dm->mem = &r->mem;
	r->dm->copied = !strcmp(s->dma, "copy");
	r->dm->copy_kick_fd = -1;
	r->dm->dma_tap = replay_dma;
	r->dm->queue_ops = &replay_queue_ops;
	r->dm->queue_ctx = r;
	if (r->cls->host) {
		r->dm->io = &replay_io;
		r->dm->io_ctx = r;
	}
	dm_bind(r->dm, r->arena);
	r->last_clock[0] = s->guest_ns;
	r->last_clock[1] = s->real_ns;
	r->loading = true;
	rc = dm_load(r->dm, s->state.data, s->state.len, err);
	r->loading = false;
	if (rc)
		return rc;
	/* The load is not what is replayed, whatever the model did in it. */
	r->dm->hdr->forget = 0;
	memset(r->dm->hdr->events, 0, sizeof(r->dm->hdr->events));
	return 0;
}

static void set_base(struct replay *r, const struct port_entry *e)
{
	struct dm_hdr *h = r->dm->hdr;
	r->dm->commits = e->value;
	r->bytes = e->offset & TRACE_START_BYTES;
	r->shadows = e->aux;
	dm_shadow_layout(r->dm, e->aux < PORT_MAX_SHADOW_PAGES ? e->aux : PORT_MAX_SHADOW_PAGES);
	if (r->shadows)
		dm_shadow_refresh(r->dm, true, no_shadow, NULL);
	r->levels = h->levels;
	memcpy(r->edges, h->edges, sizeof(r->edges));
	for (unsigned c = 0; c < r->dm->channels; c++)
		r->tail[c] = h->ch[c].tail;
	r->dark = r->was_dark = r->committed = r->is_bad = false;
}

/* Is the model where the trace says that it is? */
static void compare(struct replay *r, const Outrigger__TraceStart *s, const struct port_entry *e,
		    const uint8_t *payload, uint64_t index)
{
	AUTO_FREE uint8_t *state = NULL;
	size_t len;
	char expected[200], got[200];
	if (s->model_version != r->cls->version || dm_save(r->dm, &state, &len))
		return;
	r->stats.outputs++;
	if (dm_blob_differs(s->state.data, s->state.len, state, len, r->was_dark, expected, got,
			    sizeof(got)))
		rp_differ(r, "state", index, e, payload, expected, got);
}

int rp_start(struct replay *r, const struct port_entry *e, const uint8_t *payload, uint64_t index,
	     struct err *err)
{
	Outrigger__TraceStart *s = outrigger__trace_start__unpack(NULL, trace_payload(e), payload);
	struct err why = {{0}};
	if (!s)
		return err_set(err, EPROTO, "record %llu: a start that makes no sense", (ull)index);
	if (r->running && !(e->offset & TRACE_START_ANEW))
		compare(r, s, e, payload, index);
	rp_stop(r);
	r->running = false;
	int rc = 0;
	if (strcmp(s->model, r->cls->name) != 0)
		rc = err_set(&why, EPROTO, "it is of a %s, this is %s", s->model, r->cls->name);
	if (!rc)
		rc = take_items(r, s->host.data, s->host.len, &why);
	if (!rc)
		rc = make_model(r, s, &why);
	if (!rc) {
		set_base(r, e);
		r->running = true;
		r->stats.starts++;
	} else {
		rp_stop(r);
		err_set(err, EPROTO, "record %llu: the start cannot be used: %s", (ull)index,
			why.msg);
	}
	outrigger__trace_start__free_unpacked(s, NULL);
	return rc ? -EPROTO : 0;
}
