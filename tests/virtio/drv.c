/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/virtio/drv.h"

void drv_w64(struct drv *d, uint32_t offset, uint64_t value)
{
	drv_w32(d, offset, (uint32_t)value);
	drv_w32(d, offset + 4, (uint32_t)(value >> 32));
}

struct drv_area drv_alloc(struct drv *d, uint64_t bytes, uint64_t align)
{
	struct drv_area a = {NULL, 0, 0};
	uint64_t at = (d->gpa + d->taken + align - 1) / align * align - d->gpa;
	if (at > d->bytes || bytes > d->bytes - at)
		return a;
	d->taken = at + bytes;
	a.at = d->ram + at;
	a.gpa = d->gpa + at;
	a.bytes = bytes;
	__builtin_memset(a.at, 0, bytes);
	return a;
}

void *drv_at(const struct drv *d, uint64_t gpa)
{
	return d->ram + (gpa - d->gpa);
}

static bool status_is_zero(void *arg)
{
	return drv_r32(arg, DRV_STATUS) == 0;
}

bool drv_reset(struct drv *d)
{
	d->taken = 0;
	d->features = 0;
	drv_w32(d, DRV_STATUS, 0);
	return d->ops->wait(d->ctx, status_is_zero, d);
}

uint64_t drv_offered(struct drv *d)
{
	drv_w32(d, DRV_DEVICE_FEATURES_SEL, 1);
	uint64_t high = drv_r32(d, DRV_DEVICE_FEATURES);
	drv_w32(d, DRV_DEVICE_FEATURES_SEL, 0);
	return high << 32 | drv_r32(d, DRV_DEVICE_FEATURES);
}

void drv_accept(struct drv *d, uint64_t features)
{
	d->features = features;
	drv_w32(d, DRV_DRIVER_FEATURES_SEL, 0);
	drv_w32(d, DRV_DRIVER_FEATURES, (uint32_t)features);
	drv_w32(d, DRV_DRIVER_FEATURES_SEL, 1);
	drv_w32(d, DRV_DRIVER_FEATURES, (uint32_t)(features >> 32));
}

bool drv_negotiate(struct drv *d, uint64_t want)
{
	if (!drv_reset(d))
		return false;
	drv_w32(d, DRV_STATUS, DRV_S_ACKNOWLEDGE);
	drv_w32(d, DRV_STATUS, DRV_S_ACKNOWLEDGE | DRV_S_DRIVER);
	d->offered = drv_offered(d);
	drv_accept(d, (d->offered & want) | DRV_F_VERSION_1);
	drv_w32(d, DRV_STATUS, DRV_S_ACKNOWLEDGE | DRV_S_DRIVER | DRV_S_FEATURES_OK);
	return drv_r32(d, DRV_STATUS) & DRV_S_FEATURES_OK;
}

void drv_go(struct drv *d)
{
	drv_w32(d, DRV_STATUS,
		DRV_S_ACKNOWLEDGE | DRV_S_DRIVER | DRV_S_FEATURES_OK | DRV_S_DRIVER_OK);
}

bool drv_broken(struct drv *d)
{
	return drv_r32(d, DRV_STATUS) & DRV_S_NEEDS_RESET;
}

uint64_t drv_config(struct drv *d, uint32_t offset, unsigned width)
{
	uint64_t value;
	uint32_t before, after;
	do {
		before = drv_r32(d, DRV_CONFIG_GENERATION);
		/* 4.2.2.2: a 64-bit field is two 32-bit accesses, others one of their own width. */
		if (width == 8)
			value = d->ops->read(d->ctx, DRV_CONFIG + offset, 4) |
				d->ops->read(d->ctx, DRV_CONFIG + offset + 4, 4) << 32;
		else
			value = d->ops->read(d->ctx, DRV_CONFIG + offset, width);
		after = drv_r32(d, DRV_CONFIG_GENERATION);
	} while (before != after);
	return value;
}
