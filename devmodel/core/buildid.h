/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/** build_id_text - the GNU build id of the running binary as hex digits, "" if it was linked without one. */
void build_id_text(char *buf, size_t size);

/** build_id_word - its first 32 bits; differs between any two builds that differ. 0: none. */
uint32_t build_id_word(void);
