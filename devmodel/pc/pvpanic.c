/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The port through which a guest's system says that it panicked: QEMU, docs/specs/pvpanic.rst. Reading gives the events that
 * the device knows, writing reports one: bit 0, a panic; bit 1, a panic that the guest takes care of (a crash kernel is
 * loaded); bit 2, a regular shutdown. Bits that the device does not know are ignored.
 */
#include "devmodel/dm.h"
#include <string.h>

#define PANICKED 0x01u
#define CRASHLOADED 0x02u
#define SHUTDOWN 0x04u

struct pvpanic {
	uint8_t events; /* as the guest reads them */
	uint8_t last;	/* what was reported last */
};

static uint8_t known(struct dm *dm)
{
	return (uint8_t)(dm_option_u64(dm, "events") & (PANICKED | CRASHLOADED | SHUTDOWN));
}

static uint32_t action(struct dm *dm)
{
	const char *s = dm_option_str(dm, "action");
	return !strcmp(s, "stop") ? DM_VM_STOP : !strcmp(s, "pause") ? DM_VM_PAUSE : DM_VM_LOG;
}

static void pvpanic_write(struct dm *dm, void *state, const struct dm_io *io)
{
	struct pvpanic *p = state;
	uint8_t v = (uint8_t)io->value & known(dm);
	p->events = known(dm); /* the table has stored what was written */
	p->last = v ? v : p->last;
	if (v & PANICKED)
		dm_vm_request(dm, DM_VM_PANIC, action(dm));
	else if (v & CRASHLOADED)
		dm_vm_request(dm, DM_VM_CRASHLOADED, 0);
	else if (v & SHUTDOWN)
		dm_vm_request(dm, DM_VM_POWEROFF, 0);
}

static void pvpanic_reset(struct dm *dm, void *state)
{
	struct pvpanic *p = state;
	p->events = known(dm);
}

static void pvpanic_inspect(struct dm *dm, const void *state, struct dm_text *text)
{
	const struct pvpanic *p = state;
	(void)dm;
	dm_text_item(text, "reported last", "%s",
		     p->last & PANICKED	     ? "panic"
		     : p->last & CRASHLOADED ? "panic, handled by the guest"
		     : p->last & SHUTDOWN    ? "shutdown"
					     : "nothing");
}

static const struct dm_bits event_bits[] = {
	{"PANICKED", 0, 1, NULL}, {"CRASHLOADED", 1, 1, NULL}, {"SHUTDOWN", 2, 1, NULL}, {}};

static const struct dm_reg pvpanic_regs[] = {
	{.name = "EVENTS",
	 .offset = 0,
	 .access = DM_RW,
	 DM_FIELD(struct pvpanic, events),
	 .bits = event_bits,
	 .help = "read: the events that are known; write: one has happened"},
	{}};

static const struct dm_field pvpanic_fields[] = {
	DM_SAVE(struct pvpanic, events), DM_SAVE(struct pvpanic, last), {}};

/* What is known is this device's options, whatever build saved it. */
static int pvpanic_loaded(struct dm *dm, void *state, uint32_t version)
{
	(void)version;
	pvpanic_reset(dm, state);
	return 0;
}

extern const struct dm_class dm_class_pvpanic;
const struct dm_class dm_class_pvpanic = {
	.name = "pvpanic",
	.version = 1,
	.summary = "tells the host that the guest panicked",
	.vm_requests = true,
	.regions = (const struct dm_region[]){{.name = "port",
					       .size = 1,
					       .space = DM_PIO,
					       .spaces = DM_IN(DM_PIO) | DM_IN(DM_MMIO),
					       .widths = 1,
					       .reg_width = 1,
					       .regs = pvpanic_regs},
					      {}},
	.options =
		(const struct dm_option[]){
			{.name = "action",
			 .type = DM_OPT_ENUM,
			 .choices = "log|pause|stop",
			 .def = "stop",
			 .help = "on a panic: only report it, pause the VM, or end it with exit "
				 "code 4"},
			{.name = "events",
			 .type = DM_OPT_U64,
			 .def = "3",
			 .help = "events that are known: 1 panic, 2 crash loaded, 4 shutdown"},
			{}},
	.fdt = {.node = "pvpanic", .compatible = (const char *const[]){"qemu,pvpanic-mmio", NULL}},
	.state_size = sizeof(struct pvpanic),
	.reset = pvpanic_reset,
	.fields = pvpanic_fields,
	.loaded = pvpanic_loaded,
	.write = pvpanic_write,
	.inspect = pvpanic_inspect,
};
