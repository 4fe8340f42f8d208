/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums, segmentation and the search for frames, against plain references and against nonsense. */
#include "devmodel/host/net/csum.h"
#include "devmodel/host/net/frame.h"
#include "devmodel/host/net/tso.h"
#include "devmodel/host/net/vnet.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "packets.h"

static uint8_t buf[PKT_MAX + 64], out[PKT_MAX];

static uint16_t swapped(uint16_t v)
{
	uint8_t b[2];
	memcpy(b, &v, 2);
	return (uint16_t)(b[0] << 8 | b[1]);
}

static void sums_of_any_length_and_alignment_are_right(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)pkt_random();
	for (unsigned at = 0; at < 9; at++)
		for (size_t n = 0; n < 300; n++)
			assert_int_equal(swapped(csum_fold(csum_bytes(buf + at, n))) % 0xffff,
					 pkt_sum(buf + at, n, 0) % 0xffff);
	memset(buf, 0xff, sizeof(buf)); /* every carry there is */
	for (size_t n = 65000; n < 65535; n += 7)
		assert_int_equal(swapped(csum_fold(csum_bytes(buf, n))) % 0xffff,
				 pkt_sum(buf, n, 0) % 0xffff);
}

static void a_sum_over_pieces_is_the_sum_over_the_whole(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		struct iovec iov[8];
		size_t total = 0;
		unsigned n = 1 + pkt_random() % 8;
		for (unsigned i = 0; i < n; i++) {
			size_t len = pkt_random() % 50;
			for (size_t k = 0; k < len; k++)
				buf[total + k] = (uint8_t)pkt_random();
			iov[i] = (struct iovec){buf + total, len};
			total += len;
		}
		size_t skip = total ? pkt_random() % total : 0;
		assert_int_equal(csum_fold(csum_iov(iov, n, skip)) % 0xffff,
				 csum_fold(csum_bytes(buf + skip, total - skip)) % 0xffff);
	}
}

static void a_right_checksum_is_seen_and_a_wrong_one_too(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 16; kind++) {
		struct pkt p = {.v6 = kind & 1,
				.udp = kind & 2,
				.vlan = kind & 4,
				.payload = kind & 8 ? 1401 : 0,
				.options = 12};
		unsigned l4;
		size_t n = pkt_build(&p, buf, &l4);
		assert_true(pkt_right(buf, n));
		assert_true(frame_verified(buf, n));
		for (size_t at = p.vlan ? 22 : 18; at < n; at++) {
			if (at < l4 && !(p.v6 ? at >= l4 - 32 : at >= l4 - 8))
				continue; /* not under the transport's checksum */
			buf[at] ^= 0x10;
			assert_false(frame_verified(buf, n));
			buf[at] ^= 0x10;
		}
		memset(buf + n, 0, 20); /* padding behind the packet is nobody's business */
		assert_true(frame_verified(buf, n + 20));
		assert_false(frame_verified(buf, n - 1));
	}
}

static void a_datagram_without_checksum_and_a_fragment_are_not_called_right(void **state)
{
	unsigned l4;
	(void)state;
	size_t n = pkt_build(&(struct pkt){.udp = true, .payload = 50}, buf, &l4);
	buf[l4 + 6] = buf[l4 + 7] = 0;
	assert_false(frame_verified(buf, n));
	n = pkt_build(&(struct pkt){.payload = 50}, buf, &l4);
	buf[20] = 0x20; /* more fragments */
	assert_false(frame_verified(buf, n));
	n = pkt_build(&(struct pkt){.v6 = true, .payload = 50}, buf, &l4);
	buf[20] = 44; /* fragment header */
	assert_false(frame_verified(buf, n));
}

