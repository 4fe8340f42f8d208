/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Packets for tests, and checksums computed the plain way: 16 bits at a time. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PKT_MAX (12u + 65550u)

/** struct pkt - what to build. */
struct pkt {
	bool v6, udp, vlan;
	unsigned payload, options; /* bytes; options: of TCP, a multiple of 4 */
	uint8_t tcp_flags;
	uint32_t seq;
	uint16_t id;
	bool partial; /* the transport checksum is only the pseudo header's, as for NEEDS_CSUM */
};

/** pkt_build - writes the frame to @out; its length. @l4: offset of the transport header (may be NULL). */
size_t pkt_build(const struct pkt *p, uint8_t *out, unsigned *l4);

/** pkt_sum - one's complement sum of @n bytes as big-endian words, folded. */
uint16_t pkt_sum(const uint8_t *p, size_t n, uint32_t start);

/** pkt_right - are the IPv4 header checksum and the TCP or UDP checksum of the frame right, and its lengths? */
bool pkt_right(const uint8_t *f, size_t n);

/** pkt_gso - fills a virtio_net_hdr for the frame that pkt_build() made with .partial. @mss 0: no segmentation. */
void pkt_hdr(const struct pkt *p, unsigned l4, unsigned mss, uint8_t h[12]);

/** pkt_random - the next of a fixed row of pseudo-random numbers. */
uint32_t pkt_random(void);
