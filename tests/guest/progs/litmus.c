/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Litmus tests of the memory model (DDI 0487, B2.3): outcomes that it forbids must never be seen.
 *
 * Theory of operation. Each test has a cell, a few variables in cache lines of their own, for each of ITER iterations;
 * the threads walk over the cells side by side, each waiting a little for the slowest, and leave what they read.
 * After a round CPU 0 looks for forbidden outcomes and clears the cells. With twice as many CPUs as a
 * test has threads two instances of it run. Only forbidden outcomes are reported, so all engines print the same.
 */
#include "smp.h"

#define ITER 2048
#define ROUNDS 16
#define THREADS 4
#define SPIN 4000

struct cell {
	volatile uint64_t x, pad0[15], y, pad1[15], z, pad2[15];
};
struct out {
	volatile uint64_t a, b;
};
typedef void (*litmus_fn)(struct cell *c, struct out *o);
struct litmus {
	const char *name;
	litmus_fn thread[THREADS];
	bool (*forbidden)(const struct cell *c, const struct out *const o[THREADS]);
};

static struct cell cell[2][ITER];
static struct out out[2][THREADS][ITER];
static volatile uint32_t at[SMP_MAX][32], met, met_gen;
static const struct litmus *now;
static unsigned threads, instances, delay;
static uint32_t forbidden;

/* ---- threads: one line of assembly each; x, y, z are the variables, a and b what is read ---- */

#define THREAD(fn, text)                                                                           \
	__attribute__((unused)) static void fn(struct cell *c, struct out *o)                      \
	{                                                                                          \
		uint64_t a = 0, b = 0, t = 0;                                                      \
		__asm__ volatile(text                                                              \
				 : [a] "+&r"(a), [b] "+&r"(b), [t] "+&r"(t)                        \
				 : [x] "r"(&c->x), [y] "r"(&c->y), [z] "r"(&c->z),                 \
				   [one] "r"(1ull), [two] "r"(2ull)                                \
				 : "memory", "cc");                                                \
		o->a = a;                                                                          \
		o->b = b;                                                                          \
	}
#define W(v, r) "str %[" #r "], [%[" #v "]]\n\t"
#define WREL(v, r) "stlr %[" #r "], [%[" #v "]]\n\t"
#define R(r, v) "ldr %[" #r "], [%[" #v "]]\n\t"
#define RACQ(r, v) "ldar %[" #r "], [%[" #v "]]\n\t"
#define DMB "dmb ish\n\t"
#define DMBLD "dmb ishld\n\t"
#define DMBST "dmb ishst\n\t"
#define DSB "dsb ish\n\t"
/* By exclusives; the store repeats until it succeeds. */
#define XW(v, r)                                                                                   \
	"1:\tldxr %[t], [%[" #v "]]\n\tstlxr %w[t], %[" #r "], [%[" #v "]]\n\tcbnz %w[t], 1b\n\t"
#define XR(r, v) "ldaxr %[" #r "], [%[" #v "]]\n\t"
/* A read whose address, and a write whose data, depend on what was read before. */
#define R_ADDR(r, v, dep)                                                                          \
	"eor %[t], %[" #dep "], %[" #dep "]\n\tldr %[" #r "], [%[" #v "], %[t]]\n\t"
#define W_DATA(v, dep)                                                                             \
	"eor %[t], %[" #dep "], %[" #dep "]\n\tadd %[t], %[t], #1\n\tstr %[t], [%[" #v "]]\n\t"
#define CTRL_ISB(dep) "cbnz %[" #dep "], 2f\n2:\tisb\n\t"
#define W_CTRL(v, dep, r) "cbnz %[" #dep "], 2f\n2:\tstr %[" #r "], [%[" #v "]]\n\t"

THREAD(sb_dmb_0, W(x, one) DMB R(a, y))
THREAD(sb_dmb_1, W(y, one) DMB R(a, x))
THREAD(sb_dsb_0, W(x, one) DSB R(a, y))
THREAD(sb_dsb_1, W(y, one) DSB R(a, x))
THREAD(sb_rel_0, WREL(x, one) RACQ(a, y))
THREAD(sb_rel_1, WREL(y, one) RACQ(a, x))
THREAD(sb_excl_0, XW(x, one) RACQ(a, y))
THREAD(sb_excl_1, XW(y, one) RACQ(a, x))
THREAD(sb_relx_0, WREL(x, one) XR(a, y))
THREAD(sb_relx_1, WREL(y, one) XR(a, x))