static void a_left_out_checksum_is_completed(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 400; kind++) {
		struct pkt p = {.v6 = kind & 1, .udp = kind & 2, .payload = kind, .partial = true};
		unsigned l4;
		uint8_t h[12];
		size_t n = pkt_build(&p, buf, &l4);
		pkt_hdr(&p, l4, 0, h);
		assert_int_equal(csum_complete(buf, n, h), 0);
		assert_true(pkt_right(buf, n));
	}
	uint8_t h[12] = {1, 0, 0, 0, 0, 0, 50, 0, 16, 0};
	assert_int_equal(csum_complete(buf, 68, h), 0);
	assert_int_equal(csum_complete(buf, 67, h), -EINVAL); /* the field ends outside */
	assert_int_equal(csum_complete(buf, 50, h), -EINVAL);
	h[8] = h[9] = h[6] = h[7] = 0xff;
	assert_int_equal(csum_complete(buf, 65535, h), -EINVAL);
}

/* Cuts the frame at @f and compares each segment with what it must be. */
static void check_segments(const struct pkt *p, const uint8_t *f, size_t n, unsigned l4,
			   unsigned mss)
{
	struct tso t;
	uint8_t h[12];
	unsigned head = l4 + 20 + p->options, i = 0;
	size_t at = head, bytes = 0, got;
	pkt_hdr(p, l4, mss, h);
	assert_int_equal(tso_check(f, n < 256 ? n : 256, n, h, &t), 0);
	size_t bound = tso_bytes(&t, 4);
	for (; (got = tso_next(&t, out)) > 0; i++) {
		size_t len = got - head;
		bool last = at + len == n;
		assert_true(len == mss || last);
		assert_true(pkt_right(out, got));
		assert_memory_equal(out, f, 14);
		assert_memory_equal(out + head, f + at, len);
		uint32_t seq = (uint32_t)out[l4 + 4] << 24 | (uint32_t)out[l4 + 5] << 16 |
			       (uint32_t)out[l4 + 6] << 8 | out[l4 + 7];
		assert_int_equal(seq, p->seq + (uint32_t)(at - head));
		uint8_t flags = p->tcp_flags;
		if (!last)
			flags &= (uint8_t)~9u;
		if (i)
			flags &= (uint8_t)~0x80u;
		assert_int_equal(out[l4 + 13], flags);
		assert_memory_equal(out + l4 + 20, f + l4 + 20, p->options);
		if (!p->v6)
			assert_int_equal((uint16_t)(out[18] << 8 | out[19]), (uint16_t)(p->id + i));
		at += len;
		bytes += got + 4;
	}
	assert_int_equal(at, n);
	assert_int_equal(bytes, bound);
}

static void segments_are_what_tcp_would_have_sent(void **state)
{
	static const unsigned payloads[] = {0, 1, 63, 64, 65, 1447, 1448, 1449, 2896, 9000, 65000};
	static const unsigned sizes[] = {64, 536, 1448, 1460, 8961, 65483};
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++)
		for (size_t i = 0; i < ARRAY_LEN(payloads); i++)
			for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
				struct pkt p = {.v6 = v6,
						.payload = payloads[i],
						.options = 12,
						.tcp_flags = 0x99, /* CWR, ACK, PSH, FIN */
						.seq = 0xfffffff0u,
						.id = 0xfffe,
						.partial = true};
				unsigned l4;
				size_t n = pkt_build(&p, buf, &l4);
				check_segments(&p, buf, n, l4, sizes[k]);
			}
}

static void an_uncut_frame_is_right_as_well(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++)
		for (unsigned payload = 5000; payload < 5004; payload++) {
			struct pkt p = {
				.v6 = v6, .payload = payload, .options = 8, .partial = true};
			struct tso t;
			unsigned l4;
			uint8_t h[12];
			size_t n = pkt_build(&p, buf, &l4);
			pkt_hdr(&p, l4, 1448, h);
			buf[l4 + 16] = 0x55; /* some drivers leave the length out of the sum */
			assert_int_equal(tso_check(buf, 256, n, h, &t), 0);
			tso_whole(&t, buf, csum_bytes(buf + t.head, n - t.head));
			assert_true(pkt_right(buf, n));
		}
}

