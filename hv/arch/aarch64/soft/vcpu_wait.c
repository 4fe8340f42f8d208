/* SPDX-License-Identifier: Apache-2.0 */
/* Attention, sleep, inbox and host timer of a vCPU: see vcpu.h. */
#include "hv/arch/aarch64/soft/vcpu.h"
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"

#define TIMER_SIGNAL (SIGRTMIN + 4)
#define DSB_WAIT_NS 200000u
#define DSB_SPINS 200u /* about 10 us */

static long futex(_Atomic uint32_t *word, int op, uint32_t val, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, val, timeout, NULL, 0);
}

void vcpu_attention(struct soft_vcpu *v, uint32_t bits)
{
	int saved = errno;

	atomic_fetch_or(&v->cpu.attention, bits);
	uint32_t how = atomic_load(&v->sleeping);
	if (how == SLEEP_IDLE)
		v->vm->rouse(v->vm->opaque, v->cpu.index);
	else if (how)
		futex(&v->cpu.attention, FUTEX_WAKE, 1, NULL);
	errno = saved;
}

void vcpu_sleep(struct soft_vcpu *v, uint32_t wake, uint64_t timeout_ns)
{
	struct timespec ts = clock_timespec(timeout_ns);

	atomic_store(&v->sleeping, SLEEP_FUTEX);
	uint32_t now = atomic_load(&v->cpu.attention);
	while (!(now & wake)) {
		long rc = futex(&v->cpu.attention, FUTEX_WAIT, now, timeout_ns ? &ts : NULL);
		if (rc < 0 && errno == ETIMEDOUT)
			break;
		now = atomic_load(&v->cpu.attention);
	}
	atomic_store(&v->sleeping, SLEEP_NONE);
}

void vcpu_lines(struct soft_vcpu *v)
{
	/* Taken before the look: a ring after this one finds the bell silent and is heard. */
	atomic_exchange(v->cpu.bell, 0);
	v->vm->lines(v->vm->opaque, v->cpu.index);
}

void vcpu_idle(struct soft_vcpu *v)
{
	struct soft_vm *vm = v->vm;

	if (!vm->bell || !vm->idle) {
		vcpu_sleep(v, ~0u, 0);
		return;
	}
	/* Wakers set attention, then look at @sleeping; we do it the other way round. */
	atomic_store(&v->sleeping, SLEEP_IDLE);
	while (!atomic_load(&v->cpu.attention)) {
		if (bell_idle(vm->bell, v->cpu.index))
			vm->idle(vm->opaque, v->cpu.index);
		vcpu_lines(v);
	}
	atomic_store(&v->sleeping, SLEEP_NONE);
}

void vcpu_enter(struct soft_vcpu *v)
{
	if (v->vm->bell)
		bell_awake(v->vm->bell, v->cpu.index);
	atomic_store(&v->in_guest, 1);
}

/** drained - tells DSB waiters. */
static void drained(struct soft_vm *vm)
{
	atomic_fetch_add(&vm->drain_epoch, 1);
	if (atomic_load(&vm->drain_waiters))
		futex(&vm->drain_epoch, FUTEX_WAKE, INT_MAX, NULL);
}

void vcpu_leave(struct soft_vcpu *v)
{
	/* What is rung from here on finds this vCPU idle, and so tells another or writes the eventfd. What was rung
	 * before counted on us: we may be off to a long sleep. */
	if (v->vm->bell && !bell_idle(v->vm->bell, v->cpu.index))
		vcpu_lines(v);
	atomic_store(&v->in_guest, 0);
	if (v->vm->cpus > 1)
		drained(v->vm);
}

static void inbox_apply(struct cpu *c, const struct inbox_msg *m)
{
	switch ((enum inbox_kind)m->kind) {
	case INBOX_TLB_ALL:
		tlb_flush_all(c);
		break;
	case INBOX_TLB_ASID:
		tlb_flush_asid(c, m->asid);
		break;
	case INBOX_TLB_VA:
		tlb_flush_va(c, m->addr, m->all_asids, m->asid);
		break;
	case INBOX_CODE_LINE:
		code_kill_line(c, m->addr);
		break;
	case INBOX_CODE_ALL:
		code_drop_all(c);
		break;
	}
}

/** all_drained - has every other vCPU in guest code done what was posted? */
static bool all_drained(const struct soft_vm *vm, unsigned self)
{
	for (unsigned i = 0; i < vm->cpus; i++) {
		struct soft_vcpu *v = vm->vcpu[i];
		if (!v || i == self || !atomic_load(&v->in_guest))
			continue;
		/* Without the lock, which would put us to sleep while it drains. */
		if (atomic_load(&v->cpu.attention) & ATTN_INBOX ||
		    atomic_load(&v->inbox_done) < atomic_load(&v->inbox_posted))
			return false;
	}
	return true;
}

void vcpu_inbox_drain(struct soft_vcpu *v)
{
	struct inbox_msg m[SOFT_INBOX_SIZE];
	unsigned n;
	bool full;
	uint64_t seq;

	pthread_mutex_lock(&v->inbox_lock);
	atomic_fetch_and(&v->cpu.attention, ~ATTN_INBOX);
	n = v->inbox_count;
	memcpy(m, v->inbox, n * sizeof(m[0]));
	full = v->inbox_full;
	seq = atomic_load(&v->inbox_posted);
	v->inbox_count = 0;
	v->inbox_full = false;
	pthread_mutex_unlock(&v->inbox_lock);
	if (full) {
		tlb_flush_all(&v->cpu);
		code_drop_all(&v->cpu);
	} else {
		for (unsigned i = 0; i < n; i++)
			inbox_apply(&v->cpu, &m[i]);
	}
	code_forget_returns(&v->cpu);
	atomic_store(&v->inbox_done, seq);
	drained(v->vm);
	/* Somebody waits in DSB for a vCPU that has no core: let that one have this core. */
	if (atomic_load(&v->vm->drain_waiters) && !all_drained(v->vm, v->cpu.index))
		sched_yield();
}

