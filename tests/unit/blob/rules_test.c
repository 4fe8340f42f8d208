/* SPDX-License-Identifier: Apache-2.0 */
/* Saved states between builds whose fields differ: docs/state-blobs.md. */
#include "devmodel/core/testenv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct dm_region regions[] = {
	{.name = "regs", .size = 0x1000, .widths = 4, .regs = (const struct dm_reg[]){{}}}, {}};

struct first {
	uint8_t small;
	uint16_t list[4];
	uint32_t gone, kept;
};
static const struct dm_field first_fields[] = {DM_SAVE(struct first, small),
					       DM_SAVE_ARRAY(struct first, list),
					       DM_SAVE(struct first, gone),
					       DM_SAVE(struct first, kept),
					       {}};
static const struct dm_class first_class = {.name = "m",
					    .version = 1,
					    .summary = "first",
					    .regions = regions,
					    .state_size = sizeof(struct first),
					    .fields = first_fields};

/* The next build: `small` and `list` are wider, `gone` is gone, `added` was added, and all is elsewhere. */
struct second {
	uint64_t small, kept, added;
	uint32_t list[6];
	uint32_t seen_version;
};
static const struct dm_field second_fields[] = {DM_SAVE(struct second, kept),
						DM_SAVE(struct second, added),
						DM_SAVE(struct second, small),
						DM_SAVE_ARRAY(struct second, list),
						{}};
static void second_reset(struct dm *dm, void *state)
{
	struct second *s = state;
	(void)dm;
	s->added = 7;
}
static int second_loaded(struct dm *dm, void *state, uint32_t version)
{
	struct second *s = state;
	(void)dm;
	s->seen_version = version;
	return s->kept == 666 ? -EINVAL : 0;
}
static const struct dm_class second_class = {.name = "m",
					     .version = 2,
					     .summary = "second",
					     .regions = regions,
					     .state_size = sizeof(struct second),
					     .fields = second_fields,
					     .reset = second_reset,
					     .loaded = second_loaded};

struct pair {
	struct dm_test *a, *b;
	uint8_t *blob;
	size_t len;
};

static void pair_init(struct pair *p, const struct dm_class *a, const struct dm_class *b)
{
	*p = (struct pair){.a = dmt_create(a, NULL), .b = dmt_create(b, NULL)};
}

static int carry(struct pair *p, struct err *err)
{
	free(p->blob);
	assert_int_equal(dm_save(p->a->dm, &p->blob, &p->len), 0);
	return dm_load(p->b->dm, p->blob, p->len, err);
}

static void pair_fini(struct pair *p)
{
	free(p->blob);
	dmt_destroy(p->a);
	dmt_destroy(p->b);
}

static void a_newer_build_takes_wider_fields_and_keeps_its_own(void **state)
{
	(void)state;
	struct pair p;
	struct err err;
	pair_init(&p, &first_class, &second_class);
	*(struct first *)p.a->dm->state =
		(struct first){.small = 200, .list = {1, 2, 3, 65535}, .gone = 5, .kept = 9};
	assert_int_equal(carry(&p, &err), 0);
	const struct second *s = p.b->dm->state;
	assert_int_equal(s->small, 200);
	assert_int_equal(s->kept, 9);
	assert_int_equal(s->added, 7);
	assert_int_equal(s->list[3], 65535);
	assert_int_equal(s->list[4], 0);
	assert_int_equal(s->seen_version, 1);
	((struct first *)p.a->dm->state)->kept = 666; /* loaded() says no */
	assert_int_equal(carry(&p, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "does not take this state of version 1"));
	pair_fini(&p);
}

static void an_older_build_takes_no_newer_version(void **state)
{
	(void)state;
	struct pair p;
	struct err err;
	pair_init(&p, &second_class, &first_class);
	assert_int_equal(carry(&p, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "state of version 2: this build knows up to 1"));
	pair_fini(&p);
}

static void a_narrower_build_takes_what_fits(void **state)
{
	(void)state;
	static struct dm_class old; /* the second one's version, the first one's fields */
	struct pair p;
	struct err err;
	old = first_class;
	old.version = 2;
	pair_init(&p, &second_class, &old);
	struct second *s = p.a->dm->state;
	s->small = 255;
	s->list[0] = 65535;
	assert_int_equal(carry(&p, &err), 0);
	assert_int_equal(((struct first *)p.b->dm->state)->small, 255);
	s->small = 256;
	assert_int_equal(carry(&p, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "s.small[0] is 0x100"));
	s->small = 0;
	s->list[5] = 1; /* more elements than there is room for */
	assert_int_equal(carry(&p, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "s.list[5]"));
	pair_fini(&p);
}

static void a_blob_cut_off_or_bent_anywhere_is_refused_or_harmless(void **state)
{
	(void)state;
	struct pair p;
	struct err err;
	pair_init(&p, &first_class, &second_class);
	assert_int_equal(carry(&p, &err), 0);
	for (size_t i = 0; i < p.len; i++)
		assert_int_equal(dm_load(p.b->dm, p.blob, i, &err), -EINVAL);
	for (size_t i = 0; i < p.len; i++) {
		/* In a block of its own size, so that a sanitizer sees a read beyond its end. */
		uint8_t *bent = malloc(p.len);
		memcpy(bent, p.blob, p.len);
		bent[i] ^= 0xff;
		dm_load(p.b->dm, bent, p.len, &err);
		free(bent);
	}
	pair_fini(&p);
}

static void what_belongs_to_the_environment_comes_along(void **state)
{
	(void)state;
	struct pair p;
	struct err err;
	pair_init(&p, &first_class, &first_class);
	dm_keep_set(p.a->dm, 2, 0x123456789aull);
	p.a->dm->hdr->lost_out = 3;
	assert_int_equal(carry(&p, &err), 0);
	assert_int_equal(dm_keep(p.b->dm, 2), 0x123456789aull);
	assert_int_equal(p.b->dm->hdr->lost_out, 3);
	assert_int_equal(p.b->dm->hdr->forget, 0); /* the port's pending events stay */
	pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_newer_build_takes_wider_fields_and_keeps_its_own),
		cmocka_unit_test(an_older_build_takes_no_newer_version),
		cmocka_unit_test(a_narrower_build_takes_what_fits),
		cmocka_unit_test(a_blob_cut_off_or_bent_anywhere_is_refused_or_harmless),
		cmocka_unit_test(what_belongs_to_the_environment_comes_along),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
