/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two CPUs, each busy on a device: CPU 1 on the one that is swapped or killed, CPU 0 on another. Each keeps the longest time
 * between two turns by its own counter. Bytes on the UART:
 *   c, u, d   CPU 1 reads the clock's DR; writes the UART's ICR (both are forwarded); keeps DEPTH requests with the disk
 *   i, b      CPU 0 sleeps and looks at the UART every 2 ms; is busy
 *   r         prints "gap A B N": the longest gaps since the last r in ns, of CPU 1 and CPU 0, and the turns of CPU 1
 *   q         powers off
 */
#include "smp.h"
#include "tests/virtio/drv.h"

#define RTC_DR (RTC_BASE + 0x00)
#define UART_DR (UART_BASE + 0x00)
#define UART_FR (UART_BASE + 0x18)
#define UART_ICR (UART_BASE + 0x44)
#define FR_RXFE 0x10u
#define SLOT_BASE 0x0a000000ull
#define SLOT_BYTES 0x200u
#define ID_BLK 2u
#define DEPTH 8u
#define BLOCK 4096u
#define BLOCKS 8192u /* of the image: 32 MiB */

/** struct gap - what one CPU sees; another asks for it by @want and waits until it is @done. */
struct gap {
	uint64_t last, max, turns;
	volatile uint32_t want, done;
	uint64_t ret_max, ret_turns;
} __attribute__((aligned(64)));

static struct gap gap[2];
static volatile uint32_t on = 'c';
static uint8_t arena[1u << 20] __attribute__((aligned(4096)));
static struct drv_queue queue;
static struct drv_area head[DEPTH], data[DEPTH], end[DEPTH];
static int id_of[DEPTH];
static bool disk;

static uint64_t now(void)
{
	return read_sysreg(cntvct_el0);
}

static void turn(struct gap *g)
{
	uint64_t t = now();
	if (t - g->last > g->max)
		g->max = t - g->last;
	g->last = t;
	g->turns++;
}

static void answer(struct gap *g)
{
	if (load_acq(&g->want) == g->done)
		return;
	g->ret_max = g->max;
	g->ret_turns = g->turns;
	g->max = g->turns = 0;
	g->last = now();
	store_rel(&g->done, g->want);
}

/* ---- the disk ------------------------------------------------------------------------------------------- */

static uint64_t slot_read(void *ctx, uint32_t offset, unsigned width)
{
	uint64_t a = *(uint64_t *)ctx + offset;
	return width == 1 ? mmio_r8(a) : width == 2 ? mmio_r16(a) : mmio_r32(a);
}

static void slot_write(void *ctx, uint32_t offset, unsigned width, uint64_t value)
{
	(void)width;
	mmio_w32(*(uint64_t *)ctx + offset, (uint32_t)value);
}

static bool slot_wait(void *ctx, bool (*ready)(void *arg), void *arg)
{
	(void)ctx;
	while (!ready(arg))
		;
	return true;
}

static const struct drv_access ops = {slot_read, slot_write, slot_wait};
static uint64_t slot;
static struct drv drv = {.ops = &ops, .ctx = &slot, .ram = arena, .bytes = sizeof(arena)};

static void disk_open(void)
{
	drv.gpa = (uint64_t)arena;
	for (unsigned i = 0; i < 32 && !disk; i++) {
		slot = SLOT_BASE + i * SLOT_BYTES;
		disk = mmio_r32(slot + DRV_MAGIC) == 0x74726976 &&
		       mmio_r32(slot + DRV_DEVICE_ID) == ID_BLK;
	}
	if (!disk || !drv_negotiate(&drv, DRV_F_INDIRECT | DRV_F_EVENT_IDX) ||
	    !drv_queue_setup(&drv, &queue, 0, 64)) {
		print("no disk\n");
		return;
	}
	for (unsigned i = 0; i < DEPTH; i++) {
		head[i] = drv_alloc(&drv, 16, 16);
		data[i] = drv_alloc(&drv, BLOCK, BLOCK);
		end[i] = drv_alloc(&drv, 1, 1);
		id_of[i] = -1;
	}
	drv_go(&drv);
	drv_interrupts(&queue, false);
}

