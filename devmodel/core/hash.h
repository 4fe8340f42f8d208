/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* hash.h: the hash of traces: XXH3 of libxxhash, 64 bits, seed 0. */
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/** dm_hash - of @len bytes. */
uint64_t dm_hash(const void *buf, size_t len);
/** dm_hash_iov - of the first @bytes of @iov[@n]. */
uint64_t dm_hash_iov(const struct iovec *iov, unsigned n, uint64_t bytes);
/** dm_hash_mix - of what @h is the hash of, followed by @len bytes. */
uint64_t dm_hash_mix(uint64_t h, const void *buf, size_t len);
