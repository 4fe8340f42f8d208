/* SPDX-License-Identifier: Apache-2.0 */
/* Byte queues, the Ctrl-A escapes, the console between a device and its clients. */
#include "launcher/console.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>
#include "launcher/term.h"
#include "launcher/text.h"

static void queue_keeps_order_and_limit(void **state)
{
	struct queue q = {.limit = 1000};
	unsigned char in = 0, out = 0;
	bool was_full = false;
	(void)state;
	for (int i = 0; i < 500; i++) {
		char buf[97];
		size_t len, n = (size_t)i % sizeof(buf), before = q.len;
		for (size_t k = 0; k < n; k++)
			buf[k] = (char)(in + k);
		size_t put = queue_put(&q, buf, n);
		assert_int_equal(put, n < 1000 - before ? n : 1000 - before);
		in = (unsigned char)(in + put);
		was_full |= put < n;
		const char *p = queue_head(&q, &len);
		size_t take = len < 31 ? len : 31;
		for (size_t k = 0; k < take; k++)
			assert_int_equal((unsigned char)p[k], (unsigned char)out++);
		queue_drop(&q, take);
	}
	assert_true(was_full);
	queue_fini(&q);
}

static void queue_put_last_drops_the_oldest(void **state)
{
	struct queue q = {.limit = 5};
	size_t len;
	(void)state;
	assert_int_equal(queue_put_last(&q, "abc", 3), 0);
	assert_int_equal(queue_put_last(&q, "defg", 4), 2);
	assert_memory_equal(queue_head(&q, &len), "cdefg", 5);
	assert_int_equal(queue_put_last(&q, "0123456789", 10), 10);
	assert_memory_equal(queue_head(&q, &len), "56789", 5);
	assert_int_equal(len, 5);
	queue_fini(&q);
}

static void escapes_are_taken_out(void **state)
{
	struct term_escape e = {0};
	char out[32];
	size_t used;
	enum term_key key;
	(void)state;
	assert_int_equal(term_filter(&e,
				     "ab\x01\x01"
				     "c",
				     5, out, &used, &key),
			 4);
	assert_memory_equal(out,
			    "ab\x01"
			    "c",
			    4);
	assert_int_equal(key, TERM_NONE);
	assert_int_equal(term_filter(&e, "a\x01", 2, out, &used, &key),
			 1); /* split between two reads */
	assert_int_equal(term_filter(&e, "xrest", 5, out, &used, &key), 0);
	assert_int_equal(key, TERM_QUIT);
	assert_int_equal(used, 1);
	term_filter(&e, "\x01h", 2, out, &used, &key);
	assert_int_equal(key, TERM_HELP);
	term_filter(&e, "\x01q", 2, out, &used, &key);
	assert_int_equal(key, TERM_UNKNOWN);
	assert_int_equal(term_filter(&e, "x", 1, out, &used, &key), 1);
}

/* ---- a console with a device that is this test --------------------------------------------------
 */

struct bench {
	uv_loop_t loop;
	struct console console;
	int device;
	char dir[64], log[96], sock[96];
};

static void bench_make(struct bench *b)
{
	int sv[2];
	struct err err = {0};
	*b = (struct bench){.dir = "/tmp/outrigger-test-XXXXXX"};
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->log, sizeof(b->log), "%s/u.console", b->dir);
	snprintf(b->sock, sizeof(b->sock), "%s/console.u", b->dir);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	b->device = sv[0];
	uv_loop_init(&b->loop);
	int fds[CONSOLE_FDS] = {sv[1], -1, -1};
	assert_int_equal(console_start(&b->console, &b->loop, "u", fds, b->log, b->sock, &err), 0);
}

static void bench_end(struct bench *b)
{
	console_stop(&b->console);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&b->loop), 0);
	close(b->device);
	unlink(b->log);
	unlink(b->sock);
	assert_int_equal(rmdir(b->dir), 0);
}

static int client(struct bench *b)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	strcpy(sa.sun_path, b->sock);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void turns(struct bench *b, int n)
{
	while (n--)
		uv_run(&b->loop, UV_RUN_NOWAIT);
}

