/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of a trace area, through hv's sockets: tokens, wishes that come and go with connections, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include "hv/arch/fake/fake.h"
#include "mini_launcher.h"
#include "proto/trace.h"

static bool all_serve(struct mini_launcher *l)
{
	return !strcmp(l->device_state[0], "serving") && !strcmp(l->device_state[1], "serving");
}

static void begin(struct mini_launcher *l)
{
	static const struct fake_step step[] = {{.kind = FAKE_WAIT_LEVEL, .addr = 9, .data = 1}};
	ml_init(l, 2, 1);
	fake_script(0, step, ARRAY_LEN(step));
	assert_true(ml_start(l));
	ml_daemons(l, MINI_HONEST);
	ml_go(l);
	assert_true(ml_until(
		l, all_serve)); /* the rig's daemons do not like a VM that ends while they dock */
}

/* Asks for a token; returns the status of the reply. */
static int ask(struct mini_launcher *l, const char *device, uint32_t want,
	       char token[LIMIT_TOKEN + 1])
{
	Outrigger__HvRequest q = OUTRIGGER__HV_REQUEST__INIT;
	Outrigger__ObserveRequest o = OUTRIGGER__OBSERVE_REQUEST__INIT;
	o.device = (char *)(uintptr_t)device;
	o.want = want;
	q.id = 1u << 20;
	q.kind_case = OUTRIGGER__HV_REQUEST__KIND_OBSERVE;
	q.observe = &o;
	assert_int_equal(ctl_send(l->ctl, &q.base, 5000), 0);
	for (;;) {
		ProtobufCMessage *raw = NULL;
		assert_int_equal(ctl_recv(l->ctl, &outrigger__from_hv__descriptor, 10000, &raw), 0);
		Outrigger__FromHv *m = (void *)raw;
		bool mine = m->kind_case == OUTRIGGER__FROM_HV__KIND_REPLY && m->reply->id == q.id;
		int status = mine ? m->reply->status : 0;
		if (mine && !status) {
			assert_int_equal(m->reply->blob.len, LIMIT_TOKEN);
			memcpy(token, m->reply->blob.data, LIMIT_TOKEN);
			token[LIMIT_TOKEN] = 0;
		}
		ctl_free(raw);
		if (mine)
			return status;
	}
}

/* Docks with @token: the connection, or the error. *@ret_area: mapped. */
static int dock(struct mini_launcher *l, const char *token, struct trace_area **ret_area)
{
	char path[128];
	struct dock_reply r;
	struct err err = {0};
	AUTO_FD fd = -1;
	snprintf(path, sizeof(path), "%s/dock", l->runtime);
	int conn = dock_observe(path, token, 5000, &r, &fd, &err);
	if (conn < 0)
		return conn;
	assert_string_equal(r.device, "dev0");
	if (ret_area) {
		size_t n = trace_area_bytes(1);
		*ret_area = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		assert_ptr_not_equal(*ret_area, MAP_FAILED);
		assert_int_equal(trace_area_check(*ret_area, n), 0);
	}
	return conn;
}

static void wanted_becomes(struct trace_area *a, uint32_t want)
{
	uint64_t end = clock_now_ns() + 20000000000u;
	while (atomic_load(&a->wanted) != want && clock_now_ns() < end)
		poll(NULL, 0, 1);
	assert_int_equal(atomic_load(&a->wanted), want);
}

static void wishes_come_and_go_with_their_readers(void **state)
{
	(void)state;
	struct mini_launcher l;
	struct trace_area *a = NULL;
	char one[LIMIT_TOKEN + 1], two[LIMIT_TOKEN + 1];
	begin(&l);
	assert_int_equal(ask(&l, "dev0", TRACE_WANT_RECORDS, one), 0);
	assert_int_equal(ask(&l, "dev0", TRACE_WANT_RECORDS | TRACE_WANT_BYTES, two), 0);
	assert_string_not_equal(one, two);
	int first = dock(&l, one, &a);
	assert_true(first >= 0);
	assert_int_equal(atomic_load(&a->wanted),
			 TRACE_WANT_RECORDS); /* from the moment that we have it */
	int second = dock(&l, two, NULL);
	assert_true(second >= 0);
	assert_int_equal(atomic_load(&a->wanted), TRACE_WANT_RECORDS | TRACE_WANT_BYTES);
	close(second);
	wanted_becomes(a, TRACE_WANT_RECORDS);
	assert_int_equal(send(first, "x", 1, MSG_NOSIGNAL), 1); /* it is to stay silent */
	wanted_becomes(a, 0);
	close(first);
	munmap(a, trace_area_bytes(1));
	ml_fini(&l);
}

static void tokens_are_good_for_once(void **state)
{
	(void)state;
	struct mini_launcher l;
	char token[LIMIT_TOKEN + 1];
	begin(&l);
	assert_int_equal(ask(&l, "dev0", TRACE_WANT_RECORDS, token), 0);
	AUTO_FD conn = dock(&l, token, NULL);
	assert_true(conn >= 0);
	assert_int_equal(dock(&l, token, NULL), -EACCES);
	assert_int_equal(dock(&l, "", NULL), -EACCES);
	ml_fini(&l);
}

static void bad_wishes_and_too_many_readers_are_refused(void **state)
{
	(void)state;
	struct mini_launcher l;
	char token[LIMIT_TOKEN + 1];
	int conn[TRACE_READERS];
	begin(&l);
	assert_int_equal(ask(&l, "nonesuch", TRACE_WANT_RECORDS, token), ENOENT);
	assert_int_equal(ask(&l, "dev0", 0, token), EINVAL);
	assert_int_equal(ask(&l, "dev0", TRACE_WANT_BYTES, token), EINVAL);
	assert_int_equal(ask(&l, "dev0", ~0u, token), EINVAL);
	for (unsigned i = 0; i < TRACE_READERS; i++) {
		assert_int_equal(ask(&l, "dev0", TRACE_WANT_RECORDS, token), 0);
		conn[i] = dock(&l, token, NULL);
		assert_true(conn[i] >= 0);
	}
	assert_int_equal(ask(&l, "dev0", TRACE_WANT_RECORDS, token), EBUSY);
	assert_int_equal(ask(&l, "dev1", TRACE_WANT_RECORDS, token),
			 0); /* another device has its own */
	close(conn[3]);
	uint64_t end = clock_now_ns() + 20000000000u;
	int r;
	while ((r = ask(&l, "dev0", TRACE_WANT_RECORDS, token)) == EBUSY && clock_now_ns() < end)
		poll(NULL, 0, 1);
	assert_int_equal(r, 0);
	for (unsigned i = 0; i < TRACE_READERS; i++)
		if (i != 3)
			close(conn[i]);
	ml_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wishes_come_and_go_with_their_readers),
		cmocka_unit_test(tokens_are_good_for_once),
		cmocka_unit_test(bad_wishes_and_too_many_readers_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
