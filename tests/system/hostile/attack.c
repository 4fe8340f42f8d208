/* SPDX-License-Identifier: Apache-2.0 */
/* What a serving daemon can do to hv. */
#include "hostile.h"
#include <fcntl.h>
#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/bytes.h"

/* Honest requests served before an attack on a device that is up begins. */
#define HONEST 100u

uint64_t hostile_random(void)
{
	static uint64_t s = 0x9e3779b97f4a7c15u; /* xorshift64 */
	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return s;
}

static void scribble(void *at, size_t len)
{
	for (size_t i = 0; i + 8 <= len; i += 8)
		__atomic_store_n((uint64_t *)(void *)((char *)at + i), hostile_random(),
				 __ATOMIC_RELAXED);
}

static void irq_kick(struct hostile *h)
{
	uint64_t one = 1;
	ssize_t n = write(h->fds[DOCK_FD_IRQ], &one, sizeof(one));
	(void)n;
}

/* The port: each does one piece of harm and is called again and again. */

static void scribble_all(struct hostile *h)
{
	scribble(h->port, h->port_bytes);
	irq_kick(h);
}

static void scribble_head(struct hostile *h)
{
	atomic_store(&h->port->consumer.head, hostile_random());
}

/* The head goes on as it should; there is never an answer. */
static void chase(struct hostile *h)
{
	struct port_entry e;
	if (port_peek(&h->pc, &e))
		port_consume(&h->pc);
}

static void scribble_lines(struct hostile *h)
{
	scribble(h->port->line, sizeof(h->port->line));
	irq_kick(h);
	hostile_serve_one(h);
}

static void flap_lines(struct hostile *h)
{
	for (unsigned i = 0; i < HOSTILE_IRQS; i++) {
		atomic_store(&h->port->line[i].word,
			     hostile_random() & 1 ? PORT_LINE_LOW : PORT_LINE_HIGH);
		atomic_fetch_add(&h->port->line[i].edges, (uint32_t)hostile_random());
	}
	atomic_fetch_add(&h->port->consumer.lines_gen, 1);
	irq_kick(h);
	hostile_serve_one(h);
}

static void scribble_completions(struct hostile *h)
{
	scribble(h->port->comp, sizeof(h->port->comp));
}

/* The right sequence number, all else random. */
static void wrong_status(struct hostile *h)
{
	struct port_entry e;
	if (!port_peek(&h->pc, &e))
		return;
	port_complete(&h->pc, &e, (uint32_t)hostile_random() | 4, hostile_random());
	port_consume(&h->pc);
}

static void wrong_epoch(struct hostile *h)
{
	h->pc.epoch++;
	hostile_serve_one(h);
}

static void scribble_rest(struct hostile *h)
{
	scribble(&h->port->counters, sizeof(h->port->counters));
	scribble(h->port->ring, sizeof(h->port->ring));
	scribble(h->port->shadow, PORT_PAGE);
	scribble(&h->port->producer, sizeof(h->port->producer));
	scribble(&h->port->hdr, PORT_PAGE);
}

static void zero_all(struct hostile *h)
{
	memset(h->port, 0, h->port_bytes);
}

static void ones_all(struct hostile *h)
{
	memset(h->port, 0xff, h->port_bytes);
}

/* Says that it sleeps, so that each request costs a kick; never looks. */
static void play_asleep(struct hostile *h)
{
	atomic_store(&h->port->consumer.state, PORT_ASLEEP);
}

static void waiter_words(struct hostile *h)
{
	for (unsigned i = 0; i < PORT_MAX_VCPUS; i++)
		atomic_store(&h->port->comp[i].waiter, (uint32_t)hostile_random());
	atomic_store(&h->port->producer.room_waiter, (uint32_t)hostile_random());
	hostile_serve_one(h);
}

/* The shared objects. */

static void punch(struct hostile *h)
{
	static const unsigned objects[] = {DOCK_FD_PORT, DOCK_FD_STATE, DOCK_FD_TRACE};
	for (unsigned k = 0; k < sizeof(objects) / sizeof(objects[0]); k++) {
		unsigned i = objects[k];
		if (!ftruncate(h->fds[i], 0) || !ftruncate(h->fds[i], 1 << 30))
			abort(); /* hv must have sealed it */
		fallocate(h->fds[i], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 20);
		fallocate(h->fds[i], 0, 0, 1 << 30);
		fcntl(h->fds[i], F_ADD_SEALS, F_SEAL_WRITE);
	}
}

/* The eventfds are the same open files as hv's: their flags and counters are ours too. */
static void eventfds(struct hostile *h)
{
	uint64_t full = UINT64_MAX - 1, got;
	for (unsigned i = DOCK_FD_KICK; i <= DOCK_FD_IRQ; i++) {
		fcntl(h->fds[i], F_SETFL, O_NONBLOCK);
		ssize_t n = read(h->fds[i], &got, sizeof(got));
		n = write(h->fds[i], &full, sizeof(full));
		(void)n;
		fcntl(h->fds[i], F_SETFL, 0);
	}
	atomic_store(&h->port->consumer.state, PORT_ASLEEP);
}

static void irq_storm(struct hostile *h)
{
	for (int i = 0; i < 1000; i++)
		irq_kick(h);
	hostile_serve_one(h);
}

/* The sockets. */

static void garbage(struct hostile *h)
{
	static uint8_t buf[LIMIT_MSG_BYTES];
	static nng_socket s;
	static bool open;
	if (!open &&
	    (nng_pair1_open(&s) || nng_dial(s, h->reply.control_url, NULL, NNG_FLAG_NONBLOCK)))
		return;
	open = true;
	scribble(buf, sizeof(buf));
	nng_send(s, buf, hostile_random() % sizeof(buf), NNG_FLAG_NONBLOCK);
	hostile_serve_one(h);
}

