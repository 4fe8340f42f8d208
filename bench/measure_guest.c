/* SPDX-License-Identifier: Apache-2.0 */
/* Runs bench/guest and reads the lines that it prints (see guest/guest.c). */
#include "base/clock.h"
#include "bench/measure.h"

#include <inttypes.h>
#include <string.h>

#define GUEST_DEADLINE_NS 120000000000ull
#define GUEST_LINES_MAX 40u

/* What the guest prints of one quantity, collected over the runs. */
struct quantity {
	char row[REPORT_NAME_MAX];
	bool compute;
	struct stats median;
};

struct quantities {
	size_t n;
	struct quantity q[GUEST_LINES_MAX];
};

static struct quantity *quantity_get(struct quantities *all, const char *kind, const char *name)
{
	char row[REPORT_NAME_MAX];
	snprintf(row, sizeof row, "%.20s.%.40s", kind, name);
	for (size_t i = 0; i < all->n; i++)
		if (!strcmp(all->q[i].row, row))
			return &all->q[i];
	if (all->n == GUEST_LINES_MAX)
		return NULL;
	struct quantity *q = &all->q[all->n++];
	*q = (struct quantity){.compute = !strcmp(kind, "compute")};
	memcpy(q->row, row, sizeof row);
	return q;
}

static void parse(struct quantities *all, const char *text)
{
	for (const char *line = text; (line = strstr(line, "bench: ")); line += 7) {
		char kind[24], name[48];
		uint64_t median;
		if (sscanf(line,
			   "bench: %23s %47s unit=ps count=%*u batches=%*u min=%*u median=%" SCNu64,
			   kind, name, &median) != 3 ||
		    !median)
			continue;
		struct quantity *q = quantity_get(all, kind, name);
		if (q)
			stats_add(&q->median,
				  q->compute ? 1e6 / (double)median : (double)median * 1e-12);
	}
}

static int guest_once(const struct vmm_setup *s, enum report_side side, struct quantities *all,
		      struct err *e)
{
	const struct vmm_image image = {.kernel = s->guest};
	struct child c;
	int rc = vmm_start(s, side, &image, &c, e);
	if (rc)
		return rc;
	uint64_t deadline = c.started_ns + GUEST_DEADLINE_NS;
	if (child_wait_exit(&c, deadline))
		rc = vmm_explain(&c, side, "did not finish the benchmark guest", e);
	else if (!strstr(c.output, "bench: end"))
		rc = vmm_explain(&c, side, "lost the benchmark guest", e);
	else
		parse(all, c.output);
	child_destroy(&c);
	return rc;
}

int measure_guest(const struct vmm_setup *s, struct report *r, struct err *e)
{
	static struct quantities all[REPORT_HOST];
	memset(all, 0, sizeof all);
	unsigned runs = s->runs > 3 ? 3 : s->runs;
	for (unsigned run = 0; run < runs; run++) {
		for (unsigned k = 0; k < REPORT_HOST; k++) {
			enum report_side side = (enum report_side)((run + k) % REPORT_HOST);
			if (!vmm_has(s, side))
				continue;
			int rc = guest_once(s, side, &all[side], e);
			if (rc)
				return rc;
		}
	}
	for (unsigned side = 0; side < REPORT_HOST; side++) {
		for (size_t i = 0; i < all[side].n; i++) {
			struct quantity *q = &all[side].q[i];
			report_put(r, q->row, q->compute ? "M insn/s" : "s", (enum report_side)side,
				   stats_sum_up(&q->median));
		}
	}
	return 0;
}

int measure_start(const struct vmm_setup *s, struct report *r, struct err *e)
{
	static struct stats times[REPORT_HOST];
	const struct vmm_image image = {.kernel = s->guest};
	memset(times, 0, sizeof times);
	for (unsigned run = 0; run < s->runs * 2; run++) {
		for (unsigned side = 0; side < REPORT_HOST; side++) {
			struct child c;
			uint64_t first_ns;
			if (!vmm_has(s, (enum report_side)side))
				continue;
			int rc = vmm_start(s, (enum report_side)side, &image, &c, e);
			if (rc)
				return rc;
			/* The guest's first store but one puts this byte into the UART. */
			if (child_wait_text(&c, "@", 0, c.started_ns + GUEST_DEADLINE_NS,
					    &first_ns))
				rc = vmm_explain(&c, (enum report_side)side,
						 "did not start the benchmark guest", e);
			else
				stats_add(&times[side], (double)(first_ns - c.started_ns) * 1e-9);
			child_destroy(&c);
			if (rc)
				return rc;
		}
	}
	for (unsigned side = 0; side < REPORT_HOST; side++)
		report_put(r, "start.first_instruction", "s", (enum report_side)side,
			   stats_sum_up(&times[side]));
	return 0;
}
