/* SPDX-License-Identifier: Apache-2.0 */
#include "vring/vring.h"
#include <string.h>

/* Copies up to @len bytes between @buf and the segments, from byte @offset of these on. */
static inline size_t iov_copy(const struct iovec *iov, unsigned n, size_t offset, uint8_t *to_buf,
			      const uint8_t *from_buf, size_t len)
{
	size_t done = 0;
	for (unsigned i = 0; i < n && done < len; i++) {
		size_t have = iov[i].iov_len;
		if (offset >= have) {
			offset -= have;
			continue;
		}
		size_t part = have - offset < len - done ? have - offset : len - done;
		uint8_t *at = (uint8_t *)iov[i].iov_base + offset;
		if (to_buf)
			memcpy(to_buf + done, at, part);
		else
			memcpy(at, from_buf + done, part);
		done += part;
		offset = 0;
	}
	return done;
}

size_t vring_iov_read(const struct iovec *iov, unsigned n, size_t offset, void *buf, size_t len)
{
	return iov_copy(iov, n, offset, buf, NULL, len);
}

size_t vring_iov_write(const struct iovec *iov, unsigned n, size_t offset, const void *buf,
		       size_t len)
{
	return iov_copy(iov, n, offset, NULL, buf, len);
}