/* Frames over the one connection that counts: ours is closed and dialled again by hand. */
static void raw_frames(struct hostile *h)
{
	static uint8_t buf[65536];
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	ctl_close(h->ctl);
	h->ctl = NULL;
	strncpy(a.sun_path, h->reply.control_url + strlen("ipc://"), sizeof(a.sun_path) - 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	scribble(buf, sizeof(buf));
	if (!connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		static const uint8_t pair1[8] = {0, 'S', 'P', 0,
						 0, 17,	 0,   0}; /* SP header, protocol 1.0 */
		static const uint8_t big[9] = {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
		send(fd, pair1, sizeof(pair1), MSG_NOSIGNAL);
		if (hostile_random() & 1)
			send(fd, big, sizeof(big), MSG_NOSIGNAL);
		send(fd, buf, hostile_random() % sizeof(buf), MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	close(fd);
	hostile_serve_one(h);
}

static void chatter(struct hostile *h)
{
	static char text[200000];
	Outrigger__FromDaemon m = OUTRIGGER__FROM_DAEMON__INIT;
	memset(text, hostile_is(h, "log-flood") ? 'x' : 0xff, sizeof(text) - 1);
	Outrigger__LogLine line = OUTRIGGER__LOG_LINE__INIT;
	line.text = text;
	line.level = (uint32_t)hostile_random();
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_LOG;
	m.log = &line;
	ctl_send(h->ctl, &m.base, 0);
	hostile_serve_one(h);
}

/* Every message of the protocol, all out of turn. */
static void out_of_turn(struct hostile *h)
{
	static char text[] = "text";
	Outrigger__FromDaemon m = OUTRIGGER__FROM_DAEMON__INIT;
	Outrigger__Hello hello = OUTRIGGER__HELLO__INIT;
	Outrigger__Serving serving = OUTRIGGER__SERVING__INIT;
	hello.model = text;
	m.hello = &hello;
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_HELLO;
	ctl_send(h->ctl, &m.base, 0);
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_RANGES;
	m.ranges = hostile_ranges(h);
	ctl_send(h->ctl, &m.base, 0);
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_SERVING;
	m.serving = &serving;
	ctl_send(h->ctl, &m.base, 0);
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_BYE;
	m.bye = text;
	ctl_send(h->ctl, &m.base, 0);
	m.kind_case = OUTRIGGER__FROM_DAEMON__KIND_BLOB;
	m.blob = (ProtobufCBinaryData){4, (uint8_t *)text};
	ctl_send(h->ctl, &m.base, 0);
	hostile_serve_one(h);
}

static void dock_crowd(struct hostile *h)
{
	static int fds[64];
	static unsigned n;
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	strncpy(a.sun_path, h->dock_path, sizeof(a.sun_path) - 1);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0) {
		uint8_t buf[256];
		scribble(buf, sizeof(buf));
		send(fd, buf, hostile_random() % sizeof(buf), MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	int *old = &fds[n++ % ARRAY_LEN(fds)];
	if (*old)
		close(*old);
	*old = fd;
	hostile_serve_one(h);
}

static void dock_write(struct hostile *h)
{
	send(h->dock_fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	hostile_serve_one(h);
}

static void dock_shutdown(struct hostile *h)
{
	shutdown(h->dock_fd, SHUT_WR);
	hostile_serve_one(h);
}

static void die(struct hostile *h)
{
	(void)h;
	__builtin_trap(); /* PID 1 of its namespace: no signal of its own would end it */
}

static void nothing(struct hostile *h)
{
	struct pollfd p = {.fd = h->dock_fd, .events = POLLIN};
	poll(&p, 1, -1);
}

static const struct {
	const char *mode;
	void (*harm)(struct hostile *h);
} attacks[] = {
	{"scribble", scribble_all},
	{"head", scribble_head},
	{"chase", chase},
	{"lines", scribble_lines},
	{"flap", flap_lines},
	{"completions", scribble_completions},
	{"status", wrong_status},
	{"epoch", wrong_epoch},
	{"rest", scribble_rest},
	{"zero", zero_all},
	{"ones", ones_all},
	{"asleep", play_asleep},
	{"waiters", waiter_words},
	{"punch", punch},
	{"eventfds", eventfds},
	{"irq-storm", irq_storm},
	{"garbage", garbage},
	{"frames", raw_frames},
	{"log-flood", chatter},
	{"log-odd", chatter},
	{"out-of-turn", out_of_turn},
	{"dock-crowd", dock_crowd},
	{"dock-write", dock_write},
	{"dock-shutdown", dock_shutdown},
	{"die", die},
	{"silent", nothing},
};

/* Sleeps until the guest asks for something, at most for a moment. */
static void idle(struct hostile *h)
{
	struct pollfd p[] = {{.fd = h->dock_fd, .events = POLLIN},
			     {.fd = h->fds[DOCK_FD_KICK], .events = POLLIN}};
	uint64_t n;
	if (!port_sleep_begin(&h->pc, false))
		return;
	poll(p, 2, 100);
	port_sleep_end(&h->pc);
	if (p[1].revents && read(h->fds[DOCK_FD_KICK], &n, sizeof(n)) < 0)
		return;
}

void hostile_attack(struct hostile *h)
{
	unsigned served = 0;
	void (*harm)(struct hostile *) = NULL;
	for (size_t i = 0; i < ARRAY_LEN(attacks); i++)
		if (hostile_is(h, attacks[i].mode))
			harm = attacks[i].harm;
	while (!hostile_gone(h)) {
		if (harm && served >= HONEST)
			harm(h);
		else if (hostile_serve_one(h))
			served++;
		else
			idle(h);
	}
}
