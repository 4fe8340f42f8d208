/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bare-metal test programs for x86_64 share. They are multiboot 1 images, run in 64-bit mode with 4 GiB mapped one to
 * one, and print over the first serial port if there is one, else over the board's PL011; only what is the same on every engine.
 *
 * A program defines test_main(), opens groups of checks, and ends. Output as with aarch64: "PASS group" or "FAIL group"
 * with the failed checks, then "DONE n", then the power goes off.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL011_BASE 0xd0100000ull
#define PL011_GSI 10u
#define TESTMEM_BASE 0xd0200000ull
#define TESTMEM_GSI 20u
#define TESTPORT_BASE 0x1000u
#define TESTPORT_GSI 21u
#define LAPIC_BASE 0xfee00000ull
#define IOAPIC_BASE 0xfec00000ull
#define AP_PAGE 0x8000u

struct frame {
	uint64_t rbp, r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

/* The last exception, as the handler saw it. */
struct exc {
	uint64_t vector, error, rip, cr2;
	unsigned count; /* since exc_reset() */
};

extern struct exc exc;
extern uint32_t rt_magic, rt_info;
/* exc_irq - called for vectors from 32 on; NULL: such an interrupt is a failure. */
extern void (*exc_irq)(unsigned vector);
/* ap_main - what another processor runs once ap_start_one() has started it. */
extern void (*ap_main)(void);

void test_main(void);
void group(const char *name);
void done(void) __attribute__((noreturn));
void check_eq(int line, const char *what, uint64_t got, uint64_t want);
#define CHECK_EQ(got, want) check_eq(__LINE__, #got, (uint64_t)(got), (uint64_t)(want))
#define CHECK(cond) check_eq(__LINE__, #cond, !!(cond), 1)
void print(const char *s);
void print_hex(uint64_t v);
void print_dec(uint64_t v);
void exc_reset(void);
/* power_off - by the ACPI registers. */
void power_off(void) __attribute__((noreturn));

/* CATCH - runs @stmt; an exception in it ends it. */
extern uint64_t exc_resume;
#define CATCH(...)                                                                                 \
	do {                                                                                       \
		__asm__ volatile("leaq 1f(%%rip), %%rax\n\tmovq %%rax, exc_resume" ::              \
					 : "rax", "memory");                                       \
		__VA_ARGS__;                                                                       \
		__asm__ volatile("1: movq $0, exc_resume" ::: "memory", "rax", "rcx", "rdx");      \
	} while (0)

static inline uint8_t in8(uint16_t p)
{
	uint8_t v;
	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(p) : "memory");
	return v;
}
static inline uint16_t in16(uint16_t p)
{
	uint16_t v;
	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(p) : "memory");
	return v;
}
static inline uint32_t in32(uint16_t p)
{
	uint32_t v;
	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(p) : "memory");
	return v;
}
static inline void out8(uint16_t p, uint8_t v)
{
	__asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(p) : "memory");
}
static inline void out16(uint16_t p, uint16_t v)
{
	__asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(p) : "memory");
}
static inline void out32(uint16_t p, uint32_t v)
{
	__asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(p) : "memory");
}
#define MMIO(type, name)                                                                           \
	static inline type mmio_r##name(uint64_t a)                                                \
	{                                                                                          \
		type v;                                                                            \
		__asm__ volatile("mov (%1), %0" : "=r"(v) : "r"(a) : "memory");                    \
		return v;                                                                          \
	}                                                                                          \
	static inline void mmio_w##name(uint64_t a, type v)                                        \
	{                                                                                          \
		__asm__ volatile("mov %0, (%1)" ::"r"(v), "r"(a) : "memory");                      \
	}
MMIO(uint8_t, 8)
MMIO(uint16_t, 16)
MMIO(uint32_t, 32)
MMIO(uint64_t, 64)

static inline uint64_t rdmsr(uint32_t i)
{
	uint32_t lo, hi;
	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(i) : "memory");
	return (uint64_t)hi << 32 | lo;
}
static inline void wrmsr(uint32_t i, uint64_t v)
{
	__asm__ volatile("wrmsr" ::"c"(i), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}
static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi)::"memory");
	return (uint64_t)hi << 32 | lo;
}
static inline void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "a"(leaf), "c"(sub));
}

/* Interrupts: the local APIC on, the PICs off. */
void apic_init(void);
void apic_eoi(void);
/* ioapic_route - @gsi becomes @vector on the first processor. */
void ioapic_route(unsigned gsi, unsigned vector, bool level);
void ioapic_mask(unsigned gsi);
/* ap_start_one - starts processor @apic_id with @fn. */
void ap_start_one(unsigned apic_id, void (*fn)(void));
/* irq_wait - interrupts on, halts until *@flag. False: it did not come within some seconds. */
bool irq_wait(volatile unsigned *flag);
