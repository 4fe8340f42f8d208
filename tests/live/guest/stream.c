/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: block k is seven digits of k, a colon, seven digits of its checksum, a newline. tests/live/Streams.pm has the same. */
#include "load.h"

static uint32_t mix(uint32_t seed, uint32_t k)
{
	uint32_t v = k * 2654435761u + seed;
	return (v ^ v >> 15) & 0xfffffff;
}

static uint8_t digit(uint32_t v, unsigned at)
{
	return (uint8_t) "0123456789abcdef"[v >> (24 - 4 * at) & 15];
}

uint8_t stream_byte(uint32_t seed, uint64_t pos)
{
	uint32_t k = (uint32_t)(pos >> 4) & 0xfffffff;
	unsigned at = pos & 15;
	if (at < 7)
		return digit(k, at);
	if (at == 7)
		return ':';
	if (at == 15)
		return '\n';
	return digit(mix(seed, k), at - 8);
}

static int value(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A whole block in s->odd[@at...]: its number; -1: it is none. */
static int64_t block_at(const struct stream_in *s, unsigned at)
{
	uint32_t k = 0;
	for (unsigned i = 0; i < 7; i++) {
		int v = value(s->odd[at + i]);
		if (v < 0)
			return -1;
		k = k << 4 | (uint32_t)v;
	}
	for (unsigned i = 0; i < 16; i++)
		if (s->odd[at + i] != stream_byte(s->seed, (uint64_t)k * 16 + i))
			return -1;
	return k;
}

/* Something did not fit: finds out where in the stream we are now. */
static void resync(struct stream_in *s)
{
	for (unsigned at = 0; at + 16 <= s->nodd; at++) {
		int64_t k = block_at(s, at);
		if (k < 0)
			continue;
		uint64_t begin = (uint64_t)k * 16 - at; /* where odd[0] belongs */
		for (unsigned i = 0; i < at; i++)
			if (s->odd[i] != stream_byte(s->seed, begin + i))
				fault(s->name, s->pos, i);
		if (begin < s->pos) {
			fault("input came twice, bytes and where:", s->pos - begin, s->pos);
		} else {
			say("L ");
			say(s->name);
			say(" ");
			say_dec(begin - s->pos);
			say(" ");
			say_dec(s->pos);
			say("\n");
		}
		s->pos = begin + s->nodd;
		s->nodd = 0;
		return;
	}
	if (s->nodd == sizeof(s->odd)) {
		fault("input makes no sense at", s->pos, 0);
		s->nodd = 0;
	}
}

void stream_take(struct stream_in *s, uint8_t c)
{
	if (!s->nodd && c == stream_byte(s->seed, s->pos)) {
		s->pos++;
		return;
	}
	s->odd[s->nodd++] = c;
	if (s->nodd >= 16)
		resync(s);
}
