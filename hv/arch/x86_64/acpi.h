/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The ACPI tables of x86_64-pc (ACPI Specification 6.4), made from the same config that makes the ranges. */
#include "control.pb-c.h"
#include "hv/mem.h"

/** acpi_build - writes the tables to X86_ACPI_AT. *@ret_rsdp: where the root pointer is. -ENOSPC: they do not fit. */
int acpi_build(const struct mem *m, const Outrigger__VmConfig *cfg, uint64_t *ret_rsdp,
	       struct err *err);
