/* SPDX-License-Identifier: Apache-2.0 */
/* What a device may ask of its VM: the end, a reset, a panic's consequences; and what is nonsense. On MMIO and I/O ports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "base/bytes.h"
#include "hv/arch/fake/fake.h"
#include "mini_launcher.h"

#define ASK(what, arg)                                                                             \
	.reason = EXIT_MMIO, .is_write = true, .len = 4, .addr = ML_BASE + MINI_REG_VM * 4,        \
	.data = (uint64_t)(what) << 16 | (arg)
#define OUT(port, v) .reason = EXIT_PIO, .is_write = true, .len = 4, .addr = (port), .data = (v)
#define IN(port) .reason = EXIT_PIO, .len = 4, .addr = (port)

struct script {
	struct fake_step step[4];
};

/* Starts a VM of one device, whose model may ask or not. */
static void begin(struct mini_launcher *l, const struct script *s, bool may)
{
	ml_init(l, 1, 1);
	l->dev[0].vm_requests = may;
	fake_script(0, s->step, ARRAY_LEN(s->step));
	assert_true(ml_start(l));
	ml_daemons(l, MINI_HONEST);
	ml_go(l);
}

static void expect_end(struct mini_launcher *l, const char *how, int code, const char *why)
{
	assert_true(ml_until(l, ml_has_ended));
	assert_string_equal(l->ended->how, how);
	assert_int_equal(l->ended->exit_code, code);
	if (!strstr(l->ended->why, why))
		fail_msg("\"%s\" does not say \"%s\"", l->ended->why, why);
	ml_fini(l);
}

/* No step after the one that asked was taken. */
static void nothing_was_read(void)
{
	unsigned n;
	fake_reads(0, &n);
	assert_int_equal(n, 0);
}

static void exit_ends_the_vm_with_its_code_at_once(void **state)
{
	(void)state;
	static const struct script s = {{{ASK(PORT_VM_EXIT, 0x21)}, {IN(1)}}};
	struct mini_launcher l;
	begin(&l, &s, true);
	assert_true(ml_until(&l, ml_has_ended));
	nothing_was_read();
	expect_end(&l, "exit", 0x21, "dev0");
}

static void poweroff_is_a_clean_end(void **state)
{
	(void)state;
	static const struct script s = {{{ASK(PORT_VM_POWEROFF, 0)}, {IN(1)}}};
	struct mini_launcher l;
	begin(&l, &s, true);
	expect_end(&l, "poweroff", 0, "dev0");
}

static void reset_resets_before_the_next_instruction(void **state)
{
	(void)state;
	/* The script goes on where it was: the fake CPU has no program to start anew. */
	static const struct script s = {
		{{ASK(PORT_VM_RESET, 0)}, {.reason = EXIT_POWEROFF}, {.reason = EXIT_POWEROFF}}};
	struct mini_launcher l;
	begin(&l, &s, true);
	assert_true(ml_until(&l, ml_has_ended));
	assert_int_equal(fake_resets(), 1);
	assert_int_equal(l.daemon[0].port.resets, 1);
	expect_end(&l, "poweroff", 0, "");
}

static void reset_with_no_reboot_ends_with_3(void **state)
{
	(void)state;
	static const struct script s = {{{ASK(PORT_VM_RESET, 0)}, {IN(1)}}};
	struct mini_launcher l;
	ml_init(&l, 1, 1);
	l.cfg.no_reboot = true;
	l.dev[0].vm_requests = true;
	fake_script(0, s.step, ARRAY_LEN(s.step));
	assert_true(ml_start(&l));
	ml_daemons(&l, MINI_HONEST);
	ml_go(&l);
	assert_true(ml_until(&l, ml_has_ended));
	nothing_was_read();
	expect_end(&l, "reset", 3, "--no-reboot");
}

static void panic_with_stop_ends_with_4(void **state)
{
	(void)state;
	static const struct script s = {{{ASK(PORT_VM_PANIC, PORT_VM_STOP)}, {IN(1)}}};
	struct mini_launcher l;
	begin(&l, &s, true);
	expect_end(&l, "panic", 4, "dev0");
}

static bool has_notice(struct mini_launcher *l)
{
	return l->notice[0] != 0;
}

static void panic_with_log_is_told_and_the_guest_goes_on(void **state)
{
	(void)state;
	static const struct script s = {{{ASK(PORT_VM_PANIC, PORT_VM_LOG)},
					 {.kind = FAKE_WAIT_LEVEL, .addr = 9, .data = 1}}};
	struct mini_launcher l;
	begin(&l, &s, true);
	assert_true(ml_until(&l, has_notice));
	assert_non_null(strstr(l.notice, "panicked (dev0)"));
	ml_fini(&l);
}

