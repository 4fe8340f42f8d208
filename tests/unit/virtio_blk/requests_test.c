/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of virtio-blk, virtio 1.2, 5.2.6, over every kind of ring. */
#include "tests/unit/virtio_blk/rig.h"
#include <errno.h>
#include <string.h>

#define SECTORS (16u << 11) /* of the test's disk */

static void each(void (*body)(struct bd *b))
{
	for (enum bd_ring ring = SPLIT; ring < BD_RINGS; ring++) {
		struct bd b;
		bd_open(&b, ring, NULL, 0);
		body(&b);
		bd_close(&b);
	}
}

static void body_data(struct bd *b)
{
	unsigned slot = bd_add(b, 0, T_IN, 5, 1024);
	bd_kick(b, 0);
	assert_int_equal(b->answers[slot], 1);
	assert_int_equal(bd_status(b, slot), BLK_S_OK);
	assert_int_equal(b->len[slot], 1025);
	assert_memory_equal(bd_data(b, slot), b->t->disk.data + 5 * 512, 1024);
	assert_true(b->t->pending[0] & VIRTIO_INT_USED);
	memset(bd_data(b, b->next), 0x5a, 512);
	slot = bd_add(b, 0, T_OUT, SECTORS - 1, 512);
	bd_kick(b, 0);
	assert_int_equal(bd_status(b, slot), BLK_S_OK);
	assert_int_equal(b->len[slot], 1);
	assert_memory_equal(bd_data(b, slot), b->t->disk.data + (SECTORS - 1) * 512, 512);
	assert_int_equal(bd_do(b, T_FLUSH, 0, 0), BLK_S_OK);
	assert_int_equal(b->t->disk.flushes, 1);
	assert_int_equal(b->t->counts[DM_COUNT_IN_BYTES], 1024);
	assert_int_equal(b->t->counts[DM_COUNT_OUT_BYTES], 512);
	assert_int_equal(b->t->counts[DM_COUNT_ERRORS], 0);
	assert_int_equal(bd_busy(b), 0);
}

static void data_moves_both_ways(void **s)
{
	(void)s;
	each(body_data);
}

/* 2.7.4.3 and 5.2.6.4: nothing may be concluded from how a request is cut into buffers. */
static void body_layouts(struct bd *b)
{
	static const unsigned cuts[][6] = {{16, 512, 1}, {1, 15, 512, 1}, {5, 11, 100, 412, 1},
					   {16, 513},	 {16, 1, 511, 1}, {4, 4, 8, 256, 256, 1}};
	for (size_t c = 0; c < sizeof(cuts) / sizeof(cuts[0]); c++) {
		for (unsigned type = T_IN; type <= T_OUT; type++) {
			struct bd_seg segs[7];
			uint64_t sector = 40 + c * 2 + type,
				 at = bd_place(bd_header(b, type, sector));
			uint8_t *p = dmt_at(b->t, at);
			unsigned n = 0, sum = 0;
			/* Header, data and status side by side, as they come. */
			memset(p + 16, (int)(0x10 + c), 512);
			p[528] = 0xff;
			for (; n < 6 && cuts[c][n]; sum += cuts[c][n++])
				segs[n] = (struct bd_seg){at + sum, cuts[c][n],
							  sum >= (type == T_IN ? 16u : 528u)};
			if (type == T_OUT &&
			    cuts[c][n - 1] == 513) { /* header with data, status apart */
				segs[0].len = 528;
				segs[1] = (struct bd_seg){at + 528, 1, true};
			}
			unsigned slot = bd_chain(b, 0, segs, n);
			bd_kick(b, 0);
			assert_int_equal(b->answers[slot], 1);
			assert_int_equal(p[528], BLK_S_OK);
			assert_memory_equal(p + 16, b->t->disk.data + sector * 512, 512);
		}
	}
	assert_false(bd_needs_reset(b));
}

static void header_and_status_may_lie_anywhere(void **s)
{
	(void)s;
	each(body_layouts);
}

