/* SPDX-License-Identifier: Apache-2.0 */
/* Host channels: slow readers, readers that come and go, input as far as the model has room. */
#include "devmodel/core/chardev.h"
#include "base/fd.h"
#include "tests/unit/devmodel/toy.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

struct rig {
	struct port *port;
	void *state;
	struct port_producer pp;
	struct dm *dm;
	struct server srv;
	struct chardev c;
	int ep;
};

static uint64_t no_clock(void *ctx)
{
	(void)ctx;
	return 0;
}

static void no_log(void *ctx, enum dm_level level, const char *text)
{
	(void)ctx, (void)level, (void)text;
}

static const struct dm_env env = {.now_ns = no_clock, .realtime_ns = no_clock, .log = no_log};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct err err;
	bool resumed;
	size_t pb = port_size(1), sb = arena_segment_bytes(dm_arena_size(&dm_class_toy));
	r->port = aligned_alloc(4096, (pb + 4095) / 4096 * 4096);
	r->state = aligned_alloc(64, (sb + 63) / 64 * 64);
	memset(r->port, 0, pb);
	memset(r->state, 0, sb);
	port_init(&r->pp, r->port, 1, 2, 1, "toy0");
	r->ep = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(dm_create(&r->dm, &dm_class_toy, &env, NULL, NULL, 0, &err), 0);
	assert_int_equal(server_attach(&r->srv, r->dm, r->port, pb, port_epoch_begin(&r->pp),
				       r->state, sb, 1, -1, &resumed, &err),
			 0);
	signal(SIGPIPE, SIG_IGN);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;
	chardev_close(&r->c);
	dm_destroy(r->dm);
	close(r->ep);
	free(r->port);
	free(r->state);
	free(r);
	return 0;
}

static void open_channel(struct rig *r, enum chardev_kind kind, int fd)
{
	assert_int_equal(chardev_open(&r->c, kind, 0, &fd, &r->srv, r->ep, 5), 0);
	assert_int_equal(fd, -1);
}

static void guest_writes(struct rig *r, unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++) {
		uint8_t b = (uint8_t)('a' + i % 26);
		dm_host_out(r->dm, 0, &b, 1);
	}
	server_commit(&r->srv);
}

/* Handles the events that are there, as the daemon's loop would. Returns how many. */
static int events(struct rig *r)
{
	struct epoll_event ev[4];
	int n = epoll_wait(r->ep, ev, 4, 0);
	for (int i = 0; i < n; i++)
		chardev_event(&r->c, ev[i].events, 5);
	chardev_run(&r->c, 5);
	return n;
}

static void expect_text(const char *buf, size_t n, unsigned from)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf[i], 'a' + (from + i) % 26);
}

static void a_slow_reader_gets_everything_and_the_device_is_told(void **state)
{
	struct rig *r = *state;
	int sv[2], small = 4096;
	char buf[8192];
	unsigned sent = 0;
	size_t got = 0;
	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	open_channel(r, CHARDEV_STREAM, sv[1]);
	while (!dm_host_out_busy(r->dm, 0)) {
		guest_writes(r, sent, 64);
		sent += 64;
		events(r);
		assert_true(sent < 100000);
	}
	assert_int_equal(((struct toy *)r->dm->state)->done, 0);
	assert_int_equal(events(r), 0); /* nothing to do: no event comes again and again */
	while (got < sent) {
		ssize_t n = recv(sv[0], buf, sizeof(buf), MSG_DONTWAIT);
		assert_true(n > 0);
		expect_text(buf, (size_t)n, (unsigned)got);
		got += (size_t)n;
		events(r);
	}
	assert_int_equal(((struct toy *)r->dm->state)->done, 1);
	assert_int_equal(r->dm->hdr->lost_out, 0);
	close(sv[0]);
}

static void input_is_read_only_as_far_as_there_is_room(void **state)
{
	struct rig *r = *state;
	struct toy *t;
	int sv[2];
	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	open_channel(r, CHARDEV_STREAM, sv[1]);
	assert_int_equal(write(sv[0], "0123456789abcdefghij", 20), 20);
	events(r);
	t = r->dm->state;
	assert_int_equal(t->in_len, 16);
	assert_memory_equal(t->in, "0123456789abcdef", 16);
	events(r);
	assert_int_equal(events(r), 0); /* no busy loop while the model is full */
	t = r->dm->state;
	t->in_len = 0;
	server_commit(&r->srv);
	chardev_run(&r->c, 5);
	t = r->dm->state;
	assert_int_equal(t->in_len, 4);
	assert_memory_equal(t->in, "ghij", 4);
	close(sv[0]);
}

static void half_closed_input_still_takes_output(void **state)
{
	struct rig *r = *state;
	char buf[8];
	int sv[2];
	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	open_channel(r, CHARDEV_STREAM, sv[1]);
	shutdown(sv[0], SHUT_WR);
	events(r);
	guest_writes(r, 0, 3);
	events(r);
	assert_int_equal(read(sv[0], buf, sizeof(buf)), 3);
	events(r); /* that there is room again is an edge */
	assert_int_equal(events(r), 0);
	close(sv[0]);
}

