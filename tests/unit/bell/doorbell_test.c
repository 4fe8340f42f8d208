/* SPDX-License-Identifier: Apache-2.0 */
/* Doorbells, pending events and the bell, single-threaded: what each side sees of the other. */
#include "proto/bell.h"
#include "proto/port.h"
#include "base/bytes.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct fixture {
	struct port_producer pp;
	struct port_consumer pc;
	void *map;
	size_t size;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	f->size = port_size(0);
	f->map = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(f->map != MAP_FAILED);
	port_init(&f->pp, f->map, 2, 2, 0, "disk0");
	assert_int_equal(port_attach(&f->pc, f->map, f->size, port_epoch_begin(&f->pp), UINT64_MAX),
			 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	munmap(f->map, f->size);
	free(f);
	return 0;
}

static void rings_that_come_together_are_one_and_none_is_lost(void **state)
{
	struct fixture *f = *state;
	assert_false(port_has_work(&f->pc));
	assert_int_equal(port_doorbells_take(&f->pc), 0);
	port_ring(&f->pp, 3);
	port_ring(&f->pp, 3);
	port_ring(&f->pp, 63);
	assert_true(port_has_work(&f->pc));
	assert_true(port_doorbells_take(&f->pc) == (1ull << 63 | 1ull << 3));
	assert_false(port_has_work(&f->pc));
	port_ring(&f->pp, 0);
	assert_int_equal(port_doorbells_take(&f->pc), 1);
}

static void daemon_does_not_sleep_over_a_doorbell(void **state)
{
	struct fixture *f = *state;
	port_ring(&f->pp, 1);
	assert_false(port_sleep_begin(&f->pc, false));
	assert_false(port_needs_wake(&f->pp, NULL));
	port_doorbells_take(&f->pc);
	assert_true(port_sleep_begin(&f->pc, false));
	port_ring(&f->pp, 1);
	assert_true(port_needs_wake(&f->pp, NULL));
	assert_false(port_needs_wake(&f->pp, NULL)); /* one waker is enough */
	port_sleep_end(&f->pc);
	assert_int_equal(port_doorbells_take(&f->pc), 2);
}

static void events_wait_until_they_are_acknowledged(void **state)
{
	struct fixture *f = *state;
	struct port_line *l = &f->pp.port->line[1];
	uint32_t gen = atomic_load(&f->pp.port->consumer.lines_gen);
	assert_true(port_line_event(&f->pc, 1, 1));
	assert_int_not_equal(atomic_load(&f->pp.port->consumer.lines_gen), gen);
	gen = atomic_load(&f->pp.port->consumer.lines_gen);
	assert_false(port_line_event(&f->pc, 1, 2)); /* the line is high already */
	assert_int_equal(atomic_load(&f->pp.port->consumer.lines_gen), gen);
	assert_int_equal(atomic_load(&l->pending), 3);
	port_ack(&f->pp, 1, 1);
	assert_int_equal(atomic_load(&l->pending), 2);
	port_ack(&f->pp, 1, 0xffffffff);
	assert_int_equal(atomic_load(&l->pending), 0);
	assert_true(port_line_event(&f->pc, 1, 1));
	assert_true(port_line_forget(&f->pc, 1));
	assert_false(port_line_forget(&f->pc, 1));
	assert_int_equal(atomic_load(&l->pending), 0);
}

static void bell_tells_a_sleeper_from_a_runner(void **state)
{
	struct bell *b = calloc(1, sizeof(*b));
	(void)state;
	assert_false(bell_ring(b)); /* nobody has said that he is awake */
	atomic_store(&b->rung, 0);
	bell_awake(b, 9);
	assert_true(bell_ring(b));
	assert_false(bell_idle(b, 9)); /* rung: look first */
	atomic_store(&b->rung, 0);
	assert_true(bell_idle(b, 9));
	assert_false(bell_ring(b));
	atomic_store(&b->rung, 0);
	bell_awake(b, 63);
	bell_awake(b, 0);
	bell_idle(b, 63);
	assert_true(bell_ring(b)); /* 0 still is */
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rings_that_come_together_are_one_and_none_is_lost,
						setup, teardown),
		cmocka_unit_test_setup_teardown(daemon_does_not_sleep_over_a_doorbell, setup,
						teardown),
		cmocka_unit_test_setup_teardown(events_wait_until_they_are_acknowledged, setup,
						teardown),
		cmocka_unit_test(bell_tells_a_sleeper_from_a_runner),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
