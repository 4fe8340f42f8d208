/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/backends.h"
#include "base/fd.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static int open_null(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static Outrigger__BackendFd make(const char *option, const char *kind, int index)
{
	Outrigger__BackendFd b = OUTRIGGER__BACKEND_FD__INIT;
	b.option = (char *)(uintptr_t)option;
	b.kind = (char *)(uintptr_t)kind;
	b.fd_index = index;
	return b;
}

/* A network of two queues and a dump. */
static void set_make(struct backend_set *b)
{
	Outrigger__BackendFd m[3] = {make("net", "tap", 1), make("net", "tap", 0),
				     make("dump", "write", 2)};
	Outrigger__BackendFd *ptrs[3] = {&m[0], &m[1], &m[2]};
	int fds[3] = {open_null(), open_null(), open_null()};
	assert_int_equal(backends_init(b, ptrs, 3, fds), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fds[i], -1);
}

static void what_is_named_is_replaced_and_the_rest_is_copied(void **state)
{
	struct backend_set old, new;
	Outrigger__BackendFd m = make("net", "stream", 0), *list[1] = {&m};
	Outrigger__BackendFd msg[LIMIT_FDS], *ptrs[LIMIT_FDS];
	int fds[1] = {open_null()}, raw[LIMIT_FDS], given = fds[0];
	(void)state;
	set_make(&old);
	assert_int_equal(backends_replace(&old, list, 1, fds, 1, &new), 0);
	assert_int_equal(fds[0], -1);
	assert_int_equal(new.n, 2);
	assert_int_equal(backends_fill(&new, msg, ptrs), 2);
	assert_int_equal(backends_fds(&new, raw), 2);
	assert_string_equal(msg[0].option, "dump");
	assert_int_equal(msg[0].fd_index, 0);
	assert_int_not_equal(raw[0], old.item[2].fd); /* a copy: each set closes its own */
	assert_string_equal(msg[1].option, "net");
	assert_string_equal(msg[1].kind, "stream");
	assert_int_equal(raw[1], given);
	int before = old.item[2].fd;
	backends_fini(&old);
	assert_false(is_open(before));
	assert_true(is_open(raw[0]));
	backends_fini(&new);
	assert_false(is_open(raw[0]));
	assert_false(is_open(given));
}

static void nowhere_needs_no_descriptor(void **state)
{
	struct backend_set old, new;
	Outrigger__BackendFd m = make("net", "none", -1), *list[1] = {&m};
	Outrigger__BackendFd msg[LIMIT_FDS], *ptrs[LIMIT_FDS];
	int raw[LIMIT_FDS];
	(void)state;
	set_make(&old);
	assert_int_equal(backends_replace(&old, list, 1, NULL, 0, &new), 0);
	assert_int_equal(backends_fill(&new, msg, ptrs), 2);
	assert_int_equal(msg[1].fd_index, -1);
	assert_int_equal(backends_fds(&new, raw), 1);
	backends_fini(&new);
	backends_fini(&old);
}

static void what_makes_no_sense_leaves_nothing_behind(void **state)
{
	struct backend_set old, new;
	Outrigger__BackendFd m[LIMIT_FDS + 1], *list[LIMIT_FDS + 1];
	int fds[1] = {open_null()};
	(void)state;
	set_make(&old);
	m[0] = make("net", "stream", 1); /* one came, this is the second */
	list[0] = &m[0];
	assert_true(backends_replace(&old, list, 1, fds, 1, &new) < 0);
	assert_int_equal(new.n, 0);
	assert_true(fds[0] >= 0);
	for (unsigned i = 0; i <= LIMIT_FDS; i++) {
		m[i] = make("net", "none", -1);
		list[i] = &m[i];
	}
	assert_true(backends_replace(&old, list, LIMIT_FDS + 1, NULL, 0, &new) < 0);
	assert_int_equal(new.n, 0);
	assert_true(backends_replace(&old, list, LIMIT_FDS, NULL, 0, &new) < 0); /* and the dump */
	assert_int_equal(new.n, 0);
	assert_int_equal(old.n, 3);
	close(fds[0]);
	backends_fini(&old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_named_is_replaced_and_the_rest_is_copied),
		cmocka_unit_test(nowhere_needs_no_descriptor),
		cmocka_unit_test(what_makes_no_sense_leaves_nothing_behind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
