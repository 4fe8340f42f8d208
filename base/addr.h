/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>

/** gpa_t - a guest-physical address. One-member struct: cannot be mixed up with a host address. */
typedef struct {
	uint64_t v;
} gpa_t;

static inline gpa_t gpa(uint64_t v)
{
	return (gpa_t){v};
}
