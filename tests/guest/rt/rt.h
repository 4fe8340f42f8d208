/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bare-metal test programs share. They start at EL1 with the MMU off on a board with
 * QEMU virt's memory map and print over the PL011, only what is the same on every engine.
 *
 * A program defines test_main(), opens groups of checks, and ends. Output: "PASS group" or
 * "FAIL group" with the failed checks, then "DONE n", then PSCI SYSTEM_OFF.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UART_BASE 0x09000000ull
#define RTC_BASE 0x09010000ull
#define RAM_BASE 0x40000000ull

struct frame {
	uint64_t x[31];
	uint64_t sp_el0, elr, spsr, esr, far, kind;
};

/* The last synchronous exception, as the handler saw it. */
struct exc {
	uint64_t kind; /* vector index 0..15: 4 = EL1h sync, 8 = EL0 sync */
	uint64_t elr, spsr, esr, far;
	uint64_t daif, spsel, el; /* PSTATE inside the handler */
	unsigned count;		  /* since exc_reset() */
};

extern struct exc exc;
extern uint64_t rt_dtb;
/* exc_irq - called for IRQs; NULL: an IRQ is a failure. */
extern void (*exc_irq)(void);
/* exc_fiq - the same for FIQs. */
extern void (*exc_fiq)(void);
/* exc_hook - when not NULL sees each synchronous exception first; true = it did everything. */
extern bool (*exc_hook)(struct frame *f);

void test_main(void);

/* group - closes the group before and opens one. */
void group(const char *name);
/* done - closes the last group, prints the count and powers off. */
void done(void) __attribute__((noreturn));
void check_eq(int line, const char *what, uint64_t got, uint64_t want);
#define CHECK_EQ(got, want) check_eq(__LINE__, #got, (uint64_t)(got), (uint64_t)(want))
#define CHECK(cond) check_eq(__LINE__, #cond, !!(cond), 1)

void print(const char *s);
void print_hex(uint64_t v);
void print_dec(uint64_t v);

static inline void exc_reset(void)
{
	exc.count = 0;
	exc.esr = exc.elr = exc.far = exc.spsr = exc.kind = ~0ull;
	__asm__ volatile("" ::: "memory");
}

#define ESR_EC(esr) ((esr) >> 26 & 63)
#define ESR_IL(esr) ((esr) >> 25 & 1)
#define ESR_ISS(esr) ((esr)&0x1ffffff)

/* expect_exc - one exception since exc_reset(), of this class. */
#define expect_exc(ec)                                                                             \
	do {                                                                                       \
		CHECK_EQ(exc.count, 1);                                                            \
		CHECK_EQ(ESR_EC(exc.esr), ec);                                                     \
	} while (0)
#define expect_none() CHECK_EQ(exc.count, 0)

#define read_sysreg(name)                                                                          \
	({                                                                                         \
		uint64_t v_;                                                                       \
		__asm__ volatile("mrs %0, " #name : "=r"(v_)::"memory");                           \
		v_;                                                                                \
	})
#define write_sysreg(name, val)                                                                    \
	__asm__ volatile("msr " #name ", %0\n\tisb" ::"r"((uint64_t)(val)) : "memory")

static inline uint8_t mmio_r8(uint64_t a)
{
	uint8_t v;
	__asm__ volatile("ldrb %w0, [%1]" : "=r"(v) : "r"(a) : "memory");
	return v;
}
static inline uint16_t mmio_r16(uint64_t a)
{
	uint16_t v;
	__asm__ volatile("ldrh %w0, [%1]" : "=r"(v) : "r"(a) : "memory");
	return v;
}
static inline uint32_t mmio_r32(uint64_t a)
{
	uint32_t v;
	__asm__ volatile("ldr %w0, [%1]" : "=r"(v) : "r"(a) : "memory");
	return v;
}
static inline uint64_t mmio_r64(uint64_t a)
{
	uint64_t v;
	__asm__ volatile("ldr %0, [%1]" : "=r"(v) : "r"(a) : "memory");
	return v;
}
static inline void mmio_w8(uint64_t a, uint8_t v)
{
	__asm__ volatile("strb %w0, [%1]" ::"r"(v), "r"(a) : "memory");
}
static inline void mmio_w16(uint64_t a, uint16_t v)
{
	__asm__ volatile("strh %w0, [%1]" ::"r"(v), "r"(a) : "memory");
}
static inline void mmio_w32(uint64_t a, uint32_t v)
{
	__asm__ volatile("str %w0, [%1]" ::"r"(v), "r"(a) : "memory");
}
static inline void mmio_w64(uint64_t a, uint64_t v)
{
	__asm__ volatile("str %0, [%1]" ::"r"(v), "r"(a) : "memory");
}

/* el0_call - runs @fn(@arg) at EL0 with DAIF clear in its SPSR unless @spsr says otherwise. */
uint64_t el0_enter(uint64_t pc, uint64_t sp, uint64_t arg, uint64_t spsr);
extern uint8_t el0_stack[];
uint64_t el0_call(uint64_t (*fn)(uint64_t), uint64_t arg);
#define EL0_STACK_BYTES 4096

uint64_t hvc_call(uint64_t fn, uint64_t a, uint64_t b, uint64_t c);
#define PSCI_SYSTEM_OFF 0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u

/* irq_wait - waits with WFI until *@flag or about @ms milliseconds of guest time. Masks IRQs in between. */
bool irq_wait(volatile unsigned *flag, unsigned ms);
