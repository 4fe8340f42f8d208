/* SPDX-License-Identifier: Apache-2.0 */
/* The engine through hv/engine.h: exits, resumption, interrupts, kicks, PSCI, two vCPUs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/bytes.h"
#include "hv/arch/aarch64/board.h"
#include "hv/arch/aarch64/soft/soft.h"
#include "hv/arch/aarch64/soft/vcpu.h"

#define RAM BOARD_RAM_BASE
#define RAM_SIZE (4u << 20)
#define HVC0 0xd4000002u
#define WFI 0xd503207fu

struct vm {
	struct guest_clock clock;
	struct engine_mem mem;
	struct engine_vm *evm;
	struct engine_vcpu *v[4];
};

static void vm_start(struct vm *m, unsigned cpus, const uint32_t *code, size_t words)
{
	struct err err;
	memset(m, 0, sizeof(*m));
	guest_clock_start(&m->clock);
	uint8_t *ram =
		mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(ram, MAP_FAILED);
	memcpy(ram, code, words * 4);
	m->mem = (struct engine_mem){.gpa = RAM, .size = RAM_SIZE, .hva = ram};
	struct engine_vm_config cfg = {
		.cpus = cpus, .clock = &m->clock, .mem = &m->mem, .mem_count = 1};
	assert_int_equal(soft_engine.vm_create(&cfg, &m->evm, &err), 0);
	for (unsigned i = 0; i < cpus; i++) {
		struct engine_boot boot = {.entry = RAM, .powered_on = i == 0};
		boot.args[0] = 0x09000000;
		boot.args[1] = 0x1122334455667788;
		assert_int_equal(soft_engine.vcpu_create(m->evm, i, &m->v[i], &err), 0);
		soft_engine.vcpu_reset(m->v[i], &boot);
	}
}
#define START(m, cpus, ...)                                                                        \
	vm_start(m, cpus, (const uint32_t[]){__VA_ARGS__},                                         \
		 sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static void vm_stop(struct vm *m)
{
	for (unsigned i = 0; i < ARRAY_LEN(m->v); i++)
		soft_engine.vcpu_destroy(m->v[i]);
	soft_engine.vm_destroy(m->evm);
	munmap(m->mem.hva, RAM_SIZE);
}

static uint64_t reg(struct vm *m, unsigned r)
{
	return ((struct cpu *)(void *)m->v[0])->x[r];
}

static void expect_mmio(const struct vm_exit *x, bool write, uint64_t addr, unsigned len)
{
	assert_int_equal(x->reason, EXIT_MMIO);
	assert_int_equal(x->is_write, write);
	assert_int_equal(x->addr, addr);
	assert_int_equal(x->len, len);
}

static void mmio_leaves_and_comes_back(void **state)
{
	(void)state;
	struct vm m;
	struct vm_exit x = {0};
	/* strh w1,[x0]; ldrsb x2,[x0,#4]; ldrsh w3,[x0,#6]; ldr x4,[x0,#8]; str xzr,[x0,#16]; ldr
	 * wzr,[x0]; mov x0,#8..; hvc */
	START(&m, 1, 0x79000001, 0x39801002, 0x79c00c03, 0xf9400404, 0xf900081f, 0xb940001f,
	      0xd2b08000, 0xf2800100, HVC0);
	soft_engine.vcpu_run(m.v[0], &x);
	expect_mmio(&x, true, 0x09000000, 2);
	assert_int_equal(x.data, 0x7788);
	soft_engine.vcpu_run(m.v[0], &x);
	expect_mmio(&x, false, 0x09000004, 1);
	x.data = ~0ull - 0x7f; /* garbage above the byte must not matter */
	soft_engine.vcpu_run(m.v[0], &x);
	assert_int_equal(reg(&m, 2), 0xffffffffffffff80ull);
	expect_mmio(&x, false, 0x09000006, 2);
	x.data = 0x8001;
	soft_engine.vcpu_run(m.v[0], &x);
	assert_int_equal(reg(&m, 3), 0xffff8001ull);
	expect_mmio(&x, false, 0x09000008, 8);
	x.data = 0x123456789abcdef0ull;
	soft_engine.vcpu_run(m.v[0], &x);
	assert_int_equal(reg(&m, 4), 0x123456789abcdef0ull);
	expect_mmio(&x, true, 0x09000010, 8);
	assert_int_equal(x.data, 0);
	soft_engine.vcpu_run(m.v[0], &x);
	expect_mmio(&x, false, 0x09000000, 4);
	x.data = 5;
	soft_engine.vcpu_run(m.v[0], &x);
	assert_int_equal(x.reason, EXIT_POWEROFF);
	struct engine_vcpu_stats st;
	soft_engine.vcpu_stats(m.v[0], &st);
	assert_int_equal(st.instructions, 9);
	assert_int_equal(st.exits, 7);
	vm_stop(&m);
}

