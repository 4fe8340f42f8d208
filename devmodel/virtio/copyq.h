/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Queues of a device with dma: copy. Private to devmodel/virtio/.
 *
 * The core keeps a ring of its own for each queue in the copy channel (proto/copychan.h), which is the device's one window of
 * memory. So the operations are those of rings in granted memory, but for three: a queue starts on the core's ring
 * instead of the guest's, errors of the guest's ring come from the core, and it is the core that is told of used buffers; whether
 * the guest gets an interrupt then is the core's business.
 */
#include "devmodel/core/queue_ops.h"

/** copyq_ops - the operations; @ctx is the struct dm, which has .copied set. */
extern const struct dm_queue_ops copyq_ops;
