/* SPDX-License-Identifier: Apache-2.0 */
/* A whole VM on the fake engine: dock, control, bus, ports, interrupts, ends; several vCPU threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/bytes.h"
#include "base/clock.h"
#include "hv/arch/fake/fake.h"
#include "mini_launcher.h"

#define R(reg) .reason = EXIT_MMIO, .len = 4, .addr = ML_BASE + (reg)*4
#define W(reg, v)                                                                                  \
	.reason = EXIT_MMIO, .is_write = true, .len = 4, .addr = ML_BASE + (reg)*4, .data = (v)

static void access_of_each_way_reaches_daemon(void **state)
{
	(void)state;
	static const struct fake_step steps[] = {
		{W(3, 0x1234)},
		{R(3)}, /* forwarded */
		{W(0, 1)},
		{R(0)}, /* posted, then forwarded behind it */
		{.kind = FAKE_WAIT_LEVEL, .addr = 0, .data = 1},
		{W(1, 0xabcd)},
		{R(1)}, /* shadow */
		{W(2, 7)},
		{R(2)}, /* ignored */
		{.reason = EXIT_MMIO,
		 .len = 8,
		 .addr = ML_BASE + 0x20}, /* width that is not allowed */
		{.reason = EXIT_MMIO,
		 .len = 4,
		 .addr = ML_BASE + 0x800},			 /* the daemon refuses it */
		{.reason = EXIT_MMIO, .len = 2, .addr = 0x1000}, /* no device */
		{.reason = EXIT_POWEROFF},
	};
	static const uint64_t want[] = {0x1234, 1, 0xabcd, 0, ~0ull, 0xffffffff, 0xffff};
	struct mini_launcher l;
	ml_init(&l, 1, 1);
	fake_script(0, steps, ARRAY_LEN(steps));
	assert_true(ml_start(&l));
	ml_daemons(&l, MINI_HONEST);
	ml_go(&l);
	assert_true(ml_until(&l, ml_has_ended));
	assert_string_equal(l.ended->how, "poweroff");
	assert_int_equal(l.ended->exit_code, 0);
	assert_string_equal(l.running, "fake (as asked)");
	assert_string_equal(l.device_state[0], "serving");
	unsigned n;
	const uint64_t *got = fake_reads(0, &n);
	assert_int_equal(n, ARRAY_LEN(want));
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(got[i], want[i]);
	assert_true(fake_irq_level(0));
	const struct port_counters *c = &l.vm->devices[0].slot->pp.port->counters;
	assert_int_equal(c->writes_posted, 1);
	assert_int_equal(c->reads_shadow, 1);
	assert_int_equal(l.vm->bus.unclaimed_total, 1);
	ml_fini(&l);
}

static bool vm_is_running(struct mini_launcher *l)
{
	return l->running[0] != 0;
}

static void vcpus_in_parallel_get_their_own_answers(void **state)
{
	(void)state;
	static const struct fake_step steps[2][5] = {
		{{W(3, 3)},
		 {R(3), .repeat = 2000},
		 {W(0, 2), .repeat = 500},
		 {R(3), .repeat = 500}},
		{{W(4, 4)},
		 {R(4), .repeat = 2000},
		 {W(0, 0), .repeat = 500},
		 {R(4), .repeat = 500}},
	};
	struct mini_launcher l;
	ml_init(&l, 2, 2);
	fake_script(0, steps[0], 4);
	fake_script(1, steps[1], 4);
	assert_true(ml_start(&l));
	ml_daemons(&l, MINI_HONEST);
	ml_go(&l);
	unsigned n[2] = {0};
	const uint64_t *got[2] = {NULL, NULL};
	uint64_t end = clock_now_ns() + 30000000000u;
	while (clock_now_ns() < end && (n[0] < 2500 || n[1] < 2500)) {
		ml_until(&l, vm_is_running);
		Outrigger__FromHv *m = ml_request(&l, OUTRIGGER__HV_REQUEST__KIND_STATUS);
		assert_non_null(m);
		ctl_free(&m->base);
		got[0] = fake_reads(0, &n[0]);
		got[1] = fake_reads(1, &n[1]);
	}
	assert_int_equal(n[0], 2500);
	assert_int_equal(n[1], 2500);
	for (unsigned i = 0; i < 2500; i++) {
		assert_int_equal(got[0][i], 3);
		assert_int_equal(got[1][i], 4);
	}
	Outrigger__FromHv *m = ml_request(&l, OUTRIGGER__HV_REQUEST__KIND_STATUS);
	assert_non_null(m);
	Outrigger__VmStatus *v = m->reply->vm;
	assert_string_equal(v->state, "running");
	assert_int_equal(v->n_vcpu_exits, 2);
	assert_true(v->vcpu_exits[0] >= 3001);
	assert_true(v->first_instruction_ns > 0);
	assert_int_equal(v->n_devices, 2);
	assert_string_equal(v->devices[1]->state, "serving");
	assert_int_equal(v->devices[0]->pid, getpid());
	ctl_free(&m->base);
	ml_fini(&l);
	assert_int_equal(l.exit_code, 0);
}

