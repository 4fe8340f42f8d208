/* SPDX-License-Identifier: Apache-2.0 */
/* Docking, hello, ranges, serving: true to the protocol up to the step where HOSTILE says
 * otherwise. */
#include "hostile.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"

#define WAIT_MS 5000

bool hostile_is(const struct hostile *h, const char *mode)
{
	return !strcmp(h->mode, mode);
}

bool hostile_gone(struct hostile *h)
{
	char c;
	return recv(h->dock_fd, &c, 1, MSG_DONTWAIT) == 0;
}

/* Lives without doing anything until hv is gone. */
static void linger(struct hostile *h)
{
	struct pollfd p = {.fd = h->dock_fd, .events = POLLIN};
	while (!hostile_gone(h))
		poll(&p, 1, -1);
	exit(0);
}

static int describe(void)
{
	Outrigger__ModelDescription d = OUTRIGGER__MODEL_DESCRIPTION__INIT;
	Outrigger__RegionDescription r = OUTRIGGER__REGION_DESCRIPTION__INIT, *rp = &r;
	Outrigger__RegisterDescription reg[3], *regs[3];
	Outrigger__FdtDescription f = OUTRIGGER__FDT_DESCRIPTION__INIT;
	char text[][16] = {"hostile", "regs",	"mmio",	   "SHADOW", "POSTED",	  "FORWARD",
			   "RW",      "shadow", "forward", "post",   "level-high"};
	uint8_t buf[1024];
	for (unsigned i = 0; i < 3; i++) {
		outrigger__register_description__init(&reg[i]);
		reg[i].name = text[3 + i];
		reg[i].offset = i * 4;
		reg[i].width = 4;
		reg[i].access = text[6];
		reg[i].mask = UINT32_MAX;
		reg[i].read_way = text[i == 0 ? 7 : 8];
		reg[i].write_way = text[i == 1 ? 9 : 8];
		reg[i].count = 1;
		reg[i].stride = 4;
		regs[i] = &reg[i];
	}
	r.name = text[1];
	r.space = text[2];
	r.size = HOSTILE_SIZE;
	r.widths = 7;
	r.n_regs = 3;
	r.regs = regs;
	d.name = d.summary = d.build_id = text[0];
	d.version = 1;
	d.n_regions = 1;
	d.regions = &rp;
	d.irqs = HOSTILE_IRQS;
	d.state_bytes = 64;
	f.hidden = 1;
	f.irq_type = text[10];
	d.fdt = &f;
	size_t n = outrigger__model_description__pack(&d, buf);
	return fd_write_all(1, buf, n) < 0;
}

/* Exits, or falls silent, at the step that HOSTILE names. */
static void step(struct hostile *h, const char *name)
{
	char exits[40], mutes[40];
	snprintf(exits, sizeof(exits), "exit-%s", name);
	snprintf(mutes, sizeof(mutes), "mute-%s", name);
	if (hostile_is(h, exits))
		exit(0);
	if (hostile_is(h, mutes))
		linger(h);
}

static void send_up(struct hostile *h, Outrigger__FromDaemon__KindCase kind, void *body)
{
	Outrigger__FromDaemon m = OUTRIGGER__FROM_DAEMON__INIT;
	m.kind_case = kind;
	m.hello = body; /* the union's pointers are all alike */
	ctl_send(h->ctl, &m.base, WAIT_MS);
}

