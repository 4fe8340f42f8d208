/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MC146818A real-time clock and CMOS RAM as a PC has it: Motorola MC146818A data sheet (1984) and the PC's conventions: an
 * index and a data port, 128 bytes, NMI mask in bit 7 of the index, the century in byte 0x32.
 *
 * Theory of operation. The clock runs without ticks: the time is a clock (base: host or a fixed time, as the PL031's) plus an
 * offset, and is put into bytes when it is read. With SET, or with the divider held in reset, it stands still: the ten
 * bytes are then what the guest has written, and become the time when it goes on.
 *
 * UF, AF and PF come to pass at moments that can be computed. catch_up() sets those whose moment has passed since
 * it was called last; it runs when register C is read and by timers, which are on only for interrupts that are
 * enabled and have not been raised yet. So an 8 kHz periodic interrupt costs one wake-up for each time that the guest reads C.
 */
#include "devmodel/dm.h"
#include <errno.h>

#define NS_PER_S 1000000000ull
#define DAY_S 86400u
#define CRYSTAL_HZ 32768u
#define UIP_NS 244141u /* UIP is set that long before an update */

enum { INDEX = 0, DATA = 1 };
/* Bytes; 1, 3 and 5 are the alarm's. */
enum {
	SEC = 0,
	SEC_A,
	MIN,
	MIN_A,
	HOUR,
	HOUR_A,
	WDAY,
	MDAY,
	MONTH,
	YEAR,
	A,
	B,
	C,
	D,
	CENTURY = 0x32
};

#define A_UIP 0x80u
#define A_DV_RESET 0x60u /* both: the divider is held in reset */
#define A_RS 0x0fu
#define B_SET 0x80u
#define B_UIE 0x10u
#define B_DM 0x04u
#define B_24H 0x02u
#define C_IRQF 0x80u
#define C_PF 0x40u
#define C_AF 0x20u
#define C_UF 0x10u
#define D_VRT 0x80u
#define PM 0x80u
#define ALARM_ANY 0xc0u

enum { TIMER_UPDATE, TIMER_ALARM, TIMER_PERIODIC };

struct rtc_cmos {
	uint64_t offset_ns; /* rtc = clock + this, modulo 2^64; ns since 1970 */
	uint64_t seen_s;    /* UF and AF are up to date for this second of the rtc */
	uint64_t seen_ns;   /* PF is up to date for this time of the guest's clock */
	uint8_t index;	    /* with the NMI mask in bit 7 */
	uint8_t wday_shift; /* what the guest's day of the week differs by */
	uint8_t cmos[128];  /* the ten bytes of the time count only while it stands still */
	uint8_t spare[6];   /* 0 */
};

/* ---- dates, by their own arithmetic: the C library's looks at files ------------------------------------- */

struct date {
	int64_t year;
	unsigned month, day; /* from 1 */
};

/* Days since 1970-01-01 of a date in the Gregorian calendar; @d.day may be beyond the month's end. */
static int64_t days_of(struct date d)
{
	int64_t y = d.month <= 2 ? d.year - 1 : d.year; /* years that begin in March */
	int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
	int64_t doy = (153 * ((int64_t)d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static struct date date_of(int64_t days)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	struct date d = {.month = (unsigned)(mp < 10 ? mp + 3 : mp - 9),
			 .day = (unsigned)(doy - (153 * mp + 2) / 5 + 1)};
	d.year = yoe + era * 400 + (d.month <= 2);
	return d;
}

/* ---- the ten bytes -------------------------------------------------------------------------------------- */

static uint8_t to_byte(const struct rtc_cmos *r, unsigned v)
{
	return (uint8_t)(r->cmos[B] & B_DM ? v : v / 10 << 4 | v % 10);
}

static unsigned from_byte(const struct rtc_cmos *r, uint8_t b)
{
	return r->cmos[B] & B_DM ? b : (b >> 4) * 10u + (b & 15);
}

static uint8_t hour_to_byte(const struct rtc_cmos *r, unsigned h)
{
	if (r->cmos[B] & B_24H)
		return to_byte(r, h);
	return (uint8_t)(to_byte(r, h % 12 ? h % 12 : 12) | (h >= 12 ? PM : 0));
}

static unsigned hour_from_byte(const struct rtc_cmos *r, uint8_t b)
{
	if (r->cmos[B] & B_24H)
		return from_byte(r, b);
	return from_byte(r, b & 0x7f) % 12 + (b & PM ? 12 : 0);
}

/* The clock's time in ns since 1970, before the offset. */
static uint64_t clock_ns(struct dm *dm)
{
	uint64_t fixed;
	if (dm_option_time(dm, "base", &fixed))
		return fixed + dm_now_ns(dm);
	return dm_realtime_ns(dm);
}

static uint64_t rtc_ns(struct dm *dm, const struct rtc_cmos *r)
{
	return clock_ns(dm) + r->offset_ns;
}

static bool stands_still(const struct rtc_cmos *r)
{
	return r->cmos[B] & B_SET || (r->cmos[A] & A_DV_RESET) == A_DV_RESET;
}

/* The bytes from the time @ns. */
static void bytes_from(struct rtc_cmos *r, uint64_t ns)
{
	uint64_t s = ns / NS_PER_S;
	int64_t days = (int64_t)(s / DAY_S);
	unsigned tod = (unsigned)(s % DAY_S);
	struct date d = date_of(days);
	r->cmos[SEC] = to_byte(r, tod % 60);
	r->cmos[MIN] = to_byte(r, tod / 60 % 60);
	r->cmos[HOUR] = hour_to_byte(r, tod / 3600);
	r->cmos[WDAY] = to_byte(r, (unsigned)((days + 4 + r->wday_shift) % 7 + 1)); /* a Thursday */
	r->cmos[MDAY] = to_byte(r, d.day);
	r->cmos[MONTH] = to_byte(r, d.month);
	r->cmos[YEAR] = to_byte(r, (unsigned)(d.year % 100));
	r->cmos[CENTURY] = to_byte(r, (unsigned)(d.year / 100 % 100));
}

/* The seconds since 1970 that the bytes say. What is no date is taken for one near by: 0 as 1, the 31st of June as the 1st of July. */
static uint64_t seconds_from_bytes(struct rtc_cmos *r)
{
	unsigned month = from_byte(r, r->cmos[MONTH]), day = from_byte(r, r->cmos[MDAY]);
	struct date d = {.year = from_byte(r, r->cmos[CENTURY]) * 100 + from_byte(r, r->cmos[YEAR]),
			 .month = month < 1    ? 1
				  : month > 12 ? 12
					       : month,
			 .day = day < 1 ? 1 : day};
	int64_t days = days_of(d);
	unsigned tod = hour_from_byte(r, r->cmos[HOUR]) % 24 * 3600 +
		       from_byte(r, r->cmos[MIN]) % 60 * 60 + from_byte(r, r->cmos[SEC]) % 60;
	if (days < 0) /* before 1970: the first day that there is */
		days = 0;
	unsigned wday = (from_byte(r, r->cmos[WDAY]) + 6) % 7; /* 1 is Sunday */
	r->wday_shift = (uint8_t)((wday + 7 - (unsigned)((days + 4) % 7)) % 7);
	return (uint64_t)days * DAY_S + tod;
}

/* ---- interrupts ------------------------------------------------------------------------------------------ */

/* The alarm's byte @at means @v (an hour, minute or second): equal, or "don't care". */
static bool alarm_is(const struct rtc_cmos *r, unsigned at, unsigned v)
{
	uint8_t b = r->cmos[at];
	if ((b & ALARM_ANY) == ALARM_ANY)
		return true;
	return (at == HOUR_A ? hour_from_byte(r, b) : from_byte(r, b)) == v;
}

/* Seconds from second @s of the rtc to the next one that matches the alarm, 1 to a day; 0: none ever does. */
static unsigned alarm_in(const struct rtc_cmos *r, uint64_t s)
{
	for (unsigned d = 1; d <= DAY_S;) {
		unsigned tod = (unsigned)((s + d) % DAY_S);
		if (!alarm_is(r, HOUR_A, tod / 3600))
			d += 3600 - tod % 3600;
		else if (!alarm_is(r, MIN_A, tod / 60 % 60))
			d += 60 - tod % 60;
		else if (!alarm_is(r, SEC_A, tod % 60))
			d++;
		else
			return d;
	}
	return 0;
}

/* The period of the square wave and the interrupt, table 5: 32.768 kHz crystal. 0: none. */
static uint64_t period_ns(const struct rtc_cmos *r)
{
	unsigned rs = r->cmos[A] & A_RS;
	if (!rs || (r->cmos[A] & A_DV_RESET) == A_DV_RESET)
		return 0;
	if (rs < 3)
		rs += 7; /* 1 and 2 are 256 and 128 Hz */
	return (NS_PER_S << (rs - 1)) / CRYSTAL_HZ;
}

/* Sets the flags whose moment has passed since the last time. */
static void catch_up(struct dm *dm, struct rtc_cmos *r)
{
	uint64_t now_s = rtc_ns(dm, r) / NS_PER_S, now = dm_now_ns(dm), period = period_ns(r);
	if (!stands_still(r) && now_s != r->seen_s) {
		unsigned in = alarm_in(r, r->seen_s);
		r->cmos[C] |= C_UF;
		/* A host's clock that was turned back has not passed any second. */
		if (in && now_s > r->seen_s && now_s - r->seen_s >= in)
			r->cmos[C] |= C_AF;
	}
	r->seen_s = now_s;
	if (period && now / period != r->seen_ns / period)
		r->cmos[C] |= C_PF;
	r->seen_ns = now;
}

static bool wanted(const struct rtc_cmos *r, uint8_t flag)
{
	return r->cmos[B] & flag && !(r->cmos[C] & flag);
}

/* IRQF, the line, and the timers for what is enabled and has not come yet. Flags of C and enables of B have the same bits. */
static void update(struct dm *dm, struct rtc_cmos *r)
{
	uint64_t now = dm_now_ns(dm), rtc = rtc_ns(dm, r), second = now + NS_PER_S - rtc % NS_PER_S;
	uint64_t period = period_ns(r);
	unsigned in = wanted(r, C_AF) ? alarm_in(r, rtc / NS_PER_S) : 0;
	bool irq = r->cmos[B] & r->cmos[C] & (C_PF | C_AF | C_UF);
	r->cmos[C] = (uint8_t)((r->cmos[C] & ~C_IRQF) | (irq ? C_IRQF : 0));
	dm_irq_set(dm, 0, irq);
	dm_timer_cancel(dm, TIMER_UPDATE);
	dm_timer_cancel(dm, TIMER_ALARM);
	dm_timer_cancel(dm, TIMER_PERIODIC);
	if (wanted(r, C_UF) && !stands_still(r))
		dm_timer_set(dm, TIMER_UPDATE, second);
	if (in && !stands_still(r))
		dm_timer_set(dm, TIMER_ALARM, second + (in - 1) * NS_PER_S);
	if (wanted(r, C_PF) && period)
		dm_timer_set(dm, TIMER_PERIODIC, (now / period + 1) * period);
}

static void rtc_cmos_timer(struct dm *dm, void *state, unsigned timer)
{
	(void)timer; /* a wall clock that was turned back: not yet, and update() sets it anew */
	catch_up(dm, state);
	update(dm, state);
}

/* ---- reading and writing ----------------------------------------------------------------------------------- */

static bool is_time(unsigned at)
{
	return at == SEC || at == MIN || (at >= HOUR && at != HOUR_A && at <= YEAR) ||
	       at == CENTURY;
}

/* 244 us before the next update until it is done, which with us takes no time. */
static bool update_in_progress(struct dm *dm, const struct rtc_cmos *r)
{
	return !stands_still(r) && rtc_ns(dm, r) % NS_PER_S >= NS_PER_S - UIP_NS;
}

static uint8_t read_byte(struct dm *dm, struct rtc_cmos *r, unsigned at)
{
	uint8_t v;
	if (is_time(at) && !stands_still(r))
		bytes_from(r, rtc_ns(dm, r));
	switch (at) {
	case A:
		return r->cmos[A] | (update_in_progress(dm, r) ? A_UIP : 0);
	case C:
		catch_up(dm, r);
		update(dm, r);
		v = r->cmos[C];
		r->cmos[C] = 0;
		update(dm, r);
		return v;
	case D:
		return D_VRT;
	default:
		return r->cmos[at];
	}
}

static uint64_t rtc_cmos_read(struct dm *dm, void *state, const struct dm_io *io)
{
	struct rtc_cmos *r = state;
	return io->reg->offset == INDEX ? 0xff : read_byte(dm, r, r->index & 0x7f);
}

/* The time goes on from what the bytes say, @phase_ns after that second's begin. */
static void go_on(struct dm *dm, struct rtc_cmos *r, uint64_t phase_ns)
{
	uint64_t s = seconds_from_bytes(r);
	if (s > UINT64_MAX / NS_PER_S - 1) /* 64 bits of ns end in 2554 */
		s = UINT64_MAX / NS_PER_S - 1;
	r->offset_ns = s * NS_PER_S + phase_ns - clock_ns(dm);
	r->seen_s = s;
}

/* A or B: what was running may stop, and the other way round. */
static void write_control(struct dm *dm, struct rtc_cmos *r, unsigned at, uint8_t v)
{
	bool was_still = stands_still(r);
	bool was_reset = (r->cmos[A] & A_DV_RESET) == A_DV_RESET;
	uint64_t phase = rtc_ns(dm, r) % NS_PER_S;
	catch_up(dm, r);
	if (!was_still)
		bytes_from(r, rtc_ns(dm, r));
	if (at == B && v & B_SET)
		v &= (uint8_t)~B_UIE; /* "SET ... clears the UIE bit" */
	r->cmos[at] = at == A ? v & 0x7f : v;
	/* "the first update cycle begins one-half second after" the divider's reset ends. SET alone leaves the divider running. */
	if (was_still && !stands_still(r))
		go_on(dm, r, was_reset ? NS_PER_S / 2 : phase);
}

static void write_byte(struct dm *dm, struct rtc_cmos *r, unsigned at, uint8_t v)
{
	if (at == C || at == D)
		return;
	if (at == A || at == B) {
		write_control(dm, r, at, v);
	} else if (is_time(at) && !stands_still(r)) {
		uint64_t now = rtc_ns(dm, r);
		catch_up(dm, r);
		bytes_from(r, now);
		r->cmos[at] = v;
		go_on(dm, r, now % NS_PER_S);
	} else {
		catch_up(dm, r); /* what the alarm was until now */
		r->cmos[at] = v;
	}
	update(dm, r);
}

static void rtc_cmos_write(struct dm *dm, void *state, const struct dm_io *io)
{
	struct rtc_cmos *r = state;
	if (io->reg->offset == INDEX)
		r->index = (uint8_t)io->value;
	else
		write_byte(dm, r, r->index & 0x7f, (uint8_t)io->value);
}

static void rtc_cmos_reset(struct dm *dm, void *state)
{
	struct rtc_cmos *r = state;
	r->cmos[A] = 0x26; /* 32.768 kHz, 1024 Hz: as a PC's firmware leaves it */
	r->cmos[B] = B_24H;
	r->cmos[SEC_A] = r->cmos[MIN_A] = r->cmos[HOUR_A] = 0;
	bytes_from(r, rtc_ns(dm, r));
	r->seen_s = rtc_ns(dm, r) / NS_PER_S;
	r->seen_ns = dm_now_ns(dm);
	update(dm, r);
}

static void rtc_cmos_inspect(struct dm *dm, const void *state, struct dm_text *text)
{
	const struct rtc_cmos *r = state;
	uint64_t s = rtc_ns(dm, r) / NS_PER_S;
	struct date d = date_of((int64_t)(s / DAY_S));
	unsigned tod = (unsigned)(s % DAY_S);
	if (stands_still(r))
		dm_text_item(text, "time", "stands still");
	else
		dm_text_item(text, "time", "%04d-%02u-%02u %02u:%02u:%02u", (int)d.year, d.month,
			     d.day, tod / 3600, tod / 60 % 60, tod % 60);
	dm_text_item(text, "index", "%#x, NMI %s", r->index & 0x7f,
		     r->index & 0x80 ? "masked" : "enabled");
	dm_text_item(text, "A, B, C", "%#x, %#x, %#x", r->cmos[A], r->cmos[B], r->cmos[C]);
	dm_text_item(text, "alarm", "%02x:%02x:%02x", r->cmos[HOUR_A], r->cmos[MIN_A],
		     r->cmos[SEC_A]);
}

static const struct dm_reg rtc_cmos_regs[] = {
	{.name = "INDEX",
	 .offset = INDEX,
	 .access = DM_RW,
	 .read = DM_READ_PURE,
	 .write = DM_WRITE_POST,
	 .help = "byte that DATA reaches, bits 6:0; bit 7 masks the NMI. Reads 0xff"},
	{.name = "DATA",
	 .offset = DATA,
	 .access = DM_RW,
	 .read = DM_READ_CALL,
	 .help = "time, alarm, registers A to D, CMOS RAM"},
	{}};

static const struct dm_field rtc_cmos_fields[] = {
	DM_SAVE(struct rtc_cmos, offset_ns),   DM_SAVE(struct rtc_cmos, seen_s),
	DM_SAVE(struct rtc_cmos, seen_ns),     DM_SAVE(struct rtc_cmos, index),
	DM_SAVE(struct rtc_cmos, wday_shift),  DM_SAVE_ARRAY(struct rtc_cmos, cmos),
	DM_SAVE_ARRAY(struct rtc_cmos, spare), {}};

static int rtc_cmos_loaded(struct dm *dm, void *state, uint32_t version)
{
	const struct rtc_cmos *r = state;
	(void)dm, (void)version;
	return r->wday_shift < 7 ? 0 : -EINVAL;
}

extern const struct dm_class dm_class_rtc_cmos;
const struct dm_class dm_class_rtc_cmos = {
	.name = "rtc-cmos",
	.version = 1,
	.summary = "MC146818 real-time clock with 128 bytes of CMOS RAM",
	.regions = (const struct dm_region[]){{.name = "ports",
					       .size = 2,
					       .space = DM_PIO,
					       .spaces = DM_IN(DM_PIO) | DM_IN(DM_MMIO),
					       .widths = 1,
					       .reg_width = 1,
					       .regs = rtc_cmos_regs},
					      {}},
	.irqs = 1,
	.timers = 3,
	.options =
		(const struct dm_option[]){
			{.name = "base",
			 .type = DM_OPT_TIME,
			 .def = "host",
			 .help = "what time it is (UTC): host, or a fixed time at the VM's start"},
			{}},
	.state_size = sizeof(struct rtc_cmos),
	.reset = rtc_cmos_reset,
	.fields = rtc_cmos_fields,
	.loaded = rtc_cmos_loaded,
	.read = rtc_cmos_read,
	.write = rtc_cmos_write,
	.timer = rtc_cmos_timer,
	.inspect = rtc_cmos_inspect,
};
