/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and locking of disk images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "launcher/hostio.h"

/* ---- a config of one disk -------------------------------------------------------------------------------- */

static char dir[] = "/tmp/launcher-disk-XXXXXX";
static struct err err;
static struct hostio io;

static Outrigger__OptionDescription descs[3] = {OUTRIGGER__OPTION_DESCRIPTION__INIT,
						OUTRIGGER__OPTION_DESCRIPTION__INIT,
						OUTRIGGER__OPTION_DESCRIPTION__INIT};
static Outrigger__OptionDescription *desc_list[] = {&descs[0], &descs[1], &descs[2]};

/* hostio_open_disk() with these options into io and err. */
static int open_with(const char *value, const char *readonly, const char *cache)
{
	Outrigger__ModelDescription desc = OUTRIGGER__MODEL_DESCRIPTION__INIT;
	char name0[] = "path", name1[] = "readonly", name2[] = "cache", path[128], ro[8], ca[16];
	descs[0].name = name0;
	descs[1].name = name1;
	descs[2].name = name2;
	desc.n_options = 3;
	desc.options = desc_list;
	snprintf(path, sizeof(path), "%s", value);
	snprintf(ro, sizeof(ro), "%s", readonly);
	snprintf(ca, sizeof(ca), "%s", cache);
	struct model model = {.desc = &desc};
	char *values[] = {path, ro, ca};
	struct config_device dev = {.name = "disk0", .model = &model, .values = values};
	struct config c = {.dir = dir};
	io = (struct hostio){0};
	err.msg[0] = 0;
	return hostio_open_disk(&c, &dev, value, &io, &err);
}

static void done(void)
{
	for (unsigned i = 0; i < io.nfds; i++)
		fd_close(&io.fds[i]);
	io.nfds = 0;
}

