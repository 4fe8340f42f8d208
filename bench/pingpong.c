/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/pingpong.h"

#include "base/clock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCHES 11u

/* The turn: even = ping's, odd = pong's. Each side has a cache line of its own, as in a port. */
struct table {
	_Alignas(64) _Atomic uint32_t ping;
	_Alignas(64) _Atomic uint32_t pong;
};

static void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void wait_spin(_Atomic uint32_t *word, uint32_t value)
{
	while (atomic_load_explicit(word, memory_order_acquire) != value)
		cpu_relax();
}

static void wait_futex(_Atomic uint32_t *word, uint32_t value)
{
	uint32_t seen;
	while ((seen = atomic_load_explicit(word, memory_order_acquire)) != value)
		syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void tell(_Atomic uint32_t *word, uint32_t value, bool futex)
{
	atomic_store_explicit(word, value, memory_order_release);
	if (futex)
		syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static int pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	return sched_setaffinity(0, sizeof set, &set) ? -errno : 0;
}

/* allowed_cpus - the first two CPUs that we may use; the second is -1 if there is only one. */
static int allowed_cpus(cpu_set_t *ret_all, int ret_cpu[2])
{
	ret_cpu[0] = ret_cpu[1] = -1;
	if (sched_getaffinity(0, sizeof *ret_all, ret_all))
		return -errno;
	for (int cpu = 0, n = 0; cpu < CPU_SETSIZE && n < 2; cpu++)
		if (CPU_ISSET((size_t)cpu, ret_all))
			ret_cpu[n++] = cpu;
	return 0;
}

static _Noreturn void pong_run(struct table *t, int cpu, uint32_t rounds, bool futex)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(cpu);
	for (uint32_t i = 1; i <= rounds; i++) {
		if (futex)
			wait_futex(&t->ping, i);
		else
			wait_spin(&t->ping, i);
		tell(&t->pong, i, futex);
	}
	_exit(0);
}

static void busy(uint64_t ns)
{
	uint64_t end = ns ? clock_now_ns() + ns : 0;
	while (ns && clock_now_ns() < end)
		cpu_relax();
}

/* @gap_ns: how long ping computes before each round; that time is not counted. */
static int measure(struct report *r, const char *name, int ping_cpu, int pong_cpu, bool futex,
		   uint32_t rounds, uint64_t gap_ns)
{
	struct table *t =
		mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t == MAP_FAILED)
		return -errno;
	/* The first batch warms up. */
	uint32_t total = rounds * (BATCHES + 1);
	pid_t pid = fork();
	if (pid < 0) {
		munmap(t, sizeof *t);
		return -errno;
	}
	if (!pid)
		pong_run(t, pong_cpu, total, futex);
	pin(ping_cpu);
	struct stats s = {0};
	for (uint32_t b = 0, i = 1; b <= BATCHES; b++) {
		uint64_t begin = clock_now_ns(), gaps = 0;
		for (uint32_t k = 0; k < rounds; k++, i++) {
			if (gap_ns) {
				uint64_t gap = clock_now_ns();
				busy(gap_ns);
				gaps += clock_now_ns() - gap;
			}
			tell(&t->ping, i, futex);
			if (futex)
				wait_futex(&t->pong, i);
			else
				wait_spin(&t->pong, i);
		}
		if (b)
			stats_add(&s, (double)(clock_now_ns() - begin - gaps) / rounds * 1e-9);
	}
	waitpid(pid, NULL, 0);
	munmap(t, sizeof *t);
	report_put(r, name, "s", REPORT_HOST, stats_sum_up(&s));
	return 0;
}

int pingpong_measure(struct report *r, double scale)
{
	cpu_set_t all;
	int cpu[2];
	int rc = allowed_cpus(&all, cpu);
	if (rc)
		return rc;
	uint32_t spins = (uint32_t)(20000 * scale) + 100, sleeps = (uint32_t)(1000 * scale) + 50;
	if (cpu[1] >= 0)
		rc = measure(r, "host.pingpong_spin_two_cores", cpu[0], cpu[1], false, spins, 0);
	if (!rc)
		rc = measure(r, "host.pingpong_futex_one_core", cpu[0], cpu[0], true, sleeps, 0);
	/* As cold as a device that is asked every 10 ms: other caches, another time slice. One round a batch, so that the
	 * row's median is that of the rounds. */
	if (!rc)
		rc = measure(r, "host.pingpong_futex_one_core_after_10ms", cpu[0], cpu[0], true, 1,
			     10000000);
	if (!rc && cpu[1] >= 0)
		rc = measure(r, "host.pingpong_futex_two_cores", cpu[0], cpu[1], true, sleeps, 0);
	sched_setaffinity(0, sizeof all, &all);
	return rc;
}
