/* SPDX-License-Identifier: Apache-2.0 */
/* Networks that the launcher opens: option texts, sockets in either order, passt, tap devices. */
#include "launcher/hostio.h"
#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <netinet/in.h>
#include <cmocka.h>
#include "base/bytes.h"
#include "base/fd.h"
#include "launcher/netopt.h"
#include "launcher/text.h"

enum { MAC, MTU, QUEUES, QUEUE_SIZE, FORWARD, OPTIONS };
static const char *const names[OPTIONS] = {"mac", "mtu", "queues", "queue_size", "forward"};

/** struct fix - a device with these options, in a VM named v, in a folder of its own. */
struct fix {
	struct config c;
	struct config_device dev;
	struct model model;
	Outrigger__ModelDescription desc;
	Outrigger__OptionDescription opt[OPTIONS], *opts[OPTIONS];
	char *values[OPTIONS];
	char dir[64];
	struct err err;
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	outrigger__model_description__init(&f->desc);
	for (int i = 0; i < OPTIONS; i++) {
		outrigger__option_description__init(&f->opt[i]);
		f->opt[i].name = (char *)(uintptr_t)names[i];
		f->opts[i] = &f->opt[i];
	}
	f->desc.options = f->opts;
	f->desc.n_options = OPTIONS;
	f->model.desc = &f->desc;
	f->dev.name = "net0";
	f->dev.model = &f->model;
	f->dev.values = f->values;
	strcpy(f->dir, "/tmp/net-test-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	setenv("XDG_RUNTIME_DIR", f->dir, 1);
	f->c.dir = f->dir;
	f->c.name = xstrdup("v");
	char *p = xasprintf("%s/outrigger", f->dir), *q = xasprintf("%s/outrigger/v", f->dir);
	mkdir(p, 0700);
	mkdir(q, 0700);
	free(p);
	free(q);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;
	char *cmd = xasprintf("rm -rf '%s'", f->dir);
	int rc = system(cmd);
	free(cmd);
	for (int i = 0; i < OPTIONS; i++)
		free(f->values[i]);
	free(f->c.name);
	free(f);
	return rc;
}

static void set(struct fix *f, int option, const char *value)
{
	free(f->values[option]);
	f->values[option] = value ? xstrdup(value) : NULL;
}

static int open_net(struct fix *f, const char *value, struct hostio *h)
{
	f->err.msg[0] = 0;
	return hostio_open_net(&f->c, &f->dev, value, h, &f->err);
}

/* ---- texts ------------------------------------------------------------------------------------ */

static void a_network_is_told_from_nonsense(void **state)
{
	static const char *const good[] = {"none",    "user",	       "tap",
					   "tap:vm0", "socket:/tmp/x", "socket:x"};
	static const char *const bad[] = {"",	    "no",      "none:",
					  "user:x", "tap:",    "tap:a/b",
					  "socket", "socket:", "tap:0123456789abcdef",
					  "bridge", "usernet"};
	struct err err;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(hostio_check_net(good[i], &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(hostio_check_net(bad[i], &err), -EINVAL);
}

static void forwards_are_read_and_bound_to_loopback_unless_told_otherwise(void **state)
{
	struct net_forward f[NET_FORWARDS_MAX];
	unsigned n = 0;
	(void)state;
	assert_int_equal(
		net_forwards("tcp:2222:22,udp:0.0.0.0/5353:53,tcp:::1/80:8080", f, &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_string_equal(f[0].option, "-t");
	assert_string_equal(f[0].spec, "127.0.0.1/2222:22");
	assert_string_equal(f[1].option, "-u");
	assert_string_equal(f[1].spec, "0.0.0.0/5353:53");
	assert_string_equal(f[2].spec, "::1/80:8080");
	static const char *const bad[] = {
		"tcp",	    "tcp:",	 "tcp:22",	     "tcp:0:22",      "tcp:22:65536",
		"icmp:1:1", "tcp:1:2,",	 "tcp:1:2,,tcp:3:4", "tcp:x/1:2",     "tcp:-1:2",
		",",	    "tcp:1:2:3", "tcp:--help/1:2",   "tcp:123456:22", "tcp: 1:2"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(net_forwards(bad[i], f, &n, NULL), -EINVAL);
	AUTO_SB many = {0};
	for (unsigned i = 0; i <= NET_FORWARDS_MAX; i++)
		sb_addf(&many, "%stcp:%u:1", i ? "," : "", i + 1);
	assert_int_equal(net_forwards(sb_str(&many), f, &n, NULL), -E2BIG);
}

static void a_made_address_is_stable_local_and_differs(void **state)
{
	char a[18], b[18], c[18];
	(void)state;
	net_mac_make("vm", "net0", a);
	net_mac_make("vm", "net0", b);
	net_mac_make("vm", "net1", c);
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
	net_mac_make("vmnet", "0", b);
	assert_string_not_equal(a, b);
	assert_memory_equal(a, "02:", 3);
	assert_int_equal(strlen(a), 17);
}

static void wrong_options_are_named(void **state)
{
	static const struct {
		int option;
		const char *value, *net, *says;
	} cases[] = {
		{MAC, "01:00:00:00:00:01", "none", "unicast"},
		{MAC, "02:00:00:00:00", "none", "02:00:00:12:34:56"},
		{MAC, "00:00:00:00:00:00", "none", "unicast"},
		{MAC, "02:00:00:00:00:0g", "none", "mac"},
		{MTU, "67", "none", "68 to 65535"},
		{MTU, "65536", "none", "68 to 65535"},
		{QUEUES, "0", "none", "1 to 8"},
		{QUEUES, "9", "tap", "1 to 8"},
		{QUEUES, "2", "user", "tap"},
		{QUEUES, "2", "socket:x", "tap"},
		{QUEUE_SIZE, "100", "none", "power of two"},
		{QUEUE_SIZE, "2048", "none", "1024"},
		{FORWARD, "tcp:1:2", "none", "user only"},
		{FORWARD, "tcp:1", "user", "HOSTPORT"},
	};
	struct fix *f = *state;
	struct hostio h;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		set(f, cases[i].option, cases[i].value);
		assert_int_equal(open_net(f, cases[i].net, &h), -EINVAL);
		assert_non_null(strstr(f->err.msg, cases[i].says));
		set(f, cases[i].option, NULL);
	}
}

static void none_needs_nothing_and_the_address_is_filled_in(void **state)
{
	struct fix *f = *state;
	struct hostio h;
	assert_int_equal(open_net(f, "none", &h), 0);
	assert_string_equal(h.wire, "none");
	assert_int_equal(h.nfds, 0);
	assert_non_null(f->values[MAC]);
	hostio_close(&h);
	set(f, MAC, "02:00:00:00:00:07");
	assert_int_equal(open_net(f, "none", &h), 0);
	assert_string_equal(f->values[MAC], "02:00:00:00:00:07");
	hostio_close(&h);
}

/* ---- sockets ---------------------------------------------------------------------------------- */

static bool listens(int fd)
{
	int v = 0;
	socklen_t len = sizeof(v);
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &v, &len) == 0 && v;
}

static void the_first_listens_and_the_second_connects(void **state)
{
	struct fix *f = *state;
	struct hostio a, b;
	struct stat st;
	char *path = xasprintf("%s/wire", f->dir);
	assert_int_equal(open_net(f, "socket:wire", &a), 0);
	assert_string_equal(a.wire, "stream");
	assert_int_equal(a.nfds, 1);
	assert_true(listens(a.fds[0]));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	assert_int_equal(open_net(f, "socket:wire", &b), 0);
	assert_false(listens(b.fds[0]));
	assert_null(b.remove);
	int peer = accept(a.fds[0], NULL, NULL);
	assert_true(peer >= 0);
	assert_int_equal(write(b.fds[0], "x", 1), 1);
	char c = 0;
	assert_int_equal(read(peer, &c, 1), 1);
	close(peer);
	hostio_close(&b);
	assert_int_equal(stat(path, &st), 0);
	hostio_close(&a);
	assert_int_not_equal(stat(path, &st), 0);
	free(path);
}

static void a_socket_that_a_dead_vm_left_is_taken_over(void **state)
{
	struct fix *f = *state;
	struct hostio a, b;
	assert_int_equal(open_net(f, "socket:wire", &a), 0);
	close(a.fds[0]);
	a.nfds = 0;
	assert_int_equal(open_net(f, "socket:wire", &b), 0);
	assert_true(listens(b.fds[0]));
	hostio_close(&b);
	hostio_close(&a);
}

static void a_file_in_the_sockets_place_is_left_alone(void **state)
{
	struct fix *f = *state;
	struct hostio h;
	struct stat st;
	char *path = xasprintf("%s/file", f->dir);
	FILE *file = fopen(path, "w");
	fclose(file);
	assert_true(open_net(f, "socket:file", &h) < 0);
	assert_non_null(strstr(f->err.msg, path));
	assert_int_equal(stat(path, &st), 0);
	char *longname = xasprintf("socket:%0120d", 0);
	assert_int_equal(open_net(f, longname, &h), -ENAMETOOLONG);
	free(longname);
	free(path);
}

/* ---- passt ------------------------------------------------------------------------------------ */

static void without_passt_its_package_is_named(void **state)
{
	struct fix *f = *state;
	struct hostio h;
	char *path = xstrdup(getenv("PATH"));
	setenv("PATH", f->dir, 1);
	assert_int_equal(open_net(f, "user", &h), -ENOENT);
	assert_non_null(strstr(f->err.msg, "apt-get install passt"));
	setenv("PATH", path, 1);
	free(path);
}

static void need_passt(struct fix *f)
{
	struct hostio h;
	int rc = open_net(f, "user", &h);
	if (rc == 0) {
		hostio_close(&h);
		return;
	}
	print_message("skipped: no passt that works here: %s\n", f->err.msg);
	skip();
}

static void passt_serves_and_ends_with_us(void **state)
{
	struct fix *f = *state;
	struct hostio h;
	need_passt(f);
	assert_int_equal(open_net(f, "user", &h), 0);
	assert_string_equal(h.wire, "stream");
	assert_int_equal(h.nfds, 1);
	pid_t pid = h.helper;
	assert_true(pid > 0);
	assert_int_equal(kill(pid, 0), 0);
	/* Nothing of the launcher's own question is left for the daemon to read. */
	struct pollfd p = {.fd = h.fds[0], .events = POLLIN};
	assert_int_equal(poll(&p, 1, 0), 0);
	hostio_close(&h);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
}

static void passt_ends_by_itself_when_nobody_holds_the_other_end(void **state)
{
	struct fix *f = *state;
	struct hostio h;
	siginfo_t si = {0};
	need_passt(f);
	assert_int_equal(open_net(f, "user", &h), 0);
	hostio_sent(&h);
	assert_int_equal(waitid(P_PID, (id_t)h.helper, &si, WEXITED | WNOWAIT), 0);
	hostio_close(&h);
}

static void a_port_that_is_taken_is_told(void **state)
{
	struct fix *f = *state;
	struct hostio h;
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	need_passt(f);
	AUTO_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	char *forward = xasprintf("tcp:%u:22", ntohs(sa.sin_port));
	set(f, FORWARD, forward);
	assert_int_equal(open_net(f, "user", &h), -EIO);
	assert_non_null(strstr(f->err.msg, "passt did not start"));
	char *port = xasprintf("%u", ntohs(sa.sin_port));
	assert_non_null(strstr(f->err.msg, port));
	free(port);
	free(forward);
	set(f, FORWARD, NULL);
}

/* ---- tap -------------------------------------------------------------------------------------- */

static void a_tap_device_has_a_descriptor_for_each_pair(void **state)
{
	struct fix *f = *state;
	struct hostio h;
	struct ifreq r;
	set(f, QUEUES, "3");
	if (open_net(f, "tap", &h) < 0) {
		print_message("skipped: no tap devices here: %s\n", f->err.msg);
		assert_true(f->err.msg[0]);
		skip();
	}
	assert_string_equal(h.wire, "tap");
	assert_int_equal(h.nfds, 3);
	for (unsigned i = 0; i < 3; i++) {
		memset(&r, 0, sizeof(r));
		assert_int_equal(ioctl(h.fds[i], TUNGETIFF, &r), 0);
		assert_true(r.ifr_flags & IFF_VNET_HDR);
		assert_true(r.ifr_flags & IFF_NO_PI);
	}
	struct hostio again;
	char *name = xasprintf("tap:%s", r.ifr_name);
	set(f, QUEUES, NULL);
	hostio_close(&h);
	assert_int_equal(open_net(f, name, &h), 0); /* gone with its last descriptor: made anew */
	assert_true(open_net(f, name, &again) < 0);
	assert_non_null(strstr(f->err.msg, "in use"));
	hostio_close(&h);
	free(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_network_is_told_from_nonsense),
		cmocka_unit_test(forwards_are_read_and_bound_to_loopback_unless_told_otherwise),
		cmocka_unit_test(a_made_address_is_stable_local_and_differs),
		cmocka_unit_test_setup_teardown(wrong_options_are_named, setup, teardown),
		cmocka_unit_test_setup_teardown(none_needs_nothing_and_the_address_is_filled_in,
						setup, teardown),
		cmocka_unit_test_setup_teardown(the_first_listens_and_the_second_connects, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_socket_that_a_dead_vm_left_is_taken_over, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_file_in_the_sockets_place_is_left_alone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(without_passt_its_package_is_named, setup,
						teardown),
		cmocka_unit_test_setup_teardown(passt_serves_and_ends_with_us, setup, teardown),
		cmocka_unit_test_setup_teardown(
			passt_ends_by_itself_when_nobody_holds_the_other_end, setup, teardown),
		cmocka_unit_test_setup_teardown(a_port_that_is_taken_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(a_tap_device_has_a_descriptor_for_each_pair, setup,
						teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
