/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile driver against one virtio daemon over the real port: virtio_hostile DAEMON [CASE].
 *
 * Theory of operation. Every case breaks one rule, mostly a MUST of virtio 1.2 for drivers, on each queue of the model that
 * can be made to take a chain (virtio_targets.c) and in both layouts. What has to come of it is said by the case;
 * what always has to hold is checked here and in virtio_rig.c: it ends in bounded time, no byte outside of what the driver
 * gave changes, the daemon lives and answers, and after a reset a correct driver gets correct answers.
 */
#include "tests/wire/virtio_hostile.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TESTS 2048

static struct vrig *rig;

/** struct run - one case on one queue in one layout. */
struct run {
	const struct vcase *c;
	const struct vtarget *t;
	bool packed;
	char name[128];
};
static struct run runs[MAX_TESTS];

static void run_case(void **state)
{
	const struct run *r = *state;
	vrig_revive(rig);
	vrig_thaw(rig);
	rig->target = r->t;
	rig->packed = r->packed;
	rig->dropped = 0;
	rig->keep_output = false;
	vrig_drain(rig);
	if (r->c->what & VCASE_LIVE)
		vrig_open(rig);
	r->c->run(rig);
	vrig_recover(rig);
}

static bool wanted(const struct vcase *c, const struct vtarget *t, bool first)
{
	if ((c->what & VCASE_ONCE) && !first)
		return false;
	return !c->device_id || (c->device_id == t->device_id && c->queue == t->queue);
}

static unsigned collect(const struct vcase *table, unsigned n, const char *only)
{
	bool first = true;
	for (const struct vtarget *t = vtargets; t->name; t++) {
		if (t->device_id != rig->device_id)
			continue;
		for (const struct vcase *c = table; c->name; c++)
			for (unsigned packed = 0; packed < 2; packed++) {
				if ((c->what & VCASE_SPLIT) && packed)
					continue;
				if ((c->what & VCASE_PACKED) && !packed)
					continue;
				if (!wanted(c, t, first))
					continue;
				struct run *r = &runs[n];
				snprintf(r->name, sizeof(r->name), "%s/%s/%s", t->name,
					 packed ? "packed" : "split", c->name);
				if (only && !strstr(r->name, only))
					continue;
				r->c = c;
				r->t = t;
				r->packed = packed;
				if (++n == MAX_TESTS)
					abort();
			}
		first = false;
	}
	return n;
}

int main(int argc, char **argv)
{
	static const struct vcase *const tables[] = {
		vcases_chain,  vcases_indirect, vcases_split, vcases_packed,
		vcases_setup,  vcases_status,	vcases_regs,  vcases_race,
		vcases_qreset, vcases_blk,	vcases_net,   vcases_console};
	static struct CMUnitTest tests[MAX_TESTS];
	unsigned n = 0;
	if (argc < 2) {
		fprintf(stderr, "usage: %s DAEMON [PART-OF-NAME]\n", argv[0]);
		return 2;
	}
	rig = vrig_create(argv[1]);
	if (!rig->device_id) {
		printf("SKIP: no cases for the model of %s\n", argv[1]);
		vrig_destroy(rig);
		return 77;
	}
	for (unsigned i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		n = collect(tables[i], n, argc > 2 ? argv[2] : NULL);
	for (unsigned i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){
			.name = runs[i].name, .test_func = run_case, .initial_state = &runs[i]};
	int failed = _cmocka_run_group_tests("virtio_hostile", tests, n, NULL, NULL);
	vrig_destroy(rig);
	return failed ? 1 : 0;
}
