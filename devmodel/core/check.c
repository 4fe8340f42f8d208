/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dm_class_check(): a class is data, so its mistakes are found at start and in tests, not by a guest.
 */
#include "devmodel/core/core.h"
#include "base/bytes.h"
#include <errno.h>
#include <string.h>

static int check_name(const char *what, const char *name, struct err *err)
{
	if (!name || !*name || strlen(name) > LIMIT_NAME)
		return err_set(err, EINVAL, "%s has no name of 1 to %d bytes", what, LIMIT_NAME);
	return 0;
}

static int check_field(const struct dm_class *cls, const struct dm_reg *reg, unsigned width,
		       struct err *err)
{
	if (!reg->field)
		return 0;
	unsigned count = dm_reg_count(reg), size = reg->field_size / count;
	if (reg->field_size % count || size > 8 || !is_pow2(size))
		return err_set(
			err, EINVAL,
			"register %s: its field of %u bytes is not %u integers of 1, 2, 4 or 8",
			reg->name, reg->field_size, count);
	if (size > width)
		return err_set(err, EINVAL, "register %s: field of %u bytes in a register of %u",
			       reg->name, size, width);
	if ((reg->field - 1) % size || reg->field - 1 + reg->field_size > cls->state_size)
		return err_set(err, EINVAL, "register %s: its field is not inside the state",
			       reg->name);
	return 0;
}

static int check_reg(const struct dm_class *cls, const struct dm_region *r,
		     const struct dm_reg *reg, struct err *err)
{
	unsigned width = dm_reg_width(r, reg), stride = dm_reg_stride(r, reg);
	uint64_t end = reg->offset + (uint64_t)(dm_reg_count(reg) - 1) * stride + width;
	if (reg->access < DM_RO || reg->access > DM_RC)
		return err_set(err, EINVAL, "register %s: no access kind", reg->name);
	if (width > 8 || !is_pow2(width))
		return err_set(err, EINVAL, "register %s: width %u", reg->name, width);
	if (reg->offset % width || stride % width || stride < width)
		return err_set(err, EINVAL, "register %s: offset or stride is not a multiple of %u",
			       reg->name, width);
	if (end > r->size || end > LIMIT_RANGE_TABLED)
		return err_set(err, EINVAL, "register %s: ends at %#llx, outside region %s",
			       reg->name, (unsigned long long)end, r->name);
	bool call = reg->read == DM_READ_CALL || reg->read == DM_READ_PURE;
	if (call && !cls->read)
		return err_set(err, EINVAL, "register %s: the class has no read()", reg->name);
	if ((reg->reset | reg->mask) & ~width_mask(width))
		return err_set(err, EINVAL, "register %s: reset or mask is wider than %u bytes",
			       reg->name, width);
	if (reg->bytes && (width != 1 || stride != 1 || !reg->field || dm_reg_count(reg) % 8 ||
			   reg->offset % 8 || (reg->field - 1) % 8))
		return err_set(err, EINVAL,
			       "register %s: a run of bytes has a field, and its place and length "
			       "are multiples of 8",
			       reg->name);
	if (reg->read_acts && (!reg->field || !cls->read || reg->bytes || reg->access == DM_WO ||
			       (reg->read != DM_READ_AUTO && reg->read != DM_READ_SHADOW_NOW)))
		return err_set(
			err, EINVAL,
			"register %s: read_acts goes with a field, a shadow read, and read()",
			reg->name);
	if (reg->write == DM_WRITE_DOORBELL && !cls->doorbell)
		return err_set(err, EINVAL, "register %s: the class has no doorbell()", reg->name);
	if ((reg->write == DM_WRITE_ACK || reg->read == DM_READ_PENDING) && !cls->irqs)
		return err_set(err, EINVAL, "register %s: the class has no interrupt line",
			       reg->name);
	if ((reg->access == DM_W1C || reg->access == DM_RC) && !reg->field && !call)
		return err_set(err, EINVAL, "register %s: needs a field", reg->name);
	for (const struct dm_bits *b = reg->bits; b && b->name; b++)
		if (!b->bits || b->lsb + b->bits > width * 8)
			return err_set(err, EINVAL, "register %s: bits %s are outside it",
				       reg->name, b->name);
	return check_field(cls, reg, width, err);
}