static void a_stream_whose_peer_is_gone_drops_output(void **state)
{
	struct rig *r = *state;
	int sv[2];
	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	open_channel(r, CHARDEV_STREAM, sv[1]);
	close(sv[0]);
	for (unsigned i = 0; i < 100; i++) {
		guest_writes(r, 0, 100);
		events(r);
		assert_false(dm_host_out_busy(r->dm, 0));
	}
	assert_int_equal(dm_output_pending(r->dm, 0), 0);
	assert_int_equal(events(r), 0);
}

static void null_drops_output(void **state)
{
	struct rig *r = *state;
	open_channel(r, CHARDEV_NULL, -1);
	guest_writes(r, 0, 10);
	chardev_run(&r->c, 5);
	assert_int_equal(dm_output_pending(r->dm, 0), 0);
}

static int listener(struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(sa->sun_path + 1, sizeof(sa->sun_path) - 1, "outrigger-chardev-%d", (int)getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)sa, sizeof(*sa)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static int client(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)sa, sizeof(*sa)), 0);
	return fd;
}

static void a_late_client_gets_the_newest_output_and_the_next_one_after_it(void **state)
{
	struct rig *r = *state;
	struct sockaddr_un sa;
	char buf[8192];
	open_channel(r, CHARDEV_LISTEN, listener(&sa));
	for (unsigned i = 0; i < 100; i++) {
		guest_writes(r, i * 100, 100);
		events(r);
		assert_false(dm_host_out_busy(r->dm, 0)); /* nobody to wait for */
	}
	int one = client(&sa), two = client(&sa);
	events(r);
	events(r);
	ssize_t n = recv(one, buf, sizeof(buf), MSG_DONTWAIT);
	assert_int_equal(n, CHARDEV_KEEP);
	expect_text(buf, (size_t)n, 10000 - CHARDEV_KEEP);
	assert_int_equal(recv(two, buf, sizeof(buf), MSG_DONTWAIT), -1);
	assert_int_equal(write(one, "x", 1), 1);
	close(one);
	events(r);
	events(r);
	guest_writes(r, 0, 5);
	events(r);
	assert_int_equal(recv(two, buf, sizeof(buf), MSG_DONTWAIT), 5);
	close(two);
	events(r);
	events(r);
	guest_writes(r, 5, 5);
	events(r);
	assert_int_equal(dm_output_pending(r->dm, 0), 5); /* kept for the next client */
}

static void a_pty_without_a_reader_blocks_nobody_and_keeps_the_newest(void **state)
{
	struct rig *r = *state;
	char name[64], buf[8192];
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(master >= 0);
	assert_int_equal(grantpt(master) | unlockpt(master), 0);
	assert_int_equal(ptsname_r(master, name, sizeof(name)), 0);
	close(open(name, O_RDWR | O_NOCTTY)); /* opened and closed: from now on EIO and HUP */
	open_channel(r, CHARDEV_PTY, master);
	for (unsigned i = 0; i < 100; i++) {
		guest_writes(r, i * 100, 100);
		events(r);
		assert_false(dm_host_out_busy(r->dm, 0));
	}
	assert_int_equal(events(r), 0); /* hang-up is no busy loop */
	assert_true(chardev_wants_poll(&r->c));
	int slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(slave >= 0);
	events(r);
	ssize_t n = 0, k;
	while ((k = read(slave, buf + n, sizeof(buf) - (size_t)n)) > 0) {
		n += k;
		events(r);
	}
	assert_int_equal(dm_output_pending(r->dm, 0), 0);
	close(slave);
}

static void a_file_gets_everything(void **state)
{
	struct rig *r = *state;
	char buf[8192];
	int fd = memfd_create("out", MFD_CLOEXEC), keep = dup(fd);
	open_channel(r, CHARDEV_WRITE, fd);
	guest_writes(r, 0, 3000);
	events(r);
	assert_int_equal(pread(keep, buf, sizeof(buf), 0), 3000);
	expect_text(buf, 3000, 0);
	close(keep);
}

static void a_full_disk_drops_output_and_stays_open_for_the_guest(void **state)
{
	struct rig *r = *state;
	open_channel(r, CHARDEV_WRITE, open("/dev/full", O_WRONLY | O_CLOEXEC));
	for (unsigned i = 0; i < 3; i++) {
		guest_writes(r, i, 100);
		events(r);
		assert_int_equal(dm_output_pending(r->dm, 0), 0);
		assert_true(dm_host_peer(r->dm, 0));
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_slow_reader_gets_everything_and_the_device_is_told),
		T(input_is_read_only_as_far_as_there_is_room),
		T(half_closed_input_still_takes_output),
		T(a_stream_whose_peer_is_gone_drops_output),
		T(null_drops_output),
		T(a_late_client_gets_the_newest_output_and_the_next_one_after_it),
		T(a_pty_without_a_reader_blocks_nobody_and_keeps_the_newest),
		T(a_file_gets_everything),
		T(a_full_disk_drops_output_and_stays_open_for_the_guest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