static void nonsense_is_not_cut(void **state)
{
	struct pkt p = {.payload = 3000, .partial = true};
	struct tso t;
	unsigned l4;
	uint8_t h[12];
	(void)state;
	size_t n = pkt_build(&p, buf, &l4);
	pkt_hdr(&p, l4, 1448, h);
	assert_int_equal(tso_check(buf, 256, n, h, &t), 0);
	h[1] = 4; /* says IPv6 */
	assert_int_equal(tso_check(buf, 256, n, h, &t), -EINVAL);
	pkt_hdr(&p, l4, TSO_MSS_MIN - 1, h);
	assert_int_equal(tso_check(buf, 256, n, h, &t), -EINVAL);
	pkt_hdr(&p, l4, 1448, h);
	assert_int_equal(tso_check(buf, l4 + 19, n, h, &t), -EINVAL);
	assert_int_equal(tso_check(buf, 256, n - 1, h, &t), -EINVAL); /* IP says more */
	buf[l4 + 12] = 0x40;					      /* header of 16 bytes */
	assert_int_equal(tso_check(buf, 256, n, h, &t), -EINVAL);
	buf[l4 + 12] = 0xf0;
	assert_int_equal(tso_check(buf, l4 + 59, n, h, &t), -EINVAL);
	buf[23] = 17; /* UDP */
	assert_int_equal(tso_check(buf, 256, n, h, &t), -EINVAL);
	memset(buf, 0, 256);
	assert_int_equal(tso_check(buf, 256, n, h, &t), -EINVAL);
}

/* Right frames with a few bytes changed: nothing may be read or written outside (run under a sanitizer). */
static void changed_frames_harm_nothing(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		struct pkt p = {.v6 = round & 1,
				.udp = (round & 14) == 14,
				.vlan = round & 16,
				.payload = pkt_random() % 600,
				.options = 4 * (pkt_random() % 11)};
		unsigned l4;
		size_t n = pkt_build(&p, buf, &l4);
		for (unsigned k = pkt_random() % 4; k < 5; k++)
			buf[12 + pkt_random() % 60] = (uint8_t)pkt_random();
		n -= pkt_random() % (n < 80 ? n : 80);
		uint8_t *exact = malloc(n ? n : 1), h[12];
		memcpy(exact, buf, n);
		for (unsigned k = 0; k < 12; k++)
			h[k] = (uint8_t)pkt_random();
		h[1] = round & 1 ? 4 : 1;
		struct tso t;
		(void)frame_verified(exact, n);
		(void)frame_plausible(exact, n);
		(void)csum_complete(exact, n, h);
		h[5] &= 3;
		if (tso_check(exact, n < 256 ? n : 256, n, h, &t) == 0) {
			size_t total = 0, got, bound = tso_bytes(&t, 0);
			while ((got = tso_next(&t, out)) > 0)
				total += got;
			assert_int_equal(total, bound);
		}
		free(exact);
	}
}

static void a_frame_is_told_from_the_middle_of_one(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 8; kind++) {
		struct pkt p = {.v6 = kind & 1, .udp = kind & 2, .vlan = kind & 4, .payload = 900};
		size_t n = pkt_build(&p, buf + 4, NULL);
		buf[0] = buf[1] = 0;
		buf[2] = (uint8_t)(n >> 8);
		buf[3] = (uint8_t)n;
		assert_int_equal(frame_plausible(buf, n + 4), 1);
		assert_int_equal(frame_plausible(buf, 70), 1);
		assert_int_equal(frame_plausible(buf, 10), -1);
		buf[3]++; /* one byte more than the packet */
		assert_int_equal(frame_plausible(buf, n + 4), 0);
		for (size_t at = 1; at < n; at++)
			assert_int_not_equal(frame_plausible(buf + at, n + 4 - at), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_of_any_length_and_alignment_are_right),
		cmocka_unit_test(a_sum_over_pieces_is_the_sum_over_the_whole),
		cmocka_unit_test(a_right_checksum_is_seen_and_a_wrong_one_too),
		cmocka_unit_test(a_datagram_without_checksum_and_a_fragment_are_not_called_right),
		cmocka_unit_test(a_left_out_checksum_is_completed),
		cmocka_unit_test(segments_are_what_tcp_would_have_sent),
		cmocka_unit_test(an_uncut_frame_is_right_as_well),
		cmocka_unit_test(nonsense_is_not_cut),
		cmocka_unit_test(changed_frames_harm_nothing),
		cmocka_unit_test(a_frame_is_told_from_the_middle_of_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