static void body_refused(struct bd *b)
{
	static const struct {
		uint32_t type;
		uint64_t sector;
		uint32_t bytes;
		enum blk_status want;
	} t[] = {
		{T_IN, SECTORS, 512, BLK_S_IOERR},		/* behind the end */
		{T_IN, SECTORS - 1, 1024, BLK_S_IOERR},		/* over the end */
		{T_OUT, UINT64_MAX, 512, BLK_S_IOERR},		/* wraps */
		{T_IN, UINT64_MAX / 512 + 1, 512, BLK_S_IOERR}, /* wraps as bytes */
		{T_OUT, 0, 511, BLK_S_IOERR},			/* no whole sectors */
		{T_IN, 0, 513, BLK_S_IOERR},
		{2, 0, 512, BLK_S_UNSUPP},
		{14, 0, 0, BLK_S_UNSUPP}, /* secure erase is not offered */
		{0x80000000, 0, 0, BLK_S_UNSUPP},
		{T_GET_ID, 0, 19, BLK_S_IOERR},
	};
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(bd_do(b, t[i].type, t[i].sector, t[i].bytes), t[i].want);
	assert_int_equal(b->t->disk.requests, 0);
	assert_int_equal(b->t->counts[DM_COUNT_ERRORS], sizeof(t) / sizeof(t[0]));
	assert_int_equal(bd_do(b, T_IN, SECTORS - 1, 512), BLK_S_OK);
	assert_int_equal(bd_do(b, T_IN, SECTORS, 0), BLK_S_OK); /* nothing, at the very end */
}

static void bad_requests_end_in_their_status(void **s)
{
	(void)s;
	each(body_refused);
}

static void body_short_header(struct bd *b)
{
	for (unsigned len = 0; len < 16; len += 5) {
		uint64_t at = bd_place(bd_header(b, T_IN, 0));
		struct bd_seg segs[] = {{at, len, false}, {at + 16, 1, true}};
		unsigned slot = len ? bd_chain(b, 0, segs, 2) : bd_chain(b, 0, segs + 1, 1);
		bd_kick(b, 0);
		assert_int_equal(b->answers[slot], 1);
		assert_int_equal(bd_status(b, slot), BLK_S_IOERR);
	}
	assert_false(bd_needs_reset(b));
	uint64_t at = bd_place(bd_header(b, T_OUT, 0));
	struct bd_seg none = {at, 528, false};
	unsigned slot = bd_chain(b, 0, &none, 1);
	bd_kick(b, 0);
	assert_int_equal(b->answers[slot], 0);
	assert_true(bd_needs_reset(b));
	assert_true(b->t->pending[0] & VIRTIO_INT_CONFIG);
	assert_int_equal(b->t->disk.requests, 0);
	bd_add(b, 0, T_IN, 0, 512);
	bd_kick(b, 0); /* deaf now */
	assert_int_equal(b->t->disk.requests, 0);
	bd_start(b, SPLIT, 0);
	assert_int_equal(bd_do(b, T_IN, 0, 512), BLK_S_OK);
}

static void no_room_for_a_status_breaks_the_device_until_a_reset(void **s)
{
	(void)s;
	each(body_short_header);
}

static void the_serial_number_is_20_bytes(void **s)
{
	static const char *const options[] = {"path", "x", "serial", "0123456789abcdefghijKLM",
					      NULL};
	static const char *const few[] = {"path", "x", "serial", "ab", NULL};
	struct bd b;
	(void)s;
	bd_open(&b, SPLIT, options, 0);
	memset(bd_data(&b, b.next), 0xcc, 32);
	assert_int_equal(bd_do(&b, T_GET_ID, 0, 20), BLK_S_OK);
	assert_memory_equal(bd_data(&b, b.next - 1), "0123456789abcdefghij\xcc", 21);
	bd_close(&b);
	bd_open(&b, PACKED, few, 0);
	memset(bd_data(&b, b.next), 0xcc, 32);
	assert_int_equal(bd_do(&b, T_GET_ID, 0, 20), BLK_S_OK);
	assert_memory_equal(bd_data(&b, b.next - 1), "ab\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xcc",
			    21);
	bd_close(&b);
}

