/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FOOTPRINT_PROCESSES_MAX 64
#define FOOTPRINT_NAME_MAX 40

/** struct footprint_process - one process of a tree. */
struct footprint_process {
	pid_t pid;
	char name[FOOTPRINT_NAME_MAX]; /* of the program */
	uint64_t pss_bytes;	  /* proportional share of all its memory, guest RAM left out */
	uint64_t guest_ram_bytes; /* proportional share of guest RAM */
	uint64_t cpu_ns;	  /* user and system time of its threads since they began */
	uint64_t vcpu_ns;	  /* of that, the threads called "CPU ...": QEMU's vCPUs */
};

/** struct footprint - a process and everything below it. */
struct footprint {
	size_t n;
	struct footprint_process process[FOOTPRINT_PROCESSES_MAX];
};

/**
 * footprint_take - looks at @root and its descendants. A mapping of @guest_ram_bytes or more counts
 * as guest RAM, as does any of a shared memory file of that size. With @memory false only the CPU
 * time is read. 0 or -Exxx (-EACCES: somebody else's process). Any thread; takes a few
 * milliseconds.
 */
int footprint_take(struct footprint *f, pid_t root, uint64_t guest_ram_bytes, int memory);
