/* SPDX-License-Identifier: Apache-2.0 */
/* engine: auto, with engines that only say how fast they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "hv/engine_table.h"

static struct engine_speed speed;
static int probe_rc, measure_rc;

static int probe(struct err *err)
{
	return probe_rc ? err_set(err, -probe_rc, "no /dev/kvm") : 0;
}

static int measure(struct engine_speed *ret, struct err *err)
{
	*ret = speed;
	return measure_rc ? err_set(err, -measure_rc, "the probe guest did not run") : 0;
}

static const struct engine_ops kvm_both = {
	.name = "kvm", .isa = "both", .probe = probe, .measure = measure};
static const struct engine_ops soft_both = {.name = "soft", .isa = "both"};
static const struct engine_ops kvm_alone = {
	.name = "kvm", .isa = "alone", .probe = probe, .measure = measure};

static const struct engine_ops *chosen;
static const char *why;
static struct err err;

static int choose(const char *wanted, const char *isa)
{
	chosen = NULL;
	return engine_choose(wanted, isa, &chosen, &why, &err);
}

static void kvm_is_taken_where_it_is_fast(void **state)
{
	(void)state;
	speed = (struct engine_speed){2000000000, 3000000000, 2000};
	assert_int_equal(choose("auto", "both"), 0);
	assert_ptr_equal(chosen, &kvm_both);
	assert_string_equal(why, "chosen: 2000 M instructions/s");
	assert_int_equal(choose("", "both"), 0);
	assert_ptr_equal(chosen, &kvm_both);
}

static void soft_is_taken_where_kvm_is_slow(void **state)
{
	(void)state;
	speed = (struct engine_speed){2100000, 3000000000, 6000};
	assert_int_equal(choose("auto", "both"), 0);
	assert_ptr_equal(chosen, &soft_both);
	assert_string_equal(
		why,
		"chosen automatically: /dev/kvm runs guest kernel code at 2.1 M instructions/s");
	assert_int_equal(choose("kvm", "both"), 0); /* forced */
	assert_ptr_equal(chosen, &kvm_both);
	assert_string_equal(why, "as asked");
}

static void soft_is_taken_where_kvm_does_not_work(void **state)
{
	(void)state;
	probe_rc = -ENOENT;
	assert_int_equal(choose("auto", "both"), 0);
	assert_ptr_equal(chosen, &soft_both);
	assert_string_equal(why, "chosen automatically: no /dev/kvm");
	assert_int_equal(choose("kvm", "both"), -ENOENT);
	assert_string_equal(err.msg, "engine kvm does not work here: no /dev/kvm");
	assert_int_equal(choose("auto", "alone"), -ENOENT);
	assert_string_equal(err.msg, "no engine for alone works here: no /dev/kvm");
	probe_rc = 0;
	measure_rc = -EPROTO;
	assert_int_equal(choose("auto", "both"), 0);
	assert_ptr_equal(chosen, &soft_both);
	measure_rc = 0;
}

static void slow_is_better_than_nothing(void **state)
{
	(void)state;
	speed = (struct engine_speed){2100000, 3000000000, 6000};
	assert_int_equal(choose("auto", "alone"), 0);
	assert_ptr_equal(chosen, &kvm_alone);
	assert_non_null(strstr(why, "2.1 M instructions/s"));
	assert_int_equal(choose("soft", "alone"), -ENOENT);
	assert_non_null(strstr(err.msg, "use kvm"));
	assert_int_equal(choose("auto", "none"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kvm_is_taken_where_it_is_fast),
		cmocka_unit_test(soft_is_taken_where_kvm_is_slow),
		cmocka_unit_test(soft_is_taken_where_kvm_does_not_work),
		cmocka_unit_test(slow_is_better_than_nothing),
	};
	engine_register(&kvm_both);
	engine_register(&soft_both);
	engine_register(&kvm_alone);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