/* An option that the geometry depends on; with it, registers are single ones of one width. */
static int check_scaling(const struct dm_class *cls, const struct dm_region *r, struct err *err)
{
	const char *const names[] = {r->shift_option, r->width_option};
	for (unsigned i = 0; i < 2; i++) {
		const struct dm_option *o = cls->options;
		while (names[i] && o && o->name && strcmp(o->name, names[i]) != 0)
			o++;
		if (names[i] && (!o || !o->name || o->type != DM_OPT_U64 || !o->def))
			return err_set(err, EINVAL,
				       "region %s: '%s' is no number option with a default",
				       r->name, names[i]);
	}
	for (const struct dm_reg *reg = r->regs; reg && reg->name && (names[0] || names[1]); reg++)
		if (dm_reg_count(reg) > 1 || dm_reg_width(r, reg) != dm_reg_width(r, r->regs) ||
		    reg->widths)
			return err_set(err, EINVAL,
				       "register %s: with scaling, all are single and of one width",
				       reg->name);
	if (r->spaces && !(r->spaces & DM_IN(r->space)))
		return err_set(err, EINVAL, "region %s: its own space is none of its spaces",
			       r->name);
	return 0;
}

static int check_region(const struct dm_class *cls, const struct dm_region *r, struct err *err)
{
	unsigned n = 0;
	int rc = check_name("a region", r->name, err);
	if (rc)
		return rc;
	if (!r->size || !r->widths || r->widths > 15)
		return err_set(err, EINVAL, "region %s: size or widths", r->name);
	for (const struct dm_reg *reg = r->regs; reg && reg->name; reg++) {
		rc = check_reg(cls, r, reg, err);
		if (rc)
			return rc;
		if (++n > LIMIT_REGS)
			return err_set(err, EINVAL, "region %s: over %d registers", r->name,
				       LIMIT_REGS);
	}
	return check_scaling(cls, r, err);
}

static int check_options(const struct dm_class *cls, struct err *err)
{
	unsigned n = 0, channels = 0, disks = 0, links = 0;
	for (const struct dm_option *o = cls->options; o && o->name; o++) {
		channels += o->type == DM_OPT_CHARDEV;
		disks += o->type == DM_OPT_DISK;
		links += o->type == DM_OPT_NET;
		if (o->type < DM_OPT_STRING || o->type > DM_OPT_SINK)
			return err_set(err, EINVAL, "option %s: no type", o->name);
		if (o->def && !dm_option_check(o, o->def, err)) {
			err_prefix(err, "default of ");
			return -EINVAL;
		}
		n++;
	}
	if (n > LIMIT_OPTIONS || channels > DM_MAX_CHANNELS)
		return err_set(err, EINVAL, "%u options, %u of them channels: at most %d and %u", n,
			       channels, LIMIT_OPTIONS, DM_MAX_CHANNELS);
	if (disks > DM_MAX_DISKS || links > DM_MAX_LINKS)
		return err_set(err, EINVAL, "%u disks and %u links: at most %u and %u", disks,
			       links, DM_MAX_DISKS, DM_MAX_LINKS);
	if ((disks && !cls->disk_done) || (links && !cls->link_ready) ||
	    ((disks || links) && !cls->host))
		return err_set(err, EINVAL,
			       "disks or links without host, disk_done() or link_ready()");
	return 0;
}

/* Names fit a record with its prefix (blob.c), members lie inside the state. */
static int check_fields(const struct dm_class *cls, struct err *err)
{
	if (cls->fields && cls->save)
		return err_set(err, EINVAL, "fields and save: one of them is enough");
	for (const struct dm_field *f = cls->fields; f && f->name; f++) {
		bool width = f->width == 1 || f->width == 2 || f->width == 4 || f->width == 8;
		uint64_t end = f->offset + (uint64_t)f->width * f->count;
		if (!width || !f->count || end > cls->state_size || strlen(f->name) > 29)
			return err_set(err, EINVAL,
				       "field %s: %u of %u bytes at %u of a state of %u", f->name,
				       f->count, f->width, f->offset, cls->state_size);
	}
	return 0;
}

int dm_class_check(const struct dm_class *cls, struct err *err)
{
	unsigned n = 0;
	int rc = check_name("the class", cls->name, err);
	if (rc)
		return rc;
	for (const struct dm_region *r = cls->regions; r && r->name; r++, n++)
		if ((rc = check_region(cls, r, err)))
			return rc;
	if (!n || n > DM_MAX_REGIONS)
		return err_set(err, EINVAL, "%u regions: 1 to %u", n, DM_MAX_REGIONS);
	if (cls->irqs > DM_MAX_LINES || cls->timers > DM_MAX_TIMERS)
		return err_set(err, EINVAL, "%u irqs, %u timers: at most %u and %u", cls->irqs,
			       cls->timers, DM_MAX_LINES, DM_MAX_TIMERS);
	if (cls->timers && !cls->timer)
		return err_set(err, EINVAL, "timers without timer()");
	if (!cls->save != !cls->load)
		return err_set(err, EINVAL, "save without load, or load without save");
	if (!cls->state_size || dm_arena_size(cls) > LIMIT_STATE_BYTES)
		return err_set(err, EINVAL, "state of %u bytes: the arena has at most %d",
			       cls->state_size, LIMIT_STATE_BYTES);
	rc = check_fields(cls, err);
	return rc ? rc : check_options(cls, err);
}
