/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/core/core.h"
#include "devmodel/core/record.h"
#include "base/bytes.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert(DM_MAX_LINES <= PORT_MAX_LINES, "a device's lines fit its port");
static_assert(DM_MAX_REGIONS <= LIMIT_RANGES, "a device's regions fit its ranges");
static_assert(DM_VM_CRASHLOADED == (int)PORT_VM_CRASHLOADED && DM_VM_STOP == (int)PORT_VM_STOP,
	      "what a model may ask is what a port can say");
static_assert((DM_OUT_BYTES & (DM_OUT_BYTES - 1)) == 0, "indices are masked");

/* ---- layout ---------------------------------------------------------------------------------------- */

static unsigned count_channels(const struct dm_class *cls)
{
	unsigned n = 0;
	for (const struct dm_option *o = cls->options; o && o->name; o++)
		n += o->type == DM_OPT_CHARDEV;
	return n;
}

static size_t hot_size(const struct dm_class *cls)
{
	return (size_t)align_up(sizeof(struct dm_hdr), 64) + (size_t)align_up(cls->state_size, 64);
}

size_t dm_arena_size(const struct dm_class *cls)
{
	return hot_size(cls) + (size_t)count_channels(cls) * DM_OUT_BYTES;
}

static uint8_t *queue_bytes(const struct dm *dm, uint8_t *arena, unsigned channel)
{
	return arena + dm->hot_bytes + (size_t)channel * DM_OUT_BYTES;
}

void dm_bind(struct dm *dm, void *arena)
{
	dm->arena = arena;
	dm->hdr = arena;
	dm->state = dm->arena + align_up(sizeof(struct dm_hdr), 64);
}

void dm_arena_sync(const struct dm *dm, uint8_t *dst, const uint8_t *src)
{
	struct dm_hdr *d = (void *)dst;
	const struct dm_hdr *s = (const void *)src;
	for (unsigned c = 0; c < dm->channels; c++) {
		uint32_t from = d->ch[c].tail, n = s->ch[c].tail - from;
		if (!n)
			continue;
		if (n > DM_OUT_BYTES) { /* a load moved the indices */
			from = 0;
			n = DM_OUT_BYTES;
		}
		uint8_t *to = queue_bytes(dm, dst, c);
		const uint8_t *bytes = src + (to - dst);
		uint32_t at = from & (DM_OUT_BYTES - 1);
		uint32_t first = n < DM_OUT_BYTES - at ? n : DM_OUT_BYTES - at;
		memcpy(to + at, bytes + at, first);
		memcpy(to, bytes, n - first);
	}
	memcpy(dst, src, dm->hot_bytes);
}

/* ---- life ------------------------------------------------------------------------------------------ */

static int take_settings(struct dm *dm, const struct dm_setting *set, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		unsigned k = 0;
		while (k < dm->options && strcmp(dm->cls->options[k].name, set[i].name) != 0)
			k++;
		if (k == dm->options)
			return err_set(err, EINVAL, "model %s has no option '%s'", dm->cls->name,
				       set[i].name);
		if (!dm_option_check(&dm->cls->options[k], set[i].value, err))
			return -EINVAL;
		free(dm->values[k]);
		dm->values[k] = strdup(set[i].value);
		if (!dm->values[k])
			return -ENOMEM;
	}
	for (unsigned k = 0; k < dm->options; k++)
		if (dm->cls->options[k].required && !dm->values[k])
			return err_set(err, EINVAL, "option '%s' is required",
				       dm->cls->options[k].name);
	return 0;
}

