/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reading guest images from descriptors, straight into guest memory. Files are hostile: each length
 * and offset is checked against the file and against memory; decompression stops at the space there
 * is. Files are read with pread(2), never mapped, so that a file that is truncated meanwhile is an
 * error and not a SIGBUS.
 */
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "hv/mem.h"

/** struct loader_src - one open image. */
struct loader_src {
	int fd;	 /* borrowed, or @own */
	int own; /* a copy of something that has no size (a pipe); -1 = none */
	uint64_t size;
	const char *path; /* for messages, borrowed */
	const char *what; /* "kernel", "initrd" */
};

/** loader_open - takes a look at @fd (borrowed). What is no regular file is copied to memory, up to
 * @max_bytes. 0; -EFBIG; -EINVAL: a directory or an empty file; -Exxx of the reading. */
int loader_open(struct loader_src *s, int fd, const char *path, const char *what,
		uint64_t max_bytes, struct err *err);
void loader_close(struct loader_src *s);

/** loader_read - @len bytes at @off. 0; -EPROTO: the file ends before; -Exxx. */
int loader_read(const struct loader_src *s, uint64_t off, void *buf, uint64_t len, struct err *err);

/** loader_to_mem - @len bytes at @off of the file to guest address @addr. -EFBIG: not inside RAM.
 */
int loader_to_mem(const struct loader_src *s, uint64_t off, uint64_t len, const struct mem *m,
		  gpa_t addr, struct err *err);

/** struct loader_gz - a gzip stream being unpacked. */
struct loader_gz;

/** loader_gz_open - starts unpacking @s (borrowed). 0 and *@ret (gives). */
int loader_gz_open(const struct loader_src *s, struct loader_gz **ret, struct err *err);
void loader_gz_close(struct loader_gz *g);

/** loader_gz_read - unpacks up to @len bytes. Bytes given (less than @len only at the end),
 * -EPROTO: damaged or truncated. */
int64_t loader_gz_read(struct loader_gz *g, void *buf, uint64_t len, struct err *err);

/** struct loader_elf - what an ELF64 file put into memory. */
struct loader_elf {
	uint64_t entry;
	uint64_t start,
		end; /* guest-physical extent of the PT_LOAD segments, with their zeroed tails */
};

/** loader_elf64 - loads the PT_LOAD segments of a little-endian ELF64 executable for @machine
 * (EM_*) to their p_paddr.
 * @machine_name: for messages. -EPROTO: damaged; -ENOEXEC: another class, byte order, machine or
 * type; -EFBIG: a segment lies outside RAM. */
int loader_elf64(const struct loader_src *s, const struct mem *m, uint16_t machine,
		 const char *machine_name, struct loader_elf *ret, struct err *err);