static void crashloaded_is_told(void **state)
{
	(void)state;
	static const struct script s = {
		{{ASK(PORT_VM_CRASHLOADED, 0)}, {.kind = FAKE_WAIT_LEVEL, .addr = 9, .data = 1}}};
	struct mini_launcher l;
	begin(&l, &s, true);
	assert_true(ml_until(&l, has_notice));
	assert_non_null(strstr(l.notice, "handles it by itself (dev0)"));
	ml_fini(&l);
}

static bool is_paused(struct mini_launcher *l)
{
	Outrigger__FromHv *m = ml_request(l, OUTRIGGER__HV_REQUEST__KIND_STATUS);
	bool yes = m && !strcmp(m->reply->vm->state, "paused");
	if (m)
		ctl_free(&m->base);
	return yes;
}

static void panic_with_pause_stops_the_guest_until_resume(void **state)
{
	(void)state;
	static const struct script s = {
		{{ASK(PORT_VM_PANIC, PORT_VM_PAUSE)}, {IN(1)}, {.reason = EXIT_POWEROFF}}};
	struct mini_launcher l;
	begin(&l, &s, true);
	assert_true(ml_until(&l, has_notice));
	assert_non_null(strstr(l.notice, "paused"));
	while (!is_paused(&l)) /* bounded: each request has its deadline, and ml_until() follows */
		assert_null(l.ended);
	nothing_was_read();
	Outrigger__FromHv *m = ml_request(&l, OUTRIGGER__HV_REQUEST__KIND_RESUME);
	assert_non_null(m);
	assert_int_equal(m->reply->status, 0);
	ctl_free(&m->base);
	expect_end(&l, "poweroff", 0, "");
}

static bool is_quarantined(struct mini_launcher *l)
{
	return !strcmp(l->device_state[0], "quarantined");
}

static void what_it_may_not_ask_quarantines_the_daemon(void **state)
{
	(void)state;
	static const struct {
		struct script s;
		bool may;
	} cases[] = {
		{{{{ASK(PORT_VM_EXIT, 1)}}}, false},
		{{{{ASK(PORT_VM_EXIT, 256)}}}, true},
		{{{{ASK(PORT_VM_RESET, 1)}}}, true},
		{{{{ASK(PORT_VM_PANIC, 3)}}}, true},
		{{{{ASK(6, 0)}}}, true},
		{{{{ASK(0, 0)}}}, true},
		{{{{ASK(0x101, 0)}}}, true},
	};
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct mini_launcher l;
		begin(&l, &cases[i].s, cases[i].may);
		assert_true(ml_until(&l, is_quarantined));
		assert_non_null(strstr(l.device_why[0], "a request to the VM"));
		assert_null(l.ended);
		ml_fini(&l);
	}
}

static void a_range_of_ports_is_served_as_one_of_memory(void **state)
{
	(void)state;
	static const struct fake_step steps[] = {
		{OUT(0x200c, 0x1234)}, /* register 3 */
		{IN(0x200c)},
		{.reason = EXIT_MMIO, .len = 4, .addr = 0x200c}, /* nobody there */
		{IN(ML_BASE)},
		{OUT(0x2000 + 4 * MINI_REG_VM, PORT_VM_EXIT << 16 | 5)},
	};
	struct mini_launcher l;
	ml_init(&l, 2, 1);
	static char pio[] = "pio";
	l.range[0].space = pio;
	l.range[0].address = 0x2000;
	l.dev[0].vm_requests = true;
	fake_script(0, steps, ARRAY_LEN(steps));
	assert_true(ml_start(&l));
	ml_daemons(&l, MINI_HONEST);
	ml_go(&l);
	assert_true(ml_until(&l, ml_has_ended));
	unsigned n;
	const uint64_t *got = fake_reads(0, &n);
	assert_int_equal(n, 3);
	assert_int_equal(got[0], 0x1234);
	assert_int_equal(got[1], 0xffffffff);
	assert_int_equal(got[2], 0xffffffff);
	expect_end(&l, "exit", 5, "dev0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_ends_the_vm_with_its_code_at_once),
		cmocka_unit_test(poweroff_is_a_clean_end),
		cmocka_unit_test(reset_resets_before_the_next_instruction),
		cmocka_unit_test(reset_with_no_reboot_ends_with_3),
		cmocka_unit_test(panic_with_stop_ends_with_4),
		cmocka_unit_test(panic_with_log_is_told_and_the_guest_goes_on),
		cmocka_unit_test(crashloaded_is_told),
		cmocka_unit_test(panic_with_pause_stops_the_guest_until_resume),
		cmocka_unit_test(what_it_may_not_ask_quarantines_the_daemon),
		cmocka_unit_test(a_range_of_ports_is_served_as_one_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
