/* SPDX-License-Identifier: Apache-2.0 */
/* The port: layout, order, back-pressure, epochs, nonsense, and threads over the real futex and eventfd. */
#include "proto/port.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <setjmp.h>
#include <cmocka.h>

struct fixture {
	struct port_producer pp;
	struct port_consumer pc;
	void *map;
	size_t size;
	int kick;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	f->size = port_size(2);
	f->map = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(f->map != MAP_FAILED);
	port_init(&f->pp, f->map, 4, 2, 2, "uart0");
	uint32_t epoch = port_epoch_begin(&f->pp);
	assert_int_equal(port_attach(&f->pc, f->map, f->size, epoch, UINT64_MAX), 0);
	f->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	munmap(f->map, f->size);
	close(f->kick);
	free(f);
	return 0;
}

static void zeroed_page_holds_no_entry_and_nobody(void **state)
{
	(void)state;
	struct port *p = calloc(1, port_size(0));
	struct port_consumer pc = {.port = p, .vcpus = 1};
	struct port_entry e;
	assert_false(port_peek(&pc, &e));
	assert_int_equal(port_attach(&pc, p, port_size(0), 1, 0), -EPROTO);
	struct port_producer pp = {.port = p};
	struct port_result r;
	int err;
	for (uint64_t seq = 1; seq < 5; seq++)
		assert_false(port_poll_done(&pp, 0, seq, &r, &err));
	assert_false(port_poll_done(&pp, 0, 1ull << 32, &r, &err));
	free(p);
}

static void entries_come_out_whole_and_in_order(void **state)
{
	struct fixture *f = *state;
	for (uint32_t i = 0; i < 3 * PORT_RING_ENTRIES; i++) {
		struct port_entry e = {.op = PORT_OP_WRITE,
				       .width = 2,
				       .range = 1,
				       .flags = PORT_F_POSTED,
				       .offset = i,
				       .value = i * 3ull,
				       .vcpu = 3,
				       .time_us = i,
				       .aux = 9};
		struct port_entry got;
		uint64_t seq;
		assert_int_equal(port_push(&f->pp, &e, &seq), 0);
		assert_int_equal(seq, i + 1);
		assert_false(port_served(&f->pp, seq));
		assert_true(port_peek(&f->pc, &got));
		e.seq = seq;
		assert_memory_equal(&got, &e, sizeof(e));
		port_consume(&f->pc);
		assert_true(port_served(&f->pp, seq));
	}
}

static void full_ring_refuses_then_waits_then_takes(void **state)
{
	struct fixture *f = *state;
	struct port_entry e = {.op = PORT_OP_WRITE, .width = 4, .flags = PORT_F_POSTED};
	uint64_t seq;
	for (unsigned i = 0; i < PORT_RING_ENTRIES; i++)
		assert_int_equal(port_push(&f->pp, &e, &seq), 0);
	assert_int_equal(port_push(&f->pp, &e, &seq), -EAGAIN);
	assert_int_equal(port_wait_room(&f->pp, clock_now_ns() + 1000000, NULL), -ETIMEDOUT);
	struct port_entry got;
	assert_true(port_peek(&f->pc, &got));
	port_consume(&f->pc);
	assert_int_equal(port_wait_room(&f->pp, clock_now_ns() + 1000000, NULL), 0);
	assert_int_equal(port_push(&f->pp, &e, &seq), 0);
}

