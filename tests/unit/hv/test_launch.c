/* SPDX-License-Identifier: Apache-2.0 */
/* The packet with which a VM begins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "base/fd.h"
#include "hv/launch.h"
#include "proto/dock.h"

static void *text(const char *s)
{
	return (void *)(uintptr_t)s;
}

static int config_fd(uint32_t *ret_len)
{
	uint8_t buf[256];
	Outrigger__VmConfig c = OUTRIGGER__VM_CONFIG__INIT;
	c.name = text("vm7");
	*ret_len = (uint32_t)outrigger__vm_config__pack(&c, buf);
	int fd = memfd_create("config", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, buf, *ret_len), 0);
	return fd;
}

static int exchange(const struct launch_header *h, size_t len, const int *fds, unsigned n,
		    struct launch *l, struct err *err)
{
	int s[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s), 0);
	if (len)
		assert_int_equal(fdpass_send(s[0], h, len, fds, n), 0);
	close(s[0]);
	int rc = launch_receive(s[1], l, err);
	close(s[1]);
	return rc;
}

static void config_and_descriptors_arrive(void **state)
{
	(void)state;
	struct launch_header h = {.magic = LAUNCH_MAGIC, .version = LAUNCH_VERSION, .nfds = 2};
	struct launch l = {0};
	struct err err = {0};
	int fds[] = {config_fd(&h.config_len), 1, 2};
	assert_int_equal(exchange(&h, sizeof(h), fds, 3, &l, &err), 0);
	assert_string_equal(l.cfg->name, "vm7");
	assert_int_equal(l.nfds, 2);
	launch_fini(&l);
	assert_null(l.cfg);
	close(fds[0]);
}

static void broken_packet_is_refused(void **state)
{
	(void)state;
	const struct launch_header good = {.magic = LAUNCH_MAGIC, .version = LAUNCH_VERSION};
	struct launch l = {0};
	struct err err = {0};
	struct launch_header h = good;
	int fds[] = {config_fd(&h.config_len), 1};
	uint32_t len = h.config_len;
	h.version++;
	assert_true(exchange(&h, sizeof(h), fds, 1, &l, &err) < 0);
	h = good;
	h.config_len = len;
	h.magic++;
	assert_true(exchange(&h, sizeof(h), fds, 1, &l, &err) < 0);
	h = good;
	h.config_len = len + 1;
	assert_true(exchange(&h, sizeof(h), fds, 1, &l, &err) < 0);
	assert_non_null(strstr(err.msg, "announced"));
	h.config_len = UINT32_MAX;
	assert_true(exchange(&h, sizeof(h), fds, 1, &l, &err) < 0);
	h.config_len = len - 1; /* cuts the message */
	assert_true(exchange(&h, sizeof(h), fds, 1, &l, &err) < 0);
	h.config_len = len;
	assert_true(exchange(&h, sizeof(h), fds, 2, &l, &err) < 0); /* one was not announced */
	assert_true(exchange(&h, sizeof(h), NULL, 0, &l, &err) < 0);
	assert_true(exchange(&h, 8, fds, 1, &l, &err) < 0);
	assert_true(exchange(&h, 0, NULL, 0, &l, &err) < 0); /* the launcher is gone */
	assert_null(l.cfg);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(config_and_descriptors_arrive),
		cmocka_unit_test(broken_packet_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
