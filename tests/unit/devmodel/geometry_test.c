/* SPDX-License-Identifier: Apache-2.0 */
/* Regions as options and the config make them: registers apart and wider, in either space; reads that act now and then; requests
 * to the VM. */
#include "devmodel/core/testenv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

struct dev {
	uint8_t scratch, flags, asked;
};

static uint64_t dev_read(struct dm *dm, void *state, const struct dm_io *io)
{
	struct dev *d = state;
	(void)dm;
	assert_int_equal(io->reg->offset, 1); /* as the table says, however far apart */
	uint8_t v = d->flags;
	d->flags &= 0xe1;
	return v;
}

static void dev_write(struct dm *dm, void *state, const struct dm_io *io)
{
	struct dev *d = state;
	if (io->reg->offset == 2)
		d->flags = (uint8_t)io->value;
	if (io->reg->offset == 3)
		dm_vm_request(dm, DM_VM_EXIT, (uint32_t)io->value);
}

static const struct dm_reg regs[] = {
	{.name = "SCR", .offset = 0, .access = DM_RW, DM_FIELD(struct dev, scratch), .help = "-"},
	{.name = "FLAGS",
	 .offset = 1,
	 .access = DM_RO,
	 DM_FIELD(struct dev, flags),
	 .read_acts = 0x1e,
	 .help = "-"},
	{.name = "SET", .offset = 2, .access = DM_WO, .help = "-"},
	{.name = "ASK", .offset = 3, .access = DM_WO, DM_FIELD(struct dev, asked), .help = "-"},
	{}};

static const struct dm_class cls = {
	.name = "dev",
	.version = 1,
	.summary = "-",
	.vm_requests = true,
	.regions = (const struct dm_region[]){{.name = "regs",
					       .size = 4,
					       .space = DM_PIO,
					       .spaces = DM_IN(DM_MMIO) | DM_IN(DM_PIO),
					       .widths = 1,
					       .reg_width = 1,
					       .shift_option = "shift",
					       .width_option = "width",
					       .regs = regs},
					      {}},
	.options = (const struct dm_option[]){{.name = "shift", .type = DM_OPT_U64, .def = "0"},
					      {.name = "width", .type = DM_OPT_U64, .def = "1"},
					      {}},
	.state_size = sizeof(struct dev),
	.read = dev_read,
	.write = dev_write,
};

static void without_options_it_is_the_table(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&cls, NULL);
	assert_int_equal(t->dm->region[0].size, 4);
	dmt_write(t, 0, 1, 0x5a);
	assert_int_equal(dmt_read(t, 0, 1), 0x5a);
	dmt_destroy(t);
}

static void registers_apart_keep_their_width(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&cls, (const char *const[]){"shift", "2", NULL});
	assert_int_equal(t->dm->region[0].size, 16);
	dmt_write(t, 0, 1, 0x5a);
	assert_int_equal(dmt_read(t, 0, 1), 0x5a);
	dmt_write(t, 8, 1, 0x11);
	assert_int_equal(dmt_read(t, 4, 1), 0x11);
	assert_int_equal(t->dm->guest_errors, 0);
	dmt_read(t, 0, 4);
	dmt_read(t, 1, 1);
	assert_int_equal(t->dm->guest_errors, 2);
	dmt_destroy(t);
}

static void wider_registers_have_zeros_above(void **state)
{
	(void)state;
	struct dm_test *t =
		dmt_create(&cls, (const char *const[]){"shift", "2", "width", "4", NULL});
	dmt_write(t, 0, 4, 0x1234565a);
	assert_int_equal(dmt_read(t, 0, 4), 0x5a);
	dmt_write(t, 8, 4, 0xffffff12);
	assert_int_equal(dmt_read(t, 4, 4), 0x12);
	assert_int_equal(dmt_read(t, 4, 4), 0);
	assert_int_equal(t->dm->guest_errors, 0);
	dmt_write(t, 0, 1, 1);
	assert_int_equal(t->dm->guest_errors, 1);
	assert_int_equal(dmt_read(t, 0, 4), 0x5a);
	dmt_destroy(t);
}

static const struct dm_env no_env;

