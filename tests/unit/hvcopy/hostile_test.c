/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon that writes whatever it likes into its channel: it is cut off, and the guest's memory is as the driver left it. */
#include "base/bytes.h"
#include "rig.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define RING_SIZE 8u

static struct rig rig;
static struct iovec iov[VRING_SIZE_MAX];

static uint8_t *at(uint32_t off)
{
	return rig.channel.win[0].hva + copy_queue_at(0) + off;
}

static void put16(uint32_t off, uint16_t v)
{
	memcpy(at(off), &v, 2);
}

static void put_used(unsigned i, uint32_t id, uint32_t len)
{
	uint32_t e[2] = {id, len};
	memcpy(at(COPY_DEVICE + 4 + 8 * i), e, sizeof(e));
}

/* Two chains are with the daemon: 64 and 32 writable bytes. */
static struct vring_chain c[2];

static void up(void)
{
	rig_up(&rig, RING_SIZE, 0);
	struct drv_seg seg[2] = {{GUEST_BUFFERS, 64, true}, {GUEST_BUFFERS + 4096, 32, true}};
	memset(guest_ptr(&rig.g, GUEST_BUFFERS), 0x11, 8192);
	for (unsigned i = 0; i < 2; i++)
		assert_true(drv_add(&rig.drv[0], &seg[i], 1, DRV_DIRECT, i, NULL));
	rig_notify(&rig, 0);
	for (unsigned i = 0; i < 2; i++)
		assert_true(rig_pop_wait(&rig, 0, &iov[i], &c[i]));
}

static void kick(void)
{
	uint64_t one = 1;
	assert_int_equal(write(copy_kick_fd(rig.copy), &one, sizeof(one)), sizeof(one));
}

/* Cut off, nothing given to the guest, and deaf from then on. */
static void expect_cut(bool untouched)
{
	uint64_t token;
	uint32_t len;
	kick();
	assert_true(rig_wait(&rig.cut));
	assert_non_null(rig.what);
	if (untouched) {
		assert_false(drv_reap(&rig.drv[0], &token, &len));
		for (unsigned i = 0; i < 8192; i++)
			assert_int_equal(guest_ptr(&rig.g, GUEST_BUFFERS)[i], 0x11);
	}
	put_used(0, c[0].id, 1); /* even if it is good now */
	put16(COPY_DEVICE + 2, 1);
	kick();
	rig_notify(&rig, 0);
	struct copy_counts n;
	copy_counts(rig.copy, &n);
	assert_true(n.outstanding >= 1);
	assert_int_equal(atomic_load(&rig.hostiles), 1);
	rig_fini(&rig);
}

static void test_used_index_ahead(void **s)
{
	(void)s;
	const uint16_t bad[] = {3, 8, 9, 0x7fff, 0x8000, 0xffff};
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		up();
		put16(COPY_DEVICE + 2, bad[i]);
		expect_cut(true);
	}
}

static void test_used_id_of_nobody(void **s)
{
	(void)s;
	up();
	uint32_t third = 0;
	while (third == c[0].id || third == c[1].id)
		third++;
	rig_fini(&rig);
	const uint32_t bad[] = {third,	RING_SIZE, 1023,       1024,
				0xffff, 0x10000,   0x7fffffff, UINT32_MAX};
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		up();
		put_used(0, bad[i], 1);
		put16(COPY_DEVICE + 2, 1);
		expect_cut(true);
	}
}

static void test_used_twice(void **s)
{
	(void)s;
	up();
	put_used(0, c[0].id, 1);
	put_used(1, c[0].id, 1);
	put16(COPY_DEVICE + 2, 2);
	expect_cut(false);
}

static void test_used_length(void **s)
{
	(void)s;
	const uint32_t bad[] = {65, 66, 4096, 0x80000000u, UINT32_MAX};
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		up();
		put_used(0, c[0].id, bad[i]);
		put16(COPY_DEVICE + 2, 1);
		expect_cut(true);
	}
	up(); /* the longest that is allowed */
	uint64_t token;
	uint32_t len;
	memset(c[0].in[0].iov_base, 0x22, 64);
	put_used(0, c[0].id, 64);
	put16(COPY_DEVICE + 2, 1);
	kick();
	assert_true(rig_reap(&rig, 0, &token, &len));
	assert_int_equal(len, 64);
	assert_int_equal(guest_ptr(&rig.g, GUEST_BUFFERS)[63], 0x22);
	assert_int_equal(guest_ptr(&rig.g, GUEST_BUFFERS)[64], 0x11);
	rig_fini(&rig);
}

/* Descriptors and tables in the channel are the daemon's to spoil: the core knows by itself where the buffers are. */
static void test_spoilt_descriptors_move_nothing(void **s)
{
	(void)s;
	up();
	uint64_t token;
	uint32_t len;
	memset(c[1].in[0].iov_base, 0x33, 32);
	memset(at(COPY_DESC), 0xff, 16 * RING_SIZE);
	memset(at(COPY_DRIVER), 0xff, 4096);
	memset(at(COPY_BOUNCE), 0xff, 16); /* the first table */
	put_used(0, c[1].id, 32);
	put16(COPY_DEVICE + 2, 1);
	kick();
	assert_true(rig_reap(&rig, 0, &token, &len));
	assert_int_equal(token, 1);
	for (unsigned i = 0; i < 8192; i++)
		assert_int_equal(guest_ptr(&rig.g, GUEST_BUFFERS)[i],
				 i >= 4096 && i < 4096 + 32 ? 0x33 : 0x11);
	rig_fini(&rig);
}

