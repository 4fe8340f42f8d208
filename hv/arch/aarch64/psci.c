/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PSCI 1.1 (DEN 0022) and SMCCC 1.1 (DEN 0028). Where an answer is a matter of choice it is that of KVM or QEMU:
 * CPU_SUSPEND is WFI whatever state it names, affinity levels above 0 are always on.
 */
#include "hv/arch/aarch64/psci.h"

#define SMC64 0x40000000u

#define SMCCC_VERSION 0x80000000u
#define SMCCC_ARCH_FEATURES 0x80000001u
#define SMCCC_ARCH_WORKAROUND_1 0x80008000u
#define SMCCC_ARCH_WORKAROUND_2 0x80007fffu
#define SMCCC_ARCH_WORKAROUND_3 0x80003fffu
#define SMCCC_NOT_AFFECTED 1

#define PSCI_VERSION 0x84000000u
#define PSCI_CPU_SUSPEND 0x84000001u
#define PSCI_FN_CPU_OFF 0x84000002u
#define PSCI_CPU_ON 0x84000003u
#define PSCI_AFFINITY_INFO 0x84000004u
#define PSCI_MIGRATE_INFO_TYPE 0x84000006u
#define PSCI_SYSTEM_OFF 0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u
#define PSCI_FEATURES 0x8400000au
#define PSCI_SYSTEM_RESET2 0x84000012u

#define RET_SUCCESS 0
#define RET_NOT_SUPPORTED (-1)
#define RET_INVALID_PARAMETERS (-2)
#define MIGRATE_NO_TRUSTED_OS 2
#define POWER_STATE_RESERVED 0xfcfe0000u /* bits 31..26 and 23..17 */

int psci_mpidr_index(unsigned cpus, uint64_t mpidr)
{
	uint64_t affinity = mpidr & 0xff00ffffffull;
	if (affinity & ~0xff0full)
		return -1;
	unsigned index = (unsigned)((affinity >> 8) << 4 | (affinity & 15));
	return index < cpus ? (int)index : -1;
}

static enum psci_action answer(uint64_t *ret, int64_t value)
{
	*ret = (uint64_t)value;
	return PSCI_RETURN;
}

static int64_t psci_features(uint32_t fn)
{
	switch (fn) {
	case PSCI_VERSION:
	case PSCI_CPU_SUSPEND:
	case PSCI_CPU_SUSPEND | SMC64:
	case PSCI_FN_CPU_OFF:
	case PSCI_CPU_ON:
	case PSCI_CPU_ON | SMC64:
	case PSCI_AFFINITY_INFO:
	case PSCI_AFFINITY_INFO | SMC64:
	case PSCI_MIGRATE_INFO_TYPE:
	case PSCI_SYSTEM_OFF:
	case PSCI_SYSTEM_RESET:
	case PSCI_SYSTEM_RESET2:
	case PSCI_SYSTEM_RESET2 | SMC64:
	case PSCI_FEATURES:
	case SMCCC_VERSION:
		return RET_SUCCESS;
	default:
		return RET_NOT_SUPPORTED;
	}
}

static int64_t arch_features(uint32_t fn)
{
	switch (fn) {
	case SMCCC_VERSION:
	case SMCCC_ARCH_FEATURES:
		return RET_SUCCESS;
	case SMCCC_ARCH_WORKAROUND_1:
	case SMCCC_ARCH_WORKAROUND_2:
	case SMCCC_ARCH_WORKAROUND_3:
		return SMCCC_NOT_AFFECTED;
	default:
		return RET_NOT_SUPPORTED;
	}
}

static int64_t cpu_on(struct psci *p, uint64_t target, uint64_t entry, uint64_t context)
{
	int index = psci_mpidr_index(p->cpus, target);
	if (index < 0 || target & ~0xff00ffffffull)
		return RET_INVALID_PARAMETERS;
	return p->ops->cpu_on(p->opaque, (unsigned)index, entry, context);
}

static int64_t affinity_info(struct psci *p, uint64_t target, uint64_t level)
{
	if (level > 3)
		return RET_INVALID_PARAMETERS;
	if (level > 0)
		return 0;
	int index = psci_mpidr_index(p->cpus, target);
	if (index < 0 || target & ~0xff00ffffffull)
		return RET_INVALID_PARAMETERS;
	return p->ops->cpu_state(p->opaque, (unsigned)index);
}

static enum psci_action suspend(uint64_t power_state, uint64_t *ret)
{
	if (power_state & POWER_STATE_RESERVED)
		return answer(ret, RET_INVALID_PARAMETERS);
	*ret = RET_SUCCESS;
	return PSCI_SUSPEND;
}

enum psci_action psci_call(struct psci *p, unsigned self, const uint64_t x[4], uint64_t *ret)
{
	(void)self;
	uint32_t fn = (uint32_t)x[0];
	/* SMC32 calls have 32-bit arguments. */
	uint64_t mask = fn & SMC64 ? UINT64_MAX : UINT32_MAX;
	uint64_t a1 = x[1] & mask, a2 = x[2] & mask, a3 = x[3] & mask;
	switch (fn) {
	case PSCI_VERSION:
	case SMCCC_VERSION:
		return answer(ret, 0x10001);
	case PSCI_CPU_SUSPEND:
	case PSCI_CPU_SUSPEND | SMC64:
		return suspend(a1, ret);
	case PSCI_FN_CPU_OFF:
		*ret = RET_SUCCESS;
		return PSCI_CPU_OFF;
	case PSCI_CPU_ON:
	case PSCI_CPU_ON | SMC64:
		return answer(ret, cpu_on(p, a1, a2, a3));
	case PSCI_AFFINITY_INFO:
	case PSCI_AFFINITY_INFO | SMC64:
		return answer(ret, affinity_info(p, a1, a2));
	case PSCI_MIGRATE_INFO_TYPE:
		return answer(ret, MIGRATE_NO_TRUSTED_OS);
	case PSCI_SYSTEM_OFF:
		*ret = RET_SUCCESS;
		return PSCI_POWEROFF;
	case PSCI_SYSTEM_RESET:
		*ret = RET_SUCCESS;
		return PSCI_RESET;
	case PSCI_SYSTEM_RESET2:
	case PSCI_SYSTEM_RESET2 | SMC64:
		if ((uint32_t)a1 != 0) /* 0: warm reset; no vendor's types */
			return answer(ret, RET_INVALID_PARAMETERS);
		*ret = RET_SUCCESS;
		return PSCI_RESET;
	case PSCI_FEATURES:
		return answer(ret, psci_features((uint32_t)a1));
	case SMCCC_ARCH_FEATURES:
		return answer(ret, arch_features((uint32_t)a1));
	case SMCCC_ARCH_WORKAROUND_1:
	case SMCCC_ARCH_WORKAROUND_2:
	case SMCCC_ARCH_WORKAROUND_3:
		return answer(ret, RET_SUCCESS);
	default:
		return answer(ret, RET_NOT_SUPPORTED);
	}
}
