/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slice.h"
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_SHORT_NS 100000u /* the shortest that the kernel takes */

/* struct sched_attr of linux/sched/types.h (version 0), which cannot be included beside glibc's sched.h. */
struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static void slice_set(uint64_t ns)
{
	struct attr a = {.size = sizeof(a)};
	/* The nice value stays as it is; other policies are a person's choice. */
	if (syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) || a.policy != SCHED_OTHER)
		return;
	a.size = sizeof(a);
	a.flags = 0;
	a.runtime = ns;
	syscall(SYS_sched_setattr, 0, &a, 0);
}

void slice_short(void)
{
	slice_set(SLICE_SHORT_NS);
}

void slice_usual(void)
{
	slice_set(0);
}
