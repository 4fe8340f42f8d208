/* SPDX-License-Identifier: Apache-2.0 */
/* Peers that come and go, the dump, tap devices, and no network at all. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/bytes.h"
#include "rig.h"

#define OPS dm_host_net.ops

static uint8_t buf[PKT_MAX], frame[PKT_MAX], got[PKT_MAX];

static void a_peer_that_leaves_takes_the_link_down(void **state)
{
	struct rig r;
	uint8_t *f;
	(void)state;
	rig_stream(&r, NULL);
	assert_true(rig_up(&r));
	size_t n = pkt_build(&(struct pkt){.payload = 300}, frame, NULL);
	rig_put(&r, buf, rig_frame(frame, n, buf));
	close(r.peer);
	r.peer = -1;
	rig_pump(&r);
	assert_int_equal(OPS.link_peek(r.h, 0, 0, &f), n + 12); /* what it had sent is not lost */
	OPS.link_skip(r.h, 0, 0);
	assert_int_equal(OPS.link_peek(r.h, 0, 0, &f), 0);
	assert_false(rig_up(&r));
	assert_int_equal(rig_pump(&r), 1);
	assert_int_equal(rig_pump(&r), 0);
	assert_int_equal(rig_send(&r, NULL, frame, n), -ENETDOWN);
	rig_close(&r);
}

static void a_peer_that_leaves_while_we_send_is_noticed(void **state)
{
	struct rig r;
	(void)state;
	rig_stream(&r, NULL);
	close(r.peer);
	r.peer = -1;
	memset(frame, 0, 9000);
	assert_true(rig_send(&r, NULL, frame, 9000) < 0);
	assert_false(rig_up(&r));
	rig_close(&r);
}

/** struct server - a back-end that listens. */
struct server {
	struct rig r;
	struct sockaddr_un sa;
	int listen_fd; /* another descriptor of its socket */
};

static void server_open(struct server *s)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	s->sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(s->sa.sun_path + 1, sizeof(s->sa.sun_path) - 1, "host-net-test-%d", getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)&s->sa, sizeof(s->sa)), 0);
	assert_int_equal(listen(fd, 4), 0);
	s->listen_fd = dup(fd);
	struct host_fd h = {.option = "net", .kind = "stream", .fd = &fd};
	assert_int_equal(rig_open(&s->r, NULL, &h, 1), 0);
}

static int dial(struct server *s)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&s->sa, sizeof(s->sa)), 0);
	return fd;
}

static void peers_of_a_listening_link_come_one_after_the_other(void **state)
{
	struct server s;
	uint8_t *f;
	(void)state;
	server_open(&s);
	assert_false(rig_up(&s.r));
	assert_int_equal(rig_pump(&s.r), 0);
	size_t n = pkt_build(&(struct pkt){.payload = 300}, frame, NULL);
	for (unsigned i = 0; i < 3; i++) {
		s.r.peer = dial(&s);
		assert_int_equal(rig_pump(&s.r), 1);
		assert_true(rig_up(&s.r));
		int other = dial(&s); /* waits for its turn */
		rig_pump(&s.r);
		rig_put(&s.r, buf, rig_frame(frame, n, buf));
		rig_pump(&s.r);
		assert_int_equal(OPS.link_peek(s.r.h, 0, 0, &f), n + 12);
		OPS.link_skip(s.r.h, 0, 0);
		rig_put(&s.r, buf, 100); /* it dies in the middle of a frame */
		close(s.r.peer);
		rig_pump(&s.r);
		assert_int_equal(OPS.link_peek(s.r.h, 0, 0, &f), 0);
		s.r.peer = other;
		rig_pump(&s.r);
		assert_true(rig_up(&s.r));
		rig_put(&s.r, buf, rig_frame(frame, n, buf));
		rig_pump(&s.r);
		assert_int_equal(OPS.link_peek(s.r.h, 0, 0, &f), n + 12);
		OPS.link_skip(s.r.h, 0, 0);
		close(s.r.peer);
		s.r.peer = -1;
		rig_pump(&s.r);
		(void)OPS.link_peek(s.r.h, 0, 0, &f);
		assert_false(rig_up(&s.r));
		rig_pump(&s.r);
	}
	rig_close(&s.r);
	close(s.listen_fd);
}

