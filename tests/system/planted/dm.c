/* SPDX-License-Identifier: Apache-2.0 */
/* A pl011 with one fault: it sends '#' where the guest writes '~'. Built with PLANTED_CRASH it dies there. */
#include "devmodel/core/daemon.h"
#include <stdlib.h>

extern const struct dm_class dm_class_pl011;

static void planted_write(struct dm *dm, void *state, const struct dm_io *io)
{
	struct dm_io wrong = *io;
	if (!io->reg->offset && io->value == '~') {
#ifdef PLANTED_CRASH
		abort();
#endif
		wrong.value = '#';
	}
	dm_class_pl011.write(dm, state, &wrong);
}

int main(int argc, char **argv)
{
	static struct dm_class cls;
	cls = dm_class_pl011;
	cls.write = planted_write;
	return daemon_main(&cls, argc, argv);
}