THREAD(mp_st_w, W(x, one) DMBST W(y, one))
THREAD(mp_ld_r, R(a, y) DMBLD R(b, x))
THREAD(mp_dmb_w, W(x, one) DMB W(y, one))
THREAD(mp_dmb_r, R(a, y) DMB R(b, x))
THREAD(mp_rel_w, W(x, one) WREL(y, one))
THREAD(mp_acq_r, RACQ(a, y) R(b, x))
THREAD(mp_excl_w, W(x, one) XW(y, one))
THREAD(mp_excl_r, XR(a, y) R(b, x))
THREAD(mp_addr_r, R(a, y) R_ADDR(b, x, a))
THREAD(mp_ctrl_r, R(a, y) CTRL_ISB(a) R(b, x))

THREAD(lb_dmb_0, R(a, x) DMB W(y, one))
THREAD(lb_dmb_1, R(a, y) DMB W(x, one))
THREAD(lb_data_0, R(a, x) W_DATA(y, a))
THREAD(lb_data_1, R(a, y) W_DATA(x, a))
THREAD(lb_ctrl_0, R(a, x) W_CTRL(y, a, one))
THREAD(lb_ctrl_1, R(a, y) W_CTRL(x, a, one))
THREAD(lb_rel_0, R(a, x) WREL(y, one))
THREAD(lb_rel_1, R(a, y) WREL(x, one))
THREAD(lb_acq_0, RACQ(a, x) W(y, one))
THREAD(lb_acq_1, RACQ(a, y) W(x, one))

THREAD(s_0, W(x, two) DMB W(y, one))
THREAD(s_1, R(a, y) W_DATA(x, a))
THREAD(s_rel_0, W(x, two) WREL(y, one))
THREAD(s_acq_1, RACQ(a, y) W(x, one))
THREAD(r_0, W(x, one) DMB W(y, one))
THREAD(r_1, W(y, two) DMB R(a, x))
THREAD(w22_0, W(x, one) DMB W(y, two))
THREAD(w22_1, W(y, one) DMB W(x, two))
THREAD(w22_rel_0, W(x, one) WREL(y, two))
THREAD(w22_rel_1, W(y, one) WREL(x, two))

THREAD(corr_w, W(x, one))
THREAD(corr_r, R(a, x) R(b, x))
THREAD(write_x, W(x, one))
THREAD(write_y, W(y, one))
THREAD(wrc_1, R(a, x) W_DATA(y, a))
THREAD(isa2_1, R(a, y) W_DATA(z, a))
THREAD(isa2_2, R(a, z) R_ADDR(b, x, a))
THREAD(iriw_dmb_2, R(a, x) DMB R(b, y))
THREAD(iriw_dmb_3, R(a, y) DMB R(b, x))
THREAD(iriw_acq_2, RACQ(a, x) RACQ(b, y))
THREAD(iriw_acq_3, RACQ(a, y) RACQ(b, x))
THREAD(iriw_addr_2, R(a, x) R_ADDR(b, y, a))
THREAD(iriw_addr_3, R(a, y) R_ADDR(b, x, a))

/* ---- what is forbidden ---- */

#define FORBIDDEN(fn, expr)                                                                        \
	__attribute__((unused)) static bool fn(const struct cell *c,                               \
					       const struct out *const o[THREADS])                 \
	{                                                                                          \
		(void)c;                                                                           \
		(void)o;                                                                           \
		return expr;                                                                       \
	}
FORBIDDEN(no_sb, !o[0]->a && !o[1]->a)
FORBIDDEN(no_mp, o[1]->a && !o[1]->b)
FORBIDDEN(no_lb, o[0]->a &&o[1]->a)
FORBIDDEN(no_s, o[1]->a && c->x == 2)
FORBIDDEN(no_r, c->y == 2 && !o[1]->a)
FORBIDDEN(no_22w, c->x == 1 && c->y == 1)
FORBIDDEN(no_corr, o[1]->a && !o[1]->b)
FORBIDDEN(no_wrc, o[1]->a &&o[2]->a && !o[2]->b)
FORBIDDEN(no_isa2, o[1]->a &&o[2]->a && !o[2]->b)
FORBIDDEN(no_iriw, o[2]->a && !o[2]->b && o[3]->a && !o[3]->b)