int dm_create(struct dm **ret, const struct dm_class *cls, const struct dm_env *env, void *ctx,
	      const struct dm_setting *set, size_t n, struct err *err)
{
	int rc = dm_class_check(cls, err);
	if (rc)
		return rc;
	struct dm *dm = calloc(1, sizeof(*dm));
	if (!dm)
		return -ENOMEM;
	static const _Atomic uint32_t nobody;
	dm->rec_wanted = &nobody;
	dm->cls = cls;
	dm->env = env;
	dm->ctx = ctx;
	while (cls->regions[dm->regions].name)
		dm->regions++;
	while (cls->options && cls->options[dm->options].name)
		dm->options++;
	dm->channels = count_channels(cls);
	dm->hot_bytes = hot_size(cls);
	dm->arena_bytes = dm_arena_size(cls);
	dm->values = calloc(dm->options + 1, sizeof(*dm->values));
	rc = dm->values ? take_settings(dm, set, n, err) : -ENOMEM;
	if (!rc)
		rc = dm_geometry_create(dm, err);
	if (!rc)
		rc = dm_maps_create(dm, err);
	if (rc) {
		dm_destroy(dm);
		return rc;
	}
	*ret = dm;
	return 0;
}

void dm_destroy(struct dm *dm)
{
	if (!dm)
		return;
	record_close(dm);
	for (unsigned k = 0; dm->values && k < dm->options; k++)
		free(dm->values[k]);
	free(dm->values);
	free(dm->scratch);
	free(dm->lately);
	dm_maps_destroy(dm);
	dm_geometry_destroy(dm);
	free(dm);
}

static void state_reset(struct dm *dm)
{
	memset(dm->state, 0, dm->cls->state_size);
	for (unsigned n = 0; n < dm->regions; n++)
		for (const struct dm_reg *r = dm->cls->regions[n].regs; r && r->name; r++)
			for (unsigned i = 0; r->field && i < dm_reg_count(r); i++)
				dm_reg_put(dm, dm->state, r, i, r->reset);
	dm->hdr->levels = 0;
	memset(dm->hdr->events, 0, sizeof(dm->hdr->events));
	dm->hdr->forget = (1u << dm->cls->irqs) - 1;
	memset(dm->hdr->timer_ns, 0, sizeof(dm->hdr->timer_ns));
	if (dm->cls->reset)
		dm->cls->reset(dm, dm->state);
}

void dm_pristine(struct dm *dm)
{
	memset(dm->arena, 0, dm->arena_bytes);
	state_reset(dm);
}

void dm_reset(struct dm *dm)
{
	state_reset(dm);
	for (unsigned c = 0; c < dm->channels; c++) {
		struct dm_channel *ch = &dm->hdr->ch[c];
		ch->busy = ch->tail - ch->head >= DM_OUT_SOFT;
	}
}

/* ---- serving --------------------------------------------------------------------------------------- */

static bool bad_access(struct dm *dm, const struct port_entry *e, const char *why)
{
	dm_guest_error(dm, "guest %s of %u bytes at range %u offset %#x: %s",
		       e->op == PORT_OP_READ ? "read" : "write", e->width, e->range, e->offset,
		       why);
	return false;
}

/* What the model gets to see is the class's own table. */
static const struct dm_reg *class_reg(const struct dm *dm, const struct port_entry *e,
				      const struct dm_reg *reg)
{
	return &dm->cls->regions[e->range].regs[reg - dm->region[e->range].regs];
}

static bool serve_read(struct dm *dm, const struct port_entry *e, uint64_t *ret_data)
{
	struct dm_reg_ref ref;
	const char *why = dm_reg_find(dm, e->range, e->offset, e->width, &ref);
	if (why)
		return bad_access(dm, e, why);
	const struct dm_reg *reg = ref.reg;
	bool dirty = false;
	uint64_t v;
	if (reg->bytes) {
		*ret_data = dm_reg_bytes_get(dm->state, reg, ref.index, e->width);
		return false;
	}
	if (reg->read == DM_READ_CALL || reg->read == DM_READ_PURE || reg->read_acts) {
		struct dm_io io = {.reg = class_reg(dm, e, reg),
				   .region = e->range,
				   .index = ref.index,
				   .width = e->width};
		v = dm->cls->read(dm, dm->state, &io);
		dirty = reg->read != DM_READ_PURE;
	} else {
		v = reg->access == DM_WO ? 0 : dm_reg_get(dm, dm->state, reg, ref.index);
		if (reg->access == DM_RC && v) {
			dm_reg_put(dm, dm->state, reg, ref.index, 0);
			dirty = true;
		}
	}
	*ret_data = (v >> (ref.byte * 8)) & width_mask(e->width);
	return dirty;
}