static void daemon_that_lies_is_refused_and_named(void **state)
{
	(void)state;
	static const struct {
		enum mini_lie lie;
		const char *says;
	} cases[] = {
		{MINI_LIE_MODEL, "model liar"},		{MINI_LIE_SIZE, "0x2000 bytes"},
		{MINI_LIE_COUNT, "registers 2 ranges"}, {MINI_LIE_IRQS, "wants 7 interrupts"},
		{MINI_LIE_SHADOW, "shadow page 5"},	{MINI_DIE_AFTER_DOCK, "ended"},
	};
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct mini_launcher l;
		ml_init(&l, 1, 1);
		assert_true(ml_start(&l));
		ml_daemons(&l, cases[i].lie);
		assert_true(ml_until(&l, ml_has_error));
		assert_non_null(strstr(l.error, "dev0"));
		assert_non_null(strstr(l.error, cases[i].says));
		ml_fini(&l);
		assert_int_equal(l.exit_code, 2);
	}
}

static bool dev0_is_dead(struct mini_launcher *l)
{
	return !strcmp(l->device_state[0], "dead");
}

static void death_of_daemon_leaves_ones_and_other_devices(void **state)
{
	(void)state;
	static const struct fake_step steps[] = {
		{W(3, 5)},
		{R(3)},
		{.kind = FAKE_WAIT_LEVEL, .addr = 200, .data = 1}, /* until the test says so */
		{R(3)},
		{W(3, 6)},
		{R(1)},
		{.reason = EXIT_MMIO,
		 .is_write = true,
		 .len = 4,
		 .addr = ML_BASE + 0x100c,
		 .data = 9},
		{.reason = EXIT_MMIO, .len = 4, .addr = ML_BASE + 0x100c},
		{.reason = EXIT_POWEROFF},
	};
	static const uint64_t want[] = {5, 0xffffffff, 0xffffffff, 9};
	struct mini_launcher l;
	ml_init(&l, 2, 1);
	fake_script(0, steps, ARRAY_LEN(steps));
	assert_true(ml_start(&l));
	ml_daemons(&l, MINI_HONEST);
	ml_go(&l);
	assert_true(ml_until(&l, vm_is_running));
	mini_daemon_kill(&l.daemon[0]);
	assert_true(ml_until(&l, dev0_is_dead));
	fake_engine.irq_line(NULL, 200, true);
	assert_true(ml_until(&l, ml_has_ended));
	unsigned n;
	const uint64_t *got = fake_reads(0, &n);
	assert_int_equal(n, ARRAY_LEN(want));
	for (unsigned i = 1; i < n; i++)
		assert_int_equal(got[i], want[i]);
	assert_non_null(strstr(l.device_why[0], "ended"));
	ml_fini(&l);
}

static void policy_stop_ends_the_vm_when_the_daemon_dies(void **state)
{
	(void)state;
	struct mini_launcher l;
	ml_init(&l, 1, 1);
	l.dev[0].on_failure = (char *)(uintptr_t) "stop";
	assert_true(ml_start(&l));
	ml_daemons(&l, MINI_HONEST);
	ml_go(&l);
	assert_true(ml_until(&l, vm_is_running));
	mini_daemon_kill(&l.daemon[0]);
	assert_true(ml_until(&l, ml_has_ended));
	assert_string_equal(l.ended->how, "lost");
	assert_int_equal(l.ended->exit_code, 4);
	assert_non_null(strstr(l.ended->why, "dev0"));
	ml_fini(&l);
}

static void hung_daemon_costs_one_deadline_and_can_be_stopped(void **state)
{
	(void)state;
	static const struct fake_step steps[] = {{R(3), .repeat = 100}, {.reason = EXIT_POWEROFF}};
	struct mini_launcher l;
	ml_init(&l, 1, 2);
	l.dev[0].deadline_ns = 50000000;
	l.daemon[0].port.mode = MINI_MUTE;
	fake_script(0, steps, ARRAY_LEN(steps));
	assert_true(ml_start(&l));
	ml_daemons(&l, MINI_HONEST);
	ml_go(&l);
	assert_true(ml_until(&l, ml_has_ended));
	const struct port_counters *c = &l.vm->devices[0].slot->pp.port->counters;
	assert_int_equal(c->deadline_misses, 1);
	assert_int_equal(c->policy_answers, 100);
	ml_fini(&l);
}

