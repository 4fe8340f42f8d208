/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The one interface between hv and whatever runs guest instructions (design: one vCPU interface).
 *
 * Threads: vm_* functions on the control thread before vCPUs run; vcpu_run() and vcpu_reset() on the vCPU's own
 * thread; vcpu_kick(), irq_line() and vcpu_stats() from any thread at any time between create and destroy.
 * An engine handles by itself what its kernel or its fast path handles: interrupt controller MMIO, timers, PSCI,
 * system registers. Everything else leaves as one neutral exit.
 */
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "hv/guest_clock.h"
#include "proto/bell.h"

struct engine_vm;
struct engine_vcpu;

/** enum exit_reason - why vcpu_run() returned. */
enum exit_reason {
	EXIT_NONE = 0,	   /* call again */
	EXIT_MMIO = 1,	   /* .mmio: answer (reads: .data) and run again, or vcpu_abort() */
	EXIT_PIO = 2,	   /* .mmio, the address is a port number */
	EXIT_KICKED = 3,   /* vcpu_kick() */
	EXIT_POWEROFF = 4, /* the guest switched itself off */
	EXIT_RESET = 5,	   /* the guest asked for a reset */
	EXIT_CRASH = 6,	   /* the guest cannot go on: .why */
	EXIT_ENGINE = 7,   /* the engine failed: .why; registers are still readable */
};

/** struct vm_exit - one exit. Little-endian data in the low @len bytes, zero above; sign extension and register
 * choice stay in the engine. */
struct vm_exit {
	enum exit_reason reason;
	uint8_t len; /* 1, 2, 4, 8 */
	bool is_write;
	uint64_t addr; /* guest-physical address, or port */
	uint64_t
		data; /* written by the guest; or filled by the caller before the next vcpu_run() */
	char why[120];
};

/** struct engine_mem - one block of guest RAM, mapped for the VM's life. */
struct engine_mem {
	uint64_t gpa, size; /* bytes, page aligned */
	uint8_t *hva;
	bool readonly;
};

/** struct engine_vm_config - what vm_create() needs. Borrowed for the VM's life. */
struct engine_vm_config {
	unsigned cpus;
	struct guest_clock *clock;
	const struct engine_mem *mem;
	unsigned mem_count;
	/** mmio_now - an engine that emulates may ask, before it leaves vcpu_run() with EXIT_MMIO, whether the access can
	 * be answered on the spot: shadow reads and posted writes can. True: @exit->data is the answer and the
	 * guest goes on. Never waits for a device; of the engine it calls irq_line() and irq_pulse() only. vCPU's own
	 * thread. May be NULL. */
	bool (*mmio_now)(void *opaque, unsigned vcpu, struct vm_exit *exit);
	/* An engine that emulates polls the bell (proto/bell.h) while it runs guest code, so that an interrupt reaches a running
	 * vCPU without a system call. All of these may be NULL; then interrupts come by irq_line() alone. */
	struct bell *bell;
	/** lines - the bell was rung, or idle() returned: samples the interrupt lines of all devices, which ends in irq_line() and
	 * irq_pulse(). vCPU's own thread. */
	void (*lines)(void *opaque, unsigned vcpu);
	/** idle - sleeps until a device interrupts, rouse(), or a signal. May return for nothing. vCPU's own thread, after
	 * bell_idle(). */
	void (*idle)(void *opaque, unsigned vcpu);
	/** rouse - ends the idle() of @vcpu in progress, or else the next one. Any thread; async-signal-safe. */
	void (*rouse)(void *opaque, unsigned vcpu);
	void *opaque;
};

/** struct engine_boot - state of a vCPU after reset: entry point and the first argument registers. */
struct engine_boot {
	uint64_t entry;
	uint64_t args[4]; /* aarch64: x0..x3; x86_64: see hv/arch/x86_64/board.h */
	uint32_t
		mode; /* the architecture's own: the state of the CPU at the entry; 0 where there is one only */
	bool powered_on; /* secondaries wait for PSCI CPU_ON inside vcpu_run() */
};

struct engine_vcpu_stats {
	uint64_t instructions; /* retired, 0 if the engine cannot tell */
	uint64_t exits;
};

/** struct engine_speed - what a probe guest of a few milliseconds measured. */
struct engine_speed {
	uint64_t kernel_ips; /* instructions a second of guest kernel code */
	uint64_t host_ips;   /* of the same code on the host */
	uint64_t exit_ns;    /* one access that leaves to us, there and back */
};

/** struct engine_ops - an engine. Each returns 0 or -Exxx with @err filled. */
struct engine_ops {
	const char *name;
	const char *isa; /* "aarch64", "x86_64", "any" */
	/** probe - can this engine work here? @err says why not. */
	int (*probe)(struct err *err);
	/** measure - how fast it is here. After a good probe(). NULL: not worth asking. */
	int (*measure)(struct engine_speed *ret, struct err *err);
	int (*vm_create)(const struct engine_vm_config *cfg, struct engine_vm **ret,
			 struct err *err);
	/** vm_destroy - after all vcpus are destroyed. NULL is allowed. */
	void (*vm_destroy)(struct engine_vm *evm);
	/** vm_reset - interrupt controller, timers, power states back to reset. No vCPU is running. */
	void (*vm_reset)(struct engine_vm *evm);
	int (*vcpu_create)(struct engine_vm *evm, unsigned index, struct engine_vcpu **ret,
			   struct err *err);
	void (*vcpu_destroy)(struct engine_vcpu *ev);
	void (*vcpu_reset)(struct engine_vcpu *ev, const struct engine_boot *boot);
	/** vcpu_run - runs until an exit. Returns with @exit filled; never fails otherwise. Blocks. */
	void (*vcpu_run)(struct engine_vcpu *ev, struct vm_exit *exit);
	/** vcpu_abort - the pending MMIO exit ends in an external abort instead of data; where the architecture has none, a read
	 * gives all-ones. Own thread. */
	void (*vcpu_abort)(struct engine_vcpu *ev);
	/** vcpu_kick - makes a vcpu_run() in progress, or else the next one, return EXIT_KICKED. Any thread,
	 * async-signal-safe. */
	void (*vcpu_kick)(struct engine_vcpu *ev);
	/** irq_line - sets the level of line @irq (aarch64: SPI number, INTID = 32 + irq; x86_64: GSI). Any thread. */
	void (*irq_line)(struct engine_vm *evm, unsigned irq, bool level);
	/** irq_pulse - one edge on line @irq. Any thread. */
	void (*irq_pulse)(struct engine_vm *evm, unsigned irq);
	/** irq_configure - tells how the line is wired before the guest programs it: true = edge. May be NULL. */
	void (*irq_configure)(struct engine_vm *evm, unsigned irq, bool edge);
	/** power_button - presses it. False: the guest does not listen. NULL: the machine has none. Control thread. */
	bool (*power_button)(struct engine_vm *evm);
	void (*vcpu_stats)(struct engine_vcpu *ev, struct engine_vcpu_stats *ret);
	/** vcpu_dump - registers as text for people, for crash reports. Own thread, or the vCPU is not running. */
	void (*vcpu_dump)(struct engine_vcpu *ev, char *buf, size_t len);
};

/** engine_find - the engine named @name ("soft", "kvm", "fake"), or NULL. */
const struct engine_ops *engine_find(const char *name, const char *isa);
