/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A class with one register of each kind, a channel, a timer and two lines, for the tests of the core. */
#include "devmodel/core/core.h"

enum {
	TOY_RO = 0x00,
	TOY_RW = 0x04,
	TOY_WO = 0x08,
	TOY_W1C = 0x0c,
	TOY_RC = 0x10,
	TOY_CONST = 0x14,
	TOY_CALL = 0x18,  /* each read counts */
	TOY_OUT = 0x1c,	  /* posted: a byte to the host, and one to RO */
	TOY_PULSE = 0x20, /* one edge on line 1 */
	TOY_LEVEL = 0x24, /* level of line 0 */
	TOY_TIMER = 0x28, /* fires so many ns later; then RC |= 1 and line 0 rises */
	TOY_ARRAY = 0x40, /* 4 of 16 bits every 8 bytes */
	TOY_WIDE = 0x80,  /* 64 bits, shadow */
	TOY_BYTE = 0x90,  /* 1 byte, byte access only */
};

struct toy {
	uint32_t ro, rw, wo, w1c, rc, calls, level, in_room;
	uint64_t wide;
	uint16_t array[4];
	uint8_t byte, pad[7];
	uint8_t in[16];
	uint32_t in_len, done;
};

extern const struct dm_class dm_class_toy;
