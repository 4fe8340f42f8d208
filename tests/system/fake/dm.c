/* SPDX-License-Identifier: Apache-2.0 */
/* A device without a device: describes itself by the name it was started under, docks, and lives
 * until hv is gone. */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "control.pb-c.h"

/* pl011 and pl031 of a fake: places and options are enough. */
static int describe(const char *name)
{
	bool uart = strcmp(name, "pl011") == 0;
	Outrigger__ModelDescription d = OUTRIGGER__MODEL_DESCRIPTION__INIT;
	Outrigger__RegionDescription r = OUTRIGGER__REGION_DESCRIPTION__INIT, *rp = &r;
	Outrigger__OptionDescription o = OUTRIGGER__OPTION_DESCRIPTION__INIT, *op = &o;
	Outrigger__FdtDescription f = OUTRIGGER__FDT_DESCRIPTION__INIT;
	Outrigger__OptionDescription c = OUTRIGGER__OPTION_DESCRIPTION__INIT, *cp = &c;
	uint8_t buf[1024];
	char s[][16] = {"regs", "mmio", "chardev", "null", "base", "time", "host", "fake", "size"};
	d.name = (char *)(uintptr_t)name;
	d.version = 1;
	d.summary = d.build_id = s[7];
	d.irqs = 1;
	d.n_regions = d.n_options = 1;
	d.regions = &rp;
	d.options = &op;
	d.fdt = &f;
	d.n_controls = uart; /* the terminal that shows its console tells it its size */
	d.controls = &cp;
	c.name = s[8];
	c.help = s[7];
	r.name = s[0];
	r.space = s[1];
	r.size = 4096;
	r.widths = 4;
	o.name = o.type = s[uart ? 2 : 4];
	if (!uart)
		o.type = s[5];
	o.def = s[uart ? 3 : 6];
	o.help = s[7];
	f.stdout = uart;
	size_t n = outrigger__model_description__pack(&d, buf);
	return fd_write_all(1, buf, n) < 0;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = (slash ? slash + 1 : argv[0]) + strlen("outrigger-dm-");
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	char c;
	if (argc == 2 && strcmp(argv[1], "--describe=pb") == 0)
		return describe(name);
	if (argc < 3 || strcmp(argv[1], "--dock") != 0 || !getenv("OUTRIGGER_TOKEN"))
		return 2;
	if (getenv("FAKE_DM_FAIL") && strcmp(getenv("FAKE_DM_FAIL"), name) == 0) {
		fprintf(stderr, "this device does not like this host\n");
		return 3;
	}
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%.100s", argv[2]);
	uint64_t end = clock_now_ns() + 5000000000u;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	while (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		if (clock_now_ns() > end)
			return 4;
		poll(NULL, 0, 1);
	}
	return read(fd, &c, 1) != 0;
}
