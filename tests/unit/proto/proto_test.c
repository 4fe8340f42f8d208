/* SPDX-License-Identifier: Apache-2.0 */
/* The dock and the control sockets: descriptors arrive, strangers and nonsense do not get in, sizes are bounded. */
#include "proto/ctl.h"
#include "proto/dock.h"
#include "base/bytes.h"
#include "base/fd.h"
#include <errno.h>
#include <fcntl.h>
#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <setjmp.h>
#include <cmocka.h>

static char dir[] = "/tmp/outrigger-proto-XXXXXX";
static char path[128], url[128];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/dock", dir);
	snprintf(url, sizeof(url), "ipc://%s/ctl", dir);
	ctl_setup();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	char ctl[128];
	snprintf(ctl, sizeof(ctl), "%s/ctl", dir);
	unlink(path);
	unlink(ctl);
	return rmdir(dir);
}

struct dock_side {
	int listener;
	int status;
	unsigned send_fds;
	struct dock_request got;
	pid_t pid;
	int err;
};

static void *dock_answer(void *arg)
{
	struct dock_side *d = arg;
	struct pollfd p = {.fd = d->listener, .events = POLLIN};
	poll(&p, 1, 10000);
	AUTO_FD c = accept4(d->listener, NULL, NULL, SOCK_CLOEXEC);
	p.fd = c;
	poll(&p, 1, 10000);
	d->err = dock_recv_request(c, &d->got, &d->pid, NULL);
	struct dock_reply r = {.magic = DOCK_MAGIC,
			       .version = DOCK_VERSION,
			       .status = d->status,
			       .epoch = 3,
			       .nfds = d->send_fds,
			       .device = "uart0",
			       .control_url = "ipc:///x",
			       .reason = "the token was used already"};
	int fds[LIMIT_FDS];
	for (unsigned i = 0; i < d->send_fds; i++)
		fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
	dock_send_reply(c, &r, fds, d->send_fds);
	for (unsigned i = 0; i < d->send_fds; i++)
		close(fds[i]);
	return NULL;
}

static int dock_once(struct dock_side *d, const char *token, struct dock_reply *rep, int *fds,
		     unsigned max, unsigned *n, struct err *err)
{
	pthread_t t;
	d->listener = dock_listen(path, NULL);
	assert_true(d->listener >= 0);
	pthread_create(&t, NULL, dock_answer, d);
	int r = dock_connect(path, token, 5000, rep, fds, max, n, err);
	pthread_join(t, NULL);
	close(d->listener);
	return r;
}

static void dock_hands_over_descriptors_and_names_the_peer(void **state)
{
	(void)state;
	struct dock_side d = {.send_fds = DOCK_FD_BACKEND};
	struct dock_reply rep;
	struct err err;
	int fds[8];
	unsigned n = 0;
	char token[LIMIT_TOKEN + 1];
	dock_token_make(token);
	assert_int_equal(strlen(token), LIMIT_TOKEN);
	int c = dock_once(&d, token, &rep, fds, 8, &n, &err);
	assert_true(c >= 0);
	assert_int_equal(n, DOCK_FD_BACKEND);
	assert_int_equal(d.err, 0);
	assert_int_equal(d.pid, getpid());
	assert_string_equal(d.got.token, token);
	assert_string_equal(rep.device, "uart0");
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		close(fds[i]);
	}
	close(c);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void dock_refusal_carries_the_reason(void **state)
{
	(void)state;
	struct dock_side d = {.status = EACCES};
	struct dock_reply rep;
	struct err err = {0};
	int fds[8];
	unsigned n = 0;
	assert_int_equal(dock_once(&d, "00", &rep, fds, 8, &n, &err), -EACCES);
	assert_non_null(strstr(err.msg, "used already"));
	assert_int_equal(n, 0);
}

static void dock_surplus_descriptors_are_refused_and_closed(void **state)
{
	(void)state;
	struct dock_side d = {.send_fds = 7};
	struct dock_reply rep;
	int fds[8];
	unsigned n = 9;
	int before = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(before);
	assert_true(dock_once(&d, "00", &rep, fds, 4, &n, NULL) < 0);
	int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(after);
	assert_int_equal(before, after);
}

static void dock_request_of_wrong_shape_is_refused(void **state)
{
	(void)state;
	int sv[2];
	struct dock_request req;
	pid_t pid;
	struct dock_request bad = {.magic = DOCK_MAGIC, .version = DOCK_VERSION};
	memset(bad.token, 'a', sizeof(bad.token)); /* not terminated */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(dock_recv_request(sv[0], &req, &pid, NULL), -EAGAIN);
	send(sv[1], "hello", 5, 0);
	assert_int_equal(dock_recv_request(sv[0], &req, &pid, NULL), -EPROTO);
	send(sv[1], &bad, sizeof(bad), 0);
	assert_int_equal(dock_recv_request(sv[0], &req, &pid, NULL), -EPROTO);
	char big[4096] = {0};
	send(sv[1], big, sizeof(big), 0);
	assert_int_equal(dock_recv_request(sv[0], &req, &pid, NULL), -EPROTO);
	close(sv[1]);
	assert_int_equal(dock_recv_request(sv[0], &req, &pid, NULL), -ECONNRESET);
	close(sv[0]);
}

