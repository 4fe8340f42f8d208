/* SPDX-License-Identifier: Apache-2.0 */
#include "packets.h"
#include <string.h>

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

uint32_t pkt_random(void)
{
	static uint64_t x = 88172645463325252ull;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 16);
}

uint16_t pkt_sum(const uint8_t *p, size_t n, uint32_t start)
{
	uint32_t s = start;
	for (size_t i = 0; i < n; i++) {
		s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
		s = (s & 0xffff) + (s >> 16);
	}
	return (uint16_t)s;
}

static uint16_t pseudo(const uint8_t *ip, bool v6, unsigned proto, size_t len)
{
	uint8_t t[4] = {0, (uint8_t)proto, (uint8_t)(len >> 8), (uint8_t)len};
	return pkt_sum(t, 4, v6 ? pkt_sum(ip + 8, 32, 0) : pkt_sum(ip + 12, 8, 0));
}

size_t pkt_build(const struct pkt *p, uint8_t *out, unsigned *l4)
{
	static const uint8_t eth[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	unsigned l3 = p->vlan ? 18 : 14, iph = p->v6 ? 40 : 20;
	unsigned th = p->udp ? 8 : 20 + p->options, t = l3 + iph;
	size_t len = th + p->payload;
	memset(out, 0, t + th);
	memcpy(out, eth, 12);
	if (p->vlan) {
		put16(out + 12, 0x8100);
		put16(out + 14, 7);
	}
	put16(out + l3 - 2, p->v6 ? 0x86dd : 0x0800);
	uint8_t *ip = out + l3;
	if (p->v6) {
		ip[0] = 0x60;
		put16(ip + 4, (unsigned)len);
		ip[6] = p->udp ? 17 : 6;
		ip[7] = 64;
		for (unsigned i = 8; i < 40; i++)
			ip[i] = (uint8_t)(i * 37);
	} else {
		ip[0] = 0x45;
		put16(ip + 2, (unsigned)(iph + len));
		put16(ip + 4, p->id);
		ip[8] = 64;
		ip[9] = p->udp ? 17 : 6;
		for (unsigned i = 12; i < 20; i++)
			ip[i] = (uint8_t)(i * 41);
		put16(ip + 10, (uint16_t)~pkt_sum(ip, 20, 0));
	}
	uint8_t *l = out + t;
	put16(l, 4242);
	put16(l + 2, 80);
	if (p->udp) {
		put16(l + 4, (unsigned)len);
	} else {
		put16(l + 4, p->seq >> 16);
		put16(l + 6, p->seq & 0xffff);
		l[12] = (uint8_t)(th / 4 << 4);
		l[13] = p->tcp_flags;
		for (unsigned i = 20; i < th; i++)
			l[i] = 1; /* NOP */
	}
	for (unsigned i = 0; i < p->payload; i++)
		l[th + i] = (uint8_t)pkt_random();
	unsigned at = p->udp ? 6 : 16;
	uint16_t sum = pseudo(ip, p->v6, p->udp ? 17 : 6, len);
	if (!p->partial)
		sum = (uint16_t)~pkt_sum(l, len, sum);
	put16(l + at, sum || !p->udp ? sum : 0xffff);
	if (l4)
		*l4 = t;
	return t + len;
}

bool pkt_right(const uint8_t *f, size_t n)
{
	unsigned l3 = get16(f + 12) == 0x8100 ? 18 : 14;
	const uint8_t *ip = f + l3;
	bool v6 = get16(f + l3 - 2) == 0x86dd;
	unsigned iph = v6 ? 40 : (ip[0] & 15u) * 4u;
	if (v6 ? get16(ip + 4) != n - l3 - 40 : get16(ip + 2) != n - l3)
		return false;
	if (!v6 && pkt_sum(ip, iph, 0) != 0xffff)
		return false;
	size_t len = n - l3 - iph;
	unsigned proto = v6 ? ip[6] : ip[9];
	return pkt_sum(ip + iph, len, pseudo(ip, v6, proto, len)) == 0xffff;
}

void pkt_hdr(const struct pkt *p, unsigned l4, unsigned mss, uint8_t h[12])
{
	memset(h, 0, 12);
	h[0] = 1;
	h[6] = (uint8_t)l4;
	h[8] = p->udp ? 6 : 16;
	if (!mss)
		return;
	h[1] = p->v6 ? 4 : 1;
	h[2] = (uint8_t)(l4 + 20 + p->options);
	h[4] = (uint8_t)mss;
	h[5] = (uint8_t)(mss >> 8);
}