static void disk_start(unsigned i)
{
	static uint32_t seed = 1;
	seed = seed * 1664525u + 1013904223u;
	uint32_t write = seed >> 12 & 1;
	*(uint64_t *)(void *)head[i].at = write;
	*(uint64_t *)(void *)(head[i].at + 8) = (seed >> 13) % BLOCKS * (BLOCK / 512);
	struct drv_seg seg[3] = {{head[i].gpa, 16, 0},
				 {data[i].gpa, BLOCK, write ? 0 : DRV_WRITE},
				 {end[i].gpa, 1, DRV_WRITE}};
	id_of[i] = drv_add_indirect(&queue, seg, 3);
}

/* Something came back since the other CPU asked: what it is told includes the gap before that. */
static bool disk_poll(struct gap *g)
{
	unsigned id, n = 0;
	uint32_t len, asked = load_acq(&g->want);
	uint64_t before = g->turns;
	while (drv_used(&queue, &id, &len)) {
		for (unsigned i = 0; i < DEPTH; i++)
			if (id_of[i] == (int)id)
				id_of[i] = -1;
		turn(g);
	}
	for (unsigned i = 0; i < DEPTH; i++)
		if (id_of[i] < 0) {
			disk_start(i);
			n++;
		}
	if (n)
		drv_kick(&queue);
	return asked != g->done && g->turns != before;
}

/* ---- the CPUs ------------------------------------------------------------------------------------------- */

static void busy(unsigned cpu)
{
	struct gap *g = &gap[1];
	uint32_t then = 0;
	if (cpu != 1)
		return;
	for (;;) {
		uint32_t what = on;
		if (what != then)
			g->last = now();
		then = what;
		if (what == 'd') {
			if (!disk_poll(g))
				continue;
		} else if (what == 'u') {
			mmio_w32(UART_ICR, 0);
			turn(g);
		} else {
			mmio_r32(RTC_DR);
			turn(g);
		}
		answer(g);
	}
}

static void report(void)
{
	uint64_t freq = read_sysreg(cntfrq_el0);
	gap[1].want++;
	sev();
	while (load_acq(&gap[1].done) != gap[1].want)
		; /* the device may be away */
	print("gap ");
	print_dec(gap[1].ret_max * 1000000 / freq * 1000);
	print(" ");
	print_dec(gap[0].max * 1000000 / freq * 1000);
	print(" ");
	print_dec(gap[1].ret_turns);
	print("\n");
	gap[0].max = 0;
	gap[0].last = now();
}

/* Sleeps for 2 ms: the core is the host's. */
static void nap(void)
{
	uint32_t seen = smp_irqs[0][PPI_CNTV];
	write_sysreg(cntv_cval_el0, read_sysreg(cntvct_el0) + read_sysreg(cntfrq_el0) / 500);
	write_sysreg(cntv_ctl_el0, 1);
	smp_irq_wait(&smp_irqs[0][PPI_CNTV], seen + 1);
}

void test_main(void)
{
	bool alone = false; /* CPU 1 is */
	struct gap *g = &gap[0];
	if (smp_start() < 2)
		print("one CPU only\n");
	disk_open();
	gap[1].last = gap[0].last = now();
	smp_run_async(busy);
	print("ready\n");
	for (;;) {
		if (alone) {
			nap();
		} else if (on == 'u') {
			mmio_r32(RTC_DR);
			turn(g);
		} else {
			mmio_w32(UART_ICR, 0);
			turn(g);
		}
		if (mmio_r32(UART_FR) & FR_RXFE)
			continue;
		uint32_t c = mmio_r32(UART_DR) & 0xff;
		if (c == 'r')
			report();
		else if (c == 'q')
			hvc_call(PSCI_SYSTEM_OFF, 0, 0, 0);
		else if (c == 'i' || c == 'b')
			alone = c == 'i';
		else
			on = c;
		g->last = now();
	}
}