static void nonsense_head_is_told_apart_from_full(void **state)
{
	struct fixture *f = *state;
	struct port_entry e = {.op = PORT_OP_WRITE, .width = 4, .flags = PORT_F_POSTED};
	uint64_t seq;
	/* It is looked at when the room seen before is used up. */
	for (unsigned i = 0; i < PORT_RING_ENTRIES; i++)
		assert_int_equal(port_push(&f->pp, &e, &seq), 0);
	atomic_store(&f->pp.port->consumer.head, PORT_RING_ENTRIES + 77);
	assert_int_equal(port_push(&f->pp, &e, &seq), -EPROTO); /* ahead of the tail */
	atomic_store(&f->pp.port->consumer.head, (uint64_t)-5);
	assert_int_equal(port_push(&f->pp, &e, &seq), -EPROTO); /* went back */
	atomic_store(&f->pp.port->consumer.head, 0);
	assert_int_equal(port_push(&f->pp, &e, &seq), -EAGAIN);
	atomic_store(&f->pp.port->consumer.head, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(port_push(&f->pp, &e, &seq), 0);
	assert_int_equal(port_push(&f->pp, &e, &seq), -EAGAIN);
}

static void answers_of_another_epoch_or_status_do_not_count(void **state)
{
	struct fixture *f = *state;
	struct port_entry e = {.op = PORT_OP_READ, .width = 4, .vcpu = 2}, got;
	struct port_result r = {0};
	uint64_t seq;
	int err;
	assert_int_equal(port_push(&f->pp, &e, &seq), 0);
	assert_true(port_peek(&f->pc, &got));
	f->pc.epoch++;
	port_complete(&f->pc, &got, PORT_STATUS_OK, 5);
	assert_false(port_poll_done(&f->pp, 2, seq, &r, &err));
	f->pc.epoch--;
	port_complete(&f->pc, &got, 99, 5);
	assert_true(port_poll_done(&f->pp, 2, seq, &r, &err));
	assert_int_equal(err, -EPROTO);
	port_complete(&f->pc, &got, PORT_STATUS_ERROR, 6);
	assert_true(port_poll_done(&f->pp, 2, seq, &r, &err));
	assert_int_equal(err, 0);
	assert_int_equal(r.status, PORT_STATUS_ERROR);
	assert_int_equal(r.data, 6);
	got.vcpu = 200; /* a request that names no slot is answered to nobody */
	port_complete(&f->pc, &got, PORT_STATUS_OK, 1);
}

static void waits_end_by_deadline_death_and_stop(void **state)
{
	struct fixture *f = *state;
	struct port_entry e = {.op = PORT_OP_READ, .width = 4};
	struct port_result r;
	uint64_t seq;
	_Atomic uint32_t stop = 0;
	assert_int_equal(port_push(&f->pp, &e, &seq), 0);
	uint64_t t = clock_now_ns();
	assert_int_equal(port_wait_done(&f->pp, 0, seq, 1000, t + 3000000, &stop, &r), -ETIMEDOUT);
	assert_true(clock_now_ns() - t >= 3000000);
	atomic_store(&stop, 1);
	assert_int_equal(port_wait_done(&f->pp, 0, seq, 0, UINT64_MAX, &stop, &r), -EINTR);
	port_mark_dead(&f->pp);
	assert_int_equal(port_wait_done(&f->pp, 0, seq, 0, UINT64_MAX, NULL, &r), -EPIPE);
}

static void wake_is_asked_only_of_a_sleeper(void **state)
{
	struct fixture *f = *state;
	struct port_entry e = {.op = PORT_OP_READ, .width = 4};
	uint64_t seq;
	bool local;
	assert_int_equal(port_push(&f->pp, &e, &seq), 0);
	assert_false(port_needs_wake(&f->pp, &local));
	assert_false(port_sleep_begin(&f->pc, false)); /* there is work */
	port_consume(&f->pc);
	assert_true(port_sleep_begin(&f->pc, true));
	assert_int_equal(port_push(&f->pp, &e, &seq), 0);
	assert_true(port_needs_wake(&f->pp, &local));
	assert_true(local);
	assert_int_equal(port_push(&f->pp, &e, &seq), 0);
	assert_false(port_needs_wake(&f->pp, &local)); /* one kick is enough */
	assert_true(local);			       /* but it does not run yet */
	port_sleep_end(&f->pc);
	assert_false(port_needs_wake(&f->pp, &local));
	port_detach(&f->pc);
	assert_false(port_needs_wake(&f->pp, NULL));
}

static void lines_and_shadow_are_seen_by_the_other_side(void **state)
{
	struct fixture *f = *state;
	assert_true(port_line_set(&f->pc, 1, true));
	assert_false(port_line_set(&f->pc, 1, true));
	assert_false(port_line_set(&f->pc, 2, true)); /* no such line */
	assert_int_equal(f->pp.port->line[1].word, PORT_LINE_HIGH);
	assert_true(port_lines_unseen(&f->pc));
	atomic_store(&f->pp.port->producer.lines_seen,
		     atomic_load(&f->pp.port->consumer.lines_gen));
	assert_false(port_lines_unseen(&f->pc));
	port_line_pulse(&f->pc, 0);
	assert_int_equal(f->pp.port->line[0].edges, 1);
	port_shadow_write(&f->pc, 0x18, 2, 0x1290);
	assert_int_equal(port_shadow_read(&f->pp, 0x18, 2), 0x1290);
	assert_int_equal(port_shadow_read(&f->pp, 0x18, 1), 0x90);
	port_shadow_write(&f->pc, 2 * PORT_PAGE, 4, 1); /* outside: no effect, no crash */
	port_shadow_write(&f->pc, 2 * PORT_PAGE - 8, 8, 0x1122334455667788);
	assert_int_equal(port_shadow_read(&f->pp, 2 * PORT_PAGE - 8, 8), 0x1122334455667788);
}

/* ---- threads ---------------------------------------------------------------------------------- */

#define THREADS 4
#define PER_THREAD 20000

struct producer_arg {
	struct fixture *f;
	unsigned vcpu;
	unsigned bad;
};

static void *producer_main(void *arg)
{
	struct producer_arg *a = arg;
	struct port_producer *pp = &a->f->pp;
	for (uint32_t i = 0; i < PER_THREAD; i++) {
		bool posted = i % 3 == 1;
		struct port_entry e = {.op = posted ? PORT_OP_WRITE : PORT_OP_READ,
				       .width = 8,
				       .flags = posted ? PORT_F_POSTED : 0,
				       .offset = i,
				       .value = (uint64_t)a->vcpu << 32 | i,
				       .vcpu = (uint16_t)a->vcpu};
		uint64_t seq;
		int r;
		while ((r = port_push(pp, &e, &seq)) == -EAGAIN)
			r = port_wait_room(pp, clock_now_ns() + 20000000000ull, NULL);
		if (r)
			a->bad++;
		if (port_needs_wake(pp, NULL))
			eventfd_write(a->f->kick, 1);
		struct port_result res = {0};
		if (!posted && (port_wait_done(pp, a->vcpu, seq, i % 2 ? 2000 : 0,
					       clock_now_ns() + 20000000000ull, NULL, &res) ||
				res.data != ~e.value))
			a->bad++;
	}
	return NULL;
}

static void four_vcpus_one_daemon_nothing_lost_or_reordered(void **state)
{
	struct fixture *f = *state;
	pthread_t t[THREADS];
	struct producer_arg arg[THREADS];
	uint32_t next[THREADS] = {0};
	unsigned bad = 0;
	for (unsigned i = 0; i < THREADS; i++) {
		arg[i] = (struct producer_arg){.f = f, .vcpu = i};
		pthread_create(&t[i], NULL, producer_main, &arg[i]);
	}
	for (uint32_t served = 0; served < THREADS * PER_THREAD;) {
		struct port_entry e;
		if (port_peek(&f->pc, &e)) {
			unsigned v = e.vcpu;
			bad += v >= THREADS || e.offset != next[v % THREADS]++;
			if (!(e.flags & PORT_F_POSTED))
				port_complete(&f->pc, &e, PORT_STATUS_OK, ~e.value);
			port_consume(&f->pc);
			served++;
		} else if (port_sleep_begin(&f->pc, false)) {
			struct pollfd p = {.fd = f->kick, .events = POLLIN};
			if (poll(&p, 1, 20000) != 1)
				bad += 1000; /* a wake-up was lost */
			eventfd_t v;
			eventfd_read(f->kick, &v);
			port_sleep_end(&f->pc);
		}
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		bad += arg[i].bad;
	}
	assert_int_equal(bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zeroed_page_holds_no_entry_and_nobody),
		cmocka_unit_test_setup_teardown(entries_come_out_whole_and_in_order, setup,
						teardown),
		cmocka_unit_test_setup_teardown(full_ring_refuses_then_waits_then_takes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(nonsense_head_is_told_apart_from_full, setup,
						teardown),
		cmocka_unit_test_setup_teardown(answers_of_another_epoch_or_status_do_not_count,
						setup, teardown),
		cmocka_unit_test_setup_teardown(waits_end_by_deadline_death_and_stop, setup,
						teardown),
		cmocka_unit_test_setup_teardown(wake_is_asked_only_of_a_sleeper, setup, teardown),
		cmocka_unit_test_setup_teardown(lines_and_shadow_are_seen_by_the_other_side, setup,
						teardown),
		cmocka_unit_test_setup_teardown(four_vcpus_one_daemon_nothing_lost_or_reordered,
						setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
