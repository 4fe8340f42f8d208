/* SPDX-License-Identifier: Apache-2.0 */
/* Frames through a stream socket: framing, offloads in software, back-pressure, finding the way back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/bytes.h"
#include "rig.h"

#define OPS dm_host_net.ops

static uint8_t buf[2 * PKT_MAX], frame[PKT_MAX], got[PKT_MAX];

/* The next frame that the model would get; 0: none. */
static size_t take(struct rig *r, uint8_t **ret)
{
	ssize_t n = OPS.link_peek(r->h, 0, 0, ret);
	assert_true(n >= 0);
	return (size_t)n;
}

/* ---- receiving -------------------------------------------------------------------------------- */

static void frames_cut_at_any_byte_arrive_whole(void **state)
{
	size_t len[3], n = 0;
	uint8_t all[3][300], *f;
	struct rig r;
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		len[i] =
			pkt_build(&(struct pkt){.payload = 20 + 70 * i, .v6 = i & 1}, all[i], NULL);
		n += rig_frame(all[i], len[i], buf + n);
	}
	rig_stream(&r, NULL);
	for (size_t cut = 0; cut <= n; cut++) {
		rig_put(&r, buf, cut);
		rig_pump(&r);
		unsigned i = 0;
		for (size_t k; (k = take(&r, &f)) > 0; i++) {
			assert_int_equal(k, len[i] + 12);
			assert_memory_equal(f + 12, all[i], len[i]);
			OPS.link_skip(r.h, 0, 0);
		}
		rig_put(&r, buf + cut, n - cut);
		rig_pump(&r);
		for (size_t k; (k = take(&r, &f)) > 0; i++) {
			assert_int_equal(take(&r, &f), k); /* looking changes nothing */
			assert_memory_equal(f + 12, all[i], len[i]);
			OPS.link_skip(r.h, 0, 0);
		}
		assert_int_equal(i, 3);
	}
	rig_close(&r);
}

static void the_largest_frames_pass_and_the_buffer_wraps(void **state)
{
	uint8_t *f;
	struct rig r;
	(void)state;
	rig_stream(&r, NULL);
	for (unsigned i = 0; i < 40; i++) {
		size_t n = pkt_build(&(struct pkt){.payload = 65495 - (i % 3) * 1000}, frame, NULL);
		size_t k = rig_frame(frame, n, buf);
		for (size_t at = 0; at < k; at += 30000) {
			rig_put(&r, buf + at, k - at < 30000 ? k - at : 30000);
			rig_pump(&r);
			if (at + 30000 < k)
				assert_int_equal(take(&r, &f), 0);
		}
		assert_int_equal(take(&r, &f), n + 12);
		assert_memory_equal(f + 12, frame, n);
		OPS.link_skip(r.h, 0, 0);
	}
	rig_close(&r);
}

static void a_copy_that_does_not_fit_is_thrown_away(void **state)
{
	struct rig r;
	(void)state;
	rig_stream(&r, NULL);
	size_t n = pkt_build(&(struct pkt){.payload = 100}, frame, NULL);
	rig_put(&r, buf, rig_frame(frame, n, buf));
	rig_put(&r, buf, rig_frame(frame, n, buf));
	rig_pump(&r);
	assert_int_equal(OPS.link_recv(r.h, 0, 0, got, n + 11), -EMSGSIZE);
	assert_int_equal(OPS.link_recv(r.h, 0, 0, got, n + 12), n + 12);
	assert_int_equal(OPS.link_recv(r.h, 0, 0, got, n + 12), 0);
	rig_close(&r);
}

static void a_verified_checksum_spares_the_driver_its_own(void **state)
{
	struct rig r;
	uint8_t *f;
	(void)state;
	rig_stream(&r, NULL);
	size_t n = pkt_build(&(struct pkt){.payload = 1000}, frame, NULL);
	for (unsigned i = 0; i < 3; i++) {
		OPS.link_offloads(r.h, 0, i > 0, false, false);
		frame[n - 1] ^= i == 2;
		rig_put(&r, buf, rig_frame(frame, n, buf));
		rig_pump(&r);
		assert_int_equal(take(&r, &f), n + 12);
		assert_int_equal(f[0], i == 1 ? 2 : 0); /* DATA_VALID: asked for, and right */
		for (unsigned k = 1; k < 12; k++)
			assert_int_equal(f[k], 0);
		OPS.link_skip(r.h, 0, 0);
	}
	rig_close(&r);
}