static bool serve_doorbell(struct dm *dm, const struct port_entry *e)
{
	if (e->value >= DM_MAX_DOORBELLS)
		return bad_access(dm, e, "there is no such doorbell");
	dm_doorbell(dm, (unsigned)e->value);
	return true;
}

static bool serve_bytes_write(struct dm *dm, const struct port_entry *e,
			      const struct dm_reg_ref *ref)
{
	struct dm_io io = {
		.reg = class_reg(dm, e, ref->reg),
		.region = e->range,
		.index = ref->index,
		.width = e->width,
		.value = e->value & width_mask(e->width),
		.old = dm_reg_bytes_get(dm->state, ref->reg, ref->index, e->width),
	};
	dm_reg_bytes_put(dm->state, ref->reg, ref->index, e->width, io.value);
	if (dm->cls->write)
		dm->cls->write(dm, dm->state, &io);
	return true;
}

static bool serve_write(struct dm *dm, const struct port_entry *e)
{
	struct dm_reg_ref ref;
	const char *why = dm_reg_find(dm, e->range, e->offset, e->width, &ref);
	if (why)
		return bad_access(dm, e, why);
	const struct dm_reg *reg = ref.reg;
	if (reg->access == DM_RO || reg->access == DM_RC)
		return false;
	if (reg->write == DM_WRITE_DOORBELL)
		return serve_doorbell(dm, e);
	if (reg->write == DM_WRITE_ACK)
		return false; /* the core's */
	if (reg->bytes)
		return serve_bytes_write(dm, e, &ref);
	const struct dm_region *r = &dm->region[e->range];
	uint64_t full = width_mask(dm_reg_width(r, reg));
	uint64_t mask = reg->mask ? reg->mask : full;
	uint64_t old = reg->field ? dm_reg_get(dm, dm->state, reg, ref.index) : 0;
	uint64_t part = width_mask(e->width) << (ref.byte * 8);
	uint64_t v = (e->value << (ref.byte * 8)) & part;
	if (reg->access == DM_RW)
		v |= old & ~part; /* bytes that a narrow access does not name stay as they are */
	v &= mask;
	if (reg->access == DM_RW)
		v |= old & ~mask & full;
	dm_reg_put(dm, dm->state, reg, ref.index, reg->access == DM_W1C ? old & ~v : v);
	struct dm_io io = {.reg = class_reg(dm, e, reg),
			   .region = e->range,
			   .index = ref.index,
			   .width = e->width,
			   .byte = ref.byte,
			   .value = v,
			   .old = old};
	if (dm->cls->write)
		dm->cls->write(dm, dm->state, &io);
	return true;
}

bool dm_serve(struct dm *dm, const struct port_entry *e, uint32_t *ret_status, uint64_t *ret_data)
{
	*ret_status = PORT_STATUS_OK;
	*ret_data = 0;
	switch (e->op) {
	case PORT_OP_READ:
		return serve_read(dm, e, ret_data);
	case PORT_OP_WRITE: {
		dm->vm_asked = 0;
		bool dirty = serve_write(dm, e);
		if (dm->vm_asked && !(e->flags & PORT_F_POSTED)) {
			*ret_status = PORT_STATUS_VM;
			*ret_data = dm->vm_asked;
		}
		return dirty;
	}
	case PORT_OP_SYNC:
		return false;
	case PORT_OP_RESET:
		dm_reset(dm);
		return true;
	default:
		*ret_status = PORT_STATUS_ERROR;
		dm_guest_error(dm, "request with unknown operation %u", e->op);
		return false;
	}
}

/* ---- host channels ----------------------------------------------------------------------------------- */

