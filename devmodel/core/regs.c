/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The register table at work: lookup, stored values, shadow values.
 */
#include "devmodel/core/core.h"
#include "base/bytes.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/** struct dm_shadow_reg - one element of a shadow register with a field, and what was published last. */
struct dm_shadow_reg {
	const struct dm_reg *reg;
	uint32_t shadow_offset;
	uint16_t index;
	uint8_t width;
	uint64_t last;
};

unsigned dm_reg_width(const struct dm_region *region, const struct dm_reg *reg)
{
	if (reg->width)
		return reg->width;
	return region->reg_width ? region->reg_width : 4;
}

unsigned dm_reg_widths(const struct dm_region *region, const struct dm_reg *reg)
{
	return reg->widths ? reg->widths : region->widths;
}

unsigned dm_reg_count(const struct dm_reg *reg)
{
	return reg->count ? reg->count : 1;
}

unsigned dm_reg_stride(const struct dm_region *region, const struct dm_reg *reg)
{
	return reg->stride ? reg->stride : dm_reg_width(region, reg);
}

unsigned dm_reg_shadowed(const struct dm_reg *reg)
{
	if (reg->read == DM_READ_SHADOW_NOW)
		return 2;
	if (reg->read == DM_READ_PENDING)
		return 3;
	return reg->read == DM_READ_AUTO && reg->access != DM_RC;
}

unsigned dm_reg_write_way(const struct dm_reg *reg)
{
	if (reg->access == DM_RO || reg->access == DM_RC)
		return 2;
	switch (reg->write) {
	case DM_WRITE_POST:
		return 1;
	case DM_WRITE_DOORBELL:
		return 3;
	case DM_WRITE_ACK:
		return 4;
	default:
		return 0;
	}
}

static unsigned field_elem(const struct dm_reg *reg)
{
	return reg->count > 1 ? reg->field_size / reg->count : reg->field_size;
}

uint64_t dm_reg_get(const struct dm *dm, const void *state, const struct dm_reg *reg,
		    unsigned index)
{
	(void)dm;
	if (!reg->field)
		return reg->access == DM_WO ? 0 : reg->reset;
	unsigned size = field_elem(reg);
	const uint8_t *p = (const uint8_t *)state + reg->field - 1 + (size_t)index * size;
	switch (size) {
	case 1:
		return *p;
	case 2:
		return *(const uint16_t *)(const void *)p;
	case 4:
		return *(const uint32_t *)(const void *)p;
	default:
		return *(const uint64_t *)(const void *)p;
	}
}

void dm_reg_put(const struct dm *dm, void *state, const struct dm_reg *reg, unsigned index,
		uint64_t value)
{
	(void)dm;
	if (!reg->field)
		return;
	unsigned size = field_elem(reg);
	uint8_t *p = (uint8_t *)state + reg->field - 1 + (size_t)index * size;
	switch (size) {
	case 1:
		*p = (uint8_t)value;
		break;
	case 2:
		*(uint16_t *)(void *)p = (uint16_t)value;
		break;
	case 4:
		*(uint32_t *)(void *)p = (uint32_t)value;
		break;
	default:
		*(uint64_t *)(void *)p = value;
		break;
	}
}

uint64_t dm_reg_bytes_get(const void *state, const struct dm_reg *reg, unsigned at, unsigned width)
{
	uint64_t v = 0;
	memcpy(&v, (const uint8_t *)state + reg->field - 1 + at, width);
	return v;
}

void dm_reg_bytes_put(void *state, const struct dm_reg *reg, unsigned at, unsigned width,
		      uint64_t value)
{
	memcpy((uint8_t *)state + reg->field - 1 + at, &value, width);
}