static char *in_dir(const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void make_image(const char *name)
{
	int fd = open(in_dir(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	close(fd);
}

static void expect_error(const char *text)
{
	if (!strstr(err.msg, text))
		fail_msg("\"%s\" is not in \"%s\"", text, err.msg);
	assert_int_equal(io.nfds, 0);
}

/* ---- tests ---------------------------------------------------------------------------------------------------- */

static void an_image_is_opened_for_reading_and_writing(void **s)
{
	(void)s;
	make_image("a.img");
	assert_int_equal(open_with("a.img", "false", "writeback"), 0); /* relative to the config */
	assert_string_equal(io.wire, "disk");
	assert_int_equal(io.nfds, 1);
	int flags = fcntl(io.fds[0], F_GETFL);
	assert_int_equal(flags & O_ACCMODE, O_RDWR);
	assert_int_equal(flags & (O_DIRECT | O_NONBLOCK), 0);
	assert_int_equal(fcntl(io.fds[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	done();
	assert_int_equal(open_with("a.img", "true", "writeback"), 0);
	assert_int_equal(fcntl(io.fds[0], F_GETFL) & O_ACCMODE, O_RDONLY);
	done();
}

static void cache_none_opens_a_way_around_the_page_cache_and_one_through(void **s)
{
	(void)s;
	make_image("a.img");
	int rc = open_with("a.img", "false", "none");
	if (rc == -EINVAL) {
		print_message("no O_DIRECT here\n");
		expect_error("use cache: writeback");
		return;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(io.nfds, 2);
	assert_int_equal(fcntl(io.fds[0], F_GETFL) & O_DIRECT, O_DIRECT);
	assert_int_equal(fcntl(io.fds[1], F_GETFL) & O_DIRECT, 0);
	done();
}

static void a_second_writer_is_told_who_has_the_image(void **s)
{
	int ready[2], quit[2];
	char byte, want[64];
	(void)s;
	make_image("a.img");
	assert_int_equal(pipe(ready) | pipe(quit), 0);
	pid_t pid = fork();
	if (pid == 0) { /* "another VM" */
		close(quit[1]);
		byte = open_with("a.img", "false", "writeback") == 0;
		if (write(ready[1], &byte, 1) != 1 || read(quit[0], &byte, 1) < 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 1);
	assert_int_equal(open_with("a.img", "false", "writeback"), -EBUSY);
	snprintf(want, sizeof(want), "in use by another VM (process %d", pid);
	expect_error(want);
	expect_error("outrigger ps");
	assert_int_equal(open_with("a.img", "true", "writeback"), -EBUSY);
	close(quit[1]);
	waitpid(pid, NULL, 0);
	assert_int_equal(open_with("a.img", "false", "writeback"), 0);
	done();
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		if (!i)
			close(quit[i]);
	}
}

static void the_lock_is_the_open_files(void **s)
{
	(void)s;
	make_image("a.img");
	assert_int_equal(open_with("a.img", "false", "writeback"), 0);
	int daemon = fcntl(io.fds[0], F_DUPFD_CLOEXEC, 0); /* as by SCM_RIGHTS */
	done();
	assert_int_equal(open_with("a.img", "false", "writeback"), -EBUSY);
	expect_error("another disk of this VM");
	close(daemon);
	assert_int_equal(open_with("a.img", "false", "writeback"), 0);
	done();
}

static void readers_share_an_image(void **s)
{
	(void)s;
	make_image("a.img");
	assert_int_equal(open_with("a.img", "true", "writeback"), 0);
	int first = fd_steal(&io.fds[0]);
	assert_int_equal(open_with("a.img", "true", "writeback"), 0);
	done();
	assert_int_equal(open_with("a.img", "false", "writeback"), -EBUSY);
	expect_error("readonly: true in all of them");
	close(first);
}

static void what_is_no_image_is_refused(void **s)
{
	(void)s;
	assert_int_equal(open_with("none.img", "false", "writeback"), -ENOENT);
	expect_error("truncate -s 10G");
	assert_int_equal(open_with("/", "false", "writeback"), -EINVAL);
	expect_error("is a folder");
	assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
	assert_int_equal(open_with("fifo", "true", "writeback"), -EINVAL);
	expect_error("is a FIFO");
	unlink(in_dir("fifo"));
	assert_int_equal(open_with("/dev/null", "false", "writeback"), -EINVAL);
	expect_error("a character device");
}

/* proc(5)'s files refuse O_DIRECT on every kernel. */
static void a_file_system_without_o_direct_is_named(void **s)
{
	(void)s;
	assert_int_equal(open_with("/proc/self/cmdline", "true", "none"), -EINVAL);
	expect_error("does not know O_DIRECT, which cache: none needs; use cache: writeback");
}

static void without_permission_the_way_out_is_named(void **s)
{
	int status;
	(void)s;
	make_image("a.img");
	chmod(dir, 0755);
	chmod(in_dir("a.img"), 0444);
	pid_t pid = fork();
	if (pid == 0) {
		if (getuid() == 0 && (setgid(65534) || setuid(65534)))
			_exit(3);
		_exit(open_with("a.img", "false", "writeback") == -EACCES &&
				      strstr(err.msg, "readonly: true") &&
				      open_with("a.img", "true", "writeback") == 0
			      ? 0
			      : 1);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void values_are_checked_before_anything_is_opened(void **s)
{
	(void)s;
	assert_int_equal(hostio_check_disk("disk.img", &err), 0);
	assert_int_equal(hostio_check_disk("/dev/sdb", &err), 0);
	assert_int_equal(hostio_check_disk("", &err), -EINVAL);
	assert_int_equal(hostio_check_disk("images/", &err), -EINVAL);
	assert_non_null(strstr(err.msg, "is a folder"));
}

static int make_dir(void **s)
{
	(void)s;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **s)
{
	(void)s;
	unlink(in_dir("a.img"));
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_is_opened_for_reading_and_writing),
		cmocka_unit_test(cache_none_opens_a_way_around_the_page_cache_and_one_through),
		cmocka_unit_test(a_second_writer_is_told_who_has_the_image),
		cmocka_unit_test(the_lock_is_the_open_files),
		cmocka_unit_test(readers_share_an_image),
		cmocka_unit_test(what_is_no_image_is_refused),
		cmocka_unit_test(a_file_system_without_o_direct_is_named),
		cmocka_unit_test(without_permission_the_way_out_is_named),
		cmocka_unit_test(values_are_checked_before_anything_is_opened),
	};
	return cmocka_run_group_tests_name("launcher_disk", tests, make_dir, remove_dir);
}
