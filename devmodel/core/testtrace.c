/* SPDX-License-Identifier: Apache-2.0 */
/* OUTRIGGER_DMT_SAVE=DIR: a test's session as a trace file, DIR/MODEL-N.trace. So the traces of tests/replay were made. */
#include "devmodel/core/testio.h"
#include "proto/trace_file.h"
#include <stdio.h>
#include <stdlib.h>

void testtrace_open(struct dm_test *t)
{
	static unsigned n;
	const char *dir = getenv("OUTRIGGER_DMT_SAVE");
	char path[4096];
	struct err err = {{0}};
	Outrigger__TraceDevice d = OUTRIGGER__TRACE_DEVICE__INIT;
	Outrigger__ModelDescription desc = OUTRIGGER__MODEL_DESCRIPTION__INIT;
	if (!dir)
		return;
	d.device = d.model = desc.name = (char *)(uintptr_t)t->dm->cls->name;
	d.description = &desc;
	d.vm = (char *)(uintptr_t) "test";
	snprintf(path, sizeof(path), "%s/%s-%u.trace", dir, t->dm->cls->name, n++);
	if (trace_file_create(path, "test", &t->file, &err) ||
	    trace_file_device(t->file, &d, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		abort();
	}
}

void testtrace_add(struct dm_test *t, const void *records, size_t len)
{
	struct err err = {{0}};
	if (t->file && len)
		CHECK(!trace_file_records(t->file, 0, TRACE_RING_DM, records, len, 0, &err));
}

void testtrace_close(struct dm_test *t)
{
	struct err err = {{0}};
	CHECK(!trace_file_finish(t->file, &err));
}
