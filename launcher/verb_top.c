/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. One thread: it sleeps in ppoll() until the next sample is due, a key is typed or a signal comes;
 * the signals that matter are blocked everywhere else, so none is missed between a look and a sleep. On a
 * terminal a page is one write(): home, each line with "erase to its end", then "erase below", so nothing flickers.
 * term.h restores the terminal on every way out.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "launcher/client.h"
#include "launcher/runtime.h"
#include "launcher/term.h"
#include "launcher/topview.h"
#include "launcher/verbs.h"
#include "proto/ctl.h"

#define INTERVAL_MIN_NS 100000000ull
#define INTERVAL_MAX_NS 3600000000000ull

static const struct option_def options[] = {
	{"interval", 'i', "TIME", "time between two samples, 100ms to 1h (1s)", "500ms 1s 2s 10s"},
	{"once", '1', NULL, "print one interval as a plain table and end", NULL},
	{"iterations", 'n', "N", "end after N intervals", NULL},
	OPTION_JSON,
	OPTIONS_END,
};

static volatile sig_atomic_t ended, resized, continued, suspended;

static void on_signal(int sig)
{
	if (sig == SIGWINCH)
		resized = 1;
	else if (sig == SIGCONT)
		continued = 1;
	else if (sig == SIGTSTP)
		suspended = 1;
	else
		ended = sig;
}

/** struct top - one run of the verb. */
struct top {
	char *vm, *base;
	uint64_t interval_ns, iterations; /* iterations 0: no end */
	bool json, live, keys; /* live: a page on the terminal; keys: standard input is one too */
	struct top_ui ui;
	struct top_view view;
	Outrigger__CliReply *last;
	sigset_t awake; /* the signal mask while it sleeps */
};

/* ---- the terminal ------------------------------------------------------------------------------------ */

static void screen_enter(struct top *t)
{
	t->keys = term_raw(STDIN_FILENO);
	term_screen(STDOUT_FILENO, true);
}

static void signals_start(struct top *t)
{
	static const int list[] = {SIGINT,   SIGTERM, SIGHUP,  SIGQUIT,
				   SIGWINCH, SIGCONT, SIGTSTP, SIGPIPE};
	struct sigaction sa = {.sa_handler = on_signal};
	sigset_t blocked;
	sigemptyset(&blocked);
	sigprocmask(SIG_SETMASK, NULL, &t->awake);
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		sigaction(list[i], &sa, NULL);
		sigaddset(&blocked, list[i]);
	}
	sigprocmask(SIG_BLOCK, &blocked, NULL); /* before nng starts its threads */
}

/* Leaves the terminal to the shell until we are continued. */
static void suspend(struct top *t)
{
	suspended = 0;
	term_restore();
	kill(getpid(), SIGSTOP);
	if (t->live)
		screen_enter(t);
}

/* Lines that end in \n become lines of the screen. */
static void screen_put(const struct sb *page)
{
	AUTO_SB b = {0};
	sb_add(&b, "\033[H");
	for (const char *p = sb_str(page); *p;) {
		size_t n = strcspn(p, "\n");
		sb_addn(&b, p, n);
		sb_add(&b, "\033[K");
		p += n;
		/* No newline after the last: the screen would scroll when the page fills it. */
		if (*p && *++p)
			sb_add(&b, "\r\n");
	}
	sb_add(&b, "\033[J");
	fd_write_all(STDOUT_FILENO, b.s, b.len);
}

static void draw(struct top *t)
{
	AUTO_SB page = {0};
	if (t->json) {
		top_json(&t->view, &page);
	} else {
		unsigned rows;
		if (!term_size(STDOUT_FILENO, &t->ui.width, &rows)) {
			t->ui.width = 132;
			rows = 24;
		}
		t->ui.height = t->live ? rows : 0;
		top_render(&t->view, &t->ui, &page);
	}
	if (t->live) {
		screen_put(&page);
		return;
	}
	if (!t->json && t->iterations != 1)
		sb_addc(&page, '\n');
	if (fd_write_all(STDOUT_FILENO, page.s, page.len) < 0)
		ended = SIGPIPE;
}

/* ---- samples ----------------------------------------------------------------------------------------- */

/* 0, or -Exxx: the VM gives no answer, or has none to give: it ended. */
static int sample(struct top *t, struct err *err)
{
	Outrigger__CliReply *r = NULL;
	int rc = client_ask(t->vm, "status", NULL, &r, err);
	if (rc < 0)
		return rc;
	if (!t->ui.paused)
		top_rates(&t->view, t->last, r);
	if (t->last)
		ctl_free(&t->last->base);
	t->last = r;
	return 0;
}

/* Handles what was typed. false: quit. */
static bool typed(struct top *t)
{
	char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));
	if (n <= 0)
		t->keys = false; /* the page goes on without */
	for (ssize_t i = 0; i < n; i++) {
		/* An arrow or function key: its letters mean nothing. */
		if (keys[i] == '\033')
			break;
		enum top_action a = top_key(&t->ui, keys[i]);
		if (a == TOP_QUIT)
			return false;
		if (a == TOP_SUSPEND)
			suspend(t);
		if (a != TOP_NOTHING)
			draw(t);
	}
	return true;
}

