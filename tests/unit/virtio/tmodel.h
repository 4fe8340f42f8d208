/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A virtio device for tests of the transport. Queue 0 gives the bytes of a chain back as they came, queue 1 keeps its
 * chains until the driver writes configuration byte 0, queue 2 does not exist, queue 3 is as queue 0.
 */
#include "devmodel/virtio/transport.h"

#define TM_QUEUE_SIZE 128u
#define TM_KEEP 16u
#define TM_F_ONE (1ull << 0) /* offered */
#define TM_F_BAD (1ull << 1) /* offered, but features_ok() refuses it */
#define TM_CONFIG_WRITABLE 4u
#define TM_CONFIG_WORD 8u /* 64 bits that tm_set_word() changes */

struct tmodel {
	VIRTIO_STATE(4);
	/* counted over all resets */
	uint32_t setups, oks, quiesces, writes, calls[4], words;
	int32_t quiesced; /* argument of the last quiesce() + 1 */
	uint32_t write_offset, write_width;
	uint32_t nkept;
	struct {
		uint16_t id, ndesc;
	} kept[TM_KEEP];
};

extern const struct dm_class dm_class_tmodel;

/** tm_set_word - the device changes its configuration by itself. */
void tm_set_word(struct dm *dm, uint64_t value);
/** tm_state - of the running model. */
static inline struct tmodel *tm_state(struct dm *dm)
{
	return dm->state;
}