static void a_successor_finds_the_next_frame(void **state)
{
	uint8_t *f;
	(void)state;
	size_t n = pkt_build(&(struct pkt){.payload = 700}, frame, NULL);
	size_t k = rig_frame(frame, n, buf);
	k += rig_frame(frame, n, buf + k);
	rig_successor = true;
	for (size_t missing = 0; missing < n + 4; missing += 13) {
		struct rig r;
		rig_stream(&r, NULL);
		rig_put(&r, buf + missing, k - missing); /* the rest was read by one that is dead */
		rig_pump(&r);
		for (unsigned i = missing ? 1 : 0; i < 2; i++) {
			assert_int_equal(take(&r, &f), n + 12);
			assert_memory_equal(f + 12, frame, n);
			OPS.link_skip(r.h, 0, 0);
		}
		assert_int_equal(take(&r, &f), 0);
		rig_close(&r);
	}
	rig_successor = false;
}

static void the_first_frame_of_a_link_may_be_of_any_kind(void **state)
{
	uint8_t *f;
	struct rig r;
	(void)state;
	memset(frame, 0x5a, 60);
	frame[12] = 0x88; /* LLDP: neither IP nor ARP */
	frame[13] = 0xcc;
	rig_stream(&r, NULL);
	rig_put(&r, buf, rig_frame(frame, 60, buf));
	rig_pump(&r);
	assert_int_equal(take(&r, &f), 72);
	assert_memory_equal(f + 12, frame, 60);
	rig_close(&r);
}

static void lengths_of_no_frame_cost_only_what_they_stand_for(void **state)
{
	static const uint32_t bad[] = {0, 1, 13, 65551, 0x20000, 0x7fffffff, 0xffffffff};
	uint8_t *f;
	(void)state;
	size_t n = pkt_build(&(struct pkt){.payload = 300, .v6 = true}, frame, NULL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct rig r;
		rig_stream(&r, NULL);
		rig_put(&r, buf, rig_frame(frame, n, buf));
		for (unsigned k = 0; k < 4; k++)
			buf[k] = (uint8_t)(bad[i] >> (24 - 8 * k));
		rig_put(&r, buf, 4);
		rig_put(&r, buf, rig_frame(frame, n, buf));
		rig_pump(&r);
		for (unsigned k = 0; k < 2; k++) {
			assert_int_equal(take(&r, &f), n + 12);
			OPS.link_skip(r.h, 0, 0);
		}
		assert_true(rig_up(&r));
		rig_close(&r);
	}
}

static void a_peer_that_sends_no_frames_is_given_up(void **state)
{
	uint8_t *f;
	struct rig r;
	(void)state;
	rig_stream(&r, NULL);
	memset(buf, 0xa5, sizeof(buf));
	for (unsigned i = 0; i < 100 && rig_up(&r); i++) {
		(void)!send(r.peer, buf, 50000, MSG_NOSIGNAL);
		rig_pump(&r);
		assert_int_equal(take(&r, &f), 0);
	}
	assert_false(rig_up(&r));
	assert_non_null(strstr(r.t->log, "no frames"));
	rig_close(&r);
}

static void the_model_is_asked_only_while_it_listens(void **state)
{
	struct rig r;
	(void)state;
	rig_stream(&r, NULL);
	rig_pump(&r);
	uint8_t *f;
	assert_int_equal(take(&r, &f), 0);
	while (rig_pump(&r))
		continue;
	OPS.link_listen(r.h, 0, false);
	size_t n = pkt_build(&(struct pkt){.payload = 300}, frame, NULL);
	rig_put(&r, buf, rig_frame(frame, n, buf));
	assert_int_equal(rig_pump(&r), 0);
	OPS.link_listen(r.h, 0, true);
	assert_int_equal(rig_pump(&r), 1);
	assert_int_equal(take(&r, &f), n + 12);
	rig_close(&r);
}

/* ---- sending ---------------------------------------------------------------------------------- */

