/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/supervise.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fd.h"
#include "launcher/sup.h"
#include "launcher/sup_backend.h"
#include "launcher/verb.h"

/* ---- lines for people -------------------------------------------------------------------------
 */

static void line(struct sup *s, bool time, const char *fmt, va_list ap)
{
	AUTO_SB b = {0};
	sb_addf(&b, "%soutrigger: ", s->front_on ? front_line_begin(&s->front) : "");
	s->front.last = '\n';
	if (time)
		sb_addf(&b, "%6.1f ms  ", (double)(clock_now_ns() - s->opt.start_ns) / 1e6);
	size_t text = b.len;
	sb_addv(&b, fmt, ap);
	text_printable(b.s + text); /* it may quote a daemon */
	sb_add(&b, term_eol());
	fd_write_all(STDERR_FILENO, b.s, b.len);
}

void sup_say(struct sup *s, const char *fmt, ...)
{
	va_list ap;
	if (s->opt.quiet)
		return;
	va_start(ap, fmt);
	line(s, true, fmt, ap);
	va_end(ap);
}

void sup_tell(struct sup *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	line(s, false, fmt, ap);
	va_end(ap);
}

/* ---- signals and timers ------------------------------------------------------------------------
 */

static void on_signal(uv_signal_t *h, int sig)
{
	struct sup *s = h->data;
	if (sig == SIGCHLD) {
		sup_reap(s);
	} else if (sig == SIGCONT) {
		term_again();
	} else if (sig == SIGWINCH) {
		sup_front_size(s);
	} else if (s->stop_signals++ == 0) {
		sup_end(s, 128 + sig, "stopped by signal %d (%s)", sig, strsignal(sig));
	} else {
		sup_kill(s);
	}
}

static void signals_start(struct sup *s)
{
	static const int list[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGCONT, SIGWINCH};
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		uv_signal_init(&s->loop, &s->signals[i]);
		s->signals[i].data = s;
		uv_signal_start(&s->signals[i], on_signal, list[i]);
	}
}

static void start_late(uv_timer_t *t)
{
	struct sup *s = t->data;
	AUTO_SB waiting = {0};
	for (size_t i = 0; i < s->ndevices; i++)
		if (strcmp(s->devices[i].state, "serving") != 0)
			sb_addf(&waiting, "%s%s (%s)", waiting.len ? ", " : "",
				s->devices[i].cfg->name,
				s->devices[i].state[0] ? s->devices[i].state : "not docked");
	sup_end(s, EXIT_FAILED, "the VM did not start within %d s; %s%s", SUP_START_MS / 1000,
		waiting.len ? "not serving: " : "hv does not run the guest", sb_str(&waiting));
}

static void timeout_over(uv_timer_t *t)
{
	struct sup *s = t->data;
	if (s->saved)
		sup_end(s, EXIT_TIMEOUT, "guest stopped: its timeout ran out");
	else
		sup_end(s, EXIT_TIMEOUT, "guest stopped: the timeout of %.1f s ran out",
			(double)s->cfg->timeout_ns / 1e9);
}

static void timers_start(struct sup *s)
{
	uv_timer_t *all[] = {&s->start_timer, &s->grace_timer, &s->timeout_timer, &s->status_timer,
			     &s->verdict_timer};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		uv_timer_init(&s->loop, all[i]);
		all[i]->data = s;
	}
}

void sup_timeout_start(struct sup *s)
{
	uint64_t now = clock_now_ns();
	if (s->timeout_at_ns)
		uv_timer_start(&s->timeout_timer, timeout_over,
			       s->timeout_at_ns > now ? (s->timeout_at_ns - now) / 1000000 + 1 : 0,
			       0);
}

/* ---- the end ------------------------------------------------------------------------------------
 */

static void handle_close(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void sup_fini(struct sup *s)
{
	if (s->front_on)
		front_stop(&s->front);
	for (size_t i = 0; i < s->nconsoles; i++)
		console_stop(s->consoles[i]);
	for (size_t i = 0; i < s->ndevices; i++)
		sup_hand_drop(&s->devices[i]);
	uv_walk(&s->loop, handle_close, NULL);
	uv_run(&s->loop, s->front.writing ? UV_RUN_NOWAIT : UV_RUN_DEFAULT);
	ctl_close(s->hv_ctl);
	ctl_close(s->cli);
	uv_loop_close(&s->loop);
	backends_close(&s->backends);
	vmconfig_fini(&s->vmconfig);
	runtime_remove(&s->rt);
	sup_process_fini(&s->hv);
	for (size_t i = 0; i < s->ndevices; i++) {
		struct sup_device *dev = &s->devices[i];
		sup_process_fini(&dev->proc);
		sup_process_fini(&dev->standby);
		sup_process_fini(&dev->retired);
		free(dev->revive_program);
		sup_sets_free(dev->revive_set);
		sup_sets_free(dev->set);
		sup_sets_free(dev->new_set);
		backends_close(&dev->change);
	}
	fd_close(&s->launch_fd);
	fd_close(&s->adopted_epoll);
	free(s->devices);
	for (size_t i = 0; i < s->nconsoles; i++)
		free(s->consoles[i]);
	free(s->consoles);
	free(s->cli_config);
	free(s->config_path);
	if (s->saved) {
		config_fini(&s->saved_cfg);
		free(s->saved_models);
		ctl_free(&s->saved->base);
	}
	free(s);
}

static void drain_tick(uv_check_t *h)
{
	sup_consoles_review(h->data);
	sup_check_done(h->data);
}

static struct sup *sup_create(const struct models *m, const struct run_options *o)
{
	struct sup *s = xalloc(1, sizeof(*s));
	s->models = m;
	s->opt = *o;
	s->rt.lock_fd = s->rt.sup_fd = s->launch_fd = s->adopted_epoll = -1;
	s->front.epoll_fd = -1;
	setenv("UV_THREADPOOL_SIZE", "1", 0); /* it only writes standard output */
	ctl_setup();
	uv_loop_init(&s->loop);
	signals_start(s);
	timers_start(s);
	return s;
}

/* To the end of the VM. Returns the exit code. */
static int sup_run(struct sup *s)
{
	uv_check_t check; /* the console's last bytes leave by callbacks: look after each turn of
			     the loop */
	uv_check_init(&s->loop, &check);
	check.data = s;
	uv_check_start(&check, drain_tick);
	sup_check_done(s);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	term_restore();
	sup_tell(s, "%s", s->reason);
	int code = s->exit_code;
	sup_fini(s);
	return code;
}

int supervise(const struct config *c, const struct models *m, const struct run_options *o)
{
	struct sup *s = sup_create(m, o);
	time_t now = time(NULL);
	struct tm tm;
	s->cfg = c;
	strftime(s->started, sizeof(s->started), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	if (c->timeout_ns)
		s->timeout_at_ns = clock_now_ns() + c->timeout_ns;
	uv_timer_start(&s->start_timer, start_late, SUP_START_MS, 0);
	sup_timeout_start(s);
	int code = sup_start(s);
	if (code) {
		sup_fini(s);
		return code;
	}
	sup_hv_connect(s);
	return sup_run(s);
}

int supervise_adopt(const char *vm, const struct models *m, const struct run_options *o)
{
	struct sup *s = sup_create(m, o);
	int code = sup_adopt(s, vm);
	if (code) {
		sup_fini(s);
		return code;
	}
	return sup_run(s);
}