static void a_peer_whose_daemon_was_killed_is_met_again(void **state)
{
	struct server s;
	struct rig c;
	uint8_t *f;
	int fds[3];
	struct host_fd h[3];
	(void)state;
	server_open(&s);
	for (unsigned i = 0; i < 3; i++) {
		fds[i] = dial(&s);
		h[i] = (struct host_fd){.option = "net", .kind = "stream", .fd = &fds[i]};
	}
	assert_int_equal(rig_open(&c, NULL, h, 3), 0);
	size_t n = pkt_build(&(struct pkt){.payload = 300}, frame, NULL);
	for (unsigned round = 0; round < 3; round++) {
		rig_pump(&s.r);
		assert_true(rig_up(&s.r));
		assert_int_equal(rig_send(&c, NULL, frame, n), 0);
		rig_pump(&c);
		rig_pump(&s.r);
		assert_int_equal(OPS.link_peek(s.r.h, 0, 0, &f), n + 12);
		/* The listening daemon dies; its socket does not: another one has it. */
		int fd = dup(s.listen_fd);
		struct host_fd again = {.option = "net", .kind = "stream", .fd = &fd};
		rig_close(&s.r);
		assert_int_equal(rig_open(&s.r, NULL, &again, 1), 0);
		rig_pump(&c);
		(void)OPS.link_peek(c.h, 0, 0, &f);
		assert_int_equal(rig_up(&c), round < 2);
	}
	assert_false(rig_up(&s.r)); /* what is left in its queue is dead */
	rig_close(&c);
	rig_close(&s.r);
	close(s.listen_fd);
}

static void no_network_takes_frames_and_gives_none(void **state)
{
	struct rig r;
	uint8_t *f;
	(void)state;
	assert_int_equal(rig_open(&r, NULL, NULL, 0), 0);
	assert_false(rig_up(&r));
	assert_true(rig_send(&r, NULL, frame, 100) < 0);
	assert_int_equal(OPS.link_peek(r.h, 0, 0, &f), 0);
	assert_int_equal(rig_pump(&r), 0);
	rig_close(&r);
}

static void a_descriptor_that_is_no_socket_is_refused(void **state)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct host_fd h = {.option = "net", .kind = "stream", .fd = &fd};
	struct rig r;
	(void)state;
	assert_true(rig_open(&r, NULL, &h, 1) < 0);
	assert_non_null(strstr(r.err.msg, "no socket"));
	close(fd);
	rig_close(&r);
}

/* ---- the dump --------------------------------------------------------------------------------- */

static void open_dumped(struct rig *r, const char *path)
{
	int sv[2], fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	struct host_fd h[2] = {{.option = "net", .kind = "stream", .fd = &sv[0]},
			       {.option = "pcap", .kind = "write", .fd = &fd}};
	assert_int_equal(rig_open(r, NULL, h, 2), 0);
	r->peer = sv[1];
	fcntl(r->peer, F_SETFL, O_NONBLOCK);
}

static void the_dump_holds_every_frame(void **state)
{
	char path[] = "/tmp/pcap-test-XXXXXX";
	struct rig r;
	uint8_t *f, *dump = calloc(1, 1 << 20);
	size_t n[2];
	(void)state;
	close(mkstemp(path));
	open_dumped(&r, path);
	r.t->real_ns = 1700000000123456789ull;
	n[0] = pkt_build(&(struct pkt){.payload = 9000}, frame, NULL);
	assert_int_equal(rig_send(&r, NULL, frame, n[0]), 0);
	n[1] = pkt_build(&(struct pkt){.payload = 10, .v6 = true}, got, NULL);
	rig_put(&r, buf, rig_frame(got, n[1], buf));
	rig_pump(&r);
	assert_int_equal(OPS.link_peek(r.h, 0, 0, &f), n[1] + 12);
	OPS.link_skip(r.h, 0, 0);
	for (unsigned i = 0; i < 4; i++) { /* written when idle, not only at the end */
		(void)OPS.link_peek(r.h, 0, 0, &f);
		rig_pump(&r);
	}
	FILE *file = fopen(path, "rb");
	size_t len = fread(dump, 1, 1 << 20, file);
	fclose(file);
	assert_int_equal(len, 24 + 16 + n[0] + 16 + n[1]);
	assert_int_equal(load_le(dump, 4), 0xa1b23c4d);
	assert_int_equal(load_le(dump + 4, 2), 2);
	assert_int_equal(load_le(dump + 6, 2), 4);
	assert_int_equal(load_le(dump + 20, 4), 1);
	const uint8_t *p = dump + 24, *want[2] = {frame, got};
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(load_le(p, 4), 1700000000);
		assert_int_equal(load_le(p + 4, 4), 123456789);
		assert_int_equal(load_le(p + 8, 4), n[i]);
		assert_int_equal(load_le(p + 12, 4), n[i]);
		assert_memory_equal(p + 16, want[i], n[i]);
		p += 16 + n[i];
	}
	rig_close(&r);
	unlink(path);
	free(dump);
}

