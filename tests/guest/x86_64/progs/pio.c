/* SPDX-License-Identifier: Apache-2.0 */
/* Port I/O of every width and form against testport, and what is not claimed by anyone. */
#include "rt.h"

#define P TESTPORT_BASE
#define FWD (P + 0x40)
#define SEQ (P + 0x80)
#define LOG (P + 0x84)
#define DIGEST (P + 0x88)
#define CLEAR (P + 0x94)

/* IN of @insn with rax all 5s before: what is left of it after. */
#define IN_RAX(insn, port)                                                                         \
	({                                                                                         \
		uint64_t v_ = 0x5555555555555555;                                                  \
		__asm__ volatile(insn : "+a"(v_) : "d"((uint16_t)(port)) : "memory");              \
		v_;                                                                                \
	})

static void test_registers(unsigned base)
{
	out32((uint16_t)base, 0x80918283);
	CHECK_EQ(IN_RAX("inb %%dx, %%al", base), 0x5555555555555583);
	CHECK_EQ(IN_RAX("inw %%dx, %%ax", base), 0x5555555555558283);
	CHECK_EQ(IN_RAX("inl %%dx, %%eax", base), 0x80918283); /* a 32-bit write clears the rest */
	CHECK_EQ(IN_RAX("inb %%dx, %%al", base + 3), 0x5555555555555580);
	out8((uint16_t)(base + 1), 0x44);
	CHECK_EQ(in32((uint16_t)base), 0x80914483);
	out16((uint16_t)(base + 2), 0x7766);
	CHECK_EQ(in32((uint16_t)base), 0x77664483);
}

static void ins(const char *what, unsigned width, unsigned n)
{
	static uint8_t buf[512] __attribute__((aligned(16)));
	void *to = buf;
	uint64_t count = n;
	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = 0xee;
	out32(CLEAR, 0);
	if (width == 1)
		__asm__ volatile("cld; rep insb"
				 : "+D"(to), "+c"(count)
				 : "d"((uint16_t)SEQ)
				 : "memory");
	else if (width == 2)
		__asm__ volatile("cld; rep insw"
				 : "+D"(to), "+c"(count)
				 : "d"((uint16_t)SEQ)
				 : "memory");
	else
		__asm__ volatile("cld; rep insl"
				 : "+D"(to), "+c"(count)
				 : "d"((uint16_t)SEQ)
				 : "memory");
	check_eq(__LINE__, what, count, 0);
	check_eq(__LINE__, what, (uint64_t)to - (uint64_t)buf, n * width);
	for (unsigned i = 0; i < n; i++) {
		uint32_t v = 0;
		for (unsigned k = 0; k < width; k++)
			v |= (uint32_t)buf[i * width + k] << 8 * k;
		check_eq(__LINE__, what, v, i & (width == 1 ? 0xffu : 0xffffffffu));
	}
	check_eq(__LINE__, what, buf[n * width], 0xee);
}

static uint32_t digest(const uint8_t *p, unsigned width, unsigned n)
{
	uint32_t d = 0;
	for (unsigned i = 0; i < n; i++) {
		uint32_t v = 0;
		for (unsigned k = 0; k < width; k++)
			v |= (uint32_t)p[i * width + k] << 8 * k;
		d = d * 31 + v + width * 7919u;
	}
	return d;
}

static void outs(const char *what, unsigned width, unsigned n)
{
	static uint8_t buf[512] __attribute__((aligned(16)));
	const void *from = buf;
	uint64_t count = n;
	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 37 + 5);
	out32(CLEAR, 0);
	if (width == 1)
		__asm__ volatile("cld; rep outsb"
				 : "+S"(from), "+c"(count)
				 : "d"((uint16_t)LOG)
				 : "memory");
	else if (width == 2)
		__asm__ volatile("cld; rep outsw"
				 : "+S"(from), "+c"(count)
				 : "d"((uint16_t)LOG)
				 : "memory");
	else
		__asm__ volatile("cld; rep outsl"
				 : "+S"(from), "+c"(count)
				 : "d"((uint16_t)LOG)
				 : "memory");
	check_eq(__LINE__, what, count, 0);
	check_eq(__LINE__, what, (uint64_t)from - (uint64_t)buf, n * width);
	check_eq(__LINE__, what, in32(DIGEST), digest(buf, width, n));
}

/* With the direction flag set the elements come from the top. */
static void outs_down(void)
{
	uint8_t buf[8] = {1, 2, 3, 4, 5, 6, 7, 8}, back[8] = {8, 7, 6, 5, 4, 3, 2, 1};
	const void *from = buf + 7;
	uint64_t count = 8;
	out32(CLEAR, 0);
	__asm__ volatile("std; rep outsb; cld"
			 : "+S"(from), "+c"(count)
			 : "d"((uint16_t)LOG), "m"(buf)
			 : "memory");
	CHECK_EQ(in32(DIGEST), digest(back, 1, 8));
	CHECK_EQ((uint64_t)from, (uint64_t)buf - 1);
}

void test_main(void)
{
	group("registers, read from the shadow");
	test_registers(P);
	group("registers, read by asking");
	test_registers(FWD);
	group("rep ins");
	ins("bytes", 1, 300);
	ins("words", 2, 100);
	ins("dwords", 4, 100);
	ins("one", 1, 1);
	ins("none", 1, 0);
	group("rep outs");
	outs("bytes", 1, 300);
	outs("words", 2, 100);
	outs("dwords", 4, 100);
	outs_down();
	group("unclaimed ports");
	CHECK_EQ(in8(0x2000), 0xff);
	CHECK_EQ(in16(0x2000), 0xffff);
	CHECK_EQ(in32(0x2000), 0xffffffff);
	CHECK_EQ(IN_RAX("inb %%dx, %%al", 0x2000), 0x55555555555555ff);
	out8(0x2000, 1);
	out32(0x2000, 1);
	/* Not wholly inside. */
	CHECK_EQ(in32(P + 0xfe), 0xffffffff);
	group("many accesses in a row");
	for (uint32_t i = 0; i < 2000; i++) {
		out32(FWD, i * 2654435761u);
		if (in32(FWD) != i * 2654435761u) {
			CHECK_EQ(in32(FWD), i * 2654435761u);
			break;
		}
	}
}
