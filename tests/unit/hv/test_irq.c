/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "hv/irq.h"

static void line_taken_twice_names_both(void **state)
{
	(void)state;
	static struct irq_table t;
	struct err err = {0};
	irq_init(&t, 8);
	assert_int_equal(irq_claim(&t, 3, "uart0", &err), 0);
	assert_int_equal(irq_claim(&t, 4, "rtc0", &err), 0);
	assert_int_equal(irq_claim(&t, 3, "disk0", &err), -EEXIST);
	assert_non_null(strstr(err.msg, "disk0"));
	assert_non_null(strstr(err.msg, "uart0"));
}

static void line_that_does_not_exist_is_refused(void **state)
{
	(void)state;
	static struct irq_table t;
	struct err err = {0};
	irq_init(&t, 8);
	assert_int_equal(irq_claim(&t, 7, "a", &err), 0);
	assert_int_equal(irq_claim(&t, 8, "b", &err), -ERANGE);
	assert_non_null(strstr(err.msg, "0 to 7"));
	assert_int_equal(irq_claim(&t, UINT32_MAX, "b", &err), -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_taken_twice_names_both),
		cmocka_unit_test(line_that_does_not_exist_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
