/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/host/net/frame.h"
#include "devmodel/host/net/csum.h"
#include "devmodel/host/net/vnet.h"
#include <string.h>

#define ETHERTYPE_IPV4 0x0800u
#define ETHERTYPE_ARP 0x0806u
#define ETHERTYPE_VLAN 0x8100u
#define ETHERTYPE_IPV6 0x86ddu
#define ETHERTYPE_QINQ 0x88a8u
#define ETH_MIN 60u /* without its checksum: shorter frames are padded */

#define IPV4_MIN 20u
#define IPV6_HDR 40u
#define EXT_MAX 8u /* extension headers of IPv6 looked through */

static unsigned be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* The type behind up to two VLAN tags; *@ret: the offset of what follows. 0: cut off. */
static unsigned ethertype(const uint8_t *f, size_t n, unsigned *ret)
{
	unsigned at = ETH_HDR - 2;
	for (unsigned tags = 0; n >= at + 2; tags++) {
		unsigned type = be16(f + at);
		if ((type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ) || tags == 2) {
			*ret = at + 2;
			return type;
		}
		at += 4;
	}
	return 0;
}

static bool ipv4(const uint8_t *f, size_t n, size_t whole, struct frame *p)
{
	if (n < p->l3 + IPV4_MIN)
		return false;
	const uint8_t *ip = f + p->l3;
	unsigned ihl = (ip[0] & 15u) * 4u, total = be16(ip + 2);
	if (ip[0] >> 4 != 4 || ihl < IPV4_MIN || total < ihl || total > whole - p->l3 ||
	    n < p->l3 + ihl || (be16(ip + 6) & 0x3fff))
		return false;
	p->v6 = false;
	p->proto = ip[9];
	p->l4 = p->l3 + ihl;
	p->end = p->l3 + total;
	return true;
}

static bool ipv6(const uint8_t *f, size_t n, size_t whole, struct frame *p)
{
	if (n < p->l3 + IPV6_HDR || f[p->l3] >> 4 != 6)
		return false;
	unsigned payload = be16(f + p->l3 + 4), at = p->l3 + IPV6_HDR;
	if (payload > whole - at)
		return false;
	p->v6 = true;
	p->end = at + payload;
	p->proto = f[p->l3 + 6];
	for (unsigned i = 0; i < EXT_MAX; i++) {
		if (p->proto != 0 && p->proto != 43 && p->proto != 60) { /* RFC 8200, 4.1 */
			p->l4 = at;
			return p->proto != 44 && at <= p->end; /* 44: a fragment */
		}
		if (n < at + 8)
			return false;
		p->proto = f[at];
		at += (f[at + 1] + 1u) * 8u;
		if (at > n)
			return false;
	}
	return false;
}

bool frame_ip(const uint8_t *f, size_t n, size_t whole, struct frame *ret)
{
	switch (ethertype(f, n, &ret->l3)) {
	case ETHERTYPE_IPV4:
		return ipv4(f, n, whole, ret);
	case ETHERTYPE_IPV6:
		return ipv6(f, n, whole, ret);
	default:
		return false;
	}
}

uint64_t frame_pseudo(const uint8_t *f, const struct frame *p, size_t len)
{
	uint8_t tail[4] = {(uint8_t)(len >> 8), (uint8_t)len, 0, p->proto};
	uint64_t sum = p->v6 ? csum_bytes(f + p->l3 + 8, 32) : csum_bytes(f + p->l3 + 12, 8);
	return csum_add(sum, csum_bytes(tail, 4));
}

bool frame_verified(const uint8_t *f, size_t n)
{
	struct frame p;
	if (!frame_ip(f, n, n, &p))
		return false;
	size_t len = p.end - p.l4;
	if (p.proto == IP_UDP) {
		if (len < 8 || (f[p.l4 + 6] == 0 && f[p.l4 + 7] == 0) || be16(f + p.l4 + 4) != len)
			return false;
	} else if (p.proto != IP_TCP || len < 20) {
		return false;
	}
	return csum_fold(csum_add(frame_pseudo(f, &p, len), csum_bytes(f + p.l4, len))) == 0xffff;
}

void frame_ip_length(uint8_t *f, const struct frame *p, size_t len)
{
	uint8_t *ip = f + p->l3;
	if (p->v6) {
		len -= IPV6_HDR;
		ip[4] = (uint8_t)(len >> 8);
		ip[5] = (uint8_t)len;
		return;
	}
	ip[2] = (uint8_t)(len >> 8);
	ip[3] = (uint8_t)len;
	ip[10] = ip[11] = 0;
	uint16_t sum = (uint16_t)~csum_fold(csum_bytes(ip, (ip[0] & 15u) * 4u));
	memcpy(ip + 10, &sum, 2);
}

/* A packet of @packet bytes in a frame of @len bytes: as long as it, but for padding. */
static bool fills(size_t len, size_t packet)
{
	return packet <= len && (packet == len || len <= ETH_MIN + 4);
}

int frame_plausible(const uint8_t *p, size_t n)
{
	unsigned l3 = 0;
	if (n < 4 + ETH_HDR)
		return -1;
	size_t len = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	if (len < ETH_HDR || len > ETH_FRAME_MAX)
		return 0;
	const uint8_t *f = p + 4;
	n -= 4;
	if (n > len)
		n = len;
	unsigned type = ethertype(f, n, &l3);
	if (n < len && n < l3 + IPV6_HDR)
		return -1;
	if (type == ETHERTYPE_ARP)
		return n >= l3 + 8 && len <= 128 && memcmp(f + l3, "\0\1\10\0\6\4", 6) == 0;
	if (type == ETHERTYPE_IPV4)
		return n >= l3 + IPV4_MIN && f[l3] >> 4 == 4 && (f[l3] & 15) >= 5 &&
		       fills(len, l3 + be16(f + l3 + 2)) &&
		       ((f[l3] & 15) != 5 || csum_fold(csum_bytes(f + l3, IPV4_MIN)) == 0xffff);
	if (type == ETHERTYPE_IPV6)
		return n >= l3 + IPV6_HDR && f[l3] >> 4 == 6 &&
		       fills(len, l3 + IPV6_HDR + be16(f + l3 + 4));
	return 0;
}
