/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

struct toy {
	uint32_t calls;
};

static void toy_link_ready(struct dm *dm, void *state, unsigned link)
{
	(void)dm, (void)link;
	((struct toy *)state)->calls++;
}

static const struct dm_reg toy_regs[] = {
	{.name = "CALLS", .offset = 0, .access = DM_RO, DM_FIELD(struct toy, calls), .help = "x"},
	{}};

static const struct dm_class toy = {
	.name = "toy",
	.version = 1,
	.summary = "notes that its link was ready",
	.regions =
		(const struct dm_region[]){
			{.name = "regs", .size = 0x1000, .widths = 4, .regs = toy_regs}, {}},
	.host = &dm_host_net,
	.link_ready = toy_link_ready,
	.options = (const struct dm_option[]){{.name = "net", .type = DM_OPT_NET, .help = "x"},
					      {.name = "pcap", .type = DM_OPT_SINK, .help = "x"},
					      {}},
	.state_size = sizeof(struct toy),
};

bool rig_successor;

int rig_open(struct rig *r, const char *const *options, const struct host_fd *fds, unsigned n)
{
	memset(r, 0, sizeof(*r));
	r->peer = r->self = -1;
	r->t = dmt_create(&toy, options);
	r->t->dm->successor = rig_successor;
	r->epfd = epoll_create1(EPOLL_CLOEXEC);
	return dm_host_net.open(r->t->dm, fds, n, r->epfd, 100, &r->h, &r->err);
}

void rig_stream(struct rig *r, const char *net)
{
	int sv[2];
	const char *options[] = {"net", net, NULL};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	int self = dup(sv[0]);
	struct host_fd fd = {.option = "net", .kind = "stream", .fd = &sv[0]};
	assert_int_equal(rig_open(r, net ? options : NULL, &fd, 1), 0);
	assert_int_equal(sv[0], -1);
	r->peer = sv[1];
	r->self = self;
	fcntl(r->peer, F_SETFL, O_NONBLOCK);
}

void rig_close(struct rig *r)
{
	if (r->h)
		dm_host_net.close(r->h);
	dmt_destroy(r->t);
	close(r->epfd);
	if (r->peer >= 0)
		close(r->peer);
	if (r->self >= 0)
		close(r->self);
}

unsigned rig_calls(const struct rig *r)
{
	return ((const struct toy *)r->t->dm->state)->calls;
}

unsigned rig_pump(struct rig *r)
{
	struct epoll_event ev[8];
	unsigned before = rig_calls(r);
	int n = epoll_wait(r->epfd, ev, 8, 0);
	for (int i = 0; i < n; i++)
		dm_host_net.event(r->h, (unsigned)(ev[i].data.u64 - 100), ev[i].events);
	dm_host_net.run(r->h);
	return rig_calls(r) - before;
}

int rig_send(struct rig *r, const uint8_t *h, const void *frame, size_t n)
{
	static const uint8_t zero[12];
	struct iovec iov[2] = {{(void *)(uintptr_t)(h ? h : zero), 12},
			       {(void *)(uintptr_t)frame, n}};
	return dm_host_net.ops.link_send(r->h, 0, 0, iov, 2);
}

size_t rig_frame(const void *frame, size_t n, uint8_t *out)
{
	uint8_t len[4] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
	memcpy(out, len, 4);
	memcpy(out + 4, frame, n);
	return n + 4;
}

void rig_put(struct rig *r, const void *bytes, size_t n)
{
	assert_int_equal(send(r->peer, bytes, n, MSG_NOSIGNAL), n);
}

/* Exactly @n bytes, or none: a frame is cut where the sender's buffer was full. */
static size_t get(struct rig *r, uint8_t *p, size_t n, bool must)
{
	size_t done = 0;
	for (unsigned turns = 0; done < n; turns++) {
		ssize_t got = read(r->peer, p + done, n - done);
		if (got > 0) {
			done += (size_t)got;
			continue;
		}
		if (!done && !must)
			return 0;
		assert_true(turns < 10000);
		rig_pump(r);
	}
	return done;
}

size_t rig_get(struct rig *r, uint8_t *frame)
{
	uint8_t len[4];
	if (!get(r, len, 4, false))
		return 0;
	size_t n = (size_t)len[0] << 24 | (size_t)len[1] << 16 | (size_t)len[2] << 8 | len[3];
	assert_in_range(n, 14, PKT_MAX - 12);
	return get(r, frame, n, true);
}

bool rig_up(struct rig *r)
{
	struct dm_link_info info;
	dm_host_net.ops.link_info(r->h, 0, &info);
	return info.up;
}
