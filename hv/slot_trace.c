/* SPDX-License-Identifier: Apache-2.0 */
/* The slot's trace area (proto/trace.h): what hv writes into it. */
#include "hv/slot_int.h"
#include "base/fd.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

int slot_trace_create(struct slot *s, struct err *err)
{
	struct slot_trace *t = &s->trace;
	t->bytes = trace_area_bytes(s->cfg.vcpus);
	t->fd = memfd_create_sized("trace", t->bytes);
	if (t->fd < 0)
		return err_set(err, -t->fd, "%s: cannot make its trace area: %s", s->cfg.name,
			       strerror(-t->fd));
	void *map = mmap(NULL, t->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
	if (map == MAP_FAILED)
		return err_set(err, errno, "%s: cannot map its trace area: %s", s->cfg.name,
			       strerror(errno));
	t->area = map;
	trace_area_init(t->area, s->cfg.vcpus, s->cfg.name);
	trace_writer_init(&t->lines, t->area, TRACE_RING_LINES);
	for (unsigned i = 0; i < s->cfg.vcpus; i++)
		trace_writer_init(&s->pv[i].tw, t->area, TRACE_RING_VCPU + i);
	return 0;
}

void slot_trace_destroy(struct slot *s)
{
	if (s->trace.area)
		munmap(s->trace.area, s->trace.bytes);
	s->trace.area = NULL;
	fd_close(&s->trace.fd);
}