static void stop_interrupts_a_vcpu_that_waits_for_a_hung_daemon(void **state)
{
	(void)state;
	static const struct fake_step steps[] = {{R(3)}};
	struct mini_launcher l;
	ml_init(&l, 1, 1);
	l.dev[0].deadline_ns = 3000000000000ull; /* far beyond the test's own time limit */
	l.daemon[0].port.mode = MINI_MUTE;
	fake_script(0, steps, 1);
	assert_true(ml_start(&l));
	ml_daemons(&l, MINI_HONEST);
	ml_go(&l);
	assert_true(ml_until(&l, vm_is_running));
	Outrigger__FromHv *m = ml_request(&l, OUTRIGGER__HV_REQUEST__KIND_STOP);
	assert_non_null(m);
	ctl_free(&m->base);
	assert_true(ml_until(&l, ml_has_ended));
	assert_string_equal(l.ended->how, "stopped");
	ml_fini(&l);
}

static void nonsense_quarantines_and_the_vm_goes_on(void **state)
{
	(void)state;
	static const enum mini_mode modes[] = {MINI_BAD_STATUS, MINI_BAD_LINE, MINI_BAD_HEAD};
	static const struct fake_step steps[] = {{R(3), .repeat = 5}, {.reason = EXIT_POWEROFF}};
	for (unsigned i = 0; i < ARRAY_LEN(modes); i++) {
		struct mini_launcher l;
		ml_init(&l, 1, 1);
		l.dev[0].deadline_ns = 50000000;
		l.daemon[0].port.mode = (int)modes[i];
		fake_script(0, steps, ARRAY_LEN(steps));
		assert_true(ml_start(&l));
		ml_daemons(&l, MINI_HONEST);
		ml_go(&l);
		assert_true(ml_until(&l, ml_has_ended));
		assert_string_equal(l.ended->how, "poweroff");
		assert_string_equal(l.device_state[0], "quarantined");
		assert_non_null(strstr(l.device_why[0], "dev0 wrote"));
		unsigned n;
		const uint64_t *got = fake_reads(0, &n);
		assert_int_equal(n, 5);
		assert_int_equal(got[4], 0xffffffff);
		ml_fini(&l);
	}
}

static void reset_resets_devices_and_goes_on(void **state)
{
	(void)state;
	static const struct fake_step steps[] = {
		{W(3, 5)}, {R(3)}, {.reason = EXIT_RESET}, {R(3)}, {.reason = EXIT_POWEROFF}};
	struct mini_launcher l;
	ml_init(&l, 1, 3);
	fake_script(0, steps, ARRAY_LEN(steps));
	assert_true(ml_start(&l));
	ml_daemons(&l, MINI_HONEST);
	ml_go(&l);
	assert_true(ml_until(&l, ml_has_ended));
	unsigned n;
	const uint64_t *got = fake_reads(0, &n);
	assert_int_equal(n, 2);
	assert_int_equal(got[0], 5);
	assert_int_equal(got[1], 0);
	assert_int_equal(fake_resets(), 1);
	assert_int_equal(l.daemon[0].port.resets, 1);
	ml_fini(&l);
}

static void reset_without_reboot_ends_with_code_3(void **state)
{
	(void)state;
	static const struct fake_step steps[] = {{.reason = EXIT_RESET}};
	struct mini_launcher l;
	ml_init(&l, 0, 1);
	l.cfg.no_reboot = 1;
	fake_script(0, steps, 1);
	assert_true(ml_start(&l));
	ml_go(&l);
	assert_true(ml_until(&l, ml_has_ended));
	assert_string_equal(l.ended->how, "reset");
	assert_int_equal(l.ended->exit_code, 3);
	ml_fini(&l);
	assert_int_equal(l.exit_code, 3);
}

static void crash_ends_with_code_4_and_registers_in_a_file(void **state)
{
	(void)state;
	static const struct fake_step steps[] = {{.reason = EXIT_CRASH}};
	struct mini_launcher l;
	char path[100], text[200] = "";
	ml_init(&l, 0, 1);
	fake_script(0, steps, 1);
	assert_true(ml_start(&l));
	ml_go(&l);
	assert_true(ml_until(&l, ml_has_ended));
	assert_string_equal(l.ended->how, "crash");
	assert_int_equal(l.ended->exit_code, 4);
	snprintf(path, sizeof(path), "%s.crash.txt", l.runtime);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	unlink(path);
	assert_non_null(strstr(text, "fake vcpu 0"));
	ml_fini(&l);
}

