/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A small generator of AML (ACPI Specification 6.4, chapter 20), and of resource descriptors (chapter 6.4). Everything is
 * appended to one buffer; a package is opened and closed, and its length is filled in when it is closed. What does
 * not fit sets @full and is dropped: the caller looks once, at the end.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** struct aml - bytes being made. Zeroed but for buf and max. */
struct aml {
	uint8_t *buf; /* borrowed */
	size_t len, max;
	bool full;
};

/** aml_raw - bytes as they are; aml_u8 to aml_u64: little-endian numbers as they are. */
void aml_raw(struct aml *a, const void *p, size_t n);
void aml_u8(struct aml *a, unsigned v);
void aml_u16(struct aml *a, unsigned v);
void aml_u32(struct aml *a, uint32_t v);
void aml_u64(struct aml *a, uint64_t v);

/** aml_int - a number as a term: the shortest constant (20.2.3). aml_str - a string (20.2.3). */
void aml_int(struct aml *a, uint64_t v);
void aml_str(struct aml *a, const char *s);

/** aml_name - Name(@seg, ...): the object follows. @seg: four characters, or a path such as "\\_S5_". */
void aml_name(struct aml *a, const char *seg);

/** aml_scope, aml_device, aml_package - open; aml_end() with what they returned closes. @count: elements. */
size_t aml_scope(struct aml *a, const char *seg);
size_t aml_device(struct aml *a, const char *seg);
size_t aml_package(struct aml *a, unsigned count);
/** aml_resources - opens a buffer of resource descriptors; aml_resources_end() closes it. */
size_t aml_resources(struct aml *a);
void aml_resources_end(struct aml *a, size_t at);
void aml_end(struct aml *a, size_t at);

/** aml_eisaid - the term for a PNP id such as "PNP0501" (19.3.4, EISAID). */
void aml_eisaid(struct aml *a, const char *id);

/** Resource descriptors: 6.4.3.4 Memory32Fixed, 6.4.2.5 I/O port, 6.4.3.6 extended interrupt. */
void aml_memory32(struct aml *a, uint32_t base, uint32_t len);
void aml_io(struct aml *a, unsigned base, unsigned len);
void aml_interrupt(struct aml *a, uint32_t gsi, bool edge);