static uint8_t range(struct bd *b, uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
	unsigned slot = bd_range(b, type, sector, n, flags);
	bd_kick(b, 0);
	assert_int_equal(b->answers[slot], 1);
	return bd_status(b, slot);
}

static void body_ranges(struct bd *b)
{
	struct dm_test_disk *d = &b->t->disk;
	assert_int_equal(range(b, T_DISCARD, 8, 8, 0), BLK_S_OK);
	assert_int_equal(d->discards, 1);
	assert_int_equal(d->data[8 * 512], 0xdd);
	assert_int_equal(range(b, T_WRITE_ZEROES, 32, 3, 0), BLK_S_OK);
	assert_int_equal(range(b, T_WRITE_ZEROES, 35, 1, 1), BLK_S_OK);
	assert_int_equal(d->zeroes, 2);
	assert_int_equal(d->data[35 * 512] | d->data[34 * 512 + 511], 0);
	/* 5.2.6.2: reserved flags, and unmap of a discard. */
	assert_int_equal(range(b, T_DISCARD, 8, 8, 1), BLK_S_UNSUPP);
	assert_int_equal(range(b, T_DISCARD, 8, 8, 2), BLK_S_UNSUPP);
	assert_int_equal(range(b, T_WRITE_ZEROES, 8, 8, 2), BLK_S_UNSUPP);
	assert_int_equal(range(b, T_WRITE_ZEROES, SECTORS - 1, 2, 0), BLK_S_IOERR);
	assert_int_equal(range(b, T_DISCARD, UINT64_MAX, 2, 0), BLK_S_IOERR);
	assert_int_equal(range(b, T_DISCARD, 0, BLK_MAX_SECTORS + 1, 0), BLK_S_IOERR);
	assert_int_equal(bd_do(b, T_DISCARD, 0, 0), BLK_S_IOERR);
	assert_int_equal(bd_do(b, T_DISCARD, 0, 15), BLK_S_IOERR);
	assert_int_equal(bd_do(b, T_DISCARD, 0, 32),
			 BLK_S_IOERR); /* two segments; one is allowed */
	assert_int_equal(d->discards + d->zeroes, 3);
}

static void ranges_are_discarded_and_zeroed_within_the_limits(void **s)
{
	(void)s;
	each(body_ranges);
}

static void a_readonly_disk_refuses_what_writes(void **s)
{
	static const char *const options[] = {"path", "x", "readonly", "true", NULL};
	struct bd b;
	(void)s;
	bd_open(&b, SPLIT, options, 0);
	assert_int_equal(td_offered(b.t) & (BLK_F_RO | BLK_F_DISCARD | BLK_F_WRITE_ZEROES),
			 BLK_F_RO);
	assert_int_equal(bd_do(&b, T_OUT, 0, 512), BLK_S_IOERR);
	assert_int_equal(range(&b, T_DISCARD, 0, 1, 0), BLK_S_IOERR);
	assert_int_equal(range(&b, T_WRITE_ZEROES, 0, 1, 0), BLK_S_IOERR);
	assert_int_equal(bd_do(&b, T_IN, 0, 512), BLK_S_OK);
	assert_int_equal(bd_do(&b, T_FLUSH, 0, 0), BLK_S_OK);
	bd_close(&b);
	/* A driver that does not accept RO is refused all the same. */
	bd_open(&b, SPLIT, options, BLK_F_RO);
	assert_int_equal(bd_do(&b, T_OUT, 0, 512), BLK_S_IOERR);
	assert_int_equal(b.t->disk.requests, 0);
	bd_close(&b);
}

