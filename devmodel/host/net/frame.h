/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a frame holds: just enough of Ethernet, IPv4, IPv6, TCP and UDP for checksums and segmentation. All input is
 * hostile: every length is checked against the bytes that are there.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IP_TCP 6u
#define IP_UDP 17u

/** struct frame - where things are; offsets from the first byte of the frame. */
struct frame {
	bool v6;
	uint8_t proto;	 /* IP_TCP, IP_UDP, or another */
	unsigned l3, l4; /* IP header; TCP or UDP header */
	unsigned end;	 /* end of the IP packet: bytes behind it are padding */
};

/** frame_ip - finds the IP header and the transport header. @n: bytes at @f, headers at least; @whole: bytes of
 * the whole frame, of which the packet may take no more. False: no IP, malformed, or a fragment. */
bool frame_ip(const uint8_t *f, size_t n, size_t whole, struct frame *ret);

/** frame_pseudo - sum of the pseudo header for @len bytes of transport header and data (RFC 9293 3.1, RFC 8200 8.1). */
uint64_t frame_pseudo(const uint8_t *f, const struct frame *p, size_t len);

/** frame_verified - true if the frame is TCP or UDP with a checksum that is there and right. */
bool frame_verified(const uint8_t *f, size_t n);

/** frame_ip_length - sets the length of the IP packet to @len, and the IPv4 header checksum. */
void frame_ip_length(uint8_t *f, const struct frame *p, size_t len);

/** frame_plausible - do @n bytes at @p look like a length prefix and the head of a frame of that length? For finding the
 * way back into a stream: 1 yes, 0 no, -1: more bytes are needed to tell. */
int frame_plausible(const uint8_t *p, size_t n);
