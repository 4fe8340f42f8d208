/* SPDX-License-Identifier: Apache-2.0 */
/* Runs for some seconds of the ACPI timer and looks how far the TSC and the kvmclock jump between two looks: a guest that was
 * paused meanwhile must not see it. */
#include "rt.h"

static struct {
	volatile uint32_t version, pad;
	volatile uint64_t tsc, system_ns;
	volatile uint32_t mul;
	volatile int8_t shift;
	volatile uint8_t flags, pad2[2];
} page __attribute__((aligned(64)));

static uint64_t kvmclock_ns(void)
{
	uint32_t version;
	uint64_t ns;
	do {
		version = page.version;
		__asm__ volatile("lfence" ::: "memory");
		uint64_t d = rdtsc() - page.tsc;
		d = page.shift < 0 ? d >> -page.shift : d << page.shift;
		ns = page.system_ns + (uint64_t)((unsigned __int128)d * page.mul >> 32);
		__asm__ volatile("lfence" ::: "memory");
	} while (version & 1 || version != page.version);
	return ns;
}

static uint64_t pm(uint64_t *last)
{
	*last += (in32(0x608) - *last) & 0xffffff;
	return *last;
}

#define PM_MS 3580u
#define SECONDS 8u

void test_main(void)
{
	uint64_t t = in32(0x608) & 0xffffff, begin = t, tsc0 = rdtsc(), tsc;
	int64_t gap_tsc = 0, gap_clock = 0, back = 0;
	wrmsr(0x4b564d01, (uint64_t)&page | 1);
	while (pm(&t) - begin < 500 * PM_MS)
		;
	uint64_t per_ms = (rdtsc() - tsc0) / 500, clock = kvmclock_ns();
	print("begin\n");
	tsc = rdtsc();
	while (pm(&t) - begin < SECONDS * 1000 * PM_MS) {
		uint64_t now = rdtsc(), c = kvmclock_ns();
		if ((int64_t)(now - tsc) > gap_tsc)
			gap_tsc = (int64_t)(now - tsc);
		if ((int64_t)(c - clock) > gap_clock)
			gap_clock = (int64_t)(c - clock);
		if ((int64_t)(now - tsc) < back)
			back = (int64_t)(now - tsc);
		tsc = now;
		clock = c;
	}
	print("gap tsc ");
	print_dec((uint64_t)gap_tsc / per_ms);
	print(" ms, kvmclock ");
	print_dec((uint64_t)gap_clock / 1000000);
	print(back ? " ms, the TSC ran backwards\n" : " ms\n");
}