static void features_that_were_not_taken_are_not_served(void **s)
{
	static const char *const options[] = {"path", "x", "discard", "false", NULL};
	struct bd b;
	(void)s;
	bd_open(&b, SPLIT, NULL, BLK_F_DISCARD | BLK_F_WRITE_ZEROES);
	assert_int_equal(range(&b, T_DISCARD, 0, 1, 0), BLK_S_UNSUPP);
	assert_int_equal(range(&b, T_WRITE_ZEROES, 0, 1, 0), BLK_S_UNSUPP);
	bd_close(&b);
	bd_open(&b, SPLIT, options, 0);
	assert_int_equal(td_offered(b.t) & BLK_F_DISCARD, 0);
	assert_int_equal(range(&b, T_DISCARD, 0, 1, 0), BLK_S_UNSUPP);
	assert_int_equal(range(&b, T_WRITE_ZEROES, 0, 1, 0), BLK_S_OK);
	bd_close(&b);
}

static void body_host_errors(struct bd *b)
{
	static const struct {
		int rc;
		enum blk_status want;
	} t[] = {{-EIO, BLK_S_IOERR}, {-ENOSPC, BLK_S_IOERR}, {-EOPNOTSUPP, BLK_S_UNSUPP}};
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		b->t->disk.fail = t[i].rc;
		assert_int_equal(bd_do(b, T_OUT, 0, 512), t[i].want);
		assert_int_equal(bd_do(b, T_FLUSH, 0, 0), t[i].want);
	}
	b->t->disk.fail = 0;
	assert_int_equal(bd_do(b, T_OUT, 0, 512), BLK_S_OK);
	assert_false(bd_needs_reset(b));
}

static void host_errors_reach_the_driver_and_the_device_goes_on(void **s)
{
	(void)s;
	each(body_host_errors);
}

/* Completions out of order: a packed ring without tables holds back what would cost an earlier chain its descriptors. */
static void completions_come_in_the_hosts_order_where_they_can(void **s)
{
	(void)s;
	for (enum bd_ring ring = SPLIT; ring < BD_RINGS; ring++) {
		struct bd b;
		unsigned slot[3];
		bool held = ring == PACKED;
		bd_open(&b, ring, NULL, 0);
		b.t->disk.hold = true;
		for (unsigned i = 0; i < 3; i++)
			slot[i] = bd_add(&b, 0, T_IN, i, 512);
		bd_kick(&b, 0);
		assert_int_equal(b.t->disk.held, 3);
		assert_int_equal(bd_busy(&b), 3);
		bd_complete(&b, 2, 0);
		bd_reap(&b);
		assert_int_equal(b.answers[slot[2]], held ? 0 : 1);
		bd_complete(&b, 0, -EIO);
		bd_reap(&b);
		assert_int_equal(b.answers[slot[0]], 1);
		assert_int_equal(b.answers[slot[2]], held ? 0 : 1);
		bd_complete(&b, 0, 0);
		bd_reap(&b);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(b.answers[slot[i]], 1);
			assert_int_equal(bd_status(&b, slot[i]), i ? BLK_S_OK : BLK_S_IOERR);
		}
		assert_int_equal(bd_busy(&b), 0);
		bd_close(&b);
	}
}

/* More requests than the table holds, over several queues, wait in their rings and lose nothing. */
static void a_full_table_leaves_requests_in_their_rings(void **s)
{
	static const char *const options[] = {"path", "x", "queues", "4", NULL};
	struct bd b;
	unsigned slots[BD_SLOTS], n = 0;
	(void)s;
	bd_open(&b, PACKED_INDIRECT, options, 0);
	b.t->disk.hold = true;
	assert_int_equal(BLK_TAGS, BD_SLOTS); /* one more chain below: its place is not looked at */
	for (unsigned q = 0; q < 4; q++) {
		for (unsigned i = 0; i < BD_SLOTS / 4 - (q == 3); i++)
			slots[n++] = bd_add(&b, q, T_IN, i, 512);
		bd_kick(&b, q);
	}
	assert_int_equal(b.t->disk.held, BLK_TAGS - 1);
	unsigned last = bd_add(&b, 3, T_IN, 1, 512);
	for (unsigned i = 0; i < 2; i++) { /* two chains over the table's end, of the same memory */
		struct bd_seg segs[] = {{bd_place(last), 16, false},
					{bd_place(last) + 16, 1, true}};
		bd_chain(&b, 2, segs, 2);
		b.next--;
	}
	bd_kick(&b, 3);
	bd_kick(&b, 2);
	assert_int_equal(b.t->disk.held, BLK_TAGS);
	assert_int_equal(bd_busy(&b), BLK_TAGS);
	b.t->disk.hold = false;
	while (b.t->disk.held) {
		bd_complete(&b, b.t->disk.held - 1, 0);
		dmt_work(b.t, 1000);
	}
	bd_reap(&b);
	for (unsigned i = 1; i < n; i++)
		assert_int_equal(b.answers[slots[i]], 1);
	assert_int_equal(bd_busy(&b), 0);
	bd_close(&b);
}