static void unclaimed_access_follows_the_policy(void **state)
{
	(void)state;
	static const struct fake_step steps[] = {
		{.reason = EXIT_MMIO, .len = 4, .addr = 0x5000},
		{.reason = EXIT_MMIO,
		 .len = 4,
		 .addr = ML_BASE + MINI_SIZE - 2}, /* half in a range */
		{.reason = EXIT_POWEROFF}};
	struct mini_launcher l;
	ml_init(&l, 1, 1);
	l.cfg.on_unclaimed = (char *)(uintptr_t) "abort";
	fake_script(0, steps, ARRAY_LEN(steps));
	assert_true(ml_start(&l));
	ml_daemons(&l, MINI_HONEST);
	ml_go(&l);
	assert_true(ml_until(&l, ml_has_ended));
	assert_string_equal(l.ended->how, "poweroff");
	assert_int_equal(fake_aborts(0), 2);
	ml_fini(&l);
	ml_init(&l, 0, 1);
	l.cfg.on_unclaimed = (char *)(uintptr_t) "stop";
	fake_script(0, steps, ARRAY_LEN(steps));
	assert_true(ml_start(&l));
	ml_go(&l);
	assert_true(ml_until(&l, ml_has_ended));
	assert_string_equal(l.ended->how, "lost");
	assert_non_null(strstr(l.ended->why, "0x5000"));
	ml_fini(&l);
}

static void token_works_once(void **state)
{
	(void)state;
	struct mini_launcher l;
	struct mini_daemon second = {0}, stranger = {0};
	char wrong[LIMIT_TOKEN + 1];
	ml_init(&l, 1, 1);
	assert_true(ml_start(&l));
	ml_daemons(&l, MINI_HONEST);
	ml_go(&l);
	assert_true(ml_until(&l, vm_is_running));
	mini_daemon_start(&second, l.runtime, l.token[0], "mini", MINI_HONEST);
	mini_daemon_join(&second);
	assert_non_null(strstr(second.refused, "no valid token"));
	dock_token_make(wrong);
	mini_daemon_start(&stranger, l.runtime, wrong, "mini", MINI_HONEST);
	mini_daemon_join(&stranger);
	assert_non_null(strstr(stranger.refused, "no valid token"));
	assert_string_equal(l.device_state[0], "serving");
	ml_fini(&l);
}

static void config_conflicts_name_both_owners(void **state)
{
	(void)state;
	struct mini_launcher l;
	ml_init(&l, 2, 1);
	l.range[1].address = ML_BASE + 0x800;
	assert_false(ml_start(&l));
	assert_non_null(strstr(l.error, "dev0"));
	assert_non_null(strstr(l.error, "dev1"));
	ml_fini(&l);
	ml_init(&l, 2, 1);
	l.irq[1] = 0;
	assert_false(ml_start(&l));
	assert_non_null(strstr(l.error, "dev1: interrupt 0 is already taken by dev0"));
	ml_fini(&l);
	ml_init(&l, 1, 1);
	l.range[0].address = 0x40000000;
	assert_false(ml_start(&l));
	assert_non_null(strstr(l.error, "guest memory"));
	ml_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(access_of_each_way_reaches_daemon),
		cmocka_unit_test(vcpus_in_parallel_get_their_own_answers),
		cmocka_unit_test(daemon_that_lies_is_refused_and_named),
		cmocka_unit_test(death_of_daemon_leaves_ones_and_other_devices),
		cmocka_unit_test(policy_stop_ends_the_vm_when_the_daemon_dies),
		cmocka_unit_test(hung_daemon_costs_one_deadline_and_can_be_stopped),
		cmocka_unit_test(stop_interrupts_a_vcpu_that_waits_for_a_hung_daemon),
		cmocka_unit_test(nonsense_quarantines_and_the_vm_goes_on),
		cmocka_unit_test(reset_resets_devices_and_goes_on),
		cmocka_unit_test(reset_without_reboot_ends_with_code_3),
		cmocka_unit_test(crash_ends_with_code_4_and_registers_in_a_file),
		cmocka_unit_test(unclaimed_access_follows_the_policy),
		cmocka_unit_test(token_works_once),
		cmocka_unit_test(config_conflicts_name_both_owners),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
