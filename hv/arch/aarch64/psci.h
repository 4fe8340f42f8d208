/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* PSCI 1.1 (DEN 0022) and SMCCC 1.1 (DEN 0028) over HVC. */
#include <stdbool.h>
#include <stdint.h>

enum psci_action {
	PSCI_RETURN,   /* x0 = *ret, go on */
	PSCI_SUSPEND,  /* as WFI, then x0 = *ret */
	PSCI_CPU_OFF,  /* this vCPU stops until CPU_ON */
	PSCI_POWEROFF, /* the VM ends */
	PSCI_RESET,
};

/** struct psci_ops - power states of the other vCPUs; called on the caller's vCPU thread. */
struct psci_ops {
	/** cpu_on - starts @index at @entry with x0 = @context. 0 or a PSCI error (ALREADY_ON -4, ON_PENDING -5). */
	int64_t (*cpu_on)(void *opaque, unsigned index, uint64_t entry, uint64_t context);
	/** cpu_state - 0 on, 1 off, 2 on pending. */
	int (*cpu_state)(void *opaque, unsigned index);
};

struct psci {
	unsigned cpus;
	const struct psci_ops *ops;
	void *opaque;
};

/** psci_call - answers one HVC #0. @x: x0..x3. @ret: value of x0. Unknown functions give NOT_SUPPORTED (-1). */
enum psci_action psci_call(struct psci *p, unsigned self, const uint64_t x[4], uint64_t *ret);
/** psci_mpidr_index - index of the CPU whose affinity is @mpidr, or -1. MPIDR: Aff0 = n % 16, Aff1 = n / 16. */
int psci_mpidr_index(unsigned cpus, uint64_t mpidr);
static inline uint64_t psci_index_mpidr(unsigned index)
{
	return (index & 15) | (uint64_t)(index >> 4) << 8;
}