/* Sleeps until @until_ns; serves keys and the terminal meanwhile. false: quit. */
static bool sleep_until(struct top *t, uint64_t until_ns)
{
	for (;;) {
		uint64_t now = clock_now_ns();
		struct timespec left = clock_timespec(until_ns > now ? until_ns - now : 0);
		struct pollfd p = {.fd = t->live && t->keys ? STDIN_FILENO : -1, .events = POLLIN};
		int n = ppoll(&p, 1, &left, &t->awake);
		if (ended)
			return false;
		if (suspended)
			suspend(t);
		if (continued)
			term_again();
		if (t->live && (resized || continued))
			draw(t);
		resized = continued = 0;
		if (n > 0 && !typed(t))
			return false;
		if (n == 0)
			return true;
	}
}

/* The VM gave no answer: did it end? */
static int lost(struct top *t, const struct err *err)
{
	term_restore();
	if (runtime_alive(t->base, t->vm))
		return fail("%s", err->msg);
	fprintf(stderr, "outrigger: %s has ended\n", t->vm);
	return t->iterations ? EXIT_FAILED : EXIT_DONE; /* what was asked for could not be shown */
}

static int run(struct top *t)
{
	struct err err = {0};
	if (sample(t, &err) < 0)
		return fail("%s", err.msg);
	if (t->live) {
		screen_enter(t);
		draw(t);
	}
	uint64_t next = clock_now_ns();
	for (uint64_t i = 0; t->iterations == 0 || i < t->iterations; i++) {
		next += t->interval_ns;
		if (!sleep_until(t, next))
			break;
		if (sample(t, &err) < 0)
			return lost(t, &err);
		draw(t);
		if (clock_now_ns() > next + t->interval_ns) /* it was stopped, or the VM is slow */
			next = clock_now_ns();
	}
	term_restore();
	return ended ? 128 + (int)ended : EXIT_DONE;
}

/* ---- the verb ---------------------------------------------------------------------------------------- */

static int parse(struct top *t, const struct args *a)
{
	const char *interval = args_get(a, "interval"), *n = args_get(a, "iterations");
	const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
	t->interval_ns = 1000000000;
	if (interval && (text_duration(interval, true, &t->interval_ns) < 0 ||
			 t->interval_ns < INTERVAL_MIN_NS || t->interval_ns > INTERVAL_MAX_NS))
		return usage_error(a->verb, "--interval %s: write a time from 100ms to 1h",
				   interval);
	if (n && (text_u64(n, &t->iterations) < 0 || !t->iterations))
		return usage_error(a->verb, "--iterations %s: write a number from 1 up", n);
	if (args_flag(a, "once"))
		t->iterations = 1;
	bool screen = isatty(STDOUT_FILENO) && term && term[0] && strcmp(term, "dumb") != 0;
	t->json = args_flag(a, "json");
	t->live = screen && !t->json && !args_flag(a, "once");
	t->ui.live = t->live;
	t->ui.colour = screen && (!no_colour || !no_colour[0]);
	return EXIT_DONE;
}

static int top(const struct args *a)
{
	struct err err = {0};
	struct top *t = xalloc(1, sizeof(*t));
	int code = parse(t, a);
	if (code == EXIT_DONE) {
		t->vm = client_vm(a->noperands ? a->operand[0] : NULL, &t->base, &err);
		signals_start(t);
		code = t->vm ? run(t) : fail("%s", err.msg);
	}
	if (t->last)
		ctl_free(&t->last->base);
	free(t->vm);
	free(t->base);
	free(t);
	return code;
}

const struct verb verb_top = {
	.name = "top",
	.summary = "Watch a running VM: accesses, requests, bytes, latencies, interrupts",
	.operands = "[VM]",
	.max_operands = 1,
	.complete = "@vm",
	.options = options,
	.text = "A page that is drawn anew each interval; without a terminal, a plain table each "
		"interval. All figures but QD are of the last interval, and per second:\n"
		"\n  FWD-R  reads for which the guest waited for the device's process"
		"\n  FWD-W  writes likewise"
		"\n  POST   writes that the guest did not wait for"
		"\n  SHAD   reads served without the device's process"
		"\n  REQ    requests done; frames"
		"\n  IN     bytes to the guest; OUT: bytes from it"
		"\n  QD     requests in flight now"
		"\n  P50    half of the requests took no longer; P99: 99 of 100"
		"\n  IRQ    interrupts; WAKE: wake-ups of the device's process"
		"\n  ERR    failed requests; DROP: bytes or frames thrown away\n\n"
		"Latencies are upper edges of powers of two, in ns, us, ms or s; where there was "
		"no request, "
		"they are those of the accesses for which the guest waited. A narrow terminal "
		"leaves "
		"columns out.\n\n"
		"Keys: q quits, s and S change the order, p or space pauses, Ctrl-Z suspends. "
		"Colours only on a terminal, and not if NO_COLOR is set.",
	.fn = top,
};
