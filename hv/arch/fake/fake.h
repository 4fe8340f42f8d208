/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The fake engine: returns a script of exits and records what came back, so that the core is tested
 * on the host with several vCPU threads and no CPU behind them. A vCPU at the end of its script
 * sleeps until it is kicked, as in WFI.
 */
#include <stdbool.h>
#include <stdint.h>
#include "hv/engine.h"

#define FAKE_VCPUS 8u
#define FAKE_LOG 4096u
#define FAKE_IRQS 256u

/** struct fake_step - one exit of the script, @repeat times (0 = once). */
struct fake_step {
	enum exit_reason reason;
	bool is_write;
	uint8_t len;
	uint64_t addr, data;
	uint32_t repeat;
	/** wait_irq - not an exit: sleep until irq @addr has had level @data (FAKE_WAIT_LEVEL) or
	 * at least
	 * @data pulses (FAKE_WAIT_PULSES). */
	enum { FAKE_EXIT = 0, FAKE_WAIT_LEVEL, FAKE_WAIT_PULSES } kind;
};

/** fake_script - what vCPU @index will do in VMs made from now on. @steps is borrowed, @count of
 * them. */
void fake_script(unsigned index, const struct fake_step *steps, unsigned count);

/** fake_clear - forgets scripts and records. No VM exists. */
void fake_clear(void);

/** fake_reads - the values that vCPU @index's reads got, in order; *@ret_count of them (at most
 * FAKE_LOG are kept). */
const uint64_t *fake_reads(unsigned index, unsigned *ret_count);

/** fake_aborts - how many of its accesses ended in vcpu_abort(). */
unsigned fake_aborts(unsigned index);

/** fake_resets - how often vm_reset() was called; fake_vcpu_entry: entry point of the vCPU's last
 * reset. */
unsigned fake_resets(void);
uint64_t fake_vcpu_entry(unsigned index);

/** fake_irq_level / fake_irq_pulses / fake_irq_edge - what the interrupt controller was told. Any
 * thread. */
bool fake_irq_level(unsigned irq);
unsigned fake_irq_pulses(unsigned irq);
bool fake_irq_edge(unsigned irq);

extern const struct engine_ops fake_engine;