static void refused(const char *name, const char *value, const char *says)
{
	struct dm *dm = NULL;
	struct err err = {0};
	const struct dm_setting set = {name, value};
	assert_int_equal(dm_create(&dm, &cls, &no_env, NULL, &set, 1, &err), -EINVAL);
	assert_non_null(strstr(err.msg, name));
	assert_non_null(strstr(err.msg, says));
}

static void what_cannot_be_is_refused_by_name(void **state)
{
	(void)state;
	refused("shift", "9", "0 to 8");
	refused("width", "4", "1 bytes apart");
	refused("width", "0", "power of two");
	refused("width", "3", "power of two");
}

static void the_config_chooses_among_the_classs_spaces(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&cls, NULL);
	struct err err = {0};
	assert_int_equal(t->dm->region[0].space, DM_PIO);
	assert_int_equal(dm_space_set(t->dm, 0, "mmio", &err), 0);
	assert_int_equal(t->dm->region[0].space, DM_MMIO);
	assert_true(dm_space_set(t->dm, 0, "io", &err) < 0);
	assert_true(dm_space_set(t->dm, 1, "pio", &err) < 0);
	dmt_destroy(t);
	struct dm_region only[] = {cls.regions[0], {}};
	struct dm_class narrow = cls;
	only[0].spaces = 0;
	narrow.regions = only;
	t = dmt_create(&narrow, NULL);
	assert_int_equal(dm_space_set(t->dm, 0, "pio", &err), 0);
	assert_true(dm_space_set(t->dm, 0, "mmio", &err) < 0);
	assert_non_null(strstr(err.msg, "dev"));
	dmt_destroy(t);
}

static void bad_classes_are_found(void **state)
{
	(void)state;
	struct err err;
	struct dm_region r[] = {cls.regions[0], {}};
	struct dm_reg q[5];
	struct dm_class c = cls;
	memcpy(q, regs, sizeof(q));
	c.regions = r;
	r[0].regs = q;
	assert_int_equal(dm_class_check(&c, &err), 0);
	r[0].shift_option = "nothing";
	assert_int_equal(dm_class_check(&c, &err), -EINVAL);
	r[0].shift_option = "shift";
	r[0].spaces = DM_IN(DM_MMIO);
	assert_int_equal(dm_class_check(&c, &err), -EINVAL);
	r[0].spaces = 0;
	q[0].width = 2;
	assert_int_equal(dm_class_check(&c, &err), -EINVAL);
	q[0].width = 1;
	q[1].read = DM_READ_FORWARD;
	assert_int_equal(dm_class_check(&c, &err), -EINVAL);
	q[1].read = DM_READ_SHADOW_NOW;
	assert_int_equal(dm_class_check(&c, &err), 0);
	q[1].field = 0;
	assert_int_equal(dm_class_check(&c, &err), -EINVAL);
}

static void a_request_is_the_answer_to_its_write(void **state)
{
	(void)state;
	struct dm_test *t = dmt_create(&cls, NULL);
	struct port_entry e = {
		.op = PORT_OP_WRITE, .width = 1, .offset = 3, .value = 0x21, .seq = 1};
	uint32_t status;
	uint64_t data;
	assert_true(dm_serve(t->dm, &e, &status, &data)); /* with a commit, so it outlives us */
	assert_int_equal(status, PORT_STATUS_VM);
	assert_int_equal(data, PORT_VM(PORT_VM_EXIT, 0x21));
	e.offset = 0;
	dm_serve(t->dm, &e, &status, &data);
	assert_int_equal(status, PORT_STATUS_OK); /* once */
	e.offset = 3;
	e.flags = PORT_F_POSTED; /* nobody waits, so nobody can be told */
	dm_serve(t->dm, &e, &status, &data);
	assert_int_equal(status, PORT_STATUS_OK);
	dmt_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_options_it_is_the_table),
		cmocka_unit_test(registers_apart_keep_their_width),
		cmocka_unit_test(wider_registers_have_zeros_above),
		cmocka_unit_test(what_cannot_be_is_refused_by_name),
		cmocka_unit_test(the_config_chooses_among_the_classs_spaces),
		cmocka_unit_test(bad_classes_are_found),
		cmocka_unit_test(a_request_is_the_answer_to_its_write),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
