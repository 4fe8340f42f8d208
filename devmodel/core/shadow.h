/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "devmodel/core/core.h"

/** shadow_main - outrigger-dm-X --shadow DOCK --report-fd N [--set NAME=VALUE]... [--no-sandbox]: replays a live ring. @argv[0] is
 * --shadow. The exit code. */
int shadow_main(const struct dm_class *cls, int argc, char **argv);