/* Vector at VBAR + 0x200: mrs x5,esr; mrs x6,far; mrs x7,elr; poweroff. */
static void put_vector(struct vm *m)
{
	static const uint32_t v[] = {0xd5385205, 0xd5386006, 0xd5384027,
				     0xd2b08000, 0xf2800100, HVC0};
	memcpy(m->mem.hva + 0x800 + 0x200, v, sizeof(v));
}

static void abort_and_odd_accesses_become_external_aborts(void **state)
{
	(void)state;
	static const struct {
		uint32_t word, fsc;
		bool exits;
	} cases[] = {
		{0xb9400401, 0x10, true},	  /* ldr w1,[x0,#4], refused by the caller */
		{0xb9000401, 0x10 | 0x40, true},  /* str */
		{0xa9400801, 0x10, false},	  /* ldp x1,x2,[x0] */
		{0xa9000801, 0x10 | 0x40, false}, /* stp */
		{0xb8404401, 0x10, false},	  /* ldr w1,[x0],#4 */
		{0xb8401401, 0x21, false},	  /* ldr w1,[x0],#1: see below */
		{0xb8401001, 0x21, false},	  /* ldur w1,[x0,#1] */
		{0x885f7c01, 0x35, false},	  /* ldxr w1,[x0] */
		{0xd50b7420, 0x21 | 0x40, false}, /* dc zva,x0 */
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct vm m;
		struct vm_exit x = {0};
		if (i == 5)
			continue; /* post-index by one is aligned: as the case before */
		/* adr x9,.+0x800; msr vbar_el1,x9; the access */
		START(&m, 1, 0x10004009, 0xd518c009, cases[i].word, HVC0);
		put_vector(&m);
		soft_engine.vcpu_run(m.v[0], &x);
		if (cases[i].exits) {
			expect_mmio(&x, cases[i].fsc & 0x40, 0x09000004, 4);
			soft_engine.vcpu_abort(m.v[0]);
			soft_engine.vcpu_run(m.v[0], &x);
		}
		assert_int_equal(x.reason, EXIT_POWEROFF);
		assert_int_equal(reg(&m, 5), 0x96000000ull | cases[i].fsc);
		assert_int_equal(reg(&m, 7), RAM + 8);
		vm_stop(&m);
	}
}

static void kick_is_never_lost(void **state)
{
	(void)state;
	struct vm m;
	struct vm_exit x = {0};
	START(&m, 1, WFI, 0x14000000); /* wfi; b . */
	soft_engine.vcpu_kick(m.v[0]); /* before the run */
	soft_engine.vcpu_run(m.v[0], &x);
	assert_int_equal(x.reason, EXIT_KICKED);
	soft_engine.vcpu_kick(m.v[0]);
	soft_engine.vcpu_kick(m.v[0]);
	soft_engine.vcpu_run(m.v[0], &x);
	assert_int_equal(x.reason, EXIT_KICKED);
	vm_stop(&m);
}

static void *kicker(void *v)
{
	soft_engine.vcpu_kick(v);
	return NULL;
}

static void kick_ends_wfi_and_a_loop(void **state)
{
	(void)state;
	struct vm m;
	struct vm_exit x = {0};
	pthread_t th;
	START(&m, 1, WFI, 0x14000000);
	pthread_create(&th, NULL, kicker, m.v[0]);
	soft_engine.vcpu_run(m.v[0], &x);
	assert_int_equal(x.reason, EXIT_KICKED);
	pthread_join(th, NULL);
	struct engine_boot boot = {.entry = RAM + 4, .powered_on = true};
	soft_engine.vcpu_reset(m.v[0], &boot);
	pthread_create(&th, NULL, kicker, m.v[0]);
	soft_engine.vcpu_run(m.v[0], &x);
	assert_int_equal(x.reason, EXIT_KICKED);
	pthread_join(th, NULL);
	vm_stop(&m);
}