static const struct litmus tests[] = {
#ifdef LITMUS_RELEASE_ACQUIRE
	{"SB+rel-acq", {sb_rel_0, sb_rel_1}, no_sb},
	{"SB+exclusives", {sb_excl_0, sb_excl_1}, no_sb},
	{"SB+rel-exclusive load", {sb_relx_0, sb_relx_1}, no_sb},
	{"SB+dmb+rel-acq", {sb_dmb_0, sb_rel_1}, no_sb},
#else
	{"SB+dmbs", {sb_dmb_0, sb_dmb_1}, no_sb},
	{"SB+dsbs", {sb_dsb_0, sb_dsb_1}, no_sb},
	{"MP+dmbs", {mp_dmb_w, mp_dmb_r}, no_mp},
	{"MP+dmb.st+dmb.ld", {mp_st_w, mp_ld_r}, no_mp},
	{"MP+rel+acq", {mp_rel_w, mp_acq_r}, no_mp},
	{"MP+exclusives", {mp_excl_w, mp_excl_r}, no_mp},
	{"MP+dmb+addr", {mp_dmb_w, mp_addr_r}, no_mp},
	{"MP+dmb+ctrlisb", {mp_dmb_w, mp_ctrl_r}, no_mp},
	{"LB+dmbs", {lb_dmb_0, lb_dmb_1}, no_lb},
	{"LB+datas", {lb_data_0, lb_data_1}, no_lb},
	{"LB+ctrls", {lb_ctrl_0, lb_ctrl_1}, no_lb},
	{"LB+rels", {lb_rel_0, lb_rel_1}, no_lb},
	{"LB+acqs", {lb_acq_0, lb_acq_1}, no_lb},
	{"S+dmb+data", {s_0, s_1}, no_s},
	{"S+rel+acq", {s_rel_0, s_acq_1}, no_s},
	{"R+dmbs", {r_0, r_1}, no_r},
	{"2+2W+dmbs", {w22_0, w22_1}, no_22w},
	{"2+2W+rels", {w22_rel_0, w22_rel_1}, no_22w},
	{"CoRR", {corr_w, corr_r}, no_corr},
	{"WRC+data+addr", {write_x, wrc_1, mp_addr_r}, no_wrc},
	{"ISA2+dmb+data+addr", {mp_dmb_w, isa2_1, isa2_2}, no_isa2},
	{"IRIW+dmbs", {write_x, write_y, iriw_dmb_2, iriw_dmb_3}, no_iriw},
	{"IRIW+acqs", {write_x, write_y, iriw_acq_2, iriw_acq_3}, no_iriw},
	{"IRIW+addrs", {write_x, write_y, iriw_addr_2, iriw_addr_3}, no_iriw},
#endif
};

/* ---- rounds ---- */

static void look(void)
{
	for (unsigned k = 0; k < instances; k++) {
		for (unsigned i = 0; i < ITER; i++) {
			const struct out *o[THREADS];

			for (unsigned t = 0; t < THREADS; t++)
				o[t] = &out[k][t][i];
			forbidden += now->forbidden(&cell[k][i], o);
			cell[k][i].x = cell[k][i].y = cell[k][i].z = 0;
		}
	}
}

static void walk(unsigned cpu)
{
	unsigned k = cpu / threads, t = cpu % threads, partner = k * threads + (t + 1) % threads;
	litmus_fn fn = now->thread[t];
	unsigned s, alone = 0;

	for (unsigned i = 0; i < ITER; i++) {
		at[cpu][0] = i + 1;
		for (s = 0; s < SPIN && !alone && at[partner][0] <= i; s++)
			;
		/* The other has no core at the moment: do not wait for it for a while. */
		if (s == SPIN)
			alone = ITER / 32;
		else if (alone)
			alone--;
		/* By turns the one or the other is a little late. */
		for (volatile unsigned d = 0; d < (delay + cpu * 3) % 7; d++)
			;
		/* Not in the order of the addresses, so that lines are cold by turns. */
		unsigned n = i * 97 % ITER;
		fn(&cell[k][n], &out[k][t][n]);
	}
}

/* A barrier without sleep: host threads that sleep are woken one after the other, on one core. */
static void meet(unsigned n)
{
	uint32_t gen = load_acq(&met_gen);

	if (add_acq_rel(&met, 1) == n) {
		met = 0;
		store_rel(&met_gen, gen + 1);
	}
	while (load_acq(&met_gen) == gen)
		cpu_yield();
}

static void rounds(unsigned cpu)
{
	unsigned n = threads * instances;

	if (cpu >= n)
		return;
	for (unsigned r = 0; r < ROUNDS; r++) {
		at[cpu][0] = 0;
		meet(n);
		walk(cpu);
		meet(n);
		if (cpu == 0) {
			look();
			delay++;
		}
	}
}

void test_main(void)
{
	group("start");
	smp_start();
	for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		now = &tests[i];
		group(now->name);
		for (threads = 0; threads < THREADS && now->thread[threads]; threads++)
			;
		instances = smp_count() / threads > 2 ? 2 : smp_count() / threads;
		forbidden = 0;
		if (instances)
			smp_run(rounds);
		CHECK_EQ(forbidden, 0);
	}
}