static void dock_path_too_long_is_told(void **state)
{
	(void)state;
	char longpath[200];
	struct err err = {0};
	memset(longpath, 'x', sizeof(longpath) - 1);
	longpath[sizeof(longpath) - 1] = 0;
	assert_int_equal(dock_listen(longpath, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.msg, "XDG_RUNTIME_DIR"));
}

static void control_messages_go_both_ways(void **state)
{
	(void)state;
	struct ctl *a = NULL, *b = NULL;
	struct err err = {0};
	ProtobufCMessage *m = NULL;
	assert_int_equal(ctl_listen(CTL_PAIR, url, &a, &err), 0);
	assert_int_equal(ctl_dial(CTL_PAIR, url, 2000, &b, &err), 0);
	assert_int_equal(ctl_recv(a, &outrigger__from_daemon__descriptor, 0, &m), -EAGAIN);
	Outrigger__Hello h = OUTRIGGER__HELLO__INIT;
	h.model = (char *)"pl011";
	h.model_version = 7;
	Outrigger__FromDaemon f = OUTRIGGER__FROM_DAEMON__INIT;
	f.kind_case = OUTRIGGER__FROM_DAEMON__KIND_HELLO;
	f.hello = &h;
	assert_int_equal(ctl_send(b, &f.base, 1000), 0);
	struct pollfd p = {.fd = ctl_fd(a), .events = POLLIN};
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(ctl_recv(a, &outrigger__from_daemon__descriptor, 0, &m), 0);
	Outrigger__FromDaemon *g = (Outrigger__FromDaemon *)(void *)m;
	assert_int_equal(g->kind_case, OUTRIGGER__FROM_DAEMON__KIND_HELLO);
	assert_string_equal(g->hello->model, "pl011");
	assert_int_equal(ctl_peer_pid(a), getpid());
	ctl_free(m);
	ctl_close(b);
	ctl_close(a);
}

static void unpacking_is_bounded(void **state)
{
	(void)state;
	/* 100,000 empty submessages: 200 kB on the wire, many MB unpacked. */
	size_t n = 100000;
	uint8_t *buf = malloc(2 * n);
	for (size_t i = 0; i < n; i++) {
		buf[2 * i] = 14 << 3 | 2; /* VmConfig.devices, length-delimited */
		buf[2 * i + 1] = 0;
	}
	assert_null(ctl_unpack(&outrigger__vm_config__descriptor, buf, 2 * n));
	ProtobufCMessage *few = ctl_unpack(&outrigger__vm_config__descriptor, buf, 2 * 50);
	assert_non_null(few);
	ctl_free(few);
	free(buf);
	uint8_t *huge = calloc(1, LIMIT_MSG_BYTES + 1);
	assert_null(ctl_unpack(&outrigger__vm_config__descriptor, huge, LIMIT_MSG_BYTES + 1));
	free(huge);
}

static void unpacking_random_bytes_never_crashes(void **state)
{
	(void)state;
	uint32_t seed = 12345;
	for (int i = 0; i < 20000; i++) {
		uint8_t b[64];
		for (size_t k = 0; k < sizeof(b); k++)
			b[k] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
		ctl_free(ctl_unpack(&outrigger__from_daemon__descriptor, b, seed % sizeof(b)));
		ctl_free(ctl_unpack(&outrigger__vm_config__descriptor, b, sizeof(b)));
	}
}

static void oversized_frame_is_dropped(void **state)
{
	(void)state;
	struct ctl *a = NULL;
	ProtobufCMessage *m = NULL;
	assert_int_equal(ctl_listen(CTL_PAIR, url, &a, NULL), 0);
	nng_socket s;
	assert_int_equal(nng_pair1_open(&s), 0);
	nng_socket_set_ms(s, NNG_OPT_SENDTIMEO, 200);
	assert_int_equal(nng_dial(s, url, NULL, 0), 0);
	void *big = calloc(1, LIMIT_MSG_BYTES + 1);
	nng_send(s, big, LIMIT_MSG_BYTES + 1, 0);
	int r = ctl_recv(a, &outrigger__from_daemon__descriptor, 200, &m);
	assert_true(r == -EAGAIN || r == -EPIPE);
	free(big);
	/* @s is left to the end of the process: nng_close() itself can wait for ever (docs/adr/0008-closing-nng.md). */
	ctl_close(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dock_hands_over_descriptors_and_names_the_peer),
		cmocka_unit_test(dock_refusal_carries_the_reason),
		cmocka_unit_test(dock_surplus_descriptors_are_refused_and_closed),
		cmocka_unit_test(dock_request_of_wrong_shape_is_refused),
		cmocka_unit_test(dock_path_too_long_is_told),
		cmocka_unit_test(control_messages_go_both_ways),
		cmocka_unit_test(unpacking_is_bounded),
		cmocka_unit_test(unpacking_random_bytes_never_crashes),
		cmocka_unit_test(oversized_frame_is_dropped),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