static void hello(struct hostile *h)
{
	static char model[] = "hostile", other[] = "pl011", odd[] = "\033]0;x\007\xff\xfe\n\"";
	static char text[] = "an error \033[2J\xff\xfe\r\n\"quoted\" %s%n";
	Outrigger__Hello m = OUTRIGGER__HELLO__INIT;
	m.model = m.build_id = model;
	m.model_version = 1;
	m.epoch = h->reply.epoch;
	m.pid = hostile_is(h, "hello-pid") ? 1 : getpid();
	m.state_bytes = 64;
	if (hostile_is(h, "hello-model"))
		m.model = other;
	if (hostile_is(h, "hello-odd-model"))
		m.model = odd;
	if (hostile_is(h, "hello-state"))
		m.state_bytes = UINT32_MAX;
	if (hostile_is(h, "hello-epoch"))
		m.epoch = 77;
	if (hostile_is(h, "error-text"))
		send_up(h, OUTRIGGER__FROM_DAEMON__KIND_ERROR, text);
	send_up(h, OUTRIGGER__FROM_DAEMON__KIND_HELLO, &m);
	if (hostile_is(h, "hello-twice"))
		send_up(h, OUTRIGGER__FROM_DAEMON__KIND_HELLO, &m);
}

/* Waits for one message; what it says does not matter to us, but a refusal is the end. */
static void hear(struct hostile *h)
{
	ProtobufCMessage *m = NULL;
	if (ctl_recv(h->ctl, &outrigger__to_daemon__descriptor, WAIT_MS, &m))
		linger(h);
	bool refused = ((Outrigger__ToDaemon *)m)->kind_case == OUTRIGGER__TO_DAEMON__KIND_REFUSED;
	ctl_free(m);
	if (refused && hostile_is(h, "rule-twice"))
		linger(h); /* it is told to end, and does not */
	if (refused)
		exit(1);
}

static int dock(struct hostile *h, const char *token)
{
	struct err err = {0};
	unsigned n = 0;
	struct stat st;
	char wrong[LIMIT_TOKEN + 1];
	memset(wrong, 'a', LIMIT_TOKEN);
	wrong[LIMIT_TOKEN] = 0;
	h->dock_fd = dock_connect(h->dock_path, hostile_is(h, "token") ? wrong : token, WAIT_MS,
				  &h->reply, h->fds, LIMIT_FDS + DOCK_FD_BACKEND, &n, &err);
	if (h->dock_fd < 0 || n < DOCK_FD_BACKEND) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	if (fstat(h->fds[DOCK_FD_PORT], &st) < 0)
		return 1;
	h->port_bytes = (size_t)st.st_size;
	h->port = mmap(NULL, h->port_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		       h->fds[DOCK_FD_PORT], 0);
	if (h->port == MAP_FAILED ||
	    port_attach(&h->pc, h->port, h->port_bytes, h->reply.epoch, UINT64_MAX))
		return 1;
	return 0;
}

bool hostile_serve_one(struct hostile *h)
{
	struct port_entry e;
	if (!port_peek(&h->pc, &e))
		return false;
	port_complete(&h->pc, &e, PORT_STATUS_OK, 0xfeedfacecafebeefu);
	port_consume(&h->pc);
	return true;
}

int main(int argc, char **argv)
{
	static struct hostile h = {.dock_fd = -1};
	struct err err = {0};
	const char *token = getenv("OUTRIGGER_TOKEN");
	h.mode = getenv("HOSTILE");
	if (argc == 2 && !strcmp(argv[1], "--describe=pb"))
		return describe();
	if (argc < 3 || strcmp(argv[1], "--dock") != 0 || !token || !h.mode)
		return 2;
	h.dock_path = argv[2];
	signal(SIGPIPE, SIG_IGN);
	step(&h, "start");
	if (dock(&h, token))
		return 3;
	step(&h, "docked");
	ctl_setup();
	if (ctl_dial(CTL_PAIR, h.reply.control_url, WAIT_MS, &h.ctl, &err))
		return 4;
	step(&h, "dialled");
	hello(&h);
	hear(&h);
	step(&h, "configured");
	send_up(&h, OUTRIGGER__FROM_DAEMON__KIND_RANGES, hostile_ranges(&h));
	hear(&h);
	step(&h, "registered");
	Outrigger__Serving s = OUTRIGGER__SERVING__INIT;
	static char odd[] = "none\033[2J\xff\"\n";
	s.sandbox = odd;
	send_up(&h, OUTRIGGER__FROM_DAEMON__KIND_SERVING, &s);
	hostile_attack(&h);
	linger(&h);
	return 0;
}