const char *dm_reg_find(const struct dm *dm, unsigned region, uint32_t offset, unsigned width,
			struct dm_reg_ref *ret)
{
	if (region >= dm->regions)
		return "no such range";
	if (width > 8 || !is_pow2(width))
		return "no such width";
	const struct dm_region_map *m = &dm->map[region];
	const struct dm_region *r = &dm->region[region];
	uint32_t slot = offset >> m->shift;
	if (slot >= m->slots || !m->lut[slot])
		return "no register there";
	const struct dm_reg *reg = &r->regs[m->lut[slot] - 1];
	unsigned rw = dm_reg_width(r, reg), stride = dm_reg_stride(r, reg);
	uint32_t rel = offset - reg->offset;
	unsigned index = dm_reg_count(reg) > 1 ? rel / stride : 0;
	uint32_t byte = rel - index * stride;
	if (reg->bytes ? index + width > reg->count : byte + width > rw)
		return "access crosses the register's end";
	if (!(dm_reg_widths(r, reg) & width))
		return "width not allowed there";
	*ret = (struct dm_reg_ref){reg, index, byte};
	return NULL;
}

/* ---- building the lookup ------------------------------------------------------------------------ */

static uint32_t region_end(const struct dm_region *r)
{
	uint32_t end = 0;
	for (const struct dm_reg *reg = r->regs; reg && reg->name; reg++) {
		uint32_t e = reg->offset + (dm_reg_count(reg) - 1) * dm_reg_stride(r, reg) +
			     dm_reg_width(r, reg);
		if (e > end)
			end = e;
	}
	return end;
}

/* Marks the bytes of @reg in the lookup; -EEXIST with the other's index in *@ret_other on overlap. */
static int map_reg(struct dm_region_map *m, const struct dm_region *r, unsigned idx,
		   unsigned *ret_other)
{
	const struct dm_reg *reg = &r->regs[idx];
	unsigned width = dm_reg_width(r, reg), stride = dm_reg_stride(r, reg);
	for (unsigned i = 0; i < dm_reg_count(reg); i++) {
		uint32_t first = (reg->offset + i * stride) >> m->shift;
		uint32_t n = width >> m->shift;
		for (uint32_t s = first; s < first + n; s++) {
			if (m->lut[s]) {
				*ret_other = m->lut[s] - 1u;
				return -EEXIST;
			}
			m->lut[s] = (uint16_t)(idx + 1);
		}
	}
	return 0;
}

static int map_region(struct dm *dm, unsigned n, struct err *err)
{
	const struct dm_region *r = &dm->region[n];
	struct dm_region_map *m = &dm->map[n];
	unsigned narrow = 8;
	for (const struct dm_reg *reg = r->regs; reg && reg->name; reg++) {
		if (dm_reg_width(r, reg) < narrow)
			narrow = dm_reg_width(r, reg);
		m->nregs++;
	}
	m->shadow_page = -1;
	m->shift = (uint8_t)__builtin_ctz(narrow);
	m->slots = (region_end(r) + narrow - 1) >> m->shift;
	m->lut = calloc(m->slots ? m->slots : 1, sizeof(*m->lut));
	if (!m->lut)
		return err_set(err, ENOMEM, "no memory for region %s", r->name);
	for (unsigned i = 0; i < m->nregs; i++) {
		unsigned other;
		if (map_reg(m, r, i, &other))
			return err_set(err, EINVAL, "registers %s and %s of region %s overlap",
				       r->regs[i].name, r->regs[other].name, r->name);
	}
	return 0;
}

int dm_maps_create(struct dm *dm, struct err *err)
{
	for (unsigned n = 0; n < dm->regions; n++) {
		int rc = map_region(dm, n, err);
		if (rc)
			return rc;
	}
	return 0;
}

void dm_maps_destroy(struct dm *dm)
{
	for (unsigned n = 0; n < DM_MAX_REGIONS; n++)
		free(dm->map[n].lut);
	free(dm->live);
}

/* ---- the shadow pages ---------------------------------------------------------------------------- */

#define BYTES_CHUNK 8u /* a run of bytes is published by these */

/* Its value is in the shadow page. (Pending events are read from the line.) */
static bool in_shadow(const struct dm_reg *reg)
{
	unsigned s = dm_reg_shadowed(reg);
	return s == 1 || s == 2;
}

