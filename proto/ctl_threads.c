/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. nng 1.5 sizes its pools by sysconf(_SC_NPROCESSORS_ONLN) when the first socket is opened (two
 * task threads and one expiry thread a CPU, up to 16 and 8) and offers no call to bound them (nng_init_set_parameter()
 * came with 1.8). Every daemon is such a process, so on a wide host the pools would be most of its memory. The
 * executable therefore defines sysconf() itself (ELF symbol interposition) and answers 1 to that one question
 * from ctl_setup() on; all other questions go to the C library.
 * Threads that need the true number of CPUs use sched_getaffinity(2).
 */
#include "proto/ctl.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

static atomic_bool one_cpu;

void ctl_setup(void)
{
	atomic_store(&one_cpu, true);
}

/* The sanitizers' runtimes call sysconf() before they are ready for instrumented code. */
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
__attribute__((visibility("default"))) long sysconf(int name)
{
	static _Atomic uintptr_t real;
	if (name == _SC_NPROCESSORS_ONLN && atomic_load_explicit(&one_cpu, memory_order_relaxed))
		return 1;
	uintptr_t f = atomic_load(&real);
	if (!f) {
		f = (uintptr_t)dlsym(RTLD_NEXT, "sysconf");
		atomic_store(&real, f);
	}
	if (!f) {
		errno = ENOSYS;
		return -1;
	}
	return ((long (*)(int))f)(name);
}
#endif
