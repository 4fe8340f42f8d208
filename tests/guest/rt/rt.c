/* SPDX-License-Identifier: Apache-2.0 */
#include "rt.h"

struct exc exc;
uint64_t rt_dtb;
void (*exc_irq)(void);
void (*exc_fiq)(void);
bool (*exc_hook)(struct frame *f);
uint8_t el0_stack[EL0_STACK_BYTES] __attribute__((aligned(4096)));

static const char *group_name;
static unsigned groups, failed_checks;

void rt_main(uint64_t dtb);
uint64_t exc_entry(struct frame *f);
void *memset(void *p, int c, size_t n);
void *memcpy(void *d, const void *s, size_t n);

void *memset(void *p, int c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile uint8_t *)p)[i] = (uint8_t)c;
	return p;
}

void *memcpy(void *d, const void *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile uint8_t *)d)[i] = ((const uint8_t *)s)[i];
	return d;
}

static void put(char c)
{
	while (mmio_r32(UART_BASE + 0x18) & 0x20)
		;
	mmio_w32(UART_BASE, (uint8_t)c);
}

void print(const char *s)
{
	for (; *s; s++)
		put(*s);
}

void print_hex(uint64_t v)
{
	int started = 0;

	print("0x");
	for (int i = 60; i >= 0; i -= 4) {
		unsigned d = v >> i & 15;

		if (d || started || i == 0) {
			put("0123456789abcdef"[d]);
			started = 1;
		}
	}
}

void print_dec(uint64_t v)
{
	char buf[21];
	int n = 20;

	buf[n] = 0;
	do {
		buf[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	print(&buf[n]);
}

static void group_end(void)
{
	if (!group_name)
		return;
	if (failed_checks)
		print("FAIL ");
	else
		print("PASS ");
	print(group_name);
	print("\n");
	groups++;
	failed_checks = 0;
}

void group(const char *name)
{
	group_end();
	group_name = name;
	exc_reset();
}

void done(void)
{
	group_end();
	print("DONE ");
	print_dec(groups);
	print("\n");
	while (!(mmio_r32(UART_BASE + 0x18) & 0x80))
		;
	hvc_call(PSCI_SYSTEM_OFF, 0, 0, 0);
	print("still running after SYSTEM_OFF\n");
	for (;;)
		__asm__ volatile("wfi");
}

void check_eq(int line, const char *what, uint64_t got, uint64_t want)
{
	if (got == want)
		return;
	if (failed_checks++ > 20)
		return;
	print("  ");
	print(group_name ? group_name : "?");
	print(" line ");
	print_dec((uint64_t)line);
	print(": ");
	print(what);
	print(" is ");
	print_hex(got);
	print(", want ");
	print_hex(want);
	print("\n");
}

static void die(const char *why, const struct frame *f)
{
	print("FAIL ");
	print(group_name ? group_name : "?");
	print(": ");
	print(why);
	print(" kind ");
	print_dec(f->kind);
	print(" esr ");
	print_hex(f->esr);
	print(" elr ");
	print_hex(f->elr);
	print(" far ");
	print_hex(f->far);
	print("\n");
	hvc_call(PSCI_SYSTEM_OFF, 0, 0, 0);
	for (;;)
		;
}

/*
 * Records a synchronous exception and goes on after it: after the instruction, or, when the
 * fetch failed, where the caller's link register says. Gives 1 to leave EL0 for good.
 */
uint64_t exc_entry(struct frame *f)
{
	uint64_t ec = ESR_EC(f->esr);

	if ((f->kind & 3) == 1) {
		if (!exc_irq)
			die("unexpected IRQ", f);
		exc_irq();
		return 0;
	}
	if ((f->kind & 3) == 2 && exc_fiq) {
		exc_fiq();
		return 0;
	}
	if ((f->kind & 3) != 0)
		die("FIQ or SError", f);
	if (f->kind == 8 && f->esr == (0x15ull << 26 | 1u << 25 | 0x7f))
		return 1;
	if (exc_hook && exc_hook(f))
		return 0;
	exc.kind = f->kind;
	exc.elr = f->elr;
	exc.spsr = f->spsr;
	exc.esr = f->esr;
	exc.far = f->far;
	exc.daif = read_sysreg(daif);
	exc.spsel = read_sysreg(spsel);
	exc.el = read_sysreg(currentel);
	if (++exc.count > 1000)
		die("exceptions without end", f);
	if (ec == 0x20 || ec == 0x21 || ec == 0x22)
		f->elr = f->x[30];
	else if (ec != 0x15 && ec != 0x16 && ec != 0x17)
		f->elr += 4;
	f->spsr &= ~(1ull << 20); /* IL */
	return 0;
}

uint64_t el0_call(uint64_t (*fn)(uint64_t), uint64_t arg)
{
	return el0_enter((uint64_t)fn, (uint64_t)el0_stack + EL0_STACK_BYTES, arg, 0);
}

bool irq_wait(volatile unsigned *flag, unsigned ms)
{
	uint64_t freq = read_sysreg(cntfrq_el0);
	uint64_t end = read_sysreg(cntvct_el0) + freq / 1000 * ms;

	while (!*flag && read_sysreg(cntvct_el0) < end) {
		/* With IRQs masked a pending one still ends WFI, so none is missed in between. */
		__asm__ volatile("wfi\n\tmsr daifclr, #2\n\tisb\n\tmsr daifset, #2" ::: "memory");
	}
	return *flag != 0;
}

void rt_main(uint64_t dtb)
{
	rt_dtb = dtb;
	mmio_w32(UART_BASE + 0x2c, 0x70);  /* LCRH: 8 bits, FIFO */
	mmio_w32(UART_BASE + 0x30, 0x301); /* CR: UARTEN TXE RXE */
	test_main();
	done();
}
