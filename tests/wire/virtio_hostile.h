/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Tables of cases of a hostile driver; virtio_hostile.c runs them. */
#include "tests/wire/virtio_models.h"

extern const struct vcase vcases_chain[], vcases_indirect[], vcases_split[], vcases_packed[],
	vcases_setup[], vcases_status[], vcases_regs[], vcases_race[], vcases_qreset[],
	vcases_blk[], vcases_net[], vcases_console[];
