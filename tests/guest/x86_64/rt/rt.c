/* SPDX-License-Identifier: Apache-2.0 */
#include "rt.h"

struct exc exc;
uint64_t exc_resume;
uint32_t rt_magic, rt_info;
void (*exc_irq)(unsigned vector);
void (*ap_main)(void);
extern uint8_t exc_stubs[], ap_start[], ap_end[];

static struct {
	uint16_t low, selector, flags, mid;
	uint32_t high, zero;
} idt[256] __attribute__((aligned(16)));

static const char *group_name;
static unsigned groups, failed_checks;
static bool serial;

void rt_main(void);
void rt_ap_main(void);
void exc_entry(struct frame *f);
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

/* ---- output ---- */

static void put(char c)
{
	if (serial) {
		while (!(in8(0x3fd) & 0x20))
			;
		out8(0x3f8, (uint8_t)c);
		return;
	}
	while (mmio_r32(PL011_BASE + 0x18) & 0x20)
		;
	mmio_w32(PL011_BASE, (uint8_t)c);
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

/* ---- groups and checks ---- */

static void group_end(void)
{
	if (!group_name)
		return;
	print(failed_checks ? "FAIL " : "PASS ");
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

void power_off(void)
{
	while (serial ? !(in8(0x3fd) & 0x40) : !(mmio_r32(PL011_BASE + 0x18) & 0x80))
		;
	out16(0x604, 5u << 10 | 1u << 13);
	out16(0x604, 1u << 13); /* QEMU's board has another sleep type for it, and takes its time */
	for (;;)
		__asm__ volatile("cli; hlt");
}

void done(void)
{
	group_end();
	print("DONE ");
	print_dec(groups);
	print("\n");
	power_off();
}

void check_eq(int line, const char *what, uint64_t got, uint64_t want)
{
	if (got == want || failed_checks++ > 20)
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

/* ---- exceptions ---- */

void exc_reset(void)
{
	exc = (struct exc){.vector = ~0ull, .error = ~0ull, .rip = ~0ull, .cr2 = ~0ull};
	__asm__ volatile("" ::: "memory");
}

static void __attribute__((noreturn)) die(const char *why, const struct frame *f)
{
	print("FAIL ");
	print(group_name ? group_name : "?");
	print(": ");
	print(why);
	print(" vector ");
	print_dec(f->vector);
	print(" error ");
	print_hex(f->error);
	print(" rip ");
	print_hex(f->rip);
	print("\n");
	power_off();
}

void exc_entry(struct frame *f)
{
	if (f->vector >= 32) {
		if (!exc_irq)
			die("unexpected interrupt", f);
		exc_irq((unsigned)f->vector);
		return;
	}
	exc.count++;
	exc.vector = f->vector;
	exc.error = f->error;
	exc.rip = f->rip;
	__asm__ volatile("mov %%cr2, %0" : "=r"(exc.cr2));
	if (!exc_resume)
		die("unexpected exception", f);
	f->rip = exc_resume;
}

static void idt_load(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) d = {sizeof(idt) - 1, (uint64_t)idt};
	__asm__ volatile("lidt %0" ::"m"(d));
}

static void idt_make(void)
{
	for (unsigned i = 0; i < 256; i++) {
		uint64_t at = (uint64_t)exc_stubs + i * 16;
		idt[i].low = (uint16_t)at;
		idt[i].selector = 8;
		idt[i].flags = 0x8e00;
		idt[i].mid = (uint16_t)(at >> 16);
		idt[i].high = (uint32_t)(at >> 32);
	}
	idt_load();
}

/* ---- interrupt controllers ---- */

void apic_init(void)
{
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
	wrmsr(0x1b, rdmsr(0x1b) | 1u << 11);
	mmio_w32(LAPIC_BASE + 0xf0, 0x1ff); /* on; spurious vector 255 */
	mmio_w32(LAPIC_BASE + 0x80, 0);
}

void apic_eoi(void)
{
	mmio_w32(LAPIC_BASE + 0xb0, 0);
}

static void ioapic_write(unsigned reg, uint32_t v)
{
	mmio_w32(IOAPIC_BASE, reg);
	mmio_w32(IOAPIC_BASE + 0x10, v);
}

void ioapic_route(unsigned gsi, unsigned vector, bool level)
{
	ioapic_write(0x11 + 2 * gsi, 0);
	ioapic_write(0x10 + 2 * gsi, vector | (level ? 1u << 15 : 0));
}

void ioapic_mask(unsigned gsi)
{
	ioapic_write(0x10 + 2 * gsi, 1u << 16);
}

bool irq_wait(volatile unsigned *flag)
{
	/* Not halted for ever where the interrupt is missing: the APIC's timer wakes us. */
	mmio_w32(LAPIC_BASE + 0x3e0, 0xb);
	for (unsigned i = 0; i < 400 && !*flag; i++) {
		mmio_w32(LAPIC_BASE + 0x320, 254);
		mmio_w32(LAPIC_BASE + 0x380, 10000000);
		__asm__ volatile("sti; hlt; cli" ::: "memory");
	}
	mmio_w32(LAPIC_BASE + 0x380, 0);
	return *flag != 0;
}

/* ---- other processors ---- */

void rt_ap_main(void)
{
	idt_load();
	mmio_w32(LAPIC_BASE + 0xf0, 0x1ff);
	ap_main();
}

static void apic_send(unsigned apic_id, uint32_t command)
{
	mmio_w32(LAPIC_BASE + 0x310, apic_id << 24);
	mmio_w32(LAPIC_BASE + 0x300, command);
	while (mmio_r32(LAPIC_BASE + 0x300) & 1u << 12)
		;
}

void ap_start_one(unsigned apic_id, void (*fn)(void))
{
	ap_main = fn;
	memcpy((void *)AP_PAGE, ap_start, (size_t)(ap_end - ap_start));
	apic_send(apic_id, 0x4500);
	apic_send(apic_id, 0x4600 | AP_PAGE >> 12);
}

void rt_main(void)
{
	serial = in8(0x3fd) != 0xff;
	if (!serial)
		mmio_w32(PL011_BASE + 0x30, 0x301);
	idt_make();
	test_main();
	done();
}
