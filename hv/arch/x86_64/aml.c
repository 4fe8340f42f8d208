/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/arch/x86_64/aml.h"
#include "base/bytes.h"

/* Opcodes, ACPI 6.4, table 20.2 (20.3). */
#define OP_ZERO 0x00u
#define OP_ONE 0x01u
#define OP_NAME 0x08u
#define OP_BYTE 0x0au
#define OP_WORD 0x0bu
#define OP_DWORD 0x0cu
#define OP_STRING 0x0du
#define OP_QWORD 0x0eu
#define OP_SCOPE 0x10u
#define OP_BUFFER 0x11u
#define OP_PACKAGE 0x12u
#define OP_EXT 0x5bu
#define OP_EXT_DEVICE 0x82u
/* Packages here always have a length of three bytes: room for 1 MiB, and it is known where the contents begin (20.2.4). */
#define PKG_LEN 3u
#define PKG_MAX 0xfffffu

void aml_raw(struct aml *a, const void *p, size_t n)
{
	if (a->full || n > a->max - a->len) {
		a->full = true;
		return;
	}
	memcpy(a->buf + a->len, p, n);
	a->len += n;
}

static void put(struct aml *a, uint64_t v, unsigned bytes)
{
	uint8_t b[8];
	store_le(b, bytes, v);
	aml_raw(a, b, bytes);
}

void aml_u8(struct aml *a, unsigned v)
{
	put(a, v, 1);
}

void aml_u16(struct aml *a, unsigned v)
{
	put(a, v, 2);
}

void aml_u32(struct aml *a, uint32_t v)
{
	put(a, v, 4);
}

void aml_u64(struct aml *a, uint64_t v)
{
	put(a, v, 8);
}

void aml_int(struct aml *a, uint64_t v)
{
	if (v <= 1) {
		aml_u8(a, v ? OP_ONE : OP_ZERO);
	} else if (v <= UINT8_MAX) {
		aml_u8(a, OP_BYTE);
		put(a, v, 1);
	} else if (v <= UINT16_MAX) {
		aml_u8(a, OP_WORD);
		put(a, v, 2);
	} else if (v <= UINT32_MAX) {
		aml_u8(a, OP_DWORD);
		put(a, v, 4);
	} else {
		aml_u8(a, OP_QWORD);
		put(a, v, 8);
	}
}

void aml_str(struct aml *a, const char *s)
{
	aml_u8(a, OP_STRING);
	aml_raw(a, s, strlen(s) + 1);
}

void aml_name(struct aml *a, const char *seg)
{
	aml_u8(a, OP_NAME);
	aml_raw(a, seg, strlen(seg));
}

/* A package after its opcode: the length comes later. */
static size_t open_package(struct aml *a)
{
	size_t at = a->len;
	aml_raw(a, "\0\0", PKG_LEN);
	return at;
}

void aml_end(struct aml *a, size_t at)
{
	if (a->full)
		return;
	size_t n = a->len - at; /* the length counts itself */
	if (n > PKG_MAX) {
		a->full = true;
		return;
	}
	a->buf[at] = (uint8_t)((PKG_LEN - 1) << 6 | (n & 15));
	a->buf[at + 1] = (uint8_t)(n >> 4);
	a->buf[at + 2] = (uint8_t)(n >> 12);
}

size_t aml_scope(struct aml *a, const char *seg)
{
	aml_u8(a, OP_SCOPE);
	size_t at = open_package(a);
	aml_raw(a, seg, strlen(seg));
	return at;
}

size_t aml_device(struct aml *a, const char *seg)
{
	aml_u8(a, OP_EXT);
	aml_u8(a, OP_EXT_DEVICE);
	size_t at = open_package(a);
	aml_raw(a, seg, strlen(seg));
	return at;
}

size_t aml_package(struct aml *a, unsigned count)
{
	aml_u8(a, OP_PACKAGE);
	size_t at = open_package(a);
	aml_u8(a, count);
	return at;
}

/* BufferSize is a word constant here, so that it can be filled in. */
size_t aml_resources(struct aml *a)
{
	aml_u8(a, OP_BUFFER);
	size_t at = open_package(a);
	aml_u8(a, OP_WORD);
	aml_u16(a, 0);
	return at;
}

void aml_resources_end(struct aml *a, size_t at)
{
	size_t data = at + PKG_LEN + 3;
	aml_u8(a, 0x79); /* end tag, 6.4.2.9; checksum 0: none */
	aml_u8(a, 0);
	if (!a->full)
		store_le(a->buf + data - 2, 2, a->len - data);
	aml_end(a, at);
}

static unsigned hex(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

void aml_eisaid(struct aml *a, const char *id)
{
	unsigned v = 0;
	for (unsigned i = 0; i < 3; i++)
		v = v << 5 | ((unsigned)id[i] - 0x40u);
	aml_u8(a, OP_DWORD);
	aml_u8(a, v >> 8);
	aml_u8(a, v);
	aml_u8(a, hex(id[3]) << 4 | hex(id[4]));
	aml_u8(a, hex(id[5]) << 4 | hex(id[6]));
}

void aml_memory32(struct aml *a, uint32_t base, uint32_t len)
{
	aml_u8(a, 0x86);
	aml_u16(a, 9);
	aml_u8(a, 1); /* writable */
	aml_u32(a, base);
	aml_u32(a, len);
}

void aml_io(struct aml *a, unsigned base, unsigned len)
{
	aml_u8(a, 0x47);
	aml_u8(a, 1); /* decodes 16 bits */
	aml_u16(a, base);
	aml_u16(a, base);
	aml_u8(a, 1);
	aml_u8(a, len);
}

void aml_interrupt(struct aml *a, uint32_t gsi, bool edge)
{
	aml_u8(a, 0x89);
	aml_u16(a, 6);
	aml_u8(a, 1u | (edge ? 2u : 0u)); /* consumer, active high, not shared */
	aml_u8(a, 1);
	aml_u32(a, gsi);
}