/* Reads what is there until nothing comes any more; appends to @out. */
static void drain(struct bench *b, int fd, struct sb *out)
{
	char buf[65536];
	for (int idle = 0; idle < 20;) {
		ssize_t n = read(fd, buf, sizeof(buf));
		if (n > 0)
			sb_addn(out, buf, (size_t)n);
		idle = n > 0 ? 0 : idle + 1;
		turns(b, 1);
	}
}

static void a_client_gets_the_scrollback_and_types(void **state)
{
	struct bench b;
	AUTO_SB got = {0};
	char buf[16];
	(void)state;
	bench_make(&b);
	assert_int_equal(write(b.device, "before ", 7), 7);
	turns(&b, 5);
	int fd = client(&b);
	turns(&b, 5);
	assert_int_equal(write(b.device, "after", 5), 5);
	drain(&b, fd, &got);
	assert_string_equal(sb_str(&got), "before after");
	assert_int_equal(write(fd, "keys", 4), 4);
	turns(&b, 5);
	assert_int_equal(read(b.device, buf, sizeof(buf)), 4);
	assert_memory_equal(buf, "keys", 4);
	close(fd);
	turns(&b, 5);
	bench_end(&b);
}

static void a_slow_client_never_holds_the_device_up(void **state)
{
	struct bench b;
	AUTO_SB got = {0};
	char chunk[4096];
	size_t sent = 0;
	struct stat st;
	(void)state;
	bench_make(&b);
	int fd = client(&b);
	turns(&b, 5);
	memset(chunk, 'x', sizeof(chunk));
	for (int i = 0; i < 20000 && sent < 4u << 20; i++) {
		ssize_t n = write(b.device, chunk, sizeof(chunk));
		sent += n > 0 ? (size_t)n : 0;
		turns(&b, 1);
	}
	assert_true(sent >= 4u << 20); /* although nobody read */
	drain(&b, fd, &got);
	assert_non_null(strstr(sb_str(&got), "bytes dropped: this client was too slow]"));
	assert_true(got.len >= CONSOLE_CLIENT_QUEUE);
	assert_int_equal(stat(b.log, &st), 0);
	assert_true(st.st_size <= CONSOLE_LOG_BYTES && st.st_size >= CONSOLE_LOG_BYTES / 2);
	close(fd);
	turns(&b, 5);
	bench_end(&b);
}

static void typing_stops_at_a_full_queue_and_goes_on(void **state)
{
	struct bench b;
	AUTO_SB got = {0};
	static char text[400000];
	size_t sent = 0;
	(void)state;
	bench_make(&b);
	int fd = client(&b);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 23);
	for (int i = 0; i < 2000; i++) { /* the device does not read */
		ssize_t n = write(fd, text + sent,
				  sizeof(text) - sent < 4096 ? sizeof(text) - sent : 4096);
		sent += n > 0 ? (size_t)n : 0;
		turns(&b, 1);
	}
	assert_true(sent < sizeof(text) + 1);
	assert_int_equal(queue_room(&b.console.in),
			 sent < sizeof(text) ? 0 : queue_room(&b.console.in));
	while (got.len < sizeof(text)) {
		size_t before = got.len;
		ssize_t n = sent < sizeof(text) ? write(fd, text + sent, sizeof(text) - sent) : 0;
		sent += n > 0 ? (size_t)n : 0;
		drain(&b, b.device, &got);
		assert_true(got.len > before);
	}
	assert_memory_equal(sb_str(&got), text, sizeof(text));
	close(fd);
	turns(&b, 5);
	bench_end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queue_keeps_order_and_limit),
		cmocka_unit_test(queue_put_last_drops_the_oldest),
		cmocka_unit_test(escapes_are_taken_out),
		cmocka_unit_test(a_client_gets_the_scrollback_and_types),
		cmocka_unit_test(a_slow_client_never_holds_the_device_up),
		cmocka_unit_test(typing_stops_at_a_full_queue_and_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
