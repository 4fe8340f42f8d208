/* SPDX-License-Identifier: Apache-2.0 */
#include "devmodel/host/net/tso.h"
#include "devmodel/host/net/csum.h"
#include "devmodel/host/net/vnet.h"
#include <errno.h>
#include <string.h>

#define TCP_MIN 20u
#define TCP_SEQ 4u
#define TCP_FLAGS 13u
#define TCP_CSUM 16u
#define TCP_FIN 1u
#define TCP_PSH 8u
#define TCP_CWR 0x80u

int csum_complete(uint8_t *f, size_t n, const uint8_t *h)
{
	size_t start = load_le(h + VNET_CSUM_START, 2),
	       at = start + load_le(h + VNET_CSUM_OFFSET, 2);
	if (start >= n || at + 2 > n)
		return -EINVAL;
	uint16_t sum = (uint16_t)~csum_fold(csum_bytes(f + start, n - start));
	if (!sum)
		sum = 0xffff; /* 0 would say that a datagram has none (RFC 768); to TCP it is the same number */
	memcpy(f + at, &sum, 2);
	return 0;
}

int tso_check(const uint8_t *f, size_t n, size_t whole, const uint8_t *h, struct tso *ret)
{
	unsigned type = h[VNET_GSO_TYPE] & ~VNET_GSO_ECN;
	*ret = (struct tso){.f = f, .n = whole, .mss = (unsigned)load_le(h + VNET_GSO_SIZE, 2)};
	if (!frame_ip(f, n, whole, &ret->p) || ret->p.v6 != (type == VNET_GSO_TCPV6) ||
	    ret->p.proto != IP_TCP || ret->mss < TSO_MSS_MIN || n < ret->p.l4 + TCP_MIN)
		return -EINVAL;
	unsigned tcp = (f[ret->p.l4 + 12] >> 4) * 4u;
	ret->head = ret->p.l4 + tcp;
	if (tcp < TCP_MIN || ret->head > n || ret->head > ret->p.end)
		return -EINVAL;
	ret->n = ret->p.end; /* without padding */
	return 0;
}

size_t tso_bytes(const struct tso *t, size_t extra)
{
	size_t data = t->n - t->head, segs = data ? (data + t->mss - 1) / t->mss : 1;
	return data + segs * (t->head + extra);
}

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_be32(uint8_t *p, uint32_t v)
{
	for (int i = 3; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

/* Stores the TCP checksum: @f has the headers, @data is the sum of @len bytes behind them. */
static void tcp_csum(uint8_t *f, const struct tso *t, uint64_t data, size_t len)
{
	uint8_t *tcp = f + t->p.l4;
	tcp[TCP_CSUM] = tcp[TCP_CSUM + 1] = 0;
	uint64_t sum = frame_pseudo(f, &t->p, t->head - t->p.l4 + len);
	sum = csum_add(sum, csum_bytes(tcp, t->head - t->p.l4)); /* a multiple of 4 bytes */
	uint16_t v = (uint16_t)~csum_fold(csum_add(sum, data));
	memcpy(tcp + TCP_CSUM, &v, 2);
}

size_t tso_next(struct tso *t, uint8_t *out)
{
	size_t left = t->n - t->head - t->done, len = left < t->mss ? left : t->mss;
	if (!left && t->index)
		return 0;
	memcpy(out, t->f, t->head);
	memcpy(out + t->head, t->f + t->head + t->done, len);
	uint8_t *ip = out + t->p.l3, *tcp = out + t->p.l4;
	if (!t->p.v6) { /* each segment is a packet of its own (RFC 6864) */
		unsigned id = ((unsigned)ip[4] << 8 | ip[5]) + t->index;
		ip[4] = (uint8_t)(id >> 8);
		ip[5] = (uint8_t)id;
	}
	frame_ip_length(out, &t->p, t->head + len - t->p.l3);
	put_be32(tcp + TCP_SEQ, get_be32(tcp + TCP_SEQ) + (uint32_t)t->done);
	if (t->done + len < t->n - t->head)
		tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (t->index)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR; /* RFC 3168, 6.1.2: once */
	tcp_csum(out, t, csum_bytes(out + t->head, len), len);
	t->done += len;
	t->index++;
	return t->head + len;
}

void tso_whole(const struct tso *t, uint8_t *head, uint64_t data)
{
	tcp_csum(head, t, data, t->n - t->head);
}