static bool region_has_shadow(const struct dm_region *r)
{
	for (const struct dm_reg *reg = r->regs; reg && reg->name; reg++)
		if (in_shadow(reg))
			return true;
	return false;
}

unsigned dm_shadow_pages(const struct dm *dm)
{
	uint64_t pages = 0;
	for (const struct dm_region *r = dm->region; r->name; r++)
		if (region_has_shadow(r) && r->size <= LIMIT_RANGE_TABLED)
			pages += align_up(r->size, PORT_PAGE) / PORT_PAGE;
	return pages <= PORT_MAX_SHADOW_PAGES ? (unsigned)pages : 0;
}

void dm_shadow_layout(struct dm *dm, unsigned pages)
{
	unsigned want = dm_shadow_pages(dm);
	bool fits = want && want <= pages;
	unsigned next = 0;
	for (unsigned n = 0; n < dm->regions; n++) {
		const struct dm_region *r = &dm->region[n];
		dm->map[n].shadow_page = -1;
		if (!fits || !region_has_shadow(r) || r->size > LIMIT_RANGE_TABLED)
			continue;
		dm->map[n].shadow_page = (int32_t)next;
		next += (unsigned)(align_up(r->size, PORT_PAGE) / PORT_PAGE);
	}
}

static unsigned count_shadow(const struct dm *dm)
{
	unsigned n = 0;
	for (unsigned i = 0; i < dm->regions; i++) {
		if (dm->map[i].shadow_page < 0)
			continue;
		for (const struct dm_reg *reg = dm->region[i].regs; reg->name; reg++)
			if (in_shadow(reg))
				n += reg->bytes ? reg->count / BYTES_CHUNK : dm_reg_count(reg);
	}
	return n;
}

static uint64_t shadow_value(const struct dm *dm, const struct dm_reg *reg, unsigned index)
{
	if (reg->access == DM_WO)
		return 0;
	return reg->bytes ? dm_reg_bytes_get(dm->state, reg, index * BYTES_CHUNK, BYTES_CHUNK)
			  : dm_reg_get(dm, dm->state, reg, index);
}

/* Publishes everything and rebuilds the list of elements whose value can change. */
static void shadow_publish_all(struct dm *dm, dm_shadow_fn fn, void *ctx)
{
	unsigned n = count_shadow(dm);
	free(dm->live);
	dm->nlive = 0;
	dm->live = calloc(n ? n : 1, sizeof(*dm->live));
	CHECK(dm->live);
	for (unsigned i = 0; i < dm->regions; i++) {
		const struct dm_region *r = &dm->region[i];
		if (dm->map[i].shadow_page < 0)
			continue;
		uint32_t base = (uint32_t)dm->map[i].shadow_page * PORT_PAGE;
		for (const struct dm_reg *reg = r->regs; reg->name; reg++) {
			unsigned width = reg->bytes ? BYTES_CHUNK : dm_reg_width(r, reg);
			unsigned step = reg->bytes ? BYTES_CHUNK : dm_reg_stride(r, reg);
			unsigned count = reg->bytes ? reg->count / BYTES_CHUNK : dm_reg_count(reg);
			for (unsigned k = 0; in_shadow(reg) && k < count; k++) {
				uint32_t off = base + reg->offset + k * step;
				uint64_t v = shadow_value(dm, reg, k);
				fn(ctx, off, width, v);
				if (reg->field && reg->access != DM_WO)
					dm->live[dm->nlive++] = (struct dm_shadow_reg){
						reg, off, (uint16_t)k, (uint8_t)width, v};
			}
		}
	}
}

void dm_shadow_refresh(struct dm *dm, bool all, dm_shadow_fn fn, void *ctx)
{
	if (all) {
		shadow_publish_all(dm, fn, ctx);
		return;
	}
	for (unsigned i = 0; i < dm->nlive; i++) {
		struct dm_shadow_reg *s = &dm->live[i];
		uint64_t v = shadow_value(dm, s->reg, s->index);
		if (v == s->last)
			continue;
		s->last = v;
		fn(ctx, s->shadow_offset, s->width, v);
	}
}