static void body_reset(struct bd *b)
{
	b->t->disk.hold = true;
	for (unsigned i = 0; i < 8; i++)
		bd_add(b, 0, T_IN, i, 512);
	bd_kick(b, 0);
	assert_int_equal(bd_busy(b), 8);
	dmt_w32(b->t, 0x70, 0);
	assert_int_equal(b->t->disk.held, 0);
	assert_int_equal(bd_busy(b), 0);
	for (unsigned i = 0; i < 8;
	     i++) { /* the memory is the driver's again: no status was written */
		assert_int_equal(bd_status(b, i), 0xff);
		assert_int_equal(b->answers[i], 0);
	}
	b->t->disk.hold = false;
	bd_start(b, b->indirect ? PACKED_INDIRECT : SPLIT, 0);
	assert_int_equal(bd_do(b, T_IN, 3, 512), BLK_S_OK);
}

static void a_reset_waits_for_the_host_and_forgets(void **s)
{
	(void)s;
	each(body_reset);
}

/* QueueReady = 0 of one queue: the requests of the others are with the host, and must not be lost by the wait. */
static void stopping_one_queue_leaves_the_others_alone(void **s)
{
	static const char *const options[] = {"path", "x", "queues", "2", NULL};
	(void)s;
	for (enum bd_ring ring = SPLIT; ring < BD_RINGS; ring++) {
		struct bd b;
		bd_open(&b, ring, options, 0);
		b.t->disk.hold = true;
		unsigned gone = bd_add(&b, 0, T_IN, 1, 512), stays = bd_add(&b, 1, T_IN, 2, 512);
		bd_kick(&b, 0);
		bd_kick(&b, 1);
		assert_int_equal(bd_busy(&b), 2);
		memset(bd_data(&b, stays), 0, 512);
		dmt_w32(b.t, 0x30, 0);
		dmt_w32(b.t, 0x44, 0);
		assert_int_equal(bd_busy(&b), 1);
		assert_int_equal(b.t->disk.held, 1);
		bd_complete(&b, 0, 0);
		bd_reap(&b);
		assert_int_equal(b.answers[gone], 0);
		assert_int_equal(b.answers[stays], 1);
		assert_int_equal(bd_status(&b, stays), BLK_S_OK);
		assert_memory_equal(bd_data(&b, stays), b.t->disk.data + 1024, 512);
		bd_close(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_moves_both_ways),
		cmocka_unit_test(header_and_status_may_lie_anywhere),
		cmocka_unit_test(bad_requests_end_in_their_status),
		cmocka_unit_test(no_room_for_a_status_breaks_the_device_until_a_reset),
		cmocka_unit_test(the_serial_number_is_20_bytes),
		cmocka_unit_test(ranges_are_discarded_and_zeroed_within_the_limits),
		cmocka_unit_test(a_readonly_disk_refuses_what_writes),
		cmocka_unit_test(features_that_were_not_taken_are_not_served),
		cmocka_unit_test(host_errors_reach_the_driver_and_the_device_goes_on),
		cmocka_unit_test(completions_come_in_the_hosts_order_where_they_can),
		cmocka_unit_test(a_full_table_leaves_requests_in_their_rings),
		cmocka_unit_test(a_reset_waits_for_the_host_and_forgets),
		cmocka_unit_test(stopping_one_queue_leaves_the_others_alone),
	};
	return cmocka_run_group_tests_name("virtio_blk_requests", tests, NULL, NULL);
}
