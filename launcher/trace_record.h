/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Recording: reads the trace areas of a running VM's devices into a file, and shows them as they come. One thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

/** struct trace_wish - what is to be recorded. Borrowed. */
struct trace_wish {
	const char *vm;
	const char *const *devices; /* none: all */
	size_t ndevices;
	const char *out;		   /* file, "-", or NULL: none */
	bool bytes;			   /* what moves by DMA in full, and not only its hash */
	bool live;			   /* decode to standard output as it comes */
	uint64_t for_ns, count, max_bytes; /* 0: without end */
};

/** trace_record - records until it is enough, the VM ends or a signal says so. Returns an exit code; errors are on standard error. */
int trace_record(const struct trace_wish *w);
