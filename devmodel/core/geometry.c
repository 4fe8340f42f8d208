/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A class's regions as one device has them: the space that its config chose, and registers that its options moved apart or
 * made wider. Lookup, shadow pages, registration and inspect go by these; the model goes by its own table.
 */
#include "devmodel/core/core.h"
#include "base/bytes.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHIFT_MAX 8u

unsigned dm_region_spaces(const struct dm_region *r)
{
	return r->spaces ? r->spaces : DM_IN(r->space);
}

int dm_space_set(struct dm *dm, unsigned n, const char *space, struct err *err)
{
	bool pio = !strcmp(space, "pio");
	enum dm_space to = pio ? DM_PIO : DM_MMIO;
	if (n >= dm->regions || (!pio && strcmp(space, "mmio") != 0))
		return err_set(err, EINVAL, "range %u is to be in space '%.16s'", n, space);
	if (!(dm_region_spaces(&dm->region[n]) & DM_IN(to)))
		return err_set(err, EINVAL, "region %s of model %s cannot be in the space %s",
			       dm->region[n].name, dm->cls->name, space);
	dm->region[n].space = to;
	return 0;
}

/* Writes the registers of region @n anew, @width bytes each, offsets shifted by @shift. */
static int scale(struct dm *dm, unsigned n, unsigned shift, unsigned width)
{
	struct dm_region *r = &dm->region[n];
	const struct dm_region *c = &dm->cls->regions[n];
	unsigned count = 0;
	while (c->regs[count].name)
		count++;
	struct dm_reg *regs = calloc(count + 1u, sizeof(*regs));
	if (!regs)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		regs[i] = c->regs[i];
		regs[i].offset <<= shift;
		regs[i].mask = regs[i].mask ? regs[i].mask : width_mask(dm_reg_width(c, &regs[i]));
		regs[i].width = (uint8_t)width;
	}
	dm->scaled[n] = regs;
	r->regs = regs;
	r->size <<= shift;
	r->reg_width = (uint8_t)width;
	r->widths = (uint8_t)width;
	return 0;
}

static int region_create(struct dm *dm, unsigned n, struct err *err)
{
	const struct dm_region *c = &dm->cls->regions[n];
	dm->region[n] = *c;
	uint64_t shift = c->shift_option ? dm_option_u64(dm, c->shift_option) : 0;
	unsigned own = c->regs ? dm_reg_width(c, c->regs) : 1;
	uint64_t width = c->width_option ? dm_option_u64(dm, c->width_option) : own;
	if ((!shift && width == own) || !c->regs)
		return 0;
	if (shift > SHIFT_MAX)
		return err_set(err, EINVAL, "option '%s' is %llu: it must be 0 to %u",
			       c->shift_option, (unsigned long long)shift, SHIFT_MAX);
	if (width > 8 || !is_pow2(width) || width < own || width > (uint64_t)own << shift)
		return err_set(err, EINVAL,
			       "option '%s' is %llu: registers that are %u bytes apart are %u to "
			       "%u bytes wide, a power of two",
			       c->width_option, (unsigned long long)width, own << shift, own,
			       own << shift > 8 ? 8 : own << shift);
	return scale(dm, n, (unsigned)shift, (unsigned)width);
}

int dm_geometry_create(struct dm *dm, struct err *err)
{
	for (unsigned n = 0; n < dm->regions; n++) {
		int rc = region_create(dm, n, err);
		if (rc)
			return rc;
	}
	return 0;
}

void dm_geometry_destroy(struct dm *dm)
{
	for (unsigned n = 0; n < DM_MAX_REGIONS; n++)
		free(dm->scaled[n]);
}