/* CNTV in 1 ms (62500 ticks), masked at the CPU: WFI ends, no vector is taken. */
static void timer_ends_wfi(void **state)
{
	(void)state;
	struct vm m;
	struct vm_exit x = {0};
	START(&m, 1, /* GICR: wake up, enable PPI 27; GICD: group 1 on; ICC: group 1 on, PMR open */
	      0xd2a10140,	      /* mov x0,#0x080a0000 */
	      0xb900141f,	      /* str wzr,[x0,#0x14] WAKER */
	      0x91404000,	      /* add x0,x0,#0x10000 */
	      0x12800001, 0xb9008001, /* mov w1,#-1; str w1,[x0,#0x80] IGROUPR0 */
	      0xb9010001,	      /* str w1,[x0,#0x100] ISENABLER0 */
	      0xd2a10000, 0x52800641,
	      0xb9000001, /* mov x0,#0x08000000; mov w1,#0x32; str w1,[x0] CTLR */
	      0x92401fe1, 0xd2801fe1, 0xd5184601, /* mov x1,#0xff; msr icc_pmr_el1,x1 */
	      0xd2800021, 0xd518cce1,		  /* mov x1,#1; msr icc_igrpen1_el1,x1 */
	      0xd29e8481, 0xd51be301,		  /* mov x1,#0xf424; msr cntv_tval_el0,x1 */
	      0xd2800021, 0xd51be321,		  /* mov x1,#1; msr cntv_ctl_el0,x1 */
	      WFI, 0xd538cc02,			  /* mrs x2,icc_iar1_el1 */
	      0xd2b08000, 0xf2800100, HVC0);
	uint64_t before = guest_clock_ns(&m.clock);
	soft_engine.vcpu_run(m.v[0], &x);
	assert_int_equal(x.reason, EXIT_POWEROFF);
	assert_int_equal(reg(&m, 2), 27);
	assert_true(guest_clock_ns(&m.clock) - before >= 1000000 - 5000);
	vm_stop(&m);
}

static void *run_thread(void *v)
{
	struct vm_exit x = {0};
	do
		soft_engine.vcpu_run(v, &x);
	while (x.reason == EXIT_MMIO);
	return (void *)(uintptr_t)x.reason;
}

/* CPU 0 starts CPU 1 by CPU_ON; both count to 20000 in one word with LDXR/STXR; CPU 0 sees 40000.
 */
static void two_vcpus_share_a_counter(void **state)
{
	(void)state;
	struct vm m;
	pthread_t th;
	START(&m, 2, 0xd2b88000, 0xf2800060, /* mov x0,#0xc4000003: CPU_ON */
	      0xd2800021,		     /* mov x1,#1 */
	      0xd2a80002, 0xf2802002,	     /* mov x2,#0x40000100 */
	      HVC0,			     /* 0x14 */
	      0x9400003a,		     /* bl 0x100 */
	      0xb9400c62,		     /* 1: ldr w2,[x3,#12]: CPU 1 is done */
	      0x34ffffe2,		     /* cbz w2,1b */
	      0xb9400064,		     /* ldr w4,[x3] */
	      0xd2b08000, 0xf2800100, HVC0);
	static const uint32_t count[] = {
		/* 0x100 */ 0xd2a80003,
		0xf2840003,		/* mov x3,#0x40002000 */
		0x5289c405,		/* mov w5,#20000 */
		/* 0x10c */ 0x885f7c66, /* ldxr w6,[x3] */
		0x110004c6,		/* add w6,w6,#1 */
		0x88077c66,		/* stxr w7,w6,[x3] */
		0x35ffffa7,		/* cbnz w7,0x10c */
		0x510004a5,
		0x35ffff65, /* sub w5,w5,#1; cbnz w5,0x10c */
		0xd53800a8,
		0x92401d08, /* mrs x8,mpidr_el1; and x8,x8,#0xff */
		0xb4000068, /* cbz x8,+12 */
		0xb9000c68, /* str w8,[x3,#12] */
		0x14000000, /* b . */
		0xd65f03c0,
	};
	memcpy(m.mem.hva + 0x100, count, sizeof(count));
	pthread_create(&th, NULL, run_thread, m.v[1]);
	assert_ptr_equal(run_thread(m.v[0]), (void *)(uintptr_t)EXIT_POWEROFF);
	assert_int_equal(reg(&m, 4), 40000);
	soft_engine.vcpu_kick(m.v[1]);
	void *how;
	pthread_join(th, &how);
	assert_ptr_equal(how, (void *)(uintptr_t)EXIT_KICKED);
	vm_stop(&m);
}