static void a_full_disk_ends_the_dump_and_not_the_link(void **state)
{
	struct rig r;
	(void)state;
	open_dumped(&r, "/dev/full");
	assert_non_null(strstr(r.t->log, "dump ends"));
	unsigned logs = r.t->logs;
	for (unsigned i = 0; i < 100; i++) {
		memset(frame, 0, 5000);
		assert_int_equal(rig_send(&r, NULL, frame, 5000), 0);
		assert_int_equal(rig_get(&r, got), 5000);
		rig_pump(&r);
	}
	assert_int_equal(r.t->logs, logs);
	rig_close(&r);
}

/* ---- tap -------------------------------------------------------------------------------------- */

static int tap_fd(char name[IFNAMSIZ])
{
	struct ifreq q = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &q) < 0) {
		print_message("skipped: no tap devices here: %s\n", strerror(errno));
		skip();
	}
	memcpy(name, q.ifr_name, IFNAMSIZ);
	return fd;
}

static void a_tap_device_moves_frames_with_their_headers(void **state)
{
	char name[IFNAMSIZ];
	uint8_t *f;
	int fd = tap_fd(name), s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct host_fd h = {.option = "net", .kind = "tap", .fd = &fd};
	struct dm_link_info info;
	struct ifreq q = {0};
	struct rig r;
	(void)state;
	assert_int_equal(rig_open(&r, NULL, &h, 1), 0);
	OPS.link_info(r.h, 0, &info);
	assert_true(info.up && info.csum && info.tso4 && info.tso6 && info.rx_csum);
	OPS.link_offloads(r.h, 0, true, true, true);
	OPS.link_offloads(r.h, 0, false, false, false);
	memcpy(q.ifr_name, name, IFNAMSIZ);
	assert_int_equal(ioctl(s, SIOCGIFFLAGS, &q), 0);
	q.ifr_flags |= IFF_UP;
	assert_int_equal(ioctl(s, SIOCSIFFLAGS, &q), 0);
	close(s);
	/* The host announces its new interface by itself where it speaks IPv6: then a frame comes. */
	for (unsigned i = 0; i < 3; i++)
		rig_pump(&r);
	ssize_t n = OPS.link_peek(r.h, 0, 0, &f);
	assert_true(n == 0 || n >= 26);
	OPS.link_skip(r.h, 0, 0);
	struct pkt p = {.payload = 30000, .options = 12, .partial = true};
	unsigned l4;
	uint8_t hdr[12];
	size_t len = pkt_build(&p, frame, &l4);
	pkt_hdr(&p, l4, 1448, hdr);
	assert_int_equal(rig_send(&r, hdr, frame, len), 0);
	hdr[1] = 0x77; /* the kernel knows no such segmentation */
	assert_true(rig_send(&r, hdr, frame, len) < 0);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_peer_that_leaves_takes_the_link_down),
		cmocka_unit_test(a_peer_that_leaves_while_we_send_is_noticed),
		cmocka_unit_test(peers_of_a_listening_link_come_one_after_the_other),
		cmocka_unit_test(a_peer_whose_daemon_was_killed_is_met_again),
		cmocka_unit_test(no_network_takes_frames_and_gives_none),
		cmocka_unit_test(a_descriptor_that_is_no_socket_is_refused),
		cmocka_unit_test(the_dump_holds_every_frame),
		cmocka_unit_test(a_full_disk_ends_the_dump_and_not_the_link),
		cmocka_unit_test(a_tap_device_moves_frames_with_their_headers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