static void inbox_post(struct soft_vcpu *v, const struct inbox_msg *m)
{
	pthread_mutex_lock(&v->inbox_lock);
	if (v->inbox_count < SOFT_INBOX_SIZE)
		v->inbox[v->inbox_count++] = *m;
	else
		v->inbox_full = true;
	atomic_fetch_add(&v->inbox_posted, 1);
	pthread_mutex_unlock(&v->inbox_lock);
	/* Not vcpu_attention(): whoever sleeps sees it when it wakes. Pairs with vcpu_enter(). */
	atomic_fetch_or(&v->cpu.attention, ATTN_INBOX);
}

void soft_broadcast(struct cpu *c, const struct inbox_msg *m)
{
	struct soft_vm *vm = c->vm;

	if (vm->cpus == 1)
		return;
	for (unsigned i = 0; i < vm->cpus; i++)
		if (vm->vcpu[i] && i != c->index)
			inbox_post(vm->vcpu[i], m);
	c->dsb_wait = true;
}

void soft_dsb(struct cpu *c)
{
	struct soft_vcpu *self = c->engine;
	struct soft_vm *vm = c->vm;
	struct timespec ts = clock_timespec(DSB_WAIT_NS);

	c->dsb_wait = false;
	if (vm->cpus == 1)
		return;
	/* Others may be waiting for this one: here it counts as outside of guest code, and what
	 * they post is done before the chain goes on. */
	atomic_store(&self->in_guest, 0);
	drained(vm);
	/* A vCPU that has a core is there at its next branch: sooner than a sleep would take. */
	unsigned spins = vm->crowded ? 0 : DSB_SPINS;
	while (!all_drained(vm, c->index)) {
		if (spins) {
			spins--;
			cpu_relax();
			continue;
		}
		atomic_fetch_add(&vm->drain_waiters, 1);
		uint32_t epoch = atomic_load(&vm->drain_epoch);
		if (!all_drained(vm, c->index))
			futex(&vm->drain_epoch, FUTEX_WAIT, epoch, &ts);
		atomic_fetch_sub(&vm->drain_waiters, 1);
	}
	vcpu_enter(self);
}

void soft_yield(struct cpu *c)
{
	struct soft_vcpu *self = c->engine;

	atomic_store(&self->in_guest, 0);
	drained(self->vm);
	sched_yield();
	vcpu_enter(self);
}

void soft_sev(struct cpu *c)
{
	struct soft_vm *vm = c->vm;

	for (unsigned i = 0; i < vm->cpus; i++)
		if (vm->vcpu[i] && i != c->index)
			vcpu_attention(vm->vcpu[i], ATTN_EVENT);
}

/* ---- host timer ---- */

static __thread struct soft_vcpu *timer_self;

static void timer_handler(int sig)
{
	(void)sig;
	/* A futex sleeper sees it by the signal and the changed word; an idle one may be just about to sleep. */
	if (timer_self) {
		int saved = errno;
		atomic_fetch_or(&timer_self->cpu.attention, ATTN_TIMER);
		if (atomic_load(&timer_self->sleeping) == SLEEP_IDLE)
			timer_self->vm->rouse(timer_self->vm->opaque, timer_self->cpu.index);
		errno = saved;
	}
}

void vcpu_timer_install(void)
{
	struct sigaction sa = {.sa_handler = timer_handler};
	sigaction(TIMER_SIGNAL, &sa, NULL);
}

void vcpu_timer_setup(struct soft_vcpu *v)
{
	struct sigevent se = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = TIMER_SIGNAL};
	sigset_t set;

	if (timer_self == v && v->timer_made)
		return;
	timer_self = v;
	vcpu_timer_close(v); /* it ran on another thread before */
#ifdef sigev_notify_thread_id
	se.sigev_notify_thread_id = gettid();
#else
	se._sigev_un._tid = gettid();
#endif
	if (timer_create(CLOCK_MONOTONIC, &se, &v->timer)) {
		log_err("timer_create failed: %s", strerror(errno));
		return;
	}
	v->timer_made = true;
	v->cpu.timer.armed_ns = UINT64_MAX;
	sigemptyset(&set);
	sigaddset(&set, TIMER_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void vcpu_timer_close(struct soft_vcpu *v)
{
	if (v->timer_made)
		timer_delete(v->timer);
	v->timer_made = false;
}

void vcpu_timer_arm(void *opaque, uint64_t guest_ns)
{
	struct soft_vcpu *v = opaque;
	struct itimerspec its = {0};

	/* While the guest's clock stands still nothing comes due: vcpu_run() arms again when it
	 * goes on. */
	if (!v->timer_made || atomic_load_explicit(&v->vm->clock->stopped_at, memory_order_relaxed))
		return;
	its.it_value = clock_timespec(guest_clock_host_ns(v->vm->clock, guest_ns));
	if (!its.it_value.tv_sec && !its.it_value.tv_nsec)
		its.it_value.tv_nsec = 1;
	timer_settime(v->timer, TIMER_ABSTIME, &its, NULL);
}