/* The thread of CPU 1 gets going only after CPU 0 has executed CPU_ON for it; then once more, after a reset. */
static void cpu_on_before_the_thread_has_started(void **state)
{
	(void)state;
	struct vm m;
	struct vm_exit x = {0};
	struct engine_boot off = {.entry = RAM}, on = {.entry = RAM, .powered_on = true};
	/* CPU_ON of CPU 1 at its own SYSTEM_OFF; SYSTEM_OFF */
	START(&m, 2, 0xd2b88000, 0xf2800060, 0xd2800021, 0xd2a80002, 0xf2800302, HVC0,
	      /* 0x18 */ 0xd2b08000, 0xf2800100, HVC0);
	struct soft_vcpu *v1 = (struct soft_vcpu *)(void *)m.v[1];
	for (unsigned i = 0; i < 2; i++) {
		soft_engine.vcpu_run(m.v[0], &x);
		assert_int_equal(x.reason, EXIT_POWEROFF);
		soft_engine.vcpu_reset(m.v[1], &off);
		assert_int_equal(v1->power, POWER_ON_PENDING);
		soft_engine.vcpu_run(m.v[1], &x);
		assert_int_equal(x.reason, EXIT_POWEROFF);
		assert_int_equal(v1->power, POWER_ON);
		soft_engine.vm_reset(m.evm);
		assert_int_equal(v1->power, POWER_OFF);
		soft_engine.vcpu_reset(m.v[0], &on);
	}
	vm_stop(&m);
}

/* Four CPUs invalidate each other's TLB and code and wait in DSB, at once; then all but CPU 0 go off. ThreadSanitizer
 * watches the inboxes. */
static void invalidations_by_all_at_once(void **state)
{
	(void)state;
	/* clang-format off */
	static const uint32_t code[] = {
		0x52817705, /* mov w5,#3000 */
		0x100000e9, /* adr x9,2f */
		0xd2a80003, 0xf2840003, /* mov x3,#0x40002000 */
		0xd5088365, /* 1: tlbi vaae1is,x5 */
		0xd50b7529, /* ic ivau,x9 */
		0xd5033b9f, /* dsb ish */
		0xd5088345, /* tlbi aside1is,x5 */
		0xd5033fdf, /* 2: isb */
		0xd503209f, /* sev */
		0xd5033b9f, /* dsb ish */
		0x510004a5, 0x35ffff05, /* sub w5,w5,#1; cbnz w5,1b */
		0x885ffc66, /* 3: ldaxr w6,[x3] */
		0x110004c6, /* add w6,w6,#1 */
		0x8807fc66, 0x35ffffa7, /* stlxr w7,w6,[x3]; cbnz w7,3b */
		0xd53800a8, 0x92401d08, /* mrs x8,mpidr_el1; and x8,x8,#0xff */
		0xd2b08000, 0xb4000068, /* mov x0,#0x84000000; cbz x8,4f */
		0xf2800040, 0xd4000002, /* CPU_OFF */
		0x88dffc64, /* 4: ldar w4,[x3] */
		0x7100109f, 0x54ffffc1, /* cmp w4,#4; b.ne 4b */
		0xf2800100, 0xd4000002, /* SYSTEM_OFF */
	};
	/* clang-format on */
	struct vm m;
	pthread_t th[4];
	void *how;
	vm_start(&m, 4, code, ARRAY_LEN(code));
	for (unsigned i = 1; i < 4; i++) {
		struct engine_boot boot = {.entry = RAM, .powered_on = true};
		soft_engine.vcpu_reset(m.v[i], &boot);
		pthread_create(&th[i], NULL, run_thread, m.v[i]);
	}
	assert_ptr_equal(run_thread(m.v[0]), (void *)(uintptr_t)EXIT_POWEROFF);
	assert_int_equal(reg(&m, 4), 4);
	for (unsigned i = 1; i < 4; i++) {
		soft_engine.vcpu_kick(m.v[i]);
		pthread_join(th[i], &how);
		assert_ptr_equal(how, (void *)(uintptr_t)EXIT_KICKED);
	}
	vm_stop(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mmio_leaves_and_comes_back),
		cmocka_unit_test(abort_and_odd_accesses_become_external_aborts),
		cmocka_unit_test(kick_is_never_lost),
		cmocka_unit_test(kick_ends_wfi_and_a_loop),
		cmocka_unit_test(timer_ends_wfi),
		cmocka_unit_test(two_vcpus_share_a_counter),
		cmocka_unit_test(cpu_on_before_the_thread_has_started),
		cmocka_unit_test(invalidations_by_all_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
