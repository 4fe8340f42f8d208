/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* TCP segmentation and checksum completion: what a guest left out and the other end of a back-end needs. */
#include "devmodel/host/net/frame.h"

#define TSO_HEAD_MAX 256u /* the headers of a frame lie within so many bytes */
#define TSO_MSS_MIN 64u	  /* smaller segments would let one frame grow without measure */

/** struct tso - a frame that is being cut. */
struct tso {
	const uint8_t *f; /* borrowed: the whole frame in one piece */
	struct frame p;
	unsigned head;	/* bytes of headers */
	size_t n, done; /* bytes of the frame; of its payload: cut so far */
	unsigned mss, index;
};

/** tso_check - reads the headers of a frame of @whole bytes, of which @n are at @f, against its virtio_net_hdr @h.
 * 0, -EINVAL: they do not fit together. */
int tso_check(const uint8_t *f, size_t n, size_t whole, const uint8_t *h, struct tso *ret);

/** tso_bytes - at most so many bytes come out, each segment with @extra more. */
size_t tso_bytes(const struct tso *t, size_t extra);

/** tso_next - writes the next segment to @out (room for head + mss); its length, 0: that was all. */
size_t tso_next(struct tso *t, uint8_t *out);

/** tso_whole - makes the uncut frame a right one, up to its checksum field, which gets the sum over everything:
 * @head is a copy of its headers (t->head bytes), @data the sum of its payload. */
void tso_whole(const struct tso *t, uint8_t *head, uint64_t data);

/** csum_complete - stores the checksum of NEEDS_CSUM in the frame @f of @n bytes. 0, -EINVAL: start or offset outside. */
int csum_complete(uint8_t *f, size_t n, const uint8_t *h);