size_t dm_host_out(struct dm *dm, unsigned channel, const void *buf, size_t len)
{
	CHECK(channel < dm->channels);
	struct dm_channel *ch = &dm->hdr->ch[channel];
	uint8_t *q = queue_bytes(dm, dm->arena, channel);
	const uint8_t *p = buf;
	uint32_t used = ch->tail - ch->head;
	size_t room = used < DM_OUT_BYTES ? DM_OUT_BYTES - used : 0;
	size_t n = len < room ? len : room;
	for (size_t i = 0; i < n; i++)
		q[(ch->tail + i) & (DM_OUT_BYTES - 1)] = p[i];
	ch->tail += (uint32_t)n;
	if (ch->tail - ch->head >= DM_OUT_SOFT)
		ch->busy = 1;
	if (n < len) {
		dm->hdr->lost_out += (uint32_t)(len - n);
		dm_guest_error(
			dm, "channel %u: the guest writes on although told to wait: %zu bytes lost",
			channel, len - n);
	}
	return n;
}

bool dm_host_out_busy(struct dm *dm, unsigned channel)
{
	CHECK(channel < dm->channels);
	return dm->hdr->ch[channel].busy;
}

size_t dm_output_pending(struct dm *dm, unsigned channel)
{
	uint32_t n = dm->hdr->ch[channel].tail - dm->hdr->ch[channel].head;
	return n <= DM_OUT_BYTES ? n : DM_OUT_BYTES;
}

size_t dm_output_peek(struct dm *dm, unsigned channel, const uint8_t **ret)
{
	uint32_t at = dm->hdr->ch[channel].head & (DM_OUT_BYTES - 1);
	size_t n = dm_output_pending(dm, channel);
	*ret = queue_bytes(dm, dm->arena, channel) + at;
	return n < DM_OUT_BYTES - at ? n : DM_OUT_BYTES - at;
}

void dm_vm_request(struct dm *dm, enum dm_vm_what what, uint32_t arg)
{
	CHECK(dm->cls->vm_requests);
	dm->vm_asked = PORT_VM(what, arg);
}

uint64_t dm_keep(struct dm *dm, unsigned i)
{
	CHECK(i < DM_KEEP);
	return dm->hdr->keep[i];
}

void dm_keep_set(struct dm *dm, unsigned i, uint64_t value)
{
	CHECK(i < DM_KEEP);
	dm->hdr->keep[i] = value;
}

bool dm_host_peer(struct dm *dm, unsigned channel)
{
	CHECK(channel < dm->channels);
	return !dm->hdr->ch[channel].away;
}

/* ---- lines and timers ---------------------------------------------------------------------------------- */

void dm_irq_set(struct dm *dm, unsigned line, bool level)
{
	CHECK(line < dm->cls->irqs);
	uint32_t bit = 1u << line;
	dm->hdr->levels = level ? dm->hdr->levels | bit : dm->hdr->levels & ~bit;
}

void dm_irq_pulse(struct dm *dm, unsigned line)
{
	CHECK(line < dm->cls->irqs);
	dm->hdr->edges[line]++;
}

void dm_irq_event(struct dm *dm, unsigned line, uint32_t bits)
{
	CHECK(line < dm->cls->irqs);
	dm->hdr->events[line] |= bits;
}

void dm_irq_forget(struct dm *dm, unsigned line)
{
	CHECK(line < dm->cls->irqs);
	dm->hdr->events[line] = 0;
	dm->hdr->forget |= 1u << line;
}

void dm_timer_set(struct dm *dm, unsigned timer, uint64_t at_ns)
{
	CHECK(timer < dm->cls->timers);
	dm->hdr->timer_ns[timer] = at_ns < UINT64_MAX ? at_ns + 1 : UINT64_MAX;
}

void dm_timer_cancel(struct dm *dm, unsigned timer)
{
	CHECK(timer < dm->cls->timers);
	dm->hdr->timer_ns[timer] = 0;
}

uint64_t dm_timers_next(const struct dm *dm)
{
	uint64_t next = UINT64_MAX;
	for (unsigned i = 0; i < dm->cls->timers; i++)
		if (dm->hdr->timer_ns[i] && dm->hdr->timer_ns[i] - 1 < next)
			next = dm->hdr->timer_ns[i] - 1;
	return next;
}
