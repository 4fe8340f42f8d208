/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "devmodel/dm.h"
#include "control.pb-c.h"

/** describe_model - @cls as a ModelDescription. Its strings are borrowed from @cls. Gives; free with
 * describe_free(). Out of memory ends the process: this runs at start only. */
Outrigger__ModelDescription *describe_model(const struct dm_class *cls);
void describe_free(Outrigger__ModelDescription *m);

/** describe_print - writes the description to standard output: @format "text", "json" or "pb".
 * 0, -EINVAL: no such format, -EIO. */
int describe_print(const struct dm_class *cls, const char *format);
