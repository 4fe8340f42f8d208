/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/arch/fake/fake.h"
#include "base/bytes.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct engine_vm {
	struct engine_vm_config cfg;
};

struct engine_vcpu {
	unsigned index;
	bool on;
	unsigned step;
	uint32_t done; /* repeats of the step */
	bool pending;  /* an MMIO exit is out */
	bool aborted;
	struct vm_exit out;
	bool kicked; /* lock */
	_Atomic uint64_t exits;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond; /* a kick or an interrupt */
	const struct fake_step *steps[FAKE_VCPUS];
	unsigned count[FAKE_VCPUS];
	uint64_t reads[FAKE_VCPUS][FAKE_LOG];
	unsigned read_count[FAKE_VCPUS];
	unsigned aborts[FAKE_VCPUS];
	uint64_t entry[FAKE_VCPUS];
	unsigned resets;
	bool level[FAKE_IRQS];
	bool edge[FAKE_IRQS];
	unsigned pulses[FAKE_IRQS];
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

#define LOCKED                                                                                     \
	for (int once_ = (pthread_mutex_lock(&fake.lock), 1); once_;                               \
	     once_ = (pthread_mutex_unlock(&fake.lock), 0))

void fake_script(unsigned index, const struct fake_step *steps, unsigned count)
{
	fake.steps[index] = steps;
	fake.count[index] = count;
}

void fake_clear(void)
{
	LOCKED
	{
		memset(fake.steps, 0, sizeof(fake.steps));
		memset(fake.count, 0, sizeof(fake.count));
		memset(fake.read_count, 0, sizeof(fake.read_count));
		memset(fake.aborts, 0, sizeof(fake.aborts));
		memset(fake.level, 0, sizeof(fake.level));
		memset(fake.pulses, 0, sizeof(fake.pulses));
		memset(fake.edge, 0, sizeof(fake.edge));
		fake.resets = 0;
	}
}

const uint64_t *fake_reads(unsigned index, unsigned *ret_count)
{
	LOCKED
	*ret_count = fake.read_count[index];
	return fake.reads[index];
}

unsigned fake_aborts(unsigned index)
{
	unsigned n = 0;
	LOCKED
	n = fake.aborts[index];
	return n;
}

unsigned fake_resets(void)
{
	unsigned n = 0;
	LOCKED
	n = fake.resets;
	return n;
}

uint64_t fake_vcpu_entry(unsigned index)
{
	uint64_t v = 0;
	LOCKED
	v = fake.entry[index];
	return v;
}

bool fake_irq_level(unsigned irq)
{
	bool v = false;
	LOCKED
	v = fake.level[irq];
	return v;
}

unsigned fake_irq_pulses(unsigned irq)
{
	unsigned n = 0;
	LOCKED
	n = fake.pulses[irq];
	return n;
}

bool fake_irq_edge(unsigned irq)
{
	bool v = false;
	LOCKED
	v = fake.edge[irq];
	return v;
}

static int fake_vm_create(const struct engine_vm_config *cfg, struct engine_vm **ret,
			  struct err *err)
{
	struct engine_vm *vm = calloc(1, sizeof(*vm));
	if (!vm || cfg->cpus > FAKE_VCPUS) {
		free(vm);
		return err_set(err, EINVAL, "fake: %u vCPUs; at most %u", cfg->cpus, FAKE_VCPUS);
	}
	vm->cfg = *cfg;
	*ret = vm;
	return 0;
}

static void fake_vm_destroy(struct engine_vm *vm)
{
	free(vm);
}

static void fake_vm_reset(struct engine_vm *vm)
{
	(void)vm;
	LOCKED
	fake.resets++;
}

static int fake_vcpu_create(struct engine_vm *vm, unsigned index, struct engine_vcpu **ret,
			    struct err *err)
{
	(void)vm;
	struct engine_vcpu *v = calloc(1, sizeof(*v));
	if (!v)
		return err_set(err, ENOMEM, "fake: out of memory");
	v->index = index;
	*ret = v;
	return 0;
}

static void fake_vcpu_destroy(struct engine_vcpu *v)
{
	free(v);
}

/* Every vCPU runs its script, whatever @boot says: there is no CPU_ON here. The script goes on
 * where it was. */
static void fake_vcpu_reset(struct engine_vcpu *v, const struct engine_boot *boot)
{
	v->on = true;
	v->pending = false;
	LOCKED
	fake.entry[v->index] = boot->entry;
}

/* Takes in the answer of the exit before. */
static void fake_answer(struct engine_vcpu *v, const struct vm_exit *exit)
{
	if (!v->pending)
		return;
	v->pending = false;
	LOCKED
	{
		if (v->aborted)
			fake.aborts[v->index]++;
		else if (!v->out.is_write && fake.read_count[v->index] < FAKE_LOG)
			fake.reads[v->index][fake.read_count[v->index]++] = exit->data;
	}
	v->aborted = false;
}

/* Waits for the step's interrupt, or for ever without one. Lock held. True: a kick came first. */
static bool fake_wait(struct engine_vcpu *v, const struct fake_step *st)
{
	for (;;) {
		if (v->kicked) {
			v->kicked = false;
			return true;
		}
		if (st && st->kind == FAKE_WAIT_LEVEL && fake.level[st->addr] == (st->data != 0))
			return false;
		if (st && st->kind == FAKE_WAIT_PULSES && fake.pulses[st->addr] >= st->data)
			return false;
		pthread_cond_wait(&fake.cond, &fake.lock);
	}
}

static void fake_vcpu_run(struct engine_vcpu *v, struct vm_exit *exit)
{
	fake_answer(v, exit);
	atomic_fetch_add(&v->exits, 1);
	bool kicked = false;
	const struct fake_step *st = NULL;
	LOCKED
	{
		kicked = v->kicked;
		v->kicked = false;
		while (!kicked) {
			st = v->step < fake.count[v->index] ? &fake.steps[v->index][v->step] : NULL;
			if (st && st->kind == FAKE_EXIT)
				break;
			kicked = fake_wait(v, st);
			if (!kicked)
				v->step++;
		}
	}
	*exit = (struct vm_exit){.reason = EXIT_KICKED};
	if (kicked)
		return;
	exit->reason = st->reason;
	exit->is_write = st->is_write;
	exit->len = st->len;
	exit->addr = st->addr;
	exit->data = st->is_write ? st->data : 0;
	if (st->reason == EXIT_CRASH || st->reason == EXIT_ENGINE)
		snprintf(exit->why, sizeof(exit->why), "scripted");
	v->pending = st->reason == EXIT_MMIO || st->reason == EXIT_PIO;
	v->out = *exit;
	if (++v->done >= st->repeat) {
		v->done = 0;
		v->step++;
	}
}

static void fake_vcpu_abort(struct engine_vcpu *v)
{
	v->aborted = true;
}

static void fake_vcpu_kick(struct engine_vcpu *v)
{
	LOCKED
	{
		v->kicked = true;
		pthread_cond_broadcast(&fake.cond);
	}
}

static void fake_irq_line(struct engine_vm *vm, unsigned irq, bool level)
{
	(void)vm;
	LOCKED
	{
		if (irq < FAKE_IRQS)
			fake.level[irq] = level;
		pthread_cond_broadcast(&fake.cond);
	}
}

static void fake_irq_pulse(struct engine_vm *vm, unsigned irq)
{
	(void)vm;
	LOCKED
	{
		if (irq < FAKE_IRQS)
			fake.pulses[irq]++;
		pthread_cond_broadcast(&fake.cond);
	}
}

static void fake_irq_configure(struct engine_vm *vm, unsigned irq, bool edge)
{
	(void)vm;
	LOCKED
	{
		if (irq < FAKE_IRQS)
			fake.edge[irq] = edge;
	}
}

static void fake_vcpu_stats(struct engine_vcpu *v, struct engine_vcpu_stats *ret)
{
	*ret = (struct engine_vcpu_stats){.exits = atomic_load(&v->exits)};
}

static void fake_vcpu_dump(struct engine_vcpu *v, char *buf, size_t len)
{
	snprintf(buf, len, "fake vcpu %u at step %u\n", v->index, v->step);
}

const struct engine_ops fake_engine = {
	.name = "fake",
	.isa = "any",
	.vm_create = fake_vm_create,
	.vm_destroy = fake_vm_destroy,
	.vm_reset = fake_vm_reset,
	.vcpu_create = fake_vcpu_create,
	.vcpu_destroy = fake_vcpu_destroy,
	.vcpu_reset = fake_vcpu_reset,
	.vcpu_run = fake_vcpu_run,
	.vcpu_abort = fake_vcpu_abort,
	.vcpu_kick = fake_vcpu_kick,
	.irq_line = fake_irq_line,
	.irq_pulse = fake_irq_pulse,
	.irq_configure = fake_irq_configure,
	.vcpu_stats = fake_vcpu_stats,
	.vcpu_dump = fake_vcpu_dump,
};
