/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a shadow run (outrigger-dm-X --shadow) tells the supervisor: one struct per packet of a SOCK_SEQPACKET socket, which the
 * process inherits. The supervisor trusts nothing of it: numbers are for people, texts are made printable, a packet of another
 * size or with another magic ends the shadow run.
 */
#include <assert.h>
#include <stdint.h>

#define SHADOW_MAGIC 0x57444853u /* "SHDW" read little-endian */

/** enum shadow_kind - of a report. */
enum shadow_kind {
	SHADOW_STATUS = 1, /* how far it is; now and then */
	SHADOW_DIVERGED,   /* @text: where, what was expected, what the shadow did */
	SHADOW_FAILED,	   /* it cannot go on; @text: why */
};

struct shadow_report {
	uint32_t magic, kind;
	uint64_t records, outputs; /* replayed; compared */
	uint64_t unknown;	   /* outputs that could not be compared */
	uint64_t diverged;	   /* differences so far */
	uint64_t clean;		   /* records since the last difference, or the beginning */
	uint64_t lost;		   /* bytes of the ring that it was too slow for */
	uint64_t starts;
	char text[448];
};
static_assert(sizeof(struct shadow_report) == 512, "layout");
