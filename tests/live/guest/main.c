/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#define CONTROL 0x09040000ull /* the board's second UART */
#define DR 0x00
#define FR 0x18
#define FR_RXFE 0x10u
#define FR_TXFF 0x20u
#define FR_TXFE 0x80u

struct counts counts;
bool quitting;

static void put(char c)
{
	while (mmio_r32(CONTROL + FR) & FR_TXFF)
		;
	mmio_w32(CONTROL + DR, (uint8_t)c);
}

void say(const char *text)
{
	for (; *text; text++)
		put(*text);
}

void say_dec(uint64_t v)
{
	char buf[21];
	int n = 20;
	buf[n] = 0;
	do {
		buf[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	say(&buf[n]);
}

void fault(const char *what, uint64_t a, uint64_t b)
{
	static unsigned said;
	if (said++ > 20)
		return;
	say("E ");
	say(what);
	say(" ");
	say_dec(a);
	say(" ");
	say_dec(b);
	say("\n");
}

uint32_t dice(uint32_t n)
{
	static uint32_t seed = 1;
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static void quiesce(unsigned intid)
{
	if (!uart_irq(intid) && !rtc_irq(intid) && !vdev_irq(intid))
		fault("a strange interrupt", intid, 0);
}

static void figure(const char *name, uint64_t v)
{
	say(name);
	say_dec(v);
}

static void status(const char *lead)
{
	say(lead);
	figure(" uart_out=", counts.uart_out);
	figure(" uart_in=", counts.uart_in);
	figure(" con_out=", counts.con_out);
	figure(" con_in=", counts.con_in);
	figure(" blk=", counts.blk);
	figure(" net=", counts.net);
	figure(" rng=", counts.rng);
	figure(" rtc=", counts.rtc);
	figure(" alarms=", counts.alarms);
	say("\n");
}

static void poll_all(void)
{
	uart_poll();
	rtc_poll();
	blk_poll();
	net_poll();
	con_poll();
	rng_poll();
}

/* What is with the devices comes back before the end. */
static void quit(void)
{
	uint64_t end = now() + seconds(STUCK_S);
	quitting = true;
	while (!blk_idle() || !net_idle() || !con_idle()) {
		poll_all();
		if (now() > end) {
			fault("not all comes back at the end", 0, 0);
			break;
		}
	}
	status("Q");
	while (!(mmio_r32(CONTROL + FR) & FR_TXFE))
		;
	hvc_call(PSCI_SYSTEM_OFF, 0, 0, 0);
	for (;;)
		;
}

void test_main(void)
{
	gic_init();
	exc_irq = gic_take;
	gic_quiesce = quiesce;
	uart_open();
	rtc_open();
	blk_open();
	net_open();
	con_open();
	rng_open();
	__asm__ volatile("msr daifclr, #2" ::: "memory");
	say("ready\n");
	for (;;) {
		poll_all();
		if (mmio_r32(CONTROL + FR) & FR_RXFE)
			continue;
		switch (mmio_r32(CONTROL + DR) & 0xff) {
		case 's':
			status("S");
			break;
		case 'q':
			quit();
			break;
		default:
			break;
		}
	}
}
