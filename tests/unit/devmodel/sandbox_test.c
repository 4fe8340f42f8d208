/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox from inside: what works, what is refused, what kills. Each case is a child process. */
#include "base/sandbox.h"
#include "base/bytes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const int *extra;
static size_t extras;
static uid_t as_user;
static bool sealed;

/* Runs @f in the sandbox; returns the child's wait status. */
static int in_sandbox(int (*f)(void))
{
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct sandbox sb = {0};
		struct err err = {{0}};
		if (as_user &&
		    (setresgid(as_user, as_user, as_user) || setresuid(as_user, as_user, as_user)))
			_exit(90);
		if (sandbox_isolate(&sb, "/tmp", false, &err))
			_exit(91);
		if (sealed && sandbox_seal(&sb, extra, extras, &err))
			_exit(92);
		_exit(f());
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int do_nothing(void)
{
	return 0;
}

static int do_getuid(void)
{
	return syscall(SYS_getuid) < 0;
}

static int do_open(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0;
}

static int do_fork(void)
{
	return fork() > 0;
}

static int do_socket(void)
{
	return !(socket(AF_UNIX, SOCK_STREAM, 0) == -1 && errno == EACCES);
}

static int do_map_exec(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p != MAP_FAILED;
}

static int do_map_data(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED || munmap(p, 4096);
}

/* Without the filter: the root is empty or Landlock denies; either way no file can be opened by an absolute path. */
static int do_look_around(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 || mkdir("/tmp/x", 0700) == 0;
}

static bool killed_by_filter(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static int setup(void **state)
{
	(void)state;
	extra = NULL;
	extras = 0;
	as_user = 0;
	sealed = true;
	return 0;
}

static void what_a_daemon_needs_works(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox(do_nothing), 0);
	assert_int_equal(in_sandbox(do_map_data), 0);
}

static void a_call_outside_the_list_kills(void **state)
{
	(void)state;
	assert_true(killed_by_filter(in_sandbox(do_getuid)));
	assert_true(killed_by_filter(in_sandbox(do_open)));
	assert_true(killed_by_filter(in_sandbox(do_fork)));
	assert_true(killed_by_filter(in_sandbox(do_map_exec)));
}

static void a_model_may_add_its_own_calls(void **state)
{
	static const int mine[] = {SYS_getuid};
	(void)state;
	extra = mine;
	extras = 1;
	assert_int_equal(in_sandbox(do_getuid), 0);
	assert_true(killed_by_filter(in_sandbox(do_open)));
}

static void a_library_that_reconnects_is_told_no(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox(do_socket), 0);
}

static void without_the_filter_there_are_no_files_either(void **state)
{
	struct sandbox_probe p;
	(void)state;
	sandbox_probe(&p);
	if (!p.mountns && !p.landlock)
		skip();
	sealed = false;
	assert_int_equal(in_sandbox(do_look_around), 0);
}

static void an_ordinary_user_can_have_it_too(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	as_user = 65534;
	assert_int_equal(in_sandbox(do_nothing), 0);
	assert_true(killed_by_filter(in_sandbox(do_open)));
}

static void each_common_call_has_its_reason(void **state)
{
	size_t n;
	(void)state;
	const struct sandbox_syscall *c = sandbox_common(&n);
	assert_true(n > 10);
	for (size_t i = 0; i < n; i++)
		assert_true(strlen(c[i].why) > 4);
}

static void the_report_names_what_is_missing(void **state)
{
	struct sandbox sb = {.on = SANDBOX_SECCOMP | SANDBOX_NO_CAPS};
	(void)state;
	const char *s = sandbox_report(&sb);
	const char *without = strstr(s, "; without ");
	assert_non_null(without);
	assert_true(strstr(s, "seccomp") < without);
	assert_non_null(strstr(without, "landlock"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, NULL)
	const struct CMUnitTest tests[] = {
		T(what_a_daemon_needs_works),
		T(a_call_outside_the_list_kills),
		T(a_model_may_add_its_own_calls),
		T(a_library_that_reconnects_is_told_no),
		T(without_the_filter_there_are_no_files_either),
		T(an_ordinary_user_can_have_it_too),
		cmocka_unit_test(each_common_call_has_its_reason),
		cmocka_unit_test(the_report_names_what_is_missing),
	};
#ifdef OUTRIGGER_SANITIZED
	puts("skipped: the sanitizers' runtime does not live under the filter");
	return 77;
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