static void sent_frames_have_their_length_in_front(void **state)
{
	struct rig r;
	(void)state;
	rig_stream(&r, NULL);
	for (unsigned payload = 0; payload < 60000; payload = payload * 2 + 1) {
		size_t n = pkt_build(&(struct pkt){.payload = payload}, frame, NULL);
		assert_int_equal(rig_send(&r, NULL, frame, n), 0);
		rig_pump(&r);
		assert_int_equal(rig_get(&r, got), n);
		assert_memory_equal(got, frame, n);
	}
	assert_int_equal(rig_send(&r, NULL, frame, 13), -EINVAL);
	assert_int_equal(rig_send(&r, NULL, buf, 65551), -EINVAL);
	rig_close(&r);
}

static void checksums_that_the_guest_left_out_are_put_in(void **state)
{
	struct rig r;
	(void)state;
	rig_stream(&r, NULL);
	for (unsigned i = 0; i < 40; i++) { /* gathered ones and large ones */
		struct pkt p = {.v6 = i & 1, .udp = i & 2, .payload = i * 1500, .partial = true};
		unsigned l4;
		uint8_t h[12];
		size_t n = pkt_build(&p, frame, &l4);
		pkt_hdr(&p, l4, 0, h);
		assert_int_equal(rig_send(&r, h, frame, n), 0);
		rig_pump(&r);
		assert_int_equal(rig_get(&r, got), n);
		assert_true(pkt_right(got, n));
		assert_memory_equal(got + l4 + 18, frame + l4 + 18, n - l4 - 18);
	}
	uint8_t h[12] = {1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
	assert_int_equal(rig_send(&r, h, frame, 5000), -EINVAL);
	assert_int_equal(rig_send(&r, h, frame, 100), -EINVAL);
	rig_close(&r);
}

static void large_segments_are_cut_for_a_peer_of_unknown_taste(void **state)
{
	struct rig r;
	(void)state;
	rig_stream(&r, NULL);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct pkt p = {.v6 = v6, .payload = 60000, .options = 12, .partial = true};
		unsigned l4, segments = 0;
		uint8_t h[12];
		size_t n = pkt_build(&p, frame, &l4), at = l4 + 32, len;
		pkt_hdr(&p, l4, 1448, h);
		assert_int_equal(rig_send(&r, h, frame, n), 0);
		rig_pump(&r);
		for (; (len = rig_get(&r, got)) > 0; segments++) {
			assert_true(pkt_right(got, len));
			assert_true(len <= l4 + 32 + 1448);
			assert_memory_equal(got + l4 + 32, frame + at, len - l4 - 32);
			at += len - l4 - 32;
		}
		assert_int_equal(at, n);
		assert_int_equal(segments, (60000 + 1447) / 1448);
	}
	rig_close(&r);
}

static void passt_gets_large_segments_whole(void **state)
{
	static const unsigned payloads[] = {100, 4200, 30000, 64000, 65469, 65470};
	struct rig r;
	(void)state;
	rig_stream(&r, "user");
	for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
		struct pkt p = {.payload = payloads[i], .options = 12, .partial = true};
		unsigned l4, segments = 0;
		uint8_t h[12];
		size_t n = pkt_build(&p, frame, &l4), len, bytes = 0;
		pkt_hdr(&p, l4, 1448, h);
		assert_int_equal(rig_send(&r, h, frame, n), 0);
		rig_pump(&r);
		for (; (len = rig_get(&r, got)) > 0; segments++) {
			assert_true(pkt_right(got, len));
			bytes += len - l4 - 32;
		}
		assert_int_equal(bytes, payloads[i]);
		if (n > 65535) /* passt would drop it */
			assert_true(segments > 1);
		else
			assert_int_equal(segments, 1);
	}
	rig_close(&r);
}

