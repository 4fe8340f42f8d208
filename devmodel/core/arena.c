/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/core/arena.h"
#include "base/bytes.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static size_t reply_offset(size_t arena_bytes)
{
	return (size_t)align_up(arena_bytes, 64);
}

static size_t copy_bytes(size_t arena_bytes)
{
	return reply_offset(arena_bytes) + sizeof(struct state_reply);
}

size_t arena_segment_bytes(size_t arena_bytes)
{
	return STATE_COPY_OFFSET + 2 * copy_bytes(arena_bytes);
}

static struct state_reply *reply_of(const struct arena *a, unsigned i)
{
	return (void *)(a->copy[i] + reply_offset(a->dm->arena_bytes));
}

/* Same model, same layout, same binary: only then the bytes mean the same. */
static bool can_resume(const struct arena *a, uint32_t build_id)
{
	const struct state_segment *s = a->seg;
	return s->magic == STATE_MAGIC && s->version == STATE_VERSION &&
	       !strncmp(s->model, a->dm->cls->name, sizeof(s->model)) &&
	       s->model_version == a->dm->cls->version && s->arena_bytes == a->dm->arena_bytes &&
	       s->copy_bytes == copy_bytes(a->dm->arena_bytes) && s->build_id == build_id;
}

static void make_pristine(struct arena *a, uint32_t build_id, uint64_t head)
{
	struct state_segment *s = a->seg;
	/* No magic while it is half made: a crash here leaves a segment that is made again. */
	*(volatile uint32_t *)&s->magic = 0;
	atomic_thread_fence(memory_order_seq_cst);
	s->version = STATE_VERSION;
	memset(s->model, 0, sizeof(s->model));
	snprintf(s->model, sizeof(s->model), "%s", a->dm->cls->name);
	s->model_version = a->dm->cls->version;
	s->arena_bytes = (uint32_t)a->dm->arena_bytes;
	s->copy_bytes = (uint32_t)copy_bytes(a->dm->arena_bytes);
	s->build_id = build_id;
	s->guest_errors = 0;
	dm_bind(a->dm, a->copy[0]);
	dm_pristine(a->dm);
	*reply_of(a, 0) = (struct state_reply){0};
	atomic_store(&s->commit, head << 1);
	atomic_thread_fence(memory_order_seq_cst);
	*(volatile uint32_t *)&s->magic = STATE_MAGIC;
}

int arena_open(struct arena *a, struct dm *dm, void *map, size_t size, uint32_t build_id,
	       uint64_t head, bool *ret_resumed, struct err *err)
{
	if (size < arena_segment_bytes(dm->arena_bytes))
		return err_set(err, EPROTO, "state segment of %zu bytes, model %s needs %zu", size,
			       dm->cls->name, arena_segment_bytes(dm->arena_bytes));
	*a = (struct arena){.dm = dm, .seg = map};
	for (unsigned i = 0; i < 2; i++)
		a->copy[i] = (uint8_t *)map + STATE_COPY_OFFSET + i * copy_bytes(dm->arena_bytes);
	*ret_resumed = can_resume(a, build_id);
	if (!*ret_resumed)
		make_pristine(a, build_id, head);
	a->work = !(atomic_load(&a->seg->commit) & 1);
	arena_discard(a);
	return 0;
}

void arena_discard(struct arena *a)
{
	memcpy(a->copy[a->work], a->copy[!a->work], a->dm->arena_bytes);
	*reply_of(a, a->work) = *reply_of(a, !a->work);
	dm_bind(a->dm, a->copy[a->work]);
}

void arena_reply_set(struct arena *a, uint64_t seq, unsigned vcpu, uint32_t status, uint64_t data)
{
	*reply_of(a, a->work) =
		(struct state_reply){.seq = seq, .data = data, .status = status, .vcpu = vcpu};
}

const struct state_reply *arena_reply(const struct arena *a)
{
	return reply_of(a, !a->work);
}

void arena_flip(struct arena *a, uint64_t head)
{
	atomic_store_explicit(&a->seg->commit, head << 1 | a->work, memory_order_release);
	a->dm->commits++;
}

void arena_sync(struct arena *a)
{
	unsigned good = a->work;
	a->work = !good;
	dm_arena_sync(a->dm, a->copy[a->work], a->copy[good]);
	*reply_of(a, a->work) = *reply_of(a, good);
	dm_bind(a->dm, a->copy[a->work]);
}

void arena_commit(struct arena *a, uint64_t head)
{
	arena_flip(a, head);
	arena_sync(a);
}

uint64_t arena_head(const struct arena *a)
{
	return atomic_load_explicit(&a->seg->commit, memory_order_relaxed) >> 1;
}