/* The header is not read either. */
static void test_spoilt_header(void **s)
{
	(void)s;
	up();
	uint64_t token;
	uint32_t len;
	memset(rig.channel.win[0].hva, 0xff, COPY_HEAD_BYTES);
	put_used(0, c[0].id, 1);
	put16(COPY_DEVICE + 2, 1);
	kick();
	assert_true(rig_reap(&rig, 0, &token, &len));
	rig_fini(&rig);
}

static void test_another_daemon_is_heard_again(void **s)
{
	(void)s;
	up();
	uint64_t token;
	uint32_t len;
	put16(COPY_DEVICE + 2, 99);
	kick();
	assert_true(rig_wait(&rig.cut));
	put_used(0, c[0].id, 1);
	put16(COPY_DEVICE + 2, 1);
	copy_serving(rig.copy);
	assert_true(rig_reap(&rig, 0, &token, &len));
	rig_fini(&rig);
}

/* A daemon that is cut off, say for something else that it did, reaches no memory any more; the next one gives its buffers back. */
static void test_a_daemon_that_was_cut_off(void **s)
{
	(void)s;
	up();
	uint64_t token;
	uint32_t len;
	copy_cut(rig.copy);
	put_used(0, c[0].id, 64);
	put16(COPY_DEVICE + 2, 1);
	kick();
	rig_notify(&rig, 0);
	copy_reset(rig.copy); /* ends only when nobody works */
	rig_fini(&rig);
	up();
	copy_cut(rig.copy);
	put_used(0, c[0].id, 64);
	put16(COPY_DEVICE + 2, 1);
	kick();
	assert_false(drv_reap(&rig.drv[0], &token, &len));
	rig_write(&rig, 0x70,
		  0); /* the guest gives up on the device, and uses its memory for something else */
	memset(guest_ptr(&rig.g, GUEST_BUFFERS), 0x44, 4096);
	copy_serving(rig.copy);
	kick();
	rig_notify(&rig, 0);
	copy_reset(rig.copy);
	for (unsigned i = 0; i < 4096; i++)
		assert_int_equal(guest_ptr(&rig.g, GUEST_BUFFERS)[i], 0x44);
	rig_fini(&rig);
}

/* ---- random bytes --------------------------------------------------------------------------------------------- */

struct scribbler {
	_Atomic bool stop;
	uint64_t seed;
};

static void *scribble(void *arg)
{
	struct scribbler *k = arg;
	uint64_t v = k->seed;
	while (!atomic_load(&k->stop)) {
		v ^= v << 13;
		v ^= v >> 7;
		v ^= v << 17;
		uint32_t where = (uint32_t)(v >> 32) % (COPY_BOUNCE + 8192);
		uint32_t kind = (uint32_t)v & 7;
		if (kind == 0) /* an index that might pass */
			where = COPY_DEVICE + 2;
		else if (kind < 4) /* a used entry that might */
			where = COPY_DEVICE + 4 + (uint32_t)(v >> 8) % 64;
		uint32_t value = kind < 4 ? (uint32_t)(v >> 40) & 7 : (uint32_t)(v >> 20);
		memcpy(at(where), &value, where & 1 ? 1 : 2);
		uint64_t one = 1;
		if (!(v & 0xff00) && write(copy_kick_fd(rig.copy), &one, sizeof(one)) < 0)
			break;
	}
	return NULL;
}

/* Whatever it writes: only buffers that the driver offered for writing change, and each comes back at most once. */
static void test_random_bytes(void **s)
{
	(void)s;
	for (unsigned round = 0; round < 60; round++) {
		rig_up(&rig, RING_SIZE, round % 2 ? VRING_F_RING_PACKED : 0);
		uint8_t *ram = guest_ptr(&rig.g, GUEST_BUFFERS);
		memset(ram, 0x11, 65536);
		struct scribbler k = {.seed = 88172645463325252ull + round};
		pthread_t th;
		assert_int_equal(pthread_create(&th, NULL, scribble, &k), 0);
		unsigned added = 0, back = 0;
		for (unsigned i = 0; i < 200 && !atomic_load(&rig.hostiles); i++) {
			struct drv_seg seg[2] = {
				{GUEST_BUFFERS + 4096 * (i % 8), 100, false},
				{GUEST_BUFFERS + 4096 * (i % 8) + 1024, 100, true}};
			uint64_t token;
			uint32_t len;
			added += drv_add(&rig.drv[0], seg, 2, DRV_DIRECT, i, NULL);
			rig_notify(&rig, 0);
			while (drv_reap(&rig.drv[0], &token, &len)) {
				assert_true(len <= 100);
				back++;
			}
		}
		assert_true(back <= added);
		atomic_store(&k.stop, true);
		pthread_join(th, NULL);
		for (unsigned i = 0; i < 65536; i++)
			if (i >= 32768 || i % 4096 < 1024 || i % 4096 >= 1124)
				assert_int_equal(ram[i], 0x11);
		rig_fini(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_used_index_ahead),
		cmocka_unit_test(test_used_id_of_nobody),
		cmocka_unit_test(test_used_twice),
		cmocka_unit_test(test_used_length),
		cmocka_unit_test(test_spoilt_descriptors_move_nothing),
		cmocka_unit_test(test_spoilt_header),
		cmocka_unit_test(test_another_daemon_is_heard_again),
		cmocka_unit_test(test_a_daemon_that_was_cut_off),
		cmocka_unit_test(test_random_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