/* Frames of all sizes into a socket with a small buffer: order and contents survive. */
static void a_slow_peer_gets_everything_in_order(void **state)
{
	struct rig r;
	int small = 4608;
	unsigned sent = 0, seen = 0, full = 0;
	(void)state;
	rig_stream(&r, NULL);
	assert_int_equal(setsockopt(r.self, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	for (unsigned turn = 0; turn < 20000 && seen < 400; turn++) {
		while (sent < 400) {
			size_t n = 60 + (sent * 7919) % 60000;
			memset(frame, (int)(sent & 0xff), n);
			store_le(frame, 4, sent);
			int rc = rig_send(&r, NULL, frame, n);
			if (rc == -EAGAIN) {
				full++;
				break;
			}
			assert_int_equal(rc, 0);
			sent++;
		}
		rig_pump(&r);
		for (unsigned i = 0; i < 1 + turn % 3; i++) {
			size_t n = rig_get(&r, got);
			if (!n)
				break;
			assert_int_equal(load_le(got, 4), seen);
			assert_int_equal(n, 60 + (seen * 7919) % 60000);
			assert_int_equal(got[n - 1], seen & 0xff);
			seen++;
		}
	}
	assert_int_equal(seen, 400);
	assert_true(full > 20);
	rig_close(&r);
}

static void the_model_is_told_when_there_is_room_again(void **state)
{
	struct rig r;
	unsigned n = 0;
	(void)state;
	rig_stream(&r, NULL);
	uint8_t *f;
	while (rig_pump(&r))
		assert_int_equal(take(&r, &f), 0);
	memset(frame, 0, 60000);
	while (rig_send(&r, NULL, frame, 60000) == 0)
		assert_true(++n < 1000);
	assert_int_equal(rig_send(&r, NULL, frame, 60), -EAGAIN);
	assert_int_equal(rig_pump(&r), 0);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(rig_get(&r, got), 60000);
	assert_true(rig_pump(&r) || rig_calls(&r) > 2);
	assert_int_equal(rig_send(&r, NULL, frame, 60), 0);
	rig_close(&r);
}

/* What a daemon leaves in the socket when it is killed ends with a frame. */
static void every_write_ends_with_a_frame(void **state)
{
	struct rig r;
	size_t whole = 0;
	(void)state;
	rig_stream(&r, NULL);
	int big = 4 << 20;
	(void)setsockopt(r.self, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	for (unsigned i = 0;; i++) {
		size_t n = i % 5 ? 60 + (i * 631) % 4000 : 40000 + (i * 7) % 25000;
		memset(frame, 0, n);
		if (rig_send(&r, NULL, frame, n) == -EAGAIN)
			break;
		rig_pump(&r); /* no turn of ours may leave a part of a frame behind */
		assert_true(i < 100000);
	}
	dm_host_net.close(r.h); /* killed */
	r.h = NULL;
	close(r.self);
	r.self = -1;
	for (;;) {
		uint8_t len[4];
		ssize_t k = read(r.peer, len, 4);
		if (k <= 0)
			break;
		assert_int_equal(k, 4);
		size_t n = (size_t)len[2] << 8 | len[3];
		for (size_t at = 0; at < n;) {
			k = read(r.peer, got, n - at);
			assert_true(k > 0); /* else it was cut */
			at += (size_t)k;
		}
		whole++;
	}
	assert_true(whole > 5);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_cut_at_any_byte_arrive_whole),
		cmocka_unit_test(the_largest_frames_pass_and_the_buffer_wraps),
		cmocka_unit_test(a_copy_that_does_not_fit_is_thrown_away),
		cmocka_unit_test(a_verified_checksum_spares_the_driver_its_own),
		cmocka_unit_test(a_successor_finds_the_next_frame),
		cmocka_unit_test(the_first_frame_of_a_link_may_be_of_any_kind),
		cmocka_unit_test(lengths_of_no_frame_cost_only_what_they_stand_for),
		cmocka_unit_test(a_peer_that_sends_no_frames_is_given_up),
		cmocka_unit_test(the_model_is_asked_only_while_it_listens),
		cmocka_unit_test(sent_frames_have_their_length_in_front),
		cmocka_unit_test(checksums_that_the_guest_left_out_are_put_in),
		cmocka_unit_test(large_segments_are_cut_for_a_peer_of_unknown_taste),
		cmocka_unit_test(passt_gets_large_segments_whole),
		cmocka_unit_test(a_slow_peer_gets_everything_in_order),
		cmocka_unit_test(the_model_is_told_when_there_is_room_again),
		cmocka_unit_test(every_write_ends_with_a_frame),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
