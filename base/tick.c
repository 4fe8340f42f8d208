/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tick.h"
#include "base/fd.h"
#include <fcntl.h>
#include <string.h>

#define MEASURE_NS 5000000u

struct tick_scale tick_scale = {.mult = 1ull << 32};

/* The kernel has checked what we would have to: that the counter does not stop and is the same on all cores. */
static bool kernel_uses_it(void)
{
	static const char path[] =
		"/sys/devices/system/clocksource/clocksource0/current_clocksource";
	char name[32] = {0};
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd_read_all(fd, name, sizeof(name) - 1) <= 0)
		return false;
	name[strcspn(name, "\n")] = 0;
	return !strcmp(name, "tsc") || !strcmp(name, "arch_sys_counter");
}

void tick_setup(void)
{
	static bool done;
	if (done)
		return;
	done = true;
#if defined(__x86_64__) || defined(__aarch64__)
	if (!kernel_uses_it())
		return;
	tick_scale.raw = true;
	uint64_t ns = clock_now_ns(), ticks = tick_now(), took;
	do
		took = clock_now_ns() - ns;
	while (took < MEASURE_NS);
	ticks = tick_now() - ticks;
	if (!ticks) {
		tick_scale.raw = false;
		return;
	}
	tick_scale.mult = (uint64_t)(((unsigned __int128)took << 32) / ticks);
#endif
}
