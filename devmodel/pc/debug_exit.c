/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A register that ends the VM with an exit code: what QEMU calls isa-debug-exit. A write of V, in any width and at any of
 * its bytes, ends the VM with (V << 1) | 1, which is never 0; of that, 8 bits are an exit code.
 */
#include "devmodel/dm.h"

struct debug_exit {
	uint32_t value; /* what was written last */
};

static void debug_exit_write(struct dm *dm, void *state, const struct dm_io *io)
{
	struct debug_exit *d = state;
	d->value = (uint32_t)(io->value >> 8 * io->byte);
	dm_vm_request(dm, DM_VM_EXIT, (d->value << 1 | 1) & 0xff);
}

static const struct dm_reg debug_exit_regs[] = {
	{.name = "EXIT",
	 .offset = 0,
	 .access = DM_WO,
	 .help = "a write ends the VM with exit code (value << 1) | 1"},
	{}};

static const struct dm_field debug_exit_fields[] = {DM_SAVE(struct debug_exit, value), {}};

extern const struct dm_class dm_class_debug_exit;
const struct dm_class dm_class_debug_exit = {
	.name = "debug-exit",
	.version = 1,
	.summary = "ends the VM with an exit code of the guest's choice",
	.vm_requests = true,
	.regions = (const struct dm_region[]){{.name = "port",
					       .size = 4,
					       .space = DM_PIO,
					       .spaces = DM_IN(DM_PIO) | DM_IN(DM_MMIO),
					       .widths = 1 | 2 | 4,
					       .regs = debug_exit_regs},
					      {}},
	.state_size = sizeof(struct debug_exit),
	.fields = debug_exit_fields,
	.write = debug_exit_write,
};
